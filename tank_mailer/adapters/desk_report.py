"""What the store knows of some days, counted by the database: a day at a time, and nobody waits for it.

A month may have millions of rows. They are grouped where they are, a day in one statement, so that neither they nor
a transaction of minutes come here. Every statement finds its rows by an index on their time.
"""

from collections.abc import AsyncIterator, Sequence
from dataclasses import dataclass
from datetime import date
from typing import Any, Final

import sqlalchemy as sa
from sqlalchemy.ext.asyncio import AsyncConnection

from tank_mailer.adapters.desk import Desk
from tank_mailer.adapters.desk_walk import reading
from tank_mailer.adapters.schema import asides, events, jobs, receipts, recipients
from tank_mailer.adapters.store import SIMULATOR
from tank_mailer.adapters.volume import is_bad
from tank_mailer.core.event import EventKind
from tank_mailer.core.ledger import UNFINISHED, State
from tank_mailer.core.reports.days import DAY, Days, midnight
from tank_mailer.core.reports.figures import Cohort, DayFigures, Ended, Hour
from tank_mailer.core.reputation import Tally
from tank_mailer.core.status import Status

MOST_KINDS: Final = 1_000  # of reasons or labels in one day: there are some dozen, unless somebody makes them up
HOUR_S: Final = 3_600
MINUTE_S: Final = 60
# Left out rather than picked: by a list of states SQLite would take their index, and read all rows of all days.
_NOT_ENDED: Final = [*(state.value for state in UNFINISHED), State.INVALID.value]
_KNOWN: Final = {state.value for state in State}
_STATUSES: Final = {int(status) for status in Status}


