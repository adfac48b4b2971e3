"""`suppress list|export|import`: the whole list."""

import csv
import os
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import replace
from datetime import UTC, datetime
from itertools import islice
from pathlib import Path
from typing import Annotated, TextIO

import typer

from tank_mailer.adapters import desk_suppressions
from tank_mailer.adapters.desk import Desk
from tank_mailer.adapters.desk_suppressions import Entered
from tank_mailer.adapters.desk_walk import ENTRIES, with_rest
from tank_mailer.adapters.rows import storable
from tank_mailer.cli.options import AsJson, EnvFile, settings_or_exit
from tank_mailer.cli.outside import EXIT_NO, EXIT_OUTSIDE, at_desk, leave
from tank_mailer.cli.suppress.entries import as_usage, shape
from tank_mailer.cli.terminal import print_bad_lines, print_json, print_table, progress_bar, say, shapes, shown_time
from tank_mailer.cli.textfiles import STANDARD_INPUT, TextFile, open_text, there
from tank_mailer.core.exchange import COLUMNS, read_entries, write_entries
from tank_mailer.core.lines import BadLine
from tank_mailer.core.suppression import MANUAL, Entry, read_line_of_text


def list_(
    *,
    limit: Annotated[int, typer.Option(min=1, help="How many at most, the newest first.")] = 100,
    with_ended: Annotated[bool, typer.Option("--all", help="Also entries that have ended.")] = False,
    env_file: EnvFile = None,
    as_json: AsJson = False,
) -> None:
    """List who is not mailed, the newest entry first.

    Exit codes: 0 listed, 75 the store cannot be read, 78 bad settings.
    """
    count, entries = at_desk(
        env_file, lambda desk: desk_suppressions.list_newest(desk, limit=limit, with_ended=with_ended)
    )
    if as_json:
        print_json({"total": count, "entries": [shape(entry) for entry in entries]})
        return
    rows = [
        [one.address, one.reason, one.source, shown_time(one.created_at), shown_time(one.ends_at), one.note]
        for one in entries
    ]
    print_table(["address", "reason", "source", "since", "ends", "note"], rows)
    if sys.stdout.isatty():
        say(f"{len(entries)} of {count}.")


def export(
    file: Annotated[Path, typer.Argument(metavar="[FILE|-]", help="Where to; - is standard output.")] = STANDARD_INPUT,
    *,
    env_file: EnvFile = None,
) -> None:
    """Write all entries in force as CSV, as `suppress import` reads it.

    A file appears whole or not at all, and only its owner may read it.

    Exit codes: 0 written, 75 the store cannot be read or the file not
    written, 78 bad settings.
    """
    settings_or_exit(env_file)
    with _written(file) as target:
        count = at_desk(env_file, lambda desk: _export(desk, target), tells=False)
    if file != STANDARD_INPUT:
        say(f"{count} entries written to {file}.")


def import_(
    file: Annotated[
        Path,
        typer.Argument(metavar="FILE", help="The file; - is standard input.", callback=there),
    ],
    *,
    reason: Annotated[str, typer.Option(metavar="TEXT", help="The reason of entries whose line gives none.")] = MANUAL,
    skip_bad: Annotated[bool, typer.Option("--skip-bad", help="Leave bad lines out and take the others.")] = False,
    env_file: EnvFile = None,
    as_json: AsJson = False,
) -> None:
    """Put all addresses of a file on the list.

    FILE is CSV as `suppress export` writes it (only the column `address`
    has to be there), or one address a line. All lines are checked first,
    and all that are bad are listed; then nothing is taken, unless
    --skip-bad is given. Doing it twice changes nothing, and no entry ends
    sooner by it.

    Exit codes: 0 all on the list, 3 bad lines and nothing taken, 75 the
    store cannot be written, 78 bad settings.
    """
    settings_or_exit(env_file)
    with as_usage():
        reason = read_line_of_text(reason) or MANUAL
    with _opened(file) as text:
        now = datetime.now(UTC)
        faults = _check(text, now)
        if faults and not as_json:
            print_bad_lines(faults, most=None)
        if faults and not skip_bad:
            if as_json:
                print_json({"added": 0, "changed": 0, "unchanged": 0, "ended": 0, "bad_lines": shapes(faults)})
            leave(EXIT_NO, f"{_bad(faults)}: nothing was taken", "correct them, or leave them out with --skip-bad")
        entered, ended = at_desk(
            env_file, lambda desk: _import(desk, text, now, name=file.name, reason=reason), tells=False
        )
    if as_json:
        counts = {"added": entered.added, "changed": entered.changed, "unchanged": entered.unchanged}
        print_json({**counts, "ended": ended, "bad_lines": shapes(faults)})
        return
    left = f"; {_bad(faults)} left out" if faults else ""
    left += f"; {ended} had ended" if ended else ""
    say(f"{entered.added} added, {entered.changed} changed, {entered.unchanged} on the list already{left}.")


# --- parts -----------------------------------------------------------------------------------------


def _bad(faults: Sequence[BadLine]) -> str:
    return f"{len(faults)} bad line{'s' if len(faults) > 1 else ''}"


@contextmanager
def _opened(file: Path) -> Iterator[TextFile]:
    try:
        with open_text(file) as text:
            yield text
    except OSError as error:
        leave(EXIT_OUTSIDE, f"{file}: {error.strerror}")


@contextmanager
def _written(file: Path) -> Iterator[TextIO]:
    if file == STANDARD_INPUT:
        yield sys.stdout
        return
    draft = file.with_name(f".{file.name}.{os.getpid()}")
    try:
        descriptor = os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, mode=0o600)
        try:
            with os.fdopen(descriptor, "w", encoding="utf-8", newline="") as target:
                yield target
            draft.replace(file)
        finally:
            draft.unlink(missing_ok=True)
    except OSError as error:
        leave(EXIT_OUTSIDE, f"{file}: {error.strerror}", "name a file in a folder that you may write to")


async def _export(desk: Desk, target: TextIO) -> int:
    writer = csv.writer(target, lineterminator="\n")
    writer.writerow(COLUMNS)
    count = 0
    total, _ = await desk_suppressions.list_newest(desk, limit=1, with_ended=False)
    with progress_bar("writing", total=total) as bar:
        async for page in desk_suppressions.pages(desk):
            writer.writerows(write_entries(page))
            count += len(page)
            bar.move(len(page))
    return count


def _check(text: TextFile, now: datetime) -> list[BadLine]:
    with progress_bar("checking", total=text.size_bytes, counts=False) as bar:
        found = read_entries(text.lines(moved=bar.move), now)
        return [one for one in found if isinstance(one, BadLine)]


async def _import(desk: Desk, text: TextFile, now: datetime, *, name: str, reason: str) -> tuple[Entered, int]:
    """Return what became of the entries, and how many had ended before they came."""
    entered, ended = Entered(), 0
    good = (one for one in read_entries(text.lines(), now) if not isinstance(one, BadLine))
    with progress_bar("taking", total=None) as bar:
        while page := list(islice(good, ENTRIES)):
            entries = [_with_reason(entry, reason) for _, entry in page if entry.is_in_force(now)]
            async with with_rest(desk):
                now_entered, _ = await desk_suppressions.enter(
                    desk,
                    entries,
                    action="suppress import",
                    subject=storable(name),
                    detail=f"lines {page[0][0]} to {page[-1][0]}",
                )
            entered += now_entered
            ended += len(page) - len(entries)
            bar.move(len(page))
    return entered, ended


def _with_reason(entry: Entry, reason: str) -> Entry:
    return replace(entry, reason=reason) if entry.reason == MANUAL else entry
