"""The thread that ends a process which does not live: when it does, what it says before, and when it must not."""

import asyncio
import threading
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

import pytest
from structlog.testing import capture_logs

from tank_mailer.adapters.watchman import EXIT_CODE, Watchman, way_of_main_thread, way_of_task
from tank_mailer.core.health import Liveness, Pulse

PATIENCE_S = 30.0  # of the tests; nothing takes so long
WELL = Liveness([Pulse("loop", 0.4, 30.0)])
HUNG = Liveness([Pulse("loop", 0.4, 30.0), Pulse("lane/ordinary", 61.0, 60.0)])


@dataclass(kw_only=True)
class Scene:
    """A watchman whose process does not really end."""

    found: Iterator[Liveness]
    done: list[str] = field(default_factory=list)
    tasks: dict[str, asyncio.Task[Any]] = field(default_factory=dict)

    def watchman(self, *, look_s: float = 5.0, patience_s: float = 20.0) -> Watchman:
        return Watchman(
            liveness=lambda: next(self.found),
            task_of=self.tasks.get,
            flush=lambda: self.done.append("flushed"),
            leave=lambda code: self.done.append(f"left with {code}"),
            look_s=look_s,
            patience_s=patience_s,
        )


@contextmanager
def scene(*found: Liveness) -> Iterator[tuple[Scene, list[Any]]]:
    with capture_logs() as lines:
        yield Scene(found=iter(found)), lines


def looked(found: Sequence[Liveness]) -> tuple[list[str], list[str]]:
    """What is done and logged after a look at each."""
    with scene(*found) as (made, lines):
        watchman = made.watchman()
        for _ in found:
            watchman.look()
    return made.done, [line["event"] for line in lines]


@pytest.mark.parametrize(
    ("found", "done", "told"),
    [
        pytest.param([WELL] * 10, [], [], id="who-lives-is-left-alone"),
        pytest.param([HUNG] * 2, [], ["liveness_lost"], id="said-at-the-second-look"),
        pytest.param([HUNG] * 3, [], ["liveness_lost"], id="and-said-once"),
        pytest.param(
            [HUNG] * 4,
            ["flushed", f"left with {EXIT_CODE}"],
            ["liveness_lost", "daemon_aborted"],
            id="ended-after-its-time-with-the-log-written-out",
        ),
        pytest.param(
            [HUNG, HUNG, WELL, HUNG, HUNG],
            [],
            ["liveness_lost", "liveness_recovered", "liveness_lost"],
            id="a-recovery-begins-anew",
        ),
    ],
)
def test_looks(found: Sequence[Liveness], done: list[str], told: list[str]) -> None:
    assert looked(found) == (done, told)


def test_what_is_said_names_the_loop_and_what_to_do() -> None:
    with scene(*[HUNG] * 4) as (made, lines):
        watchman = made.watchman()
        for _ in range(4):
            watchman.look()

    lost, aborted = lines
    assert (lost["hang"], lost["silent_s"], lost["at_most_s"], lost["exit_after_s"]) == ("lane/ordinary", 61, 60, 20)
    assert "test_watchman.py" in lost["loop_at"], "where the main thread is"
    assert lost["waits_at"] is None
    assert lost["log_level"] == aborted["log_level"] == "error"
    assert (aborted["hang"], aborted["failed_s"], aborted["exit_code"]) == (["lane/ordinary"], 20.0, 1)
    assert lost["remedy"] == aborted["remedy"] != ""


def test_who_was_stopped_for_long_has_not_hung_meanwhile() -> None:
    """Time is counted by looks: a SIGSTOP, or a paused machine, is one look that took long, and no bug."""
    long_silent = Liveness([Pulse("loop", 86_400.0, 30.0)])

    assert looked([long_silent, WELL] * 10) == ([], [])


def test_it_looks_by_a_thread_of_its_own_until_the_block_ends() -> None:
    seen = threading.Event()
    found = iter([WELL] * 3)

    def look() -> Liveness:
        answer = next(found, WELL)
        seen.set()
        return answer

    watchman = Watchman(liveness=look, task_of=lambda _: None, flush=lambda: None, look_s=0.001)
    with watchman.watching():
        assert seen.wait(PATIENCE_S)
        (thread,) = [one for one in threading.enumerate() if one.name == "watchman"]
    thread.join(PATIENCE_S)

    assert not thread.is_alive()


# --- where -----------------------------------------------------------------------------------------


async def _inner(secret: str) -> None:
    await asyncio.Event().wait()


async def _outer() -> None:
    await _inner("recipient@example.org")


async def test_a_task_is_followed_to_what_it_waits_for() -> None:
    task = asyncio.create_task(_outer())
    await asyncio.sleep(0)
    way = way_of_task(task)
    task.cancel()
    await asyncio.gather(task, return_exceptions=True)

    places = [place.rpartition(" ")[2] for place in way.split(" > ")]
    assert places == ["_outer", "_inner", "wait"]
    assert "adapters/test_watchman.py:" in way
    assert "example.org" not in way, "files, lines and functions, never a value"


async def test_a_task_that_has_ended_waits_nowhere() -> None:
    task = asyncio.create_task(asyncio.sleep(0))
    await task

    assert way_of_task(task) == ""


def test_the_main_thread_is_found_from_another_one() -> None:
    ways = list[str]()
    thread = threading.Thread(target=lambda: ways.append(way_of_main_thread()))
    thread.start()
    thread.join(PATIENCE_S)

    assert "test_the_main_thread_is_found_from_another_one" in ways[0]


async def test_the_task_of_the_loop_that_hangs_is_told() -> None:
    task = asyncio.create_task(_outer())
    await asyncio.sleep(0)
    with scene(HUNG, HUNG) as (made, lines):
        made.tasks["lane/ordinary"] = task
        watchman = made.watchman()
        watchman.look()
        watchman.look()
    task.cancel()
    await asyncio.gather(task, return_exceptions=True)

    assert "_inner" in lines[0]["waits_at"]
