"""What the doctor found, as text: by area, the weightiest first, in 80 columns, without need of colours."""

from collections import Counter
from collections.abc import Iterator, Sequence
from typing import Final

from rich.console import Group, RenderableType
from rich.padding import Padding
from rich.table import Table
from rich.text import Text

from tank_mailer.cli.options import printable
from tank_mailer.core.checkup.catalogue import ABOUT
from tank_mailer.core.checkup.finding import Area, Finding, Level

STYLES: Final = {
    Level.OK: "green",
    Level.NOTE: "cyan",
    Level.WARNING: "yellow",
    Level.FAULT: "bold red",
    Level.UNSEEN: "magenta",
}


def render(found: Sequence[Finding], *, shows_all: bool) -> RenderableType:
    """All areas; what is in order is named only, unless `shows_all`."""
    parts = list[RenderableType]()
    for area in Area:
        of_area = [one for one in found if ABOUT[one.check].area is area]
        if not of_area:
            continue
        parts.append(Text(f"\n{area.capitalize()}" if parts else area.capitalize(), style="bold"))
        shown = [one for one in of_area if shows_all or one.level is not Level.OK]
        if shown:
            parts.append(_table(shown))
        fine = list(dict.fromkeys(one.check.value for one in of_area if one.level is Level.OK))
        if fine and not shows_all:
            parts.append(Padding(Text.assemble(("ok  ", STYLES[Level.OK]), (", ".join(fine), "dim")), (0, 0, 0, 2)))
    return Group(*parts, Text(""), summary(found))


def _table(found: Sequence[Finding]) -> RenderableType:
    table = Table.grid(padding=(0, 2, 0, 0))
    table.add_column(no_wrap=True)
    table.add_column(overflow="fold")
    for one in found:
        table.add_row(Text(one.level.value, style=STYLES[one.level]), Text("\n").join(_lines(one)))
    return Padding(table, (0, 0, 0, 2))


def _lines(one: Finding) -> Iterator[Text]:
    subject = f" {printable(one.subject)}" if one.subject else ""
    yield Text.assemble((one.check.value, "bold"), subject)
    yield Text(printable(one.what))
    if one.remedy:
        yield Text.assemble(("remedy: ", "green"), printable(one.remedy))


def summary(found: Sequence[Finding]) -> Text:
    """One line: how many of each."""
    counts = Counter(one.level for one in found)
    text = Text()
    for level in (Level.FAULT, Level.WARNING, Level.UNSEEN, Level.NOTE, Level.OK):
        number = counts[level]
        if not number:
            continue
        text.append(", " if text else "")
        text.append(_counted(level, number), style=STYLES[level])
    return text.append(".") if text else Text("Nothing was looked at.")


def _counted(level: Level, number: int) -> str:
    match level:
        case Level.FAULT | Level.WARNING | Level.NOTE:
            return f"{number} {level.value}{'s' if number > 1 else ''}"
        case Level.UNSEEN:
            return f"{number} not seen"
        case Level.OK:
            return f"{number} in order"
