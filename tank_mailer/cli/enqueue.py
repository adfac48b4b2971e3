"""`tank-mailer enqueue`: a file of jobs onto the queue, all of them, and each of them once."""

import asyncio
import fcntl
import hashlib
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from enum import StrEnum
from pathlib import Path
from typing import Annotated, Any, Final

import typer

from tank_mailer.adapters.journal import SUFFIX, Journal, JournalError, Subject
from tank_mailer.adapters.producer import Producer, Put, Refused, open_producer
from tank_mailer.cli.lane import Lane, OnLane, lane_or_exit, queue_of
from tank_mailer.cli.options import AsJson, EnvFile, settings_or_exit
from tank_mailer.cli.outside import EXIT_INTERRUPTED, EXIT_NO, EXIT_OUTSIDE, leave
from tank_mailer.cli.terminal import SHOWN_BAD_LINES, Bar, hint, print_bad_lines, print_json, progress_bar, say, shapes
from tank_mailer.cli.textfiles import TextFile, open_text, there
from tank_mailer.core.enqueue import (
    Check,
    Columns,
    Done,
    Record,
    batches,
    read_columns,
    read_job_table,
    read_json_lines,
)
from tank_mailer.core.errors import QueueError
from tank_mailer.core.lines import BadLine
from tank_mailer.settings import Loaded

PARALLEL: Final = 4  # batches in flight
LAST_ANSWERS_S: Final = 2.0  # how long an interrupted command waits for what is in flight


class Format(StrEnum):
    """How a file spells its jobs."""

    JSONL = "jsonl"
    CSV = "csv"


SUFFIXES: Final = {
    ".jsonl": Format.JSONL,
    ".ndjson": Format.JSONL,
    ".json": Format.JSONL,
    ".csv": Format.CSV,
    ".tsv": Format.CSV,
}


def enqueue(
    file: Annotated[
        Path,
        typer.Argument(metavar="FILE", help="The file; - is standard input.", callback=there),
    ],
    *,
    format_: Annotated[
        Format | None, typer.Option("--format", help="What FILE is. Without it: what its name ends in.")
    ] = None,
    lane: OnLane = Lane.ORDINARY,
    check: Annotated[bool, typer.Option("--check", help="Only check the file.")] = False,
    skip_bad: Annotated[bool, typer.Option("--skip-bad", help="Leave bad lines out and take the others.")] = False,
    restart: Annotated[
        bool, typer.Option("--restart", help="Forget how far an earlier run has come, and begin with the first line.")
    ] = False,
    env_file: EnvFile = None,
    as_json: AsJson = False,
) -> None:
    """Put a file of jobs on TANK_OUTBOUND_QUEUE_URL, or on the priority lane's.

    JSONL: one job a line. CSV: the first row names the fields; addresses in
    to, cc, bcc and reply_to are separated by semicolons; headers and tags
    are JSON, or there are columns such as header:X-Campaign and
    tag:campaign.

    All lines are checked before the first job goes; if any is bad, all are
    listed and nothing is put on the queue, unless --skip-bad is given.

    How far it has come stands in FILE.progress, until all is done: after a
    failure or Ctrl-C the same command goes on from there. Standard input
    cannot be taken up again.

    Where an answer of the queue is lost, a batch may go on it twice. No
    mail is doubled by that: the daemon knows jobs by their email_id.

    Exit codes: 0 all on the queue, 2 usage, 3 bad lines or a journal that
    does not fit, 75 the queue does not work, 78 bad settings, or no
    priority queue in them, 130 interrupted.
    """
    loaded = settings_or_exit(env_file)
    queue = queue_of(loaded.settings, lane)
    how = format_ or SUFFIXES.get(file.suffix.lower())
    if how is None:
        raise typer.BadParameter("The name does not tell what FILE is; give --format jsonl or --format csv.")
    with _opened(file) as text:
        try:
            checked = _check(text, how)
        except KeyboardInterrupt:
            leave(EXIT_INTERRUPTED, "interrupted; nothing was put on the queue")
        report = _Report(file=str(file), lane=lane, queue=queue, checked=checked)
        if checked.faults and not as_json:
            print_bad_lines(checked.faults, most=SHOWN_BAD_LINES)
        if checked.faults and not (skip_bad and checked.jobs):
            _tell(report, as_json=as_json)
            leave(EXIT_NO, f"{_bad(checked.faults)}: nothing was put on the queue", "correct them, or give --skip-bad")
        if check:
            if as_json:
                print_json(report.shape())
            else:
                say(f"{checked.jobs} sound jobs{f', {_bad(checked.faults)}' if checked.faults else ''}.")
            return
        journal = _journal(file, text, report, how, restart=restart)
        report.before = len(journal.done) if journal else 0
        run = _Run(text=text, checked=checked, format=how, journal=journal, report=report)
        _put_all(run, loaded, file, as_json=as_json)


