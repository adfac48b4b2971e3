"""What the store forgets, never forgets, and counts; what it knows of canaries. On both databases."""

import asyncio
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from datetime import datetime, timedelta
from itertools import count
from typing import Any

import pytest
import sqlalchemy as sa
from sqlalchemy import event
from sqlalchemy.engine import Engine

from tank_mailer.adapters import rows, schema
from tank_mailer.adapters.attic import PRUNING, SqlAttic
from tank_mailer.adapters.desk import Desk
from tank_mailer.adapters.desk_suppressions import removals
from tank_mailer.adapters.perch import SqlPerch
from tank_mailer.core.canary import Doubt, Flight, Signs
from tank_mailer.core.errors import StoreError
from tank_mailer.core.job import email_id_tag
from tank_mailer.core.ledger import UNFINISHED, State
from tests.contract.benches import StoreBench, open_store
from tests.contract.test_ledger import make_row

HOUR, DAY = timedelta(hours=1), timedelta(days=1)
_keys = count(1)


@pytest.fixture
def attic(store_bench: StoreBench) -> SqlAttic:
    return SqlAttic(store=store_bench.ledger)


@pytest.fixture
def now(store_bench: StoreBench) -> datetime:
    return store_bench.clock.now()


@pytest.fixture
def before(now: datetime) -> datetime:
    """Retention is over for what is older."""
    return now - 90 * DAY


async def put(attic: SqlAttic, table: sa.Table, *records: dict[str, Any]) -> None:
    async with attic.store.engine.begin() as connection:
        await connection.execute(sa.insert(table), list(records))


async def put_job(attic: SqlAttic, email_id: str, state: State, at: datetime, **columns: Any) -> None:
    row = rows.columns(make_row(email_id, state=state, updated_at=at))
    mail = {"email_id": email_id, "ses_message_id": f"ses-{email_id}", "attempt": 1, "accepted_at": at.timestamp()}
    person = {"email_id": email_id, "address": "ann@example.org", "status": 40, "updated_at": at.timestamp()}
    await put(attic, schema.jobs, row | columns)
    await put(attic, schema.receipts, mail)
    await put(attic, schema.recipients, person, person | {"address": "ben@example.org"})


def make_event(at: datetime, email_id: str | None = "order-4711", **columns: Any) -> dict[str, Any]:
    times = dict.fromkeys(("occurred_at", "recorded_at", "mail_at"), at.timestamp())
    flags = {"is_ours": 1, "is_published": 1, "counts": 0, "facts": "{}"}
    names = {"key": f"key-{next(_keys)}", "kind": "send", "ses_message_id": "ses-of-the-event", "email_id": email_id}
    return times | flags | names | columns


def make_letter(at: datetime, due_at: datetime | None) -> dict[str, Any]:
    due = due_at and due_at.timestamp()
    return {"email_id": "order-4711", "payload": "{}", "created_at": at.timestamp(), "due_at": due, "tries": 0}


async def prune_all(attic: SqlAttic, before: datetime, *, limit: int = 500) -> int:
    total = 0
    while done := await attic.prune(before, limit=limit):
        total += done
    return total


async def left(attic: SqlAttic, column: sa.Column[Any]) -> list[Any]:
    async with attic.store.engine.connect() as connection:
        return sorted((await connection.execute(sa.select(column))).scalars())


# --- jobs ------------------------------------------------------------------------------------------


@pytest.mark.parametrize("state", sorted(set(State) - UNFINISHED))
async def test_an_ended_job_goes_with_all_that_hangs_on_it(attic: SqlAttic, before: datetime, state: State) -> None:
    """One that is dead without a copy, too: its text is among those put aside, and goes by the same rule."""
    await put_job(attic, "old", state, before - HOUR)
    await put_job(attic, "new", state, before + HOUR)

    await prune_all(attic, before)

    assert await left(attic, schema.jobs.c.email_id) == ["new"]
    assert await left(attic, schema.receipts.c.email_id) == ["new"]
    assert await left(attic, schema.recipients.c.email_id) == ["new", "new"]


@pytest.mark.parametrize("state", sorted(UNFINISHED))
async def test_an_unfinished_job_stays_however_old(attic: SqlAttic, before: datetime, state: State) -> None:
    """Its message may still be on the queue; without the row it would be sent again (DESIGN 8)."""
    await put_job(attic, "old", state, before - 1000 * DAY)

    assert await prune_all(attic, before) == 0
    assert await left(attic, schema.recipients.c.email_id) == ["old", "old"]


