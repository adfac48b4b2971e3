"""May what was put aside go back on its queue? What the daemon would find, before it has to find it."""

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from types import MappingProxyType
from typing import Final

from tank_mailer.core.errors import Reason
from tank_mailer.core.gate import Delivery, Skipped, Step, admit, find, spare_suppressed
from tank_mailer.core.job import EmailJob
from tank_mailer.core.ledger import UNFINISHED, Row, State

# SES may have sent the mail of a job that was given up for one of these.
DOUBTFUL: Final = frozenset({Reason.IN_DOUBT, Reason.ANSWER_LOST, Reason.ANSWER_UNCLEAR, Reason.PROCESS_DIED})


@dataclass(frozen=True, slots=True)
class Objection:
    """Why it is not put back.

    Attributes:
        reason: where the daemon would say it in the same word.
        text: for people, as the end of a sentence.
    """

    reason: Reason | None
    text: str


@dataclass(frozen=True, slots=True)
class Surroundings:
    """What the ledger knows of a job.

    Attributes:
        held_back: its recipients that may not be mailed, by mailbox key, each with why.
    """

    row: Row | None = None
    held_back: Mapping[str, Reason] = field(default_factory=lambda: MappingProxyType({}))


@dataclass(frozen=True, slots=True, kw_only=True)
class Rules:
    """By what it is judged.

    Attributes:
        delivery: what the daemon may send.
        may_double: jobs too whose mail SES may have sent already.
    """

    delivery: Delivery
    may_double: bool = False

    @property
    def mailed(self) -> Delivery:
        """Without a rehearsal: that one more would be rehearsed keeps nothing from its queue."""
        return replace(self.delivery, dry_run=False)


def recipients_of(job: EmailJob, delivery: Delivery) -> frozenset[str]:
    """Whom the suppression list is asked about, by mailbox key."""
    return frozenset(address.key for address in _as_mailed(job, delivery).recipients)


def object_to(
    job: EmailJob,
    around: Surroundings,
    *,
    message_id: str,
    given_up_for: str,
    rules: Rules,
    now: datetime,
) -> Objection | None:
    """Say why a job may not go back on its queue as a new message; None: it may.

    Args:
        job: as it would be put back.
        around: what the ledger knows of it.
        message_id: of the queue message that it was last on. A row that waits for this very message waits in vain:
            the daemon adopts the new one.
        given_up_for: the reason that it was put aside for.
        rules: by what it is judged.
        now: the time.
    """
    return (
        _by_the_ledger(job, around.row, message_id=message_id, now=now)
        or _by_doubt(around.row, given_up_for, may_double=rules.may_double)
        or _by_the_gate(job, around, rules.mailed, now)
    )


def _by_the_ledger(job: EmailJob, row: Row | None, *, message_id: str, now: datetime) -> Objection | None:
    if row is None:
        return None
    sent_at = max(now, row.updated_at + timedelta(seconds=1))  # it would be put there after all that is on record
    step = find(row, queue_message_id="", content_hash=job.content_hash, sent_at=sent_at, now=now).step
    if step in {Step.BEGIN, Step.BEGIN_AGAIN, Step.ADOPT}:
        return None
    if row.state is State.ACCEPTED:
        if step is Step.DROP_DUPLICATE:
            return Objection(Reason.DUPLICATE, "accepted meanwhile")
        other = "another job was accepted under this email_id; give this one its own"
        return Objection(Reason.ID_CONFLICT, other)
    if row.state in UNFINISHED and step is Step.HIDE and row.state is not State.SENDING:
        if row.queue_message_id == message_id:
            return None  # nobody else brings it on its way
    elif row.queue_message_id == message_id and step is Step.DOUBT and row.content_hash == job.content_hash:
        return None  # the attempt's process is gone: the daemon settles that doubt as any other
    return Objection(None, f"a job with this email_id is under way ({row.state}); see `tank-mailer status`")


def _by_doubt(row: Row | None, given_up_for: str, *, may_double: bool) -> Objection | None:
    reasons = {given_up_for}
    if row is not None and row.state is State.DEAD and row.reason is not None:
        reasons.add(row.reason)
    doubts = sorted(reasons & DOUBTFUL)
    if not doubts or may_double:
        return None
    text = f"{doubts[0]}: SES may have sent this mail; --may-double puts it back all the same"
    return Objection(Reason(doubts[0]), text)


def _by_the_gate(job: EmailJob, around: Surroundings, delivery: Delivery, now: datetime) -> Objection | None:
    admitted = admit(job, delivery=delivery, now=now)
    if isinstance(admitted, Skipped):
        return _said(job, admitted)
    spared = spare_suppressed(_as_mailed(job, delivery), around.held_back)
    return _said(job, spared) if isinstance(spared, Skipped) else None


def _said(job: EmailJob, skipped: Skipped) -> Objection:
    reason = skipped.reason
    if reason is Reason.EXPIRED and job.expires_at is not None:
        return Objection(reason, f"{reason}: its expires_at, {job.expires_at.isoformat()}, has passed")
    if skipped.state is State.SUPPRESSED:
        return Objection(reason, f"{reason}: {skipped.detail}; see `tank-mailer suppress check ADDRESS`")
    return Objection(reason, f"it would end {skipped.state}: {reason}, {skipped.detail}")


def _as_mailed(job: EmailJob, delivery: Delivery) -> EmailJob:
    return job if delivery.redirect_to is None else job.redirected(delivery.redirect_to)
