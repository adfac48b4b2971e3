"""Is this job still to be sent? What a queue message finds in the ledger, and who may be mailed."""

from collections.abc import Collection, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum

from tank_mailer.core.address import Address
from tank_mailer.core.errors import Reason
from tank_mailer.core.job import EmailJob
from tank_mailer.core.ledger import Row, State
from tank_mailer.core.pausing import NOT_THE_JOBS_OWN

# --- what a message finds (the second table of DESIGN 4) ---------------------------------------------


class Standing(StrEnum):
    """How the row stands at the moment that a message of its job is received."""

    NONE = "none"
    ACCEPTED = "accepted"
    ENDED = "ended"  # without a mail
    DEAD = "dead"  # its copy is on the dead-letter queue, or cannot be made
    DEAD_UNCOPIED = "dead_uncopied"
    DEAD_IN_DOUBT = "dead_in_doubt"  # given up because SES may have it; the message is older than that
    LEASED = "leased"  # sending, its lease alive
    LAPSED = "lapsed"  # sending, its lease over
    EARLY = "early"  # deferred or in doubt, not due
    DUE = "due"
    OVERDUE = "overdue"  # its own message should have come long ago


class Bond(StrEnum):
    """Whether the row is bound to this message, and whether the message says the same."""

    SAME = "same"  # same MessageId
    COPY = "copy"  # another MessageId, the same content
    OTHER = "other"  # another MessageId, other content


class Step(StrEnum):
    """What to do with the message."""

    BEGIN = "begin"
    BEGIN_AGAIN = "begin_again"  # a fresh start after an end without a mail
    GO_ON = "go_on"
    ADOPT = "adopt"  # bind the row to this message, then go on
    FINISH = "finish"  # only finish settling: delete
    COPY_AND_FINISH = "copy_and_finish"  # dead-letter once more, then delete
    DROP_DUPLICATE = "drop_duplicate"  # delete, note
    REFUSE_CONFLICT = "refuse_conflict"  # invalid: this id means another content
    HIDE = "hide"  # until the lease's end or the due time
    DOUBT = "doubt"  # the attempt's process died: the row becomes in doubt


_S, _C, _O = Bond.SAME, Bond.COPY, Bond.OTHER
WHAT_A_MESSAGE_FINDS: Mapping[tuple[Standing, Bond], Step] = {
    (Standing.NONE, _S): Step.BEGIN,
    (Standing.NONE, _C): Step.BEGIN,
    (Standing.NONE, _O): Step.BEGIN,
    (Standing.ACCEPTED, _S): Step.FINISH,
    (Standing.ACCEPTED, _C): Step.DROP_DUPLICATE,
    (Standing.ACCEPTED, _O): Step.REFUSE_CONFLICT,
    (Standing.ENDED, _S): Step.FINISH,
    (Standing.ENDED, _C): Step.BEGIN_AGAIN,
    (Standing.ENDED, _O): Step.BEGIN_AGAIN,
    (Standing.DEAD, _S): Step.FINISH,
    (Standing.DEAD, _C): Step.BEGIN_AGAIN,
    (Standing.DEAD, _O): Step.BEGIN_AGAIN,
    (Standing.DEAD_UNCOPIED, _S): Step.COPY_AND_FINISH,
    (Standing.DEAD_UNCOPIED, _C): Step.BEGIN_AGAIN,
    (Standing.DEAD_UNCOPIED, _O): Step.BEGIN_AGAIN,
    (Standing.DEAD_IN_DOUBT, _S): Step.FINISH,
    (Standing.DEAD_IN_DOUBT, _C): Step.DROP_DUPLICATE,  # the producer had put it twice
    (Standing.DEAD_IN_DOUBT, _O): Step.REFUSE_CONFLICT,
    (Standing.LEASED, _S): Step.HIDE,
    (Standing.LEASED, _C): Step.HIDE,
    (Standing.LEASED, _O): Step.HIDE,
    (Standing.LAPSED, _S): Step.DOUBT,
    (Standing.LAPSED, _C): Step.DOUBT,
    (Standing.LAPSED, _O): Step.DOUBT,
    (Standing.EARLY, _S): Step.HIDE,
    (Standing.EARLY, _C): Step.HIDE,
    (Standing.EARLY, _O): Step.REFUSE_CONFLICT,
    (Standing.DUE, _S): Step.GO_ON,
    (Standing.DUE, _C): Step.HIDE,
    (Standing.DUE, _O): Step.REFUSE_CONFLICT,
    (Standing.OVERDUE, _S): Step.GO_ON,
    (Standing.OVERDUE, _C): Step.ADOPT,
    (Standing.OVERDUE, _O): Step.REFUSE_CONFLICT,
}

EARLY_S = 1.0  # a message that comes so much before its time need not be hidden again
OVERDUE_S = 120.0  # how long past its due time a bound message may take to come


