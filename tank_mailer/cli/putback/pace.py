"""How fast something is put back: so that what waits on the queue already is not buried."""

import asyncio
import time
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Annotated

import typer

from tank_mailer.core.enqueue import MAX_ENTRIES

MAX_RATE = 500  # messages a second, as SQS's own redrive

AtRate = Annotated[
    float,
    typer.Option("--rate", metavar="N", min=0.1, max=MAX_RATE, help="Put back so many messages a second at most."),
]


@dataclass(kw_only=True, eq=False)
class Pace:
    """Gives turns to messages.

    Attributes:
        rate: messages a second.
    """

    rate: float
    sleep: Callable[[float], Awaitable[None]] = asyncio.sleep
    now_s: Callable[[], float] = time.monotonic
    _free_s: float | None = None

    @property
    def at_once(self) -> int:
        """How many go in one batch: no more than a second's."""
        return max(1, min(MAX_ENTRIES, int(self.rate)))

    async def turn(self, count: int) -> None:
        """Wait until `count` messages may go."""
        now_s = self.now_s()
        free_s = now_s if self._free_s is None else self._free_s
        if free_s > now_s:
            await self.sleep(free_s - now_s)
        self._free_s = max(now_s, free_s) + count / self.rate
