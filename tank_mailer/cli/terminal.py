"""What commands print: tables at a terminal, plain lines in a pipe, JSON for scripts."""

import json
import sys
import threading
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from datetime import UTC, datetime
from typing import Any, Final

import typer
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TaskProgressColumn, TextColumn, TimeRemainingColumn
from rich.table import Table
from rich.text import Text

from tank_mailer.cli.options import errors, printable
from tank_mailer.core.lines import BadLine

NONE: Final = "-"
SHOWN_BAD_LINES: Final = 20
PATIENCE_S: Final = 1.0
_SIZES: Final = ((1 << 30, "GiB"), (1 << 20, "MiB"), (1 << 10, "KiB"))
_SPANS: Final = ((86_400, "d"), (3_600, "h"), (60, "min"), (1, "s"))


def print_json(found: Any) -> None:  # noqa: ANN401 - whatever JSON can say
    """Print JSON; all ASCII, so that nothing in it can speak to a terminal."""
    typer.echo(json.dumps(found, indent=2))


def print_table(columns: Sequence[str], rows: Sequence[Sequence[str | None]]) -> None:
    """Print a table; in a pipe one line a row, separated by tabs."""
    lines = [[NONE if cell is None or cell == "" else printable(cell) for cell in row] for row in rows]
    if not sys.stdout.isatty():
        for line in [columns, *lines]:
            typer.echo("\t".join(line))
        return
    table = Table(*columns, box=None, pad_edge=False, header_style="bold")
    for column in table.columns:
        column.overflow = "fold"
    for line in lines:
        table.add_row(*map(Text, line))
    Console(highlight=False).print(table)


def print_fields(fields: Sequence[tuple[str, str | None]]) -> None:
    """Print names and values below each other; what is None is left out."""
    shown = [(name, printable(value)) for name, value in fields if value is not None]
    width = max((len(name) for name, _ in shown), default=0)
    console = Console(highlight=False, soft_wrap=True)
    for name, value in shown:
        console.print(Text.assemble((name.ljust(width), "bold" if sys.stdout.isatty() else ""), "  ", value))


def confirmed(question: str) -> bool:
    """Ask somebody, on standard error; Ctrl-C is no answer but an interruption."""
    try:
        return typer.confirm(question, err=True)
    except typer.Abort:
        raise KeyboardInterrupt from None


def say(text: str) -> None:
    """Print a sentence."""
    typer.echo(printable(text))


def hint(text: str) -> None:
    """Print a remark on standard error, out of a script's way."""
    errors().print(Text(printable(text)))


def print_bad_lines(faults: Sequence[BadLine], *, most: int | None) -> None:
    """List bad lines on standard error, the first of them; nothing of their content is shown."""
    console = errors()
    shown = faults if most is None else faults[:most]
    if sys.stderr.isatty():
        table = Table("line", "reason", "what is wrong", box=None, pad_edge=False, header_style="bold")
        for fault in shown:
            table.add_row(*map(Text, (str(fault.line), fault.reason, printable(fault.detail))))
        Console(stderr=True, highlight=False).print(table)
    else:
        for fault in shown:
            console.print(Text(f"line {fault.line}: {fault.reason}: {printable(fault.detail)}"))
    if len(shown) < len(faults):
        console.print(Text(f"... and {len(faults) - len(shown)} more bad lines; --json lists all of them"))


def shapes(faults: Sequence[BadLine]) -> list[dict[str, Any]]:
    """Bad lines as JSON has them."""
    return [{"line": one.line, "reason": one.reason, "detail": one.detail} for one in faults]


def pretty_json(text: str) -> str:
    """Spread JSON over lines; what is none stays as it is."""
    try:
        return json.dumps(json.loads(text), indent=2, ensure_ascii=False)
    except (ValueError, RecursionError):
        return text


def harmless(text: str) -> str:
    """Show what a terminal would obey, but for ends of lines."""
    return "\n".join(printable(line) for line in text.split("\n"))


def shown_time(at: datetime | None) -> str | None:
    """A time for people: UTC, to the second."""
    return None if at is None else at.astimezone(UTC).strftime("%Y-%m-%d %H:%M:%S UTC")


def shown_span(seconds: float) -> str:
    """How long something is, roughly."""
    for size, unit in _SPANS:
        if seconds >= size:
            return f"{seconds / size:.0f} {unit}"
    return "a moment"


def shown_bytes(count: float) -> str:
    """How much it is, roughly."""
    for size, unit in _SIZES:
        if count >= size:
            return f"{count / size:.1f} {unit}"
    return f"{count:.0f} bytes"


@contextmanager
def progress_bar(what: str, *, total: float | None, counts: bool = True) -> Iterator["Bar"]:
    """Show how far something has come, on standard error, at a terminal only.

    Args:
        what: what is done.
        total: how much there is of it; None: nobody knows.
        counts: whether to show numbers beside the bar.
    """
    columns = [TextColumn("{task.description}"), BarColumn()]
    columns += [MofNCompleteColumn()] if counts else [TaskProgressColumn()]
    progress = Progress(*columns, TimeRemainingColumn(), console=errors(), disable=not sys.stderr.isatty())
    with progress:
        yield Bar(progress, progress.add_task(what, total=total))


@contextmanager
def waiting(what: str) -> Iterator[None]:
    """Say on standard error what is waited for, at a terminal, once it has taken a second; gone at the end."""
    if not sys.stderr.isatty():
        yield
        return
    status = errors().status(Text(f"{what} ..."))
    timer = threading.Timer(PATIENCE_S, status.start)
    timer.daemon = True
    timer.start()
    try:
        yield
    finally:
        timer.cancel()
        timer.join()  # so that it does not begin after its end
        status.stop()


class Bar:
    """A progress bar under way."""

    def __init__(self, progress: Progress, task: Any) -> None:  # noqa: ANN401 - rich's id
        self._progress = progress
        self._task = task

    def move(self, by: float) -> None:
        """Go on."""
        self._progress.advance(self._task, by)

    def reach(self, done: float, total: float) -> None:
        """Stand at `done`, now that it is known how much there is."""
        self._progress.update(self._task, completed=done, total=total)
