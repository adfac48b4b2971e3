"""The daily checklist: each line by what is known, and nothing good said of what is not."""

from collections.abc import Mapping
from datetime import date, timedelta
from typing import Any

import pytest

from tank_mailer.core.holds import SharedPause
from tank_mailer.core.ledger import State
from tank_mailer.core.reports.daily import DailyFigures, daily
from tank_mailer.core.reports.days import Days
from tank_mailer.core.reports.document import Mark, NotKnown, Report
from tank_mailer.core.reports.figures import DayFigures
from tank_mailer.core.reports.outside import DEAD_LETTERS, AccountStanding, Nodes, Outside, QueueDepth
from tank_mailer.core.scope import OperatorPause, parse_scope
from tank_mailer.core.status import Status
from tank_mailer.core.view import NodeView, PauseView
from tests.core.reports.figures import HEALTHY, NOW, SATURDAY, YESTERDAY, alike, check_of, day, node

GOOD = {State.ACCEPTED: 990, State.REFUSED: 5, State.SUPPRESSED: 5}
ARRIVED = {Status.DELIVERED: 970, Status.HARD_BOUNCED: 10, Status.ACCEPTED: 10, Status.SUPPRESSED: 5}
AWAY = NotKnown("no answer", "look at the network")


def made(
    *,
    figures: list[DayFigures] | None = None,
    nodes: Nodes | None = None,
    outside: Outside | None = None,
    has_events: bool = True,
    days: Days = YESTERDAY,
) -> Report:
    week = alike(YESTERDAY.before(7), ended=GOOD, cohort=ARRIVED)
    given = DailyFigures(
        days=days,
        figures=figures if figures is not None else [*week, day(SATURDAY, ended=GOOD, cohort=ARRIVED)],
        nodes=nodes or Nodes(alive=[node()]),
        outside=outside or Outside(account=HEALTHY),
        has_events=has_events,
    )
    return daily(given, NOW)


def with_day(ended: Mapping[State, int] | None = None, cohort: Mapping[Status, int] | None = None) -> list[DayFigures]:
    """An ordinary week, and then this."""
    week = alike(YESTERDAY.before(7), ended=GOOD, cohort=ARRIVED)
    return [*week, day(SATURDAY, ended=ended or GOOD, cohort=cohort or ARRIVED)]


def test_a_good_day() -> None:
    report = made()
    assert report.marked(Mark.WARN, Mark.BAD, Mark.UNKNOWN) == []
    assert check_of(report, "success_rate").said == "99 %: 990 of 1,000 jobs accepted by SES"
    assert check_of(report, "delivered_rate").said == (
        "98 %: 970 of 990 accepted recipients; of 10 nothing final is known yet"
    )
    assert not report.is_partial
    assert report.shape()["until"] == "2026-11-28"


@pytest.mark.parametrize(
    ("ended", "mark", "said"),
    [
        pytest.param({State.ACCEPTED: 94, State.DEAD: 6}, Mark.WARN, "94 %: 94 of 100 jobs", id="too-many-failed"),
        pytest.param({State.ACCEPTED: 95, State.DEAD: 5}, Mark.GOOD, "95 %: 95 of 100 jobs", id="just-good-enough"),
        pytest.param({State.ACCEPTED: 1, State.DEAD: 9}, Mark.TOLD, "10 %: 1 of 10 jobs", id="ten-jobs-are-too-few"),
        pytest.param({State.ACCEPTED: 9}, Mark.GOOD, "100 %: 9 of 9 jobs", id="all-of-a-few-are-good"),
        pytest.param({State.DRY_RUN: 50}, Mark.TOLD, "no job has ended", id="a-dry-run-is-no-job"),
    ],
)
def test_success(ended: dict[State, int], mark: Mark, said: str) -> None:
    check = check_of(made(figures=[day(SATURDAY, ended=ended)]), "success_rate")
    assert (check.mark, check.said.startswith(said)) == (mark, True), check


def test_without_events_nobody_knows_what_was_delivered() -> None:
    report = made(has_events=False)
    assert check_of(report, "delivered_rate").mark is Mark.UNKNOWN
    assert any("no event queue" in remark for remark in report.blind)


