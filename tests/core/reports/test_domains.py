"""Which domain is going bad: against its own days before, and never by a few mails."""

import pytest

from tank_mailer.core.reports.domains import DomainFigures, Ill, added_up, largest, worse, worst_first
from tank_mailer.core.reports.histogram import Histogram

FAST, SLOW = Histogram({2: 200}), Histogram({2: 150, 900: 50})


def figures(accepted: int = 1_000, domain: str = "example.org", **counts: int | Histogram) -> DomainFigures:
    return DomainFigures(domain=domain, accepted=accepted, **counts)  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("now", "before", "ills"),
    [
        pytest.param(figures(), figures(), [], id="nothing-is-wrong"),
        pytest.param(figures(hard=60), figures(hard=20), [Ill.BOUNCES], id="three-times-the-bounces"),
        pytest.param(figures(soft=60), figures(soft=20), [Ill.BOUNCES], id="soft-ones-count-too"),
        pytest.param(figures(hard=45), figures(hard=20), [], id="two-points-and-a-half-are-not-enough"),
        pytest.param(figures(hard=300), figures(hard=280), [], id="as-bad-as-ever"),
        pytest.param(figures(49, hard=49), figures(), [], id="of-few-mails-nothing-is-said"),
        pytest.param(figures(100, hard=20), figures(0), [Ill.BOUNCES], id="a-new-domain-that-bounces"),
        pytest.param(figures(100, hard=19), figures(0), [], id="a-new-domain-that-bounces-less"),
        pytest.param(figures(complained=3), figures(), [Ill.COMPLAINTS], id="complaints"),
        pytest.param(figures(complained=2), figures(), [], id="two-people"),
        pytest.param(figures(10_000, complained=9), figures(), [], id="below-awss-line"),
        pytest.param(figures(complained=4), figures(complained=4), [], id="complaints-as-before"),
        pytest.param(figures(complained=3), figures(0), [Ill.COMPLAINTS], id="complaints-of-a-new-domain"),
        pytest.param(figures(delayed=300), figures(delayed=50), [Ill.DELAYS], id="put-off"),
        pytest.param(figures(delayed=2_000), figures(delayed=900), [], id="more-delays-than-mails-count-as-all"),
        pytest.param(figures(times=SLOW), figures(times=FAST), [Ill.SLOW], id="slow"),
        pytest.param(figures(times=SLOW), figures(times=SLOW), [], id="as-slow-as-ever"),
        pytest.param(figures(times=Histogram({200: 200})), figures(times=FAST), [], id="minutes-are-greylisting"),
        pytest.param(figures(times=Histogram({900: 9})), figures(times=FAST), [], id="few-deliveries-tell-no-time"),
        pytest.param(
            figures(hard=200, complained=5, delayed=500, times=SLOW),
            figures(times=FAST),
            [Ill.BOUNCES, Ill.COMPLAINTS, Ill.DELAYS, Ill.SLOW],
            id="all-at-once",
        ),
    ],
)
def test_worse(now: DomainFigures, before: DomainFigures, ills: list[Ill]) -> None:
    assert [one.ill for one in worse(now, before)] == ills


def test_what_is_said_has_both_figures() -> None:
    assert [one.said for one in worse(figures(hard=60, times=SLOW), figures(hard=20, times=FAST))] == [
        "6 % of 1,000 bounced, before 2 % of 1,000",
        "one of twenty takes over 15.5 min, before 2.5 s",
    ]
    assert worse(figures(100, hard=30), figures(0))[0].said == "30 % of 100 bounced, not mailed before"


def test_days_add_up_by_domain() -> None:
    parts = [figures(10, "a.example", delivered=9), figures(5, "b.example"), figures(1, "a.example", delayed=2)]
    total = added_up([*parts, figures(0, "a.example", times=Histogram({3: 1}))])

    assert total["a.example"] == figures(11, "a.example", delivered=9, delayed=2, times=Histogram({3: 1}))
    assert [one.domain for one in largest(total, 5)] == ["a.example", "b.example"]
    assert [one.domain for one in largest(total, 1)] == ["a.example"]


def test_the_largest_of_the_bad_come_first() -> None:
    bad = worse(figures(hard=300), figures())
    judged = [(figures(100, "s.example"), bad), (figures(900, "l.example"), bad), (figures(5_000, "good.example"), [])]
    assert [one.domain for one, _ in worst_first(judged)] == ["l.example", "s.example"]
