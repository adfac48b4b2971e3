"""Settling doubt, each sentence of DESIGN 6 as a story: one request whose answer is lost, and what SES tells of it."""

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from datetime import timedelta
from typing import Any

import pytest
from structlog.testing import capture_logs

from tank_mailer.core.backoff import RetryPolicy
from tank_mailer.core.errors import Reason
from tank_mailer.core.event import EventKind, SesEvent
from tank_mailer.core.ledger import State
from tank_mailer.core.outcome import Fault, Receipt
from tank_mailer.ports import Change, Proven
from tank_mailer.ports import Receipt as Stored
from tests.builders import make_event
from tests.flows.conftest import MakeRig, Rig

LOST = Fault(connected=True, text="the connection was reset")
RESEND = RetryPolicy(in_doubt_wait_s=900.0, has_channel=True)
HOLD = RetryPolicy(in_doubt_wait_s=900.0, has_channel=True, resends_doubt=False)
HOUR_S = 3_600.0


async def report(rig: Rig, event: SesEvent) -> None:
    """SES's event comes in, and what it proves is settled."""
    recorded = await rig.events.record([event])
    await rig.doubts.settle(recorded.proven)


async def show_life(rig: Rig, *, configuration_set: str = "tank") -> None:
    """Another mail is accepted, and its Send event comes back; then the event queue is seen drained."""
    await rig.until(passes(rig, 90))  # the doubtful request is over for certain
    now = rig.clock.now()
    rig.ledger.receipts["ses-other"] = Stored("ses-other", "other", 1, now)
    event = make_event(
        email_id="other", ses_message_id="ses-other", configuration_set=configuration_set, mail_at=now, occurred_at=now
    )
    await rig.events.record([event])
    await rig.until(passes(rig, 1))


@asynccontextmanager
async def watched(rig: Rig) -> AsyncIterator[None]:
    """The event queue is drained all the time, and looked at."""

    async def look() -> None:
        while True:
            now = rig.clock.now()
            await rig.events.drained(now, now)
            await asyncio.sleep(30)

    tasks = [asyncio.create_task(look()), asyncio.create_task(rig.doubts.run())]
    try:
        yield
    finally:
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)


def is_parked(rig: Rig) -> Callable[[], bool]:
    return lambda: rig.ledger.rows["order-4711"].state is State.IN_DOUBT


def passes(rig: Rig, seconds: float) -> Callable[[], bool]:
    end_s = rig.clock.boot_s() + seconds
    return lambda: rig.clock.boot_s() >= end_s


@pytest.mark.parametrize("kind", list(EventKind))
async def test_any_event_ends_a_doubt_and_takes_its_message_off_the_queue(make_rig: MakeRig, kind: EventKind) -> None:
    """By its stored handle: no receive is spent on it."""
    rig = make_rig(LOST, policy=RESEND)
    rig.put()
    async with rig.running():
        await rig.until(lambda: "order-4711" in rig.ledger.rows and is_parked(rig)())
        receives = rig.queue.receive_count(rig.queue.left[0])
        await report(rig, make_event(kind))
        await rig.until(lambda: not rig.queue.left)

    row = await rig.row()
    assert (row.state, row.ses_message_id, rig.sent("order-4711")) == (State.ACCEPTED, "ses-1", 1)
    assert receives == 1


async def test_many_at_once_hold_the_events_up_for_one_call_only(make_rig: MakeRig) -> None:
    """A queue that answers late would hold up the writer of events for minutes, and be taken for a hang."""
    rig = make_rig(policy=RESEND)
    for number in range(150):
        rig.queue.put(f"job-{number}")
    messages = await rig.queue.receive(limit=10, wait_s=0, visibility_s=600)
    for _ in range(14):
        messages = [*messages, *await rig.queue.receive(limit=10, wait_s=0, visibility_s=600)]
    proven = [
        Proven(f"job-{number}", State.IN_DOUBT, "ordinary", one.queue_message_id, f"ses-{number}", one.receipt_handle)
        for number, one in enumerate(messages)
    ]
    rig.queue.latency_s = 20.0
    began_s = rig.clock.boot_s()
    settling = asyncio.create_task(rig.doubts.settle(proven))
    await rig.until(settling.done)

    assert rig.queue.left == []
    assert rig.clock.boot_s() - began_s == pytest.approx(20, abs=1)


