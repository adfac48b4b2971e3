"""`tank-mailer why`: in one answer what holds a job, since when, and when it goes on."""

import json
import time
from collections.abc import Callable
from typing import Any

import pytest
from typer.testing import Result

from tank_mailer.cli import why as command
from tank_mailer.core.ledger import State
from tank_mailer.standin import Kind, Rule, Standin
from tests.builders import make_body
from tests.cli.boards import ago, make_node, make_pause, order, post
from tests.cli.conftest import StoreFile

Run = Callable[..., Result]


def fields_of(out: str) -> dict[str, str]:
    """What stands before the table; of repeated names the first."""
    found = dict[str, str]()
    for line in out.partition("\n\n")[0].splitlines():
        name, _, value = line.strip().partition("  ")
        found.setdefault(name, value.strip())
    return found


def asked(run: Run, email_id: str = "order-1", code: int = 0) -> dict[str, Any]:
    result = run("why", email_id, "--json")
    assert result.exit_code == code, result.output
    shape: dict[str, Any] = json.loads(result.stdout)
    return shape


def put(run: Run, count: int) -> None:
    jobs = "".join(make_body(email_id=f"waiting-{n}") + "\n" for n in range(count))
    assert run("enqueue", "-", "--format", "jsonl", stdin=jobs).exit_code == 0


def test_a_backoff_for_people(run: Run, standin: Standin, store: StoreFile) -> None:
    post(store, make_node())
    due_at = time.time() + 600
    times = {"updated_at": time.time() - 60, "due_at": due_at}
    store.put_job("order-1", "deferred", reason="service_error", detail="HTTP 500 Oops", charged=1, attempt=1, **times)

    result = run("why", "order-1")

    fields = fields_of(result.stdout)
    assert (result.exit_code, result.stderr) == (0, "")
    assert (fields["state"], fields["lane"], fields["nodes"]) == ("deferred", "ordinary", "mail-1")
    assert fields["why"] == fields["held by"] == "backoff after attempt 1: service_error; 1 charged so far"
    assert fields["detail"] == "HTTP 500 Oops"
    assert fields["until"].endswith("(in 10 min)")
    assert fields["goes on"].startswith("about ")
    assert result.stdout.splitlines()[-1].split("\t")[:3] == ["ordinary", "jobs", "0"]


def test_a_pause_for_scripts(run: Run, standin: Standin, store: StoreFile) -> None:
    held = make_pause(
        "account",
        "sending_paused",
        since=ago(600),
        next_probe_at=ago(-120),
        lifted_by="GetAccount",
        remedy="see the mail",
    )
    post(store, make_node(pauses=[held]))
    store.put_job("order-1", "deferred", reason="sending_paused", due_at=1e9)

    shape = asked(run)

    assert (shape["state"], shape["standing"], shape["reason"]) == ("deferred", "waiting", "sending_paused")
    (hold,) = shape["holds"]
    assert (hold["kind"], hold["concern"], hold["reason"]) == ("pause", "account", "sending_paused")
    assert (hold["lifted_by"], hold["remedy"], hold["is_over_then"]) == ("GetAccount", "see the mail", False)
    assert shape["expected"] == {"at": hold["until"], "bound": "not_before"}
    assert shape["why"] == hold["text"]
    assert shape["nodes"] == ["mail-1"]
    assert [lane["lane"] for lane in shape["lanes"]] == ["ordinary"]


def test_a_persons_pause_and_the_way_back(run: Run, standin: Standin, store: StoreFile) -> None:
    post(store, make_node())
    store.put_job("order-1", "deferred", due_at=1e9)
    run("pause", "--lane", "ordinary", "--reason", "wrong price")

    fields = fields_of(run("why", "order-1").stdout)

    assert "the ordinary lane is paused by " in fields["why"]
    assert fields["why"].endswith(": wrong price")
    assert fields["remedy"] == "`tank-mailer resume --lane ordinary`"
    assert fields["goes on"] == "nobody can tell"


def test_the_senders_pause_is_named_and_no_recipient_is(run: Run, standin: Standin, store: StoreFile) -> None:
    post(store, make_node(pauses=[make_pause("sender", "mail_from_domain", "news@example.com")]))
    times = {"updated_at": time.time() - 60, "due_at": time.time() + 600}
    store.put_job("order-1", "deferred", reason="mail_from_domain", **times)
    store.ask("INSERT INTO recipients VALUES ('order-1', 'jane@example.org', 10, NULL, 1e9)")

    result = run("why", "order-1")

    assert "the sender news@example.com is paused: mail_from_domain" in result.stdout
    assert "jane@" not in result.output


def test_a_job_that_is_due_waits_for_its_turn(run: Run, standin: Standin, store: StoreFile) -> None:
    """The queue itself is asked: what the nodes know of it may be a minute old."""
    post(store, make_node(rate=2.0))
    store.put_job("order-1", "deferred", due_at=1e9)
    put(run, 30)

    shape = asked(run)

    assert shape["why"] == "about 30 recipients are ahead of it, at 2 recipients a second"
    assert (shape["lanes"][0]["visible"], shape["lanes"][0]["hidden"]) == (30, 0)
    assert shape["lanes"][0]["turn_s"] == pytest.approx(15)
    assert shape["expected"]["bound"] == "about"


