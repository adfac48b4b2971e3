"""The daily quota: how many recipients may still go, and when room returns."""

import math
from bisect import bisect_left, bisect_right
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from itertools import accumulate
from typing import Final

from tank_mailer.core.lanes import PRIORITY

BUCKET_S: Final = 60  # our own count is kept by the minute
WINDOW: Final = timedelta(hours=24)  # SES: Max24HourSend is over a rolling 24 hours
ENOUGH: Final = 0.01  # of the limit: less room than this does not end a pause, or it would come and go each minute
SCARCE: Final = 0.1  # of the limit: with less than this left, the count is looked at more often
NEAR: Final = (0.80, 0.95)  # shares of the limit that are worth a word
REARMED: Final = 0.05  # so far below such a share, the next time is worth a word again
_DIGITS: Final = 6  # what is farther behind the point comes from floats, not from recipients


@dataclass(frozen=True, slots=True)
class Spent:
    """Recipients accepted within one minute; `minute` counts from 1970, UTC."""

    minute: int
    recipients: int

    @property
    def leaves_at(self) -> datetime:
        """When SES counts none of them any more: the last may have gone at the minute's very end."""
        return datetime.fromtimestamp((self.minute + 1) * BUCKET_S, UTC) + WINDOW


@dataclass(frozen=True, slots=True)
class Quota:
    """What is known of the quota at one moment.

    Attributes:
        limit: recipients in 24 hours; None: unlimited.
        reserve: share of it that only the priority lane may use (`TANK_DAILY_RESERVE`).
        spent: our own count, of all nodes, the oldest minute first; may reach back farther than 24 hours.
        others: recipients that the account counts beyond ours: other senders.
    """

    limit: float | None
    reserve: float
    spent: Sequence[Spent] = ()
    others: float = 0.0
    _minutes: Sequence[int] = field(init=False, repr=False, compare=False)
    _sums: Sequence[int] = field(init=False, repr=False, compare=False)  # of all before the minute at this place

    def __post_init__(self) -> None:
        object.__setattr__(self, "_minutes", tuple(one.minute for one in self.spent))
        object.__setattr__(self, "_sums", tuple(accumulate((one.recipients for one in self.spent), initial=0)))

    def ours(self, now: datetime) -> int:
        """Our own count within the window."""
        return self._sums[-1] - self._sums[self._first(now)]

    def used(self, *, pending: int, now: datetime) -> float:
        """All that counts against the limit."""
        return self.ours(now) + self.others + pending

    def is_scarce(self, *, pending: int, now: datetime) -> bool:
        """Whether less than a tenth is left."""
        return self.limit is not None and self.limit - self.used(pending=pending, now=now) < self.limit * SCARCE

    def room(self, lane: str, *, pending: int, now: datetime) -> int | None:
        """Recipients that may still be taken on; None: no limit; negative: debt.

        Args:
            lane: whose.
            pending: recipients whose attempts have begun and are not in `spent` yet.
            now: the time.
        """
        if self.limit is None:
            return None
        share = 1.0 if lane == PRIORITY else 1.0 - self.reserve
        return math.floor(round(self.limit * share - self.used(pending=pending, now=now), _DIGITS))

    def room_at(self, lane: str, *, pending: int, now: datetime, needed: int = 1) -> datetime | None:
        """When there is room for `needed` recipients if nothing is sent meanwhile.

        Only our own minutes leave at a known time. Others' mail, and what is pending, stay.

        Returns:
            None: now; or no minute that leaves brings it, and the account must be asked again.
        """
        room = self.room(lane, pending=pending, now=now)
        if room is None:
            return None
        first = self._first(now)
        freed = self._sums[first] + needed - room
        if needed <= room or freed > self._sums[-1]:
            return None
        return self.spent[bisect_left(self._sums, freed) - 1].leaves_at

    @property
    def enough(self) -> int:
        """Recipients that a pause of the quota ends with."""
        return max(1, math.ceil(round((self.limit or 0.0) * ENOUGH, _DIGITS)))

    def may_resume(self, lane: str, *, pending: int, now: datetime) -> bool:
        """Whether a pause for want of room may end."""
        room = self.room(lane, pending=pending, now=now)
        return room is None or room >= self.enough

    def resumes_at(self, lane: str, *, pending: int, now: datetime) -> datetime | None:
        """When such a pause ends if nothing is sent meanwhile; None as of `room_at`."""
        return self.room_at(lane, pending=pending, now=now, needed=self.enough)

    def _first(self, now: datetime) -> int:
        """Where in `spent` the window begins."""
        left = now - WINDOW - timedelta(seconds=BUCKET_S)  # a minute that began by then has ended 24 hours ago
        return bisect_right(self._minutes, math.floor(left.timestamp() / BUCKET_S))


def others(sent_last_24_hours: float, *, ours: int, pending: int) -> float:
    """What the account counts beyond our own: other senders, or what our store has lost.

    Args:
        sent_last_24_hours: the account's figure. It lags, so it may well be below ours.
        ours: our own count at that moment.
        pending: recipients that are under way or not yet in that count.
    """
    return max(0.0, sent_last_24_hours - ours - pending)


def steps_passed(share: float, *, told: float) -> float:
    """Which of the steps `NEAR` the used share has passed.

    Args:
        share: of the limit that is used.
        told: the step that was passed so far; 0: none.

    Returns:
        The highest that is passed. One that was told stays until the share is well below it.
    """
    return max((step for step in NEAR if share >= (step - REARMED if step <= told else step)), default=0.0)
