"""Slots and tokens: who may send, when, and how many jobs to ask the queue for."""

import asyncio
from collections.abc import Iterable
from contextlib import suppress
from dataclasses import dataclass, field
from itertools import chain, islice
from typing import Protocol

from tank_mailer.core.lanes import (
    FLOOR,
    LANES,
    ORDINARY,
    PRIORITY,
    PRIORITY_SLOTS,
    ahead_of,
    next_lane,
    owed_after,
    slots_of,
)
from tank_mailer.core.rate import room
from tank_mailer.flows.granted import GrantedTokens, Wanted
from tank_mailer.flows.line import Line, Ticket
from tank_mailer.flows.tokens import Tokens
from tank_mailer.ports.nodes import Grants
from tank_mailer.telemetry import metrics

NEAR_S = 1.0  # DESIGN 5.4: a job whose turn is so close may be written down as `sending`
FAR_S = 60.0  # DESIGN 7: a job whose turn is farther off is given back


class Limit(Protocol):
    """What keeps a lane back, whatever the pace: the daily quota, a trickle."""

    def room(self, lane: str) -> int | None:
        """Recipients that may still go; None: no limit; 0 or less: none."""

    def took(self, lane: str, recipients: int) -> None:
        """A job of so many goes now; may call `Governor.halt`."""

    def gave_back(self, lane: str, recipients: int) -> None:
        """None of them reached SES after all."""

    def ended(self, lane: str, recipients: int) -> None:
        """Its attempt is over, whatever became of it; after `gave_back`, if any."""


