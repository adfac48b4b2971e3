"""`tank-mailer status`: what became of an email, for people and for scripts."""

import json
import sys
from collections.abc import Callable
from pathlib import Path

import pytest
import typer
from typer.testing import Result

from tank_mailer.adapters.desk_events import MOST_EVENTS
from tank_mailer.cli.program import build
from tank_mailer.core.address import address_hash
from tank_mailer.core.job import email_id_tag
from tank_mailer.core.ledger import State
from tank_mailer.core.status import Status
from tests.cli.conftest import StoreFile

Run = Callable[..., Result]
ANN, BOB, CAT = "ann@example.org", "bob@example.org", "cat@example.org"
HARD = {"status": 60, "reason": "hard_bounce", "facts": '{"diagnostic": "smtp; 550 5.1.1 user unknown"}'}


def put_event(store: StoreFile, kind: str, at: float, **changes: object) -> None:
    """An event of the mail `ses-1` of order-1, `at` seconds after it."""
    key = f"{kind} {at} {changes.get('recipient')} {changes.get('ses_message_id')}"
    times = {"occurred_at": 1e9 + at, "recorded_at": 1e9 + at + 2, "mail_at": 1e9}
    rest = {"is_ours": 1, "is_published": 1, "attempt": 1, "counts": 0, "facts": "{}"}
    values = {"key": key, "kind": kind, "ses_message_id": "ses-1", "email_id": "order-1", **times, **rest, **changes}
    store.ask(
        f"INSERT INTO events ({', '.join(values)}) VALUES ({', '.join('?' * len(values))})",  # noqa: S608 - ours
        *values.values(),
    )


def put_recipients(store: StoreFile, **statuses: Status) -> None:
    store.put_job("order-1", "accepted", accepted_at=1e9 + 5)
    for name, status in statuses.items():
        sql = "INSERT INTO recipients VALUES ('order-1', ?, ?, NULL, 1000000005)"
        store.ask(sql, name if name.startswith("hash:") else f"{name}@example.org", int(status))


def fields_of(out: str) -> dict[str, str]:
    """What stands before the tables."""
    lines = [line.partition("  ") for line in out.partition("\n\n")[0].splitlines()]
    return {name.strip(): value.strip() for name, _, value in lines}


def test_an_accepted_email_for_scripts(run: Run, store: StoreFile) -> None:
    """DESIGN 6 fixes the shape; web developers parse it."""
    store.put_job("order-1", "accepted", attempt=2, resends=1, accepted_at=1e9 + 5, ses_message_id="ses-2")
    for number in (2, 1):
        store.ask("INSERT INTO receipts VALUES (?, 'order-1', ?, ?, 'answer')", f"ses-{number}", number, number + 3)
    store.ask("INSERT INTO recipients VALUES ('order-1', 'b@example.org', 10, NULL, 1000000005)")
    store.ask("INSERT INTO recipients VALUES ('order-1', 'a@example.org', 0, 'suppressed', 1000000004.5)")

    result = run("status", "order-1", "--json")

    assert result.exit_code == 0
    assert json.loads(result.stdout) == {
        "email_id": "order-1",
        "state": "accepted",
        "reason": None,
        "lane": "ordinary",
        "attempts": 2,
        "resends": 1,
        "first_seen_at": "2001-09-09T01:46:40.000Z",
        "accepted_at": "2001-09-09T01:46:45.000Z",
        "ses_message_ids": ["ses-1", "ses-2"],
        "recipients": [
            {
                "address": "a@example.org",
                "status": "suppressed",
                "reason": "suppressed",
                "updated_at": "2001-09-09T01:46:44.500Z",
            },
            {
                "address": "b@example.org",
                "status": "accepted",
                "reason": None,
                "updated_at": "2001-09-09T01:46:45.000Z",
            },
        ],
        "events": [],
    }


# --- what SES has reported -------------------------------------------------------------------------


