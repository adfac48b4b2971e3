"""Whether something goes worse than it did: two shares, neither of them of too few."""

from enum import StrEnum
from typing import Final

from tank_mailer.core.reports.figures import Share

LEAST_WHOLE: Final = 50  # below it a share says nothing
LEAST_PART: Final = 10  # so many bad ones at least, before anything has risen
GROWTH: Final = 1.5  # times what it was
POINTS: Final = 0.01  # and by a percentage point at least
_DIGITS: Final = 9  # what is farther behind the point comes from floats, not from mails


class Trend(StrEnum):
    """How a share of bad ones has moved."""

    TOO_FEW = "too_few"  # nothing can be said
    STEADY = "steady"
    RISEN = "risen"
    FALLEN = "fallen"


def trend(
    now: Share, before: Share, *, growth: float = GROWTH, points: float = POINTS, least: int = LEAST_PART
) -> Trend:
    """Compare a share of bad ones with what it was.

    Risen is what has grown by the factor *and* by the points: from 0.1 % to 0.2 % of two hundred is one mail.

    Args:
        now: of the time looked at.
        before: of the time before it.
        growth: how many times as much.
        points: how much more, as a fraction of 1.
        least: bad ones at least.
    """
    if now.whole < LEAST_WHOLE or before.whole < LEAST_WHOLE:
        return Trend.TOO_FEW
    if now.part >= least and _has_grown(before.rate, now.rate, growth, points):
        return Trend.RISEN
    if before.part >= least and _has_grown(now.rate, before.rate, growth, points):
        return Trend.FALLEN
    return Trend.STEADY


def _has_grown(low: float, high: float, growth: float, points: float) -> bool:
    return round(high - low * growth, _DIGITS) >= 0 and round(high - low - points, _DIGITS) >= 0
