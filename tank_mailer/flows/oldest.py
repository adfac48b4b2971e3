"""How old the oldest queue message was that came lately: SQS tells no such thing of a queue by its attributes."""

from dataclasses import dataclass
from typing import Final

from tank_mailer.ports import Clock

SPAN_S: Final = 300.0


@dataclass(kw_only=True, eq=False)
class OldestReceived:
    """The oldest of this span of five minutes, and of the one before."""

    clock: Clock
    _span: int = 0
    _now_s: float = 0.0
    _before_s: float = 0.0

    def note(self, age_s: float) -> None:
        """A message came that was put on its queue so long ago."""
        self._turn()
        self._now_s = max(self._now_s, age_s)

    @property
    def age_s(self) -> float:
        """As it came; 0.0 if none came."""
        self._turn()
        return max(self._now_s, self._before_s)

    def _turn(self) -> None:
        span = int(self.clock.boot_s() // SPAN_S)
        if span != self._span:
            self._before_s = self._now_s if span == self._span + 1 else 0.0
            self._now_s, self._span = 0.0, span
