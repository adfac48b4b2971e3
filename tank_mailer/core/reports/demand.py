"""How much is sent at most, and which quota to ask AWS for."""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Final

from tank_mailer.core.reports.figures import Hour

DAY_HOURS: Final = 24
HOUR_S: Final = 3_600
MINUTE_S: Final = 60
HEADROOM: Final = 1.5  # half as much again as the highest that was seen
AT_THE_LIMIT: Final = 0.9  # of the present rate or quota: the demand may be higher than what could be sent
SPREAD_S: Final = 8 * HOUR_S  # a day's mail that is asked for should fit into working hours
_DIGITS: Final = 2  # of an asked figure that are not zero


@dataclass(frozen=True, slots=True)
class Demand:
    """What was sent, in recipients.

    Attributes:
        average: a day, over all days of the span.
        peak_day: most in any 24 hours, by the hour.
        peak_day_at: when those 24 hours ended; None: nothing was sent.
        peak_rate: a second, over the busiest minute: within one a single mail to 50 is no burst.
        peak_rate_at: the hour of that minute.
    """

    average: float = 0.0
    peak_day: int = 0
    peak_day_at: datetime | None = None
    peak_rate: float = 0.0
    peak_rate_at: datetime | None = None


def demand(hours: Sequence[Hour], *, days: int) -> Demand:
    """Read the demand off.

    Args:
        hours: those in which something was sent, the oldest first.
        days: of the span, those without any mail too.
    """
    if not hours or not days:
        return Demand()
    peak, ended, window, first = 0, hours[0].hour, 0, 0
    for one in hours:
        window += one.recipients
        while hours[first].hour <= one.hour - DAY_HOURS:
            window -= hours[first].recipients
            first += 1
        if window > peak:
            peak, ended = window, one.hour + 1
    busiest = max(hours, key=lambda one: one.busiest_minute)
    return Demand(
        average=sum(one.recipients for one in hours) / days,
        peak_day=peak,
        peak_day_at=_at(ended),
        peak_rate=busiest.busiest_minute / MINUTE_S,
        peak_rate_at=_at(busiest.hour),
    )


def _at(hour: int) -> datetime:
    return datetime.fromtimestamp(hour * HOUR_S, UTC)


@dataclass(frozen=True, slots=True)
class Asked:
    """What to ask AWS for.

    Attributes:
        daily: recipients in 24 hours; None: the present quota is enough, or has no limit.
        rate: recipients a second; None: the present rate is enough.
        is_cut: the peaks are at the present limits: what could not be sent is not in them.
    """

    daily: int | None
    rate: int | None
    is_cut: bool


def ask(seen: Demand, *, daily: float | None, rate: float | None, headroom: float = HEADROOM) -> Asked:
    """Make the asked figures of the measured ones: the peak times the headroom, rounded up to two digits.

    The rate is the peak's, or what brings the asked day through in eight hours, whichever is higher.

    Args:
        seen: what was measured.
        daily: the present quota; None: unlimited, or not known.
        rate: the present rate; None: not known.
        headroom: how many times the peak.
    """
    wanted_daily = rounded_up(seen.peak_day * headroom)
    wanted_rate = rounded_up(max(seen.peak_rate * headroom, wanted_daily / SPREAD_S))
    is_cut = bool((daily and seen.peak_day >= AT_THE_LIMIT * daily) or (rate and seen.peak_rate >= AT_THE_LIMIT * rate))
    return Asked(
        daily=wanted_daily if daily is not None and wanted_daily > daily else None,
        rate=wanted_rate if rate is None or wanted_rate > rate else None,
        is_cut=is_cut,
    )


def rounded_up(value: float) -> int:
    """Up to two digits that are not zero: nobody measures a quota to the recipient."""
    whole = math.ceil(round(value, 6))
    step = int(10 ** max(0, len(str(whole)) - _DIGITS))
    return -(-whole // step) * step
