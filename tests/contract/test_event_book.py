"""What every `EventBook` keeps to: the one in memory that the flows are tested with, SQLite, PostgreSQL."""

import asyncio
import json
from dataclasses import replace
from datetime import datetime, timedelta
from itertools import permutations
from random import Random
from typing import Any

import pytest
import sqlalchemy as sa
from structlog.testing import capture_logs

from tank_mailer.adapters import schema
from tank_mailer.adapters.event_book import SqlEventBook
from tank_mailer.adapters.store import Store
from tank_mailer.core.address import address_hash
from tank_mailer.core.doubt import Drained
from tank_mailer.core.errors import Reason, StoreError
from tank_mailer.core.event import EventKind, Listed, SesEvent
from tank_mailer.core.job import email_id_tag
from tank_mailer.core.ledger import Row, State
from tank_mailer.core.status import Status
from tank_mailer.ports import Begun, Change, EventBook, Overtaken, Receipt, RecipientNote, Suppressed
from tests.builders import HARD, MAIL_AT, SOFT, make_event
from tests.contract.benches import Bench, StoreBench
from tests.contract.test_ledger import make_row
from tests.fakes import EPOCH, FakeEventBook, FakeLedger
from tests.metering import rising

ANN, BEN, CY = "ann@example.org", "ben@example.org", "cy@example.org"
MINUTE = timedelta(minutes=1)
DAY = timedelta(days=1)


@pytest.fixture
def book(bench: Bench) -> EventBook:
    match bench.ledger:
        case FakeLedger() as fake:
            return FakeEventBook(fake)
        case Store() as store:
            return SqlEventBook(store=store)
        case other:
            raise AssertionError(other)


def now(bench: Bench) -> datetime:
    return bench.clock.now()


async def accepted(bench: Bench, email_id: str = "order-4711", ses_message_id: str = "ses-1", **changes: Any) -> Row:
    """A job that SES's answer has ended."""
    at = changes.pop("at", now(bench))
    begun = make_row(email_id, lease_ends_at=at + MINUTE, configuration_set="tank", **changes)
    assert isinstance(await bench.ledger.begin(begun, []), Begun)
    row = begun.accepted(ses_message_id, at)
    assert await bench.ledger.write(Change(row, receipt=Receipt(ses_message_id, email_id, 1, at)))
    return row


async def doubted(bench: Bench, email_id: str = "order-4711", **changes: Any) -> Row:
    """A job whose answer was lost."""
    at = now(bench)
    begun = make_row(email_id, lease_ends_at=at + MINUTE, configuration_set="tank", **changes)
    assert isinstance(await bench.ledger.begin(begun, []), Begun)
    row = begun.doubted(at + 15 * MINUTE, at, Reason.ANSWER_LOST)
    assert await bench.ledger.write(Change(row))
    return row


async def state(bench: Bench, email_id: str = "order-4711") -> State | None:
    row = await bench.ledger.find(email_id)
    return row.state if row else None


async def statuses(bench: Bench, email_id: str = "order-4711") -> dict[str, Status]:
    return {note.address: Status(note.status) for note in await bench.notes(email_id)}


# --- statuses --------------------------------------------------------------------------------------

STORY = [
    make_event(EventKind.SEND),
    make_event(EventKind.DELIVERY, occurred_at=MAIL_AT + MINUTE),
    make_event(EventKind.COMPLAINT, occurred_at=MAIL_AT + 2 * MINUTE, feedback_id="f-1"),
    make_event(EventKind.OPEN, occurred_at=MAIL_AT + 3 * MINUTE),
]


@pytest.mark.parametrize("order", list(permutations(range(4))), ids=str)
async def test_no_order_of_events_can_be_wrong(bench: Bench, book: EventBook, order: tuple[int, ...]) -> None:
    await accepted(bench)

    for number in order:
        await book.record([STORY[number]])

    assert await statuses(bench) == {"recipient@example.org": Status.COMPLAINED}


async def test_the_same_event_eight_times_is_one(bench: Bench, book: EventBook) -> None:
    await accepted(bench)
    delivery = make_event(EventKind.DELIVERY)

    first = await book.record([delivery, delivery, delivery])
    later = [await book.record([delivery]) for _ in range(5)]

    assert any(r.is_new for r in first.recordings)
    assert not any(r.is_new for recorded in later for r in recorded.recordings)


