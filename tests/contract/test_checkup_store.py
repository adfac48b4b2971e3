"""The doctor's look at the store, on both databases: it makes nothing, and whatever the tables are, it says so."""

import shutil
from pathlib import Path

import pytest
import sqlalchemy as sa

from tank_mailer.adapters.checkup_store import look_at_store
from tank_mailer.adapters.database import locate
from tank_mailer.adapters.schema import jobs
from tank_mailer.core.checkup.facts import StoreState
from tank_mailer.core.checkup.seen import Absent, Known, Unreached
from tank_mailer.core.ledger import State
from tests.contract.benches import HandClock, StoreBench
from tests.fakes import EPOCH

NOW_S = EPOCH.timestamp()
LATER_S = 4e9  # the server has a clock of its own


async def put(bench: StoreBench, email_id: str, state: State, **columns: object) -> None:
    fixed = {"content_hash": "", "lane": "ordinary", "queue_message_id": "m", "owner": "", "version": 1}
    counts = dict.fromkeys(("attempt", "charged", "resends", "throttles"), 0)
    row = {"email_id": email_id, "state": state.value, "first_seen_at": NOW_S, "updated_at": NOW_S}
    async with bench.ledger.engine.begin() as connection:
        await connection.execute(sa.insert(jobs).values(**{**fixed, **counts, **row, **columns}))


async def look(bench: StoreBench) -> StoreState:
    seen = await look_at_store(locate(bench.url), bench.clock)
    assert isinstance(seen, Known)
    return seen.value


async def test_an_empty_store(store_bench: StoreBench) -> None:
    found = await look(store_bench)

    assert (found.is_empty, found.newest_accepted_at, dict(found.held), found.nodes) == (True, None, {}, ())
    assert found.schema == found.newest != ""
    assert found.version >= ((3, 35) if found.is_file else (14, 0))


async def test_what_its_rows_tell(store_bench: StoreBench) -> None:
    """Held are messages that a lease or a time to come keeps hidden; what has ended holds none."""
    await put(store_bench, "sent", State.ACCEPTED, accepted_at=NOW_S, due_at=LATER_S)
    await put(store_bench, "in work", State.SENDING, lease_ends_at=LATER_S)
    await put(store_bench, "waiting", State.DEFERRED, due_at=LATER_S, lane="priority")
    await put(store_bench, "overdue", State.DEFERRED, due_at=1.0)
    await put(store_bench, "lapsed", State.SENDING, lease_ends_at=1.0)

    found = await look(store_bench)

    assert found.is_empty is False
    assert found.newest_accepted_at == EPOCH
    assert dict(found.held) == {"ordinary": 1, "priority": 1}


async def test_clock_and_disk_are_of_one_kind_each(store_bench: StoreBench) -> None:
    """A file has no clock of its own, a server no disk of ours."""
    found = await look(store_bench)

    assert (found.free_bytes is None) is (found.clock_off_s is not None) is not found.is_file


async def test_a_database_without_tables(fresh_url: str, clock: HandClock) -> None:
    location = locate(fresh_url)
    if location.path is not None:
        location.path.touch()

    seen = await look_at_store(location, clock)

    assert isinstance(seen, Known)
    assert (seen.value.schema, seen.value.is_empty) == ("", False)


async def test_no_file_and_none_is_made(tmp_path: Path, clock: HandClock) -> None:
    location = locate(f"sqlite+aiosqlite:///{tmp_path / 'none.db'}")

    assert await look_at_store(location, clock) == Absent()
    assert location.path is not None
    assert not location.exists


async def test_a_disk_that_tells_no_room(
    migrated_file: Path, clock: HandClock, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fails(_: object) -> None:
        raise PermissionError

    monkeypatch.setattr(shutil, "disk_usage", fails)

    seen = await look_at_store(locate(f"sqlite+aiosqlite:///{migrated_file}"), clock)

    assert isinstance(seen, Known)
    assert seen.value.free_bytes is None


async def test_a_server_that_is_away(clock: HandClock) -> None:
    seen = await look_at_store(locate("postgresql+asyncpg://nobody@127.0.0.1:1/none"), clock)

    assert isinstance(seen, Unreached)
    assert "cannot read the database" in seen.detail


@pytest.mark.parametrize(
    ("mode", "is_open"),
    [
        pytest.param(0o600, False, id="its-owners-alone"),
        pytest.param(0o640, False, id="a-group-is-let-in-on-purpose"),
        pytest.param(0o604, True, id="everybody-reads"),
        pytest.param(0o602, True, id="everybody-writes"),
    ],
)
async def test_who_else_may_read_it(
    migrated_file: Path, tmp_path: Path, clock: HandClock, mode: int, is_open: bool
) -> None:
    path = tmp_path / "tank.db"
    shutil.copy(migrated_file, path)
    path.chmod(mode)
    seen = await look_at_store(locate(f"sqlite+aiosqlite:///{path}"), clock)

    assert isinstance(seen, Known)
    assert dict(seen.value.open_files).get(str(path)) == (mode if is_open else None)
