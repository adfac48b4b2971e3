"""`tank-mailer erase`: a person is forgotten on both databases, and nobody else."""

import asyncio
import json
import sqlite3
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import asyncpg
import pytest
import sqlalchemy as sa
from sqlalchemy.engine import Engine
from typer.testing import CliRunner, Result

from tank_mailer.adapters import database
from tank_mailer.adapters.schema import metadata
from tank_mailer.cli.program import build
from tank_mailer.core.address import address_hash
from tank_mailer.core.erasure import Person, impersonal
from tank_mailer.core.news import News, spell
from tank_mailer.core.status import Status
from tests.builders import make_body
from tests.contract.postgres import PostgresServer, run_server
from tests.fakes import EPOCH

Run = Callable[..., Result]
JANE, MARY = "jane@example.com", "mary-jane@example.com"
HASH = address_hash(JANE)
NAME = "erasures"


@dataclass(frozen=True, slots=True)
class Books:
    """A migrated store of either kind, looked at from the side."""

    url: str
    path: Path | None = None

    def do(self, statement: sa.Executable | str, values: Any = None) -> list[tuple[Any, ...]]:
        async def ask() -> list[tuple[Any, ...]]:
            async with database.open_engine(database.locate(self.url)) as engine, engine.begin() as connection:
                query = sa.text(statement) if isinstance(statement, str) else statement
                result = await connection.execute(query, values)
                return [tuple(row) for row in result] if result.returns_rows else []

        return asyncio.run(ask())

    def put(self, table: str, **columns: Any) -> None:
        self.do(sa.insert(metadata.tables[table]), [columns])

    def dump(self) -> str:
        """All that the tables hold, as one text."""
        return repr({name: self.do(sa.select(table)) for name, table in metadata.tables.items()})


@pytest.fixture(scope="module")
def server() -> Iterator[PostgresServer]:
    async def make(server: PostgresServer) -> None:
        connection = await asyncpg.connect(server.dsn("postgres"))
        await connection.execute(f"CREATE DATABASE {NAME}")
        await connection.close()
        async with database.open_engine(database.locate(server.url(NAME))) as engine:
            await database.upgrade(engine)

    with run_server() as server:
        asyncio.run(make(server))
        yield server


