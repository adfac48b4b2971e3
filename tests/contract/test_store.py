"""What only a store on a disk can get wrong: grouping, transactions that fail, a disk that fills."""

import asyncio
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace

import pytest
import sqlalchemy as sa
from sqlalchemy import event
from sqlalchemy.engine import Engine
from sqlalchemy.exc import OperationalError

from tank_mailer.adapters import schema
from tank_mailer.adapters.rows import receipt_columns
from tank_mailer.adapters.sickness import sick
from tank_mailer.adapters.store import LOOK_AT_DISK_S, Store
from tank_mailer.core.errors import Reason, StoreError
from tank_mailer.core.ledger import State
from tank_mailer.core.status import Status
from tank_mailer.ports import Begun, Change
from tests.contract.benches import HUGE_BYTES, StoreBench
from tests.contract.test_ledger import ANN, make_note, make_receipt, make_row
from tests.fakes import EPOCH
from tests.metering import rising


@contextmanager
def counted_commits() -> Iterator[list[str]]:
    """Transactions of any engine, counted where SQLAlchemy ends them."""
    commits = list[str]()

    def note(connection: sa.Connection) -> None:
        commits.append(connection.dialect.name)

    event.listen(Engine, "commit", note)
    try:
        yield commits
    finally:
        event.remove(Engine, "commit", note)


@contextmanager
def failing_commits() -> Iterator[None]:
    """The disk fails at the last moment."""

    def fail(_connection: sa.Connection) -> None:
        raise OperationalError("COMMIT", {}, OSError("disk I/O error"))

    event.listen(Engine, "commit", fail)
    try:
        yield
    finally:
        event.remove(Engine, "commit", fail)


# --- grouping --------------------------------------------------------------------------------------


async def test_what_is_asked_at_the_same_time_shares_transactions(store_bench: StoreBench) -> None:
    """One flush to disk serves them all; one transaction each would cost as much as the calls to SES."""
    rows = [make_row(f"order-{n}") for n in range(300)]

    with counted_commits() as commits:
        answers = await asyncio.gather(*(store_bench.ledger.begin(row, [ANN]) for row in rows))

    assert answers == [Begun()] * 300
    assert 1 <= len(commits) <= 30


async def test_steps_of_one_row_go_in_their_order_though_asked_at_once(store_bench: StoreBench) -> None:
    """One statement cannot write a row twice, so the second step waits for the next transaction."""
    rows = [make_row()]
    for _ in range(4):
        rows.append(rows[-1].deferred(EPOCH, EPOCH, Reason.THROTTLED))

    answers = await asyncio.gather(*(store_bench.ledger.write(Change(row)) for row in rows))

    assert answers == [True] * 5
    assert await store_bench.ledger.find("order-4711") == rows[-1]


# --- failing transactions --------------------------------------------------------------------------


async def test_a_failed_commit_fails_all_and_leaves_nothing(store_bench: StoreBench) -> None:
    with failing_commits():
        answers = await asyncio.gather(
            *(store_bench.ledger.begin(make_row(f"order-{n}"), [ANN]) for n in range(5)), return_exceptions=True
        )

    assert all(isinstance(answer, StoreError) for answer in answers)
    assert [await store_bench.ledger.find(f"order-{n}") for n in range(5)] == [None] * 5
    assert await store_bench.ledger.begin(make_row(), [ANN]) == Begun()


async def test_a_sender_of_a_failed_commit_is_not_taken_for_known(store_bench: StoreBench) -> None:
    """An acceptance that never reached the disk must not decide between pausing a sender and refusing its jobs."""
    accepted = make_row(state=State.ACCEPTED)
    change = Change(accepted, make_receipt(), sender="news@example.com")

    with failing_commits(), pytest.raises(StoreError):
        await store_bench.ledger.write(change)

    assert not await store_bench.ledger.sender_is_known("news@example.com")


async def test_a_sender_is_kept_when_its_acceptance_is_written_at_last(store_bench: StoreBench) -> None:
    """The flow writes until the store is well again; after a restart the sender must still be known."""
    change = Change(make_row(state=State.ACCEPTED), make_receipt(), sender="news@example.com")
    with failing_commits(), pytest.raises(StoreError):
        await store_bench.ledger.write(change)

    assert await store_bench.ledger.write(change)

    async with store_bench.another_node() as other:
        assert await other.sender_is_known("news@example.com")


@pytest.mark.parametrize(
    ("error", "detail"),
    [
        pytest.param(
            OperationalError("SELECT :a", {"a": "ann@example.org"}, OSError("no such table: jobs")),
            "OSError: no such table: jobs",
            id="the-drivers-words-not-the-parameters",
        ),
        pytest.param(
            OSError(111, "Connection refused"), "ConnectionRefusedError: [Errno 111] Connection refused", id="os"
        ),
        pytest.param(
            OperationalError("", {}, Exception("invalid input for query argument $6: 'ann@example.org' (no text)")),
            "Exception: invalid input for query argument $6",
            id="not-the-value-that-asyncpg-quotes",
        ),
        pytest.param(TimeoutError(), "TimeoutError: ", id="a-time-out-says-nothing"),
        pytest.param(OSError("first line\nsecond line"), "OSError: first line", id="one-line"),
        pytest.param(OSError("x" * 1_000), "OSError: " + "x" * 200, id="not-without-end"),
    ],
)
def test_sick(error: Exception, detail: str) -> None:
    assert sick(error).detail == detail


# --- the own count ---------------------------------------------------------------------------------


async def counted(store: Store) -> list[tuple[str, int]]:
    async with store.engine.connect() as connection:
        found = await connection.execute(sa.select(schema.volume.c.node, schema.volume.c.recipients))
        return [(node, recipients) for node, recipients in found]


