"""Draining the event queue: written before deleted, each event once, and nothing that stands in the way of others."""

import asyncio
import json
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Any

import pytest
from structlog.testing import capture_logs

from tank_mailer.core.envelope import Envelope, Policy
from tank_mailer.core.errors import QueueError, Reason, StoreError
from tank_mailer.core.event import SesEvent
from tank_mailer.core.ledger import State
from tank_mailer.core.outcome import Concern, Concerned, Fault
from tank_mailer.flows.feedback import Feedback
from tank_mailer.flows.reading import Reading
from tank_mailer.ports import Checked, Recorded, Settled
from tank_mailer.telemetry.log import Recipients
from tests.fakes import FakeEventBook, FakeQueue
from tests.flows.conftest import MakeRig, Rig
from tests.flows.test_doubts import LOST, RESEND, passes

TOPIC = "arn:aws:sns:eu-west-1:111122223333:tank-events"
PINNED = Policy(topic_arns=frozenset({TOPIC}))


def event_json(number: int = 0, *, kind: str = "Send", email_id: str | None = None) -> dict[str, object]:
    """An event as SES publishes it."""
    tags = {"email_id": [email_id or f"job-{number}"], "attempt": ["1"], "ses:configuration-set": ["tank"]}
    mail = {
        "timestamp": "2026-11-02T09:15:00.123Z",
        "messageId": f"ses-{number}",
        "source": "sender@example.com",
        "destination": [f"p{number}@example.org"],
        "tags": tags,
    }
    return {"eventType": kind, "mail": mail, kind.lower(): {"timestamp": "2026-11-02T09:15:01Z"}}


def envelope(message: str, *, topic: str = TOPIC) -> str:
    return json.dumps({"Type": "Notification", "MessageId": "n-1", "TopicArn": topic, "Message": message})


def send_event(number: int = 0, **changes: str) -> str:
    return envelope(json.dumps(event_json(number, **changes)))


@dataclass(slots=True)
class FakeSignatures:
    """Says what it is told to, for the first message and all that follow."""

    answers: list[tuple[Checked, str]]

    async def check(self, envelope: Envelope) -> tuple[Checked, str]:
        return self.answers.pop(0) if len(self.answers) > 1 else self.answers[0]


@dataclass(slots=True, eq=False)
class EventRig:
    """The feedback beside a lane, all on fakes."""

    lane: Rig
    queue: FakeQueue
    feedback: Feedback

    @asynccontextmanager
    async def running(self) -> AsyncIterator[None]:
        task = asyncio.create_task(self.feedback.run())
        pauses = asyncio.create_task(self.lane.pauses.run())
        try:
            yield
        finally:
            broken = task.done() and not task.cancelled() and task.exception()
            for one in (task, pauses):
                one.cancel()
            await asyncio.gather(task, pauses, return_exceptions=True)
            assert not broken, broken

    async def drained(self, within_s: float = 3_600.0) -> None:
        await self.lane.until(lambda: not self.queue.left, within_s)


@pytest.fixture
def rig(make_rig: MakeRig) -> EventRig:
    return make_event_rig(make_rig(LOST, policy=RESEND))


def make_event_rig(lane: Rig, *, signatures: FakeSignatures | None = None, policy: Policy = PINNED) -> EventRig:
    queue = FakeQueue(lane.clock)
    feedback = Feedback(
        queue=queue,
        reading=Reading(policy=policy, signatures=signatures),
        book=lane.events,
        doubts=lane.doubts,
        pauses=lane.pauses,
        clock=lane.clock,
        names=Recipients(hash_key="0123456789abcdef"),
        visibility_s=60,
    )
    return EventRig(lane, queue, feedback)


async def test_every_event_is_written_then_deleted(rig: EventRig) -> None:
    for number in range(250):
        rig.queue.put(send_event(number))
    async with rig.running():
        await rig.drained()

    assert {event.ses_message_id for event in rig.lane.events.recorded} == {f"ses-{n}" for n in range(250)}
    assert len(rig.queue.deleted) == 250


async def test_deletes_go_in_batches(rig: EventRig) -> None:
    for number in range(200):
        rig.queue.put(send_event(number))
    async with rig.running():
        await rig.drained()

    deletes = [answers for call, answers in rig.queue.batches if call == "delete"]
    assert len(deletes) <= 40, "each call costs money"


