"""`tank-mailer webhook`: does the web server hear us, and what is it to hear again."""

import io
import json
import sys
import threading
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import pytest
import typer
from standardwebhooks import Webhook
from typer.testing import Result
from typing_extensions import override

from tank_mailer.cli import webhook
from tests.adapters.rude_server import free_port
from tests.cli.conftest import StoreFile

Run = Callable[..., Result]

SECRET = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSwMfKQ9r8GKYqr"
KEY = "token=hunter2"
NOW = datetime.now(UTC)


# --- test ------------------------------------------------------------------------------------------


@dataclass(slots=True, eq=False)
class WebServer:
    """In a thread of its own, since commands run a loop of their own."""

    port: int
    status: int = 204
    body: bytes = b""
    taken: list[Any] = field(default_factory=list)

    def take(self, headers: dict[str, str], body: bytes) -> None:
        self.taken.append(Webhook(SECRET).verify(body, headers))


@pytest.fixture
def web_server(store: StoreFile, monkeypatch: pytest.MonkeyPatch) -> Iterator[WebServer]:
    """It is what the settings name."""

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            web.take(dict(self.headers.items()), self.rfile.read(int(self.headers["content-length"])))
            self.send_response(web.status)
            self.end_headers()
            self.wfile.write(web.body)

        @override
        def log_message(self, format: str, *args: object) -> None: ...

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        web = WebServer(server.server_port)
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        name_it(monkeypatch, web.port)
        yield web
        server.shutdown()
        thread.join()


def name_it(monkeypatch: pytest.MonkeyPatch, port: int) -> None:
    monkeypatch.setenv("TANK_WEBHOOK_URL", f"http://127.0.0.1:{port}/hooks/email?{KEY}")
    monkeypatch.setenv("TANK_WEBHOOK_SECRET", SECRET)


def test_a_web_server_that_hears_us(run: Run, web_server: WebServer) -> None:
    shown = run("webhook", "test")
    report = json.loads(run("webhook", "test", "--json").stdout)

    assert shown.exit_code == 0
    assert "204 No Content" in shown.stdout
    assert " s\n" in shown.stdout
    assert [one["type"] for one in web_server.taken] == ["tank_mailer.test"] * 2
    assert report.keys() == {"told", "status", "detail", "duration_s", "webhook_id", "body"}
    assert (report["told"], report["status"], report["detail"]) == (True, 204, None)


@pytest.mark.parametrize(
    ("status", "word"),
    [
        pytest.param(500, "500", id="an-error"),
        pytest.param(401, "TANK_WEBHOOK_SECRET", id="a-signature-that-is-not-taken"),
        pytest.param(404, "path in TANK_WEBHOOK_URL", id="a-wrong-path"),
        pytest.param(302, "final URL", id="a-redirect"),
    ],
)
def test_a_web_server_that_answers_otherwise(status: int, word: str, run: Run, web_server: WebServer) -> None:
    """What it has to say is shown, but a terminal does not obey it."""
    web_server.status, web_server.body = status, b"Traceback:\n  no such table\x1b[2J" + b"x" * 1_000

    result = run("webhook", "test")

    assert result.exit_code == 3
    assert word in result.stderr
    assert "Traceback: no such table\\x1b[2Jxxx" in result.stdout
    assert len(result.stdout) < 1_000
    assert KEY not in result.output


