"""Which service a request is for, and its answer; knows HTTP's words, not its wires."""

import json
from dataclasses import dataclass
from typing import Final
from urllib.parse import parse_qs

from tank_mailer.standin.errors import AwsError, Json
from tank_mailer.standin.iam import Iam
from tank_mailer.standin.query import SERVICES, query_answer, query_error, read_form
from tank_mailer.standin.reply import Reply, ses_answer, ses_error, sqs_answer, sqs_error
from tank_mailer.standin.ses import Ses, send_quota_xml
from tank_mailer.standin.ses_destinations import DestinationCalls
from tank_mailer.standin.ses_routes import PREFIX as SES_PREFIX
from tank_mailer.standin.ses_routes import operation_of
from tank_mailer.standin.ses_suppression import SuppressionCalls
from tank_mailer.standin.sns import Sns
from tank_mailer.standin.sqs import Sqs
from tank_mailer.standin.state import State

SQS: Final = "sqs"
SES: Final = "ses"
SNS: Final = "sns"
DENIED: Final = {SES: "AccessDeniedException", SNS: "AuthorizationError"}  # what each calls it; all others AccessDenied
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
    is_form: bool = False  # in the query protocol, answered in XML
    key: str = ""  # that signed it

    @property
    def action(self) -> str:
        """As IAM calls it: a batch is the single call (aws-facts 5.2)."""
        return f"{self.service}:{self.operation.removesuffix('Batch')}"

    @property
    def resource(self) -> str:
        """The bare name of what it is about; "" where it is about nothing by itself."""
        match self.service:
            case "sqs":
                return str(_object(self.body).get("QueueUrl", "")).rpartition("/")[2]
            case "sns":
                return self.name.rpartition(":")[2]
            case _:
                return self.name.partition("/")[0]


def call_of(method: str, path: str, *, target: str, body: bytes, query: str = "") -> Call:
    """SQS by its header, SES by its path; what is neither is the old query protocol."""
    if target.startswith(TARGET_PREFIX):
        return Call(SQS, target.removeprefix(TARGET_PREFIX), "", body)
    if path.startswith(SES_PREFIX):
        operation, name = operation_of(method, path)
        return Call(SES, operation or "Unknown", name, body, query)
    action = parse_qs(body.decode("utf-8", "replace")).get("Action", [""])[0] if method == "POST" else ""
    if action in SERVICES:
        named = read_form(body).values
        return Call(SERVICES[action], action, named.get("TopicArn", ""), body, is_form=True)
    return Call(SQS, OLD_PROTOCOL, action, body)


class Desk:
    """Hands each call to its service."""

    def __init__(self, state: State, *, origin: str) -> None:
        self._state = state
        self._sqs = Sqs(queues=state.queues, origin=origin)
        self._sns = Sns(topics=state.events.topics)
        self._iam = Iam(access=state.access)
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
            return error_as(call, error)
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
        access = self._state.access
        if access.denied:
            access.check(call.action, call.resource, code=DENIED.get(call.service, "AccessDenied"))
        if call.is_form:
            return query_answer(call.service, call.operation, self._xml(call))
        if call.service == SQS:
            return sqs_answer(await self._sqs.answer(call.operation, _object(call.body)))
        request = _object(call.body) if call.body else parse_qs(call.query)
        return ses_answer(self._ses.answer(call.operation, call.name, request, body=call.body))

    def _xml(self, call: Call) -> str:
        if call.service == SES:
            return send_quota_xml(self._state.account)
        return (self._sns if call.service == SNS else self._iam).answer(call.operation, read_form(call.body))


def error_as(call: Call, error: AwsError) -> Reply:
    """In the service's own shape."""
    if call.is_form:
        return query_error(call.service, error)
    return sqs_error(error) if call.service == SQS else ses_error(error)


def _object(body: bytes) -> Json:
    try:
        request = json.loads(body) if body else {}
    except ValueError:
        raise AwsError("SerializationException", "The request is not JSON.") from None
    if not isinstance(request, dict):
        raise AwsError("SerializationException", "The request is not a JSON object.")
    return request
