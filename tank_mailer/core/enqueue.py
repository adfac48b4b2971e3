"""A file of jobs on its way to the queue: its lines, its batches, and how far it has come."""

import json
import re
from bisect import bisect_right
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from hashlib import blake2b
from operator import itemgetter

from tank_mailer.core.errors import Reason
from tank_mailer.core.job import KNOWN, EmailJob, InvalidJob, parse_job
from tank_mailer.core.lines import NOT_UTF8, BadLine, Row, count_fault, is_utf8, read_table, split_list

MAX_ENTRIES = 10  # SQS: SendMessageBatch
MAX_BATCH_BYTES = 1_048_576  # SQS: all bodies of a batch together

LISTS = frozenset({"to", "cc", "bcc", "reply_to"})
OBJECTS = {"header": "headers", "tag": "tags"}  # `header:X-Campaign` is one of the `headers`
FLAGS: Mapping[str, bool] = {"true": True, "yes": True, "1": True, "false": False, "no": False, "0": False}
NEEDED_TO_BEGIN = frozenset({"email_id", "from", "to", "subject", "body"})

_NOT_FOR_SQS = re.compile("[^\t\n\r\x20-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")  # SQS: SendMessage


@dataclass(frozen=True, slots=True)
class Record:
    """One job of a file.

    Attributes:
        number: counted from 0 over all rows of the file, bad ones too.
        line: where it begins, from 1.
        body: as it goes on the queue.
    """

    number: int
    line: int
    body: str = field(repr=False)


def unfit_for_queue(text: str) -> InvalidJob | None:
    """What SQS refuses although it is a job."""
    if not _NOT_FOR_SQS.search(text):
        return None
    return InvalidJob(
        Reason.BAD_FIELD,
        "The job has a character in it that SQS does not take; write it as JSON's \\uXXXX, or take it out.",
        None,
    )


# --- reading ---------------------------------------------------------------------------------------


def read_json_lines(lines: Iterable[str]) -> Iterator[Record | BadLine]:
    """Read one job a line; empty lines are left out."""
    number = 0
    for at, line in enumerate(lines, start=1):
        body = line.strip()
        if not body:
            continue
        yield Record(number, at, body) if is_utf8(body) else BadLine(at, Reason.NOT_JSON, NOT_UTF8)
        number += 1


@dataclass(frozen=True, slots=True)
class Columns:
    """The first row of a table of jobs: names of fields, and which of them are none."""

    names: tuple[str, ...]
    unknown: tuple[str, ...]

    @classmethod
    def of(cls, row: Row) -> "Columns | BadLine":
        """Read it."""
        names = tuple(_column(cell.strip()) for cell in row.cells)
        if not NEEDED_TO_BEGIN.intersection(names):
            detail = "The first row has to name the columns: email_id, from, to, subject, body and others."
            return BadLine(row.line, Reason.MISSING_FIELD, detail)
        if len(set(names)) < len(names):
            detail = "A column is there twice; nobody can tell which one is meant."
            return BadLine(row.line, Reason.BAD_FIELD, detail)
        return cls(names, tuple(name for name in names if name not in KNOWN and not _part(name)))


def _column(name: str) -> str:
    return name if _part(name) else name.lower()


def _part(name: str) -> tuple[str, str] | None:
    """The field and the name in it that a column such as `header:X-Campaign` stands for."""
    kind, colon, inner = name.partition(":")
    whole = OBJECTS.get(kind.lower())
    return (whole, inner) if whole and colon and inner else None


def read_columns(lines: Iterable[str]) -> Columns | BadLine | None:
    """Read the first row of a table of jobs; None if there is none."""
    row = next(read_table(lines), None)
    return Columns.of(row) if isinstance(row, Row) else row


def read_job_table(lines: Iterable[str]) -> Iterator[Record | BadLine]:
    """Read CSV whose first row names the fields.

    Addresses are separated by semicolons; `headers` and `tags` hold JSON, or there are columns such as
    `header:X-Campaign` and `tag:campaign`. An empty cell is a field that is not there, but for the subject.
    """
    columns: Columns | None = None
    number = 0
    for row in read_table(lines):
        if columns is None:
            found = Columns.of(row) if isinstance(row, Row) else row
            if isinstance(found, BadLine):  # nothing can be made of the rest
                yield found
                return
            columns = found
            continue
        yield row if isinstance(row, BadLine) else _read_row(number, row, columns)
        number += 1


