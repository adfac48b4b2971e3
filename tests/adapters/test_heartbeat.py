"""The file that a container's health check looks at: touched while there is life, and no trouble to anybody else."""

import asyncio
import os
from collections.abc import Callable
from pathlib import Path

import pytest
from structlog.testing import capture_logs

from tank_mailer.adapters.heartbeat import EVERY_S, Heartbeat

LONG_AGO_S = 1_000_000_000.0


class EnoughError(Exception):
    """The rounds are over."""


async def beat(
    path: Path, rounds: int, *, is_alive: bool = True, between: Callable[[int], None] = lambda _: None
) -> None:
    """Let it go round so often; `between` is called after each."""
    waits = list[float]()

    async def wait(seconds: float) -> None:
        waits.append(seconds)
        between(len(waits))
        if len(waits) == rounds:
            raise EnoughError

    with pytest.raises(EnoughError):
        await Heartbeat(path=path, is_alive=lambda: is_alive, wait=wait).run()
    assert waits == [EVERY_S] * rounds


async def test_it_is_made_for_our_user_alone(tmp_path: Path) -> None:
    path = tmp_path / "state" / "heartbeat"
    await beat(path, 1)

    assert path.stat().st_mode & 0o777 == 0o600
    assert path.parent.stat().st_mode & 0o777 == 0o700


async def test_each_round_touches_it(tmp_path: Path) -> None:
    path = tmp_path / "heartbeat"
    ages = list[float]()

    def look(_: int) -> None:
        ages.append(path.stat().st_mtime)
        os.utime(path, (LONG_AGO_S, LONG_AGO_S))

    await beat(path, 3, between=look)

    assert len(ages) == 3
    assert min(ages) > LONG_AGO_S


async def test_who_does_not_live_does_not_touch_it(tmp_path: Path) -> None:
    path = tmp_path / "heartbeat"
    await beat(path, 2, is_alive=False)

    assert not path.exists()


async def test_one_that_was_taken_away_is_made_again(tmp_path: Path) -> None:
    path = tmp_path / "heartbeat"
    await beat(path, 2, between=lambda number: path.unlink() if number == 1 else None)

    assert path.exists()


async def test_a_disk_that_takes_nothing_is_told_once_and_again_after_it_was_well(tmp_path: Path) -> None:
    """A file where the folder should be, as a full or read-only disk: the mail goes on."""
    folder = tmp_path / "state"
    folder.write_text("")

    def mend_and_break(number: int) -> None:
        if number == 2:
            folder.unlink()
        if number == 3:
            (folder / "heartbeat").unlink()
            folder.rmdir()
            folder.write_text("")

    with capture_logs() as lines:
        await beat(folder / "heartbeat", 5, between=mend_and_break)

    assert [line["event"] for line in lines] == ["heartbeat_failed", "heartbeat_failed"]
    assert lines[0]["detail"]
    assert "state directory" in lines[0]["remedy"]
    assert str(tmp_path) not in str(lines)


async def test_it_runs_until_it_is_cancelled(tmp_path: Path) -> None:
    has_beaten = asyncio.Event()

    async def wait(_: float) -> None:
        has_beaten.set()
        await asyncio.Event().wait()

    running = asyncio.create_task(Heartbeat(path=tmp_path / "heartbeat", is_alive=lambda: True, wait=wait).run())
    await has_beaten.wait()
    running.cancel()
    with pytest.raises(asyncio.CancelledError):
        await running

    assert (tmp_path / "heartbeat").exists()
