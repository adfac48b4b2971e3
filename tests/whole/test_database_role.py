"""The daemon, and commands, with the rights that docs/security.md gives to a role of PostgreSQL, and no more."""

import asyncio
import os
import re
import signal
import sys
from collections.abc import AsyncIterator
from pathlib import Path

import asyncpg
import pytest

from tests.contract.postgres import USER, PostgresServer, run_server
from tests.whole.conftest import KEYS, OpenSite

PAGE = Path(__file__).parents[2] / "docs" / "security.md"
OWNER, DAEMON, DATABASE = "tank", "tank_daemon", "tank"
QUEUE = "http://127.0.0.1:9/000000000000/jobs"
ADMINISTRATOR = "administrator"
BEYOND = (
    "DROP TABLE jobs",
    "ALTER TABLE jobs ADD COLUMN body text",
    "CREATE TABLE copied AS SELECT * FROM recipients",
    "CREATE TEMPORARY TABLE copied (n int)",
    "TRUNCATE suppressions",
    "UPDATE alembic_version SET version_num = '0000'",
    "COPY recipients TO '/tmp/recipients'",
)


def statements() -> list[str]:
    """Those of the page, in order."""
    [fence] = re.findall(r"^```sql\n(.*?)^```$", PAGE.read_text(encoding="utf-8"), re.MULTILINE | re.DOTALL)
    return [line for line in fence.splitlines() if line]


def url_of(server: PostgresServer, role: str) -> str:
    return server.url(DATABASE).replace(f"//{USER}@", f"//{role}@")


async def execute(server: PostgresServer, *sql: str, role: str = ADMINISTRATOR, database: str = DATABASE) -> None:
    connection = await asyncpg.connect(server.dsn(database).replace(f"//{USER}@", f"//{role}@"))
    try:
        for statement in sql:
            await connection.execute(statement)
    finally:
        await connection.close()


async def command(server: PostgresServer, role: str, *arguments: str, **more: str) -> tuple[int, str]:
    """Its exit code, and all that it says."""
    environment = KEYS | {"TANK_OUTBOUND_QUEUE_URL": QUEUE, "TANK_DATABASE_URL": url_of(server, role), **more}
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", "tank_mailer", *arguments),
        env=environment,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.STDOUT,
    )
    said, _ = await process.communicate()
    return process.returncode or 0, said.decode()


@pytest.fixture
async def server() -> AsyncIterator[PostgresServer]:
    """Its owner is no superuser, as docs/nodes.md has it; then the page's statements."""
    with run_server() as running:
        await execute(running, f"CREATE ROLE {ADMINISTRATOR} SUPERUSER LOGIN", role=USER, database="postgres")
        await execute(running, f"ALTER ROLE {OWNER} RENAME TO initial", database="postgres")
        await execute(running, f"CREATE ROLE {OWNER} LOGIN", database="postgres")
        await execute(running, f"CREATE DATABASE {DATABASE} OWNER {OWNER}", database="postgres")
        assert (await command(running, OWNER, "db", "upgrade"))[0] == 0
        await execute(running, *statements())
        yield running


async def test_the_daemon_needs_rows_and_no_tables(server: PostgresServer, open_site: OpenSite, tmp_path: Path) -> None:
    """A hole in it must not change the schema; all that it does all day goes with rows alone, commands too."""
    async with open_site(has_events=True, TANK_DATABASE_URL=url_of(server, DAEMON), TANK_HASH_KEY="k" * 32) as site:
        daemon = await site.start()
        ids = await site.put_jobs(20)
        await site.until(lambda: site.depth() == 0, daemon, what="an empty queue")
        await site.until(lambda: daemon.events()["event_recorded"] >= len(ids), daemon, what="events")
        assert await daemon.stop(signal.SIGTERM) == 0
        assert site.accepted() == dict.fromkeys(ids, 1)
        assert not {"store_unavailable", "record_retried", "housekeeping_deferred"} & set(daemon.events())

    path = f"{server.binaries}:{os.defpath}"
    commands = (
        ["db", "upgrade"],  # there is nothing to do
        ["suppress", "add", "a@example.com"],
        ["pause", "--lane", "ordinary"],
        ["erase", f"{ids[0]}@example.org", "--yes"],
        ["db", "backup", str(tmp_path / "backup.dump")],
    )
    done = await asyncio.gather(*(command(server, DAEMON, *arguments, PATH=path) for arguments in commands))
    assert [code for code, _ in done] == [0] * len(commands), done
    for sql in BEYOND:
        with pytest.raises(asyncpg.InsufficientPrivilegeError):
            await execute(server, sql, role=DAEMON)
    await execute(server, "CREATE TABLE of_the_next_release (id bigserial)", role=OWNER)
    await execute(server, "INSERT INTO of_the_next_release DEFAULT VALUES", role=DAEMON)
