"""When letters are tried again and given up, and when the web server counts as away."""

from datetime import UTC, datetime, timedelta

import pytest

from tank_mailer.core.telling import Health, PastError, next_try, read_past, wait_s

NOW = datetime(2026, 11, 2, 8, 0, tzinfo=UTC)
THREE_DAYS = timedelta(days=3)


# --- one letter ------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("tries", "seconds"),
    [
        pytest.param(1, 5, id="after-the-first-failure-five-seconds"),
        pytest.param(2, 30, id="then-half-a-minute"),
        pytest.param(3, 120, id="then-two-minutes"),
        pytest.param(4, 600, id="then-ten-minutes"),
        pytest.param(5, 1_800, id="then-half-an-hour"),
        pytest.param(6, 3_600, id="then-an-hour"),
        pytest.param(7, 7_200, id="then-two-hours"),
        pytest.param(40, 7_200, id="and-so-on"),
    ],
)
def test_waits(tries: int, seconds: float) -> None:
    assert wait_s(tries, 0.5) == pytest.approx(seconds)
    assert wait_s(tries, 0.0) == pytest.approx(seconds * 0.8)
    assert wait_s(tries, 1.0) == pytest.approx(seconds * 1.2)


@pytest.mark.parametrize(
    ("age", "tries", "expected"),
    [
        pytest.param(timedelta(0), 1, NOW + timedelta(seconds=600), id="a-young-one-waits"),
        pytest.param(THREE_DAYS - timedelta(seconds=10), 40, NOW + timedelta(seconds=10), id="a-last-time-at-the-end"),
        pytest.param(THREE_DAYS, 40, None, id="given-up-after-three-days"),
        pytest.param(THREE_DAYS, 3, None, id="however-few-tries-those-were"),
        pytest.param(THREE_DAYS * 2, 1, NOW + timedelta(seconds=600), id="but-not-for-our-own-standstill"),
    ],
)
def test_next_try(age: timedelta, tries: int, expected: datetime | None) -> None:
    assert next_try(NOW - age, tries=tries, wait_s=600, now=NOW) == expected


# --- the web server --------------------------------------------------------------------------------


def failing(*failures: tuple[int, float]) -> Health:
    health = Health()
    for letter, at_s in failures:
        health = health.failed(letter, at_s)
    return health


@pytest.mark.parametrize(
    ("failures", "is_failing"),
    [
        pytest.param([], False, id="nothing-has-failed"),
        pytest.param([(1, 100), (2, 100)], False, id="two-letters-may-be-odd-ones"),
        pytest.param([(1, 100), (2, 100), (3, 100)], True, id="three-letters-in-a-row"),
        pytest.param([(1, 100), (1, 110), (1, 120), (1, 159)], False, id="one-letter-again-and-again"),
        pytest.param([(1, 100), (1, 160)], True, id="nothing-was-taken-for-a-minute"),
    ],
)
def test_failing(failures: list[tuple[int, float]], is_failing: bool) -> None:
    assert failing(*failures).is_failing is is_failing


@pytest.mark.parametrize(
    ("failed_s", "wait_s"),
    [
        pytest.param(0, 5, id="soon-at-first"),
        pytest.param(40, 20, id="more-seldom-the-longer-it-fails"),
        pytest.param(86_400, 60, id="every-minute-at-least"),
    ],
)
def test_probes(failed_s: float, wait_s: float) -> None:
    health = failing((1, 100), (2, 100), (3, 100), (4, 100 + failed_s))

    assert health.next_probe_s == pytest.approx(100 + failed_s + wait_s)


def test_what_nobody_tried_is_given_up_after_an_hour_of_failures_only() -> None:
    """A web server that starts a minute later than we do must not cost the news of a long week-end."""
    first = failing((1, 0), (2, 0), (3, 0))

    assert not first.gives_up_untried
    assert not first.failed(4, 3_599).gives_up_untried
    assert first.failed(4, 3_600).gives_up_untried


def test_a_clock_that_steps_back_does_not_matter() -> None:
    assert failing((1, 100), (1, 90)).failed_s == 0


# --- looking back ----------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        pytest.param("30min", NOW - timedelta(minutes=30), id="minutes"),
        pytest.param(" 2H ", NOW - timedelta(hours=2), id="hours"),
        pytest.param("3d", NOW - timedelta(days=3), id="days"),
        pytest.param("1w", NOW - timedelta(weeks=1), id="weeks"),
        pytest.param("2026-11-02T08:30:00+01:00", NOW - timedelta(minutes=30), id="a-time-with-an-offset"),
    ],
)
def test_a_time_in_the_past(text: str, expected: datetime) -> None:
    assert read_past(text, NOW) == expected


@pytest.mark.parametrize(
    ("text", "word"),
    [
        pytest.param("yesterday", "3d", id="words"),
        pytest.param("2026-11-02T08:00:00", "offset", id="no-offset"),
        pytest.param("2026-11-02T09:00:00Z", "ahead", id="ahead"),
        pytest.param("5m", "30min", id="minutes-or-months"),
        pytest.param("", "3d", id="nothing"),
    ],
)
def test_no_time_in_the_past(text: str, word: str) -> None:
    with pytest.raises(PastError, match=word):
        read_past(text, NOW)
