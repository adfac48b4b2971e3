"""Databases of both kinds; one bench for each implementation of `Ledger`."""

import asyncio
import shutil
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from itertools import count
from pathlib import Path

import asyncpg
import pytest

from tank_mailer.adapters.database import locate, open_engine, upgrade
from tank_mailer.ports import Ledger
from tests.contract.benches import (
    Ailment,
    Bench,
    FakeBench,
    HandClock,
    ServerAway,
    StoreBench,
    TablesAway,
    empty,
    open_store,
)
from tests.contract.postgres import PostgresServer, run_server
from tests.fakes import FakeLedger

DATABASE = "contract"
DATABASES = ("sqlite", "postgresql")
_numbers = count(1)


@pytest.fixture(scope="session")
def postgres() -> Iterator[PostgresServer]:
    with run_server() as server:
        asyncio.run(_execute(server, f"CREATE DATABASE {DATABASE}"))
        asyncio.run(_migrate(server.url(DATABASE)))
        yield server


@pytest.fixture(scope="session")
def migrated_file(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("contract") / "migrated.db"
    asyncio.run(_migrate(f"sqlite+aiosqlite:///{path}"))
    return path


@pytest.fixture
def clock() -> HandClock:
    return HandClock()


@pytest.fixture(params=DATABASES)
def fresh_url(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    """A database without a table."""
    if request.param == "sqlite":
        return f"sqlite+aiosqlite:///{tmp_path / 'tank-mailer.db'}"
    server: PostgresServer = request.getfixturevalue("postgres")
    name = f"fresh_{next(_numbers)}"
    asyncio.run(_execute(server, f"CREATE DATABASE {name}"))
    return server.url(name)


@dataclass(frozen=True, slots=True)
class Database:
    """A migrated one, and what it may suffer from."""

    url: str
    ailment: Ailment


def _database(request: pytest.FixtureRequest, tmp_path: Path) -> Database:
    if request.param == "sqlite":
        path = tmp_path / "tank-mailer.db"
        shutil.copy(request.getfixturevalue("migrated_file"), path)
        return Database(f"sqlite+aiosqlite:///{path}", TablesAway(path))
    return _served(request.getfixturevalue("postgres"))


def _served(server: PostgresServer) -> Database:
    return Database(server.url(DATABASE), ServerAway(server))


@pytest.fixture(params=["fake", *DATABASES])
def place(request: pytest.FixtureRequest, tmp_path: Path) -> Database | None:
    """Where the ledger under test keeps its rows; None: in memory."""
    return None if request.param == "fake" else _database(request, tmp_path)


@pytest.fixture(params=DATABASES)
def database(request: pytest.FixtureRequest, tmp_path: Path) -> Database:
    return _database(request, tmp_path)


@pytest.fixture
def served(postgres: PostgresServer) -> Database:
    """The one that several nodes share."""
    return _served(postgres)


@pytest.fixture
async def bench(place: Database | None, clock: HandClock, tmp_path: Path) -> AsyncIterator[Bench]:
    """Each of the port's implementations, empty."""
    if place is None:
        yield FakeBench(FakeLedger(clock), clock)
        return
    async with _open_bench(place, clock, disk=tmp_path) as opened:
        yield opened


@pytest.fixture
async def store_bench(database: Database, clock: HandClock, tmp_path: Path) -> AsyncIterator[StoreBench]:
    """Those of them that keep their rows on a disk."""
    async with _open_bench(database, clock, disk=tmp_path) as opened:
        yield opened


@asynccontextmanager
async def _open_bench(database: Database, clock: HandClock, *, disk: Path) -> AsyncIterator[StoreBench]:
    async with open_store(database.url, clock, disk=disk) as store:
        await empty(store.engine)
        yield StoreBench(store, clock, database.url, database.ailment)


@pytest.fixture
def ledger(bench: Bench) -> Ledger:
    return bench.ledger


async def _migrate(url: str) -> None:
    async with open_engine(locate(url), creates=True) as engine:
        await upgrade(engine)


async def _execute(server: PostgresServer, statement: str) -> None:
    connection = await asyncpg.connect(server.dsn("postgres"))
    try:
        await connection.execute(statement)
    finally:
        await connection.close()
