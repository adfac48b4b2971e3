"""The file by which suppression lists are exchanged: what `export` writes and `import` reads."""

import re
from collections.abc import Iterable, Iterator
from datetime import datetime
from itertools import chain

from tank_mailer.core.address import AddressError
from tank_mailer.core.errors import Reason
from tank_mailer.core.lines import NOT_UTF8, BadLine, Row, count_fault, is_utf8, read_table
from tank_mailer.core.suppression import MANUAL, Entry, EntryError, read_line_of_text, read_moment, read_subject

COLUMNS = ("address", "reason", "source", "created_at", "ends_at", "note")


def read_entries(lines: Iterable[str], now: datetime) -> Iterator[tuple[int, Entry] | BadLine]:
    """Read a file as `write_entries` makes it, or one address a line; each entry with its line.

    Whether it is the one or the other, its first line tells: a table names its columns there, in any order,
    `address` among them. Empty lines and, between plain addresses, those that begin with # are left out.
    """
    rest = iter(lines)
    first = next(rest, "")
    names = [name.strip().lower() for name in re.split("[,;\t]", first.replace('"', ""))]
    if "address" in names:
        yield from _read_rows(chain([first], rest), now)
    else:
        yield from _read_addresses(chain([first], rest), now)


def write_entries(entries: Iterable[Entry]) -> Iterator[list[str]]:
    """Make the cells of rows that `read_entries` understands, without the first one, which is `COLUMNS`."""
    for entry in entries:
        yield [
            *(entry.address, entry.reason, entry.source, entry.created_at.isoformat()),
            *(entry.ends_at.isoformat() if entry.ends_at else "", entry.note or ""),
        ]


def _read_addresses(lines: Iterable[str], now: datetime) -> Iterator[tuple[int, Entry] | BadLine]:
    for number, line in enumerate(lines, start=1):
        text = line.strip()
        if text and not text.startswith("#"):
            yield _read_entry(number, {"address": text}, now)


def _read_rows(lines: Iterable[str], now: datetime) -> Iterator[tuple[int, Entry] | BadLine]:
    names: list[str] | None = None
    for row in read_table(lines):
        if isinstance(row, BadLine):
            yield row
        elif names is None:
            names = [name.strip().lower() for name in row.cells]
            if fault := _fault_of_names(row, names):
                yield fault
                return
        elif fault := count_fault(row, len(names)):
            yield fault
        else:
            yield _read_entry(row.line, dict(zip(names, row.cells, strict=True)), now)


def _fault_of_names(row: Row, names: list[str]) -> BadLine | None:
    if any(names.count(name) > 1 for name in COLUMNS):
        return BadLine(row.line, Reason.BAD_FIELD, "A column is there twice; nobody can tell which one is meant.")
    return None


def _read_entry(line: int, cells: dict[str, str], now: datetime) -> tuple[int, Entry] | BadLine:
    if not is_utf8(cells["address"]):
        return BadLine(line, Reason.BAD_FIELD, NOT_UTF8)
    try:
        address = read_subject(cells["address"])
        reason = read_line_of_text(cells.get("reason", "")) or MANUAL
        note = read_line_of_text(cells.get("note", "")) or None
        created_at = read_moment(text) if (text := cells.get("created_at", "").strip()) else now
        ends_at = read_moment(text) if (text := cells.get("ends_at", "").strip()) else None
    except AddressError as error:
        return BadLine(line, error.reason, error.detail)
    except EntryError as error:
        return BadLine(line, Reason.BAD_FIELD, str(error))
    return line, Entry(address, reason, MANUAL, min(created_at, now), ends_at, note)
