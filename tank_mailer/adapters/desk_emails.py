"""What people ask the store about emails, and what was put aside of them."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

import sqlalchemy as sa
from sqlalchemy.ext.asyncio import AsyncConnection

from tank_mailer.adapters import rows
from tank_mailer.adapters.desk import Desk, spelled
from tank_mailer.adapters.schema import asides, jobs, receipts, recipients
from tank_mailer.core.ledger import Row
from tank_mailer.core.status import Status

MIN_PREFIX_CHARACTERS = 4  # ours: of a queue message's id; fewer would be a guess


@dataclass(frozen=True, slots=True)
class PutAside:
    """A job of which no mail came, and its text."""

    queue_message_id: str
    email_id: str | None
    kind: str
    reason: str
    detail: str
    lane: str
    at: datetime
    requeued_at: datetime | None
    raw: str = field(default="", repr=False)  # not in lists

    def shape(self) -> dict[str, Any]:
        """As JSON has it, without its text."""
        return {
            "queue_message_id": self.queue_message_id,
            "email_id": self.email_id,
            "kind": self.kind,
            "reason": self.reason,
            "detail": self.detail,
            "lane": self.lane,
            "at": spelled(self.at),
            "requeued_at": spelled(self.requeued_at),
        }


@dataclass(frozen=True, slots=True)
class RecipientStatus:
    """How far an email has come for one recipient."""

    address: str
    status: Status
    reason: str | None
    updated_at: datetime


@dataclass(frozen=True, slots=True)
class Report:
    """A job's fate.

    Attributes:
        row: None if all that there is of the job was put aside.
        aside: the newest text kept of it.
    """

    email_id: str
    row: Row | None
    aside: PutAside | None
    ses_message_ids: Sequence[str] = ()
    recipients: Sequence[RecipientStatus] = ()

    @property
    def state(self) -> str:
        """Where the job stands."""
        return self.row.state.value if self.row else self._put_aside.kind

    @property
    def reason(self) -> str | None:
        """Why it stands there."""
        return self.row.reason if self.row else self._put_aside.reason

    @property
    def detail(self) -> str | None:
        """The reason in a sentence."""
        return self.row.detail if self.row else self._put_aside.detail

    @property
    def _put_aside(self) -> PutAside:
        if self.aside is None:
            raise ValueError("a report is about a row or about something put aside")
        return self.aside

    def shape(self) -> dict[str, Any]:
        """As JSON has it (DESIGN 6)."""
        row = self.row
        return {
            "email_id": self.email_id,
            "state": self.state,
            "reason": self.reason,
            "lane": row.lane if row else self._put_aside.lane,
            "attempts": row.attempt if row else 0,
            "resends": row.resends if row else 0,
            "first_seen_at": spelled(row.first_seen_at if row else self._put_aside.at),
            "accepted_at": spelled(row.accepted_at) if row else None,
            "ses_message_ids": list(self.ses_message_ids),
            "recipients": [
                {
                    "address": one.address,
                    "status": one.status.word,
                    "reason": one.reason,
                    "updated_at": spelled(one.updated_at),
                }
                for one in self.recipients
            ],
            "events": [],
        }


async def find_report(desk: Desk, email_id: str) -> Report | None:
    """Everything that is known of a job; None if nothing is."""
    async with desk.transaction() as connection:
        found = (await connection.execute(sa.select(jobs).where(jobs.c.email_id == email_id))).mappings().first()
        query = sa.select(asides).where(asides.c.email_id == email_id).order_by(asides.c.at.desc()).limit(1)
        aside = (await connection.execute(query)).mappings().first()
        if found is None and aside is None:
            return None
        row = rows.read(found) if found else None
        return Report(
            email_id=email_id,
            row=row,
            aside=_put_aside(aside) if aside else None,
            ses_message_ids=await _ses_message_ids(connection, email_id, row),
            recipients=await _recipients(connection, email_id),
        )


async def _ses_message_ids(connection: AsyncConnection, email_id: str, row: Row | None) -> list[str]:
    query = sa.select(receipts.c.ses_message_id).where(receipts.c.email_id == email_id)
    ids = list((await connection.execute(query.order_by(receipts.c.attempt, receipts.c.accepted_at))).scalars())
    if row and row.ses_message_id and row.ses_message_id not in ids:
        ids.append(row.ses_message_id)
    return ids


async def _recipients(connection: AsyncConnection, email_id: str) -> list[RecipientStatus]:
    query = sa.select(recipients).where(recipients.c.email_id == email_id).order_by(recipients.c.address)
    return [
        RecipientStatus(
            address=record["address"],
            status=Status(record["status"]),
            reason=record["reason"],
            updated_at=_moment(record["updated_at"]),
        )
        for record in (await connection.execute(query)).mappings()
    ]


async def find_row(desk: Desk, email_id: str) -> Row | None:
    """A job's row."""
    async with desk.transaction() as connection:
        found = (await connection.execute(sa.select(jobs).where(jobs.c.email_id == email_id))).mappings().first()
        return rows.read(found) if found else None


