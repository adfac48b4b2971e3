"""What was told to the web server or given up, put back into the outbox by a person."""

from collections.abc import AsyncIterator
from dataclasses import dataclass
from datetime import datetime
from typing import Final

import sqlalchemy as sa

from tank_mailer.adapters.desk import Desk
from tank_mailer.adapters.schema import outbox
from tank_mailer.core.telling import GIVEN_UP_AFTER

PAGE: Final = 500  # jobs in one transaction


@dataclass(frozen=True, slots=True)
class Period:
    """Which letters are meant.

    Attributes:
        since: told at or after it, or given up after it: when that was is not on record, so every letter counts that
            may still have waited then.
        until: told before it, or written before it and given up.
        email_id: of this job alone; None: of all jobs.
    """

    since: datetime
    until: datetime
    email_id: str | None = None

    @property
    def condition(self) -> sa.ColumnElement[bool]:
        """In SQL. What waits is left as it is."""
        is_told = outbox.c.told_at >= self.since.timestamp()
        is_given_up = sa.and_(
            outbox.c.told_at.is_(None), outbox.c.created_at >= (self.since - GIVEN_UP_AFTER).timestamp()
        )
        is_before = sa.func.coalesce(outbox.c.told_at, outbox.c.created_at) < self.until.timestamp()
        conditions = [outbox.c.due_at.is_(None), sa.or_(is_told, is_given_up), is_before]
        if self.email_id is not None:
            conditions.append(outbox.c.email_id == self.email_id)
        return sa.and_(*conditions)


@dataclass(frozen=True, slots=True)
class Count:
    """How much there is to tell again."""

    letters: int = 0
    jobs: int = 0

    def __add__(self, other: "Count") -> "Count":
        return Count(self.letters + other.letters, self.jobs + other.jobs)


async def count(desk: Desk, period: Period) -> Count:
    """Count without changing anything."""
    query = sa.select(sa.func.count(), sa.func.count(outbox.c.email_id.distinct())).where(period.condition)
    async with desk.transaction() as connection:
        letters, jobs = (await connection.execute(query)).one()
        return Count(letters, jobs)


async def replay(desk: Desk, period: Period) -> AsyncIterator[Count]:
    """Put letters back in pages, each in a transaction of its own, and yield what each page held.

    A page takes jobs as a whole, or the daemon could tell a later letter before an earlier one is back. Each letter
    starts afresh, with three days to be tried; it keeps its place among those that wait.
    """
    last = ""
    while True:
        jobs = sa.select(outbox.c.email_id).where(period.condition, outbox.c.email_id > last)
        async with desk.transaction() as connection:
            found = await connection.execute(jobs.distinct().order_by(outbox.c.email_id).limit(PAGE))
            page = list(found.scalars())
            if not page:
                return
            put_back = sa.update(outbox).where(period.condition, outbox.c.email_id.in_(page))
            put_back = put_back.values(
                due_at=outbox.c.created_at, created_at=desk.clock.now().timestamp(), told_at=None, tries=0
            )
            done = Count((await connection.execute(put_back)).rowcount, len(page))
            await desk.note(
                connection,
                action="webhook replay",
                subject=period.email_id or "all jobs",
                detail=f"{done.letters} letters of {done.jobs} jobs, since {period.since.isoformat(timespec='seconds')}"
                f" until {period.until.isoformat(timespec='seconds')}",
            )
        yield done
        last = page[-1]
