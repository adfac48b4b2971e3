"""What the present rules make of bounces and complaints that older rules have judged."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta

from tank_mailer.core.bounce import SOFT_RUN, BounceFacts, Passed, judge_bounce, judge_complaint, soft_run
from tank_mailer.core.erasure import MARK
from tank_mailer.core.errors import Reason
from tank_mailer.core.event import EventKind
from tank_mailer.core.status import Status
from tank_mailer.core.suppression import EVENT, SOFT_DAYS, Entry, from_event


@dataclass(frozen=True, slots=True, kw_only=True)
class Judged:
    """An event as it stands in the store: what was told, and how it was judged then.

    Attributes:
        recipient: None: the whole mail.
        status: what it lets the recipient's status rise to; None: it says nothing about the delivery.
    """

    key: str
    kind: EventKind
    ses_message_id: str
    email_id: str | None
    recipient: str | None
    occurred_at: datetime
    recorded_at: datetime
    status: Status | None
    reason: str | None
    counts: bool
    facts: Mapping[str, object] = field(default_factory=dict, repr=False)


@dataclass(frozen=True, slots=True)
class Verdict:
    """An event as it was judged, and as it would be judged now.

    Attributes:
        suppresses: under which reason text it suppresses now; None: not at once.
    """

    before: Judged
    after: Judged
    suppresses: str | None = None

    @property
    def is_changed(self) -> bool:
        """Whether the rules say something else than they did."""
        return self.before != self.after


def judge_again(event: Judged, since: datetime | None = None) -> Verdict:
    """Judge by the present rules what can still be judged: of a person who was erased too little is left.

    What was recorded before `since` keeps its judgement; whether it suppresses is asked all the same.
    """
    if event.facts.get(MARK) or event.kind not in {EventKind.BOUNCE, EventKind.COMPLAINT}:
        return Verdict(event, event)
    told = {name: str(event.facts.get(name, "")) for name in ("type", "subtype", "action", "code", "diagnostic")}
    if event.kind is EventKind.BOUNCE:
        found = judge_bounce(BounceFacts(**told))
    else:
        found = judge_complaint(str(event.facts.get("feedback_type", "")), told["subtype"])
    if since is not None and event.recorded_at < since:
        return Verdict(event, event, found.suppresses)
    after = replace(event, status=found.status, reason=found.reason.value, counts=found.counts)
    return Verdict(event, after, found.suppresses)


# --- one address -----------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Standing:
    """A recipient's status in the books."""

    status: Status
    reason: str | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Case:
    """All that bears on one address.

    Attributes:
        events: bounces, complaints and deliveries that name it; of mails in `standings` also all others, and
            those about the whole mail. None says whose mail it is unless the job is known.
        entry: what the suppression list says of it, in force or not.
        let_go_at: when a person last took it off that list.
        standings: by email_id.
    """

    address: str
    events: Sequence[Judged]
    entry: Entry | None = None
    let_go_at: datetime | None = None
    standings: Mapping[str, Standing] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Restatus:
    """A recipient's status as it would be by the present rules.

    Attributes:
        because: the event that decides; None: nothing speaks for more than that SES took the mail.
    """

    email_id: str
    before: Standing
    after: Standing
    because: Judged | None


@dataclass(frozen=True, slots=True)
class Plan:
    """What is to be changed about one address."""

    address: str
    verdicts: Sequence[Verdict]  # changed ones only
    entry_before: Entry | None
    entry_after: Entry | None
    restatuses: Sequence[Restatus] = ()

    @property
    def changes_entry(self) -> bool:
        """Whether the suppression list is touched."""
        return self.entry_before != self.entry_after

    def __bool__(self) -> bool:
        """Whether there is anything to do."""
        return bool(self.verdicts or self.restatuses or self.changes_entry)


def plan(case: Case, *, since: datetime | None, now: datetime) -> Plan:
    """Decide what the present rules change about one address; nothing where they judge as before."""
    verdicts = [judge_again(event, since) for event in sorted(case.events, key=lambda event: event.occurred_at)]
    own = [verdict for verdict in verdicts if verdict.before.recipient is not None]
    return Plan(
        address=case.address,
        verdicts=[verdict for verdict in own if verdict.is_changed],
        entry_before=case.entry,
        entry_after=_entry(case, own, now),
        restatuses=list(_restatuses(case, verdicts)),
    )