@pytest.mark.parametrize(
    ("body", "reason"),
    [
        pytest.param("{", Reason.NOT_JSON, id="broken-json"),
        pytest.param(envelope("{"), Reason.NOT_JSON, id="broken-json-in-an-envelope"),
        pytest.param("[" * 100_000, Reason.TOO_DEEP, id="deep-json"),
        pytest.param(json.dumps(event_json()), Reason.RAW_EVENT, id="raw-while-raw-is-off"),
        pytest.param(envelope(json.dumps(event_json()), topic=TOPIC + "x"), Reason.FOREIGN_TOPIC, id="foreign-topic"),
        pytest.param(envelope('{"eventType": "Novelty", "mail": {}}'), Reason.UNKNOWN_EVENT, id="unknown-kind"),
        pytest.param(envelope('{"eventType": "Send"}'), Reason.BAD_EVENT, id="no-mail"),
        pytest.param("x" * 1_048_576, Reason.TOO_LARGE, id="1-MiB"),
        pytest.param(
            json.dumps({"Type": "SubscriptionConfirmation", "TopicArn": TOPIC, "Message": "?", "SubscribeURL": "x"}),
            Reason.SUBSCRIPTION_REQUEST,
            id="a-request-to-confirm",
        ),
    ],
)
async def test_what_is_no_event_is_put_aside_and_stops_nobody(rig: EventRig, body: str, reason: Reason) -> None:
    message_id = rig.queue.put(body)
    rig.queue.put(send_event(1))
    async with rig.running():
        await rig.drained()

    aside = rig.lane.ledger.asides[message_id]
    assert (aside.kind, aside.reason, aside.lane) == ("event", reason, "events")
    assert body.startswith(aside.raw)
    assert len(aside.raw.encode()) <= 65_536
    assert [event.ses_message_id for event in rig.lane.events.recorded] == ["ses-1"]


@pytest.mark.parametrize(
    "body",
    [
        "Successfully validated SNS topic for Amazon SES event publishing.",
        envelope("Successfully validated SNS topic for Amazon SES event publishing."),
        envelope('{"notificationType":"AmazonSnsSubscriptionSucceeded","message":"You have successfully subscribed"}'),
    ],
    ids=["bare", "in-an-envelope", "identity"],
)
async def test_chatter_is_deleted_in_silence(rig: EventRig, body: str) -> None:
    rig.queue.put(body)
    with capture_logs() as lines:
        async with rig.running():
            await rig.drained()

    assert not rig.lane.ledger.asides
    assert not [line for line in lines if line["log_level"] in {"warning", "error"}]


async def test_an_event_takes_the_message_of_a_doubtful_job_off_its_queue(rig: EventRig) -> None:
    lane = rig.lane
    lane.put()
    async with lane.running(), rig.running():
        await lane.until(lambda: lane.ledger.rows.get("order-4711") is not None and bool(lane.mailer.sent))
        await lane.until(lambda: lane.ledger.rows["order-4711"].state is State.IN_DOUBT)
        rig.queue.put(send_event(7, email_id="order-4711"))
        await lane.until(lambda: not lane.queue.left)

    assert lane.ledger.rows["order-4711"].state is State.ACCEPTED
    assert lane.sent("order-4711") == 1


async def test_one_event_that_no_store_takes_stops_nobody(rig: EventRig) -> None:
    rig.lane.events.poison.add("ses-13")
    ids = [rig.queue.put(send_event(number)) for number in range(40)]
    async with rig.running():
        await rig.drained()

    aside = rig.lane.ledger.asides[ids[13]]
    assert aside.reason is Reason.UNSTORABLE
    assert {event.ses_message_id for event in rig.lane.events.recorded} == {f"ses-{n}" for n in range(40)} - {"ses-13"}


async def test_a_sick_store_loses_nothing(rig: EventRig) -> None:
    """Nothing is deleted that is not written; afterwards it goes on by itself."""
    for number in range(30):
        rig.queue.put(send_event(number))
    rig.lane.ledger.sick = StoreError(Reason.STORE_SICK, "disk")
    async with rig.running():
        await rig.lane.until(lambda: rig.lane.pauses.reason_of(Concern(Concerned.STORE)) is not None)
        during = list(rig.queue.deleted)
        rig.lane.ledger.sick = None
        await rig.drained()

    assert not during
    assert {event.ses_message_id for event in rig.lane.events.recorded} == {f"ses-{n}" for n in range(30)}


