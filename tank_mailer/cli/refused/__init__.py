"""`tank-mailer refused`: jobs of which no mail came, messages that are no event, and how they get back."""

import typer

from tank_mailer.cli.refused import back, look

app = typer.Typer(
    name="refused",
    help="Look at jobs of which no mail came (invalid, refused, dry_run, dead) and at messages of the event queue that "
    "are no event (event), and put them back on their queue.",
    no_args_is_help=True,
)
app.command(
    "list",
    epilog="Example: tank-mailer refused list --kind invalid\n\n"
    "Example, what nobody has put back yet, for a script: tank-mailer refused list --waiting --json",
)(look.list_)
app.command(
    epilog="Example: tank-mailer refused show 1f0c2a7e\n\n"
    "Example, to correct it: tank-mailer refused show order-4711 --raw > job.json"
)(look.show)
app.command(
    epilog="Example, after the sender was verified: tank-mailer refused requeue order-4711\n\n"
    "Example, a corrected job: tank-mailer refused requeue 1f0c2a7e --file job.json\n\n"
    "Example, after a rehearsal: tank-mailer refused requeue --all --kind dry_run\n\n"
    "Example, after TANK_EVENT_TOPIC_ARNS was mended: tank-mailer refused requeue --all --kind event"
)(back.requeue)
