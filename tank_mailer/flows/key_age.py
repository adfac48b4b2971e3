"""Asks once a day how old the access key is, and at once when it is another."""

import asyncio
import math
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from datetime import datetime
from typing import Final

from tank_mailer.flows.forever import forever

LOOK_EVERY_S: Final = 60.0  # at which key is in use: the alert of an old one ends when that one does
EVERY_S: Final = 86_400.0
AGAIN_S: Final = 3_600.0  # where it was not said: the network may have been away


@dataclass(kw_only=True, eq=False)
class KeyWatch:
    """Holds the answer.

    Attributes:
        in_use: the id of the key in use; None: none that has an age to speak of.
        ask: when the key of that id was made; None: nobody says.
        created_at: what was said last of the key in use.
    """

    in_use: Callable[[], Awaitable[str | None]]
    ask: Callable[[str], Awaitable[datetime | None]]
    created_at: datetime | None = None
    _key: str | None = None
    _due_s: float = -math.inf

    async def run(self) -> None:
        """Go on until cancelled."""
        await forever(self._look)

    async def _look(self) -> None:
        key = await self.in_use()
        if key != self._key:
            self._key, self.created_at, self._due_s = key, None, -math.inf
        now_s = asyncio.get_running_loop().time()
        if key is not None and now_s >= self._due_s:
            said = await self.ask(key)
            self.created_at = said or self.created_at
            self._due_s = now_s + (EVERY_S if said else AGAIN_S)
        await asyncio.sleep(LOOK_EVERY_S)
