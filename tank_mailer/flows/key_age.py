"""Asks once a day how old the access key is, and as soon as it is another one."""

import asyncio
from collections.abc import Awaitable, Callable
from contextlib import suppress
from dataclasses import dataclass, field
from datetime import datetime
from typing import Final

from tank_mailer.flows.forever import forever

EVERY_S: Final = 86_400.0
AGAIN_S: Final = 3_600.0  # where it was not said: the network may have been away


@dataclass(kw_only=True, eq=False)
class KeyWatch:
    """Holds the answer.

    Attributes:
        ask: when the key in use was made; None: nobody says.
        changed: set when another key is in use.
        created_at: what was said last of this key.
    """

    ask: Callable[[], Awaitable[datetime | None]]
    changed: asyncio.Event = field(default_factory=asyncio.Event)
    created_at: datetime | None = None

    async def run(self) -> None:
        """Go on until cancelled."""
        await forever(self._ask_and_wait)

    async def _ask_and_wait(self) -> None:
        if self.changed.is_set():  # what was said of the old one is over
            self.changed.clear()
            self.created_at = None
        said = await self.ask()
        self.created_at = said or self.created_at
        with suppress(TimeoutError):
            async with asyncio.timeout(EVERY_S if said else AGAIN_S):
                await self.changed.wait()
