"""`tank-mailer alerts`: what is on, and does anybody hear of it."""

import asyncio
import sys
from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from http import HTTPStatus
from typing import Annotated, Any, Final

import typer
from pydantic import SecretStr
from rich.console import Console
from rich.padding import Padding
from rich.text import Text

from tank_mailer.adapters.alert_webhook import AlertWebhook
from tank_mailer.adapters.desk import Desk, spelled
from tank_mailer.adapters.desk_alerts import alerts_on
from tank_mailer.adapters.desk_board import look_at_board
from tank_mailer.adapters.posting import open_session
from tank_mailer.cli.options import EXIT_BAD_SETTINGS, AsJson, EnvFile, printable, settings_or_exit
from tank_mailer.cli.outside import EXIT_NO, EXIT_OUTSIDE, at_desk, leave
from tank_mailer.cli.terminal import hint, print_json, print_table, progress_bar, say, shown_span, shown_time
from tank_mailer.core.alerting import Entry, News
from tank_mailer.core.alertnews import spell
from tank_mailer.core.alerts import RULES, AlertName, AlertRule, Severity
from tank_mailer.ports import NotTold

app = typer.Typer(
    name="alerts",
    help="What wants a person just now, and whether anybody hears of it (TANK_ALERT_WEBHOOK_URL).",
    no_args_is_help=True,
)

BETWEEN_S: Final = 1.0  # Slack: one message a second
SUBJECTS: Final = {"lane": "ordinary", "queue": "tank-dead-letter", "configuration set": "tank", "scope": "all"}
COLOURS: Final = {Severity.WARNING: "yellow", Severity.CRITICAL: "bold red"}
INDENT: Final = (0, 0, 0, 2)
NOT_SET: Final = "set TANK_ALERT_WEBHOOK_URL: a Slack incoming webhook, or what docs/alerts.md names"


# --- list ------------------------------------------------------------------------------------------


@app.command("list", epilog="Example: tank-mailer alerts list\n\nExample, for a script: tank-mailer alerts list --json")
def list_(*, env_file: EnvFile = None, as_json: AsJson = False) -> None:
    """List the alerts that are on: since when, why, and what to do.

    It reads what the daemon has written down. That the store cannot be
    used does not stand there: this command then says so itself.

    Exit codes: 0 nothing critical is on, 3 something is, 75 the store
    cannot be read, 78 bad settings.
    """
    entries, has_daemon = at_desk(env_file, _look)
    if as_json:
        print_json([_shape(entry) for entry in entries])
    elif entries:
        _print(entries)
    else:
        say("No alert is on.")
    if not has_daemon:
        hint("no daemon is alive: this is as it was when the last one stopped")
    if any(entry.severity is Severity.CRITICAL for entry in entries):
        raise typer.Exit(EXIT_NO)


async def _look(desk: Desk) -> tuple[Sequence[Entry], bool]:
    entries = await alerts_on(desk)
    posted = await look_at_board(desk)
    return entries, bool(posted.others)


def _shape(entry: Entry) -> dict[str, Any]:
    return {
        "alert": entry.name.value,
        "severity": entry.severity.value,
        "subject": entry.subject,
        "node": entry.node,
        "since": spelled(entry.since),
        "seen_at": spelled(entry.seen_at),
        "told_at": spelled(entry.told_at) if entry.is_told else None,
        "detail": entry.detail,
        "remedy": entry.remedy,
    }


def _print(entries: Sequence[Entry]) -> None:
    """A paragraph for each at a terminal; in a pipe one line."""
    if not sys.stdout.isatty():
        rows = [(e.severity, e.name, e.subject, shown_time(e.since), e.detail, e.remedy) for e in entries]
        print_table(["severity", "alert", "about", "since", "detail", "remedy"], rows)
        return
    console, now = Console(highlight=False), datetime.now(UTC)
    for entry in entries:
        about = f" {printable(entry.subject)}" if entry.subject else ""
        age = shown_span((now - entry.since).total_seconds())
        console.print(
            Text.assemble(
                (entry.severity.value, COLOURS[entry.severity]),
                "  ",
                (f"{entry.name.value}{about}", "bold"),
                f"  since {shown_time(entry.since)} ({age})",
            )
        )
        remedy = Text.assemble(("remedy: ", "green"), printable(entry.remedy))
        console.print(Padding(Text(printable(entry.detail)), INDENT), Padding(remedy, INDENT))


