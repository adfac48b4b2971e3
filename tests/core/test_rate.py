import math
from bisect import bisect_left
from dataclasses import asdict, dataclass, replace

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tank_mailer.core.rate import (
    BATCH,
    BUFFER_S,
    FLOOR,
    JITTER_S,
    SLACK_S,
    TRIP_MARGIN,
    UNKNOWN_RATE,
    Bucket,
    Pace,
    bucket,
    cut_every_s,
    likely,
    room,
    span_tokens,
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


# --- throttle answers ------------------------------------------------------------------------------------

TARGETS = RATES
SHARES = st.floats(FLOOR, 1)  # of the target: where cuts and recoveries leave the rate


@given(target=TARGETS, share=SHARES, has_passed=st.booleans())
def test_a_cut_slows_down_to_no_less_than_the_floor(target: float, share: float, has_passed: bool) -> None:
    current = share * target
    after = Pace(target=target, current=current).cut(5.0, has_passed=has_passed).current
    assert FLOOR * target <= after <= max(current, FLOOR * target)
    assert after == pytest.approx(0.7 * current) or after == pytest.approx(FLOOR * target)


@given(target=TARGETS)
def test_cuts_end_at_the_floor(target: float) -> None:
    pace = Pace(target=target, current=target)
    for second in range(30):
        pace = pace.cut(second, has_passed=False)
    assert pace.current == pytest.approx(FLOOR * target)


def test_a_cut_never_speeds_up() -> None:
    """From the sandbox's 1/s to 50/s: the first throttle answer must not make it 2.5/s."""
    assert Pace(target=50.0, current=1.0).cut(0.0, has_passed=True).current <= 1.0


@pytest.mark.parametrize(
    ("longest_call_s", "every_s"),
    [
        pytest.param(0.06, 1.0, id="one-cut-a-second"),
        pytest.param(3.0, 3.0, id="or-a-round-trip"),
        pytest.param(25.0, 5.0, id="but-a-call-that-hangs-holds-off-no-cut-for-long"),
    ],
)
def test_how_often_a_cut_is_made(longest_call_s: float, every_s: float) -> None:
    assert cut_every_s(longest_call_s) == every_s


UNLEARNED = Pace(target=10.0, current=7.0)
LEARNED = Pace(target=10.0, current=3.5, ceiling=5.0, learned_s=0.0)


@pytest.mark.parametrize(
    ("pace", "elapsed_s", "after"),
    [
        pytest.param(UNLEARNED, 0.0, 7.0, id="nothing-in-no-time"),
        pytest.param(UNLEARNED, 5.0, 8.0, id="a-fiftieth-of-the-target-a-second"),
        pytest.param(UNLEARNED, 15.0, 10.0, id="from-one-cut-in-a-quarter-of-a-minute"),
        pytest.param(replace(UNLEARNED, current=0.5), 47.5, 10.0, id="from-the-floor-in-less-than-a-minute"),
        pytest.param(UNLEARNED, 3600.0, 10.0, id="never-past-the-target"),
        pytest.param(LEARNED, 5.0, 4.5, id="quickly-while-well-below-the-rate-that-was-throttled"),
        pytest.param(LEARNED, 6.25, 4.75, id="up-to-95-in-100-of-it"),
        pytest.param(LEARNED, 16.25, 4.95, id="a-tenth-as-quick-above"),
        pytest.param(LEARNED, 120.0, 7.025, id="two-minutes-long"),
        pytest.param(LEARNED, 130.0, 9.025, id="then-it-is-forgotten"),
        pytest.param(LEARNED, 150.0, 10.0, id="a-free-account-is-used-again-within-minutes"),
        pytest.param(replace(LEARNED, current=9.0), 5.0, 9.1, id="slowly-where-the-knee-is-passed"),
    ],
)
def test_recovery_is_additive(pace: Pace, elapsed_s: float, after: float) -> None:
    assert pace.recovered(elapsed_s).current == pytest.approx(after)


@given(target=TARGETS, share=SHARES, ceiling=st.floats(0.1, 500), steps=st.lists(st.floats(0, 100), max_size=8))
def test_recovery_is_the_same_in_few_steps_and_in_many(
    target: float, share: float, ceiling: float, steps: list[float]
) -> None:
    """It never falls, and never passes the target."""
    pace = at_once = Pace(target=target, current=share * target, ceiling=ceiling, learned_s=0.0)
    now_s = 0.0
    for step_s in steps:
        now_s += step_s
        before, pace = pace.current, pace.recovered(now_s)
        assert before <= pace.current <= target or pace.current == pytest.approx(before)
    assert pace.current == pytest.approx(at_once.recovered(now_s).current)


def test_what_is_throttled_after_mail_had_passed_is_remembered() -> None:
    """Another sender uses the account: there is no going faster than what he leaves."""
    pace = Pace(target=10.0, current=8.0).cut(50.0, has_passed=True)
    assert (pace.ceiling, pace.learned_s) == (8.0, 50.0)
    assert pace.current == pytest.approx(5.6)


def test_a_storm_teaches_nothing() -> None:
    """Where no rate is slow enough, it is not the rate."""
    pace = Pace(target=10.0, current=8.0)
    for second in range(300):
        pace = pace.cut(second, has_passed=False)
    assert pace.ceiling == math.inf
    assert pace.recovered(299 + 47).current >= 9.8, "98 in 100 within 47 seconds of its end"


@pytest.mark.parametrize(
    ("pace", "target", "current"),
    [
        pytest.param(Pace(), 14.0, 14.0, id="the-first-one"),
        pytest.param(Pace(target=14.0, current=14.0), 50.0, 50.0, id="a-raise-counts-at-once"),
        pytest.param(Pace(target=50.0, current=50.0), 14.0, 14.0, id="a-cut-counts-at-once"),
        pytest.param(Pace(target=14.0, current=7.0), 14.0, 7.0, id="the-same-again-says-nothing-about-throttling"),
        pytest.param(Pace(target=14.0, current=7.0), 28.0, 14.0, id="a-raise-keeps-the-proportion"),
        pytest.param(Pace(target=14.0, current=7.0), 10.0, 7.0, id="a-cut-that-is-kept-to-already"),
        pytest.param(Pace(target=14.0, current=7.0), 5.0, 5.0, id="a-deeper-one"),
        pytest.param(Pace(target=14.0, current=14.0), 0.0, 0.0, id="nothing-at-all"),
        pytest.param(Pace(target=0.0, current=0.0), 14.0, 14.0, id="and-all-again"),
    ],
)
def test_a_new_rate(pace: Pace, target: float, current: float) -> None:
    after = pace.set_to(target)
    assert (after.target, after.current) == (target, current)


def test_a_raise_forgets_where_it_was_throttled_and_a_cut_does_not() -> None:
    assert LEARNED.set_to(20.0).ceiling == math.inf
    assert LEARNED.set_to(9.0).ceiling == 5.0


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
    asked: int = 0


@pytest.mark.parametrize(
    ("ask", "messages"),
    [
        pytest.param(Ask(0, 0, 14.0, 0.0, 0.05), 10, id="a-whole-batch-at-first"),
        pytest.param(Ask(0, 0, 14.0, 14.0, 0.05), 10, id="a-whole-batch-when-none-waits"),
        pytest.param(Ask(2, 2, 14.0, 14.0, 0.05), 0, id="not-while-more-wait-than-go-until-it-comes"),
        pytest.param(Ask(1, 1, 14.0, 0.0, 0.05), 0, id="not-while-one-waits-and-nothing-goes-out"),
        pytest.param(Ask(3, 3, 14.0, 14.0, 0.2), 10, id="earlier-where-the-queue-is-far"),
        pytest.param(Ask(5, 5, 14.0, 14.0, 0.2), 0, id="but-not-too-early"),
        pytest.param(Ask(0, 0, 14.0, 14.0, 0.05, asked=10), 0, id="not-while-a-receive-is-under-way"),
        pytest.param(Ask(5, 5, 200.0, 200.0, 0.1, asked=20), 10, id="but-where-more-go-meanwhile-than-it-brings"),
        pytest.param(Ask(16, 16, 200.0, 200.0, 0.1, asked=20), 0, id="no-more-than-one-batch-waits-then"),
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
    asked=st.integers(0, 40),
    ahead=st.integers(0, 2000),
    rate=RATES,
    outflow=st.floats(0, 1000),
    trip_s=st.floats(0, 20),
)
def test_no_more_than_a_batch_and_two_seconds_of_tokens_wait(
    *, waiting: int, asked: int, ahead: int, rate: float, outflow: float, trip_s: float
) -> None:
    """DESIGN 5.1: what waits is under lease, and may be given back."""
    messages = room(waiting=waiting, asked=asked, ahead=ahead, rate=rate, outflow=outflow, trip_s=trip_s)
    gone_meanwhile = outflow * (trip_s * TRIP_MARGIN + JITTER_S)
    assert 0 <= messages <= BATCH
    assert messages == 0 or waiting + asked + messages <= BATCH + gone_meanwhile
    assert messages == 0 or ahead + asked + messages <= max(BUFFER_S * rate, 1.0)


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
            coming = room(waiting=waiting, asked=0, ahead=waiting, rate=rate, outflow=outflow, trip_s=trip_s)
            receives += coming > 0
            arrives_at = now + trip_s
    return Run(sent, receives)


@pytest.mark.parametrize("trip_s", [0.03, 0.1, 0.2, 0.3])
def test_at_14_a_second_calls_are_few_and_no_token_is_lost(trip_s: float) -> None:
    """Calls are money: ten receives of one would cost what ten mails do (DESIGN 5.1)."""
    done = run(rate=14.0, trip_s=trip_s)

    assert done.sent / done.receives >= 5
    assert done.sent >= 0.97 * 14 * 120


# --- how much to ask the other nodes for ---------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Share:
    """What `span_tokens` is told."""

    debt: int
    jobs: list[int]
    second: float
    used: float = 0.0


@pytest.mark.parametrize(
    ("share", "tokens"),
    [
        pytest.param(Share(0, [], 10.0), 0, id="nothing-for-nobody"),
        pytest.param(Share(0, [1, 1, 1], 10.0), 3, id="what-waits"),
        pytest.param(Share(0, [1] * 30, 10.0), 10, id="our-share-of-a-second-at-most"),
        pytest.param(Share(0, [50, 1], 10.0), 50, id="a-large-job-as-a-whole"),
        pytest.param(Share(0, [1, 50, 1], 10.0), 1, id="not-the-beginning-of-one"),
        pytest.param(Share(0, [4, 5, 2], 10.0), 9, id="whole-jobs-only"),
        pytest.param(Share(20, [], 10.0), 20, id="a-debt-as-a-whole"),
        pytest.param(Share(20, [50, 1], 10.0), 70, id="the-debt-and-the-next-job"),
        pytest.param(Share(0, [1], 0.3), 1, id="one-at-the-slowest"),
        pytest.param(Share(0, [1, 1], 10.0, used=8.5), 8, id="what-is-likely-to-come"),
        pytest.param(Share(0, [1, 1], 10.0, used=99.0), 10, id="up-to-the-share"),
        pytest.param(Share(0, [], 10.0, used=6.0), 6, id="even-if-all-that-waits-is-paid-for"),
        pytest.param(Share(0, [4, 50], 10.0, used=9.0), 4, id="but-not-where-a-large-job-comes-next"),
    ],
)
def test_span_tokens(share: Share, tokens: int) -> None:
    assert span_tokens(**asdict(share)) == tokens


@pytest.mark.parametrize(
    ("tokens", "used", "due", "next_"),
    [
        pytest.param(10, 5, 5.0, 20.0, id="twice-as-many-where-all-were-used"),
        pytest.param(10, 0, 0.0, 20.0, id="or-where-nobody-knows-yet"),
        pytest.param(10, 4, 5.0, 20.0, id="one-may-be-on-its-way"),
        pytest.param(100, 20, 50.0, 44.0, id="little-more-than-is-used-where-slots-or-polls-are-what-is-scarce"),
        pytest.param(100, 0, 50.0, 0.0, id="none-where-none-was-used"),
    ],
)
def test_likely(tokens: int, used: int, due: float, next_: float) -> None:
    assert likely(tokens, used=used, due=due) == pytest.approx(next_)
