"""What every `Ledger` keeps to: the one in memory that the flows are tested with, SQLite, PostgreSQL."""

import asyncio
from dataclasses import fields, replace
from datetime import UTC, datetime, timedelta
from itertools import count

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tank_mailer.core.errors import Reason, StoreError
from tank_mailer.core.ledger import Row, State
from tank_mailer.core.status import Status
from tank_mailer.ports import Aside, Begun, Change, Ledger, Overtaken, Receipt, RecipientNote, Suppressed
from tests.contract.benches import Bench
from tests.fakes import EPOCH

ANN, BEN, CY = "ann@example.org", "ben@example.org", "cy@example.org"
HOUR = timedelta(hours=1)
MINUTE = timedelta(minutes=1)


def make_row(email_id: str = "order-4711", **changes: object) -> Row:
    """A first attempt's row, about to be begun."""
    row = Row(
        email_id=email_id,
        state=State.SENDING,
        content_hash="c0ffee",
        lane="outbound",
        queue_message_id=f"queue-message-of-{email_id}",
        first_seen_at=EPOCH,
        updated_at=EPOCH,
        owner="node-1/77",
        attempt=1,
        receipt_handle="handle-1",
        lease_ends_at=EPOCH + MINUTE,
        started_at=EPOCH,
    )
    return replace(row, **changes)  # type: ignore[arg-type]  # any field's value


def make_receipt(email_id: str = "order-4711", ses_message_id: str = "ses-1") -> Receipt:
    return Receipt(ses_message_id, email_id, attempt=1, accepted_at=EPOCH)


def make_note(address: str, status: Status, reason: str | None = None) -> RecipientNote:
    return RecipientNote("order-4711", address, status, reason, EPOCH)


def make_aside(queue_message_id: str = "queue-message-1", **changes: object) -> Aside:
    aside = Aside(
        queue_message_id=queue_message_id,
        email_id="order-4711",
        kind="invalid",
        reason=Reason.BAD_FIELD,
        detail="subject: This is too long.",
        raw='{"email_id": "order-4711"}',
        lane="outbound",
        at=EPOCH,
    )
    return replace(aside, **changes)  # type: ignore[arg-type]  # any field's value


# --- one row ---------------------------------------------------------------------------------------


async def test_an_unknown_job_has_no_row(ledger: Ledger) -> None:
    assert await ledger.find("never-seen") is None


async def test_a_beginning_attempt_is_on_record_before_its_request_leaves(ledger: Ledger) -> None:
    row = make_row()

    assert await ledger.begin(row, [ANN]) == Begun()

    assert await ledger.find("order-4711") == row


async def test_a_begin_over_a_stale_row_is_overtaken(ledger: Ledger) -> None:
    """The row, not the lease, is the fence between nodes: who read an old version may not send."""
    await ledger.begin(make_row(), [ANN])
    newer = make_row().deferred(EPOCH + HOUR, EPOCH, Reason.THROTTLED)
    assert await ledger.write(Change(newer))

    stale = make_row().doubted(EPOCH, EPOCH, Reason.PROCESS_DIED)

    assert await ledger.begin(stale, [ANN]) == Overtaken()
    assert await ledger.find("order-4711") == newer


async def test_a_begin_over_the_version_that_was_read_goes_on(ledger: Ledger) -> None:
    deferred = make_row(state=State.DEFERRED)
    await ledger.write(Change(deferred))
    again = deferred.begun(owner="node-2/1", now=EPOCH, lease_ends_at=EPOCH + MINUTE, receipt_handle="handle-2")

    assert await ledger.begin(again, [ANN]) == Begun()

    assert await ledger.find("order-4711") == again


async def test_only_one_of_many_first_begins_wins(ledger: Ledger) -> None:
    """One message handed out twice at the same time must not become two mails."""
    rows = [make_row(owner=f"task-{n}") for n in range(20)]

    answers = await asyncio.gather(*(ledger.begin(row, [ANN]) for row in rows))

    assert answers.count(Begun()) == 1
    assert answers.count(Overtaken()) == 19
    assert await ledger.find("order-4711") == rows[answers.index(Begun())]


