"""Events that come late, twice, out of order, or never (aws-facts 3.5), and by the ten thousand."""

import asyncio
import json
from collections import Counter

import aiohttp
import pytest

from tank_mailer.standin import EventKind, EventSettings, Flood, ManualClock, Shape, Standin, StandinOptions
from tank_mailer.standin.errors import AwsError
from tank_mailer.standin.queue import Place
from tests.standin.post import AT_ONCE, Post, open_post

ALICE = "alice@example.org"


async def order_of(post: Post, *, seed: int) -> list[str]:
    """The numbers of ten mails' Sends as they come within a shuffle of a minute."""
    await post.observed("PUT", "events", {"shuffle_s": 60, "kinds": ["SEND"], "seed": seed})
    mails = [await post.send(ALICE) for _ in range(10)]
    post.clock.advance(60)
    return [str(mails.index(event["mail"]["messageId"])) for event in post.events()]


async def test_each_step_takes_its_time(clock: ManualClock) -> None:
    """A twentieth of a second, unless set otherwise: an answer to the sender comes before the Send."""
    async with open_post(clock, events=EventSettings()) as post:
        await post.send(ALICE)
        assert post.events() == []

        clock.advance(0.051)
        assert [event["eventType"] for event in post.events()] == ["Send"]
        clock.advance(0.05)

        assert [event["eventType"] for event in post.events()] == ["Delivery"]


async def test_late_events_come_by_the_clock_and_nothing_shows_them_before(post: Post) -> None:
    """What SES and SNS still hold is in no count of the queue: an empty queue proves nothing about it."""
    await post.observed("PUT", "events", {"delay_s": 600})
    await post.send(ALICE)
    queue = post.standin.state.queues.named("events").queue

    assert [queue.count(place) for place in (Place.VISIBLE, Place.DELAYED, Place.IN_FLIGHT)] == [0, 0, 0]
    post.clock.advance(599)
    assert post.bodies() == []
    post.clock.advance(1)

    envelope, _ = post.envelopes()
    assert envelope["Timestamp"] == "2026-11-01T00:26:40.000Z"
    assert json.loads(envelope["Message"])["mail"]["timestamp"] == "2026-11-01T00:16:40.000Z"


async def test_a_late_event_was_sent_when_it_came(post: Post) -> None:
    """Its age on the queue counts from there."""
    await post.observed("PUT", "events", {"delay_s": 600})
    await post.send(ALICE)
    post.clock.advance(600)

    (message, _) = post.standin.state.queues.named("events").queue.messages.values()

    assert message.sent_at_ms == int(post.clock.wall().timestamp() * 1_000)


async def test_who_waits_is_woken_by_a_late_event() -> None:
    async with (
        Standin.start(StandinOptions(event_queue="events")) as standin,
        aiohttp.ClientSession(standin.url) as http,
    ):
        waited = standin.state.queues.named("events")
        request = {"QueueUrl": f"{standin.url}/000000000000/events", "WaitTimeSeconds": 20}
        headers = {"X-Amz-Target": "AmazonSQS.ReceiveMessage"}
        poll = asyncio.create_task(http.post("/", json=request, headers=headers))
        while not waited._waiters:  # noqa: ASYNC110 -- the stand-in tells nobody
            await asyncio.sleep(0)
        await Post(standin=standin, http=http, clock=ManualClock()).send(ALICE)
        async with asyncio.timeout(10), await poll as answer:
            (message,) = (await answer.json(content_type=None))["Messages"]

    assert json.loads(json.loads(message["Body"])["Message"])["eventType"] == "Send"


async def test_doubles_differ_in_their_sns_id_alone(post: Post) -> None:
    await post.observed("PUT", "events", {"copies": 3})
    await post.send("bounce@simulator.amazonses.com")

    envelopes = post.envelopes()

    assert len({envelope["MessageId"] for envelope in envelopes}) == 6
    assert sorted(Counter(envelope["Message"] for envelope in envelopes).values()) == [3, 3]
    assert (await post.observed("GET", "events"))["published"] == {"SEND": 3, "BOUNCE": 3}


