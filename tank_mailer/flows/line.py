"""One lane's jobs: those that wait for their turn, and how fast they go."""

import asyncio
from collections import deque
from dataclasses import dataclass, field

OUTFLOW_OF = 256  # starts that the outflow is measured over
OUTFLOW_S = 0.5  # at least: a burst into free slots is no outflow
TRIP_WEIGHT = 0.2  # of the newest receive in the running mean
READY_WEIGHT = 0.05  # of the newest job: ten come at once
BACKLOG_S = 3.0  # so long after a receive that was full, the queue is taken to hold more


@dataclass(slots=True, eq=False)
class Ticket:
    """One attempt's place in the queue for slots and tokens.

    Attributes:
        tokens: recipients.
        near: done when the turn is near: None, or after how many seconds to come back.
        go: done when the turn is there: whether it may go.
        went_s: when it went.
    """

    tokens: int
    lane: str
    near: asyncio.Future[float | None]
    go: asyncio.Future[bool]
    is_ready: bool = False  # near, and not gone yet
    went_s: float | None = None


@dataclass(kw_only=True, eq=False)
class Line:
    """The tickets of one lane, in the order in which they came.

    Attributes:
        slots: requests that may be in flight.
        tickets: all that have not gone.
        waiting: of these, those whose turn is not near yet.
        turns: of these, those that could go now.
        ready: recipients of those that are near.
        ahead: recipients of all that have not gone.
        expected: messages received that still wait.
        asked: messages that receives under way may bring.
        in_flight: requests.
        roomy: set when the answer to how many more to receive may have changed.
    """

    name: str
    slots: int
    tickets: dict[Ticket, None] = field(default_factory=dict)
    waiting: deque[Ticket] = field(default_factory=deque)
    turns: deque[Ticket] = field(default_factory=deque)
    ready: int = 0
    ahead: int = 0
    expected: int = 0
    asked: int = 0
    in_flight: int = 0
    roomy: asyncio.Event = field(default_factory=asyncio.Event)
    receive_s: float = 0.05
    ready_s: float = 0.02
    _full_s: float = float("-inf")
    _starts: deque[float] = field(default_factory=lambda: deque(maxlen=OUTFLOW_OF))

    def join(self, ticket: Ticket) -> None:
        """Let it wait behind the others."""
        self.waiting.append(ticket)
        self.tickets[ticket] = None
        self.ahead += ticket.tokens

    def approach(self) -> None:
        """The turn of the first one that waits is near."""
        ticket = self.waiting.popleft()
        if not ticket.near.done():  # cancelled otherwise
            ticket.is_ready = True
            self.ready += ticket.tokens
            ticket.near.set_result(None)

    def resize(self, ticket: Ticket, tokens: int) -> None:
        """It has fewer recipients than it had."""
        if ticket.is_ready:
            self.ahead += tokens - ticket.tokens
            self.ready += tokens - ticket.tokens
        ticket.tokens = tokens

    def drop(self, ticket: Ticket) -> None:
        """It no longer waits: it goes, or has left."""
        if ticket not in self.tickets:
            return
        del self.tickets[ticket]
        self.ahead -= ticket.tokens
        if ticket.is_ready:
            ticket.is_ready = False
            self.ready -= ticket.tokens
            if ticket in self.turns:
                self.turns.remove(ticket)
        elif ticket in self.waiting:
            self.waiting.remove(ticket)

    def start(self, ticket: Ticket, now_s: float) -> None:
        """It goes."""
        self.drop(ticket)
        ticket.went_s = now_s
        self.in_flight += 1
        self._starts.append(now_s)

    def refuse(self, ticket: Ticket) -> None:
        """It may not go now."""
        self.drop(ticket)
        if not ticket.go.done():
            ticket.go.set_result(False)

    def halt(self) -> None:
        """Give back what waits for a slot or a token."""
        for ticket in tuple(self.waiting):
            self.drop(ticket)
            if not ticket.near.done():
                ticket.near.set_result(0.0)
        for ticket in tuple(self.turns):
            self.refuse(ticket)

    def note_trip(self, seconds: float, now_s: float) -> None:
        """A receive that had messages to give took so long."""
        self.receive_s += TRIP_WEIGHT * (seconds - self.receive_s)
        self._full_s = now_s

    def note_ready(self, seconds: float) -> None:
        """A job was looked up and written down so long after its receive, its wait for its turn apart."""
        self.ready_s += READY_WEIGHT * (seconds - self.ready_s)

    @property
    def trip_s(self) -> float:
        """How long it takes from asking the queue until a job may go."""
        return self.receive_s + self.ready_s

    def has_backlog(self, now_s: float) -> bool:
        """Whether the queue is likely to hold more."""
        return now_s - self._full_s < BACKLOG_S

    def outflow(self, now_s: float) -> float:
        """Jobs that started a second, lately."""
        if len(self._starts) < 2:  # noqa: PLR2004 - two points make a line
            return 0.0
        return len(self._starts) / max(now_s - self._starts[0], OUTFLOW_S)

    @property
    def unseen(self) -> int:
        """Messages received whose jobs have no ticket yet."""
        return max(0, self.expected - len(self.tickets))
