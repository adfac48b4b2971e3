"""SQS queues: what the flows ask, in SQS's calls."""

import asyncio
import json
from collections.abc import Awaitable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any, TypeVar

from botocore.exceptions import BotoCoreError, ClientError

from tank_mailer.adapters.aws import UNREADABLE
from tank_mailer.core.cost import Item, Meter, chunks, size_of, unmetered
from tank_mailer.core.errors import QueueError, Reason
from tank_mailer.core.outcome import Fault, read
from tank_mailer.ports import QueueFacts, QueueMessage, Settled

if TYPE_CHECKING:
    from types_aiobotocore_sqs import SQSClient
    from types_aiobotocore_sqs.type_defs import MessageTypeDef

NOT_SQS = "an answer that is not from SQS: a proxy or a portal in between?"
CALL_TIMEOUT_S = 30.0  # a client waits without end for a connection of its pool (lab)
DEFAULT_RETENTION_S = 345_600  # SQS
DEFAULT_VISIBILITY_S = 30  # SQS
MAX_BYTES = 1_048_576  # SQS, since August 2025

_REASONS = {
    "QueueDoesNotExist": Reason.QUEUE_MISSING,
    "AWS.SimpleQueueService.NonExistentQueue": Reason.QUEUE_MISSING,
    "AWS.SimpleQueueService.QueueDeletedRecently": Reason.QUEUE_MISSING,
    "AccessDenied": Reason.ACCESS_DENIED,
    "AccessDeniedException": Reason.ACCESS_DENIED,
    "KMS.AccessDeniedException": Reason.ACCESS_DENIED,
    "KmsAccessDenied": Reason.ACCESS_DENIED,
    "BatchRequestTooLong": Reason.TOO_LARGE,
    "AWS.SimpleQueueService.BatchRequestTooLong": Reason.TOO_LARGE,
}
# What is wrong with a key or a clock is said in the same words by all of AWS: `core.outcome` has them.
_OF_KEYS = frozenset({Reason.BAD_CREDENTIALS, Reason.CLOCK_SKEW})
_GONE = ("ReceiptHandleIsInvalid", "MessageNotInflight", "InvalidIdFormat")
# SQS's words for a handle that was good once, in an InvalidParameterValue (boto/boto3#2898, vmihailenco/taskq#29).
_STALE = "for parameter ReceiptHandle is invalid"
_TOO_LONG = "Total VisibilityTimeout"  # SQS's words for the twelve hours, in an InvalidParameterValue

T = TypeVar("T")


