"""Spans of whole days, UTC: what a report is about, and what it is compared with."""

import re
from calendar import monthrange
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta
from typing import Final

MOST_DAYS: Final = 400  # ours: a year and a month to compare with
DAY: Final = timedelta(days=1)
WEEK_DAYS: Final = 7
_DIGITS: Final = 6  # what is farther behind the point comes from floats: a month is one

_AGO: Final = re.compile(r"(\d{1,3})([dw])", re.ASCII)
_WEEK: Final = re.compile(r"(\d{4})-?W(\d{2})", re.ASCII | re.IGNORECASE)
_MONTH: Final = re.compile(r"(\d{4})-(\d{2})", re.ASCII)


class DaysError(ValueError):
    """A text that names no span of days; says why, and quotes nothing of it."""


@dataclass(frozen=True, slots=True)
class Days:
    """From midnight of `begin` until just before midnight of `end`, UTC."""

    begin: date
    end: date

    def __iter__(self) -> Iterator[date]:
        for n in range(len(self)):
            yield self.begin + n * DAY

    def __len__(self) -> int:
        return (self.end - self.begin).days

    @property
    def begin_at(self) -> datetime:
        """Its first moment."""
        return midnight(self.begin)

    @property
    def end_at(self) -> datetime:
        """The first moment that is not its own."""
        return midnight(self.end)

    @property
    def last(self) -> date:
        """Its last day."""
        return self.end - DAY

    @property
    def shown(self) -> str:
        """For people."""
        if len(self) == 1:
            return f"{self.begin:%A} {self.begin.isoformat()} (UTC)"
        return f"{self.begin.isoformat()} to {self.last.isoformat()}, {len(self)} days (UTC)"

    def before(self, count: int | None = None) -> "Days":
        """The `count` days before it; as many as it has without."""
        return Days(self.begin - (count or len(self)) * DAY, self.begin)

    def begun(self, now: datetime) -> int:
        """How many of its days have begun; one at least."""
        return max(1, sum(day <= today(now) for day in self))

    @property
    def months(self) -> float:
        """How many months that is: each day is its share of its own month."""
        return round(sum(1 / monthrange(day.year, day.month)[1] for day in self), _DIGITS)


def midnight(day: date) -> datetime:
    """Its first moment, UTC."""
    return datetime.combine(day, time(), UTC)


def today(now: datetime) -> date:
    """The day that is not over yet, UTC."""
    return now.astimezone(UTC).date()


# --- the last complete ones ------------------------------------------------------------------------


def last_days(now: datetime, count: int) -> Days:
    """So many days up to yesterday."""
    return Days(today(now) - count * DAY, today(now))


def last_week(now: datetime) -> Days:
    """Monday to Sunday (ISO 8601)."""
    monday = today(now) - today(now).weekday() * DAY
    return Days(monday - WEEK_DAYS * DAY, monday)


def last_month(now: datetime) -> Days:
    """By the calendar."""
    first = today(now).replace(day=1)
    return Days((first - DAY).replace(day=1), first)


# --- as people name them ---------------------------------------------------------------------------


def read_day(text: str, now: datetime) -> date:
    """Read `2026-11-21`, `today`, `yesterday`, or so many days or weeks ago: `3d`, `2w`.

    Raises:
        DaysError: it is none of these.
    """
    word = text.strip().lower()
    if word in {"today", "yesterday"}:
        return today(now) - (word == "yesterday") * DAY
    if found := _AGO.fullmatch(word):
        return today(now) - int(found[1]) * (WEEK_DAYS if found[2] == "w" else 1) * DAY
    try:
        return date.fromisoformat(word) if word.isascii() else _no_day()
    except ValueError:
        return _no_day()


def _no_day() -> date:
    raise DaysError("Give a day such as 2026-11-21, today, yesterday, 3d or 2w.")


def read_week(text: str) -> Days:
    """Read `2026-W47` (ISO 8601: Monday to Sunday); raises DaysError."""
    found = _WEEK.fullmatch(text.strip())
    try:
        monday = date.fromisocalendar(int(found[1]), int(found[2]), 1) if found else None
    except ValueError:
        monday = None
    if monday is None:
        raise DaysError("Give a week such as 2026-W47.")
    return Days(monday, monday + WEEK_DAYS * DAY)


def read_month(text: str) -> Days:
    """Read `2026-11`; raises DaysError."""
    found = _MONTH.fullmatch(text.strip())
    try:
        first = date(int(found[1]), int(found[2]), 1) if found else None
    except ValueError:
        first = None
    if first is None:
        raise DaysError("Give a month such as 2026-11.")
    return Days(first, first + monthrange(first.year, first.month)[1] * DAY)


def read_days(
    now: datetime,
    *,
    day: str | None = None,
    week: str | None = None,
    month: str | None = None,
    since: str | None = None,
    until: str | None = None,
) -> Days | None:
    """Read what a person has asked for; None: nothing.

    Args:
        now: the time.
        day: one day.
        week: one week.
        month: one month.
        since: the first day; goes to yesterday without `until`.
        until: the last day, of the span itself; only with `since`.

    Raises:
        DaysError: a text names no span; two of them are given; or it lies ahead, or is too long.
    """
    named = [one for one in (day, week, month, since) if one is not None]
    if len(named) > 1:
        raise DaysError("Give one of --day, --week, --month and --since.")
    if until is not None and since is None:
        raise DaysError("--until goes with --since.")
    if not named:
        return None
    found = _read(now, day=day, week=week, month=month, since=since, until=until)
    if found.begin > today(now):
        raise DaysError("That time is ahead; give one that has begun.")
    if not len(found):
        raise DaysError("The span is empty: its last day is before its first.")
    if len(found) > MOST_DAYS:
        raise DaysError(f"The span is too long: {MOST_DAYS} days at most.")
    return found


def _read(
    now: datetime, *, day: str | None, week: str | None, month: str | None, since: str | None, until: str | None
) -> Days:
    if day is not None:
        begin = read_day(day, now)
        return Days(begin, begin + DAY)
    if week is not None:
        return read_week(week)
    if month is not None:
        return read_month(month)
    begin = read_day(since or "", now)
    end = read_day(until, now) + DAY if until is not None else max(today(now), begin + DAY)
    return Days(begin, max(begin, end))
