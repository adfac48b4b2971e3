"""What every `Board` promises: nodes see each other while they live, orders stay until the next one, all on record."""

import asyncio
from collections.abc import AsyncIterator, Sequence
from contextlib import AsyncExitStack
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from typing import Protocol

import pytest
import sqlalchemy as sa

from tank_mailer.adapters.board import SqlBoard
from tank_mailer.adapters.database import locate
from tank_mailer.adapters.desk import Desk, open_desk
from tank_mailer.adapters.desk_board import give_order, look_at_board
from tank_mailer.adapters.schema import audit, nodes, orders
from tank_mailer.adapters.store import Store
from tank_mailer.core.errors import Reason, StoreError
from tank_mailer.core.view import LaneView, NodeView, PauseView
from tank_mailer.ports.nodes import Action, Board, Order, Posted
from tests.contract.benches import Ailment, HandClock, empty, open_store
from tests.contract.conftest import Database
from tests.fakes import EPOCH
from tests.nodes_fakes import FakeBoard

FIRST, SECOND = "mail-1/4f1d", "mail-2/9a0e"
HOUR_S = 3_600.0


def make_view(owner: str) -> NodeView:
    node, _, process = owner.partition("/")
    return NodeView(
        node,
        process,
        "1.4.0",
        EPOCH,
        EPOCH,
        rate=12.6,
        lanes={"ordinary": LaneView(queue="mails", in_hand=7, asked_at=EPOCH)},
        pauses=(PauseView("sender", "jürgen@example.com", "unverified_sender", EPOCH, detail="nicht bestätigt"),),
    )


PAUSED = Order("lane/ordinary", Action.PAUSE, EPOCH, "ann", "the newsletter has a typo")
RESUMED = Order("lane/ordinary", Action.RESUME, EPOCH + timedelta(hours=1), "bob")
ALL = Order("all", Action.PAUSE, EPOCH, "tank-mailer", "Umzug, bis später")


class Bench(Protocol):
    """Two nodes, each with its own way to the same board."""

    @property
    def first(self) -> Board: ...

    @property
    def second(self) -> Board: ...

    async def pass_time(self, seconds: float) -> None:
        """By the store's clock."""

    async def audited(self) -> Sequence[tuple[str, str, str, str | None, datetime]]:
        """Who, action, subject, detail, when; the oldest first."""

    def fall_sick(self) -> None: ...

    def recover(self) -> None: ...


@dataclass(frozen=True, slots=True)
class InMemory:
    first: FakeBoard
    second: FakeBoard
    clock: HandClock

    async def pass_time(self, seconds: float) -> None:
        self.clock.boot += seconds

    async def audited(self) -> Sequence[tuple[str, str, str, str | None, datetime]]:
        return [(one.who, one.action, one.scope, one.note, one.at) for one in self.first.wall.audit]

    def fall_sick(self) -> None:
        self.first.sick = StoreError(Reason.STORE_SICK, "the fake is sick")

    def recover(self) -> None:
        self.first.sick = None


@dataclass(frozen=True, slots=True)
class OnDisk:
    first: SqlBoard
    second: SqlBoard
    store: Store
    clock: HandClock
    ailment: Ailment

    async def pass_time(self, seconds: float) -> None:
        self.clock.boot += seconds
        if self.store.engine.dialect.name == "sqlite":
            return
        async with self.store.engine.begin() as connection:  # the server's own clock cannot be moved
            await connection.execute(sa.update(nodes).values(seen_at=nodes.c.seen_at - seconds))

    async def audited(self) -> Sequence[tuple[str, str, str, str | None, datetime]]:
        async with self.store.engine.connect() as connection:
            found = (await connection.execute(sa.select(audit).order_by(audit.c.id))).mappings().all()
        return [
            (one["who"], one["action"], one["subject"], one["detail"], datetime.fromtimestamp(one["at"], UTC))
            for one in found
        ]

    async def processes(self) -> Sequence[str]:
        async with self.store.engine.connect() as connection:
            return sorted((await connection.execute(sa.select(nodes.c.process))).scalars())

    def fall_sick(self) -> None:
        self.ailment.begin()

    def recover(self) -> None:
        self.ailment.end()


async def open_on_disk(database: Database, clock: HandClock, stack: AsyncExitStack) -> OnDisk:
    stores = [await stack.enter_async_context(open_store(database.url, clock)) for _ in range(2)]
    await empty(stores[0].engine)
    first, second = SqlBoard(store=stores[0], owner=FIRST), SqlBoard(store=stores[1], owner=SECOND)
    return OnDisk(first, second, stores[0], clock, database.ailment)


