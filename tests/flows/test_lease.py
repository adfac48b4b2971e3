"""A lease is our right to work on a message: extended in time, lost when SQS says so, never for ever."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, replace
from typing import Any

import pytest
from structlog.testing import capture_logs

from tank_mailer.core.errors import QueueError, Reason
from tank_mailer.core.ledger import State
from tank_mailer.core.outcome import Receipt
from tank_mailer.flows.lease import Lease, LeaseKeeper
from tank_mailer.ports import Settled
from tests.builders import make_body
from tests.fakes import FakeClock, FakeQueue
from tests.flows.conftest import MakeRig

VISIBILITY_S = 60
HOUR_S = 3600


@dataclass(frozen=True, kw_only=True)
class Desk:
    """A keeper on a queue, without a lane."""

    queue: FakeQueue
    keeper: LeaseKeeper

    async def take(self, count: int = 1) -> list[Lease]:
        for n in range(count):
            self.queue.put(make_body(email_id=f"job-{n}"))
        leases = list[Lease]()
        while len(leases) < count:
            started_s = self.keeper.clock.boot_s()
            for message in await self.queue.receive(limit=10, wait_s=0, visibility_s=VISIBILITY_S):
                lease = self.keeper.take(message, started_s=started_s, visibility_s=VISIBILITY_S)
                assert lease
                leases.append(lease)
        return leases

    @asynccontextmanager
    async def running(self) -> AsyncIterator[None]:
        task = asyncio.create_task(self.keeper.run())
        try:
            yield
        finally:
            task.cancel()


@pytest.fixture
def desk() -> Desk:
    clock = FakeClock()
    queue = FakeQueue(clock)
    return Desk(queue=queue, keeper=LeaseKeeper(queue=queue, clock=clock, visibility_s=VISIBILITY_S))


async def test_a_lease_is_extended_for_ten_minutes(desk: Desk) -> None:
    """Longer than any attempt; a job that hangs for longer must come to somebody else."""
    [lease] = await desk.take()
    message = lease.message.queue_message_id
    async with desk.running():
        for _ in range(590):
            await asyncio.sleep(1)
            assert desk.queue.visible_in_s(message) > 0
            assert desk.keeper.remaining_s(lease) > 0
        await asyncio.sleep(90)

    assert desk.queue.visible_in_s(message) == 0
    assert desk.keeper.remaining_s(lease) <= 0
    assert not lease.is_lost, "it has ended, as leases do"


async def test_a_kept_lease_is_extended_for_twelve_hours_and_no_longer(desk: Desk) -> None:
    """SQS allows no more: the job of a pause that lasts overnight is kept, and then let go."""
    [lease] = await desk.take()
    lease.is_kept = True
    async with desk.running():
        await asyncio.sleep(11.9 * HOUR_S)
        assert desk.keeper.remaining_s(lease) > 0
        await asyncio.sleep(0.2 * HOUR_S)

    assert desk.keeper.remaining_s(lease) <= 0
    answers = {answer for _, batch in desk.queue.batches for answer in batch}
    assert answers == {Settled.DONE}, "SQS never had to say that it is too long"


async def test_an_extension_that_sqs_finds_too_long_lets_the_lease_end(desk: Desk) -> None:
    """Nothing is wrong with the handle: what is left of the lease may still be used."""
    [lease] = await desk.take()
    await asyncio.sleep(30)
    desk.queue.answer("hide", [Settled.TOO_LONG])
    await desk.keeper.extend()

    assert not lease.is_lost
    assert desk.keeper.remaining_s(lease) == pytest.approx(30, abs=0.1)


@pytest.mark.parametrize("trouble", ["failed-entry", "no-answer"])
async def test_an_extension_that_fails_is_made_up_for_in_the_next_round(desk: Desk, trouble: str) -> None:
    """A lease outlives one bad answer: that is why it is extended at a third."""
    [lease] = await desk.take()
    if trouble == "failed-entry":
        desk.queue.answer("hide", [Settled.FAILED])
    else:
        desk.queue.fail("hide", QueueError(Reason.QUEUE_UNREACHABLE, "no answer"))
    with capture_logs() as lines:
        async with desk.running():
            for _ in range(300):
                await asyncio.sleep(1)
                assert desk.keeper.remaining_s(lease) > 0

    told = [line["event"] for line in lines]
    assert told.count("lease_not_extended") == (trouble == "no-answer")
    assert "lease_lost" not in told


async def test_a_lost_lease_is_told_once_and_asked_for_no_more(desk: Desk) -> None:
    """The message is somebody else's: the handle is of no more use."""
    [lease] = await desk.take()
    await desk.queue.delete([lease.handle])
    with capture_logs() as lines:
        async with desk.running():
            await asyncio.sleep(300)

    assert desk.keeper.remaining_s(lease) < 0
    assert [line["event"] for line in lines].count("lease_lost") == 1
    assert len([call for call, _ in desk.queue.batches if call == "hide"]) == 1


