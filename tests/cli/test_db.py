"""`tank-mailer db upgrade`: never a new store by accident."""

import json
from collections.abc import Callable

from typer.testing import Result

from tests.cli.conftest import StoreFile

Run = Callable[..., Result]


def test_a_store_that_is_not_there_is_not_made(run: Run, store: StoreFile) -> None:
    """An empty ledger beside a lost one would send everything again."""
    store.path.unlink()

    result = run("db", "upgrade")

    assert result.exit_code == 75
    assert "--create" in result.stderr
    assert not store.path.exists()


def test_a_store_is_made_when_asked_for(run: Run, store: StoreFile) -> None:
    store.path.unlink()

    made = json.loads(run("db", "upgrade", "--create", "--json").stdout)
    again = json.loads(run("db", "upgrade", "--create", "--json").stdout)

    newest = store.ask("SELECT version_num FROM alembic_version")[0][0]
    assert made == {"store": f"sqlite+aiosqlite:///{store.path}", "created": True, "from": None, "to": newest}
    assert (again["created"], again["from"], again["to"]) == (False, newest, newest)
    assert store.audit == [("db upgrade", newest)]


def test_an_empty_database_gets_its_tables(run: Run, store: StoreFile) -> None:
    store.path.write_bytes(b"")

    result = run("db", "upgrade")

    assert result.exit_code == 0
    assert "revision none -> " in result.stdout
    assert run("status", "order-1").exit_code == 3


def test_a_newer_store_is_left_alone(run: Run, store: StoreFile) -> None:
    store.ask("UPDATE alembic_version SET version_num = '9999'")

    result = run("db", "upgrade")

    assert result.exit_code == 75
    assert "newer than this program" in result.stderr


def test_up_to_date(run: Run, store: StoreFile) -> None:
    assert "up to date" in run("db", "upgrade").stdout
    assert store.audit == []
