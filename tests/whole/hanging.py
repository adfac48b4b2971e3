"""Runs tank-mailer with a bug that makes a part of it hang: `python hanging.py run`, and `HANGS` says which."""

import asyncio
import os
import time
from functools import partial

from tank_mailer.adapters.watchman import Watchman
from tank_mailer.cli import main
from tank_mailer.daemon import watching
from tank_mailer.flows import intake, life

HANGS = "HANGS"  # `loop`: nothing turns any more; `lane`: its poll loop waits for what never comes
LOOK_S, PATIENCE_S, MOST_S = 0.1, 1.0, 5.0  # instead of five seconds, five minutes, half a minute


def stand_still() -> None:
    """Hold the event loop up."""
    time.sleep(3_600)


async def loop_hangs(_: intake.Intake) -> int:
    """In the place of the room that there is."""
    stand_still()
    return 0


async def lane_hangs(_: intake.Intake) -> int:
    """In the same place."""
    await asyncio.Event().wait()
    return 0


if __name__ == "__main__":
    rooms = {"loop": loop_hangs, "lane": lane_hangs}
    watching.Watchman = partial(Watchman, look_s=LOOK_S, patience_s=PATIENCE_S)  # type: ignore[assignment, attr-defined]
    intake.MOST_ROUND_S = life.MOST_STILL_S = MOST_S  # type: ignore[misc]
    intake.Intake._room = rooms[os.environ[HANGS]]  # type: ignore[assignment, method-assign]  # noqa: TID251 - its own
    main()
