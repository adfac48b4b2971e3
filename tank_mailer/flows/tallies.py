"""Counts what attempts ended in, for people who look on."""

import asyncio
from collections import Counter, deque
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from tank_mailer.core.errors import Reason
from tank_mailer.core.outcome import Accepted, Outcome
from tank_mailer.core.view import LAST_OUTCOMES, OutcomeView
from tank_mailer.ports import Clock
from tank_mailer.telemetry.flatten import word_of

MINUTE_S = 60.0


@dataclass(kw_only=True, eq=False)
class Tallies:
    """Outcomes since the start, the newest of them, and each lane's recipients of the last minute."""

    clock: Clock
    _outcomes: Counter[str] = field(default_factory=Counter)
    _last: deque[OutcomeView] = field(default_factory=lambda: deque(maxlen=LAST_OUTCOMES))
    _accepted: dict[str, deque[tuple[float, int]]] = field(default_factory=dict)

    def note(self, lane: str, email_id: str, outcome: Outcome, *, reason: Reason | None, recipients: int) -> None:
        """One attempt has ended."""
        word = word_of(outcome)
        self._outcomes[word] += 1
        self._last.append(OutcomeView(self.clock.now(), email_id, lane, word, reason))
        if isinstance(outcome, Accepted):
            self._of(lane).append((asyncio.get_running_loop().time(), recipients))

    @property
    def outcomes(self) -> Mapping[str, int]:
        """How many attempts ended so."""
        return dict(self._outcomes)

    @property
    def last(self) -> Sequence[OutcomeView]:
        """The newest, the newest of all at the end."""
        return tuple(self._last)

    def per_s(self, lane: str) -> float:
        """Recipients accepted a second, over the last minute."""
        accepted, now_s = self._of(lane), asyncio.get_running_loop().time()
        while accepted and accepted[0][0] < now_s - MINUTE_S:
            accepted.popleft()
        return round(sum(recipients for _, recipients in accepted) / MINUTE_S, 2)

    def _of(self, lane: str) -> deque[tuple[float, int]]:
        return self._accepted.setdefault(lane, deque())
