"""SQS as both clouds know it."""

import asyncio
import json

import pytest
from botocore.exceptions import ClientError
from types_aiobotocore_sqs import SQSClient
from types_aiobotocore_sqs.type_defs import MessageAttributeValueTypeDef, MessageTypeDef

LARGE = pytest.mark.filterwarnings("ignore:Sending a large body")  # aiohttp, of what the SDK does
MISSING_QUEUE = r"\(AWS\.SimpleQueueService\.NonExistentQueue\)"


async def receive(sqs: SQSClient, queue: str, *, visibility_s: int = 30, wait_s: int = 0) -> list[MessageTypeDef]:
    reply = await sqs.receive_message(
        QueueUrl=queue,
        MaxNumberOfMessages=10,
        WaitTimeSeconds=wait_s,
        VisibilityTimeout=visibility_s,
        AttributeNames=["All"],
        MessageAttributeNames=["All"],
    )
    return reply.get("Messages", [])


async def count(sqs: SQSClient, queue: str, name: str = "ApproximateNumberOfMessages") -> str:
    reply = await sqs.get_queue_attributes(QueueUrl=queue, AttributeNames=["All"])
    return reply["Attributes"][name]  # type: ignore[index]


async def dead_letters_of(sqs: SQSClient, queue: str, *, after: int) -> tuple[str, str]:
    """URL and ARN of a new dead-letter queue of `queue`."""
    dlq = (await sqs.create_queue(QueueName="dead"))["QueueUrl"]
    arn = await count(sqs, dlq, "QueueArn")
    policy = json.dumps({"deadLetterTargetArn": arn, "maxReceiveCount": after})
    await sqs.set_queue_attributes(QueueUrl=queue, Attributes={"RedrivePolicy": policy})
    return dlq, arn


async def test_what_is_sent_is_received(sqs: SQSClient, queue: str) -> None:
    sent = await sqs.send_message(QueueUrl=queue, MessageBody="äöü \U0001f4e7")

    (message,) = await receive(sqs, queue)

    assert message["Body"] == "äöü \U0001f4e7"
    assert message["MessageId"] == sent["MessageId"]
    assert message["MD5OfBody"] == sent["MD5OfMessageBody"]
    assert message["Attributes"]["ApproximateReceiveCount"] == "1"
    assert message["Attributes"]["SentTimestamp"].isdecimal()
    assert message["Attributes"]["ApproximateFirstReceiveTimestamp"].isdecimal()


async def test_an_empty_receive_has_no_messages_key(sqs: SQSClient, queue: str) -> None:
    """Aws-facts 5.2."""
    assert "Messages" not in await sqs.receive_message(QueueUrl=queue)


async def test_attributes_come_back_with_their_digest(sqs: SQSClient, queue: str) -> None:
    sent = await sqs.send_message(
        QueueUrl=queue,
        MessageBody="x",
        MessageAttributes={
            "tank": {"DataType": "String", "StringValue": "größe"},
            "count": {"DataType": "Number.int", "StringValue": "42"},
            "raw": {"DataType": "Binary", "BinaryValue": b"\x00\xff"},
        },
    )

    (message,) = await receive(sqs, queue)

    assert message["MessageAttributes"]["raw"]["BinaryValue"] == b"\x00\xff"
    assert message["MessageAttributes"]["tank"]["StringValue"] == "größe"
    assert message["MD5OfMessageAttributes"] == sent["MD5OfMessageAttributes"]
    assert sent["MD5OfMessageAttributes"] == "7aa0f70adb56db7f77d054e4be732906"


async def test_attributes_come_only_when_asked_for(sqs: SQSClient, queue: str) -> None:
    attributes: dict[str, MessageAttributeValueTypeDef] = {"a.b": {"DataType": "String", "StringValue": "1"}}
    await sqs.send_message(QueueUrl=queue, MessageBody="x", MessageAttributes=attributes)

    plain = (await sqs.receive_message(QueueUrl=queue, VisibilityTimeout=0))["Messages"][0]
    named = await sqs.receive_message(QueueUrl=queue, MessageAttributeNames=["a.*"])

    assert "MessageAttributes" not in plain
    assert "Attributes" not in plain
    assert named["Messages"][0]["MessageAttributes"]["a.b"]["StringValue"] == "1"


