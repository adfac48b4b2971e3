"""Reports over a ledger of a million rows beside one of ten thousand: time, memory, a writer that goes on beside."""

import asyncio
import re
import sqlite3
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Sequence
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path
from statistics import median

from tank_mailer.adapters.database import locate, open_engine, upgrade
from tank_mailer.standin import Standin, StandinOptions
from tests.benchmarks.figure import Figure, at_most, told
from tests.benchmarks.ledgerfill import fill

DAYS = 30
REPORTS = {
    "daily": ("daily",),
    "weekly": ("weekly",),
    "monthly, all 30 days": ("monthly", "--since", "30d"),
    "domains, 7 days against 7": ("domains",),
}
MOST_DAILY_S = 5.0
MOST_GROWTH_MB = 20.0  # of memory, from ten thousand rows to a million
MOST_WAIT_S = 0.5  # of a writer beside
PAUSE_S = 0.02  # between its transactions: as many as a busy daemon makes
LOOK_S = 0.02  # at the memory of a report
HIGH_WATER = re.compile(r"VmHWM:\s+(\d+) kB")  # the kernel's own: no peak between two looks is missed


@dataclass(frozen=True, slots=True)
class Run:
    """One process from its start to its end; memory is the most that it ever had."""

    seconds: float
    megabytes: float


async def measure(few: int, many: int) -> Sequence[Figure]:
    """All four, on both ledgers; AWS is a stand-in that answers at once."""
    with tempfile.TemporaryDirectory(prefix="tank-figures-") as folder:
        began_s = time.monotonic()
        small, large = await _ledger(Path(folder) / "small.db", few), await _ledger(Path(folder) / "large.db", many)
        figures = [
            told(f"a ledger of {many:,} jobs", f"{large.stat().st_size / 1e9:.2f} GB, made in {_since(began_s):.0f} s")
        ]
        async with Standin.start(StandinOptions(queues=("jobs", "events"))) as standin:
            for name, arguments in REPORTS.items():
                figures += await asyncio.to_thread(_compared, name, arguments, (small, large), standin.url)
            waits = await asyncio.to_thread(_writer_beside, large, standin.url)
    shown = f" s; half of {len(waits):,} within {1000 * median(waits):.1f} ms"
    return [
        *figures,
        at_most("longest wait of a writer beside monthly", limit=MOST_WAIT_S, measured=max(waits), detail=shown),
    ]


async def _ledger(path: Path, jobs: int) -> Path:
    async with open_engine(locate(f"sqlite+aiosqlite:///{path}"), creates=True) as engine:
        await upgrade(engine)
    await asyncio.to_thread(fill, path, jobs, days=DAYS)
    return path


def _since(began_s: float) -> float:
    return time.monotonic() - began_s


def _compared(name: str, arguments: Sequence[str], ledgers: tuple[Path, Path], aws: str) -> list[Figure]:
    before, after = (_report(path, arguments, aws) for path in ledgers)
    shown = f" s ({before.seconds:.2f} s with few rows)"
    time_ = f"report {name}: time"
    memory = f"  most memory {after.megabytes:.0f} MB; more than with few rows"
    return [
        at_most(time_, limit=MOST_DAILY_S, measured=after.seconds, detail=shown)
        if name == "daily"
        else told(time_, f"{after.seconds:.2f}{shown}"),
        at_most(memory, limit=MOST_GROWTH_MB, measured=after.megabytes - before.megabytes, detail=" MB"),
    ]


def _report(path: Path, arguments: Sequence[str], aws: str) -> Run:
    command = [sys.executable, "-m", "tank_mailer", "report", *arguments, "--json"]
    environment = {
        "PATH": "/usr/bin:/bin",
        "TANK_OUTBOUND_QUEUE_URL": f"{aws}/000000000000/jobs",
        "TANK_EVENT_QUEUE_URL": f"{aws}/000000000000/events",
        "TANK_CONFIGURATION_SET": "tank",
        "TANK_DATABASE_URL": f"sqlite+aiosqlite:///{path}",
        "AWS_ENDPOINT_URL": aws,
        "AWS_REGION": "eu-west-1",
        "AWS_ACCESS_KEY_ID": "nobody",
        "AWS_SECRET_ACCESS_KEY": "nothing",
    }
    began_s, most_kb = time.monotonic(), 0
    process = subprocess.Popen(command, env=environment, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    status = Path(f"/proc/{process.pid}/status")
    while process.poll() is None:
        if found := HIGH_WATER.search(status.read_text(encoding="utf-8")):  # a zombie has none
            most_kb = int(found[1])
        time.sleep(LOOK_S)
    if process.returncode:
        raise RuntimeError(f"report {arguments[0]} ended with {process.returncode}")
    return Run(_since(began_s), most_kb / 1024)


def _writer_beside(path: Path, aws: str) -> list[float]:
    """How long each transaction of a writer took, from asking for the lock to the commit, while the report ran."""
    ended, waits = threading.Event(), list[float]()

    def write() -> None:
        with closing(sqlite3.connect(path, isolation_level=None, timeout=30)) as connection:
            connection.execute("PRAGMA synchronous=FULL")
            while not ended.is_set():
                began_s = time.monotonic()
                connection.execute("BEGIN IMMEDIATE")
                connection.execute("INSERT OR REPLACE INTO pulse (id, at) VALUES (1, ?)", (time.time(),))
                connection.execute("COMMIT")
                waits.append(_since(began_s))
                ended.wait(PAUSE_S)

    thread = threading.Thread(target=write)
    thread.start()
    try:
        _report(path, REPORTS["monthly, all 30 days"], aws)
    finally:
        ended.set()
        thread.join()
    return waits