@pytest.fixture
async def board_bench(place: Database | None, clock: HandClock) -> AsyncIterator[Bench]:
    async with AsyncExitStack() as stack:
        if place is not None:
            yield await open_on_disk(place, clock, stack)
            return
        first = FakeBoard(clock, FIRST)
        yield InMemory(first, FakeBoard(clock, SECOND, first.wall), clock)


@pytest.fixture
async def on_disk(database: Database, clock: HandClock) -> AsyncIterator[OnDisk]:
    async with AsyncExitStack() as stack:
        yield await open_on_disk(database, clock, stack)


@pytest.fixture
async def desk(database: Database, clock: HandClock, on_disk: OnDisk) -> AsyncIterator[Desk]:
    async with open_desk(locate(database.url), clock=clock, who="ann") as desk:
        yield desk


@pytest.fixture
def first(board_bench: Bench) -> Board:
    return board_bench.first


@pytest.fixture
def second(board_bench: Bench) -> Board:
    return board_bench.second


async def others(board: Board) -> list[str]:
    return [view.node for view in (await board.look()).others]


# --- nodes -----------------------------------------------------------------------------------------


async def test_an_empty_board(first: Board) -> None:
    assert await first.look() == Posted([], [])


async def test_a_node_sees_the_others_and_not_itself(first: Board, second: Board) -> None:
    await first.post(make_view(FIRST))
    await second.post(make_view(SECOND))

    (seen,) = (await first.look()).others

    assert replace(seen, seen_at=EPOCH) == make_view(SECOND)
    assert await others(second) == ["mail-1"]


async def test_the_newest_view_counts(first: Board, second: Board) -> None:
    await first.post(make_view(FIRST))
    await first.post(replace(make_view(FIRST), is_draining=True))

    (seen,) = (await second.look()).others

    assert seen.is_draining


async def test_two_processes_of_one_node_are_two(first: Board, second: Board) -> None:
    """A daemon and the one that takes its place, while the old one drains."""
    await first.post(make_view(FIRST))
    await second.post(make_view("mail-1/9a0e"))

    assert [view.process for view in (await first.look()).others] == ["9a0e"]


async def test_a_node_that_is_silent_is_not_seen_after_half_a_minute(
    board_bench: Bench, first: Board, second: Board
) -> None:
    await second.post(make_view(SECOND))
    await board_bench.pass_time(28)
    assert await others(first) == ["mail-2"]
    await board_bench.pass_time(3)
    assert await others(first) == []

    await second.post(make_view(SECOND))

    assert await others(first) == ["mail-2"]


async def test_a_node_that_stops_takes_its_own_view_down(first: Board, second: Board) -> None:
    await first.post(make_view(FIRST))
    await second.post(make_view(SECOND))

    await first.leave()
    await first.leave()

    assert await others(second) == []
    assert await others(first) == ["mail-2"]


# --- orders ----------------------------------------------------------------------------------------


async def test_an_order_stands_for_all_nodes(first: Board, second: Board) -> None:
    await first.order(PAUSED)
    await second.order(ALL)

    assert (await first.look()).orders == (await second.look()).orders == [ALL, PAUSED]


async def test_a_later_order_takes_the_place_of_an_earlier_one(first: Board) -> None:
    await first.order(PAUSED)
    await first.order(ALL)
    await first.order(RESUMED)

    assert (await first.look()).orders == [ALL, RESUMED]


async def test_what_was_said_last_counts_whatever_the_clock_said(first: Board) -> None:
    """Were the clock of the pause an hour ahead, nobody could resume for an hour."""
    await first.order(RESUMED)
    await first.order(PAUSED)

    assert (await first.look()).orders == [PAUSED]


async def test_every_order_is_on_record(board_bench: Bench, first: Board) -> None:
    await first.order(PAUSED)
    await first.order(RESUMED)

    assert await board_bench.audited() == [
        ("ann", "pause", "lane/ordinary", "the newsletter has a typo", PAUSED.at),
        ("bob", "resume", "lane/ordinary", None, RESUMED.at),
    ]


async def test_orders_at_once_are_all_taken(board_bench: Bench, first: Board, second: Board) -> None:
    await asyncio.gather(first.order(PAUSED), second.order(RESUMED), first.order(ALL))

    assert [order.scope for order in (await first.look()).orders] == ["all", "lane/ordinary"]
    assert len(await board_bench.audited()) == 3


# --- a sick store ----------------------------------------------------------------------------------


