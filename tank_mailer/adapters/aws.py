"""The SDK's clients: opened once, time-outs set, retries off where a repeat could double a mail."""

from collections.abc import AsyncIterator, Iterator, Mapping
from contextlib import AsyncExitStack, asynccontextmanager, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import aioboto3
from aiobotocore.credentials import AioProcessProvider
from aiobotocore.session import AioSession
from botocore.config import Config
from botocore.exceptions import BotoCoreError

from tank_mailer import __version__
from tank_mailer.adapters.helper import start_helper
from tank_mailer.adapters.keys import Keys, SdkCredentials, Source, lasting, told
from tank_mailer.core.errors import ConfigurationError, Reason

if TYPE_CHECKING:
    from types_aiobotocore_cloudformation import CloudFormationClient
    from types_aiobotocore_iam import IAMClient
    from types_aiobotocore_sesv2 import SESV2Client
    from types_aiobotocore_sqs import SQSClient

SESClient = Any  # of SES's first API, which has no types here

CONNECT_TIMEOUT_S = 5
LONG_POLL_READ_TIMEOUT_S = 35  # SQS: 20 s of long poll, and room for a slow way back
SETTLE_READ_TIMEOUT_S = 10
POLLS = 8  # connections for receiving; never shared with deletes, which would wait behind a long poll (lab)
SETTLES = 8
EVENT_POLLS = 8  # as many receivers of events as there may be (DESIGN 6)
EVENT_SETTLES = 8
QUOTA_READ_TIMEOUT_S = 10
CONTROL_READ_TIMEOUT_S = 15
CONTROL_CALLS = 2  # at a time; those of the account suppression list go once a second (SES)
CONTROL_ATTEMPTS = 3

# What the SDK's own parser raises at an answer that is no AWS's: not UTF-8 (a portal's page), or JSON but no object.
UNREADABLE = (AttributeError, TypeError, ValueError)

# What a `.env` may say to the SDK, which reads the environment only.
_SESSION_NAMES: Mapping[str, str] = {
    "AWS_ACCESS_KEY_ID": "aws_access_key_id",
    "AWS_SECRET_ACCESS_KEY": "aws_secret_access_key",
    "AWS_SESSION_TOKEN": "aws_session_token",
    "AWS_PROFILE": "profile_name",
    "AWS_DEFAULT_REGION": "region_name",
    "AWS_REGION": "region_name",
}
_KEY_NAMES = frozenset({"AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY", "AWS_SESSION_TOKEN"})
_FILE_NAMES: Mapping[str, str] = {
    "AWS_CONFIG_FILE": "config_file",
    "AWS_SHARED_CREDENTIALS_FILE": "credentials_file",
}
_CLIENT_NAMES = frozenset({
    "AWS_ENDPOINT_URL",
    "AWS_ENDPOINT_URL_CLOUDFORMATION",
    "AWS_ENDPOINT_URL_IAM",
    "AWS_ENDPOINT_URL_SQS",
    "AWS_ENDPOINT_URL_SES",
    "AWS_ENDPOINT_URL_SESV2",
    "AWS_ENDPOINT_URL_SNS",
    "AWS_ENDPOINT_URL_STS",
    "AWS_CA_BUNDLE",
    "HTTP_PROXY",
    "HTTPS_PROXY",
})  # fmt: skip


@dataclass(frozen=True, slots=True)
class Clients:
    """One client for each kind of work; events have their own, so that a backlog of them keeps no job waiting.

    Attributes:
        keys: that all of them sign with; new ones are taken while they stay open.
        quota: SES's first API, for where GetAccount may not be asked.
    """

    keys: Keys
    receiving: "SQSClient"
    settling: "SQSClient"
    sending: "SESV2Client"
    quota: SESClient
    events_receiving: "SQSClient | None" = None
    events_settling: "SQSClient | None" = None


