"""The price file: what is wrong with it is told by the key at fault; what it says is exact."""

import tomllib
from datetime import date
from decimal import Decimal
from pathlib import Path

import pytest

import tank_mailer
from tank_mailer.core.prices import Billed, Price, PriceError, read_prices

ROOT = Path(tank_mailer.__file__).parents[1]
GOOD = """
[recipients]
price = 0.10
currency = "usd"
per = 1000
unit = "1,000 recipients"
as_of = 2026-07-22
free = 100
note = "a la carte"
"""
AS_OF = date(2026, 7, 22)
PRICE = Price(amount=Decimal("0.10"), currency="USD", per=1_000, unit="1,000 recipients", as_of=AS_OF)


def read(text: str) -> dict[Billed, Price]:
    return dict(read_prices(tomllib.loads(text, parse_float=Decimal)))


def test_a_line_is_read_exactly() -> None:
    assert read(GOOD) == {
        Billed.RECIPIENTS: Price(
            amount=Decimal("0.10"),
            currency="USD",
            per=1_000,
            unit="1,000 recipients",
            as_of=AS_OF,
            free=100,
            note="a la carte",
        )
    }


@pytest.mark.parametrize("price", ["1", '"0.10"', "0"])
def test_a_price_may_be_whole_or_in_quotes(price: str) -> None:
    assert read(GOOD.replace("0.10", price, 1))[Billed.RECIPIENTS].amount == Decimal(price.strip('"'))


def test_an_empty_file_has_no_prices() -> None:
    assert read("") == {}


@pytest.mark.parametrize(
    ("old", "new", "said"),
    [
        pytest.param(
            "[recipients]", "[recipient]", r"\[recipient\]: .*did you mean \[recipients\]", id="a-misspelling"
        ),
        pytest.param("[recipients]", "[xyz]", r"\[xyz\]: .*known are recipients, data", id="nothing-like-it"),
        pytest.param("[recipients]", '["a\\u001b[31m"]', r"\[a\?\[31m\]", id="a-name-that-speaks-to-a-terminal"),
        pytest.param("price = 0.10\n", "", r"\[recipients\] price: is missing", id="no-price"),
        pytest.param("as_of = 2026-07-22\n", "", r"\[recipients\] as_of: is missing", id="no-date"),
        pytest.param("price", "prize", r"\[recipients\] prize: no such key", id="a-misspelled-key"),
        pytest.param("0.10", '"ten"', r"\[recipients\] price: must be a number", id="a-word-for-a-price"),
        pytest.param("0.10", "-1", r"\[recipients\] price: must be a number", id="a-negative-price"),
        pytest.param("0.10", "inf", r"\[recipients\] price: must be a number", id="an-endless-price"),
        pytest.param("0.10", "1e999", r"\[recipients\] price: must be a number", id="a-price-beyond-all-numbers"),
        pytest.param("0.10", "true", r"\[recipients\] price: must be a number", id="a-switch-for-a-price"),
        pytest.param("0.10", "[1]", r"\[recipients\] price: must be a number", id="a-list-for-a-price"),
        pytest.param("per = 1000", "per = 0", r"\[recipients\] per: must be a whole number from 1", id="per-nothing"),
        pytest.param("per = 1000", "per = 1.5", r"\[recipients\] per: must be a whole", id="per-one-and-a-half"),
        pytest.param("per = 1000", "per = true", r"\[recipients\] per: must be a whole", id="per-a-switch"),
        pytest.param("free = 100", "free = -1", r"\[recipients\] free: must be a whole", id="less-than-nothing-free"),
        pytest.param('"usd"', '"dollars"', r"\[recipients\] currency: must be three letters", id="no-currency-code"),
        pytest.param('"usd"', "1", r"\[recipients\] currency: must be a text", id="a-number-for-a-currency"),
        pytest.param('"1,000 recipients"', '""', r"\[recipients\] unit: must be a text", id="an-empty-unit"),
        pytest.param('"1,000 recipients"', '"a\\nb"', r"\[recipients\] unit: must be a text", id="a-unit-of-two-lines"),
        pytest.param("2026-07-22", '"2026-07-22"', r"\[recipients\] as_of: must be a date", id="a-date-in-quotes"),
        pytest.param("2026-07-22", "2026-07-22T00:00:00Z", r"\[recipients\] as_of: must be", id="a-date-with-a-time"),
        pytest.param("[recipients]", "recipients = 1\n[data]", r"recipients: must be a table", id="no-table"),
    ],
)
def test_what_is_wrong_is_told_by_its_key(old: str, new: str, said: str) -> None:
    with pytest.raises(PriceError, match=said) as raised:
        read(GOOD.replace(old, new, 1))
    assert str(raised.value).isprintable()


@pytest.mark.parametrize(
    ("count", "free", "months", "cost"),
    [
        pytest.param(0, 0, 1.0, "0", id="nothing-costs-nothing"),
        pytest.param(1, 0, 1.0, "0.0001", id="one-recipient"),
        pytest.param(1_234_567, 0, 1.0, "123.4567", id="many"),
        pytest.param(1_000, 1_000, 1.0, "0", id="all-of-it-is-free"),
        pytest.param(999, 1_000, 1.0, "0", id="less-than-what-is-free-is-no-gain"),
        pytest.param(3_000, 1_000, 1.0, "0.2", id="what-is-free-is-taken-off"),
        pytest.param(3_000, 1_000, 0.5, "0.25", id="half-a-month-has-half-of-it-free"),
    ],
)
def test_cost(count: int, free: int, months: float, cost: str) -> None:
    price = Price(amount=PRICE.amount, currency="USD", per=1_000, unit="", as_of=AS_OF, free=free)
    assert price.cost(Decimal(count), months=months) == Decimal(cost)


def test_the_shipped_file_has_every_line() -> None:
    """And the operator's copy in `config` is the same file."""
    shipped = (ROOT / "tank_mailer/cli/report/prices.toml").read_text(encoding="utf-8")
    prices = read(shipped)
    assert set(prices) == set(Billed)
    assert {price.currency for price in prices.values()} == {"USD"}
    assert prices[Billed.RECIPIENTS].cost(Decimal(1_000), months=1) == Decimal("0.1")
    assert prices[Billed.SQS_REQUESTS].cost(Decimal(3_000_000), months=1) == Decimal("0.8")
    assert (ROOT / "config/prices.toml").read_text(encoding="utf-8") == shipped
