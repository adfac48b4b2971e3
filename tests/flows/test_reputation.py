"""Too many bad mails stop the ordinary lane before AWS stops all mail, and a trickle shows when it may go on."""

import asyncio
from collections.abc import AsyncIterator, Callable, MutableMapping
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any

import pytest
from structlog.testing import capture_logs

from tank_mailer.core.errors import Reason, StoreError
from tank_mailer.core.lanes import ORDINARY, PRIORITY
from tank_mailer.core.outcome import Concern, Concerned
from tank_mailer.core.reputation import Kind, Warn
from tank_mailer.core.view import ReputationView
from tank_mailer.flows.reputation import ReputationGuard
from tests.fakes import EPOCH, FakeClock
from tests.volume_fake import FakeVolume

SECOND, MINUTE, HOUR, DAY = timedelta(seconds=1), timedelta(minutes=1), timedelta(hours=1), timedelta(days=1)
SICK = StoreError(Reason.STORE_SICK, "the disk is gone")
LANE = Concern(Concerned.REPUTATION, ORDINARY)

Lines = list[MutableMapping[str, Any]]


def events(lines: Lines) -> list[str]:
    return [line["event"] for line in lines]


@dataclass(kw_only=True, eq=False)
class FakePauses:
    """Notes what is paused and lifted.

    Attributes:
        begun: why, from when until when.
        lifted: when.
    """

    clock: FakeClock
    begun: list[tuple[Reason, datetime, datetime]] = field(default_factory=list)
    lifted: list[datetime] = field(default_factory=list)
    details: list[str] = field(default_factory=list)
    is_paused: bool = False

    def begin(self, concern: Concern, reason: Reason, detail: str, *, until: datetime | None = None) -> None:
        assert concern == LANE, "the priority lane goes on"
        assert not self.is_paused
        assert until is not None
        self.begun.append((reason, whole(self.clock.now()), whole(until)))
        self.details.append(detail)
        self.is_paused = True

    def lift(self, concern: Concern) -> None:
        assert concern == LANE
        assert self.is_paused
        self.lifted.append(whole(self.clock.now()))
        self.is_paused = False

    @property
    def lengths(self) -> list[timedelta]:
        """How long each pause was to be."""
        return [until - since for _, since, until in self.begun]


def whole(moment: datetime) -> datetime:
    """To the second: the loop's time goes on a little while code runs."""
    return (moment + SECOND / 2).replace(microsecond=0)


@dataclass(kw_only=True, eq=False)
class Post:
    """A guard and what is around it; a new one on the same store is a restart.

    Attributes:
        nudges: when the governor looked again, and what room it found.
    """

    clock: FakeClock
    volume: FakeVolume
    pauses: FakePauses
    guard: ReputationGuard = field(init=False)
    nudges: list[tuple[datetime, int | None]] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.guard = ReputationGuard(volume=self.volume, pauses=self.pauses, clock=self.clock, nudge=self.nudge)

    def nudge(self) -> None:
        self.nudges.append((whole(self.clock.now()), self.guard.room(ORDINARY)))

    @property
    def is_trickling(self) -> bool:
        return self.guard.view().is_trickling

    async def trickle(self, recipients: int, *, bounces: int = 0) -> None:
        """Send as fast as the limit lets us, a recipient each; the last ones bounce."""
        for n in range(recipients):
            await self.until(lambda: self.guard.room(ORDINARY) != 0)
            self.guard.took(ORDINARY, 1)
            self.volume.accept(1, bounces=int(recipients - n <= bounces))
            self.guard.ended(ORDINARY, 1)

    async def until(self, holds: Callable[[], bool], within: timedelta = 2 * DAY) -> None:
        """Let time pass until something holds."""
        end = self.clock.now() + within
        while not holds():
            assert self.clock.now() < end, "it did not come to pass"
            await asyncio.sleep(10)

    async def until_stopped(self) -> None:
        await self.until(lambda: self.pauses.is_paused)

    async def until_flowing(self) -> None:
        await self.until(lambda: not self.pauses.is_paused)

    async def until_trickling(self) -> None:
        await self.until(lambda: self.is_trickling)

    @asynccontextmanager
    async def running(self) -> AsyncIterator[None]:
        task = asyncio.create_task(self.guard.run())
        await asyncio.sleep(0.01)
        try:
            yield
        finally:
            task.cancel()
            results = await asyncio.gather(task, return_exceptions=True)
            assert isinstance(results[0], asyncio.CancelledError), results


