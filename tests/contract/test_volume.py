"""How much was sent, and what came of it, on both databases: each recipient counts, and counts once."""

import asyncio
import json
from collections.abc import Awaitable, Callable, Sequence
from datetime import datetime, timedelta
from itertools import count
from typing import Any

import pytest
import sqlalchemy as sa

from tank_mailer.adapters import schema
from tank_mailer.adapters.event_book import SqlEventBook
from tank_mailer.adapters.volume import KEPT, LATE_S, PAGE, SqlVolume
from tank_mailer.core.errors import Reason, StoreError
from tank_mailer.core.event import EventKind
from tank_mailer.core.ledger import Row, State
from tank_mailer.core.quota import Spent
from tank_mailer.core.reputation import Tally
from tank_mailer.core.status import Status
from tank_mailer.ports import Begun, Change, Receipt, RecipientNote
from tests.builders import make_event
from tests.contract.benches import StoreBench, open_store
from tests.contract.test_attic import noted_statements
from tests.contract.test_ledger import make_row

MINUTE, HOUR, DAY = timedelta(minutes=1), timedelta(hours=1), timedelta(days=1)
ANN, BEN, CY = "ann@example.org", "ben@example.org", "cy@example.org"
SUCCESS = "success+tank-canary@simulator.amazonses.com"
_keys = count(1)


@pytest.fixture
def volume(store_bench: StoreBench) -> SqlVolume:
    return SqlVolume(store=store_bench.ledger)


@pytest.fixture
def book(store_bench: StoreBench) -> SqlEventBook:
    return SqlEventBook(store=store_bench.ledger)


@pytest.fixture
def now(store_bench: StoreBench) -> datetime:
    return store_bench.clock.now()


def minute_of(at: datetime) -> int:
    return int(at.timestamp()) // 60


async def begun(bench: StoreBench, email_id: str = "order-4711") -> Row:
    now = bench.clock.now()
    row = make_row(email_id, first_seen_at=now, lease_ends_at=now + MINUTE)
    assert await bench.ledger.begin(row, []) == Begun()
    return row


def answered(row: Row, at: datetime, *recipients: str, ses_message_id: str = "ses-1") -> Change:
    """What the flow writes once SES has answered."""
    return Change(
        row.accepted(ses_message_id, at),
        receipt=Receipt(ses_message_id, row.email_id, 1, at),
        recipients=[RecipientNote(row.email_id, one, Status.ACCEPTED, None, at) for one in recipients],
    )


async def accepted(bench: StoreBench, email_id: str, at: datetime, *recipients: str) -> None:
    row = await begun(bench, email_id)
    assert await bench.ledger.write(answered(row, at, *recipients, ses_message_id=f"ses-{email_id}"))


# --- what was sent ---------------------------------------------------------------------------------


async def test_nothing_was_sent(volume: SqlVolume, now: datetime) -> None:
    assert await volume.spent(now - DAY) == []
    assert await volume.tally(now - DAY) == Tally()


async def test_recipients_count_by_the_minute(store_bench: StoreBench, volume: SqlVolume, now: datetime) -> None:
    """SES counts recipients and not mails (aws-facts 1.4)."""
    await accepted(store_bench, "c", now, ANN)
    await accepted(store_bench, "a", now - HOUR, ANN, BEN, CY)
    await accepted(store_bench, "b", now, BEN, CY)

    assert await volume.spent(now - DAY) == [Spent(minute_of(now - HOUR), 3), Spent(minute_of(now), 3)]
    assert await volume.spent(now) == [Spent(minute_of(now), 3)], "the whole minute"
    assert await volume.spent(now + MINUTE) == []
    assert (await volume.tally(now - MINUTE)).volume == 3
    assert (await volume.tally(now - DAY)).volume == 6


async def test_the_simulator_does_not_count(store_bench: StoreBench, volume: SqlVolume, now: datetime) -> None:
    """It counts neither for the daily quota nor for the reputation (aws-facts 6)."""
    await accepted(store_bench, "canary", now, SUCCESS)
    assert await volume.spent(now - DAY) == []

    await accepted(store_bench, "mixed", now, SUCCESS, ANN)
    assert await volume.spent(now - DAY) == [Spent(minute_of(now), 1)]