async def test_an_event_that_comes_while_the_answer_is_awaited_needs_no_wait(make_rig: MakeRig) -> None:
    """The answer times out after 25 s, the event was there after one: there never is a doubt."""

    async def swallowed(job: Any, attempt: int) -> Fault:
        await report(rig, make_event(EventKind.SEND))
        return LOST

    rig = make_rig(swallowed, policy=RESEND)
    rig.put()
    async with rig.running():
        await rig.until(lambda: not rig.queue.left, within_s=30)

    assert (await rig.row()).state is State.ACCEPTED
    assert rig.sent("order-4711") == 1


async def test_an_event_before_the_answer_does_not_hinder_the_answer(make_rig: MakeRig) -> None:
    async def early(job: Any, attempt: int) -> Receipt:
        await report(rig, make_event(EventKind.SEND, ses_message_id="m-1"))
        return Receipt("m-1")

    rig = make_rig(early, policy=RESEND)
    rig.put()
    with capture_logs() as lines:
        async with rig.running():
            await rig.until(lambda: not rig.queue.left)

    assert (await rig.row()).ses_message_id == "m-1"
    assert not [line for line in lines if line["event"] == "fence_lost"]


async def test_absence_counts_once_the_channel_is_alive(make_rig: MakeRig) -> None:
    rig = make_rig(LOST, Receipt("m-2"), policy=RESEND)
    rig.put()
    async with rig.running(), watched(rig):
        await rig.until(lambda: "order-4711" in rig.ledger.rows and is_parked(rig)())
        began_s = rig.clock.boot_s()
        await show_life(rig)
        await rig.until(lambda: not rig.queue.left)
        took_s = rig.clock.boot_s() - began_s

    row = await rig.row()
    assert (row.state, row.ses_message_id, row.resends) == (State.ACCEPTED, "m-2", 1)
    assert took_s >= 900, "not before TANK_IN_DOUBT_WAIT_S"


async def dead_after(rig: Rig) -> float:
    began_s = rig.clock.boot_s()
    async with rig.running():
        doubts = asyncio.create_task(rig.doubts.run())
        await rig.until(lambda: not rig.queue.left, within_s=10 * HOUR_S)
        doubts.cancel()
    return rig.clock.boot_s() - began_s


async def test_six_hours_without_evidence_end_as_dead(make_rig: MakeRig) -> None:
    """The channel says nothing at all: the mail is not sent again, and a person is told."""
    rig = make_rig(LOST, policy=RESEND)
    rig.put()
    with capture_logs() as lines:
        took_s = await dead_after(rig)

    row = await rig.row()
    assert (row.state, row.reason, rig.sent("order-4711")) == (State.DEAD, Reason.IN_DOUBT, 1)
    assert 6 * HOUR_S <= took_s < 6 * HOUR_S + 300
    assert rig.dead_letters is not None
    assert len(rig.dead_letters.put_aside) == 1
    assert [line["log_level"] for line in lines if line["event"] == "doubt_given_up"] == ["error"]


async def test_a_doubt_that_waits_for_hours_costs_hardly_a_receive(make_rig: MakeRig) -> None:
    """Its message is hidden on by its handle: each receive nears the dead-letter queue."""
    rig = make_rig(LOST, policy=RESEND)
    message_id = rig.put()
    receives = []

    async def count_receives() -> None:
        async with rig.running():
            doubts = asyncio.create_task(rig.doubts.run())
            await rig.until(passes(rig, 5 * HOUR_S), within_s=6 * HOUR_S)
            receives.append(rig.queue.receive_count(message_id))
            doubts.cancel()

    await count_receives()

    assert (await rig.row()).state is State.IN_DOUBT
    assert receives == [1]


