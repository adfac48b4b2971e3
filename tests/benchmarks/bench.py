"""A stand-in and one sender on it, both processes of their own, looked at from outside."""

import asyncio
import json
import sys
import tempfile
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from enum import Enum
from pathlib import Path
from typing import Any, Final

import aiohttp
import psutil

from tests.benchmarks.outside import QUEUE, URGENT

ROOT: Final = Path(__file__).parents[2]
PATIENCE_S: Final = 900.0
LOOK_S: Final = 0.05
STOP_S: Final = 10.0
DRAIN_S: Final = 60.0  # long polls end first
UNLIMITED: Final = 1_000_000.0  # recipients a second

# What counts as a call to AWS; what asks the stand-in itself is not counted by it.
Counts = dict[str, dict[str, dict[str, int]]]


class Sender(Enum):
    """Who empties the queue."""

    DAEMON = "daemon"
    BARE = "bare loop"


@dataclass(frozen=True, kw_only=True)
class Process:
    """A sender at work."""

    process: asyncio.subprocess.Process
    started_s: float  # monotonic
    log: Path

    def cpu_s(self) -> float:
        """User and system time so far, of all its threads."""
        times = psutil.Process(self.process.pid).cpu_times()
        return float(times.user + times.system)

    def rss_mb(self) -> float:
        """Resident memory."""
        return float(psutil.Process(self.process.pid).memory_info().rss) / 1e6

    def insist_alive(self) -> None:
        """Raise with the end of its log if it has ended."""
        if self.process.returncode is not None:
            raise RuntimeError(f"ended with {self.process.returncode}: {self.log.read_text()[-2000:]}")


@dataclass(frozen=True, slots=True)
class Filled:
    """How a queue is once jobs were put on it.

    Attributes:
        depth: its messages, those in flight too.
        dead: those on the dead-letter queue.
        at_s: when the last one was put, by the clock that the accept log has.
    """

    depth: int
    dead: int
    at_s: float


