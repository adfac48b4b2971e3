"""The store is looked after every hour, restarts or not, and never in the way of the sending."""

import asyncio
from collections.abc import AsyncIterator, MutableMapping
from contextlib import asynccontextmanager
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from itertools import pairwise
from typing import Any

from structlog.testing import capture_logs

from tank_mailer.core.errors import Reason, StoreError
from tank_mailer.flows.housekeeping import BATCH_ROWS, BREATH_S, COUNTED, ROUND, TURN_S, Housekeeper
from tank_mailer.ports.nodes import Turns
from tests.fakes import EPOCH, FakeClock
from tests.metering import rising
from tests.nodes_fakes import FakeTurns

MINUTE, HOUR, DAY = timedelta(minutes=1), timedelta(hours=1), timedelta(days=1)
RETENTION = 90 * DAY

Lines = list[MutableMapping[str, Any]]


@dataclass(kw_only=True, eq=False)
class FakeAttic:
    """Counts what it is asked for.

    Attributes:
        old: how many rows are too old.
        pruned: when each batch went, and what it was told.
        accepted: when mails were accepted, each with whether it had an event.
        sick: raised by every method while it is set.
    """

    clock: FakeClock = field(default_factory=FakeClock)
    old: int = 0
    pruned: list[tuple[datetime, datetime]] = field(default_factory=list)
    accepted: dict[datetime, bool] = field(default_factory=dict)
    marks: dict[str, datetime] = field(default_factory=dict)
    sick: StoreError | None = None

    async def prune(self, before: datetime, *, limit: int) -> int:
        self._answer()
        self.pruned.append((self.clock.now(), before))
        done = min(limit, self.old)
        self.old -= done
        return done

    async def lost_events(self, accepted_from: datetime, accepted_until: datetime) -> tuple[int, int]:
        self._answer()
        found = [told for at, told in self.accepted.items() if accepted_from <= at < accepted_until]
        return found.count(False), len(found)

    async def mark(self, name: str) -> datetime | None:
        self._answer()
        return self.marks.get(name)

    async def set_mark(self, name: str, at: datetime) -> None:
        self._answer()
        self.marks[name] = at

    async def move_mark(self, name: str, before: datetime | None, at: datetime) -> bool:
        self._answer()
        if self.marks.get(name) != before:
            return False
        self.marks[name] = at
        return True

    @property
    def rounds(self) -> list[timedelta]:
        """When each round began, from the story's start."""
        starts = [at for at, _ in self.pruned]
        new = [at for n, at in enumerate(starts) if n == 0 or at - starts[n - 1] > MINUTE]
        return [at - EPOCH for at in new]

    def _answer(self) -> None:
        if self.sick:
            raise self.sick


def make_keeper(
    attic: FakeAttic, *, has_channel: bool = True, jitter: float = 0.0, turns: Turns | None = None
) -> Housekeeper:
    return Housekeeper(
        attic=attic,
        clock=attic.clock,
        retention=RETENTION,
        has_channel=has_channel,
        jitter=lambda: jitter,
        turns=turns,
    )


@asynccontextmanager
async def running(keeper: Housekeeper) -> AsyncIterator[None]:
    task = asyncio.create_task(keeper.run())
    try:
        yield
    finally:
        task.cancel()
        await asyncio.wait([task])


async def live(keeper: Housekeeper, for_: timedelta) -> Lines:
    """A daemon that runs for so long, and what it says."""
    with capture_logs() as lines:
        async with running(keeper):
            await asyncio.sleep(for_.total_seconds())
    return lines


def told(lines: Lines, event: str) -> Lines:
    return [line for line in lines if line["event"] == event]


# --- rounds ----------------------------------------------------------------------------------------


async def test_the_first_round_comes_after_ten_minutes_and_then_one_an_hour() -> None:
    attic = FakeAttic()

    await live(make_keeper(attic), 3 * HOUR)

    assert [round(at / MINUTE) for at in attic.rounds] == [10, 70, 130]


async def test_a_daemon_that_is_restarted_each_five_minutes_cleans_all_the_same() -> None:
    """A crash loop must not fill the disk on top of everything else."""
    attic = FakeAttic()

    for _ in range(24):
        await live(make_keeper(attic), 5 * MINUTE)

    assert len(attic.rounds) == 2


