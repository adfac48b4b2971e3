"""The list of addresses that are not mailed: what an entry is, and how two of them become one."""

import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from itertools import chain

from tank_mailer.core.address import AddressError, mailbox_key
from tank_mailer.core.errors import Reason
from tank_mailer.core.fields import FieldError, read_expiry
from tank_mailer.core.lines import NOT_UTF8, BadLine, Row, count_fault, is_utf8, read_table

MANUAL = Reason.MANUAL.value  # the source of what a person entered, and the reason if none was given
MAX_TEXT_CHARACTERS = 200  # ours: a reason or a note is one line
COLUMNS = ("address", "reason", "source", "created_at", "ends_at", "note")  # of the exchange file

_SPAN = re.compile(r"(\d{1,4})([hdw])", re.ASCII)
_SPANS = {"h": timedelta(hours=1), "d": timedelta(days=1), "w": timedelta(weeks=1)}


class EntryError(ValueError):
    """A text that cannot be part of an entry; says why, and quotes nothing of it."""


@dataclass(frozen=True, slots=True)
class Entry:
    """One address that is not mailed.

    Attributes:
        address: the mailbox key.
        source: who entered it; `manual` stands for a person.
        ends_at: from then on it may be mailed again; None: never.
    """

    address: str
    reason: str
    source: str
    created_at: datetime
    ends_at: datetime | None = None
    note: str | None = None

    def is_in_force(self, now: datetime) -> bool:
        """Whether it keeps mail back."""
        return self.ends_at is None or self.ends_at > now


def joined(old: Entry | None, new: Entry, now: datetime) -> Entry:
    """Enter `new` where `old` may stand: nothing that a person adds makes a suppression end sooner.

    What an event has entered keeps its reason, and what is entered twice stays as it is.
    """
    if old is None or not old.is_in_force(now):
        return new
    ends_at = None if old.ends_at is None or new.ends_at is None else max(old.ends_at, new.ends_at)
    if old.source != MANUAL and ends_at == old.ends_at:
        return old
    return replace(
        old,
        reason=old.reason if new.reason == MANUAL else new.reason,
        source=MANUAL,
        ends_at=ends_at,
        note=new.note or old.note,
    )


def read_end(text: str, now: datetime) -> datetime:
    """Read when an entry ends: a time as RFC 3339 spells it, or hours, days or weeks from now (`30d`).

    Raises:
        EntryError: it is neither, or not ahead.
    """
    found = _SPAN.fullmatch(text.strip().lower())
    at = now + int(found[1]) * _SPANS[found[2]] if found else _read_moment(text)
    if at <= now:
        raise EntryError("The end has passed; give one that is ahead, or none for an entry that stays.")
    return at


def read_line_of_text(text: str) -> str:
    """Read a reason or a note.

    Raises:
        EntryError: it is more than a line of text.
    """
    text = text.strip()
    if len(text) > MAX_TEXT_CHARACTERS:
        raise EntryError(f"A reason or a note has {MAX_TEXT_CHARACTERS} characters at most.")
    if not text.isprintable():
        raise EntryError("A reason or a note is one line of text without control characters.")
    return text


# --- the exchange file -------------------------------------------------------------------------------


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
        address = mailbox_key(cells["address"])
        reason = read_line_of_text(cells.get("reason", "")) or MANUAL
        note = read_line_of_text(cells.get("note", "")) or None
        created_at = _read_moment(text) if (text := cells.get("created_at", "").strip()) else now
        ends_at = _read_moment(text) if (text := cells.get("ends_at", "").strip()) else None
    except AddressError as error:
        return BadLine(line, error.reason, error.detail)
    except EntryError as error:
        return BadLine(line, Reason.BAD_FIELD, str(error))
    return line, Entry(address, reason, MANUAL, min(created_at, now), ends_at, note)


def _read_moment(text: str) -> datetime:
    try:
        at = read_expiry(text.strip())
    except FieldError:
        at = None
    if at is None:
        raise EntryError(
            "The time is none as RFC 3339 spells it, such as 2030-01-31T12:00:00Z, with Z or an offset at its end"
        )
    return at.astimezone(UTC)
