"""Work that one node does for all, such as pruning: whose turn it is, in a table of the store."""

from dataclasses import dataclass

import sqlalchemy as sa

from tank_mailer.adapters.clock import store_seconds
from tank_mailer.adapters.schema import turns
from tank_mailer.adapters.store import Store, insert_for


@dataclass(frozen=True, slots=True, kw_only=True)
class SqlTurns:
    """The `Turns` over the store's own worker.

    A row that runs out, and no lock of a session: a process that is stopped or cut off keeps its session, and with it
    the lock, for as long as the server takes to notice.

    Attributes:
        owner: `NODE/PROCESS`.
    """

    store: Store
    owner: str

    async def take(self, name: str, *, for_s: float) -> bool:
        """Begin or go on with this work for so long; False while another node has it. Raises `StoreError`."""
        return await self.store.transact(lambda connection: self._take(connection, name, for_s))

    async def give_up(self, name: str) -> None:
        """Leave it to the others at once, if it is ours; raises `StoreError`."""
        leave = sa.delete(turns).where(turns.c.name == name, turns.c.owner == self.owner)
        await self.store.transact(lambda connection: connection.execute(leave).close())

    def _take(self, connection: sa.Connection, name: str, for_s: float) -> bool:
        now_s = store_seconds(connection, self.store.clock)
        ours = {"owner": self.owner, "ends_at": now_s + for_s}
        take = insert_for(self.store.engine, turns).values(name=name, **ours)
        take = take.on_conflict_do_update(
            index_elements=[turns.c.name],
            set_=ours,
            where=sa.or_(turns.c.owner == self.owner, turns.c.ends_at <= now_s),
        )
        return connection.scalar(take.returning(turns.c.name)) is not None
