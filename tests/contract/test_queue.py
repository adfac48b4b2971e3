"""What the queue of the flows' tests has in common with SQS: fake and stand-in, on one clock each."""

import asyncio
from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass
from typing import Any

import aioboto3
import pytest

from tank_mailer.adapters.sqs import SqsQueue
from tank_mailer.ports import Queue, QueueMessage, Settled
from tank_mailer.standin import ManualClock, Standin, StandinOptions
from tests.contract.benches import HandClock
from tests.fakes import FakeQueue

TWELVE_HOURS_S = 43_200


@dataclass(frozen=True, slots=True)
class Counter:
    """A queue, and time that passes only when told to."""

    queue: Queue
    put: Callable[[str], Any]
    advance: Callable[[float], None]

    async def receive(self, *, limit: int = 10, wait_s: int = 0) -> list[QueueMessage]:
        return list(await self.queue.receive(limit=limit, wait_s=wait_s, visibility_s=60))

    async def hand_out(self, body: str = "a") -> QueueMessage:
        """Put one on and receive it."""
        await self.put(body)
        [message] = await self.receive()
        return message


@pytest.fixture(params=["fake", "standin"])
async def counter(request: pytest.FixtureRequest) -> AsyncIterator[Counter]:
    if request.param == "fake":
        hand = HandClock()
        fake = FakeQueue(hand)

        async def put(body: str) -> None:
            fake.put(body)

        def advance(by_s: float) -> None:
            hand.boot += by_s

        yield Counter(fake, put, advance)
        return
    clock = ManualClock()
    session = aioboto3.Session(region_name="eu-west-1", aws_access_key_id="nobody", aws_secret_access_key="nothing")
    async with (
        Standin.start(StandinOptions(queues=("jobs",)), clock=clock) as standin,
        session.client("sqs", endpoint_url=standin.url) as client,
    ):
        url = (await client.get_queue_url(QueueName="jobs"))["QueueUrl"]
        queue = SqsQueue(url=url, receiving=client, settling=client)
        yield Counter(queue, lambda body: client.send_message(QueueUrl=url, MessageBody=body), clock.advance)


async def test_a_received_message_is_hidden_and_comes_back(counter: Counter) -> None:
    first = await counter.hand_out()
    assert await counter.receive() == []

    counter.advance(61)
    [second] = await counter.receive()

    assert (second.queue_message_id, second.body) == (first.queue_message_id, "a")
    assert (first.receive_count, second.receive_count) == (1, 2)
    assert second.receipt_handle != first.receipt_handle
    assert second.sent_at == first.sent_at


async def test_no_more_come_than_were_asked_for(counter: Counter) -> None:
    for body in "abc":
        await counter.put(body)

    assert len(await counter.receive(limit=2)) == 2
    assert len(await counter.receive(limit=2)) == 1


async def test_hiding_counts_from_now(counter: Counter) -> None:
    message = await counter.hand_out()
    counter.advance(30)

    assert await counter.queue.hide([(message.receipt_handle, 600)]) == [Settled.DONE]

    counter.advance(599)
    assert await counter.receive() == []
    counter.advance(2)
    assert len(await counter.receive()) == 1


async def test_what_is_given_back_can_be_received_at_once(counter: Counter) -> None:
    message = await counter.hand_out()

    assert await counter.queue.hide([(message.receipt_handle, 0)]) == [Settled.DONE]

    assert [again.receive_count for again in await counter.receive()] == [2]


async def test_a_poll_wakes_up_for_what_is_put_on(counter: Counter) -> None:
    poll = asyncio.create_task(counter.receive(wait_s=20))
    await asyncio.sleep(0)

    await counter.put("a")

    assert [message.body for message in await poll] == ["a"]


async def test_twelve_hours_are_counted_from_the_receive(counter: Counter) -> None:
    message = await counter.hand_out()
    counter.advance(10)

    assert await counter.queue.hide([(message.receipt_handle, TWELVE_HOURS_S)]) == [Settled.TOO_LONG]
    assert await counter.queue.hide([(message.receipt_handle, TWELVE_HOURS_S - 10)]) == [Settled.DONE]


async def test_a_message_that_came_back_cannot_be_hidden(counter: Counter) -> None:
    message = await counter.hand_out()
    counter.advance(61)

    assert await counter.queue.hide([(message.receipt_handle, 60)]) == [Settled.GONE]


async def test_a_deleted_one_never_comes_back(counter: Counter) -> None:
    message = await counter.hand_out()

    assert await counter.queue.delete([message.receipt_handle]) == [Settled.DONE]

    counter.advance(TWELVE_HOURS_S)
    assert await counter.receive() == []


async def test_an_old_handle_deletes_nothing(counter: Counter) -> None:
    """Whoever holds the newer one is at work; SQS may even say that it was done."""
    old = await counter.hand_out()
    counter.advance(61)
    [new] = await counter.receive()

    await counter.queue.delete([old.receipt_handle])

    assert await counter.queue.hide([(new.receipt_handle, 0)]) == [Settled.DONE]
    assert len(await counter.receive()) == 1


async def test_a_handle_deletes_until_the_next_receive(counter: Counter) -> None:
    message = await counter.hand_out()
    counter.advance(61)

    assert await counter.queue.delete([message.receipt_handle]) == [Settled.DONE]

    assert await counter.receive() == []


async def test_a_copy_is_a_new_message(counter: Counter) -> None:
    message = await counter.hand_out()

    copy_id = await counter.queue.copy(message, delay_s=900)

    assert await counter.receive() == []
    counter.advance(901)
    received = {received.queue_message_id: received for received in await counter.receive()}
    assert set(received) == {message.queue_message_id, copy_id}
    assert received[copy_id].receive_count == 1
    assert received[copy_id].body == message.body


async def test_facts_tell_what_waits_and_what_is_out(counter: Counter) -> None:
    await counter.hand_out()
    await counter.put("b")

    facts = await counter.queue.facts()

    assert (facts.visible, facts.in_flight) == (1, 1)
