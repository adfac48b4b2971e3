"""Adds up what AWS bills for, and writes it down once a minute: a call costs nothing but an addition."""

import asyncio
from collections import Counter
from contextlib import suppress
from dataclasses import dataclass, field

from tank_mailer.core.cost import Item
from tank_mailer.core.errors import StoreError
from tank_mailer.flows.forever import forever
from tank_mailer.ports.usage import Usage

EVERY_S = 60.0
FINISH_S = 2.0


@dataclass(kw_only=True, eq=False)
class UsageMeter:
    """Counts in memory; what a crash loses is a minute of counting, and no mail.

    Attributes:
        _counts: not on disk yet.
    """

    usage: Usage
    _counts: Counter[Item] = field(default_factory=Counter, init=False)

    def add(self, item: Item, count: int) -> None:
        """Count; never waits."""
        self._counts[item] += count

    async def write(self) -> None:
        """Put on disk what was counted so far; while the store is sick it waits here, and the pause says so."""
        counts, self._counts = self._counts, Counter()
        try:
            await self.usage.add(counts)
        except StoreError:
            self._counts.update(counts)

    async def finish(self) -> None:
        """The last write before the daemon ends; a store that does not answer is not waited for."""
        with suppress(TimeoutError):
            async with asyncio.timeout(FINISH_S):
                await self.write()

    async def run(self) -> None:
        """Go on until cancelled."""
        await forever(self._round)

    async def _round(self) -> None:
        await asyncio.sleep(EVERY_S)
        await self.write()
