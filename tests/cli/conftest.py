"""A stand-in in a thread of its own, since commands run a loop of their own; a store; and the way to call a command."""

import asyncio
import sqlite3
import threading
from collections.abc import Callable, Coroutine, Iterator
from contextlib import ExitStack, closing, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeVar

import pytest
from typer.testing import CliRunner, Result

from tank_mailer.adapters import database, producer
from tank_mailer.cli.options import environment
from tank_mailer.cli.program import build
from tank_mailer.standin import Standin, StandinOptions
from tests.builders import make_body
from tests.project import rights

QUEUE = "jobs"
T = TypeVar("T")
Run = Callable[..., Result]


@pytest.fixture
def clean_environment(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """What the developer has set must not matter."""
    monkeypatch.chdir(tmp_path)
    for name in list(environment()):
        if (
            name.startswith(("TANK_", "AWS_"))
            or name.upper().endswith("_PROXY")
            or name in {"STATE_DIRECTORY", "SUDO_USER"}
        ):
            monkeypatch.delenv(name)


@contextmanager
def _in_thread() -> Iterator[Standin]:
    loop = asyncio.new_event_loop()
    thread = threading.Thread(target=loop.run_forever)
    thread.start()

    def wait_for(call: Coroutine[Any, Any, T]) -> T:
        return asyncio.run_coroutine_threadsafe(call, loop).result(timeout=10)

    context = Standin.start(StandinOptions(queues=(QUEUE,)))
    try:
        yield wait_for(context.__aenter__())
    finally:
        wait_for(context.__aexit__(None, None, None))
        loop.call_soon_threadsafe(loop.stop)
        thread.join()
        loop.close()


@pytest.fixture
def standin(clean_environment: None, monkeypatch: pytest.MonkeyPatch) -> Iterator[Standin]:
    """It is what the settings name."""
    with ExitStack() as stack:
        standin = stack.enter_context(_in_thread())
        monkeypatch.setenv("TANK_OUTBOUND_QUEUE_URL", f"{standin.url}/000000000000/{QUEUE}")
        monkeypatch.setenv("AWS_ENDPOINT_URL", standin.url)
        monkeypatch.setenv("AWS_REGION", "eu-west-1")
        monkeypatch.setenv("AWS_ACCESS_KEY_ID", "nobody")
        monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "nothing")
        monkeypatch.setattr(producer, "WAITS_S", (0.0, 0.0))
        yield standin
        assert rights.recorded(standin.state.counts.shown()) - rights.allowed() - rights.FREE == set()


@dataclass(frozen=True, slots=True)
class StoreFile:
    """A SQLite store, looked at from the side."""

    path: Path

    def ask(self, sql: str, *values: object) -> list[tuple[Any, ...]]:
        with closing(sqlite3.connect(self.path, isolation_level=None)) as connection:
            return connection.execute(sql, values).fetchall()

    def put_job(self, email_id: str, state: str, **columns: object) -> None:
        fixed = {"content_hash": "", "lane": "ordinary", "queue_message_id": "m-1", "owner": "", "version": 1}
        counts = dict.fromkeys(("attempt", "charged", "resends", "throttles"), 0)
        times = {"first_seen_at": 1e9, "updated_at": 1e9}
        self._insert("jobs", {"email_id": email_id, "state": state, **fixed, **counts, **times, **columns})

    def put_aside(self, queue_message_id: str, **columns: object) -> None:
        values = {"email_id": "order-4711", "kind": "invalid", "reason": "bad_address", "detail": "to: It is bad."}
        rest = {"raw": make_body(), "lane": "ordinary", "at": 1e9}
        self._insert("asides", {"queue_message_id": queue_message_id, **values, **rest, **columns})

    def _insert(self, table: str, columns: dict[str, object]) -> None:
        names, marks = ", ".join(columns), ", ".join("?" * len(columns))
        self.ask(f"INSERT INTO {table} ({names}) VALUES ({marks})", *columns.values())  # noqa: S608 - ours

    @property
    def audit(self) -> list[tuple[str, str]]:
        return [(action, subject) for action, subject in self.ask("SELECT action, subject FROM audit ORDER BY id")]


@pytest.fixture(scope="session")
def upgraded_file(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("cli") / "upgraded.db"

    async def make() -> None:
        async with database.open_engine(database.locate(f"sqlite+aiosqlite:///{path}"), creates=True) as engine:
            await database.upgrade(engine)

    asyncio.run(make())
    return path


@pytest.fixture
def store(clean_environment: None, tmp_path: Path, upgraded_file: Path, monkeypatch: pytest.MonkeyPatch) -> StoreFile:
    """It is what the settings name; without `standin` there is no queue."""
    path = tmp_path / "tank.db"
    path.write_bytes(upgraded_file.read_bytes())
    monkeypatch.setenv("TANK_DATABASE_URL", f"sqlite+aiosqlite:///{path}")
    if "TANK_OUTBOUND_QUEUE_URL" not in environment():
        monkeypatch.setenv("TANK_OUTBOUND_QUEUE_URL", "https://sqs.eu-west-1.amazonaws.com/123456789012/jobs")
    return StoreFile(path)


@pytest.fixture
def run() -> Run:
    """Call a command; a bug raises."""

    def run(*arguments: str, stdin: str | bytes | None = None) -> Result:
        return CliRunner().invoke(build(), arguments, input=stdin, catch_exceptions=False)

    return run


@pytest.fixture
def on_queue(standin: Standin) -> Callable[[], list[str]]:
    """The bodies on the queue, as they came."""

    def bodies() -> list[str]:
        messages = standin.state.queues.named(QUEUE).queue.messages
        return [message.content.body for message in list(messages.values())]

    return bodies