async def test_only_the_recipients_that_a_bounce_lists_are_touched(bench: Bench, book: EventBook) -> None:
    await accepted(bench)

    await book.record([make_event(EventKind.BOUNCE, to=(ANN, BEN, CY), listed=(BEN,), feedback_id="f-1")])

    assert await statuses(bench) == {ANN: Status.ACCEPTED, BEN: Status.HARD_BOUNCED, CY: Status.ACCEPTED}


async def test_two_bounces_of_one_address_in_one_batch(bench: Bench, book: EventBook) -> None:
    await accepted(bench, "a", "ses-a")
    await accepted(bench, "b", "ses-b")

    recorded = await book.record(
        [
            make_event(EventKind.BOUNCE, email_id="a", ses_message_id="ses-a", to=(ANN,), feedback_id="f-1"),
            make_event(EventKind.BOUNCE, email_id="b", ses_message_id="ses-b", to=(ANN,), feedback_id="f-2"),
        ]
    )

    assert [r.is_new for r in recorded.recordings] == [True, True]
    assert await statuses(bench, "a") == await statuses(bench, "b") == {ANN: Status.HARD_BOUNCED}


async def test_an_event_before_the_answer_is_not_undone_by_it(bench: Bench, book: EventBook) -> None:
    """SES's events may come before its answer has; the attempt is alive, and ends by itself."""
    begun = make_row(lease_ends_at=now(bench) + MINUTE)
    await bench.ledger.begin(begun, [])

    await book.record([make_event(EventKind.DELIVERY, to=(ANN,))])
    during = await state(bench)
    note = RecipientNote("order-4711", ANN, Status.ACCEPTED, None, now(bench))
    written = await bench.ledger.write(
        Change(
            begun.accepted("ses-1", now(bench)),
            receipt=Receipt("ses-1", "order-4711", 1, now(bench)),
            recipients=[note],
        )
    )

    assert (during, written) == (State.SENDING, True)
    assert await statuses(bench) == {ANN: Status.DELIVERED}


# --- whose mail ------------------------------------------------------------------------------------


async def test_an_identitys_notification_finds_its_job_by_ses_id(bench: Bench, book: EventBook) -> None:
    """It carries no tags."""
    await accepted(bench)
    bounce = make_event(EventKind.BOUNCE, email_id=None, is_published=False, to=(ANN,), feedback_id="f-1")

    recorded = await book.record([bounce])

    assert recorded.recordings[0].email_id == "order-4711"
    assert await statuses(bench) == {ANN: Status.HARD_BOUNCED}


@pytest.mark.parametrize("email_id", ["order-4711", "order 4711", "orders@example.com/4711", "bestellung-ä"])
async def test_a_tag_finds_its_job_also_where_it_is_a_hash(bench: Bench, book: EventBook, email_id: str) -> None:
    await doubted(bench, email_id)

    recorded = await book.record([make_event(EventKind.SEND, email_id=email_id)])

    assert recorded.recordings[0].email_id == email_id
    assert await state(bench, email_id) is State.ACCEPTED


async def test_a_header_finds_its_job_where_there_is_no_tag(bench: Bench, book: EventBook) -> None:
    await doubted(bench)

    await book.record([make_event(EventKind.BOUNCE, email_id=None, header="order-4711", feedback_id="f-1")])

    assert await state(bench) is State.ACCEPTED


async def test_a_mail_of_another_application_touches_no_job(bench: Bench, book: EventBook) -> None:
    await accepted(bench)

    recorded = await book.record([make_event(EventKind.DELIVERY, email_id=None, ses_message_id="theirs", to=(ANN,))])

    assert recorded.recordings[0].email_id is None
    assert recorded.recordings[0].is_new
    assert await statuses(bench) == {}


@pytest.mark.parametrize("email_id", ["order-4711", "orders@example.com/4711"])
async def test_an_event_before_the_ledgers_row_proves_it_all_the_same(
    bench: Bench, book: EventBook, email_id: str
) -> None:
    """A lost store, and the job is handed out again: SES has the mail, and it is not sent twice."""
    bench.clock.boot = (MAIL_AT + MINUTE - EPOCH).total_seconds()
    await book.record([make_event(EventKind.DELIVERY, email_id=email_id, to=(ANN,))])

    answer = await bench.ledger.begin(make_row(email_id), [ANN], sent_at=MAIL_AT - MINUTE)

    row = await bench.ledger.find(email_id)
    assert isinstance(answer, Overtaken)
    assert row is not None
    assert (row.state, row.ses_message_id, row.accepted_at) == (State.ACCEPTED, "ses-1", MAIL_AT)


