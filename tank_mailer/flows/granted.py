"""Tokens that several nodes share: each has spans of time for itself, and asks for the next one in good time."""

import asyncio
import math
from collections import deque
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Protocol

from tank_mailer.core.errors import StoreError
from tank_mailer.core.rate import bucket, likely, span_tokens
from tank_mailer.flows.tokens import Tokens
from tank_mailer.ports.nodes import Grants
from tank_mailer.telemetry.log import get_logger

log = get_logger()

GRACE_S = 0.02  # after a span's end: its last token is due just then, and a wake-up may be late
JOINED_S = 0.01  # spans that are no farther apart are one: answers take differently long
LEAD_S = 0.5  # before its end the next span is asked for; in the middle of a short one
AGAIN_S = 1.0  # after the store did not answer
LONGEST_TRIP_S = 5.0  # a store that is slower is as good as away; its spans would keep the others waiting
TRIP_WEIGHT = 0.1  # of a shorter trip to the store; a longer one counts at once
MISSING = 0.1  # of a job's tokens: so many others may have gone before it in the span that it was asked for


@dataclass(frozen=True, slots=True)
class Wanted:
    """What tokens are for.

    Attributes:
        debt: of the job that went last.
        jobs: the recipients of those that have a slot, in the order in which they go.
        waits: whether anything waits at all.
        has_backlog: the queue is likely to hold more.
    """

    debt: int
    jobs: Sequence[int]
    waits: bool
    has_backlog: bool


class Demand(Protocol):
    """Who wants tokens."""

    def wanted(self) -> Wanted:
        """What for."""

    def next_job(self) -> int:
        """The recipients of the job that goes next; 0: none can."""


@dataclass(slots=True, eq=False, kw_only=True)
class Span:
    """Tokens that are ours from one moment to another, on the loop's clock.

    Attributes:
        expires_s: when what is left is lost.
    """

    begins_s: float
    ends_s: float
    expires_s: float
    tokens: int
    left: int

    def usable(self, now_s: float, per_s: float) -> int:
        """How many can still go in it."""
        return min(self.left, int(max(0.0, self.expires_s - max(now_s, self.begins_s)) * per_s) + 1)

    def is_joined(self, later: "Span") -> bool:
        """Whether a later span follows at once."""
        return later.begins_s - self.ends_s <= JOINED_S


def _no_span() -> Span:
    return Span(begins_s=-math.inf, ends_s=-math.inf, expires_s=-math.inf, tokens=0, left=0)


