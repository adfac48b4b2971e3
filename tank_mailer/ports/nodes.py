"""What nodes tell each other by way of the store: the pace, whose turn it is, how they are, what people order."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from typing import Protocol

from tank_mailer.core.quota import Spent
from tank_mailer.core.reputation import Tally
from tank_mailer.core.view import NodeView

# --- the pace --------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Grant:
    """Tokens that are ours alone, for a span of time that no other node has.

    Attributes:
        tokens: recipients.
        wait_s: from the moment of the answer until the span begins; negative if it has begun.
        span_s: how long it lasts: tokens that are not used by then are lost.
        nodes: how many nodes have asked lately, this one included.
    """

    tokens: int
    wait_s: float
    span_s: float
    nodes: int = 1


class Grants(Protocol):
    """The pace that all nodes on one account share (DESIGN 7)."""

    async def ask(self, tokens: int, *, per_s: float) -> Grant:
        """Take the next span of `tokens` / `per_s` seconds; raises `StoreError`."""


# --- whose turn it is ------------------------------------------------------------------------------


class Turns(Protocol):
    """Work that one node does for all: held for a while, by the store's time."""

    async def take(self, name: str, *, for_s: float) -> bool:
        """Begin or go on with this work for so long; False while another node has it. Raises `StoreError`."""

    async def give_up(self, name: str) -> None:
        """Leave it to the others at once, if it is ours."""


# --- the board -------------------------------------------------------------------------------------


class Action(StrEnum):
    """What a person may order."""

    PAUSE = "pause"
    RESUME = "resume"


@dataclass(frozen=True, slots=True)
class Order:
    """The newest order about one scope; kept over restarts.

    Attributes:
        scope: `all`, `lane/NAME`, `sender/MAILBOX_KEY` or `configuration_set/NAME`.
        at: when, by the store's time.
        who: the person, or `tank-mailer` itself.
        note: why, in their words.
    """

    scope: str
    action: Action
    at: datetime
    who: str
    note: str | None = None


@dataclass(frozen=True, slots=True)
class Posted:
    """What stands on the board.

    Attributes:
        others: the other nodes that were seen lately.
    """

    orders: Sequence[Order]
    others: Sequence[NodeView]


class Board(Protocol):
    """Where nodes and commands tell each other how things are. Every method raises `StoreError`."""

    async def look(self) -> Posted:
        """Read it."""

    async def post(self, view: NodeView) -> None:
        """Say how we are; seen by others for `core.view.FRESH_S`."""

    async def order(self, order: Order) -> None:
        """Give an order in place of an older one about the same scope; on record in the audit table."""

    async def leave(self) -> None:
        """Take our own view down: we stop."""


# --- how much was sent -----------------------------------------------------------------------------


class Volume(Protocol):
    """What all nodes on this store have sent. Every method raises `StoreError`."""

    async def spent(self, since: datetime) -> Sequence[Spent]:
        """Recipients that SES accepted, a minute each, the oldest first; the simulator's are not counted."""

    async def tally(self, since: datetime) -> Tally:
        """What came of it, by AWS's arithmetic."""