async def test_another_set_that_is_alive_shows_nothing(make_rig: MakeRig) -> None:
    rig = make_rig(LOST, policy=RESEND)
    rig.put()
    async with rig.running(), watched(rig):
        await rig.until(lambda: "order-4711" in rig.ledger.rows and is_parked(rig)())
        await show_life(rig, configuration_set="marketing")
        await rig.until(passes(rig, 2 * HOUR_S), within_s=3 * HOUR_S)

    assert rig.sent("order-4711") == 1
    assert (await rig.row()).state is State.IN_DOUBT


@pytest.mark.parametrize(
    ("policy", "job"), [(HOLD, {}), (RESEND, {"at_most_once": True})], ids=["hold", "at-most-once"]
)
async def test_proven_absence_dead_letters_what_must_not_be_doubled(
    make_rig: MakeRig, policy: RetryPolicy, job: dict[str, object]
) -> None:
    rig = make_rig(LOST, policy=policy)
    rig.put(**job)
    async with rig.running(), watched(rig):
        await rig.until(lambda: "order-4711" in rig.ledger.rows and is_parked(rig)())
        await show_life(rig)
        await rig.until(lambda: not rig.queue.left)

    row = await rig.row()
    assert (row.state, row.reason, rig.sent("order-4711")) == (State.DEAD, Reason.IN_DOUBT, 1)


async def test_three_resends_are_the_end(make_rig: MakeRig) -> None:
    rig = make_rig(LOST, LOST, LOST, LOST, LOST, policy=RESEND)
    rig.put()
    async with rig.running(), watched(rig):
        for resends in range(4):
            await rig.until(
                lambda resends=resends: (
                    "order-4711" in rig.ledger.rows  # type: ignore[misc]
                    and rig.ledger.rows["order-4711"].resends == resends
                    and is_parked(rig)()
                )
            )
            rig.ledger.receipts.pop("ses-other", None)
            rig.events._keys.clear()
            await show_life(rig)
        await rig.until(lambda: not rig.queue.left)

    assert (await rig.row()).state is State.DEAD
    assert rig.sent("order-4711") == 4


async def test_a_late_event_after_a_resend_is_a_proven_double(make_rig: MakeRig) -> None:
    rig = make_rig(LOST, Receipt("m-2"), policy=RESEND)
    rig.put()
    async with rig.running(), watched(rig):
        await rig.until(lambda: "order-4711" in rig.ledger.rows and is_parked(rig)())
        await show_life(rig)
        await rig.until(lambda: not rig.queue.left)

    recorded = await rig.events.record([make_event(EventKind.SEND, ses_message_id="m-1", attempt=1)])

    assert list(recorded.doubled) == ["order-4711"]


async def test_a_process_that_died_leaves_a_doubt_that_an_event_ends(make_rig: MakeRig) -> None:
    """Its attempt was begun and never finished; the event came while nobody was there."""
    rig = make_rig(policy=RESEND)
    rig.put()
    row = None
    async with rig.running():
        await rig.until(lambda: not rig.queue.left)
        row = await rig.row()
    crashed = rig.ledger.rows["order-4711"] = type(row)(
        **{
            **{name: getattr(row, name) for name in row.__slots__},
            "state": State.SENDING,
            "accepted_at": None,
            "ses_message_id": None,
        }
    )
    rig.ledger.receipts.clear()
    assert crashed.lease_ends_at is not None

    await rig.until(passes(rig, 120))
    await report(rig, make_event(EventKind.DELIVERY))

    assert (await rig.row()).state is State.ACCEPTED


