"""SQS's calls on messages: one queue, one request, one answer."""

from tank_mailer.standin import parameters
from tank_mailer.standin.errors import AwsError, Json
from tank_mailer.standin.message import read_content, select_attributes
from tank_mailer.standin.queue import MAX_INVISIBLE_S, Message, Queue
from tank_mailer.standin.queues import Queues
from tank_mailer.standin.waiting import WaitedQueue

MAX_DELAY_S = 900  # SQS: aws-facts 5.1
MAX_WAIT_S = 20  # SQS: long polling; aws-facts 5.1
MAX_MESSAGES = 10  # SQS: per receive; aws-facts 5.1
SENDER_ID = "AIDASTANDIN0000000000"


def send(waited: WaitedQueue, request: Json) -> Json:
    """SendMessage, and one entry of its batch."""
    content = read_content(request)
    delay_s = parameters.number(request, "DelaySeconds", default=-1, low=0, high=MAX_DELAY_S)
    message = waited.send(content, delay_s=None if delay_s < 0 else delay_s)
    answer = {"MessageId": message.message_id, "MD5OfMessageBody": content.body_md5}
    if content.attributes_md5:
        answer["MD5OfMessageAttributes"] = content.attributes_md5
    if content.trace_md5:
        answer["MD5OfMessageSystemAttributes"] = content.trace_md5
    return answer


async def receive(queues: Queues, waited: WaitedQueue, request: Json) -> Json:
    """ReceiveMessage. An empty answer has no `Messages` (aws-facts 5.2)."""
    settings = waited.queue.settings
    limit = parameters.number(request, "MaxNumberOfMessages", default=1, low=1, high=MAX_MESSAGES)
    wait_s = parameters.number(request, "WaitTimeSeconds", default=settings.wait_s, low=0, high=MAX_WAIT_S)
    visibility_s = parameters.number(
        request, "VisibilityTimeout", default=settings.visibility_s, low=0, high=MAX_INVISIBLE_S
    )
    system_names = parameters.listing(request, "MessageSystemAttributeNames")
    system_names = system_names + parameters.listing(request, "AttributeNames")
    names = parameters.listing(request, "MessageAttributeNames")
    if not wait_s and waited.queue.is_full():
        raise AwsError("OverLimit", "Too many messages in flight.", status=403)  # long polls get nothing
    messages = await waited.receive(
        limit, visibility_s=visibility_s, wait_s=wait_s, dead_letters=queues.dead_letters_of(waited)
    )
    if waited.deleted:
        queues.named(waited.queue.name)
    if not messages:
        return {}
    return {"Messages": [_shown(waited.queue, message, system_names, names) for message in messages]}


def delete(waited: WaitedQueue, request: Json) -> Json:
    """DeleteMessage, and one entry of its batch."""
    waited.queue.delete(parameters.text(request, "ReceiptHandle"))
    waited.stir()  # at the in-flight ceiling a delete makes room
    return {}


def change_visibility(waited: WaitedQueue, request: Json) -> Json:
    """ChangeMessageVisibility, and one entry of its batch."""
    handle = parameters.text(request, "ReceiptHandle")
    parameters.required(request, "VisibilityTimeout")
    visibility_s = parameters.number(request, "VisibilityTimeout", default=0, low=0, high=MAX_INVISIBLE_S)
    waited.queue.change_visibility(handle, visibility_s)
    waited.stir()
    return {}


def _shown(queue: Queue, message: Message, system_names: list[str], names: list[str]) -> Json:
    content = message.content
    shown: Json = {
        "MessageId": message.message_id,
        "ReceiptHandle": queue.handle(message),
        "MD5OfBody": content.body_md5,
        "Body": content.body,
    }
    if system_names:
        shown["Attributes"] = _system_attributes(message, system_names)
    attributes, digest = select_attributes(content, names)
    if attributes:
        shown["MessageAttributes"] = attributes
        shown["MD5OfMessageAttributes"] = digest
    return shown


def _system_attributes(message: Message, wanted: list[str]) -> dict[str, str]:
    known = {
        "SenderId": SENDER_ID,
        "SentTimestamp": str(message.sent_at_ms),
        "ApproximateReceiveCount": str(message.receive_count),
        "ApproximateFirstReceiveTimestamp": str(message.first_received_at_ms),
        "MessageGroupId": message.content.group_id,
        "AWSTraceHeader": message.content.trace_header,
        "DeadLetterQueueSourceArn": message.source_arn,
    }
    return {name: value for name, value in known.items() if value and (name in wanted or "All" in wanted)}
