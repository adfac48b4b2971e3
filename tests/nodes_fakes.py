"""What nodes share, in memory. `FakeBoard` and `FakeTurns` pass the contract suites of their ports."""

import asyncio
import json
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta

from tank_mailer.core.errors import StoreError
from tank_mailer.core.view import FRESH_S, NodeView, read_view
from tank_mailer.ports import Clock
from tank_mailer.ports.nodes import Order, Posted


@dataclass(slots=True, eq=False)
class Wall:
    """Where the boards of several nodes hang.

    Attributes:
        views: what each owner has posted, as JSON, and when.
        audit: every order ever given.
    """

    views: dict[str, tuple[datetime, str]] = field(default_factory=dict)
    orders: dict[str, Order] = field(default_factory=dict)
    audit: list[Order] = field(default_factory=list)


@dataclass(slots=True, eq=False)
class FakeBoard:
    """One node's board.

    Attributes:
        owner: `NODE/PROCESS`.
        wall: shared by nodes.
        sick: raised by every method while it is set.
    """

    clock: Clock
    owner: str = "mail-1/4f1d"
    wall: Wall = field(default_factory=Wall)
    sick: StoreError | None = None

    async def look(self) -> Posted:
        await self._answer()
        since = self.clock.now() - timedelta(seconds=FRESH_S)
        seen = [
            replace(read_view(json.loads(text)), seen_at=at)
            for owner, (at, text) in self.wall.views.items()
            if owner != self.owner and at >= since
        ]
        given = sorted(self.wall.orders.values(), key=lambda order: order.scope)
        return Posted(given, sorted(seen, key=lambda view: (view.node, view.process)))

    async def post(self, view: NodeView) -> None:
        await self._answer()
        self.wall.views[self.owner] = self.clock.now(), json.dumps(view.shape())

    async def order(self, order: Order) -> None:
        await self._answer()
        self.wall.orders[order.scope] = order
        self.wall.audit.append(order)

    async def leave(self) -> None:
        await self._answer()
        self.wall.views.pop(self.owner, None)

    async def _answer(self) -> None:
        await asyncio.sleep(0)  # as a real store: others come in between
        if self.sick:
            raise self.sick


@dataclass(slots=True, eq=False)
class FakeTurns:
    """One node's turns.

    Attributes:
        owner: `NODE/PROCESS`.
        held: shared by nodes: by whom each work is held, and until when.
        sick: raised by every method while it is set.
    """

    clock: Clock
    owner: str = "mail-1/4f1d"
    held: dict[str, tuple[str, datetime]] = field(default_factory=dict)
    sick: StoreError | None = None

    async def take(self, name: str, *, for_s: float) -> bool:
        await self._answer()
        now = self.clock.now()
        owner, ends_at = self.held.get(name, (self.owner, now))
        if owner != self.owner and ends_at > now:
            return False
        self.held[name] = self.owner, now + timedelta(seconds=for_s)
        return True

    async def give_up(self, name: str) -> None:
        await self._answer()
        if name in self.held and self.held[name][0] == self.owner:
            del self.held[name]

    async def _answer(self) -> None:
        await asyncio.sleep(0)  # as a real store: others come in between
        if self.sick:
            raise self.sick
