"""The daily checklist: does mail get out, does more of it fail than last week, is everything connected."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Final

from tank_mailer.core.ledger import State
from tank_mailer.core.reports import words
from tank_mailer.core.reports.days import WEEK_DAYS, Days, today
from tank_mailer.core.reports.document import Cell, Chart, ChartKind, Check, Column, Form, Mark, Report, Section, Table
from tank_mailer.core.reports.figures import DayFigures, Share, all_cohorts, all_ended
from tank_mailer.core.reports.outside import Nodes, Outside, connection
from tank_mailer.core.reports.rise import Trend, trend
from tank_mailer.core.reports.spell import count_of, percent
from tank_mailer.core.status import Status

LOW_SUCCESS: Final = 0.95  # ours: of jobs that ended
LEAST_JOBS: Final = 20  # ours: of fewer, one job is a large share
REASONS: Final = 10  # the most frequent ones
REFUSED: Final = "tank-mailer refused list"
STEP: Final = {State.DEAD: "tank-mailer dlq list", State.EXPIRED: "look at the producers' expires_at, and at the queue"}


@dataclass(frozen=True, slots=True, kw_only=True)
class DailyFigures:
    """What it is made of.

    Attributes:
        figures: of the span, and of the seven days before it, the oldest first.
        has_events: whether an event queue is set.
    """

    days: Days
    figures: Sequence[DayFigures]
    nodes: Nodes
    outside: Outside
    has_events: bool

    @property
    def now(self) -> list[DayFigures]:
        """Those of the span."""
        return [one for one in self.figures if one.day >= self.days.begin]

    @property
    def before(self) -> list[DayFigures]:
        """Those of the seven days before."""
        return [one for one in self.figures if one.day < self.days.begin]


def daily(given: DailyFigures, now: datetime) -> Report:
    """Answer it."""
    sections = [_success(given), _failures(given), connection(given.nodes, given.outside, now)]
    blind = [words.OTHERS, words.RETENTION]
    return Report(
        kind="daily",
        title="Daily report",
        days=given.days,
        made_at=now,
        sections=sections,
        counts=[words.JOBS, words.RECIPIENTS],
        blind=blind if given.has_events else [words.NO_EVENTS, *blind],
        is_partial=given.days.end > today(now),
    )


# --- success ---------------------------------------------------------------------------------------


def _success(given: DailyFigures) -> Section:
    ended, cohort = all_ended(given.now), all_cohorts(given.now)
    success, delivered = ended.accepted, cohort.delivered
    checks = [_success_check(success), _delivered(delivered, cohort.open, has_events=given.has_events)]
    states = Table(
        "states",
        "Jobs that ended",
        [Column("state", "state"), Column("jobs", "jobs", Form.COUNT), Column("share", "share", Form.SHARE)],
        [
            [state.value, count, Share(count, ended.total).rate if state is not State.DRY_RUN else None]
            for state in State
            if (count := ended.of(state))
        ],
    )
    statuses = Table(
        "statuses",
        "Recipients of accepted mail",
        [
            Column("status", "status"),
            Column("recipients", "recipients", Form.COUNT),
            Column("share", "share", Form.SHARE),
        ],
        [
            [status.word, count, Share(count, cohort.accepted).rate if status is not Status.SUPPRESSED else None]
            for status in Status
            if (count := cohort.of(status))
        ],
        note="accepted: no word of a delivery or a bounce yet; suppressed: left out of mails that went to others",
    )
    return Section("success", "Success", checks=checks, tables=[states, statuses])


def _success_check(success: Share) -> Check:
    title = "success rate"
    if not success.whole:
        return Check("success_rate", title, Mark.TOLD, "no job has ended")
    said = f"{percent(success.rate)}: {success.part:,} of {count_of(success.whole, 'job')} accepted by SES"
    if success.rate >= LOW_SUCCESS:
        return Check("success_rate", title, Mark.GOOD, said, success.rate)
    if success.whole < LEAST_JOBS:
        return Check("success_rate", title, Mark.TOLD, f"{said}: too few to judge", success.rate)
    return Check("success_rate", title, Mark.WARN, said, success.rate, "see the reasons below")


def _delivered(delivered: Share, left: Share, *, has_events: bool) -> Check:
    title = "delivered"
    if not delivered.whole:
        return Check("delivered_rate", title, Mark.TOLD, "no mail was accepted")
    said = f"{percent(delivered.rate)}: {delivered.part:,} of {count_of(delivered.whole, 'accepted recipient')}"
    if not has_events:
        return Check("delivered_rate", title, Mark.UNKNOWN, f"not known: {words.NO_EVENTS}", remedy="docs/feedback.md")
    silent = f"; of {left.part:,} nothing final is known yet" if left.part else ""
    return Check("delivered_rate", title, Mark.TOLD, f"{said}{silent}", delivered.rate)


# --- failures --------------------------------------------------------------------------------------


def _failures(given: DailyFigures) -> Section:
    checks = [
        _rise("failed_jobs", "failed jobs", _failed(given.now), _failed(given.before), _same_weekday(given, _failed)),
        _rise("bounces", "bounces", _bounced(given.now), _bounced(given.before), _same_weekday(given, _bounced)),
    ]
    columns = [
        Column("day", "day"),
        Column("ended", "jobs ended", Form.COUNT),
        Column("failed", "failed", Form.COUNT),
        Column("failed_share", "share", Form.SHARE),
        Column("accepted", "recipients", Form.COUNT),
        Column("bounced", "bounced", Form.COUNT),
        Column("bounced_share", "share", Form.SHARE),
    ]
    rows: list[list[Cell]] = [
        [
            one.day,
            *(one.ended.total, one.ended.failed.part, one.ended.failed.rate),
            *(one.cohort.accepted, one.cohort.bounced.part, one.cohort.bounced.rate),
        ]
        for one in given.figures
    ]
    chart = Chart(
        "Failed jobs and bounces, share of each day",
        ChartKind.LINE,
        [one.day.isoformat()[5:] for one in given.figures],
        {
            "failed jobs": [one.ended.failed.rate for one in given.figures],
            "bounces": [one.cohort.bounced.rate for one in given.figures],
        },
        Form.SHARE,
    )
    by_day = Table("by_day", "Day by day", columns, rows, note="failed: invalid, refused, expired, dead")
    return Section(
        "failures",
        "Failures against the week before",
        checks=checks,
        tables=[by_day, reasons_table(given.now)],
        charts=[chart],
    )


def _failed(days: Sequence[DayFigures]) -> Share:
    return all_ended(days).failed


def _bounced(days: Sequence[DayFigures]) -> Share:
    return all_cohorts(days).bounced


def _same_weekday(given: DailyFigures, share: Callable[[Sequence[DayFigures]], Share]) -> Share | None:
    """Of the day a week before; None: the span is not one day."""
    if len(given.days) != 1:
        return None
    return share([one for one in given.before if (given.days.begin - one.day).days == WEEK_DAYS])


def _rise(key: str, title: str, now: Share, before: Share, same: Share | None) -> Check:
    """Against the mean of the seven days before: one weekday alone is too few mails for many; it is told beside."""
    was = f"the 7 days before {percent(before.rate)} ({before.part:,} of {before.whole:,})"
    weekday = f", the same weekday {percent(same.rate)}" if same is not None and same.whole else ""
    said = f"{percent(now.rate)} ({now.part:,} of {now.whole:,}); {was}{weekday}"
    match trend(now, before):
        case Trend.TOO_FEW:
            return Check(key, title, Mark.TOLD, f"{said}: too few to compare", now.rate)
        case Trend.STEADY:
            return Check(key, title, Mark.GOOD, said, now.rate)
        case Trend.FALLEN:
            return Check(key, title, Mark.GOOD, f"fallen: {said}", now.rate)
        case Trend.RISEN:
            return Check(key, title, Mark.WARN, f"risen: {said}", now.rate, "see the reasons below")


def reasons_table(days: Sequence[DayFigures]) -> Table:
    """Why jobs came to nothing, and why mails came back; the most frequent first."""
    ended, cohort = all_ended(days), all_cohorts(days)
    jobs = [(count, state.value, reason, "jobs", STEP.get(state, REFUSED)) for state, reason, count in ended.reasons]
    mails = [(count, status.word, reason, "recipients", None) for status, reason, count in cohort.reasons]
    columns = [
        Column("what", "what"),
        Column("reason", "reason"),
        Column("of", "of"),
        Column("count", "count", Form.COUNT),
        Column("look", "look at"),
    ]
    most = sorted([*jobs, *mails], key=lambda one: -one[0])[:REASONS]
    rows = [[what, reason or None, of, count, look] for count, what, reason, of, look in most]
    return Table("reasons", "Most frequent reasons", columns, rows)