# --- put aside -------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Which:
    """Which of the jobs that were put aside; None: all."""

    kind: str | None = None
    reason: str | None = None
    is_waiting: bool = False  # only those that nobody has put back

    @property
    def conditions(self) -> list[sa.ColumnElement[bool]]:
        """In SQL."""
        found = list[sa.ColumnElement[bool]]()
        if self.kind is not None:
            found.append(asides.c.kind == self.kind)
        if self.reason is not None:
            found.append(asides.c.reason == self.reason)
        if self.is_waiting:
            found.append(asides.c.requeued_at.is_(None))
        return found


async def list_asides(desk: Desk, which: Which, *, limit: int) -> tuple[int, list[PutAside]]:
    """How many there are, and the newest of them, without their texts."""
    shown = [column for column in asides.c if column.name != "raw"]
    query = sa.select(*shown).where(*which.conditions).order_by(asides.c.at.desc(), asides.c.queue_message_id)
    async with desk.transaction() as connection:
        count = await connection.scalar(sa.select(sa.func.count()).select_from(asides).where(*which.conditions))
        found = (await connection.execute(query.limit(limit))).mappings().all()
    return count or 0, [_put_aside(record) for record in found]


async def list_ids(desk: Desk, which: Which) -> list[str]:
    """The ids of all their queue messages, oldest first."""
    query = sa.select(asides.c.queue_message_id).where(*which.conditions).order_by(asides.c.at)
    async with desk.transaction() as connection:
        return list((await connection.execute(query)).scalars())


async def find_asides(desk: Desk, name: str) -> list[PutAside]:
    """What goes by that name, newest first: a queue message's id, an email_id, or how a queue message's id begins.

    The first of these that fits; more than one only for an email_id or such a beginning.
    """
    ways: list[sa.ColumnElement[bool]] = [asides.c.queue_message_id == name, asides.c.email_id == name]
    if len(name) >= MIN_PREFIX_CHARACTERS:
        ways.append(asides.c.queue_message_id.startswith(name.lower(), autoescape=True))
    async with desk.transaction() as connection:
        for way in ways:
            query = sa.select(asides).where(way).order_by(asides.c.at.desc()).limit(20)
            if found := (await connection.execute(query)).mappings().all():
                return [_put_aside(record) for record in found]
    return []


async def mark_requeued(desk: Desk, aside: PutAside, *, email_id: str, new_message_id: str, corrected: bool) -> None:
    """Put on record that a job is back on the queue."""
    query = sa.update(asides).where(asides.c.queue_message_id == aside.queue_message_id)
    detail = f"queue message {aside.queue_message_id} as {new_message_id}{', corrected' if corrected else ''}"
    async with desk.transaction() as connection:
        await connection.execute(query.values(requeued_at=desk.clock.now().timestamp()))
        await desk.note(connection, action="refused requeue", subject=email_id, detail=detail)


def _put_aside(record: sa.RowMapping) -> PutAside:
    return PutAside(
        queue_message_id=record["queue_message_id"],
        email_id=record["email_id"],
        kind=record["kind"],
        reason=record["reason"],
        detail=record["detail"],
        lane=record["lane"],
        at=_moment(record["at"]),
        requeued_at=rows.moment(record["requeued_at"]),
        raw=record.get("raw", ""),
    )


def _moment(at: float) -> datetime:
    found = rows.moment(at)
    assert found is not None  # noqa: S101
    return found
