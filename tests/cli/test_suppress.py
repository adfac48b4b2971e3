"""`tank-mailer suppress`: who is not mailed, and who said so."""

import json
import os
import pwd
import socket
import sqlite3
import time
from collections.abc import Callable
from contextlib import closing
from pathlib import Path

import pytest
from typer.testing import Result

from tank_mailer.adapters import database
from tank_mailer.adapters.desk_walk import ENTRIES
from tank_mailer.core.address import address_hash
from tests.cli.conftest import StoreFile

Run = Callable[..., Result]


def entries(store: StoreFile) -> list[tuple[str, str, str, str | None, float | None]]:
    return store.ask("SELECT address, reason, source, note, ends_at FROM suppressions ORDER BY address")


def put_event(store: StoreFile, address: str, *, ends_at: float | None = None) -> None:
    """What a bounce leaves behind."""
    store.ask(
        "INSERT INTO suppressions (address, reason, source, created_at, ends_at)"
        " VALUES (?, 'hard_bounce', 'event', 5, ?)",
        address,
        ends_at,
    )


# --- one address -----------------------------------------------------------------------------------


def test_what_is_added_may_not_be_mailed(run: Run, store: StoreFile) -> None:
    """The exit code of `check` is a script's question: may I?"""
    assert run("suppress", "check", "jane@example.com").exit_code == 0

    added = run("suppress", "add", "Jane <JANE@Example.com>", "--note", "by phone")
    checked = run("suppress", "check", "jane@example.com", "--json")

    assert added.stdout == "jane@example.com is on the list: not mailed any more (manual).\n"
    assert entries(store) == [("jane@example.com", "manual", "manual", "by phone", None)]
    assert checked.exit_code == 3
    report = json.loads(checked.stdout)
    assert (report["address"], report["suppressed"]) == ("jane@example.com", True)
    assert set(report["entry"]) == {"address", "reason", "source", "note", "event", "created_at", "ends_at"}


def test_an_entry_that_ended_keeps_nobody(run: Run, store: StoreFile) -> None:
    put_event(store, "jane@example.com", ends_at=6)

    result = run("suppress", "check", "jane@example.com", "--json")

    assert result.exit_code == 0
    assert json.loads(result.stdout)["suppressed"] is False


def test_what_is_removed_may_be_mailed_again(run: Run, store: StoreFile) -> None:
    put_event(store, "jane@example.com")

    assert run("suppress", "remove", "Jane@example.com").exit_code == 0
    assert run("suppress", "check", "jane@example.com").exit_code == 0
    again = run("suppress", "remove", "jane@example.com")
    assert again.exit_code == 3
    assert "not on the list" in again.stderr


def test_an_addition_lets_nobody_go_sooner(run: Run, store: StoreFile) -> None:
    """A bounce stays for good, whatever `--until` says; the operator is told how to get what they want."""
    put_event(store, "jane@example.com")

    result = run("suppress", "add", "jane@example.com", "--until", "30d")

    assert entries(store) == [("jane@example.com", "hard_bounce", "manual", None, None)]
    assert "To let it go sooner" in result.stdout


def test_changes_are_on_record(run: Run, store: StoreFile) -> None:
    run("suppress", "add", "jane@example.com")
    run("suppress", "remove", "jane@example.com")

    assert store.audit == [("suppress add", "jane@example.com"), ("suppress remove", "jane@example.com")]
    assert store.ask("SELECT DISTINCT who FROM audit") == [
        (f"{pwd.getpwuid(os.getuid()).pw_name}@{socket.gethostname()}",)
    ]


