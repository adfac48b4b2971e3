"""Runs the demo from the first line it prints to its exit code."""

import asyncio
import json
import sys
import time
from collections.abc import Coroutine, Mapping
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final, TypeVar

from rich.console import Console
from rich.text import Text

from tank_mailer.cli.demo import report, report_feedback
from tank_mailer.cli.demo.books import Fate, fate_of_aside
from tank_mailer.cli.demo.daemon import DaemonDiedError
from tank_mailer.cli.demo.folder import Folder, FolderTakenError
from tank_mailer.cli.demo.jobs import Play, mixed_play, read_play
from tank_mailer.cli.demo.perform import perform
from tank_mailer.cli.demo.progress import Progress, progress_on
from tank_mailer.cli.demo.result import Result, judge
from tank_mailer.cli.demo.stage import PortTakenError, Stage, StalledError, set_up
from tank_mailer.cli.options import errors, printable
from tank_mailer.cli.standin import EVENTS, EXIT_OUTSIDE, EXIT_USAGE, STOP_SIGNALS, TOPIC
from tank_mailer.core.errors import StoreError
from tank_mailer.standin import StandinOptions

T = TypeVar("T")

EXIT_NO: Final = 3
TICK_S: Final = 0.15
LOOK_EVERY_S: Final = 0.5  # for jobs of others, with --keep
PIPE_WIDTH: Final = 110  # columns, where nobody says how wide it is


