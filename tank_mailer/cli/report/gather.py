"""Brings together what each report is made of: the store's counts, day by day, and what AWS says meanwhile."""

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass, replace
from datetime import date, datetime
from typing import Final, TypeVar

from tank_mailer.adapters import aws
from tank_mailer.adapters.desk import Desk
from tank_mailer.adapters.desk_board import look_at_board
from tank_mailer.adapters.desk_domains import DeskDomains
from tank_mailer.adapters.desk_letters import count_ledger_letters
from tank_mailer.adapters.desk_report import DeskReport
from tank_mailer.adapters.desk_standing import DeskStanding, domains_of
from tank_mailer.adapters.store import SIMULATOR
from tank_mailer.cli.board import kept_pauses, people_pauses
from tank_mailer.cli.report.beyond import Parts, ask_aws
from tank_mailer.cli.terminal import Bar, progress_bar
from tank_mailer.core import queueurl
from tank_mailer.core.holds import shared_pauses
from tank_mailer.core.prices import Prices
from tank_mailer.core.reports.costs import CostFigures, cost
from tank_mailer.core.reports.daily import DailyFigures, daily
from tank_mailer.core.reports.days import WEEK_DAYS, Days
from tank_mailer.core.reports.document import Report
from tank_mailer.core.reports.domainreport import DomainsFigures, domains
from tank_mailer.core.reports.domains import DomainFigures, added_up, largest
from tank_mailer.core.reports.figures import DayFigures, Hour, all_cohorts
from tank_mailer.core.reports.histogram import Histogram
from tank_mailer.core.reports.monthly import MonthlyFigures, monthly
from tank_mailer.core.reports.outside import DEAD_LETTERS, LEDGER_ALONE, Nodes, Outside, QueueDepth
from tank_mailer.core.reports.quotarequest import RequestFigures, quota_request
from tank_mailer.core.reports.weekly import WeeklyFigures, weekly
from tank_mailer.core.reputation import Rules
from tank_mailer.settings import Loaded, Settings

COUNTING: Final = "counting"
T = TypeVar("T")