async def test_old_unfinished_jobs_do_not_hide_those_behind_them(attic: SqlAttic, before: datetime) -> None:
    """A purged queue leaves thousands of them at the front, for ever."""
    for number in range(10):
        await put_job(attic, f"open-{number}", State.DEFERRED, before - 200 * DAY)
        await put_job(attic, f"ended-{number}", State.ACCEPTED, before - DAY + number * HOUR)

    await prune_all(attic, before, limit=5)

    assert {name.partition("-")[0] for name in await left(attic, schema.jobs.c.email_id)} == {"open"}


async def test_a_second_pass_finds_what_has_grown_old_since(attic: SqlAttic, before: datetime) -> None:
    await put_job(attic, "old", State.ACCEPTED, before - HOUR)
    await prune_all(attic, before)
    await put_job(attic, "older", State.ACCEPTED, before - DAY)

    assert await prune_all(attic, before) == 4


async def test_a_job_goes_at_its_own_time_though_events_of_it_are_young(attic: SqlAttic, before: datetime) -> None:
    """For so long its email_id is known, and no longer: a complaint that comes after weeks must not move that."""
    await put_job(attic, "order-4711", State.ACCEPTED, before - HOUR)
    await put(attic, schema.events, make_event(before + DAY, kind="complaint"))

    await prune_all(attic, before)

    assert await left(attic, schema.jobs.c.email_id) == []
    assert await left(attic, schema.events.c.kind) == ["complaint"]


async def test_what_late_events_left_of_a_job_goes_with_them(attic: SqlAttic, before: datetime) -> None:
    """It has addresses in it, and nothing else would ever take it away."""
    await put_job(attic, "order-4711", State.ACCEPTED, before - HOUR)
    await put_job(attic, "order-4712", State.ACCEPTED, before + HOUR)
    async with attic.store.engine.begin() as connection:
        await connection.execute(sa.delete(schema.jobs).where(schema.jobs.c.email_id == "order-4711"))
    await put(attic, schema.events, make_event(before - HOUR), make_event(before - HOUR, email_id="order-4712"))

    await prune_all(attic, before)

    assert await left(attic, schema.recipients.c.email_id) == ["order-4712"] * 2
    assert await left(attic, schema.receipts.c.email_id) == ["order-4712"]


@pytest.mark.parametrize("limit", [1, 4, 10, 37])
async def test_a_batch_keeps_to_its_limit(attic: SqlAttic, before: datetime, limit: int) -> None:
    """A batch holds up the sending; only one job with all its recipients may be more than that."""
    for number in range(12):
        await put_job(attic, f"order-{number}", State.ACCEPTED, before - (number + 1) * HOUR)
    await put(attic, schema.events, *(make_event(before - HOUR) for _ in range(40)))
    done = list[int]()
    while rows_gone := await attic.prune(before, limit=limit):
        done.append(rows_gone)

    assert max(done) <= max(limit, 4)
    assert sum(done) == 12 * 4 + 40
    assert await left(attic, schema.jobs.c.email_id) == []


# --- the other tables ------------------------------------------------------------------------------


async def test_events_go_by_when_they_were_recorded_those_of_others_too(attic: SqlAttic, before: datetime) -> None:
    old, new = (before - HOUR).timestamp(), (before + HOUR).timestamp()
    await put(
        attic,
        schema.events,
        make_event(before, key="old", recorded_at=old, occurred_at=new),
        make_event(before, key="of-another-application", email_id=None, recorded_at=old),
        make_event(before, key="new", recorded_at=new, occurred_at=old),
    )

    assert await prune_all(attic, before) == 2
    assert await left(attic, schema.events.c.key) == ["new"]


async def test_texts_put_aside_go(attic: SqlAttic, before: datetime) -> None:
    text = {"email_id": None, "kind": "invalid", "reason": "not_json", "detail": "", "raw": "x" * 65_536, "lane": ""}
    times = {"old": before - HOUR, "new": before + HOUR}
    await put(attic, schema.asides, *(text | {"queue_message_id": k, "at": v.timestamp()} for k, v in times.items()))

    await prune_all(attic, before)

    assert await left(attic, schema.asides.c.queue_message_id) == ["new"]


