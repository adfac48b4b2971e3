"""The board as people read it and write on it."""

from tank_mailer.adapters.board import read_board, write_order
from tank_mailer.adapters.clock import store_now
from tank_mailer.adapters.desk import Desk
from tank_mailer.adapters.desk_walk import reading
from tank_mailer.adapters.rows import storable
from tank_mailer.ports.nodes import Action, Order, Posted


async def look_at_board(desk: Desk) -> Posted:
    """All that stands there, every node that was seen lately among it; raises StoreError."""
    async with reading(desk) as connection:
        return await connection.run_sync(read_board, desk.clock)


async def give_order(desk: Desk, *, scope: str, action: Action, note: str | None = None) -> Order:
    """Give an order, at the store's time: this host's clock may be another one than the nodes'; raises StoreError."""
    async with desk.transaction() as connection:
        at = await connection.run_sync(store_now, desk.clock)
        order = Order(scope, action, at, desk.who, note and storable(note))
        await connection.run_sync(write_order, desk.engine, order)
    return order
