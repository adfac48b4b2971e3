"""Opening a store, its schema, and who may use it."""

import subprocess
import sys
from pathlib import Path

import pytest
import sqlalchemy as sa
from alembic import command
from alembic.autogenerate import compare_metadata
from alembic.config import Config
from alembic.runtime.migration import MigrationContext
from alembic.script import ScriptDirectory
from sqlalchemy.engine.interfaces import ReflectedColumn

from tank_mailer.adapters import database, schema
from tank_mailer.adapters.database import StoreMissingError, locate, open_engine, revision, sole_user, upgrade
from tank_mailer.core.errors import ConfigurationError, Reason, StoreDamagedError, StoreError
from tests.contract.postgres import PostgresServer

FULL = 2  # SQLite: PRAGMA synchronous

# --- where -----------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("url", "path", "shown"),
    [
        pytest.param(
            "sqlite+aiosqlite:///var/tank-mailer.db",
            Path("var/tank-mailer.db"),
            "sqlite+aiosqlite:///var/tank-mailer.db",
            id="a-relative-file",
        ),
        pytest.param(
            "sqlite+aiosqlite:////var/lib/t.db",
            Path("/var/lib/t.db"),
            "sqlite+aiosqlite:////var/lib/t.db",
            id="an-absolute-file",
        ),
        pytest.param(
            "postgresql+asyncpg://tank:geheim@db/tank",
            None,
            "postgresql+asyncpg://tank:***@db/tank",
            id="a-server-without-its-password",
        ),
    ],
)
def test_locate(url: str, path: Path | None, shown: str) -> None:
    location = locate(url)

    assert location.path == path
    assert location.shown == shown


@pytest.mark.parametrize(
    ("url", "servers"),
    [
        pytest.param("sqlite+aiosqlite:///var/tank-mailer.db", [], id="a-file"),
        pytest.param("postgresql+asyncpg://tank@db/tank", [("db", 5432)], id="a-server"),
        pytest.param(
            "postgresql+asyncpg://tank@[2001:db8::1]:6432/tank", [("2001:db8::1", 6432)], id="a-port-of-its-own"
        ),
        pytest.param("postgresql+asyncpg:///tank?host=a:1&host=b:2", [("a", 1), ("b", 2)], id="several"),
        pytest.param("postgresql+asyncpg:///tank?host=/run/postgresql", [], id="a-socket"),
        pytest.param("postgresql+asyncpg:///tank", [], id="the-usual-socket"),
    ],
)
def test_where_the_network_leads(url: str, servers: list[tuple[str, int]]) -> None:
    assert locate(url).servers == servers


def test_hosts_that_the_driver_does_not_take() -> None:
    with pytest.raises(StoreError, match="ports are required"):
        assert locate("postgresql+asyncpg:///tank?host=a&host=b").servers


async def test_a_command_never_makes_a_store(tmp_path: Path) -> None:
    path = tmp_path / "new" / "tank-mailer.db"

    with pytest.raises(StoreMissingError, match=r"there is no store at .* yet: `run` makes it"):
        async with open_engine(locate(f"sqlite+aiosqlite:///{path}")):
            pass

    assert not path.parent.exists()


async def test_run_makes_the_store_and_its_folder(tmp_path: Path) -> None:
    path = tmp_path / "new" / "tank-mailer.db"

    async with open_engine(locate(f"sqlite+aiosqlite:///{path}"), creates=True) as engine:
        await upgrade(engine)

    assert path.exists()