async def test_news_that_waits_is_never_forgotten(attic: SqlAttic, before: datetime) -> None:
    await put(attic, schema.outbox, make_letter(before - HOUR, None), make_letter(before + HOUR, None))
    await put(attic, schema.outbox, make_letter(before - 2 * HOUR, before))

    assert await prune_all(attic, before) == 1
    waiting = (before - 2 * HOUR).timestamp()
    assert await left(attic, schema.outbox.c.created_at) == [waiting, (before + HOUR).timestamp()]


async def test_the_record_of_changes_is_kept_for_a_year(attic: SqlAttic, now: datetime, before: datetime) -> None:
    line = {"who": "ops@host", "action": "suppress add", "subject": "ann@example.org"}
    for days in (367, 365, 100):
        await put(attic, schema.audit, line | {"at": (now - days * DAY).timestamp()})

    await prune_all(attic, before)

    assert await left(attic, schema.audit.c.at) == [(now - days * DAY).timestamp() for days in (365, 100)]


@pytest.mark.parametrize("limit", [2, 500])
async def test_whom_a_person_let_go_is_never_forgotten(
    attic: SqlAttic, now: datetime, before: datetime, limit: int
) -> None:
    """SES may list the address for years: `suppress sync` must not enter it again. Nor do old lines hide others."""
    old = {"who": "ops@host", "subject": "ann@example.org", "at": (now - 1000 * DAY).timestamp()}
    for action in ("suppress remove", "suppress remove", "suppress remove", "suppress add", "erase", "suppress add"):
        await put(attic, schema.audit, old | {"action": action})

    assert await prune_all(attic, before, limit=limit) == 3

    assert await left(attic, schema.audit.c.action) == ["suppress remove"] * 3
    desk = Desk(engine=attic.store.engine, clock=attic.store.clock, who="ops@host")
    assert await removals(desk) == {"ann@example.org": now - 1000 * DAY}


@pytest.mark.parametrize("limit", [3, 500])
async def test_the_own_count_is_kept_for_eight_days_whatever_the_retention(
    attic: SqlAttic, now: datetime, before: datetime, limit: int
) -> None:
    """The reputation looks back a week."""
    new = int((now - 7 * DAY).timestamp()) // 60
    old = int((now - 8 * DAY).timestamp()) // 60 - 1
    for node in ("mail-1", "mail-2"):
        minutes = (new, *range(old - 9, old + 1))
        await put(attic, schema.volume, *({"minute": one, "node": node, "recipients": 60} for one in minutes))

    assert await prune_all(attic, before, limit=limit) == 20
    assert await left(attic, schema.volume.c.minute) == [new, new]


async def test_a_batch_takes_little_of_the_own_count_too(attic: SqlAttic, now: datetime, before: datetime) -> None:
    """A node may come back after weeks."""
    old = int((now - 20 * DAY).timestamp()) // 60
    await put(attic, schema.volume, *({"minute": old + n, "node": "", "recipients": 60} for n in range(40)))

    assert await attic.prune(before, limit=10) == 10
    assert len(await left(attic, schema.volume.c.minute)) == 30


async def test_what_a_process_left_that_died_goes_after_a_day(attic: SqlAttic, now: datetime, before: datetime) -> None:
    seen = {"dead": now - DAY - HOUR, "stuck": now - HOUR, "alive": now}
    await put(
        attic,
        schema.nodes,
        *({"process": name, "node": "mail-1", "seen_at": at.timestamp(), "view": "{}"} for name, at in seen.items()),
    )

    assert await prune_all(attic, before) == 1
    assert await left(attic, schema.nodes.c.process) == ["alive", "stuck"]


async def test_some_things_are_never_forgotten(attic: SqlAttic, before: datetime) -> None:
    """Who must not be mailed, what is known of addresses and senders, and when things were last done (DESIGN 8)."""
    at = (before - 1000 * DAY).timestamp()
    entry = {"address": "ann@example.org", "reason": "manual", "source": "manual", "created_at": at, "ends_at": at}
    await put(attic, schema.suppressions, entry)
    await put(attic, schema.addresses, {"hash": "hash:1", "first_mailed_at": at})
    await put(attic, schema.senders, {"address": "news@example.com", "accepted_at": at})
    await put(attic, schema.marks, {"name": "canary", "at": at})

    assert await prune_all(attic, before) == 0

    kept = (schema.suppressions.c.address, schema.addresses.c.hash, schema.senders.c.address, schema.marks.c.name)
    assert [len(await left(attic, column)) for column in kept] == [1, 1, 1, 1]