@dataclass(kw_only=True, eq=False)
class Governor:
    """The pace of all sending, in recipients a second.

    A job first waits until its turn is near, so that its beginning can be written down (and those of its neighbours
    with it), then for a slot and a token. Who goes is chosen when both are there: priority first, then the ordinary
    lane with its floor. A job of many recipients goes with its first token; the others are a debt that the next one
    waits for. While no limit stands in its way, a priority job waits at most for one call to SES, for the debt of the
    ordinary job that went last, and for one token, and behind its own lane.

    Attributes:
        rate: recipients a second as set, of all nodes together.
        has_priority: there are two lanes.
        grants: where nodes share the rate; None: it is all ours.
    """

    slots: int
    rate: float
    has_priority: bool = False
    grants: Grants | None = None
    limits: list[Limit] = field(default_factory=list)
    _tokens: Tokens = field(default_factory=Tokens)
    _granted: GrantedTokens | None = field(init=False, default=None)
    _lines: dict[str, Line] = field(init=False)
    _in_use: int = 0
    _debt: int = 0
    _owed: float = 0.0  # to the ordinary lane (core.lanes)
    _last: Ticket | None = None  # whose tokens were drawn last
    _closed: bool = False
    _stirred: asyncio.Event = field(default_factory=asyncio.Event)
    _stopped: asyncio.Event = field(default_factory=asyncio.Event)

    def __post_init__(self) -> None:
        self._lines = {
            lane: Line(name=lane, slots=slots_of(lane, slots=self.slots, has_priority=self.has_priority))
            for lane in LANES
        }
        if self.grants is not None:
            self._granted = GrantedTokens(grants=self.grants, tokens=self._tokens, demand=self)
        if self.rate:
            self.set_rate(self.rate)

    # --- the way of one attempt ---

    def enter(self, tokens: int, lane: str = ORDINARY) -> Ticket:
        """Join the queue; follow with `near`, `turn` and, whatever happens, `leave`."""
        loop = asyncio.get_running_loop()
        ticket = Ticket(tokens, lane, loop.create_future(), loop.create_future())
        self._tokens.look()
        wait_s = self._ahead(lane) / self._share if self._share else 0.0
        if self._closed:
            ticket.near.set_result(0.0)
        elif wait_s > FAR_S:
            ticket.near.set_result(wait_s)
        else:
            self._lines[lane].join(ticket)
            self._approach()
            self._stir()
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
        line = self._lines[ticket.lane]
        line.resize(ticket, tokens)
        if self._closed:
            return False
        line.turns.append(ticket)
        self._stir()
        return await ticket.go

    def leave(self, ticket: Ticket, *, refund: bool = False) -> None:
        """Free the slot; `refund` if no recipient reached SES."""
        line = self._lines[ticket.lane]
        line.drop(ticket)
        if ticket.went_s is not None:  # only what went has paid
            self._in_use -= 1
            line.in_flight -= 1
            if refund:
                self._refund(ticket)
            else:
                self._tokens.note_call(asyncio.get_running_loop().time() - ticket.went_s)
                metrics.tokens_used(ticket.lane, ticket.tokens)
            for limit in self.limits:
                if refund:
                    limit.gave_back(ticket.lane, ticket.tokens)
                limit.ended(ticket.lane, ticket.tokens)
            ticket.went_s = None
        self._approach()
        self._stir()

    def _refund(self, ticket: Ticket) -> None:
        """Give back what nobody has drawn after; older tokens are time that has passed."""
        if ticket is not self._last:
            return
        paid = ticket.tokens - self._debt
        self._debt = 0
        self._put_back(paid)

    def _ahead(self, lane: str) -> float:
        return ahead_of(
            lane,
            owed=self._owed,
            debt=self._debt,
            priority=self._lines[PRIORITY].ahead,
            ordinary=self._lines[ORDINARY].ahead,
        )

    def _approach(self) -> None:
        """Call those whose turn is near by now."""
        near = self._share * NEAR_S
        priority, ordinary = self._lines[PRIORITY], self._lines[ORDINARY]
        for line in (priority, ordinary) if near else ():
            while line.waiting and near >= ahead_of(
                line.name, owed=self._owed, debt=self._debt, priority=priority.ready, ordinary=ordinary.ready
            ):
                line.approach()
        priority.roomy.set()
        ordinary.roomy.set()

    def _stir(self) -> None:
        self._stirred.set()
        if self._granted is not None:
            self._granted.stir()

    # --- handing out ---

    async def run(self) -> None:
        """Hand out slots and tokens, until cancelled."""
        async with asyncio.TaskGroup() as works:
            works.create_task(self._hand_out())
            if self._granted is not None:
                works.create_task(self._granted.run())

    async def _hand_out(self) -> None:
        while True:
            while self._next() is None:
                self._stirred.clear()
                await self._stirred.wait()
            await self._draw()
            ticket = self._take()
            if ticket is None:  # they have left meanwhile
                self._put_back(1)
                continue
            self._start(ticket)
            while self._debt > 0:
                await self._draw(is_debt=True)
                self._pay()

    def _pay(self) -> None:
        """Use a token that was drawn for the debt."""
        if self._debt > 0:
            self._debt -= 1
        else:  # refunded meanwhile
            self._put_back(1)
        self._approach()

    def _next(self) -> str | None:
        """The lane that goes next, if any can."""
        return next_lane(self._owed, priority=self._can_go(PRIORITY), ordinary=self._can_go(ORDINARY))

    def _can_go(self, lane: str) -> bool:
        return bool(self._lines[lane].turns) and self._has_slot(lane)

    def _has_slot(self, lane: str) -> bool:
        return self._in_use < self.slots and self._lines[lane].in_flight < self._lines[lane].slots

    def _take(self) -> Ticket | None:
        """Take the ticket that goes now; those that a limit stops are given back."""
        while (lane := self._next()) is not None:
            line = self._lines[lane]
            ticket = line.turns[0]
            if ticket.go.done():
                line.turns.popleft()  # cancelled; it is about to leave
            elif any((left := limit.room(lane)) is not None and left <= 0 for limit in self.limits):
                line.refuse(ticket)
            elif self._granted is not None and not self._granted.fits(ticket.tokens, drawn=1):
                return None
            else:
                return ticket
        return None

    def _start(self, ticket: Ticket) -> None:
        lane, line = ticket.lane, self._lines[ticket.lane]
        line.start(ticket, asyncio.get_running_loop().time())
        if lane == PRIORITY:
            is_contested = bool(self._lines[ORDINARY].tickets) and self._has_slot(ORDINARY)
        else:
            is_contested = self._can_go(PRIORITY)
        self._owed = owed_after(self._owed, lane, ticket.tokens, is_contested=is_contested)
        self._in_use += 1
        self._debt += ticket.tokens - 1
        self._last = ticket
        ticket.go.set_result(True)
        for limit in self.limits:
            limit.took(lane, ticket.tokens)
        self._approach()

    async def _draw(self, *, is_debt: bool = False) -> None:
        if self._granted is None:
            await self._tokens.draw()
        else:
            await self._granted.draw(is_debt=is_debt)

    def _put_back(self, count: int) -> None:
        if self._granted is None:
            self._tokens.put_back(count)
        else:
            self._granted.put_back(count)

    # --- what the tokens are for (granted.Demand) ---

    def next_job(self) -> int:
        """The recipients of the job that goes next; 0: none can."""
        lane = self._next()
        return 0 if lane is None else self._lines[lane].turns[0].tokens

    def wanted(self) -> Wanted:
        """What tokens are for: jobs in the order in which they are likely to go, as far as there are slots."""
        priority, ordinary = self._lines[PRIORITY], self._lines[ORDINARY]
        free = self.slots - self._in_use
        lanes = [_sizes(line, min(free, line.slots - line.in_flight)) for line in (priority, ordinary)]
        if next_lane(self._owed, priority=bool(lanes[0]), ordinary=bool(lanes[1])) == ORDINARY and lanes[0]:
            lanes = [lanes[1][:1], lanes[0], lanes[1][1:]]
        now_s = asyncio.get_running_loop().time()
        return Wanted(
            debt=self._debt,
            jobs=list(islice(chain.from_iterable(lanes), max(0, free))),
            waits=any(line.tickets or line.expected > 0 for line in (priority, ordinary)),
            has_backlog=priority.has_backlog(now_s) or ordinary.has_backlog(now_s),
        )

    # --- the rate ---

    @property
    def current_rate(self) -> float:
        """Recipients a second of all nodes, as slow as throttle answers have made it; 0 before it is known."""
        return self._tokens.pace.current

    @property
    def nodes(self) -> int:
        """How many nodes share the rate."""
        return 1 if self._granted is None else self._granted.nodes

    @property
    def _share(self) -> float:
        return self.current_rate / self.nodes

    def set_rate(self, rate: float) -> None:
        """From now on, so many recipients a second."""
        self.rate = rate
        self._tokens.set_rate(rate)
        self._approach()
        self._stir()

    def slow_down(self) -> None:
        """SES throttled: cut the rate, once a round trip."""
        self._tokens.slow_down()

    # --- how much to ask for ---

    def expect(self, messages: int, lane: str = ORDINARY) -> None:
        """So many messages were received; each is `seen` once it is in flight, or needs no slot."""
        self._lines[lane].expected += messages
        self._stir()

    def ask(self, messages: int, lane: str = ORDINARY) -> None:
        """A receive for so many is under way; less than 0: it has ended."""
        self._lines[lane].asked += messages
        self.look_again()

    def seen(self, lane: str = ORDINARY) -> None:
        """One received message no longer waits."""
        self._lines[lane].expected -= 1
        self.look_again()

    def note_trip(self, seconds: float, lane: str = ORDINARY) -> None:
        """A receive that had messages to give took so long."""
        self._lines[lane].note_trip(seconds, asyncio.get_running_loop().time())

    def note_ready(self, seconds: float, lane: str = ORDINARY) -> None:
        """A job could go so long after its receive, its wait for its turn apart."""
        self._lines[lane].note_ready(seconds)

    def room(self, lane: str = ORDINARY) -> int:
        """How many messages to ask for now; 0: not yet."""
        if self._closed or not self._tokens.look():
            return 0
        line = self._lines[lane]
        messages = self._room_of(line)
        for limit in self.limits:
            if (left := limit.room(lane)) is not None:
                messages = min(messages, left - line.ahead - line.unseen - line.asked)
        return max(0, messages)

    def _room_of(self, line: Line) -> int:
        others = self._lines[PRIORITY].ahead if line.name == ORDINARY else 0
        messages = _formula(line, rate=self._share, ahead=self._debt + line.ahead + others)
        if line.name == PRIORITY:  # its long poll is always open: it costs the other lane nothing
            return max(messages, PRIORITY_SLOTS - line.expected - line.asked)
        if not messages and others:  # it keeps its floor only if it has something to send
            return _formula(line, rate=self._share * FLOOR, ahead=self._debt + line.ahead)
        return messages

    async def wait_for_room(self, lane: str = ORDINARY) -> int:
        """Wait until there is room, and say how much."""
        roomy = self._lines[lane].roomy
        while not (limit := self.room(lane)):
            roomy.clear()
            await roomy.wait()
        return limit

    def look_again(self) -> None:
        """How much room there is may have changed."""
        for line in self._lines.values():
            line.roomy.set()

    # --- how it stands ---

    @property
    def in_use(self) -> int:
        """Slots in use: requests in flight."""
        return self._in_use

    def in_flight(self, lane: str) -> int:
        """Requests of a lane in flight."""
        return self._lines[lane].in_flight

    def waiting(self, lane: str) -> int:
        """Recipients of a lane that wait for a slot or a token."""
        return self._lines[lane].ahead

    @property
    def is_idle(self) -> bool:
        """Whether nothing received waits and no slot is in use."""
        return not self._in_use and not any(line.expected for line in self._lines.values())

    # --- stopping ---

    def halt(self, lane: str | None = None) -> None:
        """Give back what waits for a slot or a token, on all lanes or on one; what is in flight goes on."""
        for line in self._lines.values():
            if lane in {None, line.name}:
                line.halt()
        self.look_again()

    def close(self) -> None:
        """Halt, and let nobody in any more."""
        self._closed = True
        self._stopped.set()
        self.halt()

    async def rest(self, seconds: float) -> None:
        """Sleep, but no longer than until `close`."""
        with suppress(TimeoutError):
            async with asyncio.timeout(seconds):
                await self._stopped.wait()


def _formula(line: Line, *, rate: float, ahead: int) -> int:
    outflow = line.outflow(asyncio.get_running_loop().time())
    return room(waiting=line.expected, asked=line.asked, ahead=ahead, rate=rate, outflow=outflow, trip_s=line.trip_s)


def _sizes(line: Line, slots: int) -> list[int]:
    """The recipients of those that wait, in their order, one for a message that nobody has looked into yet."""
    sizes: Iterable[int] = chain((ticket.tokens for ticket in line.tickets), (1 for _ in range(line.unseen)))
    return list(islice(sizes, max(0, slots)))
