"""Slots and tokens: who may send, when, and how many jobs to ask the queue for."""

import asyncio
from collections import deque
from dataclasses import dataclass, field

from aiolimiter import AsyncLimiter

from tank_mailer.core.rate import CUT_EVERY_S, bucket, cut, recover, room
from tank_mailer.telemetry.log import get_logger

log = get_logger()

NEAR_S = 1.0  # DESIGN 5.4: a job whose turn is so close may be written down as `sending`
FAR_S = 60.0  # DESIGN 7: a job whose turn is farther off is given back
RECOVER_EVERY_S = 2.0
OUTFLOW_OF = 32  # starts that the outflow is measured over
TRIP_WEIGHT = 0.2  # of the newest receive in the running mean


@dataclass(slots=True, eq=False)
class Ticket:
    """One attempt's place in the queue for slots and tokens."""

    tokens: int
    near: asyncio.Future[float | None]
    go: asyncio.Future[bool] | None = None
    is_ready: bool = False  # near, and not gone yet
    has_slot: bool = False


@dataclass(kw_only=True, eq=False)
class Governor:
    """The pace of all sending, in recipients a second.

    A job first waits until its turn is near, so that its beginning can be written down (and those of its neighbours
    with it), then for a slot and a token. A job of many recipients goes with its first token; the others are a debt
    that the next one waits for.
    """

    slots: int
    rate: float
    _current: float = 0.0
    _waiting: deque[Ticket] = field(default_factory=deque)
    _turns: asyncio.Queue[Ticket] = field(default_factory=asyncio.Queue)
    _in_use: int = 0
    _ready_tokens: int = 0
    _rated: asyncio.Event = field(default_factory=asyncio.Event)
    _slot_free: asyncio.Event = field(default_factory=asyncio.Event)
    _debt: int = 0
    _credit: int = 0
    _closed: bool = False
    _expected: int = 0
    _starts: deque[float] = field(default_factory=lambda: deque(maxlen=OUTFLOW_OF))
    _trip_s: float = 0.05
    _changed_s: float = 0.0
    _cut_s: float = -CUT_EVERY_S
    _roomy: asyncio.Event = field(default_factory=asyncio.Event)
    _stopped: asyncio.Event = field(default_factory=asyncio.Event)

    # --- the way of one attempt ---

    def enter(self, tokens: int) -> Ticket:
        """Join the queue; follow with `near`, `turn` and, whatever happens, `leave`."""
        ticket = Ticket(tokens, asyncio.get_running_loop().create_future())
        wait_s = self._ahead() / self._current if self._current else 0.0
        if self._closed:
            ticket.near.set_result(0.0)
        elif wait_s > FAR_S:
            ticket.near.set_result(wait_s)
        else:
            self._waiting.append(ticket)
            self._grant()
        return ticket

    async def near(self, ticket: Ticket) -> float | None:
        """Wait for the turn to be near.

        Returns:
            None when it is; else after how many seconds to come back.
        """
        return await ticket.near

    async def turn(self, ticket: Ticket, tokens: int) -> bool:
        """Wait for a slot and the token; False if nothing may be sent now.

        Args:
            ticket: one that is near.
            tokens: how many recipients there really are; some may have been left out since `enter`.
        """
        self._ready_tokens += tokens - ticket.tokens
        ticket.tokens = tokens
        if self._closed:
            return False
        ticket.go = asyncio.get_running_loop().create_future()
        self._turns.put_nowait(ticket)
        return await ticket.go

    def leave(self, ticket: Ticket, *, refund: bool = False) -> None:
        """Free the slot; `refund` if no recipient reached SES."""
        self._spend(ticket)
        if ticket in self._waiting:
            self._waiting.remove(ticket)
        if refund and ticket.has_slot:  # only what went has paid
            owed = min(self._debt, ticket.tokens)
            self._debt -= owed
            self._credit = max(self._credit, ticket.tokens - owed)  # of one job at most: no burst of several
        if ticket.has_slot:
            ticket.has_slot = False
            self._in_use -= 1
            self._slot_free.set()
        self._grant()

    def _spend(self, ticket: Ticket) -> None:
        if ticket.is_ready:
            ticket.is_ready = False
            self._ready_tokens -= ticket.tokens

    def _ahead(self) -> int:
        return self._debt + self._ready_tokens + sum(ticket.tokens for ticket in self._waiting)

    def _grant(self) -> None:
        while self._waiting and self._current:
            if (self._debt + self._ready_tokens) / self._current > NEAR_S:
                break
            ticket = self._waiting.popleft()
            if not ticket.near.done():  # cancelled otherwise
                ticket.is_ready = True
                self._ready_tokens += ticket.tokens
                ticket.near.set_result(None)
        self._roomy.set()

    async def run(self) -> None:
        """Hand out slots and tokens in the order of the turns, until cancelled."""
        limiter: AsyncLimiter | None = None
        while True:
            ticket = await self._turns.get()
            await self._slot()
            limiter = await self._adjust(limiter)
            await self._token(limiter)
            if ticket.go is None or ticket.go.done():
                self._credit = max(self._credit, 1)  # it has left meanwhile
                continue
            self._spend(ticket)
            ticket.has_slot = True
            self._in_use += 1
            self._debt += ticket.tokens - 1
            self._starts.append(asyncio.get_running_loop().time())
            ticket.go.set_result(True)
            self._grant()
            while self._debt > 0:
                limiter = await self._adjust(limiter)
                await self._token(limiter)
                self._debt = max(0, self._debt - 1)
                self._grant()

    async def _slot(self) -> None:
        while self._in_use >= self.slots:
            self._slot_free.clear()
            await self._slot_free.wait()

    async def _token(self, limiter: AsyncLimiter) -> None:
        if self._credit > 0:
            self._credit -= 1
            return
        await limiter.acquire()

    # --- the rate ---

    @property
    def current_rate(self) -> float:
        """Recipients a second, as slow as throttle answers have made it; 0 before it is known."""
        return self._current

    def set_rate(self, rate: float) -> None:
        """From now on, so many recipients a second."""
        is_cut = self._current < self.rate
        self.rate = rate
        self._current = min(self._current, rate) if is_cut and self._current else rate
        self._rated.set()
        self._grant()

    def slow_down(self) -> None:
        """SES throttled: cut the rate, once a round trip."""
        now_s = asyncio.get_running_loop().time()
        if now_s - self._cut_s < CUT_EVERY_S:
            return
        self._cut_s = self._changed_s = now_s
        self._current = cut(self._current, self.rate)
        log.warning("rate_cut", rate=round(self._current, 2), set_rate=self.rate)

    async def _adjust(self, limiter: AsyncLimiter | None) -> AsyncLimiter:
        """A new limiter for a new rate: aiolimiter keeps the old one in private."""
        while not self._current:  # SES has taken the rate away; a pause says so
            self._rated.clear()
            await self._rated.wait()
        now_s = asyncio.get_running_loop().time()
        elapsed_s = now_s - self._changed_s
        if self._current < self.rate and elapsed_s >= RECOVER_EVERY_S:
            self._current, self._changed_s = recover(self._current, self.rate, elapsed_s), now_s
        wanted = bucket(self._current)
        if limiter is None or limiter.max_rate != wanted.size:
            limiter = AsyncLimiter(wanted.size, wanted.size / wanted.per_s)
            await limiter.acquire(wanted.size)  # without a token at first: no burst at start or after a change
        return limiter

    # --- how much to ask for ---

    def expect(self, messages: int) -> None:
        """So many messages were received; each is `seen` once it is in flight, or needs no slot."""
        self._expected += messages

    def seen(self) -> None:
        """One received message no longer waits."""
        self._expected -= 1
        self._roomy.set()

    def note_trip(self, seconds: float) -> None:
        """A receive that had messages to give took so long."""
        self._trip_s += TRIP_WEIGHT * (seconds - self._trip_s)

    def room(self) -> int:
        """How many messages to ask for now; 0: not yet."""
        if self._closed or not self._current:
            return 0
        return room(
            waiting=self._expected,
            ahead=self._ahead(),
            rate=self._current,
            outflow=self._outflow(),
            trip_s=self._trip_s,
        )

    def _outflow(self) -> float:
        if len(self._starts) < 2:  # noqa: PLR2004 - two points make a line
            return 0.0
        span_s = asyncio.get_running_loop().time() - self._starts[0]
        return len(self._starts) / max(span_s, 0.001)

    async def wait_for_room(self) -> int:
        """Wait until there is room, and say how much."""
        while not (limit := self.room()):
            self._roomy.clear()
            await self._roomy.wait()
        return limit

    @property
    def is_idle(self) -> bool:
        """Whether nothing received waits and no slot is in use."""
        return not self._expected and not self._in_use

    # --- stopping ---

    def halt(self) -> None:
        """Give back what waits for a slot or a token; what is in flight goes on."""
        for ticket in self._waiting:
            if not ticket.near.done():
                ticket.near.set_result(0.0)
        self._waiting.clear()
        turns = [self._turns.get_nowait() for _ in range(self._turns.qsize())]
        for ticket in turns:
            if ticket.go is not None and not ticket.go.done():
                ticket.go.set_result(False)
        self._roomy.set()

    def close(self) -> None:
        """Halt, and let nobody in any more."""
        self._closed = True
        self._stopped.set()
        self.halt()

    async def rest(self, seconds: float) -> None:
        """Sleep, but no longer than until `close`."""
        try:
            async with asyncio.timeout(seconds):
                await self._stopped.wait()
        except TimeoutError:
            pass
