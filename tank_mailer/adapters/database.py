"""Opens the store's database, SQLite or PostgreSQL, and brings its schema up to date."""

import asyncio
import fcntl
from collections.abc import AsyncIterator, Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import asynccontextmanager, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeVar

from alembic import command
from alembic.config import Config
from alembic.runtime.migration import MigrationContext
from alembic.script import ScriptDirectory
from sqlalchemy import Connection, Engine, create_engine, event, make_url
from sqlalchemy.exc import ArgumentError, SQLAlchemyError
from sqlalchemy.ext.asyncio import AsyncEngine, create_async_engine

from tank_mailer.adapters.sickness import sick
from tank_mailer.core.errors import ConfigurationError, Reason, StoreDamagedError, StoreError

BUSY_TIMEOUT_S = 10.0  # SQLite: how long one writer waits for another (a command beside the daemon)
T = TypeVar("T")
POSTGRESQL_PORT = 5432
COMMAND_TIMEOUT_S = 15.0  # PostgreSQL: a server that does not answer is a sick store
IDLE_TIMEOUT_MS = 5_000  # PostgreSQL: a node that stands still in a transaction must not keep its locks
READS = {"only_reads": True}  # execution options of a connection that writes nothing: on SQLite it locks nobody out


class StoreMissingError(ConfigurationError):
    """There is no store yet, and commands never make one (DESIGN 8)."""


@dataclass(frozen=True, slots=True)
class Location:
    """Where the store is: a file, or a server.

    Attributes:
        url: as SQLAlchemy takes it; may hold a password.
        path: the SQLite file; None for a server.
    """

    url: str
    path: Path | None

    @property
    def exists(self) -> bool:
        """Whether there is a file; a server is asked when it is opened."""
        return self.path is None or self.path.exists()

    def with_path(self, path: Path) -> "Location":
        """Another SQLite file, opened as this one is."""
        return Location(make_url(self.url).set(database=str(path)).render_as_string(hide_password=False), path)

    @property
    def servers(self) -> list[tuple[str, int]]:
        """Hosts and ports that are reached by the network; none for a file, or a socket of this host.

        As the driver is told: `host` and `port` in the URL's query go before what stands in its usual place.

        Raises:
            StoreError: the query names hosts in a way that the driver does not take.
        """
        if self.path is not None:
            return []
        url = make_url(self.url)
        try:
            _, told = url.get_dialect()().create_connect_args(url)
        except ArgumentError as error:
            raise StoreError(Reason.STORE_SICK, f"TANK_DATABASE_URL: {error}") from error
        host: str | list[str] = told.get("host") or []
        hosts = [host] if isinstance(host, str) else host
        port: int | list[int] = told.get("port") or POSTGRESQL_PORT
        ports = [port] if isinstance(port, int) else port
        return [(name, at) for name, at in zip(hosts, ports, strict=False) if not name.startswith("/")]

    @property
    def shown(self) -> str:
        """For people: without a password."""
        return make_url(self.url).render_as_string(hide_password=True)


def locate(url: str) -> Location:
    """Read a database URL."""
    parsed = make_url(url)
    is_file = parsed.get_backend_name() == "sqlite"
    return Location(url, Path(parsed.database or "") if is_file else None)


@asynccontextmanager
async def open_engine(
    location: Location, *, creates: bool = False, is_patient: bool = False
) -> AsyncIterator[AsyncEngine]:
    """Open the database.

    Args:
        location: where it is.
        creates: whether a file may be made.
        is_patient: whether a statement may take its time: an index over a large table does.

    Raises:
        StoreMissingError: the SQLite file does not exist and `creates` is False.
        StoreError: its folder cannot be made.
    """
    if not location.exists and not creates:
        raise StoreMissingError(Reason.STORE_SICK, f"there is no store at {location.shown} yet: `run` makes it")
    if location.path is not None:
        try:
            location.path.parent.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise StoreError(Reason.STORE_SICK, f"cannot make the store's folder: {error.strerror}") from error
        engine = create_async_engine(location.url, connect_args={"timeout": BUSY_TIMEOUT_S})
        _listened(engine.sync_engine)
    else:
        engine = create_async_engine(
            location.url,
            pool_pre_ping=True,
            pool_size=4,
            connect_args={
                "timeout": COMMAND_TIMEOUT_S,
                "command_timeout": None if is_patient else COMMAND_TIMEOUT_S,
                "server_settings": {"idle_in_transaction_session_timeout": str(IDLE_TIMEOUT_MS)},
            },
        )
    try:
        yield engine
    finally:
        await engine.dispose()


def _listened(engine: Engine) -> Engine:
    """SQLite's settings, for each new connection and transaction."""
    event.listen(engine, "connect", _prepare_sqlite)
    event.listen(engine, "begin", _begin)
    return engine


