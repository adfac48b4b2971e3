"""A queue message's body as a JSON object: what is none, and what JSON leaves open and a job may not."""

import json

from tank_mailer.core.errors import Reason
from tank_mailer.core.fields import FieldError

MAX_RAW_BYTES = 1_048_576  # SQS: message quotas


def read_object(raw: str) -> tuple[dict[str, object], list[str]]:
    """Return the object that `raw` spells, and the names that some object in it gives twice."""
    if len(raw.encode("utf-8", "surrogatepass")) > MAX_RAW_BYTES:
        raise FieldError(
            Reason.TOO_LARGE,
            f"The job is larger than the {MAX_RAW_BYTES} bytes that SQS takes; link to large content.",
        )
    if raw.startswith("\ufeff"):
        raise FieldError(Reason.NOT_JSON, "The job begins with a byte order mark; write UTF-8 without one.")
    doubled: list[str] = []

    def fold(pairs: list[tuple[str, object]]) -> dict[str, object]:
        folded = dict(pairs)
        if len(folded) < len(pairs):
            doubled.extend(_doubled(pairs))
        return folded

    try:
        found = json.loads(
            raw,
            object_pairs_hook=fold,
            parse_int=float,  # no field is a number; int() raises beyond 4300 digits
            parse_constant=_refuse_constant,
        )
    except RecursionError:
        raise FieldError(Reason.TOO_DEEP, "The job's JSON is nested far deeper than any job needs.") from None
    except json.JSONDecodeError as error:
        raise FieldError(
            Reason.NOT_JSON,
            f"The job is not JSON: {error.msg}, line {error.lineno}, column {error.colno}.",
        ) from None  # the cause holds the whole text
    if not isinstance(found, dict):
        raise FieldError(Reason.NOT_JSON, "The job is JSON, but not an object of fields in curly braces.")
    return found, doubled


def _doubled(pairs: list[tuple[str, object]]) -> list[str]:
    seen: set[str] = set()
    doubled = []
    for name, _ in pairs:
        if name in seen:
            doubled.append(name)
        seen.add(name)
    return doubled


def _refuse_constant(name: str) -> object:
    raise FieldError(Reason.NOT_JSON, f"The job is not JSON: {name} is no number there.")
