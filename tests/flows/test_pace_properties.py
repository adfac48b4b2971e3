"""Whatever comes, in whatever order: the pace holds, no token is lost, priority goes first and the floor is kept."""

import asyncio
import random
from bisect import bisect_left
from collections import Counter
from collections.abc import Callable, Coroutine, Sequence
from contextvars import Context
from dataclasses import dataclass, field
from itertools import accumulate
from typing import Any, TypeVar, TypeVarTuple, Unpack

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from typing_extensions import override

from tank_mailer.core.lanes import FLOOR, LANES, ORDINARY, PRIORITY
from tank_mailer.core.rate import bucket
from tank_mailer.flows.governor import FAR_S, Governor
from tank_mailer.flows.granted import GRACE_S, MISSING
from tests.flows.conftest import SkippingLoop
from tests.grants_fake import FakePace

T = TypeVar("T")
Ts = TypeVarTuple("Ts")

TICKS_S = 1e-4  # of the loop's time
MOST = 50  # SES: recipients in one call
BRIEF = settings(max_examples=60, deadline=None)


class LateLoop(SkippingLoop):
    """Its time skips, and each timer is late by chance."""

    late_s = 0.0

    def __init__(self) -> None:
        super().__init__()
        self.chance = random.Random(7)

    @override
    def call_at(
        self, when: float, callback: Callable[[Unpack[Ts]], object], *args: *Ts, context: Context | None = None
    ) -> asyncio.TimerHandle:
        return super().call_at(when + self.chance.uniform(0, self.late_s), callback, *args, context=context)


def play(story: Coroutine[Any, Any, T], *, late_s: float = 0.0) -> T:
    """Run a story to its end in virtual time."""

    def loop() -> LateLoop:
        made = LateLoop()
        made.late_s = late_s
        return made

    with asyncio.Runner(loop_factory=loop) as runner:
        return runner.run(story)


def now_s() -> float:
    return asyncio.get_running_loop().time()


# --- what was seen -----------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Start:
    """A request that reached SES."""

    at_s: float
    tokens: int
    lane: str = ORDINARY


def fullest_second(starts: Sequence[Start]) -> int:
    """Recipients in the fullest sliding second, of starts in their order."""
    times = [start.at_s for start in starts]
    sums = [0, *accumulate(start.tokens for start in starts)]
    return max((sums[bisect_left(times, t + 1 - TICKS_S)] - sums[i] for i, t in enumerate(times)), default=0)


@dataclass(kw_only=True)
class Books:
    """A limit that stops nobody, and keeps the books."""

    took_: Counter[str] = field(default_factory=Counter)
    back: Counter[str] = field(default_factory=Counter)
    over: Counter[str] = field(default_factory=Counter)

    def room(self, lane: str) -> int | None:
        return None

    def took(self, lane: str, recipients: int) -> None:
        self.took_[lane] += recipients

    def gave_back(self, lane: str, recipients: int) -> None:
        self.back[lane] += recipients

    def ended(self, lane: str, recipients: int) -> None:
        self.over[lane] += recipients


# --- one node ----------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Visit:
    """One job's way through the governor, as `Attempt` leads it.

    Attributes:
        after_s: between the job before and this one.
        spared: recipients that the suppression list takes out between its nearness and its turn.
        is_skipped: it ends between its nearness and its turn.
        fails: nothing of it reaches SES.
        cancel_s: when it is cancelled, from its entrance; None: never.
    """

    after_s: float
    tokens: int
    lane: str = ORDINARY
    spared: int = 0
    begins_s: float = 0.0
    lasts_s: float = 0.1
    is_skipped: bool = False
    fails: bool = False
    cancel_s: float | None = None


Changes = Sequence[tuple[float, float | str]]


