from bisect import bisect_left
from dataclasses import asdict, dataclass

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tank_mailer.core.rate import (
    BATCH,
    BUFFER_S,
    FLOOR,
    SLACK_S,
    UNKNOWN_RATE,
    Bucket,
    bucket,
    cut,
    recover,
    room,
)

RATES = st.floats(0.5, 500)
ROUNDING = 1e-6

# --- the bucket ----------------------------------------------------------------------------------------


def passes(leaky: Bucket, *, rests_s: float, late_s: float, seconds: float) -> list[float]:
    """When a greedy user gets his tokens, as aiolimiter would hand them out.

    Args:
        leaky: the bucket, empty at first (a burst is at its worst).
        rests_s: a rest after the first second, in which it leaks.
        late_s: how late each wake-up comes.
        seconds: for how long.
    """
    times: list[float] = []
    level, at = 0.0, 0.0
    has_rested = False
    while at < seconds:
        while level + 1 <= leaky.size + ROUNDING / 10:
            times.append(at)
            level += 1
        wait_s = (level + 1 - leaky.size) / leaky.per_s + late_s
        if at > 1 and not has_rested:
            has_rested = True
            wait_s += rests_s
        at += wait_s
        level = max(0.0, level - wait_s * leaky.per_s)
    return times


def most_in_a_second(times: list[float]) -> int:
    return max(bisect_left(times, start + 1.0 - ROUNDING) - index for index, start in enumerate(times))


@given(rate=RATES)
def test_no_second_holds_more_than_the_rate_and_one(rate: float) -> None:
    leaky = bucket(rate)
    assert leaky.size + leaky.per_s <= rate + 1 + ROUNDING
    assert leaky.size >= 1  # else not even one token would fit


@given(rate=RATES)
def test_the_slack_costs_less_than_two_in_a_hundred(rate: float) -> None:
    """Promise 3: not slower either."""
    assert 0.98 * rate <= bucket(rate).per_s <= rate


@given(rate=RATES, rests_s=st.floats(0, 2), late_s=st.floats(0, SLACK_S))
@settings(deadline=None)  # a simulation of thousands of tokens
def test_greedy_use_stays_within_the_rate(rate: float, rests_s: float, late_s: float) -> None:
    """Promise 3: smooth from the first second, and after idle; `AsyncLimiter(14, 1)` lets 27 through (lab)."""
    times = passes(bucket(rate), rests_s=rests_s, late_s=late_s, seconds=4.0)
    assert most_in_a_second(times) <= rate + 1


@given(rate=st.floats(5, 500), late_s=st.floats(0, SLACK_S))
@settings(deadline=None)  # a simulation of thousands of tokens
def test_late_wake_ups_lose_nothing(rate: float, late_s: float) -> None:
    """`AsyncLimiter(1, 1 / rate)` loses every one of them for good (lab)."""
    seconds = 10.0
    times = passes(bucket(rate), rests_s=0.0, late_s=late_s, seconds=seconds)
    assert len(times) >= 0.98 * rate * seconds - 1


# --- cut and recover -----------------------------------------------------------------------------------

TARGETS = RATES
SHARES = st.floats(FLOOR, 1)  # of the target: where cuts and recoveries leave the rate


@given(target=TARGETS, share=SHARES)
def test_a_cut_slows_down_to_no_less_than_the_floor(target: float, share: float) -> None:
    current = share * target
    after = cut(current, target)
    assert FLOOR * target <= after <= max(current, FLOOR * target)
    assert after == pytest.approx(0.7 * current) or after == pytest.approx(FLOOR * target)


@given(target=TARGETS)
def test_cuts_end_at_the_floor(target: float) -> None:
    current = target
    for _ in range(30):
        current = cut(current, target)
    assert current == pytest.approx(FLOOR * target)


def test_a_cut_never_speeds_up() -> None:
    """From the sandbox's 1/s to 50/s: the first throttle answer must not make it 2.5/s."""
    assert cut(1.0, 50.0) <= 1.0


@given(target=TARGETS, share=SHARES, elapsed_s=st.floats(0, 3600))
def test_recovery_rises_to_the_target_and_no_further(target: float, share: float, elapsed_s: float) -> None:
    current = share * target
    after = recover(current, target, elapsed_s)
    assert current <= after <= target or after == pytest.approx(target)


@pytest.mark.parametrize(
    ("current", "elapsed_s", "after"),
    [
        pytest.param(7.0, 0.0, 7.0, id="nothing-in-no-time"),
        pytest.param(7.0, 5.0, 8.0, id="a-fiftieth-of-the-target-a-second"),
        pytest.param(7.0, 15.0, 10.0, id="from-one-cut-in-a-quarter-of-a-minute"),
        pytest.param(0.5, 47.5, 10.0, id="from-the-floor-in-less-than-a-minute"),
        pytest.param(7.0, 3600.0, 10.0, id="never-past-the-target"),
        pytest.param(14.0, 1.0, 10.0, id="a-lower-target-counts-at-once"),
    ],
)
def test_recovery_is_additive(current: float, elapsed_s: float, after: float) -> None:
    assert recover(current, 10.0, elapsed_s) == pytest.approx(after)