async def test_an_id_that_is_used_again_is_another_job(bench: Bench, book: EventBook) -> None:
    """The ledger has forgotten the first one; a late event of its mail must not swallow the second."""
    old = MAIL_AT - 2 * DAY
    await book.record([make_event(EventKind.COMPLAINT, ses_message_id="old", mail_at=old, feedback_id="f-0")])
    bench.clock.boot = (MAIL_AT - EPOCH).total_seconds()
    row = make_row(first_seen_at=MAIL_AT, lease_ends_at=MAIL_AT - MINUTE)

    assert await bench.ledger.begin(row, [ANN], sent_at=MAIL_AT) == Begun()
    assert await statuses(bench) == {}


async def test_somebody_elses_mail_under_our_id_ends_no_job_that_was_never_sent(bench: Bench, book: EventBook) -> None:
    """Lost mail weighs more than doubled mail: staging, or the web servers' own calls of old, use our ids too."""
    bench.clock.boot = (MAIL_AT + MINUTE - EPOCH).total_seconds()
    await book.record([make_event(EventKind.SEND, ses_message_id="theirs", attempt=None)])

    assert await bench.ledger.begin(make_row(), [ANN], sent_at=MAIL_AT - MINUTE) == Begun()


async def test_who_is_left_out_is_on_record_before_the_mail_leaves(tables: StoreBench) -> None:
    """The attempt may not live to tell it; the web server is told once."""
    tables.ledger.tells = True
    note = RecipientNote("order-4711", BEN, Status.SUPPRESSED, Reason.SUPPRESSED, now(tables))
    begun = make_row(lease_ends_at=now(tables) + MINUTE)

    await tables.ledger.begin(begun, [ANN], left_out=[note])
    during = await statuses(tables)
    await tables.ledger.write(Change(begun.accepted("ses-1", now(tables)), recipients=[note]))

    told = [json.loads(letter["payload"])["data"] for letter in await select(tables, schema.outbox)]
    assert during == {BEN: Status.SUPPRESSED}
    assert [(one["recipient"], one["status"]) for one in told] == [(BEN, "suppressed")]


async def test_a_bounce_that_comes_before_anybody_knows_whose_it_is_is_told(
    tables: StoreBench, book: EventBook
) -> None:
    """An identity's, then the tagged Send, then SES's answer: the row says `sending` all the while."""
    tables.ledger.tells = True
    begun = make_row(lease_ends_at=now(tables) + MINUTE)
    await tables.ledger.begin(begun, [ANN])

    await book.record([untagged(make_event(EventKind.BOUNCE, to=(ANN,), feedback_id="f-1"))])
    await book.record([make_event(EventKind.SEND, to=(ANN,))])

    told = [json.loads(letter["payload"])["data"] for letter in await select(tables, schema.outbox)]
    assert [(one["state"], one["status"]) for one in told] == [("accepted", "accepted"), ("accepted", "hard_bounced")]


async def test_who_was_let_go_stays_free_of_the_same_bounce(tables: StoreBench, book: EventBook) -> None:
    """An identity has told of it first; the configuration set tells of it again."""
    bounce = make_event(EventKind.BOUNCE, to=(ANN,), feedback_id="f-1")
    await book.record([untagged(bounce)])
    async with tables.ledger.engine.begin() as connection:
        await connection.execute(sa.delete(schema.suppressions))

    await book.record([bounce])

    assert await suppressions(tables) == {}


async def test_a_late_event_of_an_erased_person_brings_nobody_back(tables: StoreBench, book: EventBook) -> None:
    tables.ledger.tells = True
    await accepted(tables)
    hashed = address_hash(ANN)
    async with tables.ledger.engine.begin() as connection:
        note = {"email_id": "order-4711", "address": hashed, "status": 40, "updated_at": 0.0}
        await connection.execute(sa.insert(schema.recipients), [note])

    await book.record(
        [
            make_event(EventKind.OPEN, to=(ANN,), facts={"ip": "198.51.100.7", "is_bot": False}),
            make_event(EventKind.COMPLAINT, to=(ANN,), feedback_id="f-1", facts={"user_agent": ANN}),
        ]
    )

    kept = [await select(tables, table) for table in (schema.events, schema.recipients, schema.outbox)]
    assert ANN not in json.dumps(kept)
    assert "198.51.100.7" not in json.dumps(kept)
    assert await statuses(tables) == {hashed: Status.COMPLAINED}


