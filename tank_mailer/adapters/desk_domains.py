"""What came of the mail to each recipient domain, counted by the database, a day at a time."""

from collections.abc import Collection
from dataclasses import dataclass
from datetime import date
from typing import Any, Final

import sqlalchemy as sa
from sqlalchemy.ext.asyncio import AsyncConnection

from tank_mailer.adapters.desk import Desk
from tank_mailer.adapters.desk_report import domain_of, span_of, whole
from tank_mailer.adapters.desk_walk import reading
from tank_mailer.adapters.schema import events, jobs, recipients
from tank_mailer.core.event import EventKind
from tank_mailer.core.reports.domains import DomainFigures
from tank_mailer.core.reports.histogram import LONGEST_S, RANGES, Histogram
from tank_mailer.core.status import Status

MOST_A_DAY: Final = 2_000  # domains of one day, the largest: the long tail is told as a sum
_ARRIVED: Final = (int(Status.DELIVERED), int(Status.COMPLAINED))


@dataclass(frozen=True, slots=True, kw_only=True)
class DeskDomains:
    """Counts; every method raises StoreError."""

    desk: Desk

    async def of_day(self, day: date) -> list[DomainFigures]:
        """The mail that SES accepted on one day, by how far it has come until now; without delays and times."""
        begin, end = span_of(day)
        async with reading(self.desk) as connection:
            domain = domain_of(connection, recipients.c.address).label("domain")
            accepted = sa.func.count().label("accepted")
            query = (
                sa.select(
                    domain,
                    accepted,
                    _among(*_ARRIVED),
                    _among(int(Status.HARD_BOUNCED)),
                    _among(int(Status.SOFT_BOUNCED)),
                    _among(int(Status.REJECTED)),
                    _among(int(Status.COMPLAINED)),
                )
                .select_from(jobs.join(recipients, recipients.c.email_id == jobs.c.email_id))
                .where(
                    jobs.c.accepted_at >= begin,
                    jobs.c.accepted_at < end,
                    recipients.c.status != int(Status.SUPPRESSED),
                )
                .group_by(domain)
                .order_by(accepted.desc(), domain)
                .limit(MOST_A_DAY)
            )
            found = (await connection.execute(query)).all()
        return [
            DomainFigures(
                domain=name,
                accepted=count,
                delivered=delivered,
                hard=hard,
                soft=soft,
                rejected=rejected,
                complained=complained,
            )
            for name, count, delivered, hard, soft, rejected, complained in found
        ]

    async def events_of_day(self, day: date, domains: Collection[str]) -> list[DomainFigures]:
        """Delays and times to delivery, of these domains alone, by what was recorded on one day."""
        async with reading(self.desk) as connection:
            domain = domain_of(connection, events.c.recipient)
            among = [*_recorded_on(day), domain.in_(list(domains))]
            times = await self._times(connection, domain, among)
            mail = events.c.ses_message_id + " " + events.c.recipient
            query = sa.select(domain, sa.func.count(mail.distinct())).where(
                *among, events.c.kind == EventKind.DELIVERY_DELAY.value
            )
            delayed = {name: count for name, count in await connection.execute(query.group_by(domain))}  # noqa: C416
        return [
            DomainFigures(domain=name, delayed=delayed.get(name, 0), times=times.get(name, Histogram()))
            for name in sorted({*delayed, *times})
        ]

    @staticmethod
    async def _times(
        connection: AsyncConnection, domain: sa.ColumnElement[str], among: list[sa.ColumnElement[bool]]
    ) -> dict[str, Histogram]:
        bucket = bucket_in_sql(connection, events.c.occurred_at - events.c.mail_at).label("bucket")
        query = sa.select(domain, bucket, sa.func.count()).where(*among, events.c.kind == EventKind.DELIVERY.value)
        counts = dict[str, dict[int, int]]()
        for name, lower, count in await connection.execute(query.group_by(domain, bucket)):
            counts.setdefault(name, {})[int(lower)] = count
        return {name: Histogram(found) for name, found in counts.items()}

    async def lag_of_day(self, day: date) -> Histogram:
        """From an event's own time to its being written down, of those of one day; who opens a mail has no haste."""
        told = [kind.value for kind in EventKind if kind not in {EventKind.OPEN, EventKind.CLICK}]
        async with reading(self.desk) as connection:
            bucket = bucket_in_sql(connection, events.c.recorded_at - events.c.occurred_at).label("bucket")
            query = sa.select(bucket, sa.func.count()).where(*_recorded_on(day), events.c.kind.in_(told))
            found = (await connection.execute(query.group_by(bucket))).all()
        return Histogram({int(lower): count for lower, count in found})


def _recorded_on(day: date) -> tuple[sa.ColumnElement[bool], sa.ColumnElement[bool]]:
    begin, end = span_of(day)
    return events.c.recorded_at >= begin, events.c.recorded_at < end


def _among(*statuses: int) -> sa.ColumnElement[int]:
    return sa.func.sum(sa.case((recipients.c.status.in_(statuses), 1), else_=0))


def bucket_in_sql(connection: AsyncConnection, seconds: sa.ColumnElement[Any]) -> sa.ColumnElement[int]:
    """As `core.reports.histogram.bucket_of`."""
    cases = [
        (
            seconds < end,
            begin + whole(connection, (sa.case((seconds < begin, begin), else_=seconds) - begin) / width) * width,
        )
        for begin, end, width in RANGES
    ]
    return sa.case(*cases, else_=LONGEST_S)
