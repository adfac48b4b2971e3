"""What AWS asks for what: a file that the operator keeps right."""

import difflib
import math
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date, datetime
from decimal import Decimal, InvalidOperation
from enum import StrEnum
from typing import Any, Final, NoReturn

MOST_TEXT: Final = 200  # characters of a unit or a note
_CURRENCY: Final = 3  # letters (ISO 4217)
_REQUIRED: Final = ("price", "currency", "per", "unit", "as_of")
_KNOWN: Final = (*_REQUIRED, "free", "note")


class Billed(StrEnum):
    """A line of the bill: the names of the tables in the file."""

    RECIPIENTS = "recipients"
    DATA = "data"  # bytes of subjects, texts, headers
    DEDICATED_IPS = "dedicated_ips"  # of the standard kind, each by the month
    MANAGED_IPS = "managed_ips"  # the fee of managed dedicated IPs, by the month
    SQS_REQUESTS = "sqs_requests"
    SNS_NOTIFICATIONS = "sns_notifications"
    PLAN = "plan"  # SES's plan, by the month


class PriceError(ValueError):
    """The file cannot be used; says which key is at fault, and what it takes."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Price:
    """What one line costs.

    Attributes:
        amount: of `currency`, for `per` of what is counted.
        unit: for people: what `per` of them are called.
        as_of: when somebody has looked at AWS's price list.
        free: of what is counted, in a month.
    """

    amount: Decimal
    currency: str
    per: int
    unit: str
    as_of: date
    free: int = 0
    note: str = ""

    def cost(self, count: Decimal, *, months: float) -> Decimal:
        """What `count` of them cost within so many months; what is free of a month is free of its part."""
        free = self.free * Decimal(str(months))
        return max(Decimal(0), count - free) / self.per * self.amount


Prices = Mapping[Billed, Price]


def read_prices(file: Mapping[str, Any]) -> Prices:
    """Read the tables of a price file; a line that is missing has no price.

    Args:
        file: as TOML reads it, numbers with a point as `Decimal`.

    Raises:
        PriceError: the first fault, by its key.
    """
    return {_billed(name): _price(name, table) for name, table in file.items()}


def _billed(name: str) -> Billed:
    try:
        return Billed(name)
    except ValueError:
        near = difflib.get_close_matches(name, list(Billed), 1)
        meant = f"; did you mean [{near[0]}]?" if near else f"; known are {', '.join(Billed)}"
        _fail(f"[{_shown(name)}]", f"nothing is billed under this name{meant}")


def _price(name: str, table: object) -> Price:
    if not isinstance(table, dict):
        _fail(name, "must be a table, [name], with price, currency, per, unit and as_of")
    for key in table:
        if key not in _KNOWN:
            _fail(f"[{name}] {_shown(key)}", f"no such key; known are {', '.join(_KNOWN)}")
    for key in _REQUIRED:
        if key not in table:
            _fail(f"[{name}] {key}", "is missing")
    currency = _text(name, "currency", table)
    if not (len(currency) == _CURRENCY and currency.isascii() and currency.isalpha()):
        _fail(f"[{name}] currency", "must be three letters, such as USD")
    as_of = table["as_of"]
    if isinstance(as_of, datetime) or not isinstance(as_of, date):
        _fail(f"[{name}] as_of", "must be a date without quotes, such as 2026-07-22")
    return Price(
        amount=_amount(name, table["price"]),
        currency=currency.upper(),
        per=_whole(name, "per", table["per"], least=1),
        unit=_text(name, "unit", table),
        as_of=as_of,
        free=_whole(name, "free", table.get("free", 0), least=0),
        note=_text(name, "note", table) if "note" in table else "",
    )


def _amount(name: str, value: object) -> Decimal:
    """A number, with quotes or without."""
    try:
        amount = Decimal(value) if isinstance(value, str | int | Decimal) and not isinstance(value, bool) else None
    except InvalidOperation:
        amount = None
    if amount is None or not amount.is_finite() or amount < 0 or not math.isfinite(float(amount)):
        _fail(f"[{name}] price", "must be a number from 0 on, such as 0.10")
    return amount


def _whole(name: str, key: str, value: object, *, least: int) -> int:
    if isinstance(value, bool) or not isinstance(value, int) or value < least:
        _fail(f"[{name}] {key}", f"must be a whole number from {least} on")
    return value


def _text(name: str, key: str, table: Mapping[str, Any]) -> str:
    value = table[key]
    if not isinstance(value, str) or not value.strip() or len(value) > MOST_TEXT or not value.isprintable():
        _fail(f"[{name}] {key}", f"must be a text of {MOST_TEXT} characters at most on one line")
    return value.strip()


def _shown(name: str) -> str:
    return "".join(one if one.isprintable() else "?" for one in name[:40])


def _fail(key: str, what: str) -> NoReturn:
    raise PriceError(f"{key}: {what}")
