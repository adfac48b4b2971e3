"""Amazon SES as a `Mailer` and an `Account`: one call, one answer, no retries."""

import asyncio
import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, TypeGuard

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
from botocore.parsers import ResponseParserError

from tank_mailer.adapters.aws import UNREADABLE
from tank_mailer.core.cost import Item, Meter, data_bytes, unmetered
from tank_mailer.core.errors import Reason
from tank_mailer.core.job import EmailJob, email_id_tag
from tank_mailer.core.outcome import Answer, Fault, Meaning, Receipt, read
from tank_mailer.ports import AccountFacts, AccountUnknown

if TYPE_CHECKING:
    from types_aiobotocore_sesv2 import SESV2Client

    from tank_mailer.adapters.aws import SESClient

CHARSET = "UTF-8"
ID_HEADER = "X-Tank-Email-Id"
ASK_TIMEOUT_S = 10.0

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

# What the parser of SES's first API raises at a page: no XML, or none that has its element.
_NO_XML_OF_SES = (LookupError, ResponseParserError)

# What can only be said of a mail; of the account it says that SES does not know the call.
_OF_MAILS = frozenset({Meaning.REFUSED, Meaning.SENDER_HELD, Meaning.SET_HELD, Meaning.UNVERIFIED})


@dataclass(frozen=True, slots=True, kw_only=True)
class SesMailer:
    """Sends through a client that the composition root opens and closes.

    Attributes:
        configuration_set: of jobs that name none; "" for none.
        timeout_s: of one whole call.
        meter: told of every mail that SES takes.
    """

    client: "SESV2Client"
    configuration_set: str
    timeout_s: float
    meter: Meter = unmetered

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
            self._count(job)
            return Receipt(ses_message_id)
        status = reply.get("ResponseMetadata", {}).get("HTTPStatusCode", 200)
        return Fault(text="an answer without a MessageId", status=status)

    def _count(self, job: EmailJob) -> None:
        self.meter(Item.MAILS, 1)
        self.meter(Item.RECIPIENTS, len(job.recipients))
        self.meter(Item.DATA_BYTES, data_bytes(job))

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
    timeout_s: float = ASK_TIMEOUT_S

    async def ask(self) -> AccountFacts | AccountUnknown:
        """Return in every case but cancellation."""
        try:
            async with asyncio.timeout(self.timeout_s):
                reply = await self.client.get_account()
        except ClientError as error:
            return _unknown(said_no(error))
        except (BotoCoreError, RuntimeError, TimeoutError, *UNREADABLE) as error:
            return _unknown(broke(error))
        return _facts(
            reply.get("SendQuota") or {},
            sending_enabled=reply.get("SendingEnabled"),
            production_access=reply.get("ProductionAccessEnabled"),
            enforcement=reply.get("EnforcementStatus", ""),
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class SesSendQuota:
    """Asks GetSendQuota of SES's first API, another right: it tells the same figures, and no more (aws-facts 2.1)."""

    client: "SESClient"
    timeout_s: float = ASK_TIMEOUT_S

    async def ask(self) -> AccountFacts | AccountUnknown:
        """Return in every case but cancellation."""
        try:
            async with asyncio.timeout(self.timeout_s):
                reply = await self.client.get_send_quota()
        except ClientError as error:
            return _unknown(said_no(error))
        except (BotoCoreError, RuntimeError, TimeoutError, *UNREADABLE, *_NO_XML_OF_SES) as error:
            return _unknown(broke(error))
        return _facts(reply)


def _facts(figures: Mapping[str, Any], **standing: Any) -> AccountFacts | AccountUnknown:  # noqa: ANN401 - SES's own
    rate, most, sent = (figures.get(name) for name in ("MaxSendRate", "Max24HourSend", "SentLast24Hours"))
    if not _is_amount(rate):
        return AccountUnknown(Reason.ANSWER_UNCLEAR, "an answer without a quota", reached=False)
    return AccountFacts(
        max_send_rate=rate,
        max_24_hour_send=most if _is_amount(most) else None,  # -1 is unlimited
        sent_last_24_hours=sent if _is_amount(sent) else 0.0,
        **standing,
    )


def _is_amount(value: object) -> TypeGuard[float]:
    return isinstance(value, int | float) and math.isfinite(value) and value >= 0


def said_no(error: ClientError) -> Fault:
    """An answer with a status."""
    said = error.response.get("Error", {})
    status = error.response.get("ResponseMetadata", {}).get("HTTPStatusCode", 0)
    return Fault(text=said.get("Message") or "", code=said.get("Code") or "", status=status)  # XML's may be None


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
    if meaning in _OF_MAILS:
        reason = Reason.SERVICE_ERROR
    detail = " ".join(f"{fault.code}: {fault.text}".split()).strip(": ")
    return AccountUnknown(reason, detail[:200], reached=reached, answered=fault.status is not None)