def make_post(volume: FakeVolume | None = None) -> Post:
    clock = FakeClock()
    return Post(clock=clock, volume=volume or FakeVolume(clock=clock), pauses=FakePauses(clock=clock))


# --- words -----------------------------------------------------------------------------------------------


async def test_a_good_sender_hears_nothing() -> None:
    post = make_post()
    with capture_logs() as lines:
        async with post.running():
            post.volume.accept(10_000, bounces=100, complaints=5)
            await asyncio.sleep(3600)
    assert not lines
    assert not post.pauses.begun
    assert len(post.volume.tallied) == pytest.approx(2 * 60, abs=4), "two windows, once a minute"
    assert not post.nudges


async def test_a_warning_is_said_once_and_so_is_its_end() -> None:
    """With how many more there may be: the owner must know how near it is."""
    post = make_post()
    assert post.guard.standings is None, "nobody has counted yet"
    with capture_logs() as lines:
        async with post.running():
            post.volume.accept(1000, bounces=60)
            await asyncio.sleep(600)
            post.volume.accept(250)
            await asyncio.sleep(600)
            assert len(lines) == 1, "4.8 % is not well below 5 %"
            assert post.guard.standings is not None
            assert isinstance(post.guard.standings[Kind.BOUNCES], Warn)
            post.volume.accept(750)
            await asyncio.sleep(600)
    assert lines == [
        {
            "event": "reputation_warned",
            "log_level": "warning",
            "kind": "bounces",
            "rate": 0.06,
            "limit": 0.10,
            "volume": 1000,
            "left": 40,
            "window": "day",
        },
        {"event": "reputation_recovered", "log_level": "info", "kind": "bounces", "rate": 0.03, "limit": 0.05},
    ]
    assert not post.pauses.begun


async def test_the_view_says_how_it_stands() -> None:
    post = make_post()
    assert post.guard.view() == ReputationView(), "nothing is known yet"
    async with post.running():
        post.volume.accept(100, bounces=50)
        await asyncio.sleep(61)
        assert post.guard.view() == ReputationView(volume=100), "too few mails to say"
        post.volume.accept(900, at=EPOCH - 2 * DAY)
        post.volume.accept(900, complaints=1)
        await asyncio.sleep(61)
        assert post.guard.view() == ReputationView(
            bounce_rate=0.05, complaint_rate=0.001, volume=1900, bounces_left=0, complaints_left=0
        )


# --- stops -----------------------------------------------------------------------------------------------


async def test_a_stop_lasts_an_hour_and_ends_in_a_trickle() -> None:
    """At AWS's pause line the ordinary lane stops; codes and alarms go on."""
    post = make_post()
    with capture_logs() as lines:
        async with post.running():
            post.volume.accept(1000, bounces=100)
            await asyncio.sleep(61)
            assert post.pauses.begun == [
                (Reason.REPUTATION_BOUNCES, EPOCH + MINUTE, EPOCH + MINUTE + HOUR),
            ]
            assert post.pauses.details == [
                "100 hard bounces of 1000 recipients in a day are 10.00%; the line is 10.00%"
            ]
            assert post.guard.room(ORDINARY) is None, "it is the pause that holds it"

            await asyncio.sleep(3600)
            assert post.pauses.lifted == [EPOCH + MINUTE + HOUR]
            assert post.is_trickling
            assert post.guard.room(ORDINARY) == 1
            assert post.guard.room(PRIORITY) is None
            assert post.nudges == [(EPOCH + MINUTE + HOUR, 1)]
    assert events(lines) == ["reputation_warned", "reputation_trickling"]
    assert lines[-1]["kind"] == "bounces"
    assert lines[-1]["rate"] == 0.10
    assert lines[-1]["every_s"] == 60


async def test_complaints_stop_the_lane_too() -> None:
    post = make_post()
    async with post.running():
        post.volume.accept(1000, complaints=5)
        await asyncio.sleep(61)
    assert [reason for reason, *_ in post.pauses.begun] == [Reason.REPUTATION_COMPLAINTS]