# --- test ------------------------------------------------------------------------------------------


@dataclass(slots=True)
class _Tried:
    """How far it came.

    Attributes:
        failure: why it went no farther.
    """

    alerts: int
    messages: int = 0
    failure: NotTold | None = None


@app.command(
    "test",
    epilog="Example: tank-mailer alerts test\n\nExample, one of them: tank-mailer alerts test --alert dead_letters",
)
def try_out(
    *,
    alert: Annotated[
        list[AlertName] | None,
        typer.Option("--alert", metavar="NAME", help="Only this one; may be repeated. Names: docs/alerts.md."),
    ] = None,
    pause: Annotated[
        float, typer.Option("--pause", metavar="SECONDS", min=0.0, help="Between messages: chats take one a second.")
    ] = BETWEEN_S,
    env_file: EnvFile = None,
    as_json: AsJson = False,
) -> None:
    """Send one of each alert to TANK_ALERT_WEBHOOK_URL, marked as a test.

    Each comes as a message of its own; then one message says that all of
    them are over. Nothing is written down, nothing is tried again.

    Exit codes: 0 the receiver took all of it, 75 it did not, 78 bad
    settings, or no TANK_ALERT_WEBHOOK_URL.
    """
    settings = settings_or_exit(env_file).settings
    if settings.alert_webhook_url is None:
        leave(EXIT_BAD_SETTINGS, "TANK_ALERT_WEBHOOK_URL is not set: alerts go to the log and the metrics", NOT_SET)
    names = list(dict.fromkeys(alert or AlertName))
    tried = asyncio.run(_try(settings.alert_webhook_url, names, node=settings.node, pause_s=pause))
    if as_json:
        failure = tried.failure
        print_json(
            {
                "told": failure is None,
                "alerts": tried.alerts,
                "messages": tried.messages,
                "status": failure.status if failure else None,
                "detail": failure.detail if failure else None,
            }
        )
    elif tried.failure is None:
        say(f"The receiver took {tried.messages} messages: {tried.alerts} alerts, and that they are over.")
    if tried.failure is not None:
        leave(EXIT_OUTSIDE, tried.failure.detail, _remedy(tried.failure.status))


async def _try(url: SecretStr, names: Sequence[AlertName], *, node: str, pause_s: float) -> _Tried:
    now = datetime.now(UTC)
    entries = [_sample(RULES[name], node, now) for name in names]
    messages = [News(firing=[entry]) for entry in entries] + [
        News(recovered=[replace(entry, ended_at=now) for entry in entries])
    ]
    tried = _Tried(len(names))
    async with open_session() as session:
        receiver = AlertWebhook(session=session, url=url)
        with progress_bar("sending", total=len(messages)) as bar:
            for message in messages:
                if tried.messages:
                    await asyncio.sleep(pause_s)
                answer = await receiver.tell(spell(message, node=node, is_test=True))
                if isinstance(answer, NotTold):
                    tried.failure = answer
                    break
                tried.messages += 1
                bar.move(1)
    return tried


def _sample(rule: AlertRule, node: str, now: datetime) -> Entry:
    return Entry(
        name=rule.name,
        subject=node if rule.about == "node" else SUBJECTS.get(rule.about, ""),
        severity=rule.severity,
        node=node,
        since=now,
        seen_at=now,
        detail=f"a test; the real one says that {rule.when}",
        remedy=rule.remedy,
    )


def _remedy(status: int | None) -> str:
    match status:
        case None:
            return "look at TANK_ALERT_WEBHOOK_URL, the network and proxies (HTTPS_PROXY, NO_PROXY)"
        case 401 | 403 | 404 | 405 | 410:
            return "look at the path in TANK_ALERT_WEBHOOK_URL: the webhook may be gone, or its channel; make a new one"
        case 429:
            return "that was too fast for the service: --pause 2; the daemon sends one message at a time and waits"
        case int() if status >= HTTPStatus.INTERNAL_SERVER_ERROR:
            return "the service itself fails: look at it; the daemon goes on trying"
        case _:
            return "the service may want another form than {text, alerts}: see docs/alerts.md"
