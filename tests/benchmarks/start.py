"""Start-up: from the start of the process to the first ReceiveMessage that the stand-in sees."""

import time
from collections.abc import Sequence
from statistics import median

from tests.benchmarks.bench import Bench, Sender, open_bench
from tests.benchmarks.figure import Figure, told

TIMES = 5
LOOK_S = 0.005


async def measure() -> Sequence[Figure]:
    """Of the daemon where it makes its store, and where it finds it; of the bare loop."""
    first, later, bare = list[float](), list[float](), list[float]()
    for _ in range(TIMES):
        async with open_bench() as bench:
            first.append(await _first_poll_s(bench, Sender.DAEMON))
            later.append(await _first_poll_s(bench, Sender.DAEMON))
            bare.append(await _first_poll_s(bench, Sender.BARE))
    return [
        told("seconds to the first poll, daemon, store new", f"{median(first):.2f}"),
        told("seconds to the first poll, daemon, store there", f"{median(later):.2f}"),
        told("seconds to the first poll, bare loop", f"{median(bare):.2f}"),
    ]


async def _first_poll_s(bench: Bench, sender: Sender) -> float:
    before = await _polls(bench)
    process = await bench.start(sender)

    async def has_polled() -> bool:
        return await _polls(bench) > before

    await bench.until(process, has_polled, LOOK_S)
    took_s = time.monotonic() - process.started_s
    await bench.kill(process)
    return took_s


async def _polls(bench: Bench) -> int:
    counts = (await bench.seen("counts"))["sqs"]
    return int(counts.get("ReceiveMessage", {}).get("calls", 0))
