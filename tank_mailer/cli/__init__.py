"""The command line: one file a command group."""

from typing import Annotated

import typer

from tank_mailer import __version__
from tank_mailer.cli import config, run

app = typer.Typer(
    name="tank-mailer",
    help="Takes e-mail jobs from SQS and gets each one out through Amazon SES.",
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"]},
)
app.command("run")(run.run)
app.add_typer(config.app, name="config")


def _print_version(wanted: bool) -> None:  # noqa: FBT001 - typer's way of a flag
    if wanted:
        typer.echo(f"tank-mailer {__version__}")
        raise typer.Exit


@app.callback()
def _tank_mailer(
    *,
    version: Annotated[
        bool, typer.Option("--version", help="Print the version.", callback=_print_version, is_eager=True)
    ] = False,
) -> None:
    del version


def main() -> None:
    """Enter here: the console script."""
    app()
