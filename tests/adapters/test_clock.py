"""The machine's clocks, and the one that nodes on one server share."""

import asyncio
import time
from collections import deque
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st
from sqlalchemy.ext.asyncio import AsyncEngine, create_async_engine
from structlog.testing import capture_logs

from tank_mailer.adapters.clock import SYNC_S, SharedClock, SystemClock, keep_in_step
from tank_mailer.core.errors import Reason, StoreError
from tests.fakes import EPOCH
from tests.flows.conftest import SkippingLoop

# --- this machine's --------------------------------------------------------------------------------


def test_the_wall_clock_is_aware() -> None:
    now = SystemClock().now()

    assert now.tzinfo is UTC
    assert abs(now - datetime.now(UTC)) < timedelta(minutes=1)


def test_the_boot_clock_never_goes_back() -> None:
    clock = SystemClock()
    readings = [clock.boot_s() for _ in range(1_000)]

    assert readings == sorted(readings)
    assert readings[0] < readings[-1]


def test_the_boot_clock_goes_on_in_suspend() -> None:
    """A lease runs on in the cloud while this host sleeps; the monotonic clock stands still."""
    boot = getattr(time, "CLOCK_BOOTTIME", time.CLOCK_MONOTONIC)

    before, now, after = time.clock_gettime(boot), SystemClock().boot_s(), time.clock_gettime(boot)

    assert before <= now <= after


# --- the one that nodes share ----------------------------------------------------------------------

HOUR_S = 3_600.0
BOOT_S = 1_000.0


@dataclass(slots=True)
class Host:
    """A host whose wall clock may be wrong, and a server; both are at EPOCH when the host's boot clock shows BOOT_S."""

    wall_off_s: float = 0.0
    server_off_s: float = 0.0
    passed_s: float = 0.0

    def now(self) -> datetime:
        return EPOCH + timedelta(seconds=self.passed_s + self.wall_off_s)

    def boot_s(self) -> float:
        return BOOT_S + self.passed_s

    @property
    def server_now(self) -> datetime:
        return EPOCH + timedelta(seconds=self.passed_s + self.server_off_s)

    def ask(self, clock: SharedClock, *, there_s: float = 0.0, back_s: float = 0.0) -> None:
        """Set the clock; question and answer are on their way for so long."""
        asked_s = self.boot_s()
        self.passed_s += there_s
        said = self.server_now
        self.passed_s += back_s
        clock.sync(said, asked_s, self.boot_s())


def error_s(clock: SharedClock, host: Host) -> float:
    return (clock.now() - host.server_now).total_seconds()


def test_before_the_server_was_asked_it_is_the_wall_clock() -> None:
    host = Host(wall_off_s=HOUR_S)
    clock = SharedClock(local=host)

    assert clock.now() == EPOCH + timedelta(hours=1)
    assert clock.off_s == 0.0


@pytest.mark.parametrize("off_s", [-HOUR_S, -20.0, 20.0, HOUR_S])
def test_a_host_that_is_off_takes_the_servers_time(off_s: float) -> None:
    host = Host(wall_off_s=off_s)
    clock = SharedClock(local=host)

    host.ask(clock)
    host.passed_s += 5.0

    assert error_s(clock, host) == 0.0
    assert clock.boot_s() == BOOT_S + 5.0
    assert clock.off_s == off_s


def test_a_jump_of_the_wall_clock_does_nothing() -> None:
    """Somebody sets the host's clock, or mends its NTP."""
    host = Host()
    clock = SharedClock(local=host)
    host.ask(clock)

    host.wall_off_s = -HOUR_S
    host.passed_s += 5.0

    assert error_s(clock, host) == 0.0
    assert clock.off_s == -HOUR_S


def test_an_answer_says_how_late_it_was_half_way() -> None:
    host = Host()
    clock = SharedClock(local=host)

    host.ask(clock, there_s=0.2, back_s=0.2)

    assert error_s(clock, host) == 0.0


def test_an_answer_that_was_long_on_its_way_moves_nothing() -> None:
    """It may have been read at its beginning or at its end; what we know is better."""
    host = Host()
    clock = SharedClock(local=host)
    host.ask(clock)

    host.ask(clock, there_s=0.1, back_s=3.0)

    assert error_s(clock, host) == 0.0


def test_a_quick_answer_mends_what_a_slow_one_has_set() -> None:
    host = Host(wall_off_s=-HOUR_S)
    clock = SharedClock(local=host)
    host.ask(clock, back_s=4.0)
    assert error_s(clock, host) == -2.0

    host.ask(clock)

    assert error_s(clock, host) == 0.0


