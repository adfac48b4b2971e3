"""`tank-mailer report`: the checklists of the day, the week and the month, domains, cost, and a quota request."""

import asyncio
from collections.abc import Awaitable, Callable
from datetime import datetime
from pathlib import Path
from typing import Annotated, Final

import typer

from tank_mailer.adapters import database
from tank_mailer.adapters.clock import SystemClock
from tank_mailer.adapters.desk import open_desk
from tank_mailer.cli.options import AsJson, EnvFile, settings_or_exit
from tank_mailer.cli.outside import outside_or_exit, who
from tank_mailer.cli.report import asked
from tank_mailer.cli.report.asked import As, Checks, Day, Month, Output, Shape, Since, Until, Week
from tank_mailer.cli.report.gather import Gatherer
from tank_mailer.cli.report.pricefile import prices_or_exit
from tank_mailer.core.reports.days import WEEK_DAYS, Days, last_days, last_month, last_week
from tank_mailer.core.reports.demand import HEADROOM
from tank_mailer.core.reports.document import Report
from tank_mailer.settings import Loaded

DEMAND_DAYS: Final = 30
MOST_DOMAINS: Final = 500

app = typer.Typer(
    name="report",
    help="Answer the checklists of the day, the week and the month.\n\n"
    "All spans are whole days, UTC; without --day, --week, --month or --since the last complete one. Reports only"
    " read: the daemon works on beside them. What AWS does not tell is told as not known, with the reason.",
    no_args_is_help=True,
)
Prices = Annotated[
    Path | None,
    typer.Option(
        "--prices",
        metavar="FILE",
        help="Price file; without it prices.toml beside the file of --env-file, or config/prices.toml, or the shipped"
        " one.",
        dir_okay=False,
    ),
]


@app.command(
    epilog="Example: tank-mailer report daily\n\n"
    "Example, for a monitor: tank-mailer report daily --day today --check --json"
)
def daily(
    *,
    day: Day = None,
    week: Week = None,
    month: Month = None,
    since: Since = None,
    until: Until = None,
    form: As = Shape.TEXT,
    output: Output = None,
    check: Checks = False,
    env_file: EnvFile = None,
    as_json: AsJson = False,
) -> None:
    """Say whether mail gets out, more fails than last week, and all is connected.

    Success rate (accepted of ended jobs, delivered of accepted recipients),
    failures against the seven days before, running daemons, polls, pauses,
    account, quota, queues, dead letters. Without a span: yesterday; what is
    about now (daemons, account, queues) is of now in any case.

    Exit codes: 0 told; with --check 3 something is not as it should be;
    75 the store cannot be read, or with --check something is not known;
    78 bad settings.
    """
    told = asked.form_of(form, output, as_json=as_json, check=check)
    now = asked.now()
    days = asked.days_or_exit(_yesterday, now, day=day, week=week, month=month, since=since, until=until)
    asked.tell(_gather(env_file, days, now, lambda work: work.daily()), told)


@app.command(epilog="Example: tank-mailer report weekly --format html -o weekly.html")
def weekly(
    *,
    day: Day = None,
    week: Week = None,
    month: Month = None,
    since: Since = None,
    until: Until = None,
    form: As = Shape.TEXT,
    output: Output = None,
    check: Checks = False,
    env_file: EnvFile = None,
    as_json: AsJson = False,
) -> None:
    """Bounces and complaints, identities, suppression list, event lag.

    Rates day by day by AWS's arithmetic, how the senders' identities stand,
    how the suppression list grows, how late events come, why mail failed;
    against as many days before. Without a span: the last complete week.

    Exit codes: as of `report daily`.
    """
    told = asked.form_of(form, output, as_json=as_json, check=check)
    now = asked.now()
    days = asked.days_or_exit(last_week, now, day=day, week=week, month=month, since=since, until=until)
    asked.tell(_gather(env_file, days, now, lambda work: work.weekly()), told)


@app.command(epilog="Example: tank-mailer report monthly --month 2026-10")
def monthly(
    *,
    day: Day = None,
    week: Week = None,
    month: Month = None,
    since: Since = None,
    until: Until = None,
    prices: Prices = None,
    form: As = Shape.TEXT,
    output: Output = None,
    check: Checks = False,
    env_file: EnvFile = None,
    as_json: AsJson = False,
) -> None:
    """Quota use and headroom, volume by week, key age, cost.

    Peaks (24 hours, busiest minute) against the account's quota and rate.
    Without a span: the last complete month.

    Exit codes: as of `report daily`; 78 also for a price file that cannot
    be used.
    """
    told = asked.form_of(form, output, as_json=as_json, check=check)
    now = asked.now()
    days = asked.days_or_exit(last_month, now, day=day, week=week, month=month, since=since, until=until)
    file = prices_or_exit(prices, env_file)
    asked.tell(_gather(env_file, days, now, lambda work: work.monthly(file.prices, file.shown)), told)


