"""`tank-mailer webhook`: does the web server hear us, and what is it to hear again."""

import asyncio
import html
import json
import sys
import time
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Annotated, Any, Final
from urllib.parse import unquote, urlsplit

import typer
from pydantic import SecretStr

from tank_mailer.adapters import desk_webhook
from tank_mailer.adapters.clock import SystemClock
from tank_mailer.adapters.desk import Desk, spelled
from tank_mailer.adapters.desk_webhook import Count, Period
from tank_mailer.adapters.posting import Answered, open_session
from tank_mailer.adapters.rows import storable
from tank_mailer.adapters.webhook import WebhookReceiver
from tank_mailer.cli.options import EXIT_BAD_SETTINGS, AsJson, EnvFile, settings_or_exit
from tank_mailer.cli.outside import EXIT_NO, EXIT_OUTSIDE, at_desk, leave
from tank_mailer.cli.terminal import confirmed, hint, print_fields, print_json, progress_bar, say, waiting
from tank_mailer.core.news import name_of
from tank_mailer.core.telling import PastError, read_past
from tank_mailer.ports import NotTold
from tank_mailer.settings import MASK

app = typer.Typer(
    name="webhook",
    help="Look after the news that the web server is told (TANK_WEBHOOK_URL).",
    no_args_is_help=True,
)

MANY: Final = 100  # letters, from which on somebody is asked
SHOWN_CHARACTERS: Final = 500  # of what came back
SHORTEST_KEY: Final = 8  # characters of a path or a query that may be one; shorter ones are words of any answer
NOT_SET: Final = "set TANK_WEBHOOK_URL and TANK_WEBHOOK_SECRET"


# --- test ------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class _Tried:
    url: SecretStr
    webhook_id: str
    came: Answered | NotTold
    duration_s: float

    @property
    def status(self) -> int | None:
        return self.came.status

    @property
    def problem(self) -> str | None:
        if isinstance(self.came, NotTold):
            return self.came.detail
        return None if self.came.takes else self.came.complaint

    @property
    def answer(self) -> str:
        """The status, in the web server's words too."""
        return f"{self.status} {self._shown(self.came.phrase)}".strip() if isinstance(self.came, Answered) else "none"

    @property
    def beginning(self) -> str:
        """What a person may want to see of the answer."""
        if isinstance(self.came, NotTold):
            return ""
        return self._shown(" ".join(self.came.beginning.decode("utf-8", "replace").split()))[:SHOWN_CHARACTERS]

    def _shown(self, text: str) -> str:
        """Without our path and query, which may be a key: many a web server tells what it was asked for."""
        url = urlsplit(self.url.get_secret_value())
        for part in (url.path.strip("/"), url.query):
            for spelling in (part, html.escape(part), unquote(part), html.escape(unquote(part))):
                text = text.replace(spelling, MASK) if len(part) >= SHORTEST_KEY else text
        return text


@app.command("test", epilog="Example: tank-mailer webhook test")
def try_out(*, env_file: EnvFile = None, as_json: AsJson = False) -> None:
    """Tell the web server something now, of type tank_mailer.test, and say what came back.

    It is signed and sent just as news is; only nothing is kept of it, and
    it is not tried again.

    Exit codes: 0 the web server took it (2xx), 3 it answered otherwise, 75
    no answer came, 78 bad settings, or no TANK_WEBHOOK_URL.
    """
    settings = settings_or_exit(env_file).settings
    if settings.webhook_url is None or settings.webhook_secret is None:
        leave(EXIT_BAD_SETTINGS, "TANK_WEBHOOK_URL is not set: the web server is told nothing", NOT_SET)
    payload = trial(node=settings.node, at=datetime.now(UTC))
    with waiting("telling the web server"):
        tried = asyncio.run(_try(payload, settings.webhook_url, settings.webhook_secret))
    if as_json:
        print_json(_shape(tried))
    else:
        print_fields(
            [
                ("answer", tried.answer),
                ("after", f"{tried.duration_s:.3f} s"),
                ("webhook-id", tried.webhook_id),
                ("body", tried.beginning or None),
            ]
        )
    if tried.problem is not None:
        leave(EXIT_OUTSIDE if tried.status is None else EXIT_NO, tried.problem, _remedy(tried.status))


def trial(*, node: str, at: datetime) -> str:
    """The body of a test request."""
    moment = spelled(at)
    return json.dumps({"type": "tank_mailer.test", "timestamp": moment, "data": {"node": node, "occurred_at": moment}})


