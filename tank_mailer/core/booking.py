"""What a batch of events changes in the books: whose mail it is, what it proves, which statuses rise."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta

from tank_mailer.core.errors import Reason
from tank_mailer.core.event import SesEvent
from tank_mailer.core.ledger import Row, State
from tank_mailer.core.meaning import EventNote
from tank_mailer.core.news import News
from tank_mailer.core.status import Status

SKEW = timedelta(hours=1)  # between our clock and SES's; a signature may be wrong by minutes only
HANDED_OUT = timedelta(minutes=5)  # between SQS's clock and SES's


def is_ours(event: SesEvent) -> bool:
    """Whether it carries our tag or header: then the mail is one that some tank-mailer has sent."""
    return bool(names_of(event))


@dataclass(frozen=True, slots=True, kw_only=True)
class Known:
    """What the store knows of the mails of a batch.

    Attributes:
        job_of_mail: email_id by SES's MessageId, out of the receipts.
        job_of_tag: email_id by our tag, out of the jobs.
        rows: the jobs.
        statuses: of recipients, by email_id and address.
        mails_of_job: SES's MessageIds by email_id.
    """

    job_of_mail: Mapping[str, str] = field(default_factory=dict)
    job_of_tag: Mapping[str, str] = field(default_factory=dict)
    rows: Mapping[str, Row] = field(default_factory=dict)
    statuses: Mapping[tuple[str, str], Status] = field(default_factory=dict)
    mails_of_job: Mapping[str, frozenset[str]] = field(default_factory=dict)


def is_about(row: Row, *, mail_at: datetime, attempt: int | None, sent_at: datetime | None = None) -> bool:
    """Whether a mail with our tag can be this job's.

    Of a job that was attempted any such event is proof, of whatever attempt (DESIGN 6). A job that never was has been
    sent all the same if the ledger was lost since; but ids are used by others, too (staging, an older system), and
    again by producers, and lost mail weighs more than doubled mail: so only a mail of ours, and no older than the
    job's message.

    Args:
        row: of the job; `attempt` counts those that were begun.
        mail_at: when SES took the mail.
        attempt: our tag `attempt`, which others do not set beside `email_id`.
        sent_at: when the job's message was put on its queue, where nothing else is known of it.
    """
    if row.attempt:
        return True
    return sent_at is not None and attempt is not None and mail_at >= sent_at - HANDED_OUT


def is_recent(row: Row, mail_at: datetime) -> bool:
    """Whether a mail is no older than the job: late events of an id's earlier use outlive its row."""
    return mail_at >= row.first_seen_at - SKEW


def job_of(event: SesEvent, known: Known) -> str | None:
    """Find the job of an event: by SES's id, by tag, by header.

    Ours, of a job that the store does not know (yet): its tag stands for the id.
    """
    if found := known.job_of_mail.get(event.ses_message_id):
        return found
    for name in names_of(event):
        if found := known.job_of_tag.get(name):
            return found
    return next(iter(names_of(event)), None)


def names_of(event: SesEvent) -> tuple[str, ...]:
    """What it calls its job, by tag and by header."""
    return tuple(name for name in (event.tag, event.header) if name is not None)


@dataclass(frozen=True, slots=True)
class Rise:
    """A recipient's status as it is from now on."""

    status: Status
    reason: Reason | None
    at: datetime


@dataclass(slots=True, kw_only=True)
class Booking:
    """What is to be written.

    Attributes:
        proven: rows that turn `accepted`, before and after.
        mails: SES's MessageIds that nobody knew, each with its event and job.
        doubled: jobs of which SES has sent more than one mail, as is known only now.
    """

    proven: dict[str, tuple[Row, Row]] = field(default_factory=dict)
    mails: dict[str, tuple[str, SesEvent]] = field(default_factory=dict)
    rises: dict[tuple[str, str], Rise] = field(default_factory=dict)
    news: list[News] = field(default_factory=list)
    doubled: list[str] = field(default_factory=list)


def book(notes: Iterable[tuple[str | None, EventNote]], known: Known, *, now: datetime) -> Booking:
    """Book new notes, each with its job (None: a mail that is not ours)."""
    booking = Booking()
    statuses = dict(known.statuses)
    mails = {job: set(ids) for job, ids in known.mails_of_job.items()}
    for email_id, note in notes:
        if email_id is None or (row := known.rows.get(email_id)) is None:
            continue
        event = note.event
        is_known = event.ses_message_id in known.mails_of_job.get(email_id, frozenset())
        if not is_known and not is_about(row, mail_at=event.mail_at, attempt=event.attempt):
            continue
        if event.ses_message_id not in mails.setdefault(email_id, set()):
            mails[email_id].add(event.ses_message_id)
            booking.mails[event.ses_message_id] = (email_id, event)
            if len(mails[email_id]) > 1:
                booking.doubled.append(email_id)
        if email_id not in booking.proven and is_to_be_ended(row, now):
            booking.proven[email_id] = (row, row.proven(event.ses_message_id, event.mail_at, now))
        rises: list[tuple[str, Status, Reason | None, datetime]]
        rises = [(address, Status.ACCEPTED, None, event.mail_at) for address in event.destination]
        if note.status is not None:
            rises += [(address, note.status, note.reason, event.occurred_at) for address in note.rises]
        for address, status, reason, at in rises:
            if status <= statuses.get((email_id, address), Status.SUPPRESSED):
                continue
            statuses[email_id, address] = status
            booking.rises[email_id, address] = Rise(status, reason, at)
            booking.news.append(
                News(
                    email_id=email_id,
                    state=State.ACCEPTED,
                    occurred_at=at,
                    recipient=address,
                    status=status,
                    reason=reason,
                    ses_message_id=event.ses_message_id,
                )
            )
    return booking


def is_to_be_ended(row: Row, now: datetime) -> bool:
    """Whether proof of acceptance changes the row at once.

    An attempt whose lease is alive writes its own end, and looks for proof as it does; everything else that was
    thought of the job is overruled: a doubt, a throttle or refusal of a later attempt, even its death (DESIGN 6).
    """
    match row.state:
        case State.ACCEPTED:
            return False
        case State.SENDING:
            return row.lease_ends_at is None or row.lease_ends_at <= now
        case _:
            return True
