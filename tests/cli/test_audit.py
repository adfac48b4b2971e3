"""`tank-mailer audit list`: who has changed what, and when."""

import json
import os
import pwd
from collections.abc import Callable

import pytest
from typer.testing import Result

from tests.cli.conftest import StoreFile

Run = Callable[..., Result]


@pytest.fixture
def filled(store: StoreFile) -> StoreFile:
    """Three lines, the newest last."""
    for at, who, action, subject in (
        (1e9, "root (sudo: jane)@mail-1", "dlq redrive", "order-4711"),
        (1e9 + 60, "tank-mailer@mail-1", "pause", "lane/ordinary"),
        (4e9, "root (sudo: Joe)@mail-2", "dlq drop", "order-4712"),
    ):
        store.ask(
            "INSERT INTO audit (at, who, action, subject, detail) VALUES (?, ?, ?, ?, 'x')", at, who, action, subject
        )
    return store


@pytest.mark.parametrize(
    ("options", "found"),
    [
        pytest.param([], ["order-4712", "lane/ordinary", "order-4711"], id="the-newest-first"),
        pytest.param(["--limit", "1"], ["order-4712"], id="some"),
        pytest.param(["--since", "2020-01-01T00:00:00Z"], ["order-4712"], id="since"),
        pytest.param(["--action", "dlq redrive"], ["order-4711"], id="one-action"),
        pytest.param(["--action", "dlq"], ["order-4712", "order-4711"], id="all-of-a-group"),
        pytest.param(["--action", "dl"], [], id="no-half-words"),
        pytest.param(["--action", "d%"], [], id="no-wildcards"),
        pytest.param(["--who", "JANE"], ["order-4711"], id="who-in-any-case"),
        pytest.param(["--who", "mail-1"], ["lane/ordinary", "order-4711"], id="where"),
        pytest.param(["--subject", "order-4711"], ["order-4711"], id="of-what"),
    ],
)
def test_lines(options: list[str], found: list[str], run: Run, filled: StoreFile) -> None:
    report = json.loads(run("audit", "list", "--json", *options).stdout)

    assert [one["subject"] for one in report["entries"]] == found
    assert report["total"] == (3 if "--limit" in options else len(found))


def test_a_line_for_scripts(run: Run, filled: StoreFile) -> None:
    assert json.loads(run("audit", "list", "--json").stdout)["entries"][2] == {
        "at": "2001-09-09T01:46:40.000Z",
        "who": "root (sudo: jane)@mail-1",
        "action": "dlq redrive",
        "subject": "order-4711",
        "detail": "x",
    }


def test_a_line_in_a_pipe(run: Run, filled: StoreFile) -> None:
    lines = run("audit", "list", "--limit", "1").stdout.splitlines()

    assert lines[0].split("\t") == ["when", "who", "action", "subject", "detail"]
    assert lines[1].split("\t")[1:] == ["root (sudo: Joe)@mail-2", "dlq drop", "order-4712", "x"]


def test_what_a_command_does_is_there(run: Run, store: StoreFile, monkeypatch: pytest.MonkeyPatch) -> None:
    """With whoever is behind sudo."""
    monkeypatch.setenv("SUDO_USER", "jane")
    run("suppress", "add", "a@example.com")

    (line,) = json.loads(run("audit", "list", "--json").stdout)["entries"]

    assert (line["action"], line["subject"]) == ("suppress add", "a@example.com")
    assert line["who"].startswith(f"{pwd.getpwuid(os.getuid()).pw_name} (sudo: jane)@")


def test_a_time_that_is_none(run: Run, store: StoreFile) -> None:
    assert run("audit", "list", "--since", "tomorrow").exit_code == 2
