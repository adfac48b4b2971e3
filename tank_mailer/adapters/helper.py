"""Runs a `credential_process` for the SDK; one that is waited for in vain does not stay behind."""

import asyncio
from contextlib import suppress
from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True, slots=True)
class Helper:
    """As much of a process as the SDK asks for."""

    process: asyncio.subprocess.Process

    @property
    def returncode(self) -> int | None:
        """Of a process that has ended."""
        return self.process.returncode

    async def communicate(self) -> tuple[bytes, bytes]:
        """Wait for its end and return what it wrote; whoever stops waiting ends it."""
        try:
            return await self.process.communicate()
        except asyncio.CancelledError:
            with suppress(ProcessLookupError):
                self.process.kill()
            raise


async def start_helper(*command: str, **pipes: Any) -> Helper:  # noqa: ANN401 - what the SDK hands on
    """Start it, without a standard input: it has nobody to ask for a password."""
    return Helper(await asyncio.create_subprocess_exec(*command, stdin=asyncio.subprocess.DEVNULL, **pipes))
