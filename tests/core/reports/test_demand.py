"""How much is sent at most, and what to ask AWS for: the peak times the headroom, rounded."""

from datetime import UTC, datetime

import pytest

from tank_mailer.core.reports.demand import Asked, Demand, ask, demand, rounded_up
from tank_mailer.core.reports.figures import Hour

FIRST = int(datetime(2026, 11, 1, tzinfo=UTC).timestamp()) // 3600


def hours(*counts: int) -> list[Hour]:
    """One after the other; 0: nothing was sent."""
    return [Hour(FIRST + n, count, count // 10) for n, count in enumerate(counts) if count]


def test_the_peak_is_any_24_hours_not_a_days() -> None:
    found = demand(hours(*[0] * 20, *[100] * 10, *[0] * 30, 500), days=3)

    assert found.average == 500
    assert found.peak_day == 1_000
    assert found.peak_day_at == datetime(2026, 11, 2, 6, 0, tzinfo=UTC)


def test_what_is_a_day_old_does_not_count() -> None:
    assert demand(hours(100, *[0] * 23, 100), days=2).peak_day == 100
    assert demand(hours(100, *[0] * 22, 100), days=2).peak_day == 200


def test_the_busiest_minute_gives_the_rate() -> None:
    found = demand([Hour(FIRST, 10_000, 600), Hour(FIRST + 1, 900, 840)], days=1)
    assert (found.peak_rate, found.peak_rate_at) == (14.0, datetime(2026, 11, 1, 1, 0, tzinfo=UTC))


def test_no_mail_is_no_demand() -> None:
    assert demand([], days=30) == Demand()


@pytest.mark.parametrize(
    ("value", "rounded"),
    [
        pytest.param(0.0, 0, id="nothing"),
        pytest.param(7.2, 8, id="up"),
        pytest.param(14.0, 14, id="two-digits-stay"),
        pytest.param(14.000000001, 14, id="a-floats-dust-is-none"),
        pytest.param(101.0, 110, id="to-the-next-ten"),
        pytest.param(123_456.0, 130_000, id="to-two-digits"),
        pytest.param(1_000_000.0, 1_000_000, id="round-already"),
    ],
)
def test_rounded_up(value: float, rounded: int) -> None:
    assert rounded_up(value) == rounded


@pytest.mark.parametrize(
    ("peak_day", "peak_rate", "daily", "rate", "asked"),
    [
        pytest.param(80_000, 20.0, 50_000.0, 14.0, Asked(120_000, 30, is_cut=True), id="both-are-too-low"),
        pytest.param(1_000, 1.0, 50_000.0, 14.0, Asked(None, None, is_cut=False), id="both-are-enough"),
        pytest.param(40_000, 5.0, 50_000.0, 14.0, Asked(60_000, None, is_cut=False), id="the-day-alone"),
        pytest.param(40_000, 13.0, 50_000.0, 14.0, Asked(60_000, 20, is_cut=True), id="a-peak-at-the-rate-is-cut"),
        pytest.param(46_000, 5.0, 50_000.0, 14.0, Asked(69_000, None, is_cut=True), id="a-day-at-the-quota-is-cut"),
        pytest.param(900_000, 20.0, None, 14.0, Asked(None, 49, is_cut=True), id="a-day-in-eight-hours-asks-the-rate"),
        pytest.param(900, 0.5, 0.0, None, Asked(1_400, 1, is_cut=False), id="nothing-is-known-of-the-account"),
    ],
)
def test_ask(peak_day: int, peak_rate: float, daily: float | None, rate: float | None, asked: Asked) -> None:
    seen = Demand(average=1.0, peak_day=peak_day, peak_rate=peak_rate)
    assert ask(seen, daily=daily, rate=rate) == asked


def test_a_person_may_ask_for_more() -> None:
    seen = Demand(peak_day=10_000, peak_rate=2.0)
    assert ask(seen, daily=50_000.0, rate=14.0, headroom=10.0) == Asked(100_000, 20, is_cut=False)
