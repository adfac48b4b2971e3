"""What every `Standing` promises: it counts what is there, and no table is read from end to end."""

import math
from datetime import datetime, timedelta
from pathlib import Path

import pytest
import sqlalchemy as sa

from tank_mailer.adapters import schema
from tank_mailer.adapters.standing import HEARD_S, SqlStanding
from tank_mailer.core.errors import StoreError
from tank_mailer.core.ledger import State
from tests.contract.benches import StoreBench
from tests.contract.test_attic import noted_statements

MINUTE, HOUR, DAY = timedelta(minutes=1), timedelta(hours=1), timedelta(days=1)


@pytest.fixture
def standing(store_bench: StoreBench) -> SqlStanding:
    return SqlStanding(store=store_bench.ledger)


@pytest.fixture
def now(store_bench: StoreBench) -> datetime:
    return store_bench.clock.now()


async def put(bench: StoreBench, table: sa.Table, *rows: dict[str, object]) -> None:
    async with bench.ledger.engine.begin() as connection:
        await connection.execute(sa.insert(table), list(rows))


def job(email_id: str, state: State, seen_at: datetime, **times: datetime | str | None) -> dict[str, object]:
    counts = dict.fromkeys(("attempt", "charged", "resends", "throttles"), 0)
    fixed = {"content_hash": "", "lane": "ordinary", "queue_message_id": f"m-{email_id}", "owner": "", "version": 1}
    more = {name: at.timestamp() if isinstance(at, datetime) else at for name, at in times.items()}
    optional = dict.fromkeys(("started_at", "accepted_at", "copied_at", "configuration_set"))
    seen = {"first_seen_at": seen_at.timestamp(), "updated_at": seen_at.timestamp()}
    return {"email_id": email_id, "state": state.value, **fixed, **counts, **seen, **optional, **more}


def event(key: str, recorded_at: datetime) -> dict[str, object]:
    at = recorded_at.timestamp()
    fixed = {"kind": "delivery", "ses_message_id": "ses-1", "is_ours": 1, "is_published": 1, "counts": 0, "facts": "{}"}
    return {"key": key, **fixed, "occurred_at": at, "recorded_at": at, "mail_at": at}


def letter(created_at: datetime, *, waits: bool, due_at: datetime | None = None) -> dict[str, object]:
    due = (due_at or created_at).timestamp() if waits else None
    return {"email_id": "a", "payload": "{}", "created_at": created_at.timestamp(), "due_at": due, "tries": 0}


async def test_an_empty_store(standing: SqlStanding) -> None:
    found = await standing.look()

    assert found.states == {"deferred": 0, "in_doubt": 0, "sending": 0}
    assert (found.oldest, set(found.doubts_by_age.values())) == ({}, {0})
    assert (found.dead_without_copy, found.letters, found.oldest_letter_at) == (0, 0, None)
    assert (found.last_event_at, found.last_accepted_at, found.unheard_since) == (None, None, None)


async def test_jobs_that_have_not_ended(standing: SqlStanding, store_bench: StoreBench, now: datetime) -> None:
    await put(
        store_bench,
        schema.jobs,
        job("a", State.DEFERRED, now - HOUR),
        job("b", State.DEFERRED, now - 2 * HOUR),
        job("c", State.SENDING, now - MINUTE),
        job("d", State.ACCEPTED, now - DAY),
    )

    found = await standing.look()

    assert found.states == {"deferred": 2, "in_doubt": 0, "sending": 1}
    assert found.oldest == {"deferred": now - 2 * HOUR, "sending": now - MINUTE}


async def test_a_job_whose_message_no_queue_has_any_more_is_not_the_oldest(
    standing: SqlStanding, store_bench: StoreBench, now: datetime
) -> None:
    """A purged queue leaves rows that nothing will ever end."""
    await put(
        store_bench,
        schema.jobs,
        job("purged", State.DEFERRED, now - 15 * DAY),
        job("alive", State.DEFERRED, now - MINUTE),
    )

    found = await standing.look()

    assert (found.states["deferred"], found.oldest["deferred"]) == (2, now - MINUTE)


async def test_doubts_by_their_age(standing: SqlStanding, store_bench: StoreBench, now: datetime) -> None:
    ages = {"a": MINUTE, "b": 2 * MINUTE, "c": 10 * MINUTE, "d": 59 * MINUTE, "e": 5 * HOUR, "f": 7 * HOUR}
    doubts = [job(name, State.IN_DOUBT, now - DAY, started_at=now - age) for name, age in ages.items()]
    await put(store_bench, schema.jobs, *doubts, job("g", State.IN_DOUBT, now - DAY))

    found = await standing.look()

    assert found.doubts_by_age == {120.0: 1, 900.0: 2, 3_600.0: 1, 21_600.0: 1, math.inf: 2}
    assert sum(found.doubts_by_age.values()) == found.states["in_doubt"]