def test_events_for_scripts(run: Run, store: StoreFile) -> None:
    """DESIGN 6 fixes the shape; whatever order they came in, the oldest stands first."""
    store.put_job("order-1", "accepted")
    put_event(store, "bounce", 60.5, recipient=BOB, **HARD)
    put_event(store, "rendering_failure", 70)
    put_event(store, "send", 0)
    put_event(store, "delivery", 4, recipient=ANN, facts='{"smtp_response": "250 OK", "processing_ms": 1700}')

    events = json.loads(run("status", "order-1", "--json").stdout)["events"]

    assert events == [
        {"type": "Send", "recipient": None, "occurred_at": "2001-09-09T01:46:40.000Z", "detail": None},
        {"type": "Delivery", "recipient": ANN, "occurred_at": "2001-09-09T01:46:44.000Z", "detail": "250 OK"},
        {
            "type": "Bounce",
            "recipient": BOB,
            "occurred_at": "2001-09-09T01:47:40.500Z",
            "detail": "hard_bounce: smtp; 550 5.1.1 user unknown",
        },
        {"type": "Rendering Failure", "recipient": None, "occurred_at": "2001-09-09T01:47:50.000Z", "detail": None},
    ]


@pytest.mark.parametrize("email_id", ["order-1", "jane@example.com/42"], ids=["an-id-that-is-a-tag", "one-that-is-not"])
def test_an_event_that_came_before_its_job_is_found_by_the_tag(email_id: str, run: Run, store: StoreFile) -> None:
    put_event(store, "send", 0, email_id=email_id_tag(email_id))
    store.put_job(email_id, "in_doubt")

    report = json.loads(run("status", email_id, "--json").stdout)

    assert [event["type"] for event in report["events"]] == ["Send"]
    assert report["state"] == "in_doubt"  # the ledger says so, and the ledger is asked


def test_an_identitys_bounce_that_came_before_the_answer_is_found_by_the_mail(run: Run, store: StoreFile) -> None:
    """Such a notification carries no tags, so nothing but SES's id tells whose it is."""
    store.put_job("order-1", "accepted", ses_message_id="ses-1")
    put_event(store, "bounce", 3, email_id=None, is_ours=0, is_published=0, recipient=BOB, **HARD)
    put_event(store, "bounce", 4, email_id=None, is_ours=0, ses_message_id="somebody-elses", recipient=BOB, **HARD)

    events = json.loads(run("status", "order-1", "--json").stdout)["events"]

    assert [event["occurred_at"] for event in events] == ["2001-09-09T01:46:43.000Z"]


def test_other_jobs_events_stay_with_them(run: Run, store: StoreFile) -> None:
    store.put_job("order-1", "accepted")
    put_event(store, "open", 9, email_id="order-11")
    put_event(store, "open", 9, email_id=None, ses_message_id="somebody-elses")

    assert json.loads(run("status", "order-1", "--json").stdout)["events"] == []


def test_of_many_events_the_newest_are_shown(run: Run, store: StoreFile) -> None:
    store.put_job("order-1", "accepted")
    for second in range(MOST_EVENTS + 1):
        put_event(store, "open", second)

    events = json.loads(run("status", "order-1", "--json").stdout)["events"]

    assert MOST_EVENTS == 200
    assert len(events) == 200
    assert (events[0]["occurred_at"], events[-1]["occurred_at"]) == (
        "2001-09-09T01:46:41.000Z",
        "2001-09-09T01:50:00.000Z",
    )
    assert "the newest 200" in fields_of(run("status", "order-1").stdout)["note"]


def test_events_alone_prove_that_ses_has_it(run: Run, store: StoreFile) -> None:
    """Another node's job, or one of a store that was lost: promise 6 holds all the same."""
    put_event(store, "send", 0, recipient=ANN, status=10)
    put_event(store, "bounce", 60, recipient=ANN, **HARD)
    put_event(store, "delivery", 61, recipient=ANN, status=40)  # late, and lower
    put_event(store, "send", 30, ses_message_id="ses-2", mail_at=1e9 + 30, attempt=2)

    report = json.loads(run("status", "order-1", "--json").stdout)
    fields = fields_of(run("status", "order-1").stdout)

    assert (report["state"], report["reason"], report["lane"], report["first_seen_at"]) == (
        "accepted",
        None,
        None,
        None,
    )
    assert (report["attempts"], report["accepted_at"]) == (2, "2001-09-09T01:46:40.000Z")
    assert report["ses_message_ids"] == ["ses-1", "ses-2"]
    assert report["recipients"] == [
        {
            "address": ANN,
            "status": "hard_bounced",
            "reason": "hard_bounce",
            "updated_at": "2001-09-09T01:47:40.000Z",
        }
    ]
    assert len(report["events"]) == 4
    assert "another node" in fields["note"]
    assert "suppress check ann@example.org" in fields["next"]


