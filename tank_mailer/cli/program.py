"""All commands, each with where it is and what it is typed like; only what is asked for is imported.

The parts of all commands together take twice as long to load as those of one.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from importlib import import_module
from typing import Annotated, Final

import typer

from tank_mailer import __version__


@dataclass(frozen=True, slots=True)
class Command:
    """One command of the first level.

    Attributes:
        module: below `tank_mailer.cli`.
        function: None: the module has a group of commands, `app`.
        examples: lines that could be typed.
    """

    module: str
    function: str | None = None
    examples: tuple[str, ...] = ()


COMMANDS: Final[Mapping[str, Command]] = {
    "run": Command("run", "run"),
    "demo": Command("demo", "demo"),
    "standin": Command("standin", "standin"),
    "send-test": Command(
        "send_test", "send_test", ("Example: tank-mailer send-test --type unverified-email --wait 60",)
    ),
    "enqueue": Command(
        "enqueue",
        "enqueue",
        (
            "Example: tank-mailer enqueue newsletter.jsonl",
            "Example, from a program: make-jobs | tank-mailer enqueue - --format jsonl",
        ),
    ),
    "status": Command("status", "status", ("Example: tank-mailer status order-4711",)),
    "why": Command("why", "why", ("Example: tank-mailer why order-4711",)),
    "pause": Command(
        "pause",
        "pause",
        (
            "Example, the newsletter waits: tank-mailer pause --lane ordinary --reason 'wrong price in the mail'",
            "Example, one sender: tank-mailer pause --from news@example.com",
        ),
    ),
    "resume": Command(
        "pause",
        "resume",
        (
            "Example: tank-mailer resume --lane ordinary",
            "Example, what was paused as a whole: tank-mailer resume",
        ),
    ),
    "top": Command("top", "top", ("Example: tank-mailer top", "Example, for a script: tank-mailer top --json")),
    "doctor": Command(
        "doctor",
        "doctor",
        (
            "Example: tank-mailer doctor",
            "Example, for a monitor: tank-mailer doctor --json --strict",
            "Example, after a change in the firewall: tank-mailer doctor --area network",
        ),
    ),
    "suppress": Command("suppress"),
    "refused": Command("refused"),
    "dlq": Command("dlq"),
    "erase": Command(
        "erase",
        "erase",
        (
            "Example, what is there: tank-mailer erase jane@example.com --dry-run",
            "Example, from a script: tank-mailer erase jane@example.com --yes --json",
        ),
    ),
    "reclassify": Command(
        "reclassify",
        "reclassify",
        (
            "Example, what would change: tank-mailer reclassify --since 30d",
            "Example, do it: tank-mailer reclassify --apply",
        ),
    ),
    "report": Command("report"),
    "webhook": Command("webhook"),
    "alerts": Command("alerts"),
    "audit": Command("audit"),
    "db": Command("db"),
    "config": Command("config"),
}


def build(*names: str) -> typer.Typer:
    """Make the program out of these commands; out of all where none is named."""
    app = typer.Typer(
        name="tank-mailer",
        help="Takes e-mail jobs from SQS and gets each one out through Amazon SES.",
        no_args_is_help=True,
        pretty_exceptions_enable=False,
        context_settings={"help_option_names": ["-h", "--help"]},
    )
    app.callback()(_tank_mailer)
    for name in names or COMMANDS:
        command = COMMANDS[name]
        module = import_module(f"tank_mailer.cli.{command.module}")
        if command.function is None:
            app.add_typer(module.app, name=name)
        else:
            epilog = "\n\n".join(command.examples) or None
            app.command(name, epilog=epilog)(getattr(module, command.function))
    return app


def _print_version(wanted: bool) -> None:  # noqa: FBT001 - typer's way of a flag
    if wanted:
        typer.echo(f"tank-mailer {__version__}")
        raise typer.Exit


def _tank_mailer(
    *,
    version: Annotated[
        bool, typer.Option("--version", help="Print the version.", callback=_print_version, is_eager=True)
    ] = False,
) -> None:
    del version
