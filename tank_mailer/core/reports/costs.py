"""What the mail has cost, by the operator's price file."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime
from decimal import Decimal
from typing import Final

from tank_mailer.core.cost import Item
from tank_mailer.core.prices import Billed, Price, Prices
from tank_mailer.core.reports import words
from tank_mailer.core.reports.days import Days, today
from tank_mailer.core.reports.document import (
    Cell,
    Chart,
    ChartKind,
    Check,
    Column,
    Form,
    Mark,
    NotKnown,
    Report,
    Section,
    Table,
)
from tank_mailer.core.reports.figures import DayFigures
from tank_mailer.core.reports.outside import DedicatedIps
from tank_mailer.core.reports.spell import money, size

OLD_PRICE_DAYS: Final = 180  # ours: then somebody should look at AWS's list again
TITLES: Final[Mapping[Billed, str]] = {
    Billed.RECIPIENTS: "e-mails (recipients)",
    Billed.DATA: "data and attachments",
    Billed.DEDICATED_IPS: "dedicated IPs",
    Billed.MANAGED_IPS: "managed dedicated IPs",
    Billed.SQS_REQUESTS: "SQS requests",
    Billed.SNS_NOTIFICATIONS: "SNS notifications",
    Billed.PLAN: "SES plan",
}
COUNTED: Final = (
    "recipients: each to whom a mail was accepted, the simulator's too; by the ledger or by the meter, whichever has"
    " seen more of a day"
)
METERED: Final = (
    "data, SQS and SNS: counted by the daemons of this store while they run; data as it is handed to SES, before SES's"
    " own encoding"
)
NOT_OURS: Final = (
    "what else is on AWS's bill: the web servers' own calls to SQS, other senders, data transfer, CloudWatch, taxes,"
    " discounts"
)
PLANS: Final = "which of SES's plans the account has: see its Billing page, and mend [recipients] and [plan]"
SINCE_METER: Final = "days before the daemons began to count (version with `report`), or on which they stood still"


@dataclass(frozen=True, slots=True)
class Line:
    """One line of the bill.

    Attributes:
        count: what was counted; or why that is not known.
        price: None: the file has none.
    """

    billed: Billed
    count: Decimal | NotKnown
    price: Price | None
    months: float

    @property
    def amount(self) -> Decimal | None:
        """What it costs; None: not known."""
        if self.price is None or isinstance(self.count, NotKnown):
            return None
        return self.price.cost(self.count, months=self.months)

    @property
    def said(self) -> str:
        """What is counted, for people."""
        match self.count:
            case NotKnown():
                return "not known"
            case _ if self.billed is Billed.DATA:
                return size(float(self.count))
            case _ if self.billed in {Billed.DEDICATED_IPS, Billed.MANAGED_IPS, Billed.PLAN}:
                return f"{self.count:,.2f} months"
            case _:
                return f"{self.count:,.0f}"


@dataclass(frozen=True, slots=True, kw_only=True)
class CostFigures:
    """What it is made of.

    Attributes:
        usage: what the daemons have counted, by day.
        figures: of the same days, from the ledger.
        source: where the prices are from, for people.
    """

    days: Days
    usage: Mapping[date, Mapping[Item, int]]
    figures: Sequence[DayFigures]
    ips: DedicatedIps | NotKnown
    prices: Prices
    source: str = ""

    @property
    def lines(self) -> list[Line]:
        """All of them, in the bill's order."""
        months = self.days.months
        return [Line(billed, self._count(billed), self.prices.get(billed), months) for billed in Billed]

    def recipients(self, one: DayFigures) -> int:
        """Of one day. The ledger knows mails whose answer was lost, the meter what the ledger has forgotten."""
        return max(one.cohort.accepted, self.usage.get(one.day, {}).get(Item.RECIPIENTS, 0))

    def _count(self, billed: Billed) -> Decimal | NotKnown:
        months = Decimal(str(self.days.months))
        match billed:
            case Billed.RECIPIENTS:
                return Decimal(sum(self.recipients(one) for one in self.figures))
            case Billed.DATA:
                return self._metered(Item.DATA_BYTES)
            case Billed.SQS_REQUESTS:
                return self._metered(Item.SQS_REQUESTS)
            case Billed.SNS_NOTIFICATIONS:
                return self._metered(Item.SNS_NOTIFICATIONS)
            case Billed.DEDICATED_IPS:
                return self.ips if isinstance(self.ips, NotKnown) else self.ips.standard * months
            case Billed.MANAGED_IPS:
                return self.ips if isinstance(self.ips, NotKnown) else (months if self.ips.managed else Decimal(0))
            case Billed.PLAN:
                return months

    def _metered(self, item: Item) -> Decimal:
        return Decimal(sum(counts.get(item, 0) for counts in self.usage.values()))


