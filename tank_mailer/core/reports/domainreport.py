"""The report on recipient domains."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Final

from tank_mailer.core.reports import words
from tank_mailer.core.reports.days import Days, today
from tank_mailer.core.reports.document import Cell, Chart, ChartKind, Check, Column, Form, Mark, Report, Section, Table
from tank_mailer.core.reports.domains import (
    ELSEWHERE,
    LEAST_ACCEPTED,
    DomainFigures,
    Ill,
    Worse,
    largest,
    worse,
    worst_first,
)
from tank_mailer.core.reports.spell import count_of

CHARTED: Final = 12
ERASED: Final = "(erased)"
OTHERS: Final = "(others)"
REMEDIES: Final[Mapping[Ill, str]] = {
    Ill.BOUNCES: "look at the bounces' words: tank-mailer status of some of its mails",
    Ill.COMPLAINTS: "find which mail its people call spam, and stop it",
    Ill.DELAYS: "slow down to this domain, and look whether its servers name a reason",
    Ill.SLOW: "look whether its servers put mail off: tank-mailer status of some of its mails",
}


@dataclass(frozen=True, slots=True, kw_only=True)
class DomainsFigures:
    """What it is made of.

    Attributes:
        now: of the span, by domain.
        before: of as many days before.
        most: how many domains are shown.
        total: recipients accepted in the span, those of small domains too.
    """

    days: Days
    now: Mapping[str, DomainFigures]
    before: Mapping[str, DomainFigures]
    most: int
    total: int
    has_events: bool


def domains(given: DomainsFigures, now: datetime) -> Report:
    """Answer it."""
    shown = largest(given.now, given.most)
    judged = [(one, worse(one, given.before.get(one.domain, DomainFigures(domain=one.domain)))) for one in shown]
    blind = [words.GMAIL, words.OTHERS, words.RETENTION]
    return Report(
        kind="domains",
        title="Report on recipient domains",
        days=given.days,
        made_at=now,
        sections=[_bad(given, judged), _all(given, judged)],
        counts=[words.RECIPIENTS, words.TIMES],
        blind=blind if given.has_events else [words.NO_EVENTS, *blind],
        is_partial=given.days.end > today(now),
    )


def named(domain: str) -> str:
    """For people."""
    return ERASED if domain == ELSEWHERE else domain


def _bad(given: DomainsFigures, judged: Sequence[tuple[DomainFigures, Sequence[Worse]]]) -> Section:
    checks = [
        Check(f"domain_{one.ill.value}", named(figures.domain), Mark.WARN, one.said, figures.domain, REMEDIES[one.ill])
        for figures, ills in worst_first(judged)
        for one in ills
    ]
    few = sum(figures.accepted < LEAST_ACCEPTED for figures, _ in judged)
    if not checks:
        said = f"none of {count_of(len(judged) - few, 'domain')} with at least {LEAST_ACCEPTED} recipients"
        checks = [Check("domains", "domains going bad", Mark.GOOD, f"{said}, against {given.days.before().shown}")]
    return Section("bad", f"Going bad against the {count_of(len(given.days), 'day')} before", checks=checks)


def _all(given: DomainsFigures, judged: Sequence[tuple[DomainFigures, Sequence[Worse]]]) -> Section:
    columns = [
        Column("domain", "domain"),
        Column("accepted", "accepted", Form.COUNT),
        Column("delivered", "deliv.", Form.COUNT),
        Column("delayed", "delays", Form.COUNT),
        Column("hard_bounced", "hard", Form.COUNT),
        Column("soft_bounced", "soft", Form.COUNT),
        Column("complained", "compl.", Form.COUNT),
        Column("median_s", "median", Form.SECONDS),
        Column("p95_s", "95 %", Form.SECONDS),
        Column("going_bad", "bad"),
    ]
    rows: list[list[Cell]] = [[*_cells(one), ", ".join(ill.ill for ill in ills) or None] for one, ills in judged]
    rest = given.total - sum(one.accepted for one, _ in judged)
    if rest > 0:
        rows.append([OTHERS, rest, *[None] * (len(columns) - 2)])
    note = (
        "deliv.: delivered; delays: recipients of whom SES told a delay, whatever came of it; hard, soft: bounces;"
        " compl.: complaints; median and 95 %: from SES's taking the mail to its delivery"
    )
    top = [one for one, _ in judged[:CHARTED]]
    labels = [named(one.domain) for one in top]
    charts = [
        Chart(
            "What became of the mail, share of each domain's",
            ChartKind.STACKED,
            labels,
            {
                "delivered": [_of(one.delivered, one) for one in top],
                "soft bounced": [_of(one.soft, one) for one in top],
                "hard bounced": [_of(one.hard + one.rejected, one) for one in top],
                "not known yet": [_of(_open(one), one) for one in top],
            },
            Form.SHARE,
            is_over_time=False,
        ),
        Chart(
            "Time to delivery: half of the mail, and 95 % of it",
            ChartKind.BARS,
            labels,
            {"median": [one.times.median for one in top], "95 %": [one.times.p95 for one in top]},
            Form.SECONDS,
            is_over_time=False,
        ),
    ]
    table = Table("domains", "By domain, the largest first", columns, rows, note=note)
    return Section("domains", "Domains", tables=[table], charts=charts if top else [])


def _cells(one: DomainFigures) -> list[Cell]:
    counts = (one.accepted, one.delivered, one.delayed, one.hard, one.soft, one.complained)
    return [named(one.domain), *counts, one.times.median, one.times.p95]


def _of(part: int, one: DomainFigures) -> float:
    return part / one.accepted if one.accepted else 0.0


def _open(one: DomainFigures) -> int:
    return max(0, one.accepted - one.delivered - one.soft - one.hard - one.rejected)
