"""What else the store tells a report: the suppression list by reason, senders, events read, what was billed."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date, datetime
from typing import Final

import sqlalchemy as sa

from tank_mailer.adapters import rows
from tank_mailer.adapters.desk import Desk
from tank_mailer.adapters.desk_walk import reading
from tank_mailer.adapters.event_book import DRAINED
from tank_mailer.adapters.schema import marks, senders, suppressions, usage
from tank_mailer.core.cost import Item
from tank_mailer.core.reports.days import Days
from tank_mailer.core.reports.figures import Growth

MOST_REASONS: Final = 50
MOST_SENDERS: Final = 1_000  # by the first mail of each, the newest first
EPOCH: Final = date(1970, 1, 1)
_KNOWN: Final = {item.value for item in Item}


@dataclass(frozen=True, slots=True, kw_only=True)
class DeskStanding:
    """Looks; every method raises StoreError."""

    desk: Desk

    async def growth(self, days: Days) -> list[Growth]:
        """The suppression list by reason, the largest first: all entries in force, and the new ones."""
        begin, end = days.begin_at.timestamp(), days.end_at.timestamp()
        before = days.before().begin_at.timestamp()
        created, ends = suppressions.c.created_at, suppressions.c.ends_at
        in_force = sa.or_(ends.is_(None), ends > self.desk.clock.now().timestamp())
        total = _sum(in_force)
        query = (
            sa.select(
                suppressions.c.reason,
                total,
                _sum(sa.and_(created >= begin, created < end)),
                _sum(sa.and_(created >= before, created < begin)),
            )
            .group_by(suppressions.c.reason)
            .order_by(total.desc(), suppressions.c.reason)
            .limit(MOST_REASONS)
        )
        async with reading(self.desk) as connection:
            return [Growth(*found) for found in await connection.execute(query)]

    async def senders(self) -> list[str]:
        """Mailbox keys that SES has ever accepted a mail from."""
        query = sa.select(senders.c.address).order_by(senders.c.accepted_at.desc()).limit(MOST_SENDERS)
        async with reading(self.desk) as connection:
            return list((await connection.execute(query)).scalars())

    async def drained_until(self) -> datetime | None:
        """Up to when the event queue is known to have been read; None: it is not known."""
        async with reading(self.desk) as connection:
            return rows.moment(await connection.scalar(sa.select(marks.c.at).where(marks.c.name == DRAINED)))

    async def usage(self, days: Days) -> dict[date, dict[Item, int]]:
        """What the daemons have counted, over all nodes; days without any are left out."""
        first, end = (days.begin - EPOCH).days, (days.end - EPOCH).days
        query = (
            sa.select(usage.c.day, usage.c.name, sa.func.sum(usage.c.count))
            .where(usage.c.day >= first, usage.c.day < end)
            .group_by(usage.c.day, usage.c.name)
        )
        found = dict[date, dict[Item, int]]()
        async with reading(self.desk) as connection:
            for day, name, count in await connection.execute(query):
                if name in _KNOWN:  # a newer version may count more
                    at = date.fromordinal(EPOCH.toordinal() + day)
                    found.setdefault(at, {})[Item(name)] = int(count)
        return found


def _sum(condition: sa.ColumnElement[bool]) -> sa.ColumnElement[int]:
    return sa.func.sum(sa.case((condition, 1), else_=0))


def domains_of(addresses: Sequence[str]) -> list[str]:
    """Their domains, each once, in the order of the addresses."""
    return list(dict.fromkeys(address.rpartition("@")[2] for address in addresses if "@" in address))