async def test_a_deleted_message_is_gone(sqs: SQSClient, queue: str) -> None:
    await sqs.send_message(QueueUrl=queue, MessageBody="x")
    (message,) = await receive(sqs, queue, visibility_s=0)

    await sqs.delete_message(QueueUrl=queue, ReceiptHandle=message["ReceiptHandle"])

    assert await receive(sqs, queue) == []
    assert await count(sqs, queue) == "0"


async def test_a_message_in_flight_is_hidden_and_counted_so(sqs: SQSClient, queue: str) -> None:
    await sqs.send_message(QueueUrl=queue, MessageBody="x")
    await receive(sqs, queue)

    assert await receive(sqs, queue) == []
    assert await count(sqs, queue) == "0"
    assert await count(sqs, queue, "ApproximateNumberOfMessagesNotVisible") == "1"


async def test_visibility_zero_gives_it_back_and_the_next_receive_counts(sqs: SQSClient, queue: str) -> None:
    await sqs.send_message(QueueUrl=queue, MessageBody="x")
    (first,) = await receive(sqs, queue)

    await sqs.change_message_visibility(QueueUrl=queue, ReceiptHandle=first["ReceiptHandle"], VisibilityTimeout=0)
    (second,) = await receive(sqs, queue)

    assert second["Attributes"]["ApproximateReceiveCount"] == "2"
    assert second["ReceiptHandle"] != first["ReceiptHandle"]


async def test_a_delayed_message_waits(sqs: SQSClient, queue: str) -> None:
    await sqs.send_message(QueueUrl=queue, MessageBody="x", DelaySeconds=900)

    assert await receive(sqs, queue) == []
    assert await count(sqs, queue, "ApproximateNumberOfMessagesDelayed") == "1"


async def test_a_batch_is_sent_received_and_deleted(sqs: SQSClient, queue: str) -> None:
    entries = [{"Id": f"e{n}", "MessageBody": f"b{n}"} for n in range(10)]
    sent = await sqs.send_message_batch(QueueUrl=queue, Entries=entries)  # type: ignore[arg-type]
    messages = await receive(sqs, queue)

    deleted = await sqs.delete_message_batch(
        QueueUrl=queue,
        Entries=[{"Id": str(n), "ReceiptHandle": message["ReceiptHandle"]} for n, message in enumerate(messages)],
    )

    assert [entry["Id"] for entry in sent["Successful"]] == [f"e{n}" for n in range(10)]
    assert sent.get("Failed", []) == []
    assert [message["Body"] for message in messages] == [f"b{n}" for n in range(10)]
    assert [entry["Id"] for entry in deleted["Successful"]] == [str(n) for n in range(10)]
    assert await count(sqs, queue, "ApproximateNumberOfMessagesNotVisible") == "0"


async def test_a_batch_of_deletes_fails_in_part(sqs: SQSClient, queue: str) -> None:
    """HTTP 200, and one entry that did not work (aws-facts 5.2)."""
    await sqs.send_message(QueueUrl=queue, MessageBody="x")
    (message,) = await receive(sqs, queue)

    reply = await sqs.delete_message_batch(
        QueueUrl=queue,
        Entries=[
            {"Id": "good", "ReceiptHandle": message["ReceiptHandle"]},
            {"Id": "bad", "ReceiptHandle": "no handle"},
        ],
    )

    assert [entry["Id"] for entry in reply["Successful"]] == ["good"]
    assert [(entry["Id"], entry["Code"]) for entry in reply["Failed"]] == [("bad", "ReceiptHandleIsInvalid")]
    assert reply["Failed"][0]["SenderFault"] is True


