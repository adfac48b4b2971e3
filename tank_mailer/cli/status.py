"""`tank-mailer status`: what became of an email."""

from datetime import UTC, datetime
from typing import Annotated

import typer

from tank_mailer.adapters.desk_emails import Report, find_report
from tank_mailer.adapters.desk_events import MOST_EVENTS
from tank_mailer.cli.next_step import what_next
from tank_mailer.cli.options import AsJson, EnvFile
from tank_mailer.cli.outside import EXIT_NO, at_desk, leave
from tank_mailer.cli.terminal import print_fields, print_json, print_table, shown_span, shown_time
from tank_mailer.core.ledger import State

UNKNOWN = (
    "the daemon may not have received it yet, the id may be misspelt, or it is older than TANK_RETENTION_DAYS;"
    " jobs whose id could not be read are in `tank-mailer refused list`"
)


def status(
    email_id: Annotated[str, typer.Argument(metavar="EMAIL_ID", help="The job's email_id.")],
    *,
    env_file: EnvFile = None,
    as_json: AsJson = False,
) -> None:
    """Tell what became of an email: the job, each recipient, SES's events.

    Exit codes: 0 known (whatever its state), 3 no such email_id, 75 the
    store cannot be read, 78 bad settings.
    """
    report = at_desk(env_file, lambda desk: find_report(desk, email_id))
    if report is None:
        leave(EXIT_NO, f"{email_id} is not known", UNKNOWN)
    if as_json:
        print_json(report.shape())
        return
    _print(report, datetime.now(UTC))


def _print(report: Report, now: datetime) -> None:
    row = report.row
    print_fields(
        [
            ("email_id", report.email_id),
            ("state", report.state),
            ("reason", report.reason),
            ("detail", report.detail),
            ("lane", row.lane if row else None),
            ("first seen", shown_time(row.first_seen_at) if row else None),
            ("put aside", shown_time(report.aside.at) if report.aside and not row else None),
            ("attempts", _attempts(report)),
            ("in doubt", _doubt(report)),
            ("goes on", _due(report, now)),
            ("accepted", shown_time(report.accepted_at)),
            ("SES ids", ", ".join(report.ses_message_ids) or None),
            ("note", _note(report)),
            ("next", what_next(report)),
        ]
    )
    if report.recipients:
        typer.echo()
        print_table(
            ["recipient", "status", "reason", "since"],
            [[one.address, one.status.word, one.reason, shown_time(one.updated_at)] for one in report.recipients],
        )
    if report.events:
        typer.echo()
        rows = [[_short(one.occurred_at), one.kind.word, one.recipient, one.detail] for one in report.events]
        print_table(["time (UTC)", "type", "recipient", "detail"], rows)


def _short(at: datetime) -> str:
    """So that a table has room for more."""
    return at.astimezone(UTC).strftime("%Y-%m-%d %H:%M:%S")


def _attempts(report: Report) -> str | None:
    row = report.row
    if row is None:
        return f"{report.attempts} or more" if report.attempts else None
    again = f", {row.resends} of them after a lost answer" if row.resends else ""
    return f"{row.attempt} ({row.charged} charged{again})"


def _doubt(report: Report) -> str | None:
    row = report.row
    if row is None or row.state is not State.IN_DOUBT:
        return None
    return f"since {shown_time(row.started_at or row.updated_at)}"


def _due(report: Report, now: datetime) -> str | None:
    row = report.row
    at = row.lease_ends_at if row and row.state is State.SENDING else row.due_at if row else None
    if at is None:
        return None
    ahead_s = (at - now).total_seconds()
    how_far = f"in {shown_span(ahead_s)}" if ahead_s > 0 else "due, with the next receive"
    word = "under way, until" if row and row.state is State.SENDING else "at"
    return f"{word} {shown_time(at)} ({how_far})"


def _note(report: Report) -> str | None:
    notes = list[str]()
    if report.traces:
        notes.append("only SES's events tell of it: its job is in another node's store, or was in one that is lost")
    if len(report.events) == MOST_EVENTS:
        notes.append(f"of the events the newest {MOST_EVENTS} are shown; there may be more")
    if aside := report.aside:
        if aside.requeued_at:
            notes.append(f"put back on the queue at {shown_time(aside.requeued_at)}")
        elif (report.row or report.traces) and aside.state != report.state:
            message = f"{aside.reason} (queue message {aside.queue_message_id})"
            notes.append(f"another message with this id was put aside: {message}")
    return "; ".join(notes) or None
