"""One bench for each implementation of `Ledger`: what the suite must see and break behind the port's back."""

import asyncio
import sqlite3
from collections.abc import AsyncIterator, Sequence
from contextlib import AbstractAsyncContextManager, asynccontextmanager, closing, suppress
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any, Protocol

import sqlalchemy as sa
from sqlalchemy.ext.asyncio import AsyncEngine

from tank_mailer.adapters import schema
from tank_mailer.adapters.database import locate, open_engine
from tank_mailer.adapters.store import Store
from tank_mailer.core.errors import Reason, StoreError
from tank_mailer.ports import Aside, Ledger, Receipt, RecipientNote
from tests.contract.postgres import PostgresServer
from tests.fakes import EPOCH, FakeLedger

HUGE_BYTES = 2**60


@dataclass(slots=True)
class HandClock:
    """Stands still until it is set; may be read in any thread, as a store reads it."""

    boot: float = 1_000.0

    def now(self) -> datetime:
        return EPOCH + timedelta(seconds=self.boot)

    def boot_s(self) -> float:
        return self.boot


class Bench(Protocol):
    """A ledger, and a second way to what it keeps."""

    @property
    def ledger(self) -> Ledger: ...

    @property
    def clock(self) -> HandClock: ...

    def another_node(self) -> AbstractAsyncContextManager[Ledger]:
        """A second process on the same database."""

    async def suppress(self, key: str, *, ends_at: datetime | None = None) -> None: ...

    async def receipts(self) -> Sequence[Receipt]: ...

    async def notes(self, email_id: str) -> Sequence[RecipientNote]:
        """The job's recipients, by address."""

    async def asides(self) -> Sequence[Aside]: ...

    def fill_disk(self) -> None: ...

    def fall_sick(self) -> None: ...

    def recover(self) -> None: ...


# --- in memory -------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class FakeBench:
    ledger: FakeLedger
    clock: HandClock

    @asynccontextmanager
    async def another_node(self) -> AsyncIterator[Ledger]:
        yield self.ledger

    async def suppress(self, key: str, *, ends_at: datetime | None = None) -> None:
        self.ledger.suppressions[key] = ends_at

    async def receipts(self) -> Sequence[Receipt]:
        return list(self.ledger.receipts.values())

    async def notes(self, email_id: str) -> Sequence[RecipientNote]:
        notes = [note for note in self.ledger.recipients.values() if note.email_id == email_id]
        return sorted(notes, key=lambda note: note.address)

    async def asides(self) -> Sequence[Aside]:
        return list(self.ledger.asides.values())

    def fill_disk(self) -> None:
        self.ledger.is_full = True

    def fall_sick(self) -> None:
        self.ledger.sick = StoreError(Reason.STORE_SICK, "the fake is sick")

    def recover(self) -> None:
        self.ledger.sick = None


# --- on a database ---------------------------------------------------------------------------------


class Ailment(Protocol):
    """How a database is made unusable, and usable again."""

    def begin(self) -> None: ...

    def end(self) -> None: ...


@dataclass(frozen=True, slots=True)
class TablesAway:
    """Somebody has moved the tables of a SQLite file."""

    path: Path

    def begin(self) -> None:
        self._rename("{0}", "{0}_away")

    def end(self) -> None:
        self._rename("{0}_away", "{0}")

    def _rename(self, old: str, new: str) -> None:
        with closing(sqlite3.connect(self.path)) as connection:
            for name in schema.metadata.tables:
                connection.execute(f"ALTER TABLE {old.format(name)} RENAME TO {new.format(name)}")


@dataclass(frozen=True, slots=True)
class ServerAway:
    """The PostgreSQL server is down."""

    server: PostgresServer

    def begin(self) -> None:
        self.server.stop()

    def end(self) -> None:
        self.server.start()


@dataclass(frozen=True, slots=True)
class StoreBench:
    ledger: Store
    clock: HandClock
    url: str
    ailment: Ailment

    @asynccontextmanager
    async def another_node(self) -> AsyncIterator[Ledger]:
        async with open_store(self.url, self.clock) as store:
            yield store

    async def suppress(self, key: str, *, ends_at: datetime | None = None) -> None:
        values = {
            "address": key,
            "reason": Reason.MANUAL,
            "source": "manual",
            "created_at": 0.0,
            "ends_at": ends_at and ends_at.timestamp(),
        }
        async with self.ledger.engine.begin() as connection:
            await connection.execute(sa.insert(schema.suppressions).values(values))

    async def receipts(self) -> Sequence[Receipt]:
        return [
            Receipt(r["ses_message_id"], r["email_id"], r["attempt"], _time(r["accepted_at"]))
            for r in await self._all(sa.select(schema.receipts))
        ]

    async def notes(self, email_id: str) -> Sequence[RecipientNote]:
        table = schema.recipients
        query = sa.select(table).where(table.c.email_id == email_id).order_by(table.c.address)
        return [
            RecipientNote(r["email_id"], r["address"], r["status"], r["reason"], _time(r["updated_at"]))
            for r in await self._all(query)
        ]

    async def asides(self) -> Sequence[Aside]:
        return [
            Aside(
                queue_message_id=r["queue_message_id"],
                email_id=r["email_id"],
                kind=r["kind"],
                reason=Reason(r["reason"]),
                detail=r["detail"],
                raw=r["raw"],
                lane=r["lane"],
                at=_time(r["at"]),
            )
            for r in await self._all(sa.select(schema.asides))
        ]

    def fill_disk(self) -> None:
        self.ledger.min_free_bytes = HUGE_BYTES

    def fall_sick(self) -> None:
        self.ailment.begin()

    def recover(self) -> None:
        self.ailment.end()

    async def _all(self, query: sa.Select[Any]) -> Sequence[sa.RowMapping]:
        async with self.ledger.engine.connect() as connection:
            records: Sequence[sa.RowMapping] = (await connection.execute(query)).mappings().all()
            return records


def _time(at: float) -> datetime:
    return datetime.fromtimestamp(at, UTC)


@asynccontextmanager
async def open_store(url: str, clock: HandClock, *, disk: Path | None = None) -> AsyncIterator[Store]:
    """A store with its worker running."""
    async with open_engine(locate(url)) as engine, serving(Store(engine=engine, clock=clock, disk=disk)) as store:
        yield store


@asynccontextmanager
async def serving(store: Store) -> AsyncIterator[Store]:
    """Run the worker; should it crash, the test ends at once instead of waiting for ever."""
    worker = asyncio.create_task(store.run())
    worker.add_done_callback(_end_waiting)
    try:
        yield store
    finally:
        worker.remove_done_callback(_end_waiting)
        worker.cancel()
        with suppress(asyncio.CancelledError):
            await worker


def _end_waiting(worker: asyncio.Task[None]) -> None:
    for task in asyncio.all_tasks():
        if task is not worker:
            task.cancel(f"the store's worker ended: {worker!r}")


async def empty(engine: AsyncEngine) -> None:
    """Leave the tables, take the rows."""
    async with engine.begin() as connection:
        for table in schema.metadata.tables.values():
            await connection.execute(sa.delete(table))
