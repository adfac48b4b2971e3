"""What came of asking for one fact; what could not be seen is never taken for a fault."""

from dataclasses import dataclass
from typing import Generic, TypeVar

from tank_mailer.core.errors import Reason

T_co = TypeVar("T_co", covariant=True)


@dataclass(frozen=True, slots=True)
class Known(Generic[T_co]):
    """It was told."""

    value: T_co


@dataclass(frozen=True, slots=True)
class Absent:
    """It was told that there is no such thing."""


@dataclass(frozen=True, slots=True)
class Denied:
    """The key may not ask.

    Attributes:
        action: as IAM calls it.
        resource: the ARN to allow it on, or `*`.
    """

    action: str
    resource: str


@dataclass(frozen=True, slots=True)
class Unreached:
    """No answer, or none that says anything.

    Attributes:
        reason: what it comes from, where that is told once for all that was asked.
    """

    detail: str
    reason: Reason | None = None


@dataclass(frozen=True, slots=True)
class NotAsked:
    """There was nobody to ask, or no time."""

    why: str


Unseen = Denied | Unreached | NotAsked
Seen = Known[T_co] | Denied | Unreached | NotAsked
Found = Known[T_co] | Absent | Denied | Unreached | NotAsked  # of what may not exist


def value_of(seen: Found[T_co] | None) -> T_co | None:
    """The value, where it is known and there is one."""
    return seen.value if isinstance(seen, Known) else None
