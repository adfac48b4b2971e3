"""What the web server is told of a job: one piece of news for each change of a status (DESIGN 6)."""

import json
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from hashlib import blake2b

from tank_mailer.core.errors import Reason
from tank_mailer.core.ledger import ENDED_WITHOUT_MAIL, Row, State
from tank_mailer.core.status import Status

CANARY_PREFIX = "tank-canary-"  # ids of our own mails: nobody is told of them


@dataclass(frozen=True, slots=True, kw_only=True)
class News:
    """One change.

    Attributes:
        recipient: None: it is about the job as a whole, of which no mail came.
        status: the recipient's; None for a job as a whole.
        occurred_at: when it happened, not when it was learned.
    """

    email_id: str
    state: str
    occurred_at: datetime
    recipient: str | None = None
    status: Status | None = None
    reason: str | None = None
    ses_message_id: str | None = None

    @property
    def is_told(self) -> bool:
        """Whether it is anybody's business."""
        return not self.email_id.startswith(CANARY_PREFIX)


def spell(news: News, told_at: datetime | None = None) -> str:
    """The body of the request; half a character, which UTF-8 cannot carry, is replaced.

    Args:
        news: what it tells.
        told_at: its own time, where it says something new of what happened at another; None: the same.
    """
    at = spelled_time(news.occurred_at)
    data = {
        "email_id": news.email_id,
        "state": news.state,
        "recipient": news.recipient,
        "status": news.status.word if news.status is not None else None,
        "reason": news.reason,
        "ses_message_id": news.ses_message_id,
        "occurred_at": at,
    }
    body = json.dumps(
        {"type": "email.status", "timestamp": spelled_time(told_at) if told_at else at, "data": data},
        ensure_ascii=False,
    )
    return body.encode("utf-8", "replace").decode()


def name_of(payload: str) -> str:
    """The id under which a receiver can tell a repetition: the same for every try and every replay."""
    return f"msg_{blake2b(payload.encode('utf-8', 'replace'), digest_size=16).hexdigest()}"


def news_of_row(row: Row, recipients: Iterable[tuple[str, Status, str | None]]) -> Iterator[News]:
    """What a row's new version has to tell: an acceptance by recipient; an end without a mail as a whole, too."""
    if row.state is State.ACCEPTED:
        for address, status, reason in recipients:
            yield News(
                email_id=row.email_id,
                state=row.state,
                occurred_at=row.accepted_at or row.updated_at,
                recipient=address,
                status=status,
                reason=reason,
                ses_message_id=row.ses_message_id if status is not Status.SUPPRESSED else None,
            )
    elif row.state in ENDED_WITHOUT_MAIL or (row.state is State.DEAD and row.copied_at is None):
        yield News(email_id=row.email_id, state=row.state, occurred_at=row.updated_at, reason=row.reason)
        for address, status, reason in recipients:
            yield News(
                email_id=row.email_id,
                state=row.state,
                occurred_at=row.updated_at,
                recipient=address,
                status=status,
                reason=reason,
            )


def news_of_invalid(email_id: str, reason: Reason, at: datetime) -> News:
    """A message whose job can never be sent, and has no row of its own."""
    return News(email_id=email_id, state=State.INVALID, occurred_at=at, reason=reason)


def spelled_time(at: datetime) -> str:
    """RFC 3339, UTC, milliseconds."""
    return at.astimezone(UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")
