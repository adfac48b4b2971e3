"""`tank-mailer audit`: who has changed what, and when."""

import sys
from datetime import UTC, datetime
from typing import Annotated, Final

import typer

from tank_mailer.adapters.desk_audit import Wanted, list_audit
from tank_mailer.adapters.rows import storable
from tank_mailer.cli.options import AsJson, EnvFile
from tank_mailer.cli.outside import at_desk
from tank_mailer.cli.terminal import print_json, print_table, say, shown_time
from tank_mailer.core.telling import PastError, read_past

ACTIONS: Final = (
    *("db backup", "db restore", "db upgrade", "dlq drop", "dlq redrive", "erase", "pause", "reclassify"),
    *("refused requeue", "resume", "suppress add", "suppress import", "suppress remove", "suppress sync"),
    "webhook replay",
)

app = typer.Typer(name="audit", help="See what people have changed, and when.", no_args_is_help=True)


@app.callback()
def _audit() -> None:
    pass


def _actions(incomplete: str) -> list[str]:
    """For the shell's completion."""
    words = dict.fromkeys([*(one.partition(" ")[0] for one in ACTIONS), *ACTIONS])
    return [one for one in words if one.startswith(incomplete)]


@app.command(
    "list",
    epilog="Example: tank-mailer audit list --since 7d\n\n"
    "Example, who has put dead letters back: tank-mailer audit list --action 'dlq redrive'\n\n"
    "Example, all that one person did: tank-mailer audit list --who jane --json",
)
def list_(
    *,
    since: Annotated[
        str | None,
        typer.Option(metavar="WHEN", help="Only since then: 2030-01-31T12:00:00Z, or 30min, 2h, 3d, 1w ago."),
    ] = None,
    action: Annotated[
        str | None,
        typer.Option(
            metavar="ACTION",
            help="Only this one, such as 'dlq redrive', or all that begin with a word: suppress.",
            autocompletion=_actions,
        ),
    ] = None,
    who: Annotated[
        str | None, typer.Option(metavar="NAME", help="Only by those whose name, sudo user or host has this in it.")
    ] = None,
    subject: Annotated[
        str | None, typer.Option(metavar="SUBJECT", help="Only about this email_id, address, queue or lane.")
    ] = None,
    limit: Annotated[int, typer.Option(min=1, help="How many at most, the newest first.")] = 50,
    env_file: EnvFile = None,
    as_json: AsJson = False,
) -> None:
    """List the record of changes, the newest first.

    Everything that a command has changed in the store or on a queue is in
    it: who (user, who is behind sudo, host), when, what, and of whom. An
    address that was erased stands there as its hash.

    Exit codes: 0 listed, 2 usage, 75 the store cannot be read, 78 bad
    settings.
    """
    try:
        begin = read_past(since, datetime.now(UTC)) if since else None
    except PastError as error:
        raise typer.BadParameter(str(error)) from None
    wanted = Wanted(
        since=begin,
        action=action and storable(action),
        who=who and storable(who),
        subject=subject and storable(subject),
    )
    count, found = at_desk(env_file, lambda desk: list_audit(desk, wanted, limit=limit))
    if as_json:
        print_json({"total": count, "entries": [one.shape() for one in found]})
        return
    rows = [[shown_time(one.at), one.who, one.action, one.subject, one.detail] for one in found]
    print_table(["when", "who", "action", "subject", "detail"], rows)
    if sys.stdout.isatty():
        say(f"{len(found)} of {count}.")
