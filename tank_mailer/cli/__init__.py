"""The command line: one file a command group."""

import os
import sys
from typing import Annotated

import typer

from tank_mailer import __version__
from tank_mailer.cli import (
    alerts,
    audit,
    config,
    db,
    demo,
    dlq,
    doctor,
    enqueue,
    erase,
    pause,
    reclassify,
    refused,
    report,
    run,
    send_test,
    standin,
    status,
    suppress,
    top,
    webhook,
    why,
)
from tank_mailer.cli.guard import guarded

app = typer.Typer(
    name="tank-mailer",
    help="Takes e-mail jobs from SQS and gets each one out through Amazon SES.",
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"]},
)
app.command("run")(run.run)
app.command("demo")(demo.demo)
app.command("standin")(standin.standin)
app.command("send-test", epilog="Example: tank-mailer send-test --type unverified-email --wait 60")(send_test.send_test)
app.command(
    "enqueue",
    epilog="Example: tank-mailer enqueue newsletter.jsonl\n\n"
    "Example, from a program: make-jobs | tank-mailer enqueue - --format jsonl",
)(enqueue.enqueue)
app.command("status", epilog="Example: tank-mailer status order-4711")(status.status)
app.command("why", epilog="Example: tank-mailer why order-4711")(why.why)
app.command(
    "pause",
    epilog="Example, the newsletter waits: tank-mailer pause --lane ordinary --reason 'wrong price in the mail'\n\n"
    "Example, one sender: tank-mailer pause --from news@example.com",
)(pause.pause)
app.command(
    "resume",
    epilog="Example: tank-mailer resume --lane ordinary\n\nExample, what was paused as a whole: tank-mailer resume",
)(pause.resume)
app.command(
    "top",
    epilog="Example: tank-mailer top\n\nExample, for a script: tank-mailer top --json",
)(top.top)
app.command(
    "doctor",
    epilog="Example: tank-mailer doctor\n\nExample, for a monitor: tank-mailer doctor --json --strict\n\n"
    "Example, after a change in the firewall: tank-mailer doctor --area network",
)(doctor.doctor)
app.add_typer(suppress.app, name="suppress")
app.add_typer(refused.app, name="refused")
app.add_typer(dlq.app, name="dlq")
app.command(
    "erase",
    epilog="Example, what is there: tank-mailer erase jane@example.com --dry-run\n\n"
    "Example, from a script: tank-mailer erase jane@example.com --yes --json",
)(erase.erase)
app.command(
    "reclassify",
    epilog="Example, what would change: tank-mailer reclassify --since 30d\n\n"
    "Example, do it: tank-mailer reclassify --apply",
)(reclassify.reclassify)
app.add_typer(report.app, name="report")
app.add_typer(webhook.app, name="webhook")
app.add_typer(alerts.app, name="alerts")
app.add_typer(audit.app, name="audit")
app.add_typer(db.app, name="db")
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
    os.umask(0o077)  # the ledger holds addresses, the texts of refused jobs too
    sys.exit(guarded(app))
