"""Bounce and complaint rates by AWS's arithmetic: when to warn, when to stop before AWS does."""

from dataclasses import dataclass


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