async def test_only_one_of_two_nodes_begins_a_job(bench: Bench) -> None:
    """Two nodes that receive copies of the same jobs at the same time send each of them once."""
    ids = [f"order-{n}" for n in range(40)]
    async with bench.another_node() as other:
        ours = [bench.ledger.begin(make_row(email_id, owner="ours"), [ANN]) for email_id in ids]
        theirs = [other.begin(make_row(email_id, owner="theirs"), [ANN]) for email_id in reversed(ids)]
        answers = await asyncio.gather(*ours, *theirs)

        for n, email_id in enumerate(ids):
            pair = (answers[n], answers[-1 - n])
            assert set(map(type, pair)) == {Begun, Overtaken}, email_id
            row = await other.find(email_id)
            assert row is not None
            assert row.owner == ("ours" if pair[0] == Begun() else "theirs")


async def test_a_write_counts_only_over_the_version_before(ledger: Ledger) -> None:
    row = make_row()
    await ledger.begin(row, [ANN])
    written = row.deferred(EPOCH + HOUR, EPOCH, Reason.THROTTLED)
    too_late = row.failed(EPOCH + HOUR, EPOCH, Reason.SERVICE_ERROR, "HTTP 503")

    assert await ledger.write(Change(written)) is True
    assert await ledger.write(Change(too_late)) is False

    assert await ledger.find("order-4711") == written


async def test_no_version_can_be_left_out(ledger: Ledger) -> None:
    """Who knows a later version than the row on disk has read another row, or a restored store is older."""
    await ledger.begin(make_row(), [ANN])
    ahead = make_row(version=3, state=State.DEFERRED)

    assert await ledger.write(Change(ahead)) is False
    assert await ledger.begin(ahead, [ANN]) == Overtaken()

    assert await ledger.find("order-4711") == make_row()


async def test_only_one_of_two_writes_at_the_same_time_counts(ledger: Ledger) -> None:
    row = make_row()
    await ledger.begin(row, [ANN])
    changes = [Change(row.deferred(EPOCH, EPOCH, Reason.THROTTLED, f"{n}")) for n in range(5)]

    answers = await asyncio.gather(*map(ledger.write, changes))

    assert sorted(answers) == [False, False, False, False, True]
    assert await ledger.find("order-4711") == changes[answers.index(True)].row


async def test_a_jobs_first_sight_stays(ledger: Ledger) -> None:
    row = make_row()
    await ledger.begin(row, [ANN])

    later = replace(row.deferred(EPOCH + HOUR, EPOCH + HOUR, Reason.THROTTLED), first_seen_at=EPOCH + HOUR)
    await ledger.write(Change(later))

    assert await ledger.find("order-4711") == replace(later, first_seen_at=EPOCH)


# --- what goes on disk beside it --------------------------------------------------------------------


async def test_an_acceptance_is_kept_with_all_that_belongs_to_it(bench: Bench) -> None:
    row = make_row()
    await bench.ledger.begin(row, [ANN, BEN])
    accepted = row.accepted("ses-1", EPOCH)
    notes = [make_note(ANN, Status.ACCEPTED), make_note(BEN, Status.SUPPRESSED, "manual")]

    assert await bench.ledger.write(Change(accepted, make_receipt(), notes, sender="news@example.com"))

    assert await bench.ledger.find("order-4711") == accepted
    assert await bench.receipts() == [make_receipt()]
    assert await bench.notes("order-4711") == notes
    assert await bench.ledger.sender_is_known("news@example.com")


async def test_an_overtaken_change_keeps_its_receipt(bench: Bench) -> None:
    """SES has the mail, whoever wrote the row: without this proof the job would go out again."""
    row = make_row()
    await bench.ledger.begin(row, [ANN])
    doubted = row.doubted(EPOCH + HOUR, EPOCH, Reason.PROCESS_DIED)
    await bench.ledger.write(Change(doubted))
    late = Change(
        row.accepted("ses-1", EPOCH),
        make_receipt(),
        [make_note(ANN, Status.ACCEPTED)],
        make_aside(),
        "news@example.com",
    )

    assert await bench.ledger.write(late) is False

    assert await bench.ledger.find("order-4711") == doubted
    assert await bench.receipts() == [make_receipt()]
    assert [note.address for note in await bench.notes("order-4711")] == [ANN]
    assert await bench.ledger.sender_is_known("news@example.com")
    assert await bench.asides() == []


