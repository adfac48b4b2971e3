"""The same commands on the other database, once each: its locks, its types and its own way to begin."""

import asyncio
import json
import stat
from collections.abc import Callable, Iterator
from itertools import count
from pathlib import Path

import asyncpg
import pytest
from typer.testing import Result

from tank_mailer.adapters.database import newest_revision
from tank_mailer.cli.options import environment
from tests.builders import make_body
from tests.cli.boards import make_node
from tests.contract.postgres import PostgresServer, run_server

Run = Callable[..., Result]
Bodies = Callable[[], list[str]]
DATABASE = "commands"
_numbers = count(1)
PUT_DEAD = """
INSERT INTO jobs (email_id, state, content_hash, lane, queue_message_id, first_seen_at, updated_at, owner, attempt,
                  charged, resends, throttles, version, reason)
VALUES ('order-4711', 'dead', '', 'ordinary', 'm-1_2', 1e9, 1e9, '', 3, 3, 0, 0, 1, 'attempts_spent')
"""


async def execute(dsn: str, sql: str, *values: object) -> None:
    connection = await asyncpg.connect(dsn)
    try:
        await connection.execute(sql, *values)
    finally:
        await connection.close()


@pytest.fixture(scope="module")
def server() -> Iterator[PostgresServer]:
    with run_server() as server:
        asyncio.run(execute(server.dsn("postgres"), f"CREATE DATABASE {DATABASE}"))
        yield server