@pytest.fixture(params=["sqlite", "postgresql"])
def books(
    request: pytest.FixtureRequest,
    clean_environment: None,
    tmp_path: Path,
    upgraded_file: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> Books:
    """It is what the settings name."""
    if request.param == "sqlite":
        path = tmp_path / "tank.db"
        path.write_bytes(upgraded_file.read_bytes())
        books = Books(f"sqlite+aiosqlite:///{path}", path)
    else:
        books = Books(request.getfixturevalue("server").url(NAME))
        for table in metadata.tables:
            books.do(f"TRUNCATE {table}")
    monkeypatch.setenv("TANK_DATABASE_URL", books.url)
    monkeypatch.setenv("TANK_OUTBOUND_QUEUE_URL", "https://sqs.eu-west-1.amazonaws.com/123456789012/jobs")
    return books


def put_job(books: Books, email_id: str, state: str = "accepted", **columns: Any) -> None:
    texts = {"content_hash": "h", "lane": "ordinary", "queue_message_id": "m", "owner": "n"}
    numbers = dict.fromkeys(("first_seen_at", "updated_at", "attempt", "charged", "resends", "throttles", "version"), 1)
    books.put("jobs", email_id=email_id, state=state, **texts, **numbers, **columns)


def put_event(books: Books, key: str, *, recipient: str | None, email_id: str | None = "job-1", **facts: Any) -> None:
    times = dict.fromkeys(("occurred_at", "recorded_at", "mail_at"), 1.0)
    flags = dict.fromkeys(("is_ours", "is_published", "counts"), 1)
    names = {"kind": "bounce", "ses_message_id": f"ses-{email_id}", "email_id": email_id, "recipient": recipient}
    books.put("events", key=key, **names, **times, **flags, facts=json.dumps(facts))


def put_recipient(books: Books, email_id: str, address: str, status: Status = Status.DELIVERED) -> None:
    books.put("recipients", email_id=email_id, address=address, status=int(status), updated_at=1.0)


def put_aside(books: Books, name: str, raw: str, *, detail: str = "to: bad", email_id: str | None = None) -> None:
    rest = {"kind": "invalid", "reason": "bad_address", "lane": "ordinary", "at": 1.0}
    books.put("asides", queue_message_id=name, email_id=email_id, detail=detail, raw=raw, **rest)


def put_suppression(books: Books, address: str, *, source: str = "event", reason: str = "hard_bounce") -> None:
    books.put("suppressions", address=address, reason=reason, source=source, note=f"of {address}", created_at=1.0)


def put_letter(books: Books, recipient: str, *, email_id: str = "job-1") -> None:
    news = News(
        email_id=email_id,
        state="accepted",
        occurred_at=EPOCH,
        recipient=recipient,
        status=Status.DELIVERED,
        reason=None,
    )
    numbers = {"created_at": 1.0, "due_at": 2.0, "tries": 0}
    books.put("outbox", email_id=email_id, recipient=recipient, payload=spell(news), **numbers)


def erase(*arguments: str) -> dict[str, Any]:
    result = CliRunner().invoke(build(), ["erase", *arguments, "--json"], catch_exceptions=False)
    assert result.exit_code == 0, result.output
    report: dict[str, Any] = json.loads(result.stdout)
    return report


@pytest.fixture
def everywhere(books: Books) -> Books:
    """Jane wherever a person can be, and Mary beside her."""
    put_job(books, "job-1", detail="no identity for Jane@example.com", reason="rejected")
    put_job(books, "job-2", "deferred")
    put_job(books, "job-3")
    for address in (JANE, MARY):
        put_recipient(books, "job-1", address)
        put_letter(books, address)
    put_recipient(books, "job-2", JANE)
    put_recipient(books, "job-3", MARY)
    put_event(books, "e-1", recipient=JANE, type="Permanent", diagnostic=f"550 <{JANE}> is gone", code="5.1.1")
    put_event(books, "e-2", recipient=MARY, type="Permanent", diagnostic=f"sent beside {JANE}", code="5.1.1")
    put_event(books, "e-3", recipient=None, ip="192.0.2.7", link="https://example.org/of-jane", is_bot=False)
    put_event(books, "e-4", recipient=JANE, email_id=None, ip="192.0.2.8")
    put_event(books, "e-5", recipient=None, email_id=None, user_agent="Janes telephone")
    put_event(books, "e-6", recipient=None, email_id="job-3", ip="203.0.113.9")
    put_aside(books, "aside-1", make_body(to=f"Jane <{JANE.upper()}>"))
    put_aside(books, "aside-2", make_body(to=MARY))
    put_aside(books, "aside-3", "x", detail=f"answered about {JANE}")
    put_suppression(books, JANE)
    put_suppression(books, MARY)
    books.put("senders", address=JANE, accepted_at=1.0)
    books.put("senders", address="shop@example.com", accepted_at=1.0)
    books.put("addresses", hash=HASH, first_mailed_at=1.0)
    books.put("audit", at=1.0, who="me", action="suppress add", subject=JANE, detail=f"{JANE} asked")
    books.put("audit", at=1.0, who="me", action="suppress add", subject=MARY)
    return books


def test_nothing_names_the_person_any_more(everywhere: Books) -> None:
    report = erase("Jane <JANE@Example.com>", "--yes")

    held = everywhere.dump().lower().replace(MARY, "")
    for word in (JANE, "janes telephone", "of-jane", "192.0.2.7", "192.0.2.8"):
        assert word not in held
    assert report == {
        "hash": HASH,
        "dry_run": False,
        "erased": {
            "recipients": 2,
            "events": 2,
            "facts": 3,
            "asides": 2,
            "details": 1,
            "letters": 1,
            "audit": 1,
            "senders": 1,
            "suppressions": 1,
        },
        "suppressed": True,
        "unfinished_jobs": ["job-2"],
    }


def test_all_others_stay_as_they_were(everywhere: Books) -> None:
    """Mary's name holds Jane's: a careless search would take her along."""
    erase(JANE, "--yes")

    asked = everywhere.do
    assert asked("SELECT email_id, address FROM recipients WHERE address != :hash ORDER BY 1", {"hash": HASH}) == [
        ("job-1", MARY),
        ("job-3", MARY),
    ]
    [(facts,)] = asked("SELECT facts FROM events WHERE key = 'e-2'")
    assert json.loads(facts) == {"type": "Permanent", "code": "5.1.1"}
    [(facts,)] = asked("SELECT facts FROM events WHERE key = 'e-6'")
    assert json.loads(facts) == {"ip": "203.0.113.9"}
    assert asked("SELECT raw FROM asides WHERE queue_message_id = 'aside-2'") == [(make_body(to=MARY),)]
    noted = asked("SELECT address, note FROM suppressions WHERE address != :hash", {"hash": HASH})
    assert noted == [(MARY, f"of {MARY}")]
    assert asked("SELECT address FROM senders") == [("shop@example.com",)]
    assert asked("SELECT count(*) FROM outbox WHERE recipient = 'mary-jane@example.com'") == [(1,)]


def test_what_happened_can_still_be_told(everywhere: Books, run: Run) -> None:
    """The job's fate stays known per recipient; only who it was does not (DESIGN 8)."""
    erase(JANE, "--yes")

    shown = json.loads(run("status", "job-1", "--json").stdout)
    assert {(one["address"], one["status"]) for one in shown["recipients"]} == {
        (HASH, "delivered"),
        (MARY, "delivered"),
    }
    assert HASH in run("status", "job-1").stdout
    asked = everywhere.do
    assert asked("SELECT email_id, content_hash FROM jobs ORDER BY 1")[0] == ("job-1", "h")
    [(recipient, facts, counts)] = asked("SELECT recipient, facts, counts FROM events WHERE key = 'e-1'")
    assert (recipient, counts) == (HASH, 1)
    assert json.loads(facts) == {"type": "Permanent", "code": "5.1.1", "erased": True}
    payloads = [json.loads(text)["data"]["recipient"] for (text,) in asked("SELECT payload FROM outbox ORDER BY id")]
    assert payloads == [HASH, MARY]
    assert asked("SELECT hash FROM addresses") == [(HASH,)]


def test_the_suppression_outlives_the_person(everywhere: Books, run: Run) -> None:
    erase(JANE, "--yes")

    assert run("suppress", "check", "Jane@Example.com").exit_code == 3
    sql = "SELECT reason, source, note FROM suppressions WHERE address = :hash"
    assert everywhere.do(sql, {"hash": HASH}) == [("hard_bounce", "event", None)]


def test_an_erased_text_cannot_go_back_on_the_queue(everywhere: Books, run: Run) -> None:
    erase(JANE, "--yes")

    result = run("refused", "requeue", "aside-1")

    assert result.exit_code == 3
    assert "its text was erased; give the whole job with --file" in result.stdout
    assert "named a person" in run("refused", "show", "aside-1").stdout


def test_it_is_on_record_without_the_address(everywhere: Books) -> None:
    erase(JANE, "--yes")

    lines = everywhere.do("SELECT action, subject, detail, who FROM audit ORDER BY id")
    assert lines[0][:3] == ("suppress add", HASH, f"{HASH} asked")
    assert lines[1][:2] == ("suppress add", MARY)
    assert lines[2][:2] == ("erase", HASH)
    assert "2 recipients" in lines[2][2]
    assert lines[2][3]


def test_a_dry_run_counts_the_same_and_changes_nothing(everywhere: Books) -> None:
    before = everywhere.dump()

    counted = erase(JANE, "--dry-run")

    assert everywhere.dump() == before
    assert counted["erased"] == erase(JANE, "--yes")["erased"]


def test_a_second_time_finds_what_has_come_since(everywhere: Books) -> None:
    """The deferred job has been sent meanwhile, and an old event came again: under the address, as they do."""
    erase(JANE, "--yes")
    put_recipient(everywhere, "job-2", JANE, Status.HARD_BOUNCED)
    put_event(everywhere, "e-7", recipient=JANE, email_id="job-2")
    put_letter(everywhere, JANE, email_id="job-2")

    report = erase(JANE, "--yes")

    assert {name: count for name, count in report["erased"].items() if count} == {
        "recipients": 1,
        "events": 1,
        "letters": 1,
    }
    [(status,)] = everywhere.do("SELECT status FROM recipients WHERE email_id = 'job-2'")
    assert status == Status.HARD_BOUNCED
    assert JANE not in everywhere.dump().replace(MARY, "")


def test_nobody_is_suppressed_by_being_erased(books: Books) -> None:
    put_recipient(books, "job-1", JANE)

    report = erase(JANE, "--yes")

    assert report["suppressed"] is False
    assert books.do("SELECT count(*) FROM suppressions") == [(0,)]


def test_an_unknown_person(books: Books, run: Run) -> None:
    result = run("erase", "nobody@example.com", "--yes")

    assert (result.exit_code, result.stdout) == (0, "The store holds nothing of this address.\n")


def test_two_entries_become_one(books: Books) -> None:
    """Erased before, suppressed anew: what lasts longer stays."""
    put_suppression(books, JANE)
    books.do("UPDATE suppressions SET ends_at = 9e9, address = :hash", {"hash": HASH})
    put_suppression(books, JANE, source="manual", reason="Jane Doe asked")

    erase(JANE, "--yes")

    entries = books.do("SELECT address, reason, source, note, ends_at FROM suppressions")
    assert entries == [(HASH, "manual", "manual", None, None)]


def test_more_than_one_page(books: Books, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("tank_mailer.adapters.desk_erase.ROWS", 2)
    monkeypatch.setattr("tank_mailer.adapters.desk_erase.TEXTS", 2)
    for n in range(12):
        put_job(books, f"job-{n}", detail=f"of {JANE}")
        put_recipient(books, f"job-{n}", JANE)
        put_event(books, f"e-{n}", recipient=JANE, email_id=f"job-{n}")
        put_letter(books, JANE, email_id=f"job-{n}")
        put_aside(books, f"aside-{n}", make_body(to=JANE))
        books.put("audit", at=1.0, who="me", action="x", subject=JANE)

    report = erase(JANE, "--yes")

    assert [count for count in report["erased"].values() if count] == [12] * 6
    assert JANE not in books.dump()


def test_what_an_interrupted_run_or_a_late_event_left_is_found_by_the_hash(everywhere: Books) -> None:
    """Her mail was another application's: no job leads to it, only the event that named her."""
    erase(JANE, "--yes")
    put_event(everywhere, "e-8", recipient=None, email_id=None, user_agent="Janes tablet")

    report = erase(JANE, "--yes")

    assert {name: count for name, count in report["erased"].items() if count} == {"facts": 1}
    assert "Janes tablet" not in everywhere.dump()


def test_a_text_that_was_cut_may_have_named_the_person(books: Books) -> None:
    """Of a job to her only 64 KiB were kept: her address may have stood in what follows."""
    put_recipient(books, "job-1", JANE)
    put_aside(books, "aside-1", "x" * 65_536, email_id="job-1")
    put_aside(books, "aside-2", "short", email_id="job-1")

    erase(JANE, "--yes")

    assert books.do("SELECT raw FROM asides ORDER BY queue_message_id") == [("",), ("short",)]


# --- beside the daemon -----------------------------------------------------------------------------


@contextmanager
def each_time(monkeypatch: pytest.MonkeyPatch, do: Callable[[], object]) -> Iterator[None]:
    """Do something whenever a row has been read and is being judged."""

    def disturbed(judge: Callable[..., Any]) -> Callable[..., Any]:
        def judged(*arguments: Any) -> Any:
            do()
            return judge(*arguments)

        return judged

    with monkeypatch.context() as patch:
        for name in ("is_named_in", "letter_without", "facts_of_others"):
            patch.setattr(Person, name, disturbed(getattr(Person, name)))
        patch.setattr("tank_mailer.adapters.desk_erase.impersonal", disturbed(impersonal))
        yield


@pytest.mark.parametrize("books", ["sqlite"], indirect=True)
@pytest.mark.parametrize("mode", ["--yes", "--dry-run"])
def test_nobody_waits_while_texts_are_read_and_judged(
    mode: str, everywhere: Books, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A mail to 50 has hundreds of events; the daemon sends nothing while it cannot write."""
    assert everywhere.path is not None
    with closing(sqlite3.connect(everywhere.path, timeout=0, isolation_level=None)) as daemon:
        daemon.execute("INSERT INTO pulse VALUES (1, 0)")
        with each_time(monkeypatch, lambda: daemon.execute("UPDATE pulse SET at = at + 1")):
            report = erase(JANE, mode)

    assert sum(report["erased"].values()) == 14
    [(written,)] = everywhere.do("SELECT at FROM pulse")
    assert written > 10


@pytest.mark.parametrize("books", ["sqlite"], indirect=True)
def test_only_a_few_rows_are_written_in_one_transaction(books: Books, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("tank_mailer.adapters.desk_erase.ROWS", 2)
    for n in range(7):
        put_recipient(books, f"job-{n}", JANE)
        put_event(books, f"e-{n}", recipient=JANE)
        put_event(books, f"f-{n}", recipient=MARY, diagnostic=f"sent beside {JANE}")
        put_letter(books, JANE)
    written = list[int]()  # rows, by transaction

    def note(_connection: Any, _cursor: Any, statement: str, values: Any, _context: Any, is_many: bool) -> None:
        if statement.startswith("BEGIN"):
            written.append(0)
        elif statement.startswith(("UPDATE", "INSERT")):
            written[-1] += len(values) if is_many else 1

    sa.event.listen(Engine, "before_cursor_execute", note)
    try:
        erase(JANE, "--yes")
    finally:
        sa.event.remove(Engine, "before_cursor_execute", note)

    assert max(written) == 2
    assert sum(written) == 4 * 7 + 1, "and the record of it"


@pytest.mark.parametrize("books", ["sqlite"], indirect=True)
def test_two_who_are_erased_at_once_are_both_forgotten(books: Books, monkeypatch: pytest.MonkeyPatch) -> None:
    """What was read before the other one's erasure must not be written back after it."""
    put_recipient(books, "job-1", JANE)
    put_event(books, "e-1", recipient=MARY, ip="192.0.2.7", code="5.1.1", diagnostic=f"sent beside {JANE}")
    left = json.dumps({"code": "5.1.1", "diagnostic": f"sent beside {JANE}"})
    assert books.path is not None
    with closing(sqlite3.connect(books.path, isolation_level=None)) as other:
        once = (other.execute("UPDATE events SET facts = ?", [left]) for _ in range(1))
        with each_time(monkeypatch, lambda: next(once, None)):
            erase(JANE, "--yes")

    [(facts,)] = books.do("SELECT facts FROM events")
    assert json.loads(facts) == {"code": "5.1.1"}


@pytest.mark.parametrize("books", ["sqlite"], indirect=True)
def test_the_daemon_gets_its_turn_after_each_transaction(everywhere: Books, monkeypatch: pytest.MonkeyPatch) -> None:
    """SQLite keeps no order among those who wait: without rests one of them could wait for all of it."""
    rests = list[float]()

    async def rest(seconds: float) -> None:
        rests.append(seconds)

    monkeypatch.setattr("tank_mailer.adapters.desk_walk.asyncio.sleep", rest)
    erase(JANE, "--yes")

    assert len(rests) > 5
    assert min(rests) > 0


# --- asking, and SQLite's file ---------------------------------------------------------------------


def test_it_wants_to_be_sure(everywhere: Books, run: Run) -> None:
    before = everywhere.dump()

    assert run("erase", JANE).exit_code == 2
    assert run("erase", "jane", "--yes").exit_code == 2
    assert everywhere.dump() == before


@pytest.mark.parametrize("books", ["sqlite"], indirect=True)
@pytest.mark.parametrize(("answer", "code"), [("y\n", 0), ("n\n", 3)])
def test_at_a_terminal_it_asks(
    answer: str, code: int, everywhere: Books, run: Run, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("tank_mailer.cli.erase.is_asked", lambda: True)
    before = everywhere.dump()

    result = run("erase", JANE, stdin=answer)

    assert result.exit_code == code
    assert "statuses as a recipient" in result.stdout
    assert (everywhere.dump() == before) is (code == 3)
    if code == 0:
        assert "Not finished, and going on: job-2. Erase again when they have ended." in result.stdout
        assert "The address stays suppressed." in result.stdout


@pytest.mark.parametrize("books", ["sqlite"], indirect=True)
def test_the_files_hold_it_no_more(everywhere: Books) -> None:
    """What SQLite deletes stays in its pages, and in its log, unless it is told otherwise."""
    assert everywhere.path is not None
    with closing(sqlite3.connect(everywhere.path)) as daemon:  # keeps the log from going with the last connection
        daemon.execute("SELECT 1 FROM jobs").fetchall()
        erase(JANE, "--yes")
        files = [path.read_bytes().lower() for path in everywhere.path.parent.glob("tank.db*")]

    held = b"".join(files).replace(MARY.encode(), b"")
    assert len(files) > 1
    assert MARY.encode() in files[0] + files[1]
    for word in (JANE.encode(), b"janes telephone", b"192.0.2.7"):
        assert word not in held


@pytest.mark.parametrize("books", ["sqlite"], indirect=True)
def test_a_reader_keeps_the_log(everywhere: Books, run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(database, "BUSY_TIMEOUT_S", 0.05)
    assert everywhere.path is not None
    with closing(sqlite3.connect(everywhere.path, isolation_level=None)) as reader:
        reader.execute("BEGIN")
        reader.execute("SELECT 1 FROM jobs").fetchall()
        result = run("erase", JANE, "--yes")
        reader.execute("ROLLBACK")

    assert result.exit_code == 0
    assert "run `tank-mailer erase` again" in result.stderr
