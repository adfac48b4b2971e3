"""How much of the day's quota is left, and when it comes back: SES counts recipients over a rolling 24 hours."""

from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tank_mailer.core.lanes import ORDINARY, PRIORITY
from tank_mailer.core.quota import Quota, Spent, others, steps_passed

DAY, MINUTE, MOMENT = timedelta(days=1), timedelta(minutes=1), timedelta(microseconds=1)
NOON = datetime(2026, 11, 2, 12, 0, tzinfo=UTC)  # a whole minute


def at(moment: datetime, recipients: int) -> Spent:
    """So many in the minute that this moment is in."""
    return Spent(int(moment.timestamp() // 60), recipients)


def make_quota(*spent: Spent, limit: float | None = 1000.0, reserve: float = 0.0, others_: float = 0.0) -> Quota:
    return Quota(limit=limit, reserve=reserve, spent=spent, others=others_)


# --- room --------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("quota", "lane", "pending", "room"),
    [
        pytest.param(make_quota(), ORDINARY, 0, 1000, id="nothing-sent-all-is-left"),
        pytest.param(make_quota(at(NOON, 300)), ORDINARY, 0, 700, id="what-was-accepted-counts"),
        pytest.param(make_quota(at(NOON, 300)), ORDINARY, 50, 650, id="what-is-under-way-counts-too"),
        pytest.param(make_quota(at(NOON, 300), others_=100.0), ORDINARY, 50, 550, id="so-do-other-senders"),
        pytest.param(make_quota(at(NOON, 990)), ORDINARY, 50, -40, id="a-large-job-makes-debt"),
        pytest.param(make_quota(others_=99.5), ORDINARY, 0, 900, id="half-a-recipient-does-not-go"),
        pytest.param(make_quota(reserve=0.05), ORDINARY, 0, 950, id="the-ordinary-lane-leaves-the-reserve"),
        pytest.param(make_quota(reserve=0.05), PRIORITY, 0, 1000, id="the-priority-lane-may-use-it"),
        pytest.param(make_quota(at(NOON, 980), reserve=0.05), ORDINARY, 0, -30, id="priority-mail-counts-for-both"),
        pytest.param(make_quota(at(NOON, 980), reserve=0.05), PRIORITY, 0, 20, id="and-goes-on-in-the-reserve"),
        pytest.param(make_quota(limit=100.0, reserve=0.07), ORDINARY, 0, 93, id="floats-lose-no-recipient"),
        pytest.param(make_quota(limit=0.0), PRIORITY, 0, 0, id="a-quota-of-0-is-no-room"),
        pytest.param(make_quota(at(NOON, 9), limit=None), ORDINARY, 50, None, id="an-unlimited-account-has-no-limit"),
    ],
)
def test_room(quota: Quota, lane: str, pending: int, room: int | None) -> None:
    assert quota.room(lane, pending=pending, now=NOON) == room


@pytest.mark.parametrize(
    ("sent_at", "counts"),
    [
        pytest.param(NOON, True, id="this-minute"),
        pytest.param(NOON + 2 * MINUTE, True, id="from-a-node-whose-clock-is-ahead"),
        pytest.param(NOON - DAY, True, id="its-minute-began-24-hours-ago"),
        pytest.param(NOON - DAY - MOMENT, False, id="its-minute-ended-24-hours-ago"),
        pytest.param(NOON - 2 * DAY, False, id="the-day-before"),
    ],
)
def test_a_minute_counts_until_its_end_is_24_hours_old(sent_at: datetime, counts: bool) -> None:
    assert make_quota(at(sent_at, 10)).ours(NOON) == (10 if counts else 0)


def test_a_minute_leaves_at_that_very_moment() -> None:
    quota = make_quota(at(NOON, 10))
    assert quota.ours(NOON + DAY + MINUTE - MOMENT) == 10
    assert quota.ours(NOON + DAY + MINUTE) == 0


@given(
    counts=st.lists(st.integers(0, 400), max_size=40),
    gaps=st.lists(st.integers(1, 200), min_size=40, max_size=40),
    after=st.timedeltas(timedelta(0), timedelta(days=3)),
)
def test_the_count_is_the_sum_of_what_has_not_left(counts: list[int], gaps: list[int], after: timedelta) -> None:
    """However many minutes there are: the window's edge is searched for, not walked to."""
    first = int((NOON - 3 * DAY).timestamp() // 60)
    spent = [Spent(first + sum(gaps[:n]), count) for n, count in enumerate(counts)]
    now = NOON - 2 * DAY + after
    expected = sum(one.recipients for one in spent if one.leaves_at > now)
    assert make_quota(*spent).ours(now) == expected


# --- when room returns ---------------------------------------------------------------------------------

LONG_AGO, LATER, LAST = at(NOON - 20 * 60 * MINUTE, 100), at(NOON - 10 * 60 * MINUTE, 200), at(NOON - MINUTE, 700)
OLD = at(NOON - 2 * DAY, 400)


@pytest.mark.parametrize(
    ("quota", "needed", "moment"),
    [
        pytest.param(make_quota(at(NOON, 999)), 1, None, id="there-is-room-now"),
        pytest.param(make_quota(limit=None), 10_000, None, id="never-needed-without-a-limit"),
        pytest.param(make_quota(LONG_AGO, LATER, LAST), 1, LONG_AGO, id="the-oldest-minute-brings-the-first-room"),
        pytest.param(make_quota(LONG_AGO, LATER, LAST), 100, LONG_AGO, id="as-much-as-it-had"),
        pytest.param(make_quota(LONG_AGO, LATER, LAST), 101, LATER, id="more-comes-with-the-next"),
        pytest.param(make_quota(LONG_AGO, LATER, LAST), 1000, LAST, id="all-of-it-with-the-newest"),
        pytest.param(make_quota(OLD, LONG_AGO, LATER, LAST), 1, LONG_AGO, id="what-has-left-brings-nothing-more"),
        pytest.param(make_quota(LONG_AGO, LATER, LAST, others_=60.0), 41, LATER, id="debt-is-paid-first"),
        pytest.param(make_quota(LONG_AGO, others_=1000.0), 1, None, id="others-do-not-leave-by-themselves"),
        pytest.param(make_quota(limit=0.0), 1, None, id="a-quota-of-0-never-has-room"),
    ],
)
def test_room_at(quota: Quota, needed: int, moment: Spent | None) -> None:
    expected = moment and moment.leaves_at
    assert quota.room_at(ORDINARY, pending=0, now=NOON, needed=needed) == expected


def test_room_is_there_at_the_moment_that_was_said_and_not_before() -> None:
    quota = make_quota(LONG_AGO, LATER, LAST, reserve=0.05)
    moment = quota.room_at(ORDINARY, pending=7, now=NOON, needed=20)
    assert moment == NOON + 4 * 60 * MINUTE + MINUTE
    assert quota.room(ORDINARY, pending=7, now=moment - MOMENT) == -57
    assert quota.room(ORDINARY, pending=7, now=moment) == 43


# --- the end of a pause --------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("limit", "used", "may_resume"),
    [
        pytest.param(50_000.0, 49_501, False, id="499-of-50000-are-not-worth-it"),
        pytest.param(50_000.0, 49_500, True, id="a-hundredth-is"),
        pytest.param(200.0, 199, False, id="one-of-200-in-the-sandbox-is-not"),
        pytest.param(200.0, 198, True, id="two-are"),
        pytest.param(50.0, 49, True, id="one-recipient-is-the-least"),
        pytest.param(50.0, 50, False, id="none-is-none"),
        pytest.param(150.0, 149, False, id="a-hundredth-is-rounded-up"),
        pytest.param(700.0, 693, True, id="and-not-because-of-floats"),
        pytest.param(None, 10**9, True, id="without-a-limit-always"),
        pytest.param(0.0, 0, False, id="with-a-quota-of-0-never"),
    ],
)
def test_a_pause_ends_with_a_hundredth_of_the_limit(limit: float | None, used: int, may_resume: bool) -> None:
    quota = make_quota(at(NOON, used), limit=limit)
    assert quota.may_resume(ORDINARY, pending=0, now=NOON) is may_resume


def test_the_end_of_a_pause_can_be_foretold() -> None:
    """A mail a minute, all day: the first minute that leaves is not worth a resume, the tenth is."""
    start = NOON - DAY + MINUTE
    quota = make_quota(*(at(start + n * MINUTE, 1) for n in range(1000)))
    assert quota.room(ORDINARY, pending=0, now=NOON) == 0
    assert quota.room_at(ORDINARY, pending=0, now=NOON) == start + MINUTE + DAY
    assert quota.resumes_at(ORDINARY, pending=0, now=NOON) == start + 10 * MINUTE + DAY


@pytest.mark.parametrize(
    ("quota", "is_scarce"),
    [
        pytest.param(make_quota(at(NOON, 890)), False, id="more-than-a-tenth"),
        pytest.param(make_quota(at(NOON, 891)), True, id="less-than-a-tenth"),
        pytest.param(make_quota(at(NOON, 10**9), limit=None), False, id="no-limit"),
    ],
)
def test_the_last_tenth_is_scarce(quota: Quota, is_scarce: bool) -> None:
    assert quota.is_scarce(pending=10, now=NOON) is is_scarce


# --- others, and words ---------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("sent", "ours", "pending", "expected"),
    [
        pytest.param(500.0, 300, 0, 200.0, id="somebody-else-sends-too"),
        pytest.param(500.0, 300, 50, 150.0, id="what-is-under-way-may-be-in-it"),
        pytest.param(280.0, 300, 50, 0.0, id="the-accounts-figure-lags"),
        pytest.param(0.0, 0, 0, 0.0, id="nobody-sends"),
    ],
)
def test_others(sent: float, ours: int, pending: int, expected: float) -> None:
    assert others(sent, ours=ours, pending=pending) == expected


@pytest.mark.parametrize(
    ("share", "told", "step"),
    [
        pytest.param(0.79, 0.0, 0.0, id="below-all"),
        pytest.param(0.80, 0.0, 0.80, id="the-first"),
        pytest.param(0.951, 0.80, 0.95, id="the-second"),
        pytest.param(1.2, 0.0, 0.95, id="both-at-once-are-one"),
        pytest.param(0.91, 0.95, 0.95, id="a-little-below-is-no-news"),
        pytest.param(0.89, 0.95, 0.80, id="well-below-the-second-rearms-it"),
        pytest.param(0.76, 0.80, 0.80, id="a-little-below-the-first"),
        pytest.param(0.74, 0.95, 0.0, id="well-below-both"),
    ],
)
def test_steps(share: float, told: float, step: float) -> None:
    assert steps_passed(share, told=told) == step