def test_events_go_before_another_message_that_was_put_aside(run: Run, store: StoreFile) -> None:
    store.put_aside("m-1", email_id="order-1", reason="id_conflict")
    put_event(store, "send", 0)

    fields = fields_of(run("status", "order-1").stdout)

    assert fields["state"] == "accepted"
    assert "id_conflict (queue message m-1)" in fields["note"]


def test_erased_people_stay_nameless(run: Run, store: StoreFile) -> None:
    hashed = address_hash(ANN)
    put_recipients(store, **{hashed: Status.HARD_BOUNCED})
    put_event(store, "bounce", 1, **HARD | {"recipient": hashed, "facts": '{"code": "5.1.1", "erased": true}'})

    report = json.loads(run("status", "order-1", "--json").stdout)

    assert report["recipients"][0]["address"] == report["events"][0]["recipient"] == hashed
    assert report["events"][0]["detail"] == "hard_bounce: 5.1.1"
    assert "suppress check ADDRESS" in fields_of(run("status", "order-1").stdout)["next"]


def test_a_table_of_events_fits_80_columns(
    store: StoreFile, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    name = "a.rather.long.name@department.example.org"
    store.put_job("order-1", "accepted")
    put_event(store, "rendering_failure", 5)
    put_event(store, "bounce", 60, recipient=name, **HARD | {"facts": json.dumps({"diagnostic": "no such user " * 20})})
    monkeypatch.setattr(sys.stdout, "isatty", lambda: True)
    monkeypatch.setenv("TERM", "dumb")  # 80 columns, whatever the developer's are

    typer.main.get_command(build())(["status", "order-1"], standalone_mode=False)

    table = capsys.readouterr().out.split("\n\n")[1].splitlines()
    assert max(map(len, table)) <= 80
    assert table[0].split() == ["time", "(UTC)", "type", "recipient", "detail"]
    assert table[1].startswith("2001-09-09 01:46:45  Rendering Failure")
    assert table[2].startswith("2001-09-09 01:47:40  Bounce ")
    assert len(table) < 25


# --- what next -------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("statuses", "words"),
    [
        pytest.param({"ann": Status.DELIVERED}, ["ann@example.org: delivered"], id="delivered"),
        pytest.param({"ann": Status.DELIVERED, "bob": Status.DELIVERED}, ["all 2: delivered"], id="all-delivered"),
        pytest.param(
            {"ann": Status.HARD_BOUNCED, "bob": Status.DELIVERED},
            ["ann@example.org: hard-bounced", "suppressed", "`tank-mailer suppress check ann@example.org`", "bob@"],
            id="a-hard-bounce-goes-first-and-names-the-command",
        ),
        pytest.param(
            {"ann": Status.COMPLAINED}, ["called it spam", "suppress check ann@example.org"], id="a-complaint"
        ),
        pytest.param({"ann": Status.SOFT_BOUNCED}, ["given up", "put it on the queue again"], id="a-soft-bounce"),
        pytest.param({"ann": Status.DELAYED}, ["goes on trying"], id="a-delay"),
        pytest.param({"ann": Status.ACCEPTED}, ["has not told more", "TANK_EVENT_QUEUE_URL"], id="no-word-yet"),
        pytest.param({"ann": Status.REJECTED}, ["given up by SES"], id="rejected"),
        pytest.param(
            {"ann": Status.SUPPRESSED, "bob": Status.SUPPRESSED, "cat": Status.DELIVERED},
            ["2 of 3: left out (`tank-mailer suppress check ADDRESS`)"],
            id="left-out",
        ),
        pytest.param({}, ["SES has it"], id="of-nobody-known"),
    ],
)
def test_what_next_after_acceptance(statuses: dict[str, Status], words: list[str], run: Run, store: StoreFile) -> None:
    put_recipients(store, **statuses)

    told = fields_of(run("status", "order-1").stdout)["next"]

    places = [told.find(word) for word in words]
    assert -1 not in places, told
    assert places == sorted(places)


