"""Ledger rows to and from the columns of the store."""

from datetime import UTC, datetime
from typing import Any

from sqlalchemy import RowMapping

from tank_mailer.core.errors import Reason
from tank_mailer.core.job import email_id_tag
from tank_mailer.core.ledger import Row, State
from tank_mailer.core.news import News, spell
from tank_mailer.ports import Receipt, RecipientNote


def seconds(at: datetime | None) -> float | None:
    """A time as the store keeps it."""
    return None if at is None else at.timestamp()


def moment(at: float | None) -> datetime | None:
    """A time as the program has it."""
    return None if at is None else datetime.fromtimestamp(at, UTC)


def storable(text: str) -> str:
    """Text that came from outside, as both databases can keep it: PostgreSQL has no NUL, UTF-8 no half characters."""
    return text.replace("\x00", "\N{SYMBOL FOR NULL}").encode("utf-8", "replace").decode()


def receipt_columns(receipt: Receipt, *, source: str = "answer") -> dict[str, Any]:
    """A receipt's columns; `source`: SES's answer, or an `event`."""
    return {
        "ses_message_id": receipt.ses_message_id,
        "email_id": receipt.email_id,
        "attempt": receipt.attempt,
        "accepted_at": receipt.accepted_at.timestamp(),
        "source": source,
    }


def note_columns(note: RecipientNote) -> dict[str, Any]:
    """The columns of what is known of a recipient."""
    return {
        "email_id": note.email_id,
        "address": note.address,
        "status": int(note.status),
        "reason": note.reason,
        "updated_at": note.updated_at.timestamp(),
    }


def letter_columns(news: News, now: datetime) -> dict[str, Any]:
    """The columns of a piece of news, due at once."""
    return {
        "email_id": news.email_id,
        "recipient": news.recipient,
        "payload": storable(spell(news)),
        "created_at": now.timestamp(),
        "due_at": now.timestamp(),
        "tries": 0,
        "told_at": None,
    }


def columns(row: Row) -> dict[str, Any]:
    """The row's columns."""
    return {
        "email_id": row.email_id,
        "state": row.state.value,
        "content_hash": row.content_hash,
        "lane": row.lane,
        "queue_message_id": row.queue_message_id,
        "first_seen_at": row.first_seen_at.timestamp(),
        "updated_at": row.updated_at.timestamp(),
        "owner": row.owner,
        "attempt": row.attempt,
        "charged": row.charged,
        "resends": row.resends,
        "throttles": row.throttles,
        "receipt_handle": row.receipt_handle,
        "lease_ends_at": seconds(row.lease_ends_at),
        "due_at": seconds(row.due_at),
        "started_at": seconds(row.started_at),
        "first_failed_at": seconds(row.first_failed_at),
        "accepted_at": seconds(row.accepted_at),
        "copied_at": seconds(row.copied_at),
        "ses_message_id": row.ses_message_id,
        "reason": row.reason,
        "detail": None if row.detail is None else storable(row.detail),
        "version": row.version,
        "configuration_set": row.configuration_set,
        "tag": None if (tag := email_id_tag(row.email_id)) == row.email_id else tag,
    }


def read(record: RowMapping) -> Row:
    """The row in a record of the table `jobs`."""
    return Row(
        email_id=record["email_id"],
        state=State(record["state"]),
        content_hash=record["content_hash"],
        lane=record["lane"],
        queue_message_id=record["queue_message_id"],
        first_seen_at=datetime.fromtimestamp(record["first_seen_at"], UTC),
        updated_at=datetime.fromtimestamp(record["updated_at"], UTC),
        owner=record["owner"],
        attempt=record["attempt"],
        charged=record["charged"],
        resends=record["resends"],
        throttles=record["throttles"],
        receipt_handle=record["receipt_handle"],
        lease_ends_at=moment(record["lease_ends_at"]),
        due_at=moment(record["due_at"]),
        started_at=moment(record["started_at"]),
        first_failed_at=moment(record["first_failed_at"]),
        accepted_at=moment(record["accepted_at"]),
        copied_at=moment(record["copied_at"]),
        ses_message_id=record["ses_message_id"],
        reason=Reason(record["reason"]) if record["reason"] else None,
        detail=record["detail"],
        configuration_set=record["configuration_set"],
        version=record["version"],
    )
