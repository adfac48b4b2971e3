"""CPU of an e-mail: the daemon, durable ledger and all, against the bare loop, turn by turn."""

from collections.abc import Sequence
from dataclasses import dataclass
from statistics import median

from tests.benchmarks.bench import Sender, open_bench
from tests.benchmarks.figure import Figure, at_most, told

PAIRS = 3
WARM_UP = 300  # e-mails: connections open, caches full
MOST = 1.3  # times the bare loop


@dataclass(frozen=True, slots=True)
class Run:
    """One sender's way through the measured e-mails."""

    cpu_ms: float  # an e-mail
    calls: float  # an e-mail


async def measure(emails: int) -> Sequence[Figure]:
    """The ratio, and the calls at full speed."""
    pairs = [(await run(Sender.BARE, emails), await run(Sender.DAEMON, emails)) for _ in range(PAIRS)]
    ratios = [daemon.cpu_ms / bare.cpu_ms for bare, daemon in pairs]
    shown = ", ".join(f"{ratio:.2f}" for ratio in ratios)
    return [
        told("CPU ms an e-mail, bare loop", _shown([bare.cpu_ms for bare, _ in pairs])),
        told("CPU ms an e-mail, daemon", _shown([daemon.cpu_ms for _, daemon in pairs])),
        at_most("CPU, daemon to bare loop", limit=MOST, measured=median(ratios), detail=f" ({shown})"),
        told("AWS calls an e-mail, bare loop, full speed", f"{median(bare.calls for bare, _ in pairs):.3f}"),
    ]


async def run(sender: Sender, emails: int) -> Run:
    """Measure one sender on a stand-in of its own, from after its warm-up to the last delete."""
    async with open_bench() as bench:
        process = await bench.start(sender, TANK_RATE_SHARE="1")
        await bench.fill(WARM_UP)
        await bench.done(process)
        cpu_s, calls = process.cpu_s(), await bench.calls()
        await bench.fill(emails)
        await bench.done(process)
        return Run(1000 * (process.cpu_s() - cpu_s) / emails, (await bench.calls() - calls) / emails)


def _shown(values: Sequence[float]) -> str:
    return f"{median(values):.2f} ({', '.join(f'{value:.2f}' for value in values)})"
