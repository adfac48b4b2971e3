"""How an alert comes and goes: state changes only, folded, and none that swings about its line is told each time.

What is on stands on a book that nodes share. Each step says what it replaces, so of several nodes one takes it.
"""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from typing import Final

from tank_mailer.core.alertrules import Finding, Judgement
from tank_mailer.core.alerts import EVENT_LASTS_S, RULES, AlertName, AlertRule, Severity

QUIET: Final = timedelta(minutes=30)  # one that is over and comes again is told no more often
GONE: Final = timedelta(minutes=10)  # a node that has not said so for that long does not say so any more
FORGOTTEN: Final = timedelta(days=1)  # of which nothing can be known, or whose end nobody could be told
OTHERS_S: Final = 45.0  # another node may have looked last, and looks again within

Key = tuple[AlertName, str]


@dataclass(frozen=True, slots=True, kw_only=True)
class Entry:
    """One alert on the book.

    Attributes:
        subject: what it is about; "": there is nothing to choose from.
        node: which found it first.
        since: when it was first so.
        seen_at: when a node last found it so.
        told_at: when its being on was told; before `since`: of an earlier time.
        ended_at: when it was found to be over.
        closed_at: nothing more is to be told of it.
    """

    name: AlertName
    subject: str
    severity: Severity
    node: str
    since: datetime
    seen_at: datetime
    detail: str
    remedy: str
    told_at: datetime | None = None
    ended_at: datetime | None = None
    closed_at: datetime | None = None

    @property
    def key(self) -> Key:
        """What tells it from others."""
        return self.name, self.subject

    @property
    def rule(self) -> AlertRule:
        """Its row of the table."""
        return RULES[self.name]

    @property
    def is_on(self) -> bool:
        """Whether it holds, as far as is known."""
        return self.ended_at is None

    @property
    def is_told(self) -> bool:
        """Whether its being on was told."""
        return self.told_at is not None and self.told_at >= self.since


# --- steps -----------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Raise:
    """Put it on the book; in place of the same one that `ended_at` then, or of none."""

    entry: Entry
    ended_at: datetime | None = None


@dataclass(frozen=True, slots=True)
class See:
    """It is still so."""

    entry: Entry


@dataclass(frozen=True, slots=True)
class End:
    """It is over, unless somebody has seen it since `entry` was read."""

    entry: Entry
    at: datetime


@dataclass(frozen=True, slots=True)
class Tell:
    """It was told that it is on."""

    entry: Entry
    at: datetime


@dataclass(frozen=True, slots=True)
class Close:
    """Its end was told, or nobody is to be told."""

    entry: Entry
    at: datetime


@dataclass(frozen=True, slots=True)
class Forget:
    """Take it off the book."""

    entry: Entry


Step = Raise | See | End | Tell | Close | Forget


# --- what is on ------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True, kw_only=True)
class Looker:
    """Who looks.

    Attributes:
        began_at: when this process first looked: what was on before it cannot have been over for longer.
        has_others: whether other nodes may look at the same things.
    """

    node: str
    began_at: datetime
    has_others: bool = False


@dataclass(frozen=True, slots=True)
class Plan:
    """What to do.

    Attributes:
        waits: since when alerts hold that are not raised yet.
    """

    steps: Sequence[Step] = ()
    waits: Mapping[Key, datetime] = field(default_factory=dict)


def plan(
    entries: Collection[Entry], judgement: Judgement, waits: Mapping[Key, datetime], *, now: datetime, looker: Looker
) -> Plan:
    """Compare what holds with what stands on the book."""
    known = {entry.key: entry for entry in entries}
    steps, waiting = list[Step](), dict[Key, datetime]()
    for found in judgement.found:
        key, rule = (found.name, found.subject), RULES[found.name]
        entry = known.get(key)
        if entry is not None and entry.is_on:
            steps.append(See(replace(entry, seen_at=now, detail=found.detail, remedy=found.remedy or rule.remedy)))
            continue
        since = waits.get(key, now)
        if (now - since).total_seconds() >= rule.raise_after_s:
            steps.append(
                Raise(_entry(found, since=since, now=now, node=looker.node), None if entry is None else entry.ended_at)
            )
        else:
            waiting[key] = since
    holds = {(found.name, found.subject) for found in judgement.found}
    for entry in known.values():
        if entry.is_on and entry.key not in holds and _is_over(entry, judgement, now=now, looker=looker):
            steps.append(End(entry, now))
        elif not entry.is_on and _is_forgotten(entry, now):
            steps.append(Forget(entry))
    return Plan(steps, waiting)


def _entry(found: Finding, *, since: datetime, now: datetime, node: str) -> Entry:
    rule = RULES[found.name]
    return Entry(
        name=found.name,
        subject=found.subject,
        severity=rule.severity,
        node=node,
        since=since,
        seen_at=now,
        detail=found.detail,
        remedy=found.remedy or rule.remedy,
    )


def _is_over(entry: Entry, judgement: Judgement, *, now: datetime, looker: Looker) -> bool:
    rule, unseen = entry.rule, now - entry.seen_at
    if rule.is_event:
        return unseen.total_seconds() >= EVENT_LASTS_S
    if rule.is_local and entry.subject != looker.node:
        return unseen >= GONE
    if judgement.is_unknown(entry.name, entry.subject):
        return unseen >= FORGOTTEN
    clear_after_s = max(rule.clear_after_s, OTHERS_S if looker.has_others else 0.0)
    return (now - max(entry.seen_at, looker.began_at)).total_seconds() >= clear_after_s


def _is_forgotten(entry: Entry, now: datetime) -> bool:
    """A closed one is kept for as long as it is not to be told again."""
    is_quiet_over = (
        entry.closed_at is not None and now - max(entry.closed_at, entry.told_at or entry.closed_at) >= QUIET
    )
    return is_quiet_over or (entry.ended_at is not None and now - entry.ended_at >= FORGOTTEN)


# --- what is to be told ----------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class News:
    """What people are to be told, in one message.

    Attributes:
        quiet: ends that nobody is told of.
    """

    firing: Sequence[Entry] = ()
    recovered: Sequence[Entry] = ()
    quiet: Sequence[Entry] = ()

    @property
    def is_none(self) -> bool:
        """Whether there is nothing to tell."""
        return not self.firing and not self.recovered


def news(entries: Collection[Entry], *, now: datetime) -> News:
    """What of the book has not been told, the oldest first.

    One that came and went while nobody could be told is told as over; one that came again too soon, and went, is not.
    """
    firing, recovered, quiet = list[Entry](), list[Entry](), list[Entry]()
    for entry in sorted(entries, key=lambda one: (one.since, one.name, one.subject)):
        if entry.is_on:
            if not entry.is_told and (entry.told_at is None or now - entry.told_at >= QUIET):
                firing.append(entry)
        elif entry.closed_at is None:
            is_news = not entry.rule.is_event and (entry.is_told or entry.told_at is None)
            (recovered if is_news else quiet).append(entry)
    return News(firing, recovered, quiet)
