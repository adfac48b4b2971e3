"""A canary in an idle system: one at a time, from one node, and a loud word when none comes back."""

import asyncio
import json
from collections.abc import AsyncIterator, Callable, MutableMapping
from contextlib import asynccontextmanager
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from typing import Any

from structlog.testing import capture_logs

from tank_mailer.core.canary import Doubt, Flight, Signs
from tank_mailer.core.errors import QueueError, Reason, StoreError
from tank_mailer.flows.canary import LOOK_EVERY_S, PUT, TURN_S, Canary
from tank_mailer.ports.nodes import Turns
from tests.fakes import FakeClock
from tests.nodes_fakes import FakeTurns

MINUTE, HOUR = timedelta(minutes=1), timedelta(hours=1)

Lines = list[MutableMapping[str, Any]]


@dataclass(kw_only=True, eq=False)
class World:
    """A store, a queue and SES in one: what is put is accepted at once, and its event comes back.

    Attributes:
        bodies: what was put, each with when.
        events_come: whether SES's events come back.
        accepts: whether SES takes anything.
    """

    clock: FakeClock = field(default_factory=FakeClock)
    bodies: list[tuple[datetime, str]] = field(default_factory=list)
    marks: dict[str, datetime] = field(default_factory=dict)
    flights: dict[str, Flight] = field(default_factory=dict)
    doubts: list[Doubt] = field(default_factory=list)
    accepted: dict[str, datetime] = field(default_factory=dict)
    events_come: bool = True
    accepts: bool = True
    is_paused: bool = False
    queue_fault: QueueError | None = None
    sick: StoreError | None = None

    async def signs(self, last: str | None) -> Signs:
        if self.sick:
            raise self.sick
        return Signs(
            accepted_at=max(self.accepted.values(), default=None),
            doubts=self.doubts,
            proofs=self.accepted,
            last=self.flights.get(last or ""),
        )

    async def mark(self, name: str) -> datetime | None:
        await asyncio.sleep(0)  # another node comes in between
        return self.marks.get(name)

    async def move_mark(self, name: str, before: datetime | None, at: datetime) -> bool:
        await asyncio.sleep(0)
        if self.marks.get(name) != before:
            return False
        self.marks[name] = at
        return True

    async def put(self, body: str) -> str:
        if self.queue_fault:
            raise self.queue_fault
        now, job = self.clock.now(), json.loads(body)
        self.bodies.append((now, body))
        if self.accepts:
            self.accepted[job["configuration_set"]] = now
        self.flights[job["email_id"]] = Flight(now if self.accepts else None, is_back=self.events_come)
        return "queue-message-1"

    def bring_back(self) -> None:
        self.flights = {name: replace(flight, is_back=True) for name, flight in self.flights.items()}

    @property
    def minutes(self) -> list[int]:
        """When each was put."""
        return [round((at - self.clock.epoch) / MINUTE) for at, _ in self.bodies]


def make_canary(world: World, *, turns: Turns | None = None, is_paused: Callable[[], bool] | None = None) -> Canary:
    return Canary(
        perch=world,
        clock=world.clock,
        put=world.put,
        is_paused=is_paused or (lambda: world.is_paused),
        sender="canary@example.com",
        interval=HOUR,
        configuration_sets=["tank", "codes"],
        turns=turns,
    )


@asynccontextmanager
async def running(*canaries: Canary) -> AsyncIterator[Lines]:
    """They fly, and what they say."""
    tasks = [asyncio.create_task(canary.run()) for canary in canaries]
    try:
        with capture_logs() as lines:
            yield lines
    finally:
        for task in tasks:
            task.cancel()
        await asyncio.wait(tasks)


async def after(time: timedelta) -> None:
    await asyncio.sleep(time.total_seconds())


def told(lines: Lines, event: str) -> Lines:
    return [line for line in lines if line["event"] == event]


async def test_an_idle_system_gets_one_an_interval() -> None:
    world = World()

    async with running(make_canary(world)) as lines:
        await after(3.5 * HOUR)

    assert world.minutes == [0, 60, 120, 180]
    ids = [json.loads(body)["email_id"] for _, body in world.bodies]
    assert [line["email_id"] for line in told(lines, "canary_put")] == ids
    assert len(set(ids)) == 4


async def test_a_busy_system_gets_none() -> None:
    world = World()

    async with running(make_canary(world)):
        for _ in range(20):
            world.accepted["tank"] = world.clock.now()
            await after(10 * MINUTE)

    assert len(world.bodies) <= 1, "the first look may come before the first mail"


async def test_a_doubt_in_an_idle_system_gets_one_after_five_minutes() -> None:
    """Without it the job would wait for hours: nothing else would show that absence means anything (DESIGN 6)."""
    world = World()
    async with running(make_canary(world)):
        await after(10 * MINUTE)
        world.doubts = [Doubt(world.clock.now(), "codes")]
        await after(30 * MINUTE)

    assert world.minutes == [0, 15]
    assert json.loads(world.bodies[1][1])["configuration_set"] == "codes"


async def test_of_two_nodes_one_puts_it() -> None:
    world = World()

    async with running(make_canary(world), make_canary(world)):
        await after(HOUR * 1.5)

    assert len(world.bodies) == 2


async def test_a_restart_puts_no_other() -> None:
    world = World()

    for _ in range(10):
        async with running(make_canary(world)):
            await after(5 * MINUTE)

    assert len(world.bodies) == 1


