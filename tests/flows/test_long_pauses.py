"""Pauses of days: nothing is polled, nothing is charged, nothing comes near the dead-letter queue (DESIGN 5.7, 7)."""

import asyncio
from typing import Any

import pytest

from tank_mailer.core.errors import Reason
from tank_mailer.core.ledger import State
from tank_mailer.core.outcome import Concern, Concerned, Fault, Receipt
from tank_mailer.core.renewal import QueueLife
from tests.builders import make_body
from tests.flows.conftest import MakeRig, Rig

WEEKEND_S = 60 * 3600.0
PAUSED = Fault("Sending paused for this account.", "SendingPausedException", 400)
UNVERIFIED = Fault(
    "Email address is not verified. The following identities failed the check in region EU-WEST-1: shop@example.com",
    "MessageRejected",
    400,
)
EVERYTHING = Concern(Concerned.OPERATOR, "all")


def strict(make_rig: MakeRig, *answers: Any, **changes: Any) -> Rig:
    """A customer's own queue: whatever is received more than three times is dead-lettered by SQS itself."""
    rig = make_rig(*answers, life=QueueLife(max_receive_count=3, retention_s=14 * 86_400.0), **changes)
    rig.queue.max_receive_count = 3
    rig.queue.retention_s = 14 * 86_400.0
    return rig


def told(switch: dict[str, Any]) -> Any:
    def answer(job: Any, attempt: int) -> Any:
        return switch["now"] or Receipt(f"ok-{job.email_id}-{attempt}")

    return answer


def assert_each_was_sent_once(rig: Rig, count: int) -> None:
    assert rig.queue.dead_lettered == []
    rows = rig.ledger.rows.values()
    assert [row.state for row in rows] == [State.ACCEPTED] * count
    assert {row.charged for row in rows} == {0}
    assert len(rig.ledger.receipts) == count


async def test_an_operators_pause_of_a_weekend(make_rig: MakeRig) -> None:
    """On Monday every mail goes out, once."""
    rig = strict(make_rig, rate=5)
    rig.put_many(40)
    async with rig.running():
        await rig.until(lambda: len(rig.mailer.sent) >= 10)
        rig.pauses.begin(EVERYTHING, Reason.OPERATOR, "weekend")
        await asyncio.sleep(120)
        polls, sent = len(rig.queue.received), len(rig.mailer.sent)
        await asyncio.sleep(WEEKEND_S)
        assert (len(rig.queue.received), len(rig.mailer.sent)) == (polls, sent), "nothing is polled, nothing is sent"
        rig.pauses.lift(EVERYTHING)
        await rig.until(lambda: not rig.queue.left)

    assert_each_was_sent_once(rig, 40)


async def test_an_account_that_aws_has_paused_for_a_weekend(make_rig: MakeRig) -> None:
    """One job is tried again and again by its kept handle, beyond SQS's twelve hours as a fresh copy."""
    switch: dict[str, Any] = {"now": PAUSED}
    rig = strict(make_rig, *[told(switch)] * 3000)
    rig.put_many(20)
    async with rig.running():
        await rig.until(lambda: bool(rig.pauses.all))
        await asyncio.sleep(WEEKEND_S)
        assert len(rig.queue.received) < 25, "a receive for each fresh copy, and none for the probes"
        switch["now"] = None
        await rig.until(lambda: not rig.queue.left)

    assert_each_was_sent_once(rig, 20)