@pytest.mark.parametrize(
    "answer",
    [
        pytest.param("Cannot POST /services/T0/a%26b/hunter2?token=hunter2", id="as-it-was-asked"),
        pytest.param("<p>The current path, services/T0/a&amp;b/hunter2, fits nothing", id="decoded-for-HTML"),
        pytest.param("x" * 490 + " /services/T0/a%26b/hunter2", id="where-the-shown-part-ends"),
    ],
)
@pytest.mark.parametrize("as_json", [[], ["--json"]], ids=["told", "JSON"])
def test_a_web_server_that_repeats_what_it_was_asked(
    answer: str, as_json: list[str], run: Run, web_server: WebServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The path may be the key, and what a terminal shows goes into tickets."""
    monkeypatch.setenv("TANK_WEBHOOK_URL", f"http://127.0.0.1:{web_server.port}/services/T0/a%26b/hunter2?{KEY}")
    web_server.status, web_server.body = 404, answer.encode()

    result = run("webhook", "test", *as_json)

    assert result.exit_code == 3
    assert "****" in result.stdout
    assert "hunter2" not in result.output
    assert "services" not in result.output


def test_a_short_path_is_a_word_like_others(run: Run, web_server: WebServer, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TANK_WEBHOOK_URL", f"http://127.0.0.1:{web_server.port}/mail")
    web_server.status, web_server.body = 500, b"no mail queue"

    assert "no mail queue" in run("webhook", "test").stdout


def test_a_web_server_that_is_away(
    run: Run, store: StoreFile, web_server: WebServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    name_it(monkeypatch, free_port())

    result = run("webhook", "test", "--json")

    assert result.exit_code == 75
    report = json.loads(result.stdout)
    assert (report["told"], report["status"]) == (False, None)
    assert "Connection refused" in report["detail"]
    assert KEY not in result.output


def test_nobody_to_tell(run: Run, store: StoreFile) -> None:
    result = run("webhook", "test")

    assert result.exit_code == 78
    assert "set TANK_WEBHOOK_URL and TANK_WEBHOOK_SECRET" in result.stderr


# --- replay ----------------------------------------------------------------------------------------


def ago(**span: float) -> float:
    return (NOW - timedelta(**span)).timestamp()


def put(
    store: StoreFile, email_id: str, *, created_at: float, told_at: float | None = None, due_at: float | None = None
) -> int:
    """What the daemon leaves in the outbox: told, given up, or (with `due_at`) waiting."""
    ((number,),) = store.ask(
        "INSERT INTO outbox (email_id, payload, created_at, due_at, tries, told_at) VALUES (?, '{}', ?, ?, 4, ?)"
        " RETURNING id",
        *(email_id, created_at, due_at, told_at),
    )
    assert isinstance(number, int)
    return number


def waiting(store: StoreFile) -> list[int]:
    return [number for (number,) in store.ask("SELECT id FROM outbox WHERE due_at IS NOT NULL ORDER BY due_at, id")]


@pytest.fixture
def quiet(web_server: WebServer) -> None:
    """Settings that name a web server; nobody talks to it."""


@pytest.mark.parametrize(
    ("options", "chosen"),
    [
        pytest.param(["--since", "2h"], ["told 1 h ago", "given up today"], id="told-or-given-up-since"),
        pytest.param(["--since", "1d"], ["told 5 h ago", "told 1 h ago", "given up today"], id="the-longer-the-more"),
        pytest.param(["--since", "6h", "--until", "2h"], ["told 5 h ago", "given up today"], id="until"),
        pytest.param(["--since", "1d", "--email-id", "told 5 h ago"], ["told 5 h ago"], id="one-job"),
        pytest.param(["--since", "1min"], ["given up today"], id="nearly-nothing"),
    ],
)
def test_what_is_told_again(options: list[str], chosen: list[str], run: Run, store: StoreFile, quiet: None) -> None:
    """When a letter was given up is not on record: within three days of its writing it may have waited still."""
    letters = {
        put(store, "told 9 d ago", created_at=ago(days=9), told_at=ago(days=9)): "told 9 d ago",
        put(store, "told 5 h ago", created_at=ago(hours=5), told_at=ago(hours=5)): "told 5 h ago",
        put(store, "told 1 h ago", created_at=ago(hours=4), told_at=ago(hours=1)): "told 1 h ago",
        put(store, "given up long ago", created_at=ago(days=9)): "given up long ago",
        put(store, "given up today", created_at=ago(days=2, hours=23)): "given up today",
    }
    rehearsed = run("webhook", "replay", *options, "--dry-run", "--json")
    assert waiting(store) == []

    result = run("webhook", "replay", *options, "--json")

    assert result.exit_code == 0
    assert sorted(letters[number] for number in waiting(store)) == sorted(chosen)
    report = json.loads(result.stdout)
    assert (report["found"], report["replayed"], report["dry_run"]) == (len(chosen), len(chosen), False)
    rehearsal = json.loads(rehearsed.stdout)
    assert (rehearsal["found"], rehearsal["replayed"], rehearsal["dry_run"]) == (len(chosen), 0, True)


def test_a_replay_starts_letters_afresh_in_their_order(run: Run, store: StoreFile, quiet: None) -> None:
    """With three days of their own: a letter that was given up would else be given up at its first failure."""
    first = put(store, "order-1", created_at=ago(hours=5), told_at=ago(hours=4))
    second = put(store, "order-1", created_at=ago(hours=3), told_at=ago(hours=3))
    new = put(store, "order-1", created_at=ago(hours=1), due_at=ago(hours=-1))

    result = run("webhook", "replay", "--since", "1d")

    assert result.stdout == "2 letters of 1 job: the daemon tells them again, in order.\n"
    assert waiting(store) == [first, second, new]
    rows = store.ask("SELECT tries, told_at, created_at FROM outbox ORDER BY id")
    assert [(tries, told_at) for tries, told_at, _ in rows] == [(0, None), (0, None), (4, None)]
    assert min(rows[0][2], rows[1][2]) >= NOW.timestamp()


def test_what_waits_stays_as_it_is(run: Run, store: StoreFile, quiet: None) -> None:
    put(store, "order-1", created_at=ago(hours=1), due_at=ago(hours=-1))
    before = store.ask("SELECT * FROM outbox")

    result = run("webhook", "replay", "--since", "1d")

    assert result.stdout == "Nothing was told or given up then.\n"
    assert result.exit_code == 0
    assert store.ask("SELECT * FROM outbox") == before
    assert store.audit == []


def test_many_are_not_told_again_without_a_word(run: Run, store: StoreFile, quiet: None) -> None:
    """And they go in pages of whole jobs, each on record."""
    store.ask(
        "WITH RECURSIVE n(i) AS (SELECT 0 UNION ALL SELECT i + 1 FROM n WHERE i < 1199)"
        " INSERT INTO outbox (email_id, payload, created_at, tries, told_at)"
        " SELECT 'order-' || (i / 2), '{}', ?1, 1, ?1 FROM n",
        ago(hours=1),
    )

    refused = run("webhook", "replay", "--since", "1d")
    assert refused.exit_code == 2
    assert "1200 letters of 600 jobs" in refused.stderr
    assert "--yes" in refused.stderr
    assert waiting(store) == []

    result = run("webhook", "replay", "--since", "1d", "--yes")

    assert result.stdout == "1200 letters of 600 jobs: the daemon tells them again, in order.\n"
    assert len(waiting(store)) == 1_200
    assert store.audit == [("webhook replay", "all jobs")] * 2
    details = [detail for (detail,) in store.ask("SELECT detail FROM audit ORDER BY id")]
    assert [detail.partition(", since 20")[0] for detail in details] == [
        "1000 letters of 500 jobs",
        "200 letters of 100 jobs",
    ]


class Terminal(io.StringIO):
    """Somebody who can be asked."""

    @override
    def isatty(self) -> bool:
        return True


@pytest.mark.parametrize(
    ("said", "is_done"), [pytest.param("y\n", True, id="yes"), pytest.param("n\n", False, id="no")]
)
def test_whoever_is_there_is_asked(said: str, is_done: bool, store: StoreFile, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(webhook, "MANY", 1)
    monkeypatch.setattr(sys, "stdin", Terminal(said))
    put(store, "order-1", created_at=ago(hours=1), told_at=ago(hours=1))

    if is_done:
        webhook.replay(since="2h")
    else:
        with pytest.raises(typer.Exit):
            webhook.replay(since="2h")

    assert bool(waiting(store)) is is_done


def test_a_rehearsal_for_people(run: Run, store: StoreFile, quiet: None) -> None:
    put(store, "order-1", created_at=ago(hours=1), told_at=ago(hours=1))

    result = run("webhook", "replay", "--since", "2h", "--dry-run")

    assert result.stdout == "1 letter of 1 job would be told again.\n"
    assert waiting(store) == []


def test_a_job_without_news(run: Run, store: StoreFile, quiet: None) -> None:
    result = run("webhook", "replay", "--since", "1d", "--email-id", "order-1")

    assert result.exit_code == 3
    assert "order-1: nothing was told or given up then" in result.stderr


def test_a_replay_that_nobody_would_send(run: Run, store: StoreFile) -> None:
    put(store, "order-1", created_at=ago(hours=1), told_at=ago(hours=1))

    result = run("webhook", "replay", "--since", "1d")

    assert result.exit_code == 0
    assert "TANK_WEBHOOK_URL is not set" in result.stderr


@pytest.mark.parametrize(
    ("options", "word"),
    [
        pytest.param([], "--since", id="everything-is-never-meant"),
        pytest.param(["--since", "yesterday"], "3d", id="no-time"),
        pytest.param(["--since", "2090-01-01T00:00:00Z"], "ahead", id="a-time-ahead"),
        pytest.param(["--since", "1h", "--until", "2h"], "--until is not after --since", id="backwards"),
    ],
)
def test_usage(options: list[str], word: str, run: Run, store: StoreFile) -> None:
    result = run("webhook", "replay", *options)

    assert result.exit_code == 2
    assert word in result.stderr


def test_no_store(run: Run, store: StoreFile) -> None:
    store.path.unlink()

    assert run("webhook", "replay", "--since", "1d").exit_code == 75
