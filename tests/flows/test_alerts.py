"""What people are told, and what not: state changes once, over restarts, nodes, a sick store and a receiver away."""

import asyncio
from collections import deque
from collections.abc import AsyncIterator, MutableMapping
from contextlib import asynccontextmanager
from dataclasses import dataclass, field, replace
from typing import Any

import pytest
from structlog.testing import capture_logs

from tank_mailer.core.alerts import RULES, AlertName, Severity
from tank_mailer.core.errors import Reason, StoreError
from tank_mailer.core.outcome import Concerned
from tank_mailer.core.situation import Situation
from tank_mailer.core.view import PauseView
from tank_mailer.flows.alerts import BOOK_S, FIRST_S, LOOK_S, WAITS_S, Alerts
from tank_mailer.ports import NotTold
from tests.alerts_fakes import FakeBook, FakeReceiver
from tests.fakes import EPOCH, FakeClock
from tests.nodes_fakes import FakeTurns

SICK = StoreError(Reason.STORE_SICK, "the fake is sick")
REFUSED = NotTold("the alert receiver answered 500", 500)
MINUTE_S, HOUR_S = 60.0, 3_600.0

Lines = list[MutableMapping[str, Any]]


@dataclass(kw_only=True, eq=False)
class World:
    """What one node sees, and whom it tells.

    Attributes:
        dead: messages on the dead-letter queue.
    """

    clock: FakeClock = field(default_factory=FakeClock)
    book: FakeBook = field(default_factory=FakeBook)
    receiver: FakeReceiver | None = field(default_factory=FakeReceiver)
    node: str = "mail-1"
    turns: FakeTurns | None = None
    dead: int | None = 0
    pauses: list[PauseView] = field(default_factory=list)
    totals: dict[AlertName, int] = field(default_factory=dict)
    is_reviewed: bool = False
    has_store: bool = True

    def look(self) -> Situation:
        return Situation(
            node=self.node,
            now=self.clock.now(),
            began_at=EPOCH,
            dead_letters={"dead": self.dead},
            pauses=self.pauses,
            is_reviewed=self.is_reviewed,
            has_store=self.has_store,
        )

    def daemon(self) -> Alerts:
        """A process on this store."""
        alerts = Alerts(
            book=self.book,
            look=self.look,
            totals=lambda: self.totals,
            clock=self.clock,
            node=self.node,
            receiver=self.receiver,
            turns=self.turns,
        )
        alerts.ready.set()
        return alerts

    def pause(self, concern: Concerned, detail: str = "") -> None:
        self.pauses = [PauseView(concern, "", Reason.SES_UNAVAILABLE, self.clock.now(), detail=detail)]

    @property
    def heard(self) -> list[list[tuple[str, str]]]:
        assert self.receiver is not None
        return self.receiver.heard


@asynccontextmanager
async def running(*daemons: Alerts) -> AsyncIterator[None]:
    tasks = [asyncio.create_task(one.run()) for one in daemons]
    try:
        yield
    finally:
        for task in tasks:
            task.cancel()
        results = await asyncio.gather(*tasks, return_exceptions=True)
    assert [one for one in results if not isinstance(one, asyncio.CancelledError)] == []


async def looks(number: int = 1) -> None:
    """Let so many looks go by."""
    await asyncio.sleep(number * LOOK_S + 1.0)


def named(lines: Lines, event: str) -> Lines:
    return [line for line in lines if line["event"] == event]


# --- coming and going ------------------------------------------------------------------------------


async def test_it_is_told_once_when_it_comes_and_once_when_it_is_over() -> None:
    world = World()
    with capture_logs() as lines:
        async with running(world.daemon()):
            await looks()
            world.dead = 1
            await looks(4)
            world.dead = 0
            await looks(4)

    assert world.heard == [[("dead_letters", "firing")], [("dead_letters", "recovered")]]
    (raised,), (recovered,) = named(lines, "alert_raised"), named(lines, "alert_recovered")
    assert (raised["log_level"], raised["alert"], raised["about"]) == ("warning", "dead_letters", "dead")
    assert recovered["duration_s"] == pytest.approx(4 * LOOK_S, abs=LOOK_S)


async def test_a_critical_one_is_logged_as_such() -> None:
    world = World(is_reviewed=True)
    with capture_logs() as lines:
        await world.daemon().once()

    assert [line["log_level"] for line in named(lines, "alert_raised")] == ["critical"]


