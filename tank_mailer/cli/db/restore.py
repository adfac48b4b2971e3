"""`db restore`: a backup takes the store's place, and what was there is kept."""

import asyncio
import sys
from collections.abc import Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Annotated, Any, Final

import typer
from sqlalchemy.ext.asyncio import AsyncEngine

from tank_mailer.adapters import copy_postgresql, copy_sqlite, database
from tank_mailer.adapters.clock import SystemClock
from tank_mailer.adapters.copy_postgresql import Server, ToolMissingError
from tank_mailer.adapters.copy_sqlite import CopyError, draft_of
from tank_mailer.adapters.desk import Desk, spelled
from tank_mailer.adapters.desk_board import look_at_board
from tank_mailer.cli.board import names_of
from tank_mailer.cli.db.backup import note
from tank_mailer.cli.options import AsJson, EnvFile, environment, settings_or_exit
from tank_mailer.cli.outside import EXIT_INTERRUPTED, EXIT_NO, EXIT_OUTSIDE, leave, outside_or_exit, who
from tank_mailer.cli.terminal import confirmed, hint, print_json, progress_bar, say, shown_bytes, shown_time
from tank_mailer.core.errors import ConfigurationError

BOARD_FROM: Final = "0003"  # the revision that has the nodes
STOP: Final = "stop it first: systemctl stop tank-mailer, or docker stop -t 60 tank-mailer"
OTHER: Final = "give another file that `tank-mailer db backup` has written"
LOST: Final = (
    "What the store has learned since the backup is not in it. Before the daemon starts:"
    "\n  suppressions: `tank-mailer suppress sync --apply` fetches bounces and complaints from SES's own list; what"
    " people had entered is in the store that was kept"
    "\n  pauses: what people paused since then is not paused any more, and what they resumed is: `tank-mailer pause`,"
    " `resume`"
    "\n  people who were erased since then: `tank-mailer erase ADDRESS` once more"
    "\n  jobs accepted since then are not known any more: after a crash, or of another host, `tank-mailer pause` until"
    " SES's events are read, which tell of those that may still be on the queue; one that a producer puts there again"
    " under the same email_id would be sent twice (docs/backup.md)"
)


def restore(
    file: Annotated[Path, typer.Argument(metavar="FILE", help="What `db backup` has written.", exists=True)],
    *,
    dry_run: Annotated[
        bool, typer.Option("--dry-run", help="Only check FILE and say what would be done; the daemon may run.")
    ] = False,
    yes: Annotated[bool, typer.Option("--yes", "-y", help="Ask nothing.")] = False,
    env_file: EnvFile = None,
    as_json: AsJson = False,
) -> None:
    """Put a backup in the store's place, with the daemon stopped.

    FILE is checked first: whole, a store of tank-mailer, and not of a newer
    version; an older one is brought up to date. The store that is there is
    kept beside it: a SQLite file under another name, tables on PostgreSQL
    in another schema. Nothing is deleted.

    Exit codes: 0 restored, 2 usage, 3 not confirmed, the daemon runs, or
    FILE is not to be used; 75 the store or its disk do not work, or no
    pg_restore here; 78 bad settings; 130 interrupted.
    """
    if not (yes or dry_run) and not sys.stdin.isatty():
        raise typer.BadParameter("This wants --yes where nobody can be asked.")
    location = database.locate(settings_or_exit(env_file).settings.database_url.get_secret_value())
    asked = _Asked(location, file, is_real=not dry_run, asks=not (yes or dry_run))
    with outside_or_exit():
        try:
            told = _to_file(asked, location.path) if location.path else asyncio.run(_to_server(asked))
        except ToolMissingError as error:
            leave(
                EXIT_OUTSIDE, error.detail, f"install PostgreSQL's client programs, or run elsewhere: {error.command}"
            )
        except _UnfitError as error:
            leave(EXIT_NO, f"{error.detail}; nothing was changed", error.remedy)
        except KeyboardInterrupt:
            leave(EXIT_INTERRUPTED, "interrupted", "`tank-mailer db restore` again, or look at what it has kept")
    if as_json:
        print_json(told.shape(asked))
    else:
        _print(asked, told)


@dataclass(frozen=True, slots=True)
class _Asked:
    location: database.Location
    file: Path
    is_real: bool
    asks: bool

    @property
    def name(self) -> str:
        """The file's, for the record of changes."""
        return str(self.file.absolute())


@dataclass(frozen=True, slots=True)
class _Told:
    """What was done, or would be.

    Attributes:
        kept: where the store is that was there; None: there was none.
    """

    revision: str
    size_bytes: int
    jobs: int | None
    newest_at: datetime | None
    kept: str | None

    def shape(self, asked: _Asked) -> dict[str, Any]:
        """As JSON has it."""
        return {
            "store": asked.location.shown,
            "file": str(asked.file),
            "restored": asked.is_real,
            "revision": self.revision,
            "jobs": self.jobs,
            "newest_at": spelled(self.newest_at),
            "kept": self.kept,
        }


