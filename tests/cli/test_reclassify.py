"""`tank-mailer reclassify`: a store that older rules have filled."""

import json
import sqlite3
import time
from collections.abc import Callable
from contextlib import closing
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from typer.testing import Result

from tank_mailer.adapters.desk_reclassify import ADDRESSES
from tank_mailer.core.address import address_hash
from tank_mailer.core.job import email_id_tag
from tank_mailer.core.news import name_of
from tank_mailer.core.reclassify import judge_again
from tank_mailer.core.status import Status
from tests.cli.conftest import StoreFile

Run = Callable[..., Result]

ANN, BEN = "ann@example.org", "ben@example.org"
DEAD = {"type": "Transient", "subtype": "General", "code": "5.1.1", "diagnostic": "smtp; 550 5.1.1 user unknown"}
BLOCK = {"type": "Transient", "subtype": "ContentRejected", "diagnostic": "smtp; 550 5.7.1 looks like spam"}
SOFT, HARD = int(Status.SOFT_BOUNCED), int(Status.HARD_BOUNCED)


def put_event(store: StoreFile, key: str, recipient: str | None, **columns: Any) -> None:
    """A dead mailbox, judged passing by older rules, a minute ago."""
    at = time.time() - 60
    fixed = {"kind": "bounce", "ses_message_id": f"ses-{key}", "email_id": f"job-{key}", "recipient": recipient}
    times = dict.fromkeys(("occurred_at", "recorded_at", "mail_at"), at)
    judged = {"status": SOFT, "reason": "soft_bounce", "counts": 1, "is_ours": 1, "is_published": 1}
    columns = fixed | times | judged | {"key": key, "facts": DEAD} | columns
    store._insert("events", columns | {"facts": json.dumps(columns["facts"])})


def put_status(store: StoreFile, email_id: str, address: str, status: int, reason: str | None) -> None:
    row = {"email_id": email_id, "address": address, "status": status, "reason": reason, "updated_at": 5}
    store._insert("recipients", row)


def put_entry(store: StoreFile, address: str, **columns: Any) -> None:
    row = {"address": address, "reason": "hard_bounce", "source": "event", "created_at": 5, "event_key": "block"}
    store._insert("suppressions", row | columns)


@pytest.fixture
def old_store(store: StoreFile) -> StoreFile:
    """Ann's mailbox is dead, and was judged passing; Ben's got a content block, and was judged dead."""
    put_event(store, "dead", ANN)
    put_status(store, "job-dead", ANN, SOFT, "soft_bounce")
    put_event(store, "block", BEN, status=HARD, reason="hard_bounce", counts=0, facts=BLOCK)
    put_status(store, "job-block", BEN, HARD, "hard_bounce")
    put_entry(store, BEN)
    return store


def judgements(store: StoreFile) -> list[tuple[Any, ...]]:
    return store.ask("SELECT key, status, reason, counts FROM events ORDER BY key")


def suppressed(store: StoreFile) -> list[tuple[Any, ...]]:
    return store.ask("SELECT address, reason, source, event_key, ends_at FROM suppressions ORDER BY address")


def statuses(store: StoreFile) -> list[tuple[Any, ...]]:
    return store.ask("SELECT email_id, address, status, reason FROM recipients ORDER BY email_id, address")


def dump(store: StoreFile) -> list[Any]:
    return [judgements(store), suppressed(store), statuses(store), store.audit, store.ask("SELECT * FROM outbox")]


# --- what it does ----------------------------------------------------------------------------------


def test_without_apply_it_only_tells(run: Run, old_store: StoreFile) -> None:
    before = dump(old_store)

    result = run("reclassify")

    assert result.exit_code == 0
    lines = result.stdout.splitlines()
    assert "soft_bounce (soft_bounced, counts)\thard_bounce (hard_bounced)\t1" in lines
    assert "hard_bounce (hard_bounced)\tcontent_blocked (soft_bounced)\t1" in lines
    assert f"{ANN}\tsuppressed\thard_bounce" in lines
    assert f"{BEN}\tlet go\thard_bounce" in lines
    assert f"job-dead\t{ANN}\tsoft_bounced\thard_bounced\thard_bounce" in lines
    assert lines[-1] == "Nothing was changed; --apply does it."
    assert dump(old_store) == before


def test_json_tells_the_same(run: Run, old_store: StoreFile) -> None:
    told = json.loads(run("reclassify", "--json").stdout)

    assert told["applied"] is False
    assert {
        "was": {"reason": "soft_bounce", "status": "soft_bounced", "counts": True},
        "is": {"reason": "hard_bounce", "status": "hard_bounced", "counts": False},
        "events": 1,
    } in told["events"]
    assert [one["address"] for one in told["suppressions"]["added"]] == [ANN]
    assert [one["address"] for one in told["suppressions"]["removed"]] == [BEN]
    assert [(one["email_id"], one["is"]) for one in told["statuses"]] == [
        ("job-dead", "hard_bounced"),
        ("job-block", "soft_bounced"),
    ]


