"""Bounce and complaint rates by AWS's arithmetic: when to warn, when to stop before AWS does."""

import math
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import timedelta
from enum import StrEnum
from types import MappingProxyType
from typing import Final

from tank_mailer.core.errors import Reason


@dataclass(frozen=True, slots=True)
class Tally:
    """What came of the mail of one window.

    Attributes:
        volume: eligible recipients that SES accepted.
        bounces: of them, hard bounces.
        complaints: of them, complaints.
    """

    volume: int = 0
    bounces: int = 0
    complaints: int = 0


class Kind(StrEnum):
    """What a sender is judged by."""

    BOUNCES = "bounces"
    COMPLAINTS = "complaints"


class Window(StrEnum):
    """Over which mail. AWS takes "a representative volume", so two windows are looked at and the worse one counts."""

    DAY = "day"
    WEEK = "week"


LENGTH: Final = MappingProxyType({Window.DAY: timedelta(hours=24), Window.WEEK: timedelta(days=7)})
REVIEW: Final = MappingProxyType({Kind.BOUNCES: 0.05, Kind.COMPLAINTS: 0.001})  # aws-facts 7.3: AWS reviews the account
REASONS: Final = MappingProxyType(
    {Kind.BOUNCES: Reason.REPUTATION_BOUNCES, Kind.COMPLAINTS: Reason.REPUTATION_COMPLAINTS}
)
WORDS: Final = MappingProxyType({Kind.BOUNCES: "hard bounces", Kind.COMPLAINTS: "complaints"})
CLEARED: Final = 0.9  # of the line that was warned at: nearer below it, a rate swings to and fro
LEAST_ON_TRIAL: Final = 2  # bad mails of a trickle: one alone says nothing
FIRST_STOP: Final = timedelta(hours=1)
LONGEST_STOP: Final = timedelta(hours=24)
_DIGITS: Final = 6  # what is farther behind the point comes from floats, not from recipients


@dataclass(frozen=True, slots=True)
class Line:
    """From which rate on there is a word, from which on there is a stop, and of how many bad mails at least."""

    warn: float
    pause: float
    least: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Rules:
    """When to warn and when to stop.

    Attributes:
        bounces: `TANK_BOUNCE_WARN`, `TANK_BOUNCE_PAUSE`.
        complaints: `TANK_COMPLAINT_WARN`, `TANK_COMPLAINT_PAUSE`.
        least_volume: recipients in a window, below which it says nothing.
    """

    bounces: Line = Line(0.05, 0.10, least=10)
    complaints: Line = Line(0.001, 0.005, least=3)
    least_volume: int = 500

    def line(self, kind: Kind) -> Line:
        """Those of one kind."""
        match kind:
            case Kind.BOUNCES:
                return self.bounces
            case Kind.COMPLAINTS:
                return self.complaints


@dataclass(frozen=True, slots=True, kw_only=True)
class Rate:
    """How one window looks.

    Attributes:
        rate: the bad ones among the volume.
        left: bad mails until the pause line, with no other mail between.
    """

    kind: Kind
    window: Window
    rate: float
    volume: int
    bad: int
    left: int


@dataclass(frozen=True, slots=True)
class Fine:
    """Nothing to say; `worst` is None while too few mails have gone."""

    worst: Rate | None = None


@dataclass(frozen=True, slots=True)
class Warn:
    """Worth a word."""

    worst: Rate


@dataclass(frozen=True, slots=True)
class Stop:
    """The ordinary lane must not go on."""

    worst: Rate

    @property
    def reason(self) -> Reason:
        """The pause's."""
        return REASONS[self.worst.kind]


Standing = Fine | Warn | Stop
Tallies = Mapping[Window, Tally]


def count(tally: Tally, kind: Kind) -> int:
    """The bad ones of one kind."""
    match kind:
        case Kind.BOUNCES:
            return tally.bounces
        case Kind.COMPLAINTS:
            return tally.complaints


def left(tally: Tally, kind: Kind, line: float) -> int:
    """How many more of the mails that have gone may turn out bad until the rate is at `line`; 0: it is.

    The least n with (bad + n) / volume >= line: bounces and complaints come in for mail that is counted already,
    so the volume stays. Whoever sends on meanwhile has more.
    """
    return max(0, math.ceil(round(line * tally.volume, _DIGITS)) - count(tally, kind))


def judge(kind: Kind, tallies: Tallies, rules: Rules, *, is_warned: bool = False) -> Standing:
    """Say how bounces, or complaints, stand.

    Args:
        kind: which of them.
        tallies: one for each window.
        rules: the lines.
        is_warned: it was worth a word the last time, and stays so until the rate is well below the line.
    """
    line = rules.line(kind)
    rates = [
        _rate(kind, window, tally, line) for window, tally in tallies.items() if tally.volume >= rules.least_volume
    ]
    telling = [one for one in rates if one.bad >= line.least]
    worst, told = max(rates, key=_badness, default=None), max(telling, key=_badness, default=None)
    if told is not None and told.rate >= line.pause:
        return Stop(told)
    warn = round(line.warn * CLEARED, _DIGITS) if is_warned else line.warn
    if told is not None and told.rate >= warn:
        return Warn(told)
    return Fine(worst)


def _rate(kind: Kind, window: Window, tally: Tally, line: Line) -> Rate:
    bad = count(tally, kind)
    rate = bad / tally.volume if tally.volume else 0.0
    return Rate(kind=kind, window=window, rate=rate, volume=tally.volume, bad=bad, left=left(tally, kind, line.pause))


def _badness(rate: Rate) -> float:
    return rate.rate


def left_until_review(kind: Kind, tallies: Tallies, rules: Rules) -> int | None:
    """How many more bad mails until AWS reviews the account, in the window that is nearest; None: too few mails."""
    enough = [tally for tally in tallies.values() if tally.volume >= rules.least_volume]
    return min((left(tally, kind, REVIEW[kind]) for tally in enough), default=None)


def has_grown(kind: Kind, since: Tally, rules: Rules) -> bool:
    """Whether enough bad mail has come since a person said `resume` to stop once more."""
    return count(since, kind) >= rules.line(kind).least


def fails_trial(kind: Kind, since: Tally, rules: Rules) -> bool:
    """Whether what went by a trickle is as bad as what led to the stop."""
    bad = count(since, kind)
    return bad >= LEAST_ON_TRIAL and bad > rules.line(kind).pause * since.volume


def stop_lasts(stops: int) -> timedelta:
    """How long to stop, the `stops`-th time without a recovery between: each time double, to a day."""
    doublings = min(stops - 1, LONGEST_STOP // FIRST_STOP)  # keeps the number small
    return min(FIRST_STOP * (1 << doublings), LONGEST_STOP)


def describe(stop: Stop, rules: Rules) -> str:
    """Why it was stopped, in words."""
    worst, line = stop.worst, rules.line(stop.worst.kind).pause
    what = f"{worst.bad} {WORDS[worst.kind]} of {worst.volume} recipients in a {worst.window}"
    return f"{what} are {worst.rate:.2%}; the line is {line:.2%}"
