"""Which alerts hold, by all that one node knows."""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from types import MappingProxyType
from typing import Final

from tank_mailer.core.alerts import PAUSES, AlertName
from tank_mailer.core.outcome import Concern, Concerned
from tank_mailer.core.pausing import Extent, extent_of, name_of
from tank_mailer.core.renewal import retention_margin_s
from tank_mailer.core.reputation import Fine, Kind, Rate, Stop, Warn, describe
from tank_mailer.core.situation import Situation
from tank_mailer.core.view import PauseView

EVENTS_WITHIN: Final = timedelta(minutes=15)  # of an acceptance; usually seconds (SES)
MOST_KEY_AGE: Final = timedelta(days=90)  # the usual rule (aws-facts 8)
DOUBTS: Final = 10  # in doubt, and as many more than a while ago: a handful is any bad minute's
LOW_DISK: Final = 2  # times TANK_MIN_FREE_BYTES
MIB: Final = 1024 * 1024
_WORDS: Final = ((86_400.0, "days"), (3_600.0, "hours"), (60.0, "minutes"), (1.0, "seconds"))
_BY_LANE: Final = frozenset({Concerned.QUEUE, Concerned.QUOTA, Concerned.REPUTATION, Concerned.SUSPECT})


@dataclass(frozen=True, slots=True)
class Finding:
    """An alert that holds.

    Attributes:
        detail: in a sentence, without addresses.
        remedy: a closer one than the alert's own; "": there is none.
    """

    name: AlertName
    subject: str
    detail: str
    remedy: str = ""


@dataclass(frozen=True, slots=True)
class Unknown:
    """An alert of which nothing can be said; `subject` None: of any."""

    name: AlertName
    subject: str | None = None


Judged = Finding | Unknown


@dataclass(frozen=True, slots=True)
class Judgement:
    """What holds, each alert and subject once, and what nothing can be said of."""

    found: Sequence[Finding]
    unknown: frozenset[Unknown]

    def is_unknown(self, name: AlertName, subject: str) -> bool:
        """Whether it may or may not hold."""
        return not self.unknown.isdisjoint({Unknown(name), Unknown(name, subject)})


def judge(situation: Situation) -> Judgement:
    """Go through all alerts."""
    judged = [one for rule in _RULES for one in rule(situation)]
    found = dict[tuple[str, str], Finding]()
    for one in judged:
        if isinstance(one, Finding):
            found.setdefault((one.name, one.subject), one)
    return Judgement(tuple(found.values()), frozenset(one for one in judged if isinstance(one, Unknown)))


def span(seconds: float) -> str:
    """How long something is, in words."""
    for size, word in _WORDS:
        if seconds >= 2 * size:
            return f"{seconds / size:.0f} {word}"
    return "a moment"


def _count(number: int, word: str) -> str:
    return f"{number} {word}{'' if number == 1 else 's'}"


def _since(at: datetime, now: datetime) -> str:
    return span((now - at).total_seconds())


# --- jobs ------------------------------------------------------------------------------------------


def _dead_letters(now: Situation) -> Iterator[Judged]:
    for queue, messages in now.dead_letters.items():
        if messages is None:
            yield Unknown(AlertName.DEAD_LETTERS, queue)
        elif messages:
            yield Finding(AlertName.DEAD_LETTERS, queue, f"{_count(messages, 'message')} on {queue}")


def _dead_uncopied(now: Situation) -> Iterator[Judged]:
    if not now.has_store:
        yield Unknown(AlertName.DEAD_UNCOPIED)
    elif now.dead_uncopied:
        yield Finding(AlertName.DEAD_UNCOPIED, "", f"{_count(now.dead_uncopied, 'job')} without a copy on any queue")


def _job_old(now: Situation) -> Iterator[Judged]:
    """SQS does not tell its oldest message's age: it is that of what was received lately, or has not ended."""
    seen = [(at, f"in the ledger, {state}") for state, at in now.oldest.items()]
    seen += [
        (one.oldest_sent_at, f"received on the {lane} lane") for lane, one in now.lanes.items() if one.oldest_sent_at
    ]
    at, where = min(seen, default=(now.now, ""))
    if (now.now - at).total_seconds() > now.max_job_age_s:
        yield Finding(AlertName.JOB_OLD, "", f"the oldest known is {_since(at, now.now)} old ({where})")
    elif not now.has_store:
        yield Unknown(AlertName.JOB_OLD)


