"""Values as people read them."""

from collections.abc import Sequence
from datetime import date
from decimal import Decimal
from typing import Final

from tank_mailer.core.reports.document import Cell, Form

NONE: Final = "-"
SPARKS: Final = "▁▂▃▄▅▆▇█"
_SPANS: Final = ((86_400, "d"), (3_600, "h"), (60, "min"))
_UNITS: Final = ("B", "kB", "MB", "GB", "TB")
_UNIT: Final = 1_000
_FIRST: Final = 10  # below it, digits behind the point are of interest


def spell(value: Cell, form: Form = Form.TEXT) -> str:
    """Spell a value in its form."""
    if value is None:
        return NONE
    if isinstance(value, str | date):
        return str(value)
    match form:
        case Form.TEXT | Form.COUNT:
            return f"{value:,.0f}"
        case Form.SHARE:
            return percent(float(value))
        case Form.SECONDS:
            return seconds(float(value))
        case Form.FIGURE:
            return f"{value:,.1f}"
        case Form.MONEY:
            return money(value)


def percent(share: float) -> str:
    """Three digits that count: complaints are told in hundredths of a per cent."""
    return f"{share * 100:.3g} %" if share < 1 else f"{share * 100:.0f} %"


def seconds(value: float) -> str:
    """A duration by its largest unit."""
    for size, unit in _SPANS:
        if value >= size:
            return f"{value / size:.1f} {unit}"
    return f"{value:.1f} s" if value < _FIRST else f"{value:.0f} s"


def rate_of(value: float) -> str:
    """Recipients, in all or a second: of few of them digits behind the point matter."""
    return f"{value:.2g}" if 0 < value < _FIRST and value != int(value) else f"{value:,.0f}"


def money(value: Decimal | float) -> str:
    """With cents; what is less than one has more digits, so that it is not nothing."""
    exact = Decimal(str(value))
    digits = 2 if not exact or abs(exact) >= Decimal("0.01") else 6
    return f"{exact:,.{digits}f}"


def size(count: float) -> str:
    """Bytes by a unit of a thousand."""
    for unit in _UNITS[:-1]:
        if count < _UNIT:
            return f"{count:.0f} {unit}" if unit == "B" else f"{count:.1f} {unit}"
        count /= _UNIT
    return f"{count:.1f} {_UNITS[-1]}"


def count_of(count: int, what: str) -> str:
    """A count and its noun."""
    return f"{count:,} {what}{'' if count == 1 else 's'}"


def spark(values: Sequence[float | None]) -> str:
    """A line of bars, from 0 to the highest; a gap where there is no value."""
    most = max((value for value in values if value is not None), default=0.0)
    if most <= 0:
        return "".join(" " if value is None else SPARKS[0] for value in values)
    top = len(SPARKS) - 1
    return "".join(" " if value is None else SPARKS[round(value / most * top)] for value in values)