def _read_row(number: int, row: Row, columns: Columns) -> Record | BadLine:
    if fault := count_fault(row, len(columns.names)):
        return fault
    fields, objects = dict[str, object](), dict[str, dict[str, object]]()
    for name, cell in zip(columns.names, row.cells, strict=True):
        if not cell.strip() and name != "subject":
            continue
        part = _part(name)
        if part is None and name not in OBJECTS.values():
            fields[name] = _cell(name, cell)
            continue
        whole, given = (part[0], {part[1]: cell}) if part else (name, _json_object(cell))
        if given is None or not given.keys().isdisjoint(objects.get(whole, {})):
            detail = f'{whole}: This has to be a JSON object, such as {{"name": "value"}}, each name once.'
            return BadLine(row.line, Reason.BAD_FIELD, detail)
        objects[whole] = objects.get(whole, {}) | given
    body = json.dumps(fields | objects, ensure_ascii=False, separators=(",", ":"))
    return Record(number, row.line, body)


def _cell(name: str, cell: str) -> object:
    if name in LISTS:
        parts = split_list(cell)
        return parts[0] if len(parts) == 1 else parts
    if name == "at_most_once":
        return FLAGS.get(cell.strip().lower(), cell)
    return cell


def _json_object(cell: str) -> dict[str, object] | None:
    try:
        found = json.loads(cell)
    except (ValueError, RecursionError):
        return None
    return found if isinstance(found, dict) else None


# --- checking --------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Check:
    """Checks the jobs of one file; keeps eight bytes of each id, for a file may have millions."""

    _seen: set[int] = field(default_factory=set)

    def fault(self, record: Record | BadLine) -> BadLine | None:
        """What is wrong with it, as the daemon would see it, or because an earlier line has its id."""
        if isinstance(record, BadLine):
            return record
        job = parse_job(record.body)
        if isinstance(job, EmailJob):
            job = unfit_for_queue(record.body) or self._repetition(job) or job
        if isinstance(job, InvalidJob):
            return BadLine(record.line, job.reason, job.detail, job.email_id)
        return None

    def _repetition(self, job: EmailJob) -> InvalidJob | None:
        key = int.from_bytes(blake2b(job.email_id.encode(), digest_size=8).digest())
        if key not in self._seen:
            self._seen.add(key)
            return None
        return InvalidJob(
            Reason.DUPLICATE, "email_id: An earlier line of the file has the same one; only one is sent.", job.email_id
        )


# --- batches ---------------------------------------------------------------------------------------


def batches(records: Iterable[Record]) -> Iterator[list[Record]]:
    """Put up to ten jobs together that go in one call."""
    batch, size_bytes = list[Record](), 0
    for record in records:
        bytes_ = len(record.body.encode())
        if batch and (len(batch) == MAX_ENTRIES or size_bytes + bytes_ > MAX_BATCH_BYTES):
            yield batch
            batch, size_bytes = [], 0
        batch.append(record)
        size_bytes += bytes_
    if batch:
        yield batch


@dataclass(slots=True)
class Done:
    """Numbers of records that are on the queue, as a few ranges: batches end nearly in their order."""

    ranges: list[tuple[int, int]] = field(default_factory=list)  # first and last, in order, apart from each other

    def __contains__(self, number: int) -> bool:
        at = bisect_right(self.ranges, number, key=itemgetter(0)) - 1
        return at >= 0 and number <= self.ranges[at][1]

    def __len__(self) -> int:
        return sum(last - first + 1 for first, last in self.ranges)

    def add(self, numbers: Iterable[int]) -> None:
        """Put them on record."""
        merged = list[tuple[int, int]]()
        for first, last in sorted([*self.ranges, *((number, number) for number in numbers)]):
            if merged and first <= merged[-1][1] + 1:
                merged[-1] = (merged[-1][0], max(last, merged[-1][1]))
            else:
                merged.append((first, last))
        self.ranges = merged


def read_ranges(found: object) -> Done | None:
    """Read ranges as JSON has them; None if they are none."""
    if not isinstance(found, Sequence) or isinstance(found, str):
        return None
    ranges = list[tuple[int, int]]()
    for pair in found:
        match pair:
            case [int(first), int(last)] if 0 <= first <= last:
                ranges.append((first, last))
            case _:
                return None
    return Done(sorted(ranges))