# --- checking --------------------------------------------------------------------------------------


@dataclass(slots=True)
class _Checked:
    """What a file holds."""

    jobs: int = 0
    faults: list[BadLine] = field(default_factory=list)
    sha256: str = ""


@dataclass(slots=True, kw_only=True)
class _Report:
    """What is told at the end."""

    file: str
    lane: Lane
    queue: str
    checked: _Checked
    before: int = 0
    enqueued: int = 0
    refused: list[BadLine] = field(default_factory=list)

    def shape(self) -> dict[str, Any]:
        return {
            "file": self.file,
            "lane": self.lane,
            "queue": self.queue,
            "jobs": self.checked.jobs,
            "enqueued": self.enqueued,
            "enqueued_before": self.before,
            "bad_lines": [
                {**shape, "email_id": fault.email_id}
                for shape, fault in zip(shapes(self.all_bad), self.all_bad, strict=True)
            ],
        }

    @property
    def all_bad(self) -> list[BadLine]:
        return [*self.checked.faults, *self.refused]

    @property
    def sentence(self) -> str:
        """How many are on the queue."""
        before = f", {self.before} by an earlier run" if self.before else ""
        queue = "queue" if self.lane is Lane.ORDINARY else "priority queue"
        return f"{self.before + self.enqueued} of {self.checked.jobs} jobs are on the {queue}{before}"


def _records(text: TextFile, how: Format, **options: Any) -> Iterator[Record | BadLine]:  # noqa: ANN401 - of `lines`
    lines = text.lines(**options)
    return read_json_lines(lines) if how is Format.JSONL else read_job_table(lines)


def _check(text: TextFile, how: Format) -> _Checked:
    columns = read_columns(text.lines()) if how is Format.CSV else None
    if isinstance(columns, Columns) and columns.unknown:
        hint(f"columns that are no fields of a job, and have no effect: {', '.join(columns.unknown)}")
    checked, check, digest = _Checked(), Check(), hashlib.sha256()
    with progress_bar("checking", total=text.size_bytes, counts=False) as bar:
        for record in _records(text, how, digest=digest, moved=bar.move):
            if fault := check.fault(record):
                checked.faults.append(fault)
            else:
                checked.jobs += 1
    checked.sha256 = digest.hexdigest()
    return checked


@contextmanager
def _opened(file: Path) -> Iterator[TextFile]:
    try:
        with open_text(file) as text:
            if text.is_lasting:
                try:
                    fcntl.flock(text.file, fcntl.LOCK_EX | fcntl.LOCK_NB)
                except BlockingIOError:
                    leave(EXIT_OUTSIDE, f"{file}: another enqueue is at work on it")
                except OSError:
                    pass  # a file system without locks
            yield text
    except OSError as error:
        leave(EXIT_OUTSIDE, f"{error.filename or file}: {error.strerror}")


def _journal(file: Path, text: TextFile, report: _Report, how: Format, *, restart: bool) -> Journal | None:
    if not text.is_lasting:
        return None
    subject = Subject(report.checked.sha256, how, report.queue)
    try:
        journal = Journal.beside(file, subject)
    except JournalError as error:
        if not restart:
            remedy = "undo the change to go on from there, or begin with the first line by --restart"
            leave(EXIT_NO, error.detail, remedy)
        journal = Journal(file.with_name(file.name + SUFFIX), subject, Done())
    if restart:
        journal.done = Done()
    try:
        journal.begin()
    except OSError as error:
        what = f"{journal.path} cannot be written ({error.strerror}); it keeps how far the file has come"
        leave(EXIT_OUTSIDE, what, f"move FILE to a folder that you may write to, or: enqueue - --format {how} < FILE")
    return journal