async def test_a_stale_handle_costs_nothing_once_there_is_a_newer_one(desk: Desk) -> None:
    """SQS hands a message out twice while the extension is under way: the answer is about the old handle."""
    [lease] = await desk.take()
    await asyncio.sleep(30)
    desk.queue.latency_s = 2
    desk.queue.answer("hide", [Settled.GONE])
    extending = asyncio.create_task(desk.keeper.extend())
    await asyncio.sleep(1)
    newer = replace(lease.message, receipt_handle="newer")
    again = desk.keeper.take(newer, started_s=desk.keeper.clock.boot_s(), visibility_s=VISIBILITY_S)
    await extending

    assert again is None, "it is in work already"
    assert lease.handle == "newer"
    assert desk.keeper.remaining_s(lease) > 50


async def test_sqs_is_asked_for_ten_at_a_time(desk: Desk) -> None:
    """It refuses a batch of eleven as a whole."""
    leases = await desk.take(23)
    await asyncio.sleep(30)
    await desk.keeper.extend()

    assert [len(batch) for _, batch in desk.queue.batches] == [10, 10, 3]
    assert min(desk.keeper.remaining_s(lease) for lease in leases) > 50


# --- what it means for a job -------------------------------------------------------------------------


def answers_after(seconds: float) -> Any:
    async def answer(job: Any, attempt: int) -> Receipt:
        await asyncio.sleep(seconds)
        return Receipt(f"{job.email_id}-{attempt}")

    return answer


async def test_a_job_whose_lease_is_lost_is_not_attempted(make_rig: MakeRig) -> None:
    """Whoever has the message now may be sending it at this moment."""
    rig = make_rig(answers_after(200), slots=1)
    [_, theirs] = rig.put_many(2)
    async with rig.running():
        await rig.until(lambda: rig.mailer.in_flight == 1)
        await asyncio.sleep(10)
        del rig.queue._stored[theirs]
        await rig.until(lambda: not rig.queue.left)
        await rig.until(lambda: rig.governor.is_idle)

    assert [job.email_id for job, _ in rig.mailer.sent] == ["job-0"]
    row = await rig.row("job-1")
    assert (row.state, row.reason, row.charged) == (State.DEFERRED, Reason.LEASE_LOST, 0)


async def test_a_job_that_waited_for_more_than_ten_minutes_is_received_anew(make_rig: MakeRig) -> None:
    """Its lease has run out without a word from SQS: the same as lost."""
    rig = make_rig(answers_after(900), slots=1)
    [_, waits] = rig.put_many(2)
    async with rig.running():
        await rig.until(lambda: rig.mailer.in_flight == 1)
        await rig.until(lambda: rig.sent("job-1") == 1)
        assert rig.queue.receive_count(waits) > 1
        await rig.until(lambda: not rig.queue.left)

    assert len(rig.mailer.sent) == 2
    assert {row.state for row in rig.ledger.rows.values()} == {State.ACCEPTED}