def _prepare_sqlite(connection: Any, _record: object) -> None:  # noqa: ANN401 - SQLAlchemy's wrapped driver connection
    connection.isolation_level = None  # we say BEGIN ourselves, see below
    cursor = connection.cursor()
    cursor.execute("PRAGMA journal_mode=WAL")
    cursor.execute("PRAGMA synchronous=FULL")  # lab: NORMAL lost acknowledged rows in a power cut
    cursor.close()


def _begin(connection: Connection) -> None:
    """Take the write lock first: a reader that turns writer would fail at once instead of waiting."""
    only_reads = READS.items() <= connection.get_execution_options().items()
    connection.exec_driver_sql("BEGIN" if only_reads else "BEGIN IMMEDIATE")


# --- transactions ----------------------------------------------------------------------------------


class Transactions:
    """Runs functions on the database, each in one transaction.

    SQLite through an async driver costs a hand-over to a thread for every single call, some thirty in a transaction,
    and that is nearly all of its price (lab). So a whole transaction goes over to one thread at once.
    """

    def __init__(self, engine: AsyncEngine) -> None:
        """On the database of `engine`."""
        self._engine = engine
        self._file: Engine | None = None
        if engine.dialect.name == "sqlite":
            url = engine.url.set(drivername="sqlite+pysqlite")
            arguments = {"timeout": BUSY_TIMEOUT_S, "check_same_thread": False}  # closed by another thread
            self._file = _listened(create_engine(url, connect_args=arguments))
            self._thread = ThreadPoolExecutor(max_workers=1, thread_name_prefix="store")

    async def run(self, work: Callable[[Connection], T]) -> T:
        """Do `work` and commit; what it raises rolls back and comes out here."""
        if self._file is None:
            async with self._engine.begin() as connection:
                return await connection.run_sync(work)
        return await asyncio.get_running_loop().run_in_executor(self._thread, self._in_file, self._file, work)

    @staticmethod
    def _in_file(engine: Engine, work: Callable[[Connection], T]) -> T:
        with engine.begin() as connection:
            return work(connection)

    def close(self) -> None:
        """Wait for the transaction under way, then close."""
        if self._file is not None:
            self._thread.shutdown()
            self._file.dispose()


# --- schema ----------------------------------------------------------------------------------------


def _alembic() -> Config:
    config = Config()
    config.set_main_option("script_location", "tank_mailer:adapters/migrations")
    return config


def newest_revision() -> str:
    """The one that this program makes."""
    return ScriptDirectory.from_config(_alembic()).get_current_head() or ""


def _upgrade(connection: Connection) -> None:
    config = _alembic()
    config.attributes["connection"] = connection
    command.upgrade(config, "head")


async def revision(engine: AsyncEngine) -> tuple[str, str]:
    """The schema's revision as it is ("" for none), and the newest one.

    Raises:
        StoreError: the database cannot be read.
    """
    try:
        async with engine.execution_options(**READS).connect() as connection:
            current = await connection.run_sync(lambda sync: MigrationContext.configure(sync).get_current_revision())
    except (SQLAlchemyError, OSError, TimeoutError) as error:
        raise _as_found(error, "read") from error
    return current or "", newest_revision()


async def upgrade(engine: AsyncEngine) -> None:
    """Bring the schema up to date.

    Raises:
        StoreError: the database cannot be written.
    """
    try:
        async with engine.begin() as connection:
            await connection.run_sync(_upgrade)
    except (SQLAlchemyError, OSError, TimeoutError) as error:
        raise _as_found(error, "upgrade") from error


def _as_found(error: Exception, doing: str) -> StoreError:
    found = sick(error)
    if isinstance(found, StoreDamagedError):
        return found
    return StoreError(Reason.STORE_SICK, f"cannot {doing} the database: {type(error).__name__}")


# --- one daemon on one file ------------------------------------------------------------------------


@contextmanager
def sole_user(location: Location) -> Iterator[None]:
    """Hold a SQLite store for this process alone.

    Raises:
        ConfigurationError: another daemon has it (two of them would each take the whole rate), or its folder cannot
            be written.
    """
    if location.path is None:
        yield
        return
    lock = location.path.with_name(location.path.name + ".lock")
    try:
        lock.parent.mkdir(parents=True, exist_ok=True)
        file = lock.open("w")
    except OSError as error:
        raise ConfigurationError(
            Reason.STORE_SICK, f"cannot write {lock}: {error.strerror}; the store's folder must be this user's"
        ) from error
    with file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError as error:
            raise ConfigurationError(
                Reason.STORE_SICK,
                f"another tank-mailer uses {location.path}: stop it, or let several share a PostgreSQL store"
                " (TANK_DATABASE_URL)",
            ) from error
        yield