async def test_of_two_nodes_one_does_it() -> None:
    attic = FakeAttic()

    async with running(make_keeper(attic)), running(make_keeper(attic)):
        await asyncio.sleep(3600)

    assert len(attic.pruned) == 1


async def test_batches_go_with_a_breath_between() -> None:
    """While a batch is deleted nothing can be sent."""
    attic = FakeAttic(old=3 * BATCH_ROWS + 7)

    lines = await live(make_keeper(attic), HOUR)

    starts = [at for at, _ in attic.pruned]
    assert len(starts) == 5
    assert all((b - a).total_seconds() >= BREATH_S for a, b in pairwise(starts))
    (line,) = told(lines, "rows_forgotten")
    assert line["log_level"] == "info"
    assert line["rows"] == 3 * BATCH_ROWS + 7
    assert {before for _, before in attic.pruned} == {line["before"]}
    assert abs(line["before"] - (EPOCH + 10 * MINUTE - RETENTION)) < MINUTE


async def test_a_round_that_finds_nothing_says_nothing() -> None:
    lines = await live(make_keeper(FakeAttic()), 3 * HOUR)

    assert lines == []


async def test_what_was_forgotten_is_told_even_if_a_stop_comes_between() -> None:
    attic = FakeAttic(old=1_000_000)

    lines = await live(make_keeper(attic), 10 * MINUTE + timedelta(seconds=1))

    (line,) = told(lines, "rows_forgotten")
    assert line["rows"] == 1_000_000 - attic.old > 0


async def test_a_sick_store_is_left_alone_and_looked_after_later() -> None:
    attic = FakeAttic(old=1, sick=StoreError(Reason.STORE_SICK, "disk I/O error"))
    keeper = make_keeper(attic)
    with capture_logs() as lines:
        async with running(keeper):
            await asyncio.sleep(1)
            attic.sick = None
            await asyncio.sleep(3600)

    (line,) = told(lines, "housekeeping_deferred")
    assert (line["log_level"], line["reason"], line["detail"]) == ("warning", "store_sick", "disk I/O error")
    assert told(lines, "rows_forgotten")
    assert not told(lines, "flow_crashed")


# --- lost events -----------------------------------------------------------------------------------


async def test_mail_without_a_single_event_after_a_day_is_told_once() -> None:
    """Nobody would miss what never came: the channel may be broken while mail goes out."""
    attic = FakeAttic()
    for minutes in range(0, 600, 10):  # from the tenth minute on, every tenth of them silent
        attic.accepted[EPOCH + (20 + minutes) * MINUTE] = minutes % 100 != 0

    heard = list[int]()

    lines = await live(replace(make_keeper(attic), when_lost=heard.append), 3 * DAY)

    found = told(lines, "events_lost")
    assert sum(line["lost"] for line in found) == 6
    assert heard == [line["lost"] for line in found]
    assert all(line["log_level"] == "warning" and line["remedy"] for line in found)
    assert all(0 < line["lost"] <= line["accepted"] for line in found)


async def test_events_that_are_less_than_a_day_late_are_not_lost() -> None:
    attic = FakeAttic()
    attic.accepted[EPOCH + 30 * MINUTE] = False
    keeper = make_keeper(attic)

    assert told(await live(keeper, 24 * HOUR), "events_lost") == []
    assert len(told(await live(keeper, 3 * HOUR), "events_lost")) == 1


async def test_each_mail_is_counted_once_over_restarts() -> None:
    attic = FakeAttic(accepted={EPOCH + n * MINUTE: False for n in range(15, 300)})
    lines = Lines()

    with rising() as risen:
        for _ in range(12):
            lines += await live(make_keeper(attic), 7 * HOUR)

    assert risen.of("events_lost_total") == 285
    assert sum(line["lost"] for line in told(lines, "events_lost")) == 285


async def test_after_days_of_standstill_the_mails_before_it_are_still_counted() -> None:
    attic = FakeAttic()
    await live(make_keeper(attic), HOUR)
    attic.accepted[attic.clock.now() - MINUTE] = False

    await asyncio.sleep((3 * DAY).total_seconds())
    lines = await live(make_keeper(attic), HOUR)

    assert [line["lost"] for line in told(lines, "events_lost")] == [1]


async def test_mails_from_before_the_first_round_are_not_missed() -> None:
    """An upgrade from a version that read no events must not begin with an alarm about all mail of a day."""
    attic = FakeAttic(accepted={EPOCH - n * MINUTE: False for n in range(1440)})

    lines = await live(make_keeper(attic), 2 * DAY)

    assert told(lines, "events_lost") == []


