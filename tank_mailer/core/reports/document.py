"""What a report is made of: checks, tables, charts. What shows it (terminal, JSON, HTML) knows no figure itself."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime
from decimal import Decimal
from enum import StrEnum
from typing import Any

from tank_mailer.core.reports.days import Days

Cell = str | int | float | Decimal | date | None


class Mark(StrEnum):
    """How something stands."""

    GOOD = "good"
    WARN = "warn"  # worth a look
    BAD = "bad"  # a person must act
    UNKNOWN = "unknown"  # could not be asked
    TOLD = "told"  # a figure that is neither good nor bad by itself


class Form(StrEnum):
    """How a value is to be shown."""

    TEXT = "text"
    COUNT = "count"
    SHARE = "share"  # a fraction of 1
    SECONDS = "seconds"
    FIGURE = "figure"  # a number with some digits behind the point
    MONEY = "money"


class ChartKind(StrEnum):
    """How a chart is drawn."""

    LINE = "line"
    BARS = "bars"
    STACKED = "stacked"


@dataclass(frozen=True, slots=True)
class Check:
    """One line of a checklist.

    Attributes:
        key: for scripts.
        said: how it stands, in words.
        value: the figure behind it, if there is one.
        remedy: what a person can do.
    """

    key: str
    title: str
    mark: Mark
    said: str
    value: Cell = None
    remedy: str | None = None

    def shape(self) -> dict[str, Any]:
        """As JSON has it."""
        return {
            "key": self.key,
            "title": self.title,
            "mark": self.mark.value,
            "said": self.said,
            "value": plain(self.value),
            "remedy": self.remedy,
        }


@dataclass(frozen=True, slots=True)
class Column:
    """One column of a table."""

    key: str
    title: str
    form: Form = Form.TEXT


@dataclass(frozen=True, slots=True)
class Table:
    """Values as they are; how they are shown is the columns' form.

    Attributes:
        note: what a reader must know to read it.
    """

    key: str
    title: str
    columns: Sequence[Column]
    rows: Sequence[Sequence[Cell]]
    note: str = ""

    def shape(self) -> list[dict[str, Any]]:
        """As JSON has it: a row is an object."""
        keys = [column.key for column in self.columns]
        return [dict(zip(keys, map(plain, row), strict=True)) for row in self.rows]


@dataclass(frozen=True, slots=True)
class Chart:
    """A picture of figures that stand in a table, too.

    Attributes:
        labels: of the places on the axis, one for each value of each series.
        series: by name.
        is_over_time: the places are days in a row.
    """

    title: str
    kind: ChartKind
    labels: Sequence[str]
    series: Mapping[str, Sequence[float | None]]
    form: Form = Form.COUNT
    is_over_time: bool = True


@dataclass(frozen=True, slots=True)
class Section:
    """Some of what a report says, under one heading.

    Attributes:
        text: paragraphs for a person to copy; "" mostly.
    """

    key: str
    title: str
    checks: Sequence[Check] = ()
    tables: Sequence[Table] = ()
    charts: Sequence[Chart] = ()
    text: str = ""

    def shape(self) -> dict[str, Any]:
        """As JSON has it; charts show what tables have."""
        shape: dict[str, Any] = {"key": self.key, "title": self.title}
        if self.checks:
            shape["checks"] = [check.shape() for check in self.checks]
        if self.tables:
            shape["tables"] = {table.key: table.shape() for table in self.tables}
        if self.text:
            shape["text"] = self.text
        return shape


@dataclass(frozen=True, slots=True, kw_only=True)
class Report:
    """All of it.

    Attributes:
        kind: the command's word.
        counts: what the figures count.
        blind: what they cannot know.
        is_partial: the span is not over yet.
    """

    kind: str
    title: str
    days: Days
    made_at: datetime
    sections: Sequence[Section]
    counts: Sequence[str] = ()
    blind: Sequence[str] = ()
    is_partial: bool = False

    @property
    def checks(self) -> Iterator[Check]:
        """Of all sections."""
        for section in self.sections:
            yield from section.checks

    def marked(self, *marks: Mark) -> list[Check]:
        """The checks that stand so."""
        return [check for check in self.checks if check.mark in marks]

    def shape(self) -> dict[str, Any]:
        """As JSON has it."""
        return {
            "report": self.kind,
            "since": self.days.begin.isoformat(),
            "until": self.days.last.isoformat(),
            "days": len(self.days),
            "time_zone": "UTC",
            "is_partial": self.is_partial,
            "made_at": self.made_at.isoformat(timespec="seconds").replace("+00:00", "Z"),
            "findings": [check.key for check in self.marked(Mark.WARN, Mark.BAD)],
            "unknown": [check.key for check in self.marked(Mark.UNKNOWN)],
            "sections": [section.shape() for section in self.sections],
            "counts": list(self.counts),
            "cannot_know": list(self.blind),
        }


def plain(value: Cell) -> str | int | float | None:
    """A value as JSON has it; money stays exact, as a text without zeros at its end."""
    match value:
        case Decimal():
            return format(value.normalize(), "f")
        case date():
            return value.isoformat()
        case float():
            return round(value, 6)
        case _:
            return value


@dataclass(frozen=True, slots=True)
class NotKnown:
    """Something outside did not tell.

    Attributes:
        why: a sentence without secrets.
        remedy: what a person can do.
    """

    why: str
    remedy: str | None = None

    def check(self, key: str, title: str) -> Check:
        """As a line of a checklist."""
        return Check(key, title, Mark.UNKNOWN, f"not known: {self.why}", remedy=self.remedy)
