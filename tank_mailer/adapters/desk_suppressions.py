"""The suppression list as people read and change it."""

from collections.abc import AsyncIterator, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime

import sqlalchemy as sa
from sqlalchemy.ext.asyncio import AsyncConnection

from tank_mailer.adapters import rows
from tank_mailer.adapters.desk import Desk
from tank_mailer.adapters.schema import suppressions
from tank_mailer.adapters.store import insert_for
from tank_mailer.core.suppression import Entry, joined

PAGE = 1_000  # entries in one transaction


@dataclass(frozen=True, slots=True)
class Entered:
    """What became of entries: new ones, those that changed, those that stay as they were."""

    added: int = 0
    changed: int = 0
    unchanged: int = 0

    def __add__(self, other: "Entered") -> "Entered":
        return Entered(self.added + other.added, self.changed + other.changed, self.unchanged + other.unchanged)


async def enter(
    desk: Desk, entries: Sequence[Entry], *, action: str, subject: str, detail: str | None = None
) -> tuple[Entered, list[Entry]]:
    """Put entries on the list, in one transaction; return what stands there now."""
    now = desk.clock.now()
    async with desk.transaction() as connection:
        if desk.engine.dialect.name == "postgresql":  # SQLite locks as it begins; readers go on with both
            await connection.execute(sa.text("LOCK TABLE suppressions IN SHARE ROW EXCLUSIVE MODE"))
        before = await _find(connection, {entry.address for entry in entries})
        after = dict(before)
        for entry in entries:
            after[entry.address] = joined(after.get(entry.address), entry, now)
        new = [entry for address, entry in after.items() if before.get(address) != entry]
        if new:
            await connection.execute(_upsert(desk), [_columns(entry) for entry in new])
        changed = sum(entry.address in before for entry in new)
        entered = Entered(len(new) - changed, changed, len(after) - len(new))
        counts = f"{entered.added} added, {entered.changed} changed, {entered.unchanged} unchanged"
        await desk.note(connection, action=action, subject=subject, detail="; ".join(filter(None, [detail, counts])))
    return entered, [after[entry.address] for entry in entries]


async def remove(desk: Desk, address: str) -> Entry | None:
    """Take an address off the list; return what stood there."""
    async with desk.transaction() as connection:
        entry = (await _find(connection, {address})).get(address)
        if entry is not None:
            await connection.execute(sa.delete(suppressions).where(suppressions.c.address == address))
            detail = f"was: {entry.reason}, by {entry.source}, since {entry.created_at.isoformat(timespec='seconds')}"
            await desk.note(connection, action="suppress remove", subject=address, detail=detail)
    return entry


async def find(desk: Desk, address: str) -> Entry | None:
    """What stands there about an address, in force or not."""
    async with desk.transaction() as connection:
        return (await _find(connection, {address})).get(address)


async def list_newest(desk: Desk, *, limit: int, with_ended: bool) -> tuple[int, list[Entry]]:
    """How many entries there are, and the newest of them."""
    conditions = [] if with_ended else [_in_force(desk.clock.now())]
    query = sa.select(suppressions).where(*conditions)
    query = query.order_by(suppressions.c.created_at.desc(), suppressions.c.address).limit(limit)
    async with desk.transaction() as connection:
        count = await connection.scalar(sa.select(sa.func.count()).select_from(suppressions).where(*conditions))
        return count or 0, [_entry(record) for record in (await connection.execute(query)).mappings()]


async def pages(desk: Desk) -> AsyncIterator[list[Entry]]:
    """All entries in force, by address; each page is read in a transaction of its own."""
    last = ""
    while True:
        query = sa.select(suppressions).where(suppressions.c.address > last, _in_force(desk.clock.now()))
        async with desk.transaction() as connection:
            found = await connection.execute(query.order_by(suppressions.c.address).limit(PAGE))
            page = [_entry(record) for record in found.mappings()]
        if not page:
            return
        yield page
        last = page[-1].address


def _in_force(now: datetime) -> sa.ColumnElement[bool]:
    return sa.or_(suppressions.c.ends_at.is_(None), suppressions.c.ends_at > now.timestamp())


async def _find(connection: AsyncConnection, addresses: set[str]) -> dict[str, Entry]:
    query = sa.select(suppressions).where(suppressions.c.address.in_(addresses))
    return {record["address"]: _entry(record) for record in (await connection.execute(query)).mappings()}


def _upsert(desk: Desk) -> sa.Executable:
    insert = insert_for(desk.engine, suppressions)
    names = [column.name for column in suppressions.c if column.name != "address"]
    statement: sa.Executable = insert.on_conflict_do_update(
        index_elements=[suppressions.c.address], set_={name: insert.excluded[name] for name in names}
    )
    return statement


def _columns(entry: Entry) -> dict[str, object]:
    return {
        "address": entry.address,
        "reason": entry.reason,
        "source": entry.source,
        "note": entry.note,
        "created_at": entry.created_at.timestamp(),
        "ends_at": rows.seconds(entry.ends_at),
    }


def _entry(record: sa.RowMapping) -> Entry:
    return Entry(
        address=record["address"],
        reason=record["reason"],
        source=record["source"],
        created_at=datetime.fromtimestamp(record["created_at"], UTC),
        ends_at=rows.moment(record["ends_at"]),
        note=record["note"],
    )
