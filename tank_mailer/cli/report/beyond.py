"""What reports ask AWS, all at once; a part that does not answer is told as not known, and the rest goes on."""

import asyncio
from collections.abc import Awaitable, Mapping, Sequence
from contextlib import AsyncExitStack
from dataclasses import dataclass
from typing import Final, TypeVar

from tank_mailer.adapters import aws
from tank_mailer.adapters.account_standing import IamKeys, SesStanding
from tank_mailer.adapters.producer import open_producer
from tank_mailer.adapters.sqs import SqsQueue, dead_letters_beside
from tank_mailer.cli.report.identities import look_at_identities
from tank_mailer.core import queueurl
from tank_mailer.core.errors import QueueError, TankMailerError
from tank_mailer.core.lanes import ORDINARY, PRIORITY
from tank_mailer.core.remedy import REMEDIES
from tank_mailer.core.reports.document import NotKnown
from tank_mailer.core.reports.outside import (
    DEAD_LETTERS,
    AccessKey,
    AccountStanding,
    DedicatedIps,
    Outside,
    QueueDepth,
)
from tank_mailer.core.reports.weekly import EVENTS
from tank_mailer.ports import QueueFacts
from tank_mailer.settings import Loaded

PATIENCE_S: Final = 60.0  # for one part, with its retries: ten identities, one call a second, and their DNS records
MOST_IDENTITIES: Final = 10  # one call a second each
T = TypeVar("T")


@dataclass(frozen=True, slots=True, kw_only=True)
class Parts:
    """What a report needs of AWS.

    Attributes:
        domains: whose identities are looked at.
    """

    account: bool = False
    queues: bool = False
    keys: bool = False
    ips: bool = False
    domains: Sequence[str] = ()


async def ask_aws(loaded: Loaded, parts: Parts) -> Outside:
    """Ask for these parts, side by side."""
    rest, domains = Outside(), parts.domains[:MOST_IDENTITIES]
    account, queues, keys, ips, identities = await asyncio.gather(
        _told(_account(loaded)) if parts.account else _same(rest.account),
        _told(_queues(loaded)) if parts.queues else _same(rest.queues),
        _told(_keys(loaded)) if parts.keys else _same(rest.keys),
        _told(_ips(loaded)) if parts.ips else _same(rest.ips),
        _told(look_at_identities(loaded, domains)) if domains else _same(rest.identities),
    )
    if isinstance(queues, NotKnown):
        queues = [QueueDepth("queues", "", queues)]
    return Outside(account=account, queues=queues, keys=keys, ips=ips, identities=identities)


async def _told(work: Awaitable[T | NotKnown]) -> T | NotKnown:
    try:
        async with asyncio.timeout(PATIENCE_S):
            return await work
    except TimeoutError:
        return NotKnown(f"no answer within {PATIENCE_S:g} s", "look at the network, at proxies and AWS_ENDPOINT_URL")
    except TankMailerError as error:
        return NotKnown(error.detail, REMEDIES.get(error.reason))


async def _same(value: T) -> T:
    return value


# --- SES and IAM -----------------------------------------------------------------------------------


def _region(loaded: Loaded) -> str | None:
    return queueurl.region_of(loaded.settings.outbound_queue_url)


async def _account(loaded: Loaded) -> AccountStanding | NotKnown:
    region = _region(loaded)
    async with (
        aws.open_control(loaded.aws, region=region) as client,
        aws.open_quota(loaded.aws, region=region) as quota,
    ):
        return await SesStanding(client=client, quota=quota).account()


async def _ips(loaded: Loaded) -> DedicatedIps | NotKnown:
    async with aws.open_control(loaded.aws, region=_region(loaded)) as client:
        return await SesStanding(client=client).dedicated_ips()


async def _keys(loaded: Loaded) -> Sequence[AccessKey] | NotKnown:
    async with aws.open_iam(loaded.aws, region=_region(loaded)) as (client, key_id):
        return await IamKeys(client=client, key_id=key_id).all()


# --- queues ----------------------------------------------------------------------------------------


async def _queues(loaded: Loaded) -> Sequence[QueueDepth] | NotKnown:
    """The lanes' queues, the events', and where dead letters go, by the settings or by each lane's own queue."""
    settings = loaded.settings
    urls = {PRIORITY: settings.priority_queue_url, ORDINARY: settings.outbound_queue_url}
    urls[EVENTS] = settings.event_queue_url
    named = {role: url for role, url in urls.items() if url is not None}
    facts = dict(zip(named, await asyncio.gather(*(_facts(loaded, url) for url in named.values())), strict=True))
    depths = [_depth(role, url, facts[role]) for role, url in named.items()]
    lanes = {url: facts[role] for role, url in named.items() if role != EVENTS}
    letters = _dead_letter_queues(settings.dead_letter_queue_url, lanes)
    return [*depths, *[_depth(DEAD_LETTERS, url, await _facts(loaded, url)) for url in letters]]


def _dead_letter_queues(named: str | None, lanes: Mapping[str, QueueFacts | NotKnown]) -> list[str]:
    """Each once, though both lanes may share one; as `dlq` finds them."""
    if named is not None:
        return [named]
    found = [dead_letters_beside(url, facts) for url, facts in lanes.items() if not isinstance(facts, NotKnown)]
    return list(dict.fromkeys(url for url in found if url is not None))


def _depth(role: str, url: str, facts: QueueFacts | NotKnown) -> QueueDepth:
    name = url.rpartition("/")[2]
    return QueueDepth(role, name, facts if isinstance(facts, NotKnown) else (facts.visible, facts.in_flight))


async def _facts(loaded: Loaded, url: str) -> QueueFacts | NotKnown:
    async with AsyncExitStack() as stack:
        try:
            producer = await stack.enter_async_context(open_producer(loaded.aws, queue_url=url))
            return await SqsQueue(url=url, receiving=producer.client, settling=producer.client).facts()
        except QueueError as error:
            return NotKnown(f"{error.reason}: {error.detail}", REMEDIES.get(error.reason))
