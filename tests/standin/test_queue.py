"""The queue as a state machine: visibility, delays, twelve hours, retention, redrive, size."""

import sys
from collections.abc import Callable
from dataclasses import replace
from types import FrameType
from typing import Any

import pytest

from tank_mailer.standin import ManualClock
from tank_mailer.standin import queue as queue_module
from tank_mailer.standin.errors import AwsError
from tank_mailer.standin.message import Content, read_content
from tank_mailer.standin.queue import Message, Place, Queue
from tank_mailer.standin.queue_settings import QueueSettings
from tank_mailer.standin.timetable import MIN_SWEEP

TraceFunction = Callable[[FrameType, str, Any], Any]

ARN = "arn:aws:sqs:eu-west-1:000000000000:jobs"


def content(body: str = "x") -> Content:
    return read_content({"MessageBody": body})


@pytest.fixture
def queue(clock: ManualClock) -> Queue:
    return Queue(name="jobs", arn=ARN, clock=clock, settings=QueueSettings())


def receive(queue: Queue, limit: int = 10, visibility_s: int = 30) -> list[Message]:
    return queue.receive(limit, visibility_s=visibility_s, dead_letters=None)


def bodies(messages: list[Message]) -> list[str]:
    return [message.content.body for message in messages]


def places(queue: Queue) -> tuple[int, int, int]:
    return queue.count(Place.VISIBLE), queue.count(Place.IN_FLIGHT), queue.count(Place.DELAYED)


def test_a_message_comes_back_when_its_visibility_runs_out(queue: Queue, clock: ManualClock) -> None:
    queue.send(content())
    receive(queue)

    clock.advance(29.9)
    assert places(queue) == (0, 1, 0)
    clock.advance(0.1)
    assert places(queue) == (1, 0, 0)
    (again,) = receive(queue)

    assert again.receive_count == 2


def test_an_extension_counts_from_now(queue: Queue, clock: ManualClock) -> None:
    queue.send(content())
    (message,) = receive(queue)
    clock.advance(20)

    queue.change_visibility(queue.handle(message), 30)

    clock.advance(29)
    assert places(queue) == (0, 1, 0)
    clock.advance(1)
    assert places(queue) == (1, 0, 0)


@pytest.mark.parametrize(
    ("passed_s", "asked_s", "allowed"),
    [
        pytest.param(0, 43_200, True, id="all-of-it-at-once"),
        pytest.param(0.001, 43_200, False, id="all-of-it-a-moment-later"),
        pytest.param(40_000, 3_200, True, id="up-to-the-end"),
        pytest.param(40_000, 3_201, False, id="past-the-end"),
        pytest.param(43_199, 0, True, id="giving-back-always"),
    ],
)
def test_twelve_hours_in_all(queue: Queue, clock: ManualClock, passed_s: float, asked_s: int, allowed: bool) -> None:
    """Counted from the receive: extending does not restart it (aws-facts 5.1)."""
    queue.send(content())
    (message,) = receive(queue, visibility_s=43_200)
    clock.advance(passed_s)

    if allowed:
        queue.change_visibility(queue.handle(message), asked_s)
    else:
        with pytest.raises(AwsError, match="beyond the limit"):
            queue.change_visibility(queue.handle(message), asked_s)


def test_a_delay_of_its_own_goes_before_the_queues(queue: Queue, clock: ManualClock) -> None:
    queue.settings = replace(queue.settings, delay_s=10)
    queue.send(content("queue's"))
    queue.send(content("own"), delay_s=5)
    queue.send(content("none"), delay_s=0)

    assert places(queue) == (1, 0, 2)
    clock.advance(5)
    assert bodies(receive(queue)) == ["none", "own"]
    clock.advance(5)
    assert bodies(receive(queue)) == ["queue's"]


def test_what_is_past_its_retention_is_gone(queue: Queue, clock: ManualClock) -> None:
    """Wherever it is: visible, in flight or delayed."""
    queue.settings = replace(queue.settings, retention_s=60)
    queue.send(content("flying"))
    receive(queue, visibility_s=3_600)
    queue.send(content("seen"))
    queue.send(content("late"), delay_s=900)
    clock.advance(59)
    queue.send(content("young"))
    assert places(queue) == (2, 1, 1)

    clock.advance(1)

    assert places(queue) == (1, 0, 0)
    assert bodies(receive(queue)) == ["young"]