def test_apply_does_it_on_record(run: Run, old_store: StoreFile) -> None:
    result = run("reclassify", "--apply")

    assert result.exit_code == 0
    assert judgements(old_store) == [("block", SOFT, "content_blocked", 0), ("dead", HARD, "hard_bounce", 0)]
    assert suppressed(old_store) == [(ANN, "hard_bounce", "event", "dead", None)]
    assert statuses(old_store) == [
        ("job-block", BEN, SOFT, "content_blocked"),
        ("job-dead", ANN, HARD, "hard_bounce"),
    ]
    assert old_store.audit == [("reclassify", ANN), ("reclassify", BEN)]


def test_doing_it_twice_changes_nothing(run: Run, old_store: StoreFile) -> None:
    first = json.loads(run("reclassify", "--json").stdout)
    done = json.loads(run("reclassify", "--apply", "--json").stdout)
    after = dump(old_store)

    again = run("reclassify", "--apply")

    assert done == first | {"applied": True}, "it does what it told"
    assert again.stdout == "The present rules judge all of them as they were judged.\n"
    assert dump(old_store) == after


def test_an_empty_store_has_nothing_to_judge(run: Run, store: StoreFile) -> None:
    result = run("reclassify", "--apply")

    assert (result.exit_code, store.audit) == (0, [])


@pytest.mark.parametrize("count", [1, ADDRESSES, 2 * ADDRESSES + 3])
def test_many_addresses_go_in_several_transactions(run: Run, store: StoreFile, count: int) -> None:
    for number in range(count):
        put_event(store, f"dead-{number:03}", f"u{number}@example.org")

    assert json.loads(run("reclassify", "--apply", "--json").stdout)["events"][0]["events"] == count
    assert len(suppressed(store)) == count


def test_many_events_of_one_moment_are_all_found(run: Run, store: StoreFile, monkeypatch: pytest.MonkeyPatch) -> None:
    """Events are recorded in large transactions, which have one time: a page may end between two of them."""
    monkeypatch.setattr("tank_mailer.adapters.desk_reclassify.PAGE", 3)
    at = time.time() - 60
    for number in range(20):
        put_event(store, f"dead-{number:03}", f"u{number}@example.org", recorded_at=at if number % 4 else at - 1)

    assert json.loads(run("reclassify", "--json").stdout)["events"][0]["events"] == 20


# --- what it leaves --------------------------------------------------------------------------------


@pytest.mark.parametrize("source", ["manual", "account"])
def test_entries_of_people_and_of_the_account_stay(run: Run, store: StoreFile, source: str) -> None:
    put_event(store, "block", BEN, status=HARD, reason="hard_bounce", counts=0, facts=BLOCK)
    put_entry(store, BEN, source=source)
    before = suppressed(store)

    run("reclassify", "--apply")

    assert suppressed(store) == before


def test_an_address_that_a_person_let_go_stays_free(run: Run, store: StoreFile) -> None:
    put_event(store, "dead", ANN)
    run("suppress", "add", ANN)
    run("suppress", "remove", ANN)

    run("reclassify", "--apply")

    assert suppressed(store) == []
    assert judgements(store) == [("dead", HARD, "hard_bounce", 0)]


def test_an_entry_goes_whose_event_suppresses_no_more_though_its_reason_is_the_same(run: Run, store: StoreFile) -> None:
    """Rules may change in what they suppress alone."""
    judged = {"status": SOFT, "reason": "content_blocked", "counts": 0}
    put_event(store, "block", BEN, facts=BLOCK, **judged)
    put_entry(store, BEN)

    told = json.loads(run("reclassify", "--apply", "--json").stdout)

    assert told["events"] == []
    assert suppressed(store) == []


def test_who_was_erased_stays_as_judged(run: Run, store: StoreFile) -> None:
    hashed = address_hash(ANN)
    put_event(store, "block", hashed, status=HARD, reason="hard_bounce", counts=0, facts=BLOCK | {"erased": True})
    put_entry(store, hashed)
    before = dump(store)

    run("reclassify", "--apply")

    assert dump(store) == before


def test_since_leaves_older_events(run: Run, store: StoreFile) -> None:
    put_event(store, "new", ANN)
    put_event(store, "old", BEN, recorded_at=time.time() - 3 * 86_400)

    run("reclassify", "--apply", "--since", "2d")

    assert judgements(store) == [("new", HARD, "hard_bounce", 0), ("old", SOFT, "soft_bounce", 1)]


def test_since_has_to_be_past(run: Run, store: StoreFile) -> None:
    assert run("reclassify", "--since", "2999-01-01T00:00:00Z").exit_code == 2
    assert run("reclassify", "--since", "yesterday").exit_code == 2


# --- mails and the web server ----------------------------------------------------------------------


def test_a_mail_that_is_known_by_its_tag_only_is_found(run: Run, store: StoreFile) -> None:
    """The event came before its job's row, and was kept under the tag."""
    store.put_job("order@4711", "accepted", tag=email_id_tag("order@4711"))
    put_event(store, "dead", ANN, email_id=email_id_tag("order@4711"))
    put_status(store, "order@4711", ANN, SOFT, "soft_bounce")

    run("reclassify", "--apply")

    assert statuses(store) == [("order@4711", ANN, HARD, "hard_bounce")]