def _job_near_retention(now: Situation) -> Iterator[Judged]:
    for lane, one in now.lanes.items():
        if one.retention_s is None:
            yield Unknown(AlertName.JOB_NEAR_RETENTION, lane)
            continue
        waits_since = _not_received_since(now, lane) if one.visible and not one.is_polled else None
        at = min((at for at in (one.oldest_sent_at, waits_since) if at is not None), default=now.now)
        left_s = one.retention_s - (now.now - at).total_seconds()
        if left_s < retention_margin_s(one.retention_s):
            what = f"the oldest known is {_since(at, now.now)} old"
            if at == waits_since:
                what = f"nothing was received for {_since(at, now.now)}, and {one.visible} wait"
            yield Finding(AlertName.JOB_NEAR_RETENTION, lane, f"{what}; SQS keeps a message {span(one.retention_s)}")


def _not_received_since(now: Situation, lane: str) -> datetime:
    """By what this process knows; a start within a pause makes nothing younger that waits for its end."""
    begun = [pause.since for pause in now.pauses if _stops(pause, lane)]
    return now.lanes[lane].last_poll_at or min([now.began_at, *begun])


def _stops(pause: PauseView, lane: str) -> bool:
    concern = Concern(Concerned(pause.concern), pause.name)
    extent = extent_of(concern)
    return extent is Extent.ALL or (extent in {Extent.LANE, Extent.POLLING} and name_of(concern) == lane)


def _doubts_growing(now: Situation) -> Iterator[Judged]:
    if not now.has_store or now.doubts_before is None:
        yield Unknown(AlertName.DOUBTS_GROWING)
    elif now.doubts >= DOUBTS and now.doubts - now.doubts_before >= DOUBTS:
        detail = f"{now.doubts} in doubt, {now.doubts - now.doubts_before} more than a quarter of an hour ago"
        yield Finding(AlertName.DOUBTS_GROWING, "", detail)


def _duplicates_proven(now: Situation) -> Iterator[Judged]:
    if jobs := now.happened.get(AlertName.DUPLICATES_PROVEN):
        yield Finding(AlertName.DUPLICATES_PROVEN, "", f"{_count(jobs, 'job')} with more than one mail")


# --- reputation and quota --------------------------------------------------------------------------

_HIGH: Final = MappingProxyType(
    {
        Kind.BOUNCES: (AlertName.BOUNCES_HIGH, AlertName.BOUNCES_DANGER),
        Kind.COMPLAINTS: (AlertName.COMPLAINTS_HIGH, AlertName.COMPLAINTS_DANGER),
    }
)


def _reputation(now: Situation) -> Iterator[Judged]:
    for kind, (high, danger) in _HIGH.items():
        match (now.standings or {}).get(kind):
            case None:
                yield from (Unknown(high), Unknown(danger))
            case Warn(worst):
                yield Finding(high, "", _rate(worst, now.lines.line(kind).pause))
            case Stop(worst) as stop:
                yield Finding(high, "", _rate(worst, now.lines.line(kind).pause))
                yield Finding(danger, "", describe(stop, now.lines))
            case Fine():
                pass


def _rate(worst: Rate, pause: float) -> str:
    what = f"{worst.rate:.2%} of {worst.volume} recipients in a {worst.window}"
    return f"{what}; after {worst.left} more the ordinary lane pauses, at {pause:.2%}"


def _account_reviewed(now: Situation) -> Iterator[Judged]:
    if now.is_reviewed is None:
        yield Unknown(AlertName.ACCOUNT_REVIEWED)
    elif now.is_reviewed:
        yield Finding(AlertName.ACCOUNT_REVIEWED, "", "enforcement status PROBATION")


def _quota(now: Situation) -> Iterator[Judged]:
    for step, name in ((0.8, AlertName.QUOTA_80), (0.95, AlertName.QUOTA_95)):
        if now.quota is None:
            yield Unknown(name)
        elif now.quota_step >= step and now.quota.limit:
            share = now.quota.used / now.quota.limit
            used = f"{now.quota.used:.0f} of {now.quota.limit:.0f} recipients in 24 hours"
            yield Finding(name, "", f"{used}, {share:.0%}")


# --- pauses ----------------------------------------------------------------------------------------