@dataclass(kw_only=True, eq=False)
class GrantedTokens:
    """Hands out tokens one by one while a span lasts, and asks for spans while something waits.

    Attributes:
        tokens: the pace within a span.
        nodes: how many have asked lately, this one included.
    """

    grants: Grants
    tokens: Tokens
    demand: Demand
    nodes: int = 1
    _spans: deque[Span] = field(default_factory=deque)
    _paced: Span = field(default_factory=_no_span)  # that the limiter goes by
    _for_draw: asyncio.Event = field(default_factory=asyncio.Event)
    _for_ask: asyncio.Event = field(default_factory=asyncio.Event)
    _listens: bool = True  # what happens may be a reason to ask
    _trip_s: float = 0.0
    _is_told: bool = False

    def stir(self) -> None:
        """Something new waits, or a slot is free."""
        self._for_draw.set()
        if self._listens:
            self._for_ask.set()

    @property
    def _per_s(self) -> float:
        return bucket(self.tokens.pace.current).per_s

    def _present(self) -> Span | None:
        """The span that is now; those that are over are dropped."""
        now_s, spans = asyncio.get_running_loop().time(), self._spans
        while spans and (not spans[0].left or now_s > spans[0].expires_s):
            spans.popleft()
        return spans[0] if spans and now_s >= spans[0].begins_s else None

    # --- drawing ---

    async def draw(self, *, is_debt: bool) -> None:
        """Wait for a token and take it; for a new job only in a span that has tokens for the whole of it."""
        while True:
            self._for_draw.clear()
            span = self._present()
            if span is None or not (is_debt or self.fits(self.demand.next_job())):
                self._for_ask.set()
                await _until(self._for_draw, self._next_s())
                continue
            if not self._paced.is_joined(span):
                self.tokens.start_at(span.begins_s)
            self._paced = span
            await self.tokens.draw()
            now = self._present()  # a span may have ended meanwhile
            if now is not None and span.is_joined(now):
                now.left -= 1
                return

    def put_back(self, count: int) -> None:
        """Return tokens that were drawn last."""
        self.tokens.put_back(count)
        span = self._paced
        span.left = min(span.tokens, span.left + count)
        self._spans = deque([span, *(other for other in self._spans if other is not span)])

    def fits(self, job: int, *, drawn: int = 0) -> bool:
        """Whether the span that is now has tokens for all recipients of a job, but for a few.

        Args:
            job: how many they are.
            drawn: tokens that are drawn already.
        """
        return job <= drawn or (bool(self._spans) and _fits(job, drawn + self._usable()[0]))

    def _usable(self) -> list[int]:
        """How many tokens can still go; one number for spans without a gap between them."""
        now_s, per_s = asyncio.get_running_loop().time(), self._per_s
        usable, before = list[int](), None
        for span in self._spans:
            if before is None or not before.is_joined(span):
                usable.append(0)
            usable[-1] += span.usable(now_s, per_s)
            before = span
        return usable

    def _next_s(self) -> float:
        """When something changes by itself."""
        now_s = asyncio.get_running_loop().time()
        begin_s = [span.begins_s for span in self._spans if span.begins_s > now_s]
        return min([*begin_s, *(span.expires_s for span in list(self._spans)[:1])], default=math.inf)

    # --- asking ---

    async def run(self) -> None:
        """Ask for spans as long as something waits, until cancelled."""
        while True:
            self._for_ask.clear()
            self._present()
            now_s = asyncio.get_running_loop().time()
            wanted = self.demand.wanted()
            ask_s, tokens = self._due(wanted, now_s)
            if tokens and ask_s <= now_s:
                await self._ask(tokens)
            else:
                self._listens = not tokens
                await _until(self._for_ask, ask_s if tokens else self._look_s(now_s))

    def _due(self, wanted: Wanted, now_s: float) -> tuple[float, int]:
        """When to ask for how many tokens."""
        per_s, spans = self._per_s, self._spans
        if not per_s or not (wanted.waits or wanted.debt):
            return now_s, 0
        debt, jobs = _unpaid(wanted, self._usable())
        used, due_s = 0.0, now_s
        if spans and not debt and (len(jobs) < len(wanted.jobs) or not jobs):  # else the next job is held up
            last = spans[-1]
            due_s = max((last.begins_s + last.ends_s) / 2, last.ends_s - LEAD_S)
            if now_s < due_s:
                return due_s, 1
            if wanted.has_backlog:
                used = likely(last.tokens, used=last.tokens - last.left, due=(now_s - last.begins_s) * per_s)
        tokens = span_tokens(debt=debt, jobs=jobs, second=per_s / self.nodes, used=used)
        lost = math.ceil(max(0.0, self._trip_s - GRACE_S) * per_s)  # while nobody knows yet that they are ours
        return due_s, tokens and tokens + lost

    def _look_s(self, now_s: float) -> float:
        """When to look again though nothing happens."""
        return max(self._spans[-1].expires_s, now_s) + JOINED_S if self._spans else math.inf

    async def _ask(self, tokens: int) -> None:
        loop = asyncio.get_running_loop()
        asked_s = loop.time()
        try:
            grant = await self.grants.ask(tokens, per_s=self._per_s)
        except StoreError as error:
            if not self._is_told:
                log.warning("tokens_unavailable", reason=error.reason, detail=error.detail)
            self._is_told = True
            await asyncio.sleep(AGAIN_S)
            return
        self._is_told = False
        answered_s = loop.time()
        trip_s = answered_s - asked_s
        self._trip_s = min(LONGEST_TRIP_S, max(trip_s, self._trip_s + TRIP_WEIGHT * (trip_s - self._trip_s)))
        self.nodes = max(1, grant.nodes)
        begins_s = answered_s + grant.wait_s  # no sooner than so, and its end no later than
        expires_s = asked_s + grant.wait_s + grant.span_s + GRACE_S
        if expires_s > begins_s:
            ends_s = begins_s + grant.span_s
            self._spans.append(
                Span(begins_s=begins_s, ends_s=ends_s, expires_s=expires_s, tokens=grant.tokens, left=grant.tokens)
            )
        self._for_draw.set()


def _fits(job: int, tokens: int) -> bool:
    """Whether there are tokens for a job; of those for a large one, a few may be missing."""
    return job - tokens <= (math.ceil(MISSING * job) if job > 1 else 0)


def _unpaid(wanted: Wanted, usable: Sequence[int]) -> tuple[int, Sequence[int]]:
    """The debt and the jobs that spans with so many tokens leave unpaid."""
    debt, jobs = wanted.debt, deque(wanted.jobs)
    for tokens in usable:
        paid = min(debt, tokens)
        debt, left = debt - paid, tokens - paid
        while jobs and not debt and _fits(jobs[0], left):
            left = max(0, left - jobs.popleft())
    return debt, jobs


async def _until(event: asyncio.Event, moment_s: float) -> None:
    """Wait for an event, but no longer than until a moment."""
    try:
        async with asyncio.timeout_at(None if moment_s == math.inf else moment_s):
            await event.wait()
    except TimeoutError:
        pass
