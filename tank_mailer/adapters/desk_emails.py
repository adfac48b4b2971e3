"""What people ask the store about an email: its job, its recipients, and what SES has reported of it."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

import sqlalchemy as sa
from sqlalchemy.ext.asyncio import AsyncConnection

from tank_mailer.adapters import rows
from tank_mailer.adapters.desk import Desk, spelled
from tank_mailer.adapters.desk_asides import PutAside, newest_aside
from tank_mailer.adapters.desk_events import (
    RecipientStatus,
    Reported,
    Traces,
    find_traces,
    newest_events,
    read_recipient,
    reported_of,
)
from tank_mailer.adapters.schema import jobs, receipts, recipients
from tank_mailer.core.ledger import Row, State


@dataclass(frozen=True, slots=True)
class Report:
    """A job's fate.

    Attributes:
        row: None if all that there is of the job was put aside, or is events.
        traces: of a job without a row.
        aside: the newest text kept of it.
        events: the newest, oldest first.
    """

    email_id: str
    row: Row | None
    aside: PutAside | None
    traces: Traces | None = None
    ses_message_ids: Sequence[str] = ()
    recipients: Sequence[RecipientStatus] = ()
    events: Sequence[Reported] = ()

    @property
    def state(self) -> str:
        """Where the job stands; an event with our tag proves that SES has it (DESIGN 6)."""
        if self.row:
            return self.row.state.value
        return State.ACCEPTED.value if self.traces else self._put_aside.state

    @property
    def reason(self) -> str | None:
        """Why it stands there."""
        if self.row:
            return self.row.reason
        return None if self.traces else self._put_aside.reason

    @property
    def detail(self) -> str | None:
        """The reason in a sentence."""
        if self.row:
            return self.row.detail
        return None if self.traces else self._put_aside.detail

    @property
    def attempts(self) -> int:
        """How many were begun, as far as is known."""
        return self.row.attempt if self.row else self.traces.attempt if self.traces else 0

    @property
    def accepted_at(self) -> datetime | None:
        """When SES took it."""
        return self.row.accepted_at if self.row else self.traces.accepted_at if self.traces else None

    @property
    def _put_aside(self) -> PutAside:
        if self.aside is None:
            raise ValueError("a report is about a row, about events or about something put aside")
        return self.aside

    def shape(self) -> dict[str, Any]:
        """As JSON has it (DESIGN 6)."""
        row, aside = self.row, self.aside
        return {
            "email_id": self.email_id,
            "state": self.state,
            "reason": self.reason,
            "lane": row.lane if row else aside.lane if aside else None,
            "attempts": self.attempts,
            "resends": row.resends if row else 0,
            "first_seen_at": spelled(row.first_seen_at if row else aside.at if aside else None),
            "accepted_at": spelled(self.accepted_at),
            "ses_message_ids": list(self.ses_message_ids),
            "recipients": [one.shape() for one in self.recipients],
            "events": [one.shape() for one in self.events],
        }


async def find_report(desk: Desk, email_id: str) -> Report | None:
    """Everything that is known of a job, whatever text asks for it; None if nothing is."""
    email_id = rows.storable(email_id)
    async with desk.transaction() as connection:
        row = await _row(connection, email_id)
        aside = await newest_aside(connection, email_id)
        mails = await _ses_message_ids(connection, email_id, row)
        which = reported_of(email_id, mails)
        reported = await newest_events(connection, which)
        if row is None and aside is None and not reported:
            return None
        traces = await find_traces(connection, which) if row is None and reported else None
        return Report(
            email_id=email_id,
            row=row,
            aside=aside,
            traces=traces,
            ses_message_ids=traces.ses_message_ids if traces else mails,
            recipients=traces.recipients if traces else await _recipients(connection, email_id),
            events=reported,
        )


async def find_row(desk: Desk, email_id: str) -> Row | None:
    """A job's row."""
    async with desk.transaction() as connection:
        return await _row(connection, email_id)


async def _row(connection: AsyncConnection, email_id: str) -> Row | None:
    found = (await connection.execute(sa.select(jobs).where(jobs.c.email_id == email_id))).mappings().first()
    return rows.read(found) if found else None


async def _ses_message_ids(connection: AsyncConnection, email_id: str, row: Row | None) -> list[str]:
    query = sa.select(receipts.c.ses_message_id).where(receipts.c.email_id == email_id)
    ids = list((await connection.execute(query.order_by(receipts.c.attempt, receipts.c.accepted_at))).scalars())
    if row and row.ses_message_id and row.ses_message_id not in ids:
        ids.append(row.ses_message_id)
    return ids


async def _recipients(connection: AsyncConnection, email_id: str) -> list[RecipientStatus]:
    shown = (recipients.c.address, recipients.c.status, recipients.c.reason, recipients.c.updated_at)
    query = sa.select(*shown).where(recipients.c.email_id == email_id).order_by(recipients.c.address)
    return [read_recipient(*found) for found in await connection.execute(query)]
