"""Copies of a SQLite store: made beside a running daemon, checked, and put in its place."""

import os
import sqlite3
import time
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Final
from urllib.parse import quote

from tank_mailer.core.errors import Reason, StoreError

STEP_PAGES: Final = 256  # 1 MiB at a time
REST_S: Final = 0.005  # after each step: the disk is the daemon's first
HEADER: Final = b"SQLite format 3\x00"
LOGS: Final = ("-wal", "-shm")  # beside a store's file
TABLES: Final = frozenset({"alembic_version", "jobs", "audit", "suppressions"})  # without them it is none of ours
Moved = Callable[[int, int], None]  # pages copied so far, pages in all


class CopyError(StoreError):
    """A copy cannot be made, or is none that could be used."""

    def __init__(self, detail: str) -> None:
        super().__init__(Reason.STORE_SICK, detail)


@dataclass(frozen=True, slots=True)
class Contents:
    """What a store's file holds.

    Attributes:
        newest_at: when a job was last written.
    """

    revision: str
    jobs: int
    newest_at: datetime | None
    size_bytes: int


@contextmanager
def draft_of(target: Path) -> Iterator[Path]:
    """A file beside `target` that its owner alone may read; gone at the end, unless it was moved.

    Raises:
        CopyError: it cannot be made.
    """
    draft = target.with_name(f".{target.name}.{os.getpid()}")
    with _told(target):
        os.close(os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_EXCL, mode=0o600))
    try:
        yield draft
    finally:
        for end in ("", *LOGS, "-journal"):
            draft.with_name(draft.name + end).unlink(missing_ok=True)


def copy(source: Path, draft: Path, moved: Moved) -> None:
    """Copy a store as it stands now; whoever writes there goes on meanwhile.

    All of it is read in one transaction: SQLite would begin the copy anew with every write of another process, and
    never come to an end beside a busy daemon. Writers do not wait for readers; only their log grows meanwhile.

    Raises:
        CopyError: it cannot be read or written.
    """

    def step(_status: int, remaining: int, total: int) -> None:
        moved(total - remaining, total)
        time.sleep(REST_S)

    with (
        _told(source),
        closing(_opened(source)) as there,
        closing(sqlite3.connect(draft, isolation_level=None)) as here,
    ):
        here.execute("PRAGMA synchronous=OFF")  # flushed as a whole, below
        there.execute("BEGIN")
        there.execute("SELECT count(*) FROM sqlite_master").fetchone()
        there.backup(here, pages=STEP_PAGES, progress=step)
        there.execute("COMMIT")
        here.execute("PRAGMA journal_mode=DELETE")  # one file, and nothing beside it


def size_of(source: Path) -> int:
    """How many bytes a copy takes at the most: what stands in the log alone is copied along."""
    log = source.with_name(f"{source.name}-wal")
    return source.stat().st_size + (log.stat().st_size if log.exists() else 0)


def fold(draft: Path) -> None:
    """Bring a copy that was written to back into one file; raises `CopyError`."""
    with _told(draft), closing(sqlite3.connect(draft, isolation_level=None)) as connection:
        connection.execute("PRAGMA journal_mode=DELETE")
        connection.close()
        flush(draft)


def check(path: Path) -> Contents:
    """See whether every page of a store's file is well, and whether it is ours.

    Raises:
        CopyError: it is not, and why.
    """
    with _told(path):
        with path.open("rb") as file:
            if file.read(len(HEADER)) != HEADER:
                raise CopyError(f"{path} is no SQLite file")
        with closing(_opened(path)) as connection:
            (said,) = connection.execute("PRAGMA integrity_check(1)").fetchone()
            if said != "ok":
                raise CopyError(f"{path} is damaged: {' '.join(said.split())[:200]}")
            found = {name for (name,) in connection.execute("SELECT name FROM sqlite_master WHERE type = 'table'")}
            if not found >= TABLES:
                raise CopyError(f"{path} is no store of tank-mailer")
            (revision,) = connection.execute("SELECT version_num FROM alembic_version").fetchone() or ("",)
            count, newest = connection.execute("SELECT count(*), max(updated_at) FROM jobs").fetchone()
    newest_at = None if newest is None else datetime.fromtimestamp(newest, UTC)
    return Contents(revision, count, newest_at, path.stat().st_size)


def put_in_place(draft: Path, target: Path, *, kept: Path) -> bool:
    """Let a checked copy be the store, and keep the one that was there; returns whether there was one.

    Its log goes along with it: beside another file it would be taken for that file's. At no moment is there no store:
    after a crash in between, the daemon would make an empty one, and send anew what it had sent.

    Raises:
        CopyError: it cannot be done.
    """
    with _told(target):
        was_there = target.exists()
        if was_there:
            _empty_log(target)
        for end in LOGS:
            part = target.with_name(target.name + end)
            if part.exists():
                part.rename(kept.with_name(kept.name + end))
        if was_there:
            _name_too(target, kept)
        _give_to_owner(draft, kept if was_there else target.parent)
        draft.replace(target)
        flush(target.parent)
    return was_there


def put_new(draft: Path, target: Path) -> None:
    """Give a file its name, in a way that outlasts a power cut; raises `CopyError`."""
    with _told(target):
        flush(draft)
        draft.replace(target)
        flush(target.parent)


def flush(path: Path) -> None:
    """Have a file, or the names in a folder, on disk; raises OSError."""
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def _opened(path: Path) -> sqlite3.Connection:
    return sqlite3.connect(f"file:{quote(str(path))}?mode=ro", uri=True, isolation_level=None)


def _empty_log(path: Path) -> None:
    """So that the file kept is whole by itself; of one that is damaged it stays beside it."""
    try:
        with closing(sqlite3.connect(path, isolation_level=None)) as connection:
            connection.execute("PRAGMA wal_checkpoint(TRUNCATE)").fetchone()
    except sqlite3.Error:
        return


def _name_too(path: Path, other: Path) -> None:
    """Give a file a second name; where a file system has no such thing, that name in place of its own."""
    try:
        other.hardlink_to(path)
    except OSError:
        path.rename(other)


def _give_to_owner(path: Path, like: Path) -> None:
    """What root restores must be the daemon's own."""
    if os.geteuid() == 0:
        whose = like.stat()
        os.chown(path, whose.st_uid, whose.st_gid)


@contextmanager
def _told(path: Path) -> Iterator[None]:
    try:
        yield
    except sqlite3.Error as error:
        raise CopyError(f"{path}: {error}") from error
    except OSError as error:
        raise CopyError(f"{error.filename or path}: {error.strerror}") from error
