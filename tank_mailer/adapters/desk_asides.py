"""What people ask the store about what was put aside: jobs of which no mail came, and messages that are no event."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from typing import Any

import sqlalchemy as sa
from sqlalchemy.ext.asyncio import AsyncConnection

from tank_mailer.adapters import rows
from tank_mailer.adapters.desk import Desk, spelled
from tank_mailer.adapters.desk_walk import pages, reading
from tank_mailer.adapters.schema import asides
from tank_mailer.core.deadletter import domains_of
from tank_mailer.core.ledger import State

DROPPED = "dropped"  # the kind of a dead letter that a person does not want any more
PAGE = 200  # texts read at a time: 64 KiB each at most
MIN_PREFIX_CHARACTERS = 4  # ours: of a queue message's id; fewer would be a guess


@dataclass(frozen=True, slots=True)
class PutAside:
    """A queue message that came to nothing, and its text."""

    queue_message_id: str
    email_id: str | None
    kind: str
    reason: str
    detail: str
    lane: str
    at: datetime
    requeued_at: datetime | None
    raw: str = field(default="", repr=False)  # not in lists

    @property
    def state(self) -> str:
        """How its job ended."""
        return State.DEAD.value if self.kind == DROPPED else self.kind

    def shape(self) -> dict[str, Any]:
        """As JSON has it, without its text."""
        return {
            "queue_message_id": self.queue_message_id,
            "email_id": self.email_id,
            "kind": self.kind,
            "reason": self.reason,
            "detail": self.detail,
            "lane": self.lane,
            "at": spelled(self.at),
            "requeued_at": spelled(self.requeued_at),
        }


@dataclass(frozen=True, slots=True)
class Which:
    """Which of what was put aside; None: all.

    Attributes:
        but: all kinds but these.
        before: put aside then or earlier.
        after: put aside then or later.
    """

    kind: str | None = None
    reason: str | None = None
    is_waiting: bool = False  # only those that nobody has put back
    but: tuple[str, ...] = ()
    before: datetime | None = None
    after: datetime | None = None

    @property
    def conditions(self) -> list[sa.ColumnElement[bool]]:
        """In SQL."""
        found = list[sa.ColumnElement[bool]]()
        if self.kind is not None:
            found.append(asides.c.kind == self.kind)
        if self.but:
            found.append(asides.c.kind.not_in(self.but))
        if self.reason is not None:
            found.append(asides.c.reason == self.reason)
        if self.is_waiting:
            found.append(asides.c.requeued_at.is_(None))
        if self.before is not None:
            found.append(asides.c.at <= self.before.timestamp())
        if self.after is not None:
            found.append(asides.c.at >= self.after.timestamp())
        return found


async def list_asides(desk: Desk, which: Which, *, limit: int) -> tuple[int, list[PutAside]]:
    """How many there are, and the newest of them, without their texts."""
    shown = [column for column in asides.c if column.name != "raw"]
    query = sa.select(*shown).where(*which.conditions).order_by(asides.c.at.desc(), asides.c.queue_message_id)
    async with desk.transaction() as connection:
        count = await connection.scalar(sa.select(sa.func.count()).select_from(asides).where(*which.conditions))
        found = (await connection.execute(query.limit(limit))).mappings().all()
    return count or 0, [_read(record) for record in found]


async def count_asides(desk: Desk, which: Which) -> int:
    """How many there are."""
    query = sa.select(sa.func.count()).select_from(asides).where(*which.conditions)
    async with desk.transaction() as connection:
        return await connection.scalar(query) or 0


async def list_ids(desk: Desk, which: Which) -> list[str]:
    """The ids of all their queue messages, oldest first."""
    query = sa.select(asides.c.queue_message_id).where(*which.conditions).order_by(asides.c.at)
    async with desk.transaction() as connection:
        return list((await connection.execute(query)).scalars())


async def of_domain(desk: Desk, ids: Sequence[str], domain: str, moved: Callable[[int], None]) -> list[PutAside]:
    """Those with a recipient at this domain, in their order, without their texts, each of which is read for it."""
    found = dict[str, PutAside]()
    for some in pages(ids, PAGE):
        query = sa.select(asides).where(asides.c.queue_message_id.in_(some))
        async with reading(desk) as connection:
            page = [_read(record) for record in (await connection.execute(query)).mappings()]
        found |= {one.queue_message_id: replace(one, raw="") for one in page if domain in domains_of(one.raw)}
        moved(len(some))
    return [found[one] for one in ids if one in found]


async def find_asides(desk: Desk, name: str) -> list[PutAside]:
    """What goes by that name, newest first: a queue message's id, an email_id, or how a queue message's id begins.

    The first of these that fits; more than one only for an email_id or such a beginning.
    """
    ways: list[sa.ColumnElement[bool]] = [asides.c.queue_message_id == name, asides.c.email_id == name]
    if len(name) >= MIN_PREFIX_CHARACTERS:
        ways.append(asides.c.queue_message_id.startswith(name.lower(), autoescape=True))
    async with desk.transaction() as connection:
        for way in ways:
            query = sa.select(asides).where(way).order_by(asides.c.at.desc()).limit(20)
            if found := (await connection.execute(query)).mappings().all():
                return [_read(record) for record in found]
    return []


async def newest_aside(connection: AsyncConnection, email_id: str) -> PutAside | None:
    """The newest of a job."""
    query = sa.select(asides).where(asides.c.email_id == email_id).order_by(asides.c.at.desc()).limit(1)
    found = (await connection.execute(query)).mappings().first()
    return _read(found) if found else None


async def mark_requeued(
    desk: Desk, aside: PutAside, *, subject: str, new_message_id: str, corrected: bool = False
) -> None:
    """Put on record that it is back on its queue; `subject`: the job's email_id, where it is a job."""
    query = sa.update(asides).where(asides.c.queue_message_id == aside.queue_message_id)
    detail = f"queue message {aside.queue_message_id} as {new_message_id}{', corrected' if corrected else ''}"
    async with desk.transaction() as connection:
        await connection.execute(query.values(requeued_at=desk.clock.now().timestamp()))
        await desk.note(connection, action="refused requeue", subject=subject, detail=detail)


def _read(record: sa.RowMapping) -> PutAside:
    return PutAside(
        queue_message_id=record["queue_message_id"],
        email_id=record["email_id"],
        kind=record["kind"],
        reason=record["reason"],
        detail=record["detail"],
        lane=record["lane"],
        at=datetime.fromtimestamp(record["at"], UTC),
        requeued_at=rows.moment(record["requeued_at"]),
        raw=record.get("raw", ""),
    )
