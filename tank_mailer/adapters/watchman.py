"""A thread that watches the event loop, which cannot watch itself: what hangs for too long is ended, to begin anew."""

import asyncio
import os
import sys
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from types import FrameType
from typing import Any, Final

from tank_mailer.core.health import Liveness
from tank_mailer.telemetry.log import get_logger
from tank_mailer.telemetry.render import MAX_FRAMES, place_of

log = get_logger()

LOOK_S: Final = 5.0
PATIENCE_S: Final = 300.0  # issue of operating: five minutes of failed liveness
EXIT_CODE: Final = 1  # a bug: the supervisor starts us anew
REMEDY: Final = "this is a bug: keep these lines for whoever mends it; queue and ledger lose nothing by the new start"


@dataclass(kw_only=True, eq=False)
class Watchman:
    """Looks every few seconds whether the daemon lives.

    Time counts by looks that found no life: who was stopped (SIGSTOP, a paused machine) has not hung meanwhile. The
    first of them says nothing yet, for such a process looks just like one that hangs until it has had its turn.

    Attributes:
        liveness: how the loops are.
        task_of: the task behind a loop's name, if there is one.
        flush: writes out what is left of the log.
        leave: ends the process at once; the loop that hangs would never come to a gentler end.
    """

    liveness: Callable[[], Liveness]
    task_of: Callable[[str], "asyncio.Task[Any] | None"]
    flush: Callable[[], None]
    look_s: float = LOOK_S
    patience_s: float = PATIENCE_S
    leave: Callable[[int], None] = os._exit
    _failed_s: float = 0.0
    _is_told: bool = False
    _is_over: threading.Event = field(default_factory=threading.Event)

    @contextmanager
    def watching(self) -> Iterator[None]:
        """Watch, until the block ends."""
        thread = threading.Thread(target=self._run, name="watchman", daemon=True)
        thread.start()
        try:
            yield
        finally:
            self._is_over.set()

    def _run(self) -> None:
        while not self._is_over.wait(self.look_s):
            self.look()

    def look(self) -> None:
        """Look once; by the last look of many in vain the process ends."""
        liveness = self.liveness()
        if liveness.is_alive:
            if self._is_told:
                log.info("liveness_recovered", duration_s=self._failed_s)
            self._failed_s, self._is_told = 0.0, False
            return
        if self._failed_s and not self._is_told:
            self._tell(liveness)
            self._is_told = True
        self._failed_s += self.look_s
        if self._failed_s >= self.patience_s:
            hang = [one.name for one in liveness.still]
            log.error("daemon_aborted", hang=hang, failed_s=self._failed_s, exit_code=EXIT_CODE, remedy=REMEDY)
            self.flush()
            self.leave(EXIT_CODE)

    def _tell(self, liveness: Liveness) -> None:
        for one in liveness.still:
            task = self.task_of(one.name)
            log.error(
                "liveness_lost",
                hang=one.name,
                silent_s=one.silent_s,
                at_most_s=one.most_s,
                exit_after_s=self.patience_s,
                waits_at=None if task is None else way_of_task(task),
                loop_at=way_of_main_thread(),
                remedy=REMEDY,
            )


# --- where: files, lines and names of functions, never a value -------------------------------------


def way_of_main_thread() -> str:
    """Where the main thread is, the outermost of its last frames first."""
    frame: FrameType | None = sys._current_frames().get(threading.main_thread().ident or 0)  # noqa: SLF001 - made for this
    frames = list[FrameType]()
    while frame is not None and len(frames) < MAX_FRAMES:
        frames.append(frame)
        frame = frame.f_back
    return " > ".join(_shown(one) for one in reversed(frames))


def way_of_task(task: "asyncio.Task[Any]") -> str:
    """What a task waits for: from its outermost coroutine inwards."""
    frames = list[str]()
    awaits: Any = task.get_coro()
    while awaits is not None and len(frames) < MAX_FRAMES:
        frame = getattr(awaits, "cr_frame", None) or getattr(awaits, "gi_frame", None)
        if frame is None:  # a future, a native iterator: nothing of ours
            break
        frames.append(_shown(frame))
        awaits = getattr(awaits, "cr_await", None) or getattr(awaits, "gi_yieldfrom", None)
    return " > ".join(frames)


def _shown(frame: FrameType) -> str:
    return place_of(frame.f_code.co_filename, frame.f_lineno, frame.f_code.co_name)