async def test_the_order_is_lost_within_a_window(post: Post) -> None:
    order = await order_of(post, seed=1)

    assert order != sorted(order)
    assert sorted(order) == [str(number) for number in range(10)]
    assert post.bodies() == []


async def test_the_same_seed_shuffles_alike(clock: ManualClock) -> None:
    orders = []
    for seed in (1, 1, 2):
        async with open_post(clock) as post:
            orders.append(await order_of(post, seed=seed))

    assert orders[0] == orders[1] != orders[2]


async def test_chance_can_be_given(post: Post) -> None:
    """In process, any callable may be it."""
    post.standin.state.events.courier.random = iter([0.1, 0.9, 0.5, 0.4]).__next__
    await post.observed("PUT", "events", {"lost_share": 0.5})
    for _ in range(2):
        await post.send(ALICE)

    assert [event["eventType"] for event in post.events()] == ["Delivery", "Send"]


@pytest.mark.parametrize(
    ("settings", "come"),
    [
        pytest.param({"lost_next": 3}, ["Delivery"], id="the-next-three"),
        pytest.param({"lost_kinds": ["SEND"]}, ["Delivery", "Delivery"], id="one-kind"),
        pytest.param({"lost_share": 1}, [], id="all"),
        pytest.param({"kinds": ["SEND"]}, ["Send", "Send"], id="what-nobody-subscribed-is-not-lost-but-never-made"),
        pytest.param({"lost_next": 1, "copies": 2}, ["Delivery", "Send", "Delivery"], id="lost-with-its-doubles"),
    ],
)
async def test_what_never_comes(post: Post, settings: dict[str, object], come: list[str]) -> None:
    shown = await post.observed("PUT", "events", settings)
    for _ in range(2):
        await post.send(ALICE)

    events = [event["eventType"] for event in post.events()]

    assert events[:: shown["copies"]] == come
    lost = sum((await post.observed("GET", "events"))["lost"].values())
    assert lost == (0 if "kinds" in settings else 4 - len(come))


async def test_the_losses_are_over_when_they_are_over(post: Post) -> None:
    await post.observed("PUT", "events", {"lost_next": 1})
    await post.send(ALICE)

    assert (await post.observed("GET", "events"))["lost_next"] == 0
    assert (await post.observed("GET", "events"))["lost"] == {"SEND": 1}


@pytest.mark.parametrize(
    ("changes", "text"),
    [
        pytest.param({"delay": 1}, "unknown: delay; known: copies, delay_s", id="unknown"),
        pytest.param({"delay_s": -1}, "delay_s is a number from 0", id="before-its-time"),
        pytest.param({"latency_s": True}, "latency_s is a number", id="no-number"),
        pytest.param({"copies": 0}, "copies is a whole number from 1 to 100", id="no-copy"),
        pytest.param({"lost_share": 2}, "lost_share is a number from 0 to 1", id="more-than-all"),
        pytest.param({"lost_next": 1.5}, "lost_next is a whole number", id="half-an-event"),
        pytest.param({"lost_kinds": ["Send"]}, "there are SEND, DELIVERY,", id="no-kind"),
        pytest.param({"kinds": "SEND"}, "A list of event types", id="no-list"),
        pytest.param({"shape": "round"}, "shape is one of sns, raw, eventbridge", id="no-shape"),
        pytest.param({"seed": "x"}, "seed is a whole number", id="no-seed"),
        pytest.param({"identity_notifications": True}, "is one of off, also, only", id="no-word"),
        pytest.param({"identity_headers": 1}, "identity_headers is true or false", id="no-flag"),
        pytest.param({"rules": 1}, "rules: a list is wanted", id="no-rules"),
    ],
)
async def test_settings_that_make_no_sense_change_nothing(post: Post, changes: dict[str, object], text: str) -> None:
    before = await post.observed("GET", "events")

    answer = await post.observed("PUT", "events", changes, status=400)

    assert text in answer["error"]
    assert await post.observed("GET", "events") == before


