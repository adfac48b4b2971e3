"""docs/job-schema.json, out of the parser's own limits: `python -m tests.project.job_schema > docs/job-schema.json`.

It never refuses what the parser takes; what a schema cannot say (domains, sums over fields, days of the calendar)
it leaves to the parser.
"""

import json
from typing import Any

from tank_mailer.core import fields, labels
from tank_mailer.core.job import KNOWN, NOT_YET, REQUIRED

CONTROL = "\\x00-\\x1f\\x7f-\\x9f\u2028\u2029"
SPACES = " \u00a0\u1680\u2000-\u200a\u202f\u205f\u3000"  # what Python strips, as far as it is no control character
NO_CONTROL = {"pattern": f"^[^{CONTROL}]*$"}
MOMENT = r"^[0-9]{4}-[0-9]{2}-[0-9]{2}[Tt ][0-9]{2}:[0-9]{2}:[0-9]{2}(\.[0-9]+)?([Zz]|[+-][0-9]{2}:[0-9]{2})$"


def build() -> dict[str, Any]:
    return {
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "title": "A job for tank-mailer",
        "description": "One email, as a producer puts it on the queue. Names that are not listed are ignored.",
        "type": "object",
        "required": list(REQUIRED),
        "properties": {name: _described(name, schema) for name, schema in _properties().items()},
        "$defs": {
            "address": {"type": "string", "pattern": f"^[^{CONTROL}]*@[^{CONTROL}]*$"},
            "noneOrMore": {
                "anyOf": [
                    {"type": "null"},
                    {"const": ""},
                    {"$ref": "#/$defs/address"},
                    {"type": "array", "items": {"$ref": "#/$defs/address"}, "maxItems": fields.MAX_RECIPIENTS},
                ]
            },
        },
    }


def _properties() -> dict[str, dict[str, Any]]:
    address, some = {"$ref": "#/$defs/address"}, {"$ref": "#/$defs/noneOrMore"}
    many = {"type": "array", "items": address, "minItems": 1, "maxItems": fields.MAX_RECIPIENTS}
    return {
        "email_id": {
            "type": "string",
            "minLength": 1,
            "maxLength": fields.MAX_ID_CHARACTERS,
            "allOf": [NO_CONTROL, {"pattern": f"^[^{SPACES}]"}, {"pattern": f"[^{SPACES}]$"}],
        },
        "from": address,
        "to": {"anyOf": [address, many]},
        "subject": {"type": "string", "maxLength": fields.MAX_SUBJECT_CHARACTERS, **NO_CONTROL},
        "body": {"type": "string", "minLength": 1},
        "cc": some,
        "bcc": some,
        "reply_to": some,
        "text": {"type": ["string", "null"]},
        "headers": {
            "type": ["object", "null"],
            "maxProperties": labels.MAX_HEADERS,
            "propertyNames": {
                "pattern": f"^[!-9;-@A-~]{{1,{labels.MAX_HEADER_NAME_CHARACTERS}}}$",
                "not": {"pattern": _in_any_case(labels.HEADERS_SET_BY_SES, labels.RESERVED_HEADER_PREFIXES)},
            },
            "additionalProperties": {
                "type": "string",
                "minLength": 1,
                "maxLength": labels.MAX_HEADER_VALUE_CHARACTERS,
                **NO_CONTROL,
            },
        },
        "tags": {
            "type": ["object", "null"],
            "maxProperties": labels.MAX_TAGS,
            "propertyNames": {
                "pattern": f"^{labels.TAG_TEXT.pattern}$",
                "not": {"pattern": _in_any_case(labels.RESERVED_TAGS, ())},
            },
            "additionalProperties": {"type": "string", "pattern": f"^{labels.TAG_TEXT.pattern}$"},
        },
        "configuration_set": {"type": ["string", "null"], "pattern": "^[A-Za-z0-9_-]{1,64}$"},
        "expires_at": {"type": ["string", "null"], "pattern": MOMENT},
        "at_most_once": {"type": ["boolean", "null"]},
        **{name: {"enum": [None, False, 0, "", [], {}]} for name in NOT_YET},
    }


def _described(name: str, schema: dict[str, Any]) -> dict[str, Any]:
    return {"description": WHAT[name], **schema}


def _in_any_case(names: Any, prefixes: tuple[str, ...]) -> str:
    """A pattern; JSON Schema has no flag for it."""
    parts = [f"{_loose(name)}$" for name in sorted(names)] + [_loose(prefix) for prefix in prefixes]
    return f"^({'|'.join(parts)})"


def _loose(name: str) -> str:
    return "".join(f"[{one.upper()}{one}]" if one.isalpha() else one for one in name)


WHAT = {
    "email_id": "Yours, unique for each mail; the same id is sent once.",
    "from": "One address; its identity is verified in SES.",
    "to": "An address or a list; with cc and bcc 50 at most.",
    "subject": "One line; may be empty.",
    "body": "HTML.",
    "cc": "An address or a list.",
    "bcc": "An address or a list.",
    "reply_to": "An address or a list.",
    "text": "The plain alternative.",
    "headers": "Headers of your own: names and texts.",
    "tags": "Come back in SES's events.",
    "configuration_set": "One that tank-mailer is set up with; left out: its default.",
    "expires_at": "RFC 3339 with an offset; after it the job is not sent.",
    "at_most_once": "Never sent again while SES may have it.",
    **dict.fromkeys(NOT_YET, "Not supported yet."),
}


if __name__ == "__main__":
    assert set(WHAT) == KNOWN
    print(json.dumps(build(), indent=2))  # noqa: T201 - a script
