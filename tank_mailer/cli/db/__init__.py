"""`tank-mailer db`: the store itself."""

import typer

from tank_mailer.cli.db import backup, restore, upgrade

app = typer.Typer(name="db", help="Look after the store (TANK_DATABASE_URL).", no_args_is_help=True)
app.command(
    epilog="Example, before a new version is started on PostgreSQL: tank-mailer db upgrade\n\n"
    "Example, a SQLite store ahead of the first start: tank-mailer db upgrade --create"
)(upgrade.upgrade)
app.command(
    epilog="Example, each night: tank-mailer db backup /var/backups/tank-mailer/$(date +%F).db\n\n"
    "Example, always the same file: tank-mailer db backup --force /var/backups/tank-mailer.db"
)(backup.backup)
app.command(
    epilog="Example, with the daemon stopped: tank-mailer db restore /var/backups/tank-mailer.db\n\n"
    "Example, only look whether it could be: tank-mailer db restore --dry-run /var/backups/tank-mailer.db"
)(restore.restore)
