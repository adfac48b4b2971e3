"""Deletes and hides: few calls, each entry's answer heard, tried again for as long as the lease lasts."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass

import pytest
from structlog.testing import capture_logs

from tank_mailer.core.errors import QueueError, Reason
from tank_mailer.core.ledger import State
from tank_mailer.core.outcome import Concern, Concerned
from tank_mailer.flows.lease import Lease, LeaseKeeper
from tank_mailer.flows.settlement import Settler
from tank_mailer.ports import AccountUnknown, Settled
from tests.builders import make_body
from tests.fakes import FakeClock, FakeQueue
from tests.flows.conftest import MakeRig

DONE, FAILED, GONE, TOO_LONG = Settled.DONE, Settled.FAILED, Settled.GONE, Settled.TOO_LONG
UNREACHABLE = QueueError(Reason.QUEUE_UNREACHABLE, "no answer")


@dataclass(frozen=True, kw_only=True)
class Desk:
    """A settler on a queue, without a lane."""

    queue: FakeQueue
    keeper: LeaseKeeper
    settler: Settler

    async def take(self, count: int = 1, visibility_s: int = 60) -> list[Lease]:
        for n in range(count):
            self.queue.put(make_body(email_id=f"job-{n}"))
        leases = list[Lease]()
        while len(leases) < count:
            started_s = self.keeper.clock.boot_s()
            for message in await self.queue.receive(limit=10, wait_s=0, visibility_s=visibility_s):
                lease = self.keeper.take(message, started_s=started_s, visibility_s=visibility_s)
                assert lease
                leases.append(lease)
        return leases

    async def delete_all(self, leases: list[Lease]) -> list[bool]:
        return await asyncio.gather(*(self.settler.delete(lease) for lease in leases))

    @asynccontextmanager
    async def running(self) -> AsyncIterator[None]:
        task = asyncio.create_task(self.settler.run())
        try:
            yield
        finally:
            task.cancel()


@pytest.fixture
def desk() -> Desk:
    clock = FakeClock()
    queue = FakeQueue(clock)
    keeper = LeaseKeeper(queue=queue, clock=clock, visibility_s=60)
    return Desk(queue=queue, keeper=keeper, settler=Settler(queue=queue, keeper=keeper))


async def test_ten_go_at_once_and_the_eleventh_waits_a_second(desk: Desk) -> None:
    """Calls are money, and nobody waits for a delete."""
    leases = await desk.take(11)
    async with desk.running():
        ten, last = leases[:10], leases[10]
        started_s = desk.keeper.clock.boot_s()
        deleting = asyncio.create_task(desk.delete_all(ten))
        await asyncio.sleep(0.01)
        waiting = asyncio.create_task(desk.settler.delete(last))
        assert await deleting == [True] * 10
        assert desk.keeper.clock.boot_s() - started_s < 0.1
        assert await waiting
        assert 0.9 < desk.keeper.clock.boot_s() - started_s < 1.2

    assert [len(answers) for _, answers in desk.queue.batches] == [10, 1]


async def test_in_a_hurry_nothing_is_gathered(desk: Desk) -> None:
    """The daemon stops: a second for each settlement would add up."""
    leases = await desk.take(2)
    desk.settler.hurry()
    async with desk.running():
        started_s = desk.keeper.clock.boot_s()
        assert await desk.settler.delete(leases[0])
        assert await desk.settler.hide(leases[1], 0)
        assert desk.keeper.clock.boot_s() - started_s < 0.1


async def test_only_the_entries_that_failed_are_tried_again(desk: Desk) -> None:
    """A batch that SQS answers with 200 may still have left entries undone."""
    leases = await desk.take(3)
    desk.queue.answer("delete", [DONE, FAILED, DONE])
    async with desk.running():
        assert await desk.delete_all(leases) == [True, True, True]

    assert [len(answers) for _, answers in desk.queue.batches] == [3, 1]
    assert desk.queue.left == []


async def test_a_delete_whose_answer_was_lost_counts_as_done(desk: Desk) -> None:
    """It did delete the message, so the second try finds the handle stale: that is what was wanted."""
    [lease] = await desk.take()
    desk.queue.fail("delete", UNREACHABLE)
    with capture_logs() as lines:
        async with desk.running():
            deleting = asyncio.create_task(desk.settler.delete(lease))
            await asyncio.sleep(1.5)
            del desk.queue._stored[lease.message.queue_message_id]
            assert await deleting

    assert [line["event"] for line in lines] == ["settle_retried"]
    assert [answers for _, answers in desk.queue.batches] == [[GONE]]


async def test_a_stale_handle_is_not_believed_at_first(desk: Desk) -> None:
    """SQS has been seen to say so of handles that are good."""
    [lease] = await desk.take()
    desk.queue.answer("delete", [GONE])
    async with desk.running():
        assert await desk.settler.delete(lease)

    assert desk.queue.deleted == [lease.message.queue_message_id]


@pytest.mark.parametrize("answer", [FAILED, GONE])
async def test_nothing_is_tried_again_once_the_lease_is_over(desk: Desk, answer: Settled) -> None:
    """The message may be somebody else's by now; if it is ours again, the ledger knows its job."""
    [lease] = await desk.take(visibility_s=1)
    await asyncio.sleep(2)
    desk.queue.answer("delete", [answer])
    async with desk.running():
        assert not await desk.settler.delete(lease)

    assert len(desk.queue.batches) == 1


