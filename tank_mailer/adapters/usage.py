"""What AWS bills for, kept by the day, node and item."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import timedelta
from typing import Final

import sqlalchemy as sa

from tank_mailer.adapters.schema import usage
from tank_mailer.adapters.store import Store, insert_for
from tank_mailer.core.cost import Item

DAY_S: Final = 86_400
KEPT: Final = timedelta(days=400)  # a year to compare a month with, whatever the retention: some rows a day and node


@dataclass(kw_only=True, eq=False)
class SqlUsage:
    """The `Usage` over the store's own worker."""

    store: Store

    def __post_init__(self) -> None:
        """Make the statement once: SQLAlchemy caches what it compiles by it."""
        insert = insert_for(self.store.engine, usage)
        self._add = insert.on_conflict_do_update(
            index_elements=[usage.c.day, usage.c.node, usage.c.name],
            set_={"count": usage.c.count + insert.excluded.count},
        )

    async def add(self, counts: Mapping[Item, int]) -> None:
        """Add to this node's counts of today."""
        day = int(self.store.clock.now().timestamp()) // DAY_S
        values = [
            {"day": day, "node": self.store.node, "name": item.value, "count": count}
            for item, count in sorted(counts.items())
            if count
        ]
        if values:
            await self.store.transact(lambda connection: self._write(connection, values))

    def _write(self, connection: sa.Connection, values: list[dict[str, int | str]]) -> None:
        connection.execute(self._add, values)