async def test_the_dead_that_rest_in_the_ledger_alone(
    standing: SqlStanding, store_bench: StoreBench, now: datetime
) -> None:
    await put(
        store_bench,
        schema.jobs,
        job("alone", State.DEAD, now),
        job("copied", State.DEAD, now, copied_at=now),
        job("put-back", State.DEAD, now),
    )
    aside = {"kind": "dead", "reason": "in_doubt", "detail": "", "raw": "", "lane": "ordinary", "at": now.timestamp()}
    await put(
        store_bench,
        schema.asides,
        {"queue_message_id": "m-alone", "requeued_at": None, **aside},
        {"queue_message_id": "m-put-back", "requeued_at": now.timestamp(), **aside},
    )

    assert (await standing.look()).dead_without_copy == 1


async def test_news_that_waits(standing: SqlStanding, store_bench: StoreBench, now: datetime) -> None:
    await put(
        store_bench,
        schema.outbox,
        letter(now - DAY, waits=False),
        letter(now - HOUR, waits=True, due_at=now + HOUR),
        letter(now - MINUTE, waits=True),
    )

    found = await standing.look()

    assert (found.letters, found.oldest_letter_at) == (2, now - HOUR)


async def test_mail_since_the_newest_event(standing: SqlStanding, store_bench: StoreBench, now: datetime) -> None:
    """What went through no configuration set has no events that could be missed."""
    await put(store_bench, schema.events, event("a", now - 3 * HOUR), event("b", now - HOUR))
    mails = {"before": 2 * HOUR, "first": 50 * MINUTE, "last": MINUTE}
    accepted = [
        job(name, State.ACCEPTED, now - DAY, accepted_at=now - age, configuration_set="tank")
        for name, age in mails.items()
    ]
    bare = [
        job(f"bare-{n}", State.ACCEPTED, now - DAY, accepted_at=now - n * MINUTE, configuration_set=name)
        for n, name in ((0, None), (55, ""))
    ]
    await put(store_bench, schema.jobs, *accepted, *bare)

    found = await standing.look()

    assert found.last_event_at == now - HOUR
    assert found.last_accepted_at == now - MINUTE
    assert found.unheard_since == now - 50 * MINUTE


async def test_nothing_is_unheard_after_an_event(standing: SqlStanding, store_bench: StoreBench, now: datetime) -> None:
    mail = job("a", State.ACCEPTED, now, accepted_at=now - MINUTE, configuration_set="tank")
    await put(store_bench, schema.jobs, mail)
    assert (await standing.look()).unheard_since == now - MINUTE

    await put(store_bench, schema.events, event("a", now))

    assert (await standing.look()).unheard_since is None


async def test_an_event_may_be_quicker_than_the_answer(
    standing: SqlStanding, store_bench: StoreBench, now: datetime
) -> None:
    """It is that mail's own, and no other may follow for hours."""
    await put(store_bench, schema.events, event("a", now - timedelta(seconds=HEARD_S)))
    await put(store_bench, schema.jobs, job("a", State.ACCEPTED, now, accepted_at=now, configuration_set="tank"))

    assert (await standing.look()).unheard_since is None


async def test_the_disk_is_the_stores_own(standing: SqlStanding, store_bench: StoreBench, tmp_path: Path) -> None:
    free = (await standing.look()).free_bytes
    assert free is not None
    assert free > 0

    store_bench.ledger.disk = None

    assert (await standing.look()).free_bytes is None


async def test_a_check_write_is_timed(standing: SqlStanding) -> None:
    """The bench's clock stands still."""
    assert (await standing.look()).write_s == 0.0


async def test_a_sick_store_says_so(standing: SqlStanding, store_bench: StoreBench) -> None:
    store_bench.fall_sick()
    try:
        with pytest.raises(StoreError):
            await standing.look()
    finally:
        store_bench.recover()
    await standing.look()


async def test_no_table_is_read_from_end_to_end(standing: SqlStanding, store_bench: StoreBench) -> None:
    """It is asked every minute, beside a million rows; the size of these tables would excuse PostgreSQL."""
    is_file = store_bench.url.startswith("sqlite")
    with noted_statements() as statements:
        await standing.look()

    plans = list[str]()
    async with store_bench.ledger.engine.connect() as connection:
        if not is_file:
            await connection.exec_driver_sql("SET LOCAL enable_seqscan = off")
        for statement, values in statements:
            if statement.startswith("SELECT jobs.email_id"):  # the store's own check: any row will do
                continue
            if statement.startswith("SELECT"):
                explain = "EXPLAIN QUERY PLAN" if is_file else "EXPLAIN"
                plan = await connection.exec_driver_sql(f"{explain} {statement}", values)
                plans += [str(line[-1]) for line in plan]
    wanted = {"jobs_by_state", "jobs_in_doubt", "jobs_uncopied", "jobs_by_acceptance", "events_by_time"}
    assert {name for name in wanted if any(name in line for line in plans)} == wanted
    whole = [line for line in plans if "Seq Scan" in line or (line.startswith("SCAN") and "INDEX" not in line)]
    assert [line for line in whole if "subquery" not in line and "anon" not in line] == [], plans
