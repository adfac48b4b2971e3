"""What every `Turns` promises: one node at a time, and another one when its time is over."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

import pytest
import sqlalchemy as sa

from tank_mailer.adapters.schema import turns as table
from tank_mailer.adapters.store import Store
from tank_mailer.adapters.turns import SqlTurns
from tank_mailer.core.errors import Reason, StoreError
from tank_mailer.ports.nodes import Turns
from tests.contract.benches import Ailment, HandClock, empty, open_store
from tests.contract.conftest import Database
from tests.nodes_fakes import FakeTurns

FIRST, SECOND = "mail-1/4f1d", "mail-2/9a0e"


class Bench(Protocol):
    """Two nodes, each with its own way to the same turns."""

    @property
    def first(self) -> Turns: ...

    @property
    def second(self) -> Turns: ...

    async def pass_time(self, seconds: float) -> None:
        """By the store's clock."""

    def fall_sick(self) -> None: ...

    def recover(self) -> None: ...


@dataclass(frozen=True, slots=True)
class InMemory:
    first: FakeTurns
    second: FakeTurns
    clock: HandClock

    async def pass_time(self, seconds: float) -> None:
        self.clock.boot += seconds

    def fall_sick(self) -> None:
        self.first.sick = StoreError(Reason.STORE_SICK, "the fake is sick")

    def recover(self) -> None:
        self.first.sick = None


@dataclass(frozen=True, slots=True)
class OnDisk:
    first: SqlTurns
    second: SqlTurns
    store: Store
    clock: HandClock
    ailment: Ailment

    async def pass_time(self, seconds: float) -> None:
        if self.store.engine.dialect.name == "sqlite":
            self.clock.boot += seconds
            return
        async with self.store.engine.begin() as connection:  # the server's own clock cannot be moved
            await connection.execute(sa.update(table).values(ends_at=table.c.ends_at - seconds))

    def fall_sick(self) -> None:
        self.ailment.begin()

    def recover(self) -> None:
        self.ailment.end()


@pytest.fixture
async def turns_bench(place: Database | None, clock: HandClock, tmp_path: Path) -> AsyncIterator[Bench]:
    if place is None:
        first = FakeTurns(clock, FIRST)
        yield InMemory(first, FakeTurns(clock, SECOND, first.held), clock)
        return
    async with AsyncExitStack() as stack:
        stores = [await stack.enter_async_context(open_store(place.url, clock, disk=tmp_path)) for _ in range(2)]
        await empty(stores[0].engine)
        nodes = SqlTurns(store=stores[0], owner=FIRST), SqlTurns(store=stores[1], owner=SECOND)
        yield OnDisk(*nodes, stores[0], clock, place.ailment)


@pytest.fixture
def first(turns_bench: Bench) -> Turns:
    return turns_bench.first


@pytest.fixture
def second(turns_bench: Bench) -> Turns:
    return turns_bench.second


# --- who has it ------------------------------------------------------------------------------------


async def test_one_node_at_a_time(first: Turns, second: Turns) -> None:
    assert await first.take("prune", for_s=60)
    assert not await second.take("prune", for_s=60)


async def test_of_those_who_ask_at_once_one_gets_it(first: Turns, second: Turns) -> None:
    taken = await asyncio.gather(*(turns.take("prune", for_s=60) for turns in (first, second)))

    assert sorted(taken) == [False, True]


async def test_one_work_says_nothing_of_another(first: Turns, second: Turns) -> None:
    assert await first.take("prune", for_s=60)
    assert await second.take("canary", for_s=60)


async def test_whoever_has_it_goes_on_for_as_long_as_he_asks_again(
    turns_bench: Bench, first: Turns, second: Turns
) -> None:
    for _ in range(3):
        assert await first.take("prune", for_s=60)
        await turns_bench.pass_time(50)

    assert not await second.take("prune", for_s=60)


async def test_a_node_that_stands_still_loses_it_when_its_time_is_over(
    turns_bench: Bench, first: Turns, second: Turns
) -> None:
    """A stopped process keeps its connection: nothing but the time says that it is gone."""
    assert await first.take("prune", for_s=60)
    await turns_bench.pass_time(50)
    assert not await second.take("prune", for_s=60)
    await turns_bench.pass_time(11)

    assert await second.take("prune", for_s=60)
    assert not await first.take("prune", for_s=60)


async def test_what_is_given_up_is_anybodys_at_once(first: Turns, second: Turns) -> None:
    assert await first.take("prune", for_s=3_600)

    await first.give_up("prune")

    assert await second.take("prune", for_s=60)


async def test_nobody_gives_up_for_another(first: Turns, second: Turns) -> None:
    """A node that was stopped and goes on ends its work late: somebody else's by now."""
    assert await first.take("prune", for_s=60)

    await second.give_up("prune")
    await second.give_up("canary")

    assert not await second.take("prune", for_s=60)


async def test_a_sick_store_is_an_error_of_the_store(turns_bench: Bench, first: Turns) -> None:
    turns_bench.fall_sick()
    try:
        for call in (first.take("prune", for_s=60), first.give_up("prune")):
            with pytest.raises(StoreError):
                await call
    finally:
        turns_bench.recover()

    assert await first.take("prune", for_s=60)


# --- by whose clock --------------------------------------------------------------------------------


async def test_a_node_whose_clock_is_an_hour_ahead_takes_nothing_away(
    served: Database, clock: HandClock, tmp_path: Path
) -> None:
    """The server's time alone counts."""
    async with open_store(served.url, clock, disk=tmp_path) as store:
        await empty(store.engine)
        assert await SqlTurns(store=store, owner=FIRST).take("prune", for_s=60)

        clock.boot += 3_600

        assert not await SqlTurns(store=store, owner=SECOND).take("prune", for_s=60)
