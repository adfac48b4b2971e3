"""A report at a terminal: tables that fit 80 columns, small bars for charts; in a pipe plain lines, tabs between."""

import sys
from collections.abc import Iterator, Sequence
from typing import Final

import typer
from rich.console import Console, Group, RenderableType
from rich.padding import Padding
from rich.table import Table as Grid
from rich.text import Text

from tank_mailer.cli.options import printable
from tank_mailer.cli.terminal import shown_time
from tank_mailer.core.reports.document import Cell, Chart, Check, Form, Mark, Report, Section, Table, plain
from tank_mailer.core.reports.spell import NONE, spark, spell

WORDS: Final = {Mark.GOOD: "ok", Mark.WARN: "look", Mark.BAD: "BAD", Mark.UNKNOWN: "?", Mark.TOLD: ""}
STYLES: Final = {Mark.GOOD: "green", Mark.WARN: "yellow", Mark.BAD: "bold red", Mark.UNKNOWN: "magenta", Mark.TOLD: ""}
BARS: Final = 62  # places of a chart that fit beside its name


def show(report: Report) -> None:
    """Print it, as it suits where it goes."""
    if sys.stdout.isatty():
        Console(highlight=False).print(render(report))
    else:
        for line in lines(report):
            typer.echo(line)


def partial(report: Report) -> str:
    """A word on a span that is not over."""
    return ", not over yet" if report.is_partial else ""


# --- at a terminal ---------------------------------------------------------------------------------


def render(report: Report) -> RenderableType:
    """All of it."""
    parts: list[RenderableType] = [
        Text.assemble((report.title, "bold"), f"  {report.days.shown}{partial(report)}"),
        Text(f"made {shown_time(report.made_at)}", style="dim"),
    ]
    for section in report.sections:
        parts += [Text(f"\n{section.title}", style="bold underline"), *_section(section)]
    parts += _remarks("It counts", report.counts)
    parts += _remarks("It cannot know", report.blind)
    return Group(*parts)


def _section(section: Section) -> Iterator[RenderableType]:
    if section.checks:
        yield _checks(section.checks)
    if section.text:
        yield Text("\n" + _several_lines(section.text) + "\n")
    for table in section.tables:
        if table.rows:
            yield Text(f"\n{table.title}", style="bold")
            yield _grid(table)
            if table.note:
                yield Text(table.note, style="dim")
    for chart in section.charts:
        if chart.is_over_time and 1 < len(chart.labels) <= BARS:
            yield from _chart(chart)


def _checks(checks: Sequence[Check]) -> Grid:
    grid = Grid.grid(padding=(0, 2, 0, 0))
    grid.add_column(no_wrap=True, min_width=4)
    grid.add_column(style="bold", overflow="fold", max_width=28)
    grid.add_column(overflow="fold", ratio=1)
    for check in checks:
        said = Text(printable(check.said))
        if check.remedy:
            said.append_text(Text.assemble("\n", ("remedy: ", "green"), printable(check.remedy)))
        grid.add_row(Text(WORDS[check.mark], style=STYLES[check.mark]), Text(printable(check.title)), said)
    return grid


def _grid(table: Table) -> Grid:
    grid = Grid(box=None, pad_edge=False, header_style="dim", padding=(0, 1, 0, 0))
    for column in table.columns:
        is_text = column.form is Form.TEXT
        grid.add_column(column.title, justify="left" if is_text else "right", overflow="fold", no_wrap=not is_text)
    for row in table.rows:
        cells = zip(row, table.columns, strict=True)
        grid.add_row(*(Text(printable(spell(cell, column.form))) for cell, column in cells))
    return grid


def _chart(chart: Chart) -> Iterator[RenderableType]:
    """A line of bars for each series that changes."""
    moving = {name: values for name, values in chart.series.items() if len({*values}) > 1}
    if not moving:
        return
    yield Text(f"\n{chart.title}, {printable(chart.labels[0])} to {printable(chart.labels[-1])}", style="bold")
    grid = Grid.grid(padding=(0, 2, 0, 0))
    for name, values in moving.items():
        most = max(value for value in values if value is not None)
        grid.add_row(Text(name), Text(spark(values), style="cyan"), Text(f"most {spell(most, chart.form)}"))
    yield grid


def _remarks(title: str, remarks: Sequence[str]) -> list[RenderableType]:
    if not remarks:
        return []
    grid = Grid.grid(padding=(0, 1, 0, 0))
    for remark in remarks:
        grid.add_row("-", Text(printable(remark), style="dim"))
    return [Text(f"\n{title}", style="bold"), Padding(grid, (0, 0, 0, 1))]


# --- in a pipe -------------------------------------------------------------------------------------


def lines(report: Report) -> Iterator[str]:
    """Headings with a mark, one line a check or row."""
    yield f"# {report.title}\t{report.days.shown}{partial(report)}\tmade {shown_time(report.made_at)}"
    for section in report.sections:
        yield f"## {printable(section.title)}"
        for check in section.checks:
            cells = [check.mark.value, check.title, check.said, check.remedy or NONE]
            yield "\t".join(map(printable, cells))
        if section.text:
            yield _several_lines(section.text)
        for table in section.tables:
            if table.rows:
                yield f"### {printable(table.title)}"
                yield "\t".join(column.key for column in table.columns)
                for row in table.rows:
                    yield "\t".join(_bare(cell) for cell in row)
    for remark in report.counts:
        yield f"# counts: {remark}"
    for remark in report.blind:
        yield f"# cannot know: {remark}"


def _bare(cell: Cell) -> str:
    """As JSON has it, for other programs."""
    value = plain(cell)
    return NONE if value is None or value == "" else printable(str(value))


def _several_lines(text: str) -> str:
    return "\n".join(map(printable, text.split("\n")))
