"""Files of lines that people hand in: their rows, and which of them are bad."""

import csv
import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from itertools import chain

from tank_mailer.core.errors import Reason
from tank_mailer.core.headertext import SURROGATE

MAX_LINE_BYTES = 2_097_152  # ours: twice what SQS takes, so that what is cut there is too large anyway
NOT_UTF8 = "This is not UTF-8; save the file in that encoding."

csv.field_size_limit(MAX_LINE_BYTES)  # its own 128 KiB are less than a job may hold


@dataclass(frozen=True, slots=True)
class BadLine:
    """What is wrong with a line; `detail` quotes nothing of it."""

    line: int  # from 1, where the row begins
    reason: Reason
    detail: str
    email_id: str | None = None  # where it is a job's, and could be read


@dataclass(frozen=True, slots=True)
class Row:
    """The cells of one row of a table."""

    line: int
    cells: list[str]


def is_utf8(text: str) -> bool:
    """Whether a text that was decoded with `surrogateescape` was UTF-8."""
    return text.isascii() or not SURROGATE.search(text)


def read_table(lines: Iterable[str]) -> Iterator[Row | BadLine]:
    """Read CSV; empty rows are left out.

    A comma separates, or what the first line has instead: semicolons, as some spreadsheets write them, or tabs.
    """
    rest = iter(lines)
    first = next(rest, "")
    delimiter = "," if "," in first else next((other for other in ";\t" if other in first), ",")
    reader = csv.reader(chain([first], rest), delimiter=delimiter, strict=True)
    while True:
        line = reader.line_num + 1
        try:
            cells = next(reader)
        except StopIteration:
            return
        except csv.Error as error:
            yield BadLine(line, Reason.BAD_FIELD, f"The row is not CSV ({error}): look for a stray double quote.")
            continue
        if not all(map(is_utf8, cells)):
            yield BadLine(line, Reason.BAD_FIELD, NOT_UTF8)
        elif any(cells):
            yield Row(line, cells)


def count_fault(row: Row, columns: int) -> BadLine | None:
    """A row that is longer or shorter than the first one."""
    if len(row.cells) == columns:
        return None
    return BadLine(
        row.line,
        Reason.BAD_FIELD,
        f"The row has {len(row.cells)} cells and the first one {columns}: a cell with a comma or a line break"
        " needs double quotes around it.",
    )


_OUTSIDE_QUOTES = re.compile(r'((?:[^;"]|"[^"]*"?)*)(?:;|$)')


def split_list(cell: str) -> list[str]:
    """Split at semicolons that stand outside of double quotes; empty parts are left out."""
    return [part for found in _OUTSIDE_QUOTES.finditer(cell) if (part := found[1].strip())]
