"""How the domains that mail comes from stand, at SES and in DNS, as `tank-mailer doctor` judges them."""

from collections.abc import Sequence
from dataclasses import replace

from tank_mailer.adapters import database
from tank_mailer.adapters.account_list import CALL_EVERY_S
from tank_mailer.adapters.checkup_ask import Asker
from tank_mailer.adapters.checkup_clients import open_checkup
from tank_mailer.adapters.checkup_dns import resolver_of
from tank_mailer.adapters.checkup_net import Network
from tank_mailer.adapters.clock import SystemClock
from tank_mailer.cli.doctor.gather import Gathering
from tank_mailer.cli.doctor.setup import setup_of
from tank_mailer.cli.options import environment
from tank_mailer.core.checkup.finding import Area
from tank_mailer.core.checkup.judge import judge
from tank_mailer.core.queueurl import region_of
from tank_mailer.core.reports.document import NotKnown
from tank_mailer.core.reports.identities import identity_state
from tank_mailer.core.reports.outside import IdentityState
from tank_mailer.settings import Loaded
from tank_mailer.settings.web import parse_resolver


async def look_at_identities(loaded: Loaded, domains: Sequence[str]) -> Sequence[IdentityState] | NotKnown:
    """Look at each of them; not known where SES does not tell of one."""
    settings, clock, environ = loaded.settings, SystemClock(), environment()
    region = region_of(settings.outbound_queue_url)
    servers = [parse_resolver(text) for text in settings.dns_resolver]
    states = list[IdentityState]()
    async with open_checkup(loaded.aws, region=region, event_region=None) as clients:
        asker = Asker(clock=clock, every_s=CALL_EVERY_S)
        whole = setup_of(loaded, environ, region=clients.region, now=clock.now())
        for domain in domains:
            setup = replace(whole, senders=(domain,), any_sender=False)
            gathering = Gathering(
                setup=setup,
                clients=clients,
                asker=asker,
                network=Network(handed=loaded.aws, environ=environ, bundle=""),
                targets=(),
                resolver=resolver_of([(one.host, one.port) for one in servers]) if setup.asks_dns else None,
                location=database.locate(settings.database_url.get_secret_value()),
                clock=clock,
                areas=frozenset({Area.IDENTITIES}),
            )
            state = identity_state(domain, judge(setup, await gathering.run()))
            if isinstance(state, NotKnown):
                return state
            states.append(state)
    return states
