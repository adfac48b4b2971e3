"""What people ask the store about the events of an email."""

import json
from collections.abc import Collection, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

import sqlalchemy as sa
from sqlalchemy.ext.asyncio import AsyncConnection

from tank_mailer.adapters.desk import spelled
from tank_mailer.adapters.schema import events
from tank_mailer.core.event import EventKind
from tank_mailer.core.eventdetail import detail_of
from tank_mailer.core.job import email_id_tag
from tank_mailer.core.status import Status

MOST_EVENTS = 200  # of one email: opens and clicks have no end


@dataclass(frozen=True, slots=True)
class Reported:
    """One event of SES.

    Attributes:
        recipient: None: it is about the whole mail.
        detail: one line, cut; None where there is nothing to tell.
    """

    kind: EventKind
    recipient: str | None
    occurred_at: datetime
    detail: str | None

    def shape(self) -> dict[str, Any]:
        """As JSON has it (DESIGN 6)."""
        return {
            "type": self.kind.word,
            "recipient": self.recipient,
            "occurred_at": spelled(self.occurred_at),
            "detail": self.detail,
        }


@dataclass(frozen=True, slots=True)
class RecipientStatus:
    """How far an email has come for one recipient."""

    address: str
    status: Status
    reason: str | None
    updated_at: datetime

    def shape(self) -> dict[str, Any]:
        """As JSON has it (DESIGN 6)."""
        return {
            "address": self.address,
            "status": self.status.word,
            "reason": self.reason,
            "updated_at": spelled(self.updated_at),
        }


@dataclass(frozen=True, slots=True)
class Traces:
    """What events alone tell of a job that has no row here: another node's, or a lost store's.

    Attributes:
        accepted_at: when SES took the first mail of it, by SES's clock.
        attempt: the highest one that an event names; 0: none does.
        ses_message_ids: the mails that there were, oldest first.
    """

    accepted_at: datetime
    attempt: int
    ses_message_ids: Sequence[str]
    recipients: Sequence[RecipientStatus]


def reported_of(email_id: str, mails: Collection[str]) -> sa.ColumnElement[bool]:
    """Pick the events of a job.

    By its id; by the tag, under which an event is kept that came before the job; and by its mails, for an identity's
    notification that came before its mail was known is kept without any id of ours.
    """
    spellings = {email_id, email_id_tag(email_id)}
    return sa.or_(events.c.email_id.in_(spellings), events.c.ses_message_id.in_(mails))


async def newest_events(connection: AsyncConnection, which: sa.ColumnElement[bool]) -> list[Reported]:
    """The newest of them, oldest first."""
    shown = (events.c.kind, events.c.recipient, events.c.occurred_at, events.c.reason, events.c.facts)
    newest_first = (events.c.occurred_at.desc(), events.c.recorded_at.desc(), events.c.key.desc())
    query = sa.select(*shown).where(which).order_by(*newest_first).limit(MOST_EVENTS)
    found = [
        Reported(
            kind=EventKind(kind),
            recipient=recipient,
            occurred_at=datetime.fromtimestamp(occurred_at, UTC),
            detail=detail_of(EventKind(kind), reason, json.loads(facts)),
        )
        for kind, recipient, occurred_at, reason, facts in await connection.execute(query)
    ]
    return found[::-1]


async def find_traces(connection: AsyncConnection, which: sa.ColumnElement[bool]) -> Traces:
    """Sum events up; there has to be one."""
    mail_at = sa.func.min(events.c.mail_at)
    query = sa.select(events.c.ses_message_id, mail_at, sa.func.max(events.c.attempt)).where(which)
    query = query.group_by(events.c.ses_message_id).order_by(mail_at, events.c.ses_message_id)
    mails = (await connection.execute(query)).all()
    return Traces(
        accepted_at=datetime.fromtimestamp(mails[0][1], UTC),
        attempt=max(attempt or 0 for _, _, attempt in mails),
        ses_message_ids=[name for name, _, _ in mails],
        recipients=await _recipients(connection, which),
    )


async def _recipients(connection: AsyncConnection, which: sa.ColumnElement[bool]) -> list[RecipientStatus]:
    """Each one's highest status, as the ledger would have it."""
    query = sa.select(events.c.recipient, events.c.status, events.c.reason, events.c.occurred_at)
    query = query.where(which, events.c.recipient.is_not(None), events.c.status.is_not(None))
    best = dict[str, RecipientStatus]()
    for found in await connection.execute(query.order_by(events.c.occurred_at)):
        one = read_recipient(*found)
        if one.address not in best or best[one.address].status < one.status:
            best[one.address] = one
    return [best[address] for address in sorted(best)]


def read_recipient(address: str, status: int, reason: str | None, updated_at: float) -> RecipientStatus:
    """Read what the store has of a recipient."""
    return RecipientStatus(address, Status(status), reason, datetime.fromtimestamp(updated_at, UTC))
