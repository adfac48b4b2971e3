"""Made-up figures for reports."""

from collections.abc import Mapping
from datetime import UTC, date, datetime, timedelta
from typing import Any

from tank_mailer.core.ledger import State
from tank_mailer.core.reports.days import Days
from tank_mailer.core.reports.document import Check, Report
from tank_mailer.core.reports.figures import Cohort, DayFigures, Ended
from tank_mailer.core.reports.outside import AccountStanding
from tank_mailer.core.reputation import Tally
from tank_mailer.core.status import Status
from tank_mailer.core.view import LaneView, NodeView

NOW = datetime(2026, 11, 29, 9, 0, tzinfo=UTC)
SATURDAY = date(2026, 11, 28)
YESTERDAY = Days(SATURDAY, date(2026, 11, 29))
WEEK = Days(date(2026, 11, 16), date(2026, 11, 23))
MONTH = Days(date(2026, 10, 1), date(2026, 11, 1))
HEALTHY = AccountStanding(
    max_send_rate=14.0,
    max_24_hour_send=50_000.0,
    sent_last_24_hours=10_000.0,
    sending_enabled=True,
    production_access=True,
    enforcement="HEALTHY",
)


def day(
    at: date,
    *,
    ended: Mapping[State, int] | None = None,
    cohort: Mapping[Status, int] | None = None,
    tally: Tally | None = None,
    reason: str = "",
) -> DayFigures:
    return DayFigures(
        day=at,
        ended=Ended({(state, reason): count for state, count in (ended or {}).items()}),
        cohort=Cohort({(status, reason): count for status, count in (cohort or {}).items()}),
        tally=tally,
    )


def alike(days: Days, **figures: Any) -> list[DayFigures]:
    """Each day of a span with the same figures."""
    return [day(at, **figures) for at in days]


def node(name: str = "mail-1", *, polled_s: float | None = 5.0, **lane: Any) -> NodeView:
    """One that has polled its lane so many seconds ago."""
    polled = None if polled_s is None else NOW - timedelta(seconds=polled_s)
    view = LaneView(queue="tank-outbound", last_poll_at=polled, **lane)
    started = NOW - timedelta(hours=2)
    return NodeView(name, f"p-{name}", "0.4", started_at=started, seen_at=NOW, lanes={"ordinary": view})


def check_of(report: Report, key: str) -> Check:
    """The one check with this key."""
    (found,) = [check for check in report.checks if check.key == key]
    return found