@dataclass(kw_only=True)
class Course:
    """A governor, and what was seen of all visits to it."""

    governor: Governor
    books: Books = field(default_factory=Books)
    starts: list[Start] = field(default_factory=list)
    ends: Counter[str] = field(default_factory=Counter)

    def __post_init__(self) -> None:
        self.governor.limits.append(self.books)

    async def visit(self, visit: Visit) -> None:
        governor, tokens = self.governor, visit.tokens
        ticket = governor.enter(tokens, visit.lane)
        refund, end = True, "cancelled"
        try:
            if (delay_s := await governor.near(ticket)) is not None:
                assert delay_s == 0 or delay_s > FAR_S
                end = "given back"
                return
            await asyncio.sleep(visit.begins_s)
            if visit.is_skipped:
                end = "skipped"
                return
            tokens = max(1, tokens - visit.spared)
            if not await governor.turn(ticket, tokens):
                end = "given back"
                return
            refund = visit.fails
            if not visit.fails:
                self.starts.append(Start(now_s(), tokens, visit.lane))
            await asyncio.sleep(visit.lasts_s)
            end = "went"
        finally:
            governor.leave(ticket, refund=refund)
            self.ends[end] += 1

    async def change(self, changes: Changes) -> None:
        for after_s, what in changes:
            await asyncio.sleep(after_s)
            match what:
                case "throttled":
                    self.governor.slow_down()
                case "halt":
                    self.governor.halt()
                case str() as lane if lane in LANES:
                    self.governor.halt(lane)
                case float():
                    self.governor.set_rate(what)
                case _:
                    raise AssertionError(what)

    async def visits(self, visits: Sequence[Visit]) -> None:
        tasks = list[asyncio.Task[None]]()
        for visit in visits:
            await asyncio.sleep(visit.after_s)
            task = asyncio.create_task(self.visit(visit))
            tasks.append(task)
            if visit.cancel_s is not None:
                asyncio.get_running_loop().call_later(visit.cancel_s, task.cancel)
        results = await asyncio.gather(*tasks, return_exceptions=True)
        assert [result for result in results if isinstance(result, Exception)] == []

    async def flood(
        self, seconds: float, sizes: Sequence[int] = (1,), lane: str = ORDINARY, call_s: float = 0.06
    ) -> None:
        """As many as can go, for a while."""
        tasks, number, end_s = set[asyncio.Task[None]](), 0, now_s() + seconds
        try:
            while now_s() < end_s:
                self.governor.note_trip(0.05, lane)  # the queue holds more
                for _ in range(20):
                    if self.governor.waiting(lane) > 1.5 * self.governor.current_rate / self.governor.nodes:
                        break
                    visit = Visit(0, sizes[number % len(sizes)], lane, lasts_s=call_s)
                    tasks.add(task := asyncio.create_task(self.visit(visit)))
                    task.add_done_callback(tasks.discard)
                    number += 1
                    await asyncio.sleep(0)
                await asyncio.sleep(min(0.02 + 0.2 / self.governor.rate, 0.1))
            self.governor.halt()
            await asyncio.gather(*tasks)
        finally:
            left = tuple(tasks)
            for task in left:
                task.cancel()
            await asyncio.gather(*left, return_exceptions=True)


async def run_course(visits: Sequence[Visit], changes: Changes, *, rate: float, slots: int) -> Course:
    """Let all visits happen, and change the rate meanwhile; then see whether the pace is as it was."""
    course = Course(governor=Governor(slots=slots, rate=rate, has_priority=True))
    running = asyncio.create_task(course.governor.run())
    await asyncio.gather(course.visits(visits), course.change(changes))
    await asyncio.sleep(1000)  # debts are paid, the rate has recovered
    assert not running.done()
    assert_nothing_is_left(course.governor)
    course.governor.limits.clear()
    loop = asyncio.get_running_loop()
    assert isinstance(loop, LateLoop)
    loop.late_s = 0.0
    after = Course(governor=course.governor)
    began_s = now_s()
    await after.flood(max(3.0, 10 / course.governor.rate))
    least = 0.97 * bucket(course.governor.rate).per_s * (now_s() - began_s) - 2
    if slots >= 10:  # else they are what holds it up
        assert sum(start.tokens for start in after.starts) >= least, "nothing is lost"
    running.cancel()
    return course


