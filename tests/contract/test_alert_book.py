"""What every `AlertBook` promises: a step that comes too late does not count, so of several nodes one takes it."""

from collections.abc import AsyncIterator
from contextlib import AsyncExitStack
from dataclasses import dataclass, replace
from datetime import timedelta
from pathlib import Path

import pytest

from tank_mailer.adapters.alert_book import SqlAlertBook
from tank_mailer.core.alerting import Close, End, Entry, Forget, Raise, See, Step, Tell
from tank_mailer.core.alerts import AlertName, Severity
from tank_mailer.core.errors import StoreError
from tank_mailer.flows.memory_book import MemoryBook
from tank_mailer.ports.alerts import AlertBook
from tests.contract.benches import HandClock, StoreBench, empty, open_store
from tests.contract.conftest import Database
from tests.fakes import EPOCH

SECOND = timedelta(seconds=1, microseconds=1)
ENTRY = Entry(
    name=AlertName.DEAD_LETTERS,
    subject="tank-dead-letter",
    severity=Severity.WARNING,
    node="mail-1",
    since=EPOCH,
    seen_at=EPOCH,
    detail="3 on tank-dead-letter\x00",
    remedy="look",
)
OVER = replace(ENTRY, ended_at=EPOCH + SECOND)


@dataclass(frozen=True, slots=True)
class TwoNodes:
    """Two ways to the same book."""

    first: AlertBook
    second: AlertBook

    async def only(self) -> Entry:
        (entry,) = await self.second.entries()
        return entry


@pytest.fixture
async def nodes(place: Database | None, clock: HandClock, tmp_path: Path) -> AsyncIterator[TwoNodes]:
    if place is None:
        book = MemoryBook()
        yield TwoNodes(book, book)
        return
    async with AsyncExitStack() as stack:
        stores = [await stack.enter_async_context(open_store(place.url, clock, disk=tmp_path)) for _ in range(2)]
        await empty(stores[0].engine)
        yield TwoNodes(*(SqlAlertBook(store=store) for store in stores))


async def test_an_empty_book(nodes: TwoNodes) -> None:
    assert list(await nodes.first.entries()) == []
    assert list(await nodes.first.take([])) == []


async def test_what_is_raised_stands_there_for_all(nodes: TwoNodes) -> None:
    step = Raise(ENTRY)

    assert list(await nodes.first.take([step])) == [step]

    found = await nodes.only()
    assert found.detail in {ENTRY.detail, "3 on tank-dead-letter\N{SYMBOL FOR NULL}"}
    assert replace(found, detail=ENTRY.detail) == ENTRY


async def test_of_two_nodes_one_raises_it(nodes: TwoNodes) -> None:
    """The other one finds it there, and says nothing."""
    await nodes.first.take([Raise(ENTRY)])

    assert list(await nodes.second.take([Raise(replace(ENTRY, node="mail-2", since=EPOCH + SECOND))])) == []

    assert (await nodes.only()).node == "mail-1"


async def test_other_subjects_are_other_alerts(nodes: TwoNodes) -> None:
    other = replace(ENTRY, subject="another")

    assert len(await nodes.first.take([Raise(ENTRY), Raise(other)])) == 2

    assert [entry.subject for entry in await nodes.first.entries()] == ["another", "tank-dead-letter"]


async def test_it_is_over_unless_another_node_has_seen_it_meanwhile(nodes: TwoNodes) -> None:
    await nodes.first.take([Raise(ENTRY)])
    seen = replace(ENTRY, seen_at=EPOCH + SECOND, detail="4 on it", remedy="look again")
    await nodes.second.take([See(seen)])

    late = list(await nodes.first.take([End(ENTRY, EPOCH + 2 * SECOND)]))
    in_time = list(await nodes.first.take([End(seen, EPOCH + 2 * SECOND)]))

    assert (late, in_time) == ([], [End(seen, EPOCH + 2 * SECOND)])
    assert await nodes.only() == replace(seen, ended_at=EPOCH + 2 * SECOND)


async def test_it_ends_once(nodes: TwoNodes) -> None:
    await nodes.first.take([Raise(ENTRY), End(ENTRY, EPOCH + SECOND)])

    assert list(await nodes.second.take([End(ENTRY, EPOCH + 2 * SECOND), See(ENTRY)])) == []


async def test_one_that_comes_again_remembers_when_it_was_told(nodes: TwoNodes) -> None:
    await nodes.first.take([Raise(ENTRY), Tell(ENTRY, EPOCH), End(ENTRY, EPOCH + SECOND), Close(OVER, EPOCH + SECOND)])
    again = replace(ENTRY, since=EPOCH + 2 * SECOND, seen_at=EPOCH + 2 * SECOND, node="mail-2", detail="1 on it")

    taken = list(await nodes.second.take([Raise(again, EPOCH + SECOND)]))
    taken_twice = list(await nodes.first.take([Raise(again, EPOCH + SECOND)]))

    assert (len(taken), taken_twice) == (1, [])
    assert await nodes.only() == replace(again, told_at=EPOCH)


@pytest.mark.parametrize(
    "late",
    [
        pytest.param(Tell(replace(ENTRY, since=EPOCH - SECOND), EPOCH), id="told-of-an-earlier-time"),
        pytest.param(Close(OVER, EPOCH), id="closed-while-it-is-on-again"),
        pytest.param(Forget(OVER), id="forgotten-while-it-is-on-again"),
        pytest.param(Raise(ENTRY, EPOCH + SECOND), id="raised-again-while-it-is-on"),
        pytest.param(Tell(replace(ENTRY, subject="another"), EPOCH), id="of-another-subject"),
    ],
)
async def test_a_step_that_comes_too_late(nodes: TwoNodes, late: Step) -> None:
    await nodes.first.take([Raise(ENTRY)])

    assert list(await nodes.first.take([late])) == []


async def test_what_is_forgotten_is_gone(nodes: TwoNodes) -> None:
    await nodes.first.take([Raise(ENTRY), End(ENTRY, EPOCH + SECOND)])

    assert list(await nodes.first.take([Forget(OVER)])) == [Forget(OVER)]

    assert list(await nodes.second.entries()) == []


async def test_steps_are_taken_in_their_order(nodes: TwoNodes) -> None:
    steps: list[Step] = [Raise(ENTRY), Tell(ENTRY, EPOCH), End(ENTRY, EPOCH + SECOND), Forget(OVER), Raise(ENTRY)]

    assert list(await nodes.first.take(steps)) == steps

    assert (await nodes.only()).told_at is None


# --- in a store ------------------------------------------------------------------------------------


async def test_a_sick_store_says_so(store_bench: StoreBench) -> None:
    book = SqlAlertBook(store=store_bench.ledger)
    store_bench.fall_sick()
    try:
        with pytest.raises(StoreError):
            await book.entries()
        with pytest.raises(StoreError):
            await book.take([Raise(ENTRY)])
    finally:
        store_bench.recover()
    await book.take([Raise(ENTRY)])
    assert len(await book.entries()) == 1


async def test_an_alert_of_a_newer_version_is_left_alone(store_bench: StoreBench) -> None:
    """After a way back to an older version."""
    book = SqlAlertBook(store=store_bench.ledger)
    await book.take([Raise(ENTRY)])
    async with store_bench.ledger.engine.begin() as connection:
        await connection.exec_driver_sql("UPDATE alerts SET name = 'moon_full'")

    assert list(await book.entries()) == []