def _entry(case: Case, verdicts: Sequence[Verdict], now: datetime) -> Entry | None:
    """The entry as it should be: a person's and the account's stay as they are."""
    old = case.entry
    stands = old is not None and old.is_in_force(now)
    if old is not None and stands and old.source != EVENT:
        return old
    is_baseless = old is not None and stands and not _is_upheld(old, verdicts)
    new = None if is_baseless else old
    for verdict in verdicts:  # if the entry has lost its event, any other may speak for it
        if not (is_baseless or verdict.is_changed) or verdict.suppresses is None or _was_let_go(case, verdict):
            continue
        new = from_event(
            new, address=case.address, reason=verdict.suppresses, event_key=verdict.before.key, at=now, ends_at=None
        )
    if last := _end_of_run(verdicts, is_baseless=is_baseless):
        ends_at = last.before.recorded_at + timedelta(days=SOFT_DAYS)
        if ends_at > now and not _was_let_go(case, last):
            reason, key = Reason.SOFT_BOUNCES.value, last.before.key
            new = from_event(new, address=case.address, reason=reason, event_key=key, at=now, ends_at=ends_at)
    if new is not None and is_baseless and old is not None:
        return replace(new, address=old.address, created_at=old.created_at)
    return new


def _is_upheld(entry: Entry, verdicts: Sequence[Verdict]) -> bool:
    """Whether the present rules would make it of its own event; one whose event is gone, or was erased, stays."""
    maker = next((verdict for verdict in verdicts if verdict.before.key == entry.event_key), None)
    if maker is None or maker.before.facts.get(MARK) or maker.suppresses is not None:
        return True
    if entry.reason != Reason.SOFT_BOUNCES:
        return False
    if not any(verdict.before.counts != verdict.after.counts for verdict in verdicts):
        return True  # the run was counted by the same rules; what came later does not undo it
    until = maker.before.occurred_at
    return _run([verdict.after for verdict in verdicts if verdict.before.occurred_at <= until]) >= SOFT_RUN


def _end_of_run(verdicts: Sequence[Verdict], *, is_baseless: bool) -> Verdict | None:
    """The newest of a run of soft bounces that suppresses, if the rules have made one of them count."""
    has_grown = any(verdict.after.counts and not verdict.before.counts for verdict in verdicts)
    if not (has_grown or is_baseless) or _run([verdict.after for verdict in verdicts]) < SOFT_RUN:
        return None
    return [verdict for verdict in verdicts if verdict.after.counts][-1]


def _run(events: Sequence[Judged]) -> int:
    return soft_run(
        [
            Passed(event.occurred_at, event.ses_message_id, event.kind is EventKind.DELIVERY)
            for event in events
            if event.kind is EventKind.DELIVERY or event.counts
        ]
    )


def _was_let_go(case: Case, verdict: Verdict) -> bool:
    """Whether a person took the address off the list, knowing of this event."""
    return case.let_go_at is not None and case.let_go_at >= verdict.before.recorded_at


def _restatuses(case: Case, verdicts: Sequence[Verdict]) -> Iterator[Restatus]:
    """Statuses by the present rules; lowered only where a judgement that has changed had raised them."""
    for email_id, standing in sorted(case.standings.items()):
        of_mail = [verdict for verdict in verdicts if verdict.before.email_id == email_id]
        changed = [verdict for verdict in of_mail if verdict.is_changed]
        speaking = [verdict.after for verdict in of_mail if verdict.after.status is not None]
        best = max(speaking, key=lambda event: event.status or 0, default=None)
        after = Standing(Status.ACCEPTED, None)
        if best is not None and best.status is not None and best.status > Status.ACCEPTED:
            after = Standing(best.status, best.reason)
        was_raised = any(verdict.before.status == standing.status for verdict in changed)
        rises, falls = after.status > standing.status, after.status < standing.status and was_raised
        says_why = after.status == standing.status and was_raised and after.reason != standing.reason
        if changed and (rises or falls or says_why):
            yield Restatus(email_id, standing, after, best)