@dataclass(frozen=True, slots=True, kw_only=True)
class SqsQueue:
    """One queue, through a client that polls and one that never waits behind a poll.

    Attributes:
        meter: told of every call, done or not: what AWS bills for.
        carries: what each message stands for in the bill beside its receive, when it is handed out for the first time.
    """

    url: str
    receiving: "SQSClient"
    settling: "SQSClient"
    meter: Meter = unmetered
    carries: Item | None = None

    @property
    def name(self) -> str:
        """The last part of its URL."""
        return self.url.rpartition("/")[2]

    async def receive(self, *, limit: int, wait_s: int, visibility_s: int) -> Sequence[QueueMessage]:
        """Receive; raises `QueueError` also for a proxy's page, which would look like an empty queue."""
        self.meter(Item.SQS_REQUESTS, 1)
        answer = await answered(
            self.receiving.receive_message(
                QueueUrl=self.url,
                MaxNumberOfMessages=limit,
                WaitTimeSeconds=wait_s,
                VisibilityTimeout=visibility_s,
                MessageAttributeNames=["All"],
                MessageSystemAttributeNames=["ApproximateReceiveCount", "SentTimestamp"],
            ),
            wait_s + CALL_TIMEOUT_S,
        )
        messages = [_message(message) for message in answer.get("Messages", [])]
        self._count(messages)
        return messages

    def _count(self, messages: Sequence[QueueMessage]) -> None:
        """Count what the messages add to the receive itself: each 64 KB of them but the first."""
        sizes = [size_of(message.body) for message in messages]
        if more := chunks(sum(sizes)) - 1:
            self.meter(Item.SQS_REQUESTS, more)
        if self.carries is not None:
            new = zip(messages, sizes, strict=True)
            self.meter(self.carries, sum(chunks(size) for message, size in new if message.receive_count == 1))

    async def delete(self, receipt_handles: Sequence[str]) -> Sequence[Settled]:
        """Delete up to ten."""
        self.meter(Item.SQS_REQUESTS, 1)
        entries = [{"Id": str(n), "ReceiptHandle": handle} for n, handle in enumerate(receipt_handles)]
        call = self.settling.delete_message_batch(QueueUrl=self.url, Entries=entries)  # type: ignore[arg-type]
        return _results(await answered(call), len(entries))

    async def hide(self, entries: Sequence[tuple[str, int]]) -> Sequence[Settled]:
        """Change up to ten visibility timeouts."""
        self.meter(Item.SQS_REQUESTS, 1)
        changes = [
            {"Id": str(n), "ReceiptHandle": handle, "VisibilityTimeout": seconds}
            for n, (handle, seconds) in enumerate(entries)
        ]
        call = self.settling.change_message_visibility_batch(QueueUrl=self.url, Entries=changes)  # type: ignore[arg-type]
        return _results(await answered(call), len(changes))

    async def copy(self, message: QueueMessage, *, delay_s: int) -> str:
        """Send it again as a new message."""
        self.meter(Item.SQS_REQUESTS, chunks(size_of(message.body)))
        answer = await answered(
            self.settling.send_message(
                QueueUrl=self.url,
                MessageBody=message.body,
                DelaySeconds=delay_s,
                MessageAttributes=message.attributes,  # type: ignore[arg-type]  # in the SDK's own form
            )
        )
        return answer["MessageId"]

    async def put(self, body: str) -> str:
        """Send a new message and return its MessageId; raises `QueueError`."""
        self.meter(Item.SQS_REQUESTS, chunks(size_of(body)))
        return (await answered(self.settling.send_message(QueueUrl=self.url, MessageBody=body)))["MessageId"]

    async def facts(self) -> QueueFacts:
        """Ask its attributes."""
        self.meter(Item.SQS_REQUESTS, 1)
        answer = await answered(self.settling.get_queue_attributes(QueueUrl=self.url, AttributeNames=["All"]))
        return _facts(answer.get("Attributes", {}))


@dataclass(frozen=True, slots=True, kw_only=True)
class SqsDeadLetterQueue:
    """Where jobs are put aside for a person."""

    url: str
    client: "SQSClient"
    meter: Meter = unmetered

    async def put(self, body: str, *, note: str) -> None:
        """Send `body` with the one attribute `tank`; attributes count towards the size."""
        size = len(body.encode()) + len(note.encode()) + len("tankString")
        if size > MAX_BYTES:
            raise QueueError(Reason.TOO_LARGE, "the job and its note are larger than a queue takes")
        self.meter(Item.SQS_REQUESTS, chunks(size))
        attributes: Any = {"tank": {"DataType": "String", "StringValue": note}}
        await answered(self.client.send_message(QueueUrl=self.url, MessageBody=body, MessageAttributes=attributes))


def dead_letters_beside(queue_url: str, facts: QueueFacts | None) -> str | None:
    """The URL of a redrive policy's dead-letter queue: same account and region (SQS), so beside the queue."""
    if facts is None or facts.dead_letter_queue is None:
        return None
    return f"{queue_url.rpartition('/')[0]}/{facts.dead_letter_queue}"


async def answered(call: Awaitable[T], timeout_s: float = CALL_TIMEOUT_S) -> T:
    """Await a call; whatever goes wrong is a `QueueError` that quotes neither handle nor body."""
    try:
        async with asyncio.timeout(timeout_s):
            answer = await call
    except ClientError as error:
        raise said_no(error) from error
    except BotoCoreError as error:
        name = type(error).__name__
        reason = _of_key(Fault(text="", code=name)) or Reason.QUEUE_UNREACHABLE
        raise QueueError(reason, name) from error
    except TimeoutError as error:
        raise QueueError(Reason.QUEUE_UNREACHABLE, "no answer in time") from error
    except RuntimeError as error:  # botocore: credentials that were refreshed and are still expired
        raise QueueError(Reason.BAD_CREDENTIALS, type(error).__name__) from error
    except UNREADABLE as error:
        raise QueueError(Reason.QUEUE_UNREACHABLE, NOT_SQS) from error
    metadata = answer.get("ResponseMetadata", {}) if isinstance(answer, dict) else {}
    if not metadata.get("RequestId"):  # aws-facts 0: a proxy's page does not raise
        raise QueueError(Reason.QUEUE_UNREACHABLE, NOT_SQS)
    return answer


