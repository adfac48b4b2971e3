"""The catalogue of log events and the code agree, both ways."""

import ast
import re
from collections.abc import Iterator
from pathlib import Path

import pytest

import tank_mailer
from tank_mailer.telemetry.catalogue import LOG_EVENTS, LogEvent

PACKAGE = Path(tank_mailer.__file__).parent
LEVELS = {
    "debug": "debug",
    "info": "info",
    "warning": "warning",
    "error": "error",
    "exception": "error",
    "critical": "critical",
}
LOGGERS = {"log", "_log", "logger"}
ANY_LEVEL = "any"  # log.log(level, "name"): the code decides as it goes
OUTSIDE = {"standin"}  # another party, with a log of its own


def logged() -> Iterator[tuple[str, str, str]]:
    """Name, level and place of each call of a logger with a constant name."""
    for path in sorted(PACKAGE.rglob("*.py")):
        inner = path.relative_to(PACKAGE)
        if inner.parts[0] in OUTSIDE:
            continue
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if isinstance(node, ast.Call) and (found := _event_of(node)):
                yield *found, f"{inner}:{node.lineno}"


def _event_of(call: ast.Call) -> tuple[str, str] | None:
    match call:
        case ast.Call(func=ast.Attribute(value=owner, attr=method), args=[ast.Constant(value=str(name)), *_]):
            if method in LEVELS and _is_logger(owner):
                return name, LEVELS[method]
        case ast.Call(func=ast.Attribute(value=owner, attr="log"), args=[_, ast.Constant(value=str(name)), *_]):
            if _is_logger(owner):
                return name, ANY_LEVEL
        case _:
            pass
    return None


def _is_logger(owner: ast.expr) -> bool:
    """`log`, `self.log`, `log.bind(...)`."""
    match owner:
        case ast.Name(id=name) | ast.Attribute(attr=name):
            return name in LOGGERS
        case ast.Call(func=ast.Attribute(value=inner, attr="bind" | "new")):
            return _is_logger(inner)
        case _:
            return False


def test_the_search_finds_calls() -> None:
    assert ("log_lines_dropped", "warning") in {(name, level) for name, level, _ in logged()}


def test_what_is_logged_is_in_the_catalogue() -> None:
    known = {(event.name, event.level) for event in LOG_EVENTS}
    names = {event.name for event in LOG_EVENTS}

    missing = [
        f"{place} logs {name} at {level}"
        for name, level, place in logged()
        if (name not in names if level == ANY_LEVEL else (name, level) not in known)
    ]

    assert missing == []


def test_the_catalogue_names_nothing_that_is_not_logged() -> None:
    spoken = {name for name, _, _ in logged()}

    assert [event.name for event in LOG_EVENTS if event.name not in spoken] == []


def test_no_event_stands_twice() -> None:
    names = [event.name for event in LOG_EVENTS]

    assert sorted(names) == sorted(set(names))


@pytest.mark.parametrize("event", LOG_EVENTS, ids=lambda event: event.name)
def test_a_name_is_a_noun_and_a_participle(event: LogEvent) -> None:
    assert re.fullmatch(r"[a-z]+(_[a-z]+)+", event.name)
