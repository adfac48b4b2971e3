"""`tank-mailer dlq`: dead letters, looked at without damage and put back through ledger, suppression and deadline."""

import asyncio
import json
import signal
from collections.abc import Awaitable, Callable
from importlib import import_module

import pytest
from typer.testing import Result

from tank_mailer.adapters.letter_box import SqsLetterBox
from tank_mailer.cli.dlq import round as around
from tank_mailer.core.job import EmailJob, parse_job
from tank_mailer.standin import Kind, Rule, Standin
from tests.builders import make_body
from tests.cli.conftest import StoreFile
from tests.cli.letters import LetterQueue, make_letter_queue, make_note

Run = Callable[..., Result]
Bodies = Callable[[], list[str]]
SECRET = "whsec_" + "QUFBQUFBQUFBQUFBQUFBQUFBQUFBQUFBQUFBQUFBQUE="
PAST = "2024-12-24T18:00:00Z"


@pytest.fixture
def letters(standin: Standin, store: StoreFile, monkeypatch: pytest.MonkeyPatch) -> LetterQueue:
    """Found by the redrive policy of the job queue; its last receive waits for nobody."""
    monkeypatch.setattr(around, "WAIT_S", 0)
    return make_letter_queue(standin)


@pytest.fixture
def on_priority_queue(standin: Standin, letters: LetterQueue, monkeypatch: pytest.MonkeyPatch) -> Bodies:
    """The bodies there; the settings name it."""
    monkeypatch.setenv("TANK_PRIORITY_QUEUE_URL", f"{standin.url}/000000000000/urgent")
    return lambda: [one.content.body for one in list(letters.sources["urgent"].messages.values())]


def hash_of(body: str) -> str:
    job = parse_job(body)
    assert isinstance(job, EmailJob)
    return job.content_hash


def put_in_ledger(store: StoreFile, email_id: str = "order-4711", /, **columns: object) -> str:
    """A dead job that no copy could be made of."""
    letter_id = f"ledger-{email_id}"
    values = {"kind": "dead", "reason": "attempts_spent", "detail": "SES said 503", "raw": make_body(email_id=email_id)}
    store.put_aside(letter_id, **{"email_id": email_id, **values, **columns})
    store.put_job(email_id, "dead", queue_message_id=letter_id, reason="attempts_spent", attempt=3)
    return letter_id


def details(store: StoreFile) -> list[tuple[str, str, str]]:
    return [tuple(row) for row in store.ask("SELECT action, subject, detail FROM audit ORDER BY id")]


# --- looking ---------------------------------------------------------------------------------------


def test_a_look_shows_both_kinds_and_leaves_no_trace(run: Run, letters: LetterQueue, store: StoreFile) -> None:
    """On the queue, and in the ledger alone; a letter that stays hidden would look lost to the next one."""
    on_queue = letters.put()
    alone = put_in_ledger(store, "order-1", at=1e9)

    report = json.loads(run("dlq", "list", "--json").stdout)

    assert [(one["id"], one["queue"]) for one in report["letters"]] == [(on_queue, "dead"), (alone, None)]
    assert report["letters"][0] | {"at": "", "first_received_at": ""} == {
        "id": on_queue,
        "queue": "dead",
        "email_id": "order-4711",
        "reason": "attempts_spent",
        "detail": "SES said 503",
        "remedy": "look at last_error",
        "lane": "ordinary",
        "source": "jobs",
        "attempts": 3,
        "domains": ["example.org"],
        "at": "",
        "first_seen_at": "2026-11-02T08:00:00.000Z",
        "first_received_at": "",
        "receive_count": 1,
        "size_bytes": len(make_body()),
    }
    (queue,) = report["queues"]
    assert (queue["name"], queue["visible"], queue["seen"], queue["complete"]) == ("dead", 1, 1, True)
    assert letters.is_as_it_was
    assert store.audit == []


