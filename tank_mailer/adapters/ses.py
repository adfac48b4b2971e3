"""Amazon SES as a `Mailer` and an `Account`: one call, one answer, no retries."""

import asyncio
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import aiohttp
from botocore.exceptions import (
    BotoCoreError,
    ClientError,
    ConnectTimeoutError,
    CredentialRetrievalError,
    EndpointConnectionError,
    NoCredentialsError,
    NoRegionError,
    ParamValidationError,
    PartialCredentialsError,
    ProfileNotFound,
    ProxyConnectionError,
    SSLError,
    SSOError,
    TokenRetrievalError,
)

from tank_mailer.adapters.aws import UNREADABLE
from tank_mailer.core.errors import Reason
from tank_mailer.core.job import EmailJob, email_id_tag
from tank_mailer.core.outcome import Answer, Fault, Meaning, Receipt, read
from tank_mailer.ports import AccountFacts, AccountUnknown

if TYPE_CHECKING:
    from types_aiobotocore_sesv2 import SESV2Client

CHARSET = "UTF-8"
ID_HEADER = "X-Tank-Email-Id"
ASK_TIMEOUT_S = 10.0
UNLIMITED = -1  # SES: Max24HourSend

# Nothing left this host for certain (aws-facts 0).
_BEFORE = (
    ConnectTimeoutError,
    CredentialRetrievalError,
    NoCredentialsError,
    NoRegionError,
    ParamValidationError,
    PartialCredentialsError,
    ProfileNotFound,
    ProxyConnectionError,
    SSLError,
    SSOError,
    TokenRetrievalError,
    RuntimeError,  # botocore: credentials that were refreshed and are still expired
)


@dataclass(frozen=True, slots=True, kw_only=True)
class SesMailer:
    """Sends through a client that the composition root opens and closes.

    Attributes:
        configuration_set: of jobs that name none; "" for none.
        timeout_s: of one whole call.
    """

    client: "SESV2Client"
    configuration_set: str
    timeout_s: float

    async def send(self, job: EmailJob, *, attempt: int) -> Answer:
        """Return in every case but cancellation; what it raises is a bug."""
        request = self._request(job, attempt)
        try:
            async with asyncio.timeout(self.timeout_s):  # the SDK's own is per read
                reply = await self.client.send_email(**request)
        except ClientError as error:
            return said_no(error)
        except (BotoCoreError, RuntimeError, TimeoutError, *UNREADABLE) as error:
            return broke(error)
        if ses_message_id := reply.get("MessageId"):
            return Receipt(ses_message_id)
        status = reply.get("ResponseMetadata", {}).get("HTTPStatusCode", 200)
        return Fault(text="an answer without a MessageId", status=status)

    def _request(self, job: EmailJob, attempt: int) -> Any:  # noqa: ANN401 - keyword arguments of the SDK
        tag = email_id_tag(job.email_id)
        body: dict[str, Any] = {"Html": {"Data": job.body, "Charset": CHARSET}}
        if job.text is not None:
            body["Text"] = {"Data": job.text, "Charset": CHARSET}
        simple = {
            "Subject": {"Data": job.subject, "Charset": CHARSET},
            "Body": body,
            "Headers": [{"Name": name, "Value": value} for name, value in ((ID_HEADER, tag), *job.headers)],
        }
        tags = (("email_id", tag), ("attempt", str(attempt)), *job.tags)
        request: dict[str, Any] = {
            "FromEmailAddress": job.sender.header,
            "Destination": {
                "ToAddresses": [address.header for address in job.to],
                "CcAddresses": [address.header for address in job.cc],
                "BccAddresses": [address.header for address in job.bcc],
            },
            "Content": {"Simple": simple},
            "EmailTags": [{"Name": name, "Value": value} for name, value in tags],
        }
        if job.reply_to:
            request["ReplyToAddresses"] = [address.header for address in job.reply_to]
        if configuration_set := job.configuration_set or self.configuration_set:
            request["ConfigurationSetName"] = configuration_set
        return request


@dataclass(frozen=True, slots=True, kw_only=True)
class SesAccount:
    """Asks GetAccount, on the sending client: so that its first mail finds a warm connection (lab)."""

    client: "SESV2Client"

    async def ask(self) -> AccountFacts | AccountUnknown:
        """Return in every case but cancellation."""
        try:
            async with asyncio.timeout(ASK_TIMEOUT_S):
                reply = await self.client.get_account()
        except ClientError as error:
            return _unknown(said_no(error))
        except (BotoCoreError, RuntimeError, TimeoutError, *UNREADABLE) as error:
            return _unknown(broke(error))
        quota = reply.get("SendQuota")
        if not quota or "MaxSendRate" not in quota:
            return AccountUnknown(Reason.ANSWER_UNCLEAR, "an answer without a quota", reached=False)
        most = quota.get("Max24HourSend", UNLIMITED)
        return AccountFacts(
            max_send_rate=quota["MaxSendRate"],
            max_24_hour_send=None if most == UNLIMITED else most,
            sent_last_24_hours=quota.get("SentLast24Hours", 0.0),
            sending_enabled=reply.get("SendingEnabled"),
            production_access=reply.get("ProductionAccessEnabled"),
            enforcement=reply.get("EnforcementStatus", ""),
        )


def said_no(error: ClientError) -> Fault:
    """An answer with a status."""
    said = error.response.get("Error", {})
    status = error.response.get("ResponseMetadata", {}).get("HTTPStatusCode", 0)
    return Fault(text=said.get("Message", ""), code=said.get("Code", ""), status=status)


def broke(error: BaseException) -> Fault:
    """No answer: did anything leave?

    `EndpointConnectionError` alone proves nothing: a reset after the request was read surfaces as it, too. The
    cause that it wraps tells (lab).
    """
    cause = getattr(error, "kwargs", {}).get("error") or error.__cause__
    never = isinstance(error, _BEFORE) or (
        isinstance(error, EndpointConnectionError) and isinstance(cause, aiohttp.ClientConnectorError)
    )
    why = f" ({type(cause).__name__})" if cause is not None else ""
    text = "the connection was never made" if never else "no answer"
    return Fault(text=f"{text}{why}", code=type(error).__name__, connected=not never)


def _unknown(fault: Fault) -> AccountUnknown:
    meaning, reason = read(fault)
    reached = fault.status is not None and fault.is_coded
    if not reached and meaning is Meaning.IN_DOUBT:
        reason = Reason.UNREACHABLE
    return AccountUnknown(
        reason, f"{fault.code}: {fault.text}".strip(": ")[:200], reached=reached, answered=fault.status is not None
    )
