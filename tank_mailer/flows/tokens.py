"""Tokens at the rate in force: a leaky bucket that follows the rate, throttle answers and refunds."""

import asyncio
from dataclasses import dataclass, field

from aiolimiter import AsyncLimiter

from tank_mailer.core.rate import Bucket, Pace, bucket, cut_every_s
from tank_mailer.telemetry import metrics
from tank_mailer.telemetry.log import get_logger

log = get_logger()

RECOVER_EVERY_S = 2.0  # each step makes a new limiter
LOOK_S = 1.0  # who waits longer for a token looks at the rate meanwhile
CALL_WEIGHT = 0.1  # of a shorter call; a longer one counts at once


@dataclass(kw_only=True, eq=False)
class Tokens:
    """Hands out tokens one by one, to one taker at a time.

    The limiter is aiolimiter's. It keeps its rate in private and takes nothing back; so a new rate gets a new limiter,
    as full as the old one was, and so does a token that is put back.
    """

    pace: Pace = field(default_factory=Pace)
    _limiter: AsyncLimiter | None = None
    _bucket: Bucket = field(default_factory=lambda: bucket(0.0))
    _drawn_s: float | None = None  # when the bucket was full, or may have been
    _credit: float = 0.0
    _waits: asyncio.Timeout | None = None  # of the one who draws
    _rated: asyncio.Event = field(default_factory=asyncio.Event)
    _cut_s: float = float("-inf")
    _call_s: float = 0.0  # how long the longest call takes, lately
    _passed: int = 0  # calls that ended since the last cut, less those that were throttled

    # --- the rate ---

    def set_rate(self, rate: float) -> None:
        """From now on, so many recipients a second."""
        self.pace = self.pace.set_to(rate)
        if self.pace.current:
            self._rated.set()
        self._hurry()

    def slow_down(self) -> None:
        """SES throttled: cut the rate, once a round trip."""
        now_s = asyncio.get_running_loop().time()
        self._passed -= 1
        if now_s - self._cut_s < cut_every_s(self._call_s):
            return
        self.pace = self.pace.cut(now_s, has_passed=self._passed > 0)
        self._cut_s, self._passed = now_s, 0
        metrics.rate_cut()
        log.warning("rate_cut", rate=round(self.pace.current, 2), set_rate=self.pace.target)

    def note_call(self, seconds: float) -> None:
        """A request took so long."""
        self._passed += 1
        self._call_s = max(seconds, self._call_s + CALL_WEIGHT * (seconds - self._call_s))

    def look(self) -> float:
        """The rate in force; speeds up if it is time to."""
        pace = self.pace
        if pace.current < pace.target:
            now_s = asyncio.get_running_loop().time()
            if now_s - pace.at_s >= RECOVER_EVERY_S:
                self.pace = pace.recovered(now_s)
        return self.pace.current

    # --- the bucket ---

    async def draw(self) -> None:
        """Wait for a token and take it."""
        is_drawn = False
        while not is_drawn:
            is_drawn = await self._drawn(await self._adjusted())
        self._drawn_s = asyncio.get_running_loop().time()

    async def _drawn(self, limiter: AsyncLimiter) -> bool:
        """Whether a token was drawn; not, if it is time for another limiter."""
        try:
            async with asyncio.timeout(LOOK_S) as self._waits:
                await limiter.acquire()
        except TimeoutError:
            return False
        finally:
            self._waits = None
        return True

    def put_back(self, count: int) -> None:
        """Return tokens that were drawn last: who waits for one must not wait for that time again."""
        self._credit = max(self._credit, count)
        self._hurry()

    def _hurry(self) -> None:
        if self._waits is not None and not self._waits.expired():
            self._waits.reschedule(asyncio.get_running_loop().time())

    def start_at(self, moment_s: float) -> None:
        """Begin anew, without a token at that moment."""
        self._limiter, self._drawn_s, self._credit = None, moment_s, 0.0

    async def _adjusted(self) -> AsyncLimiter:
        while not self.look():  # SES has taken the rate away; a pause says so
            self._rated.clear()
            self._limiter, self._drawn_s = None, None
            await self._rated.wait()
        wanted = bucket(self.pace.current)
        if self._limiter is None or self._bucket != wanted or self._credit:
            self._limiter = await self._renewed(wanted)
            self._bucket = wanted
        return self._limiter

    async def _renewed(self, wanted: Bucket) -> AsyncLimiter:
        """A limiter as full as the old one: without a token at first, so no burst at start or after a change."""
        now_s = asyncio.get_running_loop().time()
        if self._drawn_s is None:
            self._drawn_s = now_s
        per_s = wanted.per_s if self._limiter is None else self._bucket.per_s
        leaked = min(max(0.0, now_s - self._drawn_s) * per_s, 1.0)
        limiter = AsyncLimiter(wanted.size, wanted.size / wanted.per_s)
        await limiter.acquire(max(0.0, wanted.size - max(leaked, self._credit)))
        self._credit = 0.0
        return limiter
