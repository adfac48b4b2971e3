"""`tank-mailer dlq`: jobs that were given up, looked at and put back on their queue."""

import typer

from tank_mailer.cli.dlq import back, drop, look

app = typer.Typer(
    name="dlq",
    help="Look at dead letters, the jobs that were given up: those on the dead-letter queue, and those that rest in "
    "the ledger alone; and put them back on their queue.",
    no_args_is_help=True,
)
app.command(
    "list",
    epilog="Example: tank-mailer dlq list\n\n"
    "Example, of one reason and a provider: tank-mailer dlq list --reason attempts_spent --domain example.com\n\n"
    "Example, for a script: tank-mailer dlq list --newer-than 1d --json",
)(look.list_)
app.command(
    epilog="Example: tank-mailer dlq show 1f0c2a7e\n\nExample: tank-mailer dlq show order-4711 --raw > job.json"
)(look.show)
app.command(
    epilog="Example, what would be done: tank-mailer dlq redrive --all\n\n"
    "Example, do it, slowly: tank-mailer dlq redrive --all --reason attempts_spent --apply --rate 5\n\n"
    "Example, one job: tank-mailer dlq redrive order-4711 --apply"
)(back.redrive)
app.command(epilog="Example: tank-mailer dlq drop 1f0c2a7e")(drop.drop)