class StoppedError(Exception):
    """Somebody has asked for the end."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Wanted:
    """What was asked for."""

    jobs: Path | None
    directory: Path | None
    port: int
    identities: tuple[str, ...]
    stall_s: float
    keeps: bool
    as_json: bool


def show(wanted: Wanted, caller: Mapping[str, str]) -> int:
    """Run the demo; return the exit code."""
    try:
        play = read_play(wanted.jobs) if wanted.jobs else mixed_play()
    except OSError as error:
        return _refuse(f"{wanted.jobs}: {error.strerror}", EXIT_USAGE)
    if not play.total:
        return _refuse(f"{wanted.jobs} holds no jobs", EXIT_USAGE)
    try:
        folder = Folder.make(wanted.directory)
    except FolderTakenError as error:
        return _refuse(str(error), EXIT_USAGE)
    except OSError as error:
        return _refuse(f"{error.filename}: {error.strerror}", EXIT_OUTSIDE)
    return asyncio.run(_Show(wanted, play, folder).run(caller))


def _refuse(text: str, code: int) -> int:
    errors().print(Text(printable(text), "bold red"))
    return code


@dataclass(eq=False)
class _Show:
    wanted: Wanted
    play: Play
    folder: Folder

    def __post_init__(self) -> None:
        terminal = sys.stdout.isatty()
        self.output = Console(highlight=False, width=None if terminal else PIPE_WIDTH)
        self.beside = Console(stderr=True, highlight=False)  # progress, and with --json all that is for people
        self.stop = asyncio.Event()

    async def run(self, caller: Mapping[str, str]) -> int:
        for number in STOP_SIGNALS:
            asyncio.get_running_loop().add_signal_handler(number, self.stop.set)
        options = StandinOptions(
            port=self.wanted.port, identities=self.wanted.identities, event_queue=EVENTS, event_topic=TOPIC
        )
        try:
            async with set_up(self.folder, self.play, options=options, caller=caller) as stage:
                return await self._run_on(stage)
        except StoppedError:
            self.beside.print("Stopped; all that the demo started is down.")
        except DaemonDiedError as error:
            self.beside.print(Text(f"{error}; the end of {self.folder.log}:", "bold red"), soft_wrap=True)
            self.beside.print(Text("\n".join(printable(line) for line in error.lines)), soft_wrap=True)
        except (PortTakenError, StoreError, OSError) as error:
            if self.wanted.directory is None:
                with suppress(OSError):  # it has something in it
                    self.folder.path.rmdir()
            return _refuse(str(error), EXIT_OUTSIDE)
        return EXIT_NO

    async def _until_stopped(self, work: Coroutine[Any, Any, T]) -> T:
        working, asked = asyncio.create_task(work), asyncio.create_task(self.stop.wait())
        await asyncio.wait({working, asked}, return_when=asyncio.FIRST_COMPLETED)
        asked.cancel()
        if working.done():
            return await working
        working.cancel()
        await asyncio.gather(working, return_exceptions=True)
        raise StoppedError

    async def _run_on(self, stage: Stage) -> int:
        report.print_surroundings(self.beside if self.wanted.as_json else self.output, stage)
        faults = list[str]()
        with progress_on(self.beside) as progress:
            try:
                await self._until_stopped(self._see_to_the_end(stage, progress))
            except StalledError as error:
                faults.append(str(error))
        seconds = time.monotonic() - stage.began_s
        if not self.wanted.keeps:
            stage.daemon.drain()
        result = await judge(stage, self.play, seconds=seconds, faults=faults)
        if not self.wanted.as_json:
            report.print_table(self.output, result)
            report_feedback.print_feedback(self.output, result)
        if not self.wanted.keeps and (code := await stage.daemon.end()):
            faults.append(f"the daemon ended with exit code {code}; see {self.folder.log}")
        self._tell(stage, result)
        if self.wanted.keeps:
            await self._stay(stage)
        return 0 if result.is_ok else EXIT_NO

    async def _see_to_the_end(self, stage: Stage, progress: Progress) -> None:
        """Return when every message has left the queues, and the web server knows of everything."""
        performing = asyncio.create_task(perform(stage, self.play))
        seen, moved_s = tuple[int, ...](), time.monotonic()
        try:
            while True:
                stage.daemon.require_alive()
                standing = await stage.standing(self.play.total)
                progress.show(standing)
                if performing.done():
                    performing.result()
                    if await stage.is_over():
                        return
                if standing.progress != seen:
                    seen, moved_s = standing.progress, time.monotonic()
                elif time.monotonic() - moved_s > self.wanted.stall_s:
                    raise StalledError(f"nothing has come to an end for {self.wanted.stall_s:.0f} s")
                await asyncio.sleep(TICK_S)
        finally:
            performing.cancel()
            await asyncio.gather(performing, return_exceptions=True)

    def _tell(self, stage: Stage, result: Result) -> None:
        if self.wanted.as_json:
            shown = result.as_json(self.folder, stage.settings) | {"daemon_pid": stage.daemon.process.pid}
            print(json.dumps(shown, indent=1), flush=True)  # noqa: T201 - for scripts
            return
        report.print_verdict(self.output, result)
        report.print_look_further(self.output, self.folder, result)

    async def _stay(self, stage: Stage) -> None:
        """Go on until a signal; show the end of each job that others put on the queue."""
        told = self.beside if self.wanted.as_json else self.output
        report.print_for_producers(told, stage)
        known, told_of = await self._ends(stage), len(stage.web_server.told)
        while not self.stop.is_set():
            stage.daemon.require_alive()
            ends = await self._ends(stage)
            for key in ends.keys() - known.keys():
                report.print_end(told, ends[key])
            for arrival in stage.web_server.told[told_of:]:
                report_feedback.print_arrival(told, arrival)
            known, told_of = ends, len(stage.web_server.told)
            try:
                async with asyncio.timeout(LOOK_EVERY_S):
                    await self.stop.wait()
            except TimeoutError:
                continue
        told.print("Stopping stand-in and daemon.")

    async def _ends(self, stage: Stage) -> dict[tuple[str, str], Fate]:
        """All ends so far, by queue message and state."""
        books = await stage.books()
        fates = [*map(books.fate_of_row, books.rows.values()), *map(fate_of_aside, books.asides.values())]
        return {(fate.queue_message_id, fate.state): fate for fate in fates if fate.has_ended}
