"""What AWS bills for is added up in memory and written once a minute: sending waits for none of it."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from tank_mailer.core.cost import Item
from tank_mailer.core.errors import Reason, StoreError
from tank_mailer.flows.usage import EVERY_S, FINISH_S, UsageMeter
from tests.usage_fake import FakeUsage

SICK = StoreError(Reason.STORE_SICK, "the fake is sick")


@asynccontextmanager
async def running(meter: UsageMeter) -> AsyncIterator[None]:
    task = asyncio.create_task(meter.run())
    try:
        yield
    finally:
        task.cancel()
        await asyncio.wait([task])


async def test_a_minute_of_counting_is_one_write() -> None:
    usage = FakeUsage()
    meter = UsageMeter(usage=usage)
    async with running(meter):
        for _ in range(1_000):
            meter.add(Item.SQS_REQUESTS, 1)
        meter.add(Item.DATA_BYTES, 4_096)
        await asyncio.sleep(EVERY_S + 1)

    assert usage.writes == [{Item.SQS_REQUESTS: 1_000, Item.DATA_BYTES: 4_096}]


async def test_a_sick_store_loses_no_count() -> None:
    usage = FakeUsage(sick=SICK)
    meter = UsageMeter(usage=usage)
    async with running(meter):
        meter.add(Item.MAILS, 3)
        await asyncio.sleep(3 * EVERY_S + 1)
        assert usage.writes == []
        usage.sick = None
        meter.add(Item.MAILS, 2)
        await asyncio.sleep(EVERY_S)

    assert usage.total == {Item.MAILS: 5}


async def test_what_is_counted_while_a_write_is_under_way_is_kept_for_the_next() -> None:
    usage = FakeUsage(latency_s=10.0)
    meter = UsageMeter(usage=usage)
    meter.add(Item.MAILS, 1)
    writing = asyncio.create_task(meter.write())
    await asyncio.sleep(1)
    meter.add(Item.MAILS, 10)
    await writing
    await meter.write()

    assert usage.writes == [{Item.MAILS: 1}, {Item.MAILS: 10}]


async def test_the_last_write_waits_for_no_store_that_hangs() -> None:
    meter = UsageMeter(usage=FakeUsage(latency_s=3_600.0))
    meter.add(Item.MAILS, 1)
    loop = asyncio.get_running_loop()
    began_s = loop.time()

    await meter.finish()

    assert loop.time() - began_s <= FINISH_S + 1
