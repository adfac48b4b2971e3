"""The pace that nodes share: no span overlaps another, all of them together keep the rate, and clocks may jump."""

import asyncio
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from itertools import pairwise
from typing import Any

import pytest
import sqlalchemy as sa
from sqlalchemy.ext.asyncio import AsyncEngine

from tank_mailer.adapters.clock import SharedClock, SystemClock, server_time, set_clock
from tank_mailer.adapters.database import locate, open_engine
from tank_mailer.adapters.grants import SqlGrants
from tank_mailer.adapters.schema import askers, pace
from tank_mailer.core.errors import Reason, StoreError
from tank_mailer.ports.nodes import Grant
from tests.contract.benches import empty
from tests.contract.conftest import Database

HOUR_S = 3_600.0
SLOW_S = 5.0  # more than any test takes, less than the spans that it tells apart
ROUNDING_S = 1e-5  # the server keeps its time as a double, to a quarter of a microsecond


@dataclass(frozen=True, slots=True)
class Span:
    """A grant by the server's time."""

    begins_s: float
    grant: Grant

    @property
    def ends_s(self) -> float:
        return self.begins_s + self.grant.span_s


@dataclass(frozen=True, slots=True)
class Server:
    """The server behind the nodes' backs."""

    engine: AsyncEngine

    def node(self, process: str = "mail-1/4f1d") -> SqlGrants:
        return SqlGrants(engine=self.engine, clock=SharedClock(), process=process)

    async def jump(self, seconds: float) -> None:
        """Set the clock forward: seen from there, all that stands written is so much older."""
        async with self.engine.begin() as connection:
            await connection.execute(sa.update(pace).values(asked_at=pace.c.asked_at - seconds))
            await connection.execute(sa.update(askers).values(asked_at=askers.c.asked_at - seconds))

    async def span(self, node: SqlGrants, tokens: int, *, per_s: float) -> Span:
        """Ask, and find out when the span begins; nobody else may ask meanwhile."""
        grant = await node.ask(tokens, per_s=per_s)
        return Span(await self.asked_at() + grant.wait_s, grant)

    async def asked_at(self) -> float:
        return await self._number(sa.select(pace.c.asked_at))

    async def ahead_s(self) -> float:
        return await self._number(sa.select(pace.c.ahead_s))

    async def _number(self, query: sa.Select[Any]) -> float:
        async with self.engine.connect() as connection:
            number: float = (await connection.execute(query)).scalar_one()
        return number

    async def processes(self) -> Sequence[str]:
        async with self.engine.connect() as connection:
            return sorted((await connection.execute(sa.select(askers.c.process))).scalars())


@asynccontextmanager
async def opened(database: Database) -> AsyncIterator[Server]:
    async with open_engine(locate(database.url)) as engine:
        yield Server(engine)


@pytest.fixture
async def server(served: Database) -> AsyncIterator[Server]:
    async with opened(served) as server:
        await empty(server.engine)
        yield server


# --- the schedule ----------------------------------------------------------------------------------


async def test_whoever_asks_first_goes_at_once(server: Server) -> None:
    """Neither a wait nor a burst for the time in which nobody asked."""
    grant = await server.node().ask(14, per_s=14.0)

    assert grant == Grant(tokens=14, wait_s=0.0, span_s=1.0, nodes=1)


async def test_the_next_span_begins_where_the_last_one_ends(server: Server) -> None:
    node = server.node()
    spans = [await server.span(node, tokens, per_s=0.1) for tokens in (1, 5, 2)]

    assert [span.grant.span_s for span in spans] == [10.0, 50.0, 20.0]
    for earlier, later in pairwise(spans):
        assert later.begins_s == pytest.approx(earlier.ends_s, abs=ROUNDING_S)


async def test_another_rate_changes_what_is_given_from_now_on(server: Server) -> None:
    node = server.node()
    slow = await server.span(node, 10, per_s=1.0)
    fast = await server.span(node, 10, per_s=100.0)

    assert (slow.grant.span_s, fast.grant.span_s) == (10.0, 0.1)
    assert fast.begins_s == pytest.approx(slow.ends_s, abs=ROUNDING_S)


async def test_time_in_which_nobody_asked_is_not_saved_up(server: Server) -> None:
    node = server.node()
    await node.ask(10, per_s=1.0)
    await server.jump(60)

    waits = [(await node.ask(10, per_s=1.0)).wait_s for _ in range(2)]

    assert waits[0] == 0.0
    assert 10.0 - SLOW_S < waits[1] <= 10.0


async def test_of_many_who_ask_at_once_no_two_have_the_same_time(served: Database, server: Server) -> None:
    """Three nodes, each over connections of its own, on a row that is not there yet."""
    async with opened(served) as second, opened(served) as third:
        nodes = [one.node(f"mail-{number}/1") for number, one in enumerate((server, second, third))]
        grants = await asyncio.gather(*(node.ask(n % 3 + 1, per_s=0.1) for n in range(9) for node in nodes))

    by_wait = sorted(grants, key=lambda grant: grant.wait_s)
    assert by_wait[0].wait_s == 0.0
    for earlier, later in pairwise(by_wait):
        gap_s = later.wait_s - (earlier.wait_s + earlier.span_s)  # each counts from its own answer, a little later
        assert -SLOW_S < gap_s <= ROUNDING_S
    total_s = sum(grant.span_s for grant in grants)
    assert total_s == 9 * (10.0 + 20.0 + 30.0)
    assert total_s - SLOW_S < await server.ahead_s() <= total_s + ROUNDING_S


