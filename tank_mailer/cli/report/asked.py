"""What all reports can be asked for: which days, in which form, and where it goes."""

import json
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime
from enum import StrEnum
from pathlib import Path
from typing import Annotated, Final

import typer

from tank_mailer.cli.outside import EXIT_NO, EXIT_OUTSIDE, leave
from tank_mailer.cli.report.terminal import lines, show
from tank_mailer.cli.terminal import hint
from tank_mailer.core.reports.days import Days, DaysError, read_days
from tank_mailer.core.reports.document import Mark, Report

Last = Callable[[datetime], Days]


class Shape(StrEnum):
    """How a report is written."""

    TEXT = "text"
    HTML = "html"
    JSON = "json"


Day = Annotated[
    str | None, typer.Option("--day", metavar="DAY", help="One day: 2026-11-21, today, yesterday, 3d (days ago).")
]
Week = Annotated[str | None, typer.Option("--week", metavar="WEEK", help="One week, Monday to Sunday: 2026-W47.")]
Month = Annotated[str | None, typer.Option("--month", metavar="MONTH", help="One month: 2026-11.")]
Since = Annotated[
    str | None, typer.Option("--since", metavar="DAY", help="From this day on, until yesterday or --until.")
]
Until = Annotated[str | None, typer.Option("--until", metavar="DAY", help="The last day, with --since.")]
As = Annotated[
    Shape,
    typer.Option("--format", help="text; html: one file with charts that opens offline; json.", show_choices=True),
]
Output = Annotated[
    Path | None, typer.Option("--output", "-o", metavar="FILE", help="Write it there instead of printing it.")
]
Checks = Annotated[
    bool,
    typer.Option("--check", help="Exit with 3 if something on the list is not as it should be, 75 if it is not known."),
]

NOT_KNOWN: Final = "nothing is wrong with what is known, and not all is"


@dataclass(frozen=True, slots=True, kw_only=True)
class Form:
    """How it is to be told, and whether the exit code answers."""

    shape: Shape
    output: Path | None
    checks: bool


def days_or_exit(last: Last, now: datetime, **asked: str | None) -> Days:
    """The span that was asked for, else the last complete one."""
    try:
        return read_days(now, **asked) or last(now)
    except DaysError as error:
        raise typer.BadParameter(str(error)) from None


def form_of(shape: Shape, output: Path | None, *, as_json: bool, check: bool) -> Form:
    """`--json` is `--format json`."""
    if as_json and shape is Shape.HTML:
        raise typer.BadParameter("Give one of --json and --format html.")
    return Form(shape=Shape.JSON if as_json else shape, output=output, checks=check)


def now() -> datetime:
    """The time; tests set it."""
    return datetime.now(UTC)


def tell(report: Report, form: Form) -> None:
    """Print it, or write it; then say by the exit code how it stands, if that was asked for."""
    if form.output is not None:
        _write(text_of(report, form.shape), form.output)
    elif form.shape is Shape.TEXT:
        show(report)
    else:
        typer.echo(text_of(report, form.shape), nl=False)
    if not form.checks:
        return
    if wrong := report.marked(Mark.BAD, Mark.WARN):
        leave(EXIT_NO, f"not as it should be: {', '.join(dict.fromkeys(check.title for check in wrong))}")
    if unknown := report.marked(Mark.UNKNOWN):
        leave(EXIT_OUTSIDE, f"{NOT_KNOWN}: {', '.join(dict.fromkeys(check.title for check in unknown))}")


def text_of(report: Report, shape: Shape) -> str:
    """As it goes into a file."""
    match shape:
        case Shape.TEXT:
            return "".join(f"{line}\n" for line in lines(report))
        case Shape.JSON:
            return json.dumps(report.shape(), indent=2) + "\n"
        case Shape.HTML:
            from tank_mailer.cli.report.page import page  # noqa: PLC0415 - other commands start faster

            return page(report)


def _write(text: str, path: Path) -> None:
    try:
        path.write_text(text, encoding="utf-8")
    except OSError as error:
        leave(EXIT_OUTSIDE, f"cannot write {path}: {error.strerror}", "give another place with --output")
    hint(f"written to {path}")
