"""The catalogue of log events, the code, the page and the schema agree; what was released stays."""

import ast
import re
from collections.abc import Iterator, Mapping
from dataclasses import fields
from functools import cache
from pathlib import Path
from types import UnionType
from typing import Any, get_args, get_type_hints

import pytest
from jsonschema import Draft202012Validator  # type: ignore[import-untyped]

import tank_mailer
from tank_mailer.core.outcome import Outcome
from tank_mailer.core.verdict import Verdict
from tank_mailer.telemetry.catalogue import EXCEPTION, LOG_EVENTS, OUTCOME, RECIPIENT, VERDICT, LogEvent
from tank_mailer.telemetry.fields import ANYWHERE, FIELDS, HEAD, FieldType
from tests.project.log_lines import complaints
from tests.project.log_page import SHIPPED, page, schema, spelled

ROOT = Path(__file__).parents[2]
NAMES = Path(__file__).with_name("log_names.txt")
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
    return ((name, level, place) for name, level, place, _ in calls())


@cache
def calls() -> tuple[tuple[str, str, str, ast.Call], ...]:
    """The same, and the call."""
    return tuple(_calls())


def _calls() -> Iterator[tuple[str, str, str, ast.Call]]:
    for path in sorted(PACKAGE.rglob("*.py")):
        inner = path.relative_to(PACKAGE)
        if inner.parts[0] in OUTSIDE:
            continue
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if isinstance(node, ast.Call) and (found := _event_of(node)):
                yield *found, f"{inner}:{node.lineno}", node


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


# --- fields ----------------------------------------------------------------------------------------

BY_NAME: Mapping[str, LogEvent] = {event.name: event for event in LOG_EVENTS}
BROUGHT = {*OUTCOME, *VERDICT, *RECIPIENT, *EXCEPTION}  # by a dataclass, by Recipients.name_of, by an exception


def named(call: ast.Call) -> set[str]:
    return {keyword.arg for keyword in call.keywords if keyword.arg} - {"exc_info"}


def test_what_a_call_tells_is_in_the_catalogue() -> None:
    strangers = [
        f"{place}: {field} of {name}"
        for name, _, place, call in calls()
        for field in named(call) - {*BY_NAME[name].fields, *ANYWHERE}
    ]

    assert strangers == []


def test_the_catalogue_has_no_field_that_no_call_tells() -> None:
    told: dict[str, set[str]] = {}
    opaque = set()
    for name, _, _, call in calls():
        told.setdefault(name, set()).update(named(call))
        opaque |= {name} if any(keyword.arg is None for keyword in call.keywords) else set()

    assert [
        f"{event.name}.{field}"
        for event in LOG_EVENTS
        if event.name not in opaque  # **fields: held by the tests of what makes them, and by real lines
        for field in event.fields
        if field not in told[event.name] | BROUGHT
    ] == []


def test_every_field_is_described_once_and_none_in_vain() -> None:
    used = {field for event in LOG_EVENTS for field in event.fields}

    assert used == set(FIELDS)
    assert list(FIELDS) == sorted(FIELDS)
    assert set(FIELDS) & ({*HEAD, *ANYWHERE} | set(SHIPPED)) == set()
    assert all(
        one.meaning.endswith(".") for one in [*FIELDS.values(), *HEAD.values(), *ANYWHERE.values(), *SHIPPED.values()]
    )


@pytest.mark.parametrize("name", [*FIELDS, *ANYWHERE])
def test_a_unit_is_in_the_name_or_beside_it(name: str) -> None:
    """As for settings and metrics: `_s` is seconds, `_bytes` bytes."""
    one = {**FIELDS, **ANYWHERE}[name]

    assert re.fullmatch(r"_?[a-z0-9]+(_[a-z0-9]+)*", name)
    assert (one.unit == "s") == (name.endswith("_s") and one.type is FieldType.NUMBER)
    assert (one.unit == "bytes") == name.endswith("_bytes")
    assert not one.unit or one.type in {FieldType.INTEGER, FieldType.NUMBER}