class _UnfitError(CopyError):
    """The backup is not to be used, or not now."""

    def __init__(self, detail: str, remedy: str | None = None) -> None:
        super().__init__(detail)
        self.remedy = remedy


def _print(asked: _Asked, told: _Told) -> None:
    jobs = "" if told.jobs is None else f", {told.jobs} jobs, the newest of {shown_time(told.newest_at) or 'never'}"
    say(f"{asked.file}: {shown_bytes(told.size_bytes)}, revision {told.revision}{jobs}; it is whole.")
    if not asked.is_real:
        say("Nothing was changed.")
        return
    say(f"Restored to {asked.location.shown}.")
    if told.kept:
        say(f"The store that was there is kept: {told.kept}")
    for line in LOST.splitlines():
        hint(line)


def _refuse_newer(revision: str, newest: str) -> None:
    if revision > newest:
        raise _UnfitError(
            f"the backup's revision {revision} is newer than this program's, {newest}",
            "install the version that made it",
        )


def _ask(asked: _Asked, what: str) -> None:
    if asked.asks and not confirmed(f"Put it in the place of {what}? That one is kept."):
        leave(EXIT_NO, "nothing was changed")


def _stamp(at: datetime) -> str:
    return at.strftime("%Y%m%dT%H%M%SZ")


# --- SQLite ----------------------------------------------------------------------------------------


def _to_file(asked: _Asked, path: Path) -> _Told:
    if path.exists() and asked.file.resolve() == path.resolve():
        raise _UnfitError(f"{asked.file} is the store itself", OTHER)
    with progress_bar("checking", total=None, counts=False):
        try:
            found = copy_sqlite.check(asked.file)
        except CopyError as error:
            raise _UnfitError(error.detail, OTHER) from error
    _refuse_newer(found.revision, database.newest_revision())
    kept = path.with_name(f"{path.name}.before-{_stamp(datetime.now(UTC))}")
    is_there = path.exists()
    told = _Told(found.revision, found.size_bytes, found.jobs, found.newest_at, str(kept) if is_there else None)
    if not asked.is_real:
        return told
    with ExitStack() as stack:
        try:
            stack.enter_context(database.sole_user(asked.location))
        except ConfigurationError as error:
            raise _UnfitError(error.detail, STOP) from error
        if is_there:
            _ask(asked, str(path))
        draft = stack.enter_context(draft_of(path))
        with progress_bar("copying", total=None, counts=False) as bar:
            copy_sqlite.copy(asked.file, draft, bar.reach)
        asyncio.run(_finish(draft, asked, told))
        copy_sqlite.put_in_place(draft, path, kept=kept)
    return told


async def _finish(draft: Path, asked: _Asked, told: _Told) -> None:
    """Bring the copy up to date and put the restore on record in it, before it is the store."""
    async with database.open_engine(asked.location.with_path(draft)) as engine:
        await _upgrade_and_note(engine, asked, told)
    copy_sqlite.fold(draft)


async def _upgrade_and_note(engine: AsyncEngine, asked: _Asked, told: _Told) -> None:
    with progress_bar("bringing up to date", total=None, counts=False):
        await database.upgrade(engine)
    kept = f"the one before is {told.kept}" if told.kept else "there was none before"
    await note(engine, "db restore", asked.name, f"revision {told.revision}; {kept}")


# --- PostgreSQL ------------------------------------------------------------------------------------


async def _to_server(asked: _Asked) -> _Told:
    async with database.open_engine(asked.location, is_patient=True) as engine:
        schema = await copy_postgresql.schema_of(engine)
        server = Server(url=asked.location.url, environ=environment(), schema=schema)
        revision = await _revision_in(server, asked.file)
        present, newest = await database.revision(engine)
        _refuse_newer(revision, newest)
        kept = f"{schema}_before_{_stamp(datetime.now(UTC)).lower()}"
        told = _Told(revision, asked.file.stat().st_size, None, None, f"schema {kept}" if present else None)
        if not asked.is_real:
            return told
        if nodes := await _nodes(engine, present):
            raise _UnfitError(f"nodes are at work on this store: {', '.join(nodes)}", STOP)
        if present:
            _ask(asked, asked.location.shown)
            await copy_postgresql.set_aside(engine, schema, kept=kept)
        try:
            with progress_bar("restoring", total=None, counts=False):
                await asyncio.to_thread(server.restore, asked.file)
        except BaseException:
            if present:
                await copy_postgresql.take_back(engine, schema, kept=kept)
            raise
        await engine.dispose()  # what its connections know of the tables is about those that were there
        await _upgrade_and_note(engine, asked, told)
    return told


async def _revision_in(server: Server, file: Path) -> str:
    try:
        return await asyncio.to_thread(server.revision_in, file)
    except ToolMissingError:
        raise
    except CopyError as error:
        raise _UnfitError(error.detail, OTHER) from error


async def _nodes(engine: AsyncEngine, revision: str) -> Sequence[str]:
    """Those that were seen on the board lately."""
    if revision < BOARD_FROM:
        return []
    return names_of((await look_at_board(Desk(engine=engine, clock=SystemClock(), who=who()))).others)