def assert_nothing_is_left(governor: Governor) -> None:
    assert governor.is_idle
    assert governor.in_use == 0
    assert [governor.in_flight(lane) for lane in LANES] == [0, 0]
    assert [governor.waiting(lane) for lane in LANES] == [0, 0]
    for line in governor._lines.values():
        assert (line.ready, len(line.tickets), len(line.turns), len(line.waiting)) == (0, 0, 0, 0)
    assert governor._debt == 0


SIZES = st.sampled_from([1, 1, 1, 2, 7, MOST])
VISITS = st.builds(
    Visit,
    after_s=st.sampled_from([0.0, 0.0, 0.01, 0.3, 2.0]),
    tokens=SIZES,
    lane=st.sampled_from(LANES),
    spared=st.sampled_from([0, 0, 0, 1, 3]),
    begins_s=st.sampled_from([0.0, 0.005]),
    lasts_s=st.sampled_from([0.0, 0.1, 3.0, 30.0]),
    is_skipped=st.sampled_from([False, False, False, True]),
    fails=st.sampled_from([False, False, True]),
    cancel_s=st.none() | st.floats(0, 20),
)
RATES = st.sampled_from([0.5, 1.0, 5.0, 12.6, 100.0])
CHANGES = st.lists(
    st.tuples(st.floats(0, 10), RATES | st.sampled_from(["throttled", "halt", *LANES])),
    max_size=4,
)


@settings(max_examples=100, deadline=None)
@given(
    visits=st.lists(VISITS, max_size=40),
    changes=CHANGES,
    rate=RATES,
    slots=st.integers(1, 12),
    late_s=st.sampled_from([0.0, 0.001, 0.01, 0.3]),
)
def test_whatever_comes_the_pace_holds_and_no_token_is_lost(
    visits: list[Visit], changes: Changes, rate: float, slots: int, late_s: float
) -> None:
    """Cancelled, halted, skipped, given back, refunded, woken late: no second exceeds the rate by more than a job."""
    course = play(run_course(visits, changes, rate=rate, slots=slots), late_s=late_s)

    fastest = max([rate, *(what for _, what in changes if isinstance(what, float))])
    largest = max((visit.tokens for visit in visits), default=1)
    assert fullest_second(course.starts) <= fastest + largest
    assert sum(course.ends.values()) == len(visits), "each ends once"
    reached = Counter[str]()
    for start in course.starts:
        reached[start.lane] += start.tokens
    assert course.books.took_ - course.books.back == reached, "what went is what was taken, less the refunds"
    assert course.books.over == course.books.took_, "each attempt that began has ended"


@BRIEF
@given(visits=st.lists(VISITS, max_size=40), rate=RATES, late_s=st.sampled_from([0.0, 0.01, 0.3]))
def test_small_jobs_never_exceed_the_rate_by_more_than_one(visits: list[Visit], rate: float, late_s: float) -> None:
    """The bucket's own promise, refunds and cancelled turns or not."""
    small = [Visit(v.after_s, 1, v.lane, 0, v.begins_s, v.lasts_s, v.is_skipped, v.fails, v.cancel_s) for v in visits]

    course = play(run_course(small, [], rate=rate, slots=40), late_s=late_s)

    assert fullest_second(course.starts) <= rate + 1


@BRIEF
@given(rate=RATES, sizes=st.lists(SIZES, min_size=1, max_size=5))
def test_the_bucket_is_empty_at_start(rate: float, sizes: list[int]) -> None:
    async def story() -> list[Start]:
        course = Course(governor=Governor(slots=10, rate=rate))
        running = asyncio.create_task(course.governor.run())
        await course.flood(5 + 3 / rate, sizes)
        running.cancel()
        return course.starts

    starts = play(story())

    assert starts[0].at_s >= 1 / rate
    paid = accumulate(start.tokens for start in starts)
    for start, after in zip(starts, paid, strict=True):  # its first token; all of those before it
        assert after - start.tokens + 1 <= rate * start.at_s + TICKS_S * rate