def test_a_doubt_says_since_when_and_what_ends_it(run: Run, store: StoreFile) -> None:
    """DESIGN 6: an event at once; else sent again or given up; six hours at most."""
    store.put_job("order-1", "in_doubt", reason="answer_lost", started_at=1e9, updated_at=2e9, due_at=4e9)

    fields = fields_of(run("status", "order-1").stdout)

    assert fields["in doubt"] == "since 2001-09-09 01:46:40 UTC"
    assert fields["goes on"].startswith("at 2096-10-02 07:06:40 UTC (in ")
    for word in ("event of SES settles it", "sent again", "given up", "six hours"):
        assert word in fields["next"]


def test_a_doubt_that_nothing_settled_names_the_way_back(run: Run, store: StoreFile) -> None:
    store.put_job("order-1", "dead", reason="in_doubt")

    assert "refused requeue order-1 --may-double" in fields_of(run("status", "order-1").stdout)["next"]


@pytest.mark.parametrize("state", State)
def test_every_state_says_what_to_do_next(state: State, run: Run, store: StoreFile) -> None:
    store.put_job("order 1", state, reason="expired", due_at=1e9, lease_ends_at=1e9)

    result = run("status", "order 1")

    assert result.exit_code == 0
    fields = dict(line.split("  ", 1) for line in result.stdout.splitlines())
    assert fields["state"].strip() == state
    assert len(fields["next"]) > 20


def test_when_it_goes_on(run: Run, store: StoreFile) -> None:
    store.put_job("order-1", "deferred", due_at=4e9, reason="throttled", detail="Maximum sending rate exceeded.")

    out = run("status", "order-1").stdout

    assert "at 2096-10-02 07:06:40 UTC (in " in out
    assert "Maximum sending rate exceeded." in out


def test_an_invalid_job_is_known_though_it_has_no_row(run: Run, store: StoreFile) -> None:
    store.put_aside("m-1", reason="missing_field", at=1e9)
    store.put_aside("m-2", reason="bad_address", at=1e9 + 60)

    report = json.loads(run("status", "order-4711", "--json").stdout)

    assert (report["state"], report["reason"], report["attempts"]) == ("invalid", "bad_address", 0)
    assert report["first_seen_at"] == "2001-09-09T01:47:40.000Z"
    assert "refused requeue order-4711 --file CORRECTED.json" in run("status", "order-4711").stdout


def test_a_job_that_was_put_back_waits(run: Run, store: StoreFile) -> None:
    store.put_aside("m-1", requeued_at=1e9)

    assert "it waits on the queue again" in run("status", "order-4711").stdout


@pytest.mark.parametrize(
    ("email_id", "shown"),
    [
        pytest.param("order-9", "order-9 is not known", id="unknown"),
        pytest.param("\x1b[2Jx", "\\x1b[2Jx is not known", id="an-id-cannot-speak-to-the-terminal"),
        pytest.param("odd-\udcff", "is not known", id="bytes-that-are-no-text"),
    ],
)
def test_an_unknown_id(email_id: str, shown: str, run: Run, store: StoreFile) -> None:
    result = run("status", email_id)

    assert (result.exit_code, result.stdout) == (3, "")
    assert shown in result.stderr
    assert "may not have received it yet" in result.stderr


# --- no store --------------------------------------------------------------------------------------


def test_without_a_store_none_is_made(run: Run, store: StoreFile) -> None:
    store.path.unlink()

    result = run("status", "order-1")

    assert result.exit_code == 75
    assert result.stderr.count("\n") == 1
    assert "start `tank-mailer run`" in result.stderr
    assert not store.path.exists()


@pytest.mark.parametrize(
    ("sql", "word"),
    [
        pytest.param("UPDATE alembic_version SET version_num = '0000'", "0000", id="older-tables"),
        pytest.param("DELETE FROM alembic_version", "has no tables", id="no-tables"),
    ],
)
def test_an_old_store_is_to_be_upgraded(sql: str, word: str, run: Run, store: StoreFile) -> None:
    store.ask(sql)

    result = run("status", "order-1")

    assert result.exit_code == 75
    assert word in result.stderr
    assert "run `tank-mailer db upgrade`" in result.stderr


def test_a_file_that_is_no_store(run: Run, store: StoreFile, tmp_path: Path) -> None:
    store.path.write_text("something else, and long enough to be read as a page of SQLite" * 50, encoding="utf-8")

    result = run("status", "order-1")

    assert result.exit_code == 75
    assert "TANK_DATABASE_URL" in result.stderr