@pytest.mark.parametrize(("union", "prefix", "known"), [(Outcome, "outcome", OUTCOME), (Verdict, "verdict", VERDICT)])
def test_what_a_dataclass_brings_along_is_in_the_catalogue(
    union: UnionType, prefix: str, known: tuple[str, ...]
) -> None:
    brought = {name for one in get_args(union) for name in _names_of(one, prefix)}

    assert brought | {prefix} == set(known)


def _names_of(shown: type[Any], prefix: str) -> Iterator[str]:
    kinds = get_type_hints(shown)
    for one in fields(shown):
        if one.repr:
            yield f"{prefix}_{one.name}"
            if hasattr(kinds[one.name], "__dataclass_fields__"):
                yield from _names_of(kinds[one.name], f"{prefix}_{one.name}")


# --- page and schema -------------------------------------------------------------------------------


def test_the_page_is_the_catalogues() -> None:
    told = "python -m tests.project.log_page page > docs/log-events.md"

    assert (ROOT / "docs" / "log-events.md").read_text(encoding="utf-8") == page(), told


def test_the_schema_is_the_catalogues() -> None:
    Draft202012Validator.check_schema(schema())
    told = "python -m tests.project.log_page schema > docs/log-schema.json"

    assert (ROOT / "docs" / "log-schema.json").read_text(encoding="utf-8") == spelled(schema()), told


LINE = {"at": "2026-11-29T17:42:47.000Z", "level": "info", "event": "daemon_stopped", "node": "mail-1", "left": 0}


@pytest.mark.parametrize(
    ("change", "complaint"),
    [
        pytest.param({}, "", id="a-line"),
        pytest.param({"email_id": "order-1"}, "", id="a-field-of-any-line"),
        pytest.param({"host": "mail-1", "unit": "tank-mailer.service", "priority": "6"}, "", id="as-it-was-shipped"),
        pytest.param({"left": "none"}, "'none' is not of type 'integer'", id="another-type"),
        pytest.param({"level": "error"}, "'error' is not one of ['info']", id="another-level"),
        pytest.param({"lane": "ordinary"}, "'lane' is not valid", id="a-field-of-another-event"),
        pytest.param({"colour": "red"}, "'colour' is not valid", id="a-field-of-none"),
        pytest.param({"event": "job_sent"}, "'job_sent' is not one of", id="no-event"),
    ],
)
def test_the_schema_tells_what_is_no_line_of_ours(change: dict[str, object], complaint: str) -> None:
    found = complaints([{**LINE, **change}])

    assert bool(found) == bool(complaint)
    assert all(complaint in told for told in found)


# --- what was released stays -----------------------------------------------------------------------


def names() -> list[str]:
    """Each event with its levels, and each of its fields with type and unit: what queries and alarms are built on."""
    found = [f"{event.name} {' '.join((event.level, *event.worse))}" for event in LOG_EVENTS]
    for place, one in [*_placed("*", [*HEAD, *ANYWHERE]), *(p for e in LOG_EVENTS for p in _placed(e.name, e.fields))]:
        found.append(f"{place}.{one} {_spelled(one)}")
    return sorted(found)


def _placed(place: str, of: list[str] | tuple[str, ...]) -> list[tuple[str, str]]:
    return [(place, one) for one in of]


def _spelled(name: str) -> str:
    one = {**FIELDS, **HEAD, **ANYWHERE}[name]
    return f"{one.type} {one.unit}".rstrip()


def test_no_name_that_was_released_goes_or_changes_silently() -> None:
    released = NAMES.read_text(encoding="utf-8").splitlines()

    assert sorted(set(released) - set(names())) == [], (
        "Log events and fields that were released are gone, renamed, or of another type, level or unit. People have "
        "queries and alarms on them: keep the old one beside the new one for a release, tell it in CHANGELOG.md under "
        "Changed, and take the lines out of tests/project/log_names.txt with the release after that."
    )


def test_new_names_are_kept_from_now_on() -> None:
    released = NAMES.read_text(encoding="utf-8").splitlines()
    told = "new log events or fields: put these lines into tests/project/log_names.txt, in order"

    assert sorted(set(names()) - set(released)) == [], told
    assert released == sorted(set(released)), "tests/project/log_names.txt is in order, and nothing stands twice"
