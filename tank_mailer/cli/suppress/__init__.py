"""`tank-mailer suppress`: who is not mailed."""

import typer

from tank_mailer.cli.suppress import many, one, sync

app = typer.Typer(name="suppress", help="Keep the list of addresses that are not mailed.", no_args_is_help=True)
app.command(
    epilog="Example: tank-mailer suppress add jane@example.com --note 'asked by phone'\n\n"
    "Example: tank-mailer suppress add jane@example.com --until 30d"
)(one.add)
app.command(epilog="Example: tank-mailer suppress remove jane@example.com")(one.remove)
app.command(
    epilog="Example, in a script: tank-mailer suppress check jane@example.com && echo may be mailed\n\n"
    "Example, SES's own list too: tank-mailer suppress check jane@example.com --account"
)(one.check)
app.command("list", epilog="Example: tank-mailer suppress list --limit 20")(many.list_)
app.command(epilog="Example: tank-mailer suppress export suppressed.csv")(many.export)
app.command(
    "import",
    epilog="Example: tank-mailer suppress import suppressed.csv\n\n"
    "Example, from another program: extract-optouts | tank-mailer suppress import - --reason opted_out",
)(many.import_)
app.command(
    epilog="Example, what would be done: tank-mailer suppress sync\n\n"
    "Example, do it: tank-mailer suppress sync --apply",
)(sync.sync)
