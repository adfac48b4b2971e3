"""What an accept log says of a pace: how much of a rate was used, how full the fullest second was, what went twice."""

from bisect import bisect_left
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import accumulate

from tests.benchmarks.bench import Bench
from tests.benchmarks.figure import Figure, told

SECOND_S = 1.0
LEAST = 0.98  # of the set rate


@dataclass(frozen=True, slots=True)
class Mail:
    """One accepted call."""

    at_s: float
    recipients: int
    email_id: str


@dataclass(frozen=True, slots=True)
class Seen:
    """What an observer saw of a while: accepted mails and refusals for being too fast."""

    mails: Sequence[Mail]
    throttled: int

    def share(self, *, rate: float, seconds: float) -> float:
        """Of `rate`, over so long from the first mail on; of the last job only what had its time until the end."""
        last = self.mails[-1]
        paid = min(last.recipients, (self.mails[0].at_s + seconds - last.at_s) * rate)
        return (sum(mail.recipients for mail in self.mails[:-1]) + paid) / (rate * seconds)

    def fullest_second(self) -> int:
        """The most recipients within any one second."""
        times = [mail.at_s for mail in self.mails]
        sums = [0, *accumulate(mail.recipients for mail in self.mails)]
        return max((sums[bisect_left(times, at + SECOND_S)] - sums[n] for n, at in enumerate(times)), default=0)

    def doubled(self) -> set[str]:
        """Jobs that were accepted more than once."""
        return {email_id for email_id, times in Counter(mail.email_id for mail in self.mails).items() if times > 1}


async def mails(bench: Bench, *, since: int = 0) -> list[Mail]:
    """The accept log after mail number `since`."""
    log = await bench.seen(f"log?since={since}")
    return [Mail(entry["monotonic_s"], entry["recipients"], entry["email_id"]) for entry in log]


async def has_begun(bench: Bench) -> bool:
    """Whether a mail was accepted."""
    return bool((await bench.seen("counts"))["accepted"])


async def seen(bench: Bench, seconds: float) -> Seen:
    """The first so many seconds from the first accepted mail on."""
    log = await mails(bench)
    end_s = log[0].at_s + seconds
    throttles = (await bench.seen("counts"))["throttles"]
    return Seen(
        [mail for mail in log if mail.at_s < end_s], sum(throttle["monotonic_s"] < end_s for throttle in throttles)
    )


def figures(what: str, found: Seen, *, account_rate: float, share: float, seconds: int, most: int) -> list[Figure]:
    """Share, refusals and fullest second; no window may exceed the rate by more than one job."""
    rate = account_rate * share
    used, fullest, limit = (
        found.share(rate=rate, seconds=seconds),
        found.fullest_second(),
        max(account_rate, rate + most),
    )
    return [
        Figure(
            name=f"{what}: share of {rate:g} recipients/s over {seconds} s",
            aim=f"≥ {LEAST:.0%}",
            measured=f"{used:.1%}",
            ok=used >= LEAST,
        ),
        Figure(name="  refusals (429)", aim="0", measured=str(found.throttled), ok=not found.throttled),
        Figure(name="  fullest second, recipients", aim=f"≤ {limit:g}", measured=str(fullest), ok=fullest <= limit),
    ]


def load(name: str, cpu_s: float, seconds: float) -> Figure:
    """How busy a process was."""
    return told(f"  CPU of {name}", f"{cpu_s / seconds:.0%} of a core")