def said_no(error: ClientError) -> QueueError:
    """What SQS refused; its message may quote a receipt handle, its code does not."""
    said: Any = error.response.get("Error", {})
    status = error.response.get("ResponseMetadata", {}).get("HTTPStatusCode")
    code, modelled, text = said.get("Code", ""), said.get("QueryErrorCode", ""), said.get("Message", "")
    fault = Fault(text=text, code=modelled or code, status=status)
    reason = _REASONS.get(code) or _REASONS.get(modelled) or _of_key(fault)
    if reason is None and "must be shorter than" in text:
        reason = Reason.TOO_LARGE
    if reason is None:
        reason = Reason.ACCESS_DENIED if status in {401, 403} else Reason.QUEUE_UNREACHABLE
    is_iams = reason is Reason.ACCESS_DENIED and fault.is_coded and not fault.code.lower().startswith("kms")
    action = f", sqs:{error.operation_name.removesuffix('Batch')}" if is_iams else ""  # its remedy speaks of it
    return QueueError(reason, f"HTTP {status} {modelled or code}{action}")


def _of_key(fault: Fault) -> Reason | None:
    """What is wrong with our key, or our clock, if this is about them."""
    if fault.status is not None and not fault.is_coded:  # a proxy's page
        return None
    _, reason = read(fault)
    return reason if reason in _OF_KEYS else None


def _results(answer: Any, count: int) -> Sequence[Settled]:  # noqa: ANN401 - two batch answers of one shape
    """Entry by entry, by position; what is in neither list is not done (aws-facts 5.2)."""
    results = [Settled.FAILED] * count
    for entry in answer.get("Successful", []):
        results[int(entry["Id"])] = Settled.DONE
    for entry in answer.get("Failed", []):
        code = entry.get("Code", "").rpartition(".")[2]
        if code in _GONE or _STALE in entry.get("Message", ""):
            results[int(entry["Id"])] = Settled.GONE
        elif _TOO_LONG in entry.get("Message", ""):
            results[int(entry["Id"])] = Settled.TOO_LONG
    return results


def _message(message: "MessageTypeDef") -> QueueMessage:
    attributes: Any = message.get("Attributes", {})
    return QueueMessage(
        queue_message_id=message["MessageId"],
        receipt_handle=message["ReceiptHandle"],
        body=message["Body"],
        receive_count=int(attributes.get("ApproximateReceiveCount", 1)),
        sent_at=datetime.fromtimestamp(int(attributes["SentTimestamp"]) / 1000, UTC)
        if "SentTimestamp" in attributes
        else datetime.now(UTC),
        attributes=message.get("MessageAttributes", {}),
    )


def _facts(attributes: Any) -> QueueFacts:  # noqa: ANN401 - strings by name
    policy = json_object(attributes.get("RedrivePolicy"))
    target = str(policy.get("deadLetterTargetArn", ""))
    return QueueFacts(
        visible=int(attributes.get("ApproximateNumberOfMessages", 0)),
        in_flight=int(attributes.get("ApproximateNumberOfMessagesNotVisible", 0)),
        retention_s=float(attributes.get("MessageRetentionPeriod", DEFAULT_RETENTION_S)),
        visibility_s=float(attributes.get("VisibilityTimeout", DEFAULT_VISIBILITY_S)),
        max_receive_count=int(policy["maxReceiveCount"]) if "maxReceiveCount" in policy else None,
        dead_letter_queue=target.rpartition(":")[2] or None,
        max_bytes=int(attributes.get("MaximumMessageSize", MAX_BYTES)),
    )


def json_object(text: str | None) -> dict[str, Any]:
    """An attribute that holds JSON; {} if it does not."""
    try:
        value = json.loads(text or "{}")
    except ValueError:
        return {}
    return value if isinstance(value, dict) else {}