async def test_a_trickle_is_one_recipient_a_minute() -> None:
    """What is not used does not add up; a job of three takes three minutes; what was given back may go at once."""
    post = make_post()
    post.volume.accept(1000, bounces=200)
    async with post.running():
        await post.until_trickling()
        guard = post.guard
        await asyncio.sleep(1800)
        assert guard.room(ORDINARY) == 1, "half an hour makes no thirty"
        guard.took(ORDINARY, 1)
        assert guard.room(ORDINARY) == 0
        await asyncio.sleep(59)
        assert guard.room(ORDINARY) == 0
        await asyncio.sleep(1)
        assert guard.room(ORDINARY) == 1
        assert post.nudges[-1] == (whole(post.clock.now()), 1), "and the governor knows at once"

        guard.took(ORDINARY, 3)
        await asyncio.sleep(179)
        assert guard.room(ORDINARY) == 0
        await asyncio.sleep(2)
        assert guard.room(ORDINARY) == 1

        guard.took(ORDINARY, 1)
        guard.gave_back(ORDINARY, 1)
        guard.ended(ORDINARY, 1)
        assert guard.room(ORDINARY) == 1
        guard.took(ORDINARY, 1)
        guard.took(PRIORITY, 50)
        guard.gave_back(PRIORITY, 50)
        assert guard.room(ORDINARY) == 0, "nor is it given what the priority lane gave back"
        await asyncio.sleep(60)
        guard.took(PRIORITY, 50)
        assert guard.room(ORDINARY) == 1, "the priority lane does not pay for it"


async def test_a_trickle_ends_when_the_rate_is_below_the_line() -> None:
    post = make_post()
    post.volume.accept(1000, bounces=100)
    with capture_logs() as lines:
        async with post.running():
            await post.until_trickling()
            await post.trickle(3)
            await asyncio.sleep(60)
            assert not post.is_trickling
            assert post.guard.room(ORDINARY) is None
            assert post.nudges[-1][1] is None, "and the governor knows"
    assert events(lines) == ["reputation_warned", "reputation_trickling", "reputation_recovered"]
    assert lines[-1]["limit"] == 0.10, "it is below this line, not yet below the one that is worth a word"


async def test_a_trickle_that_is_as_bad_goes_back_into_a_longer_stop() -> None:
    """Each stop without a recovery is twice as long as the one before, to a day."""
    post = make_post()
    post.volume.accept(1000, bounces=500)
    async with post.running():
        for _ in range(7):
            await post.until_trickling()
            await post.trickle(4, bounces=2)
            await post.until_stopped()
    assert [length / HOUR for length in post.pauses.lengths] == [1, 2, 4, 8, 16, 24, 24, 24]


async def test_after_a_recovery_a_stop_is_short_again() -> None:
    post = make_post()
    post.volume.accept(1000, bounces=101)
    async with post.running():
        await post.until_trickling()
        await post.trickle(4, bounces=2)
        await post.until_stopped()
        post.volume.accept(500)
        await post.until_flowing()
        assert not post.is_trickling
        post.volume.accept(1000, bounces=500)
        await post.until_stopped()
    assert [length / HOUR for length in post.pauses.lengths] == [1, 2, 1]


async def test_one_bad_mail_does_not_end_a_trickle() -> None:
    post = make_post()
    post.volume.accept(1000, bounces=200)
    async with post.running():
        await post.until_trickling()
        await post.trickle(1, bounces=1)
        await asyncio.sleep(7200)
        assert post.is_trickling
        await post.trickle(30)
        await post.trickle(1, bounces=1)
        await asyncio.sleep(120)
        assert post.is_trickling, "two of 32 are fewer than a tenth"


async def test_a_rate_that_has_recovered_by_the_end_of_the_stop_needs_no_trickle() -> None:
    """The priority lane's good mail counts as well; but the time that was said is kept."""
    post = make_post()
    post.volume.accept(1000, bounces=100)
    with capture_logs() as lines:
        async with post.running():
            await asyncio.sleep(600)
            post.volume.accept(2000)
            await asyncio.sleep(600)
            assert post.pauses.is_paused
            await asyncio.sleep(2500)
            assert not post.pauses.is_paused
            assert not post.is_trickling
    assert events(lines) == ["reputation_warned", "reputation_recovered"]


