"""`tank-mailer status`: what became of an email, for people and for scripts."""

import json
from collections.abc import Callable
from pathlib import Path

import pytest
from typer.testing import Result

from tank_mailer.core.ledger import State
from tests.cli.conftest import StoreFile

Run = Callable[..., Result]


def test_an_accepted_email_for_scripts(run: Run, store: StoreFile) -> None:
    """DESIGN 6 fixes the shape; web developers parse it."""
    store.put_job("order-1", "accepted", attempt=2, resends=1, accepted_at=1e9 + 5, ses_message_id="ses-2")
    store.ask("INSERT INTO receipts VALUES ('ses-2', 'order-1', 2, 5), ('ses-1', 'order-1', 1, 4)")
    store.ask("INSERT INTO recipients VALUES ('order-1', 'b@example.org', 10, NULL, 1000000005)")
    store.ask("INSERT INTO recipients VALUES ('order-1', 'a@example.org', 0, 'suppressed', 1000000004.5)")

    result = run("status", "order-1", "--json")

    assert result.exit_code == 0
    assert json.loads(result.stdout) == {
        "email_id": "order-1",
        "state": "accepted",
        "reason": None,
        "lane": "ordinary",
        "attempts": 2,
        "resends": 1,
        "first_seen_at": "2001-09-09T01:46:40.000Z",
        "accepted_at": "2001-09-09T01:46:45.000Z",
        "ses_message_ids": ["ses-1", "ses-2"],
        "recipients": [
            {
                "address": "a@example.org",
                "status": "suppressed",
                "reason": "suppressed",
                "updated_at": "2001-09-09T01:46:44.500Z",
            },
            {
                "address": "b@example.org",
                "status": "accepted",
                "reason": None,
                "updated_at": "2001-09-09T01:46:45.000Z",
            },
        ],
        "events": [],
    }


@pytest.mark.parametrize("state", State)
def test_every_state_says_what_to_do_next(state: State, run: Run, store: StoreFile) -> None:
    store.put_job("order 1", state, reason="expired", due_at=1e9, lease_ends_at=1e9)

    result = run("status", "order 1")

    assert result.exit_code == 0
    fields = dict(line.split("  ", 1) for line in result.stdout.splitlines())
    assert fields["state"].strip() == state
    assert len(fields["next"]) > 20


def test_when_it_goes_on(run: Run, store: StoreFile) -> None:
    store.put_job("order-1", "deferred", due_at=4e9, reason="throttled", detail="Maximum sending rate exceeded.")

    out = run("status", "order-1").stdout

    assert "at 2096-10-02 07:06:40 UTC (in " in out
    assert "Maximum sending rate exceeded." in out


def test_an_invalid_job_is_known_though_it_has_no_row(run: Run, store: StoreFile) -> None:
    store.put_aside("m-1", reason="missing_field", at=1e9)
    store.put_aside("m-2", reason="bad_address", at=1e9 + 60)

    report = json.loads(run("status", "order-4711", "--json").stdout)

    assert (report["state"], report["reason"], report["attempts"]) == ("invalid", "bad_address", 0)
    assert report["first_seen_at"] == "2001-09-09T01:47:40.000Z"
    assert "refused requeue order-4711 --file CORRECTED.json" in run("status", "order-4711").stdout


def test_a_job_that_was_put_back_waits(run: Run, store: StoreFile) -> None:
    store.put_aside("m-1", requeued_at=1e9)

    assert "it waits on the queue again" in run("status", "order-4711").stdout


@pytest.mark.parametrize(
    ("email_id", "shown"),
    [
        pytest.param("order-9", "order-9 is not known", id="unknown"),
        pytest.param("\x1b[2Jx", "\\x1b[2Jx is not known", id="an-id-cannot-speak-to-the-terminal"),
        pytest.param("odd-\udcff", "is not known", id="bytes-that-are-no-text"),
    ],
)
def test_an_unknown_id(email_id: str, shown: str, run: Run, store: StoreFile) -> None:
    result = run("status", email_id)

    assert (result.exit_code, result.stdout) == (3, "")
    assert shown in result.stderr
    assert "may not have received it yet" in result.stderr


# --- no store --------------------------------------------------------------------------------------


def test_without_a_store_none_is_made(run: Run, store: StoreFile) -> None:
    store.path.unlink()

    result = run("status", "order-1")

    assert result.exit_code == 75
    assert result.stderr.count("\n") == 1
    assert "start `tank-mailer run`" in result.stderr
    assert not store.path.exists()


@pytest.mark.parametrize(
    ("sql", "word"),
    [
        pytest.param("UPDATE alembic_version SET version_num = '0000'", "0000", id="older-tables"),
        pytest.param("DELETE FROM alembic_version", "has no tables", id="no-tables"),
    ],
)
def test_an_old_store_is_to_be_upgraded(sql: str, word: str, run: Run, store: StoreFile) -> None:
    store.ask(sql)

    result = run("status", "order-1")

    assert result.exit_code == 75
    assert word in result.stderr
    assert "run `tank-mailer db upgrade`" in result.stderr


def test_a_file_that_is_no_store(run: Run, store: StoreFile, tmp_path: Path) -> None:
    store.path.write_text("something else, and long enough to be read as a page of SQLite" * 50, encoding="utf-8")

    result = run("status", "order-1")

    assert result.exit_code == 75
    assert "TANK_DATABASE_URL" in result.stderr
