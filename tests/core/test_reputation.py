"""When bounces and complaints are worth a word, and when mail must stop before AWS stops all of it (aws-facts 7.3)."""

from datetime import timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tank_mailer.core.errors import Reason
from tank_mailer.core.reputation import (
    Fine,
    Kind,
    Line,
    Rules,
    Standing,
    Stop,
    Tallies,
    Tally,
    Warn,
    Window,
    describe,
    fails_trial,
    has_grown,
    judge,
    left,
    left_until_review,
    stop_lasts,
)

RULES = Rules()
NO_MAIL = Tally()
GOOD_WEEK = Tally(100_000, 100, 3)


def both(day: Tally, week: Tally | None = None) -> Tallies:
    return {Window.DAY: day, Window.WEEK: day if week is None else week}


def word(standing: Standing) -> str:
    return type(standing).__name__.lower()


# --- the lines -----------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("tally", "standing"),
    [
        pytest.param(NO_MAIL, "fine", id="no-mail"),
        pytest.param(Tally(1000, bounces=49), "fine", id="just-below-5-percent"),
        pytest.param(Tally(1000, bounces=50), "warn", id="5-percent-is-where-aws-reviews"),
        pytest.param(Tally(1000, bounces=99), "warn", id="just-below-10-percent"),
        pytest.param(Tally(1000, bounces=100), "stop", id="10-percent-is-where-aws-may-pause"),
        pytest.param(Tally(499, bounces=499), "fine", id="of-499-recipients-nothing-is-said"),
        pytest.param(Tally(500, bounces=25), "warn", id="of-500-it-is"),
        pytest.param(Tally(500, bounces=50), "stop", id="and-stopped"),
    ],
)
def test_bounces(tally: Tally, standing: str) -> None:
    assert word(judge(Kind.BOUNCES, both(tally), RULES)) == standing


@pytest.mark.parametrize(
    ("tally", "standing"),
    [
        pytest.param(Tally(4000, complaints=3), "fine", id="just-below-a-thousandth"),
        pytest.param(Tally(3000, complaints=3), "warn", id="a-thousandth-is-where-aws-reviews"),
        pytest.param(Tally(2000, complaints=9), "warn", id="just-below-5-thousandths"),
        pytest.param(Tally(2000, complaints=10), "stop", id="5-thousandths-is-where-aws-may-pause"),
        pytest.param(Tally(500, complaints=2), "fine", id="two-complaints-are-nothing-however-few-the-mails"),
        pytest.param(Tally(500, complaints=3), "stop", id="three-of-500-are"),
        pytest.param(Tally(499, complaints=3), "fine", id="of-499-nothing-is-said"),
        pytest.param(Tally(2000, bounces=2000), "fine", id="bounces-are-no-complaints"),
    ],
)
def test_complaints(tally: Tally, standing: str) -> None:
    assert word(judge(Kind.COMPLAINTS, both(tally), RULES)) == standing


def test_bounces_need_a_least_number_too() -> None:
    """With lines of one's own a few bounces could be above them."""
    rules = Rules(bounces=Line(0.01, 0.015, least=10))
    assert word(judge(Kind.BOUNCES, both(Tally(500, bounces=9)), rules)) == "fine"
    assert word(judge(Kind.BOUNCES, both(Tally(500, bounces=10)), rules)) == "stop"


@pytest.mark.parametrize(
    ("day", "week", "standing", "window"),
    [
        pytest.param(Tally(1000, 100), GOOD_WEEK, "stop", Window.DAY, id="a-bad-day-in-a-good-week"),
        pytest.param(Tally(1000, 0), Tally(10_000, 1000), "stop", Window.WEEK, id="a-good-day-in-a-bad-week"),
        pytest.param(Tally(1000, 60), Tally(10_000, 700), "warn", Window.WEEK, id="the-worse-of-two-warnings"),
        pytest.param(Tally(499, 499), GOOD_WEEK, "fine", Window.WEEK, id="a-day-with-too-few-mails-does-not-count"),
        pytest.param(Tally(500, 9), Tally(10_000, 100), "fine", Window.DAY, id="even-fine-has-a-worse-window"),
    ],
)
def test_the_worse_window_counts(day: Tally, week: Tally, standing: str, window: Window) -> None:
    found = judge(Kind.BOUNCES, both(day, week), RULES)
    assert word(found) == standing
    assert found.worst is not None
    assert found.worst.window is window


def test_a_window_of_too_few_events_does_not_hide_the_other() -> None:
    """Two complaints of 500 are a higher rate than 13 of 10,000, and yet only the 13 are worth a word."""
    found = judge(Kind.COMPLAINTS, both(Tally(500, complaints=2), Tally(10_000, complaints=13)), RULES)
    assert isinstance(found, Warn)
    assert found.worst.window is Window.WEEK


def test_too_few_mails_have_no_rate() -> None:
    assert judge(Kind.BOUNCES, both(Tally(499, bounces=20)), RULES) == Fine(None)


@pytest.mark.parametrize(
    ("bounces", "standing"),
    [
        pytest.param(49, "warn", id="a-little-below-the-line-is-no-recovery"),
        pytest.param(45, "warn", id="nor-is-nine-tenths"),
        pytest.param(44, "fine", id="well-below-is"),
        pytest.param(100, "stop", id="and-above-the-next-line-it-stops"),
    ],
)
def test_a_warning_does_not_swing(bounces: int, standing: str) -> None:
    assert word(judge(Kind.BOUNCES, both(Tally(1000, bounces)), RULES, is_warned=True)) == standing


