"""The outbox in the store: news that waits for the web server."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime

import sqlalchemy as sa

from tank_mailer.adapters import rows
from tank_mailer.adapters.schema import outbox
from tank_mailer.adapters.store import Store
from tank_mailer.ports import Letter

_EARLIER = outbox.alias("earlier")
_IS_HEAD = ~sa.exists().where(
    _EARLIER.c.email_id == outbox.c.email_id, _EARLIER.c.id < outbox.c.id, _EARLIER.c.due_at.is_not(None)
)
# By due time, not by id: so the index is walked and left once there are enough, however many wait.
DUE = (
    sa.select(outbox.c.id, outbox.c.email_id, outbox.c.payload, outbox.c.created_at, outbox.c.tries)
    .where(outbox.c.due_at <= sa.bindparam("now"), _IS_HEAD)
    .order_by(outbox.c.due_at, outbox.c.id)
    .limit(sa.bindparam("most"))
)
_NEXT_DUE = sa.select(sa.func.min(outbox.c.due_at)).where(outbox.c.due_at.is_not(None))
_WAITING = sa.select(sa.func.count()).where(outbox.c.due_at.is_not(None))
_OLD = (  # the sum keeps the databases from walking all letters ever written by their time
    sa.select(outbox.c.id, outbox.c.email_id, outbox.c.payload, outbox.c.created_at, outbox.c.tries)
    .where(outbox.c.due_at.is_not(None), outbox.c.created_at + 0.0 <= sa.bindparam("before"))
    .order_by(outbox.c.due_at, outbox.c.id)
    .limit(sa.bindparam("most"))
)
_TOLD = (
    sa.update(outbox)
    .where(outbox.c.id.in_(sa.bindparam("ids", expanding=True)))
    .values(told_at=sa.bindparam("at"), due_at=None)
)
# What another process has settled meanwhile stays settled.
_PUT_OFF = (
    sa.update(outbox)
    .where(outbox.c.id == sa.bindparam("letter"), outbox.c.due_at.is_not(None))
    .values(due_at=sa.bindparam("later"), tries=outbox.c.tries + 1)
)
_GIVE_UP = sa.update(outbox).where(outbox.c.id == sa.bindparam("letter")).values(due_at=None)


@dataclass(frozen=True, slots=True)
class SqlOutbox:
    """The `Outbox` on SQLite or PostgreSQL, in the store's own transactions."""

    store: Store

    async def due(self, now: datetime, *, limit: int) -> Sequence[Letter]:
        """The oldest waiting letter of each job, as far as it is due; what has been due for longest first."""
        return await self._letters(DUE, {"now": now.timestamp(), "most": limit})

    async def told(self, ids: Sequence[int], at: datetime) -> None:
        """They have been told."""
        if ids:
            values = {"ids": list(ids), "at": at.timestamp()}
            await self.store.transact(lambda connection: _do(connection, _TOLD, values))

    async def put_off(self, letter: Letter, due_at: datetime) -> None:
        """Try again then; counts one try."""
        values = {"letter": letter.id, "later": due_at.timestamp()}
        await self.store.transact(lambda connection: _do(connection, _PUT_OFF, values))

    async def give_up(self, letter: Letter) -> None:
        """Try no more; kept for `webhook replay`."""
        await self.store.transact(lambda connection: _do(connection, _GIVE_UP, {"letter": letter.id}))

    async def next_due(self) -> datetime | None:
        """When the earliest waiting letter is due, in the past too."""
        return rows.moment(await self.store.transact(lambda connection: connection.scalar(_NEXT_DUE)))

    async def waiting(self) -> int:
        """How many letters wait, due or not."""
        return await self.store.transact(lambda connection: connection.scalar(_WAITING)) or 0

    async def waiting_since(self, before: datetime, *, limit: int) -> Sequence[Letter]:
        """Letters that were written at or before `before` and wait still, due or not."""
        return await self._letters(_OLD, {"before": before.timestamp(), "most": limit})

    async def _letters(self, query: sa.Executable, values: Mapping[str, object]) -> Sequence[Letter]:
        return await self.store.transact(
            lambda connection: [_letter(record) for record in connection.execute(query, values).mappings()]
        )


def _do(connection: sa.Connection, statement: sa.Executable, values: Mapping[str, object]) -> None:
    connection.execute(statement, values)


def _letter(record: sa.RowMapping) -> Letter:
    return Letter(
        id=record["id"],
        email_id=record["email_id"],
        payload=record["payload"],
        created_at=datetime.fromtimestamp(record["created_at"], UTC),
        tries=record["tries"],
    )
