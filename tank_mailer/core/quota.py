"""The daily quota: how many recipients may still go, and when room returns."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Final

BUCKET_S: Final = 60  # our own count is kept by the minute
WINDOW: Final = timedelta(hours=24)  # SES: Max24HourSend is over a rolling 24 hours


@dataclass(frozen=True, slots=True)
class Spent:
    """Recipients accepted within one minute; `minute` counts from 1970, UTC."""

    minute: int
    recipients: int


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

    def room(self, lane: str, *, pending: int, now: datetime) -> int | None:
        """Recipients that may still be taken on; None: no limit; negative: debt.

        Args:
            lane: whose.
            pending: recipients whose attempts have begun and are not in `spent` yet.
            now: the time.
        """
        raise NotImplementedError

    def room_at(self, lane: str, *, pending: int, now: datetime, needed: int = 1) -> datetime | None:
        """When there is room for `needed` recipients if nothing is sent meanwhile; None: now, or never needed."""
        raise NotImplementedError