def test_more_letters_than_one_receive_brings(run: Run, letters: LetterQueue) -> None:
    ids = {letters.put(make_body(email_id=f"job-{n}")) for n in range(25)}

    report = json.loads(run("dlq", "list", "--json").stdout)

    assert {one["id"] for one in report["letters"]} == ids
    assert letters.is_as_it_was


def test_what_sqs_has_moved_is_explained(run: Run, letters: LetterQueue) -> None:
    moved = letters.move(make_body(email_id="slow"))
    by_hand = letters.put(make_body(email_id="hand"), note=None)

    found = {one["id"]: one for one in json.loads(run("dlq", "list", "--json").stdout)["letters"]}

    assert (found[moved]["reason"], found[moved]["source"], found[moved]["lane"]) == (
        "redrive_policy",
        "jobs",
        "ordinary",
    )
    assert found[moved]["receive_count"] == 101
    assert "maxReceiveCount" in found[moved]["remedy"]
    assert (found[by_hand]["reason"], found[by_hand]["lane"]) == ("unexplained", None)


@pytest.mark.parametrize(
    ("options", "found"),
    [
        pytest.param([], {"spent", "doubt", "urgent", "ledger"}, id="all"),
        pytest.param(["--reason", "in_doubt"], {"doubt"}, id="by-reason"),
        pytest.param(["--domain", "Example.NET"], {"doubt"}, id="by-domain"),
        pytest.param(["--lane", "priority"], {"urgent"}, id="by-lane"),
        pytest.param(["--older-than", "1h"], {"ledger"}, id="older"),
        pytest.param(["--newer-than", "1h"], {"spent", "doubt", "urgent"}, id="newer"),
        pytest.param(["--newer-than", "1h", "--reason", "attempts_spent", "--lane", "ordinary"], {"spent"}, id="both"),
    ],
)
def test_filters(options: list[str], found: set[str], run: Run, letters: LetterQueue, store: StoreFile) -> None:
    letters.put(make_body(email_id="spent"))
    letters.put(make_body(email_id="doubt", to="a@example.net"), make_note(reason="in_doubt"))
    letters.put(make_body(email_id="urgent"), make_note(lane="priority"))
    put_in_ledger(store, "ledger")

    report = json.loads(run("dlq", "list", "--json", *options).stdout)

    assert {one["email_id"] for one in report["letters"]} == found


@pytest.mark.parametrize(
    "options",
    [
        pytest.param(["--older-than", "soon"], id="no-time"),
        pytest.param(["--older-than", "2d", "--newer-than", "1h"], id="never"),
        pytest.param(["--domain", "nowhere"], id="no-domain"),
        pytest.param(["--reason", "whim"], id="no-reason"),
    ],
)
def test_filters_that_make_no_sense(options: list[str], run: Run, letters: LetterQueue) -> None:
    assert run("dlq", "list", *options).exit_code == 2


def test_a_note_from_a_stranger_cannot_speak_to_the_terminal(run: Run, letters: LetterQueue) -> None:
    letters.put(make_body(), make_note(last_error="x\x1b[2J\tz", reason="\x1b[31m", lane=["a"], attempts=1e300))
    letters.put("{" * 9_000, "[" * 9_000)

    result = run("dlq", "list")

    assert result.exit_code == 0, result.output
    assert "\x1b" not in result.stdout
    assert "x\\x1b[2J\\tz" in result.stdout
    assert [line.split("\t")[3] for line in result.stdout.splitlines()[1:]] == ["unexplained", "unexplained"]


def test_one_letter_is_shown(run: Run, letters: LetterQueue) -> None:
    letter_id = letters.put(make_body(subject="Grüße"))
    letters.put(make_body(email_id="other"))

    plain = run("dlq", "show", letter_id[:8]).stdout

    assert "SES said 503" in plain
    assert '\n  "subject": "Grüße",\n' in plain
    assert run("dlq", "show", "order-4711", "--raw").stdout == make_body(subject="Grüße") + "\n"
    assert json.loads(run("dlq", "show", letter_id, "--json").stdout)["raw"] == make_body(subject="Grüße")
    assert letters.is_as_it_was


