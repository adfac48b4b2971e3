"""The store as people use it, beside the daemon: opened for a command, in short transactions, on record."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from datetime import UTC, datetime

import sqlalchemy as sa
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine

from tank_mailer.adapters import database
from tank_mailer.adapters.schema import audit
from tank_mailer.adapters.sickness import SICK, sick
from tank_mailer.core.errors import Reason, StoreError
from tank_mailer.ports import Clock


class SchemaOldError(StoreError):
    """The store's tables are older than this program, or there are none."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Desk:
    """Where a person reads and changes the store.

    Attributes:
        who: the person, for the record of changes.
    """

    engine: AsyncEngine
    clock: Clock
    who: str

    @asynccontextmanager
    async def transaction(self) -> AsyncIterator[AsyncConnection]:
        """One transaction, to be a short one: on SQLite the daemon waits for it.

        Raises:
            StoreError: the store cannot be used, or is busy for too long.
        """
        try:
            async with self.engine.begin() as connection:
                yield connection
        except SICK as error:
            raise sick(error) from error

    async def note(self, connection: AsyncConnection, *, action: str, subject: str, detail: str | None = None) -> None:
        """Put a change on record, in the transaction that makes it."""
        values = {"at": self.clock.now().timestamp(), "who": self.who, "action": action}
        await connection.execute(sa.insert(audit).values(**values, subject=subject, detail=detail))


@asynccontextmanager
async def open_desk(location: database.Location, *, clock: Clock, who: str) -> AsyncIterator[Desk]:
    """Open the store; it has to be there.

    Raises:
        StoreMissingError: there is none.
        SchemaOldError: its tables are older than the program.
        StoreError: it cannot be read.
    """
    async with database.open_engine(location) as engine:
        current, newest = await database.revision(engine)
        if current < newest:
            said = f"has tables of revision {current}, and this program needs {newest}" if current else "has no tables"
            raise SchemaOldError(Reason.STORE_SICK, f"the store at {location.shown} {said}")
        yield Desk(engine=engine, clock=clock, who=who)


def spelled(at: datetime | None) -> str | None:
    """A time as JSON has it: RFC 3339, UTC."""
    return None if at is None else at.astimezone(UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")
