"""Signs of life of the loops that must not stand still: since when each has had work and finished none of it.

A loop that waits for work, however long, is alive; so is one whose work fails, for AWS or a server may be away. One
that never comes to the end of what it began is not.
"""

import asyncio
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Final

from tank_mailer.core.health import Pulse

ROUND_S: Final = 15.0  # a loop that waits for something comes round so often all the same


@dataclass(slots=True, kw_only=True, eq=False)
class Beat:
    """One loop's. Read by other threads, too.

    Attributes:
        name: for people: `lane/ordinary`.
        most_s: longer than anything takes that it does, time-outs of the outside world included.
        now_s: a clock that stands still in suspend: who was asleep has missed nothing.
        task: the one that does the work, as far as it is known.
    """

    name: str
    most_s: float
    now_s: Callable[[], float] = time.monotonic
    task: asyncio.Task[Any] | None = None
    _since_s: float | None = None

    def begin(self) -> None:
        """There is work."""
        if self._since_s is None:
            self._since_s = self.now_s()

    def done(self, *, more: bool = False) -> None:
        """Some of it is finished, well or not; `more`: there is some left."""
        self._since_s = self.now_s() if more else None

    @property
    def pulse(self) -> Pulse:
        """How it is just now."""
        since_s = self._since_s
        return Pulse(self.name, 0.0 if since_s is None else self.now_s() - since_s, self.most_s)
