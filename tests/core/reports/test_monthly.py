"""The monthly checklist and the bill: peaks against the quota, keys, prices, and what each line comes to."""

from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any

import pytest

from tank_mailer.core.cost import Item
from tank_mailer.core.prices import Billed, Price
from tank_mailer.core.reports.costs import CostFigures, cost
from tank_mailer.core.reports.document import Cell, Mark, NotKnown, Report
from tank_mailer.core.reports.figures import Hour
from tank_mailer.core.reports.monthly import MonthlyFigures, monthly
from tank_mailer.core.reports.outside import AccessKey, DedicatedIps, Outside
from tank_mailer.core.status import Status
from tests.core.reports.figures import HEALTHY, MONTH, NOW, alike, check_of, day

FIRST = int(datetime(2026, 10, 1, tzinfo=UTC).timestamp()) // 3600
AWAY = NotKnown("no answer", "look at the network")
FIGURES = alike(MONTH, cohort={Status.DELIVERED: 1_000})


def price(amount: str, per: int = 1, currency: str = "USD", **rest: Any) -> Price:
    return Price(amount=Decimal(amount), currency=currency, per=per, unit="x", as_of=NOW.date(), **rest)


PRICES: dict[Billed, Price] = {
    Billed.RECIPIENTS: price("0.10", 1_000),
    Billed.DATA: price("0.12", 1_000_000_000),
    Billed.DEDICATED_IPS: price("24.95"),
    Billed.MANAGED_IPS: price("15"),
    Billed.SQS_REQUESTS: price("0.40", 1_000_000, free=1_000_000),
    Billed.SNS_NOTIFICATIONS: price("0.50", 1_000_000),
    Billed.PLAN: price("0"),
}
USAGE = {
    MONTH.begin: {Item.RECIPIENTS: 2_500, Item.DATA_BYTES: 2_000_000_000, Item.SQS_REQUESTS: 3_000_000},
    MONTH.last: {Item.SNS_NOTIFICATIONS: 1_000_000, Item.MAILS: 9},
}


def figures(**changes: Any) -> CostFigures:
    given: dict[str, Any] = {"days": MONTH, "usage": USAGE, "figures": FIGURES, "prices": PRICES}
    given["ips"] = DedicatedIps(standard=2, managed=1)
    return CostFigures(**given | changes)


def amounts(report: Report) -> dict[Cell, Cell]:
    (table,) = [table for section in report.sections for table in section.tables if table.key == "cost"]
    return {row[0]: row[3] for row in table.rows}


# --- the bill --------------------------------------------------------------------------------------


def test_what_each_line_comes_to() -> None:
    """The meter has seen more of the first day than the ledger still knows; of the others the ledger knows more."""
    report = cost(figures(), NOW)
    assert amounts(report) == {
        "e-mails (recipients)": Decimal("3.25"),
        "data and attachments": Decimal("0.24"),
        "dedicated IPs": Decimal("49.90"),
        "managed dedicated IPs": Decimal(15),
        "SQS requests": Decimal("0.8"),
        "SNS notifications": Decimal("0.5"),
        "SES plan": Decimal(0),
    }
    assert check_of(report, "total").said == "69.69 USD"
    assert report.marked(Mark.UNKNOWN, Mark.WARN, Mark.BAD) == []


def test_a_line_without_a_price_is_told_and_the_rest_is_summed() -> None:
    prices = {billed: one for billed, one in PRICES.items() if billed is not Billed.DATA}
    report = cost(figures(prices=prices), NOW)
    missing = check_of(report, "cost_data")
    assert (missing.mark, missing.said, missing.remedy) == (
        Mark.UNKNOWN,
        "no price",
        "give the price file a table [data]",
    )
    assert amounts(report)["data and attachments"] is None
    assert check_of(report, "total").said == "69.45 USD"


def test_what_costs_nothing_needs_no_price() -> None:
    report = cost(figures(usage={}, ips=DedicatedIps(), figures=[], prices={}), NOW)
    assert [check.key for check in report.marked(Mark.UNKNOWN)] == ["cost_plan"]


def test_ips_that_could_not_be_asked_for_are_told_once() -> None:
    report = cost(figures(ips=AWAY), NOW)
    assert [check.key for check in report.marked(Mark.UNKNOWN)] == ["cost_dedicated_ips"]


def test_currencies_are_not_mixed() -> None:
    report = cost(figures(prices=PRICES | {Billed.RECIPIENTS: price("1", 1_000, "EUR")}), NOW)
    totals = [check.said for check in report.checks if check.key == "total"]
    assert totals == ["32.50 EUR", "66.44 USD"]


