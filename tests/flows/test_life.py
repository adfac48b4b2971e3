"""Who is alive: whatever AWS, a pause or a person does to it. And who is not: a loop that hangs in a bug of ours."""

import asyncio
from collections.abc import AsyncIterator, Iterator, Sequence
from contextlib import asynccontextmanager, contextmanager
from datetime import timedelta
from types import SimpleNamespace
from typing import Any

import pytest
from structlog.testing import capture_logs

from tank_mailer.core.errors import QueueError, Reason, StoreError
from tank_mailer.core.lanes import ORDINARY
from tank_mailer.core.outcome import Concern, Concerned
from tank_mailer.core.view import LaneView, NodeView
from tank_mailer.flows.forever import forever
from tank_mailer.flows.intake import MOST_POLLS
from tank_mailer.flows.life import Life
from tank_mailer.flows.oldest import SPAN_S, OldestReceived
from tank_mailer.ports import Aside, QueueMessage
from tank_mailer.telemetry.beats import Beat
from tests.fakes import EPOCH, FakeClock
from tests.flows.conftest import MakeRig, Rig
from tests.flows.test_feedback import PINNED, EventRig, make_event_rig, send_event
from tests.metering import rising

DAYS_S = 3 * 86_400.0
AWAY = QueueError(Reason.QUEUE_UNREACHABLE, "no route")
VIEW = NodeView("mail-1", "4f1d", "0.1.0", EPOCH, EPOCH, lanes={ORDINARY: LaneView(last_poll_at=EPOCH)})


def beats_of(rig: Rig, *others: Beat) -> list[Beat]:
    """Of a lane, on the loop's time."""
    beats = [rig.lane.intake.rounds, rig.lane.intake.polled, *others]
    for beat in beats:
        beat.now_s = asyncio.get_running_loop().time
    return beats


def make_life(beats: Sequence[Beat], view: NodeView = VIEW) -> Life:
    life = Life(beats=beats, view=lambda: view, committed_s=lambda: 1.0)
    life.loop.now_s = asyncio.get_running_loop().time
    return life


@asynccontextmanager
async def living(life: Life) -> AsyncIterator[list[str]]:
    """Run it, and note whoever was found to hang meanwhile."""
    hung = list[str]()

    async def look() -> None:
        while True:
            await asyncio.sleep(7.0)
            hung.extend(one.name for one in life.liveness().still if one.name not in hung)

    tasks = [asyncio.create_task(life.run()), asyncio.create_task(look())]
    try:
        yield hung
    finally:
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)


# --- alive -----------------------------------------------------------------------------------------


async def test_an_idle_daemon_is_alive(make_rig: MakeRig) -> None:
    rig = make_rig()
    async with living(make_life(beats_of(rig))) as hung, rig.running():
        await asyncio.sleep(3_600.0)

    assert hung == []


@pytest.mark.parametrize(
    "concern",
    [
        pytest.param(Concern(Concerned.OPERATOR, "all"), id="by-a-person"),
        pytest.param(Concern(Concerned.QUOTA, ORDINARY), id="without-room"),
        pytest.param(Concern(Concerned.SUSPECT, ORDINARY), id="at-somebody-elses-queue"),
    ],
)
async def test_a_paused_daemon_is_alive_for_days(make_rig: MakeRig, concern: Concern) -> None:
    """A restart would end no pause, and lose what is known."""
    rig = make_rig()
    async with living(make_life(beats_of(rig))) as hung, rig.running():
        rig.pauses.begin(concern, Reason.OPERATOR, "for a while")
        await asyncio.sleep(DAYS_S)

    assert hung == []


async def test_a_daemon_whose_queue_is_away_is_alive(make_rig: MakeRig) -> None:
    """Liveness is the loop and its tasks, never AWS."""
    rig = make_rig()
    rig.queue.fail("receive", *[AWAY] * 1_000)
    rig.queue.fail("facts", *[AWAY] * 1_000)
    async with living(make_life(beats_of(rig))) as hung, rig.running():
        await asyncio.sleep(3_600.0)

    assert hung == []


async def test_a_daemon_without_tokens_is_alive(make_rig: MakeRig) -> None:
    """One job of fifty recipients at one in ten seconds: nothing is polled for minutes, and all is well."""
    rig = make_rig(rate=0.1)
    rig.put(to=[f"r{n}@example.org" for n in range(50)])
    rig.put(email_id="second")
    async with living(make_life(beats_of(rig))) as hung, rig.running():
        await asyncio.sleep(900.0)

    assert hung == []


async def test_feedback_is_alive_while_the_store_is_sick(make_rig: MakeRig) -> None:
    events = event_rig(make_rig)
    async with living(make_life(event_beats(events))) as hung, events.running():
        events.lane.ledger.sick = StoreError(Reason.STORE_SICK, "away")
        events.queue.put(send_event(1))
        await asyncio.sleep(3_600.0)

    assert hung == []