async def test_who_had_to_wait_for_the_row_goes_by_the_time_at_which_he_got_it(server: Server) -> None:
    """A clock that is read before would call the time of the wait not passed, or a span begun that is over."""
    node = server.node()
    await node.ask(1, per_s=0.01)
    async with server.engine.begin() as other:
        await other.execute(sa.update(pace).values(ahead_s=pace.c.ahead_s))
        asking = asyncio.create_task(node.ask(1, per_s=0.01))
        while not await other.scalar(sa.text("SELECT count(*) FROM pg_locks WHERE NOT granted")):
            pass
        free_at: datetime = (await other.execute(sa.select(sa.func.clock_timestamp()))).scalar_one()
    await asking

    assert await server.asked_at() >= free_at.timestamp()


async def test_a_grant_whose_answer_is_lost_is_nobodys(server: Server) -> None:
    """A node that dies with it costs the others no more than that span."""
    lost = await server.span(server.node("mail-1/4f1d"), 10, per_s=1.0)
    after = await server.span(server.node("mail-2/9a0e"), 10, per_s=1.0)

    assert after.begins_s == pytest.approx(lost.ends_s, abs=ROUNDING_S)


# --- who shares it ---------------------------------------------------------------------------------


async def test_nodes_that_ask_are_counted(server: Server) -> None:
    first, second = server.node("mail-1/4f1d"), server.node("mail-2/9a0e")

    counts = [(await node.ask(1, per_s=1_000.0)).nodes for node in (first, first, second, first)]

    assert counts == [1, 1, 2, 2]


@pytest.mark.parametrize("seconds", [4.0, HOUR_S, -HOUR_S], ids=["later", "clock-set-forward", "clock-set-back"])
async def test_a_node_that_asks_no_more_does_not_count(server: Server, seconds: float) -> None:
    await server.node("mail-2/9a0e").ask(1, per_s=1_000.0)
    await server.jump(seconds)

    grant = await server.node("mail-1/4f1d").ask(1, per_s=1_000.0)

    assert grant.nodes == 1


async def test_processes_that_have_ended_are_forgotten_after_a_day(server: Server) -> None:
    for number in range(3):
        await server.node(f"mail-1/{number}").ask(1, per_s=1_000.0)
    await server.jump(23 * HOUR_S)
    await server.node("mail-1/2").ask(1, per_s=1_000.0)
    assert await server.processes() == ["mail-1/0", "mail-1/1", "mail-1/2"]
    await server.jump(2 * HOUR_S)

    await server.node("mail-1/2").ask(1, per_s=1_000.0)

    assert await server.processes() == ["mail-1/2"]


# --- clocks ----------------------------------------------------------------------------------------


async def test_a_server_clock_set_forward_gives_no_burst(server: Server) -> None:
    """What was ahead is forgotten, and nothing is made up for: spans follow each other again at once."""
    node = server.node()
    await node.ask(10, per_s=1.0)
    await server.jump(HOUR_S)

    spans = [await server.span(node, 10, per_s=1.0) for _ in range(3)]

    assert spans[0].grant.wait_s == 0.0
    for earlier, later in pairwise(spans):
        assert later.begins_s == pytest.approx(earlier.ends_s, abs=ROUNDING_S)


async def test_a_server_clock_set_back_gives_no_standstill(server: Server) -> None:
    """Nobody waits for the hour to come round again: as if no time had passed since the last span was given out."""
    node = server.node()
    await node.ask(10, per_s=1.0)
    await server.jump(-HOUR_S)

    spans = [await server.span(node, 10, per_s=1.0) for _ in range(3)]

    assert spans[0].grant.wait_s == pytest.approx(10.0, abs=ROUNDING_S)
    for earlier, later in pairwise(spans):
        assert later.begins_s == pytest.approx(earlier.ends_s, abs=ROUNDING_S)


async def test_each_answer_sets_the_nodes_clock(server: Server) -> None:
    """A node whose wall clock is an hour ahead."""
    clock = SharedClock(local=AheadClock())

    await SqlGrants(engine=server.engine, clock=clock, process="mail-1/4f1d").ask(1, per_s=1_000.0)

    assert abs(clock.now() - datetime.now(UTC)) < timedelta(minutes=1)
    assert clock.off_s == pytest.approx(HOUR_S, abs=60)


class AheadClock:
    """A host's clock an hour ahead."""

    def now(self) -> datetime:
        return SystemClock().now() + timedelta(seconds=HOUR_S)

    def boot_s(self) -> float:
        return SystemClock().boot_s()


async def test_the_servers_time_is_read(server: Server) -> None:
    clock = SharedClock(local=AheadClock())

    await set_clock(server.engine, clock)

    assert abs(clock.now() - datetime.now(UTC)) < timedelta(minutes=1)


# --- no server -------------------------------------------------------------------------------------


async def test_no_server_is_a_sick_store_until_it_is_back(served: Database, server: Server) -> None:
    node = server.node()
    await node.ask(1, per_s=1_000.0)
    served.ailment.begin()
    try:
        with pytest.raises(StoreError) as asked:
            await node.ask(1, per_s=1_000.0)
        with pytest.raises(StoreError):
            await server_time(server.engine)
    finally:
        served.ailment.end()

    assert asked.value.reason is Reason.STORE_SICK
    assert (await node.ask(1, per_s=1_000.0)).tokens == 1