def test_a_stop_says_why() -> None:
    bounces = judge(Kind.BOUNCES, both(Tally(1000, bounces=123)), RULES)
    complaints = judge(Kind.COMPLAINTS, both(NO_MAIL, Tally(2000, complaints=13)), RULES)
    assert isinstance(bounces, Stop)
    assert isinstance(complaints, Stop)
    assert bounces.reason is Reason.REPUTATION_BOUNCES
    assert complaints.reason is Reason.REPUTATION_COMPLAINTS
    assert describe(bounces, RULES) == "123 hard bounces of 1000 recipients in a day are 12.30%; the line is 10.00%"
    assert describe(complaints, RULES) == "13 complaints of 2000 recipients in a week are 0.65%; the line is 0.50%"


# --- how many more -------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("tally", "kind", "line", "expected"),
    [
        pytest.param(Tally(1000, 30), Kind.BOUNCES, 0.05, 20, id="20-more-make-50-of-1000"),
        pytest.param(Tally(1000, 50), Kind.BOUNCES, 0.05, 0, id="it-is-there"),
        pytest.param(Tally(1000, 70), Kind.BOUNCES, 0.05, 0, id="it-is-beyond"),
        pytest.param(Tally(1001, 50), Kind.BOUNCES, 0.05, 1, id="a-part-of-a-mail-is-a-mail"),
        pytest.param(Tally(7000, 0, 2), Kind.COMPLAINTS, 0.001, 5, id="a-thousandth-of-7000"),
        pytest.param(Tally(700, 0), Kind.BOUNCES, 0.07, 49, id="floats-add-none"),
    ],
)
def test_left(tally: Tally, kind: Kind, line: float, expected: int) -> None:
    assert left(tally, kind, line) == expected


@given(volume=st.integers(1, 10**7), bad=st.integers(0, 10**6), line=st.sampled_from([0.05, 0.1, 0.001, 0.005]))
def test_so_many_more_reach_the_line_and_one_less_does_not(volume: int, bad: int, line: float) -> None:
    more = left(Tally(volume, bounces=bad), Kind.BOUNCES, line)
    assert (bad + more) / volume >= line
    assert more == 0 or (bad + more - 1) / volume < line


def test_how_many_more_until_aws_reviews_the_account() -> None:
    """By AWS's line, whatever ours are; the window with the fewest left counts."""
    rules = Rules(bounces=Line(0.01, 0.02, least=10))
    day, week = Tally(1000, 30, 1), Tally(7000, 100, 3)
    assert left_until_review(Kind.BOUNCES, both(day, week), rules) == 20
    assert left_until_review(Kind.COMPLAINTS, both(day, week), rules) == 0
    assert left_until_review(Kind.BOUNCES, both(Tally(499, 0), week), rules) == 250
    assert left_until_review(Kind.BOUNCES, both(Tally(499, 0)), rules) is None, "too few mails to say"


def test_a_warning_says_how_many_more_until_the_stop() -> None:
    found = judge(Kind.BOUNCES, both(Tally(1000, bounces=60)), RULES)
    assert isinstance(found, Warn)
    assert (found.worst.rate, found.worst.volume, found.worst.bad, found.worst.left) == (0.06, 1000, 60, 40)


# --- after a stop --------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("kind", "since", "grown"),
    [
        pytest.param(Kind.BOUNCES, Tally(50, bounces=9), False, id="nine-bounces-are-too-few"),
        pytest.param(Kind.BOUNCES, Tally(50, bounces=10), True, id="ten-are-enough"),
        pytest.param(Kind.COMPLAINTS, Tally(50, complaints=2), False, id="two-complaints-are-too-few"),
        pytest.param(Kind.COMPLAINTS, Tally(50, complaints=3), True, id="three-are-enough"),
    ],
)
def test_after_a_resume_it_takes_new_bad_mail_to_stop(kind: Kind, since: Tally, grown: bool) -> None:
    assert has_grown(kind, since, RULES) is grown


@pytest.mark.parametrize(
    ("kind", "since", "fails"),
    [
        pytest.param(Kind.BOUNCES, Tally(1, bounces=1), False, id="one-bad-mail-says-nothing"),
        pytest.param(Kind.BOUNCES, Tally(19, bounces=2), True, id="two-of-19-are-more-than-a-tenth"),
        pytest.param(Kind.BOUNCES, Tally(20, bounces=2), False, id="two-of-20-are-not"),
        pytest.param(Kind.COMPLAINTS, Tally(60, complaints=2), True, id="two-complaints-of-60"),
        pytest.param(Kind.COMPLAINTS, Tally(60, bounces=30), False, id="each-kind-by-itself"),
    ],
)
def test_the_trial_of_a_trickle(kind: Kind, since: Tally, fails: bool) -> None:
    assert fails_trial(kind, since, RULES) is fails


def test_each_further_stop_is_twice_as_long_to_a_day() -> None:
    hours = [stop_lasts(stops) / timedelta(hours=1) for stops in (1, 2, 3, 4, 5, 6, 7, 10_000)]
    assert hours == [1, 2, 4, 8, 16, 24, 24, 24]