async def _try(payload: str, url: SecretStr, secret: SecretStr) -> _Tried:
    async with open_session() as session:
        receiver = WebhookReceiver(session=session, url=url, secret=secret, clock=SystemClock())
        began_s = time.monotonic()
        came = await receiver.post(payload)
        return _Tried(url, name_of(payload), came, time.monotonic() - began_s)


def _shape(tried: _Tried) -> dict[str, Any]:
    return {
        "told": tried.problem is None,
        "status": tried.status,
        "detail": tried.problem,
        "duration_s": round(tried.duration_s, 3),
        "webhook_id": tried.webhook_id,
        "body": tried.beginning,
    }


def _remedy(status: int | None) -> str | None:
    match status:
        case None:
            return "look at TANK_WEBHOOK_URL, the web server, the network and proxies (HTTPS_PROXY, NO_PROXY)"
        case 401 | 403:
            return "the web server must have the same TANK_WEBHOOK_SECRET; its clock may be wrong, too"
        case 404 | 405 | 410:
            return "look at the path in TANK_WEBHOOK_URL: it must take POST"
        case _:
            return None


# --- replay ----------------------------------------------------------------------------------------


@app.command(
    epilog="Example, after the web server has lost a day's news: tank-mailer webhook replay --since 1d --dry-run\n\n"
    "Example: tank-mailer webhook replay --since 2030-01-31T12:00:00Z --until 2030-01-31T14:00:00Z\n\n"
    "Example: tank-mailer webhook replay --since 30d --email-id order-4711"
)
def replay(
    *,
    since: Annotated[
        str, typer.Option(metavar="TIME", help="From when on: 2030-01-31T12:00:00Z, or 30min, 2h, 3d, 1w ago.")
    ],
    until: Annotated[str | None, typer.Option(metavar="TIME", help="Until when. Without it: now.")] = None,
    email_id: Annotated[str | None, typer.Option(metavar="EMAIL_ID", help="Of this job alone.")] = None,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Say how much it would be, and change nothing.")] = False,
    yes: Annotated[bool, typer.Option("--yes", "-y", help="Ask nothing.")] = False,
    env_file: EnvFile = None,
    as_json: AsJson = False,
) -> None:
    """Tell the web server again what it was told, or what was given up.

    The daemon sends it, in order for each job; what still waits is left as
    it is. A repetition has the webhook-id of the first time.

    Exit codes: 0 done, 2 usage, 3 not done, or nothing of that job, 75 the
    store cannot be written, 78 bad settings.
    """
    period = _period(since, until, email_id)
    settings = settings_or_exit(env_file).settings
    found = at_desk(env_file, lambda desk: desk_webhook.count(desk, period))
    if email_id is not None and not found.letters:
        leave(EXIT_NO, f"{email_id}: nothing was told or given up then", "`tank-mailer status` knows what there is")
    if not dry_run and found.letters >= MANY and not yes:
        _ask(found)
    done = Count()
    if found.letters and not dry_run:
        done = at_desk(env_file, lambda desk: _replay(desk, period, found), tells=False)
    if as_json:
        shape = {"dry_run": dry_run, "since": spelled(period.since), "until": spelled(period.until)}
        print_json({**shape, "found": found.letters, "jobs": found.jobs, "replayed": done.letters})
    elif dry_run:
        say(f"{_said(found)} would be told again.")
    elif done.letters:
        say(f"{_said(done)}: the daemon tells them again, in order.")
    else:
        say("Nothing was told or given up then.")
    if settings.webhook_url is None:
        hint("TANK_WEBHOOK_URL is not set: a daemon with these settings tells nothing")


def _period(since: str, until: str | None, email_id: str | None) -> Period:
    now = datetime.now(UTC)
    try:
        period = Period(
            read_past(since, now),
            read_past(until, now) if until is not None else now,  # what is told meanwhile is not told once more
            storable(email_id) if email_id is not None else None,
        )
    except PastError as error:
        raise typer.BadParameter(str(error)) from None
    if period.until <= period.since:
        raise typer.BadParameter("--until is not after --since.")
    return period


def _ask(found: Count) -> None:
    if not sys.stdin.isatty():
        raise typer.BadParameter(f"{_said(found)}: so many want --yes where nobody can be asked.")
    if not confirmed(f"Tell {_said(found)} again?"):
        leave(EXIT_NO, "nothing is told again")


async def _replay(desk: Desk, period: Period, found: Count) -> Count:
    done = Count()
    with progress_bar("putting back", total=found.letters) as bar:
        async for page in desk_webhook.replay(desk, period):
            done += page
            bar.move(page.letters)
    return done


def _said(count: Count) -> str:
    letters = f"{count.letters} letter{'' if count.letters == 1 else 's'}"
    return f"{letters} of {count.jobs} job{'' if count.jobs == 1 else 's'}"
