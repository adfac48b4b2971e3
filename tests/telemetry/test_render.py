"""A log event becomes one line."""

import json
from typing import Any

import pytest
from typing_extensions import override

from tank_mailer.telemetry.flatten import Nested
from tank_mailer.telemetry.render import MAX_LINE_BYTES, Format, Renderer, scrub, told

AT_S = 1_785_412_800.123  # 2026-07-30T12:00:00.123Z


def line(
    event: str = "job_settled",
    level: str = "info",
    fmt: Format = "json",
    *,
    journal: bool = False,
    colour: bool = False,
    **fields: Any,  # what loggers take
) -> str:
    renderer = Renderer(node="n-1", fmt=fmt, journal=journal, colour=colour, now=lambda: AT_S)
    return renderer(None, level, {"event": event, **fields})


def test_a_line_of_json() -> None:
    text = line(email_id="e-1", receive_count=1)

    assert text == (
        '{"at":"2026-07-30T12:00:00.123Z","level":"info","event":"job_settled","node":"n-1",'
        '"email_id":"e-1","receive_count":1}\n'
    )


def test_a_line_without_fields() -> None:
    assert json.loads(line()) == {
        "at": "2026-07-30T12:00:00.123Z",
        "level": "info",
        "event": "job_settled",
        "node": "n-1",
    }


def test_a_line_for_people() -> None:
    text = line(fmt="console", email_id="e-1", said="two words", ok=True)

    assert text == ('2026-07-30T12:00:00.123Z info     job_settled          email_id=e-1 said="two words" ok=true\n')


def test_colour_is_for_the_level_alone() -> None:
    assert "\x1b[33mwarning \x1b[0m job_settled" in line(level="warning", fmt="console", colour=True)


@pytest.mark.parametrize(
    ("level", "prefix"),
    [("debug", "<7>"), ("info", "<6>"), ("warning", "<4>"), ("error", "<3>"), ("critical", "<2>")],
)
@pytest.mark.parametrize("fmt", ["json", "console"])
def test_the_journal_gets_priorities(level: str, prefix: str, fmt: Format) -> None:
    assert line(level=level, fmt=fmt, journal=True).startswith(prefix)
    assert not line(level=level, fmt=fmt).startswith("<")


@pytest.mark.parametrize("fmt", ["json", "console"])
@pytest.mark.parametrize(
    "hostile",
    [
        pytest.param('x\n{"level":"critical","event":"forged"}', id="a-line-feed"),
        pytest.param("x\r<2>forged", id="a-carriage-return"),
        pytest.param("\x1b]0;title\x07\x1b[2J", id="terminal-codes"),
        pytest.param("\x9b31mred", id="terminal-codes-of-one-byte"),
        pytest.param("a\x00b\x7f", id="NUL-and-DEL"),
        pytest.param("\u2028\u2029\u202etxt.exe\u0085", id="Unicode's-line-ends-and-reversals"),
        pytest.param("\ud800", id="half-a-character"),
    ],
)
def test_no_text_leaves_its_line(hostile: str, fmt: Format) -> None:
    """Whoever may put jobs on the queue must not be able to forge log lines."""
    names: dict[str, Any] = {hostile: "as a name"}

    text = line(f"e{hostile}", fmt=fmt, email_id=hostile, **names)

    assert text.endswith("\n")
    assert text[:-1].isprintable()
    assert text.encode()


@pytest.mark.parametrize("fmt", ["json", "console"])
@pytest.mark.parametrize(
    "fields",
    [
        pytest.param({"said": "x" * 10_000}, id="one-long-text"),
        pytest.param({"said": "ü" * 10_000}, id="six-bytes-a-character"),
        pytest.param({"said": "😀" * 10_000}, id="twelve-bytes-a-character"),
        pytest.param({f"field_{n}": "ü" * 500 for n in range(40)}, id="many-texts"),
        pytest.param({f"field_{n}": "x" * 50 for n in range(500)}, id="far-too-many-fields"),
        pytest.param({"v": ["ü" * 1000] * 10}, id="a-list-of-long-texts"),
        pytest.param({"n" * 5000: 1}, id="a-long-name"),
        pytest.param({"numbers": list(range(10)), "number": "9" * 5000}, id="a-long-number"),
    ],
)
def test_a_line_has_an_end(fields: dict[str, Any], fmt: Format) -> None:
    """In journalctl longer JSON fields read null."""
    text = line(fmt=fmt, journal=True, email_id="e-1", **fields)

    assert len(text.encode()) <= MAX_LINE_BYTES
    assert "e-1" in text
    assert "clipped" in text


