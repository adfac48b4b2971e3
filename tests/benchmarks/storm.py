"""Nothing but "too fast" for minutes, then none: what it costs, and how soon the pace is back."""

import asyncio
import contextlib
import sqlite3
from bisect import bisect_left
from collections import Counter
from collections.abc import Sequence
from pathlib import Path

from tests.benchmarks.bench import Bench, Process, Sender, open_bench
from tests.benchmarks.figure import Figure, told
from tests.benchmarks.governor import SES_S, SHARE
from tests.benchmarks.share import LEAST, Mail, has_begun, mails

RATE = 14.0  # recipients a second that the account allows
BEFORE_S = 5.0  # at its pace
BINS = 5  # of a second: at 12.6/s a single one holds 12 or 13
RECOVERY_S = 240.0  # then it counts as not recovered
LOOK_S = 1.0
RULE = {
    "service": "ses",
    "operation": "SendEmail",
    "kind": "status",
    "status": 429,
    "code": "TooManyRequestsException",
    "message": "Maximum sending rate exceeded.",
    "times": None,
}


async def measure(seconds: int) -> Sequence[Figure]:
    """A storm of so many seconds."""
    async with asyncio.timeout(seconds + RECOVERY_S + 120), open_bench(rate=RATE, ses_latency_s=SES_S) as bench:
        await bench.fill(int(RATE * (BEFORE_S + RECOVERY_S + 10)))
        process = await bench.start(Sender.DAEMON)
        await bench.until(process, lambda: has_begun(bench))
        await asyncio.sleep(BEFORE_S)
        await _rules(bench, [RULE])
        await asyncio.sleep(seconds)
        refused = await _refused(bench)
        over_s = (await bench.ask()).at_s
        await _rules(bench, None)
        took_s = await _recovered_s(bench, process, over_s)
        log, dead = await mails(bench), (await bench.ask()).dead
        await bench.kill(process)
        charged, dead_rows = await asyncio.to_thread(_ledger, bench.folder)
    doubles = sum(times > 1 for times in Counter(mail.email_id for mail in log).values())
    return [
        told(f"a storm of {seconds} s: calls refused meanwhile", str(refused)),
        Figure(
            name=f"  seconds until {LEAST:.0%} of {RATE * SHARE:g}/s is back, over {BINS} s",
            aim="",
            measured="never" if took_s is None else f"{took_s:.1f}",
            ok=None if took_s is not None else False,
        ),
        _none("  attempts charged", charged),
        _none("  dead letters", dead + dead_rows),
        _none("  accepted twice", doubles),
    ]


def _none(name: str, measured: int) -> Figure:
    return Figure(name=name, aim="0", measured=str(measured), ok=not measured)


async def _rules(bench: Bench, rules: list[dict[str, object]] | None) -> None:
    url = f"{bench.url}/_standin/faults"
    call = bench.http.delete(url) if rules is None else bench.http.post(url, json=rules)
    async with call as answer:
        answer.raise_for_status()


async def _refused(bench: Bench) -> int:
    outcomes = (await bench.seen("counts"))["ses"]["SendEmail"]
    return int(outcomes.get("fault:status", 0))


async def _recovered_s(bench: Bench, process: Process, over_s: float) -> float | None:
    """Seconds from the end of the storm to the end of the first bins that hold the pace; None: not in time."""
    since = int((await bench.seen("counts"))["accepted"])
    deadline_s = asyncio.get_running_loop().time() + RECOVERY_S
    while asyncio.get_running_loop().time() < deadline_s:
        process.insist_alive()
        if (found := _back_s(await mails(bench, since=since), over_s)) is not None:
            return found
        await asyncio.sleep(LOOK_S)
    return None


def _back_s(log: Sequence[Mail], over_s: float) -> float | None:
    times = [mail.at_s - over_s for mail in log]
    for first in range(int(times[-1]) + 1 - BINS if times else 0):
        if bisect_left(times, first + BINS) - bisect_left(times, first) >= LEAST * RATE * SHARE * BINS:
            return float(first)  # from here on
    return None


def _ledger(folder: Path) -> tuple[int, int]:
    """Attempts charged, and jobs given up."""
    with contextlib.closing(sqlite3.connect(folder / "tank-mailer.db", timeout=60)) as db:
        charged, dead = db.execute("select sum(charged), sum(state = 'dead') from jobs").fetchone()
        return int(charged or 0), int(dead or 0)
