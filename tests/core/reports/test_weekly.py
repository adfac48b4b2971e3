"""The weekly checklist: rates by AWS's arithmetic, the list's growth, events that come late."""

from collections.abc import Sequence
from datetime import timedelta
from typing import Any

import pytest

from tank_mailer.core.reports.document import Mark, NotKnown, Report
from tank_mailer.core.reports.figures import Growth
from tank_mailer.core.reports.histogram import Histogram
from tank_mailer.core.reports.outside import IdentityState, Outside, QueueDepth
from tank_mailer.core.reports.weekly import WeeklyFigures, weekly
from tank_mailer.core.reputation import Tally
from tests.core.reports.figures import NOW, WEEK, alike, check_of

FINE = Tally(volume=1_000, bounces=10, complaints=0)
AWAY = NotKnown("no answer", "look at the network")


def made(now: Tally = FINE, before: Tally = FINE, **changes: Any) -> Report:
    given: dict[str, Any] = {
        "days": WEEK,
        "figures": alike(WEEK, tally=now),
        "before": alike(WEEK.before(), tally=before),
        "growth": [],
        "lag": Histogram({1: 100}),
        "drained_at": NOW - timedelta(minutes=1),
        "outside": Outside(),
        "has_events": True,
    }
    return weekly(WeeklyFigures(**given | changes), NOW)


def test_a_good_week() -> None:
    report = made()
    assert report.marked(Mark.WARN, Mark.BAD, Mark.UNKNOWN) == []
    assert check_of(report, "bounces_rate").said == (
        "1 % (70 of 7,000); warned of at 5 %, AWS reviews at 5 %; the days before 1 %, steady"
    )


@pytest.mark.parametrize(
    ("tally", "bounces", "complaints"),
    [
        pytest.param(Tally(1_000, 49, 0), Mark.GOOD, Mark.GOOD, id="below-every-line"),
        pytest.param(Tally(1_000, 50, 0), Mark.WARN, Mark.GOOD, id="bounces-that-are-warned-of"),
        pytest.param(Tally(1_000, 100, 0), Mark.BAD, Mark.GOOD, id="bounces-that-stop"),
        pytest.param(Tally(1_000, 0, 1), Mark.GOOD, Mark.WARN, id="complaints-that-are-warned-of"),
        pytest.param(Tally(1_000, 0, 5), Mark.GOOD, Mark.BAD, id="complaints-that-stop"),
        pytest.param(Tally(71, 71, 71), Mark.TOLD, Mark.TOLD, id="too-few-mails"),
    ],
)
def test_rates(tally: Tally, bounces: Mark, complaints: Mark) -> None:
    report = made(tally)
    assert (check_of(report, "bounces_rate").mark, check_of(report, "complaints_rate").mark) == (bounces, complaints)


def test_a_rate_without_a_week_before_is_compared_with_nothing() -> None:
    assert "the days before" not in check_of(made(before=Tally()), "bounces_rate").said
    assert check_of(made(Tally(1_000, 40, 0)), "bounces_rate").said.endswith("the days before 1 %, risen")


@pytest.mark.parametrize(
    ("growth", "mark"),
    [
        pytest.param([], Mark.GOOD, id="nobody"),
        pytest.param([Growth("hard_bounce", 500, 19, 0)], Mark.GOOD, id="few"),
        pytest.param([Growth("hard_bounce", 500, 20, 0)], Mark.WARN, id="twenty-from-nothing"),
        pytest.param([Growth("hard_bounce", 500, 60, 31)], Mark.GOOD, id="not-twice-as-many"),
        pytest.param([Growth("hard_bounce", 500, 40, 31), Growth("complaint", 9, 30, 4)], Mark.WARN, id="in-all"),
    ],
)
def test_growth_of_the_suppression_list(growth: Sequence[Growth], mark: Mark) -> None:
    assert check_of(made(growth=growth), "suppression_growth").mark is mark


@pytest.mark.parametrize(
    ("changes", "key", "mark"),
    [
        pytest.param({}, "event_lag", Mark.GOOD, id="events-at-once"),
        pytest.param({"lag": Histogram({1: 90, 300: 10})}, "event_lag", Mark.WARN, id="one-of-ten-is-late"),
        pytest.param({"lag": Histogram({1: 96, 300: 4})}, "event_lag", Mark.GOOD, id="one-of-twenty-five-may-be"),
        pytest.param({"lag": Histogram()}, "event_lag", Mark.TOLD, id="no-event-at-all"),
        pytest.param({"has_events": False}, "event_lag", Mark.UNKNOWN, id="no-event-queue"),
        pytest.param({"drained_at": None}, "event_queue_drained", Mark.WARN, id="never-seen-near-empty"),
        pytest.param({"drained_at": NOW - timedelta(hours=1)}, "event_queue_drained", Mark.WARN, id="an-hour-behind"),
        pytest.param({"drained_at": NOW + timedelta(hours=1)}, "event_queue_drained", Mark.GOOD, id="a-clock-ahead"),
    ],
)
def test_events(changes: dict[str, Any], key: str, mark: Mark) -> None:
    assert check_of(made(**changes), key).mark is mark


def test_what_waits_on_the_event_queue() -> None:
    known = made(outside=Outside(queues=[QueueDepth("events", "tank-events", (7, 2))]))
    assert check_of(known, "events_waiting").said == "7 on the queue now, 2 in hand"
    away = made(outside=Outside(queues=[QueueDepth("events", "tank-events", AWAY)]))
    assert check_of(away, "events_waiting").mark is Mark.UNKNOWN


def test_identities_of_the_senders() -> None:
    states = [IdentityState("a.example", is_good=True, said="verified"), IdentityState("b.example", False, "no", "do")]
    report = made(outside=Outside(identities=states))
    found = [(check.title, check.mark, check.remedy) for check in report.checks if check.key == "identity"]
    assert found == [("a.example", Mark.GOOD, None), ("b.example", Mark.BAD, "do")]
    assert check_of(made(outside=Outside(identities=AWAY)), "identity").mark is Mark.UNKNOWN
    assert check_of(made(), "identity").mark is Mark.TOLD