async def test_mails_of_one_transaction_share_a_row(store_bench: StoreBench, volume: SqlVolume, now: datetime) -> None:
    begins = [await begun(store_bench, f"order-{n}") for n in range(30)]
    changes = [answered(row, now, ANN, ses_message_id=f"ses-{row.email_id}") for row in begins]

    await asyncio.gather(*(store_bench.ledger.write(change) for change in changes))

    assert await volume.spent(now - DAY) == [Spent(minute_of(now), 30)]


async def test_nodes_count_each_for_itself_and_are_added_up(
    store_bench: StoreBench, volume: SqlVolume, now: datetime
) -> None:
    store_bench.ledger.node = "mail-1"
    await accepted(store_bench, "a", now, ANN)
    async with open_store(store_bench.url, store_bench.clock) as other:
        other.node = "mail-2"
        row = make_row("b", lease_ends_at=now + MINUTE)
        await other.begin(row, [])
        await other.write(answered(row, now, BEN, CY, ses_message_id="ses-b"))

    assert await volume.spent(now - DAY) == [Spent(minute_of(now), 3)]
    async with store_bench.ledger.engine.connect() as connection:
        kept = (await connection.execute(sa.select(schema.volume.c.node, schema.volume.c.recipients))).all()
    assert sorted(map(tuple, kept)) == [("mail-1", 1), ("mail-2", 2)]


# --- each mail once --------------------------------------------------------------------------------


async def test_an_answer_and_the_events_after_it(
    store_bench: StoreBench, book: SqlEventBook, volume: SqlVolume, now: datetime
) -> None:
    await store_bench.ledger.write(answered(await begun(store_bench), now, ANN, BEN))
    for kind in (EventKind.SEND, EventKind.DELIVERY, EventKind.DELIVERY):
        await book.record([make_event(kind, to=(ANN, BEN), mail_at=now)])

    assert await volume.spent(now - DAY) == [Spent(minute_of(now), 2)]


async def test_an_event_that_was_quicker_than_the_answer(
    store_bench: StoreBench, book: SqlEventBook, volume: SqlVolume, now: datetime
) -> None:
    row = await begun(store_bench)
    await book.record([make_event(to=(ANN, BEN), mail_at=now)] * 2)
    assert await volume.spent(now - DAY) == [Spent(minute_of(now), 2)]

    assert await store_bench.ledger.write(answered(row, now + MINUTE, ANN, BEN))

    assert await volume.spent(now - DAY) == [Spent(minute_of(now), 2)]
    (receipt,) = await store_bench.receipts()
    assert receipt.accepted_at == now + MINUTE, "all the same the answer is by our own clock"


async def test_an_event_alone_proves_a_doubtful_mail(
    store_bench: StoreBench, book: SqlEventBook, volume: SqlVolume, now: datetime
) -> None:
    """Nobody has seen the answer; SES has counted its recipients all the same."""
    row = await begun(store_bench)
    await store_bench.ledger.write(Change(row.doubted(now + HOUR, now, Reason.ANSWER_LOST)))
    store_bench.clock.boot += 600.0

    await book.record([make_event(EventKind.DELIVERY, to=(ANN, SUCCESS, CY), listed=(ANN,), mail_at=now)])

    assert await volume.spent(now - DAY) == [Spent(minute_of(now), 2)], "when SES took it, and all that it went to"


async def test_a_mail_that_an_event_has_proven_before_its_answer_is_written_at_last(
    store_bench: StoreBench, book: SqlEventBook, volume: SqlVolume, now: datetime
) -> None:
    """The lease was over; the late writer finds its row overtaken, and keeps its receipt nevertheless."""
    row = await begun(store_bench)
    store_bench.clock.boot += 3_600.0
    await book.record([make_event(to=(ANN,), mail_at=now)])

    assert not await store_bench.ledger.write(answered(row, now, ANN))

    assert await volume.spent(now - DAY) == [Spent(minute_of(now), 1)]


async def test_a_job_that_was_sent_twice_counts_twice(
    store_bench: StoreBench, book: SqlEventBook, volume: SqlVolume, now: datetime
) -> None:
    await store_bench.ledger.write(answered(await begun(store_bench), now, ANN, ses_message_id="ses-2"))

    await book.record([make_event(to=(ANN,), mail_at=now, ses_message_id="ses-1")])

    assert await volume.spent(now - DAY) == [Spent(minute_of(now), 2)]


