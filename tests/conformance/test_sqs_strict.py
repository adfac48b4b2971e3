"""SQS where AWS is stricter than moto: on the stand-in alone. Each case names its source."""

import asyncio
import json

import pytest
from botocore.exceptions import ClientError
from types_aiobotocore_sqs import SQSClient

from tank_mailer.standin import Standin

pytestmark = pytest.mark.parametrize("cloud", [pytest.param("standin", id="standin-only")], indirect=True)


async def handle(sqs: SQSClient, queue: str, *, visibility_s: int = 30) -> str:
    """The handle of one receive."""
    reply = await sqs.receive_message(QueueUrl=queue, VisibilityTimeout=visibility_s)
    return reply["Messages"][0]["ReceiptHandle"]


async def polls_begun(standin: Standin, number: int) -> None:
    """Return once so many receives have reached the stand-in."""
    while standin.state.counts.of("sqs", "ReceiveMessage") < number:  # noqa: ASYNC110 -- it tells nobody
        await asyncio.sleep(0)


async def test_a_stale_handle_deletes_nothing_and_says_ok(sqs: SQSClient, queue: str) -> None:
    """Aws-facts 5.2: deleting with an old handle can report success without deleting."""
    await sqs.send_message(QueueUrl=queue, MessageBody="x")
    stale = await handle(sqs, queue, visibility_s=0)
    fresh = await handle(sqs, queue, visibility_s=0)

    await sqs.delete_message(QueueUrl=queue, ReceiptHandle=stale)
    assert "Messages" in await sqs.receive_message(QueueUrl=queue, VisibilityTimeout=0)

    await sqs.delete_message(QueueUrl=queue, ReceiptHandle=fresh)  # stale too, by now
    assert "Messages" in await sqs.receive_message(QueueUrl=queue)


async def test_a_second_delete_says_ok(sqs: SQSClient, queue: str) -> None:
    """Aws-facts 5.2."""
    await sqs.send_message(QueueUrl=queue, MessageBody="x")
    once = await handle(sqs, queue)

    for _ in range(2):
        await sqs.delete_message(QueueUrl=queue, ReceiptHandle=once)


async def test_a_handle_of_another_queue_is_invalid(sqs: SQSClient, queue: str) -> None:
    """Aws-facts 5.2: ReceiptHandleIsInvalid."""
    other = (await sqs.create_queue(QueueName="other"))["QueueUrl"]
    await sqs.send_message(QueueUrl=other, MessageBody="x")

    with pytest.raises(ClientError, match="ReceiptHandleIsInvalid"):
        await sqs.delete_message(QueueUrl=queue, ReceiptHandle=await handle(sqs, other))


async def test_what_came_back_is_not_in_flight(sqs: SQSClient, queue: str) -> None:
    """Aws-facts 5.2: MessageNotInflight when it already came back."""
    await sqs.send_message(QueueUrl=queue, MessageBody="x")
    lapsed = await handle(sqs, queue, visibility_s=0)

    with pytest.raises(sqs.exceptions.MessageNotInflight, match=r"AWS\.SimpleQueueService\.MessageNotInflight"):
        await sqs.change_message_visibility(QueueUrl=queue, ReceiptHandle=lapsed, VisibilityTimeout=30)


async def test_a_stale_handle_extends_nothing(sqs: SQSClient, queue: str) -> None:
    """Not documented; the stricter reading: a receive after the lapse ends the right to extend."""
    await sqs.send_message(QueueUrl=queue, MessageBody="x")
    stale = await handle(sqs, queue, visibility_s=0)
    await handle(sqs, queue)

    with pytest.raises(ClientError, match=r"InvalidParameterValue.*not available for visibility"):
        await sqs.change_message_visibility(QueueUrl=queue, ReceiptHandle=stale, VisibilityTimeout=0)


async def test_twelve_hours_are_counted_from_the_receive(sqs: SQSClient, queue: str) -> None:
    """Aws-facts 5.1: asking for 43200 a moment after the receive fails."""
    await sqs.send_message(QueueUrl=queue, MessageBody="x")
    held = await handle(sqs, queue)

    with pytest.raises(ClientError, match=r"InvalidParameterValue.*beyond the limit \[43200 seconds\]"):
        await sqs.change_message_visibility(QueueUrl=queue, ReceiptHandle=held, VisibilityTimeout=43_200)
    await sqs.change_message_visibility(QueueUrl=queue, ReceiptHandle=held, VisibilityTimeout=43_100)


