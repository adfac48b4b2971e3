"""Events a second that the running daemon drains into SQLite with full sync, and what each costs."""

import asyncio
import contextlib
import sqlite3
import time
from collections.abc import Sequence
from pathlib import Path

from tank_mailer.daemon.feedback import EVENTS_BESIDE
from tests.benchmarks.bench import Bench, Process, Sender, open_bench
from tests.benchmarks.figure import Figure, at_least, told
from tests.benchmarks.pace import fullest_second

EVENTS_QUEUE = "events"
WARM_UP = 300
FAR_S = 0.1  # to SQS, each call
AIM, AIM_FAR = 1_000, 300  # events a second
RATE_SHARE = 0.9  # TANK_RATE_SHARE, as it comes
SHARE = 0.95  # of the rate that sends keep beside a backlog
KINDS = ["SEND", "DELIVERY"]  # of each mail, as it mostly is


async def measure(events: int, backlog: int, rate: float) -> Sequence[Figure]:
    """Near, far, and beside a running sending."""
    near, near_ms = await drained(events)
    far, _ = await drained(events, sqs_latency_s=FAR_S)
    return [
        at_least("events a second, loopback", limit=AIM, measured=near, detail=f" ({events} events)"),
        at_least("events a second and core of the daemon", limit=AIM, measured=1000 / near_ms),
        told("CPU ms an event", f"{near_ms:.2f}"),
        at_least("events a second, 100 ms to SQS", limit=AIM_FAR, measured=far),
        *await beside(backlog, rate),
    ]


async def drained(events: int, *, sqs_latency_s: float = 0.0) -> tuple[float, float]:
    """Events a second, and the daemon's CPU milliseconds each, over events of mails that the ledger knows."""
    async with open_bench(sqs_latency_s=sqs_latency_s, event_queue=EVENTS_QUEUE) as bench:
        process = await _started(bench, events)
        await _flood(bench, WARM_UP, first=10_000_000)
        await bench.until(process, lambda: _are_recorded(bench, WARM_UP))
        cpu_s, began_s = process.cpu_s(), time.monotonic()
        await _flood(bench, events, first=1)
        flooded_s = time.monotonic()
        await bench.until(process, lambda: _are_recorded(bench, WARM_UP + events))
        took_s = time.monotonic() - (began_s + flooded_s) / 2
        return events / took_s, 1000 * (process.cpu_s() - cpu_s) / events


async def beside(backlog: int, rate: float) -> list[Figure]:
    """Send at `rate` for as long as a backlog of events is drained."""
    async with open_bench(rate=rate, event_queue=EVENTS_QUEUE) as bench:
        await bench.end(await _started(bench, backlog))
        await _flood(bench, backlog, first=1)  # both hold the stand-in up, and a burst after that is refused
        await bench.fill(int(backlog * rate / EVENTS_BESIDE * 2))
        process = await _start(bench)
        await bench.until(process, lambda: _accepted(bench, int(rate)))
        log = await bench.seen("log")
        began, began_s = len(log), time.monotonic()
        await bench.until(process, lambda: _are_recorded(bench, backlog), look_s=0.5)
        took_s = time.monotonic() - began_s
        log = await bench.seen("log")
        share = (len(log) - began) / took_s / (rate * RATE_SHARE)
        throttles = (await bench.seen("counts"))["throttles"]
        return [
            told(f"backlog of {backlog} events beside {rate:g} mails/s", f"{backlog / took_s:.0f} events/s"),
            at_least("  share of the send rate meanwhile", limit=SHARE, measured=share),
            told("  refusals meanwhile", str(len(throttles))),
            told("  fullest second of sends", f"{fullest_second([entry['monotonic_s'] for entry in log])} of {rate:g}"),
        ]


async def _start(bench: Bench) -> Process:
    queue = f"{bench.url}/000000000000/{EVENTS_QUEUE}"
    topic = "arn:aws:sns:eu-west-1:000000000000:ses-events"
    return await bench.start(Sender.DAEMON, TANK_EVENT_QUEUE_URL=queue, TANK_EVENT_TOPIC_ARNS=topic)


async def _started(bench: Bench, mails: int) -> Process:
    """Start the daemon, and let its ledger know the mails that the events will be about."""
    process = await _start(bench)
    await bench.until(process, lambda: _is_there(bench.folder))
    await asyncio.to_thread(_fill_ledger, bench.folder, mails // len(KINDS))
    return process


async def _is_there(folder: Path) -> bool:
    return "daemon_started" in (folder / "log").read_text()


def _fill_ledger(folder: Path, mails: int) -> None:
    now = time.time()
    jobs = [(f"flood-{n}", f"m-{n}", now, now, f"0102flood-{n}-000000", now) for n in range(1, mails + 1)]
    receipts = [(f"0102flood-{n}-000000", f"flood-{n}", now) for n in range(1, mails + 1)]
    recipients = [(f"flood-{n}", f"flood-{n}@example.org", now) for n in range(1, mails + 1)]
    with contextlib.closing(sqlite3.connect(folder / "tank-mailer.db", timeout=60)) as db, db:
        db.executemany(
            "insert into jobs (email_id, state, content_hash, lane, queue_message_id, first_seen_at, updated_at, owner,"
            " attempt, charged, resends, throttles, version, ses_message_id, accepted_at, configuration_set)"
            " values (?, 'accepted', 'x', 'ordinary', ?, ?, ?, '', 1, 0, 0, 0, 2, ?, ?, 'tank')",
            jobs,
        )
        db.executemany(
            "insert into receipts (ses_message_id, email_id, attempt, accepted_at) values (?, ?, 1, ?)", receipts
        )
        db.executemany(
            "insert into recipients (email_id, address, status, updated_at) values (?, ?, 10, ?)", recipients
        )


async def _flood(bench: Bench, events: int, *, first: int) -> None:
    request = {"events": events, "kinds": KINDS, "first": first}
    async with bench.http.post(f"{bench.url}/_standin/events/flood", json=request) as answer:
        answer.raise_for_status()


async def _are_recorded(bench: Bench, events: int) -> bool:
    def count() -> int:
        with contextlib.closing(sqlite3.connect(bench.folder / "tank-mailer.db", timeout=60)) as db:
            (found,) = db.execute("select count(*) from events where ses_message_id like '0102flood%'").fetchone()
            return int(found)

    return await asyncio.to_thread(count) >= events


async def _accepted(bench: Bench, mails: int) -> bool:
    return len(await bench.seen("log")) >= mails
