"""The store as the doctor sees it: read only, and whatever its tables are."""

import os
import shutil
import sqlite3
from collections.abc import Mapping
from datetime import datetime
from pathlib import Path
from typing import Final

import sqlalchemy as sa
from sqlalchemy.ext.asyncio import AsyncEngine

from tank_mailer.adapters import database, rows
from tank_mailer.adapters.board import read_board
from tank_mailer.adapters.clock import server_time, store_now
from tank_mailer.adapters.database import Location
from tank_mailer.adapters.desk import Desk
from tank_mailer.adapters.desk_walk import reading
from tank_mailer.adapters.schema import jobs
from tank_mailer.core.checkup.facts import StoreState
from tank_mailer.core.checkup.seen import Absent, Found, Known, Unreached
from tank_mailer.core.errors import StoreError
from tank_mailer.core.ledger import UNFINISHED
from tank_mailer.core.view import NodeView
from tank_mailer.ports import Clock

OTHERS: Final = 0o007  # a group is often let in on purpose
BESIDE: Final = ("", "-wal", "-shm", "-journal")  # SQLite's files
MAJOR: Final = 10_000  # PostgreSQL: server_version_num is 180001 for 18.1


async def look_at_store(location: Location, clock: Clock) -> Found[StoreState]:
    """Open it, look, and close it; nothing is made."""
    if not location.exists:
        return Absent()
    try:
        async with database.open_engine(location) as engine:
            return Known(await _look(engine, location, clock))
    except StoreError as error:
        return Unreached(error.detail)


async def _look(engine: AsyncEngine, location: Location, clock: Clock) -> StoreState:
    schema, newest = await database.revision(engine)
    desk = Desk(engine=engine, clock=clock, who="")
    made = {
        "is_file": location.path is not None,
        "schema": schema,
        "newest": newest,
        "version": await _version(desk),
        "open_files": _open_files(location.path) if location.path is not None else {},
        "free_bytes": _free(location.path),
        "clock_off_s": await _clock_off_s(engine, clock) if location.path is None else None,
    }
    if schema < newest:
        return StoreState(**made)  # type: ignore[arg-type]
    async with reading(desk) as connection:
        return StoreState(
            **made,  # type: ignore[arg-type]
            is_empty=await connection.run_sync(_is_empty),
            newest_accepted_at=await connection.run_sync(_newest),
            held=await connection.run_sync(_held, clock),
            nodes=await connection.run_sync(_nodes, clock),
        )


async def _version(desk: Desk) -> tuple[int, ...]:
    if desk.engine.dialect.name == "sqlite":
        return sqlite3.sqlite_version_info
    async with reading(desk) as connection:
        number = int((await connection.execute(sa.text("SHOW server_version_num"))).scalar_one())
    return number // MAJOR, number % MAJOR


async def _clock_off_s(engine: AsyncEngine, clock: Clock) -> float:
    """The server read its clock somewhen between question and answer."""
    asked_s = clock.boot_s()
    told = await server_time(engine)
    half_s = (clock.boot_s() - asked_s) / 2
    return (clock.now() - told).total_seconds() - half_s


def _open_files(path: Path) -> Mapping[str, int]:
    """Those that everybody may read or write."""
    found = dict[str, int]()
    for ending in BESIDE:
        try:
            mode = os.stat(f"{path}{ending}").st_mode & 0o777  # noqa: PTH116 - an ending, not a folder
        except OSError:
            continue
        if mode & OTHERS:
            found[f"{path}{ending}"] = mode
    return found


def _free(path: Path | None) -> int | None:
    try:
        return None if path is None else shutil.disk_usage(path.absolute().parent).free
    except OSError:
        return None


# --- what its rows tell ----------------------------------------------------------------------------


def _is_empty(connection: sa.Connection) -> bool:
    return connection.execute(sa.select(jobs.c.email_id).limit(1)).first() is None


def _newest(connection: sa.Connection) -> datetime | None:
    return rows.moment(connection.scalar(sa.select(sa.func.max(jobs.c.accepted_at))))


def _held(connection: sa.Connection, clock: Clock) -> Mapping[str, int]:
    """Messages that we keep hidden: their jobs are in work, or wait for their time."""
    now_s = store_now(connection, clock).timestamp()
    query = (
        sa.select(jobs.c.lane, sa.func.count())
        .where(
            jobs.c.state.in_([state.value for state in UNFINISHED]),
            sa.or_(jobs.c.lease_ends_at > now_s, jobs.c.due_at > now_s),
        )
        .group_by(jobs.c.lane)
    )
    return {lane: int(count) for lane, count in connection.execute(query)}


def _nodes(connection: sa.Connection, clock: Clock) -> tuple[NodeView, ...]:
    return tuple(read_board(connection, clock).others)
