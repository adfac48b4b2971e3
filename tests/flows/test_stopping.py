"""A stop loses nothing, doubles nothing, and gives back what it cannot finish."""

import asyncio
from typing import Any

from structlog.testing import capture_logs

from tank_mailer.core.ledger import State
from tank_mailer.core.outcome import Receipt
from tank_mailer.core.renewal import QueueLife
from tests.flows.conftest import MakeRig


async def slow(job: Any, attempt: int) -> Receipt:
    await asyncio.sleep(3)
    return Receipt(f"{job.email_id}-{attempt}")


async def test_what_is_in_flight_ends_and_the_rest_is_given_back(make_rig: MakeRig) -> None:
    rig = make_rig(*[slow] * 100, rate=5, slots=2)
    rig.put_many(30)
    async with rig.running() as polling:
        await rig.until(lambda: rig.mailer.in_flight == 2)
        left = await rig.drain(polling)

    assert left == 0
    accepted = [row for row in rig.ledger.rows.values() if row.state is State.ACCEPTED]
    assert len(accepted) == len(rig.mailer.sent)
    assert State.SENDING not in {row.state for row in rig.ledger.rows.values()}
    assert all(rig.queue.visible_in_s(message) == 0 for message in rig.queue.left), "visible at once"
    assert rig.queue.cancelled_polls == 0, "a cancelled poll swallows messages"


async def test_a_poll_under_way_comes_to_its_end(make_rig: MakeRig) -> None:
    """What it brings is given back, and known as ours at the next start."""
    rig = make_rig()
    async with rig.running() as polling:
        await rig.until(lambda: len(rig.queue.received) == 1)
        draining = asyncio.create_task(rig.drain(polling))
        await asyncio.sleep(1)
        message = rig.put()
        assert await draining == 0
    assert rig.mailer.sent == []
    assert rig.queue.visible_in_s(message) == 0

    again = make_rig(shared=rig)
    with capture_logs() as lines:
        async with again.running():
            await rig.until(lambda: not rig.queue.left)
    assert len(again.mailer.sent) == 1
    assert "foreign_consumer_suspected" not in [line["event"] for line in lines]


async def test_a_drain_that_takes_too_long_leaves_the_rest_to_its_lease(make_rig: MakeRig) -> None:
    async def hang(job: Any, attempt: int) -> Receipt:
        await asyncio.sleep(1000)
        return Receipt("never")

    rig = make_rig(hang)
    rig.put()
    async with rig.running() as polling:
        await rig.until(lambda: rig.mailer.in_flight == 1)
        left = await rig.drain(polling, timeout_s=10)

    assert left == 1
    assert (await rig.row()).state is State.SENDING


async def test_the_second_signal_ends_at_once(make_rig: MakeRig) -> None:
    rig = make_rig(slow)
    rig.put()
    async with rig.running() as polling:
        await rig.until(lambda: rig.mailer.in_flight == 1)
        rig.stop.ask()
        draining = asyncio.create_task(rig.drain(polling))
        await asyncio.sleep(0.1)
        started_s = rig.clock.boot_s()
        rig.stop.ask()
        assert await draining == 1
        assert rig.clock.boot_s() - started_s < 0.5


async def test_restarts_do_not_use_the_receives_up(make_rig: MakeRig) -> None:
    """Each stop gives messages back, each costs a receive: near the last one a fresh copy goes on."""
    rig = make_rig(*[slow] * 10, rate=1, slots=1, life=QueueLife(max_receive_count=3))
    rig.queue.max_receive_count = 3
    rig.put_many(4)
    for _ in range(8):
        again = make_rig(*[slow] * 10, rate=1, slots=1, life=QueueLife(max_receive_count=3), shared=rig)
        async with again.running() as polling:
            await asyncio.sleep(1.5)
            await again.drain(polling)

    assert rig.queue.dead_lettered == []