async def test_several_at_once_are_one_message() -> None:
    """A network that is cut brings many; nobody wants as many calls at night."""
    world = World(dead=1, is_reviewed=True)
    world.pause(Concerned.ACCOUNT)
    await world.daemon().once()

    (message,) = world.heard
    assert {name for name, _ in message} == {"dead_letters", "account_reviewed", "pause_account"}


async def test_a_pause_of_seconds_pages_nobody() -> None:
    world = World()
    async with running(world.daemon()):
        await looks()
        world.pause(Concerned.SES)
        await looks(2)
        world.pauses = []
        await looks(20)

    assert world.heard == []


async def test_a_pause_that_lasts_does() -> None:
    world = World()
    async with running(world.daemon()):
        world.pause(Concerned.SES)
        await looks(5)
        world.pauses = []
        await looks(2)
        still_on = len(world.heard)
        await looks(10)

    assert still_on == 1, "it may come back at once"
    assert world.heard == [[("pause_ses", "firing")], [("pause_ses", "recovered")]]


async def test_a_flapping_one_is_not_told_each_time() -> None:
    world = World()
    async with running(world.daemon()):
        for _ in range(60):
            world.dead = 1
            await asyncio.sleep(MINUTE_S)
            world.dead = 0
            await asyncio.sleep(MINUTE_S)

    firing = sum(("dead_letters", "firing") in message for message in world.heard)
    recovered = sum(("dead_letters", "recovered") in message for message in world.heard)
    assert 3 <= firing <= 5, "two hours, and one word in half an hour"
    assert recovered == firing


async def test_what_cannot_be_asked_is_not_over() -> None:
    world = World(dead=1)
    async with running(world.daemon()):
        await looks()
        world.dead = None
        await looks(100)
        unheard = len(world.heard)
        world.dead = 0
        await looks()

    assert unheard == 1
    assert world.heard[-1] == [("dead_letters", "recovered")]


async def test_what_happened_is_told_once_a_day() -> None:
    world = World()
    async with running(world.daemon()):
        await looks()
        for _ in range(3):
            world.totals[AlertName.DUPLICATES_PROVEN] = world.totals.get(AlertName.DUPLICATES_PROVEN, 0) + 2
            await looks(10)
        one_day = len(world.heard)
        await asyncio.sleep(25 * HOUR_S)
        nothing = len(world.heard)
        world.totals[AlertName.DUPLICATES_PROVEN] += 1
        await looks(2)

    assert (one_day, nothing, len(world.heard)) == (1, 1, 2)
    assert world.heard[-1] == [("duplicates_proven", "firing")]


async def test_an_address_in_what_ses_said_is_told_to_nobody() -> None:
    world = World()
    world.pause(Concerned.ACCOUNT, "not authorized on identity/ann@example.org")
    with capture_logs() as lines:
        await world.daemon().once()

    assert world.receiver is not None
    told = f"{world.receiver.told} {lines}"
    assert "pause_account" in told
    assert "ann" not in told


async def test_metrics_know_what_is_on_and_what_is_not() -> None:
    world = World(dead=1)
    alerts = world.daemon()
    before = alerts.firing()
    await alerts.once()

    after = alerts.firing()
    assert set(before.values()) == {0}
    assert {name for name, _ in before} == set(AlertName)
    assert [key for key, count in after.items() if count] == [(AlertName.DEAD_LETTERS, Severity.WARNING)]
    world.dead = 0
    await alerts.once()
    assert alerts.firing() == before


# --- restarts --------------------------------------------------------------------------------------


async def test_a_restart_tells_nothing_twice() -> None:
    world = World(dead=1)
    world.pause(Concerned.QUOTA)
    async with running(world.daemon()):
        await looks(2)
    await asyncio.sleep(HOUR_S)

    async with running(world.daemon()):
        await looks(20)

    assert len(world.heard) == 1


async def test_what_was_mended_while_it_stood_still_is_over() -> None:
    world = World(dead=1)
    async with running(world.daemon()):
        await looks()
    world.dead = 0

    async with running(world.daemon()):
        await looks()

    assert world.heard == [[("dead_letters", "firing")], [("dead_letters", "recovered")]]


