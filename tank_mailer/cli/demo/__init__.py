"""`tank-mailer demo`: everything on one machine, without AWS, in half a minute."""

from pathlib import Path
from typing import Annotated, Final

import typer

from tank_mailer.cli.options import AsJson, environment
from tank_mailer.cli.standin import Identities

STALL_S: Final = 90.0


def demo(
    jobs: Annotated[
        Path | None,
        typer.Option(
            "--jobs", metavar="FILE", help="Your own jobs: one JSON object a line, put on the queue as it is."
        ),
    ] = None,
    directory: Annotated[
        Path | None, typer.Option(metavar="DIR", help="For store and log; without it a new temporary one.")
    ] = None,
    port: Annotated[int, typer.Option(min=0, max=65_535, help="Of the local SQS and SES; 0: a free one.")] = 0,
    identity: Identities = ["example.com"],  # noqa: B006 - typer copies it
    timeout_s: Annotated[
        float, typer.Option(min=1, help="Give up when nothing has come to an end for so many seconds.")
    ] = STALL_S,
    *,
    keep: Annotated[
        bool,
        typer.Option(
            "--keep",
            help="Leave all running afterwards, to try producers against, and show what comes; Ctrl-C stops it.",
        ),
    ] = False,
    as_json: AsJson = False,
) -> None:
    """Show what tank-mailer does, on this machine alone: no AWS account, no root.

    Starts a local SQS and SES, a small web server and the real daemon, puts a
    mixed set of jobs on the queue, and shows what became of each and why, what
    SES reported of the mails, who is not mailed again, and what the web server
    was told. Takes a quarter of a minute. What your environment says about AWS
    is not used.

    Exit codes: 0 all as expected, 2 usage, 3 not as expected, 75 the port or
    the folder cannot be used.

    Example: tank-mailer demo --jobs my-jobs.jsonl
    """
    from tank_mailer.cli.demo.show import Wanted, show  # noqa: PLC0415 - other commands start faster

    code = show(
        Wanted(
            jobs=jobs,
            directory=directory,
            port=port,
            identities=tuple(dict.fromkeys(["example.com", *identity])),
            stall_s=timeout_s,
            keeps=keep,
            as_json=as_json,
        ),
        environment(),
    )
    raise typer.Exit(code)