# --- lanes -------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Alarm:
    """A priority job that comes by itself."""

    after_s: float
    tokens: int


@BRIEF
@given(
    sizes=st.lists(SIZES, min_size=1, max_size=5),
    alarms=st.lists(st.builds(Alarm, after_s=st.floats(0, 3), tokens=st.integers(1, 5)), min_size=1, max_size=8),
    rate=st.sampled_from([5.0, 12.6, 100.0]),
    slots=st.integers(1, 10),
    call_s=st.sampled_from([0.06, 0.5, 3.0]),
)
def test_a_priority_job_waits_for_one_call_one_debt_and_one_token(
    sizes: list[int], alarms: list[Alarm], rate: float, slots: int, call_s: float
) -> None:
    """However many ordinary jobs wait (DESIGN 7)."""

    async def story() -> list[float]:
        course = Course(governor=Governor(slots=slots, rate=rate, has_priority=True))
        governor = course.governor
        running = asyncio.create_task(governor.run())
        flood = asyncio.create_task(course.flood(1000, sizes, call_s=call_s))
        waits, paid_s = list[float](), 0.0
        for alarm in alarms:
            await asyncio.sleep(alarm.after_s)
            came_s = now_s()
            own_s = max(0.0, paid_s - came_s)  # the debt of the alarm before is its own lane's
            ticket = governor.enter(alarm.tokens, PRIORITY)
            assert await governor.near(ticket) is None
            assert await governor.turn(ticket, alarm.tokens)
            waits.append(now_s() - came_s - own_s)
            paid_s = now_s() + (alarm.tokens - 1) / bucket(rate).per_s
            governor.leave(ticket)
        for task in (running, flood):
            task.cancel()
        await asyncio.gather(running, flood, return_exceptions=True)
        return waits

    waits = play(story())

    slot_s = call_s if slots <= 2 else 0.0  # of more than two slots, it owns two
    assert max(waits) <= slot_s + (max(sizes) + 1) / bucket(rate).per_s + 2 * TICKS_S


@settings(max_examples=15, deadline=None)
@given(
    priority=st.lists(SIZES, min_size=1, max_size=5),
    ordinary=st.lists(SIZES, min_size=1, max_size=5),
    rate=st.sampled_from([5.0, 12.6, 100.0]),
)
def test_the_ordinary_lane_keeps_its_floor_and_no_more(priority: list[int], ordinary: list[int], rate: float) -> None:
    """Alarms that never end must not stop the newsletter for good; nor it them."""

    async def story() -> Counter[str]:
        course = Course(governor=Governor(slots=20, rate=rate, has_priority=True))
        running, seconds = asyncio.create_task(course.governor.run()), 800 / rate
        await asyncio.gather(course.flood(seconds, priority, PRIORITY), course.flood(seconds, ordinary))
        running.cancel()
        return course.books.took_

    went = play(story())

    due = FLOOR * went.total()
    assert due - max(priority) * FLOOR / (1 - FLOOR) - 3 <= went[ORDINARY] <= due + 2 * max(ordinary) + 3


# --- several nodes -----------------------------------------------------------------------------------


@dataclass(kw_only=True)
class Cluster:
    """Nodes on one account."""

    rate: float
    pace: FakePace
    courses: list[Course] = field(default_factory=list)

    async def live(self, name: str, *, from_s: float, to_s: float, sizes: Sequence[int], is_killed: bool) -> None:
        """One node's life."""
        await asyncio.sleep(from_s)
        course = Course(governor=Governor(slots=40, rate=self.rate, grants=self.pace.node(name)))
        self.courses.append(course)
        running = asyncio.create_task(course.governor.run())
        flood = asyncio.create_task(course.flood(to_s - from_s + 1000 * is_killed, sizes))
        if is_killed:
            await asyncio.sleep(to_s - from_s)
            running.cancel()
            course.governor.halt()
            flood.cancel()
        await asyncio.gather(flood, return_exceptions=is_killed)
        assert running.cancelled() or not running.done() or is_killed
        running.cancel()
        await asyncio.gather(running, return_exceptions=True)

    @property
    def starts(self) -> list[Start]:
        return sorted((start for course in self.courses for start in course.starts), key=lambda start: start.at_s)


