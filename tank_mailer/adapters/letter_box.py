"""SQS's dead-letter queues as a person looks into them; what is denied is told by its IAM action."""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

from tank_mailer.adapters.sqs import CALL_TIMEOUT_S, SqsQueue, answered
from tank_mailer.core.deadletter import Handed
from tank_mailer.core.errors import QueueError
from tank_mailer.ports import QueueFacts, Settled

if TYPE_CHECKING:
    from types_aiobotocore_sqs import SQSClient

NOTE = "tank"  # flows.dead_letters
SYSTEM_NAMES: Any = (
    "ApproximateReceiveCount",
    "ApproximateFirstReceiveTimestamp",
    "SentTimestamp",
    "DeadLetterQueueSourceArn",
)


class LetterBoxError(QueueError):
    """A dead-letter queue, or what may be known of it, cannot be had; `action`: what the key has to be allowed."""

    def __init__(self, error: QueueError, *, queue: str, action: str) -> None:
        super().__init__(error.reason, error.detail)
        self.queue = queue
        self.action = action


@dataclass(frozen=True, slots=True, kw_only=True)
class SqsLetterBox:
    """One of them."""

    url: str
    client: "SQSClient"

    @property
    def name(self) -> str:
        """The last part of its URL."""
        return self._queue.name

    @property
    def _queue(self) -> SqsQueue:
        return SqsQueue(url=self.url, receiving=self.client, settling=self.client)

    async def receive(self, *, wait_s: int, visibility_s: int) -> Sequence[Handed]:
        """Receive up to ten, with all that SQS tells of them."""
        with self._doing("sqs:ReceiveMessage"):
            answer = await answered(
                self.client.receive_message(
                    QueueUrl=self.url,
                    MaxNumberOfMessages=10,
                    WaitTimeSeconds=wait_s,
                    VisibilityTimeout=visibility_s,
                    MessageAttributeNames=[NOTE],
                    MessageSystemAttributeNames=SYSTEM_NAMES,
                ),
                wait_s + CALL_TIMEOUT_S,
            )
        return [_handed(message) for message in answer.get("Messages", [])]

    async def hide(self, entries: Sequence[tuple[str, int]]) -> Sequence[Settled]:
        """Change up to ten visibility timeouts."""
        with self._doing("sqs:ChangeMessageVisibility"):
            return await self._queue.hide(entries)

    async def delete(self, receipt_handles: Sequence[str]) -> Sequence[Settled]:
        """Delete up to ten."""
        with self._doing("sqs:DeleteMessage"):
            return await self._queue.delete(receipt_handles)

    async def facts(self) -> QueueFacts:
        """Ask its attributes."""
        with self._doing("sqs:GetQueueAttributes"):
            return await self._queue.facts()

    @contextmanager
    def _doing(self, action: str) -> Iterator[None]:
        try:
            yield
        except QueueError as error:
            raise LetterBoxError(error, queue=self.name, action=action) from error


def _handed(message: Any) -> Handed:  # noqa: ANN401 - the SDK's answer
    system = message.get("Attributes", {})
    note = message.get("MessageAttributes", {}).get(NOTE, {})
    return Handed(
        letter_id=message["MessageId"],
        receipt_handle=message["ReceiptHandle"],
        body=message["Body"],
        note=note.get("StringValue"),
        sent_at=_moment(system.get("SentTimestamp")) or datetime.now(UTC),
        source_arn=system.get("DeadLetterQueueSourceArn", ""),
        receive_count=int(system.get("ApproximateReceiveCount", 1)),
        first_received_at=_moment(system.get("ApproximateFirstReceiveTimestamp")),
    )


def _moment(text: str | None) -> datetime | None:
    return datetime.fromtimestamp(int(text) / 1000, UTC) if text else None
