"""Every page: files that it names are there, its code can be read, and names that it drops are the program's."""

import ast
import json
import re
import tomllib
from collections.abc import Callable, Mapping
from functools import cache
from pathlib import Path

import pytest
import yaml  # type: ignore[import-untyped]  # moto brings it along

from tank_mailer.settings import NAMES
from tank_mailer.settings.names import ENV_FILE_NAME
from tank_mailer.telemetry.catalogue import LOG_EVENTS
from tank_mailer.telemetry.measures import MEASURES
from tests.project.pages import PAGES, ROOT, code, fences, name, tables

every_page = pytest.mark.parametrize("page", PAGES, ids=name)


# --- files -------------------------------------------------------------------------------


@every_page
def test_files_of_the_repository_are_there(page: Path) -> None:
    """By their path from the top, in sentences and fences."""
    text = page.read_text(encoding="utf-8")
    found = set(re.findall(r"(?<![\w/.:-])((?:config|systemd|docs|tests|tank_mailer)/[\w@./-]*\w)", text))

    assert sorted(one for one in found if not (ROOT / one).exists()) == []


# --- fences ----------------------------------------------------------------------------------------


def _python(text: str) -> None:
    compile(text, "page", "exec", flags=ast.PyCF_ALLOW_TOP_LEVEL_AWAIT | ast.PyCF_ONLY_AST)


def _json(text: str) -> None:
    """One value, or one a line."""
    try:
        json.loads(text)
    except ValueError:
        for line in text.splitlines():
            json.loads(line)


def _nothing(text: str) -> None:
    """No reader for it comes along with the tests."""


READERS: Mapping[str, Callable[[str], object]] = {
    "json": _json,
    "python": _python,
    "toml": tomllib.loads,
    "yaml": lambda text: list(yaml.safe_load_all(text)),
    **dict.fromkeys(("sh", "console"), _nothing),  # test_guides.py reads them
    **dict.fromkeys(
        ("text", "ini", "sql", "js", "java", "php", "powershell", "html", "mermaid", "dockerfile"), _nothing
    ),
}


@every_page
def test_code_can_be_read(page: Path) -> None:
    """A fence says its language: sh and console for a shell."""
    for fence in fences(page):
        READERS[fence.language](fence.body)


# --- names -----------------------------------------------------------------------------------------

METRICS = {one.full_name for one in MEASURES}
EVENTS = {one.name for one in LOG_EVENTS}
HISTOGRAMS = re.compile(r"_(bucket|sum|count)$")


@every_page
def test_settings_are_there(page: Path) -> None:
    told = set(re.findall(r"(?<![\w*])TANK_[A-Z0-9_]*[A-Z0-9]", page.read_text(encoding="utf-8")))

    assert sorted(told - set(NAMES) - {ENV_FILE_NAME} - examples()) == []


@every_page
def test_metrics_are_there(page: Path) -> None:
    found = re.findall(r"(?<!:)\btank_mailer_[a-z0-9_]+\b(?![/*])", page.read_text(encoding="utf-8"))

    assert sorted(one for one in set(found) if one not in METRICS and HISTOGRAMS.sub("", one) not in METRICS) == []


@every_page
def test_log_events_in_tables_are_there(page: Path) -> None:
    """Of columns with that head."""
    cells = [row["log event"] for row in tables(page) if "log event" in row]
    names = {one for cell in cells for one in re.findall(r"`([a-z_]+)`", cell)}

    assert sorted(names - EVENTS) == []


@cache
def vocabulary() -> frozenset[str]:
    """All words with an underscore that the program, its files and its tests know."""
    files = [path for folder in ("tank_mailer", "config", "systemd") for path in (ROOT / folder).rglob("*")]
    texts = [path.read_text(encoding="utf-8") for path in files if path.is_file() and path.suffix != ".pyc"]
    return frozenset(re.findall(r"[A-Za-z]\w*_\w+", "\n".join(texts)))


# Of others, which the program does not know: of databases, of other services' jobs, Vector's sources and sinks.
FOREIGN = frozenset({
    *("synchronous_commit", "innodb_lock_wait_timeout", "tank_daemon", "send_at"),
    *("docker_logs", "splunk_hec_logs", "aws_cloudwatch_logs"),
})  # fmt: skip


@cache
def examples() -> frozenset[str]:
    """The same of the code that producers copy."""
    files = [path for path in (ROOT / "docs" / "producers").iterdir() if path.is_file()]
    return frozenset(re.findall(r"[A-Za-z]\w*_\w+", "\n".join(path.read_text(encoding="utf-8") for path in files)))


@every_page
def test_words_of_the_program_are_words_of_the_program(page: Path) -> None:
    """A reason, a field, an alert, a log event, a table: whatever is spelled so in backticks stands in the code."""
    told = {one for one in code(page) if re.fullmatch(r"[a-z]+(_[a-z0-9]+)+", one)}

    assert sorted(one for one in told - vocabulary() - examples() - FOREIGN if not one.startswith("tank_mailer_")) == []


def test_there_are_names_to_be_looked_at() -> None:
    texts = [page.read_text(encoding="utf-8") for page in PAGES]

    assert len(PAGES) > 20
    assert sum(len(list(fences(page))) for page in PAGES) > 50
    assert sum("log event" in row for page in PAGES for row in tables(page)) > 5
    assert sum(len(re.findall(r"`[a-z]+_[a-z_]+`", text)) for text in texts) > 300
