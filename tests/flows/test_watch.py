"""What a queue says of itself, and what is told of it: each trouble once, with its remedy."""

import asyncio
from collections.abc import AsyncIterator, MutableMapping
from contextlib import asynccontextmanager
from typing import Any

import pytest
from structlog.testing import capture_logs

from tank_mailer.core.alerts import RULES, AlertName
from tank_mailer.core.errors import QueueError, Reason
from tank_mailer.core.outcome import Concern, Concerned
from tank_mailer.core.renewal import QueueLife
from tank_mailer.flows.alerts import LOOK_S
from tank_mailer.flows.pauses import Pauses
from tank_mailer.flows.watch import EVERY_S, SELDOM_S, SOON_S, QueueWatch
from tests.builders import make_body
from tests.fakes import EPOCH, FakeClock, FakeQueue
from tests.flows.conftest import MakeRig

Lines = list[MutableMapping[str, Any]]


def told(lines: Lines, event: str) -> Lines:
    return [line for line in lines if line["event"] == event]


@asynccontextmanager
async def running(watch: QueueWatch) -> AsyncIterator[None]:
    task = asyncio.create_task(watch.run())
    try:
        yield
    finally:
        task.cancel()


def make_queue_watch(
    *, polls: int = 0, has_dead_letters: bool = True, **facts: Any
) -> tuple[FakeQueue, Pauses, QueueWatch]:
    clock = FakeClock()
    queue, pauses = FakeQueue(clock, **facts), Pauses(clock=clock)
    return (
        queue,
        pauses,
        QueueWatch(
            has_dead_letters=has_dead_letters,
            queue=queue,
            pauses=pauses,
            lane="priority",
            polls_without=lambda: polls,
        ),
    )


async def test_a_queue_that_redrives_early_is_told_of_once_with_its_remedy() -> None:
    """With three receives a message is dead-lettered by SQS itself after two restarts and a pause."""
    queue, _, watch = make_queue_watch(max_receive_count=3, retention_s=86_400.0)
    with capture_logs() as lines:
        assert await watch.ask()
        async with running(watch):
            await asyncio.sleep(EVERY_S * 3 + 1)
    [line] = told(lines, "queue_redrives_early")
    assert line["lane"] == "priority"
    assert line["max_receive_count"] == 3
    assert "maxReceiveCount to 100" in line["remedy"]
    assert watch.life == QueueLife(max_receive_count=3, retention_s=86_400.0)

    queue.max_receive_count = 5
    with capture_logs() as lines:
        await watch.ask()
    assert len(told(lines, "queue_redrives_early")) == 1, "something has changed, but not enough"
    assert watch.life.max_receive_count == 5


@pytest.mark.parametrize("receives", [None, 20, 100])
async def test_a_queue_that_gives_time_is_not_complained_about(receives: int | None) -> None:
    _, _, watch = make_queue_watch(max_receive_count=receives)
    with capture_logs() as lines:
        await watch.ask()

    assert lines == []
    assert watch.life.max_receive_count == receives


async def test_a_queue_that_may_not_be_asked_is_assumed_to_be_strict() -> None:
    """Copies cost calls; a job that SQS takes away costs a mail."""
    queue, _, watch = make_queue_watch(max_receive_count=100)
    queue.fail("facts", QueueError(Reason.ACCESS_DENIED, "no right to sqs:GetQueueAttributes"))
    with capture_logs() as lines:
        assert await watch.ask() is None
    assert [(line["lane"], line["reason"]) for line in told(lines, "queue_unknown")] == [
        ("priority", Reason.ACCESS_DENIED)
    ]
    assert watch.life == QueueLife(max_receive_count=3)

    assert await watch.ask()
    assert watch.life.max_receive_count == 100


