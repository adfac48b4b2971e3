"""Values become fields: `verdict=Retry(1.0)` turns into `verdict="retry", verdict_delay_s=1.0`."""

import math
import re
from collections.abc import Callable, Collection, Iterable, Mapping
from dataclasses import dataclass, fields, is_dataclass
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from enum import Enum
from functools import cache
from itertools import islice
from pathlib import PurePath
from typing import Any
from uuid import UUID

Scalar = str | int | float | bool
Flat = Scalar | list[Scalar] | dict[str, Any]

MAX_ITEMS = 10  # of a list; what is left out shows as "…+N"
MAX_FIELDS = 64  # of one line; more is a mistake, not a message
MAX_DEPTH = 4  # of dataclasses within dataclasses; of deeper ones only the class is told
MAX_INT = 2**63 - 1  # what reads JSON holds no more; Python itself refuses to spell 4,300 digits
DIGITS = 6  # of a fraction: microseconds

# Whatever the caller means by them: these never leave the process by the log (DESIGN 2.7).
FORBIDDEN = frozenset(
    {
        *("address", "bcc", "body", "cc", "from", "headers", "html", "mailbox", "raw", "recipient"),
        *("recipients", "reply_to", "sender", "subject", "text", "to"),
        *("authorization", "database_url", "hash_key", "password", "receipt_handle", "secret", "token"),
    },
)
HEAD = frozenset({"at", "level", "event", "node"})  # ours in each line: nobody else's

_HUMP = re.compile(r"(?<=[a-z0-9])(?=[A-Z])|(?<=[A-Z])(?=[A-Z][a-z])")


@dataclass(frozen=True, slots=True)
class Nested:
    """An object that goes into a JSON line as it is, for those who read it by a form of their own (CloudWatch).

    Nothing in it is looked at: it holds numbers and names of ours alone. Lines for people leave it out.
    """

    content: dict[str, Any]


def flatten(**values: object) -> dict[str, Flat]:
    """Make fields of `values`, in their order.

    A dataclass gives its name in snake case and its fields, joined by an underscore; an enum its
    value; a time its ISO form; None nothing. Fields with a forbidden name are left out and named in
    `redacted`. Never raises.
    """
    return flatten_fields(values)


def word_of(value: object) -> str:
    """The word that stands for a dataclass in a log line, such as `in_doubt`."""
    return _shape(type(value))[0]


def name_of(kind: type) -> str:
    """The same word, for the class itself."""
    return _shape(kind)[0]


def flatten_fields(values: Mapping[str, Any]) -> dict[str, Flat]:
    """Do what `flatten` does, for a mapping."""
    flat: dict[str, Flat] = {}
    redacted: list[Scalar] = []
    for name, value in values.items():
        if name in FORBIDDEN:
            redacted.append(name)
        elif name not in HEAD and value is not None:
            convert = _converter(type(value))
            if convert is _itself:  # most are; a call saved
                flat[name] = value
            elif convert is not None:
                flat[name] = convert(value)
            else:
                _put(flat, redacted, name=name, value=value, depth=0)
    if redacted:
        flat["redacted"] = redacted[:MAX_ITEMS]
    return flat


def _put(flat: dict[str, Flat], redacted: list[Scalar], *, name: str, value: Any, depth: int) -> None:  # noqa: ANN401
    """Add what becomes several fields, or a list."""
    nested: Iterable[tuple[Any, Any]]
    if isinstance(value, Mapping):
        nested = islice(value.items(), MAX_FIELDS)
    elif isinstance(value, Collection):
        flat[name] = _listed(value)
        return
    else:
        word, names = _shape(type(value))
        flat[name] = word
        nested = ((field, getattr(value, field, None)) for field in names)
    for key, item in nested:
        full_name = f"{name}_{_scalar(key)}"
        if key in FORBIDDEN or full_name in FORBIDDEN:
            redacted.append(full_name)
        elif item is not None and len(flat) < MAX_FIELDS:
            convert = _converter(type(item))
            if convert is None and depth < MAX_DEPTH:
                _put(flat, redacted, name=full_name, value=item, depth=depth + 1)
            else:
                flat[full_name] = _scalar(item)


def _listed(values: Collection[Any]) -> Flat:
    items = [_scalar(item) for item in islice(values, MAX_ITEMS)]
    if len(values) > MAX_ITEMS:
        items.append(f"…+{len(values) - MAX_ITEMS}")
    return items


def _scalar(value: Any) -> Scalar:  # noqa: ANN401  # that is its purpose
    scalar: Scalar = (_converter(type(value)) or _kind)(value)
    return scalar


def _choose_converter(of: type) -> Callable[[Any], Any] | None:
    """Say how values of a type become one field; None for what becomes several, or a list."""
    if issubclass(of, Enum):
        return _enum_value
    if of in {str, bool}:
        return _itself
    if of is Nested:
        return _content
    for base, convert in _CONVERTERS:
        if issubclass(of, base):
            return convert
    if is_dataclass(of) or issubclass(of, Mapping | list | tuple | set | frozenset):
        return None
    return _kind


def _shape_of(of: type) -> tuple[str, tuple[str, ...]]:
    """The name and the fields of a dataclass, as a log line has them."""
    return _HUMP.sub("_", of.__name__).lower(), tuple(field.name for field in fields(of) if field.repr)


def _itself(value: Scalar) -> Scalar:
    return value


def _content(value: Nested) -> dict[str, Any]:
    return value.content


def _enum_value(value: Enum) -> Scalar:
    return _scalar(value.value)


def _int(value: int) -> Scalar:
    return int(value) if -MAX_INT <= value <= MAX_INT else "<huge>"


def _float(value: float) -> Scalar:
    return round(value, DIGITS) if math.isfinite(value) else str(value)


def _moment(value: datetime) -> str:
    if value.tzinfo is None:
        return value.isoformat(timespec="milliseconds")
    return value.astimezone(UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")


def _kind(value: object) -> str:
    """What a value is, where its text could tell of a person (a job, an exception) or fail."""
    return f"<{type(value).__name__}>"


_CONVERTERS: tuple[tuple[type, Callable[[Any], Scalar]], ...] = (
    (float, _float),
    (str, str.__str__),
    (int, _int),
    (datetime, _moment),
    (date, date.isoformat),
    (timedelta, timedelta.total_seconds),
    (bytes, lambda value: f"<{len(value)} bytes>"),
    (BaseException, lambda value: type(value).__name__),
    (type, lambda value: value.__name__),
    *((plain, str) for plain in (Decimal, PurePath, UUID)),
)
_converter: Callable[[type], Callable[[Any], Any] | None] = cache(_choose_converter)
_shape: Callable[[type], tuple[str, tuple[str, ...]]] = cache(_shape_of)