@pytest.mark.parametrize(
    ("ended", "cohort", "failed", "bounced"),
    [
        pytest.param(GOOD, ARRIVED, Mark.GOOD, Mark.GOOD, id="as-ever"),
        pytest.param({State.ACCEPTED: 950, State.EXPIRED: 50}, ARRIVED, Mark.WARN, Mark.GOOD, id="jobs-fail"),
        pytest.param(
            GOOD, {Status.DELIVERED: 900, Status.SOFT_BOUNCED: 90}, Mark.GOOD, Mark.WARN, id="mail-comes-back"
        ),
        pytest.param({State.ACCEPTED: 40}, {Status.DELIVERED: 40}, Mark.TOLD, Mark.TOLD, id="too-few-to-compare"),
        pytest.param({State.ACCEPTED: 900, State.SUPPRESSED: 100}, ARRIVED, Mark.GOOD, Mark.GOOD, id="held-back"),
    ],
)
def test_against_the_week_before(
    ended: dict[State, int], cohort: dict[Status, int], failed: Mark, bounced: Mark
) -> None:
    report = made(figures=with_day(ended, cohort))
    assert (check_of(report, "failed_jobs").mark, check_of(report, "bounces").mark) == (failed, bounced)


def test_what_has_fallen_is_said_to_be_good() -> None:
    week = alike(YESTERDAY.before(7), ended={State.ACCEPTED: 900, State.DEAD: 100})
    check = check_of(made(figures=[*week, day(SATURDAY, ended=GOOD)]), "failed_jobs")
    assert (check.mark, check.said.startswith("fallen: 0.5 % (5 of 1,000)")) == (Mark.GOOD, True)


def test_what_it_is_compared_with_is_said() -> None:
    same = day(SATURDAY - timedelta(days=7), ended={State.ACCEPTED: 90, State.DEAD: 10})
    report = made(figures=[same, *alike(Days(date(2026, 11, 22), SATURDAY), ended=GOOD), day(SATURDAY, ended=GOOD)])
    assert check_of(report, "failed_jobs").said == (
        "0.5 % (5 of 1,000); the 7 days before 0.656 % (40 of 6,100), the same weekday 10 %"
    )


def test_the_most_frequent_reasons_of_the_day_alone() -> None:
    before = day(SATURDAY - timedelta(days=1), ended={State.DEAD: 500}, reason="attempts_spent")
    now = day(SATURDAY, ended={State.INVALID: 3, State.ACCEPTED: 5}, cohort={Status.SOFT_BOUNCED: 7}, reason="x")
    report = made(figures=[before, now])
    (table,) = [table for section in report.sections for table in section.tables if table.key == "reasons"]
    assert [(row[0], row[2], row[3]) for row in table.rows] == [
        ("soft_bounced", "recipients", 7),
        ("invalid", "jobs", 3),
    ]


# --- connection ------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("alive", "key", "mark", "said"),
    [
        pytest.param([], "daemon", Mark.BAD, "no daemon is alive", id="nobody"),
        pytest.param([node("a"), node("b")], "daemon", Mark.GOOD, "2 nodes alive: a, b", id="two"),
        pytest.param([node()], "poll_ordinary", Mark.GOOD, "polled 5.0 s ago", id="a-moment-ago"),
        pytest.param([node(polled_s=90)], "poll_ordinary", Mark.BAD, "polled 1.5 min ago", id="too-long-ago"),
        pytest.param([node("a", polled_s=90), node("b")], "poll_ordinary", Mark.GOOD, "polled 5.0 s", id="by-another"),
        pytest.param([node(polled_s=None)], "poll_ordinary", Mark.WARN, "never polled", id="never"),
        pytest.param([node(polled_s=9e5, is_polled=False)], "poll_ordinary", Mark.WARN, "not polled", id="paused"),
        pytest.param([node(polled_s=-9.0)], "poll_ordinary", Mark.GOOD, "polled 0.0 s ago", id="clocks-that-disagree"),
    ],
)
def test_daemons(alive: list[NodeView], key: str, mark: Mark, said: str) -> None:
    check = check_of(made(nodes=Nodes(alive=alive)), key)
    assert (check.mark, check.said.startswith(said)) == (mark, True), check