def test_none_such(run: Run, letters: LetterQueue) -> None:
    result = run("dlq", "show", "nobody")

    assert result.exit_code == 3
    assert "there is no such dead letter" in result.stderr


def test_one_of_the_ledger_is_shown(run: Run, letters: LetterQueue, store: StoreFile) -> None:
    put_in_ledger(store)

    assert "in the ledger alone" in run("dlq", "show", "order-4711").stdout


# --- what a person should know of the queue --------------------------------------------------------


def test_without_a_queue_only_the_ledger_is_listed(
    run: Run, standin: Standin, store: StoreFile, monkeypatch: pytest.MonkeyPatch
) -> None:
    put_in_ledger(store)

    result = run("dlq", "list")

    assert result.exit_code == 0
    assert "TANK_DEAD_LETTER_QUEUE_URL is not set, and no job queue has a redrive policy" in result.stderr
    assert "order-4711" in result.stdout


def test_the_setting_goes_before_the_policy(
    run: Run, standin: Standin, letters: LetterQueue, monkeypatch: pytest.MonkeyPatch
) -> None:
    letters.put()
    standin.state.queues.create("elsewhere", {})
    monkeypatch.setenv("TANK_DEAD_LETTER_QUEUE_URL", f"{standin.url}/000000000000/elsewhere")

    report = json.loads(run("dlq", "list", "--json").stdout)

    assert (report["letters"], [queue["name"] for queue in report["queues"]]) == ([], ["elsewhere"])


def test_both_lanes_may_have_one_of_their_own(
    run: Run, standin: Standin, letters: LetterQueue, on_priority_queue: Bodies
) -> None:
    other = standin.state.queues.create("urgent-dead", {})
    policy = json.dumps({"deadLetterTargetArn": other.queue.arn, "maxReceiveCount": 100})
    standin.state.queues.change(standin.state.queues.named("urgent"), {"RedrivePolicy": policy})

    assert [one["name"] for one in json.loads(run("dlq", "list", "--json").stdout)["queues"]] == ["dead", "urgent-dead"]


def test_a_queue_that_moves_letters_on_is_warned_about(run: Run, standin: Standin, letters: LetterQueue) -> None:
    further = standin.state.queues.create("further", {})
    policy = json.dumps({"deadLetterTargetArn": further.queue.arn, "maxReceiveCount": 3})
    standin.state.queues.change(standin.state.queues.named("dead"), {"RedrivePolicy": policy})
    letters.put()

    assert "after 3 of them SQS moves a letter on" in run("dlq", "list").stderr


def test_what_another_reader_holds_is_told(run: Run, letters: LetterQueue) -> None:
    letters.put()
    letters.put()
    letters.queue.receive(1, visibility_s=60, dead_letters=None)

    result = run("dlq", "list", "--json")

    assert "1 letters were hidden" in result.stderr
    assert json.loads(result.stdout)["total"] == 1


@pytest.mark.parametrize(
    ("operation", "action"),
    [
        pytest.param("ReceiveMessage", "sqs:ReceiveMessage on dead", id="a-look"),
        pytest.param("GetQueueAttributes", "sqs:GetQueueAttributes on jobs", id="where-it-is"),
    ],
)
def test_a_right_that_is_missing_is_named(
    operation: str, action: str, run: Run, standin: Standin, letters: LetterQueue
) -> None:
    standin.state.faults.add(Rule(kind=Kind.STATUS, operation=operation, status=403, code="AccessDenied", times=None))

    result = run("dlq", "list")

    assert result.exit_code == 75
    assert f"allow the key {action}: statement DeadLetterOperator" in result.stderr


def test_without_the_right_to_count_the_letters_are_shown(run: Run, standin: Standin, letters: LetterQueue) -> None:
    letters.put()
    denied = Rule(kind=Kind.STATUS, operation="GetQueueAttributes", status=403, code="AccessDenied", after=1)
    standin.state.faults.add(denied)

    report = json.loads(run("dlq", "list", "--json").stdout)

    assert (report["total"], report["queues"][0]["visible"]) == (1, None)