async def test_an_overtaken_change_without_a_receipt_leaves_no_trace(bench: Bench) -> None:
    await bench.ledger.begin(make_row(), [ANN])

    late = Change(make_row(), None, [make_note(ANN, Status.SUPPRESSED)], make_aside(), "news@example.com")
    assert await bench.ledger.write(late) is False

    assert await bench.receipts() == []
    assert await bench.notes("order-4711") == []
    assert await bench.asides() == []
    assert not await bench.ledger.sender_is_known("news@example.com")


async def test_a_receipt_that_is_written_twice_is_kept_once(bench: Bench) -> None:
    """The flow writes it again after a store that was sick for a while."""
    row = make_row()
    await bench.ledger.begin(row, [ANN])
    change = Change(row.accepted("ses-1", EPOCH), make_receipt())

    assert [await bench.ledger.write(change), await bench.ledger.write(change)] == [True, False]

    assert await bench.receipts() == [make_receipt()]


@pytest.mark.parametrize(
    ("first", "second", "kept"),
    [
        pytest.param(Status.ACCEPTED, Status.DELIVERED, Status.DELIVERED, id="a-higher-rank-replaces"),
        pytest.param(Status.DELIVERED, Status.ACCEPTED, Status.DELIVERED, id="a-late-acceptance-does-not-lower"),
        pytest.param(Status.COMPLAINED, Status.DELIVERED, Status.COMPLAINED, id="a-complaint-stays"),
        pytest.param(Status.SUPPRESSED, Status.ACCEPTED, Status.ACCEPTED, id="a-suppressed-one-may-be-mailed-later"),
    ],
)
async def test_ranks_only_rise(bench: Bench, first: Status, second: Status, kept: Status) -> None:
    row = make_row(state=State.DEFERRED)
    await bench.ledger.write(Change(row, recipients=[make_note(ANN, first, "first")]))
    again = row.deferred(EPOCH, EPOCH, Reason.THROTTLED)
    await bench.ledger.write(Change(again, recipients=[make_note(ANN, second, "second")]))

    [note] = await bench.notes("order-4711")

    assert (note.status, note.reason) == (kept, "first" if kept is first else "second")


async def test_an_aside_comes_with_its_rows_end(bench: Bench) -> None:
    row = make_row(state=State.INVALID, reason=Reason.BAD_FIELD)

    assert await bench.ledger.write(Change(row, aside=make_aside()))

    assert await bench.asides() == [make_aside()]


async def test_setting_aside_twice_keeps_the_first(bench: Bench) -> None:
    await bench.ledger.set_aside(make_aside())
    await bench.ledger.set_aside(make_aside(detail="seen again"))

    assert await bench.asides() == [make_aside()]


async def test_an_aside_needs_no_id(bench: Bench) -> None:
    aside = make_aside(email_id=None, reason=Reason.NOT_JSON, raw="not JSON at all")

    await bench.ledger.set_aside(aside)

    assert await bench.asides() == [aside]


@pytest.mark.parametrize(
    ("detail", "kept"),
    [
        pytest.param("HTTP 503: \x00", "HTTP 503: \N{SYMBOL FOR NULL}", id="a-nul"),
        pytest.param("HTTP 503: \ud83d", "HTTP 503: ?", id="half-a-character"),
    ],
)
async def test_what_a_proxy_answers_can_be_written_down(ledger: Ledger, detail: str, kept: str) -> None:
    """JSON can spell what a database cannot keep; a job that failed so must not make the store look sick."""
    row = make_row().failed(EPOCH, EPOCH, Reason.SERVICE_ERROR, detail)

    assert await ledger.write(Change(row))

    assert await ledger.find("order-4711") == replace(row, detail=kept)


