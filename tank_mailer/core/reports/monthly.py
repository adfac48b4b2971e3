"""The monthly checklist: how near to the quota the peaks come, the volume, how old the keys are, what it costs."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date, datetime
from typing import Final

from tank_mailer.core.quota import NEAR
from tank_mailer.core.reports import words
from tank_mailer.core.reports.costs import COUNTED, METERED, NOT_OURS, CostFigures, cost_section
from tank_mailer.core.reports.days import Days, today
from tank_mailer.core.reports.demand import Demand, demand
from tank_mailer.core.reports.document import (
    Cell,
    Chart,
    ChartKind,
    Check,
    Column,
    Form,
    Mark,
    NotKnown,
    Report,
    Section,
    Table,
)
from tank_mailer.core.reports.figures import DayFigures, Hour, all_cohorts, all_ended
from tank_mailer.core.reports.outside import ASK_MORE, AccountStanding, Outside, account_checks, key_checks
from tank_mailer.core.reports.spell import percent, rate_of

MOVED: Final = 0.25  # of the volume: less is told as steady
SEVERAL: Final = 2.0  # from here on it is told in times


@dataclass(frozen=True, slots=True, kw_only=True)
class MonthlyFigures:
    """What it is made of.

    Attributes:
        figures: of the span, the oldest first.
        hours: of the span, those in which something was sent.
        before: recipients accepted in as many days before.
    """

    days: Days
    figures: Sequence[DayFigures]
    hours: Sequence[Hour]
    before: int
    outside: Outside
    cost: CostFigures
    has_events: bool


def monthly(given: MonthlyFigures, now: datetime) -> Report:
    """Answer it."""
    seen = demand(given.hours, days=given.days.begun(now))
    sections = [
        _quota(seen, given.outside.account),
        _volume(given),
        Section("keys", "Access keys", checks=key_checks(given.outside.keys, now)),
        cost_section(given.cost, now, is_alone=False),
    ]
    blind = [words.OTHERS, NOT_OURS, words.RETENTION]
    return Report(
        kind="monthly",
        title="Monthly report",
        days=given.days,
        made_at=now,
        sections=sections,
        counts=[words.RECIPIENTS, COUNTED, METERED],
        blind=blind if given.has_events else [words.NO_EVENTS, *blind],
        is_partial=given.days.end > today(now),
    )


# --- quota -----------------------------------------------------------------------------------------


def _quota(seen: Demand, account: AccountStanding | NotKnown) -> Section:
    most_daily = account.max_24_hour_send if isinstance(account, AccountStanding) else None
    most_rate = account.max_send_rate if isinstance(account, AccountStanding) else None
    day_at = f", until {_shown(seen.peak_day_at)}" if seen.peak_day_at else ""
    rate_at = f", in the hour from {_shown(seen.peak_rate_at)}" if seen.peak_rate_at else ""
    checks = [
        _headroom("peak_day", "most in 24 hours", seen.peak_day, most_daily, f"recipients{day_at}"),
        _headroom("peak_rate", "busiest minute", seen.peak_rate, most_rate, f"recipients a second{rate_at}"),
        Check("average_day", "average a day", Mark.TOLD, f"{seen.average:,.0f} recipients", round(seen.average, 1)),
    ]
    return Section("quota", "Quota use and headroom", checks=[*checks, *account_checks(account)])


def _headroom(key: str, title: str, used: float, limit: float | None, unit: str) -> Check:
    figure = rate_of(used)
    if not limit:
        return Check(key, title, Mark.TOLD, f"{figure} {unit}; no limit is known", used)
    share = round(used / limit, 6)
    near, full = NEAR
    mark = Mark.BAD if share >= full else Mark.WARN if share >= near else Mark.GOOD
    said = f"{figure} of {limit:,g} {unit}: {percent(share)} used, {percent(max(0.0, 1 - share))} headroom"
    return Check(key, title, mark, said, share, ASK_MORE if mark is not Mark.GOOD else None)


def _shown(at: datetime) -> str:
    return at.strftime("%Y-%m-%d %H:%M UTC")


# --- volume ----------------------------------------------------------------------------------------


def _volume(given: MonthlyFigures) -> Section:
    weeks = _weeks(given.figures)
    rows = list[list[Cell]]()
    for monday, days in weeks.items():
        cohort, ended = all_cohorts(days), all_ended(days)
        rows.append([
            monday,
            len(days),
            ended.total,
            ended.failed.part,
            cohort.accepted,
            cohort.accepted / len(days),
            cohort.delivered.part,
            cohort.bounced.part,
        ])  # fmt: skip
    columns = [
        Column("week", "week from"),
        Column("days", "days", Form.COUNT),
        Column("jobs", "jobs", Form.COUNT),
        Column("failed", "failed", Form.COUNT),
        Column("recipients", "recipients", Form.COUNT),
        Column("a_day", "a day", Form.COUNT),
        Column("delivered", "delivered", Form.COUNT),
        Column("bounced", "bounced", Form.COUNT),
    ]
    chart = Chart(
        "Recipients by day",
        ChartKind.BARS,
        [one.day.isoformat()[5:] for one in given.figures],
        {"recipients": [float(one.cohort.accepted) for one in given.figures]},
    )
    note = "a week that the span cuts has fewer days"
    table = Table("weeks", "By week (Monday to Sunday)", columns, rows, note=note)
    return Section("volume", "Volume", checks=[_change(given)], tables=[table], charts=[chart])


def _weeks(figures: Sequence[DayFigures]) -> dict[date, list[DayFigures]]:
    """The days of each week, by its first day within the span."""
    weeks = dict[tuple[int, int], list[DayFigures]]()
    for one in figures:
        year, week, _ = one.day.isocalendar()
        weeks.setdefault((year, week), []).append(one)
    return {days[0].day: days for days in weeks.values()}


def _change(given: MonthlyFigures) -> Check:
    total = all_cohorts(given.figures).accepted
    if not given.before:
        said = f"{total:,} recipients; nothing is known of as many days before"
        return Check("volume", "volume", Mark.TOLD, said, total)
    ratio = total / given.before
    if ratio >= SEVERAL:
        moved = f"{ratio:.1f} times as many as"
    elif abs(ratio - 1) >= MOVED:
        moved = f"{percent(abs(ratio - 1))} {'more' if ratio > 1 else 'fewer'} than"
    else:
        moved = f"about as many as ({ratio - 1:+.0%})"
    said = f"{total:,} recipients, {moved} in as many days before ({given.before:,})"
    return Check("volume", "volume", Mark.TOLD, said, total)