def test_no_daemon_no_end(run: Run, standin: Standin, store: StoreFile) -> None:
    store.put_job("order-1", "deferred", due_at=1e9)

    fields = fields_of(run("why", "order-1").stdout)

    assert "no daemon is alive" in fields["why"]
    assert "start `tank-mailer run`" in fields["remedy"]
    assert (fields["nodes"], fields["goes on"]) == ("none alive", "nobody can tell")


@pytest.mark.parametrize("state", State)
def test_every_state_has_an_answer(state: State, run: Run, standin: Standin, store: StoreFile) -> None:
    post(store, make_node())
    store.put_job("order-1", state, reason="expired", due_at=1e9, lease_ends_at=1e9, owner="mail-1/p-mail-1")

    fields = fields_of(run("why", "order-1").stdout)

    assert fields["state"] == state
    assert len(fields["why"]) > 20
    assert ("next" in fields) != ("goes on" in fields)


def test_what_ended_names_the_way_back_and_asks_no_queue(run: Run, store: StoreFile) -> None:
    """There is no stand-in here: a call to AWS would be told."""
    store.put_job("order-1", "refused", reason="unverified_sender")
    store.put_job("order-2", "accepted")
    store.ask("INSERT INTO recipients VALUES ('order-2', 'jane@example.org', 60, 'hard_bounce', 1e9)")

    refused, accepted = run("why", "order-1"), run("why", "order-2")

    assert "tank-mailer refused requeue order-1" in fields_of(refused.stdout)["next"]
    assert "`tank-mailer status order-2`" in fields_of(accepted.stdout)["next"]
    assert "jane@" not in accepted.output
    assert (refused.stderr, accepted.stderr) == ("", "")


# --- not seen --------------------------------------------------------------------------------------


def test_an_id_that_may_be_on_the_queue(run: Run, standin: Standin, store: StoreFile) -> None:
    post(store, make_node())
    put(run, 5)

    result = run("why", "order-9")

    assert result.exit_code == 0
    assert fields_of(result.stdout)["state"] == "not seen"
    assert "about 5 recipients are ahead of it" in result.stdout


def test_an_id_that_is_nowhere(run: Run, standin: Standin, store: StoreFile) -> None:
    post(store, make_node())

    result = run("why", "order-9\x1b[2J")

    assert (result.exit_code, result.stdout) == (3, "")
    assert result.stderr.startswith("order-9\\x1b[2J: it is not known, and nothing waits on the queues")
    assert asked(run, "order-9", code=3)["standing"] == "unseen"


def test_both_lanes_are_asked(run: Run, standin: Standin, store: StoreFile, monkeypatch: pytest.MonkeyPatch) -> None:
    standin.state.queues.create("codes", {})
    monkeypatch.setenv("TANK_PRIORITY_QUEUE_URL", f"{standin.url}/000000000000/codes")
    post(store, make_node())
    put(run, 3)

    lanes = asked(run, "order-9")["lanes"]

    assert [(lane["lane"], lane["visible"]) for lane in lanes] == [("priority", 0), ("ordinary", 3)]


# --- a queue that does not answer ------------------------------------------------------------------


def test_a_queue_that_says_no_is_gone_by_without(run: Run, standin: Standin, store: StoreFile) -> None:
    standin.state.faults.add(Rule(kind=Kind.STATUS, operation="GetQueueAttributes", times=None))
    seen = make_node().lanes["ordinary"]
    assert seen.visible == 0
    post(store, make_node())
    store.put_job("order-1", "deferred", due_at=1e9)

    result = run("why", "order-1")

    assert result.exit_code == 0
    assert "the queue of the ordinary lane did not answer (queue_unreachable)" in result.stderr
    assert fields_of(result.stdout)["why"].startswith("nothing is ahead of it")


def test_a_queue_that_is_slow_is_gone_by_without(
    run: Run, standin: Standin, store: StoreFile, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(command, "ASK_S", 0.0)

    shape = asked(run, "order-9")

    assert shape["queues_unasked"] == {"ordinary": "no answer within 0 s"}
    assert "what waits on the queues is not known" in shape["why"]


# --- the store -------------------------------------------------------------------------------------


def test_what_was_put_back_waits_again(run: Run, standin: Standin, store: StoreFile) -> None:
    post(store, make_node())
    store.put_aside("m-1", email_id="order-1", requeued_at=1e9)

    shape = asked(run)

    assert (shape["state"], shape["standing"]) == ("invalid", "waiting")
    assert "put back on its queue" in shape["why"]


def test_events_alone(run: Run, store: StoreFile) -> None:
    store.ask(
        "INSERT INTO events (key, kind, ses_message_id, email_id, occurred_at, recorded_at, mail_at, is_ours,"
        " is_published, counts, facts) VALUES ('k', 'send', 'ses-1', 'order-1', 1e9, 1e9, 1e9, 1, 1, 0, '{}')"
    )

    assert asked(run)["standing"] == "accepted"


def test_without_a_store(run: Run, store: StoreFile) -> None:
    store.path.unlink()

    assert run("why", "order-1").exit_code == 75


def test_a_suspect_queue_is_told_without_a_daemon(run: Run, standin: Standin, store: StoreFile) -> None:
    order(store, "lane/ordinary", who="tank-mailer")
    store.put_job("order-1", "deferred", due_at=1e9)

    assert [hold["reason"] for hold in asked(run)["holds"]] == [None, "queue_suspect"]


def test_status_names_this_command(run: Run, store: StoreFile) -> None:
    store.put_job("order 1", "deferred", due_at=4e9)

    assert "`tank-mailer why 'order 1'`" in run("status", "order 1").stdout
