"""What every `Outbox` promises: order per job, nothing again once it is told, nothing lost."""

import sqlite3
from collections.abc import AsyncIterator
from contextlib import closing
from dataclasses import dataclass
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any, Protocol

import pytest
import sqlalchemy as sa
from sqlalchemy.dialects import sqlite

from tank_mailer.adapters.database import locate
from tank_mailer.adapters.desk import open_desk
from tank_mailer.adapters.desk_webhook import Count, Period, count, replay
from tank_mailer.adapters.outbox import DUE, SqlOutbox
from tank_mailer.adapters.rows import moment
from tank_mailer.adapters.schema import outbox as table
from tank_mailer.adapters.store import Store
from tank_mailer.core.errors import Reason, StoreError
from tank_mailer.flows.notify import Backlog
from tank_mailer.ports import Letter
from tests.contract.benches import Ailment, HandClock, empty, open_store
from tests.contract.conftest import Database
from tests.fakes import EPOCH
from tests.outbox_fakes import FakeOutbox

SECOND = timedelta(seconds=1)
LATER = EPOCH + timedelta(hours=1)


@dataclass(frozen=True, slots=True)
class Standing:
    """How a letter stands."""

    due_at: datetime | None
    told_at: datetime | None
    tries: int


class Bench(Protocol):
    """An outbox, and the ledger's side of it."""

    @property
    def outbox(self) -> Backlog: ...

    async def write(self, email_id: str, text: str = "{}", *, at: datetime = EPOCH) -> int:
        """Put a letter there, due at once; its id."""

    async def standing(self, letter: int) -> Standing: ...

    def fall_sick(self) -> None: ...

    def recover(self) -> None: ...


@dataclass(frozen=True, slots=True)
class InMemory:
    outbox: FakeOutbox

    async def write(self, email_id: str, text: str = "{}", *, at: datetime = EPOCH) -> int:
        return self.outbox.add(email_id, text, created_at=at)

    async def standing(self, letter: int) -> Standing:
        kept = self.outbox
        return Standing(kept.due_at.get(letter), kept.told_at.get(letter), kept.letters[letter].tries)

    def fall_sick(self) -> None:
        self.outbox.sick = StoreError(Reason.STORE_SICK, "the fake is sick")

    def recover(self) -> None:
        self.outbox.sick = None


@dataclass(frozen=True, slots=True)
class OnDisk:
    outbox: SqlOutbox
    store: Store
    ailment: Ailment

    async def write(self, email_id: str, text: str = "{}", *, at: datetime = EPOCH) -> int:
        values = {"email_id": email_id, "payload": text, "created_at": at.timestamp(), "due_at": at.timestamp()}
        async with self.store.engine.begin() as connection:
            statement = sa.insert(table).values(**values, tries=0).returning(table.c.id)
            return int((await connection.execute(statement)).scalar_one())

    async def standing(self, letter: int) -> Standing:
        async with self.store.engine.connect() as connection:
            found: Any = (await connection.execute(sa.select(table).where(table.c.id == letter))).mappings().one()
        return Standing(moment(found["due_at"]), moment(found["told_at"]), found["tries"])

    def fall_sick(self) -> None:
        self.ailment.begin()

    def recover(self) -> None:
        self.ailment.end()


@pytest.fixture
async def outbox_bench(place: Database | None, clock: HandClock, tmp_path: Path) -> AsyncIterator[Bench]:
    if place is None:
        yield InMemory(FakeOutbox(clock))
        return
    async with open_store(place.url, clock, disk=tmp_path) as store:
        await empty(store.engine)
        yield OnDisk(SqlOutbox(store), store, place.ailment)


@pytest.fixture
def outbox(outbox_bench: Bench) -> Backlog:
    return outbox_bench.outbox


async def due_ids(outbox: Backlog, at: datetime = LATER, limit: int = 1_000) -> list[int]:
    return [letter.id for letter in await outbox.due(at, limit=limit)]


def letter_of(number: int, email_id: str = "a") -> Letter:
    return Letter(number, email_id, "{}", EPOCH)


# --- what is due -----------------------------------------------------------------------------------


async def test_an_empty_one_has_nothing(outbox: Backlog) -> None:
    assert await outbox.due(LATER, limit=10) == []
    assert await outbox.next_due() is None
    assert await outbox.waiting() == 0
    assert await outbox.waiting_since(LATER, limit=10) == []


async def test_a_letter_comes_out_as_it_was_put_in(outbox_bench: Bench, outbox: Backlog) -> None:
    text = '{"type": "email.status", "data": {"recipient": "jürgen@example.org"}}'
    number = await outbox_bench.write("order-4711", text)

    assert await outbox.due(EPOCH, limit=10) == [Letter(number, "order-4711", text, EPOCH, tries=0)]


async def test_of_each_job_the_oldest_alone_and_of_all_the_oldest_first(outbox_bench: Bench, outbox: Backlog) -> None:
    first, _, second, _, third = [
        await outbox_bench.write(email_id, at=EPOCH + n * SECOND) for n, email_id in enumerate("aabbc")
    ]

    assert await due_ids(outbox) == [first, second, third]
    assert await due_ids(outbox, limit=2) == [first, second]


async def test_what_is_not_due_yet_waits(outbox_bench: Bench, outbox: Backlog) -> None:
    number = await outbox_bench.write("a", at=EPOCH)

    assert await due_ids(outbox, EPOCH - SECOND) == []
    assert await due_ids(outbox, EPOCH) == [number]
    assert await outbox.next_due() == EPOCH


# --- what becomes of letters -----------------------------------------------------------------------


