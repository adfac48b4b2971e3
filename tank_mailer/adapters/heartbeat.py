"""A file whose time says that the daemon lives: what a container's health check can look at for next to nothing."""

import asyncio
import os
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from tank_mailer.telemetry.log import get_logger

log = get_logger()

EVERY_S: Final = 10.0
FILE: Final = "heartbeat"  # in the state directory


@dataclass(kw_only=True, eq=False)
class Heartbeat:
    """Touches the file while `is_alive`.

    Attributes:
        path: of the file; its folder need not exist.
        wait: sleeps for so many seconds.
    """

    path: Path
    is_alive: Callable[[], bool]
    wait: Callable[[float], Awaitable[None]] = asyncio.sleep
    _is_told: bool = False

    async def run(self) -> None:
        """Go on until cancelled; by a thread, for a disk that hangs must not hold the loop up."""
        while True:
            if self.is_alive():
                await asyncio.to_thread(self._touch)
            await self.wait(EVERY_S)

    def _touch(self) -> None:
        """One system call where the file exists, which takes no room: a full disk is no obstacle."""
        try:
            try:
                os.utime(self.path)
            except FileNotFoundError:
                self.path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
                self.path.touch(mode=0o600)
        except OSError as error:
            if not self._is_told:
                log.warning(
                    "heartbeat_failed",
                    detail=error.strerror or type(error).__name__,
                    remedy="the state directory must be this user's; a container is taken for dead without the file",
                )
            self._is_told = True
        else:
            self._is_told = False
