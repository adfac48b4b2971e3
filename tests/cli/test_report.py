"""`tank-mailer report`: what is told, to whom, and what a hostile name or an absent AWS does to it."""

import json
import re
import sqlite3
import subprocess
import sys
from collections.abc import Callable
from contextlib import closing
from datetime import UTC, datetime, timedelta
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

import pytest
from rich.console import Console
from typer.testing import Result
from typing_extensions import override

from tank_mailer.adapters import account_standing
from tank_mailer.cli.report import asked
from tank_mailer.cli.report.terminal import render
from tank_mailer.core.reports.days import Days
from tank_mailer.core.reports.document import Chart, ChartKind, Check, Column, Form, Mark, Report, Section, Table
from tank_mailer.standin import Standin
from tank_mailer.standin.message import read_content
from tests.cli.boards import make_node, make_pause, order, post
from tests.cli.conftest import StoreFile

Run = Callable[..., Result]
NOW = datetime(2026, 11, 29, 9, 0, tzinfo=UTC)
NOON = datetime(2026, 11, 28, 12, 0, tzinfo=UTC).timestamp()
DAY_S = 86_400.0
HOSTILE = "<script>alert(1)</script>.example"
ALL = ("daily", "weekly", "monthly", "domains", "cost", "quota-request")


@pytest.fixture(autouse=True)
def _at_a_fixed_time(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(asked, "now", lambda: NOW)
    monkeypatch.setattr(account_standing, "CALL_EVERY_S", 0.0)


@pytest.fixture
def away(store: StoreFile, monkeypatch: pytest.MonkeyPatch) -> None:
    """Nobody answers for AWS."""
    monkeypatch.setenv("AWS_ENDPOINT_URL", "http://127.0.0.1:9")
    monkeypatch.setenv("AWS_REGION", "eu-west-1")
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "nobody")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "nothing")
    monkeypatch.setenv("AWS_MAX_ATTEMPTS", "1")
    monkeypatch.setattr("tank_mailer.adapters.aws.CONTROL_ATTEMPTS", 1)


def put_mail(store: StoreFile, name: str, *recipients: tuple[str, int], at: float = NOON, copies: int = 1) -> None:
    """Accepted mails of that name, all at once; `{}` in an address is the mail's number."""
    names = [name, *(f"{name}-{n}" for n in range(1, copies))]
    store.put_job(name, "accepted", accepted_at=at, updated_at=at, ses_message_id=f"ses-{name}")
    with closing(sqlite3.connect(store.path)) as connection, connection:
        columns = [row[1] for row in connection.execute("PRAGMA table_info(jobs)") if row[1] != "email_id"]
        others = ", ".join(columns)
        copied = f"INSERT INTO jobs (email_id, {others}) SELECT ?, {others} FROM jobs WHERE email_id = ?"  # noqa: S608
        connection.executemany(copied, [(one, name) for one in names[1:]])
        connection.executemany(
            "INSERT INTO receipts VALUES (?, ?, 1, ?, 'answer')", [(f"ses-{n}", n, at) for n in names]
        )
        people = [(one, address.format(n), status, at) for n, one in enumerate(names) for address, status in recipients]
        connection.executemany("INSERT INTO recipients VALUES (?, ?, ?, NULL, ?)", people)


def report_of(result: Result) -> dict[str, Any]:
    assert result.exit_code == 0, result.output
    found: dict[str, Any] = json.loads(result.stdout)
    return found


def checks_of(report: dict[str, Any]) -> dict[str, dict[str, Any]]:
    return {check["key"]: check for section in report["sections"] for check in section.get("checks", [])}


def tables_of(report: dict[str, Any]) -> dict[str, list[dict[str, Any]]]:
    return {key: rows for section in report["sections"] for key, rows in section.get("tables", {}).items()}


# --- what is told ----------------------------------------------------------------------------------


