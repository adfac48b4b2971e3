"""Keeps a flow going: a bug in one round is told, and is not the end of the daemon."""

import asyncio
from collections.abc import Awaitable, Callable

from tank_mailer.telemetry.beats import Beat
from tank_mailer.telemetry.log import get_logger

log = get_logger()

AGAIN_S = 5.0  # after a crash: what fails at once would fill the log


async def forever(
    round_: Callable[[], Awaitable[None]], *, until: asyncio.Event | None = None, beat: Beat | None = None
) -> None:
    """Do one round after the other, until cancelled, or until `until` is set.

    Args:
        round_: what is done.
        until: as above.
        beat: of a loop that must not stand still: each of its rounds ends soon, or it hangs; and one that crashes
            has not ended.
    """
    if beat is not None:
        beat.task = asyncio.current_task()
    while until is None or not until.is_set():
        if beat is not None:
            beat.begin()
        try:
            await round_()
        except Exception:
            log.exception("flow_crashed")
            await asyncio.sleep(AGAIN_S)
        else:
            if beat is not None:
                beat.done()
    if beat is not None:  # after a crash, too: who has come to the end does not hang
        beat.done()
