"""Which days a report is about: whole ones, UTC, the last complete ones unless somebody says otherwise."""

from datetime import UTC, date, datetime, timedelta, timezone

import pytest

from tank_mailer.core.reports.days import (
    MOST_DAYS,
    Days,
    DaysError,
    last_days,
    last_month,
    last_week,
    read_day,
    read_days,
    today,
)

SUNDAY = datetime(2026, 11, 29, 23, 59, tzinfo=UTC)
MONDAY = datetime(2026, 11, 30, 0, 1, tzinfo=UTC)


def days(begin: str, end: str) -> Days:
    """The second one is the first that is not its own."""
    return Days(date.fromisoformat(begin), date.fromisoformat(end))


@pytest.mark.parametrize(
    ("found", "expected"),
    [
        pytest.param(last_days(SUNDAY, 1), days("2026-11-28", "2026-11-29"), id="yesterday"),
        pytest.param(last_days(SUNDAY, 7), days("2026-11-22", "2026-11-29"), id="seven-days"),
        pytest.param(last_week(SUNDAY), days("2026-11-16", "2026-11-23"), id="a-week-is-not-over-on-its-sunday"),
        pytest.param(last_week(MONDAY), days("2026-11-23", "2026-11-30"), id="on-monday-it-is"),
        pytest.param(last_month(SUNDAY), days("2026-10-01", "2026-11-01"), id="a-month"),
        pytest.param(last_month(datetime(2027, 1, 1, tzinfo=UTC)), days("2026-12-01", "2027-01-01"), id="december"),
        pytest.param(last_month(datetime(2028, 3, 31, tzinfo=UTC)), days("2028-02-01", "2028-03-01"), id="february"),
    ],
)
def test_the_last_complete_ones(found: Days, expected: Days) -> None:
    assert found == expected


def test_a_day_is_that_of_utc() -> None:
    assert today(datetime(2026, 11, 29, 1, 0, tzinfo=timezone(timedelta(hours=2)))) == date(2026, 11, 28)


@pytest.mark.parametrize(
    ("asked", "expected"),
    [
        pytest.param({}, None, id="nothing-was-asked"),
        pytest.param({"day": "2026-11-21"}, days("2026-11-21", "2026-11-22"), id="a-day"),
        pytest.param({"day": "today"}, days("2026-11-29", "2026-11-30"), id="today-which-is-not-over"),
        pytest.param({"day": "Yesterday"}, days("2026-11-28", "2026-11-29"), id="yesterday"),
        pytest.param({"day": "3d"}, days("2026-11-26", "2026-11-27"), id="three-days-ago"),
        pytest.param({"week": "2026-W47"}, days("2026-11-16", "2026-11-23"), id="a-week"),
        pytest.param({"week": "2026w01"}, days("2025-12-29", "2026-01-05"), id="the-first-week-begins-last-year"),
        pytest.param({"month": "2026-02"}, days("2026-02-01", "2026-03-01"), id="a-month"),
        pytest.param({"since": "2w"}, days("2026-11-15", "2026-11-29"), id="until-yesterday"),
        pytest.param({"since": "today"}, days("2026-11-29", "2026-11-30"), id="from-today-on"),
        pytest.param(
            {"since": "2026-11-01", "until": "2026-11-03"}, days("2026-11-01", "2026-11-04"), id="the-last-day-counts"
        ),
    ],
)
def test_what_people_ask_for(asked: dict[str, str], expected: Days | None) -> None:
    assert read_days(SUNDAY, **asked) == expected


@pytest.mark.parametrize(
    ("asked", "said"),
    [
        pytest.param({"day": "21.11.2026"}, "Give a day such as", id="another-countrys-date"),
        pytest.param({"day": "٢٠٢٦-11-21"}, "Give a day such as", id="digits-of-another-script"),
        pytest.param({"day": "2026-11-31"}, "Give a day such as", id="a-day-that-is-none"),
        pytest.param({"week": "47"}, "Give a week such as", id="a-week-without-a-year"),
        pytest.param({"week": "2026-W60"}, "Give a week such as", id="a-week-that-is-none"),
        pytest.param({"month": "2026-13"}, "Give a month such as", id="a-month-that-is-none"),
        pytest.param({"month": "0000-01"}, "Give a month such as", id="a-year-that-is-none"),
        pytest.param({"day": "today", "month": "2026-11"}, "Give one of", id="two-spans"),
        pytest.param({"until": "today"}, "--until goes with --since", id="an-end-without-a-begin"),
        pytest.param({"since": "2026-11-03", "until": "2026-11-01"}, "is empty", id="the-wrong-way-round"),
        pytest.param({"day": "2026-11-30"}, "is ahead", id="tomorrow"),
        pytest.param({"since": "2020-01-01"}, "too long", id="years"),
    ],
)
def test_what_is_no_span(asked: dict[str, str], said: str) -> None:
    with pytest.raises(DaysError, match=said):
        read_days(SUNDAY, **asked)


def test_a_span_knows_its_days() -> None:
    span = days("2026-11-28", "2026-12-01")
    assert [day.isoformat() for day in span] == ["2026-11-28", "2026-11-29", "2026-11-30"]
    assert (len(span), span.last) == (3, date(2026, 11, 30))
    assert span.before() == days("2026-11-25", "2026-11-28")
    assert span.before(7) == days("2026-11-21", "2026-11-28")
    assert span.begin_at == datetime(2026, 11, 28, tzinfo=UTC)
    assert span.end_at == datetime(2026, 12, 1, tzinfo=UTC)
    assert span.shown == "2026-11-28 to 2026-11-30, 3 days (UTC)"
    assert days("2026-11-28", "2026-11-29").shown == "Saturday 2026-11-28 (UTC)"
    assert len(days("2025-01-01", "2026-02-05")) == MOST_DAYS


@pytest.mark.parametrize(
    ("span", "begun"),
    [
        pytest.param(days("2026-11-01", "2026-11-29"), 28, id="over"),
        pytest.param(days("2026-11-01", "2026-12-01"), 29, id="today-has-begun"),
        pytest.param(days("2026-11-29", "2026-11-30"), 1, id="today-alone"),
    ],
)
def test_days_that_have_begun(span: Days, begun: int) -> None:
    assert span.begun(SUNDAY) == begun


def test_months_are_shares_of_their_own_months() -> None:
    assert days("2026-11-01", "2026-12-01").months == pytest.approx(1)
    assert days("2026-02-15", "2026-03-01").months == pytest.approx(0.5)
    assert days("2026-01-31", "2026-02-02").months == pytest.approx(1 / 31 + 1 / 28, abs=1e-6)


def test_a_day_may_be_told_by_weeks() -> None:
    assert read_day("1w", SUNDAY) == date(2026, 11, 22)
