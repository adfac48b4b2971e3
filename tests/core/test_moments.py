from datetime import UTC, datetime, timedelta, timezone

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tank_mailer.core.moments import read_moment

MOMENT = datetime(2026, 11, 2, 9, 15, tzinfo=UTC)


@pytest.mark.parametrize(
    ("text", "moment"),
    [
        pytest.param("2026-11-02T09:15:00.123Z", MOMENT.replace(microsecond=123_000), id="as-ses-writes-it"),
        pytest.param("2026-11-02T09:15:00Z", MOMENT, id="without-milliseconds"),
        pytest.param("2026-11-02T09:15:00", MOMENT, id="without-an-offset-it-is-utc"),
        pytest.param("2026-11-02 09:15:00Z", MOMENT, id="a-space-for-the-t"),
        pytest.param("2026-11-02t09:15:00z", MOMENT, id="small-letters"),
        pytest.param("2026-11-02T04:15:00.000-05:00", MOMENT, id="an-offset-as-complaints-have-it"),
        pytest.param("2026-11-02T10:15:00+0100", MOMENT, id="an-offset-without-a-colon"),
        pytest.param("2026-11-02T09:15:00 +0000", MOMENT, id="a-space-before-the-offset"),
        pytest.param("2026-11-02 03:45:00 -05:30", MOMENT, id="two-spaces"),
        pytest.param("2026-11-02 09:15:00 UTC", MOMENT, id="a-zone-by-its-name"),
        pytest.param(" 2026-11-02T09:15:00Z ", MOMENT, id="white-space-around"),
        pytest.param("2026-11-02T09:15:00.123456789Z", MOMENT.replace(microsecond=123_456), id="nanoseconds-are-cut"),
    ],
)
def test_a_time_however_it_is_written(text: str, moment: datetime) -> None:
    found = read_moment(text)

    assert found == moment
    assert found.tzinfo is UTC


@pytest.mark.parametrize(
    "value",
    [
        pytest.param(None, id="null"),
        pytest.param(1_793_610_900, id="a-number"),
        pytest.param(["2026-11-02T09:15:00Z"], id="a-list"),
        pytest.param("", id="an-empty-text"),
        pytest.param("yesterday", id="a-word"),
        pytest.param("2026-13-02T09:15:00Z", id="a-thirteenth-month"),
        pytest.param("2026-11-02T09:15:00Z" + "0" * 40, id="too-long-for-a-time"),
        pytest.param("٢٠٢٦-11-02T09:15:00Z", id="digits-of-another-script"),
        pytest.param("2026-11-02\ud80009:15:00Z", id="half-a-character"),
        pytest.param("2026-11-02é09:15:00Z", id="a-letter-outside-ascii-for-the-t"),
        pytest.param("0001-01-01T00:00:00+05:00", id="before-the-first-year"),
        pytest.param("9999-12-31T23:59:59-05:00", id="after-the-last-year"),
        pytest.param("1969-12-31T23:59:59Z", id="before-clocks-begin"),
    ],
)
def test_no_time(value: object) -> None:
    assert read_moment(value) is None


@given(
    st.datetimes(datetime(1970, 1, 2), datetime(9998, 12, 30)),  # noqa: DTZ001 - the zone comes with the offset
    st.integers(-23 * 60, 23 * 60),
)
def test_every_iso_time_keeps_its_moment(clock: datetime, offset_minutes: int) -> None:
    moment = clock.replace(tzinfo=timezone(timedelta(minutes=offset_minutes)))

    assert read_moment(moment.isoformat()) == moment


@given(st.text() | st.text(alphabet="0123456789-:TZ+. "))
def test_every_text_is_a_time_or_none(text: str) -> None:
    found = read_moment(text)

    assert found is None or found.tzinfo is UTC
