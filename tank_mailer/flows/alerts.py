"""Looks whether anything is wrong, four times a minute, and tells people when that changes."""

import asyncio
import logging
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field, replace
from datetime import datetime
from typing import Final

from tank_mailer.core.alerting import Close, End, Entry, Key, Looker, News, Raise, Step, Tell, news, plan
from tank_mailer.core.alertnews import spell
from tank_mailer.core.alertrules import Judgement, judge
from tank_mailer.core.alerts import RULES, AlertName, Severity
from tank_mailer.core.errors import StoreError
from tank_mailer.core.situation import Situation
from tank_mailer.flows.forever import forever
from tank_mailer.flows.memory_book import MemoryBook
from tank_mailer.ports import Clock, NotTold, Told
from tank_mailer.ports.alerts import AlertBook, AlertReceiver
from tank_mailer.ports.nodes import Turns
from tank_mailer.telemetry.log import get_logger
from tank_mailer.telemetry.render import scrub

log = get_logger()

LOOK_S: Final = 15.0
FIRST_S: Final = 10.0  # the first look waits no longer for the first answers of store and queues
TURN: Final = "alerting"  # of several nodes one tells
TURN_S: Final = 60.0  # a request ends within 17 s
STOP_S: Final = 1.0  # for giving it up
BOOK_S: Final = 5.0  # a store that takes longer is looked after beside: what says that it is sick must not wait for it
WAITS_S: Final = (15.0, 30.0, 60.0, 120.0, 300.0, 600.0)  # after each try that failed; the last one repeats
LEVELS: Final = {Severity.WARNING: logging.WARNING, Severity.CRITICAL: logging.CRITICAL}
REMEDY: Final = (
    "look at TANK_ALERT_WEBHOOK_URL and its service; `tank-mailer alerts test` shows what comes back. It is tried again"
    " by itself, and what is on is kept until it was told"
)


@dataclass(slots=True, eq=False)
class _Shelf:
    """One book, and what is known of it.

    Attributes:
        is_open: it could be read and written just now.
        marks: of what was told, still to be written.
    """

    book: AlertBook
    needs_store: bool
    entries: Sequence[Entry] = ()
    waits: Mapping[Key, datetime] = field(default_factory=dict)
    marks: list[Step] = field(default_factory=list)
    is_open: bool = False