@asynccontextmanager
async def open_clients(
    aws: Mapping[str, str],
    *,
    region: str | None,
    max_parallel: int,
    ses_timeout_s: float,
    has_events: bool = False,
    event_region: str | None = None,
) -> AsyncIterator[Clients]:
    """Open all clients; nothing is sent yet.

    Args:
        aws: `AWS_*` and proxy variables that are not in the environment.
        region: where the queue is; for when no variable and no profile names one.
        max_parallel: requests to SES at a time.
        ses_timeout_s: of one whole call to SES.
        has_events: whether there is an event queue.
        event_region: where that queue is, by its URL; it goes before all other regions, for only there SQS knows
            the queue. None: where the rest is.

    Raises:
        ConfigurationError: the SDK cannot make them of what it was given (no region, no such profile).
    """
    async with AsyncExitStack() as stack:
        events_receiving = events_settling = None
        with told_as_settings():
            keys = Keys(aws=aws, source=source_of)
            await keys.start()
            session = make_session(aws, region=region, keys=keys)
            receiving = await stack.enter_async_context(
                session.client("sqs", **options(aws, "SQS", pool=POLLS, read_s=LONG_POLL_READ_TIMEOUT_S, attempts=1))
            )
            settling = await stack.enter_async_context(
                session.client("sqs", **options(aws, "SQS", pool=SETTLES, read_s=SETTLE_READ_TIMEOUT_S, attempts=2))
            )
            sending = await stack.enter_async_context(
                session.client(
                    "sesv2", **options(aws, "SESV2", pool=max_parallel + 2, read_s=ses_timeout_s, attempts=1)
                )
            )
            quota = await stack.enter_async_context(
                session.client("ses", **options(aws, "SES", pool=1, read_s=QUOTA_READ_TIMEOUT_S, attempts=1))
            )
            if has_events:
                where = {} if event_region is None else {"region_name": event_region}
                polls = options(aws, "SQS", pool=EVENT_POLLS, read_s=LONG_POLL_READ_TIMEOUT_S, attempts=1)
                settles = options(aws, "SQS", pool=EVENT_SETTLES, read_s=SETTLE_READ_TIMEOUT_S, attempts=2)
                events_receiving = await stack.enter_async_context(session.client("sqs", **where, **polls))
                events_settling = await stack.enter_async_context(session.client("sqs", **where, **settles))
        clients = Clients(keys, receiving, settling, sending, quota, events_receiving, events_settling)
        for client in (receiving, settling, sending, quota, events_receiving, events_settling):
            if client is not None:
                keys.serve(client)
        yield clients


@asynccontextmanager
async def open_control(aws: Mapping[str, str], *, region: str | None) -> AsyncIterator["SESV2Client"]:
    """Open one SES client for calls that may be repeated; never to be sent by, for the SDK would send twice.

    Args:
        aws: as for `open_clients`.
        region: as for `open_clients`.

    Raises:
        ConfigurationError: the SDK cannot make it of what it was given.
    """
    async with AsyncExitStack() as stack:
        with told_as_settings():
            made = options(aws, "SESV2", pool=CONTROL_CALLS, read_s=CONTROL_READ_TIMEOUT_S, attempts=CONTROL_ATTEMPTS)
            client = await stack.enter_async_context(make_session(aws, region=region).client("sesv2", **made))
        yield client


@asynccontextmanager
async def open_quota(aws: Mapping[str, str], *, region: str | None) -> AsyncIterator[SESClient]:
    """Open SES's first API, for where GetAccount may not be asked.

    Args:
        aws: as for `open_clients`.
        region: as for `open_clients`.

    Raises:
        ConfigurationError: the SDK cannot make it of what it was given.
    """
    async with AsyncExitStack() as stack:
        with told_as_settings():
            made = options(aws, "SES", pool=1, read_s=QUOTA_READ_TIMEOUT_S, attempts=CONTROL_ATTEMPTS)
            client = await stack.enter_async_context(make_session(aws, region=region).client("ses", **made))
        yield client


@asynccontextmanager
async def open_iam(
    aws: Mapping[str, str],
    *,
    region: str | None,
    session: Any = None,  # noqa: ANN401 - aioboto3 has no types
) -> AsyncIterator[tuple["IAMClient", str | None]]:
    """Open IAM for a look at our own keys, with the id of the one in use; None: none that lasts, but a role's.

    Args:
        aws: as for `open_clients`.
        region: as for `open_clients`.
        session: of `make_session`, for who asks again: the first client of one stops the loop for 50 ms and more, the
            next for 2. None: a new one.

    Raises:
        ConfigurationError: the SDK cannot make it of what it was given.
    """
    async with AsyncExitStack() as stack:
        with told_as_settings():
            session = session or make_session(aws, region=region)
            keys = await session.get_credentials()
            frozen = await keys.get_frozen_credentials() if keys is not None else None
            made = options(aws, "IAM", pool=1, read_s=CONTROL_READ_TIMEOUT_S, attempts=CONTROL_ATTEMPTS)
            client = await stack.enter_async_context(session.client("iam", **made))
        yield client, None if frozen is None else lasting(frozen)


@asynccontextmanager
async def open_sqs(
    aws: Mapping[str, str], *, region: str | None, pool: int, read_s: float, attempts: int
) -> AsyncIterator["SQSClient"]:
    """Open one SQS client for a command.

    Args:
        aws: as for `open_clients`.
        region: as for `open_clients`.
        pool: calls at a time.
        read_s: time-out of each read.
        attempts: how often the SDK may try, in all.

    Raises:
        ConfigurationError: the SDK cannot make it of what it was given.
    """
    async with AsyncExitStack() as stack:
        with told_as_settings():
            made = options(aws, "SQS", pool=pool, read_s=read_s, attempts=attempts)
            client = await stack.enter_async_context(make_session(aws, region=region).client("sqs", **made))
        yield client