def test_a_text_is_clipped_before_fields_are_dropped() -> None:
    told_of = json.loads(line(email_id="e-1", attempts=2, said="x" * 10_000))

    assert told_of["said"] == "x" * 600 + "…"
    assert (told_of["attempts"], told_of["clipped"]) == (2, True)


def test_a_line_that_fits_is_left_alone() -> None:
    assert json.loads(line(said="x" * 3900))["said"] == "x" * 3900


def broken(message: str, cause: Exception | None = None) -> Exception:
    """An error as it is caught: with the way it came."""

    def fail() -> None:
        raise RuntimeError(message) from cause

    try:
        fail()
    except RuntimeError as error:
        return error
    return AssertionError("it did not fail")


def test_an_error_tells_where_and_why() -> None:
    error = broken("poll", ConnectionError("reset by bob@example.com\nnext"))

    told_of = json.loads(line("flow_crashed", level="error", exc_info=error))

    assert told_of["exception"] == "RuntimeError: poll"
    assert told_of["caused_by"] == ["ConnectionError: reset by <address>\nnext"]
    assert "telemetry/test_render.py:" in told_of["traceback"]
    assert told_of["traceback"].endswith(" fail")


def test_an_error_group_tells_its_parts() -> None:
    group = ExceptionGroup("two tasks", [ValueError("a"), KeyError("b")])

    assert told(group)["exceptions"] == ["ValueError: a", "KeyError: 'b'"]


@pytest.mark.parametrize(
    "nothing",
    [pytest.param(True, id="no-error-at-the-moment"), pytest.param((None, None, None), id="an-empty-triple")],
)
def test_no_error_tells_nothing(nothing: object) -> None:
    assert told(nothing) == {}


def test_the_current_error_is_found() -> None:
    try:
        json.loads("{")
    except ValueError:
        assert str(told(True)["exception"]).startswith("JSONDecodeError: Expecting")


def test_an_error_without_a_text_breaks_nothing() -> None:
    class MuteError(Exception):
        @override
        def __str__(self) -> str:
            raise RuntimeError

    assert told(MuteError())["exception"] == "MuteError: <RuntimeError>"


def test_causes_in_a_circle_end() -> None:
    first, second = ValueError("1"), ValueError("2")
    first.__cause__, second.__cause__ = second, first

    assert told(first)["caused_by"] == ["ValueError: 2"]


@pytest.mark.parametrize(
    ("text", "scrubbed"),
    [
        pytest.param("to <bob@example.com>: no", "to <<address>>: no", id="an-address"),
        pytest.param("to=bob@example.com,x@y", "to=<address>,<address>", id="several"),
        pytest.param("'bob@@example.com': no address", "'<address>': no address", id="a-mistyped-one"),
        pytest.param(
            "(sqlite3.Error) locked [SQL: INSERT ...] [parameters: ('bob',)]",
            "(sqlite3.Error) locked [SQL]",
            id="SQL-and-its-values",
        ),
        pytest.param("plain", "plain", id="nothing-to-hide"),
    ],
)
def test_scrub(text: str, scrubbed: str) -> None:
    assert scrub(text) == scrubbed


def test_what_is_nested_is_whole_in_a_clipped_line_and_not_for_people() -> None:
    nested = Nested({"Timestamp": 1, "CloudWatchMetrics": [{"Namespace": "n" * 700}]})
    clipped = json.loads(line(said="x" * 10_000, _aws=nested))

    assert clipped["_aws"] == nested.content
    assert clipped["clipped"] is True
    assert line(fmt="console", rate=12.6, _aws=nested).endswith(" rate=12.6\n")