@dataclass(frozen=True, slots=True, kw_only=True)
class DeskReport:
    """Counts; every method raises StoreError."""

    desk: Desk

    async def days(self, days: Days, *, with_tallies: bool = False) -> AsyncIterator[DayFigures]:
        """Each day of a span, the oldest first.

        Args:
            days: which.
            with_tallies: bounces and complaints by AWS's arithmetic, too.
        """
        for day in days:
            async with reading(self.desk) as connection:
                cohort = await self._cohort(connection, day)
                yield DayFigures(
                    day=day,
                    ended=await self._ended(connection, day),
                    cohort=cohort,
                    tally=await self._tally(connection, day, cohort) if with_tallies else None,
                )

    async def hours(self, day: date) -> list[Hour]:
        """Recipients that SES accepted, by the hour; those without any are left out."""
        async with reading(self.desk) as connection:
            minute = whole(connection, jobs.c.accepted_at / MINUTE_S).label("minute")
            minutes = (
                sa.select(minute, sa.func.count().label("count"))
                .select_from(jobs.join(recipients, recipients.c.email_id == jobs.c.email_id))
                .where(*_accepted_on(day), recipients.c.status != int(Status.SUPPRESSED))
                .group_by(minute)
                .subquery()
            )
            hour = (minutes.c.minute * MINUTE_S // HOUR_S).label("hour")
            query = sa.select(hour, sa.func.sum(minutes.c.count), sa.func.max(minutes.c.count)).group_by(hour)
            found = (await connection.execute(query.order_by(hour))).all()
        return [Hour(int(at), int(count), int(most)) for at, count, most in found]

    # --- one day ---

    @staticmethod
    async def _ended(connection: AsyncConnection, day: date) -> Ended:
        """Jobs by the time of their last step; invalid ones have no row of their own, but a text put aside."""
        begin, end = span_of(day)
        reason = sa.func.coalesce(jobs.c.reason, "")
        ended = (
            sa.select(jobs.c.state, reason, sa.func.count())
            .where(jobs.c.updated_at >= begin, jobs.c.updated_at < end, jobs.c.state.not_in(_NOT_ENDED))
            .group_by(jobs.c.state, reason)
            .limit(MOST_KINDS)
        )
        invalid = (
            sa.select(asides.c.reason, sa.func.count())
            .where(asides.c.at >= begin, asides.c.at < end, asides.c.kind == State.INVALID.value)
            .group_by(asides.c.reason)
            .limit(MOST_KINDS)
        )
        counts = {
            (State(state), why): count
            for state, why, count in await connection.execute(ended)
            if state in _KNOWN  # a newer version may have others
        }
        counts |= {(State.INVALID, why): count for why, count in await connection.execute(invalid)}
        return Ended(counts)

    @staticmethod
    async def _cohort(connection: AsyncConnection, day: date) -> Cohort:
        reason = sa.func.coalesce(recipients.c.reason, "")
        query = (
            sa.select(recipients.c.status, reason, sa.func.count())
            .select_from(jobs.join(recipients, recipients.c.email_id == jobs.c.email_id))
            .where(*_accepted_on(day))
            .group_by(recipients.c.status, reason)
            .limit(MOST_KINDS)
        )
        return Cohort({
            (Status(status), why): count
            for status, why, count in await connection.execute(query)
            if status in _STATUSES
        })  # fmt: skip

    async def _tally(self, connection: AsyncConnection, day: date, cohort: Cohort) -> Tally:
        """By the day on which SES took the mail, whenever the bad news came."""
        begin, end = span_of(day)
        simulated = (
            sa.select(sa.func.count())
            .select_from(jobs.join(recipients, recipients.c.email_id == jobs.c.email_id))
            .where(*_accepted_on(day), recipients.c.address.like(f"%{SIMULATOR}"))
        )
        labels = [fact(connection, name) for name in ("type", "subtype", "action", "feedback_type")]
        mail = events.c.ses_message_id + " " + sa.func.coalesce(events.c.recipient, "")
        bad = (
            sa.select(events.c.kind, *labels, sa.func.count(mail.distinct()))
            .where(
                sa.text("kind IN ('bounce', 'complaint')"),  # as the index has it: bound values would not find it
                events.c.recorded_at >= begin,  # no event is older than its mail
                events.c.mail_at >= begin,
                events.c.mail_at < end,
                sa.func.coalesce(events.c.recipient, "").not_like(f"%{SIMULATOR}"),
                sa.exists().where(receipts.c.ses_message_id == events.c.ses_message_id),
            )
            .group_by(events.c.kind, *labels)
            .limit(MOST_KINDS)
        )
        volume = cohort.accepted - ((await connection.scalar(simulated)) or 0)
        counts = dict.fromkeys((EventKind.BOUNCE.value, EventKind.COMPLAINT.value), 0)
        for kind, type_, subtype, action, feedback_type, count in await connection.execute(bad):
            label = type_ if kind == EventKind.BOUNCE else feedback_type
            if is_bad(kind, label or "", subtype or "", action or ""):
                counts[kind] += count
        return Tally(max(0, volume), counts[EventKind.BOUNCE.value], counts[EventKind.COMPLAINT.value])


# --- spelled for either database -------------------------------------------------------------------


def span_of(day: date) -> tuple[float, float]:
    """As the store keeps times."""
    return midnight(day).timestamp(), midnight(day + DAY).timestamp()


def _accepted_on(day: date) -> Sequence[sa.ColumnElement[bool]]:
    begin, end = span_of(day)
    return jobs.c.accepted_at >= begin, jobs.c.accepted_at < end


def whole(connection: AsyncConnection, value: sa.ColumnElement[Any]) -> sa.ColumnElement[int]:
    """Cut what is behind the point: SQLite's cast does, PostgreSQL's would round."""
    inner = value if connection.dialect.name == "sqlite" else sa.func.floor(value)
    return sa.cast(inner, sa.BigInteger)


def fact(connection: AsyncConnection, name: str) -> sa.ColumnElement[str]:
    """One of an event's facts, as a text."""
    if connection.dialect.name == "sqlite":
        return sa.func.json_extract(events.c.facts, f"$.{name}")
    return sa.func.json_extract_path_text(sa.cast(events.c.facts, sa.JSON), name)


def domain_of(connection: AsyncConnection, address: sa.ColumnElement[Any]) -> sa.ColumnElement[str]:
    """What follows the @-sign; "" where there is none: of who was erased only a hash is left."""
    place = (sa.func.instr if connection.dialect.name == "sqlite" else sa.func.strpos)(address, "@")
    return sa.case((place == 0, ""), else_=sa.func.substr(address, place + 1))
