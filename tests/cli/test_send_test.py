"""`tank-mailer send-test`: jobs that end in a known way."""

import json
from collections.abc import Callable

import pytest
from typer.testing import Result

from tank_mailer.cli import send_test
from tank_mailer.cli.send_test import Type
from tank_mailer.core.errors import Reason
from tank_mailer.core.job import EmailJob, InvalidJob, parse_job
from tank_mailer.standin import Standin
from tests.cli.conftest import StoreFile

Run = Callable[..., Result]
Bodies = Callable[[], list[str]]

SENDER = "sender@example.com"


@pytest.fixture
def fixed_id(monkeypatch: pytest.MonkeyPatch) -> str:
    monkeypatch.setattr(send_test, "new_id", lambda _: "test-1")
    return "test-1"


@pytest.fixture
def on_priority_queue(standin: Standin, monkeypatch: pytest.MonkeyPatch) -> Bodies:
    """The bodies there; the settings name it."""
    waited = standin.state.queues.create("urgent", {})
    monkeypatch.setenv("TANK_PRIORITY_QUEUE_URL", f"{standin.url}/000000000000/urgent")
    return lambda: [message.content.body for message in list(waited.queue.messages.values())]


def test_a_normal_one(run: Run, on_queue: Bodies) -> None:
    result = run("send-test", "--type", "normal", "--from", SENDER, "--to", "you@example.org")

    assert result.exit_code == 0
    job = parse_job(on_queue()[0])
    assert isinstance(job, EmailJob)
    assert (job.sender.mailbox, job.to[0].mailbox) == (SENDER, "you@example.org")
    assert job.email_id.startswith("test-normal-")
    assert f"To see: tank-mailer status {job.email_id}" in result.stdout


def test_sender_and_recipient_come_from_the_settings(
    run: Run, on_queue: Bodies, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("TANK_TEST_FROM", SENDER)

    run("send-test")

    job = json.loads(on_queue()[0])
    assert (job["from"], job["to"]) == (SENDER, "success@simulator.amazonses.com")


@pytest.mark.parametrize(
    ("type_", "missing"),
    [
        pytest.param(Type.MISSING_EMAIL_ID, "email_id", id="without-an-id"),
        pytest.param(Type.MISSING_FROM, "from", id="without-a-sender"),
    ],
)
def test_what_is_missing_makes_it_invalid(type_: Type, missing: str, run: Run, on_queue: Bodies) -> None:
    result = run("send-test", "--type", type_)

    job = parse_job(on_queue()[0])
    assert isinstance(job, InvalidJob)
    assert (job.reason, job.detail.split(".")[0]) == (Reason.MISSING_FIELD, f"Missing or empty: {missing}")
    assert "not on the dead-letter queue" in result.stdout
    assert "tank-mailer refused list" in result.stdout


def test_an_unverified_sender_is_nobodys(run: Run, on_queue: Bodies, monkeypatch: pytest.MonkeyPatch) -> None:
    """TANK_TEST_FROM is verified; this type must not take it."""
    monkeypatch.setenv("TANK_TEST_FROM", SENDER)

    run("send-test", "--type", "unverified-email")
    run("send-test", "--type", "unverified-email", "--from", "other@example.com")

    senders = {json.loads(body)["from"].partition("@")[2] for body in on_queue()}
    assert senders == {"unverified.example.net", "example.com"}


def test_it_may_go_on_the_priority_lane(run: Run, on_queue: Bodies, on_priority_queue: Bodies) -> None:
    said = run("send-test", "--from", SENDER, "--lane", "priority", "--json")

    report = json.loads(said.stdout)
    assert (report["lane"], report["queue"].rpartition("/")[2]) == ("priority", "urgent")
    assert [json.loads(body)["email_id"] for body in on_priority_queue()] == [report["email_id"]]
    assert on_queue() == []


def test_without_a_priority_queue_it_says_what_to_set(run: Run, on_queue: Bodies) -> None:
    result = run("send-test", "--from", SENDER, "--lane", "priority")

    assert result.exit_code == 78
    assert "TANK_PRIORITY_QUEUE_URL is not set" in result.stderr
    assert "remedy: set it as the daemon has it" in result.stderr
    assert on_queue() == []


def test_a_dry_run_sends_nothing(run: Run, on_queue: Bodies) -> None:
    shown = run("send-test", "--from", SENDER, "--dry-run")
    for_scripts = run("send-test", "--from", SENDER, "--dry-run", "--json")

    message = json.loads(shown.stdout[: shown.stdout.index("}") + 1])
    assert isinstance(parse_job(json.dumps(message)), EmailJob)
    assert json.loads(for_scripts.stdout)["message"].keys() == message.keys()
    assert on_queue() == []


@pytest.mark.parametrize(
    ("arguments", "word"),
    [
        pytest.param([], "TANK_TEST_FROM", id="normal-needs-a-sender"),
        pytest.param(["--from", "nobody"], "--from: The address has no @-sign", id="no-address"),
        pytest.param(["--type", "large"], "large", id="no-such-type"),
    ],
)
def test_usage(arguments: list[str], word: str, run: Run, on_queue: Bodies) -> None:
    result = run("send-test", *arguments)

    assert result.exit_code == 2
    assert word in result.stderr
    assert on_queue() == []


# --- waiting ---------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("state", "code"),
    [
        pytest.param("accepted", 0, id="as-expected"),
        pytest.param("refused", 3, id="otherwise"),
    ],
)
def test_the_end_is_waited_for(
    state: str, code: int, *, run: Run, on_queue: Bodies, store: StoreFile, fixed_id: str
) -> None:
    store.put_job(fixed_id, state, reason=None if state == "accepted" else "unverified_sender")

    result = run("send-test", "--from", SENDER, "--wait", "5", "--json")

    assert result.exit_code == code
    report = json.loads(result.stdout)
    assert (report["email_id"], report["expected"], report["state"]) == (fixed_id, "accepted", state)
    assert len(on_queue()) == 1


def test_nothing_is_waited_for_without_an_end(run: Run, on_queue: Bodies, store: StoreFile) -> None:
    result = run("send-test", "--type", "missing-from", "--wait", "0.001")

    assert result.exit_code == 3
    assert "it has not ended within 0.001 s" in result.stderr


def test_waiting_needs_a_store_before_anything_is_sent(run: Run, on_queue: Bodies, store: StoreFile) -> None:
    store.path.unlink()

    assert run("send-test", "--from", SENDER, "--wait", "5").exit_code == 75
    assert on_queue() == []


def test_a_rehearsal_is_expected_to_end_so(
    run: Run, on_queue: Bodies, store: StoreFile, fixed_id: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("TANK_DELIVERY", "dry_run")
    store.put_job(fixed_id, "dry_run", reason="dry_run")

    assert run("send-test", "--from", SENDER, "--wait", "5").exit_code == 0
    assert len(on_queue()) == 1