async def test_a_reset_brings_the_beginning_back(post: Post) -> None:
    before = await post.observed("GET", "events")
    await post.observed("PUT", "events", {"copies": 9, "shape": "raw", "kinds": ["OPEN"], "lost_next": 1})
    await post.send("open@simulator.amazonses.com")

    await post.observed("POST", "reset")

    assert await post.observed("GET", "events") == before
    await post.send(ALICE)
    assert [event["eventType"] for event in post.events()] == ["Send", "Delivery"]


@pytest.mark.parametrize("shape", [Shape.SNS, Shape.RAW])
async def test_a_flood_has_a_mail_for_each_number(clock: ManualClock, shape: Shape) -> None:
    """All are told apart by whatever a reader might tell them apart by."""
    async with open_post(clock, event_shape=shape) as post:
        flood = {"events": 30, "kinds": ["SEND", "DELIVERY", "BOUNCE"], "email_id": "order-{n}", "first": 5}
        await post.observed("POST", "events/flood", flood)
        bodies = [json.loads(body) for body in post.bodies()]

    events = [json.loads(body["Message"]) if shape is Shape.SNS else body for body in bodies]
    assert [event["eventType"] for event in events] == ["Send", "Delivery", "Bounce"] * 10
    assert [event["mail"]["tags"]["email_id"][0] for event in events[::3]] == [f"order-{n}" for n in range(5, 15)]
    assert len({event["mail"]["messageId"] for event in events}) == 10
    assert len({event["bounce"]["feedbackId"] for event in events[2::3]}) == 10
    assert events[4]["delivery"]["recipients"] == events[4]["mail"]["destination"] == ["flood-6@example.org"]
    assert shape is Shape.RAW or len({body["MessageId"] for body in bodies}) == 30


async def test_a_flood_looks_like_what_a_mail_makes(post: Post) -> None:
    await post.send(ALICE)
    (_, real) = post.envelopes()
    post.standin.state.events.flood(1)
    (made,) = post.envelopes()

    assert list(made) == list(real)
    real_event, made_event = json.loads(real["Message"]), json.loads(made["Message"])
    assert [list(made_event[key]) for key in ("mail", "delivery")] == [
        list(real_event[key]) for key in ("mail", "delivery")
    ]
    assert list(made_event["mail"]["tags"]) == list(real_event["mail"]["tags"])


async def test_a_large_flood_is_drained_in_time(post: Post) -> None:
    """None twice, none left. A receive or delete that looked at all that wait would take minutes for this."""
    post.standin.state.events.flood(20_000, Flood(kinds=(EventKind.DELIVERY,)))

    assert len(post.bodies()) == 20_000
    assert post.standin.state.queues.named("events").queue.messages == {}


@pytest.mark.parametrize(
    ("body", "status", "text"),
    [
        pytest.param({"events": 0}, 400, "Must be between 1 and", id="none"),
        pytest.param({"events": 1, "colour": "red"}, 400, "unknown: colour", id="unknown"),
        pytest.param({"events": 1, "kinds": ["NEWS"]}, 400, "A list of event types", id="no-kind"),
    ],
)
async def test_floods_that_make_no_sense(post: Post, body: dict[str, object], status: int, text: str) -> None:
    answer = await post.observed("POST", "events/flood", body, status=status)

    assert text in answer["error"]
    assert post.bodies() == []


async def test_nothing_else_is_asked_for(post: Post) -> None:
    assert "events/rain" in (await post.observed("POST", "events/rain", status=404))["error"]


async def test_a_flood_needs_a_queue(clock: ManualClock) -> None:
    async with open_post(clock, event_queue="") as post:
        with pytest.raises(AwsError, match="nobody is subscribed"):
            post.standin.state.events.flood(1)


async def test_the_settings_of_the_start_are_shown(post: Post) -> None:
    shown = await post.observed("GET", "events")

    assert shown["latency_s"] == AT_ONCE.latency_s == 0
    assert shown["topics"] == {"arn:aws:sns:eu-west-1:000000000000:ses-events": [{"queue": "events", "shape": "sns"}]}
    (destination,) = shown["destinations"]
    assert destination["ConfigurationSetName"] == "tank"
    assert len(destination["MatchingEventTypes"]) == 10
