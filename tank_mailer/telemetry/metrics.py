"""Counters and histograms, and a function for each thing that is counted: called where it happens.

They are this process's own, in no registry of the library's: what is shown of them, and of how things stand, is put
together by a `Scrape`. Children are kept bound, for `labels()` alone would cost a mail a percent of its CPU.
"""

from collections.abc import Sequence
from functools import cache
from typing import Final

from prometheus_client import Counter, Histogram, disable_created_metrics

from tank_mailer.core.errors import Reason
from tank_mailer.core.event import EventKind, SesEvent
from tank_mailer.core.mailboxes import provider_of
from tank_mailer.core.meaning import notes_of
from tank_mailer.core.outcome import Accepted, Concerned, Outcome, Throttled, Unreachable
from tank_mailer.telemetry.flatten import name_of
from tank_mailer.telemetry.measures import BY_NAME, MEASURES, NONE, Ending, Kind, Measure

disable_created_metrics()  # type: ignore[no-untyped-call]  # a series more for each counter, which nobody asks for


def _counter(measure: Measure) -> Counter:
    made = Counter(measure.full_name, measure.meaning, [label.name for label in measure.labels], registry=None)
    for values in measure.preset:
        made.labels(*values)
    return made


def _histogram(measure: Measure) -> Histogram:
    names = [label.name for label in measure.labels]
    made = Histogram(measure.full_name, measure.meaning, names, registry=None, buckets=measure.buckets)
    for values in measure.preset:
        made.labels(*values)
    return made


_COUNTERS: Final = {one.name: _counter(one) for one in MEASURES if one.kind is Kind.COUNTER}
_HISTOGRAMS: Final = {one.name: _histogram(one) for one in MEASURES if one.kind is Kind.HISTOGRAM}

INSTRUMENTS: Final[Sequence[Counter | Histogram]] = (*_COUNTERS.values(), *_HISTOGRAMS.values())

_ALWAYS: Final = {Throttled: Reason.THROTTLED, Unreachable: Reason.UNREACHABLE}  # outcomes that need not say why


@cache
def _count(name: str, *values: str) -> Counter:
    counter = _COUNTERS[name]
    return counter.labels(*values) if values else counter


@cache
def _histogram_of(name: str, *values: str) -> Histogram:
    histogram = _HISTOGRAMS[name]
    return histogram.labels(*values) if values else histogram


@cache
def _attempts(kind: type, reason: Reason | None) -> Counter:
    return _count("attempts_total", name_of(kind), reason or _ALWAYS.get(kind) or NONE)


# --- jobs ------------------------------------------------------------------------------------------


def job_settled(verdict: str, reason: Reason | None) -> None:
    """A receive of a queue message has come to its end."""
    _count("jobs_settled_total", verdict, reason or NONE).inc()


def job_ended(lane: str, age_s: float) -> None:
    """A job needs its queue no more."""
    _histogram_of("job_age_seconds", lane).observe(max(0.0, age_s))


def attempt_ended(outcome: Outcome, seconds: float) -> None:
    """A call to SES has come to its end."""
    kind: type = type(outcome)
    _attempts(kind, getattr(outcome, "reason", None)).inc()
    _CALLS.observe(seconds)


def turn_came(lane: str, waited_s: float) -> None:
    """An attempt has its slot and token, or is sent away."""
    _histogram_of("limiter_wait_seconds", lane).observe(waited_s)


def recipients_accepted(lane: str, outcome: Outcome, recipients: int) -> None:
    """SES has said what it makes of a mail to so many."""
    if isinstance(outcome, Accepted):
        _count("recipients_accepted_total", lane).inc(recipients)


def tokens_used(lane: str, recipients: int) -> None:
    """A request for so many has left."""
    _count("tokens_used_total", lane).inc(recipients)


def dead_lettered(reason: Reason) -> None:
    """A job is given up."""
    _count("dead_letters_total", reason).inc()


def rate_cut() -> None:
    """SES throttled, and the rate is lower for it."""
    _count("rate_cuts_total").inc()


def pause_begun(kind: Concerned, reason: Reason) -> None:
    """Something is not worked on from now on."""
    _count("pauses_begun_total", kind, reason).inc()


# --- doubts ----------------------------------------------------------------------------------------


def doubt_begun(reason: Reason) -> None:
    """SES may have a mail."""
    _count("doubts_begun_total", reason).inc()


def doubt_ended(ending: Ending) -> None:
    """It is known, or decided."""
    _count("doubts_ended_total", ending).inc()


def duplicate_proven() -> None:
    """SES has sent more than one mail for a job."""
    _count("duplicates_proven_total").inc()


# --- events ----------------------------------------------------------------------------------------


def event_recorded(kind: EventKind, lag_s: float) -> None:
    """A new event is on disk, so long after it happened; clocks may differ."""
    _count("events_recorded_total", kind).inc()
    _LAGS.observe(max(0.0, lag_s))


def recipients_reported(event: SesEvent) -> None:
    """A new event says how far a mail has come, for each recipient that it is about."""
    for note in notes_of(event):
        if note.status is not None:
            for address in note.rises:
                _count("recipients_reported_total", provider_of(address), note.status.word).inc()


def event_quarantined(reason: Reason) -> None:
    """A message that is none to act on was put aside."""
    _count("events_quarantined_total", reason).inc()


def events_lost(mails: int) -> None:
    """Of so many mails no event ever came."""
    _count("events_lost_total").inc(mails)


def address_suppressed(reason: str) -> None:
    """An event has put an address on the suppression list."""
    _count("addresses_suppressed_total", reason if reason in _REASONS else NONE).inc()


# --- this process ----------------------------------------------------------------------------------


def transaction_ended(seconds: float) -> None:
    """A transaction of the store took so long, well or not."""
    _TRANSACTIONS.observe(seconds)


def loop_lagged(seconds: float) -> None:
    """The event loop was so late."""
    _LATE.observe(max(0.0, seconds))


# --- looked at by ourselves ------------------------------------------------------------------------


def total(name: str) -> float:
    """What a counter stands at, over all its labels."""
    counter = _COUNTERS[BY_NAME[name].name]
    return sum(
        sample.value for family in counter.collect() for sample in family.samples if sample.name.endswith("_total")
    )


_REASONS: Final = frozenset(reason.value for reason in Reason)
_CALLS: Final = _histogram_of("attempt_duration_seconds")
_LAGS: Final = _histogram_of("event_lag_seconds")
_TRANSACTIONS: Final = _histogram_of("store_transaction_seconds")
_LATE: Final = _histogram_of("loop_lag_seconds")
