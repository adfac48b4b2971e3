"""The governor against a stand-in that enforces the rate by a sliding second: how much is used, and never too much."""

import asyncio
import math
from collections.abc import Sequence

from tests.benchmarks.bench import Sender, open_bench
from tests.benchmarks.figure import Figure
from tests.benchmarks.share import figures, has_begun, load, seen

RATES = (14.0, 50.0, 200.0)  # recipients a second that the account allows
MIXED_RATE, MIXED_MOST = 50.0, 50  # jobs of 1 to 50 recipients
SHARE = 0.9  # TANK_RATE_SHARE, as it comes
SES_S = 0.06
ROOM = 2  # times the requests that are in flight on average: Little's law
DEFAULT_PARALLEL = 10  # TANK_MAX_PARALLEL
MARGIN = 1.3  # jobs put, of those that could go
LIMIT_S = 120.0  # beyond the measured seconds


async def measure(seconds: int) -> Sequence[Figure]:
    """Single recipients at three rates, then jobs of many sizes."""
    found = list[Figure]()
    for rate in RATES:
        found += await held(rate, seconds)
    return [*found, *await held(MIXED_RATE, seconds, most=MIXED_MOST)]


async def held(rate: float, seconds: int, *, most: int = 1) -> list[Figure]:
    """One daemon at one rate, from its first accepted mail on."""
    mean = (1 + most) / 2  # recipients of a job
    async with asyncio.timeout(seconds + LIMIT_S), open_bench(rate=rate, ses_latency_s=SES_S) as bench:
        await bench.fill(int(rate * seconds * MARGIN / mean), most=most)
        process = await bench.start(Sender.DAEMON, TANK_MAX_PARALLEL=str(parallel(rate)))
        await bench.until(process, lambda: has_begun(bench))
        own_s, standin_s = process.cpu_s(), bench.standin_cpu_s()
        await asyncio.sleep(seconds + 1)
        own_s, standin_s = process.cpu_s() - own_s, bench.standin_cpu_s() - standin_s
        process.insist_alive()
        found = await seen(bench, seconds)
    what = f"{rate:g}/s{f', jobs of 1 to {most}' if most > 1 else ''}"
    return [
        *figures(what, found, account_rate=rate, share=SHARE, seconds=seconds, most=most),
        load("the daemon", own_s, seconds + 1),
        load("the stand-in", standin_s, seconds + 1),
    ]


def parallel(rate: float) -> int:
    """A pool to match: twice what is in flight on average, and no less than the default."""
    return max(DEFAULT_PARALLEL, math.ceil(rate * SES_S * ROOM))