@dataclass(frozen=True, slots=True)
class Life:
    """When a node lives."""

    from_s: float
    to_s: float
    is_killed: bool


SECONDS = 15.0
LIVES = st.builds(
    Life, from_s=st.sampled_from([0.0, 0.0, 0.33, 5.0]), to_s=st.sampled_from([9.7, 12.0]), is_killed=st.booleans()
)


@settings(max_examples=25, deadline=None)
@given(
    lives=st.lists(LIVES, min_size=1, max_size=2),
    rate=st.sampled_from([1.0, 12.6, 45.0]),
    sizes=st.lists(SIZES, min_size=1, max_size=5) | st.just([1]),
    trip_s=st.sampled_from([0.0, 0.002, 0.008]),
)
def test_nodes_that_come_and_die_share_one_rate(
    lives: list[Life], rate: float, sizes: list[int], trip_s: float
) -> None:
    """Together never faster than the account allows, and not slower either."""

    async def story() -> Cluster:
        cluster = Cluster(rate=rate, pace=FakePace(there_s=trip_s, back_s=trip_s))
        lives_ = [Life(0.0, SECONDS, is_killed=False), *lives]
        await asyncio.gather(
            *(
                cluster.live(f"n{n}", from_s=life.from_s, to_s=life.to_s, sizes=sizes, is_killed=life.is_killed)
                for n, life in enumerate(lives_)
            )
        )
        return cluster

    cluster = play(story())

    starts, largest = cluster.starts, max(sizes)
    lacking = (len(lives) + 1) * (largest > 1) * (MISSING * largest + 1)
    assert fullest_second(starts) <= rate * (1 + GRACE_S) + largest + lacking
    taken = sum(course.books.took_.total() for course in cluster.courses)
    per_s = bucket(rate).per_s
    lost = 2 * len(lives) * max(per_s / 2, largest)  # who leaves takes along the present span and the next
    assert taken >= 0.97 * per_s * SECONDS - lost - largest - 2


@pytest.mark.parametrize("rate", [12.6, 45.0, 180.0])
@pytest.mark.parametrize("nodes", [1, 2, 3])
@pytest.mark.parametrize("sizes", [[1], [50, 1, 7, 33, 12, 2, 21, 48]], ids=["small-jobs", "of-1-to-50"])
def test_nodes_use_all_of_the_rate(rate: float, nodes: int, sizes: list[int]) -> None:
    """As one would alone; with about one ask a second for each, and not one into the debt of another."""
    seconds = 15.0

    async def story() -> Cluster:
        cluster = Cluster(rate=rate, pace=FakePace(there_s=0.003, back_s=0.003))
        await asyncio.gather(
            *(
                cluster.live(f"n{n}", from_s=0.1 * n, to_s=2 + seconds, sizes=sizes, is_killed=False)
                for n in range(nodes)
            )
        )
        return cluster

    cluster = play(story())

    sent = sum(start.tokens for start in cluster.starts if 1 < start.at_s <= 1 + seconds)
    asked = sum(1 < asked.at_s <= 1 + seconds for asked in cluster.pace.asked)
    assert sent >= 0.97 * seconds * bucket(rate).per_s - max(sizes)  # one may fall on the other side
    assert asked <= 1.6 * seconds * nodes
    assert asked >= 0.8 * seconds * nodes or sizes != [1], "nobody waits for its turn much longer than a second"
    assert fullest_second(cluster.starts) <= rate * (1 + GRACE_S) + max(sizes)