async def test_one_node_prunes_at_a_time(attic: SqlAttic, store_bench: StoreBench, before: datetime) -> None:
    """Two at once would only wait for each other's rows, and the sending for both."""
    if store_bench.url.startswith("sqlite"):
        pytest.skip("one daemon on one file")
    await put(attic, schema.events, make_event(before - HOUR))
    async with open_store(store_bench.url, store_bench.clock) as store:
        async with store.engine.begin() as connection:
            await connection.execute(sa.select(sa.func.pg_advisory_xact_lock(PRUNING)))
            assert await attic.prune(before, limit=10) == 0
        assert await SqlAttic(store=store).prune(before, limit=10) == 1


# --- what it costs ---------------------------------------------------------------------------------


@contextmanager
def noted_statements() -> Iterator[list[tuple[str, Any]]]:
    """What goes to any database, with its values."""
    statements = list[tuple[str, Any]]()

    def note(_connection: Any, _cursor: Any, statement: str, values: Any, *_: Any) -> None:
        statements.append((statement, values))

    event.listen(Engine, "before_cursor_execute", note)
    try:
        yield statements
    finally:
        event.remove(Engine, "before_cursor_execute", note)


async def test_no_statement_reads_a_table_from_end_to_end(
    attic: SqlAttic, store_bench: StoreBench, before: datetime
) -> None:
    """With a million rows each of them would hold up the sending for seconds."""
    if not store_bench.url.startswith("sqlite"):
        pytest.skip("PostgreSQL reads small tables whole, as it should")
    await put_job(attic, "old", State.ACCEPTED, before - HOUR, configuration_set="tank")
    await put_job(attic, "in-doubt", State.IN_DOUBT, before - HOUR, configuration_set="tank")
    await put(attic, schema.events, make_event(before - HOUR))
    with noted_statements() as statements:
        await attic.lost_events(before - HOUR, before)
        await SqlPerch(attic=attic).signs("tank-canary-1")
        await prune_all(attic, before)

    async with attic.store.engine.connect() as connection:
        for statement, values in statements:
            if not statement.startswith(("SELECT", "DELETE")):
                continue
            plan = await connection.exec_driver_sql(f"EXPLAIN QUERY PLAN {statement}", values)
            scans = [line for *_, line in plan if line.startswith("SCAN") and "USING" not in line]
            few = {"SCAN audit", "SCAN nodes"}  # by its first ids only; a row a process
            assert [line for line in scans if line not in few] == [], statement


# --- mails without events --------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("events", "lost"),
    [
        pytest.param([], 1, id="none-at-all"),
        pytest.param([{"email_id": "order-4711"}], 0, id="one-found-by-the-job"),
        pytest.param([{"email_id": None, "ses_message_id": "ses-1"}], 0, id="one-found-by-ses-id"),
        pytest.param([{"email_id": "order-4712", "ses_message_id": "ses-2"}], 1, id="one-of-another-mail"),
    ],
)
async def test_lost_events(attic: SqlAttic, now: datetime, events: Sequence[dict[str, Any]], lost: int) -> None:
    accepted = {"accepted_at": now.timestamp(), "ses_message_id": "ses-1", "configuration_set": "tank"}
    await put_job(attic, "order-4711", State.ACCEPTED, now, **accepted)
    for columns in events:
        await put(attic, schema.events, make_event(now, **columns))

    assert await attic.lost_events(now, now + HOUR) == (lost, 1)
    assert await attic.lost_events(now - HOUR, now) == (0, 0), "each mail stands in one span only"
    assert await attic.lost_events(now + HOUR, now + 2 * HOUR) == (0, 0)


