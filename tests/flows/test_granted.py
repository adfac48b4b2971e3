"""Tokens of several nodes: asked for in good time, for whole jobs, and only while something waits."""

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass, field

import pytest
from structlog.testing import capture_logs

from tank_mailer.core.lanes import ORDINARY, PRIORITY
from tank_mailer.core.rate import bucket
from tank_mailer.flows.governor import Governor
from tests.grants_fake import FakePace

RATE = 10.0
PER_S = bucket(RATE).per_s
PROMPT_S = 0.001  # of the loop's ticks


@dataclass(frozen=True, slots=True)
class Start:
    name: str
    at_s: float
    tokens: int


@dataclass(kw_only=True)
class Node:
    """A governor on the shared pace, and what went."""

    pace: FakePace
    name: str = "n"
    slots: int = 10
    rate: float = RATE
    governor: Governor = field(init=False)
    starts: list[Start] = field(default_factory=list)
    works: list[asyncio.Task[None]] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.governor = Governor(slots=self.slots, rate=self.rate, has_priority=True, grants=self.pace.node(self.name))
        self.works.append(asyncio.create_task(self.governor.run()))

    def come(
        self, name: str, tokens: int = 1, lane: str = ORDINARY, *, call_s: float = 0.0, fails: bool = False
    ) -> asyncio.Task[None]:
        self.works.append(asyncio.create_task(self._job(name, tokens, lane, call_s, fails=fails)))
        return self.works[-1]

    def come_many(self, sizes: Sequence[int]) -> None:
        for n, size in enumerate(sizes):
            self.come(f"job-{n}", size)

    async def _job(self, name: str, tokens: int, lane: str, call_s: float, *, fails: bool) -> None:
        ticket = self.governor.enter(tokens, lane)
        try:
            if await self.governor.near(ticket) is None and await self.governor.turn(ticket, tokens):
                self.starts.append(Start(name, asyncio.get_running_loop().time(), tokens))
                await asyncio.sleep(call_s)
        finally:
            self.governor.leave(ticket, refund=fails)

    @property
    def went(self) -> list[str]:
        return [start.name for start in self.starts]

    async def stop(self) -> None:
        for work in self.works:
            work.cancel()
        await asyncio.gather(*self.works, return_exceptions=True)


async def test_nothing_is_asked_for_nobody() -> None:
    """An idle cluster leaves its store alone, and its tokens to whoever comes."""
    node = Node(pace=FakePace())
    await asyncio.sleep(60)
    assert node.pace.asked == []
    node.come_many([1, 1, 1])
    await asyncio.sleep(60)

    assert sum(asked.tokens for asked in node.pace.asked) == 3
    assert node.went == ["job-0", "job-1", "job-2"]
    await node.stop()


async def test_messages_that_were_received_are_asked_for_before_they_are_read() -> None:
    """The way to the store and back takes no time of the pace."""
    node = Node(pace=FakePace(there_s=0.05, back_s=0.05))
    await asyncio.sleep(5)
    node.governor.expect(3)
    await asyncio.sleep(0.06)

    assert [asked.tokens for asked in node.pace.asked] == [3]
    await node.stop()


async def test_a_span_is_empty_at_its_beginning_and_paced_to_its_end() -> None:
    node = Node(pace=FakePace())
    node.come_many([1] * 30)
    await asyncio.sleep(5)

    assert [start.at_s for start in node.starts] == pytest.approx([(n + 1) / PER_S for n in range(30)], abs=PROMPT_S), (
        "spans that follow each other leave no gap"
    )
    assert len(node.pace.asked) <= 6
    await node.stop()


async def test_a_job_of_fifty_is_asked_for_as_a_whole() -> None:
    """Else another node sends into its debt, and SES throttles both."""
    pace = FakePace()
    large, small = Node(pace=pace, name="large"), Node(pace=pace, name="small")
    small.come_many([1] * 40)
    await asyncio.sleep(0.5)
    large.come("fifty", 50)
    await asyncio.sleep(15)

    began_s = large.starts[0].at_s
    assert [asked.tokens for asked in pace.asked if asked.node == "large"] == [50]
    assert not any(began_s < start.at_s < began_s + 49 / PER_S - PROMPT_S for start in small.starts)
    assert len(small.starts) == 40, "then it is their turn again"
    for node in (large, small):
        await node.stop()


