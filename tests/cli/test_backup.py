"""`tank-mailer db backup` and `db restore`: a copy beside a busy daemon, and its way back."""

import asyncio
import json
import os
import sqlite3
import stat
import threading
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import NoReturn

import pytest
import sqlalchemy as sa
from alembic import command
from alembic.config import Config
from typer.testing import Result

from tank_mailer.adapters import copy_sqlite, database
from tank_mailer.core.errors import Reason
from tank_mailer.core.ledger import State, first_row
from tank_mailer.ports import Change
from tests.cli.conftest import StoreFile
from tests.contract.benches import HandClock, open_store

Run = Callable[..., Result]


@pytest.fixture
def backup(run: Run, store: StoreFile, tmp_path: Path) -> Path:
    """Of a store with one job."""
    store.put_job("order-1", "accepted")
    file = tmp_path / "backup.db"
    assert run("db", "backup", str(file)).exit_code == 0
    return file


def ids(path: Path) -> list[str]:
    with closing(sqlite3.connect(path)) as connection:
        return [email_id for (email_id,) in connection.execute("SELECT email_id FROM jobs ORDER BY 1")]


def files(folder: Path) -> list[str]:
    return sorted(one.name for one in folder.iterdir())


# --- backup ----------------------------------------------------------------------------------------


def test_a_backup_is_one_file_for_its_owner(run: Run, store: StoreFile, tmp_path: Path) -> None:
    store.put_job("order-1", "accepted", updated_at=1e9)
    file = tmp_path / "copies" / "backup.db"
    file.parent.mkdir()

    report = json.loads(run("db", "backup", str(file), "--json").stdout)

    newest = database.newest_revision()
    assert report | {"size_bytes": 0} == {
        "store": f"sqlite+aiosqlite:///{store.path}",
        "file": str(file),
        "size_bytes": 0,
        "revision": newest,
        "jobs": 1,
        "newest_at": "2001-09-09T01:46:40.000Z",
    }
    assert files(file.parent) == ["backup.db"]
    assert stat.S_IMODE(file.stat().st_mode) == 0o600
    assert ids(file) == ["order-1"]
    assert store.audit == [("db backup", str(file))]


def test_nothing_is_overwritten_by_accident(run: Run, store: StoreFile, backup: Path) -> None:
    store.put_job("order-2", "accepted")

    refused = run("db", "backup", str(backup))
    forced = run("db", "backup", "--force", str(backup))

    assert (refused.exit_code, forced.exit_code) == (2, 0)
    assert ids(backup) == ["order-1", "order-2"]


@pytest.mark.parametrize(
    ("name", "code", "word"),
    [
        pytest.param("tank.db", 2, "cannot be a copy of the store", id="the-store-itself"),
        pytest.param("", 2, "cannot be a copy", id="a-folder"),
        pytest.param("nowhere/backup.db", 75, "No such file", id="no-folder"),
    ],
)
def test_a_place_that_is_none(name: str, code: int, word: str, *, run: Run, store: StoreFile, tmp_path: Path) -> None:
    result = run("db", "backup", "--force", str(tmp_path / name))

    assert result.exit_code == code
    assert word in " ".join(result.stderr.replace("│", "").split())
    assert store.audit == []


def test_without_a_store_none_is_made(run: Run, store: StoreFile, tmp_path: Path) -> None:
    store.path.unlink()

    assert run("db", "backup", str(tmp_path / "backup.db")).exit_code == 75
    assert files(tmp_path) == []


