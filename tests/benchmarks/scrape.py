"""The scrape of `/metrics`: how long it takes under load, and what one a second costs the daemon."""

import asyncio
import socket
import time
from collections.abc import Sequence
from dataclasses import dataclass, field
from statistics import median

from tests.benchmarks.bench import UNLIMITED, Bench, Process, Sender, open_bench
from tests.benchmarks.figure import Figure, at_most, told

PAIRS = 3
RATES = (14, 100)  # recipients a second that are sent meanwhile
WARM_UP = 100  # e-mails: connections open, caches full
EVERY_S = 1.0  # Prometheus asks each 15 to 60 seconds
MOST_MS = 50.0  # a scrape holds the loop up for no longer than a token takes at 14/s, at worst
MOST_MORE = 1.15  # CPU with a scrape a second to none, at 14/s: a percent at one in 15 s


@dataclass(slots=True)
class Run:
    """One daemon over the measured time."""

    cpu_s: float = 0.0
    scrapes_ms: list[float] = field(default_factory=list)
    size: int = 0


async def measure(seconds: int) -> Sequence[Figure]:
    """With and without, in turn, at a low rate and at a high one."""
    figures = list[Figure]()
    for rate in RATES:
        pairs = [[await run(rate, seconds, scrapes=scrapes) for scrapes in (False, True)] for _ in range(PAIRS)]
        figures += _figures(rate, seconds, pairs)
    return figures


def _figures(rate: int, seconds: int, pairs: Sequence[Sequence[Run]]) -> list[Figure]:
    ratios = [with_.cpu_s / without.cpu_s for without, with_ in pairs]
    took_ms = sorted(ms for _, with_ in pairs for ms in with_.scrapes_ms)
    more_ms = [1000 * (with_.cpu_s - without.cpu_s) / len(with_.scrapes_ms) for without, with_ in pairs]
    shown = ", ".join(f"{ratio:.3f}" for ratio in ratios)
    name = f"CPU with a scrape a second to none, {rate} mails/s"
    ratio = median(ratios)
    return [
        at_most(name, limit=MOST_MORE, measured=ratio, detail=f" ({shown})") if rate == RATES[0] else told(name, shown),
        told("  CPU ms a scrape", f"{median(more_ms):.1f} ({', '.join(f'{ms:.1f}' for ms in more_ms)})"),
        told("  CPU of the daemon without", f"{median(without.cpu_s for without, _ in pairs) / seconds:.1%} of a core"),
        at_most("  scrape ms, median", limit=MOST_MS, measured=median(took_ms), detail=f" of {len(took_ms)}"),
        told("  scrape ms, longest", f"{took_ms[-1]:.1f}"),
        told("  bytes of a scrape", str(pairs[-1][1].size)),
    ]


async def run(rate: int, seconds: int, *, scrapes: bool) -> Run:
    """Send at `rate` for so long."""
    port = _free_port()
    found = Run()
    async with open_bench(rate=UNLIMITED, ses_latency_s=0.06) as bench:
        process = await bench.start(
            Sender.DAEMON,
            TANK_SEND_RATE=str(rate),
            TANK_MAX_PARALLEL=str(max(10, rate // 8)),
            TANK_HTTP_LISTEN=f"127.0.0.1:{port}",
        )
        await bench.fill(WARM_UP + rate * (seconds + 60))
        await bench.until(process, lambda: _are_accepted(bench, WARM_UP))
        await _scrape(bench, port, found)  # the first one compiles and warms; it is not counted
        found.scrapes_ms.clear()
        await _watch(bench, process, found, seconds=seconds, port=port if scrapes else None)
    return found


async def _watch(bench: Bench, process: Process, found: Run, *, seconds: int, port: int | None) -> None:
    cpu_s, began_s = process.cpu_s(), time.monotonic()
    for second in range(1, seconds + 1):
        await asyncio.sleep(max(0.0, began_s + second * EVERY_S - time.monotonic()))
        if port is not None:
            await _scrape(bench, port, found)
    process.insist_alive()
    found.cpu_s = process.cpu_s() - cpu_s


async def _scrape(bench: Bench, port: int, found: Run) -> None:
    began_s = time.monotonic()
    async with bench.http.get(f"http://127.0.0.1:{port}/metrics") as answer:
        answer.raise_for_status()
        found.size = len(await answer.read())
    found.scrapes_ms.append(1000 * (time.monotonic() - began_s))


async def _are_accepted(bench: Bench, mails: int) -> bool:
    return bool((await bench.seen("counts"))["accepted"] >= mails)


def _free_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as server:
        port: int = server.getsockname()[1]
        return port
