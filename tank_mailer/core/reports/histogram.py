"""Durations counted in buckets: a median of a million of them is made of some hundred numbers."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from types import MappingProxyType
from typing import Final

# Each range in seconds and the width of its buckets: what is read off is off by a tenth at most, from 10 s on.
RANGES: Final = ((0, 60, 1), (60, 600, 10), (600, 3_600, 60), (3_600, 86_400, 600))
LONGEST_S: Final = 86_400  # what took longer counts as so long: SES gives up after 14 h (aws-facts 12)


@dataclass(frozen=True, slots=True)
class Histogram:
    """How many durations fell into each bucket; a bucket is named by its lower end in seconds."""

    counts: Mapping[int, int] = field(default_factory=lambda: MappingProxyType({}))

    @property
    def total(self) -> int:
        """All of them."""
        return sum(self.counts.values())

    def quantile(self, share: float) -> float | None:
        """The middle of the bucket in which that share of them is reached; None of nothing."""
        wanted, seen = share * self.total, 0
        for lower in sorted(self.counts):
            seen += self.counts[lower]
            if seen and seen >= wanted:
                return lower + width_at(lower) / 2
        return None

    @property
    def median(self) -> float | None:
        """Half took no longer."""
        return self.quantile(0.5)

    @property
    def p95(self) -> float | None:
        """Nineteen of twenty took no longer."""
        return self.quantile(0.95)

    def __add__(self, other: "Histogram") -> "Histogram":
        keys = {*self.counts, *other.counts}
        return Histogram({key: self.counts.get(key, 0) + other.counts.get(key, 0) for key in keys})


def width_at(lower: int) -> int:
    """How wide the bucket is that begins there; the last one has no end, and counts as none."""
    return next((width for begin, end, width in RANGES if begin <= lower < end), 0)


def edges() -> Iterator[int]:
    """The lower ends of all buckets."""
    for begin, end, width in RANGES:
        yield from range(begin, end, width)
    yield LONGEST_S


def bucket_of(duration_s: float) -> int:
    """The bucket of a duration, as the database finds it; clocks that disagree make no negative ones."""
    for begin, end, width in RANGES:
        if duration_s < end:
            return begin + int((max(duration_s, begin) - begin) // width) * width
    return LONGEST_S