def test_a_queue_that_is_not_there(
    run: Run, standin: Standin, store: StoreFile, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("TANK_DEAD_LETTER_QUEUE_URL", f"{standin.url}/000000000000/gone")

    result = run("dlq", "list")

    assert result.exit_code == 75
    assert "the queue gone does not work: queue_missing" in result.stderr
    assert "TANK_DEAD_LETTER_QUEUE_URL" in result.stderr


# --- putting back ----------------------------------------------------------------------------------


def test_nothing_happens_without_apply(run: Run, letters: LetterQueue, on_queue: Bodies, store: StoreFile) -> None:
    letter_id = letters.put()

    result = run("dlq", "redrive", "--all")

    assert result.exit_code == 0, result.output
    assert f"{letter_id} (order-4711): would go on the ordinary queue" in result.stdout
    assert result.stdout.endswith("1 of 1 would be put back on the queue.\nNothing was changed; --apply does it.\n")
    assert (letters.ids, on_queue(), store.audit) == ([letter_id], [], [])
    assert letters.is_as_it_was


def test_a_letter_goes_back_and_is_on_record(
    run: Run, letters: LetterQueue, on_queue: Bodies, store: StoreFile
) -> None:
    """The text that the ledger keeps of it is done with, too: it must not go back a second time from there."""
    letter_id = letters.put()
    store.put_aside("m-1", kind="dead", reason="attempts_spent")
    store.put_job("order-4711", "dead", reason="attempts_spent", copied_at=1e9)

    result = run("dlq", "redrive", "order-4711", "--apply", "--json")

    assert result.exit_code == 0, result.output
    assert (letters.ids, on_queue()) == ([], [make_body()])
    (letter,) = json.loads(result.stdout)["letters"]
    assert (letter["id"], letter["requeued"], letter["lane"]) == (letter_id, True, "ordinary")
    new_id = letter["new_queue_message_id"]
    assert details(store) == [
        ("dlq redrive", "dead", "begins: 1 ids, 20/s"),
        ("dlq redrive", "order-4711", f"letter {letter_id} of dead, attempts_spent, as {new_id} on ordinary"),
        ("dlq redrive", "dead", "ends: 1 of 1 put back"),
    ]
    assert store.ask("SELECT count(*) FROM asides WHERE requeued_at IS NULL") == [(0,)]
    assert run("refused", "requeue", "--all", "--yes").stdout == "0 of 0 put back on the queue.\n"


def test_each_goes_back_on_its_lane(
    run: Run, letters: LetterQueue, on_queue: Bodies, on_priority_queue: Bodies
) -> None:
    letters.put(make_body(email_id="code"), make_note(lane="priority"))
    letters.put(make_body(email_id="news"))
    letters.move(make_body(email_id="alarm"), source="urgent")

    result = run("dlq", "redrive", "--all", "--apply", "--yes", "--json", "--rate", "500")

    assert result.exit_code == 0, result.output
    assert sorted(on_priority_queue()) == [make_body(email_id="alarm"), make_body(email_id="code")]
    assert on_queue() == [make_body(email_id="news")]
    assert letters.ids == []


def test_one_of_the_ledger_goes_back(run: Run, letters: LetterQueue, on_queue: Bodies, store: StoreFile) -> None:
    put_in_ledger(store)

    result = run("dlq", "redrive", "--all", "--apply", "--yes")

    assert result.exit_code == 0, result.output
    assert on_queue() == [make_body()]
    assert json.loads(run("dlq", "list", "--json").stdout)["total"] == 0


def suppress(store: StoreFile, address: str) -> None:
    store.ask(
        "INSERT INTO suppressions (address, reason, source, created_at) VALUES (?, 'manual', 'manual', 1)", address
    )


@pytest.mark.parametrize(
    ("body", "note", "row", "reason", "why"),
    [
        pytest.param("{", "", None, "not_json", "invalid: not_json", id="invalid"),
        pytest.param(make_body(expires_at=PAST), "", None, "expired", "its expires_at", id="too-late"),
        pytest.param(make_body(to="no@example.org"), "", None, "suppressed", "every `to` recipient", id="suppressed"),
        pytest.param(make_body(from_="x@example.net"), "", None, "sender_not_allowed", "TANK_ALLOWED", id="sender"),
        pytest.param(
            make_body(configuration_set="x"),
            "",
            None,
            "unknown_configuration_set",
            "TANK_CONFIG",
            id="configuration-set",
        ),
        pytest.param(None, make_note(reason="in_doubt"), None, "in_doubt", "--may-double", id="SES-may-have-it"),
        pytest.param(
            None, "", {"state": "dead", "reason": "in_doubt"}, "in_doubt", "--may-double", id="says-the-ledger"
        ),
        pytest.param(None, "", {"state": "deferred"}, None, "under way (deferred)", id="under-way"),
        pytest.param(
            None,
            "",
            {"state": "accepted", "content_hash": hash_of(make_body())},
            "duplicate",
            "accepted",
            id="accepted",
        ),
        pytest.param(None, "", {"state": "accepted"}, "id_conflict", "another job was accepted", id="its-id-is-taken"),
        pytest.param(None, None, None, None, "--to ordinary or --to priority", id="it-does-not-tell-its-lane"),
        pytest.param(None, make_note(lane="x", source="shop"), None, None, "none of ours", id="of-another-queue"),
    ],
)
def test_what_would_come_to_nothing_stays(
    body: str | None,
    note: str | None,
    row: dict[str, str] | None,
    reason: str | None,
    why: str,
    *,
    run: Run,
    letters: LetterQueue,
    on_queue: Bodies,
    on_priority_queue: Bodies,
    store: StoreFile,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Named with its reason, while a letter beside it goes."""
    monkeypatch.setenv("TANK_ALLOWED_SENDERS", "example.com")
    suppress(store, "no@example.org")
    letter_id = letters.put(body, note)
    letters.put(make_body(email_id="good"))
    if row:
        store.put_job("order-4711", **row)

    result = run("dlq", "redrive", "--all", "--apply", "--yes", "--json")

    assert result.exit_code == 3, result.output
    report = json.loads(result.stdout)
    (stays,) = [one for one in report["letters"] if not one["requeued"]]
    assert (stays["id"], stays["reason"]) == (letter_id, reason)
    assert why in stays["why_not"]
    assert (report["requeued"], on_queue(), letters.ids) == (1, [make_body(email_id="good")], [letter_id])
    assert letters.is_as_it_was


def test_reasons_are_summed_up(run: Run, letters: LetterQueue) -> None:
    for n in range(3):
        letters.put(make_body(email_id=f"late-{n}", expires_at=PAST))
    letters.put("{")

    out = run("dlq", "redrive", "--all").stdout

    assert out.endswith("0 of 4 would be put back on the queue; 3 expired, 1 not_json.\n")


def test_a_doubt_can_be_overruled(run: Run, letters: LetterQueue, on_queue: Bodies) -> None:
    letters.put(None, make_note(reason="in_doubt"))

    assert run("dlq", "redrive", "--all", "--apply", "--yes", "--may-double").exit_code == 0
    assert len(on_queue()) == 1


def test_a_lane_can_be_given(run: Run, letters: LetterQueue, on_priority_queue: Bodies) -> None:
    letters.put(None, None)

    assert run("dlq", "redrive", "--all", "--apply", "--yes", "--to", "priority").exit_code == 0
    assert on_priority_queue() == [make_body()]


def test_with_one_lane_there_is_no_question(run: Run, letters: LetterQueue, on_queue: Bodies) -> None:
    letters.put(None, None)

    assert run("dlq", "redrive", "--all", "--apply", "--yes").exit_code == 0
    assert on_queue() == [make_body()]


def test_a_row_that_waits_for_this_very_message_is_no_obstacle(
    run: Run, letters: LetterQueue, on_queue: Bodies, store: StoreFile
) -> None:
    """SQS's policy took a deferred job's message away: nobody but the letter brings the job on its way again."""
    moved = letters.move(make_body())
    row = {"queue_message_id": moved, "content_hash": hash_of(make_body()), "due_at": 4e9}
    store.put_job("order-4711", "deferred", **row)

    assert run("dlq", "redrive", "--all", "--apply", "--yes").exit_code == 0
    assert (letters.ids, on_queue()) == ([], [make_body()])


def test_a_job_with_two_letters_goes_once(run: Run, letters: LetterQueue, on_queue: Bodies) -> None:
    """The answer to a copy was lost, so the daemon made another."""
    letters.put()
    second = letters.put()

    result = run("dlq", "redrive", "--all", "--apply", "--yes", "--json")

    assert result.exit_code == 3
    assert (len(on_queue()), letters.ids) == (1, [second])
    assert "goes back with" in result.stdout


def test_of_two_texts_of_one_id_that_which_goes_back_is_done_with(
    run: Run, letters: LetterQueue, on_queue: Bodies, store: StoreFile
) -> None:
    """The other has died, too, and rests in the ledger alone: marked as put back, nobody would find it again."""
    put_in_ledger(store)
    moved = letters.move(make_body(subject="New"))

    assert run("dlq", "redrive", moved, "--apply").exit_code == 0

    assert on_queue() == [make_body(subject="New")]
    assert store.ask("SELECT queue_message_id, requeued_at FROM asides") == [("ledger-order-4711", None)]


def test_a_queue_that_fails_leaves_no_false_record(
    run: Run, standin: Standin, letters: LetterQueue, on_queue: Bodies, store: StoreFile
) -> None:
    for n in range(15):
        letters.put(make_body(email_id=f"job-{n}"))
    standin.state.faults.add(Rule(kind=Kind.STATUS, operation="SendMessageBatch", after=1, times=None))

    result = run("dlq", "redrive", "--all", "--apply", "--yes", "--rate", "500")

    assert result.exit_code == 75
    assert (len(on_queue()), len(letters.ids)) == (10, 5)
    assert len([one for one in store.audit if one[1].startswith("job-")]) == 10
    assert details(store)[-1][2] == "ends: 10 of 10 put back"
    assert letters.is_as_it_was


def test_a_letter_that_cannot_be_deleted_is_told(
    run: Run, standin: Standin, letters: LetterQueue, on_queue: Bodies
) -> None:
    """It is on its queue: the ledger keeps a second redrive from doubling it, once it is accepted."""
    letters.put()
    denied = Rule(kind=Kind.STATUS, operation="DeleteMessageBatch", status=403, code="AccessDenied", times=None)
    standin.state.faults.add(denied)

    result = run("dlq", "redrive", "--all", "--apply", "--yes")

    assert result.exit_code == 75
    assert "sqs:DeleteMessage on dead" in result.stderr
    assert (len(letters.ids), len(on_queue())) == (1, 1)


@pytest.mark.parametrize(
    "arguments",
    [
        pytest.param([], id="neither-ids-nor-all"),
        pytest.param(["order-4711", "--all"], id="both"),
        pytest.param(["order-4711", "--reason", "in_doubt"], id="a-filter-without-all"),
        pytest.param(["--all", "--apply"], id="nobody-to-be-asked"),
        pytest.param(["--all", "--rate", "0"], id="no-rate"),
    ],
)
def test_usage(arguments: list[str], run: Run, letters: LetterQueue) -> None:
    assert run("dlq", "redrive", *arguments).exit_code == 2


def test_names_that_stand_for_none_or_several(run: Run, letters: LetterQueue, on_queue: Bodies) -> None:
    good = letters.put(make_body(email_id="good"))

    result = run("dlq", "redrive", "good", "nobody", "--apply", "--json")

    assert result.exit_code == 3
    reasons = {one["id"]: one["why_not"] for one in json.loads(result.stdout)["letters"]}
    assert reasons == {"nobody": "there is no such dead letter; `tank-mailer dlq list` shows them", good: None}
    assert len(on_queue()) == 1


# --- dropping --------------------------------------------------------------------------------------


def test_a_letter_that_nobody_wants(run: Run, letters: LetterQueue, on_queue: Bodies, store: StoreFile) -> None:
    """Off the queue, its text in the ledger until retention, and no `--all` brings it back."""
    letter_id = letters.move(make_body())
    stays = letters.put(make_body(email_id="stays"))

    result = run("dlq", "drop", letter_id, "--yes")

    assert result.exit_code == 0, result.output
    assert letters.ids == [stays]
    assert details(store) == [("dlq drop", "order-4711", f"letter {letter_id} of dead, redrive_policy")]
    assert run("refused", "list").stdout.count("\n") == 1
    assert letter_id[:8] in run("refused", "list", "--kind", "dropped").stdout
    assert run("refused", "requeue", "--all", "--yes").stdout == "0 of 0 put back on the queue.\n"
    assert "dead" in run("status", "order-4711").stdout
    assert run("refused", "requeue", letter_id).exit_code == 0
    assert on_queue() == [make_body()]


def test_one_of_the_ledger_is_dropped(run: Run, letters: LetterQueue, store: StoreFile) -> None:
    put_in_ledger(store)

    assert run("dlq", "drop", "order-4711", "--yes").exit_code == 0
    assert json.loads(run("dlq", "list", "--json").stdout)["total"] == 0
    assert store.ask("SELECT kind FROM asides") == [("dropped",)]


def test_what_is_dropped_goes_by_the_name_that_it_had(
    run: Run, letters: LetterQueue, on_queue: Bodies, store: StoreFile
) -> None:
    """The daemon had kept its text under the id of the message that it came on, which nobody has seen."""
    store.put_aside("m-1", kind="dead", reason="attempts_spent")
    letter_id = letters.put()

    assert run("dlq", "drop", letter_id, "--yes").exit_code == 0

    assert store.ask("SELECT queue_message_id, kind FROM asides") == [(letter_id, "dropped")]
    assert run("refused", "requeue", letter_id).exit_code == 0
    assert on_queue() == [make_body()]


@pytest.mark.parametrize(
    ("state", "columns", "reason"),
    [
        pytest.param("deferred", {}, "redrive_policy", id="deferred"),
        pytest.param("in_doubt", {}, "in_doubt", id="in-doubt-and-said-so"),
        pytest.param("sending", {"lease_ends_at": 1e9}, "in_doubt", id="its-process-has-died"),
    ],
)
def test_a_job_that_was_under_way_by_it_ends(
    state: str,
    columns: dict[str, object],
    reason: str,
    *,
    run: Run,
    letters: LetterQueue,
    store: StoreFile,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """SQS had moved its message; without it the row would wait for ever. The web server is told, once."""
    monkeypatch.setenv("TANK_WEBHOOK_URL", "https://www.example.com/hook")
    monkeypatch.setenv("TANK_WEBHOOK_SECRET", SECRET)
    letter_id = letters.move(make_body())
    store.put_job("order-4711", state, queue_message_id=letter_id, due_at=2e9, **columns)

    assert run("dlq", "drop", letter_id, "--yes").exit_code == 0

    query = "SELECT state, reason, due_at, copied_at IS NOT NULL, version FROM jobs"
    assert store.ask(query) == [("dead", reason, None, 1, 3)]
    ((told,),) = store.ask("SELECT payload FROM outbox")
    assert (json.loads(told)["data"]["state"], json.loads(told)["data"]["reason"]) == ("dead", reason)
    assert json.loads(run("dlq", "list", "--json").stdout)["total"] == 0


@pytest.mark.parametrize(
    ("state", "columns"),
    [
        pytest.param("deferred", {"queue_message_id": "m-2"}, id="another-message-brings-it"),
        pytest.param("sending", {"lease_ends_at": 4e9}, id="an-attempt-is-under-way"),
        pytest.param("accepted", {}, id="it-has-ended"),
    ],
)
def test_a_job_that_does_not_need_it_goes_on(
    state: str, columns: dict[str, object], run: Run, letters: LetterQueue, store: StoreFile
) -> None:
    letter_id = letters.move(make_body())
    store.put_job("order-4711", state, **{"queue_message_id": letter_id} | columns)

    assert run("dlq", "drop", letter_id, "--yes").exit_code == 0

    assert store.ask("SELECT state, version FROM jobs") == [(state, 1)]


def test_another_text_of_its_id_is_not_taken_for_its_own(run: Run, letters: LetterQueue, store: StoreFile) -> None:
    """The job had died before with another text; the one that is dropped would be nowhere any more."""
    put_in_ledger(store)
    moved = letters.move(make_body(subject="New"))

    assert run("dlq", "drop", moved, "--yes").exit_code == 0

    dropped = store.ask("SELECT queue_message_id, raw FROM asides WHERE kind = 'dropped'")
    assert dropped == [(moved, make_body(subject="New"))]
    assert run("dlq", "list", "--json").stdout.count("ledger-order-4711") == 1


def test_none_such_is_dropped(run: Run, letters: LetterQueue, store: StoreFile) -> None:
    result = run("dlq", "drop", "nobody", "--yes")

    assert result.exit_code == 3
    assert "not dropped: there is no such dead letter" in result.stdout
    assert (run("dlq", "drop", "nobody").exit_code, store.audit) == (2, [])


# --- interrupted -----------------------------------------------------------------------------------


def test_an_interrupted_look_gives_back(run: Run, letters: LetterQueue, monkeypatch: pytest.MonkeyPatch) -> None:
    """Ctrl-C is how people end a list that is too long."""
    for n in range(12):
        letters.put(make_body(email_id=f"job-{n}"))
    receive = SqsLetterBox.receive

    async def interrupted(box: SqsLetterBox, *, wait_s: int, visibility_s: int) -> object:
        if letters.messages[0].receive_count:
            raise KeyboardInterrupt
        return await receive(box, wait_s=wait_s, visibility_s=visibility_s)

    monkeypatch.setattr(SqsLetterBox, "receive", interrupted)

    result = run("dlq", "list")

    assert result.exit_code == 130
    assert letters.is_as_it_was


@pytest.mark.parametrize(
    ("module", "name", "arguments"),
    [
        pytest.param("dlq.redrive", "mark_redriven", ["dlq", "redrive", "--all", "--apply", "--yes"], id="redrive"),
        pytest.param("refused.requeue", "mark_requeued", ["refused", "requeue", "--all", "--yes"], id="requeue"),
    ],
)
def test_what_is_on_its_queue_is_on_record_after_an_interruption(
    module: str,
    name: str,
    arguments: list[str],
    *,
    run: Run,
    letters: LetterQueue,
    on_queue: Bodies,
    store: StoreFile,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """So it is said; Ctrl-C between the sending and the record must not make a lie of it."""
    for n in range(3):
        letters.put(make_body(email_id=f"letter-{n}"))
        store.put_aside(f"m-{n}", email_id=f"job-{n}", raw=make_body(email_id=f"job-{n}"))
    place = import_module(f"tank_mailer.cli.{module}")
    mark: Callable[..., Awaitable[None]] = getattr(place, name)
    signals = iter([signal.SIGINT])

    async def interrupted(*of: object, **about: object) -> None:
        for one in signals:
            signal.raise_signal(one)
            await asyncio.sleep(0)
        await mark(*of, **about)

    monkeypatch.setattr(place, name, interrupted)

    result = run(*arguments)

    assert (result.exit_code, "is on record" in result.stderr) == (130, True)
    on_record = [subject for _, subject, detail in details(store) if " as " in detail]
    assert len(on_record) == len(on_queue()) == 3