async def test_feedback_is_alive_while_the_store_takes_its_time_to_fail(make_rig: MakeRig) -> None:
    """A server behind a dead network: of ten messages that are to be put aside each would wait for its time-outs."""
    events = event_rig(make_rig)

    async def set_aside(_: Aside) -> None:
        await asyncio.sleep(100.0)
        raise StoreError(Reason.STORE_SICK, "no answer")

    events.feedback.book = SimpleNamespace(set_aside=set_aside, drained=events.lane.events.drained)
    events.lane.ledger.sick = StoreError(Reason.STORE_SICK, "no answer")
    async with living(make_life(event_beats(events))) as hung, events.running():
        for _ in range(20):
            events.queue.put("{")
        await asyncio.sleep(3_600.0)

    assert len(events.queue.left) == 20
    assert hung == []


async def test_idle_feedback_is_alive(make_rig: MakeRig) -> None:
    events = event_rig(make_rig)
    async with living(make_life(event_beats(events))) as hung, events.running():
        events.queue.fail("receive", *[AWAY] * 100)
        await asyncio.sleep(3_600.0)
        assert events.feedback.last_poll_at is not None

    assert hung == []


async def test_a_lane_is_alive_whose_polls_have_ended_together_before_a_pause(make_rig: MakeRig) -> None:
    """Then there is none under way, however long the pause lasts."""
    rig = make_rig()
    answered = asyncio.Event()

    async def some_room(_lane: str) -> int:
        return 10

    async def receive(**_: int) -> Sequence[QueueMessage]:
        await answered.wait()
        return []

    rig.lane.intake.governor.wait_for_room = some_room  # type: ignore[assignment, method-assign]  # as for a fast rate
    rig.lane.intake.queue = SimpleNamespace(receive=receive)
    async with living(make_life(beats_of(rig))) as hung, rig.running():
        await asyncio.sleep(5.0)
        assert len(rig.lane.intake._polls) == MOST_POLLS
        answered.set()
        rig.pauses.begin(Concern(Concerned.OPERATOR, "all"), Reason.OPERATOR, "for a while")
        await asyncio.sleep(DAYS_S)

    assert hung == []


async def test_a_lane_is_alive_whose_poll_has_crashed_before_a_pause(make_rig: MakeRig) -> None:
    """A crash is told, and is not the end; nothing is polled meanwhile that could make it good."""
    rig = make_rig()
    rig.queue.fail("receive", ZeroDivisionError(), ZeroDivisionError())
    with capture_logs():
        async with living(make_life(beats_of(rig))) as hung, rig.running():
            await asyncio.sleep(1.0)
            rig.pauses.begin(Concern(Concerned.OPERATOR, "all"), Reason.OPERATOR, "for a while")
            await asyncio.sleep(DAYS_S)

    assert hung == []


async def test_feedback_is_alive_whose_writer_has_crashed_once(make_rig: MakeRig) -> None:
    """What was written before the crash does not come again, and perhaps nothing else for hours."""
    events = event_rig(make_rig)
    wrote = events.feedback._write

    async def write_and_crash(batch: Sequence[Any]) -> int:
        await wrote(batch)
        raise ZeroDivisionError

    events.feedback._write = write_and_crash  # type: ignore[method-assign]
    with capture_logs():
        async with living(make_life(event_beats(events))) as hung, events.running():
            events.queue.put(send_event(1))
            await asyncio.sleep(3_600.0)

    assert events.queue.left == []
    assert hung == []


async def test_a_loop_that_has_come_to_its_end_does_not_hang() -> None:
    """A drain may last; whose last round crashed is done with it, too."""
    beat, closing = Beat(name="lane/ordinary", most_s=60.0, now_s=asyncio.get_running_loop().time), asyncio.Event()

    async def crash() -> None:
        closing.set()
        raise ZeroDivisionError

    with capture_logs():
        await forever(crash, until=closing, beat=beat)
    await asyncio.sleep(3_600.0)

    assert not beat.pulse.is_still


def event_rig(make_rig: MakeRig) -> EventRig:
    return make_event_rig(make_rig(), policy=PINNED)


def event_beats(events: EventRig) -> list[Beat]:
    return beats_of(events.lane, *events.feedback.beats)[2:]


# --- not alive -------------------------------------------------------------------------------------


async def hang(*_: object, **__: object) -> None:
    await asyncio.Event().wait()


async def test_a_lane_whose_loop_hangs_is_not_alive(make_rig: MakeRig) -> None:
    rig = make_rig()
    rig.lane.intake._room = hang  # type: ignore[assignment]  # a bug of the future
    async with living(make_life(beats_of(rig))) as hung, rig.running():
        await asyncio.sleep(50.0)
        assert hung == []
        await asyncio.sleep(30.0)

    assert hung == ["lane/ordinary"]


async def test_a_lane_whose_loop_crashes_again_and_again_is_not_alive(make_rig: MakeRig) -> None:
    """It comes round, and does nothing: a new start may find other circumstances."""
    rig = make_rig()
    rig.lane.intake.governor.wait_for_room = None  # type: ignore[assignment, method-assign]
    with capture_logs() as lines:
        async with living(make_life(beats_of(rig))) as hung, rig.running():
            await asyncio.sleep(90.0)

    assert hung == ["lane/ordinary"]
    assert {line["event"] for line in lines} == {"flow_crashed"}


