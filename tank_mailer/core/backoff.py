"""How long a job waits before it is tried again."""

from dataclasses import dataclass

BACKOFF_S = (30.0, 300.0, 1800.0)  # DESIGN 5: after the first, second and every later failure


def backoff_s(failures: int, jitter: float) -> float:
    """Seconds to wait after the `failures`-th failure (from 1): half of it fixed, half by `jitter` (0 to 1)."""
    step = BACKOFF_S[min(max(failures, 1), len(BACKOFF_S)) - 1]
    return step / 2 + step / 2 * jitter


@dataclass(frozen=True, slots=True)
class RetryPolicy:
    """How often and how long.

    Attributes:
        max_attempts: charged attempts before a job is given up.
        in_doubt_wait_s: how long evidence is awaited before a doubtful job is sent again.
        resends_doubt: False if a doubtful job is never sent again (`TANK_IN_DOUBT=hold`).
        max_resends: how often a job is sent again in spite of a doubt.
        max_throttles: throttled attempts, while others pass, that make one failure.
        has_channel: whether SES's events come back to us: then evidence is awaited, and its absence must be proven.
        no_channel_wait_s: how long a doubt waits at most where they do not, or the mail goes through no
            configuration set.
        max_doubt_s: after so long an unsettled doubt is given up.
        evidence_wait_s: with a channel, the least wait after a failure: SES may have the mail all the same.
    """

    max_attempts: int = 3
    in_doubt_wait_s: float = 900.0
    resends_doubt: bool = True
    max_resends: int = 3  # DESIGN 6
    max_throttles: int = 20  # DESIGN 5: while others pass
    has_channel: bool = False
    no_channel_wait_s: float = 120.0  # DESIGN 6: nothing can settle it, so why wait longer
    max_doubt_s: float = 21_600.0  # DESIGN 6: six hours
    evidence_wait_s: float = 120.0  # DESIGN 5

    def failure_wait_s(self, failures: int, jitter: float) -> float:
        """Seconds to wait after the `failures`-th failure."""
        return max(backoff_s(failures, jitter), self.evidence_wait_s if self.has_channel else 0.0)

    def doubt_wait_s(self, configuration_set: str | None) -> float:
        """Seconds until a doubt about a mail through this set is looked at."""
        if self.has_channel and configuration_set:
            return self.in_doubt_wait_s
        return min(self.in_doubt_wait_s, self.no_channel_wait_s)