@app.command(epilog="Example: tank-mailer report domains --since 14d --top 50")
def domains(
    *,
    top: Annotated[int, typer.Option("--top", min=1, max=MOST_DOMAINS, help="How many, the largest first.")] = 20,
    day: Day = None,
    week: Week = None,
    month: Month = None,
    since: Since = None,
    until: Until = None,
    form: As = Shape.TEXT,
    output: Output = None,
    check: Checks = False,
    env_file: EnvFile = None,
    as_json: AsJson = False,
) -> None:
    """What came of the mail to each recipient domain; which goes bad.

    Accepted, delivered, delayed, bounced, complained, time to delivery;
    against as many days before. Without a span: the last seven days.

    Exit codes: as of `report daily`.
    """
    told = asked.form_of(form, output, as_json=as_json, check=check)
    now = asked.now()
    days = asked.days_or_exit(_last_seven, now, day=day, week=week, month=month, since=since, until=until)
    asked.tell(_gather(env_file, days, now, lambda work: work.domains(top)), told)


@app.command(epilog="Example: tank-mailer report cost --month 2026-10 --prices our-prices.toml")
def cost(
    *,
    day: Day = None,
    week: Week = None,
    month: Month = None,
    since: Since = None,
    until: Until = None,
    prices: Prices = None,
    form: As = Shape.TEXT,
    output: Output = None,
    check: Checks = False,
    env_file: EnvFile = None,
    as_json: AsJson = False,
) -> None:
    """What the mail has cost, by a price file that you keep right.

    E-mails, data, dedicated IPs, SQS and SNS requests. What AWS bills for
    other programs, and for the web servers' own calls, is not in it.
    Without a span: the last complete month.

    Exit codes: as of `report monthly`.
    """
    told = asked.form_of(form, output, as_json=as_json, check=check)
    now = asked.now()
    days = asked.days_or_exit(last_month, now, day=day, week=week, month=month, since=since, until=until)
    file = prices_or_exit(prices, env_file)
    asked.tell(_gather(env_file, days, now, lambda work: work.cost(file.prices, file.shown)), told)


@app.command("quota-request", epilog="Example: tank-mailer report quota-request --headroom 2 -o request.txt")
def quota_request(
    *,
    headroom: Annotated[
        float, typer.Option("--headroom", min=1.0, max=100.0, help="How many times the highest that was measured.")
    ] = HEADROOM,
    day: Day = None,
    week: Week = None,
    month: Month = None,
    since: Since = None,
    until: Until = None,
    form: As = Shape.TEXT,
    output: Output = None,
    check: Checks = False,
    env_file: EnvFile = None,
    as_json: AsJson = False,
) -> None:
    """The text that AWS Support asks for when a quota is to be raised.

    Use, average and peak, bounce and complaint handling, domains, and the
    asked quota made of the measured demand. What only you know is marked
    [FILL IN: ...]. Without a span: the last 30 days.

    Exit codes: as of `report daily`.
    """
    told = asked.form_of(form, output, as_json=as_json, check=check)
    now = asked.now()
    days = asked.days_or_exit(_last_thirty, now, day=day, week=week, month=month, since=since, until=until)
    asked.tell(_gather(env_file, days, now, lambda work: work.quota_request(headroom)), told)


# --- the last complete ones ------------------------------------------------------------------------


def _yesterday(now: datetime) -> Days:
    return last_days(now, 1)


def _last_seven(now: datetime) -> Days:
    return last_days(now, WEEK_DAYS)


def _last_thirty(now: datetime) -> Days:
    return last_days(now, DEMAND_DAYS)


# --- work ------------------------------------------------------------------------------------------


def _gather(env_file: Path | None, days: Days, now: datetime, work: Callable[[Gatherer], Awaitable[Report]]) -> Report:
    loaded = settings_or_exit(env_file)
    with outside_or_exit():
        return asyncio.run(_at_desk(loaded, days, now, work))


async def _at_desk(loaded: Loaded, days: Days, now: datetime, work: Callable[[Gatherer], Awaitable[Report]]) -> Report:
    location = database.locate(loaded.settings.database_url.get_secret_value())
    async with open_desk(location, clock=SystemClock(), who=who()) as desk:
        return await work(Gatherer(desk=desk, loaded=loaded, days=days, now=now))
