"""What the store knows of some days, as counted there: no row of it comes here."""

from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from datetime import date
from types import MappingProxyType

from tank_mailer.core.ledger import State
from tank_mailer.core.reputation import Tally
from tank_mailer.core.status import Status

FAILURES = frozenset({State.INVALID, State.REFUSED, State.EXPIRED, State.DEAD})  # what no rule of ours held back
_TAKEN = frozenset(Status) - {Status.SUPPRESSED}
_ARRIVED = frozenset({Status.DELIVERED, Status.COMPLAINED})  # who complains has got it


@dataclass(frozen=True, slots=True)
class Share:
    """Some of a whole."""

    part: int = 0
    whole: int = 0

    @property
    def rate(self) -> float:
        """0 of nothing is 0."""
        return self.part / self.whole if self.whole else 0.0


@dataclass(frozen=True, slots=True)
class Ended:
    """Jobs that ended, by state and reason."""

    counts: Mapping[tuple[State, str], int] = field(default_factory=lambda: MappingProxyType({}))

    def of(self, *states: State) -> int:
        """How many ended so."""
        return sum(count for (state, _), count in self.counts.items() if state in states)

    @property
    def total(self) -> int:
        """All; what a dry run has ended was never to be sent."""
        return sum(self.counts.values()) - self.of(State.DRY_RUN)

    @property
    def accepted(self) -> Share:
        """Of all that ended."""
        return Share(self.of(State.ACCEPTED), self.total)

    @property
    def failed(self) -> Share:
        """Invalid, refused, expired, dead; who is suppressed was held back on purpose."""
        return Share(self.of(*FAILURES), self.total)

    @property
    def reasons(self) -> list[tuple[State, str, int]]:
        """Why no mail came of them, the most frequent first."""
        found = [(state, reason, count) for (state, reason), count in self.counts.items() if state in FAILURES]
        return sorted(found, key=lambda one: (-one[2], one[0], one[1]))


@dataclass(frozen=True, slots=True)
class Cohort:
    """The recipients of mails that SES accepted, by how far each has come until now, and why."""

    counts: Mapping[tuple[Status, str], int] = field(default_factory=lambda: MappingProxyType({}))

    def of(self, *statuses: Status) -> int:
        """How many stand so."""
        return sum(count for (status, _), count in self.counts.items() if status in statuses)

    @property
    def accepted(self) -> int:
        """All to whom a mail went."""
        return self.of(*_TAKEN)

    @property
    def delivered(self) -> Share:
        """Of the accepted."""
        return Share(self.of(*_ARRIVED), self.accepted)

    @property
    def bounced(self) -> Share:
        """Hard and soft, of the accepted."""
        return Share(self.of(Status.HARD_BOUNCED, Status.SOFT_BOUNCED, Status.REJECTED), self.accepted)

    @property
    def open(self) -> Share:
        """Of which neither a delivery nor a bounce has been told."""
        return Share(self.of(Status.ACCEPTED, Status.DELAYED), self.accepted)

    @property
    def reasons(self) -> list[tuple[Status, str, int]]:
        """Why mails came back, the most frequent first."""
        bad = {Status.HARD_BOUNCED, Status.SOFT_BOUNCED, Status.REJECTED, Status.COMPLAINED}
        found = [(status, reason, count) for (status, reason), count in self.counts.items() if status in bad]
        return sorted(found, key=lambda one: (-one[2], one[0], one[1]))


@dataclass(frozen=True, slots=True)
class DayFigures:
    """One day.

    Attributes:
        tally: by AWS's arithmetic; None where it was not asked for.
    """

    day: date
    ended: Ended = field(default_factory=Ended)
    cohort: Cohort = field(default_factory=Cohort)
    tally: Tally | None = None


def all_ended(days: Iterable[DayFigures]) -> Ended:
    """Those of several days."""
    total = Counter[tuple[State, str]]()
    for one in days:
        total.update(one.ended.counts)
    return Ended(total)


def all_cohorts(days: Iterable[DayFigures]) -> Cohort:
    """Those of several days."""
    total = Counter[tuple[Status, str]]()
    for one in days:
        total.update(one.cohort.counts)
    return Cohort(total)


def all_tallies(days: Iterable[DayFigures]) -> Tally:
    """Those of several days."""
    found = [one.tally for one in days if one.tally is not None]
    return Tally(
        volume=sum(one.volume for one in found),
        bounces=sum(one.bounces for one in found),
        complaints=sum(one.complaints for one in found),
    )


@dataclass(frozen=True, slots=True)
class Hour:
    """Recipients that SES accepted within one hour.

    Attributes:
        hour: since 1970, UTC.
        busiest_minute: the recipients of its fullest minute.
    """

    hour: int
    recipients: int
    busiest_minute: int


@dataclass(frozen=True, slots=True)
class Growth:
    """Entries of the suppression list for one reason.

    Attributes:
        total: all that are in force.
        new: entered within the span; `before`: within as many days before it.
    """

    reason: str
    total: int
    new: int
    before: int
