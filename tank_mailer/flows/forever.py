"""Keeps a flow going: a bug in one round is told, and is not the end of the daemon."""

import asyncio
from collections.abc import Awaitable, Callable

from tank_mailer.telemetry.log import get_logger

log = get_logger()

AGAIN_S = 5.0  # after a crash: what fails at once would fill the log


async def forever(round_: Callable[[], Awaitable[None]], *, until: asyncio.Event | None = None) -> None:
    """Do one round after the other, until cancelled, or until `until` is set."""
    while until is None or not until.is_set():
        try:
            await round_()
        except Exception:
            log.exception("flow_crashed")
            await asyncio.sleep(AGAIN_S)