async def test_what_was_told_is_not_told_again_and_the_next_one_goes(outbox_bench: Bench, outbox: Backlog) -> None:
    first, second, other = [await outbox_bench.write(email_id) for email_id in "aab"]

    await outbox.told([first, other], LATER)

    assert await due_ids(outbox) == [second]
    assert await outbox_bench.standing(first) == Standing(None, LATER, 0)
    assert await outbox.waiting() == 1
    await outbox.told([], LATER)


async def test_a_letter_put_off_holds_its_job_back_and_nobody_else(outbox_bench: Bench, outbox: Backlog) -> None:
    first, second, other = [await outbox_bench.write(email_id) for email_id in "aab"]
    letter = (await outbox.due(EPOCH, limit=10))[0]

    await outbox.put_off(letter, LATER)

    assert await due_ids(outbox, LATER - SECOND) == [other]
    assert second not in await due_ids(outbox)
    assert (await outbox.due(LATER, limit=10))[-1] == Letter(first, "a", "{}", EPOCH, tries=1)
    await outbox.told([other, second], EPOCH)
    assert await outbox.next_due() == LATER


async def test_a_letter_given_up_is_kept_and_lets_the_next_one_go(outbox_bench: Bench, outbox: Backlog) -> None:
    first, second = [await outbox_bench.write(email_id) for email_id in "aa"]

    await outbox.give_up(letter_of(first))

    assert await due_ids(outbox) == [second]
    assert await outbox_bench.standing(first) == Standing(None, None, 0)


@pytest.mark.parametrize("how", ["told", "given up"])
async def test_what_another_node_has_settled_is_not_opened_again(
    how: str, outbox_bench: Bench, outbox: Backlog
) -> None:
    """Two nodes told the same letter; the one whose request failed must not start it over."""
    number = await outbox_bench.write("a")
    if how == "told":
        await outbox.told([number], EPOCH)
    else:
        await outbox.give_up(letter_of(number))

    await outbox.put_off(letter_of(number), EPOCH)

    assert await due_ids(outbox) == []


# --- all that waits --------------------------------------------------------------------------------


async def test_old_letters_are_found_due_or_not(outbox_bench: Bench, outbox: Backlog) -> None:
    old = [await outbox_bench.write(email_id, at=EPOCH) for email_id in "aab"]
    young = await outbox_bench.write("c", at=EPOCH + SECOND)
    told = await outbox_bench.write("d", at=EPOCH)
    await outbox.told([told], EPOCH)
    await outbox.put_off(letter_of(old[0]), LATER)

    found = [letter.id for letter in await outbox.waiting_since(EPOCH, limit=10)]

    assert sorted(found) == old
    assert young not in found
    assert len(await outbox.waiting_since(EPOCH, limit=2)) == 2
    assert await outbox.waiting() == 4


# --- a sick store ----------------------------------------------------------------------------------


async def test_a_sick_store_is_an_error_of_the_store(outbox_bench: Bench, outbox: Backlog) -> None:
    number = await outbox_bench.write("a")
    outbox_bench.fall_sick()
    try:
        for call in (
            outbox.due(EPOCH, limit=1),
            outbox.told([number], EPOCH),
            outbox.put_off(letter_of(number), EPOCH),
            outbox.give_up(letter_of(number)),
            outbox.next_due(),
            outbox.waiting(),
            outbox.waiting_since(EPOCH, limit=1),
        ):
            with pytest.raises(StoreError):
                await call
    finally:
        outbox_bench.recover()

    assert await due_ids(outbox) == [number]


# --- replay ----------------------------------------------------------------------------------------


async def test_what_a_person_puts_back_is_told_in_order(database: Database, clock: HandClock, tmp_path: Path) -> None:
    """`webhook replay` beside the daemon, whose own next letter of the job has to wait for it."""
    async with open_store(database.url, clock, disk=tmp_path) as store:
        await empty(store.engine)
        bench = OnDisk(SqlOutbox(store), store, database.ailment)
        first, second, other, third = [
            await bench.write(email_id, at=EPOCH + n * SECOND) for n, email_id in enumerate("aaba")
        ]
        await bench.outbox.told([first], EPOCH + SECOND)
        await bench.outbox.put_off(letter_of(second), LATER)
        await bench.outbox.give_up(letter_of(second))
        await bench.outbox.told([other], EPOCH - 10 * SECOND)
        period = Period(EPOCH, EPOCH + timedelta(minutes=1))
        async with open_desk(locate(database.url), clock=clock, who="test") as desk:
            counted = await count(desk, period)
            pages = [page async for page in replay(desk, period)]
        told = list[int]()
        while letters := await bench.outbox.due(LATER, limit=10):
            assert all(letter.tries == 0 for letter in letters)
            told += [letter.id for letter in letters]
            await bench.outbox.told(told, LATER)

    assert counted == Count(2, 1)
    assert pages == [Count(2, 1)]
    assert told == [first, second, third]


# --- cost ------------------------------------------------------------------------------------------


def test_a_long_backlog_is_not_sorted_for_each_look(migrated_file: Path) -> None:
    """SQLite's own word for it: it walks the index of what is due, and stops when it has enough."""
    statement = str(DUE.compile(dialect=sqlite.dialect()))
    with closing(sqlite3.connect(migrated_file)) as connection:
        plan = [step[-1] for step in connection.execute(f"EXPLAIN QUERY PLAN {statement}", (0.0, 1, 0))]

    assert any("USING INDEX outbox_due" in step for step in plan)
    assert not [step for step in plan if "TEMP B-TREE" in step or "SCAN" in step]