async def test_a_sender_that_lost_its_verification_for_a_weekend(make_rig: MakeRig) -> None:
    """Its jobs are hidden for long and renewed; the others on the same queue do not wait."""
    bad = True

    def answer(job: Any, attempt: int) -> Any:
        return UNVERIFIED if bad and job.sender.key == "shop@example.com" else Receipt(f"ok-{job.email_id}-{attempt}")

    rig = strict(make_rig, *[answer] * 5000)
    rig.ledger.senders.add("shop@example.com")
    for n in range(15):
        rig.put(email_id=f"shop-{n}", from_="shop@example.com")
    async with rig.running():
        await rig.until(lambda: bool(rig.pauses.all))
        rig.put(email_id="other", from_="b@example.com")
        await rig.until(lambda: rig.sent("other") == 1, within_s=30)
        await asyncio.sleep(WEEKEND_S)
        receives = sum(rig.queue.receive_count(message) for message in rig.queue.left) + len(rig.queue.copied)
        assert receives < 15 * 100, "an hour hidden at a time, not minutes"
        bad = False
        probed_s = rig.clock.boot_s()
        await rig.until(lambda: not rig.queue.left)
        assert rig.clock.boot_s() - probed_s < 3600 + 900, "the first that comes shows that it is over, and calls all"

    assert_each_was_sent_once(rig, 16)


async def test_when_a_senders_pause_is_over_its_hidden_jobs_come_at_once(make_rig: MakeRig) -> None:
    """They wait for the pause, not for a time of their own; a fresh copy has no handle yet, and its delay goes by."""
    rig = make_rig()
    concern = Concern(Concerned.OPERATOR, "sender/shop@example.com")
    rig.pauses.begin(concern, Reason.OPERATOR, "who is that?")
    for n in range(25):
        rig.put(email_id=f"shop-{n}", from_="shop@example.com")
    async with rig.running():
        await asyncio.sleep(1800)
        assert not rig.mailer.sent
        rig.pauses.lift(concern)
        await rig.until(lambda: not rig.queue.left, within_s=20)

    assert_each_was_sent_once(rig, 25)


@pytest.mark.parametrize("lane", ["ordinary", "priority"])
async def test_a_paused_lane_leaves_the_other_alone(make_rig: MakeRig, lane: str) -> None:
    """Codes and alarms go out while the newsletter is stopped, and the other way round."""
    rig = make_rig(has_priority=True)
    rig.pauses.begin(Concern(Concerned.OPERATOR, f"lane/{lane}"), Reason.OPERATOR, "stop")
    queues = {"ordinary": rig.queue, "priority": rig.priority_queue}
    for name, queue in queues.items():
        for n in range(5):
            queue.put(make_body(email_id=f"{name}-{n}"))
    async with rig.running():
        other = next(name for name in queues if name != lane)
        await rig.until(lambda: not queues[other].left)
        await asyncio.sleep(3600)
        assert len(queues[lane].left) == 5
        assert not queues[lane].received, "nothing is polled"
        rig.pauses.lift(Concern(Concerned.OPERATOR, f"lane/{lane}"))
        await rig.until(lambda: not queues[lane].left)

    assert len(rig.ledger.receipts) == 10


async def test_twenty_invalid_jobs_and_never_a_valid_one_is_somebody_elses_queue(make_rig: MakeRig) -> None:
    """What is left of it stays; the nineteen that were taken are kept and can be put back."""
    rig = make_rig()
    for n in range(60):
        rig.queue.put(f'{{"order": {n}}}')
    async with rig.running():
        await rig.until(lambda: bool(rig.pauses.all))
        await asyncio.sleep(600)
        polls = len(rig.queue.received)
        await asyncio.sleep(3600)
        assert len(rig.queue.received) == polls

    assert rig.pauses.reason_of(Concern(Concerned.SUSPECT, "ordinary")) is Reason.QUEUE_SUSPECT
    assert len(rig.ledger.asides) == 19
    assert len(rig.queue.left) == 41


async def test_a_producer_that_makes_mistakes_is_not_suspected(make_rig: MakeRig) -> None:
    """One valid job, today or ever, shows whose queue it is."""
    rig = make_rig()
    rig.put(email_id="good")
    async with rig.running():
        await rig.until(lambda: not rig.queue.left)
        for n in range(60):
            rig.queue.put(f'{{"order": {n}}}')
        await rig.until(lambda: not rig.queue.left)
    again = make_rig(shared=rig)
    async with again.running():
        for n in range(60):
            again.queue.put(f'{{"again": {n}}}')
        await again.until(lambda: not again.queue.left)

    assert len(rig.ledger.asides) == 120
