"""The daily quota: nothing goes without room, nothing waits longer than the window says, and no pause flickers."""

import asyncio
from collections.abc import AsyncIterator, MutableMapping
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any

import pytest
from structlog.testing import capture_logs

from tank_mailer.core.errors import Reason, StoreError
from tank_mailer.core.lanes import ORDINARY, PRIORITY
from tank_mailer.core.outcome import Concern, Concerned
from tank_mailer.flows.quota import ASKED_AGAIN, EXCEEDED, QuotaWatch
from tank_mailer.ports import AccountFacts
from tests.fakes import EPOCH, FakeClock
from tests.volume_fake import FakeVolume

SECOND, MINUTE, HOUR, DAY = timedelta(seconds=1), timedelta(minutes=1), timedelta(hours=1), timedelta(days=1)
SICK = StoreError(Reason.STORE_SICK, "the disk is gone")
ORDINARY_QUOTA, PRIORITY_QUOTA = Concern(Concerned.QUOTA, ORDINARY), Concern(Concerned.QUOTA, PRIORITY)

Lines = list[MutableMapping[str, Any]]


def whole(moment: datetime) -> datetime:
    """To a tenth of a second: the loop's time goes on a little while code runs."""
    return moment.replace(microsecond=moment.microsecond // 100_000 * 100_000)


@dataclass(kw_only=True, eq=False)
class FakePauses:
    """Notes when what is paused and lifted.

    Attributes:
        begun: which concern, when, until when.
        lifted: which concern, when.
        details: what was said of it.
    """

    clock: FakeClock
    begun: list[tuple[Concern, datetime, datetime | None]] = field(default_factory=list)
    lifted: list[tuple[Concern, datetime]] = field(default_factory=list)
    details: list[str] = field(default_factory=list)
    all: set[Concern] = field(default_factory=set)

    def begin(self, concern: Concern, reason: Reason, detail: str, *, until: datetime | None = None) -> None:
        assert reason is Reason.QUOTA_EXCEEDED
        self.begun.append((concern, whole(self.clock.now()), until and whole(until)))
        self.details.append(detail)
        self.all.add(concern)

    def lift(self, concern: Concern) -> None:
        assert concern in self.all
        self.lifted.append((concern, whole(self.clock.now())))
        self.all.discard(concern)


@dataclass(kw_only=True, eq=False)
class Office:
    """A quota watch and what is around it.

    Attributes:
        nudges: when the governor was told to look again.
    """

    clock: FakeClock
    volume: FakeVolume
    pauses: FakePauses
    nudges: list[datetime] = field(default_factory=list)
    watch: QuotaWatch = field(init=False)

    def nudge(self) -> None:
        self.nudges.append(whole(self.clock.now()))

    def told(self, *, limit: float | None = 1000.0, sent: float = 0.0) -> None:
        """The account answers."""
        self.watch.facts(AccountFacts(max_send_rate=14, max_24_hour_send=limit, sent_last_24_hours=sent))

    def send(self, recipients: int, lane: str = ORDINARY) -> None:
        """An email goes: it counts from the beginning to the end, and is on record."""
        self.watch.took(lane, recipients)
        self.volume.accept(recipients)
        self.watch.ended(lane, recipients)

    def give_back(self, recipients: int) -> None:
        """An email goes and comes back: SES has throttled it."""
        self.watch.took(ORDINARY, recipients)
        self.watch.gave_back(ORDINARY, recipients)
        self.watch.ended(ORDINARY, recipients)

    def room(self, lane: str = ORDINARY) -> int | None:
        return self.watch.room(lane)

    def is_paused(self, lane: str = ORDINARY) -> bool:
        return Concern(Concerned.QUOTA, lane) in self.pauses.all

    @asynccontextmanager
    async def running(self) -> AsyncIterator[None]:
        task = asyncio.create_task(self.watch.run())
        await asyncio.sleep(0.01)
        try:
            yield
        finally:
            task.cancel()
            results = await asyncio.gather(task, return_exceptions=True)
            assert isinstance(results[0], asyncio.CancelledError), results


def make_office(*lanes: str, reserve: float = 0.0) -> Office:
    clock = FakeClock()
    office = Office(clock=clock, volume=FakeVolume(clock=clock), pauses=FakePauses(clock=clock))
    office.watch = QuotaWatch(
        volume=office.volume,
        pauses=office.pauses,
        clock=clock,
        lanes=lanes or (ORDINARY,),
        reserve=reserve,
        nudge=office.nudge,
    )
    return office


async def until(moment: datetime) -> None:
    await asyncio.sleep((moment - FakeClock().now()).total_seconds())


# --- counting ------------------------------------------------------------------------------------------


async def test_an_account_that_says_nothing_has_no_limit() -> None:
    """A key may be barred from asking: mail goes on, and SES itself says when it is too much."""
    office = make_office()
    assert office.room() is None
    async with office.running():
        office.send(100_000)
        await asyncio.sleep(120)
        assert office.room() is None
        assert office.watch.view().limit is None
    assert not office.pauses.begun


async def test_a_restart_knows_what_was_sent_before_it() -> None:
    """The count is in the store: 24 hours of it, of all nodes."""
    office = make_office()
    office.volume.accept(300, at=EPOCH - HOUR)
    office.volume.accept(500, at=EPOCH - 25 * HOUR)
    office.told()
    async with office.running():
        assert office.room() == 700


async def test_the_account_knows_of_senders_that_the_store_does_not() -> None:
    office = make_office()
    office.volume.accept(300, at=EPOCH - HOUR)
    office.told(sent=450.0)
    assert office.room() == 550, "before the first count all of it seems to be others'"
    async with office.running():
        assert office.room() == 550, "and is not counted twice after it"
        await until(EPOCH + 24 * HOUR)
        assert office.room() == 850, "ours leaves; the others' mail stays until the account says otherwise"
        office.told(sent=0.0)
        assert office.room() == 1000


async def test_mail_of_other_nodes_is_not_taken_for_other_senders() -> None:
    """The account's figure has mail of another node that our last count has not: the store is asked again at once."""
    office = make_office()
    office.told()
    async with office.running():
        await asyncio.sleep(30)
        office.volume.accept(200)
        office.told(sent=200.0)
        await asyncio.sleep(0.01)
        assert len(office.volume.asked) == 2
        assert office.room() == 800
        await asyncio.sleep(120)
        assert office.room() == 800


async def test_facts_that_come_during_a_count_are_compared_with_the_next_one() -> None:
    """An answer that is newer than the count has mail that the count cannot have."""
    office = make_office()
    office.volume.latency_s = 2.0
    async with office.running():
        office.told(sent=0.0)
        await asyncio.sleep(1.0)
        office.volume.accept(100)
        office.told(sent=100.0)
        await asyncio.sleep(10.0)
        assert office.room() == 900
        assert len(office.volume.asked) == 2


async def test_what_is_under_way_counts_from_the_first_moment_to_the_record() -> None:
    """Between the end of an attempt and the next count of the store, nothing may be forgotten or counted for ever."""
    office = make_office()
    office.told()
    async with office.running():
        office.watch.took(ORDINARY, 10)
        assert office.room() == 990
        await asyncio.sleep(200)
        assert office.room() == 990, "however long it takes"
        office.watch.ended(ORDINARY, 10)
        assert office.room() == 990
        office.volume.accept(10)
        await asyncio.sleep(130)
        assert office.room() == 990, "now it is the store that counts it"


async def test_a_count_that_began_too_early_does_not_settle_what_has_just_ended() -> None:
    """A record may be written a moment after its attempt has ended: better counted twice for seconds than never."""
    office = make_office()
    office.told()
    async with office.running():
        await until(EPOCH + 59 * SECOND)
        office.send(10)
        await until(EPOCH + 70 * SECOND)
        assert office.room() == 980
        await until(EPOCH + 130 * SECOND)
        assert office.room() == 990


async def test_what_did_not_reach_ses_does_not_count() -> None:
    office = make_office()
    office.told()
    async with office.running():
        office.give_back(10)
        assert office.room() == 1000
        office.send(5)
        office.give_back(10)
        assert office.room() == 995, "and only that"


async def test_the_last_tenth_is_counted_often() -> None:
    """Other nodes send too: near the end a minute is long."""
    office = make_office()
    office.told()
    async with office.running():
        await asyncio.sleep(179)
        assert len(office.volume.asked) == 3
        office.send(901)
        await asyncio.sleep(12)
        assert len(office.volume.asked) == 6
    for now, since in office.volume.asked:
        assert now - since >= DAY, "a minute counts until its end is 24 hours old"


async def test_a_store_that_does_not_answer_is_asked_again_and_the_last_count_stays() -> None:
    office = make_office()
    office.volume.accept(400)
    office.told()
    async with office.running():
        office.volume.sick = SICK
        await asyncio.sleep(59)
        office.send(5)
        await asyncio.sleep(300)
        assert len(office.volume.asked) > 50, "soon and not only in a minute"
        assert office.room() == 595, "nothing is forgotten meanwhile"
        office.volume.sick = None
        await asyncio.sleep(6)
        assert office.room() == 595


# --- the end of the quota ------------------------------------------------------------------------------


async def test_a_lane_without_room_is_paused_until_the_oldest_mail_is_a_day_old() -> None:
    """At once, before the next job goes; and to the second, so that the operator can plan."""
    office = make_office()
    office.told(limit=200.0)
    async with office.running():
        await until(EPOCH + HOUR + 10 * SECOND)
        office.send(150)
        await until(EPOCH + 2 * HOUR)
        office.send(60)
        expected = EPOCH + HOUR + MINUTE + DAY
        assert office.pauses.begun == [(ORDINARY_QUOTA, EPOCH + 2 * HOUR, expected)]
        assert office.pauses.details == ["210 of 200 recipients in 24 hours are used up"]
        assert office.watch.view().room == {ORDINARY: -10}
        assert office.watch.view().room_at == {ORDINARY: expected}

        await until(expected + SECOND)
        assert office.pauses.lifted == [(ORDINARY_QUOTA, expected)]
        assert office.nudges[-1] == expected
        assert office.room() == 140, "the debt is paid, and no more goes than has become free"
        assert office.watch.view().room_at == {}
    assert len(office.pauses.begun) == 1


async def test_what_is_under_way_is_enough_to_pause() -> None:
    """The next job must not go while the last one is still in flight; if that comes to nothing, it may."""
    office = make_office()
    office.told(limit=200.0)
    async with office.running():
        office.send(190)
        await asyncio.sleep(60)
        office.watch.took(ORDINARY, 10)
        assert office.is_paused()
        await asyncio.sleep(2)
        office.watch.gave_back(ORDINARY, 10)
        office.watch.ended(ORDINARY, 10)
        await asyncio.sleep(0.01)
        assert not office.is_paused()
        assert office.nudges[-1] == whole(office.clock.now())


async def test_the_reserve_is_for_the_priority_lane() -> None:
    office = make_office(PRIORITY, ORDINARY, reserve=0.05)
    office.told()
    async with office.running():
        office.send(950)
        assert office.is_paused(ORDINARY)
        assert not office.is_paused(PRIORITY)
        assert office.room(PRIORITY) == 50
        office.send(50, lane=PRIORITY)
        assert office.is_paused(PRIORITY)


async def test_without_a_priority_lane_nothing_is_kept_for_it() -> None:
    office = make_office(ORDINARY, reserve=0.05)
    office.told()
    assert office.room() == 1000


async def test_a_pause_does_not_come_and_go_every_minute() -> None:
    """Yesterday a mail went each minute: today a minute frees one recipient, and a hundredth of the limit ends it."""
    office = make_office()
    for minute in range(1000):
        office.volume.accept(1, at=EPOCH - DAY + MINUTE + minute * MINUTE)
    office.told()
    async with office.running():
        for _ in range(int(5 * HOUR / (5 * SECOND))):
            await asyncio.sleep(5)
            if not office.is_paused() and (office.room() or 0) > 0:
                office.send(1)
    assert 25 <= len(office.pauses.lifted) <= 30, "every ten minutes at most"
    ends = [moment for _, moment in office.pauses.lifted]
    assert all(moment.second == 0 and moment.microsecond == 0 for moment in ends), "at the very minute"


@pytest.mark.parametrize("size", [20, 100], ids=["jobs-of-20", "a-minute-in-one-job"])
async def test_a_window_that_frees_much_each_minute_is_followed_without_pauses(size: int) -> None:
    """Yesterday 100 went each minute for an hour: today the same goes, in step, and nobody is told of sixty pauses."""
    office = make_office()
    for minute in range(60):
        office.volume.accept(100, at=EPOCH - DAY + minute * MINUTE)
    office.told(limit=6000.0)
    sent = 0
    async with office.running():
        for _ in range(int(59 * MINUTE / (2 * SECOND))):
            await asyncio.sleep(2)
            if not office.is_paused() and (room := office.room() or 0) > 0:
                office.send(min(room, size))
                sent += min(room, size)
            total = sum(spent.recipients for spent in await office.volume.spent(office.clock.now() - DAY + MINUTE))
            assert total <= 6000, "never more than the limit in any 24 hours"
    assert not office.pauses.begun
    assert sent >= 5700, "and hardly less"


async def test_a_lane_that_waits_without_a_pause_goes_on_at_the_very_minute() -> None:
    """What leaves within a minute is not worth a pause; the governor is told as soon as it has left."""
    office = make_office()
    office.volume.accept(100, at=EPOCH - DAY + 10 * MINUTE)
    office.told()
    await asyncio.sleep(30)  # the store is not read at whole minutes
    async with office.running():
        await until(EPOCH + 10 * MINUTE + 40 * SECOND)
        office.send(900)
        assert office.room() == 0
        assert not office.is_paused()
        assert office.watch.view().room_at == {ORDINARY: EPOCH + 11 * MINUTE}
        await until(EPOCH + 11 * MINUTE + SECOND)
        assert EPOCH + 11 * MINUTE in office.nudges


async def test_a_start_near_the_end_of_the_quota_is_no_pause() -> None:
    """Before the store has answered, our own mail seems to be others': nothing goes, but nobody is told either."""
    office = make_office()
    office.volume.accept(1000, at=EPOCH - DAY + 20 * SECOND)
    office.volume.latency_s = 1.0
    office.told(sent=1000.0)
    async with office.running():
        assert office.room() == 0
        await asyncio.sleep(120)
        assert office.room() == 1000
    assert not office.pauses.begun


async def test_the_end_of_the_quota_does_not_flicker() -> None:
    """What has just ended may be counted twice for some seconds: that holds mail back, but is no pause to tell of."""
    office = make_office()
    office.volume.accept(9_000, at=EPOCH - HOUR)
    office.told(limit=10_000.0)
    async with office.running():
        for _ in range(600):
            await asyncio.sleep(0.5)
            if not office.is_paused() and (office.room() or 0) > 0:
                office.send(7)
        assert office.is_paused()
        assert len(office.pauses.begun) == 1
        await asyncio.sleep(70)
        assert 10_000 <= office.watch.view().used < 10_007, "and nothing is left over"


async def test_other_senders_alone_can_use_it_up() -> None:
    """When their mail leaves nobody knows: it is looked at again when the account has been asked."""
    office = make_office()
    async with office.running():
        office.told(sent=1200.0)
        assert office.pauses.begun == [
            (ORDINARY_QUOTA, whole(office.clock.now()), whole(office.clock.now()) + ASKED_AGAIN)
        ]
        await asyncio.sleep(ASKED_AGAIN.total_seconds() + 1)
        assert len(office.pauses.begun) == 2, "a new moment is said when the old one has passed"
        assert not office.pauses.lifted
        office.told(sent=995.0)
        assert office.is_paused(), "five are not worth it"
        office.told(sent=900.0)
        assert not office.is_paused()


async def test_a_raised_limit_lifts_the_pause_at_once() -> None:
    office = make_office()
    office.told(limit=200.0)
    async with office.running():
        office.send(200)
        office.told(limit=50_000.0, sent=200.0)
        assert office.pauses.lifted == [(ORDINARY_QUOTA, whole(office.clock.now()))]
        await asyncio.sleep(0.01)
        assert office.nudges


async def test_an_account_that_becomes_unlimited_is_not_held_back() -> None:
    office = make_office()
    office.told(limit=200.0)
    async with office.running():
        office.send(200)
        office.told(limit=None, sent=200.0)
        assert not office.is_paused()
        assert office.room() is None


async def test_a_foretold_moment_that_moves_is_said_anew() -> None:
    """Another node has paid its share of the window with debt: the pause lasts longer than was said."""
    office = make_office()
    office.volume.accept(100, at=EPOCH - 20 * HOUR)
    office.volume.accept(100, at=EPOCH - 10 * HOUR)
    office.told(limit=200.0)
    async with office.running():
        assert office.pauses.begun[-1][2] == EPOCH + 4 * HOUR + MINUTE
        office.volume.accept(100)
        await asyncio.sleep(61)
        assert office.pauses.begun[-1][2] == EPOCH + 14 * HOUR + MINUTE
        await asyncio.sleep(600)
        assert len(office.pauses.begun) == 2


# --- SES says no -----------------------------------------------------------------------------------------


async def test_when_ses_says_that_it_is_used_up_nothing_goes() -> None:
    """Whatever we count: another sender may have taken the rest since the account was asked."""
    office = make_office(PRIORITY, ORDINARY, reserve=0.05)
    office.told()
    async with office.running():
        office.watch.exceeded()
        assert office.room(ORDINARY) == office.room(PRIORITY) == 0
        now = whole(office.clock.now())
        assert office.pauses.begun == [
            (PRIORITY_QUOTA, now, now + EXCEEDED),
            (ORDINARY_QUOTA, now, now + EXCEEDED),
        ]
        assert office.pauses.details[0] == "SES says that the daily quota is used up"
        await asyncio.sleep(60)
        assert office.is_paused()

        office.told(sent=960.0)
        assert office.is_paused(ORDINARY), "the account has room for codes and alarms alone"
        assert not office.is_paused(PRIORITY)
        assert office.room(PRIORITY) == 40


@pytest.mark.parametrize("limit", [None, 1000.0], ids=["never-said-a-limit", "has-fallen-silent"])
async def test_an_account_that_does_not_answer_is_tried_again_after_a_while(limit: float | None) -> None:
    """SES's no must not hold for ever where the key may not ask."""
    office = make_office()
    if limit is not None:
        office.told(limit=limit)
    async with office.running():
        await asyncio.sleep(1)
        office.watch.exceeded()
        began = whole(office.clock.now())
        assert office.room() == 0
        assert office.watch.view().room == {ORDINARY: 0}
        await asyncio.sleep(EXCEEDED.total_seconds() + 1)
        assert office.pauses.lifted == [(ORDINARY_QUOTA, began + EXCEEDED)]
        assert office.room() == limit


# --- words -----------------------------------------------------------------------------------------------


async def test_80_and_95_percent_are_said_once() -> None:
    """And once more when it comes near again, after it has been well below."""
    office = make_office()
    office.volume.accept(500, at=EPOCH - 23 * HOUR)
    office.told()
    with capture_logs() as lines:
        async with office.running():
            for _ in range(48):
                await asyncio.sleep(60)
                office.send(10)
            assert lines == [
                {"event": "quota_near", "log_level": "warning", "share": 0.8, "used": 800, "limit": 1000.0},
                {"event": "quota_near", "log_level": "warning", "share": 0.95, "used": 950, "limit": 1000.0},
            ]
            assert office.watch.step == 0.95
            await until(EPOCH + HOUR + 2 * MINUTE)
            assert office.room() == 520
            assert len(lines) == 2
            assert office.watch.step == 0.0
            office.send(330)
    assert len(lines) == 3
    assert lines[-1]["share"] == 0.81


async def test_the_flow_sleeps_while_nothing_happens() -> None:
    """A day of a pause is a count a minute, not a busy loop."""
    office = make_office()
    office.told(limit=200.0)
    async with office.running():
        office.send(200)
        await asyncio.sleep((20 * HOUR).total_seconds())
        assert len(office.volume.asked) <= 20 * 60 + 5
        assert len(office.nudges) <= 5