async def test_a_batch_of_visibilities_fails_in_part(sqs: SQSClient, queue: str) -> None:
    await sqs.send_message(QueueUrl=queue, MessageBody="x")
    (message,) = await receive(sqs, queue)

    reply = await sqs.change_message_visibility_batch(
        QueueUrl=queue,
        Entries=[
            {"Id": "good", "ReceiptHandle": message["ReceiptHandle"], "VisibilityTimeout": 0},
            {"Id": "bad", "ReceiptHandle": "no handle", "VisibilityTimeout": 0},
        ],
    )

    assert [entry["Id"] for entry in reply["Successful"]] == ["good"]
    assert [entry["Id"] for entry in reply["Failed"]] == ["bad"]
    assert len(await receive(sqs, queue)) == 1


async def test_a_malformed_handle_is_refused(sqs: SQSClient, queue: str) -> None:
    with pytest.raises(ClientError, match=r"\(ReceiptHandleIsInvalid\)") as refused:
        await sqs.delete_message(QueueUrl=queue, ReceiptHandle="no handle")

    assert refused.value.response["ResponseMetadata"]["HTTPStatusCode"] == 400


@LARGE
@pytest.mark.parametrize(
    ("entries", "code"),
    [
        pytest.param(
            [{"Id": str(n), "MessageBody": "x"} for n in range(11)],
            "TooManyEntriesInBatchRequest",
            id="eleven-entries",
        ),
        pytest.param(
            [{"Id": "a", "MessageBody": "x"}, {"Id": "a", "MessageBody": "y"}],
            "BatchEntryIdsNotDistinct",
            id="an-id-twice",
        ),
        pytest.param([{"Id": "a b", "MessageBody": "x"}], "InvalidBatchEntryId", id="a-bad-id"),
        pytest.param(
            [{"Id": f"{n}", "MessageBody": "x" * 600_000} for n in range(2)],
            "BatchRequestTooLong",
            id="more-than-a-mebibyte",
        ),
        pytest.param([], "EmptyBatchRequest", id="nothing"),
    ],
)
async def test_a_batch_that_is_wrong_as_a_whole(
    sqs: SQSClient, queue: str, entries: list[dict[str, str]], code: str
) -> None:
    with pytest.raises(ClientError, match=code):
        await sqs.send_message_batch(QueueUrl=queue, Entries=entries)  # type: ignore[arg-type]

    assert await count(sqs, queue) == "0"


async def test_a_message_received_too_often_goes_to_the_dead_letters(sqs: SQSClient, queue: str) -> None:
    """On the receive that would exceed the count; id and body stay (aws-facts 5.3)."""
    dlq, _ = await dead_letters_of(sqs, queue, after=2)
    sent = await sqs.send_message(QueueUrl=queue, MessageBody="x")
    for _ in range(2):
        assert len(await receive(sqs, queue, visibility_s=0)) == 1
    assert await count(sqs, dlq) == "0"

    assert await receive(sqs, queue, visibility_s=0) == []
    (dead,) = await receive(sqs, dlq)

    assert dead["MessageId"] == sent["MessageId"]
    assert dead["Body"] == "x"


async def test_the_redrive_policy_is_read_back(sqs: SQSClient, queue: str) -> None:
    dlq, arn = await dead_letters_of(sqs, queue, after=100)

    policy = json.loads(await count(sqs, queue, "RedrivePolicy"))
    sources = await sqs.list_dead_letter_source_queues(QueueUrl=dlq)

    assert policy["deadLetterTargetArn"] == arn
    assert int(policy["maxReceiveCount"]) == 100
    assert sources["queueUrls"] == [queue]


async def test_a_dead_letter_queue_must_be_there(sqs: SQSClient, queue: str) -> None:
    arn = await count(sqs, queue, "QueueArn")
    policy = json.dumps({"deadLetterTargetArn": f"{arn}-missing", "maxReceiveCount": 1})

    with pytest.raises(ClientError):
        await sqs.set_queue_attributes(QueueUrl=queue, Attributes={"RedrivePolicy": policy})


async def test_a_long_poll_is_woken_by_a_send(sqs: SQSClient, queue: str) -> None:
    poll = asyncio.create_task(receive(sqs, queue, wait_s=20))
    await sqs.send_message(QueueUrl=queue, MessageBody="x")

    async with asyncio.timeout(10):
        (message,) = await poll

    assert message["Body"] == "x"