@asynccontextmanager
async def open_cloudformation(aws: Mapping[str, str], *, region: str | None) -> AsyncIterator["CloudFormationClient"]:
    """Open a client of CloudFormation, for a command that only asks.

    Args:
        aws: as for `open_clients`.
        region: where the stack is; it goes before all other regions. None: where they say.

    Raises:
        ConfigurationError: the SDK cannot make it of what it was given.
    """
    async with AsyncExitStack() as stack:
        with told_as_settings():
            where = {} if region is None else {"region_name": region}
            made = options(aws, "CLOUDFORMATION", pool=1, read_s=CONTROL_READ_TIMEOUT_S, attempts=CONTROL_ATTEMPTS)
            session = make_session(aws, region=None)
            client = await stack.enter_async_context(session.client("cloudformation", **where, **made))
        yield client


@contextmanager
def told_as_settings() -> Iterator[None]:
    """What the SDK raises while a client is made comes of what it was given."""
    try:
        yield
    except (BotoCoreError, ValueError) as error:
        raise ConfigurationError(Reason.BAD_CREDENTIALS, f"the AWS SDK: {error}") from error
    except OSError as error:  # a helper that is not there, or may not be run
        raise ConfigurationError(Reason.BAD_CREDENTIALS, f"the AWS SDK: {told(error)}") from error


def source_of(aws: Mapping[str, str]) -> Source:
    """Where the SDK looks for keys; by a session of its own, for one that was used knows the files as they were.

    Args:
        aws: as for `open_clients`.
    """
    inner = AioSession()
    session = make_session(aws, region=None, inner=inner)
    resolver = inner.get_component("credential_provider")
    if AioProcessProvider.METHOD in {provider.METHOD for provider in resolver.providers}:
        profile = inner.get_config_variable("profile") or "default"
        helper = AioProcessProvider(profile_name=profile, load_config=lambda: inner.full_config, popen=start_helper)
        resolver.insert_before(AioProcessProvider.METHOD, helper)

    async def read() -> SdkCredentials | None:
        found: SdkCredentials | None = await session.get_credentials()
        return found

    files = () if aws.keys() & _KEY_NAMES else map(inner.get_config_variable, _FILE_NAMES.values())
    return Source(files=tuple(Path(name).expanduser() for name in files if name), read=read)


@dataclass(frozen=True, slots=True)
class _OnlyProvider:
    """Stands where a session expects its chain of providers."""

    keys: Keys

    async def load_credentials(self) -> Keys:
        return self.keys


def make_session(
    aws: Mapping[str, str], *, region: str | None, keys: Keys | None = None, inner: AioSession | None = None
) -> Any:  # noqa: ANN401 - aioboto3 has no types
    """A session out of the environment, a `.env` and the queue's own region, in this order.

    Args:
        aws: as for `open_clients`.
        region: as for `open_clients`.
        keys: what its clients sign with; None: what the session itself finds, once and for all.
        inner: a new session of the SDK below, for who has to do with it.
    """
    hidden = frozenset() if keys is None else _KEY_NAMES
    given = {parameter: aws[name] for name, parameter in _SESSION_NAMES.items() if name in aws and name not in hidden}
    inner = inner or AioSession()
    for name, variable in _FILE_NAMES.items():
        if name in aws:
            inner.set_config_variable(variable, aws[name])
    if "profile_name" in given:
        inner.set_config_variable("profile", given.pop("profile_name"))
    if keys is not None:
        inner.register_component("credential_provider", _OnlyProvider(keys))
    if "region_name" not in given and inner.get_config_variable("region") is None and region is not None:
        given["region_name"] = region
    return aioboto3.Session(botocore_session=inner, **given)


def not_handed_on(aws: Mapping[str, str]) -> tuple[str, ...]:
    """Names in `aws` that only the process environment can carry to the SDK."""
    known = {*_SESSION_NAMES, *_FILE_NAMES, *_CLIENT_NAMES}
    return tuple(sorted(set(aws) - known))


def options(aws: Mapping[str, str], service: str, *, pool: int, read_s: float, attempts: int) -> dict[str, Any]:
    """How a client is made; both unusual settings save a quarter of the CPU of a call (lab)."""
    proxies = {scheme: aws[name] for scheme, name in (("http", "HTTP_PROXY"), ("https", "HTTPS_PROXY")) if name in aws}
    made: dict[str, Any] = {
        "config": Config(
            connect_timeout=CONNECT_TIMEOUT_S,
            read_timeout=read_s,
            max_pool_connections=pool,
            retries={"mode": "standard", "total_max_attempts": attempts},
            user_agent=f"tank-mailer/{__version__}",
            parameter_validation=False,
            proxies=proxies or None,
        )
    }
    if endpoint := aws.get(f"AWS_ENDPOINT_URL_{service}") or aws.get("AWS_ENDPOINT_URL"):
        made["endpoint_url"] = endpoint
    if bundle := aws.get("AWS_CA_BUNDLE"):
        made["verify"] = bundle
    return made
