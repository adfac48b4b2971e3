"""The sending rate as a sliding second."""

from collections import deque

from tank_mailer.standin.clock import Clock


class SlidingSecond:
    """Admits a call while the second before it has any room left (aws-facts 1.4).

    Each recipient takes one place. A call of more recipients than there is room for is one burst and then
    debt: those without a place get the next free ones, and calls are refused until these have passed too.
    """

    def __init__(self, clock: Clock, *, rate: float) -> None:
        """`rate` is in recipients a second; below one, the window is the time that one recipient takes."""
        self._clock = clock
        places = max(1, int(rate))
        self._window_s = places / rate
        # When the last `places` recipients took their places; times to come are debt.
        self._taken: deque[float] = deque(maxlen=places)

    def has_room(self) -> bool:
        """Whether a call may go out now."""
        return self._next_at() <= self._clock.monotonic()

    def take(self, recipients: int) -> None:
        """Let a call go out; ask `has_room` first."""
        now = self._clock.monotonic()
        for _ in range(recipients):
            self._taken.append(max(now, self._next_at()))

    def _next_at(self) -> float:
        taken = self._taken
        if len(taken) < (taken.maxlen or 0):
            return float("-inf")
        return taken[0] + self._window_s