async def test_attributes_are_set_and_read(sqs: SQSClient, queue: str) -> None:
    attributes = {"VisibilityTimeout": "77", "MessageRetentionPeriod": "1209600"}
    await sqs.set_queue_attributes(QueueUrl=queue, Attributes=attributes)  # type: ignore[arg-type]

    reply = await sqs.get_queue_attributes(
        QueueUrl=queue, AttributeNames=["VisibilityTimeout", "MessageRetentionPeriod", "QueueArn"]
    )

    assert reply["Attributes"] == {**attributes, "QueueArn": await count(sqs, queue, "QueueArn")}
    assert reply["Attributes"]["QueueArn"].startswith("arn:aws:sqs:eu-west-1:")
    assert reply["Attributes"]["QueueArn"].endswith(":jobs")


async def test_an_unknown_attribute_is_refused(sqs: SQSClient, queue: str) -> None:
    with pytest.raises(ClientError, match=r"\(InvalidAttributeName\)"):
        await sqs.get_queue_attributes(QueueUrl=queue, AttributeNames=["Colour"])  # type: ignore[list-item]


async def test_a_purge_takes_everything(sqs: SQSClient, queue: str) -> None:
    for _ in range(2):
        await sqs.send_message(QueueUrl=queue, MessageBody="x")
    await sqs.receive_message(QueueUrl=queue)

    await sqs.purge_queue(QueueUrl=queue)

    assert await count(sqs, queue) == "0"
    assert await count(sqs, queue, "ApproximateNumberOfMessagesNotVisible") == "0"


async def test_making_a_queue_again_is_no_error(sqs: SQSClient, queue: str) -> None:
    again = await sqs.create_queue(QueueName="jobs", Attributes={"VisibilityTimeout": "30"})

    assert again["QueueUrl"] == queue
    assert (await sqs.get_queue_url(QueueName="jobs"))["QueueUrl"] == queue
    assert (await sqs.list_queues(QueueNamePrefix="jo"))["QueueUrls"] == [queue]


async def test_a_queue_of_that_name_with_other_attributes(sqs: SQSClient, queue: str) -> None:
    with pytest.raises(ClientError) as refused:
        await sqs.create_queue(QueueName="jobs", Attributes={"VisibilityTimeout": "31"})

    assert refused.value.response["Error"]["QueryErrorCode"] == "QueueNameExists"  # type: ignore[typeddict-item]


async def test_a_missing_queue_has_the_old_code_and_the_new_name(sqs: SQSClient, queue: str) -> None:
    """`Error.Code` shows the query protocol's code (aws-facts 0)."""
    await sqs.delete_queue(QueueUrl=queue)

    with pytest.raises(sqs.exceptions.QueueDoesNotExist, match=MISSING_QUEUE) as by_url:
        await sqs.send_message(QueueUrl=queue, MessageBody="x")
    with pytest.raises(ClientError, match=MISSING_QUEUE):
        await sqs.get_queue_url(QueueName="jobs")

    assert by_url.value.response["ResponseMetadata"]["HTTPStatusCode"] == 400


@LARGE
async def test_more_than_a_mebibyte_is_refused(sqs: SQSClient, queue: str) -> None:
    with pytest.raises(ClientError, match="InvalidParameterValue"):
        await sqs.send_message(QueueUrl=queue, MessageBody="x" * 1_048_577)


@LARGE
async def test_a_mebibyte_fits(sqs: SQSClient, queue: str) -> None:
    await sqs.send_message(QueueUrl=queue, MessageBody="x" * 1_048_576)

    assert len((await receive(sqs, queue))[0]["Body"]) == 1_048_576


async def test_every_answer_has_a_request_id(sqs: SQSClient, queue: str) -> None:
    """A proxy's page has none: the daemon looks for it on every call (aws-facts 0)."""
    reply = await sqs.send_message(QueueUrl=queue, MessageBody="x")

    assert reply["ResponseMetadata"]["RequestId"]