def test_only_the_bounced_recipient_of_a_mail_changes(run: Run, store: StoreFile) -> None:
    put_event(store, "dead", ANN, email_id="order-4711")
    put_event(store, "send", None, kind="send", email_id="order-4711", status=10, reason=None, counts=0, facts={})
    put_status(store, "order-4711", ANN, SOFT, "soft_bounce")
    put_status(store, "order-4711", BEN, SOFT, "soft_bounce")

    run("reclassify", "--apply")

    assert statuses(store) == [
        ("order-4711", ANN, HARD, "hard_bounce"),
        ("order-4711", BEN, SOFT, "soft_bounce"),
    ]


def test_the_web_server_is_told_of_statuses(run: Run, old_store: StoreFile, monkeypatch: pytest.MonkeyPatch) -> None:
    """It has drawn conclusions from what it was told before (DESIGN 6)."""
    run("reclassify", "--apply")
    assert old_store.ask("SELECT * FROM outbox") == [], "without TANK_WEBHOOK_URL nobody is"

    put_event(old_store, "again", ANN)
    put_status(old_store, "job-again", ANN, SOFT, "soft_bounce")
    monkeypatch.setenv("TANK_WEBHOOK_URL", "https://www.example.com/hooks/email")
    monkeypatch.setenv("TANK_WEBHOOK_SECRET", "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw")
    run("reclassify", "--apply")

    ((payload,),) = old_store.ask("SELECT payload FROM outbox WHERE due_at IS NOT NULL")
    news = json.loads(payload)["data"]
    assert (news["email_id"], news["recipient"], news["status"]) == ("job-again", ANN, "hard_bounced")
    assert (news["state"], news["reason"], news["ses_message_id"]) == ("accepted", "hard_bounce", "ses-again")


def test_a_status_that_falls_back_is_no_repetition(run: Run, store: StoreFile, monkeypatch: pytest.MonkeyPatch) -> None:
    """The web server heard of the same bounce before, with the same status: a second time it would drop the news."""
    monkeypatch.setenv("TANK_WEBHOOK_URL", "https://www.example.com/hooks/email")
    monkeypatch.setenv("TANK_WEBHOOK_SECRET", "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw")
    at = datetime(2030, 1, 31, 12, tzinfo=UTC)
    put_event(store, "block", BEN, status=HARD, reason="hard_bounce", counts=0, facts=BLOCK, occurred_at=at.timestamp())
    put_status(store, "job-block", BEN, HARD, "hard_bounce")
    began = datetime.now(UTC)

    run("reclassify", "--apply")

    ((payload,),) = store.ask("SELECT payload FROM outbox")
    news = json.loads(payload)
    assert (news["data"]["status"], news["data"]["occurred_at"]) == ("soft_bounced", "2030-01-31T12:00:00.000Z")
    told_at = datetime.fromisoformat(news["timestamp"])
    assert began - timedelta(milliseconds=1) <= told_at <= datetime.now(UTC)
    told_before = json.dumps(news | {"timestamp": "2030-01-31T12:00:00.000Z"}, ensure_ascii=False)
    assert name_of(payload) != name_of(told_before)


def test_nobody_waits_while_it_only_looks(run: Run, old_store: StoreFile, monkeypatch: pytest.MonkeyPatch) -> None:
    """A store holds millions of events; the daemon sends nothing while it cannot write."""
    before = dump(old_store)
    with closing(sqlite3.connect(old_store.path, timeout=0, isolation_level=None)) as daemon:
        daemon.execute("INSERT INTO pulse VALUES (1, 0)")

        def judged(*arguments: Any) -> Any:
            daemon.execute("UPDATE pulse SET at = at + 1")
            return judge_again(*arguments)

        monkeypatch.setattr("tank_mailer.adapters.desk_reclassify.judge_again", judged)
        assert run("reclassify").exit_code == 0

    [(written,)] = old_store.ask("SELECT at FROM pulse")
    assert written >= 4
    assert dump(old_store) == before


def test_the_daemon_gets_its_turn_after_each_transaction(
    run: Run, store: StoreFile, monkeypatch: pytest.MonkeyPatch
) -> None:
    """SQLite keeps no order among those who wait: it was locked out for ten seconds and more."""
    rests = list[float]()

    async def rest(seconds: float) -> None:
        rests.append(seconds)

    for number in range(2 * ADDRESSES + 3):
        put_event(store, f"dead-{number:03}", f"u{number}@example.org")
    monkeypatch.setattr("tank_mailer.adapters.desk_walk.asyncio.sleep", rest)
    run("reclassify", "--apply")

    assert len(rests) == 3
    assert min(rests) > 0


def test_no_store_is_made(run: Run, store: StoreFile) -> None:
    store.path.unlink()

    assert run("reclassify").exit_code == 75
    assert not store.path.exists()