async def test_a_double_is_proven_by_the_answer_too(tables: StoreBench, book: EventBook) -> None:
    """The first mail's event came while the second attempt was under way."""
    begun = make_row(attempt=2, resends=1, lease_ends_at=now(tables) + MINUTE)
    await tables.ledger.begin(begun, [])
    await book.record([make_event(EventKind.SEND, ses_message_id="first", attempt=1)])

    with capture_logs() as lines, rising() as risen:
        receipt = Receipt("second", "order-4711", 2, now(tables))
        await tables.ledger.write(Change(begun.accepted("second", now(tables)), receipt=receipt))

    assert [line["email_id"] for line in lines if line["event"] == "duplicate_proven"] == ["order-4711"]
    assert tables.ledger.doubled == 1
    assert risen.of("duplicates_proven_total") == 1


async def test_ses_may_be_in_the_future(bench: Bench, book: EventBook) -> None:
    """A mail's time far ahead would make everything else look old."""
    await doubted(bench)

    await book.record([make_event(EventKind.SEND, mail_at=MAIL_AT + 5_000 * DAY)])

    row = await bench.ledger.find("order-4711")
    assert row is not None
    assert row.accepted_at == now(bench)


async def test_two_nodes_that_suppress_at_once_keep_the_stronger(tables: StoreBench) -> None:
    """A complaint and the fifth soft bounce: what ends in thirty days must not overwrite what never ends."""
    async with tables.another_node() as other:
        assert isinstance(other, Store)
        books = [SqlEventBook(store=tables.ledger), SqlEventBook(store=other)]
        for number in range(10):
            to = f"p{number}@example.org"
            for n in range(4):
                await books[0].record([bounced(n, to=to)])
            await asyncio.gather(
                books[0].record([bounced(4, to=to)]),
                books[1].record([make_event(EventKind.COMPLAINT, ses_message_id="c", to=(to,), feedback_id=to)]),
            )

    assert set((await suppressions(tables)).values()) == {Reason.COMPLAINT}


# --- doubt -----------------------------------------------------------------------------------------


@pytest.mark.parametrize("kind", list(EventKind))
async def test_any_event_with_our_tag_ends_a_doubt(bench: Bench, book: EventBook, kind: EventKind) -> None:
    row = await doubted(bench, receipt_handle="handle-7")

    recorded = await book.record([make_event(kind, feedback_id="f-1")])

    found = await bench.ledger.find("order-4711")
    assert found is not None
    assert (found.state, found.ses_message_id, found.receipt_handle) == (State.ACCEPTED, "ses-1", None)
    (proven,) = recorded.proven
    assert (proven.before, proven.receipt_handle, proven.lane) == (State.IN_DOUBT, "handle-7", row.lane)


async def test_an_event_of_an_earlier_attempt_ends_the_job_too(bench: Bench, book: EventBook) -> None:
    await doubted(bench, attempt=3, resends=2)

    await book.record([make_event(EventKind.SEND, attempt=1)])

    assert await state(bench) is State.ACCEPTED


async def test_what_a_crash_has_left_is_ended_once_its_lease_is_over(bench: Bench, book: EventBook) -> None:
    await bench.ledger.begin(make_row(lease_ends_at=now(bench) - MINUTE), [])

    recorded = await book.record([make_event(EventKind.SEND)])

    assert await state(bench) is State.ACCEPTED
    assert [proven.before for proven in recorded.proven] == [State.SENDING]


async def test_a_doubt_that_comes_after_its_proof_is_none(bench: Bench, book: EventBook) -> None:
    """The answer times out after 25 s; the event was there after one."""
    begun = make_row(lease_ends_at=now(bench) + MINUTE)
    await bench.ledger.begin(begun, [])
    await book.record([make_event(EventKind.DELIVERY, to=(ANN,))])

    written = await bench.ledger.write(Change(begun.doubted(now(bench), now(bench), Reason.ANSWER_LOST)))

    assert not written
    assert await state(bench) is State.ACCEPTED