async def test_the_first_look_waits_for_the_first_answers() -> None:
    """Else a queue that has not been asked yet looks as if it could not be."""
    world = World(dead=1)
    alerts = world.daemon()
    alerts.ready.clear()
    async with running(alerts):
        await asyncio.sleep(FIRST_S - 1.0)
        too_early = len(world.heard)
        await asyncio.sleep(2.0)

    assert (too_early, len(world.heard)) == (0, 1)


# --- the receiver ----------------------------------------------------------------------------------


async def test_a_receiver_that_fails_is_tried_for_hours_and_that_is_said_once() -> None:
    receiver = FakeReceiver(deque([REFUSED] * 25))
    world = World(receiver=receiver, dead=1)
    with capture_logs() as lines:
        async with running(world.daemon()):
            await asyncio.sleep(5 * HOUR_S)

    assert world.heard == [[("dead_letters", "firing")]]
    (failing,), (recovered,) = named(lines, "alert_webhook_failing"), named(lines, "alert_webhook_recovered")
    assert (failing["status"], failing["detail"]) == (500, REFUSED.detail)
    assert recovered["duration_s"] > 3 * HOUR_S


async def test_it_is_left_alone_longer_and_longer() -> None:
    receiver = FakeReceiver(deque([REFUSED] * 1_000))
    async with running(World(receiver=receiver, dead=1).daemon()):
        await asyncio.sleep(HOUR_S)

    assert len(WAITS_S) <= receiver.asked <= 12


async def test_what_came_and_went_while_it_failed_is_told_as_over() -> None:
    world = World(receiver=FakeReceiver(deque([REFUSED] * 3)), dead=1)
    async with running(world.daemon()):
        await looks()
        world.dead = 0
        await asyncio.sleep(HOUR_S)

    assert world.heard == [[("dead_letters", "recovered")]]


async def test_without_a_receiver_the_log_is_told() -> None:
    world = World(receiver=None, dead=1)
    with capture_logs() as lines:
        async with running(world.daemon()):
            await looks()
            world.dead = 0
            await looks()
    world.receiver = FakeReceiver()
    async with running(world.daemon()):
        await looks()

    assert [line["event"] for line in lines] == ["alert_raised", "alert_recovered"]
    assert world.heard == [], "whoever sets a URL later is not told of what is over"


async def test_what_is_on_is_told_to_whoever_comes_later() -> None:
    world = World(receiver=None, dead=1)
    await world.daemon().once()
    world.receiver = FakeReceiver()

    await world.daemon().once()

    assert world.heard == [[("dead_letters", "firing")]]


# --- a sick store ----------------------------------------------------------------------------------


async def test_a_sick_store_is_told_of_from_memory() -> None:
    world = World()
    async with running(world.daemon()):
        await looks()
        world.book.sick, world.has_store = SICK, False
        world.pause(Concerned.STORE)
        await looks(6)
        world.book.sick, world.has_store = None, True
        world.pauses = []
        await looks(12)

    assert world.heard == [[("pause_store", "firing")], [("pause_store", "recovered")]]


async def test_a_store_that_does_not_even_fail_is_told_of_as_soon() -> None:
    """A server behind a dead network: each request waits for minutes, behind those of everybody else."""
    world = World()
    async with running(world.daemon()):
        await looks()
        world.book.latency_s, world.book.sick, world.has_store = 200.0, SICK, False
        world.pause(Concerned.STORE)
        await asyncio.sleep(RULES[AlertName.PAUSE_STORE].raise_after_s + 2 * LOOK_S + BOOK_S)
        heard = list(world.heard)
        world.book.latency_s, world.book.sick, world.has_store, world.pauses = 0.0, None, True, []
        world.dead = 1
        await asyncio.sleep(400.0)

    assert heard == [[("pause_store", "firing")]]
    assert world.heard[1:] == [[("pause_store", "recovered")], [("dead_letters", "firing")]]


async def test_a_stop_does_not_wait_for_the_store() -> None:
    world = World()
    alerts = world.daemon()
    async with running(alerts):
        await looks()
        world.book.latency_s = 200.0
        await looks(2)
    await asyncio.sleep(0)

    assert alerts._comparing is not None
    assert alerts._comparing.cancelled()


async def test_what_the_store_holds_is_not_over_because_it_is_sick() -> None:
    world = World(dead=1)
    alerts = world.daemon()
    async with running(alerts):
        await looks()
        world.book.sick = SICK
        await looks(20)
        firing_meanwhile = alerts.firing()[AlertName.DEAD_LETTERS, Severity.WARNING]
        world.book.sick = None
        await looks(4)

    assert firing_meanwhile == 1
    assert len(world.heard) == 1


