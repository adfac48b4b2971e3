"""A look into a dead-letter queue, on a clock that skips ahead."""

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass, field

import pytest
from typing_extensions import override

from tank_mailer.core.deadletter import Handed
from tank_mailer.core.errors import QueueError, Reason
from tank_mailer.flows.looking import HOLD_S, REPEATS, Look, looking
from tank_mailer.ports import QueueFacts, Settled
from tests.fakes import FakeClock, FakeQueue


@dataclass(frozen=True, slots=True)
class FakeLetterBox:
    """A `FakeQueue` that is looked into."""

    queue: FakeQueue
    extended: list[int] = field(default_factory=list)

    @property
    def name(self) -> str:
        return "dead"

    async def receive(self, *, wait_s: int, visibility_s: int) -> Sequence[Handed]:
        return [
            Handed(
                letter_id=one.queue_message_id,
                receipt_handle=one.receipt_handle,
                body=one.body,
                note=None,
                sent_at=one.sent_at,
                source_arn="",
                receive_count=one.receive_count,
                first_received_at=None,
            )
            for one in await self.queue.receive(limit=10, wait_s=wait_s, visibility_s=visibility_s)
        ]

    async def hide(self, entries: Sequence[tuple[str, int]]) -> Sequence[Settled]:
        self.extended.append(len(entries))
        return await self.queue.hide(entries)

    async def delete(self, receipt_handles: Sequence[str]) -> Sequence[Settled]:
        return await self.queue.delete(receipt_handles)

    async def facts(self) -> QueueFacts:
        return await self.queue.facts()


@pytest.fixture
def clock() -> FakeClock:
    return FakeClock()


@pytest.fixture
def box(clock: FakeClock) -> FakeLetterBox:
    return FakeLetterBox(FakeQueue(clock))


def put_many(box: FakeLetterBox, count: int) -> list[str]:
    return [box.queue.put(f"letter {n}") for n in range(count)]


def all_visible(box: FakeLetterBox) -> bool:
    return all(box.queue.visible_in_s(one) == 0 for one in box.queue.left)


async def seen(look: Look) -> list[str]:
    return [one.letter_id async for one in look.letters()]


async def test_each_is_seen_once_and_given_back(box: FakeLetterBox, clock: FakeClock) -> None:
    ids = put_many(box, 25)

    async with looking(box, clock=clock, wait_s=1) as look:
        assert sorted(await seen(look)) == sorted(ids)
        assert not all_visible(box)

    assert look.is_complete
    assert all_visible(box)
    assert {box.queue.receive_count(one) for one in ids} == {1}


async def test_held_for_as_long_as_the_look_lasts(box: FakeLetterBox, clock: FakeClock) -> None:
    """A slow redrive must not meet its own letters again, nor show them to others."""
    put_many(box, 3)

    async with looking(box, clock=clock, wait_s=1) as look:
        await seen(look)
        await asyncio.sleep(HOLD_S * 20)
        assert min(box.queue.visible_in_s(one) for one in box.queue.left) > 0
        assert look.held == 3

    assert all_visible(box)


async def test_what_a_killed_process_holds_comes_back_soon(box: FakeLetterBox, clock: FakeClock) -> None:
    (letter,) = put_many(box, 1)
    look = Look(box=box, clock=clock, wait_s=1)

    await seen(look)

    assert box.queue.visible_in_s(letter) <= HOLD_S


async def test_an_interrupted_look_gives_back(box: FakeLetterBox, clock: FakeClock) -> None:
    put_many(box, 12)
    begun = asyncio.Event()

    async def work() -> None:
        async with looking(box, clock=clock, wait_s=1) as look:
            await seen(look)
            begun.set()
            await asyncio.sleep(3600)

    task = asyncio.create_task(work())
    await begun.wait()
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task

    assert all_visible(box)


async def test_a_look_is_bounded(box: FakeLetterBox, clock: FakeClock) -> None:
    put_many(box, 30)

    async with looking(box, clock=clock, wait_s=1, most=20) as look:
        assert len(await seen(look)) == 20

    assert not look.is_complete
    assert all_visible(box)


async def test_letters_that_keep_coming_back_end_it(clock: FakeClock) -> None:
    """A queue that takes no visibility timeout, or another reader that gives back what we hold."""
    queue = FakeQueue(clock)
    queue.put("letter")

    class Shows(FakeLetterBox):
        @override
        async def receive(self, *, wait_s: int, visibility_s: int) -> Sequence[Handed]:
            return await FakeLetterBox.receive(self, wait_s=wait_s, visibility_s=0)

    look = Look(box=Shows(queue), clock=clock, wait_s=0)

    assert len(await seen(look)) == 1
    assert not look.is_complete
    assert len(queue.received) == REPEATS + 1


async def test_deleted_ones_are_not_given_back(box: FakeLetterBox, clock: FakeClock) -> None:
    first, second = put_many(box, 2)

    async with looking(box, clock=clock, wait_s=1) as look:
        await seen(look)
        box.queue.answer("delete", [Settled.FAILED])
        assert await look.delete([first]) == set()
        assert await look.delete([first, "unknown"]) == {first}

    assert box.queue.deleted == [first]
    assert [one for one, _ in box.queue.hidden] == [second]


async def test_a_queue_that_fails_when_they_are_given_back_is_no_error(box: FakeLetterBox, clock: FakeClock) -> None:
    """They come back by themselves."""
    put_many(box, 1)

    async with looking(box, clock=clock, wait_s=1) as look:
        await seen(look)
        box.queue.fail("hide", QueueError(Reason.QUEUE_UNREACHABLE, "away"))

    assert not all_visible(box)


async def test_how_far_giving_back_has_come_is_told(box: FakeLetterBox, clock: FakeClock) -> None:
    put_many(box, 25)
    moved = list[int]()

    async with looking(box, clock=clock, wait_s=1) as look:
        await seen(look)
        await look.give_back(moved.append)

    assert sum(moved) == 25
    assert box.extended == [10, 10, 5]