async def test_a_bad_day_passes() -> None:
    """With nothing sent, it leaves the week's window in the end; until then the flow sleeps."""
    post = make_post()
    post.volume.accept(1000, bounces=500, at=EPOCH - 6 * DAY)
    async with post.running():
        await post.until_trickling()
        await asyncio.sleep((22 * HOUR).total_seconds())
        assert post.is_trickling
        assert len(post.volume.tallied) < 3 * 24 * 60, "a look a minute, no busy loop"
        await asyncio.sleep((2 * HOUR).total_seconds())
        assert not post.is_trickling


# --- people ----------------------------------------------------------------------------------------------


async def test_a_resume_is_full_speed_until_there_is_enough_new_bad_mail() -> None:
    """The person has cleaned the list; the old bounces are known, and no reason to stop again."""
    post = make_post()
    post.volume.accept(1000, bounces=500)
    async with post.running():
        await asyncio.sleep(600)
        post.guard.resumed()
        assert not post.pauses.is_paused
        assert post.guard.room(ORDINARY) is None
        post.volume.accept(1000, bounces=9)
        await asyncio.sleep(3600)
        assert not post.pauses.is_paused, "nine are too few to stop again"
        post.volume.accept(1, bounces=1)
        await asyncio.sleep(61)
        assert post.pauses.is_paused
    assert [length / HOUR for length in post.pauses.lengths] == [1, 2], "a resume is no recovery"


async def test_a_resume_ends_a_trickle() -> None:
    post = make_post()
    post.volume.accept(1000, bounces=500)
    async with post.running():
        await post.until_trickling()
        post.guard.resumed()
        await asyncio.sleep(0.01)
        assert not post.is_trickling
        assert post.nudges[-1] == (whole(post.clock.now()), None)
        await asyncio.sleep(3600)
        assert not post.pauses.is_paused


async def test_a_resume_while_the_store_is_being_read_is_not_overruled() -> None:
    """What was asked before a person spoke does not decide after it."""
    post = make_post()
    post.volume.latency_s = 2.0
    post.volume.accept(1000, bounces=500)
    async with post.running():
        await asyncio.sleep(1)
        post.guard.resumed()
        await asyncio.sleep(3600)
    assert not post.pauses.begun


async def test_a_resume_is_over_once_the_rate_has_recovered() -> None:
    post = make_post()
    post.volume.accept(1000, bounces=100)
    async with post.running():
        await asyncio.sleep(60)
        post.guard.resumed()
        post.volume.accept(1000)
        await asyncio.sleep(120)
        post.volume.accept(0, bounces=200, at=EPOCH)
        await asyncio.sleep(61)
        assert post.pauses.is_paused, "a new trouble, though of old mail"
    assert [length / HOUR for length in post.pauses.lengths] == [1, 1]


# --- restarts and a sick store ---------------------------------------------------------------------------


async def test_a_restart_during_a_stop_stops_again_at_once() -> None:
    """The store says how bad it is; only how long it has lasted is forgotten."""
    before = make_post()
    before.volume.accept(1000, bounces=500)
    async with before.running():
        await asyncio.sleep(1800)
    after = make_post(before.volume)
    async with after.running():
        began = whole(after.clock.now())
        assert after.pauses.begun == [(Reason.REPUTATION_BOUNCES, began, began + HOUR)]


async def test_a_resume_outlives_a_restart_if_it_is_said_again() -> None:
    """With the time that is on record: what has come of the mail since then is judged as before."""
    before = make_post()
    before.volume.accept(1000, bounces=500)
    async with before.running():
        await asyncio.sleep(1800)
        before.guard.resumed()
        resumed_at = before.clock.now()
        before.volume.accept(100, bounces=5)
        await asyncio.sleep(1800)
    after = make_post(before.volume)
    after.guard.resumed(resumed_at)
    async with after.running():
        await asyncio.sleep(600)
        assert not after.pauses.begun
        after.volume.accept(100, bounces=5)
        await asyncio.sleep(61)
        assert after.pauses.is_paused, "five before the restart and five after it are ten"


async def test_a_sick_store_changes_nothing_and_is_asked_again() -> None:
    post = make_post()
    post.volume.accept(1000, bounces=500)
    async with post.running():
        post.volume.sick = SICK
        before = post.guard.view()
        await asyncio.sleep(7200)
        assert post.pauses.is_paused, "nobody can say that it is over"
        assert post.guard.view() == before
        post.volume.sick = None
        await asyncio.sleep(6)
        assert post.is_trickling
    assert 1400 < len(post.volume.tallied) < 1500, "every five seconds"
