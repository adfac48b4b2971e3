"""`db backup`: a copy of the store, made while the daemon works."""

import asyncio
import shutil
from pathlib import Path
from typing import Annotated, Any, Final

import typer
from sqlalchemy.ext.asyncio import AsyncEngine

from tank_mailer.adapters import copy_sqlite, database
from tank_mailer.adapters.clock import SystemClock
from tank_mailer.adapters.copy_postgresql import Server, ToolMissingError, schema_of
from tank_mailer.adapters.copy_sqlite import CopyError, draft_of, put_new
from tank_mailer.adapters.desk import Desk, spelled
from tank_mailer.adapters.rows import storable
from tank_mailer.cli.options import AsJson, EnvFile, environment, settings_or_exit
from tank_mailer.cli.outside import EXIT_INTERRUPTED, EXIT_OUTSIDE, NO_STORE, leave, outside_or_exit, who
from tank_mailer.cli.terminal import hint, print_json, progress_bar, say, shown_bytes
from tank_mailer.core.errors import StoreError

ROOM: Final = 1.1  # times the store's size is wanted free
PLACE: Final = "name a place that may be written to, on a disk with room; if it is the store: `tank-mailer doctor`"


def backup(
    file: Annotated[Path, typer.Argument(metavar="FILE", help="Where the copy goes.")],
    *,
    force: Annotated[bool, typer.Option("--force", help="Overwrite FILE.")] = False,
    env_file: EnvFile = None,
    as_json: AsJson = False,
) -> None:
    """Copy the store to a file; the daemon may run, and goes on.

    The copy is one moment of the store, checked page by page, and appears
    whole or not at all; its owner alone may read it, for it holds addresses
    and the texts of jobs. Of SQLite it is a SQLite file, of PostgreSQL a
    dump by pg_dump. Keep it on another disk. The key of the hashes in logs
    (hash-key in the state directory, or TANK_HASH_KEY) is not in it.

    Exit codes: 0 copied, 2 usage, 75 the store cannot be read, the file not
    written, or no pg_dump here, 78 bad settings, 130 interrupted.
    """
    location = database.locate(settings_or_exit(env_file).settings.database_url.get_secret_value())
    if file.exists() and not force:
        raise typer.BadParameter(f"{file} is there already; --force overwrites it.")
    if file.is_dir() or (location.path is not None and file.resolve() == location.path.resolve()):
        raise typer.BadParameter(f"{file} cannot be a copy of the store; name another file.")
    if not location.exists:
        leave(EXIT_OUTSIDE, f"there is no store at {location.shown}", NO_STORE)
    with outside_or_exit():
        try:
            told = _of_file(location.path, file) if location.path else asyncio.run(_of_server(location, file))
            asyncio.run(_note(location, str(file.absolute()), told))
        except ToolMissingError as error:
            leave(
                EXIT_OUTSIDE, error.detail, f"install PostgreSQL's client programs, or run elsewhere: {error.command}"
            )
        except CopyError as error:
            leave(EXIT_OUTSIDE, f"no backup was made: {error.detail}", PLACE)
        except KeyboardInterrupt:
            leave(EXIT_INTERRUPTED, "interrupted; no backup was made")
    if as_json:
        print_json({"store": location.shown, "file": str(file), **told})
        return
    jobs = "" if told["jobs"] is None else f", {told['jobs']} jobs"
    say(f"{file}: {shown_bytes(told['size_bytes'])}{jobs}, revision {told['revision']}; checked.")


def _of_file(path: Path, file: Path) -> dict[str, Any]:
    size_bytes = copy_sqlite.size_of(path)
    _look_at_room(file, size_bytes)
    with draft_of(file) as draft:
        with progress_bar("copying", total=None, counts=False) as bar:
            copy_sqlite.copy(path, draft, bar.reach)
        with progress_bar("checking", total=None, counts=False):
            found = copy_sqlite.check(draft)
        put_new(draft, file)
    newest = spelled(found.newest_at)
    return {"size_bytes": found.size_bytes, "revision": found.revision, "jobs": found.jobs, "newest_at": newest}


def _look_at_room(file: Path, size_bytes: int) -> None:
    try:
        free_bytes = shutil.disk_usage(file.absolute().parent).free
    except OSError as error:
        raise CopyError(f"{file.absolute().parent}: {error.strerror}") from error
    if free_bytes < size_bytes * ROOM:
        raise CopyError(f"{shown_bytes(free_bytes)} are free there, and the store takes {shown_bytes(size_bytes)}")


async def _of_server(location: database.Location, file: Path) -> dict[str, Any]:
    async with database.open_engine(location) as engine:
        revision, _ = await database.revision(engine)
        if not revision:
            raise CopyError(f"the store at {location.shown} has no tables")
        server = Server(url=location.url, environ=environment(), schema=await schema_of(engine))
    with draft_of(file) as draft:
        with progress_bar("dumping", total=None, counts=False):
            await asyncio.to_thread(server.dump, draft)
        with progress_bar("checking", total=None, counts=False):
            revision = await asyncio.to_thread(server.revision_in, draft)
        size_bytes = draft.stat().st_size
        put_new(draft, file)
    return {"size_bytes": size_bytes, "revision": revision, "jobs": None, "newest_at": None}


async def _note(location: database.Location, file: str, told: dict[str, Any]) -> None:
    """On record in the store itself; one that cannot be written now has a good copy all the same."""
    async with database.open_engine(location) as engine:
        try:
            await note(engine, "db backup", file, f"{told['size_bytes']} bytes, revision {told['revision']}")
        except StoreError as error:
            hint(f"not in the record of changes: {error.detail}")


async def note(engine: AsyncEngine, action: str, file: str, detail: str) -> None:
    """Put it in the record of changes, which every revision of the store has; raises `StoreError`."""
    desk = Desk(engine=engine, clock=SystemClock(), who=who())
    async with desk.transaction() as connection:
        await desk.note(connection, action=action, subject=storable(file), detail=detail)
