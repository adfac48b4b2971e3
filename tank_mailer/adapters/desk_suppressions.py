"""The suppression list as people read and change it."""

from collections.abc import AsyncIterator, Callable, Collection, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime

import sqlalchemy as sa
from sqlalchemy.ext.asyncio import AsyncConnection

from tank_mailer.adapters import rows
from tank_mailer.adapters.desk import Desk
from tank_mailer.adapters.schema import addresses, audit, suppressions
from tank_mailer.adapters.store import insert_for
from tank_mailer.core.address import HASHED, address_hash
from tank_mailer.core.suppression import Entry, is_stale, joined, lasting

# For a transaction that reads entries before it writes them, on PostgreSQL: SQLite locks as it begins. Readers go on.
LOCK = sa.text("LOCK TABLE suppressions IN SHARE ROW EXCLUSIVE MODE")
PAGE = 1_000  # entries in one transaction
REMOVE = "suppress remove"  # in the record of changes


@dataclass(frozen=True, slots=True)
class Entered:
    """What became of entries: new ones, those that changed, those that stay as they were."""

    added: int = 0
    changed: int = 0
    unchanged: int = 0

    def __add__(self, other: "Entered") -> "Entered":
        return Entered(self.added + other.added, self.changed + other.changed, self.unchanged + other.unchanged)


@dataclass(frozen=True, slots=True, kw_only=True)
class Standing:
    """What is known of one address.

    Attributes:
        entry: in force or not; of an entry under the address and one under its hash the one that lasts longer.
        first_mailed_at: None: it was never mailed, as far as anybody knows.
    """

    entry: Entry | None
    first_mailed_at: datetime | None = None
    last_delivered_at: datetime | None = None

    def is_stale(self, *, after_days: int, now: datetime) -> bool:
        """Whether it is held back for having had no delivery for so long."""
        if self.first_mailed_at is None:
            return False
        return is_stale(self.first_mailed_at, self.last_delivered_at, after_days=after_days, now=now)


@dataclass(frozen=True, slots=True)
class Removed:
    """What `remove` has changed."""

    entry: Entry | None
    was_stale: bool

    @property
    def anything(self) -> bool:
        """Whether it has changed anything."""
        return self.entry is not None or self.was_stale


async def enter(
    desk: Desk,
    entries: Sequence[Entry],
    *,
    action: str,
    subject: str,
    detail: str | None = None,
    rule: Callable[[Entry | None, Entry, datetime], Entry] = joined,
) -> tuple[Entered, list[Entry]]:
    """Put entries on the list, in one transaction; return what stands there now.

    Args:
        desk: where.
        entries: what to put there.
        action: for the record of changes.
        subject: for the record of changes.
        detail: for the record of changes, before the counts.
        rule: makes one of what stands there already and what is to be entered.
    """
    now = desk.clock.now()
    async with desk.transaction() as connection:
        if desk.engine.dialect.name == "postgresql":  # SQLite locks as it begins; readers go on with both
            await connection.execute(LOCK)
        before = await find_entries(connection, {entry.address for entry in entries})
        after, stands_as = dict(before), dict[str, str]()
        for entry in entries:
            standing = rule(_standing(after, entry.address), entry, now)
            after[standing.address] = standing
            stands_as[entry.address] = standing.address
        touched = set(stands_as.values())
        new = [after[address] for address in sorted(touched) if before.get(address) != after[address]]
        if new:
            await connection.execute(_upsert(desk), [entry_columns(entry) for entry in new])
        changed = sum(entry.address in before for entry in new)
        entered = Entered(len(new) - changed, changed, len(touched) - len(new))
        counts = f"{entered.added} added, {entered.changed} changed, {entered.unchanged} unchanged"
        said = "; ".join(filter(None, [detail, counts]))
        await desk.note(connection, action=action, subject=stands_as.get(subject, subject), detail=said)
    return entered, [_standing(after, entry.address) or entry for entry in entries]


async def remove(desk: Desk, address: str, *, stale_after_days: int) -> Removed:
    """Let an address be mailed again: take it off the list, under its hash too, and begin its history anew."""
    now = desk.clock.now()
    async with desk.transaction() as connection:
        standing = await _look(connection, address)
        entry, was_stale = standing.entry, standing.is_stale(after_days=stale_after_days, now=now)
        said = list[str]()
        if entry is not None:
            await connection.execute(sa.delete(suppressions).where(suppressions.c.address.in_(_names(address))))
            since = entry.created_at.isoformat(timespec="seconds")
            said.append(f"was: {entry.reason}, by {entry.source}, since {since}")
        if was_stale:
            query = sa.update(addresses).where(addresses.c.hash == _hash_of(address))
            await connection.execute(query.values(first_mailed_at=now.timestamp(), last_delivered_at=None))
            said.append("was stale")
        if said:
            subject = entry.address if entry is not None else address
            await desk.note(connection, action=REMOVE, subject=subject, detail="; ".join(said))
    return Removed(entry, was_stale)