async def test_what_was_told_and_could_not_be_written_down_is_not_told_again() -> None:
    """The store falls sick between the telling and the mark."""
    world = World(dead=1)
    world.book.sick, world.book.sick_after = SICK, 3  # entries, the raise, entries
    alerts = world.daemon()
    async with running(alerts):
        await looks(2)
        world.book.sick = None
        await looks(10)

    assert len(world.heard) == 1


async def test_what_happened_while_the_store_was_sick_is_told_afterwards() -> None:
    world = World()
    async with running(world.daemon()):
        await looks()
        world.book.sick = SICK
        world.totals[AlertName.EVENTS_LOST] = 3
        await looks(5)
        world.book.sick = None
        await looks(2)

    assert world.heard == [[("events_lost", "firing")]]


# --- several nodes ---------------------------------------------------------------------------------


def two_nodes(**changes: Any) -> tuple[World, World]:
    book, receiver, clock = FakeBook(), FakeReceiver(), FakeClock()
    held: dict[str, Any] = {}
    first, second = (
        World(
            book=book,
            receiver=receiver,
            clock=clock,
            node=node,
            turns=FakeTurns(clock, owner=f"{node}/1", held=held),
            **changes,
        )
        for node in ("mail-1", "mail-2")
    )
    return first, second


async def test_of_two_nodes_one_tells() -> None:
    first, second = two_nodes(dead=1)
    with capture_logs() as lines:
        async with running(first.daemon(), second.daemon()):
            await looks(4)
            first.dead = second.dead = 0
            await looks(10)

    assert first.heard == [[("dead_letters", "firing")], [("dead_letters", "recovered")]]
    assert len(named(lines, "alert_raised")) == len(named(lines, "alert_recovered")) == 1


async def test_a_node_whose_answer_is_newer_does_not_end_what_the_other_still_sees() -> None:
    """They ask the queue every five minutes, each at its own time."""
    first, second = two_nodes(dead=1)
    async with running(first.daemon(), second.daemon()):
        await looks(2)
        second.dead = 0
        await looks(16)
        meanwhile = len(first.heard)
        first.dead = 0
        await looks(10)

    assert (meanwhile, len(first.heard)) == (1, 2)


async def test_another_node_tells_when_the_one_that_did_is_gone() -> None:
    first, second = two_nodes()
    async with running(second.daemon()):
        async with running(first.daemon()):
            first.dead = 1
            await looks(2)
        await looks(10)

    assert first.heard == [[("dead_letters", "firing")], [("dead_letters", "recovered")]]


async def test_each_node_tells_of_its_own_way_to_the_store() -> None:
    first, second = two_nodes()
    async with running(first.daemon(), second.daemon()):
        for world in (first, second):
            world.pause(Concerned.STORE)
        await looks(8)

    told = [one for message in first.receiver.told for one in message["alerts"]] if first.receiver else []
    assert {one["subject"] for one in told} == {"mail-1", "mail-2"}


async def test_a_turn_that_cannot_be_had_is_waited_for() -> None:
    first, _ = two_nodes(dead=1)
    assert first.turns is not None
    first.turns.sick = SICK
    async with running(first.daemon()):
        await looks(4)
        nothing = len(first.heard)
        first.turns.sick = None
        await looks(2)

    assert (nothing, len(first.heard)) == (0, 1)


async def test_what_another_node_has_told_meanwhile_is_not_told_again() -> None:
    """It read the book before the other one's mark, and got its turn after it."""
    first, second = two_nodes(dead=1)
    await first.daemon().once()
    assert first.turns is not None
    await first.turns.give_up("alerting")

    await second.daemon().once()

    assert len(first.heard) == 1


async def test_a_look_that_crashes_is_not_the_end() -> None:
    world = World(dead=1)
    alerts = world.daemon()
    broken = replace(world.look(), dead_letters={"dead": 1})
    answers = deque([None])

    def look() -> Situation:
        if answers:
            answers.popleft()
            raise ValueError("a bug")
        return broken

    alerts.look = look
    with capture_logs() as lines:
        async with running(alerts):
            await looks(2)

    assert len(named(lines, "flow_crashed")) == 1
    assert len(world.heard) == 1
