"""`tank-mailer alerts`: what is on, and does anybody hear of it."""

import io
import json
import sys
import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import pytest
from typer.testing import Result
from typing_extensions import override

from tank_mailer.cli import alerts
from tank_mailer.core.alerts import AlertName
from tests.adapters.rude_server import free_port
from tests.cli.boards import make_node, post
from tests.cli.conftest import StoreFile

Run = Callable[..., Result]

KEY = "T0/B0/hunter2"


# --- test ------------------------------------------------------------------------------------------


@dataclass(slots=True, eq=False)
class Receiver:
    """In a thread of its own, since commands run a loop of their own.

    Attributes:
        takes: so many messages; then it answers `status`.
    """

    port: int
    takes: int = 1_000
    status: int = 500
    taken: list[Any] = field(default_factory=list)


@pytest.fixture
def receiver(store: StoreFile, monkeypatch: pytest.MonkeyPatch) -> Iterator[Receiver]:
    """It is what the settings name."""

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers["content-length"]))
            is_taken = len(one.taken) < one.takes
            if is_taken:
                one.taken.append(json.loads(body))
            self.send_response(200 if is_taken else one.status)
            self.end_headers()

        @override
        def log_message(self, format: str, *args: object) -> None: ...

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        one = Receiver(server.server_port)
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        monkeypatch.setenv("TANK_ALERT_WEBHOOK_URL", f"http://127.0.0.1:{one.port}/services/{KEY}")
        yield one
        server.shutdown()
        thread.join()


def test_one_of_each_comes_and_then_all_are_over(run: Run, receiver: Receiver) -> None:
    result = run("alerts", "test", "--pause", "0")

    *firing, last = receiver.taken
    assert result.exit_code == 0
    assert result.stdout == "The receiver took 31 messages: 30 alerts, and that they are over.\n"
    assert [one["alerts"][0]["alert"] for one in firing] == list(AlertName)
    assert {one["alerts"][0]["status"] for one in firing} == {"firing"}
    assert {(one["alert"], one["status"]) for one in last["alerts"]} == {(name, "recovered") for name in AlertName}


def test_each_is_marked_as_a_test(run: Run, receiver: Receiver) -> None:
    """Nobody must get up for it."""
    run("alerts", "test", "--pause", "0")

    assert all(one["test"] and one["text"].startswith("TEST") for one in receiver.taken)
    assert all(alert["detail"].startswith("a test;") for one in receiver.taken for alert in one["alerts"])


def test_one_of_them_alone(run: Run, receiver: Receiver) -> None:
    arguments = ("--alert", "dead_letters", "--alert", "pause_ses", "--alert", "dead_letters")
    result = run("alerts", "test", "--pause", "0", "--json", *arguments)

    assert json.loads(result.stdout) == {"told": True, "alerts": 2, "messages": 3, "status": None, "detail": None}
    assert len(receiver.taken) == 3


def test_nothing_of_it_is_written_down(run: Run, receiver: Receiver, store: StoreFile) -> None:
    run("alerts", "test", "--pause", "0")

    assert store.ask("SELECT count(*) FROM alerts") == [(0,)]


@pytest.mark.parametrize(
    ("status", "word"),
    [
        pytest.param(500, "the service itself fails", id="an-error"),
        pytest.param(404, "the webhook may be gone", id="a-webhook-that-is-gone"),
        pytest.param(429, "--pause 2", id="too-fast"),
        pytest.param(400, "docs/alerts.md", id="another-form"),
        pytest.param(302, "TANK_ALERT_WEBHOOK_URL to the final URL", id="a-redirect"),
    ],
)
def test_a_receiver_that_fails_ends_it_at_once(status: int, word: str, run: Run, receiver: Receiver) -> None:
    receiver.takes, receiver.status = 2, status

    result = run("alerts", "test", "--pause", "0", "--json")

    shape = json.loads(result.stdout)
    assert result.exit_code == 75
    assert (shape["told"], shape["messages"], shape["status"]) == (False, 2, status)
    assert word in result.stderr
    assert "hunter2" not in result.output


