"""Where the SDK would ask each service, by its own rules; nobody is asked for it."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final

from aiobotocore.session import AioSession
from botocore.config import Config

from tank_mailer.adapters.aws import CONTROL_READ_TIMEOUT_S, make_session, options, told_as_settings

# Services that are called, each with a call that it knows: of those, the SDK works the host out.
SERVICES: Final[Mapping[str, tuple[str, str]]] = {
    "SQS": ("sqs", "list_queues"),
    "SESV2": ("sesv2", "get_account"),
    "SES": ("ses", "get_send_quota"),
    "SNS": ("sns", "list_topics"),
    "STS": ("sts", "get_caller_identity"),
    "IAM": ("iam", "list_access_keys"),
    "CLOUDFORMATION": ("cloudformation", "describe_stacks"),
}
# Its stubs do not know the first one, which the SDK has.
PLAIN: Final = Config(ignore_configured_endpoint_urls=True, use_fips_endpoint=False, use_dualstack_endpoint=False)  # type: ignore[call-arg]
NOBODYS: Final = {"aws_access_key_id": "nobody", "aws_secret_access_key": "nothing"}  # so that no helper is run


@dataclass(frozen=True, slots=True, kw_only=True)
class Endpoints:
    """Where each service is.

    Attributes:
        urls: by the names of `SERVICES`.
        events_url: SQS, where the event queue is.
        topics_url: SNS, the same.
        certificates_url: where SNS's certificates are: its usual host, whatever is set.
        has_helper: whether a `credential_process` of the profile fetches the keys, and asks whom it likes for them.
    """

    urls: Mapping[str, str]
    events_url: str
    topics_url: str
    certificates_url: str
    has_helper: bool


async def find_endpoints(aws: Mapping[str, str], *, region: str | None, event_region: str | None) -> Endpoints:
    """Work out where each service is, with FIPS, dual stack and endpoints as they are set.

    Not by `client.meta.endpoint_url`: that is of older data, which names hosts of IAM's that are none.

    Args:
        aws: as for `adapters.aws.open_clients`.
        region: as for `adapters.aws.open_clients`.
        event_region: as for `adapters.aws.open_clients`.

    Raises:
        ConfigurationError: the SDK cannot be set up with what it was given (no region, no such profile).
    """
    inner = AioSession()

    async def url_of(name: str, **more: Any) -> str:  # noqa: ANN401 - as for a client
        service, call = SERVICES[name]
        made = {**options(aws, name, pool=1, read_s=CONTROL_READ_TIMEOUT_S, attempts=1), **NOBODYS, **more}
        async with session.client(service, **made) as client:
            signed: str = await client.generate_presigned_url(call)
        return signed

    with told_as_settings():
        session = make_session(aws, region=region, inner=inner)
        where = {} if event_region is None else {"region_name": event_region}
        return Endpoints(
            urls={name: await url_of(name) for name in SERVICES},
            events_url=await url_of("SQS", **where),
            topics_url=await url_of("SNS", **where),
            certificates_url=await url_of("SNS", **where, endpoint_url=None, config=PLAIN),
            has_helper="credential_process" in inner.get_scoped_config(),
        )
