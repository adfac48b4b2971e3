"""The same commands on the other database, once each: its locks, its types and its own way to begin."""

import asyncio
import json
from collections.abc import Callable, Iterator

import asyncpg
import pytest
from typer.testing import Result

from tests.builders import make_body
from tests.contract.postgres import PostgresServer, run_server

Run = Callable[..., Result]
Bodies = Callable[[], list[str]]
DATABASE = "commands"


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


def test_a_server_that_is_away(
    server: PostgresServer, run: Run, on_queue: Bodies, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("TANK_DATABASE_URL", "postgresql+asyncpg://tank:hunter2@127.0.0.1:9/commands")

    result = run("suppress", "list")

    assert result.exit_code == 75
    assert result.stderr.count("\n") == 1
    assert "hunter2" not in result.stderr
