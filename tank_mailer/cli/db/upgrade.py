"""`tank-mailer db`: the store itself."""

import asyncio
from typing import Annotated

import typer

from tank_mailer.adapters import database
from tank_mailer.adapters.clock import SystemClock
from tank_mailer.adapters.desk import Desk
from tank_mailer.cli.options import AsJson, EnvFile, settings_or_exit
from tank_mailer.cli.outside import EXIT_OUTSIDE, leave, outside_or_exit, who
from tank_mailer.cli.terminal import print_json, say, waiting
from tank_mailer.core.errors import Reason, StoreError

app = typer.Typer(name="db", help="Look after the store (TANK_DATABASE_URL).", no_args_is_help=True)


@app.callback()
def _db() -> None:
    pass


@app.command(
    epilog="Example, before a new version is started on PostgreSQL: tank-mailer db upgrade\n\n"
    "Example, a SQLite store ahead of the first start: tank-mailer db upgrade --create"
)
def upgrade(
    *,
    create: Annotated[
        bool, typer.Option("--create", help="Make the SQLite file if there is none; a server's database is not made.")
    ] = False,
    env_file: EnvFile = None,
    as_json: AsJson = False,
) -> None:
    """Bring the store's tables up to date.

    `tank-mailer run` does so by itself on SQLite. On PostgreSQL run this
    first: it makes the tables in an empty database, and a daemon of the
    release before works on with the newer tables until it is replaced.

    Exit codes: 0 up to date, 75 no store or none that works, 78 bad
    settings.
    """
    location = database.locate(settings_or_exit(env_file).settings.database_url.get_secret_value())
    is_new = not location.exists
    if is_new and not create:
        leave(
            EXIT_OUTSIDE,
            f"there is no store at {location.shown}",
            "look at TANK_DATABASE_URL, STATE_DIRECTORY and the working directory; --create makes a new, empty one,"
            " which knows no mail that was sent before",
        )
    with outside_or_exit(), waiting("bringing the tables up to date"):
        before, after = asyncio.run(_upgrade(location, creates=create))
    if as_json:
        print_json({"store": location.shown, "created": is_new, "from": before or None, "to": after})
    elif before == after:
        say(f"{location.shown}: up to date, revision {after}.")
    else:
        made = "made, " if is_new else ""
        say(f"{location.shown}: {made}revision {before or 'none'} -> {after}.")


async def _upgrade(location: database.Location, *, creates: bool) -> tuple[str, str]:
    async with database.open_engine(location, creates=creates, is_patient=True) as engine:
        before, newest = await database.revision(engine)
        if before > newest:
            raise StoreError(Reason.STORE_SICK, f"its revision {before} is newer than this program's, {newest}")
        if before < newest:
            await database.upgrade(engine)
            desk = Desk(engine=engine, clock=SystemClock(), who=who())
            async with desk.transaction() as connection:
                await desk.note(connection, action="db upgrade", subject=newest, detail=f"from {before or 'none'}")
        after, _ = await database.revision(engine)
    return before, after
