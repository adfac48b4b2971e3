"""A message whose job the ledger knows already: redelivered, doubled, renewed, somebody else's."""

import asyncio
from dataclasses import replace
from datetime import timedelta
from typing import Any

from structlog.testing import capture_logs

from tank_mailer.core.errors import Reason
from tank_mailer.core.ledger import Row, State, first_row
from tank_mailer.core.outcome import Fault, Receipt
from tank_mailer.core.renewal import QueueLife
from tank_mailer.ports import Begun, Change, QueueMessage
from tests.builders import make_job
from tests.fakes import EPOCH
from tests.flows.conftest import MakeRig, Rig
from tests.metering import rising

BROKEN = Fault("oops", "InternalFailure", 500)


async def begun_elsewhere(rig: Rig, queue_message_id: str, *, lease_s: float) -> Row:
    """An attempt that another process has begun, and of which nothing more is heard."""
    now = rig.clock.now()
    row = first_row(
        email_id="order-4711",
        content_hash=make_job().content_hash,
        lane="ordinary",
        queue_message_id=queue_message_id,
        now=now,
    ).begun(owner="other", now=now, lease_ends_at=now + timedelta(seconds=lease_s), receipt_handle="h")
    assert await rig.ledger.begin(row, []) == Begun()
    return row


async def test_a_redelivery_of_an_accepted_job_is_only_deleted(make_rig: MakeRig) -> None:
    """SQS promises at least once: also after a delete that it called a success."""
    rig = make_rig()
    rig.put()
    undeleted = dict(rig.queue._stored)
    async with rig.running():
        await rig.until(lambda: not rig.queue.left)
        rig.queue._stored.update(undeleted)
        await rig.until(lambda: not rig.queue.left)

    assert len(rig.queue.deleted) == 2
    assert len(rig.mailer.sent) == 1


async def test_the_same_job_twice_is_one_email(make_rig: MakeRig) -> None:
    rig = make_rig()
    rig.put()
    rig.put()
    async with rig.running():
        await rig.until(lambda: not rig.queue.left)

    assert len(rig.mailer.sent) == 1


async def test_the_same_id_with_other_content_is_a_conflict(make_rig: MakeRig) -> None:
    rig = make_rig()
    rig.put()
    async with rig.running():
        await rig.until(lambda: not rig.queue.left)
        rig.put(subject="Another mail")
        await rig.until(lambda: not rig.queue.left)

    assert len(rig.mailer.sent) == 1
    assert [a.reason for a in rig.ledger.asides.values()] == [Reason.ID_CONFLICT]
    assert (await rig.row()).state is State.ACCEPTED


async def test_a_message_handed_out_twice_is_worked_on_once(make_rig: MakeRig) -> None:
    """SQS may do that even within one answer; the newer handle is the one that deletes."""
    rig = make_rig()
    rig.put()
    receive = rig.queue.receive

    async def twice(**asked: Any) -> list[QueueMessage]:
        messages = list(await receive(**asked))
        return messages + [replace(m, receipt_handle=m.receipt_handle) for m in messages]

    object.__setattr__(rig.lane.intake, "queue", _Doubling(rig.queue, twice))
    async with rig.running():
        await rig.until(lambda: not rig.queue.left)

    assert len(rig.mailer.sent) == 1


class _Doubling:
    def __init__(self, inner: Any, receive: Any) -> None:
        self._inner, self.receive = inner, receive

    def __getattr__(self, name: str) -> Any:
        return getattr(self._inner, name)


async def test_a_job_in_work_elsewhere_is_left_alone(make_rig: MakeRig) -> None:
    rig = make_rig()
    message = rig.put()
    await begun_elsewhere(rig, message, lease_s=50)
    async with rig.running():
        await rig.until(lambda: bool(rig.queue.hidden))
        assert 45 <= rig.queue.visible_in_s(message) <= 52
        assert rig.mailer.sent == []


