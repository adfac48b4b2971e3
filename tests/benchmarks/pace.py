"""The pace: nine tenths of an account's rate, held for half a minute without one refusal."""

import asyncio
from bisect import bisect_left
from collections.abc import Sequence

from tests.benchmarks.bench import Sender, open_bench
from tests.benchmarks.figure import Figure

ACCOUNT_RATE = 14.0  # recipients a second
SHARE = 0.9  # TANK_RATE_SHARE, as it comes
LEAST = 0.97  # of the set rate
SQS_S, SES_S = 0.1, 0.2


async def measure(seconds: int) -> Sequence[Figure]:
    """From the first accepted e-mail on, its cold start included."""
    set_rate = ACCOUNT_RATE * SHARE
    async with open_bench(rate=ACCOUNT_RATE, sqs_latency_s=SQS_S, ses_latency_s=SES_S) as bench:
        await bench.fill(int(ACCOUNT_RATE * seconds * 2))
        process = await bench.start(Sender.DAEMON)

        async def has_begun() -> bool:
            return bool((await bench.seen("counts"))["accepted"])

        await bench.until(process, has_begun)
        await asyncio.sleep(seconds + 1)
        times = [entry["monotonic_s"] for entry in await bench.seen("log")]
        throttles = (await bench.seen("counts"))["throttles"]
    share = bisect_left(times, times[0] + seconds) / (set_rate * seconds)
    fullest = fullest_second(times)
    return [
        Figure(
            name=f"share of {set_rate:g} recipients/s over {seconds} s",
            aim=f"≥ {LEAST:.0%}",
            measured=f"{share:.1%}",
            ok=share >= LEAST,
        ),
        Figure(name="refusals meanwhile", aim="0", measured=str(len(throttles)), ok=not throttles),
        Figure(
            name="fullest second",
            aim=f"≤ {ACCOUNT_RATE:g}",
            measured=str(fullest),
            ok=fullest <= ACCOUNT_RATE,
        ),
    ]


def fullest_second(times: Sequence[float]) -> int:
    """The most e-mails within any one second, of sorted times."""
    return max((bisect_left(times, start + 1) - n for n, start in enumerate(times)), default=0)
