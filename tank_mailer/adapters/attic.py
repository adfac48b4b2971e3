"""What the store keeps for too long, and the marks by which those who look after it know when they last did."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any, Final

import sqlalchemy as sa

from tank_mailer.adapters import rows
from tank_mailer.adapters.desk_suppressions import REMOVE
from tank_mailer.adapters.schema import (
    asides,
    audit,
    events,
    jobs,
    marks,
    nodes,
    outbox,
    receipts,
    recipients,
    usage,
    volume,
)
from tank_mailer.adapters.store import Store, insert_for
from tank_mailer.adapters.usage import DAY_S
from tank_mailer.adapters.usage import KEPT as USAGE_KEPT
from tank_mailer.adapters.volume import KEPT
from tank_mailer.core.keeping import audit_before
from tank_mailer.core.ledger import UNFINISHED
from tank_mailer.core.quota import BUCKET_S

PRUNING = 7_265_001  # PostgreSQL: our name for the advisory lock of the one node that prunes
ROWS_OF_JOB = 3  # itself, a recipient, a receipt; more of a job are counted
NODES_KEPT: Final = timedelta(days=1)  # a process that ended without a word is told from one that is stuck
ASIDES_SHARE = 10  # a text put aside has up to 64 KiB: of such rows a tenth
Prune = Callable[[sa.Connection, float, int], int]  # older than this, so many at most; returns how many


@dataclass(kw_only=True, eq=False)
class SqlAttic:
    """The `Attic` over the store's own worker.

    Attributes:
        _looked_to: up to where this pass has looked at jobs: those left behind it are unfinished, maybe for ever.
    """

    store: Store
    _looked_to: float = field(default=0.0, init=False)

    # --- the port ---

    async def prune(self, before: datetime, *, limit: int) -> int:
        """Delete up to `limit` rows older than that; 0: nothing is left, or another node is at it."""
        return await self.store.transact(lambda connection: self._prune(connection, before, limit))

    async def lost_events(self, accepted_from: datetime, accepted_until: datetime) -> tuple[int, int]:
        """How many mails accepted then, through a configuration set, had no event at all; and of how many."""
        told = sa.or_(
            sa.exists().where(events.c.ses_message_id == jobs.c.ses_message_id),
            sa.exists().where(events.c.email_id == jobs.c.email_id),
            sa.exists().where(events.c.email_id == jobs.c.tag),  # where the event came before its job was known
        )
        query = sa.select(sa.func.count(), sa.func.sum(sa.case((told, 0), else_=1))).where(
            jobs.c.accepted_at >= accepted_from.timestamp(),
            jobs.c.accepted_at < accepted_until.timestamp(),
            jobs.c.configuration_set != "",
        )
        accepted, lost = await self.store.transact(lambda connection: connection.execute(query).one())
        return lost or 0, accepted

    async def mark(self, name: str) -> datetime | None:
        """When something was last noted under that name."""
        query = sa.select(marks.c.at).where(marks.c.name == name)
        return rows.moment(await self.store.transact(lambda connection: connection.scalar(query)))

    async def set_mark(self, name: str, at: datetime) -> None:
        """Note it, whatever stood there."""
        insert = insert_for(self.store.engine, marks).values(name=name, at=at.timestamp())
        query = insert.on_conflict_do_update(index_elements=[marks.c.name], set_={"at": insert.excluded.at})
        await self.store.transact(lambda connection: connection.execute(query).close())

    async def move_mark(self, name: str, before: datetime | None, at: datetime) -> bool:
        """Note it if nobody has since `before` (None: never noted); False if somebody has."""
        query: sa.Executable
        if before is None:
            insert = insert_for(self.store.engine, marks).values(name=name, at=at.timestamp())
            query = insert.on_conflict_do_nothing().returning(marks.c.name)
        else:
            update = sa.update(marks).where(marks.c.name == name, marks.c.at == before.timestamp())
            query = update.values(at=at.timestamp()).returning(marks.c.name)
        return await self.store.transact(lambda connection: connection.scalar(query) is not None)

    # --- pruning ---

    def _prune(self, connection: sa.Connection, before: datetime, limit: int) -> int:
        if connection.dialect.name == "postgresql":
            mine = connection.scalar(sa.select(sa.func.pg_try_advisory_xact_lock(PRUNING)))
            if not mine:
                return 0
        done = 0
        prunes: tuple[Prune, ...] = (
            self._jobs,
            self._events,
            _asides,
            _outbox,
            self._audit,
            self._volume,
            self._usage,
            self._nodes,
        )
        for prune in prunes:
            if done < limit:
                done += prune(connection, before.timestamp(), limit - done)
        if not done:  # the pass is over
            self._looked_to = 0.0
        return done

    def _jobs(self, connection: sa.Connection, before: float, limit: int) -> int:
        """Ended jobs with all that hangs on them; each goes when its own time is over, whatever came of it later."""
        query = (
            sa.select(jobs.c.email_id, jobs.c.updated_at)
            .where(
                jobs.c.updated_at >= self._looked_to,
                jobs.c.updated_at < before,
                jobs.c.state.not_in([state.value for state in UNFINISHED]),
            )
            .order_by(jobs.c.updated_at)
            .limit(max(1, limit // ROWS_OF_JOB))
        )
        found = dict(connection.execute(query).all())
        ids = _as_many(connection, list(found), limit)
        self._looked_to = found[ids[-1]] if ids else before
        if not ids:
            return 0
        ended = jobs.c.state.not_in([state.value for state in UNFINISHED])  # another node may have begun one anew
        forget = sa.delete(jobs).where(jobs.c.email_id.in_(ids), jobs.c.updated_at < before, ended)
        gone = list(connection.execute(forget.returning(jobs.c.email_id)).scalars())
        return len(gone) + _delete_of_jobs(connection, gone)

    def _events(self, connection: sa.Connection, before: float, limit: int) -> int:
        """Events; with the last one of a job that is gone, what late events had added to it."""
        old = sa.select(events.c.key).where(events.c.recorded_at < before).order_by(events.c.recorded_at).limit(limit)
        query = sa.delete(events).where(events.c.key.in_(old)).returning(events.c.email_id)
        ids = list(connection.execute(query).scalars())
        late = {email_id for email_id in ids if email_id is not None}
        if late:
            known = connection.execute(sa.select(jobs.c.email_id).where(jobs.c.email_id.in_(late))).scalars()
            _delete_of_jobs(connection, sorted(late.difference(known)))
        return len(ids)

    def _audit(self, connection: sa.Connection, before: float, limit: int) -> int:
        """Ids rise with time, so the oldest rows come first, without an index on it.

        Whom a person has let go stays on record for good: without that line `suppress sync` would enter the address
        again for as long as SES lists it, and `reclassify` for an old bounce.
        """
        ends = audit_before(_moment(before), self.store.clock.now()).timestamp()
        oldest = sa.select(audit.c.id, audit.c.at).where(audit.c.action != REMOVE).order_by(audit.c.id).limit(limit)
        ids = [number for number, at in connection.execute(oldest) if at < ends]
        if ids:
            connection.execute(sa.delete(audit).where(audit.c.id.in_(ids)))
        return len(ids)

    def _volume(self, connection: sa.Connection, _before: float, limit: int) -> int:
        """Sixty rows an hour and node; no retention makes it last longer."""
        ends = int((self.store.clock.now() - KEPT).timestamp()) // BUCKET_S
        old = sa.select(volume.c.minute).where(volume.c.minute < ends).order_by(volume.c.minute).limit(limit)
        return _rowcount(connection, sa.delete(volume).where(volume.c.minute.in_(old)))

    def _usage(self, connection: sa.Connection, _before: float, limit: int) -> int:
        """A handful of rows a day and node; no retention makes it last longer or shorter."""
        ends = int((self.store.clock.now() - USAGE_KEPT).timestamp()) // DAY_S
        old = sa.select(usage.c.day).where(usage.c.day < ends).order_by(usage.c.day).limit(limit)
        return _rowcount(connection, sa.delete(usage).where(usage.c.day.in_(old)))

    def _nodes(self, connection: sa.Connection, _before: float, limit: int) -> int:
        """What processes left that did not take their leave; a handful of rows in all."""
        ends = (self.store.clock.now() - NODES_KEPT).timestamp()
        old = sa.select(nodes.c.process).where(nodes.c.seen_at < ends).limit(limit)
        return _rowcount(connection, sa.delete(nodes).where(nodes.c.process.in_(old)))


def _as_many(connection: sa.Connection, ids: Sequence[str], limit: int) -> list[str]:
    """The first of these jobs that come to `limit` rows with all that hangs on them; one at the least."""
    rows_of = dict.fromkeys(ids, 1)
    for table in (recipients, receipts):
        query = sa.select(table.c.email_id, sa.func.count()).where(table.c.email_id.in_(ids)).group_by(table.c.email_id)
        for email_id, count in connection.execute(query) if ids else ():
            rows_of[email_id] += count
    chosen, total = list[str](), 0
    for email_id, count in rows_of.items():
        total += count
        if chosen and total > limit:
            break
        chosen.append(email_id)
    return chosen


def _delete_of_jobs(connection: sa.Connection, ids: Sequence[str]) -> int:
    done = 0
    for table in (recipients, receipts) if ids else ():
        done += connection.execute(sa.delete(table).where(table.c.email_id.in_(ids))).rowcount
    return done


def _asides(connection: sa.Connection, before: float, limit: int) -> int:
    old = sa.select(asides.c.queue_message_id).where(asides.c.at < before).order_by(asides.c.at)
    old = old.limit(max(1, limit // ASIDES_SHARE))
    return _rowcount(connection, sa.delete(asides).where(asides.c.queue_message_id.in_(old)))


def _outbox(connection: sa.Connection, before: float, limit: int) -> int:
    """What was told or given up; what waits is kept, however long."""
    old = sa.select(outbox.c.id).where(outbox.c.created_at < before, outbox.c.due_at.is_(None))
    old = old.order_by(outbox.c.created_at).limit(limit)
    return _rowcount(connection, sa.delete(outbox).where(outbox.c.id.in_(old)))


def _rowcount(connection: sa.Connection, query: sa.Delete) -> int:
    result: sa.CursorResult[Any] = connection.execute(query)
    return result.rowcount


def _moment(at: float) -> datetime:
    found = rows.moment(at)
    assert found is not None  # noqa: S101
    return found
