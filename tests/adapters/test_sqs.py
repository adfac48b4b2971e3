"""SQS in the flows' words: the good path against the stand-in."""

from datetime import UTC, datetime, timedelta

import pytest

from tank_mailer.adapters import aws
from tank_mailer.adapters.sqs import MAX_BYTES, SqsDeadLetterQueue, SqsQueue
from tank_mailer.core.errors import QueueError, Reason
from tank_mailer.ports import QueueFacts, QueueMessage, Settled
from tank_mailer.standin import Standin

MINUTE_S = 60
ATTRIBUTES = {
    "source": {"DataType": "String", "StringValue": "shop"},
    "priority": {"DataType": "Number", "StringValue": "1"},
    "trace": {"DataType": "Binary", "BinaryValue": b"\x00\x01"},
}


@pytest.fixture
async def url(clients: aws.Clients) -> str:
    return (await clients.settling.get_queue_url(QueueName="jobs"))["QueueUrl"]


@pytest.fixture
def queue(clients: aws.Clients, url: str) -> SqsQueue:
    return SqsQueue(url=url, receiving=clients.receiving, settling=clients.settling)


@pytest.fixture
async def dead(clients: aws.Clients) -> SqsDeadLetterQueue:
    url = (await clients.settling.get_queue_url(QueueName="dead"))["QueueUrl"]
    return SqsDeadLetterQueue(url=url, client=clients.settling)


async def put(clients: aws.Clients, url: str, *bodies: str) -> list[str]:
    return [(await clients.settling.send_message(QueueUrl=url, MessageBody=body))["MessageId"] for body in bodies]


async def receive(queue: SqsQueue, *, limit: int = 10, visibility_s: int = MINUTE_S) -> list[QueueMessage]:
    return list(await queue.receive(limit=limit, wait_s=0, visibility_s=visibility_s))


# --- receive ---------------------------------------------------------------------------------------


async def test_a_message_comes_with_all_that_is_needed(queue: SqsQueue, clients: aws.Clients) -> None:
    sent = await clients.settling.send_message(
        QueueUrl=queue.url,
        MessageBody="böse 😀 <>&",
        MessageAttributes=ATTRIBUTES,  # type: ignore[arg-type]  # in the SDK's own form
    )

    [message] = await receive(queue)

    assert message.queue_message_id == sent["MessageId"]
    assert message.body == "böse 😀 <>&"
    assert message.receipt_handle
    assert message.receive_count == 1
    assert abs(datetime.now(UTC) - message.sent_at) < timedelta(minutes=5)
    assert message.attributes == ATTRIBUTES
    assert queue.name == "jobs"


async def test_an_empty_queue_brings_nothing(queue: SqsQueue) -> None:
    """SQS leaves `Messages` out of an empty answer."""
    assert await receive(queue) == []


async def test_no_more_come_than_were_asked_for(queue: SqsQueue, clients: aws.Clients) -> None:
    await put(clients, queue.url, *"abc")

    assert len(await receive(queue, limit=2)) == 2
    assert len(await receive(queue, limit=2)) == 1


async def test_a_received_one_is_hidden_until_it_is_given_back(queue: SqsQueue, clients: aws.Clients) -> None:
    await put(clients, queue.url, "a")
    [first] = await receive(queue)
    assert await receive(queue) == []

    assert await queue.hide([(first.receipt_handle, 0)]) == [Settled.DONE]

    [second] = await receive(queue)
    assert second.queue_message_id == first.queue_message_id
    assert second.receive_count == 2
    assert second.receipt_handle != first.receipt_handle


async def test_a_logged_message_shows_no_content(queue: SqsQueue, clients: aws.Clients) -> None:
    await put(clients, queue.url, "secret body")

    [message] = await receive(queue)

    assert "secret" not in repr(message)
    assert message.receipt_handle not in repr(message)


# --- settle ----------------------------------------------------------------------------------------


async def test_a_batch_is_deleted(queue: SqsQueue, clients: aws.Clients) -> None:
    await put(clients, queue.url, *"abcdefghij")
    messages = await receive(queue)

    assert await queue.delete([message.receipt_handle for message in messages]) == [Settled.DONE] * 10

    facts = await queue.facts()
    assert (facts.visible, facts.in_flight) == (0, 0)


async def test_each_entry_has_its_own_answer(queue: SqsQueue, clients: aws.Clients) -> None:
    await put(clients, queue.url, "a", "b")
    a, b = await receive(queue)
    handles = [a.receipt_handle, "no-handle-at-all", b.receipt_handle]

    assert await queue.hide([(handle, 600) for handle in handles]) == [Settled.DONE, Settled.GONE, Settled.DONE]
    assert await queue.delete(handles) == [Settled.DONE, Settled.GONE, Settled.DONE]


