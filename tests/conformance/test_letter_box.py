"""A look into a dead-letter queue, the same on the stand-in and on moto's server."""

import json

import pytest
from types_aiobotocore_sqs import SQSClient

from tank_mailer.adapters.letter_box import LetterBoxError, SqsLetterBox
from tank_mailer.adapters.sqs import SqsDeadLetterQueue, SqsQueue, dead_letters_beside
from tank_mailer.core.deadletter import read_letter
from tank_mailer.core.errors import Reason
from tank_mailer.ports import Settled
from tests.builders import make_body

NOTE = json.dumps({"reason": "attempts_spent", "lane": "priority", "last_error": "böse 😀"})
ONCE_ONLY = 1  # maxReceiveCount


@pytest.fixture
async def box(sqs: SQSClient, queue: str) -> SqsLetterBox:
    """The dead-letter queue of `queue`, found by its redrive policy."""
    made = await sqs.create_queue(QueueName="dead")
    asked = await sqs.get_queue_attributes(QueueUrl=made["QueueUrl"], AttributeNames=["QueueArn"])
    arn = asked["Attributes"]["QueueArn"]
    policy = json.dumps({"deadLetterTargetArn": arn, "maxReceiveCount": ONCE_ONLY})
    await sqs.set_queue_attributes(QueueUrl=queue, Attributes={"RedrivePolicy": policy})
    url = dead_letters_beside(queue, await SqsQueue(url=queue, receiving=sqs, settling=sqs).facts())
    assert url is not None
    return SqsLetterBox(url=url, client=sqs)


async def test_a_copy_comes_with_its_note(sqs: SQSClient, box: SqsLetterBox) -> None:
    await SqsDeadLetterQueue(url=box.url, client=sqs).put(make_body(), note=NOTE)

    (handed,) = await box.receive(wait_s=1, visibility_s=60)
    letter = read_letter(handed, queue=box.name, lanes={})

    assert (letter.queue, letter.email_id, letter.body) == ("dead", "order-4711", make_body())
    assert (letter.reason, letter.lane, letter.detail) == (Reason.ATTEMPTS_SPENT, "priority", "böse 😀")
    assert (letter.receive_count, letter.source) == (1, None)
    assert letter.first_received_at is not None
    assert letter.first_received_at >= letter.at


async def test_what_the_redrive_policy_moves_keeps_its_id(sqs: SQSClient, queue: str, box: SqsLetterBox) -> None:
    """By that id the ledger's row is known to wait for nothing else. Moto does not tell which queue it comes from."""
    sent = await sqs.send_message(QueueUrl=queue, MessageBody=make_body())
    for _ in range(ONCE_ONLY + 1):
        await sqs.receive_message(QueueUrl=queue, VisibilityTimeout=0, WaitTimeSeconds=0)

    (handed,) = await box.receive(wait_s=1, visibility_s=60)

    assert handed.letter_id == sent["MessageId"]
    assert (handed.body, handed.note) == (make_body(), None)


async def test_held_given_back_deleted(sqs: SQSClient, box: SqsLetterBox) -> None:
    await sqs.send_message(QueueUrl=box.url, MessageBody=make_body())
    (first,) = await box.receive(wait_s=0, visibility_s=60)

    assert await box.receive(wait_s=0, visibility_s=60) == []
    assert (await box.facts()).in_flight == 1
    assert await box.hide([(first.receipt_handle, 0)]) == [Settled.DONE]
    (again,) = await box.receive(wait_s=0, visibility_s=60)
    assert await box.delete([again.receipt_handle]) == [Settled.DONE]
    facts = await box.facts()
    assert (facts.visible, facts.in_flight) == (0, 0)


async def test_a_queue_that_is_not_there(sqs: SQSClient, box: SqsLetterBox) -> None:
    """What was asked is named as IAM names it."""
    gone = SqsLetterBox(url=f"{box.url}-gone", client=sqs)

    with pytest.raises(LetterBoxError) as caught:
        await gone.receive(wait_s=0, visibility_s=60)

    error = caught.value
    assert (error.reason, error.queue, error.action) == (Reason.QUEUE_MISSING, "dead-gone", "sqs:ReceiveMessage")
