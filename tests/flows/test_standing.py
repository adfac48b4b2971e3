"""How things stand: asked rarely enough, and what does not answer is unknown, not empty."""

import asyncio
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager

import pytest
from structlog.testing import capture_logs

from tank_mailer.core.errors import QueueError, Reason, StoreError
from tank_mailer.core.ledger import State
from tank_mailer.flows.standing import EVERY_S, GROWTH_S, QUEUES_EVERY_S, StandingWatch
from tank_mailer.ports.standing import AskedQueue, StoreStanding
from tank_mailer.telemetry.measures import EVENTS
from tank_mailer.telemetry.scrape import DEAD_LETTERS
from tests.alerts_fakes import FakeAskedQueue, FakeStanding
from tests.fakes import EPOCH, FakeClock

SICK = StoreError(Reason.STORE_SICK, "the fake is sick")
DENIED = QueueError(Reason.ACCESS_DENIED, "no right to sqs:GetQueueAttributes")
AWAY = QueueError(Reason.QUEUE_UNREACHABLE, "no answer")
ORDINARY, PRIORITY = f"{DEAD_LETTERS}ordinary", f"{DEAD_LETTERS}priority"


def watch(standing: FakeStanding | None = None, queues: Mapping[str, AskedQueue] | None = None) -> StandingWatch:
    return StandingWatch(standing=standing or FakeStanding(), queues=lambda: queues or {}, clock=FakeClock())


@asynccontextmanager
async def running(one: StandingWatch) -> AsyncIterator[None]:
    task = asyncio.create_task(one.run())
    try:
        yield
    finally:
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)


async def test_all_is_asked_at_once_and_then_rarely() -> None:
    """A call to AWS costs money, day and night."""
    standing, queue = FakeStanding(), FakeAskedQueue()
    one = watch(standing, {ORDINARY: queue})

    async with running(one):
        async with asyncio.timeout(1.0):
            await one.ready.wait()
        asked_at_once = (standing.asked, queue.asked)
        await asyncio.sleep(2 * QUEUES_EVERY_S + EVERY_S / 2)

    assert asked_at_once == (1, 1)
    assert (standing.asked, queue.asked) == (11, 3)


async def test_what_was_said_and_when() -> None:
    standing = FakeStanding(StoreStanding(letters=3))
    one = watch(standing, {EVENTS: FakeAskedQueue("events", visible=7)})

    async with running(one):
        await one.ready.wait()

    assert one.known == StoreStanding(letters=3)
    assert one.asked_at is not None
    assert one.asked_at >= EPOCH
    assert one.facts[EVENTS].visible == 7
    assert one.facts_at[EVENTS] >= EPOCH


async def test_a_queue_of_both_lanes_is_asked_once() -> None:
    dead = FakeAskedQueue(visible=2)
    one = watch(queues={ORDINARY: dead, PRIORITY: dead})

    await one.ask_queues()

    assert dead.asked == 1
    assert {key: facts.visible for key, facts in one.facts.items()} == {ORDINARY: 2, PRIORITY: 2}


async def test_a_queue_that_cannot_be_asked_is_unknown_and_that_is_said_once() -> None:
    dead, events = FakeAskedQueue(fault=DENIED), FakeAskedQueue("events")
    one = watch(queues={ORDINARY: dead, PRIORITY: dead, EVENTS: events})

    with capture_logs() as lines:
        await one.ask_queues()
        await one.ask_queues()
        dead.fault = AWAY
        await one.ask_queues()

    assert one.facts.keys() == {EVENTS}
    assert one.facts_at.keys() == {EVENTS}
    assert [(line["event"], line["queue"], line["reason"]) for line in lines] == [
        ("queue_depth_unknown", "dead", Reason.ACCESS_DENIED),
        ("queue_depth_unknown", "dead", Reason.QUEUE_UNREACHABLE),
    ]
    assert "sqs:GetQueueAttributes" in lines[0]["remedy"]


async def test_a_queue_that_answers_again_is_known_again() -> None:
    dead = FakeAskedQueue(visible=1)
    one = watch(queues={ORDINARY: dead})
    await one.ask_queues()
    dead.fault = AWAY
    await one.ask_queues()
    was_known = bool(one.facts)
    dead.fault = None

    with capture_logs() as lines:
        await one.ask_queues()
        dead.fault = AWAY
        await one.ask_queues()

    assert not was_known
    assert [line["event"] for line in lines] == ["queue_depth_unknown"], "a new silence is told anew"


async def test_a_queue_that_is_no_more_is_forgotten() -> None:
    queues = {ORDINARY: FakeAskedQueue(visible=1)}
    one = StandingWatch(standing=FakeStanding(), queues=lambda: queues, clock=FakeClock())
    await one.ask_queues()

    queues.clear()
    await one.ask_queues()

    assert (one.facts, one.facts_at) == ({}, {})


async def test_a_sick_store_is_unknown() -> None:
    """Figures of an hour ago are worse than none."""
    standing = FakeStanding(StoreStanding(letters=3))
    one = watch(standing)
    await one.ask_store()
    standing.sick = SICK

    await one.ask_store()

    assert one.known is None


@pytest.mark.parametrize(("pause_s", "before"), [(EVERY_S, 1), (GROWTH_S - 1, 1), (GROWTH_S + 1, 5)])
async def test_doubts_of_a_quarter_of_an_hour_ago(pause_s: float, before: int) -> None:
    standing = FakeStanding(StoreStanding(states={State.IN_DOUBT: 1}))
    one = watch(standing)
    assert one.doubts_before is None
    await one.ask_store()
    standing.answer = StoreStanding(states={State.IN_DOUBT: 5})

    await asyncio.sleep(pause_s)
    await one.ask_store()

    assert one.doubts_before == before


async def test_without_doubts_there_are_none() -> None:
    one = watch()

    await one.ask_store()

    assert one.doubts_before == 0