@pytest.mark.parametrize("after", [State.REFUSED, State.DEFERRED, State.DEAD, State.EXPIRED])
async def test_what_is_thought_of_the_job_later_does_not_reopen_it(bench: Bench, book: EventBook, after: State) -> None:
    """A throttle, a refusal, even its death: proof of any attempt overrules them, before and afterwards."""
    begun = make_row(attempt=2, lease_ends_at=now(bench) + MINUTE)
    await bench.ledger.begin(begun, [])
    thought = replace(begun, state=after, reason=Reason.THROTTLED, version=begun.version + 1)
    await bench.ledger.write(Change(thought))

    await book.record([make_event(EventKind.SEND, attempt=1)])
    ended = await state(bench)
    reopened = await bench.ledger.write(Change(replace(thought, version=begun.version + 3)))

    assert (ended, reopened) == (State.ACCEPTED, False)
    assert await state(bench) is State.ACCEPTED


async def test_a_proven_job_is_not_begun_again(bench: Bench, book: EventBook) -> None:
    """The event came while the job was deferred, its message on the way: the next attempt must not leave."""
    row = await doubted(bench)
    await book.record([make_event(EventKind.SEND)])

    again = row.begun(owner="node-2", now=now(bench), lease_ends_at=now(bench), receipt_handle="handle-2")

    assert isinstance(await bench.ledger.begin(again, []), Overtaken)
    assert await state(bench) is State.ACCEPTED


async def test_two_mails_of_one_job_are_a_proven_double(bench: Bench, book: EventBook) -> None:
    await accepted(bench, ses_message_id="ses-2", attempt=2, resends=1)

    own = await book.record([make_event(EventKind.SEND, ses_message_id="ses-2", attempt=2)])
    late = await book.record([make_event(EventKind.SEND, ses_message_id="ses-1", attempt=1)])
    again = await book.record([make_event(EventKind.DELIVERY, ses_message_id="ses-1", attempt=1)])

    assert [list(recorded.doubled) for recorded in (own, late, again)] == [[], ["order-4711"], []]


async def test_doubts_come_by_their_time(bench: Bench, book: EventBook) -> None:
    for number, email_id in enumerate(("c", "a", "b")):
        row = make_row(email_id, state=State.IN_DOUBT, due_at=EPOCH + number * MINUTE)
        await bench.ledger.write(Change(row))
    await bench.ledger.write(Change(make_row("other", state=State.DEFERRED, due_at=EPOCH)))

    found = await book.doubts(EPOCH + 2 * MINUTE, limit=10)
    first = await book.doubts(EPOCH + 2 * MINUTE, limit=1)

    assert [row.email_id for row in found] == ["c", "a"]
    assert [row.email_id for row in first] == ["c"]


async def test_a_doubt_is_put_off_unless_it_was_overtaken(bench: Bench, book: EventBook) -> None:
    row = await doubted(bench)

    put_off = await book.put_off(row.doubted_on(now(bench) + 60 * MINUTE, now(bench)))
    overtaken = await book.put_off(row.doubted_on(now(bench) + 90 * MINUTE, now(bench)))

    found = await bench.ledger.find("order-4711")
    assert (put_off, overtaken) == (True, False)
    assert found is not None
    assert found.due_at == now(bench) + 60 * MINUTE


# --- the living channel ----------------------------------------------------------------------------


OTHER = make_event(EventKind.SEND, email_id="other", ses_message_id="ses-other")


async def proof(bench: Bench, book: EventBook, event: SesEvent | None = OTHER, *, seen_after_s: float = 60.0) -> bool:
    """Whether another mail's event shows that the set `tank` is alive, once the queue was drained."""
    at = now(bench)
    await accepted(bench, "other", "ses-other")
    bench.clock.boot += 10
    if event is not None:
        await book.record([event])
    found = await book.newest_proof("tank", at + timedelta(seconds=seen_after_s))
    assert found in {None, at}, "by our own clock"
    return found == at


async def test_a_send_event_of_another_mail_shows_that_the_channel_is_alive(bench: Bench, book: EventBook) -> None:
    assert await proof(bench, book)


@pytest.mark.parametrize(
    "event",
    [
        pytest.param(None, id="nothing-came"),
        pytest.param(replace(OTHER, kind=EventKind.DELIVERY), id="no-send-kind-subscribed"),
        pytest.param(replace(OTHER, is_published=False, tag=None, attempt=None), id="an-identitys-notification"),
        pytest.param(replace(OTHER, configuration_set="marketing"), id="another-set"),
        pytest.param(replace(OTHER, configuration_set=None), id="no-set-is-told"),
        pytest.param(replace(OTHER, tag=None), id="without-our-tag"),
        pytest.param(replace(OTHER, ses_message_id="ses-strange", tag="strange"), id="a-mail-that-we-did-not-send"),
    ],
)
async def test_what_must_not_look_like_a_living_channel(bench: Bench, book: EventBook, event: SesEvent | None) -> None:
    assert not await proof(bench, book, event)