async def test_a_sick_store_is_an_error_of_the_store(board_bench: Bench, first: Board) -> None:
    board_bench.fall_sick()
    try:
        for call in (first.look(), first.post(make_view(FIRST)), first.order(PAUSED), first.leave()):
            with pytest.raises(StoreError):
                await call
    finally:
        board_bench.recover()

    assert await first.look() == Posted([], [])


# --- what only a table can hold --------------------------------------------------------------------


@pytest.mark.parametrize("text", ["", "no JSON", "[]", "{}", "[" * 100_000, '{"node": "mail-3", "process": "1"}'])
async def test_what_cannot_be_read_hides_nobody_else(on_disk: OnDisk, text: str) -> None:
    await on_disk.second.post(make_view(SECOND))
    async with on_disk.store.engine.begin() as connection:
        seen_at = await connection.scalar(sa.select(nodes.c.seen_at))
        await connection.execute(sa.insert(nodes).values(process="mail-3/1", node="mail-3", seen_at=seen_at, view=text))

    assert await others(on_disk.first) == ["mail-2"]


async def test_an_order_of_a_newer_version_hides_no_other(on_disk: OnDisk) -> None:
    await on_disk.first.order(PAUSED)
    async with on_disk.store.engine.begin() as connection:
        await connection.execute(sa.insert(orders).values(scope="all", action="slow", at=0.0, who="ann"))

    assert (await on_disk.first.look()).orders == [PAUSED]


async def test_nodes_that_ended_without_a_word_are_forgotten_after_a_day(on_disk: OnDisk) -> None:
    """Each start makes a new process: without this the table grew with every crash."""
    await on_disk.first.post(make_view(FIRST))
    await on_disk.second.post(make_view(SECOND))

    await on_disk.pass_time(23 * HOUR_S)
    await on_disk.second.post(make_view(SECOND))
    assert await on_disk.processes() == [FIRST, SECOND]

    await on_disk.pass_time(2 * HOUR_S)
    await on_disk.second.post(make_view(SECOND))
    assert await on_disk.processes() == [SECOND]


async def test_a_server_clock_set_back_brings_no_dead_node_to_life(on_disk: OnDisk) -> None:
    await on_disk.second.post(make_view(SECOND))
    await on_disk.pass_time(-HOUR_S)

    assert await others(on_disk.first) == []


async def test_on_a_server_a_view_has_the_servers_time(served: Database, clock: HandClock) -> None:
    """A node whose clock is an hour behind would look dead to all others."""
    async with AsyncExitStack() as stack:
        bench = await open_on_disk(served, clock, stack)
        await bench.second.post(make_view(SECOND))
        clock.boot += HOUR_S

        (seen,) = (await bench.first.look()).others

    assert abs(seen.seen_at - datetime.now(UTC)) < timedelta(minutes=1)


# --- commands --------------------------------------------------------------------------------------


async def test_a_person_sees_every_node(on_disk: OnDisk, desk: Desk) -> None:
    for board, owner in ((on_disk.first, FIRST), (on_disk.second, SECOND)):
        await board.post(make_view(owner))
    await on_disk.first.order(PAUSED)

    posted = await look_at_board(desk)

    assert [view.node for view in posted.others] == ["mail-1", "mail-2"]
    assert posted.orders == [PAUSED]


async def test_a_persons_order_reaches_the_nodes_and_the_record(on_disk: OnDisk, desk: Desk) -> None:
    given = await give_order(desk, scope="all", action=Action.PAUSE, note="moving house\x00")

    assert given == Order("all", Action.PAUSE, given.at, "ann", "moving house\N{SYMBOL FOR NULL}")
    assert (await on_disk.first.look()).orders == [given]
    assert await on_disk.audited() == [("ann", "pause", "all", given.note, given.at)]


async def test_an_order_has_the_stores_time(served: Database, clock: HandClock) -> None:
    """A person's host may have another time than the nodes, which tell since when they pause."""
    async with AsyncExitStack() as stack:
        bench = await open_on_disk(served, clock, stack)
        desk = await stack.enter_async_context(open_desk(locate(served.url), clock=clock, who="ann"))

        given = await give_order(desk, scope="all", action=Action.PAUSE)

        assert (await bench.first.look()).orders == [given]
    assert abs(given.at - datetime.now(UTC)) < timedelta(minutes=1)


async def test_a_persons_look_and_order_need_a_store_that_is_well(on_disk: OnDisk, desk: Desk) -> None:
    on_disk.fall_sick()
    try:
        with pytest.raises(StoreError):
            await look_at_board(desk)
        with pytest.raises(StoreError):
            await give_order(desk, scope="all", action=Action.PAUSE)
    finally:
        on_disk.recover()