async def test_an_attempt_whose_process_died_is_in_doubt(make_rig: MakeRig) -> None:
    """Nobody knows whether its request left: it waits like a lost answer."""
    rig = make_rig()
    message = rig.put()
    await begun_elsewhere(rig, message, lease_s=-1)
    async with rig.running():
        with rising() as risen:
            await rig.until(lambda: bool(rig.queue.hidden))
        row = await rig.row()
        assert (row.state, row.reason) == (State.IN_DOUBT, Reason.PROCESS_DIED)
        assert risen.all_of("doubts_begun_total") == {("process_died",): 1}
        assert rig.mailer.sent == []
        await rig.until(lambda: not rig.queue.left)

    row = await rig.row()
    assert (row.state, row.resends, row.attempt) == (State.ACCEPTED, 1, 2)


async def test_a_receipt_is_kept_though_the_row_became_doubtful_meanwhile(make_rig: MakeRig) -> None:
    """Another node took a slow attempt for a dead one; the receipt proves that it was not."""

    async def overtake(job: Any, attempt: int) -> Receipt:
        now = rig.clock.now()
        row = rig.ledger.rows["order-4711"]
        assert await rig.ledger.write(Change(row.doubted(now, now, Reason.PROCESS_DIED)))
        return Receipt("late-but-true")

    rig = make_rig(overtake)
    rig.put()
    async with rig.running():
        await rig.until(lambda: not rig.queue.left)

    row = await rig.row()
    assert (row.state, row.ses_message_id) == (State.ACCEPTED, "late-but-true")
    assert len(rig.mailer.sent) == 1


async def test_two_lanes_on_one_queue_and_one_ledger_send_once(make_rig: MakeRig) -> None:
    """The row is the fence: whoever writes it first sends."""
    rig = make_rig()
    other = make_rig(shared=rig)
    for n in range(40):
        rig.put(email_id=f"job-{n}")
        rig.put(email_id=f"job-{n}")  # a producer that retries
    async with rig.running(), other.running():
        await rig.until(lambda: not rig.queue.left)

    sent = [job.email_id for r in (rig, other) for job, _ in r.mailer.sent]
    assert sorted(sent) == sorted(f"job-{n}" for n in range(40))


async def test_a_job_that_ended_without_a_mail_starts_afresh(make_rig: MakeRig) -> None:
    """Put back after a correction: the same id, another message."""
    rig = make_rig(Fault("Bad content", "MessageRejected", 400))
    rig.put()
    async with rig.running():
        await rig.until(lambda: not rig.queue.left)
        rig.put(subject="Corrected")
        await rig.until(lambda: not rig.queue.left)

    row = await rig.row()
    assert (row.state, row.attempt) == (State.ACCEPTED, 2)


async def test_a_message_near_its_last_receive_goes_on_as_a_fresh_copy(make_rig: MakeRig) -> None:
    """With maxReceiveCount 3, SQS itself would dead-letter a healthy job in an outage."""
    rig = make_rig(*[BROKEN] * 6, life=QueueLife(max_receive_count=3))
    rig.queue.max_receive_count = 3
    rig.put()
    async with rig.running():
        await rig.until(lambda: not rig.queue.left)

    assert rig.queue.dead_lettered == []
    assert rig.queue.copied
    row = await rig.row()
    assert (row.state, row.attempt) == (State.ACCEPTED, 7)


async def test_a_lost_bound_message_is_replaced_by_the_next_of_its_job(make_rig: MakeRig) -> None:
    """Moved, purged or redriven: the job must not wait for a message that never comes."""
    rig = make_rig()
    now = EPOCH - timedelta(hours=1)
    row = first_row(
        email_id="order-4711",
        content_hash=make_job().content_hash,
        lane="ordinary",
        queue_message_id="purged",
        now=now,
    ).ended(State.INVALID, now, Reason.BAD_FIELD)
    row = replace(row, state=State.DEFERRED, due_at=now, reason=None)
    assert await rig.ledger.write(Change(row))
    message = rig.put()
    async with rig.running():
        await rig.until(lambda: not rig.queue.left)

    assert (await rig.row()).queue_message_id == message


async def test_another_consumer_is_suspected_once(make_rig: MakeRig) -> None:
    """A job that was received before, but not by us."""
    rig = make_rig()
    for n in range(3):
        rig.put(email_id=f"job-{n}")
    for _ in range(3):
        await rig.queue.receive(limit=10, wait_s=0, visibility_s=1)
        await asyncio.sleep(2)
    with capture_logs() as lines:
        async with rig.running():
            await rig.until(lambda: not rig.queue.left)

    assert [line["event"] for line in lines].count("foreign_consumer_suspected") == 1