def test_a_receiver_that_is_away(run: Run, store: StoreFile, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TANK_ALERT_WEBHOOK_URL", f"http://127.0.0.1:{free_port()}/services/{KEY}")

    result = run("alerts", "test")

    assert result.exit_code == 75
    assert "cannot be reached: Connection refused; remedy: look at TANK_ALERT_WEBHOOK_URL" in result.stderr
    assert result.stdout == ""


def test_without_a_url_there_is_nobody_to_tell(run: Run, store: StoreFile) -> None:
    result = run("alerts", "test")

    assert result.exit_code == 78
    assert "remedy: set TANK_ALERT_WEBHOOK_URL" in result.stderr


def test_an_alert_that_nobody_knows_is_a_slip(run: Run, receiver: Receiver) -> None:
    assert run("alerts", "test", "--alert", "moon_full").exit_code == 2


# --- list ------------------------------------------------------------------------------------------


def put_alert(store: StoreFile, name: str, severity: str = "warning", **changes: object) -> None:
    fixed: dict[str, object] = {
        "name": name,
        "subject": "",
        "severity": severity,
        "node": "mail-1",
        "since": time.time() - 7_200,
        "seen_at": time.time() - 5,
        "detail": "something is so",
        "remedy": "mend it",
        "told_at": None,
        "ended_at": None,
    }
    columns = fixed | changes
    marks = ", ".join("?" * len(columns))
    store.ask(f"INSERT INTO alerts ({', '.join(columns)}) VALUES ({marks})", *columns.values())  # noqa: S608 - ours


def test_nothing_is_on(run: Run, store: StoreFile) -> None:
    post(store, make_node())
    put_alert(store, "pause_ses", "critical", ended_at=time.time())

    result = run("alerts", "list")

    assert (result.exit_code, result.stdout, result.stderr) == (0, "No alert is on.\n", "")


def test_what_is_on_in_a_pipe(run: Run, store: StoreFile) -> None:
    """The critical ones first."""
    post(store, make_node())
    put_alert(store, "dead_letters", subject="dead\x1b[2J", since=time.time() - 90_000)
    put_alert(store, "pause_ses", "critical")

    result = run("alerts", "list")

    lines = [line.split("\t") for line in result.stdout.splitlines()]
    assert result.exit_code == 3
    assert lines[0] == ["severity", "alert", "about", "since", "detail", "remedy"]
    assert [line[:3] for line in lines[1:]] == [
        ["critical", "pause_ses", "-"],
        ["warning", "dead_letters", "dead\\x1b[2J"],
    ]
    assert lines[1][4:] == ["something is so", "mend it"]


def test_warnings_alone_wake_nobody(run: Run, store: StoreFile) -> None:
    post(store, make_node())
    put_alert(store, "dead_letters")

    assert run("alerts", "list").exit_code == 0


def test_json(run: Run, store: StoreFile) -> None:
    post(store, make_node())
    put_alert(store, "dead_letters", subject="dead", since=1.9e9, seen_at=1.9e9, told_at=1.9e9 + 1)
    put_alert(store, "key_old", since=1.9e9 + 5, told_at=1.9e9)

    told, untold = json.loads(run("alerts", "list", "--json").stdout)

    assert told == {
        "alert": "dead_letters",
        "severity": "warning",
        "subject": "dead",
        "node": "mail-1",
        "since": "2030-03-17T17:46:40.000Z",
        "seen_at": "2030-03-17T17:46:40.000Z",
        "told_at": "2030-03-17T17:46:41.000Z",
        "detail": "something is so",
        "remedy": "mend it",
    }
    assert untold["told_at"] is None, "it was told of an earlier time"


def test_without_a_daemon_it_is_old(run: Run, store: StoreFile) -> None:
    put_alert(store, "dead_letters")

    result = run("alerts", "list", "--json")

    assert "no daemon is alive" in result.stderr
    assert len(json.loads(result.stdout)) == 1


def test_at_a_terminal_each_has_its_paragraph(run: Run, store: StoreFile, monkeypatch: pytest.MonkeyPatch) -> None:
    class Terminal(io.StringIO):
        @override
        def isatty(self) -> bool:
            return True

    post(store, make_node())
    put_alert(store, "dead_letters", subject="dead", detail="3 messages \x1b[2J on dead")
    put_alert(store, "key_old")
    shown = Terminal()
    monkeypatch.setattr(sys, "stdout", shown)
    monkeypatch.setenv("TERM", "dumb")
    monkeypatch.setenv("COLUMNS", "80")

    alerts.list_()

    first, second, third = map(str.rstrip, shown.getvalue().splitlines()[:3])
    assert first.startswith("warning  dead_letters dead  since 20")
    assert first.endswith("UTC (2 h)")
    assert second == "  3 messages \\x1b[2J on dead"
    assert third == "  remedy: mend it"


def test_without_a_store(run: Run, clean_environment: None, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TANK_OUTBOUND_QUEUE_URL", "https://sqs.eu-west-1.amazonaws.com/123456789012/jobs")

    result = run("alerts", "list")

    assert result.exit_code == 75
    assert "remedy" in result.stderr
