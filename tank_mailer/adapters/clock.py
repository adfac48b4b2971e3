"""The machine's clocks, and the one that nodes on one database server share."""

import asyncio
import time
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Final

import sqlalchemy as sa
from sqlalchemy.ext.asyncio import AsyncEngine

from tank_mailer.adapters.sickness import SICK, sick
from tank_mailer.core.errors import StoreError
from tank_mailer.ports import Clock
from tank_mailer.telemetry.log import get_logger

log = get_logger()

HOLD_S: Final = 5.0  # a correction back that is waited for; a larger one says that the server's own clock was set back
SYNC_S: Final = 10.0
OFF_S: Final = 5.0  # worth a word: at five minutes AWS refuses what we sign
OFF_REMEDY: Final = "mend the NTP of this host, or the database server's: past five minutes AWS refuses our signatures"


class SystemClock:
    """The wall clock, and one that goes on in suspend."""

    def now(self) -> datetime:
        """The time of day, UTC."""
        return datetime.now(UTC)

    def boot_s(self) -> float:
        """Seconds since boot; where there is no such clock, the monotonic one."""
        return time.clock_gettime(_BOOT_CLOCK)


_BOOT_CLOCK = getattr(time, "CLOCK_BOOTTIME", time.CLOCK_MONOTONIC)


# --- the store's -----------------------------------------------------------------------------------

SERVER_NOW: Final[sa.ColumnElement[float]] = sa.cast(sa.extract("epoch", sa.func.clock_timestamp()), sa.Double)


def store_seconds(connection: sa.Connection, clock: Clock) -> sa.ColumnElement[float]:
    """The store's time in SQL, in seconds since 1970: the server's at the moment of use; of a SQLite file our own."""
    return SERVER_NOW if connection.dialect.name == "postgresql" else sa.literal(clock.now().timestamp())


def store_now(connection: sa.Connection, clock: Clock) -> datetime:
    """The store's time."""
    now_s = connection.execute(sa.select(store_seconds(connection, clock))).scalar_one()
    return datetime.fromtimestamp(now_s, UTC)


# --- shared by nodes -------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class _Anchor:
    """The server's time at one moment of the boot clock; nothing earlier than `shown` is told any more."""

    server_at: datetime
    boot_s: float
    shown: datetime

    def at(self, boot_s: float) -> datetime:
        """The server's time then."""
        return self.server_at + timedelta(seconds=boot_s - self.boot_s)


@dataclass(slots=True, kw_only=True, eq=False)
class SharedClock:
    """The database server's time, carried on by the boot clock: the same on nodes whose wall clocks are an hour apart.

    Until the first `sync` it is the local wall clock.
    """

    local: Clock = field(default_factory=SystemClock)
    _anchor: _Anchor | None = None

    def now(self) -> datetime:
        """The server's time, UTC. It goes back only if the server's own clock was set back."""
        anchor = self._anchor
        return self.local.now() if anchor is None else max(anchor.shown, anchor.at(self.local.boot_s()))

    def boot_s(self) -> float:
        """Seconds since this host's boot."""
        return self.local.boot_s()

    @property
    def off_s(self) -> float:
        """How far the local wall clock is ahead of the server's; negative: behind; 0 while that is not known."""
        anchor = self._anchor
        if anchor is None:
            return 0.0
        return (self.local.now() - anchor.at(self.local.boot_s())).total_seconds()

    def sync(self, server_now: datetime, asked_boot_s: float, answered_boot_s: float) -> None:
        """Take the server's word for the time.

        It read its clock at some moment between question and answer. Of all times that fit, the one nearest to what we
        take for the time already is kept, so that an answer that was long on its way moves nothing, and one that comes
        at once is followed to the point.

        Args:
            server_now: what it said.
            asked_boot_s: when it was asked, on the boot clock.
            answered_boot_s: when its answer was here.
        """
        middle_s = (asked_boot_s + answered_boot_s) / 2
        slack = timedelta(seconds=(answered_boot_s - asked_boot_s) / 2)
        at = server_now
        if self._anchor is not None:
            at = min(max(self._anchor.at(middle_s), server_now - slack), server_now + slack)
        shown, fresh = self.now(), _Anchor(at, middle_s, at)
        ahead = shown - fresh.at(self.local.boot_s())
        if timedelta() < ahead <= timedelta(seconds=HOLD_S):  # stand still until the server has caught up
            fresh = _Anchor(at, middle_s, shown)
        self._anchor = fresh


async def server_time(engine: AsyncEngine) -> datetime:
    """What a PostgreSQL server's clock says; raises StoreError."""
    try:
        async with engine.execution_options(isolation_level="AUTOCOMMIT").connect() as connection:
            now: datetime = (await connection.execute(sa.select(sa.func.clock_timestamp()))).scalar_one()
    except SICK as error:
        raise sick(error) from error
    return now


Read = Callable[[AsyncEngine], Awaitable[datetime]]


async def set_clock(engine: AsyncEngine, clock: SharedClock, *, read: Read = server_time) -> None:
    """Set it by the server, once; raises StoreError."""
    asked_s = clock.boot_s()
    now = await read(engine)
    clock.sync(now, asked_s, clock.boot_s())


async def keep_in_step(engine: AsyncEngine, clock: SharedClock, *, read: Read = server_time) -> None:
    """Set it by the server again and again, until cancelled, and tell when the local wall clock goes wrong."""
    was_off = False
    while True:
        try:
            await set_clock(engine, clock, read=read)
        except StoreError:  # told by those who need more of the store than its clock
            pass
        else:
            is_off = abs(clock.off_s) > OFF_S
            if is_off and not was_off:
                log.warning("clock_off", off_s=round(clock.off_s, 1), remedy=OFF_REMEDY)
            was_off = is_off
        await asyncio.sleep(SYNC_S)
