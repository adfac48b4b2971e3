"""A log event becomes one line: JSON for machines, or plain text for a terminal."""

import json
import re
import sys
import time
import traceback
from collections.abc import Callable, Mapping, MutableMapping
from dataclasses import dataclass, field
from itertools import islice
from types import TracebackType
from typing import Any, Literal

from tank_mailer.telemetry.flatten import Flat, flatten_fields

Format = Literal["json", "console"]

MAX_LINE_BYTES = 4095  # journalctl shows longer JSON fields as null; newline and prefix included
CLIPS = (600, 200, 60)  # characters of a text, from the first try to the last
KEPT = ("email_id", "queue_message_id")  # what the shortest line still says besides its head
MAX_ERROR_CHARS = 400
MAX_FRAMES = 12
MAX_CAUSES = 4

PRIORITIES = {"debug": 7, "info": 6, "warning": 4, "error": 3, "critical": 2}  # sd-daemon(3)
COLOURS = {"debug": "\x1b[2m", "warning": "\x1b[33m", "error": "\x1b[31m", "critical": "\x1b[1;31m"}

_ADDRESS = re.compile(r"[^\s@<>\"'(),;:=\[\]]+@+[^\s@<>\"'(),;:=\[\]]+")
_SQL = re.compile(r"\[(SQL|parameters): .*", re.DOTALL)  # SQLAlchemy tells statement and values
_BARE = re.compile(r"[\w.:/@+*…-]+")
# ASCII only: one character is one byte, and no control character of any alphabet gets through.
_json = json.JSONEncoder(separators=(",", ":"), check_circular=False).encode
_quoted = json.encoder.encode_basestring_ascii


@dataclass(slots=True, kw_only=True)
class Renderer:
    """The last structlog processor: returns the line, newline included, and never raises."""

    node: str
    fmt: Format
    journal: bool = False
    colour: bool = False
    now: Callable[[], float] = time.time
    _second: tuple[int, str] = field(default=(0, ""), init=False)

    def __call__(self, _logger: object, method: str, event_dict: MutableMapping[str, Any]) -> str:
        """Render what structlog hands over."""
        event = event_dict.pop("event", "")
        error = event_dict.pop("exc_info", None)
        fields = flatten_fields(event_dict)
        if error:
            fields |= told(error)
        return self.line(method, str(event), fields)

    def line(self, level: str, event: str, fields: Mapping[str, Flat]) -> str:
        """Render one event, clipped so that it stays below `MAX_LINE_BYTES`."""
        line = self._render(level, event, fields)
        if len(line) < MAX_LINE_BYTES // 2 or _size(line) <= MAX_LINE_BYTES:
            return line
        for chars in CLIPS:
            clipped = {name: _clip(value, chars) for name, value in fields.items()}
            line = self._render(level, event, {**clipped, "clipped": True})
            if _size(line) <= MAX_LINE_BYTES:
                return line
        kept = {name: _clip(fields[name], CLIPS[-1]) for name in KEPT if name in fields}
        return self._render(level, event[: CLIPS[-1]], {**kept, "clipped": True})

    def _render(self, level: str, event: str, fields: Mapping[str, Flat]) -> str:
        prefix = f"<{PRIORITIES.get(level, 6)}>" if self.journal else ""
        at = self._at()
        if self.fmt == "json":
            head = f'"at":"{at}","level":"{level}","event":{_quoted(event)},"node":{_quoted(self.node)}'
            return f"{prefix}{{{head},{_json(fields)[1:]}\n" if fields else f"{prefix}{{{head}}}\n"
        told = [(name, value) for name, value in fields.items() if not isinstance(value, dict)]
        words = " ".join(f"{_word(name)}={_word(value)}" for name, value in told)
        start, end = (COLOURS.get(level, ""), "\x1b[0m") if self.colour else ("", "")
        return f"{prefix}{at} {start}{level:<8}{end} {_word(event):<20} {words}".rstrip() + "\n"

    def _at(self) -> str:
        second, ms = divmod(int(self.now() * 1000), 1000)
        known, text = self._second
        if known != second:
            text = time.strftime("%Y-%m-%dT%H:%M:%S", time.gmtime(second))
            self._second = (second, text)
        return f"{text}.{ms:03d}Z"


def told(error: object) -> dict[str, Flat]:
    """Make fields of an exception: what it says, where it came up, what caused it.

    Args:
        error: what `exc_info` may be: an exception, its triple, or True for the current one.
    """
    if isinstance(error, tuple):
        error = error[1]
    elif not isinstance(error, BaseException):
        error = sys.exc_info()[1]
    if not isinstance(error, BaseException):
        return {}
    fields: dict[str, Flat] = {"exception": _said(error), "traceback": _way(error.__traceback__)}
    causes: list[str] = []
    seen = {id(error)}
    cause = error.__cause__ or (None if error.__suppress_context__ else error.__context__)
    while cause is not None and id(cause) not in seen and len(causes) < MAX_CAUSES:
        seen.add(id(cause))
        causes.append(_said(cause))
        cause = cause.__cause__ or (None if cause.__suppress_context__ else cause.__context__)
    if causes:
        fields["caused_by"] = [*causes]
    if isinstance(error, BaseExceptionGroup):
        inner = error.exceptions[0]
        fields["exceptions"] = [_said(one) for one in islice(error.exceptions, MAX_CAUSES)]
        fields["traceback"] = f"{fields['traceback']} | {_way(inner.__traceback__)}"
    return fields


def scrub(text: str) -> str:
    """Take addresses, SQL and its values out of a text that a library made."""
    return _ADDRESS.sub("<address>", _SQL.sub("[SQL]", text[: MAX_ERROR_CHARS * 4]))[:MAX_ERROR_CHARS]


def _said(error: BaseException) -> str:
    try:
        text = scrub(str(error))
    except Exception as broken:  # noqa: BLE001  # a broken __str__ must not hide the error itself
        text = f"<{type(broken).__name__}>"
    return f"{type(error).__name__}: {text}" if text else type(error).__name__


def _way(trace: TracebackType | None) -> str:
    """The innermost frames, outermost first."""
    frames = traceback.StackSummary.extract(traceback.walk_tb(trace), lookup_lines=False)[-MAX_FRAMES:]
    return " > ".join(place_of(f.filename, f.lineno, f.name) for f in frames)


def place_of(filename: str, line: int | None, name: str) -> str:
    """One place in the code, as log lines have it: folder, file, line and function."""
    return f"{'/'.join(filename.split('/')[-2:])}:{line} {name}"


def _clip(value: Flat, chars: int) -> Flat:
    if isinstance(value, str) and len(value) > chars:
        return value[:chars] + "…"
    if isinstance(value, list):
        return [item[:chars] if isinstance(item, str) else item for item in value]
    return value


def _word(value: Flat) -> str:
    if isinstance(value, str) and _BARE.fullmatch(value):
        return value
    if isinstance(value, str):
        return json.dumps(value, ensure_ascii=not value.isprintable())
    return _json(value)


def _size(line: str) -> int:
    return len(line) if line.isascii() else len(line.encode(errors="backslashreplace"))