async def test_an_answer_that_is_written_again(store_bench: StoreBench, volume: SqlVolume, now: datetime) -> None:
    """The commit got through and its acknowledgement did not."""
    change = answered(await begun(store_bench), now, ANN)

    assert [await store_bench.ledger.write(change) for _ in range(2)] == [True, False]

    assert await volume.spent(now - DAY) == [Spent(minute_of(now), 1)]


async def test_somebody_elses_mail_does_not_count(
    store_bench: StoreBench, book: SqlEventBook, volume: SqlVolume, now: datetime
) -> None:
    await begun(store_bench)

    await book.record([make_event(email_id=None, to=(ANN,), mail_at=now, ses_message_id="ses-7")])
    await book.record([make_event(email_id="of-another-system", to=(ANN,), mail_at=now, ses_message_id="ses-8")])

    assert await volume.spent(now - DAY) == []


# --- what came of it -------------------------------------------------------------------------------

HARD = {"type": "Permanent", "subtype": "General"}
BOUNCED, COMPLAINED = Tally(bounces=1), Tally(complaints=1)


async def put(volume: SqlVolume, table: sa.Table, *records: dict[str, Any]) -> None:
    async with volume.store.engine.begin() as connection:
        await connection.execute(sa.insert(table), list(records))


async def put_mail(volume: SqlVolume, ses_message_id: str, at: datetime) -> None:
    ours = {"ses_message_id": ses_message_id, "email_id": f"of-{ses_message_id}", "attempt": 1}
    await put(volume, schema.receipts, ours | {"accepted_at": at.timestamp()})


def bad(at: datetime, kind: EventKind = EventKind.BOUNCE, facts: object = HARD, **columns: Any) -> dict[str, Any]:
    """A row of the events; it is recorded, and its mail was taken, at `at`."""
    times = dict.fromkeys(("occurred_at", "recorded_at", "mail_at"), at.timestamp())
    flags = {"is_ours": 1, "is_published": 1, "counts": 0, "facts": json.dumps(facts)}
    names = {"key": f"key-{next(_keys):06}", "kind": kind.value, "ses_message_id": "ses-1", "email_id": "order-4711"}
    return times | flags | names | {"recipient": ANN} | columns


@pytest.mark.parametrize(
    ("kind", "facts", "tally"),
    [
        pytest.param(EventKind.BOUNCE, HARD, BOUNCED, id="a-hard-bounce"),
        pytest.param(EventKind.BOUNCE, HARD | {"subtype": "NoEmail"}, BOUNCED, id="no-email"),
        pytest.param(EventKind.BOUNCE, HARD | {"subtype": "Suppressed"}, BOUNCED, id="on-awss-global-list"),
        pytest.param(EventKind.BOUNCE, HARD | {"subtype": "OfTomorrow"}, BOUNCED, id="a-subtype-of-tomorrow"),
        pytest.param(
            EventKind.BOUNCE, HARD | {"subtype": "OnAccountSuppressionList"}, Tally(), id="on-the-accounts-list"
        ),
        pytest.param(
            EventKind.BOUNCE, HARD | {"subtype": "OnTenantSuppressionList"}, Tally(), id="on-the-tenants-list"
        ),
        pytest.param(EventKind.BOUNCE, HARD | {"subtype": "EmailValidationSuppressed"}, Tally(), id="not-valid"),
        pytest.param(EventKind.BOUNCE, HARD | {"subtype": "UnsubscribedRecipient"}, Tally(), id="unsubscribed"),
        pytest.param(EventKind.BOUNCE, {"type": "Transient", "subtype": "MailboxFull"}, Tally(), id="a-soft-bounce"),
        pytest.param(
            EventKind.BOUNCE,
            {"type": "Transient", "subtype": "General", "code": "5.1.1", "diagnostic": "smtp; 550 5.1.1 user unknown"},
            Tally(),
            id="a-dead-mailbox-that-ses-calls-transient-is-none-to-aws",
        ),
        pytest.param(
            EventKind.BOUNCE,
            HARD | {"code": "5.7.1", "diagnostic": "smtp; 550 5.7.1 blocked by spamhaus"},
            BOUNCED,
            id="a-block-that-ses-calls-permanent-is-one-to-aws",
        ),
        pytest.param(EventKind.BOUNCE, {"type": "Undetermined", "subtype": "Undetermined"}, Tally(), id="undetermined"),
        pytest.param(EventKind.BOUNCE, {}, Tally(), id="a-bounce-without-a-label"),
        pytest.param(EventKind.COMPLAINT, {}, COMPLAINED, id="a-complaint"),
        pytest.param(EventKind.COMPLAINT, {"feedback_type": "abuse"}, COMPLAINED, id="abuse"),
        pytest.param(EventKind.COMPLAINT, {"feedback_type": "auth-failure"}, COMPLAINED, id="about-our-signing"),
        pytest.param(EventKind.COMPLAINT, {"feedback_type": "not-spam"}, Tally(), id="the-opposite-of-a-complaint"),
        pytest.param(
            EventKind.COMPLAINT, {"subtype": "OnAccountSuppressionList"}, Tally(), id="a-complaint-that-ses-held-back"
        ),
        pytest.param(EventKind.DELIVERY, HARD, Tally(), id="a-delivery"),
    ],
)
async def test_what_counts(volume: SqlVolume, now: datetime, kind: EventKind, facts: object, tally: Tally) -> None:
    """Aws-facts 3.2, 3.3 and 7.3: AWS goes by its own labels alone."""
    await put_mail(volume, "ses-1", now)
    await put(volume, schema.events, bad(now, kind, facts))

    assert await volume.tally(now - DAY) == tally