async def test_an_event_that_came_after_the_look_shows_nothing(bench: Bench, book: EventBook) -> None:
    """A backlog: what is missing may still be in it."""
    assert not await proof(bench, book, seen_after_s=5.0)


async def test_an_event_that_was_quicker_than_the_answer_shows_life_all_the_same(bench: Bench, book: EventBook) -> None:
    begun = make_row("other", lease_ends_at=now(bench) + MINUTE, configuration_set="tank")
    await bench.ledger.begin(begun, [])
    await book.record([OTHER])
    bench.clock.boot += 1
    answered_at = now(bench)
    receipt = Receipt("ses-other", "other", 1, answered_at)
    await bench.ledger.write(Change(begun.accepted("ses-other", answered_at), receipt=receipt))

    if isinstance(bench.ledger, FakeLedger):
        book.by_event.clear()  # type: ignore[attr-defined]  # the fake's ledger knows nothing of its book
    assert await book.newest_proof("tank", answered_at + MINUTE) == answered_at


async def test_what_is_noted_of_the_queue_is_kept(bench: Bench, book: EventBook) -> None:
    before = await book.drained_until()
    await book.drained(EPOCH, EPOCH + 2 * MINUTE)
    await book.drained(EPOCH + MINUTE, EPOCH + 3 * MINUTE)

    assert (before, await book.drained_until()) == (None, Drained(EPOCH + MINUTE, EPOCH + 3 * MINUTE))


# --- trouble ---------------------------------------------------------------------------------------


async def test_a_sick_store_says_so(bench: Bench, book: EventBook) -> None:
    bench.fall_sick()

    with pytest.raises(StoreError):
        await book.record([make_event()])

    bench.recover()
    assert (await book.record([make_event()])).recordings[0].is_new


# --- on a database ---------------------------------------------------------------------------------


@pytest.fixture
def tables(bench: Bench) -> StoreBench:
    if not isinstance(bench, StoreBench):
        pytest.skip("about tables")
    return bench


async def select(bench: StoreBench, table: sa.Table) -> list[dict[str, Any]]:
    async with bench.ledger.engine.connect() as connection:
        return [dict(record) for record in (await connection.execute(sa.select(table))).mappings()]


async def suppressions(bench: StoreBench) -> dict[str, str]:
    return {entry["address"]: entry["reason"] for entry in await select(bench, schema.suppressions)}


def bounced(number: int, *, facts: dict[str, Any] | None = None, code: str = "4.2.2", to: str = ANN) -> SesEvent:
    return make_event(
        EventKind.BOUNCE,
        email_id=f"job-{number}",
        ses_message_id=f"ses-{number}",
        to=(to,),
        occurred_at=MAIL_AT + number * DAY,
        feedback_id=f"f-{number}",
        facts=facts or SOFT,
        code=code,
    )


def delivered(number: int, to: str = ANN) -> SesEvent:
    return make_event(
        EventKind.DELIVERY,
        email_id=f"job-{number}",
        ses_message_id=f"ses-{number}",
        to=(to,),
        occurred_at=MAIL_AT + number * DAY,
    )


@pytest.mark.parametrize("kind", [EventKind.BOUNCE, EventKind.COMPLAINT])
async def test_a_hard_bounce_or_a_complaint_suppresses_at_once(
    tables: StoreBench, book: EventBook, kind: EventKind
) -> None:
    recorded = await book.record([make_event(kind, to=(ANN, BEN), listed=(ANN,), feedback_id="f-1")])
    later = await tables.ledger.begin(make_row("next"), [ANN, BEN])

    assert [new.address for new in recorded.suppressed] == [ANN]
    assert later == Suppressed({ANN: Reason.SUPPRESSED})
    (entry,) = await select(tables, schema.suppressions)
    (key,) = [event["key"] for event in await select(tables, schema.events) if event["recipient"] == ANN]
    assert (entry["source"], entry["event_key"], entry["ends_at"]) == ("event", key, None)