async def test_a_later_refusal_does_not_reopen_a_proven_job(make_rig: MakeRig) -> None:
    """Attempt 1 was throttled as it seemed, attempt 2 is refused, and in between SES tells that it has the mail."""

    async def refused(job: Any, attempt: int) -> Fault:
        await report(rig, make_event(EventKind.SEND, attempt=1))
        return Fault(connected=True, status=400, code="MessageRejected", text="Email address is not verified.")

    rig = make_rig(Fault(connected=True, status=500, code="InternalFailure", text="?"), refused, policy=RESEND)
    rig.put()
    async with rig.running():
        await rig.until(lambda: not rig.queue.left)

    assert (await rig.row()).state is State.ACCEPTED
    assert not rig.ledger.asides


async def test_after_a_failure_evidence_is_awaited_before_the_next_attempt(make_rig: MakeRig) -> None:
    """A definite error, and SES has the mail all the same: two minutes first (DESIGN 5)."""
    rig = make_rig(Fault(connected=True, status=500, code="InternalFailure", text="?"), policy=RESEND)
    rig.put()
    async with rig.running():
        await rig.until(lambda: bool(rig.mailer.sent))
        await rig.until(passes(rig, 100))
        await report(rig, make_event(EventKind.SEND))
        await rig.until(lambda: not rig.queue.left)

    assert rig.sent("order-4711") == 1
    assert (await rig.row()).state is State.ACCEPTED


async def test_a_doubt_that_somebody_else_has_settled_is_left_alone(make_rig: MakeRig) -> None:
    """Hidden on by one node, ended by another: the version decides."""
    rig = make_rig(LOST, policy=RESEND)
    rig.put()
    async with rig.running():
        await rig.until(lambda: "order-4711" in rig.ledger.rows and is_parked(rig)())
        row = await rig.row()
        now = rig.clock.now()
        await rig.ledger.write(Change(row.accepted("theirs", now)))

        assert not await rig.events.put_off(row.doubted_on(now, now))


async def test_a_proof_from_before_the_crash_proves_nothing_after_it(make_rig: MakeRig) -> None:
    """The doubtful request was under way when another mail's event came; then the machine was down for long."""
    rig = make_rig(LOST, policy=RESEND)
    rig.put()
    async with rig.running():
        await rig.until(lambda: "order-4711" in rig.ledger.rows and is_parked(rig)())
        now = rig.clock.now()
        rig.ledger.receipts["ses-other"] = Stored("ses-other", "other", 1, now)
        await rig.events.record([make_event(email_id="other", ses_message_id="ses-other", mail_at=now)])
        await rig.until(passes(rig, 1))
        await rig.events.drained(rig.clock.now(), rig.clock.now())
        await rig.until(passes(rig, 1_800), within_s=2_000)

    assert rig.sent("order-4711") == 1
    assert (await rig.row()).state is State.IN_DOUBT


async def test_a_sight_that_is_old_says_nothing_of_the_present(make_rig: MakeRig) -> None:
    """Proven alive once, and then nobody has looked at the event queue any more."""
    rig = make_rig(LOST, policy=RESEND)
    rig.put()
    async with rig.running():
        await rig.until(lambda: "order-4711" in rig.ledger.rows and is_parked(rig)())
        await show_life(rig)
        await rig.events.drained(rig.clock.now(), rig.clock.now())
        await rig.until(passes(rig, 1_800), within_s=2_000)

    assert rig.sent("order-4711") == 1


async def test_a_clock_that_goes_ahead_leaves_no_mark_that_counts(make_rig: MakeRig) -> None:
    rig = make_rig(LOST, policy=RESEND)
    rig.put()
    async with rig.running():
        await rig.until(lambda: "order-4711" in rig.ledger.rows and is_parked(rig)())
        await show_life(rig)
        ahead = rig.clock.now() + timedelta(hours=5)
        await rig.events.drained(ahead, ahead)
        await rig.until(passes(rig, 1_800), within_s=2_000)

    assert rig.sent("order-4711") == 1