def test_a_small_correction_back_stands_still_until_the_server_has_caught_up() -> None:
    """A time that went back would let things end before they began."""
    host = Host()
    clock = SharedClock(local=host)
    host.ask(clock, there_s=4.0)
    early = clock.now()
    assert error_s(clock, host) == 2.0

    host.ask(clock)
    readings = [early]
    for _ in range(5):
        readings.append(clock.now())
        host.passed_s += 1.0

    assert [(reading - early).total_seconds() for reading in readings] == [0.0, 0.0, 0.0, 0.0, 1.0, 2.0]
    assert clock.off_s == 0.0


@pytest.mark.parametrize("jump_s", [-HOUR_S, -6.0, 6.0, HOUR_S])
def test_a_server_whose_clock_is_set_is_followed_at_once(jump_s: float) -> None:
    """All that nodes share is by its time; to stand still for an hour would hold everything up."""
    host = Host()
    clock = SharedClock(local=host)
    host.ask(clock)

    host.server_off_s = jump_s
    host.ask(clock)

    assert error_s(clock, host) == 0.0


trips = st.tuples(st.floats(0, 60), st.floats(0, 2), st.floats(0, 2))


@given(journeys=st.lists(trips, min_size=1, max_size=12), wall_off_s=st.floats(-HOUR_S, HOUR_S))
def test_no_answer_makes_it_worse_and_it_never_goes_back(
    journeys: Sequence[tuple[float, float, float]], wall_off_s: float
) -> None:
    host = Host(wall_off_s=wall_off_s)
    clock = SharedClock(local=host)
    host.ask(clock, there_s=journeys[0][1], back_s=journeys[0][2])
    bound_s = sum(journeys[0][1:]) / 2
    readings = list[datetime]()
    for rests_s, there_s, back_s in journeys[1:]:
        readings.append(clock.now())
        host.passed_s += rests_s
        readings.append(clock.now())
        host.ask(clock, there_s=there_s, back_s=back_s)
        bound_s = min(bound_s, there_s + back_s)
    host.passed_s += HOUR_S  # whatever stood still has gone on

    assert readings == sorted(readings)
    assert abs(error_s(clock, host)) <= bound_s + 1e-5


# --- kept in step ----------------------------------------------------------------------------------


@dataclass(slots=True)
class Answers:
    """A server that says how far the host's wall clock is off by then; None: it is away; ends when all is said.

    Attributes:
        asked: when, on the loop's clock.
    """

    host: Host
    script: deque[float | None]
    asked: list[float] = field(default_factory=list)

    async def __call__(self, _: AsyncEngine) -> datetime:
        self.asked.append(asyncio.get_running_loop().time())
        if not self.script:
            raise asyncio.CancelledError
        off_s = self.script.popleft()
        if off_s is None:
            raise StoreError(Reason.STORE_SICK, "away")
        self.host.wall_off_s = off_s
        return self.host.server_now


def told(*script: float | None) -> tuple[Answers, list[float]]:
    """How far off the host was by each line that was logged."""
    host = Host()
    answers = Answers(host, deque(script))
    engine = create_async_engine("sqlite+aiosqlite://")
    with (
        capture_logs() as lines,
        asyncio.Runner(loop_factory=SkippingLoop) as runner,
        pytest.raises(asyncio.CancelledError),
    ):
        runner.run(keep_in_step(engine, SharedClock(local=host), read=answers))
    assert all(line["event"] == "clock_off" and line["log_level"] == "warning" for line in lines)
    assert all("NTP" in line["remedy"] for line in lines)
    return answers, [line["off_s"] for line in lines]


@pytest.mark.parametrize(
    ("offs", "lines"),
    [
        pytest.param([0.0, 4.0, -4.0], [], id="seconds-are-nothing-to-tell"),
        pytest.param([HOUR_S, HOUR_S, HOUR_S], [HOUR_S], id="an-hour-is-told-once"),
        pytest.param([-6.0], [-6.0], id="behind-is-off-too"),
        pytest.param([6.0, 0.0, 6.0], [6.0, 6.0], id="again-after-it-was-right"),
        pytest.param([6.0, None, 6.0], [6.0], id="a-server-that-was-away-makes-nothing-right"),
    ],
)
def test_a_wall_clock_that_is_off_is_told(offs: list[float | None], lines: list[float]) -> None:
    assert told(*offs)[1] == lines


def test_the_server_is_asked_every_ten_seconds_whether_it_answers_or_not() -> None:
    answers, _ = told(0.0, None, None, 0.0)

    assert answers.asked == pytest.approx([0.0, 10.0, 20.0, 30.0, 40.0], abs=0.1)
    assert SYNC_S == 10.0
