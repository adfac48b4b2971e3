"""Values as people read them."""

from datetime import date
from decimal import Decimal

import pytest

from tank_mailer.core.reports.document import Cell, Form, plain
from tank_mailer.core.reports.spell import count_of, money, rate_of, size, spark, spell


@pytest.mark.parametrize(
    ("value", "form", "text"),
    [
        pytest.param(None, Form.COUNT, "-", id="nothing"),
        pytest.param("gmx.de", Form.TEXT, "gmx.de", id="a-text"),
        pytest.param(date(2026, 11, 2), Form.TEXT, "2026-11-02", id="a-day"),
        pytest.param(7, Form.TEXT, "7", id="a-number-for-a-text"),
        pytest.param(1_234_567, Form.COUNT, "1,234,567", id="a-count"),
        pytest.param(0.976, Form.SHARE, "97.6 %", id="a-share"),
        pytest.param(0.00031, Form.SHARE, "0.031 %", id="a-complaint-in-thousands"),
        pytest.param(1.0, Form.SHARE, "100 %", id="all"),
        pytest.param(0.0, Form.SHARE, "0 %", id="none"),
        pytest.param(3.5, Form.SECONDS, "3.5 s", id="tenths-of-few-seconds"),
        pytest.param(42.5, Form.SECONDS, "42 s", id="seconds"),
        pytest.param(150.0, Form.SECONDS, "2.5 min", id="minutes"),
        pytest.param(5_400.0, Form.SECONDS, "1.5 h", id="hours"),
        pytest.param(172_800.0, Form.SECONDS, "2.0 d", id="days"),
        pytest.param(12.34, Form.FIGURE, "12.3", id="a-figure"),
        pytest.param(Decimal("1234.5"), Form.MONEY, "1,234.50", id="money"),
    ],
)
def test_spell(value: Cell, form: Form, text: str) -> None:
    assert spell(value, form) == text


@pytest.mark.parametrize(
    ("amount", "text"),
    [("0", "0.00"), ("0.01", "0.01"), ("0.0001", "0.000100"), ("99.999", "100.00")],
)
def test_money_below_a_cent_is_not_nothing(amount: str, text: str) -> None:
    assert money(Decimal(amount)) == text


@pytest.mark.parametrize(
    ("count", "text"), [(0, "0 B"), (999, "999 B"), (1_500, "1.5 kB"), (2_500_000_000, "2.5 GB"), (9e15, "9000.0 TB")]
)
def test_size(count: float, text: str) -> None:
    assert size(count) == text


def test_rates_of_few_have_digits() -> None:
    assert [rate_of(value) for value in (0, 0.017, 1.25, 3.0, 14.2, 1_200)] == ["0", "0.017", "1.2", "3", "14", "1,200"]


def test_a_count_and_its_noun() -> None:
    assert (count_of(1, "job"), count_of(0, "job"), count_of(1_200, "job")) == ("1 job", "0 jobs", "1,200 jobs")


def test_a_spark_begins_at_nothing() -> None:
    assert spark([0, 1, 2, 4, None, 8]) == "▁▂▃▅ █"
    assert spark([0, None, 0]) == "▁ ▁"
    assert spark([]) == ""


def test_json_has_values_and_not_their_spelling() -> None:
    assert [plain(value) for value in (Decimal("0.10"), date(2026, 11, 2), 0.1234567891, 3, None)] == [
        "0.1",
        "2026-11-02",
        0.123457,
        3,
        None,
    ]