@pytest.mark.parametrize(
    ("raw", "kept"),
    [
        pytest.param("a\x00b", "a\N{SYMBOL FOR NULL}b", id="a-nul-which-postgresql-has-no-room-for"),
        pytest.param("a\ud83db", "a?b", id="half-a-character-which-utf-8-cannot-spell"),
        pytest.param("😀 \N{LATIN SMALL LETTER E WITH ACUTE} \x1b[31m", "😀 é \x1b[31m", id="any-alphabet"),
        pytest.param("x" * 65_536, "x" * 65_536, id="64-kib"),
        pytest.param("", "", id="nothing"),
        pytest.param("%s %(id)s :id $1 ?", "%s %(id)s :id $1 ?", id="what-drivers-may-take-for-parameters"),
    ],
)
async def test_raw_text_is_kept(bench: Bench, raw: str, kept: str) -> None:
    await bench.ledger.set_aside(make_aside(raw=raw))

    [aside] = await bench.asides()

    assert aside.raw == kept


async def test_an_aside_without_a_time_gets_the_present_one(bench: Bench) -> None:
    before = bench.clock.now()
    await bench.ledger.set_aside(make_aside(at=None))

    [aside] = await bench.asides()

    assert aside.at is not None
    assert before - MINUTE <= aside.at <= bench.clock.now()


# --- suppression -----------------------------------------------------------------------------------


async def test_a_suppressed_recipient_stops_the_begin(bench: Bench) -> None:
    """Promise 5: checked in the transaction that begins the attempt, so that no entry comes too late."""
    await bench.suppress(ANN)
    await bench.suppress(CY)

    answer = await bench.ledger.begin(make_row(), [ANN, BEN])

    assert isinstance(answer, Suppressed)
    assert set(answer.reasons) == {ANN}
    assert await bench.ledger.find("order-4711") is None


@pytest.mark.parametrize(
    ("ends_in", "counts"),
    [
        pytest.param(None, True, id="without-an-end"),
        pytest.param(HOUR, True, id="ends-in-the-future"),
        pytest.param(-HOUR, False, id="expired"),
    ],
)
async def test_an_entry_counts_until_its_end(bench: Bench, ends_in: timedelta | None, counts: bool) -> None:
    await bench.suppress(ANN, ends_at=None if ends_in is None else bench.clock.now() + ends_in)

    answer = await bench.ledger.begin(make_row(), [ANN])

    assert isinstance(answer, Suppressed if counts else Begun)


async def test_one_jobs_suppressed_recipient_is_not_anothers(bench: Bench) -> None:
    """Requests share a transaction; what they find must not be shared."""
    await bench.suppress(ANN)
    await bench.suppress(BEN)

    begins = {"a": [ANN, CY], "b": [CY], "c": [BEN], "d": []}

    answers = await asyncio.gather(*(bench.ledger.begin(make_row(name), keys) for name, keys in begins.items()))

    assert answers == [Suppressed({ANN: Reason.SUPPRESSED}), Begun(), Suppressed({BEN: Reason.SUPPRESSED}), Begun()]


async def test_suppression_goes_before_versions(bench: Bench) -> None:
    await bench.ledger.begin(make_row(), [BEN])
    await bench.suppress(ANN)

    assert await bench.ledger.begin(make_row(), [ANN]) == Suppressed({ANN: Reason.SUPPRESSED})


# --- what others did -------------------------------------------------------------------------------


async def test_a_sender_is_known_once_ses_accepted_from_it(bench: Bench) -> None:
    assert not await bench.ledger.sender_is_known("news@example.com")
    row = make_row()
    await bench.ledger.begin(row, [ANN])
    await bench.ledger.write(Change(row.accepted("ses-1", EPOCH), make_receipt(), sender="news@example.com"))

    assert await bench.ledger.sender_is_known("news@example.com")
    assert not await bench.ledger.sender_is_known("sales@example.com")
    async with bench.another_node() as other:
        assert await other.sender_is_known("news@example.com")


