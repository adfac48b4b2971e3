"""The sending rate as a sliding second."""

from collections import deque

from tank_mailer.standin.clock import Clock

SECOND_S = 1.0


class SlidingSecond:
    """Admits a call while the second before it has any room left (aws-facts 1.4).

    Each recipient takes one place. A call of more recipients than there is room for is one burst and then
    debt: those without a place get the next free ones, and calls are refused until these have passed too.
    """

    def __init__(self, clock: Clock, *, rate: float) -> None:
        """`rate` is in recipients a second; below one, the window is the time that one recipient takes."""
        self._clock = clock
        self._taken: deque[float] = deque()  # when each took its place, in order; times to come are debt
        self._set(rate)

    def has_room(self) -> bool:
        """Whether a call may go out now."""
        return self._next_at() <= self._clock.monotonic()

    def take(self, recipients: int) -> None:
        """Let a call go out; ask `has_room` first."""
        now = self._clock.monotonic()
        self._forget(now)
        for _ in range(recipients):
            self._taken.append(max(now, self._next_at()))

    def change(self, rate: float) -> None:
        """Go on at another rate: the places of this second stay taken, debts are paid at the new one."""
        now = self._clock.monotonic()
        debt = 0
        while self._taken and self._taken[-1] > now:
            self._taken.pop()
            debt += 1
        self._set(rate)
        self.take(debt)

    def _set(self, rate: float) -> None:
        self._places = max(1, int(rate))
        self._window_s = self._places / rate

    def _next_at(self) -> float:
        if len(self._taken) < self._places:
            return float("-inf")
        return self._taken[-self._places] + self._window_s

    def _forget(self, now: float) -> None:
        """Drop what is no longer in any window, this rate's or another one's from one a second on."""
        window_s = max(SECOND_S, self._window_s)
        while self._taken and self._taken[0] + window_s < now:
            self._taken.popleft()
