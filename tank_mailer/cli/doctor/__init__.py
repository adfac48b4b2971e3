"""`tank-mailer doctor`: looks at everything that mail depends on, and says what to do about what is wrong."""

import asyncio
import sys
from collections.abc import Callable, Mapping
from typing import Annotated, Final

import typer
from rich.console import Console

from tank_mailer.adapters import database
from tank_mailer.adapters.account_list import CALL_EVERY_S
from tank_mailer.adapters.checkup_ask import Asker
from tank_mailer.adapters.checkup_clients import CheckupClients, open_checkup
from tank_mailer.adapters.checkup_dns import Resolver, resolver_of
from tank_mailer.adapters.checkup_net import Network
from tank_mailer.adapters.checkup_store import look_at_store
from tank_mailer.adapters.clock import SystemClock
from tank_mailer.adapters.database import Location
from tank_mailer.cli.doctor.gather import Gathering
from tank_mailer.cli.doctor.parts import parts_of
from tank_mailer.cli.doctor.setup import setup_of, targets_of
from tank_mailer.cli.doctor.show import render, summary
from tank_mailer.cli.options import EXIT_BAD_SETTINGS, AsJson, EnvFile, environment, errors
from tank_mailer.cli.outside import EXIT_NO
from tank_mailer.cli.terminal import print_json, print_table, progress_bar
from tank_mailer.core.checkup.catalogue import ABOUT
from tank_mailer.core.checkup.facts import Facts
from tank_mailer.core.checkup.finding import Area, Check, Finding, fault, warning
from tank_mailer.core.checkup.judge import in_order, is_ill, judge
from tank_mailer.core.checkup.rights import LOOK
from tank_mailer.core.checkup.seen import Unreached
from tank_mailer.core.errors import ConfigurationError
from tank_mailer.core.queueurl import region_of
from tank_mailer.ports import Clock
from tank_mailer.settings import Loaded, Settings, SettingsError, load_settings
from tank_mailer.settings.web import parse_resolver

COLUMNS: Final = ("area", "check", "level", "subject", "what", "remedy")
EVERY_S: Final = CALL_EVERY_S  # between two calls of the same operation of SES


def doctor(
    *,
    area: Annotated[list[Area] | None, typer.Option(help="Only this area; may be given again.")] = None,
    only: Annotated[
        list[Check] | None, typer.Option(help="Only this check; may be given again.", show_choices=False)
    ] = None,
    strict: Annotated[bool, typer.Option("--strict", help="Exit with 3 for warnings, too.")] = False,
    shows_all: Annotated[bool, typer.Option("--all", help="Show each thing that is in order, too.")] = False,
    env_file: EnvFile = None,
    as_json: AsJson = False,
) -> None:
    """Look at everything that mail depends on, and say how to mend what is wrong.

    Settings, network, clock, rights of the key, SES account, queues, the way
    of events, senders and their DNS, store. It sends nothing, receives
    nothing and changes nothing, works beside a daemon and without one, and
    ends within a minute. What the key may not show is "unseen", with the
    action to allow.

    Exit codes: 0 nothing is wrong, or only warnings; 3 something is; 78 the
    settings cannot be used.
    """
    areas = frozenset({*(area or ()), *(ABOUT[one].area for one in only or ())}) or frozenset(Area)
    try:
        loaded = load_settings(env_file, environment())
    except SettingsError as error:
        found = list(_of_settings(error))
        _print(found, as_json=as_json, shows_all=True, is_ok=False)
        raise typer.Exit(EXIT_BAD_SETTINGS) from None
    with progress_bar("Looking", total=len(parts_of(areas)), counts=False) as bar:
        found = asyncio.run(_examine(loaded, environment(), areas, lambda: bar.move(1)))
    chosen = [one for one in found if ABOUT[one.check].area in areas and (not only or area or one.check in only)]
    ill = is_ill(chosen, is_strict=strict)
    _print(chosen, as_json=as_json, shows_all=shows_all, is_ok=not ill)
    if ill:
        raise typer.Exit(EXIT_NO)


def _of_settings(error: SettingsError) -> list[Finding]:
    """Settings that cannot be used: nothing else can be looked at."""
    faults = [fault(Check.SETTINGS, one.name, one.problem, one.remedy) for one in error.faults]
    return [*faults, *(warning(Check.SETTINGS, "", said, "") for said in error.warnings)]


# --- looking ---------------------------------------------------------------------------------------


async def _examine(
    loaded: Loaded, environ: Mapping[str, str], areas: frozenset[Area], moved: Callable[[], None]
) -> list[Finding]:
    settings, clock = loaded.settings, SystemClock()
    location = database.locate(settings.database_url.get_secret_value())
    own, events = region_of(settings.outbound_queue_url), region_of(settings.event_queue_url or "")
    try:
        async with open_checkup(loaded.aws, region=own, event_region=events) as clients:
            return await examine(
                loaded, environ, clients=clients, areas=areas, location=location, clock=clock, moved=moved
            )
    except ConfigurationError as error:
        setup = setup_of(loaded, environ, region=own, now=clock.now())
        silent = Unreached("the AWS SDK cannot be set up", error.reason)
        facts = Facts(caller=silent, account=silent, quota=silent, store=await look_at_store(location, clock))
        refused = fault(Check.CREDENTIALS, "", error.detail, LOOK)
        others = [one for one in judge(setup, facts) if one.check is not Check.CREDENTIALS]
        return in_order([refused, *others])


async def examine(
    loaded: Loaded,
    environ: Mapping[str, str],
    *,
    clients: CheckupClients,
    areas: frozenset[Area],
    location: Location,
    clock: Clock,
    moved: Callable[[], None] = lambda: None,
) -> list[Finding]:
    """Gather and judge, by clients that are open."""
    settings = loaded.settings
    setup = setup_of(loaded, environ, region=clients.region, now=clock.now())
    bundle = loaded.aws.get("AWS_CA_BUNDLE") or environ.get("AWS_CA_BUNDLE", "")
    gathering = Gathering(
        setup=setup,
        clients=clients,
        asker=Asker(clock=clock, every_s=EVERY_S),
        network=Network(handed=loaded.aws, environ=environ, bundle=bundle),
        targets=targets_of(settings, clients.endpoints),
        resolver=_resolver(settings) if setup.asks_dns else None,
        location=location,
        clock=clock,
        areas=areas,
        moved=moved,
    )
    return judge(setup, await gathering.run())


def _resolver(settings: Settings) -> Resolver | Unreached:
    servers = [parse_resolver(text) for text in settings.dns_resolver]
    return resolver_of([(one.host, one.port) for one in servers])


# --- telling ---------------------------------------------------------------------------------------


def _print(found: list[Finding], *, as_json: bool, shows_all: bool, is_ok: bool) -> None:
    if as_json:
        print_json({"ok": is_ok, "findings": [one.shape(ABOUT[one.check].area) for one in found]})
    elif sys.stdout.isatty():
        Console(highlight=False).print(render(found, shows_all=shows_all))
    else:
        shown = [(ABOUT[one.check].area, one.check, one.level, one.subject, one.what, one.remedy) for one in found]
        print_table(COLUMNS, shown)
        errors().print(summary(found))