@pytest.mark.parametrize(
    ("email_id", "accepted_at", "others"),
    [
        pytest.param("other", EPOCH + MINUTE, True, id="another-one-afterwards"),
        pytest.param("other", EPOCH, True, id="another-one-at-that-moment"),
        pytest.param("other", EPOCH - MINUTE, False, id="another-one-before"),
        pytest.param("order-4711", EPOCH + MINUTE, False, id="only-itself"),
    ],
)
async def test_others_accepted_since(ledger: Ledger, email_id: str, accepted_at: datetime, others: bool) -> None:
    """Only a job that others pass by is to blame for its failures."""
    await ledger.write(Change(make_row(email_id, state=State.ACCEPTED, accepted_at=accepted_at)))
    await ledger.write(Change(make_row("waiting", state=State.DEFERRED)))

    assert await ledger.others_accepted_since(EPOCH, "order-4711") is others


# --- all fields ------------------------------------------------------------------------------------

texts = st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\x00"), max_size=40)
times = st.datetimes(datetime(2020, 1, 1), datetime(2100, 1, 1), timezones=st.just(UTC))  # noqa: DTZ001 - see timezones
numbers = count(1)
counts = st.integers(0, 2**31 - 1)
rows = st.builds(
    Row,
    email_id=st.just(""),
    state=st.sampled_from(State),
    content_hash=texts,
    lane=texts,
    queue_message_id=texts,
    first_seen_at=times,
    updated_at=times,
    owner=texts,
    attempt=counts,
    charged=counts,
    resends=counts,
    throttles=counts,
    receipt_handle=st.none() | texts,
    lease_ends_at=st.none() | times,
    due_at=st.none() | times,
    started_at=st.none() | times,
    first_failed_at=st.none() | times,
    accepted_at=st.none() | times,
    copied_at=st.none() | times,
    ses_message_id=st.none() | texts,
    reason=st.none() | st.sampled_from(Reason),
    detail=st.none() | texts,
    version=counts,
)


