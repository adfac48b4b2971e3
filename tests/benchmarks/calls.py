"""AWS calls of an e-mail: each of them is paid for."""

import asyncio
from collections.abc import Awaitable, Callable, Sequence

from tests.benchmarks.bench import Bench, Process, Sender, open_bench
from tests.benchmarks.cpu import run
from tests.benchmarks.figure import Figure, at_most, told

MOST = 1.25
SLOW_RATE = 14.0  # recipients a second: the account of a small shop
SQS_S, SES_S = 0.1, 0.2
Feed = Callable[[Bench, Process, int], Awaitable[None]]
TRICKLE = 10  # e-mails a second that come one by one


async def measure(emails: int, seconds: int) -> Sequence[Figure]:
    """At full speed, at 14/s out of a full queue, and out of an empty one."""
    full = await run(Sender.DAEMON, emails)
    backlog, trickle = await _slow(_backlog, seconds), await _slow(_trickle, seconds)
    return [
        at_most("AWS calls an e-mail, daemon, full speed", limit=MOST, measured=full.calls),
        at_most("AWS calls an e-mail, daemon, 14/s, far away", limit=MOST, measured=backlog),
        told(f"AWS calls an e-mail, daemon, {TRICKLE}/s arriving one by one, far away", f"{trickle:.2f}"),
    ]


async def _slow(feed: Feed, seconds: int) -> float:
    async with open_bench(rate=SLOW_RATE, sqs_latency_s=SQS_S, ses_latency_s=SES_S) as bench:
        process = await bench.start(Sender.DAEMON, TANK_RATE_SHARE="1")
        await bench.fill(int(SLOW_RATE))
        await bench.done(process)
        put, calls = bench.put, await bench.calls()
        await feed(bench, process, seconds)
        await bench.done(process)
        return (await bench.calls() - calls) / (bench.put - put)


async def _backlog(bench: Bench, process: Process, seconds: int) -> None:
    await bench.fill(int(SLOW_RATE * seconds))
    process.insist_alive()


async def _trickle(bench: Bench, process: Process, seconds: int) -> None:
    for _ in range(TRICKLE * seconds):
        process.insist_alive()
        await bench.fill(1)
        await asyncio.sleep(1 / TRICKLE)
