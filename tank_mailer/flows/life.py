"""Gathers the signs of life, and is one of them: whether the event loop turns, and how late it is."""

import asyncio
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Final

from tank_mailer.core.health import Liveness, Readiness, judge_readiness
from tank_mailer.core.view import NodeView
from tank_mailer.telemetry import metrics
from tank_mailer.telemetry.beats import Beat

EVERY_S: Final = 1.0
MOST_STILL_S: Final = 30.0  # whatever holds the loop up for so long, it is no slow disk


@dataclass(frozen=True, kw_only=True)
class Life:
    """How the daemon is, for those who ask.

    Attributes:
        beats: of the tasks.
        view: how the node is, for whether it is ready.
        committed_s: seconds since a transaction of the store has gone well.
        default_set: the configuration set that all mail goes through whose job names none.
        loop: the loop's own sign of life; there is one as soon as `run` has begun.
    """

    beats: Sequence[Beat]
    view: Callable[[], NodeView]
    committed_s: Callable[[], float]
    default_set: str = ""
    loop: Beat = field(default_factory=lambda: Beat(name="loop", most_s=MOST_STILL_S))

    async def run(self) -> None:
        """Beat each second, and measure how late that is, until cancelled."""
        loop = asyncio.get_running_loop()
        while True:
            self.loop.done(more=True)
            due_s = loop.time() + EVERY_S
            await asyncio.sleep(EVERY_S)
            metrics.loop_lagged(loop.time() - due_s)

    def liveness(self) -> Liveness:
        """Whether we live; may be asked by another thread."""
        return Liveness([beat.pulse for beat in (self.loop, *self.beats)])

    def readiness(self) -> Readiness:
        """Whether mail goes out."""
        return judge_readiness(self.view(), committed_s=self.committed_s(), default_set=self.default_set)

    def task_of(self, name: str) -> "asyncio.Task[object] | None":
        """The task behind a sign of life, as far as it is known."""
        return next((beat.task for beat in self.beats if beat.name == name), None)