async def test_while_polling_is_paused_none_is_put() -> None:
    """It would only wait on the queue with all others, and the next one too."""
    world = World(is_paused=True)
    async with running(make_canary(world)):
        await after(5 * HOUR)
        assert world.bodies == []

        world.is_paused = False
        await after(5 * MINUTE)

    assert len(world.bodies) == 1


async def test_nothing_is_said_of_one_that_is_under_way() -> None:
    """After a restart, too: or what was lost before would count as back for a quarter of an hour."""
    world = World(events_come=False)
    canary, again = make_canary(world), make_canary(world)

    async with running(canary):
        await after(65 * MINUTE)
        assert canary.is_lost, "the first one; the second is under way"
    async with running(again):
        await after(5 * MINUTE)
        assert again.is_lost is None
        await after(10 * MINUTE)
        assert again.is_lost
        world.events_come = True
        await after(HOUR)

    assert again.is_lost is False


async def test_one_that_does_not_come_back_is_told_once() -> None:
    world = World(events_come=False)
    canary = make_canary(world)

    async with running(canary) as lines:
        await after(14 * MINUTE)
        assert told(lines, "canary_lost") == []
        assert canary.is_lost is None
        await after(4 * HOUR)
        assert canary.is_lost

    (line,) = told(lines, "canary_lost")
    assert line["log_level"] == "error"
    assert line["since"] == world.bodies[0][0]
    assert line["remedy"]
    assert told(lines, "canary_returned") == []
    assert len(world.bodies) == 5, "the next ones go all the same: one of them will tell when it is over"


async def test_when_one_comes_back_again_that_is_told_too() -> None:
    world = World(events_come=False)

    async with running(make_canary(world)) as lines:
        await after(30 * MINUTE)
        world.bring_back()
        await after(HOUR)
        world.events_come = False
        await after(3 * HOUR)

    assert [line["event"] for line in lines if line["event"] != "canary_put"] == [
        "canary_lost",
        "canary_returned",
        "canary_lost",
    ]


async def test_one_that_ses_has_not_taken_says_nothing_of_events() -> None:
    """The queue may be long, or SES away: those have alarms of their own."""
    world = World(accepts=False, events_come=False)

    async with running(make_canary(world)) as lines:
        await after(3 * HOUR)

    assert told(lines, "canary_lost") == []


async def test_a_queue_that_does_not_answer_is_tried_again_soon() -> None:
    world = World(queue_fault=QueueError(Reason.QUEUE_UNREACHABLE, "no answer"))

    async with running(make_canary(world)) as lines:
        await after(MINUTE)
        world.queue_fault = None
        await after(10 * MINUTE)

    (line,) = told(lines, "canary_deferred")
    assert (line["log_level"], line["reason"]) == ("warning", Reason.QUEUE_UNREACHABLE)
    assert world.minutes == [5]


async def test_a_sick_store_has_an_alarm_of_its_own() -> None:
    world = World(sick=StoreError(Reason.STORE_SICK, "disk I/O error"))

    async with running(make_canary(world)) as lines:
        await after(MINUTE)
        world.sick = None
        await after(MINUTE)

    assert [line["event"] for line in lines] == ["canary_put"]


# --- several nodes ---------------------------------------------------------------------------------


def make_turns(world: World) -> tuple[FakeTurns, FakeTurns]:
    one = FakeTurns(world.clock, owner="one")
    return one, FakeTurns(world.clock, owner="two", held=one.held)


async def test_of_two_nodes_one_looks_and_tells() -> None:
    """The same alarm from each node would be read as two."""
    world = World(events_come=False)
    one, two = make_turns(world)

    async with running(make_canary(world, turns=one), make_canary(world, turns=two)) as lines:
        await after(HOUR * 1.5)

    assert len(world.bodies) == 2
    assert len(told(lines, "canary_lost")) == 1


async def test_when_the_one_has_died_the_other_goes_on() -> None:
    world = World()
    one, two = make_turns(world)
    async with running(make_canary(world, turns=two)):
        await after(MINUTE)
        async with running(make_canary(world, turns=one)):
            await after(HOUR / 2)
            assert one.held[PUT][0] == "two"
            two.sick = StoreError(Reason.STORE_SICK, "it is cut off")
            await after(timedelta(seconds=TURN_S + LOOK_EVERY_S + 1))

            assert one.held[PUT][0] == "one"
            await after(HOUR)

    assert world.minutes == [0, 60]


async def test_a_stop_gives_the_turn_up() -> None:
    world = World()
    one, _ = make_turns(world)

    async with running(make_canary(world, turns=one)):
        await after(MINUTE)
        assert one.held[PUT][0] == "one"

    assert one.held == {}


async def test_a_node_that_is_paused_leaves_it_to_one_that_is_not() -> None:
    """Its credentials may be wrong, or its clock: the others' are not."""
    world = World()
    one, two = make_turns(world)
    paused = make_canary(world, turns=one, is_paused=lambda: world.clock.now() > world.clock.epoch + 10 * MINUTE)

    async with running(paused):
        await after(5 * MINUTE)
        async with running(make_canary(world, turns=two)):
            await after(2 * HOUR)

    assert world.minutes == [0, 60, 120]


async def test_what_another_node_has_told_meanwhile_is_told_anew() -> None:
    """A node that has told of a lost canary does not know what became of it while others looked."""
    world = World(events_come=False)
    one, two = make_turns(world)

    async with running(make_canary(world, turns=one)) as lines:
        await after(30 * MINUTE)
        assert len(told(lines, "canary_lost")) == 1
        one.held[PUT] = two.owner, world.clock.now() + HOUR
        await after(2 * HOUR)

    assert len(told(lines, "canary_lost")) == 2
    assert told(lines, "canary_returned") == []
