"""How old jobs are when they are received: all that is known of a queue's oldest, for SQS does not tell."""

import asyncio
from datetime import timedelta

from tank_mailer.flows.oldest import SPAN_S
from tests.fakes import EPOCH
from tests.flows.conftest import MakeRig

HOUR_S = 3_600.0


async def test_the_oldest_of_those_that_came_lately(make_rig: MakeRig) -> None:
    rig = make_rig()
    await asyncio.sleep(HOUR_S)
    rig.put(email_id="old")
    await asyncio.sleep(HOUR_S)
    rig.put(email_id="young")
    nothing = rig.lane.intake.oldest.sent_at

    async with rig.running():
        await rig.until(lambda: len(rig.mailer.sent) == 2)
        oldest = rig.lane.intake.oldest.sent_at

    assert nothing is None
    assert oldest is not None
    assert abs(oldest - EPOCH - timedelta(hours=1)) < timedelta(seconds=1)


async def test_what_came_some_minutes_ago_says_nothing_of_now(make_rig: MakeRig) -> None:
    """A straggler that has been sent since is no backlog."""
    rig = make_rig()
    rig.put(email_id="old")
    await asyncio.sleep(HOUR_S)

    async with rig.running():
        await rig.until(lambda: len(rig.mailer.sent) == 1)
        rig.put(email_id="young")
        await asyncio.sleep(SPAN_S)
        rig.put(email_id="younger")
        await rig.until(lambda: len(rig.mailer.sent) == 3)
        await asyncio.sleep(SPAN_S)
        younger = rig.lane.intake.oldest.sent_at
        await asyncio.sleep(2 * SPAN_S)
        nothing = rig.lane.intake.oldest.sent_at

    assert younger is not None
    assert younger - EPOCH > timedelta(hours=1)
    assert nothing is None
