"""How events travel: their delays, doubles and losses; as an observer sets them."""

from collections.abc import Callable
from dataclasses import dataclass, fields, replace
from enum import StrEnum
from typing import Any, Final

from tank_mailer.standin.errors import AwsError, Json
from tank_mailer.standin.event_kinds import EventKind, read_kinds

MAX_COPIES: Final = 100


class Notifying(StrEnum):
    """Whether the sender's identity notifies of bounces, complaints and deliveries."""

    OFF = "off"
    ALSO = "also"  # beside the configuration set's events: each bounce comes twice
    ONLY = "only"  # in their place


@dataclass(frozen=True, slots=True, kw_only=True)
class EventSettings:
    """What happens to events between SES and the queue."""

    latency_s: float = 0.05  # each step of a mail takes so long: Send, Delivery, Complaint ...
    delay_s: float = 0.0  # every event comes so much later
    shuffle_s: float = 0.0  # and by up to so much more, at random: the order is lost within it
    copies: int = 1  # so often each event comes, with SNS ids of their own
    lost_share: float = 0.0  # so many of all never come
    lost_next: int = 0  # the next so many never come; counts down
    lost_kinds: tuple[EventKind, ...] = ()  # and these never
    identity_notifications: Notifying = Notifying.OFF
    identity_headers: bool = False  # identity notifications with the original headers
    validation_text: bool = True  # SES's text to the topic when a destination is made or changed

    def changed(self, changes: Json) -> "EventSettings":
        """These settings with `changes` laid over them, checked."""
        read: dict[str, Any] = {}
        for name, value in changes.items():
            if name not in _READERS:
                raise _bad(f"unknown: {name}; known: {', '.join(sorted(_READERS))}")
            read[name] = _READERS[name](name, value)
        return replace(self, **read)

    def shown(self) -> Json:
        """As an observer reads them and a PUT takes them."""
        shown = {field.name: getattr(self, field.name) for field in fields(self)}
        return {**shown, "lost_kinds": [kind.name for kind in self.lost_kinds]}


def _seconds(name: str, value: object) -> float:
    if not isinstance(value, int | float) or isinstance(value, bool) or value < 0:
        raise _bad(f"{name} is a number from 0, in seconds")
    return float(value)


def _share(name: str, value: object) -> float:
    if not isinstance(value, int | float) or isinstance(value, bool) or not 0 <= value <= 1:
        raise _bad(f"{name} is a number from 0 to 1")
    return float(value)


def _number(low: int, high: int) -> Callable[[str, object], int]:
    def read(name: str, value: object) -> int:
        if not isinstance(value, int) or isinstance(value, bool) or not low <= value <= high:
            raise _bad(f"{name} is a whole number from {low} to {high}")
        return value

    return read


def _flag(name: str, value: object) -> bool:
    if not isinstance(value, bool):
        raise _bad(f"{name} is true or false")
    return value


def _notifying(name: str, value: object) -> Notifying:
    if not isinstance(value, str) or value not in list(Notifying):
        raise _bad(f"{name} is one of {', '.join(Notifying)}")
    return Notifying(value)


_READERS: Final[dict[str, Callable[[str, object], object]]] = {
    "latency_s": _seconds,
    "delay_s": _seconds,
    "shuffle_s": _seconds,
    "copies": _number(1, MAX_COPIES),
    "lost_share": _share,
    "lost_next": _number(0, 1_000_000_000),
    "lost_kinds": lambda _, value: read_kinds(value),
    "identity_notifications": _notifying,
    "identity_headers": _flag,
    "validation_text": _flag,
}


def _bad(text: str) -> AwsError:
    return AwsError("BadRequestException", text)
