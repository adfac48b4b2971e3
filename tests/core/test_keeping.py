"""How long things are kept: DESIGN 8, and issue 3 under "Retention"."""

from datetime import datetime, timedelta

import pytest

from tank_mailer.core.keeping import Span, audit_before, first_mark, slices, uncounted, wait_s
from tests.fakes import EPOCH

MINUTE, HOUR, DAY = timedelta(minutes=1), timedelta(hours=1), timedelta(days=1)


@pytest.mark.parametrize(
    ("last", "wait"),
    [
        pytest.param(first_mark(EPOCH), 10 * MINUTE, id="the-first-round-comes-ten-minutes-after-a-new-stores-start"),
        pytest.param(EPOCH, HOUR, id="then-every-hour"),
        pytest.param(EPOCH - 20 * MINUTE, 40 * MINUTE, id="a-restart-does-not-begin-the-hour-anew"),
        pytest.param(EPOCH - 3 * DAY, MINUTE, id="an-overdue-one-lets-the-start-settle"),
        pytest.param(EPOCH + 3 * DAY, HOUR, id="a-clock-set-back-puts-nothing-off-for-days"),
    ],
)
def test_wait(last: datetime, wait: timedelta) -> None:
    assert wait_s(last, EPOCH, jitter=0.0) == wait.total_seconds()


def test_nodes_started_together_come_apart() -> None:
    assert wait_s(EPOCH, EPOCH, jitter=1.0) - wait_s(EPOCH, EPOCH, jitter=0.0) == 60


@pytest.mark.parametrize(
    ("retention", "kept"),
    [
        pytest.param(90 * DAY, 366 * DAY, id="a-year-at-least"),
        pytest.param(1_000 * DAY, 1_000 * DAY, id="longer-if-everything-is"),
    ],
)
def test_the_record_of_changes_outlives_the_rest(retention: timedelta, kept: timedelta) -> None:
    assert audit_before(EPOCH - retention, EPOCH) == EPOCH - kept


@pytest.mark.parametrize(
    ("counted_until", "span"),
    [
        pytest.param(EPOCH - 25 * HOUR, Span(EPOCH - 25 * HOUR, EPOCH - 24 * HOUR), id="an-hour-a-day-ago"),
        pytest.param(EPOCH - 3 * DAY, Span(EPOCH - 3 * DAY, EPOCH - DAY), id="after-a-pause-all-that-was-not-counted"),
        pytest.param(EPOCH - 300 * DAY, Span(EPOCH - 8 * DAY, EPOCH - DAY), id="but-no-more-than-a-week"),
        pytest.param(EPOCH - 24 * HOUR, None, id="nothing-twice"),
        pytest.param(EPOCH, None, id="nothing-whose-events-may-still-come"),
    ],
)
def test_uncounted(counted_until: datetime, span: Span | None) -> None:
    assert uncounted(counted_until, EPOCH) == span


def test_slices_leave_no_gap_and_no_overlap() -> None:
    span = Span(EPOCH, EPOCH + 12 * MINUTE)

    parts = list(slices(span))

    assert [(part.end - part.begin) / MINUTE for part in parts] == [5, 5, 2]
    assert parts[0].begin == span.begin
    assert [part.end for part in parts[:-1]] == [part.begin for part in parts[1:]]
    assert parts[-1].end == span.end
