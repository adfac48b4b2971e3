"""Asks once a day how old the access key is."""

import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
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
        created_at: what was said last.
    """

    ask: Callable[[], Awaitable[datetime | None]]
    created_at: datetime | None = None

    async def run(self) -> None:
        """Go on until cancelled."""
        await forever(self._ask_and_wait)

    async def _ask_and_wait(self) -> None:
        said = await self.ask()
        self.created_at = said or self.created_at
        await asyncio.sleep(EVERY_S if said else AGAIN_S)