async def test_a_folder_that_cannot_be_made_is_a_sick_store(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("in the way")

    with pytest.raises(StoreError, match="cannot make the store's folder"):
        async with open_engine(locate(f"sqlite+aiosqlite:///{tmp_path}/file/tank-mailer.db"), creates=True):
            pass


async def test_a_file_loses_nothing_in_a_power_cut(tmp_path: Path) -> None:
    """The lab's power cuts: synchronous=NORMAL lost rows that had been acknowledged, FULL none."""
    async with (
        open_engine(locate(f"sqlite+aiosqlite:///{tmp_path}/t.db"), creates=True) as engine,
        engine.connect() as connection,
    ):
        assert await connection.scalar(sa.text("PRAGMA journal_mode")) == "wal"
        assert await connection.scalar(sa.text("PRAGMA synchronous")) == FULL


# --- schema ----------------------------------------------------------------------------------------


async def test_upgrade_from_nothing(fresh_url: str) -> None:
    async with open_engine(locate(fresh_url), creates=True) as engine:
        current, newest = await revision(engine)
        assert current == ""
        assert newest != ""

        await upgrade(engine)

        assert await revision(engine) == (newest, newest)


async def test_upgrading_twice_changes_nothing(fresh_url: str) -> None:
    async with open_engine(locate(fresh_url), creates=True) as engine:
        await upgrade(engine)
        async with engine.begin() as connection:
            await connection.execute(sa.insert(schema.pulse).values(id=1, at=5.0))

        await upgrade(engine)

        async with engine.connect() as connection:
            assert await connection.scalar(sa.select(schema.pulse.c.at)) == 5.0


async def test_migrations_lead_to_the_schema(fresh_url: str) -> None:
    """Whoever changes `schema.py` writes a migration, and the other way round."""
    async with open_engine(locate(fresh_url), creates=True) as engine:
        await upgrade(engine)
        async with engine.connect() as connection:
            differences = await connection.run_sync(
                lambda sync: compare_metadata(
                    MigrationContext.configure(sync, opts={"compare_type": True, "compare_server_default": True}),
                    schema.metadata,
                )
            )

    assert differences == []


async def test_what_an_older_daemon_knows_stays_as_it_was(fresh_url: str) -> None:
    """It goes on running on the new schema for one release: what it reads is there, what it does not write may lack."""
    config = database._alembic()
    steps = [step.revision for step in ScriptDirectory.from_config(config).walk_revisions()][::-1]
    async with open_engine(locate(fresh_url), creates=True) as engine:
        known = dict[tuple[str, str], str]()
        for step in steps:
            async with engine.begin() as connection:
                found = await connection.run_sync(_columns_at, config, step)
            assert {key: found.get(key) for key in known} == known
            tables = {table for table, _ in known}
            new = {key: kind for key, kind in found.items() if key[0] in tables and key not in known}
            assert not [key for key, kind in new.items() if kind.endswith("must be given")]
            known = found


def _columns_at(connection: sa.Connection, config: Config, step: str) -> dict[tuple[str, str], str]:
    config.attributes["connection"] = connection
    command.upgrade(config, step)
    inspector = sa.inspect(connection)
    return {
        (table, column["name"]): f"{column['type']} {_how(column)}"
        for table in inspector.get_table_names()
        for column in inspector.get_columns(table)
    }


def _how(column: ReflectedColumn) -> str:
    return "may lack" if column["nullable"] or column["default"] is not None else "must be given"


async def test_no_database_is_a_sick_store(tmp_path: Path) -> None:
    (tmp_path / "t.db").write_bytes(b"this is no SQLite file, and long enough to be seen as none" * 100)

    async with open_engine(locate(f"sqlite+aiosqlite:///{tmp_path}/t.db")) as engine:
        with pytest.raises(StoreDamagedError, match="file is not a database") as unread:
            await revision(engine)
        with pytest.raises(StoreDamagedError, match="file is not a database"):
            await upgrade(engine)

    assert unread.value.reason is Reason.STORE_SICK


async def test_no_server_is_a_sick_store(postgres: PostgresServer) -> None:
    postgres.stop()
    try:
        async with open_engine(locate(postgres.url("contract"))) as engine:
            with pytest.raises(StoreError, match="cannot read the database"):
                await revision(engine)
            with pytest.raises(StoreError, match="cannot upgrade the database"):
                await upgrade(engine)
    finally:
        postgres.start()


async def test_no_such_database_is_a_sick_store(postgres: PostgresServer) -> None:
    async with open_engine(locate(postgres.url("nowhere"))) as engine:
        with pytest.raises(StoreError, match="cannot read the database"):
            await revision(engine)


# --- who -------------------------------------------------------------------------------------------

HOLDER = """
import sys
from tank_mailer.adapters.database import locate, sole_user
with sole_user(locate(sys.argv[1])):
    print("held", flush=True)
    sys.stdin.read()
"""


def test_a_second_daemon_on_the_same_file_is_refused(tmp_path: Path) -> None:
    """Each of the two would take the whole rate of the account."""
    location = locate(f"sqlite+aiosqlite:///{tmp_path}/new/tank-mailer.db")
    first = subprocess.Popen(
        [sys.executable, "-c", HOLDER, location.url], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    )
    with first:
        assert first.stdin is not None
        assert first.stdout is not None
        assert first.stdout.readline() == "held\n"
        with pytest.raises(ConfigurationError) as refused, sole_user(location):
            pass
        first.stdin.close()

    assert refused.value.reason is Reason.STORE_SICK
    assert "stop it, or let several share a PostgreSQL store (TANK_DATABASE_URL)" in refused.value.detail
    with sole_user(location):  # the first one is gone
        pass


def test_a_folder_that_cannot_be_written_is_a_fault_of_the_surroundings(tmp_path: Path) -> None:
    """Found at start, with what to do about it, not as a traceback."""
    (tmp_path / "file").write_text("in the way")

    with (
        pytest.raises(ConfigurationError, match=r"cannot write .*: .*; the store's folder must be this user's"),
        sole_user(locate(f"sqlite+aiosqlite:///{tmp_path}/file/tank-mailer.db")),
    ):
        pass


def test_a_server_has_room_for_many() -> None:
    location = locate("postgresql+asyncpg://tank@db/tank")

    with sole_user(location), sole_user(location):
        pass
