"""`tank-mailer status`: what became of an email."""

import shlex
from datetime import UTC, datetime
from typing import Annotated

import typer

from tank_mailer.adapters.desk_emails import Report, find_report
from tank_mailer.adapters.rows import storable
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
    """Tell what became of an email: for the job, and for each recipient.

    Exit codes: 0 known (whatever its state), 3 no such email_id, 75 the
    store cannot be read, 78 bad settings.
    """
    report = at_desk(env_file, lambda desk: find_report(desk, storable(email_id)))
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
            ("goes on", _due(report, now)),
            ("accepted", shown_time(row.accepted_at) if row else None),
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


def _attempts(report: Report) -> str | None:
    row = report.row
    if row is None:
        return None
    again = f", {row.resends} of them after a lost answer" if row.resends else ""
    return f"{row.attempt} ({row.charged} charged{again})"


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
    aside = report.aside
    if aside is None:
        return None
    if aside.requeued_at:
        return f"put back on the queue at {shown_time(aside.requeued_at)}"
    if report.row and aside.kind != report.row.state.value:
        return f"another message with this id was put aside: {aside.reason} (queue message {aside.queue_message_id})"
    return None


def what_next(report: Report) -> str:
    """What a person can do, in one line."""
    name = shlex.quote(report.email_id)
    aside = report.aside
    back = f"tank-mailer refused requeue {name}"
    if aside and aside.requeued_at and report.state == aside.kind:
        return "it waits on the queue again; ask again in a moment"
    match State(report.state):
        case State.SENDING:
            return "an attempt is under way; ask again in a moment"
        case State.ACCEPTED:
            return "SES has it; nothing to do here"
        case State.DEFERRED:
            return "nothing; it is tried again by itself"
        case State.IN_DOUBT:
            return "nothing; SES may have it or not, and tank-mailer settles that by itself"
        case State.INVALID:
            return f"correct the job (`tank-mailer refused show {name}`), then `{back} --file CORRECTED.json`"
        case State.REFUSED:
            return f"mend what the reason names, then `{back}`"
        case State.SUPPRESSED:
            return "`tank-mailer suppress check ADDRESS` says why; once that is mended, put the job on the queue again"
        case State.EXPIRED:
            return "put the job on the queue again with a later expires_at, if it is still wanted"
        case State.DRY_RUN:
            return f"with TANK_DELIVERY=live: `{back}`"
        case State.DEAD:
            return f"mend what the reason names, then `{back}`, or redrive it from the dead-letter queue"