@pytest.mark.parametrize("body", ["\x00", "\x1f", "\ufffe", "a\ud800"])
async def test_characters_that_xml_does_not_know(sqs: SQSClient, queue: str, body: str) -> None:
    """Aws-facts 5.1: InvalidMessageContents."""
    with pytest.raises(ClientError, match="InvalidMessageContents"):
        await sqs.send_message(QueueUrl=queue, MessageBody=body)


@pytest.mark.parametrize(
    ("name", "attribute"),
    [
        pytest.param("a b", {"DataType": "String", "StringValue": "x"}, id="a-space-in-the-name"),
        pytest.param("AWS.x", {"DataType": "String", "StringValue": "x"}, id="a-reserved-name"),
        pytest.param("n" * 257, {"DataType": "String", "StringValue": "x"}, id="a-long-name"),
        pytest.param("n", {"DataType": "Text", "StringValue": "x"}, id="an-unknown-type"),
        pytest.param("n", {"DataType": "String", "StringValue": ""}, id="an-empty-value"),
        pytest.param("n", {"DataType": "Number", "StringValue": "x"}, id="no-number"),
    ],
)
async def test_attributes_that_sqs_refuses(sqs: SQSClient, queue: str, name: str, attribute: dict[str, str]) -> None:
    """Aws-facts 5.1."""
    with pytest.raises(ClientError, match="InvalidParameterValue"):
        await sqs.send_message(QueueUrl=queue, MessageBody="x", MessageAttributes={name: attribute})  # type: ignore[dict-item]


async def test_eleven_attributes_are_too_many(sqs: SQSClient, queue: str) -> None:
    """Aws-facts 5.1."""
    attributes = {f"a{n}": {"DataType": "String", "StringValue": "x"} for n in range(11)}

    with pytest.raises(ClientError, match=r"\[11\] exceeds the allowed maximum \[10\]"):
        await sqs.send_message(QueueUrl=queue, MessageBody="x", MessageAttributes=attributes)  # type: ignore[arg-type]


async def test_attributes_count_towards_the_size(sqs: SQSClient, queue: str) -> None:
    """Aws-facts 5.1: body and attributes; the queue's own limit, which may be the old one."""
    await sqs.set_queue_attributes(QueueUrl=queue, Attributes={"MaximumMessageSize": "1024"})
    fitting = {"n": {"DataType": "String", "StringValue": "x" * 17}}  # 1 + 6 + 17, and 1000
    too_long = {"n": {"DataType": "String", "StringValue": "x" * 18}}

    await sqs.send_message(QueueUrl=queue, MessageBody="b" * 1000, MessageAttributes=fitting)  # type: ignore[arg-type]
    with pytest.raises(ClientError, match="shorter than 1024 bytes"):
        await sqs.send_message(QueueUrl=queue, MessageBody="b" * 1000, MessageAttributes=too_long)  # type: ignore[arg-type]


async def test_one_bad_entry_leaves_the_others_of_a_batch(sqs: SQSClient, queue: str) -> None:
    """Aws-facts 5.2: partial failures, in the order of the entries."""
    reply = await sqs.send_message_batch(
        QueueUrl=queue,
        Entries=[
            {"Id": "a", "MessageBody": "x"},
            {"Id": "b", "MessageBody": "\x00"},
            {"Id": "c", "MessageBody": "y", "DelaySeconds": 901},
            {"Id": "d", "MessageBody": "z"},
        ],
    )

    assert [entry["Id"] for entry in reply["Successful"]] == ["a", "d"]
    assert [(entry["Id"], entry["Code"]) for entry in reply["Failed"]] == [
        ("b", "InvalidMessageContents"),
        ("c", "InvalidParameterValue"),
    ]


async def test_a_dead_letter_names_its_source(sqs: SQSClient, queue: str) -> None:
    """Aws-facts 5.2: the attribute DeadLetterQueueSourceArn."""
    dlq = (await sqs.create_queue(QueueName="dead"))["QueueUrl"]
    arn = (await sqs.get_queue_attributes(QueueUrl=dlq, AttributeNames=["QueueArn"]))["Attributes"]["QueueArn"]
    policy = json.dumps({"deadLetterTargetArn": arn, "maxReceiveCount": "1"})
    await sqs.set_queue_attributes(QueueUrl=queue, Attributes={"RedrivePolicy": policy})
    await sqs.send_message(QueueUrl=queue, MessageBody="x")
    await handle(sqs, queue, visibility_s=0)
    assert "Messages" not in await sqs.receive_message(QueueUrl=queue)

    reply = await sqs.receive_message(QueueUrl=dlq, MessageSystemAttributeNames=["All"])

    attributes = reply["Messages"][0]["Attributes"]
    assert attributes["DeadLetterQueueSourceArn"] == arn.replace("dead", "jobs")
    assert attributes["ApproximateReceiveCount"] == "2"