@dataclass(kw_only=True)
class Bench:
    """A stand-in, and what starts senders on it."""

    url: str
    folder: Path
    standin: asyncio.subprocess.Process
    http: aiohttp.ClientSession
    put: int = 0
    _running: list[asyncio.subprocess.Process] = field(default_factory=list)

    @property
    def queue_url(self) -> str:
        """Where the jobs are."""
        return f"{self.url}/000000000000/{QUEUE}"

    @property
    def urgent_url(self) -> str:
        """Where those are that go first."""
        return f"{self.url}/000000000000/{URGENT}"

    async def fill(self, jobs: int, *, most: int = 1) -> int:
        """Put so many jobs of up to `most` recipients on the queue, all at once; return how many are on it."""
        self.put += jobs
        return (await self.ask(jobs, most=most)).depth

    async def ask(self, jobs: int = 0, *, queue: str = QUEUE, most: int = 1) -> Filled:
        """Put so many jobs on a queue, and see how it is then."""
        pipe, answers = self.standin.stdin, self.standin.stdout
        if pipe is None or answers is None:
            raise RuntimeError("the stand-in has no pipes")
        pipe.write(json.dumps({"queue": queue, "jobs": jobs, "most": most}).encode() + b"\n")
        return Filled(**json.loads(await answers.readline()))

    def standin_cpu_s(self) -> float:
        """What the stand-in has used so far: it must not be the bottleneck."""
        times = psutil.Process(self.standin.pid).cpu_times()
        return float(times.user + times.system)

    async def seen(self, what: str) -> Any:
        """What an observer sees: `counts`, `log`."""
        async with self.http.get(f"{self.url}/_standin/{what}") as answer:
            return await answer.json()

    async def calls(self) -> int:
        """Calls to SQS and SES so far."""
        counts: Counts = await self.seen("counts")
        return sum(operation["calls"] for service in ("sqs", "ses") for operation in counts[service].values())

    async def start(self, sender: Sender, *, node: str = "", **settings: str) -> Process:
        """Start a sender, with settings of the daemon; it ends with the bench. A `node` has a folder of its own."""
        bare = ["-m", "tests.benchmarks.bare", self.queue_url]
        arguments = ["-m", "tank_mailer", "run"] if sender is Sender.DAEMON else bare
        folder = self.folder / node
        folder.mkdir(exist_ok=True)
        if node:
            settings = {"TANK_NODE": node, **settings}
        log = folder / "log"
        started_s = time.monotonic()
        with log.open("wb") as out:
            process = await asyncio.create_subprocess_exec(
                *(sys.executable, *arguments),
                env=self.environment(folder) | settings,
                stdout=out,
                stderr=out,
                cwd=folder,
            )
        self._running.append(process)
        return Process(process=process, started_s=started_s, log=log)

    def environment(self, folder: Path) -> dict[str, str]:
        """Of a sender with its state in `folder`."""
        return {
            "PATH": "/usr/bin:/bin",
            "PYTHONPATH": str(ROOT),
            "AWS_ACCESS_KEY_ID": "AKIDEXAMPLE",
            "AWS_SECRET_ACCESS_KEY": "secret",
            "AWS_REGION": "eu-west-1",
            "AWS_DEFAULT_REGION": "eu-west-1",
            "AWS_ENDPOINT_URL": self.url,
            "AWS_EC2_METADATA_DISABLED": "true",
            "STATE_DIRECTORY": str(folder),
            "TANK_OUTBOUND_QUEUE_URL": self.queue_url,
            "TANK_CONFIGURATION_SET": "tank",
            "TANK_HTTP_LISTEN": "",
        }

    async def done(self, process: Process) -> None:
        """Wait until the queue is empty: every job sent and deleted."""
        await self.until(process, self._is_empty)

    async def until(self, process: Process, holds: Callable[[], Awaitable[bool]], look_s: float = LOOK_S) -> None:
        """Wait for something to be so, while `process` lives."""
        async with asyncio.timeout(PATIENCE_S):
            while not await holds():
                process.insist_alive()
                await asyncio.sleep(look_s)

    async def _is_empty(self) -> bool:
        return await self.fill(0) == 0

    async def end(self, sender: Process) -> None:
        """Let a sender come to its end."""
        sender.process.terminate()
        async with asyncio.timeout(DRAIN_S):
            await sender.process.wait()

    async def kill(self, sender: Process) -> None:
        """End it in the middle of things, as a power cut does."""
        sender.process.kill()
        async with asyncio.timeout(STOP_S):
            await sender.process.wait()

    async def stop(self) -> None:
        """End what runs."""
        for process in (*self._running, self.standin):
            if process.returncode is None:
                process.kill()
            async with asyncio.timeout(STOP_S):
                await process.wait()


@asynccontextmanager
async def open_bench(
    *, rate: float = UNLIMITED, sqs_latency_s: float = 0.0, ses_latency_s: float = 0.0, event_queue: str = ""
) -> AsyncIterator[Bench]:
    """A stand-in whose account may send `rate` recipients a second."""
    wishes = {
        "rate": rate,
        "sqs_latency_s": sqs_latency_s,
        "ses_latency_s": ses_latency_s,
        "event_queue": event_queue,
    }
    with tempfile.TemporaryDirectory(prefix="tank-figures-") as folder:
        standin = await asyncio.create_subprocess_exec(
            *(sys.executable, "-m", "tests.benchmarks.outside", json.dumps(wishes)),
            stdin=asyncio.subprocess.PIPE,
            stdout=asyncio.subprocess.PIPE,
            cwd=ROOT,
        )
        if standin.stdout is None:
            raise RuntimeError("the stand-in has no pipes")
        url = (await standin.stdout.readline()).decode().strip()
        async with aiohttp.ClientSession() as http:
            bench = Bench(url=url, folder=Path(folder), standin=standin, http=http)
            try:
                yield bench
            finally:
                await bench.stop()
