"""The record of what people have changed, as people read it."""

from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

import sqlalchemy as sa

from tank_mailer.adapters.desk import Desk, spelled
from tank_mailer.adapters.desk_walk import reading
from tank_mailer.adapters.schema import audit


@dataclass(frozen=True, slots=True)
class AuditLine:
    """One change: when, by whom, what, of whom or what."""

    at: datetime
    who: str
    action: str
    subject: str
    detail: str | None

    def shape(self) -> dict[str, Any]:
        """As JSON has it."""
        at = spelled(self.at)
        return {"at": at, "who": self.who, "action": self.action, "subject": self.subject, "detail": self.detail}


@dataclass(frozen=True, slots=True, kw_only=True)
class Wanted:
    """Which lines; None: all.

    Attributes:
        since: then or later.
        action: such as `dlq redrive`, or its first word.
        who: part of it, in any case.
        subject: the whole of it.
    """

    since: datetime | None = None
    action: str | None = None
    who: str | None = None
    subject: str | None = None

    @property
    def conditions(self) -> list[sa.ColumnElement[bool]]:
        """In SQL."""
        found = list[sa.ColumnElement[bool]]()
        if self.since is not None:
            found.append(audit.c.at >= self.since.timestamp())
        if self.action is not None:
            begins = audit.c.action.startswith(f"{self.action} ", autoescape=True)
            found.append(sa.or_(audit.c.action == self.action, begins))
        if self.who is not None:
            found.append(audit.c.who.icontains(self.who, autoescape=True))
        if self.subject is not None:
            found.append(audit.c.subject == self.subject)
        return found


async def list_audit(desk: Desk, wanted: Wanted, *, limit: int) -> tuple[int, list[AuditLine]]:
    """How many lines there are, and the newest of them."""
    query = sa.select(audit).where(*wanted.conditions).order_by(audit.c.at.desc(), audit.c.id.desc()).limit(limit)
    async with reading(desk) as connection:
        count = await connection.scalar(sa.select(sa.func.count()).select_from(audit).where(*wanted.conditions))
        found = (await connection.execute(query)).mappings().all()
    return count or 0, [
        AuditLine(
            at=datetime.fromtimestamp(one["at"], UTC),
            who=one["who"],
            action=one["action"],
            subject=one["subject"],
            detail=one["detail"],
        )
        for one in found
    ]
