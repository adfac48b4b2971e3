"""The clients of a checkup: one for each service that is asked, and all they do is look."""

from collections.abc import AsyncIterator, Mapping
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from botocore.exceptions import BotoCoreError, ClientError

from tank_mailer.adapters.aws import SESClient, make_session, options, told_as_settings

if TYPE_CHECKING:
    from types_aiobotocore_iam import IAMClient
    from types_aiobotocore_sesv2 import SESV2Client
    from types_aiobotocore_sns import SNSClient
    from types_aiobotocore_sqs import SQSClient
    from types_aiobotocore_sts import STSClient

CHECKUP_READ_TIMEOUT_S = 10
CHECKUP_CALLS = 6  # at a time and service
CHECKUP_ATTEMPTS = 2  # what is asked is only read, and may be asked again


@dataclass(frozen=True, slots=True, kw_only=True)
class CheckupClients:
    """Clients that only look; what they ask may be asked again.

    Attributes:
        quota: SES's first API.
        events: of the event queue, in its own region.
        region: where the SDK looks for SES.
        access_key_id: of the key in use; no secret, and shown only by its ends.
    """

    ses: "SESV2Client"
    quota: SESClient
    sqs: "SQSClient"
    events: "SQSClient"
    sns: "SNSClient"
    sts: "STSClient"
    iam: "IAMClient"
    region: str | None
    access_key_id: str = field(default="", repr=False)

    @property
    def endpoints(self) -> Mapping[str, str]:
        """Where each service is asked, by its name."""
        named = {"SES": self.ses, "SQS": self.sqs, "SNS": self.sns, "STS": self.sts, "IAM": self.iam}
        return {name: client.meta.endpoint_url for name, client in named.items()}


@asynccontextmanager
async def open_checkup(
    aws: Mapping[str, str], *, region: str | None, event_region: str | None
) -> AsyncIterator[CheckupClients]:
    """Open a client for each service that the doctor asks.

    Args:
        aws: as for `open_clients`.
        region: as for `open_clients`.
        event_region: as for `open_clients`.

    Raises:
        ConfigurationError: the SDK cannot make them of what it was given.
    """

    def made(service: str) -> dict[str, Any]:
        return options(aws, service, pool=CHECKUP_CALLS, read_s=CHECKUP_READ_TIMEOUT_S, attempts=CHECKUP_ATTEMPTS)

    async with AsyncExitStack() as stack:
        with told_as_settings():
            session = make_session(aws, region=region)
            where = {} if event_region is None else {"region_name": event_region}
            ses = await stack.enter_async_context(session.client("sesv2", **made("SESV2")))
            clients = CheckupClients(
                ses=ses,
                quota=await stack.enter_async_context(session.client("ses", **made("SES"))),
                sqs=await stack.enter_async_context(session.client("sqs", **made("SQS"))),
                events=await stack.enter_async_context(session.client("sqs", **where, **made("SQS"))),
                sns=await stack.enter_async_context(session.client("sns", **where, **made("SNS"))),
                sts=await stack.enter_async_context(session.client("sts", **made("STS"))),
                iam=await stack.enter_async_context(session.client("iam", **made("IAM"))),
                region=ses.meta.region_name,
                access_key_id=await _access_key_id(session),
            )
        yield clients


async def _access_key_id(session: Any) -> str:  # noqa: ANN401 - aioboto3 has no types
    """Empty where there is no key: the calls will say so."""
    try:
        credentials = await session.get_credentials()
        frozen = None if credentials is None else await credentials.get_frozen_credentials()
    except (BotoCoreError, ClientError, RuntimeError, OSError):
        return ""
    return "" if frozen is None else str(frozen.access_key)