def cost(given: CostFigures, now: datetime) -> Report:
    """The whole report."""
    return Report(
        kind="cost",
        title="Cost report",
        days=given.days,
        made_at=now,
        sections=[cost_section(given, now)],
        counts=[COUNTED, METERED],
        blind=[NOT_OURS, PLANS, SINCE_METER, words.RETENTION],
        is_partial=given.days.end > today(now),
    )


def cost_section(given: CostFigures, now: datetime, *, is_alone: bool = True) -> Section:
    """Lines, totals by currency, and how old the prices are; alone it has a chart of the volume, too."""
    lines = given.lines
    columns = [
        Column("item", "item"),
        Column("count", "counted"),
        Column("price", "price"),
        Column("amount", "amount", Form.MONEY),
        Column("currency", "currency"),
        Column("as_of", "price as of"),
    ]
    table = Table(
        "cost",
        "Lines",
        columns,
        [_row(line) for line in lines],
        note=f"prices: {given.source}; what is free of a month is taken off",
    )
    missing = [_missing(line) for line in lines if _matters(line)]
    checks = [*_totals(lines), *missing, *_ages(given.prices, today(now))]
    chart = Chart(
        "Recipients by day",
        ChartKind.BARS,
        [one.day.isoformat()[5:] for one in given.figures],
        {"recipients": [float(given.recipients(one)) for one in given.figures]},
    )
    return Section("cost", "Cost", checks=checks, tables=[table], charts=[chart] if is_alone else [])


def _row(line: Line) -> list[Cell]:
    price = line.price
    if price is None:
        return [TITLES[line.billed], line.said, "no price", None, None, None]
    asked = f"{money(price.amount)} per {price.unit}"
    return [TITLES[line.billed], line.said, asked, line.amount, price.currency, price.as_of]


def _totals(lines: Sequence[Line]) -> list[Check]:
    totals = dict[str, Decimal]()
    for line in lines:
        if line.price is not None and line.amount is not None:
            totals[line.price.currency] = totals.get(line.price.currency, Decimal(0)) + line.amount
    return [
        Check("total", "total", Mark.TOLD, f"{money(amount)} {currency}", amount)
        for currency, amount in sorted(totals.items())
    ]


def _matters(line: Line) -> bool:
    """Whether its amount is missed: of nothing it is none, and what is not known of IPs is told once."""
    return (
        line.amount is None
        and line.count != Decimal(0)
        and not (line.billed is Billed.MANAGED_IPS and isinstance(line.count, NotKnown))
    )


def _missing(line: Line) -> Check:
    key, title = f"cost_{line.billed.value}", TITLES[line.billed]
    if isinstance(line.count, NotKnown):
        return line.count.check(key, title)
    return Check(key, title, Mark.UNKNOWN, "no price", remedy=f"give the price file a table [{line.billed.value}]")


def _ages(prices: Prices, day: date) -> list[Check]:
    """Prices that nobody has looked at for long."""
    oldest = min((price.as_of for price in prices.values()), default=None)
    if oldest is None or (day - oldest).days < OLD_PRICE_DAYS:
        return []
    said = f"the oldest is of {oldest.isoformat()}"
    remedy = "compare the file with AWS's price list, then set as_of"
    return [Check("price_age", "prices", Mark.WARN, said, (day - oldest).days, remedy)]
