"""The board in the store: how nodes are, and what people have ordered."""

import json
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from typing import Final

import sqlalchemy as sa
from sqlalchemy.ext.asyncio import AsyncEngine

from tank_mailer.adapters.clock import store_now, store_seconds
from tank_mailer.adapters.rows import storable
from tank_mailer.adapters.schema import audit, nodes, orders
from tank_mailer.adapters.store import Store, insert_for
from tank_mailer.core.view import FRESH_S, NodeView, read_view, still_there
from tank_mailer.ports import Clock
from tank_mailer.ports.nodes import Action, Order, Posted

FORGET_S: Final = 86_400.0  # nodes that have ended without taking their view down


@dataclass(frozen=True, slots=True, kw_only=True)
class SqlBoard:
    """The `Board` over the store's own worker.

    Attributes:
        owner: `NODE/PROCESS`.
    """

    store: Store
    owner: str

    async def look(self) -> Posted:
        """Read it."""
        clock = self.store.clock
        return await self.store.transact(lambda connection: read_board(connection, clock, owner=self.owner))

    async def post(self, view: NodeView) -> None:
        """Say how we are; seen by others for `FRESH_S`."""
        text = json.dumps(view.shape())
        await self.store.transact(lambda connection: self._post(connection, view.node, text))

    async def order(self, order: Order) -> None:
        """Give an order in place of another one about the same scope; on record."""
        await self.store.transact(lambda connection: write_order(connection, self.store.engine, order))

    async def leave(self) -> None:
        """Take our own view down."""
        down = sa.delete(nodes).where(nodes.c.process == self.owner)
        await self.store.transact(lambda connection: connection.execute(down).close())

    def _post(self, connection: sa.Connection, node: str, text: str) -> None:
        now_s = store_seconds(connection, self.store.clock)
        ours = {"node": node, "seen_at": now_s, "view": text}
        insert = insert_for(self.store.engine, nodes).values(process=self.owner, **ours)
        connection.execute(insert.on_conflict_do_update(index_elements=[nodes.c.process], set_=ours))
        connection.execute(sa.delete(nodes).where(nodes.c.seen_at < now_s - FORGET_S))


# --- within a transaction --------------------------------------------------------------------------


def read_board(connection: sa.Connection, clock: Clock, *, owner: str | None = None) -> Posted:
    """All that stands there; of nodes those that were seen lately, without `owner`."""
    found = connection.execute(sa.select(orders).order_by(orders.c.scope)).mappings()
    given = [order for record in found if (order := _read_order(record)) is not None]
    now_s = store_now(connection, clock).timestamp()
    query = sa.select(nodes.c.seen_at, nodes.c.view).where(
        nodes.c.process != owner if owner is not None else sa.true(),
        nodes.c.seen_at.between(now_s - FRESH_S, now_s + FRESH_S),  # ahead of us: the server's clock was set back
    )
    seen = [view for at, text in connection.execute(query) if (view := _read_view(at, text)) is not None]
    return Posted(given, sorted(still_there(seen), key=lambda view: (view.node, view.process)))


def write_order(connection: sa.Connection, engine: AsyncEngine, order: Order) -> None:
    """The newest order about its scope, whatever the clocks say, and its line in the record of changes."""
    note = None if order.note is None else storable(order.note)
    values = {"action": order.action.value, "at": order.at.timestamp(), "who": order.who, "note": note}
    insert = insert_for(engine, orders).values(scope=order.scope, **values)
    connection.execute(insert.on_conflict_do_update(index_elements=[orders.c.scope], set_=values))
    said = {"action": order.action.value, "at": order.at.timestamp(), "who": order.who, "detail": note}
    connection.execute(sa.insert(audit).values(subject=order.scope, **said))


def _read_order(record: sa.RowMapping) -> Order | None:
    """None: of a kind that a newer version has given."""
    if record["action"] not in set(Action):
        return None
    at = datetime.fromtimestamp(record["at"], UTC)
    return Order(record["scope"], Action(record["action"]), at, record["who"], record["note"])


def _read_view(seen_at: float, text: str) -> NodeView | None:
    """None: of a version that is nothing like ours."""
    try:
        view = read_view(json.loads(text))
    except (ValueError, RecursionError):
        return None
    return replace(view, seen_at=datetime.fromtimestamp(seen_at, UTC))