async def find(desk: Desk, address: str) -> Standing:
    """What is known of an address."""
    async with desk.transaction() as connection:
        return await _look(connection, address)


async def removals(desk: Desk) -> dict[str, datetime]:
    """When a person has taken which addresses off the list, the last time each, as far as it is on record."""
    query = sa.select(audit.c.subject, sa.func.max(audit.c.at)).where(audit.c.action == REMOVE)
    async with desk.transaction() as connection:
        found = await connection.execute(query.group_by(audit.c.subject))
        return {subject: datetime.fromtimestamp(at, UTC) for subject, at in found}


async def list_newest(desk: Desk, *, limit: int, with_ended: bool) -> tuple[int, list[Entry]]:
    """How many entries there are, and the newest of them."""
    conditions = [] if with_ended else [_in_force(desk.clock.now())]
    query = sa.select(suppressions).where(*conditions)
    query = query.order_by(suppressions.c.created_at.desc(), suppressions.c.address).limit(limit)
    async with desk.transaction() as connection:
        count = await connection.scalar(sa.select(sa.func.count()).select_from(suppressions).where(*conditions))
        return count or 0, [read_entry(record) for record in (await connection.execute(query)).mappings()]


async def pages(desk: Desk) -> AsyncIterator[list[Entry]]:
    """All entries in force, by address; each page is read in a transaction of its own."""
    last = ""
    while True:
        query = sa.select(suppressions).where(suppressions.c.address > last, _in_force(desk.clock.now()))
        async with desk.transaction() as connection:
            found = await connection.execute(query.order_by(suppressions.c.address).limit(PAGE))
            page = [read_entry(record) for record in found.mappings()]
        if not page:
            return
        yield page
        last = page[-1].address


def _in_force(now: datetime) -> sa.ColumnElement[bool]:
    return sa.or_(suppressions.c.ends_at.is_(None), suppressions.c.ends_at > now.timestamp())


async def find_entries(connection: AsyncConnection, subjects: Collection[str]) -> dict[str, Entry]:
    """The entries of these mailbox keys or hashes, by the address of each; of a key also what stands under its hash."""
    names = {name for subject in subjects for name in _names(subject)}
    query = sa.select(suppressions).where(suppressions.c.address.in_(names))
    return {record["address"]: read_entry(record) for record in (await connection.execute(query)).mappings()}


async def _look(connection: AsyncConnection, address: str) -> Standing:
    entry = _standing(await find_entries(connection, {address}), address)
    found = (await connection.execute(sa.select(addresses).where(addresses.c.hash == _hash_of(address)))).mappings()
    record = found.first()
    if record is None:
        return Standing(entry=entry)
    return Standing(
        entry=entry,
        first_mailed_at=rows.moment(record["first_mailed_at"]),
        last_delivered_at=rows.moment(record["last_delivered_at"]),
    )


def _standing(entries: Mapping[str, Entry], address: str) -> Entry | None:
    return lasting([entries[name] for name in _names(address) if name in entries])


def _names(address: str) -> tuple[str, ...]:
    """Under what an address may stand on the list."""
    hashed = _hash_of(address)
    return (address,) if hashed == address else (address, hashed)


def _hash_of(address: str) -> str:
    return address if address.startswith(HASHED) else address_hash(address)


def _upsert(desk: Desk) -> sa.Executable:
    insert = insert_for(desk.engine, suppressions)
    names = [column.name for column in suppressions.c if column.name != "address"]
    statement: sa.Executable = insert.on_conflict_do_update(
        index_elements=[suppressions.c.address], set_={name: insert.excluded[name] for name in names}
    )
    return statement


def entry_columns(entry: Entry) -> dict[str, object]:
    """The columns of an entry."""
    return {
        "address": entry.address,
        "reason": entry.reason,
        "source": entry.source,
        "note": entry.note,
        "created_at": entry.created_at.timestamp(),
        "ends_at": rows.seconds(entry.ends_at),
        "event_key": entry.event_key,
    }


def read_entry(record: sa.RowMapping) -> Entry:
    """The entry in a record of the table `suppressions`."""
    return Entry(
        address=record["address"],
        reason=record["reason"],
        source=record["source"],
        created_at=datetime.fromtimestamp(record["created_at"], UTC),
        ends_at=rows.moment(record["ends_at"]),
        note=record["note"],
        event_key=record["event_key"],
    )
