"""`tank-mailer top`: how all nodes are, live."""

import asyncio
import sys
from typing import Annotated, Final

import typer
from rich.console import Console

from tank_mailer.adapters import database
from tank_mailer.adapters.clock import SystemClock
from tank_mailer.adapters.desk import open_desk
from tank_mailer.cli.options import AsJson, EnvFile, settings_or_exit
from tank_mailer.cli.outside import EXIT_NO, outside_or_exit, who
from tank_mailer.cli.terminal import print_json
from tank_mailer.cli.top.live import live
from tank_mailer.cli.top.render import render
from tank_mailer.cli.top.sight import Lines, Sight, take_sight
from tank_mailer.settings import Loaded

PIPE_WIDTH: Final = 120  # columns, where nobody says how wide it is
SHORTEST_S: Final = 0.2


def top(
    *,
    once: Annotated[bool, typer.Option("--once", help="Print it once and end; in a pipe always.")] = False,
    interval: Annotated[float, typer.Option(metavar="SECONDS", min=SHORTEST_S, help="How often to look.")] = 2.0,
    env_file: EnvFile = None,
    as_json: AsJson = False,
) -> None:
    """Watch it work: rate, quota, reputation, pauses, lanes, outcomes.

    Of all nodes on this store, summed and listed. It reads the store only,
    and keeps nobody waiting. q or Ctrl-C ends it.

    Exit codes: 0 ended by you, or printed; 3 printed, and no daemon is
    alive; 75 the store cannot be read; 78 bad settings.
    """
    loaded = settings_or_exit(env_file)
    is_live = sys.stdout.isatty() and not (once or as_json)
    with outside_or_exit():
        sight = asyncio.run(_run(loaded, interval_s=interval, is_live=is_live))
    if is_live:
        return
    if as_json:
        print_json(sight.shape())
    else:
        console().print(render(sight))
    if not sight.nodes:
        raise typer.Exit(EXIT_NO)


def console() -> Console:
    """On standard output, as it is now."""
    return Console(highlight=False, width=None if sys.stdout.isatty() else PIPE_WIDTH)


async def _run(loaded: Loaded, *, interval_s: float, is_live: bool) -> Sight:
    settings = loaded.settings
    lines = Lines(settings.bounce_warn, settings.bounce_pause, settings.complaint_warn, settings.complaint_pause)
    location = database.locate(settings.database_url.get_secret_value())
    async with open_desk(location, clock=SystemClock(), who=who()) as desk:
        if is_live:
            await live(lambda: take_sight(desk, lines), console(), interval_s=interval_s)
        return await take_sight(desk, lines)