@dataclass(kw_only=True, eq=False)
class Alerts:
    """Compares what holds with what stands on the book; of several nodes each raises, and one tells.

    Attributes:
        book: in the store; what says that the store is sick is kept in memory.
        look: all that this node knows.
        totals: how often things have happened since the start.
        receiver: None: the log alone is told.
        turns: shared with other nodes; None: there are none.
        ready: set once store and queues have been asked.
    """

    book: AlertBook
    look: Callable[[], Situation]
    clock: Clock
    node: str
    totals: Callable[[], Mapping[AlertName, int]] = dict
    receiver: AlertReceiver | None = None
    turns: Turns | None = None
    ready: asyncio.Event = field(default_factory=asyncio.Event)
    _shared: _Shelf = field(init=False)
    _own: _Shelf = field(init=False)
    _began_at: datetime | None = None
    _counted: Mapping[AlertName, int] = field(default_factory=dict)
    _failing_since: datetime | None = None
    _failures: int = 0
    _again_s: float = float("-inf")
    _comparing: asyncio.Task[None] | None = None  # the store's book

    def __post_init__(self) -> None:
        self._shared, self._own = _Shelf(self.book, needs_store=True), _Shelf(MemoryBook(), needs_store=False)

    def firing(self) -> Mapping[tuple[AlertName, Severity], int]:
        """How many of each alert are on, those that are not among them: for metrics."""
        counts = {(rule.name, rule.severity): 0 for rule in RULES.values()}
        for entry in self._entries:
            if entry.is_on:
                counts[entry.name, entry.rule.severity] += 1
        return counts

    @property
    def _entries(self) -> list[Entry]:
        return [*self._own.entries, *self._shared.entries]

    # --- the flow ---

    async def run(self) -> None:
        """Go on until cancelled."""
        with suppress(TimeoutError):
            async with asyncio.timeout(FIRST_S):
                await self.ready.wait()
        try:
            await forever(self._look_and_wait)
        finally:
            if self._comparing is not None:
                self._comparing.cancel()
            if self.turns is not None:
                with suppress(StoreError, TimeoutError):
                    async with asyncio.timeout(STOP_S):
                        await self.turns.give_up(TURN)

    async def _look_and_wait(self) -> None:
        await self.once()
        await asyncio.sleep(LOOK_S)

    async def once(self) -> None:
        """Look, and tell what has changed."""
        self._began_at = self._began_at or self.clock.now()
        totals = dict(self.totals())
        happened = {name: total - self._counted.get(name, 0) for name, total in totals.items()}
        judgement = judge(replace(self.look(), happened=happened))
        await self._compare(self._own, judgement)
        await self._compare_shared(judgement, totals)
        await self._tell()

    async def _compare_shared(self, judgement: Judgement, totals: Mapping[AlertName, int]) -> None:
        """Bring the store's book up to date, or leave that going on: requests may wait for minutes there."""
        if self._comparing is None:
            self._comparing = asyncio.create_task(self._compare(self._shared, judgement, totals))
        ended, _ = await asyncio.wait({self._comparing}, timeout=BOOK_S)
        if not ended:
            self._shared.is_open = False
            return
        ended_one, self._comparing = self._comparing, None
        ended_one.result()

    # --- what is on ---

    async def _compare(
        self, shelf: _Shelf, judgement: Judgement, totals: Mapping[AlertName, int] | None = None
    ) -> None:
        """Bring one book up to date; a sick store is told of by the other one.

        Args:
            shelf: which.
            judgement: what holds.
            totals: what has been counted then, and stands on the book afterwards.
        """
        found = [
            replace(one, detail=scrub(one.detail))  # what SES or a driver said may quote an address
            for one in judgement.found
            if RULES[one.name].needs_store is shelf.needs_store
        ]
        try:
            await self._mark(shelf)
            shelf.entries = await shelf.book.entries()
            planned = plan(
                shelf.entries,
                replace(judgement, found=found),
                shelf.waits,
                now=self.clock.now(),
                looker=Looker(
                    node=self.node, began_at=self._began_at or self.clock.now(), has_others=self.turns is not None
                ),
            )
            taken = await shelf.book.take(planned.steps)
            if taken:
                shelf.entries = await shelf.book.entries()
        except StoreError:
            shelf.is_open = False
            return
        shelf.waits, shelf.is_open = planned.waits, True
        self._counted = self._counted if totals is None else totals
        for step in taken:
            self._log(step)

    def _log(self, step: Step) -> None:
        entry, about = step.entry, step.entry.subject or None
        match step:
            case Raise():
                log.log(
                    LEVELS[entry.severity],
                    "alert_raised",
                    alert=entry.name,
                    severity=entry.severity,
                    about=about,
                    since=entry.since,
                    detail=entry.detail,
                    remedy=entry.remedy,
                )
            case End(_, at) if not entry.rule.is_event:
                duration_s = round((at - entry.since).total_seconds(), 1)
                log.info(
                    "alert_recovered", alert=entry.name, severity=entry.severity, about=about, duration_s=duration_s
                )
            case _:
                pass

    @staticmethod
    async def _mark(shelf: _Shelf) -> None:
        """Write down what was told; raises `StoreError`, and then it is done before anything else is told."""
        if shelf.marks:
            await shelf.book.take(shelf.marks)
            shelf.marks = []

    # --- telling ---

    async def _tell(self) -> None:
        shelves = [shelf for shelf in (self._own, self._shared) if shelf.is_open]
        if self.receiver is None:
            for shelf in shelves:
                await self._close(shelf, [entry for entry in shelf.entries if not entry.is_on])
            return
        if self.clock.boot_s() < self._again_s:
            return
        untold = [(shelf, news(shelf.entries, now=self.clock.now())) for shelf in shelves]
        if self.turns is not None:
            untold = [(shelf, what) for shelf, what in untold if shelf is self._own]
            if self._shared.is_open and (what := await self._in_turn(self.turns)):
                untold.append((self._shared, what))
        for shelf, what in untold:
            await self._close(shelf, what.quiet)
        all_of_it = News(
            [entry for _, what in untold for entry in what.firing],
            [entry for _, what in untold for entry in what.recovered],
        )
        if not all_of_it.is_none:
            self._note(await self.receiver.tell(spell(all_of_it, node=self.node)), untold)
            for shelf, _ in untold:
                with suppress(StoreError):
                    await self._mark(shelf)

    async def _in_turn(self, turns: Turns) -> News | None:
        """What the nodes have not told yet, if it is for us to tell it; another may have told it by now."""
        shelf = self._shared
        if _is_nothing(news(shelf.entries, now=self.clock.now())):
            return None
        try:
            if not await turns.take(TURN, for_s=TURN_S):
                return None
            shelf.entries = await shelf.book.entries()
        except StoreError:
            return None
        return news(shelf.entries, now=self.clock.now())

    async def _close(self, shelf: _Shelf, entries: Sequence[Entry]) -> None:
        """Nobody is to be told of their ends."""
        now = self.clock.now()
        steps = [Close(entry, now) for entry in entries if entry.closed_at is None]
        if steps:
            with suppress(StoreError):  # the next look does it
                await shelf.book.take(steps)
                shelf.entries = await shelf.book.entries()

    def _note(self, answer: Told | NotTold, untold: Sequence[tuple[_Shelf, News]]) -> None:
        now = self.clock.now()
        match answer:
            case Told():
                for shelf, what in untold:
                    shelf.marks += [Tell(entry, now) for entry in what.firing]
                    shelf.marks += [Close(entry, now) for entry in what.recovered]
                if self._failing_since is not None:
                    duration_s = round((now - self._failing_since).total_seconds(), 1)
                    log.info("alert_webhook_recovered", duration_s=duration_s)
                self._failing_since, self._failures, self._again_s = None, 0, float("-inf")
            case NotTold(detail, status):
                self._again_s = self.clock.boot_s() + WAITS_S[min(self._failures, len(WAITS_S) - 1)]
                self._failures += 1
                if self._failing_since is None:
                    self._failing_since = now
                    log.error("alert_webhook_failing", detail=detail, status=status, remedy=REMEDY)


def _is_nothing(what: News) -> bool:
    return what.is_none and not what.quiet