async def test_polls_that_never_end_are_not_alive(make_rig: MakeRig) -> None:
    """The loop comes round and waits for them, as it should: it is they that hang."""
    rig = make_rig()
    rig.queue.latency_s = DAYS_S
    async with living(make_life(beats_of(rig))) as hung, rig.running():
        await asyncio.sleep(600.0)

    assert hung == ["polls/ordinary"]


async def test_a_loop_that_waits_for_all_its_polls_comes_round(make_rig: MakeRig) -> None:
    rig = make_rig()
    intake = rig.lane.intake
    intake._polls.update(asyncio.create_task(hang()) for _ in range(MOST_POLLS))
    life = make_life(beats_of(rig))
    intake.polled.begin()
    async with living(life) as hung, rig.running():
        await asyncio.sleep(600.0)

    assert hung == ["polls/ordinary"]
    assert rig.queue.received == []


async def test_polls_that_crash_are_not_alive(make_rig: MakeRig) -> None:
    rig = make_rig()
    rig.queue.fail("receive", *[ZeroDivisionError()] * 1_000)
    with capture_logs():
        async with living(make_life(beats_of(rig))) as hung, rig.running():
            await asyncio.sleep(600.0)

    assert hung == ["polls/ordinary"]


async def test_receivers_of_events_that_hang_are_not_alive(make_rig: MakeRig) -> None:
    events = event_rig(make_rig)
    events.queue.latency_s = DAYS_S
    async with living(make_life(event_beats(events))) as hung, events.running():
        await asyncio.sleep(600.0)

    assert hung == ["events/1", "events/2"]


async def test_a_writer_of_events_that_hangs_is_not_alive(make_rig: MakeRig) -> None:
    events = event_rig(make_rig)
    events.feedback._write = hang  # type: ignore[assignment, method-assign]
    async with living(make_life(event_beats(events))) as hung, events.running():
        await asyncio.sleep(600.0)
        assert hung == []
        events.queue.put(send_event(1))
        await asyncio.sleep(600.0)

    assert hung == ["event_writer"]


async def test_a_loop_that_no_longer_turns_is_not_alive(make_rig: MakeRig) -> None:
    """Nobody on the loop can see it; a thread asks."""
    life = make_life([])
    assert life.liveness().is_alive, "it has not begun"
    async with living(life):
        await asyncio.sleep(10.0)
        assert life.liveness().is_alive
    await asyncio.sleep(31.0)

    assert [one.name for one in life.liveness().still] == ["loop"]


# --- what it measures, and tells -------------------------------------------------------------------


async def test_how_late_the_loop_is_is_measured_each_second() -> None:
    with rising() as risen:
        async with living(make_life([])):
            await asyncio.sleep(10.5)

    assert risen.by == {("loop_lag_seconds_count", frozenset()): 10}


async def test_the_task_behind_a_name_is_known(make_rig: MakeRig) -> None:
    """It tells where it hangs."""
    rig = make_rig()
    life = make_life(beats_of(rig))
    async with rig.running():
        await asyncio.sleep(1.0)
        names = {name: life.task_of(name) for name in ("lane/ordinary", "polls/ordinary", "loop", "nobody")}

    assert names["lane/ordinary"] is not None
    assert names["polls/ordinary"] is not None
    assert names["loop"] is names["nobody"] is None


async def test_readiness_is_asked_of_the_view() -> None:
    assert make_life([]).readiness().is_ready
    assert not make_life([], NodeView("mail-1", "4f1d", "0.1.0", EPOCH, EPOCH, is_draining=True)).readiness().is_ready


# --- the oldest message ----------------------------------------------------------------------------


@contextmanager
def oldest() -> Iterator[OldestReceived]:
    yield OldestReceived(clock=FakeClock())


def came(received: OldestReceived, *, age_s: float) -> None:
    now = received.clock.now()
    received.note(now - timedelta(seconds=age_s), now)


async def test_the_oldest_of_this_span_and_the_last_is_told() -> None:
    with oldest() as received:
        assert received.age_s == 0.0
        came(received, age_s=30.0)
        came(received, age_s=10.0)
        assert received.age_s == 30.0
        await asyncio.sleep(SPAN_S)
        came(received, age_s=5.0)
        assert received.age_s == 30.0
        await asyncio.sleep(SPAN_S)
        assert received.age_s == 5.0
        await asyncio.sleep(SPAN_S)
        assert received.age_s == 0.0


async def test_after_a_long_silence_nothing_old_is_told() -> None:
    with oldest() as received:
        came(received, age_s=30.0)
        await asyncio.sleep(3 * SPAN_S)

        assert received.age_s == 0.0


async def test_a_lane_tells_the_age_of_what_it_receives(make_rig: MakeRig) -> None:
    rig = make_rig()
    rig.put(email_id="old")
    await asyncio.sleep(40.0)
    rig.put(email_id="new")
    async with rig.running():
        await rig.until(lambda: not rig.queue.left)

        assert 40.0 <= rig.lane.intake.oldest.age_s < 41.0
