"""Long polls by themselves: what ends them."""

import asyncio

import pytest

from tank_mailer.standin import ManualClock
from tank_mailer.standin import queue as queue_module
from tank_mailer.standin.message import read_content
from tank_mailer.standin.queue import Message, Queue
from tank_mailer.standin.queues import Queues
from tank_mailer.standin.waiting import WaitedQueue

CONTENT = read_content({"MessageBody": "x"})


@pytest.fixture
def waited(clock: ManualClock) -> WaitedQueue:
    return Queues(clock=clock, account_id="000000000000", region="eu-west-1").create("jobs", {})


def poll(waited: WaitedQueue, *, wait_s: float = 20.0) -> asyncio.Task[list[Message]]:
    return asyncio.create_task(waited.receive(10, visibility_s=30, wait_s=wait_s, dead_letters=None))


def handle_of_one(queue: Queue) -> str:
    (message,) = queue.receive(1, visibility_s=30, dead_letters=None)
    return queue.handle(message)


async def test_it_ends_empty_handed_when_its_time_is_over(waited: WaitedQueue) -> None:
    assert await poll(waited, wait_s=0.001) == []


async def test_it_is_answered_early_when_it_is_told_to(waited: WaitedQueue) -> None:
    """Those that are open; the next one waits again."""
    open_ones = [poll(waited), poll(waited)]
    await asyncio.sleep(0)
    assert waited.open_polls == 2

    waited.answer()

    assert await asyncio.gather(*open_ones) == [[], []]
    later = poll(waited)
    await asyncio.sleep(0)
    assert (waited.open_polls, later.done()) == (1, False)
    waited.send(CONTENT, delay_s=None)
    assert len(await later) == 1


async def test_it_is_woken_by_a_visibility_that_runs_out(waited: WaitedQueue, clock: ManualClock) -> None:
    """Armed for the next return: a millisecond from where the clock stands."""
    waited.send(CONTENT, delay_s=None)
    handle_of_one(waited.queue)
    clock.advance(29.999)
    waiting = poll(waited)
    await asyncio.sleep(0)
    clock.advance(0.002)

    async with asyncio.timeout(5):
        (message,) = await waiting

    assert message.receive_count == 2


async def test_it_does_not_spin_at_the_in_flight_ceiling(waited: WaitedQueue, monkeypatch: pytest.MonkeyPatch) -> None:
    """SQS answers it with nothing (aws-facts 5.1), although there is a message; a delete makes room."""
    monkeypatch.setattr(queue_module, "MAX_IN_FLIGHT", 1)
    for _ in range(2):
        waited.send(CONTENT, delay_s=None)
    held = handle_of_one(waited.queue)
    assert await poll(waited, wait_s=0.001) == []
    waiting = poll(waited)
    await asyncio.sleep(0)

    waited.queue.delete(held)
    waited.stir()

    async with asyncio.timeout(5):
        assert len(await waiting) == 1


async def test_what_one_leaves_is_the_next_ones(waited: WaitedQueue) -> None:
    """Eleven messages at once: ten for the first, one for the second, none waits for the next send."""
    polls = [poll(waited), poll(waited)]
    await asyncio.sleep(0)
    for _ in range(11):
        waited.send(CONTENT, delay_s=None)

    async with asyncio.timeout(5):
        got = [len(messages) for messages in await asyncio.gather(*polls)]

    assert got == [10, 1]


async def test_a_cancelled_one_takes_no_turn(waited: WaitedQueue) -> None:
    """Its message goes to who waits behind it."""
    polls = [poll(waited), poll(waited)]
    await asyncio.sleep(0)
    polls[0].cancel()
    waited.send(CONTENT, delay_s=None)

    async with asyncio.timeout(5):
        assert len(await polls[1]) == 1