async def test_each_recipient_of_a_mail_counts_once(volume: SqlVolume, now: datetime) -> None:
    """A bounce may come by event and by notification, and again hours later."""
    await put_mail(volume, "ses-1", now)
    await put_mail(volume, "ses-2", now)
    await put(volume, schema.events, bad(now), bad(now), bad(now + HOUR), bad(now, facts=HARD | {"subtype": "NoEmail"}))
    await put(volume, schema.events, bad(now, recipient=BEN), bad(now, ses_message_id="ses-2"))
    await put(volume, schema.events, bad(now, EventKind.COMPLAINT), bad(now, EventKind.COMPLAINT))

    assert await volume.tally(now - DAY) == Tally(0, bounces=3, complaints=1)


async def test_only_our_mails_and_never_the_simulators(volume: SqlVolume, now: datetime) -> None:
    """Whose volume is not counted would make a rate of its bounces alone: other systems, a store that was lost."""
    await put_mail(volume, "ses-1", now)
    await put(volume, schema.events, bad(now, recipient="bounce@simulator.amazonses.com"))
    await put(volume, schema.events, bad(now, ses_message_id="ses-8", email_id=None, is_ours=0))
    await put(volume, schema.events, bad(now, ses_message_id="ses-9", email_id="of-another-system"))

    assert await volume.tally(now - DAY) == Tally()


async def test_bounces_belong_to_the_time_of_their_mail(volume: SqlVolume, now: datetime) -> None:
    """A bounce may take days; its mail has left the window, and so has its part of the volume."""
    await put_mail(volume, "ses-1", now)
    await put(volume, schema.events, bad(now, mail_at=(now - 2 * DAY).timestamp()), bad(now, recipient=BEN))

    assert (await volume.tally(now - DAY)).bounces == 1
    assert (await volume.tally(now - 7 * DAY)).bounces == 2
    assert (await volume.tally(now + HOUR)).bounces == 0


# --- asked again and again -------------------------------------------------------------------------


async def test_what_comes_later_is_counted_too(store_bench: StoreBench, volume: SqlVolume, now: datetime) -> None:
    await put_mail(volume, "ses-1", now)
    await put(volume, schema.events, bad(now, recipient=ANN))
    assert (await volume.tally(now - DAY)).bounces == 1

    store_bench.clock.boot += 3_600.0
    await put(volume, schema.events, bad(now + HOUR, recipient=BEN, mail_at=now.timestamp()))

    assert (await volume.tally(now - DAY)).bounces == 2
    assert (await volume.tally(now - HOUR)).bounces == 2


async def test_an_event_that_was_committed_after_later_ones(volume: SqlVolume, now: datetime) -> None:
    """Another node's transaction took its time."""
    await put_mail(volume, "ses-1", now)
    await put(volume, schema.events, bad(now, recipient=ANN))
    await volume.tally(now - DAY)

    await put(volume, schema.events, bad(now - timedelta(seconds=LATE_S - 1), recipient=BEN))

    assert (await volume.tally(now - DAY)).bounces == 2


