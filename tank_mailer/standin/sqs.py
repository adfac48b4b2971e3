"""SQS in AWS JSON 1.0: which operation does what."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Final

from tank_mailer.standin import parameters, sqs_batches, sqs_messages
from tank_mailer.standin.errors import AwsError, Json
from tank_mailer.standin.queue import Place
from tank_mailer.standin.queues import Queues
from tank_mailer.standin.waiting import WaitedQueue

Operation = Callable[["Sqs", Json], Json]


@dataclass(slots=True, kw_only=True, eq=False)
class Sqs:
    """The service: requests in, answers out, over the queues."""

    queues: Queues
    origin: str  # http://127.0.0.1:PORT; known once the server listens

    async def answer(self, operation: str, request: Json) -> Json:
        """Return the answer, or raise AwsError; only a receive may take its time."""
        if operation == "ReceiveMessage":
            return await sqs_messages.receive(self.queues, self._queue(request), request)
        work = OPERATIONS.get(operation)
        if work is None:
            raise AwsError("UnsupportedOperation", f"The stand-in does not know the operation {operation}.")
        return work(self, request)

    def create_queue(self, request: Json) -> Json:
        """Again with the same attributes: the same queue."""
        attributes = parameters.mapping(request, "Attributes")
        waited = self.queues.create(parameters.text(request, "QueueName"), attributes)
        return {"QueueUrl": self._url(waited.queue.name)}

    def get_queue_url(self, request: Json) -> Json:
        """By name."""
        return {"QueueUrl": self._url(self.queues.named(parameters.text(request, "QueueName")).queue.name)}

    def list_queues(self, request: Json) -> Json:
        """All on one page, by name."""
        prefix = parameters.optional_text(request, "QueueNamePrefix")
        urls = [self._url(name) for name in sorted(self.queues.by_name) if name.startswith(prefix)]
        return {"QueueUrls": urls} if urls else {}

    def list_sources(self, request: Json) -> Json:
        """Whose dead letters come here."""
        return {"queueUrls": [self._url(name) for name in self.queues.sources_of(self._queue(request))]}

    def delete_queue(self, request: Json) -> Json:
        """With all its messages."""
        self.queues.delete(self._queue(request))
        return {}

    def purge_queue(self, request: Json) -> Json:
        """With the messages in flight."""
        self.queues.purge(self._queue(request))
        return {}

    def get_attributes(self, request: Json) -> Json:
        """Counts are exact here; with SQS they are approximate."""
        waited = self._queue(request)
        queue = waited.queue
        known = queue.settings.attributes() | {
            "QueueArn": queue.arn,
            "CreatedTimestamp": str(waited.created_at),
            "LastModifiedTimestamp": str(waited.changed_at),
            "ApproximateNumberOfMessages": str(queue.count(Place.VISIBLE)),
            "ApproximateNumberOfMessagesNotVisible": str(queue.count(Place.IN_FLIGHT)),
            "ApproximateNumberOfMessagesDelayed": str(queue.count(Place.DELAYED)),
        }
        wanted = parameters.listing(request, "AttributeNames")
        for name in wanted:
            if name not in known and name not in OPTIONAL_ATTRIBUTES:
                raise AwsError("InvalidAttributeName", f"Unknown Attribute {name}.")
        shown = {name: value for name, value in known.items() if name in wanted or "All" in wanted}
        return {"Attributes": shown} if shown else {}

    def set_attributes(self, request: Json) -> Json:
        """Only what is named changes."""
        self.queues.change(self._queue(request), parameters.mapping(request, "Attributes"))
        return {}

    def send(self, request: Json) -> Json:
        """One message."""
        return sqs_messages.send(self._queue(request), request)

    def delete(self, request: Json) -> Json:
        """By the handle of the latest receive."""
        return sqs_messages.delete(self._queue(request), request)

    def change_visibility(self, request: Json) -> Json:
        """Of one message in flight."""
        return sqs_messages.change_visibility(self._queue(request), request)

    def send_batch(self, request: Json) -> Json:
        """Up to ten, 1 MiB in all."""
        waited = self._queue(request)
        sqs_batches.refuse_too_long(request)
        return sqs_batches.batch(waited, request, sqs_messages.send)

    def delete_batch(self, request: Json) -> Json:
        """Up to ten."""
        return sqs_batches.batch(self._queue(request), request, sqs_messages.delete)

    def change_visibility_batch(self, request: Json) -> Json:
        """Up to ten."""
        return sqs_batches.batch(self._queue(request), request, sqs_messages.change_visibility)

    def _queue(self, request: Json) -> WaitedQueue:
        return self.queues.at(parameters.text(request, "QueueUrl"))

    def _url(self, name: str) -> str:
        return f"{self.origin}/{self.queues.account_id}/{name}"


OPERATIONS: Final[dict[str, Operation]] = {
    "CreateQueue": Sqs.create_queue,
    "GetQueueUrl": Sqs.get_queue_url,
    "ListQueues": Sqs.list_queues,
    "ListDeadLetterSourceQueues": Sqs.list_sources,
    "DeleteQueue": Sqs.delete_queue,
    "PurgeQueue": Sqs.purge_queue,
    "GetQueueAttributes": Sqs.get_attributes,
    "SetQueueAttributes": Sqs.set_attributes,
    "SendMessage": Sqs.send,
    "SendMessageBatch": Sqs.send_batch,
    "DeleteMessage": Sqs.delete,
    "DeleteMessageBatch": Sqs.delete_batch,
    "ChangeMessageVisibility": Sqs.change_visibility,
    "ChangeMessageVisibilityBatch": Sqs.change_visibility_batch,
}

# Those that a queue has only when they were set: asking for them is no error.
OPTIONAL_ATTRIBUTES: Final = frozenset({
    "All", "Policy", "RedrivePolicy", "RedriveAllowPolicy", "KmsMasterKeyId", "KmsDataKeyReusePeriodSeconds",
})  # fmt: skip
