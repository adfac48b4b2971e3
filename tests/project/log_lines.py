"""Real log lines against the schema, for whoever has some."""

from collections.abc import Iterable, Iterator
from functools import cache
from typing import Any

from jsonschema import Draft202012Validator  # type: ignore[import-untyped]

from tests.project.log_page import schema


def complaints(lines: Iterable[dict[str, Any]]) -> list[str]:
    """What the schema has against them; of lines of one shape the first is looked at."""
    shapes = {_shape(line): line for line in lines}
    return [told for line in shapes.values() for told in _complaints(line)]


def _shape(line: dict[str, Any]) -> tuple[object, ...]:
    return line.get("event"), line.get("level"), tuple(sorted((name, type(one).__name__) for name, one in line.items()))


def _complaints(line: dict[str, Any]) -> Iterator[str]:
    for error in _validator().iter_errors(line):
        yield f"{line.get('event')}: {'.'.join(map(str, error.absolute_path))} {error.message[:300]}"


@cache
def _validator() -> Any:  # jsonschema tells no types
    return Draft202012Validator(schema(), format_checker=Draft202012Validator.FORMAT_CHECKER)
