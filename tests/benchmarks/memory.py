"""Resident memory after many jobs: it must not grow with them."""

import asyncio
from collections.abc import Sequence

from tests.benchmarks.bench import Sender, open_bench
from tests.benchmarks.figure import Figure, told

MOST_GROWTH = 0.05  # of what it was
PORTION = 2_000  # jobs put at a time
REST_S = 1.0  # after the last delete: the last rows and lines are written


async def measure(fewer: int, more: int) -> Sequence[Figure]:
    """After `fewer` jobs, and again after `more` in all."""
    async with open_bench() as bench:
        process = await bench.start(Sender.DAEMON, TANK_RATE_SHARE="1")
        sizes = dict[int, float]()
        for jobs in (fewer, more):
            while bench.put < jobs:
                await bench.fill(min(PORTION, jobs - bench.put))
                await bench.done(process)
            await asyncio.sleep(REST_S)
            sizes[jobs] = process.rss_mb()
    growth = sizes[more] / sizes[fewer] - 1
    return [
        *(told(f"resident MB after {jobs:,} jobs", f"{size:.0f}") for jobs, size in sizes.items()),
        Figure(
            name=f"growth from {fewer:,} to {more:,} jobs",
            aim=f"≤ {MOST_GROWTH:.0%}",
            measured=f"{growth:+.1%}",
            ok=growth <= MOST_GROWTH,
        ),
    ]