async def test_a_queue_that_is_unknown_is_asked_again_soon() -> None:
    """Until then every message is taken for one that is near its last receive."""
    queue, _, watch = make_queue_watch(max_receive_count=100)
    queue.fail("facts", *[QueueError(Reason.QUEUE_UNREACHABLE, "no answer")] * 2)
    async with running(watch):
        await asyncio.sleep(SOON_S * 3 + 1)
        assert watch.life.max_receive_count == 100


async def test_a_queue_that_stays_silent_is_told_of_once_for_each_cause() -> None:
    """A key without sqs:GetQueueAttributes must not fill the log; another trouble is news."""
    queue, _, watch = make_queue_watch()
    denied, away = QueueError(Reason.ACCESS_DENIED, "no right"), QueueError(Reason.QUEUE_UNREACHABLE, "no answer")
    queue.fail("facts", denied, denied, away, away)
    with capture_logs() as lines:
        for _n in range(5):
            await watch.ask()
    assert [line["reason"] for line in told(lines, "queue_unknown")] == [denied.reason, away.reason]

    queue.fail("facts", away)
    with capture_logs() as lines:
        await watch.ask()
    assert len(told(lines, "queue_unknown")) == 1, "it had answered meanwhile"


async def test_a_key_that_may_not_ask_is_not_asked_for_all_the_time() -> None:
    queue, _, watch = make_queue_watch()
    queue.fail("facts", *[QueueError(Reason.ACCESS_DENIED, "no right")] * 2)
    await watch.ask()
    async with running(watch):
        await asyncio.sleep(SELDOM_S + 1)
        assert watch.known is None
        await asyncio.sleep(SELDOM_S)
        assert watch.known is not None


async def test_how_many_wait_is_known_with_its_time() -> None:
    """A figure of five minutes ago must not pass for one of now."""
    queue, _, watch = make_queue_watch()
    assert watch.asked_at is None
    await watch.ask()
    queue.put(make_body())
    async with running(watch):
        await asyncio.sleep(EVERY_S + 1)

    assert watch.known is not None
    assert watch.known.visible == 1
    assert watch.asked_at is not None
    assert EVERY_S <= (watch.asked_at - EPOCH).total_seconds() < EVERY_S + 1


@pytest.mark.parametrize(
    ("reason", "is_there"),
    [
        pytest.param(None, True, id="it-answers"),
        pytest.param(Reason.ACCESS_DENIED, True, id="a-key-that-may-not-ask-may-still-receive"),
        pytest.param(Reason.QUEUE_MISSING, False, id="missing"),
        pytest.param(Reason.QUEUE_UNREACHABLE, False, id="out-of-reach"),
        pytest.param(Reason.BAD_CREDENTIALS, False, id="the-key-is-wrong"),
        pytest.param(Reason.CLOCK_SKEW, False, id="the-clock-is-wrong"),
    ],
)
async def test_a_queue_is_probed_without_a_receive(reason: Reason | None, is_there: bool) -> None:
    """A receive costs a message one of its lives; a pause of a weekend would use up all of them."""
    queue, _, watch = make_queue_watch()
    if reason:
        queue.fail("facts", QueueError(reason, "no"))

    assert await watch.probe() is is_there
    assert queue.received == []


@pytest.mark.parametrize(
    ("in_settings", "in_policy", "is_told"),
    [
        pytest.param(False, None, True, id="nowhere"),
        pytest.param(True, None, False, id="in-the-settings"),
        pytest.param(False, "jobs-dead", False, id="in-the-redrive-policy"),
    ],
)
async def test_a_missing_dead_letter_queue_is_told_of_at_start(
    in_settings: bool, in_policy: str | None, is_told: bool
) -> None:
    """Not when the first job dies: then nobody is looking."""
    _, _, watch = make_queue_watch(has_dead_letters=in_settings, dead_letter_queue=in_policy)
    with capture_logs() as lines:
        await watch.ask()
        await watch.ask()

    missing = told(lines, "dead_letter_queue_missing")
    assert [line["lane"] for line in missing] == ["priority"] * is_told