def test_a_damaged_store_makes_no_backup(run: Run, store: StoreFile, tmp_path: Path) -> None:
    """A copy that cannot be used is worse than none: somebody would trust it."""
    size = store.path.stat().st_size
    with store.path.open("r+b") as file:
        file.seek(size // 2)
        file.write(b"\xff" * (size // 4))

    result = run("db", "backup", str(tmp_path / "backup.db"))

    assert result.exit_code == 75
    assert "no backup was made" in result.stderr
    assert "backup.db" not in files(tmp_path)


def test_a_full_disk_is_said_before(
    run: Run, store: StoreFile, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("tank_mailer.cli.db.backup.ROOM", 1e12)

    result = run("db", "backup", str(tmp_path / "backup.db"))

    assert result.exit_code == 75
    assert "are free there, and the store takes" in result.stderr
    assert "remedy: name a place" in result.stderr


def test_what_stands_in_the_log_alone_takes_room_too(store: StoreFile) -> None:
    size_bytes = copy_sqlite.size_of(store.path)
    with closing(sqlite3.connect(store.path)) as connection:
        connection.execute("PRAGMA journal_mode=WAL")
        with connection:
            connection.execute("CREATE TABLE large AS SELECT zeroblob(1000000) AS it")
        assert copy_sqlite.size_of(store.path) > size_bytes + 1_000_000


def test_one_of_an_older_version_is_copied(run: Run, store: StoreFile, tmp_path: Path) -> None:
    """Before the update is when people make backups."""
    store.ask("UPDATE alembic_version SET version_num = '0003'")

    assert "revision 0003" in run("db", "backup", str(tmp_path / "backup.db")).stdout


@dataclass(slots=True)
class Writer:
    """A daemon's store at work: writes job after job, each on disk before the next."""

    url: str
    written: int = 0
    wrote: threading.Condition = field(default_factory=threading.Condition)
    is_over: bool = False

    async def work(self) -> None:
        clock = HandClock()
        async with open_store(self.url, clock) as store:
            while not self.is_over:
                row = first_row(
                    email_id=f"job-{self.written:05}",
                    content_hash="x" * 200,
                    lane="ordinary",
                    queue_message_id="m",
                    now=clock.now(),
                )
                assert await store.write(Change(row.ended(State.EXPIRED, clock.now(), Reason.EXPIRED)))
                with self.wrote:
                    self.written += 1
                    self.wrote.notify_all()

    def wait_for_more(self) -> None:
        """Return once it has written again."""
        with self.wrote:
            seen = self.written
            assert self.wrote.wait_for(lambda: self.written > seen, timeout=60), "the daemon stands still"


@contextmanager
def at_work(url: str) -> Iterator[Writer]:
    writer = Writer(url)
    thread = threading.Thread(target=lambda: asyncio.run(writer.work()))
    thread.start()
    try:
        yield writer
    finally:
        writer.is_over = True
        thread.join()


def test_a_busy_daemon_goes_on_and_the_copy_ends(
    run: Run, store: StoreFile, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """SQLite would begin the copy anew with each write of another process, and never come to an end."""
    steps = 0

    class Rests:
        """In each rest of the copy the daemon writes."""

        @staticmethod
        def sleep(_: float) -> None:
            nonlocal steps
            steps += 1
            assert steps < 10_000, "the copy begins again and again"
            writer.wait_for_more()

    monkeypatch.setattr(copy_sqlite, "time", Rests)
    monkeypatch.setattr(copy_sqlite, "STEP_PAGES", 4)
    file = tmp_path / "backup.db"

    with at_work(f"sqlite+aiosqlite:///{store.path}") as writer:
        writer.wait_for_more()
        report = json.loads(run("db", "backup", str(file), "--json").stdout)
        writer.wait_for_more()

    assert steps > 5
    assert writer.written > report["jobs"] + steps - 1
    assert ids(file) == [f"job-{n:05}" for n in range(report["jobs"])]


# --- restore ---------------------------------------------------------------------------------------


def test_there_and_back(run: Run, store: StoreFile, backup: Path, tmp_path: Path) -> None:
    """What was there is kept whole, what its log holds too."""
    store.put_job("order-2", "accepted")

    result = run("db", "restore", str(backup), "--yes", "--json")

    assert result.exit_code == 0, result.output
    report = json.loads(result.stdout)
    assert (report["restored"], report["jobs"], report["revision"]) == (True, 1, database.newest_revision())
    assert ids(store.path) == ["order-1"]
    assert ids(Path(report["kept"])) == ["order-1", "order-2"]
    assert Path(report["kept"]).name.startswith("tank.db.before-")
    assert stat.S_IMODE(store.path.stat().st_mode) == 0o600
    ((action, subject, detail),) = store.ask("SELECT action, subject, detail FROM audit")
    assert (action, subject) == ("db restore", str(backup))
    assert report["kept"] in detail
    assert run("status", "order-1").exit_code == 0


def test_what_a_restored_store_cannot_know_is_said(run: Run, store: StoreFile, backup: Path) -> None:
    said = run("db", "restore", str(backup), "--yes").stderr

    assert "suppress sync --apply" in said
    assert "tank-mailer erase ADDRESS" in said
    assert "tank-mailer pause" in said


def test_after_a_lost_disk_there_is_nothing_to_keep(run: Run, store: StoreFile, backup: Path) -> None:
    store.path.unlink()

    report = json.loads(run("db", "restore", str(backup), "--yes", "--json").stdout)

    assert report["kept"] is None
    assert ids(store.path) == ["order-1"]


def test_a_store_that_is_damaged_is_kept_and_replaced(run: Run, store: StoreFile, backup: Path) -> None:
    """That is when people restore."""
    store.path.write_bytes(b"SQLite format 3\x00" + os.urandom(5_000))

    report = json.loads(run("db", "restore", str(backup), "--yes", "--json").stdout)

    assert Path(report["kept"]).stat().st_size == 5_016
    assert ids(store.path) == ["order-1"]


@pytest.mark.parametrize(
    "damage",
    [
        pytest.param(lambda old: b"SQLite format 3\x00" + os.urandom(5_000), id="its-head"),
        pytest.param(lambda old: os.urandom(len(old)), id="all-of-it"),
        pytest.param(lambda old: old[:8_192] + os.urandom(len(old) - 8_192), id="its-pages"),
    ],
)
@pytest.mark.parametrize("arguments", ["status order-1", "suppress list", "doctor --area store", "report daily"])
def test_what_is_damaged_is_said_with_the_way_back(
    arguments: str, damage: Callable[[bytes], bytes], run: Run, store: StoreFile
) -> None:
    """Only a backup helps: to look at the settings, or to wait, does not."""
    store.ask("PRAGMA journal_mode = DELETE")  # no log has the pages once more
    store.path.write_bytes(damage(store.path.read_bytes()))

    result = run(*arguments.split())

    assert result.exit_code in {3, 75}
    assert "damaged" in result.output
    assert "tank-mailer db restore" in result.output


def test_at_no_moment_is_there_no_store(
    run: Run, store: StoreFile, backup: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A daemon that starts after a crash in between would make an empty one, and know of nothing that it has sent."""
    store.put_job("order-2", "accepted")

    def cut_the_power(*_: object) -> NoReturn:
        raise KeyboardInterrupt

    monkeypatch.setattr(copy_sqlite, "_give_to_owner", cut_the_power)  # the last step before the names change

    assert run("db", "restore", str(backup), "--yes").exit_code == 130
    assert ids(store.path) == ["order-1", "order-2"]


def test_where_a_file_has_one_name_only_it_is_kept_too(
    run: Run, store: StoreFile, backup: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """FAT, and some network drives."""

    def refuse(*_: object) -> NoReturn:
        raise PermissionError

    monkeypatch.setattr(Path, "hardlink_to", refuse)
    store.put_job("order-2", "accepted")

    report = json.loads(run("db", "restore", str(backup), "--yes", "--json").stdout)

    assert (ids(store.path), ids(Path(report["kept"]))) == (["order-1"], ["order-1", "order-2"])


def take_back(store: Path, revision: str) -> None:
    """Give it the tables of an earlier release."""
    config = Config()
    config.set_main_option("script_location", "tank_mailer:adapters/migrations")
    engine = sa.create_engine(f"sqlite:///{store}")
    with engine.begin() as connection:
        config.attributes["connection"] = connection
        command.downgrade(config, revision)
    engine.dispose()


def test_an_older_one_is_brought_up_to_date(run: Run, store: StoreFile, backup: Path) -> None:
    take_back(backup, "0003")

    result = run("db", "restore", str(backup), "--yes")

    assert result.exit_code == 0, result.output
    assert store.ask("SELECT version_num FROM alembic_version") == [(database.newest_revision(),)]
    assert store.ask("SELECT count(*) FROM alerts") == [(0,)]
    assert [name for name in files(store.path.parent) if name.endswith(("-wal", "-shm"))] == []


def test_not_while_the_daemon_runs(run: Run, store: StoreFile, backup: Path) -> None:
    store.put_job("order-2", "accepted")
    with database.sole_user(database.locate(f"sqlite+aiosqlite:///{store.path}")):
        result = run("db", "restore", str(backup), "--yes")

    assert result.exit_code == 3
    assert "another tank-mailer uses" in result.stderr
    assert "systemctl stop" in result.stderr
    assert ids(store.path) == ["order-1", "order-2"]


def test_a_look_changes_nothing(run: Run, store: StoreFile, backup: Path) -> None:
    store.put_job("order-2", "accepted")
    before = files(store.path.parent)
    with database.sole_user(database.locate(f"sqlite+aiosqlite:///{store.path}")):
        report = json.loads(run("db", "restore", str(backup), "--dry-run", "--json").stdout)

    assert (report["restored"], report["jobs"]) == (False, 1)
    assert set(files(store.path.parent)) - set(before) <= {"tank.db.lock"}
    assert ids(store.path) == ["order-1", "order-2"]


def spoil(file: Path, how: str) -> None:
    match how:
        case "text":
            file.write_text("no store", encoding="utf-8")
        case "cut":
            file.write_bytes(file.read_bytes()[: file.stat().st_size // 2])
        case _:
            with closing(sqlite3.connect(file, isolation_level=None)) as connection:
                connection.execute(how)


@pytest.mark.parametrize(
    ("how", "word"),
    [
        pytest.param("text", "is no SQLite file", id="no-SQLite-file"),
        pytest.param("cut", "backup.db", id="cut"),
        pytest.param("DROP TABLE audit", "is no store of tank-mailer", id="somebody-elses"),
        pytest.param("UPDATE alembic_version SET version_num = '9999'", "is newer than this program's", id="newer"),
    ],
)
def test_what_is_no_backup_is_refused(how: str, word: str, run: Run, store: StoreFile, backup: Path) -> None:
    spoil(backup, how)
    before = store.path.read_bytes()

    result = run("db", "restore", str(backup), "--yes")

    assert result.exit_code == 3
    assert word in result.stderr
    assert "nothing was changed" in result.stderr
    assert "remedy: " in result.stderr
    assert store.path.read_bytes() == before


def test_nobody_is_overrun(run: Run, store: StoreFile, backup: Path) -> None:
    assert run("db", "restore", str(backup)).exit_code == 2
    assert run("db", "restore", str(store.path), "--yes").exit_code == 3
