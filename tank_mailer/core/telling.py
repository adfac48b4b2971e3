"""When a letter to the web server is tried again, when it is given up, and when the web server counts as away."""

import re
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta

from tank_mailer.core.fields import FieldError, read_expiry

BACKOFF_S = (5.0, 30.0, 120.0, 600.0, 1_800.0, 3_600.0, 7_200.0)  # after each try that failed; the last one repeats
SPREAD = 0.2  # of a step: so much sooner or later, by jitter
GIVEN_UP_AFTER = timedelta(days=3)  # issue 3: retried for three days
LEAST_TRIES = 3  # a letter that is old because the daemon stood still has hardly been tried yet

FAILS_AT = 3  # letters in a row
FAILS_AFTER_S = 60.0  # or one after the other for so long, however few letters wait
MIN_PROBE_S = 5.0
MAX_PROBE_S = 60.0
PATIENCE_S = 3_600.0  # for so long it fails before letters are given up that nobody has tried


def wait_s(tries: int, jitter: float) -> float:
    """Seconds to wait after the `tries`-th failure (from 1), spread by `jitter` (0 to 1)."""
    step = BACKOFF_S[min(max(tries, 1), len(BACKOFF_S)) - 1]
    return step * (1 - SPREAD + 2 * SPREAD * jitter)


def is_old(created_at: datetime, now: datetime) -> bool:
    """Whether a letter has waited for as long as one may."""
    return now - created_at >= GIVEN_UP_AFTER


def next_try(created_at: datetime, *, tries: int, wait_s: float, now: datetime) -> datetime | None:
    """When a letter is tried again that has just failed for the `tries`-th time; None: it is given up.

    No wait goes beyond the end of the three days: then it is tried a last time.
    """
    if is_old(created_at, now):
        return None if tries >= LEAST_TRIES else now + timedelta(seconds=wait_s)
    return min(now + timedelta(seconds=wait_s), created_at + GIVEN_UP_AFTER)


# --- the web server --------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Health:
    """What the web server has failed to take since it last took anything. Times: seconds on any clock that rises.

    Attributes:
        letters: ids of letters that failed, as many as matter.
        since_s: when the first of them did.
        last_s: when one last did.
    """

    letters: frozenset[int] = frozenset()
    since_s: float = 0.0
    last_s: float = 0.0

    @property
    def is_failing(self) -> bool:
        """Whether it is the web server, and not a single letter."""
        return len(self.letters) >= FAILS_AT or self.failed_s >= FAILS_AFTER_S

    @property
    def failed_s(self) -> float:
        """For how long every try has failed."""
        return self.last_s - self.since_s

    @property
    def probe_wait_s(self) -> float:
        """How long it is left alone after the last failure: longer, the longer it fails."""
        return min(max(self.failed_s / 2, MIN_PROBE_S), MAX_PROBE_S)

    @property
    def next_probe_s(self) -> float:
        """When one letter is tried again."""
        return self.last_s + self.probe_wait_s

    @property
    def gives_up_untried(self) -> bool:
        """Whether it has failed for long enough to speak for letters that it was not asked to take."""
        return self.is_failing and self.failed_s >= PATIENCE_S

    def failed(self, letter: int, now_s: float) -> "Health":
        """Count one more failure; only a letter that was taken makes it good again."""
        if not self.letters:
            return Health(frozenset({letter}), now_s, now_s)
        letters = self.letters if len(self.letters) >= FAILS_AT else self.letters | {letter}
        return replace(self, letters=letters, last_s=max(self.last_s, now_s))


# --- a time to look back to ------------------------------------------------------------------------

_SPAN = re.compile(r"(\d{1,4})(min|h|d|w)", re.ASCII)
_SPANS = {
    "min": timedelta(minutes=1),
    "h": timedelta(hours=1),
    "d": timedelta(days=1),
    "w": timedelta(weeks=1),
}


class PastError(ValueError):
    """A text that names no time in the past; says why, and quotes nothing of it."""


def read_past(text: str, now: datetime) -> datetime:
    """Read a time as RFC 3339 spells it, or minutes, hours, days or weeks ago (`30min`, `2h`, `3d`, `1w`).

    Raises:
        PastError: it is neither, or not past.
    """
    found = _SPAN.fullmatch(text.strip().lower())
    try:
        at = now - int(found[1]) * _SPANS[found[2]] if found else read_expiry(text.strip())
    except FieldError:
        at = None
    if at is None:
        raise PastError("Give a time such as 2030-01-31T12:00:00Z, with Z or an offset at its end, or 30min, 2h, 3d.")
    if at > now:
        raise PastError("That time is ahead; give one that has passed.")
    return at.astimezone(UTC)