def test_a_day(run: Run, store: StoreFile, standin: Standin) -> None:
    put_mail(store, "a", ("ann@example.org", 40), ("ben@example.org", 60))
    put_mail(store, "today", ("ann@example.org", 40), at=NOON + DAY_S)
    store.put_job("b", "dead", updated_at=NOON, reason="attempts_spent")
    store.put_aside("m-2", at=NOON)
    post(store, make_node())

    report = report_of(run("report", "daily", "--json"))

    assert (report["report"], report["since"], report["until"], report["time_zone"]) == (
        "daily",
        "2026-11-28",
        "2026-11-28",
        "UTC",
    )
    assert {row["state"]: row["jobs"] for row in tables_of(report)["states"]} == {
        "accepted": 1,
        "dead": 1,
        "invalid": 1,
    }
    checks = checks_of(report)
    assert checks["daemon"]["said"] == "1 node alive: mail-1"
    assert checks["account"]["mark"] == "good"
    assert checks["quota"]["said"] == "0 of 50,000 in the last 24 hours (0 %)"
    assert tables_of(report)["queues"] == [{"role": "ordinary", "queue": "jobs", "visible": 0, "hidden": 0}]
    assert report["cannot_know"]


def test_a_week(run: Run, store: StoreFile, standin: Standin, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TANK_ALLOWED_SENDERS", "shop.example")
    standin.state.identities.verified["shop.example"] = True
    put_mail(store, "a", ("ann@example.org", 40))
    store.ask("INSERT INTO suppressions VALUES ('x@example.org', 'hard_bounce', 'event', NULL, ?, NULL, NULL)", NOON)
    store.ask("INSERT INTO senders VALUES ('news@other.example', ?)", NOON)

    report = report_of(run("report", "weekly", "--since", "2026-11-23", "--json"))

    assert (report["since"], report["until"], report["days"]) == ("2026-11-23", "2026-11-28", 6)
    assert tables_of(report)["reputation"][5]["recipients"] == 1
    assert tables_of(report)["suppression"] == [{"reason": "hard_bounce", "new": 1, "before": 0, "total": 1}]
    found = {
        check["title"]: check["mark"]
        for section in report["sections"]
        for check in section.get("checks", [])
        if check["key"] == "identity"
    }
    assert found == {"shop.example": "unknown", "other.example": "bad"}  # no DNS is asked beside a stand-in


def test_a_month_and_its_cost(run: Run, store: StoreFile, standin: Standin) -> None:
    put_mail(store, "a", ("ann@example.org", 40), ("ben@example.org", 40))
    day = int(NOON // DAY_S)
    for name, count in (("sqs_requests", 3_000_000), ("data_bytes", 5_000_000_000), ("recipients", 1)):
        store.ask("INSERT INTO usage VALUES (?, 'mail-1', ?, ?)", day, name, count)
    standin.state.access.denied["ses:GetDedicatedIps"] = ""

    report = report_of(run("report", "monthly", "--month", "2026-11", "--json"))
    alone = report_of(run("report", "cost", "--month", "2026-11", "--json"))

    assert report["is_partial"]
    assert checks_of(report)["peak_day"]["said"].startswith("2 of 50,000 recipients, until 2026-11-28 13:00 UTC")
    amounts = {row["item"]: row["amount"] for row in tables_of(report)["cost"]}
    assert (amounts["e-mails (recipients)"], amounts["data and attachments"]) == ("0.0002", "0.6")
    assert amounts["SQS requests"] == "0.8"
    assert tables_of(alone)["cost"] == tables_of(report)["cost"]
    assert checks_of(report)["cost_dedicated_ips"]["mark"] == "unknown", "the key may not ask"


def test_domains_and_which_goes_bad(run: Run, store: StoreFile, away: None) -> None:
    put_mail(store, "old", ("p{}@gmx.example", 40), at=NOON - 7 * DAY_S, copies=60)
    put_mail(store, "new", ("p{}@gmx.example", 40), ("q@ok.example", 40), copies=40)
    put_mail(store, "bad", ("p{}@gmx.example", 60), ("q@ok.example", 40), copies=20)

    report = report_of(run("report", "domains", "--json", "--top", "1"))

    (row, others) = tables_of(report)["domains"]
    assert (row["domain"], row["accepted"], row["delivered"], row["hard_bounced"]) == ("gmx.example", 60, 40, 20)
    assert (row["going_bad"], others["domain"], others["accepted"]) == ("bounces", "(others)", 60)
    assert report["findings"] == ["domain_bounces"]


def test_a_quota_request(run: Run, store: StoreFile, standin: Standin) -> None:
    put_mail(store, "a", *((f"p{n}@example.org", 40) for n in range(50)))
    standin.state.account.change({"max_24_hour_send": 50, "max_send_rate": 1})

    text = run("report", "quota-request").stdout

    assert "Subject: SES sending limits increase, region eu-west-1" in text
    assert "We ask for 75 recipients in 24 hours and 2 recipients a second." in text.replace("\n", " ")
    assert "[FILL IN: website" in text


# --- AWS and the store away ------------------------------------------------------------------------


@pytest.mark.parametrize("kind", ALL)
def test_without_aws_the_rest_is_told(run: Run, store: StoreFile, away: None, kind: str) -> None:
    put_mail(store, "a", ("ann@example.org", 40))
    result = run("report", kind, "--json", "--since", "2d")
    report = report_of(result)
    unknown = [check for check in checks_of(report).values() if check["mark"] == "unknown"]
    assert bool(unknown) is (kind != "domains")
    assert all(check["said"].startswith("not known: ") for check in unknown)
    assert "2026-11-28" in result.stdout


def test_a_profile_that_there_is_not_is_no_reason_to_be_silent(
    run: Run, store: StoreFile, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("AWS_PROFILE", "nobodys")
    put_mail(store, "a", ("ann@example.org", 40))
    checks = checks_of(report_of(run("report", "daily", "--json")))
    assert (checks["success_rate"]["mark"], checks["account"]["mark"]) == ("good", "unknown")
    assert checks["queue_queues"]["mark"] == "unknown"
    assert "nobodys" in checks["account"]["said"]


def test_a_dead_letter_queue_that_there_is_not(
    run: Run, store: StoreFile, standin: Standin, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("TANK_DEAD_LETTER_QUEUE_URL", f"{standin.url}/000000000000/dead")
    check = checks_of(report_of(run("report", "daily", "--json")))["queue_dead_letters"]
    assert (check["mark"], check["said"].startswith("not known: queue_missing")) == ("unknown", True)


def test_dead_letters_are_counted_wherever_they_lie(
    run: Run, store: StoreFile, standin: Standin, monkeypatch: pytest.MonkeyPatch
) -> None:
    """On the priority lane's own queue, and in the ledger alone: "none" would be believed."""
    queues = standin.state.queues
    letters = queues.create("urgent-dead", {}).queue
    policy = json.dumps({"deadLetterTargetArn": letters.arn, "maxReceiveCount": "100"})
    queues.change(queues.create("urgent", {}), {"RedrivePolicy": policy})
    monkeypatch.setenv("TANK_PRIORITY_QUEUE_URL", f"{standin.url}/000000000000/urgent")
    assert checks_of(report_of(run("report", "daily", "--json")))["queue_dead_letters"]["said"] == "none"

    letters.send(read_content({"MessageBody": "{}"}))
    store.put_job("order-1", "dead", reason="attempts_spent", queue_message_id="m-1")
    store.put_aside("m-1", email_id="order-1", kind="dead", reason="attempts_spent")

    report = report_of(run("report", "daily", "--json"))
    assert checks_of(report)["queue_dead_letters"]["value"] == 2
    assert [row["queue"] for row in tables_of(report)["queues"] if row["role"] == "dead letters"] == [
        "urgent-dead",
        "(the ledger alone)",
    ]


@pytest.mark.parametrize("kind", ALL)
def test_without_a_store_there_is_one_line(run: Run, standin: Standin, kind: str, tmp_path: Path) -> None:
    result = run("report", kind)
    assert result.exit_code == 75
    assert result.stderr.count("\n") == 1
    assert "there is no store" in result.stderr
    assert not list(tmp_path.rglob("*.db"))


def test_check_answers_by_the_exit_code(run: Run, store: StoreFile, standin: Standin) -> None:
    """3: something is wrong; 75: it is not, as far as is known; 0: all is well."""
    assert run("report", "daily", "--check").exit_code == 3
    assert "not as it should be: daemon" in run("report", "daily", "--check").stderr

    lanes = {"ordinary": make_node().lanes["ordinary"]}
    ready = make_node(lanes={"ordinary": lanes["ordinary"].__class__(queue="jobs", last_poll_at=NOW)})
    post(store, ready)
    unknown = run("report", "daily", "--check")
    assert (unknown.exit_code, "delivered" not in unknown.stderr) == (0, True), unknown.stderr

    put_mail(store, "a", ("ann@example.org", 10))
    unknown = run("report", "daily", "--check")
    assert unknown.exit_code == 75
    assert "nothing is wrong with what is known, and not all is: delivered" in unknown.stderr
    assert run("report", "daily").exit_code == 0


# --- what people ask for ---------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        pytest.param(["--day", "the other day"], "Give a day such as", id="no-day"),
        pytest.param(["--day", "today", "--week", "2026-W47"], "Give one of", id="two-spans"),
        pytest.param(["--until", "today"], "--until goes with --since", id="an-end-alone"),
        pytest.param(["--json", "--format", "html"], "Give one of --json and", id="two-forms"),
        pytest.param(["--mail-to", "ann@example.org"], "No such option", id="no-report-goes-by-mail"),
    ],
)
def test_what_cannot_be_asked(run: Run, store: StoreFile, arguments: list[str], said: str) -> None:
    result = run("report", "daily", *arguments)
    assert result.exit_code == 2
    assert said in result.output


def test_prices_of_ones_own(
    run: Run, store: StoreFile, standin: Standin, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """--prices goes before a file beside the settings' one, that before config/prices.toml, that before the shipped."""
    line = '[plan]\nprice = {}\ncurrency = "EUR"\nper = 1\nunit = "month"\nas_of = 2026-11-01\n'
    places = [tmp_path / "given.toml", tmp_path / "etc" / "prices.toml", tmp_path / "config" / "prices.toml"]
    (tmp_path / "etc").mkdir()
    (tmp_path / "config").mkdir()
    (tmp_path / "etc" / "env").write_text("TANK_RETENTION_DAYS=30\n")
    month = ["report", "cost", "--month", "2026-10", "--json"]

    def total(*arguments: str) -> str:
        found: str = checks_of(report_of(run(*month, *arguments)))["total"]["said"]
        return found

    assert total() == "0.00 USD"
    for price, place in ((3, places[2]), (2, places[1]), (1, places[0])):
        place.write_text(line.format(price))
    assert total() == "3.00 EUR"
    assert total("--env-file", str(tmp_path / "etc" / "env")) == "2.00 EUR"
    assert total("--env-file", str(tmp_path / "etc" / "env"), "--prices", str(places[0])) == "1.00 EUR"


@pytest.mark.parametrize(
    ("content", "said"),
    [
        pytest.param(b'[plan]\nprice = "x"\n', "[plan] currency: is missing", id="a-missing-key"),
        pytest.param(b"[plan\n", "is no TOML: ", id="no-toml"),
        pytest.param(b"\xff\xfe", "is no TOML: ", id="no-text"),
        pytest.param(b"a = " + b"[" * 100_000, "is no TOML: ", id="too-deep"),
        pytest.param(b"#" * 1_048_577, "more than 1,048,576 bytes", id="too-large"),
        pytest.param(None, "cannot be read: No such file", id="not-there"),
    ],
)
def test_a_price_file_that_cannot_be_used(
    run: Run, store: StoreFile, tmp_path: Path, content: bytes | None, said: str
) -> None:
    path = tmp_path / "p.toml"
    if content is not None:
        path.write_bytes(content)
    result = run("report", "cost", "--prices", str(path))
    assert result.exit_code == 78
    assert said in result.stderr
    assert result.stderr.count("\n") == 1


def test_a_report_goes_into_a_file(run: Run, store: StoreFile, away: None, tmp_path: Path) -> None:
    path = tmp_path / "report.html"
    result = run("report", "daily", "--format", "html", "-o", str(path))
    assert (result.exit_code, result.stdout) == (0, "")
    assert f"written to {path}" in result.stderr
    assert path.read_text().startswith("<!DOCTYPE html>")

    failed = run("report", "daily", "-o", str(tmp_path / "nowhere" / "report.txt"))
    assert failed.exit_code == 75
    assert "cannot write" in failed.stderr


# --- hostile names ---------------------------------------------------------------------------------


class Page(HTMLParser):
    """What a browser would load or run."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.tags = set[str]()
        self.attributes = list[tuple[str, str]]()
        self.words = ""
        self.feed(text)

    @override
    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.add(tag)
        self.attributes += [(name, value or "") for name, value in attrs]

    @override
    def handle_data(self, data: str) -> None:
        self.words += data


@pytest.mark.parametrize("kind", ALL)
def test_a_page_loads_nothing_and_runs_nothing(run: Run, store: StoreFile, away: None, kind: str) -> None:
    """Names come from outside: a domain is whatever stands behind an @-sign, a node is called by its host."""
    put_mail(store, "old", (f"p{{}}@{HOSTILE}", 40), at=NOON - 7 * DAY_S, copies=60)
    put_mail(store, "new", (f"p{{}}@{HOSTILE}", 60), ("p{}@\x1b[31mred.example", 40), copies=60)
    post(store, make_node('<img src="https://evil.example/x">', pauses=(make_pause("sender", "r", "<b>"),)))
    order(store, "lane/ordinary", who="<iframe>")
    store.ask("INSERT INTO senders VALUES (?, ?)", f"a@{HOSTILE}", NOON)

    result = run("report", kind, "--format", "html", "--since", "2026-11-23")
    page = Page(result.stdout)

    assert result.exit_code == 0, result.output
    assert not page.tags & {
        "script",
        "link",
        "img",
        "iframe",
        "object",
        "embed",
        "base",
        "form",
        "b",
        "a",
        "use",
        "image",
    }
    assert not {name for name, _ in page.attributes} & {
        "src",
        "href",
        "xlink:href",
        "action",
        "srcset",
        "data",
        "poster",
    }
    assert not [name for name, _ in page.attributes if name.startswith("on")]
    addresses = [value for name, value in page.attributes if "//" in value and not name.startswith("xmlns")]
    assert addresses == []
    assert not re.search(r"@import|url\(|expression\(", result.stdout)
    assert "\x1b" not in result.stdout
    assert "default-src 'none'" in result.stdout
    if kind == "domains":
        assert HOSTILE in page.words
        assert r"\x1b[31mred.example" in page.words
        assert "svg" in page.tags


@pytest.mark.parametrize("arguments", [["--format", "text"], ["--json"]])
def test_nothing_speaks_to_a_terminal(run: Run, store: StoreFile, away: None, arguments: list[str]) -> None:
    put_mail(store, "a", ("p@\x1b[31mred.example", 40), ("q@tab\there.example", 40))
    text = run("report", "domains", *arguments).stdout
    assert "\x1b" not in text
    assert "red.example" in text
    assert "tab\there" not in text


# --- at a terminal ---------------------------------------------------------------------------------


def made(**changes: Any) -> Report:
    checks = [
        Check("a", "success rate", Mark.GOOD, "97 % of all", 0.97),
        Check("b", "daemon", Mark.BAD, "no daemon is alive \x1b[2J", remedy="start `tank-mailer run`"),
        Check("c", "account", Mark.UNKNOWN, "not known: no answer"),
    ]
    columns = [Column("day", "day"), Column("n", "jobs", Form.COUNT), Column("share", "share", Form.SHARE)]
    table = Table("t", "Day by day", columns, [["2026-11-28", 1_234, 0.5], ["2026-11-29", None, None]], note="a note")
    chart = Chart("Jobs", ChartKind.LINE, ["11-28", "11-29"], {"jobs": [1.0, 8.0], "limit": [5.0, 5.0]})
    section = Section("s", "Section", checks, [table], [chart], text="one\ntwo")
    given: dict[str, Any] = {"kind": "daily", "title": "Daily report", "sections": [section]}
    days = Days((NOW - timedelta(days=1)).date(), NOW.date())
    return Report(**given | {"days": days, "made_at": NOW, "counts": ["jobs"], "blind": ["Gmail"]} | changes)


def shown(report: Report, width: int = 80) -> str:
    console = Console(width=width, force_terminal=False, highlight=False)
    with console.capture() as captured:
        console.print(render(report))
    return captured.get()


def test_a_terminal_gets_tables_marks_and_small_bars() -> None:
    text = shown(made(is_partial=True))
    lines = [" ".join(line.split()) for line in text.splitlines()]
    assert lines[0] == "Daily report Saturday 2026-11-28 (UTC), not over yet"
    for line in (
        "ok success rate 97 % of all",
        r"BAD daemon no daemon is alive \x1b[2J",
        "remedy: start `tank-mailer run`",
        "? account not known: no answer",
        "2026-11-28 1,234 50 %",
        "2026-11-29 - -",
        "a note",
        "Jobs, 11-28 to 11-29",
        "jobs ▂█ most 8",
        "two",
        "- Gmail",
    ):
        assert line in lines, (line, text)
    assert not [line for line in lines if line.startswith("limit")], "what never changes needs no bars"
    assert all(len(line.rstrip()) <= 80 for line in text.splitlines())


def test_a_pipe_gets_lines_with_tabs(run: Run, store: StoreFile, away: None) -> None:
    put_mail(store, "a", ("ann@example.org", 40))
    lines = run("report", "daily").stdout.splitlines()
    assert lines[0].startswith("# Daily report\tSaturday 2026-11-28 (UTC)\tmade ")
    assert "good\tsuccess rate\t100 %: 1 of 1 job accepted by SES\t-" in lines
    assert "state\tjobs\tshare" in lines
    assert "accepted\t1\t1.0" in lines


def test_a_chart_leaves_later_imports_alone() -> None:
    """In a process of its own, in which each warning is an error."""
    code = "import importlib.util, tank_mailer.cli.report.charts; importlib.util.find_spec('nothing_of_this_name')"

    done = subprocess.run(
        [sys.executable, "-W", "error::ImportWarning", "-c", code], capture_output=True, text=True, check=False
    )

    assert (done.returncode, done.stderr) == (0, "")


def test_a_key_that_may_not_ask_for_the_account_still_learns_its_quota(
    run: Run, store: StoreFile, standin: Standin
) -> None:
    """By SES's first API, as the daemon does; what AWS holds against the account only GetAccount tells."""
    put_mail(store, "a", ("ann@example.org", 40))
    standin.state.access.denied["ses:GetAccount"] = ""

    checks = checks_of(report_of(run("report", "daily", "--json")))

    assert (checks["account"]["mark"], checks["quota"]["mark"]) == ("unknown", "good")
    assert "of 50,000" in checks["quota"]["said"]