# --- sending ---------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True, kw_only=True)
class _Run:
    text: TextFile
    checked: _Checked
    format: Format
    journal: Journal | None
    report: _Report

    def to_send(self) -> Iterator[Record]:
        """Records that are good and not on the queue yet."""
        bad = {fault.line for fault in self.checked.faults}
        left = self.checked.jobs
        for record in _records(self.text, self.format):
            if left == 0:  # what was appended since is not checked
                return
            if isinstance(record, BadLine) or record.line in bad:
                continue
            left -= 1
            if self.journal is None or record.number not in self.journal.done:
                yield record

    def take(self, batch: Sequence[Record], puts: Sequence[Put]) -> QueueError | None:
        """Put on record what is on the queue; return why something is not, if it may be tried again."""
        on_queue, failure = list[int](), None
        for record, put in zip(batch, puts, strict=True):
            match put:
                case str():
                    on_queue.append(record.number)
                case Refused(reason, detail):
                    self.report.refused.append(BadLine(record.line, reason, f"The queue does not take it: {detail}."))
                case QueueError() as error:
                    failure = error
        if self.journal is not None and on_queue:
            self.journal.add(on_queue)
        self.report.enqueued += len(on_queue)
        return failure


def _put_all(run: _Run, loaded: Loaded, file: Path, *, as_json: bool) -> None:
    report, journal = run.report, run.journal
    again = f"the same command goes on from there ({file}{SUFFIX})"
    if journal is None:
        again = "standard input cannot be taken up again; jobs with the same email_id are not sent twice"
    try:
        with lane_or_exit(report.lane), progress_bar("queueing", total=report.checked.jobs) as bar:
            bar.move(report.before)
            asyncio.run(_send(run, loaded, bar))
    except KeyboardInterrupt:
        _tell(report, as_json=as_json)
        leave(EXIT_INTERRUPTED, "interrupted", again)
    except typer.Exit:
        _tell(report, as_json=as_json)
        if journal is not None and not journal.done:
            journal.finish()  # nothing to go on from
        hint(again)
        raise
    _tell(report, as_json=as_json)
    if report.refused:
        print_bad_lines(report.refused, most=SHOWN_BAD_LINES)
        leave(EXIT_NO, f"the queue does not take {_bad(report.refused)}", again)
    if journal is not None:
        journal.finish()


async def _send(run: _Run, loaded: Loaded, bar: Bar) -> None:
    """Send all batches, a few at a time; raises the first `QueueError` once all that were in flight are on record."""
    queue_url = run.report.queue
    async with open_producer(loaded.aws, queue_url=queue_url, parallel=PARALLEL) as producer:
        waiting = batches(run.to_send())
        in_flight, failure = set[asyncio.Task[QueueError | None]](), None
        try:
            while failure is None:
                while len(in_flight) < PARALLEL and (batch := next(waiting, None)):
                    in_flight.add(asyncio.create_task(_send_batch(run, producer, batch, bar)))
                if not in_flight:
                    break
                done, in_flight = await asyncio.wait(in_flight, return_when=asyncio.FIRST_COMPLETED)
                failure = next((error for task in done if (error := task.result())), None)
        finally:  # also when interrupted: what has an answer soon need not be sent again
            if in_flight:
                _, late = await asyncio.wait(in_flight, timeout=LAST_ANSWERS_S)
                for task in late:
                    task.cancel()
                await asyncio.gather(*in_flight, return_exceptions=True)
        if failure is not None:
            raise failure


async def _send_batch(run: _Run, producer: Producer, batch: Sequence[Record], bar: Bar) -> QueueError | None:
    failure = run.take(batch, await producer.put([record.body for record in batch]))
    if failure is None:
        bar.move(len(batch))
    return failure


# --- telling ---------------------------------------------------------------------------------------


def _tell(report: _Report, *, as_json: bool) -> None:
    if as_json:
        print_json(report.shape())
    elif report.enqueued or report.before or not report.checked.faults:
        say(f"{report.sentence}.")


def _bad(faults: Sequence[BadLine]) -> str:
    return f"{len(faults)} bad line{'s' if len(faults) > 1 else ''}"
