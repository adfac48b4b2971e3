"""Forgets what is too old, and counts the mails that SES never said a word about."""

import asyncio
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Protocol

from tank_mailer.core.errors import StoreError
from tank_mailer.core.keeping import count_from, first_mark, slices, uncounted, wait_s
from tank_mailer.flows.forever import forever
from tank_mailer.ports import Attic, Clock
from tank_mailer.ports.nodes import Turns
from tank_mailer.telemetry import metrics
from tank_mailer.telemetry.log import get_logger

log = get_logger()

ROUND = "housekeeping"  # a turn, and marks: when the last round began,
COUNTED = "events_counted"  # and until which acceptance mails without events were counted
BATCH_ROWS = 100  # in one transaction: 7 ms on SQLite, 20 at worst (measured, rows scattered over the file)
BREATH_S = (
    0.05  # between two of them: the store belongs to the sending; 1,500 rows a second are left, ten times 14 mails
)
AGAIN_S = 300.0  # after the store was sick
TURN_S = 30.0  # taken anew before each transaction
STOP_S = 1.0  # for giving it up


class SharedAttic(Attic, Protocol):
    """One of which several nodes may be in charge."""

    async def move_mark(self, name: str, before: datetime | None, at: datetime) -> bool:
        """Note it if nobody has since `before` (None: never noted); False if somebody has."""


@dataclass(frozen=True, kw_only=True)
class Housekeeper:
    """Looks after the store every hour; of several nodes the one that comes first.

    Attributes:
        retention: `TANK_RETENTION_DAYS`.
        has_channel: whether SES's events are read at all.
        jitter: gives numbers from 0 to 1.
        when_lost: told of mails that SES never said a word about, each once.
        turns: shared with other nodes; None: there are none.
    """

    attic: SharedAttic
    clock: Clock
    retention: timedelta
    has_channel: bool
    jitter: Callable[[], float]
    turns: Turns | None = None
    when_lost: Callable[[int], None] = lambda _: None

    async def run(self) -> None:
        """Go on until cancelled."""
        await forever(self._wait_and_tidy)

    async def _wait_and_tidy(self) -> None:
        try:
            last = await self._last_round()
            await asyncio.sleep(wait_s(last, self.clock.now(), jitter=self.jitter()))
            now = self.clock.now()
            if await self._has_turn() and await self.attic.move_mark(ROUND, last, now):
                await self._tidy(now)
        except StoreError as error:
            log.warning("housekeeping_deferred", reason=error.reason, detail=error.detail)
            await asyncio.sleep(AGAIN_S)

    async def _tidy(self, now: datetime) -> None:
        try:
            await self._forget(now - self.retention)
            await self._count_lost(now)
        finally:
            if self.turns is not None:
                with suppress(StoreError, TimeoutError):
                    async with asyncio.timeout(STOP_S):
                        await self.turns.give_up(ROUND)

    async def _has_turn(self) -> bool:
        """False: another node is at it; it may have come while we stood still."""
        return self.turns is None or await self.turns.take(ROUND, for_s=TURN_S)

    async def _last_round(self) -> datetime:
        last = await self.attic.mark(ROUND)
        if last is None:
            last = first_mark(self.clock.now())
            await self.attic.move_mark(ROUND, None, last)
        return last

    async def _forget(self, before: datetime) -> None:
        rows = 0
        try:
            while await self._has_turn() and (count := await self.attic.prune(before, limit=BATCH_ROWS)):
                rows += count
                await asyncio.sleep(BREATH_S)
        finally:  # what is gone is gone, even if the store falls sick or the daemon stops half-way
            if rows:
                log.info("rows_forgotten", rows=rows, before=before)

    async def _count_lost(self, now: datetime) -> None:
        """Count each mail once: noted only after it was told, over restarts and long stops."""
        counted_until = await self.attic.mark(COUNTED)
        if counted_until is None or not self.has_channel:  # mails from before there was a channel are not missed
            await self.attic.set_mark(COUNTED, now if self.has_channel else count_from(now))
            return
        span = uncounted(counted_until, now)
        if span is None:
            return
        lost = accepted = 0
        for part in slices(span):
            lost_then, accepted_then = await self.attic.lost_events(part.begin, part.end)
            lost, accepted = lost + lost_then, accepted + accepted_then
            await asyncio.sleep(BREATH_S)
            if not await self._has_turn():
                return
        if lost:
            metrics.events_lost(lost)
            log.warning(
                "events_lost",
                lost=lost,
                accepted=accepted,
                remedy="look whether each configuration set publishes all kinds of events to a topic that the event"
                " queue is subscribed to, and whether that queue is read in time (retention, quarantine)",
            )
            self.when_lost(lost)
        await self.attic.set_mark(COUNTED, span.end)
