"""A dead letter as a person sees it: what a message on the dead-letter queue tells of itself, and which ones are meant.

Its note, the attribute `tank`, is what `flows.dead_letters` wrote there; but whoever may send to that queue can write
one, so nothing in it is believed to be well-formed.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from typing import Any

from tank_mailer.core.address import AddressError, parse_address
from tank_mailer.core.errors import Reason
from tank_mailer.core.fields import FieldError
from tank_mailer.core.job import EmailJob, InvalidJob, parse_job
from tank_mailer.core.lanes import LANES
from tank_mailer.core.ledger import Row, State
from tank_mailer.core.moments import read_moment
from tank_mailer.core.rawjson import read_object

MAX_TEXT_CHARACTERS = 500  # ours: of each text in a note
REMEDIES: Mapping[Reason, str] = {
    Reason.REDRIVE_POLICY: "it was received more often than its queue's maxReceiveCount: another reader, or a count"
    " below 20; `tank-mailer dlq redrive` puts it back",
    Reason.UNEXPLAINED: "somebody has put it there by hand, or another program has",
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Handed:
    """One hand-out of a dead letter by SQS.

    Attributes:
        note: the attribute `tank`; None: there is none.
        sent_at: when it was put on this queue; of one that SQS moved, on its own queue (SQS: the enqueue time stays).
        source_arn: the queue that SQS moved it from; "": SQS did not move it.
        receive_count: how often it was received, this look and those on its own queue counted.
    """

    letter_id: str
    receipt_handle: str = field(repr=False)
    body: str = field(repr=False)
    note: str | None = field(repr=False)
    sent_at: datetime
    source_arn: str
    receive_count: int
    first_received_at: datetime | None


@dataclass(frozen=True, slots=True, kw_only=True)
class DeadLetter:
    """A job that was given up, for a person.

    Attributes:
        letter_id: of its message on the dead-letter queue; in the ledger alone, of the message that it came on.
        queue: the dead-letter queue's name; None: it rests in the ledger alone.
        email_id: None where none can be read.
        lane: where it came from; None: it does not tell.
        source: the queue where it came from.
        attempts: begun by us; None: it does not tell.
        at: since when it lies there, as far as anybody tells: see `Handed.sent_at`.
        size_bytes: of its body.
        domains: of its recipients; empty for what is no job.
    """

    letter_id: str
    queue: str | None
    email_id: str | None
    reason: Reason
    detail: str = ""
    remedy: str = ""
    lane: str | None = None
    source: str | None = None
    attempts: int | None = None
    first_seen_at: datetime | None = None
    at: datetime
    receive_count: int | None = None
    first_received_at: datetime | None = None
    size_bytes: int = 0
    domains: frozenset[str] = frozenset()
    body: str = field(default="", repr=False)

    @property
    def without_body(self) -> "DeadLetter":
        """The same, so that thousands fit into memory."""
        return replace(self, body="")


def given_up(row: Row | None, letter: DeadLetter, now: datetime) -> Row | None:
    """The row of a job whose own message was dropped as a dead letter: no other would end it.

    SQS moves messages of jobs that are under way, too, when they were received too often. A doubt stays one, in the
    reason: a person has to say so who puts the job back.

    Returns:
        None: the job has ended, another message brings it on its way, or an attempt is under way.
    """
    if row is None or row.queue_message_id != letter.letter_id:
        return None
    match row.state:
        case State.DEFERRED:
            reason = letter.reason
        case State.IN_DOUBT:
            reason = Reason.IN_DOUBT
        case State.SENDING if row.lease_ends_at is None or row.lease_ends_at <= now:
            reason = Reason.IN_DOUBT
        case _:
            return None
    return row.dead(now, reason, "its message was dropped from the dead-letter queue")


def read_letter(handed: Handed, *, queue: str, lanes: Mapping[str, str]) -> DeadLetter:
    """Make sense of one, whatever it holds.

    Args:
        handed: as SQS gave it.
        queue: the dead-letter queue's name.
        lanes: the lane of each job queue, by the queue's name.
    """
    note = _read_note(handed.note)
    source = note.source or handed.source_arn.rpartition(":")[2] or None
    reason = note.reason
    if reason is None:
        reason = Reason.REDRIVE_POLICY if handed.source_arn else Reason.UNEXPLAINED
    job = parse_job(handed.body)
    return DeadLetter(
        letter_id=handed.letter_id,
        queue=queue,
        email_id=job.email_id or note.email_id,
        reason=reason,
        detail=note.last_error,
        remedy=note.remedy or REMEDIES.get(reason, ""),
        lane=note.lane or lanes.get(source or ""),
        source=source,
        attempts=note.attempts,
        first_seen_at=note.first_seen_at,
        at=handed.sent_at,
        receive_count=handed.receive_count,
        first_received_at=handed.first_received_at,
        size_bytes=len(handed.body.encode("utf-8", "replace")),
        domains=_domains(job),
        body=handed.body,
    )


def domains_of(body: str) -> frozenset[str]:
    """The domains of a job's recipients; none for what is no job."""
    return _domains(parse_job(body))