async def test_a_message_that_came_back_cannot_be_hidden(queue: SqsQueue, clients: aws.Clients) -> None:
    await put(clients, queue.url, "a")
    [message] = await receive(queue)
    await queue.hide([(message.receipt_handle, 0)])

    assert await queue.hide([(message.receipt_handle, 600)]) == [Settled.GONE]


# --- copy and dead-letter ----------------------------------------------------------------------------


async def test_a_copy_says_the_same_under_another_id(queue: SqsQueue, clients: aws.Clients) -> None:
    await clients.settling.send_message(
        QueueUrl=queue.url,
        MessageBody="body",
        MessageAttributes=ATTRIBUTES,  # type: ignore[arg-type]  # in the SDK's own form
    )
    [message] = await receive(queue)

    copy_id = await queue.copy(message, delay_s=0)

    [copied] = await receive(queue)
    assert copied.queue_message_id == copy_id != message.queue_message_id
    assert (copied.body, copied.attributes) == ("body", ATTRIBUTES)
    assert copied.receive_count == 1


async def test_a_copy_may_come_later(queue: SqsQueue, clients: aws.Clients) -> None:
    await put(clients, queue.url, "body")
    [message] = await receive(queue)

    await queue.copy(message, delay_s=900)

    assert await receive(queue) == []


async def test_a_dead_job_is_put_aside_with_one_note(dead: SqsDeadLetterQueue, clients: aws.Clients) -> None:
    await dead.put('{"email_id": "order-4711"}', note='{"reason": "attempts_spent"}')

    [message] = await receive(SqsQueue(url=dead.url, receiving=clients.receiving, settling=clients.settling))

    assert message.body == '{"email_id": "order-4711"}'
    assert message.attributes == {"tank": {"DataType": "String", "StringValue": '{"reason": "attempts_spent"}'}}


@pytest.mark.filterwarnings("ignore:Sending a large body directly:ResourceWarning")  # aiohttp, of what the SDK gives it
@pytest.mark.parametrize(
    ("body", "note", "fits"),
    [
        pytest.param("x" * (MAX_BYTES - 11), "n", True, id="exactly-the-most"),
        pytest.param("x" * (MAX_BYTES - 10), "n", False, id="one-byte-more"),
        pytest.param("ü" * (MAX_BYTES // 2), "n", False, id="bytes-not-characters"),
        pytest.param("x", "n" * MAX_BYTES, False, id="the-note-counts-too"),
    ],
)
async def test_what_a_queue_does_not_take(dead: SqsDeadLetterQueue, body: str, note: str, fits: bool) -> None:
    """The row stays dead with its raw text, and an alert says so."""
    if fits:
        await dead.put(body, note=note)
        return
    with pytest.raises(QueueError) as refused:
        await dead.put(body, note=note)
    assert refused.value.reason is Reason.TOO_LARGE


async def test_a_dead_letter_queue_with_a_lower_limit_says_too_large(
    dead: SqsDeadLetterQueue, clients: aws.Clients
) -> None:
    """Queues from before August 2025 may still hold 256 KiB."""
    await clients.settling.set_queue_attributes(QueueUrl=dead.url, Attributes={"MaximumMessageSize": "262144"})

    with pytest.raises(QueueError) as refused:
        await dead.put("x" * 300_000, note="{}")

    assert refused.value.reason is Reason.TOO_LARGE


# --- facts -----------------------------------------------------------------------------------------


async def test_facts_of_a_queue_as_it_was_made(queue: SqsQueue, clients: aws.Clients) -> None:
    await put(clients, queue.url, "a", "b", "c")
    await receive(queue, limit=1)

    facts = await queue.facts()

    assert (facts.visible, facts.in_flight) == (2, 1)
    assert (facts.retention_s, facts.visibility_s) == (345_600.0, 30.0)
    assert (facts.max_receive_count, facts.dead_letter_queue) == (None, None)


@pytest.mark.parametrize("count", ["3", '"3"'], ids=["a-number", "a-number-as-text"])
async def test_facts_of_a_queue_with_a_redrive_policy(
    standin: Standin, queue: SqsQueue, clients: aws.Clients, count: str
) -> None:
    policy = f'{{"deadLetterTargetArn": "arn:aws:sqs:eu-west-1:000000000000:dead", "maxReceiveCount": {count}}}'
    await clients.settling.set_queue_attributes(
        QueueUrl=queue.url,
        Attributes={"RedrivePolicy": policy, "MessageRetentionPeriod": "1209600", "VisibilityTimeout": "60"},
    )

    facts = await queue.facts()

    assert facts == QueueFacts(
        visible=0,
        in_flight=0,
        retention_s=1_209_600.0,
        visibility_s=60.0,
        max_receive_count=3,
        dead_letter_queue="dead",
        max_bytes=facts.max_bytes,
    )
