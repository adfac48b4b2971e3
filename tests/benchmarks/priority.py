"""How long a priority job waits while fifty thousand ordinary ones do, beside the bound that is promised."""

import asyncio
import random
from collections.abc import Sequence
from statistics import median

from tests.benchmarks.bench import Bench, Process, Sender, open_bench
from tests.benchmarks.figure import Figure, told
from tests.benchmarks.governor import SES_S, SHARE
from tests.benchmarks.outside import URGENT
from tests.benchmarks.share import Mail, mails

RATE = 14.0  # recipients a second that the account allows
SQS_S = 0.05  # an answer's way
MIXED_MOST = 50
PAUSES_S = {1: (0.2, 2.0), MIXED_MOST: (1.0, 6.0)}  # between two of them, by the size of the ordinary jobs
UNDER_WAY = 20  # ordinary mails first: the governor is at its pace
SETTLE_S = 30.0  # for the last one
LIMIT_S = 600.0


async def measure(waiting: int, jobs: int) -> Sequence[Figure]:
    """Among ordinary jobs of one recipient, and of up to fifty."""
    return [*await waited(waiting, jobs, most=1), *await waited(waiting, jobs, most=MIXED_MOST)]


async def waited(waiting: int, jobs: int, *, most: int) -> list[Figure]:
    """Put `jobs` one by one at random moments; from put to accepted, by the stand-in's clock."""
    async with (
        asyncio.timeout(LIMIT_S),
        open_bench(rate=RATE, sqs_latency_s=SQS_S, ses_latency_s=SES_S) as bench,
    ):
        await bench.fill(waiting, most=most)
        process = await bench.start(Sender.DAEMON, TANK_PRIORITY_QUEUE_URL=bench.urgent_url)
        await bench.until(process, lambda: _has_sent(bench, UNDER_WAY if most == 1 else 2))
        put_s = await _put(bench, process, jobs, PAUSES_S[most])
        await bench.until(process, lambda: _is_done(bench, jobs), look_s=0.5)
        log = await mails(bench)
        left = (await bench.ask()).depth
    waits = sorted(mail.at_s - put_s[mail.email_id] for mail in log if mail.email_id in put_s)
    bound = SES_S + SQS_S + _largest(log) / (RATE * SHARE)  # one call, one answer's way, the largest job's tokens
    return [
        told(f"priority jobs beside ordinary ones of up to {most}", f"{len(waits)}; {left} ordinary ones left"),
        told("  median wait, s", f"{median(waits):.3f}"),
        Figure(
            name="  longest wait, s",
            aim=f"≤ {bound:.3f}",
            measured=f"{waits[-1]:.3f}",
            ok=waits[-1] <= bound,
        ),
    ]


def _largest(log: Sequence[Mail]) -> int:
    """Recipients of the largest ordinary job that went."""
    return max(mail.recipients for mail in log if not mail.email_id.startswith(URGENT))


async def _put(bench: Bench, process: Process, jobs: int, pause_s: tuple[float, float]) -> dict[str, float]:
    """Return when each was put."""
    dice, put_s = random.Random(4), dict[str, float]()
    for number in range(jobs):
        await asyncio.sleep(dice.uniform(*pause_s))
        process.insist_alive()
        put_s[f"{URGENT}-{number}"] = (await bench.ask(1, queue=URGENT)).at_s
    return put_s


async def _has_sent(bench: Bench, number: int) -> bool:
    return int((await bench.seen("counts"))["accepted"]) >= number


async def _is_done(bench: Bench, jobs: int) -> bool:
    return (await bench.ask(queue=URGENT)).depth == 0 and jobs > 0