def test_the_dead_letter_queue_keeps_the_time_of_the_first_send(queue: Queue, clock: ManualClock) -> None:
    """Its retention must be longer than the source's, or nothing of it is ever seen (aws-facts 5.3)."""
    dead = Queue(name="dead", arn=f"{ARN}-dead", clock=clock, settings=QueueSettings(retention_s=60))
    queue.settings = replace(queue.settings, dead_letter_arn=dead.arn, max_receive_count=1)
    sent = queue.send(content())
    receive(queue, visibility_s=0)
    clock.advance(50)

    assert queue.receive(10, visibility_s=0, dead_letters=dead) == []
    assert list(dead.messages) == [sent.message_id]
    assert queue.messages == {}
    clock.advance(10)

    assert places(dead) == (0, 0, 0)


def test_a_dead_letter_queue_that_is_gone_changes_nothing(queue: Queue) -> None:
    """Better again and again than lost."""
    queue.settings = replace(queue.settings, dead_letter_arn="gone", max_receive_count=1)
    queue.send(content())

    for _ in range(3):
        assert len(receive(queue, visibility_s=0)) == 1


def test_often_received_ones_go_to_the_back(queue: Queue) -> None:
    """Given back once or twice it is the next again; after the third receive the others come first."""
    queue.send(content("old"))
    queue.send(content("new"))

    seen = [bodies(receive(queue, limit=1, visibility_s=0)) for _ in range(4)]

    assert seen == [["old"], ["old"], ["old"], ["new"]]


def test_deleting_after_the_lapse_works_until_it_is_received_again(queue: Queue, clock: ManualClock) -> None:
    queue.send(content("a"))
    queue.send(content("b"))
    first, second = receive(queue)
    old = queue.handle(second)
    clock.advance(30)
    assert queue.delete(queue.handle(first))
    assert bodies(receive(queue)) == ["b"]

    assert not queue.delete(old)
    assert queue.delete(queue.handle(second))
    assert not queue.delete(queue.handle(second))
    assert queue.messages == {}


@pytest.mark.parametrize("handle", ["", "nonsense", "bm9uc2Vuc2U=", "ä", "b3RoZXIgaWQgMQ=="], ids=ascii)
def test_handles_that_are_none(queue: Queue, handle: str) -> None:
    with pytest.raises(AwsError) as refused:
        queue.delete(handle)

    assert refused.value.name == "ReceiptHandleIsInvalid"


def test_the_ceiling_of_messages_in_flight(queue: Queue, monkeypatch: pytest.MonkeyPatch) -> None:
    """120,000 (aws-facts 5.1), here 3; a delete makes room again."""
    monkeypatch.setattr(queue_module, "MAX_IN_FLIGHT", 3)
    for _ in range(4):
        queue.send(content())
    flying = receive(queue)

    assert len(flying) == 3
    assert queue.is_full()
    assert not queue.has_something()
    assert receive(queue) == []
    queue.delete(queue.handle(flying[0]))
    assert len(receive(queue)) == 1


def lines_run(work: Callable[[], object]) -> int:
    """How many lines of Python `work` runs: a measure of cost that no slow machine can spoil."""
    lines = 0

    def trace(_: FrameType, event: str, __: object) -> TraceFunction:
        nonlocal lines
        lines += event == "line"
        return trace

    before = sys.gettrace()
    sys.settrace(trace)
    try:
        work()
    finally:
        sys.settrace(before)
    return lines


def test_an_email_costs_the_same_on_a_queue_of_a_hundred_thousand(clock: ManualClock) -> None:
    """Moto's receive scans its queue: a second at 2,000 messages (lab.md)."""
    shared = content()
    cost: dict[int, int] = {}
    for size in (100, 100_000):
        queue = Queue(name="jobs", arn=ARN, clock=clock, settings=QueueSettings())
        for _ in range(size):
            queue.send(shared)
        receive(queue, limit=size // 2, visibility_s=3_600)

        def work(queue: Queue = queue) -> None:
            queue.send(shared)
            kept, gone = receive(queue, limit=2)
            queue.change_visibility(queue.handle(kept), 60)
            queue.delete(queue.handle(gone))

        cost[size] = lines_run(work)

    assert cost[100_000] <= 1.1 * cost[100]  # lines of our own code; a sweep may fall into either


def test_entries_that_no_longer_hold_do_not_pile_up(queue: Queue, clock: ManualClock) -> None:
    """A lease that is extended all day leaves an entry each time; a deleted message leaves one too."""
    queue.send(content())
    (held,) = receive(queue, visibility_s=60)
    for _ in range(5_000):
        queue.change_visibility(queue.handle(held), 60)
        clock.advance(1)
    for _ in range(5_000):
        queue.send(content())
        queue.delete(queue.handle(receive(queue, limit=1)[0]))

    assert len(queue._hidden) < 2 * MIN_SWEEP
    assert len(queue._ages) < 2 * MIN_SWEEP