def test_pauses_of_either_kind() -> None:
    own = PauseView(concern="quota", name="ordinary", reason="quota_exceeded", since=NOW, remedy="wait")
    pause = SharedPause(own, ["mail-1"], is_everywhere=True)
    order = OperatorPause(parse_scope("lane/ordinary"), NOW, "ann@office")
    report = made(nodes=Nodes(alive=[node()], pauses=[pause], orders=[order]))
    assert [(check.mark, check.said, check.remedy) for check in report.checks if check.key == "pause"] == [
        (Mark.BAD, "the daily quota of the ordinary lane: quota_exceeded", "wait"),
        (Mark.WARN, "the ordinary lane, by ann@office", "tank-mailer resume --lane ordinary"),
    ]


def account(**changes: Any) -> AccountStanding:
    known = {name: getattr(HEALTHY, name) for name in AccountStanding.__slots__}
    return AccountStanding(**known | changes)


@pytest.mark.parametrize(
    ("standing", "key", "mark"),
    [
        pytest.param(HEALTHY, "account", Mark.GOOD, id="healthy"),
        pytest.param(account(enforcement="PROBATION"), "account", Mark.WARN, id="under-review"),
        pytest.param(account(enforcement="SHUTDOWN"), "account", Mark.BAD, id="shut-down"),
        pytest.param(account(sending_enabled=False), "account", Mark.BAD, id="paused"),
        pytest.param(account(production_access=False), "account", Mark.WARN, id="in-the-sandbox"),
        pytest.param(
            account(sending_enabled=None, enforcement=""), "account", Mark.GOOD, id="what-is-not-told-is-good"
        ),
        pytest.param(AWAY, "account", Mark.UNKNOWN, id="not-known"),
        pytest.param(account(unseen=AWAY), "account", Mark.UNKNOWN, id="figures-alone"),
        pytest.param(account(unseen=AWAY, sent_last_24_hours=47_500.0), "quota", Mark.BAD, id="95-per-cent-by-figures"),
        pytest.param(account(sent_last_24_hours=39_999.0), "quota", Mark.GOOD, id="below-80-per-cent"),
        pytest.param(account(sent_last_24_hours=40_000.0), "quota", Mark.WARN, id="80-per-cent"),
        pytest.param(account(sent_last_24_hours=47_500.0), "quota", Mark.BAD, id="95-per-cent"),
        pytest.param(account(max_24_hour_send=0.0), "quota", Mark.BAD, id="no-quota-at-all"),
        pytest.param(account(max_24_hour_send=None), "quota", Mark.GOOD, id="unlimited"),
    ],
)
def test_account(standing: AccountStanding | NotKnown, key: str, mark: Mark) -> None:
    assert check_of(made(outside=Outside(account=standing)), key).mark is mark


def test_queues() -> None:
    depths = [
        QueueDepth("ordinary", "tank-outbound", (48_000, 20)),
        QueueDepth("events", "tank-events", AWAY),
        QueueDepth(DEAD_LETTERS, "tank-dead", (2, 1)),
    ]
    report = made(outside=Outside(account=HEALTHY, queues=depths))
    assert check_of(report, "queue_events").mark is Mark.UNKNOWN
    letters = check_of(report, "queue_dead_letters")
    assert (letters.mark, letters.said, letters.value) == (Mark.WARN, "3 wait for a person", 3)
    (table,) = [table for section in report.sections for table in section.tables if table.key == "queues"]
    assert [row[2:] for row in table.rows] == [[48_000, 20], [None, None], [2, 1]]
    empty = made(outside=Outside(account=HEALTHY, queues=[QueueDepth(DEAD_LETTERS, "tank-dead", (0, 0))]))
    assert check_of(empty, "queue_dead_letters").mark is Mark.GOOD


def test_today_is_marked_as_not_over() -> None:
    assert made(figures=[], days=Days(NOW.date(), NOW.date() + timedelta(days=1))).is_partial
