"""`tank-mailer config endpoints`: every host that is talked to, for whoever looks after the firewall."""

import asyncio
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Final
from urllib.parse import urlsplit

from tank_mailer.adapters import database
from tank_mailer.adapters.checkup_net import NOWHERE, Network, Target, place_of, spell_place
from tank_mailer.adapters.endpoints import Endpoints, find_endpoints
from tank_mailer.cli.options import EXIT_BAD_SETTINGS, AsJson, EnvFile, environment, settings_or_exit
from tank_mailer.cli.outside import leave, outside_or_exit
from tank_mailer.cli.terminal import hint, print_json, print_table
from tank_mailer.core.firewall import Asker, Way, in_order
from tank_mailer.core.queueurl import region_of
from tank_mailer.settings import Loaded, Settings
from tank_mailer.settings.web import parse_resolver

DIRECT: Final = "direct"
DAEMON: Final = frozenset({Asker.DAEMON})
COMMANDS: Final = frozenset({Asker.COMMANDS})
BOTH: Final = DAEMON | COMMANDS
ENDPOINTS: Final = "look at AWS_ENDPOINT_URL, and AWS_ENDPOINT_URL_SQS and the like"
PROXIES: Final = "what its user and password have of : / @ percent-encoded, %2F for a slash"
ALSO: Final = (
    "besides: DNS (53, udp and tcp) at this host's resolver, NTP (123, udp) at its time server. Nothing comes in."
)
HELPER: Final = (
    "a credential_process fetches the keys, and goes its own ways: rolesanywhere.REGION.amazonaws.com:443, if it is"
    " that of IAM Roles Anywhere."
)


@dataclass(frozen=True, slots=True)
class _Use:
    """Somebody who is talked to by HTTP."""

    url: str
    askers: frozenset[Asker]
    use: str
    is_aws: bool = True


def endpoints(*, env_file: EnvFile = None, as_json: AsJson = False) -> None:
    """List every host and port that has to be let out, for a firewall.

    With these settings: region, endpoints, proxies, database, web hooks. Asks
    nobody; tank-mailer doctor goes the ways and says where they end. For
    another region: AWS_REGION=eu-central-1 before the command.

    Exit codes: 0 listed, 78 bad settings.
    """
    loaded = settings_or_exit(env_file)
    settings = loaded.settings
    regions = {
        "region": region_of(settings.outbound_queue_url),
        "event_region": region_of(settings.event_queue_url or ""),
    }
    with outside_or_exit():
        found = asyncio.run(find_endpoints(loaded.aws, **regions))
        ways = in_order([*_by_http(loaded, found), *_others(settings)])
    if as_json:
        print_json({"endpoints": [_shape(way) for way in ways], "credential_process": found.has_helper})
        return
    print_table(
        ("host", "port", "protocol", "opened by", "way", "for"),
        [
            (way.host, str(way.port), way.protocol, _askers(way), way.proxy or DIRECT, ", ".join(way.uses))
            for way in ways
        ],
    )
    hint(ALSO)
    if found.has_helper:
        hint(HELPER)


def _by_http(loaded: Loaded, found: Endpoints) -> Iterator[Way]:
    network = Network(handed=loaded.aws, environ=environment())
    for use in _uses(loaded.settings, found):
        place = place_of(use.url)
        if place is None:
            leave(EXIT_BAD_SETTINGS, f"{use.use}: not a URL of http or https", ENDPOINTS)
        proxy = network.proxy_of(Target(use.use, use.url, is_aws=use.is_aws))
        way = place_of(proxy)
        if proxy and way is None:
            leave(EXIT_BAD_SETTINGS, f"the proxy of {urlsplit(use.url).scheme.upper()}_PROXY {NOWHERE}", PROXIES)
        yield Way(
            host=place[0],
            port=place[1],
            askers=use.askers,
            uses=(use.use,),
            proxy=spell_place(*way) if way else "",
        )


def _uses(settings: Settings, found: Endpoints) -> Iterator[_Use]:
    """In the order of their weight."""
    urls = found.urls
    yield _Use(urls["SQS"], BOTH, "queues")
    yield _Use(urls["SESV2"], BOTH, "SES")
    yield _Use(urls["SES"], BOTH, "SES")  # its first API: the same host, unless a setting names another
    if settings.event_queue_url is not None:
        yield _Use(found.events_url, BOTH, "event queue")
    if settings.verify_sns_signatures:
        yield _Use(found.certificates_url, DAEMON, "SNS's certificates", is_aws=False)
    yield _Use(urls["IAM"], BOTH, "age of the key")
    if settings.webhook_url is not None:
        yield _Use(settings.webhook_url.get_secret_value(), BOTH, "TANK_WEBHOOK_URL", is_aws=False)
    if settings.alert_webhook_url is not None:
        yield _Use(settings.alert_webhook_url.get_secret_value(), BOTH, "TANK_ALERT_WEBHOOK_URL", is_aws=False)
    yield _Use(urls["STS"], COMMANDS, "doctor; for all: keys of a role")
    yield _Use(found.topics_url, COMMANDS, "doctor: topics")
    yield _Use(urls["CLOUDFORMATION"], COMMANDS, "config from-stack")


def _others(settings: Settings) -> Iterator[Way]:
    for host, port in database.locate(settings.database_url.get_secret_value()).servers:
        yield Way(host=host, port=port, askers=BOTH, uses=("TANK_DATABASE_URL",))
    for text in settings.dns_resolver:
        server = parse_resolver(text)
        yield Way(
            host=server.host,
            port=server.port,
            protocol="udp, tcp",
            askers=COMMANDS,
            uses=("doctor, report: TANK_DNS_RESOLVER",),
        )


def _askers(way: Way) -> str:
    return ", ".join(one for one in Asker if one in way.askers)


def _shape(way: Way) -> dict[str, object]:
    return {
        "host": way.host,
        "port": way.port,
        "protocols": way.protocol.split(", "),
        "opened_by": [one for one in Asker if one in way.askers],
        "proxy": way.proxy or None,
        "for": list(way.uses),
    }