def _pauses(now: Situation) -> Iterator[Judged]:
    senders = sum(pause.concern == Concerned.SENDER for pause in now.pauses)
    for pause in now.pauses:
        concerned = Concerned(pause.concern)
        detail = f"{pause.reason}: {pause.detail}" if pause.detail else pause.reason
        if concerned is Concerned.SENDER:  # SES quotes addresses, and the sender is one
            detail = f"{pause.reason}: {_count(senders, 'sender')}"
        yield Finding(PAUSES[concerned], _pause_subject(concerned, pause.name, now.node), detail, pause.remedy or "")


def _pause_subject(concerned: Concerned, name: str, node: str) -> str:
    """Whose; never an address."""
    if concerned is Concerned.STORE:
        return node
    if concerned is Concerned.OPERATOR:
        return "sender" if name.startswith("sender/") else name
    return name if concerned in _BY_LANE or concerned is Concerned.CONFIGURATION_SET else ""


# --- the ways in and back --------------------------------------------------------------------------


def _queue_silent(now: Situation) -> Iterator[Judged]:
    for lane, one in now.lanes.items():
        if one.visible is None:
            yield Unknown(AlertName.QUEUE_SILENT, lane)
        elif one.is_silent:
            yield Finding(
                AlertName.QUEUE_SILENT,
                lane,
                f"{_count(one.visible or 0, 'message')} on the queue, and polls bring nothing",
            )


def _events_silent(now: Situation) -> Iterator[Judged]:
    """A store that never had an event says nothing of mail from before this process: the channel may be new."""
    if not now.has_channel:
        return
    unheard_since = now.unheard_since
    if now.last_event_at is None and unheard_since is not None:
        unheard_since = max(unheard_since, now.began_at)
    if not now.has_store:
        yield Unknown(AlertName.EVENTS_SILENT)
    elif unheard_since is None:
        return
    elif now.now - unheard_since >= EVENTS_WITHIN:
        last = (
            f"the last event came {_since(now.last_event_at, now.now)} ago" if now.last_event_at else "none ever came"
        )
        detail = f"SES took mail {_since(unheard_since, now.now)} ago; {last}"
        yield Finding(AlertName.EVENTS_SILENT, "", detail)
    elif now.last_event_at is None:
        yield Unknown(AlertName.EVENTS_SILENT)


def _events_lost(now: Situation) -> Iterator[Judged]:
    if mails := now.happened.get(AlertName.EVENTS_LOST):
        yield Finding(AlertName.EVENTS_LOST, "", f"no event of {_count(mails, 'mail')} that SES took a day ago")


def _canary_lost(now: Situation) -> Iterator[Judged]:
    if now.canary_is_lost is None:
        yield Unknown(AlertName.CANARY_LOST)
    elif now.canary_is_lost:
        yield Finding(AlertName.CANARY_LOST, "", "no event of the last canary came back")


def _webhook_failing(now: Situation) -> Iterator[Judged]:
    if now.webhook is not None:
        detail = f"for {_since(now.webhook.since, now.now)}: {now.webhook.detail}"
        yield Finding(AlertName.WEBHOOK_FAILING, "", detail)
    elif not now.webhook_is_known:
        yield Unknown(AlertName.WEBHOOK_FAILING)


# --- this host -------------------------------------------------------------------------------------


def _disk_low(now: Situation) -> Iterator[Judged]:
    if not now.has_store:
        yield Unknown(AlertName.DISK_LOW, now.node)
    elif now.free_bytes is not None and now.free_bytes < LOW_DISK * now.min_free_bytes:
        free, least = now.free_bytes // MIB, now.min_free_bytes // MIB
        yield Finding(AlertName.DISK_LOW, now.node, f"{free} MiB free; mail pauses below {least} MiB")


def _key_old(now: Situation) -> Iterator[Judged]:
    if now.key_created_at is None:
        yield Unknown(AlertName.KEY_OLD)
    elif now.now - now.key_created_at > MOST_KEY_AGE:
        yield Finding(AlertName.KEY_OLD, "", f"the key is {_since(now.key_created_at, now.now)} old")


_RULES: Final[Sequence[Callable[[Situation], Iterator[Judged]]]] = (
    *(_dead_letters, _dead_uncopied, _job_old, _job_near_retention, _doubts_growing, _duplicates_proven),
    *(_reputation, _account_reviewed, _quota, _pauses),
    *(_queue_silent, _events_silent, _events_lost, _canary_lost, _webhook_failing),
    *(_disk_low, _key_old),
)