async def test_an_event_that_came_before_its_job_is_no_lost_one(attic: SqlAttic, now: datetime) -> None:
    """It is kept under the tag, for then nobody knew the id that it stands for."""
    accepted = {"accepted_at": now.timestamp(), "ses_message_id": "ses-1", "configuration_set": "tank"}
    await put_job(attic, "order@4711", State.ACCEPTED, now, **accepted)
    await put(attic, schema.events, make_event(now, email_id=email_id_tag("order@4711")))

    assert await attic.lost_events(now, now + HOUR) == (0, 1)


@pytest.mark.parametrize("configuration_set", [None, ""])
async def test_mail_without_a_configuration_set_has_no_events(
    attic: SqlAttic, now: datetime, configuration_set: str | None
) -> None:
    await put_job(
        attic,
        "order-4711",
        State.ACCEPTED,
        now,
        accepted_at=now.timestamp(),
        configuration_set=configuration_set,
    )

    assert await attic.lost_events(now, now + HOUR) == (0, 0)


# --- marks -----------------------------------------------------------------------------------------


async def test_marks_are_kept(attic: SqlAttic, now: datetime) -> None:
    assert await attic.mark("canary") is None

    await attic.set_mark("canary", now)
    await attic.set_mark("canary", now - HOUR)

    assert await attic.mark("canary") == now - HOUR
    assert await attic.mark("housekeeping") is None


async def test_of_several_nodes_one_moves_a_mark(attic: SqlAttic, store_bench: StoreBench, now: datetime) -> None:
    """It is how they agree who puts the canary, and who looks after the store."""
    moment = now + timedelta(microseconds=123_457)  # no short number in binary
    async with open_store(store_bench.url, store_bench.clock) as store:
        nodes = [attic, SqlAttic(store=store)]
        first = await asyncio.gather(*(node.move_mark("canary", None, moment) for node in nodes))
        second = await asyncio.gather(*(node.move_mark("canary", moment, now + HOUR) for node in nodes))

    assert sorted(first) == sorted(second) == [False, True]
    assert await attic.mark("canary") == now + HOUR


async def test_a_sick_store_says_so(attic: SqlAttic, store_bench: StoreBench, before: datetime) -> None:
    store_bench.fall_sick()
    try:
        with pytest.raises(StoreError):
            await attic.prune(before, limit=10)
    finally:
        store_bench.recover()


# --- canaries --------------------------------------------------------------------------------------


async def test_the_signs_of_an_empty_store(attic: SqlAttic) -> None:
    assert await SqlPerch(attic=attic).signs(None) == Signs(doubts=[])


async def test_signs_tell_doubts_and_what_was_accepted_since(attic: SqlAttic, now: datetime) -> None:
    for name, minutes in (("tank", 20), ("codes", 5), (None, 60)):
        at = (now - minutes * timedelta(minutes=1)).timestamp()
        await put_job(attic, f"doubt-{name}", State.IN_DOUBT, now, started_at=at, configuration_set=name)
    for number, (name, minutes) in enumerate((("tank", 15), ("tank", 10), ("codes", 30), (None, 1))):
        at = (now - minutes * timedelta(minutes=1)).timestamp()
        await put_job(attic, f"mail-{number}", State.ACCEPTED, now, accepted_at=at, configuration_set=name)

    signs = await SqlPerch(attic=attic).signs(None)

    minute = timedelta(minutes=1)
    assert signs.accepted_at == now - minute
    assert signs.doubts == [Doubt(now - 20 * minute, "tank"), Doubt(now - 5 * minute, "codes")]
    assert signs.proofs == {"tank": now - 10 * minute}, "the newest of each set since the oldest doubt began"


async def test_signs_tell_how_far_the_canary_has_come(attic: SqlAttic, now: datetime) -> None:
    perch = SqlPerch(attic=attic)
    assert (await perch.signs("tank-canary-1")).last is None, "still on the queue"

    await put_job(attic, "tank-canary-1", State.SENDING, now)
    assert (await perch.signs("tank-canary-1")).last == Flight(None, is_back=False)

    await put_job(attic, "tank-canary-2", State.ACCEPTED, now, accepted_at=now.timestamp())
    await put(attic, schema.events, make_event(now, email_id="tank-canary-2", is_published=0))
    assert (await perch.signs("tank-canary-2")).last == Flight(now, is_back=False), "an identity's word is no proof"

    await put(attic, schema.events, make_event(now, email_id="tank-canary-2"))
    assert (await perch.signs("tank-canary-2")).last == Flight(now, is_back=True)
