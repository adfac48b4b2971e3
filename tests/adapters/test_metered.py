"""What AWS bills for, as the adapters count it: every call, in chunks of 64 KB; each event once."""

from collections import Counter

import pytest

from tank_mailer.adapters import aws
from tank_mailer.adapters.ses import SesMailer
from tank_mailer.adapters.sqs import SqsDeadLetterQueue, SqsQueue
from tank_mailer.core.cost import CHUNK_BYTES, Item
from tank_mailer.core.errors import QueueError
from tank_mailer.core.outcome import Receipt
from tests.builders import make_job


class Bill:
    """Adds up."""

    def __init__(self) -> None:
        self.counts = Counter[Item]()

    def __call__(self, item: Item, count: int) -> None:
        self.counts[item] += count

    def take(self) -> dict[Item, int]:
        """What has come since the last look."""
        taken, self.counts = dict(+self.counts), Counter[Item]()
        return taken


@pytest.fixture
def bill() -> Bill:
    return Bill()


@pytest.fixture
async def queue(clients: aws.Clients, bill: Bill) -> SqsQueue:
    url = (await clients.settling.get_queue_url(QueueName="jobs"))["QueueUrl"]
    item = Item.SNS_NOTIFICATIONS
    return SqsQueue(url=url, receiving=clients.receiving, settling=clients.settling, meter=bill, carries=item)


async def test_each_call_is_one_request(queue: SqsQueue, bill: Bill) -> None:
    await queue.put("a")
    await queue.put("b")
    assert bill.take() == {Item.SQS_REQUESTS: 2}

    messages = await queue.receive(limit=10, wait_s=0, visibility_s=60)
    assert bill.take() == {Item.SQS_REQUESTS: 1, Item.SNS_NOTIFICATIONS: 2}

    await queue.hide([(message.receipt_handle, 30) for message in messages])
    await queue.delete([message.receipt_handle for message in messages])
    await queue.facts()
    assert bill.take() == {Item.SQS_REQUESTS: 3}

    assert await queue.receive(limit=10, wait_s=0, visibility_s=60) == []
    assert bill.take() == {Item.SQS_REQUESTS: 1}, "an empty long poll is billed, too"


async def test_large_messages_are_several_requests(queue: SqsQueue, bill: Bill) -> None:
    await queue.put("x" * (2 * CHUNK_BYTES + 1))
    assert bill.take() == {Item.SQS_REQUESTS: 3}

    (message,) = await queue.receive(limit=10, wait_s=0, visibility_s=0)
    assert bill.take() == {Item.SQS_REQUESTS: 3, Item.SNS_NOTIFICATIONS: 3}

    await queue.copy(message, delay_s=0)
    assert bill.take() == {Item.SQS_REQUESTS: 3}


async def test_a_message_that_comes_again_was_published_once(queue: SqsQueue, bill: Bill) -> None:
    await queue.put("event")
    await queue.receive(limit=1, wait_s=0, visibility_s=0)
    bill.take()

    await queue.receive(limit=1, wait_s=1, visibility_s=60)

    assert bill.take() == {Item.SQS_REQUESTS: 1}


async def test_dead_letters_count_and_what_is_too_large_never_leaves(clients: aws.Clients, bill: Bill) -> None:
    url = (await clients.settling.get_queue_url(QueueName="dead"))["QueueUrl"]
    dead = SqsDeadLetterQueue(url=url, client=clients.settling, meter=bill)
    await dead.put("job", note="{}")
    with pytest.raises(QueueError):
        await dead.put("x" * 2**21, note="{}")
    assert bill.take() == {Item.SQS_REQUESTS: 1}


async def test_a_mail_counts_once_ses_has_taken_it(clients: aws.Clients, bill: Bill) -> None:
    mailer = SesMailer(client=clients.sending, configuration_set="tank", timeout_s=5.0, meter=bill)
    job = make_job(to=["ann@example.org", "ben@example.org"], cc=["cy@example.org"], subject="Hi", body="<p>é</p>")
    assert isinstance(await mailer.send(job, attempt=1), Receipt)
    assert bill.take() == {Item.MAILS: 1, Item.RECIPIENTS: 3, Item.DATA_BYTES: 2 + 9}

    refused = make_job(sender="stranger@elsewhere.example", configuration_set="nowhere")
    assert not isinstance(await mailer.send(refused, attempt=1), Receipt)
    assert bill.take() == {}