@given(row=rows)
@settings(max_examples=25, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
async def test_a_row_comes_back_as_it_was_written(ledger: Ledger, row: Row) -> None:
    row = replace(row, email_id=f"order-{next(numbers)}")  # a store for all examples
    assert await ledger.write(Change(row))

    assert await ledger.find(row.email_id) == row


async def test_every_field_of_a_row_can_be_written_over(ledger: Ledger) -> None:
    """A column left out of the update would keep the first version's value for ever."""
    await ledger.write(Change(make_row()))
    after = Row(
        email_id="order-4711",
        state=State.DEAD,
        content_hash="decaf",
        lane="priority",
        queue_message_id="another",
        first_seen_at=EPOCH,
        updated_at=EPOCH + 1 * MINUTE,
        owner="node-2/1",
        attempt=2,
        charged=3,
        resends=4,
        throttles=5,
        receipt_handle="handle-2",
        lease_ends_at=EPOCH + 2 * MINUTE,
        due_at=EPOCH + 3 * MINUTE,
        started_at=EPOCH + 4 * MINUTE,
        first_failed_at=EPOCH + 5 * MINUTE,
        accepted_at=EPOCH + 6 * MINUTE,
        copied_at=EPOCH + 7 * MINUTE,
        ses_message_id="ses-1",
        reason=Reason.IN_DOUBT,
        detail="nothing settled it",
        configuration_set="tank",
        version=2,
    )
    before, kept = make_row(), {"email_id", "first_seen_at"}
    assert all(getattr(before, f.name) != getattr(after, f.name) for f in fields(Row) if f.name not in kept)

    assert await ledger.write(Change(after))

    assert await ledger.find("order-4711") == after


# --- many at the same time ---------------------------------------------------------------------------


async def test_three_hundred_at_the_same_time_get_each_its_own_answer(bench: Bench) -> None:
    """Whatever goes into one transaction, an answer must not reach a neighbour."""
    await bench.suppress(BEN)
    known = [make_row(f"known-{n}", state=State.ACCEPTED, owner=f"owner-{n}") for n in range(60)]
    assert all(await asyncio.gather(*(bench.ledger.write(Change(row)) for row in known)))

    found, begun, held_back, overtaken, accepted = await asyncio.gather(
        asyncio.gather(*(bench.ledger.find(f"known-{n}") for n in range(60))),
        asyncio.gather(*(bench.ledger.begin(make_row(f"new-{n}"), [ANN]) for n in range(60))),
        asyncio.gather(*(bench.ledger.begin(make_row(f"held-{n}"), [ANN, BEN]) for n in range(60))),
        asyncio.gather(*(bench.ledger.begin(make_row(f"known-{n}"), [CY]) for n in range(60))),
        asyncio.gather(
            *(
                bench.ledger.write(
                    Change(make_row(f"taken-{n}", state=State.ACCEPTED), make_receipt(f"taken-{n}", f"ses-{n}"))
                )
                for n in range(60)
            )
        ),
    )

    assert found == known
    assert begun == [Begun()] * 60
    assert held_back == [Suppressed({BEN: Reason.SUPPRESSED})] * 60
    assert overtaken == [Overtaken()] * 60
    assert accepted == [True] * 60
    assert {(r.email_id, r.ses_message_id) for r in await bench.receipts()} == {
        (f"taken-{n}", f"ses-{n}") for n in range(60)
    }


async def test_a_caller_that_goes_away_takes_nobody_along(ledger: Ledger) -> None:
    gone = asyncio.create_task(ledger.begin(make_row("gone"), [ANN]))
    stays = asyncio.create_task(ledger.begin(make_row("stays"), [ANN]))
    await asyncio.sleep(0)
    gone.cancel()

    assert await stays == Begun()
    assert await ledger.find("stays") == make_row("stays")


# --- trouble ---------------------------------------------------------------------------------------


async def ask_everything(ledger: Ledger) -> list[object]:
    row = make_row("secret-order", owner="secret-owner")
    return await asyncio.gather(
        ledger.find("secret-order"),
        ledger.begin(row, ["secret@example.org"]),
        ledger.write(Change(replace(row, email_id="secret-2"), make_receipt("secret-2"), sender="secret@example.com")),
        ledger.set_aside(make_aside(raw="secret body", detail="secret detail")),
        ledger.sender_is_known("secret-sender@example.com"),
        ledger.others_accepted_since(EPOCH, "secret-order"),
        ledger.check(),
        return_exceptions=True,
    )


async def test_a_sick_store_says_so_to_everybody_and_recovers_by_itself(bench: Bench) -> None:
    """Promise 5: whoever cannot read the store sends nothing; it must never wait without end, or guess."""
    await bench.ledger.check()
    bench.fall_sick()
    try:
        answers = await ask_everything(bench.ledger)
        again = await ask_everything(bench.ledger)
    finally:
        bench.recover()

    for answer in (*answers, *again):
        assert isinstance(answer, StoreError)
        assert answer.reason is Reason.STORE_SICK
        assert "secret" not in str(answer)
        assert len(answer.detail.splitlines()) == 1
    await bench.ledger.check()
    assert await bench.ledger.find("secret-order") is None
    assert await bench.ledger.begin(make_row(), [ANN]) == Begun()


async def test_on_a_full_disk_nothing_begins_but_acceptances_are_kept(bench: Bench) -> None:
    """What SES has taken must be written down with the last bytes; new jobs can wait on their queue."""
    row = make_row("under-way")
    await bench.ledger.begin(row, [ANN])
    bench.fill_disk()

    with pytest.raises(StoreError) as refused:
        await bench.ledger.check()
    with pytest.raises(StoreError):
        await bench.ledger.begin(make_row("new"), [ANN])

    assert refused.value.reason is Reason.STORE_SICK
    assert await bench.ledger.write(Change(row.accepted("ses-1", EPOCH), make_receipt("under-way")))
    assert await bench.ledger.find("new") is None
    assert await bench.ledger.find("under-way") == row.accepted("ses-1", EPOCH)


async def test_on_a_full_disk_neighbours_in_one_transaction_are_told_apart(bench: Bench) -> None:
    row = make_row("under-way")
    await bench.ledger.begin(row, [ANN])
    bench.fill_disk()
    with pytest.raises(StoreError):
        await bench.ledger.check()

    begin, write = await asyncio.gather(
        bench.ledger.begin(make_row("new"), [ANN]),
        bench.ledger.write(Change(row.accepted("ses-1", EPOCH), make_receipt("under-way"))),
        return_exceptions=True,
    )

    assert isinstance(begin, StoreError)
    assert write is True
