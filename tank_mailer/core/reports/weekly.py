"""The weekly checklist: reputation day by day, the senders' identities, who is suppressed, how late events come."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Final

from tank_mailer.core.reports import words
from tank_mailer.core.reports.daily import reasons_table
from tank_mailer.core.reports.days import Days, today
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
from tank_mailer.core.reports.figures import DayFigures, Growth, Share, all_tallies
from tank_mailer.core.reports.histogram import Histogram
from tank_mailer.core.reports.outside import Outside, QueueDepth, identity_checks
from tank_mailer.core.reports.rise import Trend, trend
from tank_mailer.core.reports.spell import count_of, percent, seconds
from tank_mailer.core.reputation import REVIEW, WORDS, Kind, Rules, Tally, count

EVENTS: Final = "events"
LATE_S: Final = 300.0  # ours: an event that takes longer from SES to the store is late
GROWN: Final = 2.0  # times as many new entries as in the span before
LEAST_NEW: Final = 20  # ours: of fewer nothing is said
DRAINED_WITHIN: Final = timedelta(minutes=30)
COMPLAINT_POINTS: Final = 0.0005  # half of AWS's line


@dataclass(frozen=True, slots=True, kw_only=True)
class WeeklyFigures:
    """What it is made of.

    Attributes:
        figures: of the span, the oldest first, with their tallies.
        before: the same of as many days before.
        growth: of the suppression list, by reason.
        lag: from an event's own time to its being written down here.
        drained_at: up to when the event queue is known to have been read; None: never, or not known.
        has_events: whether an event queue is set.
        rules: the lines of warning and stopping, by the settings.
    """

    days: Days
    figures: Sequence[DayFigures]
    before: Sequence[DayFigures]
    growth: Sequence[Growth]
    lag: Histogram
    drained_at: datetime | None
    outside: Outside
    has_events: bool
    rules: Rules = field(default_factory=Rules)


def weekly(given: WeeklyFigures, now: datetime) -> Report:
    """Answer it."""
    sections = [
        _reputation(given),
        Section("identities", "Identities of the senders", checks=identity_checks(given.outside.identities)),
        _suppression(given),
        _events(given, now),
        Section("reasons", "Why mail failed", tables=[reasons_table(given.figures)]),
    ]
    blind = [words.GMAIL, words.AWS_RATES, words.OTHERS, words.RETENTION]
    return Report(
        kind="weekly",
        title="Weekly report",
        days=given.days,
        made_at=now,
        sections=sections,
        counts=[words.RATES, words.JOBS, words.RECIPIENTS],
        blind=blind if given.has_events else [words.NO_EVENTS, *blind],
        is_partial=given.days.end > today(now),
    )


# --- reputation ------------------------------------------------------------------------------------


def _reputation(given: WeeklyFigures) -> Section:
    now, before = all_tallies(given.figures), all_tallies(given.before)
    tallies = [(one.day, one.tally or Tally()) for one in given.figures]
    rows = [
        [
            day,
            tally.volume,
            *(tally.bounces, _share(tally, Kind.BOUNCES).rate if tally.volume else None),
            *(tally.complaints, _share(tally, Kind.COMPLAINTS).rate if tally.volume else None),
        ]
        for day, tally in tallies
    ]
    columns = [
        Column("day", "day"),
        Column("recipients", "recipients", Form.COUNT),
        Column("bounces", "hard bounces", Form.COUNT),
        Column("bounce_rate", "rate", Form.SHARE),
        Column("complaints", "complaints", Form.COUNT),
        Column("complaint_rate", "rate", Form.SHARE),
    ]
    labels = [day.isoformat()[5:] for day, _ in tallies]
    return Section(
        "reputation",
        "Bounces and complaints",
        checks=[_rate(kind, now, before, given.rules) for kind in Kind],
        tables=[Table("reputation", "Day by day", columns, rows)],
        charts=[
            _chart("Hard bounces", Kind.BOUNCES, labels, [tally for _, tally in tallies], given.rules),
            _chart("Complaints", Kind.COMPLAINTS, labels, [tally for _, tally in tallies], given.rules),
        ],
    )


def _share(tally: Tally, kind: Kind) -> Share:
    return Share(count(tally, kind), tally.volume)


def _chart(title: str, kind: Kind, labels: Sequence[str], tallies: Sequence[Tally], rules: Rules) -> Chart:
    line = rules.line(kind)
    return Chart(
        f"{title}, share of the day's mail",
        ChartKind.LINE,
        labels,
        {
            "rate": [_share(tally, kind).rate if tally.volume else None for tally in tallies],
            "warned of": [line.warn] * len(labels),
            "stops the ordinary lane": [line.pause] * len(labels),
        },
        Form.SHARE,
    )


def _rate(kind: Kind, now: Tally, before: Tally, rules: Rules) -> Check:
    key, title, line = f"{kind.value}_rate", WORDS[kind], rules.line(kind)
    share, was = _share(now, kind), _share(before, kind)
    if now.volume < rules.least_volume:
        said = f"{share.part:,} of {count_of(now.volume, 'recipient')}: too few to judge"
        return Check(key, title, Mark.TOLD, said, share.rate)
    points = COMPLAINT_POINTS if kind is Kind.COMPLAINTS else 0.01
    moved = {Trend.RISEN: ", risen", Trend.FALLEN: ", fallen", Trend.STEADY: ", steady", Trend.TOO_FEW: ""}[
        trend(share, was, points=points, least=line.least)
    ]
    lines = f"warned of at {percent(line.warn)}, AWS reviews at {percent(REVIEW[kind])}"
    earlier = f"; the days before {percent(was.rate)}{moved}" if was.whole else ""
    said = f"{percent(share.rate)} ({share.part:,} of {share.whole:,}); {lines}{earlier}"
    if share.part >= line.least and share.rate >= line.pause:
        mark = Mark.BAD
    elif share.part >= line.least and share.rate >= line.warn:
        mark = Mark.WARN
    else:
        mark = Mark.GOOD
    remedy = "find the source: tank-mailer report domains, and the newest lists of addresses"
    return Check(key, title, mark, said, share.rate, remedy if mark is not Mark.GOOD else None)


# --- suppression -----------------------------------------------------------------------------------


def _suppression(given: WeeklyFigures) -> Section:
    new, before = sum(one.new for one in given.growth), sum(one.before for one in given.growth)
    grows = new >= LEAST_NEW and new >= GROWN * before
    said = f"{count_of(new, 'new address')}" if new == 1 else f"{new:,} new addresses"
    check = Check(
        "suppression_growth",
        "suppression list",
        Mark.WARN if grows else Mark.GOOD,
        f"{said}, in the days before {before:,}",
        new,
        "look where the new addresses come from: tank-mailer suppress list" if grows else None,
    )
    columns = [
        Column("reason", "reason"),
        Column("new", "new", Form.COUNT),
        Column("before", "days before", Form.COUNT),
        Column("total", "in force", Form.COUNT),
    ]
    rows: list[list[Cell]] = [[one.reason, one.new, one.before, one.total] for one in given.growth]
    return Section(
        "suppression",
        "Suppression list",
        checks=[check],
        tables=[Table("suppression", "By reason", columns, rows)],
    )


# --- events ----------------------------------------------------------------------------------------


def _events(given: WeeklyFigures, now: datetime) -> Section:
    title = "How late events come"
    if not given.has_events:
        silent = Check("event_lag", "events", Mark.UNKNOWN, f"not known: {words.NO_EVENTS}", remedy="docs/feedback.md")
        return Section("events", title, checks=[silent])
    checks = [_lag(given.lag), _drained(given.drained_at, now)]
    checks += [_waiting(one) for one in given.outside.queues if one.role == EVENTS]
    return Section("events", title, checks=checks)


def _lag(lag: Histogram) -> Check:
    if lag.median is None or lag.p95 is None:
        return Check("event_lag", "lag", Mark.TOLD, "no event was recorded")
    is_late = lag.p95 >= LATE_S
    said = f"half of {count_of(lag.total, 'event')} within {seconds(lag.median)}, 95 % within {seconds(lag.p95)}"
    remedy = "look at tank-mailer top: a store that is slow, or a daemon that stood still" if is_late else None
    return Check("event_lag", "lag", Mark.WARN if is_late else Mark.GOOD, said, lag.p95, remedy)


def _drained(at: datetime | None, now: datetime) -> Check:
    key, title = "event_queue_drained", "event queue"
    if at is None:
        return Check(key, title, Mark.WARN, "was never seen near empty", remedy="look at tank-mailer top and the log")
    ago = max(timedelta(0), now - at)
    said = f"read up to {seconds(ago.total_seconds())} ago"
    is_behind = ago > DRAINED_WITHIN
    remedy = "look whether a daemon runs: tank-mailer top" if is_behind else None
    return Check(key, title, Mark.WARN if is_behind else Mark.GOOD, said, ago.total_seconds(), remedy)


def _waiting(one: QueueDepth) -> Check:
    match one.depth:
        case NotKnown():
            return one.depth.check("events_waiting", "waiting events")
        case (visible, hidden):
            said = f"{visible:,} on the queue now, {hidden:,} in hand"
            return Check("events_waiting", "waiting events", Mark.TOLD, said, visible)
