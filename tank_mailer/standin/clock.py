"""The stand-in's two times, injectable so that a test never has to wait."""

import time
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Protocol


class Clock(Protocol):
    """Where the stand-in reads the time."""

    def monotonic(self) -> float:
        """Seconds that only ever rise: every wait and window is counted in them."""
        ...

    def wall(self) -> datetime:
        """The time of day, aware, in UTC: what a log or an answer shows."""
        ...


class SystemClock:
    """The clocks of this host."""

    def monotonic(self) -> float:
        """As the event loop counts."""
        return time.monotonic()

    def wall(self) -> datetime:
        """As the operating system has it."""
        return datetime.now(UTC)


@dataclass(slots=True)
class ManualClock:
    """Time that passes only when told to. Long polls still end by the event loop's own time."""

    passed_s: float = 1_000.0
    began_at: datetime = datetime(2026, 11, 1, tzinfo=UTC)

    def advance(self, by_s: float) -> None:
        """Let `by_s` seconds pass, for both times alike."""
        self.passed_s += by_s

    def monotonic(self) -> float:
        """The seconds that were let pass, and some."""
        return self.passed_s

    def wall(self) -> datetime:
        """The beginning and the seconds since."""
        return self.began_at + timedelta(seconds=self.passed_s)
