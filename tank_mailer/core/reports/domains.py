"""Recipient domains: what came of the mail to each, and which of them is going bad."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Final

from tank_mailer.core.reports.figures import Share
from tank_mailer.core.reports.histogram import Histogram
from tank_mailer.core.reports.rise import LEAST_WHOLE, Trend, trend
from tank_mailer.core.reports.spell import percent, seconds

LEAST_ACCEPTED: Final = LEAST_WHOLE  # recipients: below, a domain is not judged
LEAST_COMPLAINTS: Final = 3
BOUNCE_POINTS: Final = 0.03  # three of a hundred more than before
BAD_FROM_THE_START: Final = Share(20, 100)  # bounces of a domain that was not mailed before
COMPLAINT_POINTS: Final = 0.001  # AWS: review at 0.1 % (aws-facts 7.3)
DELAY_POINTS: Final = 0.10
SLOWER: Final = 3.0  # times the 95th percentile of before,
SLOW_S: Final = 300.0  # and so long at least: greylisting alone takes minutes

ELSEWHERE: Final = ""  # recipients of whom only a hash is left (erased)


@dataclass(frozen=True, slots=True, kw_only=True)
class DomainFigures:
    """The mail to one domain.

    Attributes:
        domain: lower-case, in Punycode; "" where only a hash of the address is left.
        accepted: recipients whose mail SES took.
        delayed: recipients of whom SES told a delay, whatever came of it.
        times: from SES's taking the mail to its delivery.
    """

    domain: str
    accepted: int = 0
    delivered: int = 0
    delayed: int = 0
    hard: int = 0
    soft: int = 0
    rejected: int = 0
    complained: int = 0
    times: Histogram = field(default_factory=Histogram)

    @property
    def bounces(self) -> Share:
        """Hard and soft."""
        return Share(self.hard + self.soft, self.accepted)

    @property
    def complaints(self) -> Share:
        """Of the accepted."""
        return Share(self.complained, self.accepted)

    @property
    def delays(self) -> Share:
        """Of the accepted."""
        return Share(min(self.delayed, self.accepted), self.accepted)

    def __add__(self, other: "DomainFigures") -> "DomainFigures":
        return DomainFigures(
            domain=self.domain,
            accepted=self.accepted + other.accepted,
            delivered=self.delivered + other.delivered,
            delayed=self.delayed + other.delayed,
            hard=self.hard + other.hard,
            soft=self.soft + other.soft,
            rejected=self.rejected + other.rejected,
            complained=self.complained + other.complained,
            times=self.times + other.times,
        )


class Ill(StrEnum):
    """In what a domain has gone bad."""

    BOUNCES = "bounces"
    COMPLAINTS = "complaints"
    DELAYS = "delays"
    SLOW = "slow"


@dataclass(frozen=True, slots=True)
class Worse:
    """One way in which a domain is worse than it was."""

    ill: Ill
    said: str


def worse(now: DomainFigures, before: DomainFigures) -> list[Worse]:
    """In what a domain has gone bad; nothing is said of few mails.

    Args:
        now: the last days.
        before: the days before them; nothing mailed then is nothing to compare with, and then only what is bad by
            itself counts.
    """
    if now.accepted < LEAST_ACCEPTED:
        return []
    found = list[Worse]()
    if trend(now.bounces, before.bounces, points=BOUNCE_POINTS) is Trend.RISEN or _is_bad_from_the_start(now, before):
        found.append(Worse(Ill.BOUNCES, _shares("bounced", now.bounces, before.bounces)))
    if _complains(now, before):
        found.append(Worse(Ill.COMPLAINTS, _shares("complained", now.complaints, before.complaints)))
    if trend(now.delays, before.delays, points=DELAY_POINTS) is Trend.RISEN:
        found.append(Worse(Ill.DELAYS, _shares("delayed", now.delays, before.delays)))
    if (slow := _slower(now.times, before.times)) is not None:
        found.append(slow)
    return found


def _is_bad_from_the_start(now: DomainFigures, before: DomainFigures) -> bool:
    return before.accepted < LEAST_ACCEPTED and now.bounces.rate >= BAD_FROM_THE_START.rate


def _complains(now: DomainFigures, before: DomainFigures) -> bool:
    if now.complained < LEAST_COMPLAINTS or now.complaints.rate < COMPLAINT_POINTS:
        return False
    if before.accepted < LEAST_ACCEPTED:
        return True
    rises = trend(now.complaints, before.complaints, points=COMPLAINT_POINTS, least=LEAST_COMPLAINTS)
    return rises is Trend.RISEN


def _slower(now: Histogram, before: Histogram) -> Worse | None:
    if min(now.total, before.total) < LEAST_ACCEPTED:
        return None
    late, was = now.p95 or 0.0, before.p95 or 0.0
    if late < SLOW_S or late < SLOWER * was:
        return None
    return Worse(Ill.SLOW, f"one of twenty takes over {seconds(late)}, before {seconds(was)}")


def _shares(word: str, now: Share, before: Share) -> str:
    was = f"before {percent(before.rate)} of {before.whole:,}" if before.whole else "not mailed before"
    return f"{percent(now.rate)} of {now.whole:,} {word}, {was}"


# --- the largest ones ------------------------------------------------------------------------------


def added_up(parts: Iterable[DomainFigures]) -> dict[str, DomainFigures]:
    """Figures of several days, one for each domain."""
    found = dict[str, DomainFigures]()
    for part in parts:
        found[part.domain] = found[part.domain] + part if part.domain in found else part
    return found


def largest(figures: Mapping[str, DomainFigures], most: int) -> list[DomainFigures]:
    """Those with the most recipients, the largest first."""
    return sorted(figures.values(), key=lambda one: (-one.accepted, one.domain))[:most]


def worst_first(judged: Sequence[tuple[DomainFigures, Sequence[Worse]]]) -> list[tuple[DomainFigures, Sequence[Worse]]]:
    """Those that went bad, the largest first."""
    return sorted((one for one in judged if one[1]), key=lambda one: (-one[0].accepted, one[0].domain))
