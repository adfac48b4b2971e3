"""Goes through rows for a command, many of them and one by one, and gets in nobody's way.

What is read locks nobody out, what is judged is judged with nothing held, and only rows that change are written, a few
at a time: on SQLite each such transaction keeps the daemon waiting.
"""

import asyncio
import time
from collections.abc import AsyncIterator, Callable, Iterator, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Any, TypeVar

import sqlalchemy as sa
from sqlalchemy.ext.asyncio import AsyncConnection

from tank_mailer.adapters.database import READS
from tank_mailer.adapters.desk import Desk
from tank_mailer.adapters.sickness import SICK, sick

ROWS = 100  # written in one transaction: some ms with SQLite's flush to disk
ENTRIES = 250  # entered in one transaction: 15 ms, and a line of the audit table each
REST_S = 0.03  # at least: who waits for SQLite's lock asks every 25 ms, and ever more rarely after a tenth of a second
READ_AHEAD = 5  # times as many are read at a time, for that holds nobody up
T = TypeVar("T")
Judge = Callable[[Sequence[Any]], Mapping[str, object] | None]


@asynccontextmanager
async def reading(desk: Desk) -> AsyncIterator[AsyncConnection]:
    """The store as it stands now; nobody waits for it.

    Raises:
        StoreError: the store cannot be read.
    """
    try:
        async with desk.engine.connect() as connection:
            yield await connection.execution_options(**READS)
    except SICK as error:
        raise sick(error) from error


@asynccontextmanager
async def by_turns(desk: Desk) -> AsyncIterator[AsyncConnection]:
    """One transaction of many in a row; on SQLite it ends with a rest as long as its work, or `REST_S`.

    SQLite's lock goes to whoever asks first, and who has waited asks ever more rarely: without rests others would get
    it by chance, or too late.

    Raises:
        StoreError: the store cannot be used, or is busy for too long.
    """
    async with desk.transaction() as connection:
        began_s = time.monotonic()
        yield connection
    await _rest(desk, began_s)


@asynccontextmanager
async def with_rest(desk: Desk) -> AsyncIterator[None]:
    """The same around one that begins and ends within."""
    began_s = time.monotonic()
    yield
    await _rest(desk, began_s)


async def _rest(desk: Desk, began_s: float) -> None:
    if desk.engine.dialect.name == "sqlite":
        await asyncio.sleep(max(REST_S, time.monotonic() - began_s))


@asynccontextmanager
async def overwriting(desk: Desk) -> AsyncIterator[AsyncConnection]:
    """The same, after which nothing of what it deletes is left in SQLite's file."""
    async with by_turns(desk) as connection:
        if desk.engine.dialect.name == "sqlite":
            await connection.exec_driver_sql("PRAGMA secure_delete=ON")
        yield connection


async def look_up(desk: Desk, column: sa.Column[Any], where: sa.ColumnElement[bool]) -> list[Any]:
    """The values of one column."""
    async with reading(desk) as connection:
        return list((await connection.execute(sa.select(column).where(where).order_by(column))).scalars())


@dataclass(frozen=True, slots=True, kw_only=True)
class Walk:
    """Changes rows of one table.

    Attributes:
        shown: the columns that `judge` gets; the first one is the table's key.
        judge: the columns to be written of a row, by name; None: it stays as it is.
        is_real: False: rows are only counted.
        rows: how many are written in one transaction.
    """

    desk: Desk
    shown: Sequence[sa.Column[Any]]
    judge: Judge
    is_real: bool
    rows: int

    async def some(self, where: sa.ColumnElement[bool]) -> int:
        """Rows that an index leads to; returns how many change."""
        keys, count = await look_up(self.desk, self._key, where), 0
        for page in pages(keys, self.rows * READ_AHEAD):
            async with reading(self.desk) as connection:
                found = (await connection.execute(self._query(page))).all()
            count += await self._settle(found)
        return count

    async def all(self, moved: Callable[[int], None]) -> int:
        """The whole table; returns how many change.

        Args:
            moved: told of rows that were looked at.
        """
        query, last, count = sa.select(*self.shown).order_by(self._key).limit(self.rows * READ_AHEAD), None, 0
        while True:
            page = query if last is None else query.where(self._key > last)
            async with reading(self.desk) as connection:
                found = (await connection.execute(page)).all()
            if not found:
                return count
            last = found[-1][0]
            count += await self._settle(found)
            moved(len(found))

    async def _settle(self, found: Sequence[Sequence[Any]]) -> int:
        changed = [(tuple(row), left) for row in found if (left := self.judge(row)) is not None]
        for some in pages(changed, self.rows) if self.is_real else ():
            await self._write(dict(some))
        return len(changed)

    async def _write(self, changed: Mapping[tuple[Any, ...], Mapping[str, object]]) -> None:
        query = self._query([key for key, *_ in changed]).with_for_update()  # SQLite holds its lock by then
        update = sa.update(self._key.table).where(self._key == sa.bindparam("of_row"))
        async with overwriting(self.desk) as connection:
            values = list[dict[str, object]]()
            for row in (await connection.execute(query)).all():
                left = changed.get(tuple(row)) or self.judge(row)  # another may have changed it since it was judged
                if left is not None:
                    values.append({"of_row": row[0], **left})
            if values:
                await connection.execute(update, values)

    def _query(self, keys: Sequence[Any]) -> sa.Select[Any]:
        return sa.select(*self.shown).where(self._key.in_(keys)).order_by(self._key)

    @property
    def _key(self) -> sa.Column[Any]:
        return self.shown[0]


def pages(things: Sequence[T], size: int) -> Iterator[Sequence[T]]:
    """Cut it so that each piece is a short transaction."""
    return (things[start : start + size] for start in range(0, len(things), size))
