"""The real daemon as a process of its own: started as an operator starts it, stopped by signals."""

import asyncio
import signal
import sys
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from tank_mailer.cli.demo.folder import Folder

STOP_S: Final = 15.0  # then it is killed
SHOWN_LINES: Final = 10


class DaemonDiedError(Exception):
    """The daemon has ended, and nobody asked it to; `lines` are the last of its log."""

    def __init__(self, code: int, lines: list[str]) -> None:
        super().__init__(f"the daemon ended with exit code {code}")
        self.code = code
        self.lines = lines


@dataclass(frozen=True, slots=True)
class Daemon:
    """A running `tank-mailer run`."""

    process: asyncio.subprocess.Process
    log: Path

    @classmethod
    @asynccontextmanager
    async def start(cls, folder: Folder, environment: Mapping[str, str]) -> "AsyncIterator[Daemon]":
        """Run until the block ends."""
        with folder.log.open("ab") as log:
            process = await asyncio.create_subprocess_exec(
                *(sys.executable, "-m", "tank_mailer", "run", "--env-file", str(folder.env_file)),
                cwd=folder.path,
                env=dict(environment),
                stdin=asyncio.subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                start_new_session=True,  # a terminal's Ctrl-C is the demo's, which passes it on
            )
        daemon = cls(process, folder.log)
        try:
            yield daemon
        finally:
            await daemon.end()

    def require_alive(self) -> None:
        """Raise DaemonDiedError if it is not."""
        if (code := self.process.returncode) is not None:
            lines = self.log.read_text(encoding="utf-8", errors="replace").splitlines()
            raise DaemonDiedError(code, lines[-SHOWN_LINES:])

    def drain(self) -> None:
        """Ask it to finish; its long poll may take twenty seconds to end."""
        self._send(signal.SIGTERM)

    async def end(self) -> int:
        """End it at once, which is safe, and return its exit code; asked to drain before or not."""
        # Two signals, since two of the same kind may arrive as one.
        self._send(signal.SIGTERM)
        self._send(signal.SIGINT)
        try:
            async with asyncio.timeout(STOP_S):
                return await self.process.wait()
        except TimeoutError:
            self._send(signal.SIGKILL)
            return await self.process.wait()

    def _send(self, number: signal.Signals) -> None:
        with suppress(ProcessLookupError):
            self.process.send_signal(number)