async def test_a_mail_of_another_application_suppresses_too(tables: StoreBench, book: EventBook) -> None:
    """The address is as dead, and the reputation the same."""
    await book.record([make_event(EventKind.BOUNCE, email_id=None, ses_message_id="theirs", to=(ANN,))])

    assert await suppressions(tables) == {ANN: Reason.HARD_BOUNCE}


async def test_five_soft_bounces_in_a_row_suppress_in_any_order(tables: StoreBench, book: EventBook) -> None:
    events = [bounced(number) for number in range(5)]
    Random(7).shuffle(events)

    for event in events[:4]:
        await book.record([event, event])
    before = await suppressions(tables)
    await book.record([events[4]])

    assert (before, await suppressions(tables)) == ({}, {ANN: Reason.SOFT_BOUNCES})


async def test_a_delivery_between_begins_the_run_anew(tables: StoreBench, book: EventBook) -> None:
    await book.record([*(bounced(number) for number in (0, 1, 3, 4, 5)), delivered(2)])

    assert await suppressions(tables) == {}


async def test_manual_entries_win(tables: StoreBench, book: EventBook) -> None:
    await tables.suppress(ANN)

    await book.record([make_event(EventKind.COMPLAINT, to=(ANN,))])

    assert await suppressions(tables) == {ANN: Reason.MANUAL}


async def test_who_was_erased_stays_suppressed_by_the_hash(tables: StoreBench) -> None:
    await tables.suppress(address_hash(ANN))

    assert await tables.ledger.begin(make_row(), [ANN, BEN]) == Suppressed({ANN: Reason.SUPPRESSED})


async def test_stale_addresses_are_held_back(tables: StoreBench, book: EventBook) -> None:
    """Mailed before, nothing delivered for so long; who was never mailed is no stranger to that."""
    await book.record(
        [
            make_event(EventKind.SEND, ses_message_id="old", email_id="old", to=(ANN, BEN)),
            replace(delivered(0, BEN), ses_message_id="old"),
        ]
    )
    store = tables.ledger
    tables.clock.boot = (MAIL_AT - EPOCH).total_seconds() + 100 * 86_400
    await book.record([replace(delivered(1, BEN), occurred_at=now(tables) - DAY)])
    off = await store.begin(make_row("a"), [ANN, BEN, CY])
    store.stale_after_days = 90
    store.__post_init__()
    on = await store.begin(make_row("b"), [ANN, BEN, CY])

    assert (off, on) == (Begun(), Suppressed({ANN: Reason.STALE}))


async def test_an_identity_that_speaks_first_does_not_hide_the_proof(tables: StoreBench, book: EventBook) -> None:
    """Both are set up: the same bounce comes twice, once without tags."""
    await doubted(tables)
    published = make_event(EventKind.BOUNCE, feedback_id="f-1")

    await book.record([replace(published, is_published=False, tag=None, attempt=None, configuration_set=None)])
    before = await state(tables)
    await book.record([published])

    assert (before, await state(tables)) == (State.IN_DOUBT, State.ACCEPTED)
    assert len(await select(tables, schema.events)) == 1


def untagged(event: SesEvent) -> SesEvent:
    return replace(event, is_published=False, tag=None, attempt=None, configuration_set=None)


@pytest.mark.parametrize("batches", [[[0, 1]], [[1, 0]], [[1], [0]], [[0], [1]]], ids=str)
async def test_an_identitys_bounce_is_told_of_the_mail_that_it_belongs_to(
    bench: Bench, book: EventBook, batches: list[list[int]]
) -> None:
    """Before or after the Send event that tells whose mail it is, in one batch with it or not."""
    if isinstance(bench.ledger, FakeLedger) and batches == [[1], [0]]:
        pytest.skip("the fake forgets what it cannot relate")
    await doubted(bench)
    told = [make_event(EventKind.SEND, to=(ANN,)), untagged(make_event(EventKind.BOUNCE, to=(ANN,), feedback_id="f"))]

    for batch in batches:
        await book.record([told[number] for number in batch])

    assert await state(bench) is State.ACCEPTED
    assert await statuses(bench) == {ANN: Status.HARD_BOUNCED}


async def test_an_identitys_bounce_may_come_before_the_answer(tables: StoreBench, book: EventBook) -> None:
    """Nobody knows SES's id of the mail yet."""
    await book.record([untagged(make_event(EventKind.BOUNCE, to=(ANN,), feedback_id="f-1"))])

    await accepted(tables)

    assert await statuses(tables) == {ANN: Status.HARD_BOUNCED}


