"""Scripted faults: asked before each request is served."""

from collections.abc import Callable
from dataclasses import asdict, dataclass, field, fields
from enum import StrEnum
from typing import Final, Protocol

from tank_mailer.standin.errors import AwsError, Json

ANY = "*"


class Kind(StrEnum):
    """What the caller gets to see."""

    STATUS = "status"  # an error: with a code as AWS's own, without one as a proxy's page
    RESET_BEFORE = "reset_before"  # the request is read, not processed, and the connection reset
    RESET_AFTER = "reset_after"  # processed, and the connection reset
    CLOSE_BEFORE = "close_before"  # as the resets, but the connection is closed in good order
    CLOSE_AFTER = "close_after"
    HANG = "hang"  # no answer until the caller goes away
    HTML = "html"  # 200 with a page, as a captive portal sends it
    NO_MESSAGE_ID = "no_message_id"  # the usual answer without its MessageId
    DELAY = "delay"  # the usual answer, later


_PROCESSED = frozenset({Kind.RESET_AFTER, Kind.CLOSE_AFTER, Kind.NO_MESSAGE_ID, Kind.DELAY})
_FIXED = frozenset({Kind.RESET_BEFORE, Kind.RESET_AFTER, Kind.CLOSE_BEFORE, Kind.CLOSE_AFTER})
_SERVICES = frozenset({"ses", "sqs", "sns", "sts", "iam", ANY})


@dataclass(slots=True, kw_only=True)
class Rule:
    """One fault: whom it strikes, how often, and what it does. `after` and `times` count down."""

    kind: Kind
    service: str = ANY
    operation: str = ANY
    times: int | None = 1  # None: for ever
    after: int = 0  # calls that pass first
    status: int = 503
    code: str = ""
    message: str = ""
    delay_s: float = 0.0
    processed: bool = False  # whether the request takes effect before the fault shows

    def matches(self, service: str, operation: str) -> bool:
        """Whether the rule is about this operation."""
        return self.service in {ANY, service} and self.operation in {ANY, operation}


class FaultSource(Protocol):
    """Whoever decides that a request shall fail: asked once for each, in the order of arrival."""

    def strike(self, service: str, operation: str) -> Rule | None:
        """The fault for this request, or None."""
        ...


@dataclass(slots=True, eq=False)
class Faults:
    """The rules left, in order; the first that matches and is due strikes."""

    rules: list[Rule] = field(default_factory=list)

    def strike(self, service: str, operation: str) -> Rule | None:
        """The first rule that is due, counted down."""
        for rule in self.rules:
            if not rule.matches(service, operation):
                continue
            if rule.after > 0:
                rule.after -= 1
                continue
            if rule.times is not None:
                rule.times -= 1
                if rule.times <= 0:
                    self.rules.remove(rule)
            return rule
        return None

    def add(self, *rules: Rule) -> None:
        """Put rules behind those that are there."""
        self.rules.extend(rules)

    def shown(self) -> list[Json]:
        """The rules left, as an observer reads them."""
        return [asdict(rule) for rule in self.rules]


def read_rules(given: object) -> list[Rule]:
    """The rules in a JSON list, or an error that names what is wrong with which."""
    if not isinstance(given, list):
        raise _bad("a JSON list of rules is wanted")
    return [_rule(number, entry) for number, entry in enumerate(given)]


def _rule(number: int, given: object) -> Rule:
    if not isinstance(given, dict):
        raise _bad(f"rule {number}: an object is wanted")
    known = {field.name for field in fields(Rule)}
    if unknown := sorted(set(given) - known):
        raise _bad(f"rule {number}: unknown {', '.join(unknown)}; known: {', '.join(sorted(known))}")
    if given.get("kind") not in list(Kind):
        raise _bad(f"rule {number}: kind is one of {', '.join(Kind)}")
    if given.get("service", ANY) not in _SERVICES:
        raise _bad(f"rule {number}: service is ses, sqs, sns, sts, iam or *")
    for name, (wanted, is_right) in _VALUES.items():
        if name in given and not is_right(given[name]):
            raise _bad(f"rule {number}: {name} is {wanted}")
    kind = Kind(given["kind"])
    processed = kind in _PROCESSED if kind in _FIXED else given.get("processed", kind in _PROCESSED)
    return Rule(**{**given, "kind": kind, "processed": processed})


def _is_count(value: object, *, low: int, high: int = 1_000_000_000) -> bool:
    return isinstance(value, int) and not isinstance(value, bool) and low <= value <= high


_VALUES: Final[dict[str, tuple[str, Callable[[object], bool]]]] = {
    "operation": ("a text", lambda value: isinstance(value, str)),
    "times": ("a whole number from 1, or null", lambda value: value is None or _is_count(value, low=1)),
    "after": ("a whole number", lambda value: _is_count(value, low=0)),
    "status": ("a number from 200 to 599", lambda value: _is_count(value, low=200, high=599)),
    "code": ("a text", lambda value: isinstance(value, str)),
    "message": ("a text", lambda value: isinstance(value, str)),
    "delay_s": ("a number", lambda value: isinstance(value, int | float) and value >= 0),
    "processed": ("true or false", lambda value: isinstance(value, bool)),
}


def _bad(text: str) -> AwsError:
    return AwsError("BadRequestException", text)
