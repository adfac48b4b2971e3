"""Does a resource's policy let somebody do something? What cannot be judged is said to be unclear, never guessed.

IAM's own grammar, as far as topic and queue policies have it (docs: IAM policy elements).
"""

import json
import re
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from enum import StrEnum
from typing import Any, Final


class Says(StrEnum):
    """What a policy says."""

    ALLOWS = "allows"
    DENIES = "denies"  # by not allowing it, or by forbidding it
    UNCLEAR = "unclear"  # by conditions or elements that only AWS can judge


@dataclass(frozen=True, slots=True, kw_only=True)
class Request:
    """Who wants to do what.

    Attributes:
        service: such as `ses.amazonaws.com`.
        context: condition keys in lower case, and what they are in this request.
    """

    service: str
    action: str
    resource: str
    context: Mapping[str, str]


def judge_policy(text: str, request: Request) -> Says:
    """Read a policy document; one that is no policy allows nothing."""
    try:
        document = json.loads(text or "{}")
    except (ValueError, RecursionError):
        return Says.UNCLEAR
    statements = _each(document.get("Statement")) if isinstance(document, dict) else []
    allowed = Says.DENIES
    for statement in statements:
        applies = _applies(statement, request) if isinstance(statement, dict) else Says.UNCLEAR
        if applies is Says.DENIES:
            continue
        if not isinstance(statement, dict) or statement.get("Effect") != "Allow":
            return applies if applies is Says.UNCLEAR else Says.DENIES
        if allowed is not Says.ALLOWS:
            allowed = applies
    return allowed


def _applies(statement: dict[str, Any], request: Request) -> Says:
    """Whether a statement speaks of this request; DENIES: it does not."""
    parts = (
        _principal(statement, request.service),
        _element(statement, "Action", request.action, fold=True),
        _element(statement, "Resource", request.resource, fold=False),
        _conditions(statement.get("Condition"), request.context),
    )
    if Says.DENIES in parts:
        return Says.DENIES
    return Says.UNCLEAR if Says.UNCLEAR in parts else Says.ALLOWS


def _principal(statement: dict[str, Any], service: str) -> Says:
    if "NotPrincipal" in statement:
        return Says.UNCLEAR
    principal = statement.get("Principal")
    if principal == "*":
        return Says.ALLOWS
    if not isinstance(principal, dict):
        return Says.DENIES
    if service in _each(principal.get("Service")) or "*" in _each(principal.get("AWS")):
        return Says.ALLOWS
    return Says.DENIES


def _element(statement: dict[str, Any], name: str, wanted: str, *, fold: bool) -> Says:
    if f"Not{name}" in statement:
        return Says.UNCLEAR
    if name not in statement:
        return Says.ALLOWS  # a queue's policy from the console may leave its own ARN out
    found = any(_is_like(wanted, str(pattern), fold=fold) for pattern in _each(statement[name]))
    return Says.ALLOWS if found else Says.DENIES


# --- conditions ------------------------------------------------------------------------------------


def _is_like(value: str, pattern: str, *, fold: bool = False) -> bool:
    """IAM's * and ?; everything else stands for itself."""
    translated = "".join({"*": ".*", "?": "."}.get(one, re.escape(one)) for one in pattern)
    return re.fullmatch(translated, value, re.DOTALL | (re.IGNORECASE if fold else 0)) is not None


_OPERATORS: Final[Mapping[str, tuple[Callable[[str, str], bool], bool]]] = {  # and whether it is met by a match
    "stringequals": (lambda value, wanted: value == wanted, True),
    "stringequalsignorecase": (lambda value, wanted: value.lower() == wanted.lower(), True),
    "stringlike": (_is_like, True),
    "stringnotequals": (lambda value, wanted: value == wanted, False),
    "stringnotlike": (_is_like, False),
    "arnequals": (_is_like, True),  # IAM: ArnEquals and ArnLike are the same
    "arnlike": (_is_like, True),
    "arnnotequals": (_is_like, False),
    "arnnotlike": (_is_like, False),
    "bool": (lambda value, wanted: value.lower() == wanted.lower(), True),
}


def _conditions(given: object, context: Mapping[str, str]) -> Says:
    if not given:
        return Says.ALLOWS
    if not isinstance(given, dict):
        return Says.UNCLEAR
    met = [_condition(str(operator), key, values, context) for operator, key, values in _conditions_of(given)]
    if Says.DENIES in met:
        return Says.DENIES
    return Says.UNCLEAR if Says.UNCLEAR in met else Says.ALLOWS


def _conditions_of(given: dict[str, Any]) -> Iterator[tuple[str, str, object]]:
    for operator, keys in given.items():
        for key, values in keys.items() if isinstance(keys, dict) else (("", keys),):
            yield operator, key, values


def _condition(operator: str, key: str, values: object, context: Mapping[str, str]) -> Says:
    known = _OPERATORS.get(operator.lower().removesuffix("ifexists"))
    value = context.get(key.lower())
    if known is None or value is None:
        return Says.UNCLEAR
    matches, is_met = known
    found = any(matches(value, str(wanted)) for wanted in _each(values))
    return Says.ALLOWS if found is is_met else Says.DENIES


def _each(value: object) -> list[Any]:
    if value is None:
        return []
    return value if isinstance(value, list) else [value]