async def test_a_quarantine_that_cannot_be_written_keeps_the_message(rig: EventRig) -> None:
    rig.queue.put("{")
    rig.lane.ledger.sick = StoreError(Reason.STORE_SICK, "disk")
    async with rig.running():
        await rig.lane.until(lambda: rig.lane.pauses.reason_of(Concern(Concerned.STORE)) is not None)
        assert rig.queue.left
        rig.lane.ledger.sick = None
        await rig.drained()

    assert len(rig.lane.ledger.asides) == 1


async def test_an_event_queue_that_is_away_is_told_and_polled_on(rig: EventRig) -> None:
    rig.queue.put(send_event())
    away = QueueError(Reason.QUEUE_UNREACHABLE, "no route")
    rig.queue.fail("receive", *[away] * 20)
    with capture_logs() as lines:
        async with rig.running():
            await rig.drained()

    told = [line["event"] for line in lines]
    assert told.count("event_poll_stuck") == 1
    assert told.count("event_poll_recovered") == 1


async def test_an_event_queue_that_is_away_keeps_nobody_from_sending(rig: EventRig, make_rig: MakeRig) -> None:
    lane = rig.lane
    lane.put()
    rig.queue.fail("receive", *[QueueError(Reason.QUEUE_MISSING, "no such queue")] * 1000)
    async with lane.running(), rig.running():
        await lane.until(lambda: bool(lane.mailer.sent), within_s=60)


@pytest.mark.parametrize("answer", [Settled.FAILED, Settled.GONE])
async def test_a_delete_that_fails_is_no_loss(rig: EventRig, answer: Settled) -> None:
    """What is left comes again, and is known then."""
    rig.queue.put(send_event())
    rig.queue.answer("delete", [answer], [Settled.FAILED], [Settled.FAILED])
    async with rig.running():
        await rig.drained()

    keys = {event.ses_message_id for event in rig.lane.events.recorded}
    assert keys == {"ses-0"}


async def test_what_is_in_hand_is_settled_at_the_end(rig: EventRig) -> None:
    for number in range(50):
        rig.queue.put(send_event(number))
    async with rig.running():
        await rig.lane.until(lambda: bool(rig.lane.events.recorded), within_s=60)
        await rig.feedback.finish(10.0)
        left, written = set(rig.queue.left), {event.ses_message_id for event in rig.lane.events.recorded}

    assert len(left) + len(rig.queue.deleted) == 50
    assert len(written) == len(rig.queue.deleted)


# --- signatures ------------------------------------------------------------------------------------


async def test_forged_messages_are_put_aside(make_rig: MakeRig) -> None:
    rig = make_event_rig(
        make_rig(policy=RESEND), signatures=FakeSignatures([(Checked.FORGED, "It was changed on the way.")])
    )
    message_id = rig.queue.put(send_event())
    async with rig.running():
        await rig.drained()

    assert rig.lane.ledger.asides[message_id].reason is Reason.BAD_SIGNATURE
    assert not rig.lane.events.recorded


async def test_a_message_waits_until_it_can_be_checked(make_rig: MakeRig) -> None:
    unknown = (Checked.UNKNOWN, "The certificate cannot be had.")
    rig = make_event_rig(make_rig(policy=RESEND), signatures=FakeSignatures([unknown, unknown, (Checked.GENUINE, "")]))
    rig.queue.put(send_event())
    async with rig.running():
        await rig.drained()

    assert len(rig.lane.events.recorded) == 1
    assert not rig.lane.ledger.asides


# --- the watch -------------------------------------------------------------------------------------


async def drained_after(rig: EventRig, *, looks: int, every_s: float = 30.0) -> float | None:
    """Seconds, from the first look, until which the queue counts as drained."""
    began = rig.lane.clock.now()
    for _ in range(looks):
        await rig.feedback.watch()
        await rig.lane.until(passes(rig.lane, every_s))
    noted = rig.lane.events.noted
    return None if noted is None else (noted.until - began).total_seconds()


async def test_one_look_at_an_empty_queue_proves_nothing(rig: EventRig) -> None:
    """What somebody has received and not written is hidden for a visibility time-out."""
    assert await drained_after(rig, looks=1) is None


async def test_a_whole_visibility_time_out_of_looks_proves_what_came_before(rig: EventRig) -> None:
    until_s = await drained_after(rig, looks=6)

    assert until_s is not None
    assert 60 <= until_s <= 6 * 30 - 60


async def test_a_backlog_is_not_near_empty(rig: EventRig) -> None:
    for number in range(101):
        rig.queue.put(send_event(number))

    assert await drained_after(rig, looks=6) is None