def test_an_account_that_may_not_be_asked_is_taken_for_the_sandbox() -> None:
    assert UNKNOWN_RATE == 1.0


# --- how much to ask for -------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Ask:
    """What `room` is told."""

    waiting: int
    ahead: int
    rate: float
    outflow: float
    trip_s: float


@pytest.mark.parametrize(
    ("ask", "messages"),
    [
        pytest.param(Ask(0, 0, 14.0, 0.0, 0.05), 10, id="a-whole-batch-at-first"),
        pytest.param(Ask(0, 0, 14.0, 14.0, 0.05), 10, id="a-whole-batch-when-none-waits"),
        pytest.param(Ask(1, 1, 14.0, 14.0, 0.05), 0, id="not-while-one-waits-and-the-queue-is-near"),
        pytest.param(Ask(1, 1, 14.0, 0.0, 0.05), 0, id="not-while-one-waits-and-nothing-goes-out"),
        pytest.param(Ask(3, 3, 14.0, 14.0, 0.2), 7, id="earlier-where-the-queue-is-far"),
        pytest.param(Ask(4, 4, 14.0, 14.0, 0.2), 0, id="but-not-too-early"),
        pytest.param(Ask(5, 5, 500.0, 500.0, 0.2), 5, id="half-a-batch-at-a-high-rate"),
        pytest.param(Ask(6, 6, 500.0, 500.0, 0.2), 0, id="never-for-fewer-than-half-a-batch"),
        pytest.param(Ask(10, 10, 500.0, 500.0, 9.0), 0, id="not-with-a-batch-in-waiting"),
        pytest.param(Ask(0, 28, 14.0, 14.0, 0.05), 0, id="two-seconds-of-debt-ask-for-nothing"),
        pytest.param(Ask(0, 49, 14.0, 14.0, 0.05), 0, id="a-job-of-fifty-is-paid-off-first"),
        pytest.param(Ask(0, 27, 14.0, 14.0, 0.05), 1, id="no-more-than-there-are-tokens"),
        pytest.param(Ask(0, 20, 14.0, 14.0, 0.05), 8, id="what-two-seconds-leave"),
        pytest.param(Ask(0, 0, 1.0, 1.0, 0.05), 2, id="two-a-second-in-the-sandbox"),
        pytest.param(Ask(0, 0, 0.1, 0.1, 0.05), 1, id="one-at-the-slowest"),
        pytest.param(Ask(0, 1, 0.1, 0.1, 0.05), 0, id="none-while-one-is-paid-off-at-the-slowest"),
    ],
)
def test_room(ask: Ask, messages: int) -> None:
    assert room(**asdict(ask)) == messages


@given(
    waiting=st.integers(0, 20),
    ahead=st.integers(0, 2000),
    rate=RATES,
    outflow=st.floats(0, 1000),
    trip_s=st.floats(0, 20),
)
def test_no_more_than_a_batch_and_two_seconds_of_tokens_wait(
    waiting: int, ahead: int, rate: float, outflow: float, trip_s: float
) -> None:
    """DESIGN 5.1: what waits is under lease, and may be given back."""
    messages = room(waiting=waiting, ahead=ahead, rate=rate, outflow=outflow, trip_s=trip_s)
    assert 0 <= messages <= BATCH
    assert messages == 0 or waiting + messages <= BATCH
    assert messages == 0 or ahead + messages <= max(BUFFER_S * rate, 1.0)


@dataclass(frozen=True, slots=True)
class Run:
    """What came of a long full queue."""

    sent: int
    receives: int


def run(*, rate: float, trip_s: float, seconds: float = 120.0) -> Run:
    """Send one recipient a job, one receive at a time, as fast as tokens and messages allow."""
    step_s = 0.002
    sent = receives = waiting = coming = 0
    arrives_at = next_token_at = 0.0
    for number in range(int(seconds / step_s)):
        now = number * step_s
        if coming and now >= arrives_at:
            waiting, coming = waiting + coming, 0
        if waiting and now >= next_token_at:
            waiting, sent = waiting - 1, sent + 1
            next_token_at = max(next_token_at, now - SLACK_S) + 1 / rate
        if not coming:
            outflow = sent / now if now else 0.0
            coming = room(waiting=waiting, ahead=waiting, rate=rate, outflow=outflow, trip_s=trip_s)
            receives += coming > 0
            arrives_at = now + trip_s
    return Run(sent, receives)


@pytest.mark.parametrize("trip_s", [0.03, 0.1, 0.2, 0.3])
def test_at_14_a_second_calls_are_few_and_no_token_is_lost(trip_s: float) -> None:
    """Calls are money: ten receives of one would cost what ten mails do (DESIGN 5.1)."""
    done = run(rate=14.0, trip_s=trip_s)

    assert done.sent / done.receives >= 5
    assert done.sent >= 0.97 * 14 * 120