async def test_a_longer_time_is_read_from_its_beginning(volume: SqlVolume, now: datetime) -> None:
    await put_mail(volume, "ses-1", now)
    await put(volume, schema.events, bad(now - 3 * DAY, recipient=ANN), bad(now - HOUR, recipient=BEN))

    assert [(await volume.tally(now - days * DAY)).bounces for days in (1, 7, 1)] == [1, 2, 1]


async def test_a_clock_that_was_an_hour_ahead_hides_nothing(
    store_bench: StoreBench, volume: SqlVolume, now: datetime
) -> None:
    await put_mail(volume, "ses-1", now)
    await put(volume, schema.events, bad(now + HOUR, recipient=ANN))
    store_bench.clock.boot += 3_600.0
    await volume.tally(now - DAY)

    store_bench.clock.boot -= 3_600.0
    await put(volume, schema.events, bad(now, recipient=BEN))

    assert (await volume.tally(now - DAY)).bounces == 2


async def test_more_than_a_page_at_one_moment(volume: SqlVolume, now: datetime) -> None:
    """What is recorded together has one time."""
    await put_mail(volume, "ses-1", now)
    many = 2 * PAGE + 7
    await put(volume, schema.events, *(bad(now, recipient=f"user-{n}@example.org") for n in range(many)))

    assert (await volume.tally(now - DAY)).bounces == many


async def test_what_goes_with_the_volume_is_not_remembered_for_ever(
    store_bench: StoreBench, volume: SqlVolume, now: datetime
) -> None:
    """A daemon runs for months."""
    await put_mail(volume, "ses-1", now)
    await put(volume, schema.events, bad(now), bad(now, EventKind.COMPLAINT))
    assert await volume.tally(now) == Tally(bounces=1, complaints=1)

    store_bench.clock.boot += (KEPT + MINUTE).total_seconds()

    assert await volume.tally(now) == Tally()


async def test_little_is_read_again(volume: SqlVolume, store_bench: StoreBench, now: datetime) -> None:
    """It is asked about every minute, and whatever is read meanwhile keeps the sending waiting."""
    await put_mail(volume, "ses-1", now)
    await put(volume, schema.events, *(bad(now, recipient=f"user-{n}@example.org") for n in range(2 * PAGE)))
    await volume.tally(now - 7 * DAY)
    store_bench.clock.boot += 2 * LATE_S
    await volume.tally(now - 7 * DAY)

    with noted_statements() as statements:
        assert (await volume.tally(now - DAY)).bounces == 2 * PAGE

    assert sum("FROM events" in statement for statement, _ in statements) == 1


async def test_no_table_is_read_from_end_to_end(volume: SqlVolume, store_bench: StoreBench, now: datetime) -> None:
    if not store_bench.url.startswith("sqlite"):
        pytest.skip("PostgreSQL reads small tables whole, as it should")
    with noted_statements() as statements:
        await volume.tally(now - DAY)
        await volume.spent(now - DAY)

    plans = list[str]()
    async with volume.store.engine.connect() as connection:
        for statement, values in statements:
            if statement.startswith("SELECT"):
                plan = await connection.exec_driver_sql(f"EXPLAIN QUERY PLAN {statement}", values)
                plans += [line for *_, line in plan]
    assert any("USING INDEX events_bad (recorded_at>?)" in line for line in plans), plans
    assert [line for line in plans if line.startswith("SCAN")] == []


@pytest.mark.parametrize("ask", [SqlVolume.spent, SqlVolume.tally])
async def test_a_sick_store_says_so(
    store_bench: StoreBench,
    volume: SqlVolume,
    now: datetime,
    ask: Callable[[SqlVolume, datetime], Awaitable[Sequence[Spent] | Tally]],
) -> None:
    store_bench.fall_sick()
    try:
        with pytest.raises(StoreError):
            await ask(volume, now - DAY)
    finally:
        store_bench.recover()
    await ask(volume, now - DAY)


async def test_a_job_without_a_mail_is_not_counted(store_bench: StoreBench, volume: SqlVolume, now: datetime) -> None:
    row = await begun(store_bench)

    await store_bench.ledger.write(Change(row.ended(State.REFUSED, now, Reason.REJECTED)))

    assert await volume.spent(now - DAY) == []