async def test_a_hide_that_sqs_finds_too_long_is_not_tried_again(desk: Desk) -> None:
    """It would say the same for ever."""
    [lease] = await desk.take()
    desk.queue.answer("hide", [TOO_LONG])
    async with desk.running():
        assert not await desk.settler.hide(lease, 100)

    assert len(desk.queue.batches) == 1


async def test_a_hide_ends_before_the_twelve_hours_that_sqs_allows(desk: Desk) -> None:
    """They count from the receive: a longer one would be refused as a whole."""
    [lease] = await desk.take(visibility_s=7200)
    await asyncio.sleep(3600)
    async with desk.running():
        assert await desk.settler.hide(lease, 100_000)

    [(_, seconds)] = desk.queue.hidden
    assert 43_200 - 3600 - 120 < seconds < 43_200 - 3600


async def test_a_caller_that_is_gone_is_not_worked_for(desk: Desk) -> None:
    """The second signal ends the jobs: what they had asked for is not tried again."""
    leases = await desk.take(2)
    desk.queue.latency_s = 5
    desk.queue.answer("delete", [FAILED, FAILED])
    async with desk.running():
        gone, stays = (asyncio.create_task(desk.settler.delete(lease)) for lease in leases)
        await asyncio.sleep(2)
        gone.cancel()
        assert await stays

    assert [len(answers) for _, answers in desk.queue.batches] == [2, 1]
    assert gone.cancelled()


async def test_a_delete_that_does_not_succeed_is_told_and_doubles_no_mail(make_rig: MakeRig) -> None:
    """Tried for as long as the lease lasts; when the message comes back, the ledger knows that the mail is out."""
    rig = make_rig()
    good = (*rig.account.answers,)
    rig.queue.answer("delete", *[[FAILED]] * 1000)
    rig.put()
    with capture_logs() as lines:
        async with rig.running():
            await rig.until(lambda: len(rig.mailer.sent) == 1)
            rig.account.now_says(AccountUnknown(Reason.UNREACHABLE, "no answer", reached=False))
            rig.pauses.begin(Concern(Concerned.ACCOUNT), Reason.SENDING_PAUSED, "so nothing is received either")
            await rig.until(lambda: any(line["event"] == "settle_failed" for line in lines))
            assert rig.clock.boot_s() > 600
            rig.queue._answers.clear()
            rig.account.now_says(*good)
            await rig.until(lambda: not rig.queue.left)

    assert len(rig.mailer.sent) == 1
    assert (await rig.row()).state is State.ACCEPTED
