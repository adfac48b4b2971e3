"""The catalogue of log events, for people and for machines.

`python -m tests.project.log_page page > docs/log-events.md`, and `... schema > docs/log-schema.json`.
"""

import json
import sys
from collections.abc import Iterator, Mapping
from typing import Any, Final

from tank_mailer.telemetry.catalogue import LOG_EVENTS, LogEvent
from tank_mailer.telemetry.fields import ANYWHERE, FIELDS, HEAD, FieldType, LogField

# What the files in config/shipping put beside our fields; none of ours has such a name.
SHIPPED: Final[Mapping[str, LogField]] = {
    "host": LogField(FieldType.TEXT, "The host that the line comes from."),
    "unit": LogField(FieldType.TEXT, "Its systemd unit; of a container its name."),
    "priority": LogField(FieldType.TEXT, "The journal's: 2 critical, 3 error, 4 warning, 6 info, 7 debug."),
}

PAGE: Final = """# Log events

One JSON object a line on standard output. In each: `at` (UTC), `level`, `event`, `node`; besides, `email_id` and
`queue_message_id` where they are known. Never an address, a subject, a body or a receipt handle: a recipient is named
by `recipient_key`, a hash with the site's own key, and `recipient_domain` (`TANK_LOG_ADDRESSES` can tell more). How
lines get to where they are kept and searched: [log-shipping.md](log-shipping.md);
what to do about those of the levels warning and error: [troubleshooting.md](troubleshooting.md#what-the-log-says).

**Names stay.** An event or a field that was released keeps its name, its type and its unit; new ones come. If one has
to go, it stays beside the new one for a release, and [CHANGELOG.md](../CHANGELOG.md) says so: a test fails otherwise.
Only `detail`, `remedy`, `said` and the like are for people, and are worded anew as need be. A name has one type in all
events, so that an index takes all lines. [log-schema.json](log-schema.json) is the same as a JSON Schema, with types
and units, for whatever checks or maps fields by itself.

This page is made from the code: `python -m tests.project.log_page page > docs/log-events.md`, and a test holds the two
together.

## Events

| event | level | meaning | fields |
| --- | --- | --- | --- |"""

IN_EACH: Final = """
## Fields

Times are RFC 3339 in UTC with milliseconds. A field that has nothing to say is missing. In each line, in this order:

| field | type | unit | meaning |
| --- | --- | --- | --- |"""

IN_ANY: Final = """
In any line:

| field | type | unit | meaning |
| --- | --- | --- | --- |"""

IN_SOME: Final = """
By event, as above:

| field | type | unit | meaning |
| --- | --- | --- | --- |"""

BESIDES: Final = """
Not ours, but put before the others by the files in `config/shipping/`:

| field | type | unit | meaning |
| --- | --- | --- | --- |"""

TYPES: Final[Mapping[FieldType, dict[str, object]]] = {
    FieldType.TEXT: {"type": "string"},
    FieldType.TIME: {"type": "string", "format": "date-time"},
    FieldType.INTEGER: {"type": "integer"},
    FieldType.NUMBER: {"type": "number"},
    FieldType.FLAG: {"type": "boolean"},
    FieldType.TEXTS: {"type": "array", "items": {"type": "string"}},
    FieldType.OBJECT: {"type": "object"},
}
NARROWER: Final[Mapping[str, dict[str, object]]] = {
    "level": {"enum": ["debug", "info", "warning", "error", "critical"]},
    "event": {"enum": [event.name for event in LOG_EVENTS]},
    "priority": {"enum": ["2", "3", "4", "6", "7"]},
}


def page() -> str:
    """All of the page."""
    tables = ((IN_EACH, HEAD), (IN_ANY, ANYWHERE), (IN_SOME, FIELDS), (BESIDES, SHIPPED))
    rows = [PAGE, *(_event_row(event) for event in LOG_EVENTS)]
    for head, fields in tables:
        rows += [head, *(_field_row(name, one) for name, one in fields.items())]
    return "\n".join(rows) + "\n"


def _event_row(event: LogEvent) -> str:
    levels = ", ".join((event.level, *event.worse))
    return f"| `{event.name}` | {levels} | {event.meaning} | {' '.join(f'`{name}`' for name in event.fields)} |"


def _field_row(name: str, field: LogField) -> str:
    return f"| `{name}` | {field.type} | {field.unit} | {field.meaning} |"


def schema() -> dict[str, Any]:
    """The same as a JSON Schema (draft 2020-12)."""
    everywhere = {**SHIPPED, **HEAD, **ANYWHERE}
    return {
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "title": "A log line of tank-mailer",
        "description": "docs/log-events.md says what events and fields mean. x-unit: the unit of a number.",
        "type": "object",
        "required": list(HEAD),
        "properties": {name: _property(name, one) for name, one in {**everywhere, **FIELDS}.items()},
        "$defs": {"in_any_line": {"enum": list(everywhere)}},
        "allOf": [_of_event(event) for event in LOG_EVENTS],
    }


def _property(name: str, field: LogField) -> dict[str, object]:
    unit = {"x-unit": field.unit} if field.unit else {}
    return {**TYPES[field.type], **NARROWER.get(name, {}), **unit, "description": field.meaning}


def _of_event(event: LogEvent) -> dict[str, object]:
    names = [{"$ref": "#/$defs/in_any_line"}, *([{"enum": list(event.fields)}] if event.fields else [])]
    return {
        "if": {"properties": {"event": {"const": event.name}}},
        "then": {"properties": {"level": {"enum": [event.level, *event.worse]}}, "propertyNames": {"anyOf": names}},
    }


def spelled(value: dict[str, Any]) -> str:
    """The schema as text: a line for each property and each event, so that a difference shows what has changed."""
    return "{\n" + ",\n".join(_members(value)) + "\n}\n"


def _members(value: dict[str, Any]) -> Iterator[str]:
    for name, one in value.items():
        match name, one:
            case "properties", dict():
                inner = ",\n".join(f"    {json.dumps(key)}: {json.dumps(each)}" for key, each in one.items())
                yield f'  "properties": {{\n{inner}\n  }}'
            case "allOf", list():
                inner = ",\n".join(f"    {json.dumps(each)}" for each in one)
                yield f'  "allOf": [\n{inner}\n  ]'
            case _:
                yield f"  {json.dumps(name)}: {json.dumps(one)}"


if __name__ == "__main__":
    sys.stdout.write(page() if sys.argv[1:] == ["page"] else spelled(schema()))