async def test_a_queue_that_is_full_but_gives_nothing_is_told_of() -> None:
    """At its in-flight ceiling SQS answers long polls with nothing, as if the queue were empty."""
    queue, _, watch = make_queue_watch(polls=3)
    for n in range(4):
        queue.put(make_body(email_id=f"job-{n}"))
    with capture_logs() as lines:
        async with running(watch):
            await asyncio.sleep(EVERY_S + 1)

    [line] = told(lines, "queue_silent")
    assert (line["lane"], line["visible"], line["polls"]) == ("priority", 4, 3)
    assert watch.is_silent, "an alert is made of it"


async def test_a_silence_is_over_when_a_poll_brings_something() -> None:
    queue, _, watch = make_queue_watch(polls=3)
    queue.put(make_body())
    async with running(watch):
        await asyncio.sleep(EVERY_S + 1)
        was_silent = watch.is_silent
        watch.polls_without = lambda: 0
        await asyncio.sleep(EVERY_S)

    assert (was_silent, watch.is_silent) == (True, False)


@pytest.mark.parametrize("why", ["empty", "polled-well", "paused", "its-lane-paused", "unknown"])
async def test_silence_that_has_a_reason_is_not_told_of(why: str) -> None:
    """A warning that comes on every quiet night is not read on the one that matters."""
    queue, pauses, watch = make_queue_watch(polls=2 if why == "polled-well" else 9)
    if why != "empty":
        queue.put(make_body())
    if why == "paused":
        pauses.begin(Concern(Concerned.ACCOUNT), Reason.SENDING_PAUSED, "paused")
    if why == "its-lane-paused":
        pauses.begin(Concern(Concerned.QUEUE, "priority"), Reason.QUEUE_MISSING, "no such queue")
    if why == "unknown":
        queue.fail("facts", *[QueueError(Reason.QUEUE_UNREACHABLE, "no answer")] * 50)
    with capture_logs() as lines:
        async with running(watch):
            await asyncio.sleep(EVERY_S + 1)

    assert told(lines, "queue_silent") == []
    assert not watch.is_silent


async def test_polls_that_bring_nothing_are_counted_until_one_does(make_rig: MakeRig) -> None:
    """The other half of the silence: how long nothing has come."""
    rig = make_rig()
    async with rig.running():
        await rig.until(lambda: rig.lane.intake.polls_without() == 3)
        assert 60 <= rig.clock.boot_s() < 61, "a long poll each, and no pause between them"
        rig.put()
        await rig.until(lambda: not rig.queue.left)
        assert rig.lane.intake.polls_without() == 0


async def test_the_next_poll_follows_at_once_on_one_that_waited_its_time_out(make_rig: MakeRig) -> None:
    """Only an answer that came too early looks like a proxy's page."""
    rig = make_rig()
    rig.queue.latency_s = 21
    rig.put()
    async with rig.running():
        await rig.until(lambda: len(rig.queue.received) == 2)
        assert rig.clock.boot_s() == pytest.approx(21, abs=0.06)


async def test_nobody_asks_until_somebody_does() -> None:
    """A watch without a lane has seen no silence."""
    clock = FakeClock()
    watch = QueueWatch(has_dead_letters=True, queue=FakeQueue(clock), pauses=Pauses(clock=clock))

    assert watch.polls_without() == 0


async def test_silence_is_found_again_after_a_restart_before_its_alert_is_over(make_rig: MakeRig) -> None:
    """Or each restart would tell people that mail is received again."""
    rig = make_rig()
    rig.put()
    watch = QueueWatch(has_dead_letters=True, queue=rig.queue, pauses=rig.pauses)
    rig.lane.intake.queue = FakeQueue(rig.clock, latency_s=0.1)  # hands out nothing
    watch.polls_without = rig.lane.intake.polls_without
    await watch.ask()  # as at the start
    async with rig.running(), running(watch):
        await asyncio.sleep(RULES[AlertName.QUEUE_SILENT].clear_after_s - LOOK_S)

    assert watch.is_silent
