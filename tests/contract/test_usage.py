"""What every `Usage` promises: counts of a day add up, over writes and over nodes. And how long they are kept."""

from datetime import timedelta

import pytest
import sqlalchemy as sa

from tank_mailer.adapters.attic import SqlAttic
from tank_mailer.adapters.schema import usage as table
from tank_mailer.adapters.usage import KEPT, SqlUsage
from tank_mailer.core.cost import Item
from tank_mailer.core.errors import StoreError
from tests.contract.benches import StoreBench, open_store
from tests.usage_fake import FakeUsage

DAY_S = 86_400.0


@pytest.fixture
def usage(store_bench: StoreBench) -> SqlUsage:
    return SqlUsage(store=store_bench.ledger)


async def kept(bench: StoreBench) -> list[tuple[int, str, str, int]]:
    """Days count from the bench's first."""
    async with bench.ledger.engine.connect() as connection:
        found = (await connection.execute(sa.select(table).order_by(table.c.day, table.c.node, table.c.name))).all()
    first = min((row.day for row in found), default=0)
    return [(row.day - first, row.node, row.name, row[3]) for row in found]


async def test_the_fake_adds_up() -> None:
    fake = FakeUsage()
    await fake.add({Item.MAILS: 1})
    await fake.add({Item.MAILS: 2, Item.DATA_BYTES: 10})
    assert fake.total == {Item.MAILS: 3, Item.DATA_BYTES: 10}


async def test_counts_of_a_day_add_up(store_bench: StoreBench, usage: SqlUsage) -> None:
    await usage.add({Item.SQS_REQUESTS: 7, Item.DATA_BYTES: 5_000_000_000})
    await usage.add({Item.SQS_REQUESTS: 3})
    store_bench.clock.boot += DAY_S
    await usage.add({Item.SQS_REQUESTS: 1})

    node = store_bench.ledger.node
    assert await kept(store_bench) == [
        (0, node, "data_bytes", 5_000_000_000),
        (0, node, "sqs_requests", 10),
        (1, node, "sqs_requests", 1),
    ]


async def test_nodes_count_each_for_itself(store_bench: StoreBench, usage: SqlUsage) -> None:
    store_bench.ledger.node = "mail-1"
    await usage.add({Item.MAILS: 1})
    async with open_store(store_bench.url, store_bench.clock) as other:
        other.node = "mail-2"
        await SqlUsage(store=other).add({Item.MAILS: 5})

    assert await kept(store_bench) == [(0, "mail-1", "mails", 1), (0, "mail-2", "mails", 5)]


async def test_nothing_to_count_writes_nothing(store_bench: StoreBench, usage: SqlUsage) -> None:
    await usage.add({})
    await usage.add({Item.MAILS: 0})
    assert await kept(store_bench) == []


async def test_a_sick_store_says_so_and_takes_nothing(store_bench: StoreBench, usage: SqlUsage) -> None:
    store_bench.fall_sick()
    with pytest.raises(StoreError):
        await usage.add({Item.MAILS: 1})
    store_bench.recover()
    assert await kept(store_bench) == []


async def test_what_is_older_than_its_time_goes(store_bench: StoreBench, usage: SqlUsage) -> None:
    """It outlives the ledger: last year's month is what this one's is compared with."""
    await usage.add({Item.MAILS: 1})
    store_bench.clock.boot += DAY_S
    await usage.add({Item.MAILS: 2})
    store_bench.clock.boot += KEPT.total_seconds()
    attic = SqlAttic(store=store_bench.ledger)

    while await attic.prune(store_bench.clock.now() - timedelta(days=15), limit=100):
        pass

    assert [count for _, _, _, count in await kept(store_bench)] == [2]