@dataclass(frozen=True, slots=True)
class Finding:
    """What to do with a message, and until when where it is to be hidden."""

    step: Step
    until: datetime | None = None


def find(row: Row | None, *, queue_message_id: str, content_hash: str, sent_at: datetime, now: datetime) -> Finding:
    """Look a message up in the table; `sent_at`: when it was put on the queue."""
    standing = _standing(row, now)
    if row is None or row.queue_message_id == queue_message_id:
        bond = Bond.SAME
    else:
        bond = Bond.COPY if row.content_hash == content_hash else Bond.OTHER
        if row.state is State.DEAD and row.reason is Reason.IN_DOUBT and sent_at <= row.updated_at:
            standing = Standing.DEAD_IN_DOUBT  # nobody has put it back since
    step = WHAT_A_MESSAGE_FINDS[standing, bond]
    if step is not Step.HIDE or row is None:
        return Finding(step)
    until = row.lease_ends_at if standing is Standing.LEASED else row.due_at
    if standing is Standing.DUE:  # the bound one is on its way; this one adopts the row if it does not come
        until = (row.due_at or now) + timedelta(seconds=OVERDUE_S + EARLY_S)
    return Finding(step, until)


def _standing(row: Row | None, now: datetime) -> Standing:
    if row is None:
        return Standing.NONE
    match row.state:
        case State.ACCEPTED:
            return Standing.ACCEPTED
        case State.INVALID | State.REFUSED | State.SUPPRESSED | State.EXPIRED | State.DRY_RUN:
            return Standing.ENDED
        case State.DEAD:
            return Standing.DEAD if row.copied_at else Standing.DEAD_UNCOPIED
        case State.SENDING:
            return Standing.LEASED if row.lease_ends_at and row.lease_ends_at > now else Standing.LAPSED
        case State.DEFERRED | State.IN_DOUBT:
            ahead_s = ((row.due_at or now) - now).total_seconds()
            if ahead_s > EARLY_S and not (row.state is State.DEFERRED and row.reason in NOT_THE_JOBS_OWN):
                return Standing.EARLY
            return Standing.OVERDUE if ahead_s < -OVERDUE_S else Standing.DUE


# --- may it be sent? -------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Admitted:
    """May be attempted."""


@dataclass(frozen=True, slots=True)
class Skipped:
    """Ends here, without a mail."""

    state: State
    reason: Reason
    detail: str


@dataclass(frozen=True, slots=True)
class Delivery:
    """What may be sent, and how.

    Attributes:
        dry_run: whether every job ends just before its mail.
        redirect_to: where every mail goes instead, if anywhere.
        allowed_senders: mailbox keys and domains that may be a From; empty: any.
        configuration_sets: names that a job may ask for.
    """

    dry_run: bool = False
    redirect_to: Address | None = None
    allowed_senders: frozenset[str] = frozenset()
    configuration_sets: frozenset[str] = frozenset()


def admit(job: EmailJob, *, delivery: Delivery, now: datetime) -> Admitted | Skipped:
    """Decide all that needs no look at the suppression list."""
    if job.expires_at is not None and job.expires_at <= now:
        return Skipped(State.EXPIRED, Reason.EXPIRED, f"expires_at was {job.expires_at.isoformat()}")
    if job.configuration_set is not None and job.configuration_set not in delivery.configuration_sets:
        return Skipped(
            State.INVALID,
            Reason.UNKNOWN_CONFIGURATION_SET,
            "configuration_set is none of those in TANK_CONFIGURATION_SET and TANK_CONFIGURATION_SETS",
        )
    if delivery.allowed_senders and not _may_send(job.sender, delivery.allowed_senders):
        return Skipped(State.REFUSED, Reason.SENDER_NOT_ALLOWED, "the from address is not in TANK_ALLOWED_SENDERS")
    if delivery.dry_run:
        return Skipped(State.DRY_RUN, Reason.DRY_RUN, "TANK_DELIVERY=dry_run: would have been sent")
    return Admitted()


def _may_send(sender: Address, allowed: Collection[str]) -> bool:
    return sender.key in allowed or sender.domain in allowed


def spare_suppressed(job: EmailJob, reasons: Mapping[str, Reason]) -> EmailJob | Skipped:
    """Leave out who may not be mailed; without a `to` the job ends (DESIGN 3).

    Args:
        job: the job.
        reasons: mailbox keys that may not be mailed, each with why.
    """
    spared = job.without(reasons)
    if spared.to:
        return spared
    if all(reasons.get(address.key) is Reason.STALE for address in job.to):
        detail = "nothing was delivered to any `to` recipient for TANK_STALE_AFTER_DAYS"
        return Skipped(State.SUPPRESSED, Reason.STALE, detail)
    return Skipped(State.SUPPRESSED, Reason.SUPPRESSED, "every `to` recipient is on the suppression list")
