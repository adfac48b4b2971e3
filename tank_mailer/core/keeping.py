"""How long the store keeps things, and when somebody looks after it."""

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime, timedelta

EVERY = timedelta(hours=1)
FIRST_AFTER = timedelta(minutes=10)  # of a new store: the start has better things to do
SETTLING = timedelta(minutes=1)  # after a start, where a round is overdue
MOST_JITTER = timedelta(minutes=1)  # nodes that were started together do not come together
AUDIT_KEPT = timedelta(days=366)  # who changed what is asked for at the end of a year, too
EVENTS_COME_WITHIN = timedelta(hours=24)  # seconds mostly (SES); a Send that is a day late is lost
LONGEST_LOOK_BACK = timedelta(days=7)  # a pause of months must not keep the store busy for hours
SLICE = timedelta(minutes=5)  # of mails counted in one transaction: 4,000 at 14/s


@dataclass(frozen=True, slots=True)
class Span:
    """From `begin` until just before `end`."""

    begin: datetime
    end: datetime


def first_mark(now: datetime) -> datetime:
    """What to note as the last round where none was noted: so that the first comes soon, over restarts too."""
    return now + FIRST_AFTER - EVERY


def wait_s(last: datetime, now: datetime, *, jitter: float) -> float:
    """How long until the next round.

    Args:
        last: the last one; ahead of `now` if the clock was set back.
        now: the time.
        jitter: from 0 to 1.
    """
    left = min(max(last + EVERY - now, SETTLING), EVERY)
    return (left + MOST_JITTER * jitter).total_seconds()


def audit_before(before: datetime, now: datetime) -> datetime:
    """The audit table outlives what else is older than `before`."""
    return min(before, now - AUDIT_KEPT)


def count_from(now: datetime) -> datetime:
    """From when mails without events count should there be a channel soon: not those accepted up to its start."""
    return now + 2 * EVERY


def uncounted(counted_until: datetime, now: datetime) -> Span | None:
    """When the mails were accepted whose events are overdue, and that nobody has counted yet; None: no time at all."""
    end = now - EVENTS_COME_WITHIN
    begin = max(counted_until, end - LONGEST_LOOK_BACK)
    return Span(begin, end) if begin < end else None


def slices(span: Span) -> Iterator[Span]:
    """Cut it so that each piece is counted in a short transaction."""
    begin = span.begin
    while begin < span.end:
        end = min(begin + SLICE, span.end)
        yield Span(begin, end)
        begin = end