async def test_recipients_of_a_failed_commit_are_counted_when_it_is_written_at_last(store_bench: StoreBench) -> None:
    """The daily quota is reckoned by this count: a sick disk must neither add to it nor take from it."""
    store = store_bench.ledger
    store.node = "mail-1"
    accepted = make_row(state=State.ACCEPTED)
    change = Change(accepted, make_receipt(), recipients=[make_note(ANN, Status.ACCEPTED)])

    with failing_commits(), pytest.raises(StoreError):
        await store.write(change)
    assert await counted(store) == []

    assert await store.write(change)
    assert await counted(store) == [("mail-1", 1)]


async def test_only_a_mails_first_receipt_is_news(store_bench: StoreBench) -> None:
    """Another node may have kept it a moment ago, and has counted it."""
    values = [receipt_columns(make_receipt(ses_message_id=name), source="event") for name in ("ses-1", "ses-2")]
    store = store_bench.ledger
    await store.transact(lambda connection: store.add_receipts(connection, values[:1]))

    assert await store.transact(lambda connection: store.add_receipts(connection, values)) == {"ses-2"}


async def test_a_day_of_mail_adds_up(store_bench: StoreBench) -> None:
    """One minute of one node is one row, however many transactions write to it."""
    for number in range(5):
        row, receipt = make_row(f"order-{number}"), make_receipt(f"order-{number}", f"ses-{number}")
        notes = [replace(make_note(name, Status.ACCEPTED), email_id=row.email_id) for name in (ANN, "b@example.org")]
        assert await store_bench.ledger.write(Change(row, receipt, recipients=notes))

    assert await counted(store_bench.ledger) == [("", 10)]


# --- check and disk --------------------------------------------------------------------------------


async def test_works_tells_what_check_raises(store_bench: StoreBench) -> None:
    assert await store_bench.ledger.works()

    store_bench.fall_sick()
    try:
        assert not await store_bench.ledger.works()
    finally:
        store_bench.recover()

    assert await store_bench.ledger.works()


async def test_a_check_writes(store_bench: StoreBench) -> None:
    """A disk that can only be read is sick, too."""
    store = store_bench.ledger
    await store.check()
    store_bench.clock.boot += 60.0
    await store.check()

    async with store.engine.connect() as connection:
        beats = (await connection.execute(sa.select(schema.pulse.c.at))).scalars().all()
    assert beats == [store_bench.clock.now().timestamp()]


async def test_room_on_the_disk_is_looked_at_now_and_then(store_bench: StoreBench) -> None:
    store = store_bench.ledger
    await store.begin(make_row("a"), [ANN])
    store_bench.fill_disk()
    assert await store.begin(make_row("b"), [ANN]) == Begun()

    store_bench.clock.boot += LOOK_AT_DISK_S
    with pytest.raises(StoreError, match="TANK_MIN_FREE_BYTES"):
        await store.begin(make_row("c"), [ANN])

    store.min_free_bytes = 0
    assert await store.works()
    assert await store.begin(make_row("c"), [ANN]) == Begun()


@pytest.mark.parametrize("was_full", [False, True], ids=["fills-meanwhile", "has-room-again-meanwhile"])
async def test_a_begin_beside_a_check_says_what_was_written(store_bench: StoreBench, was_full: bool) -> None:
    """A row that is on disk while its caller is told the opposite would wait as a doubt that nobody has."""
    store = store_bench.ledger
    store.min_free_bytes = HUGE_BYTES if was_full else 0
    assert await store.works() is not was_full
    store.min_free_bytes = 0 if was_full else HUGE_BYTES

    _, answer = await asyncio.gather(store.check(), _begun(store), return_exceptions=True)

    assert (await store.find("order-4711") is not None) is (answer == Begun())


async def _begun(store: Store) -> object:
    try:
        return await store.begin(make_row(), [ANN])
    except StoreError as error:
        return error


# --- watched ---------------------------------------------------------------------------------------


async def test_each_transaction_is_timed_and_says_that_the_store_can_be_written(store_bench: StoreBench) -> None:
    store = store_bench.ledger
    store._committed_s -= 1_000.0
    assert store.committed_s >= 1_000.0
    with rising() as risen:
        await store.check()

    assert store.committed_s < 1_000.0
    assert risen.of("store_transaction_seconds_count") == 1


async def test_one_that_fails_is_timed_and_says_nothing_of_the_kind(store_bench: StoreBench) -> None:
    store = store_bench.ledger
    store._committed_s -= 1_000.0
    with rising() as risen, failing_commits():
        assert not await store.works()

    assert store.committed_s >= 1_000.0
    assert risen.of("store_transaction_seconds_count") >= 1


async def test_a_worker_that_answers_is_alive_whatever_it_answers(store_bench: StoreBench) -> None:
    """A sick store is a pause; only one that never answers is a bug of ours."""
    store = store_bench.ledger
    with failing_commits():
        await store.works()
    assert store.answered.pulse.silent_s == 0.0
    assert store.answered.task is not None


async def test_a_worker_that_answers_nobody_is_not(store_bench: StoreBench) -> None:
    store, now_s = store_bench.ledger, 0.0
    idle = Store(engine=store.engine, clock=store.clock)  # nobody runs it
    idle.answered.now_s = lambda: now_s
    asking = asyncio.create_task(idle.check())
    await asyncio.sleep(0)
    now_s = idle.answered.most_s + 1
    pulse = idle.answered.pulse
    asking.cancel()
    await asyncio.gather(asking, return_exceptions=True)

    assert pulse.is_still
