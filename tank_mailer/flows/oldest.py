"""The oldest queue message that came lately: SQS tells no such thing of a queue by its attributes."""

from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Final

from tank_mailer.ports import Clock

SPAN_S: Final = 60.0


@dataclass(frozen=True, slots=True)
class _Oldest:
    sent_at: datetime
    age: timedelta  # as it came


@dataclass(kw_only=True, eq=False)
class OldestReceived:
    """The oldest of this minute, and of the one before: what came earlier has been worked on since."""

    clock: Clock
    _span: int = 0
    _now: _Oldest | None = None
    _before: _Oldest | None = None

    def note(self, sent_at: datetime, now: datetime) -> None:
        """A message came that was put on its queue then."""
        self._turn()
        if self._now is None or sent_at < self._now.sent_at:
            self._now = _Oldest(sent_at, now - sent_at)

    @property
    def sent_at(self) -> datetime | None:
        """When it was put on its queue; None if none came."""
        return min((one.sent_at for one in self._lately()), default=None)

    @property
    def age_s(self) -> float:
        """As it came; 0.0 if none came."""
        return max((one.age.total_seconds() for one in self._lately()), default=0.0)

    def _lately(self) -> list[_Oldest]:
        self._turn()
        return [one for one in (self._before, self._now) if one is not None]

    def _turn(self) -> None:
        span = int(self.clock.boot_s() // SPAN_S)
        if span != self._span:
            self._before = self._now if span == self._span + 1 else None
            self._now, self._span = None, span