def test_an_operators_day(server: PostgresServer, run: Run, on_queue: Bodies, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TANK_DATABASE_URL", server.url(DATABASE))

    def ask(*arguments: str, code: int = 0, stdin: str | None = None) -> str:
        result = run(*arguments, stdin=stdin)
        assert (result.exit_code, arguments) == (code, arguments), result.output
        return result.stdout

    assert "run `tank-mailer db upgrade`" in run("status", "order-4711").stderr
    assert "revision none -> " in ask("db", "upgrade")
    ask("status", "order-4711", code=3)
    ask("suppress", "import", "-", stdin="a@example.com\nb@example.com\n")
    ask("suppress", "add", "A@example.com", "--note", "twice")
    ask("suppress", "check", "a@example.com", code=3)
    ask("suppress", "remove", "b@example.com")
    assert [entry["address"] for entry in json.loads(ask("suppress", "list", "--json"))["entries"]] == ["a@example.com"]
    assert "a@example.com,manual,manual" in ask("suppress", "export")
    sql = "INSERT INTO asides VALUES ('m-1_2', 'order-4711', 'refused', 'rejected', 'x', $1, 'ordinary', 1e9)"
    asyncio.run(execute(server.dsn(DATABASE), sql, make_body()))
    assert "order-4711" in ask("refused", "list")
    ask("refused", "requeue", "m-1_")
    assert on_queue() == [make_body()]
    assert json.loads(ask("status", "order-4711", "--json"))["state"] == "refused"
    for kind in ("daily", "weekly", "monthly", "domains", "cost", "quota-request"):
        assert json.loads(ask("report", kind, "--json"))["report"] == kind
    actions = [entry["action"] for entry in json.loads(ask("audit", "list", "--who", "@", "--json"))["entries"]]
    assert actions[0] == "refused requeue"
    assert set(actions) >= {"db upgrade", "suppress import", "suppress remove"}
    sql = "UPDATE asides SET kind = 'dead', requeued_at = NULL"
    asyncio.run(execute(server.dsn(DATABASE), sql))
    asyncio.run(execute(server.dsn(DATABASE), PUT_DEAD))
    assert [one["id"] for one in json.loads(ask("dlq", "list", "--json"))["letters"]] == ["m-1_2"]
    ask("dlq", "redrive", "order-4711", "--apply")
    assert len(on_queue()) == 2
    asyncio.run(execute(server.dsn(DATABASE), sql))
    ask("dlq", "drop", "order-4711", "--yes")
    assert "dropped" in ask("refused", "list", "--kind", "dropped", "--domain", "example.org")


@pytest.fixture
def copied(server: PostgresServer, run: Run, on_queue: Bodies, monkeypatch: pytest.MonkeyPatch) -> str:
    """The name of a database that is ready, and is the commands' own; PostgreSQL's programs can be found."""
    name = f"copied_{next(_numbers)}"
    asyncio.run(execute(server.dsn("postgres"), f"CREATE DATABASE {name}"))
    monkeypatch.setenv("TANK_DATABASE_URL", server.url(name))
    monkeypatch.setenv("PATH", f"{server.binaries}:{environment()['PATH']}")
    run("db", "upgrade")
    return name


def tables_of(server: PostgresServer, schema: str, *, database: str) -> int:
    async def count() -> int:
        connection = await asyncpg.connect(server.dsn(database))
        try:
            sql = "SELECT count(*) FROM information_schema.tables WHERE table_schema LIKE $1"
            return int(await connection.fetchval(sql, schema))
        finally:
            await connection.close()

    return asyncio.run(count())


def test_there_and_back(server: PostgresServer, run: Run, copied: str, tmp_path: Path) -> None:
    """By PostgreSQL's own programs; the tables that were there are kept in a schema of their own."""
    run("suppress", "add", "before@example.com")
    file = tmp_path / "backup.dump"

    made = run("db", "backup", str(file), "--json")
    run("suppress", "add", "after@example.com")
    looked = run("db", "restore", str(file), "--dry-run")
    restored = run("db", "restore", str(file), "--yes", "--json")

    assert (made.exit_code, looked.exit_code, restored.exit_code) == (0, 0, 0), (made, looked, restored.output)
    assert stat.S_IMODE(file.stat().st_mode) == 0o600
    assert json.loads(made.stdout)["revision"] == newest_revision()
    entries = json.loads(run("suppress", "list", "--json").stdout)["entries"]
    assert [entry["address"] for entry in entries] == ["before@example.com"]
    audit = json.loads(run("audit", "list", "--json").stdout)["entries"]
    assert [one["action"] for one in audit] == ["db restore", "suppress add", "db upgrade"]
    kept, now = (tables_of(server, schema, database=copied) for schema in ("public_before_%", "public"))
    assert kept == now > 10


def test_a_restore_that_fails_leaves_the_store_as_it_was(
    server: PostgresServer, run: Run, copied: str, tmp_path: Path
) -> None:
    run("suppress", "add", "a@example.com")
    file = tmp_path / "backup.dump"
    run("db", "backup", str(file))
    whole = file.read_bytes()
    results = list[Result]()
    for spoilt in (whole[:-40] + bytes(25) + whole[-15:], whole[:-2_000], b"no dump"):
        file.write_bytes(spoilt)
        results.append(run("db", "restore", str(file), "--yes"))

    assert [result.exit_code for result in results] == [75, 3, 3], [result.output for result in results]
    assert all("pg_restore: error: " in result.stderr for result in results)
    assert tables_of(server, "public_before_%", database=copied) == 0
    assert json.loads(run("suppress", "list", "--json").stdout)["entries"][0]["address"] == "a@example.com"


def test_nodes_at_work_are_not_restored_under(server: PostgresServer, run: Run, copied: str, tmp_path: Path) -> None:
    file = tmp_path / "backup.dump"
    run("db", "backup", str(file))
    view = json.dumps(make_node().shape())
    now = "extract(epoch FROM clock_timestamp())"
    sql = f"INSERT INTO nodes (process, node, seen_at, view) VALUES ('mail-1/p', 'mail-1', {now}, $1)"  # noqa: S608
    asyncio.run(execute(server.dsn(copied), sql, view))

    result = run("db", "restore", str(file), "--yes")

    assert result.exit_code == 3
    assert "nodes are at work on this store: mail-1" in result.stderr


def test_without_postgresqls_programs_the_command_is_told(
    server: PostgresServer, run: Run, copied: str, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """With everything in it but the password."""
    monkeypatch.setenv("TANK_DATABASE_URL", server.url(copied).replace("tank@", "tank:hunter2@"))
    monkeypatch.setenv("PATH", str(tmp_path))

    result = run("db", "backup", str(tmp_path / "backup.dump"))

    assert result.exit_code == 75
    said = "pg_dump --no-owner --no-privileges --format=custom --schema=public"
    assert said in result.stderr
    assert f"--host=127.0.0.1 --port={server.port} --username=tank --dbname={copied}" in result.stderr
    assert "hunter2" not in result.stderr
    assert list(tmp_path.glob("*dump*")) == []


def test_a_server_that_is_away(
    server: PostgresServer, run: Run, on_queue: Bodies, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("TANK_DATABASE_URL", "postgresql+asyncpg://tank:hunter2@127.0.0.1:9/commands")

    result = run("suppress", "list")

    assert result.exit_code == 75
    assert result.stderr.count("\n") == 1
    assert "hunter2" not in result.stderr