@dataclass(frozen=True, slots=True, kw_only=True)
class Gatherer:
    """One report's work at the desk."""

    desk: Desk
    loaded: Loaded
    days: Days
    now: datetime

    # --- the reports ---

    async def daily(self) -> Report:
        """Against the seven days before."""
        span = Days(self.days.before(WEEK_DAYS).begin, self.days.end)
        parts = Parts(account=True, queues=True)
        nodes = await self._nodes()
        with self._bar(len(span)) as bar:
            figures, outside = await _both(self._figures(span, bar), self._ask(parts))
        if letters := await count_ledger_letters(self.desk):
            at_rest = QueueDepth(DEAD_LETTERS, LEDGER_ALONE, (letters, 0))
            outside = replace(outside, queues=[*outside.queues, at_rest])
        given = DailyFigures(days=self.days, figures=figures, nodes=nodes, outside=outside, has_events=self._has_events)
        return daily(given, self.now)

    async def weekly(self) -> Report:
        """Against as many days before."""
        standing = DeskStanding(desk=self.desk)
        growth, drained = await standing.growth(self.days), await standing.drained_until()
        parts = Parts(queues=True, domains=await self._domains())
        with self._bar(3 * len(self.days)) as bar:
            counted, outside = await _both(self._week(bar), self._ask(parts))
        figures, before, lag = counted
        given = WeeklyFigures(
            days=self.days,
            figures=figures,
            before=before,
            growth=growth,
            lag=lag,
            drained_at=drained,
            outside=outside,
            has_events=self._has_events,
            rules=rules_of(self.loaded.settings),
        )
        return weekly(given, self.now)

    async def monthly(self, prices: Prices, source: str) -> Report:
        """Against as many days before."""
        parts = Parts(account=True, keys=True, ips=True)
        with self._bar(3 * len(self.days)) as bar:
            counted, outside = await _both(self._month(bar), self._ask(parts))
        figures, hours, before = counted
        given = MonthlyFigures(
            days=self.days,
            figures=figures,
            hours=hours,
            before=before,
            outside=outside,
            cost=await self._cost(figures, outside, prices, source),
            has_events=self._has_events,
        )
        return monthly(given, self.now)

    async def cost(self, prices: Prices, source: str) -> Report:
        """By the price file."""
        with self._bar(len(self.days)) as bar:
            figures, outside = await _both(self._figures(self.days, bar), self._ask(Parts(ips=True)))
        return cost(await self._cost(figures, outside, prices, source), self.now)

    async def domains(self, most: int) -> Report:
        """The largest domains, against as many days before."""
        with self._bar(4 * len(self.days)) as bar:
            now, before = await self._by_domain(self.days, bar), await self._by_domain(self.days.before(), bar)
            total = sum(one.accepted for one in now.values())
            names = [one.domain for one in largest(now, most)]
            given = DomainsFigures(
                days=self.days,
                now=await self._with_events(self.days, {name: now[name] for name in names}, bar),
                before=await self._with_events(
                    self.days.before(), {name: before[name] for name in names if name in before}, bar
                ),
                most=most,
                total=total,
                has_events=self._has_events,
            )
        return domains(given, self.now)

    async def quota_request(self, headroom: float) -> Report:
        """The text for AWS Support."""
        growth = await DeskStanding(desk=self.desk).growth(self.days)
        parts = Parts(account=True, domains=await self._domains())
        with self._bar(2 * len(self.days)) as bar:
            counted, outside = await _both(self._request(bar), self._ask(parts))
        figures, hours = counted
        given = RequestFigures(
            days=self.days,
            figures=figures,
            hours=hours,
            growth=growth,
            outside=outside,
            region=region_of(self.loaded),
            has_events=self._has_events,
            rules=rules_of(self.loaded.settings),
            headroom=headroom,
        )
        return quota_request(given, self.now)

    # --- what the store says ---

    @property
    def _has_events(self) -> bool:
        return self.loaded.settings.event_queue_url is not None

    @staticmethod
    def _bar(total: int) -> AbstractContextManager[Bar]:
        return progress_bar(COUNTING, total=total, counts=False)

    async def _figures(self, days: Days, bar: Bar, *, with_tallies: bool = False) -> list[DayFigures]:
        found = list[DayFigures]()
        async for one in DeskReport(desk=self.desk).days(days, with_tallies=with_tallies):
            found.append(one)
            bar.move(1)
        return found

    async def _hours(self, days: Days, bar: Bar) -> list[Hour]:
        return await self._each(days, DeskReport(desk=self.desk).hours, bar)

    async def _week(self, bar: Bar) -> tuple[list[DayFigures], list[DayFigures], Histogram]:
        figures = await self._figures(self.days, bar, with_tallies=True)
        before = await self._figures(self.days.before(), bar, with_tallies=True)
        lag = Histogram()
        for day in self.days:
            lag += await DeskDomains(desk=self.desk).lag_of_day(day)
            bar.move(1)
        return figures, before, lag

    async def _month(self, bar: Bar) -> tuple[list[DayFigures], list[Hour], int]:
        figures = await self._figures(self.days, bar)
        hours = await self._hours(self.days, bar)
        before = await self._figures(self.days.before(), bar)
        return figures, hours, all_cohorts(before).accepted

    async def _request(self, bar: Bar) -> tuple[list[DayFigures], list[Hour]]:
        return await self._figures(self.days, bar, with_tallies=True), await self._hours(self.days, bar)

    async def _by_domain(self, days: Days, bar: Bar) -> dict[str, DomainFigures]:
        return added_up(await self._each(days, DeskDomains(desk=self.desk).of_day, bar))

    async def _with_events(self, days: Days, known: dict[str, DomainFigures], bar: Bar) -> dict[str, DomainFigures]:
        """The same with delays and times."""
        desk = DeskDomains(desk=self.desk)
        told = await self._each(days, lambda day: desk.events_of_day(day, known), bar)
        return added_up([*known.values(), *(one for one in told if one.domain in known)])

    @staticmethod
    async def _each(days: Days, count: Callable[[date], Awaitable[Sequence[T]]], bar: Bar) -> list[T]:
        found = list[T]()
        for day in days:
            found += await count(day)
            bar.move(1)
        return found

    async def _cost(self, figures: Sequence[DayFigures], outside: Outside, prices: Prices, source: str) -> CostFigures:
        usage = await DeskStanding(desk=self.desk).usage(self.days)
        return CostFigures(days=self.days, usage=usage, figures=figures, ips=outside.ips, prices=prices, source=source)

    async def _domains(self) -> list[str]:
        """Of those who send, and of those who may."""
        allowed = [one if "@" in one else f"@{one}" for one in self.loaded.settings.allowed_senders]
        senders = [*allowed, *await DeskStanding(desk=self.desk).senders()]
        return domains_of([one for one in senders if not one.endswith(SIMULATOR)])

    async def _nodes(self) -> Nodes:
        posted = await look_at_board(self.desk)
        return Nodes(
            alive=posted.others,
            pauses=shared_pauses(posted.others, kept_pauses(posted)),
            orders=people_pauses(posted),
        )

    # --- what AWS says ---

    async def _ask(self, parts: Parts) -> Outside:
        return await ask_aws(self.loaded, parts)


A = TypeVar("A")
B = TypeVar("B")


async def _both(one: Awaitable[A], other: Awaitable[B]) -> tuple[A, B]:
    """Side by side; if one of them breaks, the other is not left behind."""
    first, second = asyncio.ensure_future(one), asyncio.ensure_future(other)
    try:
        return await first, await second
    finally:
        for task in (first, second):
            task.cancel()
        await asyncio.gather(first, second, return_exceptions=True)


def rules_of(settings: Settings) -> Rules:
    """The lines of warning and stopping, as the daemon has them."""
    known = Rules()
    return replace(
        known,
        bounces=replace(known.bounces, warn=settings.bounce_warn, pause=settings.bounce_pause),
        complaints=replace(known.complaints, warn=settings.complaint_warn, pause=settings.complaint_pause),
    )


def region_of(loaded: Loaded) -> str:
    """Where SES is asked, as far as it is known without asking."""
    return aws.make_session(loaded.aws, region=queueurl.region_of(loaded.settings.outbound_queue_url)).region_name or ""
