"""Which service a request is for, and its answer; knows HTTP's words, not its wires."""

import json
from dataclasses import dataclass
from typing import Final
from urllib.parse import parse_qs

from tank_mailer.standin.errors import AwsError, Json
from tank_mailer.standin.reply import Reply, ses_answer, ses_error, sqs_answer, sqs_error
from tank_mailer.standin.ses import Ses, send_quota_xml
from tank_mailer.standin.ses_destinations import DestinationCalls
from tank_mailer.standin.ses_routes import PREFIX as SES_PREFIX
from tank_mailer.standin.ses_routes import operation_of
from tank_mailer.standin.ses_suppression import SuppressionCalls
from tank_mailer.standin.sqs import Sqs
from tank_mailer.standin.state import State

SQS: Final = "sqs"
SES: Final = "ses"
TARGET_PREFIX: Final = "AmazonSQS."
OLD_PROTOCOL: Final = "Query"  # SQS's and SES v1's form-encoded one


@dataclass(frozen=True, slots=True)
class Call:
    """One request, before anything is checked but where it goes."""

    service: str
    operation: str
    name: str  # what the path names
    body: bytes
    query: str = ""  # behind the path
    key: str = ""  # that signed it


def call_of(method: str, path: str, *, target: str, body: bytes, query: str = "") -> Call:
    """SQS by its header, SES by its path; what is neither is the old query protocol."""
    if target.startswith(TARGET_PREFIX):
        return Call(SQS, target.removeprefix(TARGET_PREFIX), "", body)
    if path.startswith(SES_PREFIX):
        operation, name = operation_of(method, path)
        return Call(SES, operation or "Unknown", name, body, query)
    action = parse_qs(body.decode("utf-8", "replace")).get("Action", [""])[0] if method == "POST" else ""
    if action == "GetSendQuota":
        return Call(SES, action, "", body)
    return Call(SQS, OLD_PROTOCOL, action, body)


class Desk:
    """Hands each call to its service."""

    def __init__(self, state: State, *, origin: str) -> None:
        self._state = state
        self._sqs = Sqs(queues=state.queues, origin=origin)
        self._ses = Ses(
            region=state.options.region,
            account=state.account,
            identities=state.identities,
            configuration_sets=state.configuration_sets,
            mailbox=state.mailbox,
            events=state.events,
            suppression=SuppressionCalls(listed=state.events.suppressed, account=state.account, clock=state.clock),
            destinations=DestinationCalls(events=state.events, configuration_sets=state.configuration_sets),
            control_plane=state.control_plane,
        )

    async def serve(self, call: Call) -> Reply:
        """Return in every case: an error is an answer too."""
        counts = self._state.counts
        try:
            reply = await self._answered(call)
        except AwsError as error:
            counts.outcome(call.service, call.operation, error.name)
            return sqs_error(error) if call.service == SQS else ses_error(error)
        counts.outcome(call.service, call.operation, "ok")
        return reply

    async def _answered(self, call: Call) -> Reply:
        self._state.signers.admit(call.key, call.service)
        if call.operation == OLD_PROTOCOL:
            raise AwsError(
                "UnsupportedOperation",
                "The stand-in speaks SQS in AWS JSON 1.0 (X-Amz-Target), SESv2, and /_standin/; "
                f"not the query protocol{f' ({call.name})' if call.name else ''}.",
            )
        if call.service == SQS:
            return sqs_answer(await self._sqs.answer(call.operation, _object(call.body)))
        if call.operation == "GetSendQuota":
            reply = ses_answer({})
            xml = send_quota_xml(self._state.account, reply.headers["x-amzn-RequestId"])
            return Reply(reply.status, reply.headers | {"Content-Type": "text/xml"}, xml.encode())
        request = _object(call.body) if call.body else parse_qs(call.query)
        return ses_answer(self._ses.answer(call.operation, call.name, request, body=call.body))


def error_as(service: str, error: AwsError) -> Reply:
    """In the service's own shape."""
    return sqs_error(error) if service == SQS else ses_error(error)


def _object(body: bytes) -> Json:
    try:
        request = json.loads(body) if body else {}
    except ValueError:
        raise AwsError("SerializationException", "The request is not JSON.") from None
    if not isinstance(request, dict):
        raise AwsError("SerializationException", "The request is not a JSON object.")
    return request