def test_who_used_sudo_is_on_record(run: Run, store: StoreFile, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SUDO_USER", "alice")

    run("suppress", "add", "jane@example.com")

    assert "(sudo: alice)@" in store.ask("SELECT who FROM audit")[0][0]


@pytest.mark.parametrize(
    ("arguments", "word"),
    [
        pytest.param(["check", "jane"], "no @-sign", id="no-address"),
        pytest.param(["add", "jane@example.com", "--until", "soon"], "RFC 3339", id="no-time"),
        pytest.param(["add", "jane@example.com", "--until", "2001-01-01T00:00:00Z"], "has passed", id="a-past-end"),
        pytest.param(["add", "jane@example.com", "--note", "a\nb"], "one line", id="a-note-of-two-lines"),
    ],
)
def test_usage(arguments: list[str], word: str, run: Run, store: StoreFile) -> None:
    result = run("suppress", *arguments)

    assert result.exit_code == 2
    assert word in result.stderr
    assert entries(store) == []


def test_a_busy_store_is_an_outside_failure(run: Run, store: StoreFile, monkeypatch: pytest.MonkeyPatch) -> None:
    """The daemon holds SQLite's one lock for moments only; a command that waits too long gives up in one line."""
    monkeypatch.setattr(database, "BUSY_TIMEOUT_S", 0.05)
    with closing(sqlite3.connect(store.path, isolation_level=None)) as other:
        other.execute("BEGIN IMMEDIATE")
        result = run("suppress", "add", "jane@example.com")
        other.execute("ROLLBACK")

    assert result.exit_code == 75
    assert result.stderr.count("\n") == 1
    assert "only busy" in result.stderr


# --- who was erased --------------------------------------------------------------------------------

HASH = address_hash("jane@example.com")


def test_who_was_erased_is_found_by_the_address(run: Run, store: StoreFile) -> None:
    """Nobody can say any more who is meant, but everybody who asks is told."""
    put_event(store, HASH)

    checked = run("suppress", "check", "Jane@Example.com")

    assert checked.exit_code == 3
    assert HASH in checked.stdout
    assert run("suppress", "check", HASH).exit_code == 3
    assert run("suppress", "check", "john@example.com").exit_code == 0
    assert json.loads(run("suppress", "list", "--json").stdout)["entries"][0]["address"] == HASH


def test_who_was_erased_is_not_written_down_again(run: Run, store: StoreFile) -> None:
    """An old list that comes back must not undo the erasure, and nothing it says ends the suppression."""
    put_event(store, HASH)

    result = run("suppress", "add", "jane@example.com", "--until", "1d")
    run("suppress", "import", "-", stdin="jane@example.com\n")

    assert entries(store) == [(HASH, "hard_bounce", "manual", None, None)]
    assert "To let it go sooner" in result.stdout
    assert store.audit == [("suppress add", HASH), ("suppress import", "-")]


def test_an_ended_one_gives_way(run: Run, store: StoreFile) -> None:
    put_event(store, HASH, ends_at=6)

    run("suppress", "add", "jane@example.com")

    assert run("suppress", "check", "jane@example.com").exit_code == 3
    assert ("jane@example.com", "manual", "manual", None, None) in entries(store)


@pytest.mark.parametrize("name", [HASH, "jane@example.com"])
def test_a_removal_takes_the_hash_off_too(name: str, run: Run, store: StoreFile) -> None:
    put_event(store, HASH)

    assert run("suppress", "remove", name).exit_code == 0

    assert entries(store) == []
    assert store.audit == [("suppress remove", HASH)]


def test_a_removal_takes_both_off(run: Run, store: StoreFile) -> None:
    put_event(store, HASH)
    put_event(store, "jane@example.com")

    assert run("suppress", "remove", "jane@example.com").exit_code == 0
    assert entries(store) == []


def test_hashes_are_exported_and_imported(run: Run, store: StoreFile) -> None:
    put_event(store, HASH)
    exported = run("suppress", "export").stdout
    store.ask("DELETE FROM suppressions")

    assert run("suppress", "import", "-", stdin=exported).exit_code == 0
    assert run("suppress", "check", "jane@example.com").exit_code == 3
    assert run("suppress", "import", "-", stdin="hash:12\n").exit_code == 3


# --- stale addresses -------------------------------------------------------------------------------


def put_history(store: StoreFile, *, mailed_days: float, delivered_days: float | None = None) -> None:
    now = time.time()
    delivered_at = None if delivered_days is None else now - delivered_days * 86_400
    store.ask("INSERT INTO addresses VALUES (?, ?, ?)", HASH, now - mailed_days * 86_400, delivered_at)


@pytest.mark.parametrize(
    ("delivered_days", "setting", "code"),
    [
        pytest.param(None, "365", 3, id="never-reached"),
        pytest.param(366, "365", 3, id="reached-long-ago"),
        pytest.param(364, "365", 0, id="reached-lately"),
        pytest.param(None, "0", 0, id="switched-off"),
    ],
)
def test_stale(
    delivered_days: float | None,
    setting: str,
    code: int,
    *,
    run: Run,
    store: StoreFile,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("TANK_STALE_AFTER_DAYS", setting)
    put_history(store, mailed_days=800, delivered_days=delivered_days)

    checked = run("suppress", "check", "Jane@example.com", "--json")

    assert checked.exit_code == code
    report = json.loads(checked.stdout)
    assert (report["stale"], report["suppressed"]) == (code == 3, False)
    assert ("stale" in run("suppress", "check", "jane@example.com").stdout) is (code == 3)


def test_a_stale_address_begins_anew(run: Run, store: StoreFile, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TANK_STALE_AFTER_DAYS", "365")
    put_history(store, mailed_days=800, delivered_days=500)

    removed = run("suppress", "remove", "jane@example.com")

    assert removed.exit_code == 0
    assert "was stale" in removed.stdout
    assert run("suppress", "check", "jane@example.com").exit_code == 0
    [(mailed_at, delivered_at)] = store.ask("SELECT first_mailed_at, last_delivered_at FROM addresses")
    assert mailed_at == pytest.approx(time.time(), abs=60)
    assert delivered_at is None
    assert run("suppress", "remove", "jane@example.com").exit_code == 3
    assert store.audit == [("suppress remove", "jane@example.com")]


# --- many ------------------------------------------------------------------------------------------


def test_a_list_for_scripts(run: Run, store: StoreFile) -> None:
    put_event(store, "old@example.com", ends_at=6)
    put_event(store, "a@example.com")
    run("suppress", "add", "b@example.com")

    report = json.loads(run("suppress", "list", "--limit", "1", "--json").stdout)

    assert report["total"] == 2
    assert [entry["address"] for entry in report["entries"]] == ["b@example.com"]
    assert json.loads(run("suppress", "list", "--all", "--json").stdout)["total"] == 3
    assert run("suppress", "list").stdout.splitlines()[2].split("\t")[:3] == ["a@example.com", "hard_bounce", "event"]


def test_an_export_can_be_imported(run: Run, store: StoreFile, tmp_path: Path) -> None:
    run("suppress", "add", "a@example.com", "--note", 'says "no", firmly', "--until", "2090-01-01T00:00:00+02:00")
    run("suppress", "add", "b@example.com", "--reason", "opted_out")
    before = entries(store)

    exported = run("suppress", "export", "out.csv")
    store.ask("DELETE FROM suppressions")
    imported = run("suppress", "import", "out.csv")
    again = run("suppress", "import", "out.csv")

    assert exported.stdout == "2 entries written to out.csv.\n"
    assert (tmp_path / "out.csv").stat().st_mode & 0o077 == 0
    assert (
        (tmp_path / "out.csv").read_text(encoding="utf-8").startswith("address,reason,source,created_at,ends_at,note\n")
    )
    assert imported.stdout == "2 added, 0 changed, 0 on the list already.\n"
    assert again.stdout == "0 added, 0 changed, 2 on the list already.\n"
    assert entries(store) == before
    assert run("suppress", "export").stdout == (tmp_path / "out.csv").read_text(encoding="utf-8")


FAULTY = "# from the old system\na@example.com\nb@\n\nc@example.com\nd@example.com,e@example.com\n"


def test_all_faults_are_listed_and_nothing_is_taken(run: Run, store: StoreFile, tmp_path: Path) -> None:
    (tmp_path / "list.txt").write_text(FAULTY, encoding="utf-8")

    result = run("suppress", "import", "list.txt")

    assert result.exit_code == 3
    lines = result.stderr.splitlines()
    assert [line.split(":")[0] for line in lines] == ["line 3", "line 6", "2 bad lines"]
    assert "example" not in "".join(lines[:2]).replace("such as example.com", "")
    assert entries(store) == []
    assert store.audit == []


def test_faults_can_be_left_out(run: Run, store: StoreFile, tmp_path: Path) -> None:
    (tmp_path / "list.txt").write_text(FAULTY, encoding="utf-8")

    result = run("suppress", "import", "list.txt", "--skip-bad", "--reason", "opted_out", "--json")

    assert result.exit_code == 0
    report = json.loads(result.stdout)
    assert (report["added"], [one["line"] for one in report["bad_lines"]]) == (2, [3, 6])
    assert [entry[:2] for entry in entries(store)] == [("a@example.com", "opted_out"), ("c@example.com", "opted_out")]
    assert store.audit == [("suppress import", "list.txt")]


@pytest.mark.parametrize(
    ("text", "line", "word"),
    [
        pytest.param("address,note\na@example.com\n", 2, "1 cells", id="a-cell-is-missing"),
        pytest.param("address,ends_at\na@example.com,tomorrow\n", 2, "RFC 3339", id="no-time"),
        pytest.param("address,address\na@example.com,b@example.com\n", 1, "twice", id="a-column-twice"),
        pytest.param('note,address\n"never\n', 2, "double quote", id="a-quote-that-stays-open"),
        pytest.param("address\n\udcff@example.com\n", 2, "UTF-8", id="not-UTF-8"),
    ],
)
def test_faults_of_a_table(text: str, line: int, word: str, *, run: Run, store: StoreFile, tmp_path: Path) -> None:
    (tmp_path / "list.csv").write_bytes(text.encode(errors="surrogateescape"))

    result = run("suppress", "import", "list.csv")

    assert result.exit_code == 3
    assert result.stderr.startswith(f"line {line}:")
    assert word in result.stderr


def test_a_long_list_goes_in_pages(run: Run, store: StoreFile) -> None:
    """Each page is a transaction of its own, so that the daemon never waits for the whole list."""
    text = "address;note\n" + "".join(f"user{n}@example.com;old\n" for n in range(625))

    result = run("suppress", "import", "-", stdin=text)

    assert result.stdout == "625 added, 0 changed, 0 on the list already.\n"
    assert store.ask("SELECT count(*), min(note) FROM suppressions") == [(625, "old")]
    assert [detail for (detail,) in store.ask("SELECT detail FROM audit ORDER BY id")] == [
        "lines 2 to 251; 250 added, 0 changed, 0 unchanged",
        "lines 252 to 501; 250 added, 0 changed, 0 unchanged",
        "lines 502 to 626; 125 added, 0 changed, 0 unchanged",
    ]
    assert len(run("suppress", "export").stdout.splitlines()) == 626


def test_the_daemon_gets_its_turn_after_each_page(run: Run, store: StoreFile, monkeypatch: pytest.MonkeyPatch) -> None:
    """SQLite's lock goes to whoever asks first, and a command in a tight loop is always first."""
    rests = list[float]()

    async def rest(seconds: float) -> None:
        rests.append(seconds)

    monkeypatch.setattr("tank_mailer.adapters.desk_walk.asyncio.sleep", rest)
    run("suppress", "import", "-", stdin="".join(f"user{n}@example.com\n" for n in range(2 * ENTRIES + 1)))

    assert len(rests) == 3
    assert min(rests) > 0


def test_a_script_is_told_what_became_of_an_entry(run: Run, store: StoreFile) -> None:
    added = json.loads(run("suppress", "add", "jane@example.com", "--json").stdout)
    again = json.loads(run("suppress", "add", "jane@example.com", "--json").stdout)
    removed = json.loads(run("suppress", "remove", "jane@example.com", "--json").stdout)

    assert (added["added"], again["added"], again["changed"]) == (True, False, False)
    assert (removed["removed"], removed["was_stale"], removed["entry"]["address"]) == (True, False, "jane@example.com")