async def test_an_alarm_goes_before_the_large_job_that_the_span_was_asked_for() -> None:
    """The job goes after it all the same: a tenth of its tokens may be missing."""
    pace = FakePace()
    other, node = Node(pace=pace, name="other"), Node(pace=pace, name="node")
    other.come_many([1] * 10)
    await asyncio.sleep(0.01)
    node.come("fifty", 50)
    await asyncio.sleep(0.5)
    node.come("alarm", lane=PRIORITY)
    other.come_many([1] * 10)
    await asyncio.sleep(12)

    assert node.went == ["alarm", "fifty"]
    assert node.starts[1].at_s - node.starts[0].at_s == pytest.approx(1 / PER_S, abs=PROMPT_S)
    tokens = sum(asked.tokens for asked in pace.asked if asked.node == "node")
    assert tokens == 51, "what it lacked is paid for, too"
    for each in (other, node):
        await each.stop()


async def test_a_large_job_that_does_not_fit_waits_for_a_span_of_its_own() -> None:
    """While nobody else is there, that is at once."""
    node = Node(pace=FakePace())
    node.come_many([1] * 10)
    await asyncio.sleep(0.35)
    assert len(node.went) == 3
    node.come("fifty", 50, PRIORITY)
    await asyncio.sleep(0.2)

    assert node.went[3] == "fifty"
    await node.stop()


async def test_a_store_that_does_not_answer_is_told_once_and_sends_nothing() -> None:
    """Nobody knows what the others send; when it is back, no line of its own."""
    pace = FakePace(is_away=True)
    with capture_logs() as lines:
        node = Node(pace=pace)
        node.come_many([1] * 5)
        await asyncio.sleep(10.5)
        assert node.went == []
        assert 10 <= pace.failed <= 11, "once a second"
        pace.is_away = False
        await asyncio.sleep(2)
        assert len(node.went) == 5
        pace.is_away = True
        node.come("late")
        await asyncio.sleep(2.5)
        await node.stop()

    assert (
        lines
        == [
            {
                "event": "tokens_unavailable",
                "log_level": "warning",
                "reason": "store_sick",
                "detail": "ConnectionRefusedError",
            }
        ]
        * 2
    ), "once each time"


async def test_what_an_answer_took_is_lost_at_the_spans_end_not_stolen_from_the_next_one() -> None:
    """The store stalls for half a second after it has given the span away."""
    pace = FakePace(back_s=0.5)
    late = Node(pace=pace, name="late")
    late.come_many([1] * 10)
    await asyncio.sleep(0.01)
    other = Node(pace=pace, name="other")
    other.come_many([1] * 10)
    await asyncio.sleep(3)

    first = pace.asked[0]
    assert first.node == "late"
    begun = [start for start in late.starts if start.at_s < pace.asked[2].begins_s]
    assert begun, "what is left of it is used"
    assert all(first.begins_s + 0.5 < start.at_s <= first.ends_s + 0.02 + PROMPT_S for start in begun)
    await late.stop()
    await other.stop()


async def test_an_answer_that_comes_too_late_is_no_reason_to_send() -> None:
    pace = FakePace(back_s=3.0)
    node = Node(pace=pace)
    node.come("only")
    await asyncio.sleep(3.5)
    assert node.went == []
    await asyncio.sleep(5)

    assert node.went == ["only"], "the next one was asked for in time"
    await node.stop()


async def test_nodes_divide_what_they_ask_the_queue_for() -> None:
    """At a third of the rate, a third of the messages is enough to wait under lease."""
    pace = FakePace()
    nodes = [Node(pace=pace, name=f"n{n}", rate=6.0) for n in range(3)]
    assert nodes[0].governor.room() == 10, "nobody knows of the others yet"
    for node in nodes:
        node.come_many([1] * 8)
    await asyncio.sleep(2.5)

    assert [node.governor.nodes for node in nodes] == [3, 3, 3]
    for node in nodes:
        node.governor.halt()
    assert [node.governor.room() for node in nodes] == [4, 4, 4], "two seconds of two a second"
    for node in nodes:
        await node.stop()


