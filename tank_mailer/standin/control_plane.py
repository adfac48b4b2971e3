"""SES's calls beside SendEmail: one a second of each, when the stand-in is that strict (aws-facts 1.4)."""

from dataclasses import dataclass, field

from tank_mailer.standin.clock import Clock
from tank_mailer.standin.errors import AwsError
from tank_mailer.standin.pace import SlidingSecond

SEND = "SendEmail"  # has a rate of its own


@dataclass(slots=True, kw_only=True, eq=False)
class ControlPlane:
    """Counts each operation by itself."""

    clock: Clock
    is_strict: bool
    _paces: dict[str, SlidingSecond] = field(default_factory=dict)

    def admit(self, operation: str) -> None:
        """Take a place for this call, or raise."""
        if not self.is_strict or operation == SEND:
            return
        pace = self._paces.setdefault(operation, SlidingSecond(self.clock, rate=1.0))
        if not pace.has_room():
            raise AwsError("TooManyRequestsException", "Rate exceeded", status=429)
        pace.take(1)

    def clear(self) -> None:
        """Forget every call."""
        self._paces.clear()
