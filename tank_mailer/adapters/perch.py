"""What the store knows of canaries, and of the doubts that they are to settle."""

from dataclasses import dataclass
from datetime import datetime

import sqlalchemy as sa

from tank_mailer.adapters import rows
from tank_mailer.adapters.attic import SqlAttic
from tank_mailer.adapters.schema import events, jobs
from tank_mailer.core.canary import Doubt, Flight, Signs
from tank_mailer.core.job import email_id_tag
from tank_mailer.core.ledger import State

DOUBTS = 100  # the oldest; they end within hours, one way or another
ACCEPTED = 500  # newest mails looked at: if none of them went through a configuration set, it may have a canary


@dataclass(frozen=True, slots=True, kw_only=True)
class SqlPerch:
    """The canary's `Perch` over the store's own worker."""

    attic: SqlAttic

    async def signs(self, last: str | None) -> Signs:
        """What speaks for the channel."""
        return await self.attic.store.transact(lambda connection: _signs(connection, last))

    async def mark(self, name: str) -> datetime | None:
        """When something was last noted under that name."""
        return await self.attic.mark(name)

    async def move_mark(self, name: str, before: datetime | None, at: datetime) -> bool:
        """Note it if nobody has since."""
        return await self.attic.move_mark(name, before, at)


def _signs(connection: sa.Connection, last: str | None) -> Signs:
    query = (
        sa.select(jobs.c.started_at, jobs.c.configuration_set)
        .where(jobs.c.state == State.IN_DOUBT.value, jobs.c.started_at.is_not(None), jobs.c.configuration_set != "")
        .order_by(jobs.c.started_at)
        .limit(DOUBTS)
    )
    doubts = [(at, name) for at, name in connection.execute(query) if at is not None and name is not None]
    proofs = dict[str, float]()
    if doubts:
        query = sa.select(jobs.c.accepted_at, jobs.c.configuration_set).where(jobs.c.accepted_at > doubts[0][0])
        for at, name in connection.execute(query.order_by(jobs.c.accepted_at.desc()).limit(ACCEPTED)):
            if at is not None and name is not None:
                proofs.setdefault(name, at)
    newest = connection.scalar(sa.select(sa.func.max(jobs.c.accepted_at)))
    return Signs(
        accepted_at=rows.moment(newest),
        doubts=[Doubt(_moment(at), name) for at, name in doubts],
        proofs={name: _moment(at) for name, at in proofs.items()},
        last=_flight(connection, last) if last is not None else None,
    )


def _flight(connection: sa.Connection, email_id: str) -> Flight | None:
    found = connection.execute(sa.select(jobs.c.accepted_at).where(jobs.c.email_id == email_id)).one_or_none()
    if found is None:
        return None
    back = sa.select(events.c.key).where(
        events.c.email_id.in_([email_id, email_id_tag(email_id)]), events.c.is_published == 1
    )
    is_back = connection.scalar(back.limit(1)) is not None
    return Flight(rows.moment(found.accepted_at), is_back)


def _moment(at: float) -> datetime:
    found = rows.moment(at)
    assert found is not None  # noqa: S101
    return found
