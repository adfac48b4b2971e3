"""Durations in buckets: what is read off is near what was counted."""

import random
from collections import Counter
from statistics import quantiles

import pytest

from tank_mailer.core.reports.histogram import LONGEST_S, Histogram, bucket_of, edges, width_at


@pytest.mark.parametrize(
    ("seconds", "lower"),
    [
        pytest.param(-30.0, 0, id="clocks-that-disagree"),
        pytest.param(0.0, 0, id="at-once"),
        pytest.param(59.9, 59, id="seconds-below-a-minute"),
        pytest.param(60.0, 60, id="a-minute"),
        pytest.param(69.9, 60, id="tens-below-ten-minutes"),
        pytest.param(599.9, 590, id="the-last-of-them"),
        pytest.param(600.0, 600, id="minutes-below-an-hour"),
        pytest.param(3_600.0, 3_600, id="tens-of-minutes-below-a-day"),
        pytest.param(86_399.0, 85_800, id="the-last-before-a-day"),
        pytest.param(1e9, LONGEST_S, id="everything-beyond"),
    ],
)
def test_bucket_of(seconds: float, lower: int) -> None:
    assert bucket_of(seconds) == lower


def test_every_bucket_begins_where_the_one_before_ends() -> None:
    lowers = list(edges())
    assert [lower + width_at(lower) for lower in lowers[:-1]] == lowers[1:]
    assert all(bucket_of(lower) == lower for lower in lowers)
    assert len(lowers) < 310, "what a database sends for a domain at most"


@pytest.mark.parametrize("scale", [5.0, 100.0, 2_000.0])
def test_quantiles_are_off_by_a_tenth_at_most(scale: float) -> None:
    dice = random.Random(scale)
    durations = [10 + dice.expovariate(1 / scale) for _ in range(5_000)]
    found = Histogram(Counter(map(bucket_of, durations)))
    cuts = quantiles(durations, n=20)

    assert found.total == 5_000
    assert found.median == pytest.approx(cuts[9], rel=0.1)
    assert found.p95 == pytest.approx(cuts[18], rel=0.1)


def test_nothing_has_no_median() -> None:
    assert Histogram().median is None
    assert Histogram({5: 0}).median is None


def test_one_alone_is_every_quantile() -> None:
    assert (Histogram({3: 1}).median, Histogram({3: 1}).p95) == (3.5, 3.5)


def test_histograms_add_up() -> None:
    assert Histogram({1: 2, 60: 1}) + Histogram({1: 3, 5: 1}) == Histogram({1: 5, 5: 1, 60: 1})
