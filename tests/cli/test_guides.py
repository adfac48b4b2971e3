"""What the pages tell people to type is carried out, page by page, on a site with a few jobs, letters and events."""

from collections.abc import Callable, Mapping
from pathlib import Path

import pytest
from typer.testing import Result

from tank_mailer.cli import doctor
from tank_mailer.cli.dlq import round as around
from tank_mailer.standin import Standin
from tests.builders import make_body
from tests.cli.boards import make_node, post
from tests.cli.conftest import StoreFile
from tests.cli.letters import make_letter_queue
from tests.project.pages import PAGES, ROOT, name
from tests.project.typed import on_this_host, ours

Run = Callable[..., Result]
# What is not carried out here, by how its call begins, and why.
ELSEWHERE: Mapping[tuple[str, ...], str] = {
    ("run",): "works until it is stopped: tests/whole",
    ("demo",): "works for a quarter of a minute, with --keep until it is stopped: tests/whole/test_demo.py",
    ("standin",): "works until it is stopped: tests/whole/test_standin_command.py",
    ("top",): "shows until it is stopped: test_top.py",
    ("config", "from-stack"): "asks CloudFormation, which is not here: test_from_stack.py",
    ("alerts", "test"): "needs somebody who hears it: test_alerts.py",
    ("webhook",): "needs a web server: test_webhook.py",
    ("--install-completion",): "changes the home of whoever runs the tests: test_every_command.py",
}
BACKUP = "/var/backups/tank-mailer/7.db"
WAITING = "--wait"  # send-test: for a daemon, of which there is none here; tests/whole/test_aws_setup.py
SAYS_NO = 3  # a check, or a look-up of an id that is only an example
PROMISED = {0, SAYS_NO}
MEANT = {
    "ADDRESS": "you@example.org",
    "EMAIL_ID": "order-4711",
    "ID": "order-4711",
    "FILE": "copy.db",
    "LANE": "ordinary",
}
FILES = {
    "job.json": make_body(email_id="order-4711"),
    "jobs.jsonl": make_body(email_id="order-4712") + "\n",
    "simulator.jsonl": make_body(email_id="simulator-0") + "\n",
    **dict.fromkeys(("suppressed.csv", "blocked.csv"), "address\njane@example.net\n"),
    **dict.fromkeys(
        ("other.env", "owner.env"), "TANK_OUTBOUND_QUEUE_URL=https://sqs.eu-west-1.amazonaws.com/123456789012/none\n"
    ),
    "our-prices.toml": (ROOT / "config" / "prices.toml").read_text(encoding="utf-8"),
}


def carried_out(page: Path) -> list[tuple[tuple[str, ...], str | None]]:
    """In the order of the page, which has things made before they are looked at."""
    found = []
    for command, words in ours(page):
        is_part = any("$" in word for word in words)  # of a function, or of what an earlier line has found
        is_elsewhere = is_part or WAITING in words or any(words[: len(begin)] == begin for begin in ELSEWHERE)
        if command.is_whole and not is_elsewhere:
            found.append((words, command.read))
    return list(dict.fromkeys(found))


PAGES_WITH_COMMANDS = [page for page in PAGES if carried_out(page)]


@pytest.fixture
def site(standin: Standin, store: StoreFile, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, run: Run) -> Path:
    """A day's work: accepted and deferred jobs, one that is invalid, one letter, a node that is gone, a backup."""
    monkeypatch.setattr(around, "WAIT_S", 0)
    monkeypatch.setattr(doctor, "EVERY_S", 0.0)
    monkeypatch.setenv("AWS_EC2_METADATA_DISABLED", "true")
    store.put_job("order-4711-confirmation", "accepted")
    store.put_job("try-1", "deferred")
    store.put_aside("m-2", email_id="order-4711")
    post(store, make_node(), seen_s=7200)
    make_letter_queue(standin).put(make_body(email_id="order-4710"))
    for file, text in FILES.items():
        (tmp_path / file).write_text(text, encoding="utf-8")
    assert run("db", "backup", *on_this_host([BACKUP], tmp_path)).exit_code == 0
    return tmp_path


@pytest.mark.parametrize("page", PAGES_WITH_COMMANDS, ids=name)
def test_it_does_what_it_is_told(page: Path, site: Path, run: Run) -> None:
    """A bug raises; bad settings, a wrong call and a failure outside have exit codes of their own."""
    wrong = []
    for found, read in carried_out(page):
        words = on_this_host([MEANT.get(word, word) for word in found], site)
        text = (site / read).read_text(encoding="utf-8") if read else FILES["jobs.jsonl"] if "-" in words else None
        result = run(*words, stdin=text)
        if "wants --yes" in result.stderr:  # nobody can be asked here
            result = run(*words, "--yes", stdin=text)
        if result.exit_code not in PROMISED:
            wrong.append(f"tank-mailer {' '.join(found)}: {result.exit_code}: {result.stderr.strip()}")

    assert wrong == []


def test_commands_are_carried_out() -> None:
    assert sum(len(carried_out(page)) for page in PAGES_WITH_COMMANDS) > 30
    assert len({found[:2] for page in PAGES_WITH_COMMANDS for found, _ in carried_out(page)}) > 15