async def test_a_node_whose_slots_are_all_in_use_leaves_the_tokens_to_the_others() -> None:
    node = Node(pace=FakePace(), slots=3)
    for n in range(5):
        node.come(f"slow-{n}", call_s=30)
    await asyncio.sleep(20)
    asked = len(node.pace.asked)
    assert len(node.went) == 1, "two are the priority lane's"
    assert asked <= 2
    await asyncio.sleep(15)

    assert len(node.went) == 2
    await node.stop()


async def test_a_turn_that_is_cancelled_leaves_its_token_in_the_span() -> None:
    node = Node(pace=FakePace())
    tasks = [node.come(f"job-{n}") for n in range(3)]
    await asyncio.sleep(0.05)
    tasks[0].cancel()
    await asyncio.sleep(3)

    assert node.went == ["job-1", "job-2"]
    assert node.starts[0].at_s == pytest.approx(1 / PER_S, abs=PROMPT_S)
    await node.stop()


async def test_what_never_left_leaves_its_tokens_in_the_span() -> None:
    """Nobody else may use them; the next job need not wait for other ones."""
    node = Node(pace=FakePace())
    node.come("never-left", 10, fails=True)
    await asyncio.sleep(0.2)
    node.come("next", 9)
    await asyncio.sleep(0.1)

    assert node.went == ["never-left", "next"]
    assert [asked.tokens for asked in node.pace.asked] == [10]
    node.come("alone", fails=True)
    await asyncio.sleep(3)
    asked = len(node.pace.asked)
    node.come("last")
    await asyncio.sleep(3)
    assert node.went == ["never-left", "next", "alone", "last"]
    assert len(node.pace.asked) == asked + 1, "what is older than its span is lost"
    await node.stop()


async def test_the_last_token_of_a_span_can_come_back_too() -> None:
    node = Node(pace=FakePace())
    node.come("never-left", fails=True)
    await asyncio.sleep(1 / PER_S + PROMPT_S)
    node.come("next")
    await asyncio.sleep(2 * PROMPT_S)

    assert node.went == ["never-left", "next"]
    assert len(node.pace.asked) == 1
    await node.stop()


async def test_the_ordinary_lane_keeps_its_floor_in_what_is_asked_for() -> None:
    """A large job is not put off span by span for alarms that came before it."""
    node = Node(pace=FakePace(), slots=100)
    for n in range(60):
        node.come(f"alarm-{n}", lane=PRIORITY)
    node.come("newsletter", 20)
    await asyncio.sleep(4)

    assert "newsletter" in node.went
    assert node.went.index("newsletter") == 9, "after nine alarms a recipient is owed"
    await node.stop()


async def test_a_cut_counts_within_a_span_and_in_the_next_ask() -> None:
    """SES has throttled: the tokens that are too many by now are lost."""
    node = Node(pace=FakePace())
    node.come_many([1] * 30)
    await asyncio.sleep(0.05)
    node.governor.set_rate(2.0)
    await asyncio.sleep(2.0)

    assert len(node.went) <= 1 + 2 * 2
    later = [asked for asked in node.pace.asked if asked.at_s > 0.05]
    assert all(
        (asked.ends_s - asked.begins_s) / asked.tokens == pytest.approx(1 / bucket(2.0).per_s) for asked in later
    )
    await node.stop()


async def test_without_a_rate_nothing_is_asked() -> None:
    """SES has taken the account's sending away."""
    node = Node(pace=FakePace(), rate=0.0)
    node.come("only")
    await asyncio.sleep(30)
    assert node.pace.asked == []
    node.governor.set_rate(RATE)
    await asyncio.sleep(1)

    assert node.went == ["only"]
    await node.stop()


async def test_an_empty_queue_ends_the_asking() -> None:
    """A queue that was full may have ended: at most one span too many is taken from the others."""
    node = Node(pace=FakePace())
    node.governor.note_trip(0.05)
    node.come_many([1] * 10)
    await asyncio.sleep(30)

    assert len(node.pace.asked) <= 2
    assert len(node.went) == 10
    await node.stop()