async def test_a_dead_letter_queue_may_refuse_a_source(sqs: SQSClient, queue: str) -> None:
    """Aws-facts 5.3: RedriveAllowPolicy."""
    allow = {"RedriveAllowPolicy": json.dumps({"redrivePermission": "denyAll"})}
    dlq = (await sqs.create_queue(QueueName="dead", Attributes=allow))["QueueUrl"]  # type: ignore[arg-type]
    arn = (await sqs.get_queue_attributes(QueueUrl=dlq, AttributeNames=["QueueArn"]))["Attributes"]["QueueArn"]
    policy = json.dumps({"deadLetterTargetArn": arn, "maxReceiveCount": 1})

    with pytest.raises(ClientError, match="does not allow"):
        await sqs.set_queue_attributes(QueueUrl=queue, Attributes={"RedrivePolicy": policy})


async def test_a_second_purge_must_wait(sqs: SQSClient, queue: str) -> None:
    """Aws-facts 5.2: PurgeQueueInProgress; moto knows it behind a switch."""
    await sqs.purge_queue(QueueUrl=queue)

    with pytest.raises(ClientError, match=r"AWS\.SimpleQueueService\.PurgeQueueInProgress"):
        await sqs.purge_queue(QueueUrl=queue)


async def test_a_deleted_queue_cannot_be_made_again_at_once(sqs: SQSClient, queue: str) -> None:
    """Aws-facts 5.2: QueueDeletedRecently."""
    await sqs.delete_queue(QueueUrl=queue)

    with pytest.raises(ClientError, match="QueueDeletedRecently"):
        await sqs.create_queue(QueueName="jobs")


async def test_a_long_poll_on_a_queue_that_is_deleted(sqs: SQSClient, queue: str, standin: Standin) -> None:
    """It ends at once with the error that the queue is missing: a poller must not sleep over it."""
    poll = asyncio.create_task(sqs.receive_message(QueueUrl=queue, WaitTimeSeconds=20))
    await polls_begun(standin, 1)

    await sqs.delete_queue(QueueUrl=queue)

    async with asyncio.timeout(5):
        with pytest.raises(ClientError, match="NonExistentQueue"):
            await poll


async def test_one_send_wakes_one_of_two_polls(sqs: SQSClient, queue: str, standin: Standin) -> None:
    """The one that waits longest; the other goes on waiting for the next."""
    polls = []
    for number in (1, 2):
        polls.append(asyncio.create_task(sqs.receive_message(QueueUrl=queue, WaitTimeSeconds=20)))
        await polls_begun(standin, number)

    async with asyncio.timeout(5):
        await sqs.send_message(QueueUrl=queue, MessageBody="first")
        first = await polls[0]
        assert not polls[1].done()
        await sqs.send_message(QueueUrl=queue, MessageBody="second")
        second = await polls[1]

    assert [reply["Messages"][0]["Body"] for reply in (first, second)] == ["first", "second"]


async def test_a_long_poll_is_woken_by_what_is_given_back(sqs: SQSClient, queue: str, standin: Standin) -> None:
    """A message given back is there for whoever waits, as a new one is."""
    await sqs.send_message(QueueUrl=queue, MessageBody="x")
    held = await handle(sqs, queue)
    poll = asyncio.create_task(sqs.receive_message(QueueUrl=queue, WaitTimeSeconds=20))
    await polls_begun(standin, 2)

    await sqs.change_message_visibility(QueueUrl=queue, ReceiptHandle=held, VisibilityTimeout=0)

    async with asyncio.timeout(5):
        assert "Messages" in await poll


async def test_a_cancelled_long_poll_swallows_a_message(sqs: SQSClient, queue: str, standin: Standin) -> None:
    """Lab.md: its messages are hidden until the visibility runs out."""
    poll = asyncio.create_task(sqs.receive_message(QueueUrl=queue, WaitTimeSeconds=20))
    await polls_begun(standin, 1)
    poll.cancel()
    await asyncio.gather(poll, return_exceptions=True)

    await sqs.send_message(QueueUrl=queue, MessageBody="x")
    reply = await sqs.get_queue_attributes(QueueUrl=queue, AttributeNames=["All"])

    assert reply["Attributes"]["ApproximateNumberOfMessagesNotVisible"] == "1"
    assert "Messages" not in await sqs.receive_message(QueueUrl=queue)


async def test_a_fifo_queue_is_refused_plainly(sqs: SQSClient) -> None:
    """The stand-in has none, and says so instead of behaving like another."""
    with pytest.raises(ClientError, match="no FIFO queues"):
        await sqs.create_queue(QueueName="jobs.fifo")
