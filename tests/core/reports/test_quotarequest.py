"""The text for AWS Support: what was measured is in it, what nobody has measured is marked for a person to fill in."""

from datetime import UTC, datetime
from typing import Any

import pytest

from tank_mailer.core.reports.document import Mark, NotKnown, Report
from tank_mailer.core.reports.figures import Growth, Hour
from tank_mailer.core.reports.outside import IdentityState, Outside
from tank_mailer.core.reports.quotarequest import WIDTH, RequestFigures, quota_request
from tank_mailer.core.reputation import Tally
from tank_mailer.core.status import Status
from tests.core.reports.figures import HEALTHY, MONTH, NOW, alike, check_of

FIRST = int(datetime(2026, 10, 1, tzinfo=UTC).timestamp()) // 3600
GOOD = [IdentityState("shop.example", is_good=True, said="verified, DKIM good")]


def made(**changes: Any) -> Report:
    given: dict[str, Any] = {
        "days": MONTH,
        "figures": alike(MONTH, cohort={Status.DELIVERED: 980, Status.HARD_BOUNCED: 20}, tally=Tally(1_000, 20, 0)),
        "hours": [Hour(FIRST, 45_000, 780)],
        "growth": [Growth("hard_bounce", 1_234, 5, 5)],
        "outside": Outside(account=HEALTHY, identities=GOOD),
        "region": "eu-west-1",
        "has_events": True,
    }
    return quota_request(RequestFigures(**given | changes), NOW)


def text_of(report: Report) -> str:
    (section,) = [section for section in report.sections if section.text]
    return section.text


def words(report: Report) -> str:
    return " ".join(text_of(report).split())


def test_what_we_could_not_see_is_no_news_for_aws() -> None:
    half = [IdentityState("shop.example", is_good=True, said="verified at SES", unseen="TANK_DNS_RESOLVER is silent")]
    report = made(outside=Outside(account=HEALTHY, identities=half))
    assert words(report).endswith("shop.example: verified at SES.")
    assert check_of(report, "identity").mark is Mark.UNKNOWN


def test_what_was_measured_is_in_the_text() -> None:
    report = made()
    text = words(report)
    for part in (
        "increase, region eu-west-1",
        "We ask for 68,000 recipients in 24 hours and 20 recipients a second.",
        "The present limits are 50,000 in 24 hours and 14 a second.",
        "1,452 recipients a day on average",
        "The highest was 45,000 recipients in 24 hours, in the 24 hours until 2026-10-01 01:00 UTC",
        "13 recipients a second over the busiest minute",
        "It has 1,234 addresses",
        "98 % of the recipients were delivered; 2 % bounced hard (620 of 31,000), 0 % complained (0)",
        "shop.example: verified, DKIM good.",
    ):
        assert part in text, part
    assert all(len(line) <= WIDTH for line in text_of(report).split("\n"))
    assert check_of(report, "demand").mark is Mark.WARN, "peaks at the limit are cut off there"


def test_what_only_a_person_knows_is_marked() -> None:
    text = words(made())
    assert text.count("[FILL IN: ") == 5
    for what in ("website", "which mail this is", "a sample", "how addresses come in", "how people opt out"):
        assert f"[FILL IN: {what}" in text


def test_without_events_and_account_more_is_left_to_a_person() -> None:
    away = Outside(account=NotKnown("no answer"), identities=NotKnown("no answer"))
    report = made(has_events=False, outside=away, region="")
    assert words(report).count("[FILL IN: ") == 9
    assert check_of(report, "needed").mark is Mark.UNKNOWN
    assert "We ask for 68,000 recipients" in words(report)


@pytest.mark.parametrize(
    ("changes", "key", "mark"),
    [
        pytest.param({}, "needed", Mark.GOOD, id="more-is-needed"),
        pytest.param({"hours": [Hour(FIRST, 100, 10)]}, "needed", Mark.WARN, id="nothing-more-is-needed"),
        pytest.param({}, "reputation", Mark.GOOD, id="a-good-name"),
        pytest.param(
            {"figures": alike(MONTH, tally=Tally(1_000, 60, 0))}, "reputation", Mark.BAD, id="too-many-bounces"
        ),
        pytest.param({"figures": alike(MONTH, tally=Tally(1_000, 0, 1))}, "reputation", Mark.BAD, id="complaints"),
        pytest.param({"figures": []}, "reputation", Mark.TOLD, id="too-few-mails"),
    ],
)
def test_what_to_look_at_before_it_is_sent(changes: dict[str, Any], key: str, mark: Mark) -> None:
    assert check_of(made(**changes), key).mark is mark


def test_the_headroom_is_a_persons() -> None:
    assert "We ask for 90,000 recipients in 24 hours" in words(made(headroom=2.0))