async def test_a_backlog_between_begins_the_count_anew(rig: EventRig) -> None:
    before = await drained_after(rig, looks=6)
    for number in range(101):
        rig.queue.put(send_event(number))
    await rig.feedback.watch()
    noted = rig.lane.events.noted
    assert noted is not None

    for message_id in list(rig.queue.left):
        del rig.queue._stored[message_id]
    await rig.feedback.watch()

    assert before is not None
    assert rig.lane.events.noted is not None
    assert rig.lane.events.noted.until == noted.until, "one look after a backlog is one look"


async def test_a_queue_that_does_not_tell_is_not_near_empty(rig: EventRig) -> None:
    rig.queue.fail("facts", *[QueueError(Reason.ACCESS_DENIED, "may not")] * 9)

    assert await drained_after(rig, looks=6) is None


# --- bounds ----------------------------------------------------------------------------------------


async def test_a_hiccup_of_the_store_puts_nothing_aside(rig: EventRig) -> None:
    """A fail-over, a deadlock, a time-out: the next look is fine, and the event was never at fault."""
    rig.queue.put(send_event())
    fails = iter([True])

    async def record(events: Sequence[SesEvent]) -> Recorded:
        if next(fails, False):
            raise StoreError(Reason.STORE_SICK, "the connection was lost")
        return await FakeEventBook.record(rig.lane.events, events)

    rig.feedback.book = Hiccups(rig.lane.events, record)  # type: ignore[assignment]
    async with rig.running():
        await rig.drained()

    assert not rig.lane.ledger.asides
    assert len(rig.lane.events.recorded) == 1


class Hiccups:
    """The book, with another way to record."""

    def __init__(self, book: FakeEventBook, record: Callable[[Sequence[SesEvent]], Awaitable[Recorded]]) -> None:
        self.record = record
        self._book = book

    def __getattr__(self, name: str) -> Any:
        return getattr(self._book, name)


async def test_deletes_that_fail_do_not_fill_the_memory(rig: EventRig) -> None:
    """What is in hand is bounded, whatever is slow: reading waits."""
    for number in range(6_000):
        rig.queue.put(send_event(number))
    rig.queue.fail("delete", *[QueueError(Reason.ACCESS_DENIED, "may not")] * 100_000)
    async with rig.running():
        await rig.lane.until(lambda: len(rig.lane.events.recorded) > 900)
        await rig.lane.until(passes(rig.lane, 2))

        assert rig.feedback._done.qsize() + rig.feedback._read.qsize() <= 1_100


async def test_a_flood_of_strangers_is_kept_in_part(rig: EventRig, monkeypatch: pytest.MonkeyPatch) -> None:
    """A topic that nobody has pinned: the disk is the ledger's."""
    monkeypatch.setattr("tank_mailer.flows.feedback.MANY_A_DAY", 5)
    for _ in range(8):
        rig.queue.put(envelope(json.dumps(event_json()) + " " * 2_000, topic=TOPIC + "x"))
    with capture_logs() as lines:
        async with rig.running():
            await rig.drained()

    kept = sorted(len(aside.raw) for aside in rig.lane.ledger.asides.values())
    assert kept[:4] == [512] * 4
    assert kept[4] > 2_000
    assert [line["log_level"] for line in lines if line["event"] == "quarantine_flooded"] == ["error"]


# --- doubts beside it ------------------------------------------------------------------------------


async def test_a_definite_failure_that_ses_took_all_the_same_is_settled_by_its_event(make_rig: MakeRig) -> None:
    broken = Fault(connected=True, status=503, code="ServiceUnavailable", text="?")
    rig = make_event_rig(make_rig(broken, policy=RESEND))
    lane = rig.lane
    lane.put()
    async with lane.running(), rig.running():
        await lane.until(lambda: bool(lane.mailer.sent))
        rig.queue.put(send_event(7, email_id="order-4711"))
        await lane.until(lambda: not lane.queue.left)

    assert lane.sent("order-4711") == 1
    assert lane.ledger.rows["order-4711"].state is State.ACCEPTED


async def test_a_second_mail_of_a_job_is_counted(rig: EventRig) -> None:
    """An alert is made of it."""
    rig.lane.put(email_id="order-4711")
    async with rig.lane.running():
        await rig.lane.until(lambda: "order-4711" in rig.lane.ledger.rows)
    for number in (1, 2):
        rig.queue.put(send_event(number, email_id="order-4711"))
    with capture_logs() as lines:
        async with rig.running():
            await rig.drained()

    assert [line["email_id"] for line in lines if line["event"] == "duplicate_proven"] == ["order-4711"]
    assert rig.feedback.doubled == 1