async def test_without_a_channel_nothing_is_missed_also_later() -> None:
    attic = FakeAttic(accepted={EPOCH + n * MINUTE: False for n in range(1440)})
    lines = await live(make_keeper(attic, has_channel=False), DAY)
    lines += await live(make_keeper(attic), 2 * DAY)

    assert told(lines, "events_lost") == []


async def test_a_count_that_a_stop_cut_off_is_done_again() -> None:
    """What was counted is noted only once it was told."""
    attic = FakeAttic(accepted={EPOCH - 2 * DAY: False, EPOCH - DAY - 10 * MINUTE: False})
    attic.marks[COUNTED] = EPOCH - 3 * DAY

    lines = await live(make_keeper(attic), 10 * MINUTE + timedelta(seconds=5))
    assert told(lines, "events_lost") == [], "it was counting"
    lines = await live(make_keeper(attic), 2 * HOUR)

    assert [line["lost"] for line in told(lines, "events_lost")] == [2]


# --- several nodes ---------------------------------------------------------------------------------


async def test_of_two_nodes_that_take_turns_one_does_it() -> None:
    attic = FakeAttic(old=3 * BATCH_ROWS)
    one = FakeTurns(attic.clock, owner="one")
    two = FakeTurns(attic.clock, owner="two", held=one.held)

    async with running(make_keeper(attic, turns=one)), running(make_keeper(attic, turns=two)):
        await asyncio.sleep(3600)

    assert len(attic.rounds) == 1
    assert len(attic.pruned) == 4
    assert one.held == {}, "a turn is given up when its work is done"


async def test_a_round_is_not_begun_while_another_node_is_at_it() -> None:
    attic = FakeAttic(old=1)
    turns = FakeTurns(attic.clock, held={ROUND: ("another", EPOCH + HOUR)})

    async with running(make_keeper(attic, turns=turns)):
        await asyncio.sleep(HOUR.total_seconds() - 1)
        assert attic.pruned == []
        await asyncio.sleep(2 * 60)
        assert len(attic.pruned) == 2


async def test_a_node_that_stood_still_leaves_the_rest_to_the_one_that_is_at_it_now() -> None:
    """Stopped in the middle of a round, for longer than its turn."""
    attic = FakeAttic(old=1_000_000, accepted={EPOCH - DAY - HOUR: False})
    attic.marks[COUNTED] = EPOCH - 3 * DAY
    turns = FakeTurns(attic.clock)

    with capture_logs() as lines:
        async with running(make_keeper(attic, turns=turns)):
            await asyncio.sleep((10 * MINUTE).total_seconds() + 1)
            done = len(attic.pruned)
            assert done > 10
            turns.held[ROUND] = "another", EPOCH + DAY
            await asyncio.sleep(60)

    assert len(attic.pruned) <= done + 1
    assert turns.held[ROUND][0] == "another"
    assert attic.marks[COUNTED] == EPOCH - 3 * DAY, "the other counts the mails without events, and tells of them"
    assert [line["event"] for line in lines] == ["rows_forgotten"]


async def test_a_stop_gives_the_turn_up_and_a_death_leaves_it_for_half_a_minute() -> None:
    attic = FakeAttic(old=1_000_000)
    turns = FakeTurns(attic.clock)
    async with running(make_keeper(attic, turns=turns)):
        await asyncio.sleep((10 * MINUTE).total_seconds() + 1)
        assert turns.held[ROUND][1] <= attic.clock.now() + timedelta(seconds=TURN_S)
    assert turns.held == {}

    async with running(make_keeper(attic, turns=turns)):
        await asyncio.sleep((HOUR + MINUTE).total_seconds())
        turns.sick = StoreError(Reason.STORE_SICK, "the fake is sick")

    assert turns.held[ROUND][1] <= attic.clock.now() + timedelta(seconds=TURN_S)


async def test_a_turn_that_cannot_be_asked_for_is_a_sick_store() -> None:
    attic = FakeAttic(old=1)
    turns = FakeTurns(attic.clock, sick=StoreError(Reason.STORE_SICK, "the fake is sick"))

    lines = await live(make_keeper(attic, turns=turns), HOUR)

    assert {line["event"] for line in lines} == {"housekeeping_deferred"}
    assert attic.pruned == []