def _domains(job: EmailJob | InvalidJob) -> frozenset[str]:
    return frozenset(address.domain for address in job.recipients) if isinstance(job, EmailJob) else frozenset()


def read_domain(text: str) -> str | None:
    """Spell a recipient's domain as jobs have it (Punycode, lower case); None if it is none."""
    try:
        return parse_address(f"x@{text.strip().removeprefix('@')}").domain
    except AddressError:
        return None


# --- which are meant -------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True, kw_only=True)
class Choice:
    """Which of them; None: all.

    Attributes:
        reason: with this reason.
        domain: with a recipient there.
        lane: of this lane.
        before: there since then or earlier.
        after: there since then or later.
    """

    reason: Reason | None = None
    domain: str | None = None
    lane: str | None = None
    before: datetime | None = None
    after: datetime | None = None

    def takes(self, letter: DeadLetter) -> bool:
        """Whether it is one of them."""
        return (
            (self.reason is None or letter.reason is self.reason)
            and (self.domain is None or self.domain in letter.domains)
            and (self.lane is None or letter.lane == self.lane)
            and (self.before is None or letter.at <= self.before)
            and (self.after is None or letter.at >= self.after)
        )

    @property
    def said(self) -> str:
        """In one line, for the record of changes."""
        parts = {
            "reason": self.reason,
            "domain": self.domain,
            "lane": self.lane,
            "before": self.before and self.before.isoformat(timespec="seconds"),
            "after": self.after and self.after.isoformat(timespec="seconds"),
        }
        return ", ".join(f"{name} {value}" for name, value in parts.items() if value) or "all"


MIN_PREFIX_CHARACTERS = 4  # ours: of a letter's id; fewer would be a guess


def goes_by(letter: DeadLetter, name: str) -> bool:
    """Whether it may be meant by that name: its id, how that begins, or its job's email_id."""
    is_begun = len(name) >= MIN_PREFIX_CHARACTERS and letter.letter_id.startswith(name.lower())
    return name in {letter.letter_id, letter.email_id} or is_begun


def named(letters: Sequence[DeadLetter], name: str) -> list[DeadLetter]:
    """Those that are meant by a name: by id, else by email_id, else by how an id begins."""
    ways = (
        [one for one in letters if one.letter_id == name],
        [one for one in letters if one.email_id == name],
        [one for one in letters if goes_by(one, name)],
    )
    return next((found for found in ways if found), [])


# --- its note --------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class _Note:
    email_id: str | None = None
    reason: Reason | None = None
    remedy: str = ""
    lane: str | None = None
    source: str = ""
    attempts: int | None = None
    last_error: str = ""
    first_seen_at: datetime | None = None


def _read_note(text: str | None) -> _Note:
    """Read what can be read; a reason that this version does not know is none."""
    try:
        found, _ = read_object(text) if text is not None else ({}, [])
    except FieldError:
        return _Note()
    reason, lane, attempts = found.get("reason"), found.get("lane"), found.get("attempts")
    return _Note(
        email_id=_text(found, "email_id") or None,
        reason=Reason(reason) if isinstance(reason, str) and reason in set(Reason) else None,
        remedy=_text(found, "remedy"),
        lane=lane if isinstance(lane, str) and lane in LANES else None,
        source=_text(found, "source"),
        attempts=int(attempts) if isinstance(attempts, float) and 0 <= attempts < 1e9 else None,  # noqa: PLR2004
        last_error=_text(found, "last_error"),
        first_seen_at=read_moment(found.get("first_seen")),
    )


def _text(found: Mapping[str, Any], name: str) -> str:
    value = found.get(name)
    return value[:MAX_TEXT_CHARACTERS] if isinstance(value, str) else ""


def of_ledger(
    *,
    letter_id: str,
    email_id: str | None,
    reason: str,
    detail: str,
    lane: str,
    at: datetime,
    body: str,
    attempts: int | None = None,
    first_seen_at: datetime | None = None,
) -> DeadLetter:
    """One that rests in the ledger alone: no dead-letter queue, too large for it, or denied (DESIGN 5.8)."""
    known = Reason(reason) if reason in set(Reason) else Reason.UNEXPLAINED
    return DeadLetter(
        letter_id=letter_id,
        queue=None,
        email_id=email_id,
        reason=known,
        detail=detail,
        lane=lane if lane in LANES else None,
        attempts=attempts,
        first_seen_at=first_seen_at,
        at=at.astimezone(UTC),
        size_bytes=len(body.encode("utf-8", "replace")),
        domains=domains_of(body),
        body=body,
    )