def test_old_prices_are_worth_a_word() -> None:
    old = Price(amount=Decimal(1), currency="USD", per=1, unit="x", as_of=NOW.date() - timedelta(days=180))
    assert check_of(cost(figures(prices=PRICES | {Billed.PLAN: old}), NOW), "price_age").mark is Mark.WARN


# --- the month -------------------------------------------------------------------------------------


def made(**changes: Any) -> Report:
    given: dict[str, Any] = {
        "days": MONTH,
        "figures": FIGURES,
        "hours": [Hour(FIRST, 20_000, 300)],
        "before": 30_000,
        "outside": Outside(account=HEALTHY),
        "cost": figures(),
        "has_events": True,
    }
    return monthly(MonthlyFigures(**given | changes), NOW)


@pytest.mark.parametrize(
    ("recipients", "minute", "day_mark", "rate_mark"),
    [
        pytest.param(20_000, 300, Mark.GOOD, Mark.GOOD, id="room-enough"),
        pytest.param(40_000, 672, Mark.WARN, Mark.WARN, id="80-per-cent-of-both"),
        pytest.param(47_500, 798, Mark.BAD, Mark.BAD, id="95-per-cent-of-both"),
    ],
)
def test_headroom(recipients: int, minute: int, day_mark: Mark, rate_mark: Mark) -> None:
    report = made(hours=[Hour(FIRST, recipients, minute)])
    assert (check_of(report, "peak_day").mark, check_of(report, "peak_rate").mark) == (day_mark, rate_mark)


def test_headroom_is_said_in_full() -> None:
    assert check_of(made(), "peak_day").said == (
        "20,000 of 50,000 recipients, until 2026-10-01 01:00 UTC: 40 % used, 60 % headroom"
    )
    assert check_of(made(), "peak_rate").said.startswith("5 of 14 recipients a second, in the hour from 2026-10-01")


def test_without_the_account_the_peaks_are_told_all_the_same() -> None:
    report = made(outside=Outside(account=AWAY))
    assert (check_of(report, "peak_day").mark, check_of(report, "account").mark) == (Mark.TOLD, Mark.UNKNOWN)


@pytest.mark.parametrize(
    ("before", "said"),
    [
        pytest.param(0, "31,000 recipients; nothing is known", id="nothing-before"),
        pytest.param(30_000, "31,000 recipients, about as many as (+3%)", id="as-many"),
        pytest.param(20_000, "31,000 recipients, 55 % more than", id="more"),
        pytest.param(62_000, "31,000 recipients, 50 % fewer than", id="fewer"),
        pytest.param(10_000, "31,000 recipients, 3.1 times as many as", id="several-times"),
    ],
)
def test_volume(before: int, said: str) -> None:
    assert check_of(made(before=before), "volume").said.startswith(said)


def test_weeks_are_those_of_the_calendar() -> None:
    report = made()
    (table,) = [table for section in report.sections for table in section.tables if table.key == "weeks"]
    assert [(str(row[0]), row[1], row[4]) for row in table.rows] == [
        ("2026-10-01", 4, 4_000),
        ("2026-10-05", 7, 7_000),
        ("2026-10-12", 7, 7_000),
        ("2026-10-19", 7, 7_000),
        ("2026-10-26", 6, 6_000),
    ]


def test_days_of_two_years_are_in_their_own_weeks() -> None:
    days = [day(datetime(2026, 12, 28, tzinfo=UTC).date()), day(datetime(2027, 1, 4, tzinfo=UTC).date())]
    (table,) = [t for section in made(figures=days).sections for t in section.tables if t.key == "weeks"]
    assert len(table.rows) == 2


@pytest.mark.parametrize(
    ("age", "is_active", "mark"),
    [
        pytest.param(timedelta(days=89, hours=23), True, Mark.GOOD, id="not-yet"),
        pytest.param(timedelta(days=90), True, Mark.WARN, id="90-days"),
        pytest.param(timedelta(days=900), False, Mark.GOOD, id="an-inactive-one"),
    ],
)
def test_key_age(age: timedelta, is_active: bool, mark: Mark) -> None:
    keys = [AccessKey("WXYZ", NOW - age, is_active=is_active, is_ours=True)]
    assert check_of(made(outside=Outside(account=HEALTHY, keys=keys)), "key_age").mark is mark


@pytest.mark.parametrize("keys", [pytest.param(AWAY, id="not-told"), pytest.param([], id="no-key-is-named")])
def test_key_age_that_is_not_known(keys: list[AccessKey] | NotKnown) -> None:
    assert check_of(made(outside=Outside(account=HEALTHY, keys=keys)), "key_age").mark is Mark.UNKNOWN