@pytest.mark.parametrize("order", [[0, 1], [1, 0]], ids=str)
async def test_a_bounce_told_twice_in_one_batch_proves_all_the_same(
    bench: Bench, book: EventBook, order: list[int]
) -> None:
    await doubted(bench)
    published = make_event(EventKind.BOUNCE, to=(ANN,), feedback_id="f-1")
    both = [published, untagged(published)]

    await book.record([both[number] for number in order])

    assert await state(bench) is State.ACCEPTED
    assert await statuses(bench) == {ANN: Status.HARD_BOUNCED}


async def test_who_was_erased_gets_no_name_by_a_late_event(tables: StoreBench, book: EventBook) -> None:
    await tables.suppress(address_hash(ANN))

    await book.record([make_event(EventKind.COMPLAINT, to=(ANN,), feedback_id="f-1")])

    assert set(await suppressions(tables)) == {address_hash(ANN)}


async def test_the_web_server_is_told_of_each_rise_once(tables: StoreBench, book: EventBook) -> None:
    tables.ledger.tells = True
    await accepted(tables)

    for event in (*STORY, *reversed(STORY)):
        await book.record([event])

    told = [json.loads(letter["payload"])["data"] for letter in await select(tables, schema.outbox)]
    assert [one["status"] for one in told] == ["accepted", "delivered", "complained"]
    assert {one["email_id"] for one in told} == {"order-4711"}
    assert {one["recipient"] for one in told} == {"recipient@example.org"}


async def test_a_value_that_no_database_takes_fails_nobody_else(tables: StoreBench, book: EventBook) -> None:
    """Half a character, NUL: the store spells them otherwise; what it cannot take fails alone."""
    odd = make_event(EventKind.BOUNCE, to=(ANN,), facts={**HARD, "reporting_mta": "dsn; \x00\ud800"})
    strange = replace(make_event(EventKind.OPEN, email_id="b"), attempt=2**80)

    recorded = await book.record([odd])
    one, other = await asyncio.gather(
        book.record([strange]), tables.ledger.begin(make_row("fine"), []), return_exceptions=True
    )

    assert recorded.recordings[0].is_new
    assert isinstance(one, StoreError)
    assert isinstance(other, Begun)


async def test_several_nodes_record_the_same_events_at_the_same_time(tables: StoreBench) -> None:
    """Each event counts once, whoever is first, and nobody waits for ever."""
    events = [
        make_event(EventKind.DELIVERY, email_id=f"job-{n}", ses_message_id=f"ses-{n}", to=(f"p{n}@example.org",))
        for n in range(40)
    ]
    for number in range(40):
        await doubted(tables, f"job-{number}")
    async with tables.another_node() as other:
        assert isinstance(other, Store)
        books = [SqlEventBook(store=tables.ledger), SqlEventBook(store=other)]
        parts = [(book, events[n : n + 10]) for book in books for n in range(0, 40, 10)]
        parts += [(book, events[n : n + 10][::-1]) for book in books for n in range(30, -1, -10)]
        results = await asyncio.gather(*(book.record(part) for book, part in parts))

    assert sum(len(recorded.proven) for recorded in results) == 40
    assert sum(r.is_new for recorded in results for r in recorded.recordings) == 40


async def test_a_listed_address_that_is_none_is_kept_as_it_is(tables: StoreBench, book: EventBook) -> None:
    await accepted(tables)
    event = replace(make_event(EventKind.BOUNCE, to=(ANN,)), listed=(Listed("undisclosed"),))

    await book.record([event])

    assert (await statuses(tables))["undisclosed"] is Status.HARD_BOUNCED


async def test_the_tag_of_an_id_that_is_none_is_kept_with_its_job(tables: StoreBench) -> None:
    await tables.ledger.begin(make_row("a b"), [])
    await tables.ledger.begin(make_row("plain"), [])

    tags = {job["email_id"]: job["tag"] for job in await select(tables, schema.jobs)}

    assert tags == {"a b": email_id_tag("a b"), "plain": None}


async def test_a_store_that_is_fed_no_more_still_knows_what_it_was_told(tables: StoreBench, book: EventBook) -> None:
    """Somebody has taken the event queue out of the settings: proof is proof."""
    store = tables.ledger
    await store.look_for_events(is_fed=False)
    before = store.has_events
    await book.record([make_event(EventKind.SEND)])

    await store.look_for_events(is_fed=False)

    assert (before, store.has_events) == (False, True)
