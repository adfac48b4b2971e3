"""Whose events go where: configuration sets, event destinations, topics and queues."""

import json
from typing import Any

import aiohttp
import pytest

from tank_mailer.standin import EventKind, ManualClock, Shape, StandinOptions
from tests.standin.post import Post, open_post

TOPIC = "arn:aws:sns:eu-west-1:000000000000:ses-events"
VALIDATED = "Successfully validated SNS topic for Amazon SES event publishing."
TO_TOPIC = {"Enabled": True, "MatchingEventTypes": ["SEND"], "SnsDestination": {"TopicArn": TOPIC}}


async def call(
    http: aiohttp.ClientSession, method: str, path: str, body: object = None
) -> tuple[int, str, dict[str, Any]]:
    """Status, the error's name, the answer."""
    async with http.request(method, f"/v2/email/configuration-sets/{path}", json=body) as answer:
        return answer.status, answer.headers.get("x-amzn-ErrorType", ""), await answer.json()


def named(name: str, **changes: object) -> dict[str, object]:
    return {"EventDestinationName": name, "EventDestination": TO_TOPIC | changes}


@pytest.mark.parametrize(
    ("through", "wishes"),
    [
        pytest.param("", {}, id="no-set"),
        pytest.param("other", {"configuration_sets": ("tank", "other")}, id="a-set-without-a-destination"),
        pytest.param("tank", {"event_kinds": ()}, id="no-kind-subscribed"),
    ],
)
async def test_who_publishes_nothing(clock: ManualClock, through: str, wishes: dict[str, Any]) -> None:
    async with open_post(clock, **wishes) as post:
        await post.send("bounce@simulator.amazonses.com", through=through)

        assert post.bodies() == []
        assert (await post.observed("GET", "events"))["published"] == {}


async def test_without_an_event_queue_there_is_nothing(clock: ManualClock) -> None:
    async with open_post(clock, event_queue="") as post:
        await post.send("you@example.org")

        shown = await post.observed("GET", "events")

    assert (shown["topics"], shown["destinations"], shown["published"]) == ({}, [], {})


async def test_an_event_queue_of_its_own() -> None:
    with pytest.raises(ValueError, match="give the events a queue of their own"):
        StandinOptions(queues=("jobs",), event_queue="jobs")


async def test_only_what_is_subscribed_comes(clock: ManualClock) -> None:
    """A channel without Send is none that proves acceptance (DESIGN 6)."""
    kinds = tuple(kind for kind in EventKind if kind is not EventKind.SEND)
    async with open_post(clock, event_kinds=kinds) as post:
        await post.send("complaint@simulator.amazonses.com")

        assert [event["eventType"] for event in post.events()] == ["Delivery", "Complaint"]


async def test_a_deleted_queue_or_topic_loses_events_silently(post: Post) -> None:
    """Aws-facts 4.3: as a missing queue policy does."""
    queues = post.standin.state.queues
    queues.delete(queues.named("events"))
    await post.send("you@example.org")
    post.standin.state.events.topics.by_arn.clear()

    assert await post.send("you@example.org")


async def test_the_validation_text_at_the_start_only_when_asked(clock: ManualClock) -> None:
    async with open_post(clock, event_validation_text=True) as post:
        (envelope,) = post.envelopes()

    assert envelope["Message"] == VALIDATED
    assert "Subject" not in envelope


@pytest.mark.parametrize("shape", ["raw", "eventbridge"])
async def test_the_validation_text_on_demand_is_bare_without_an_envelope(post: Post, shape: str) -> None:
    await post.observed("PUT", "events", {"shape": shape, "lost_share": 1, "copies": 2})

    await post.observed("POST", "events/validation")

    assert post.bodies() == [VALIDATED]


async def test_identity_notifications_say_that_they_begin(post: Post) -> None:
    """Aws-facts 3.6: one text for each kind."""
    await post.observed("PUT", "events", {"identity_notifications": "also"})

    await post.observed("POST", "events/validation")

    validated, *subscribed = post.envelopes()
    assert validated["Message"] == VALIDATED
    assert [text["Message"].partition('"message"')[0] for text in subscribed] == [
        '{"notificationType":"AmazonSnsSubscriptionSucceeded",'
    ] * 3
    assert [kind in text["Message"] for kind, text in zip(("'Bounce'", "'Complaint'", "'Delivery'"), subscribed,
                                                         strict=True)] == [True] * 3  # fmt: skip


async def test_a_destinations_life(clock: ManualClock) -> None:
    """Made, seen, changed and taken away; SES writes to the topic when it is made and changed."""
    async with open_post(clock, configuration_sets=("tank", "mine")) as post:
        path = "mine/event-destinations"
        assert await call(post.http, "POST", path, named("one")) == (200, "", {})
        assert [envelope["Message"] for envelope in post.envelopes()] == [VALIDATED]
        await post.send("you@example.org", through="mine")
        (send,) = post.events()

        _, _, shown = await call(post.http, "GET", path)
        changes = {"EventDestination": {"MatchingEventTypes": ["DELIVERY"]}}
        assert (await call(post.http, "PUT", f"{path}/one", changes))[0] == 200
        assert post.bodies() != []
        await post.send("you@example.org", through="mine")
        (delivery,) = post.events()
        assert (await call(post.http, "DELETE", f"{path}/one"))[0] == 200
        await post.send("you@example.org", through="mine")

        assert post.bodies() == []
    assert shown == {"EventDestinations": [{"Name": "one", **TO_TOPIC}]}
    assert send["mail"]["tags"]["ses:configuration-set"] == ["mine"]
    assert (send["eventType"], delivery["eventType"]) == ("Send", "Delivery")


async def test_no_validation_text_where_it_is_switched_off(post: Post) -> None:
    await post.observed("PUT", "events", {"validation_text": False})
    await call(post.http, "POST", "tank/event-destinations", named("one"))

    assert post.bodies() == []


@pytest.mark.parametrize("enabled", [{"Enabled": False}, {"Enabled": None}])
async def test_a_destination_that_is_not_enabled_gets_nothing(post: Post, enabled: dict[str, object]) -> None:
    await call(post.http, "PUT", "tank/event-destinations/events", {"EventDestination": enabled})
    post.bodies()

    await post.send("you@example.org")

    assert post.bodies() == []


async def test_a_bus_of_eventbridge(clock: ManualClock) -> None:
    """A destination as any other; SES writes no text to it. In process a queue can be put behind it."""
    bus = "arn:aws:events:eu-west-1:000000000000:event-bus/default"
    async with open_post(clock, configuration_sets=("tank", "mine")) as post:
        topics = post.standin.state.events.topics
        topics.by_arn[bus] = []
        topics.subscribe(bus, "events", shape=Shape.EVENTBRIDGE)
        target = {"EventBridgeDestination": {"EventBusArn": bus}}
        body = {"Enabled": True, "MatchingEventTypes": ["SEND"], **target}
        await call(
            post.http, "POST", "mine/event-destinations", {"EventDestinationName": "b", "EventDestination": body}
        )
        await post.observed("POST", "events/validation")
        await post.send("you@example.org", through="mine")
        _, _, shown = await call(post.http, "GET", "mine/event-destinations")

        validated, sent = map(json.loads, post.bodies())
    assert (validated["TopicArn"], sent["detail-type"]) == (TOPIC, "Email Sent")
    assert shown["EventDestinations"] == [{"Name": "b", **body}]


async def test_a_second_queue_on_the_same_topic(post: Post) -> None:
    post.standin.state.queues.create("archive", {})
    wanted = {"topic": "ses-events", "queue": "archive", "shape": "raw"}
    assert await post.observed("POST", "topics", wanted) == {"TopicArn": TOPIC}

    await post.send("you@example.org")

    assert [len(post.bodies(queue)) for queue in ("events", "archive")] == [2, 2]


@pytest.mark.parametrize(
    ("body", "text"),
    [
        pytest.param({"topic": "t"}, "parameter queue", id="no-queue"),
        pytest.param({"topic": "t", "queue": "nowhere"}, "does not exist", id="unknown-queue"),
        pytest.param({"topic": "t", "queue": "events", "shape": "x"}, "shape is one of", id="no-shape"),
    ],
)
async def test_topics_that_make_no_sense(post: Post, body: dict[str, str], text: str) -> None:
    before = await post.observed("GET", "events")

    assert text in (await post.observed("POST", "topics", body, status=400))["error"]
    assert await post.observed("GET", "events") == before


async def test_with_its_set_a_destination_goes(post: Post) -> None:
    await call(post.http, "DELETE", "tank")
    async with post.http.post("/v2/email/configuration-sets", json={"ConfigurationSetName": "tank"}) as answer:
        assert answer.status == 200

    await post.send("you@example.org")

    assert post.bodies() == []


NO_TOPIC = {"SnsDestination": {"TopicArn": f"{TOPIC}-not"}}


@pytest.mark.parametrize(
    ("method", "path", "body", "status", "error"),
    [
        pytest.param("GET", "x/event-destinations", None, 404, "NotFoundException", id="no-set"),
        pytest.param("POST", "x/event-destinations", named("a"), 404, "NotFoundException", id="make-in-no-set"),
        pytest.param("POST", "tank/event-destinations", named("events"), 400, "AlreadyExistsException", id="twice"),
        pytest.param("POST", "tank/event-destinations", named(""), 400, "MissingParameter", id="no-name"),
        pytest.param(
            "POST",
            "tank/event-destinations",
            named("a", MatchingEventTypes=["send"]),
            400,
            "BadRequestException",
            id="lower-case-kind",
        ),
        pytest.param(
            "POST",
            "tank/event-destinations",
            named("a", MatchingEventTypes=[]),
            400,
            "BadRequestException",
            id="no-kind",
        ),
        pytest.param(
            "POST", "tank/event-destinations", named("a", **NO_TOPIC), 400, "BadRequestException", id="no-topic"
        ),
        pytest.param(
            "POST",
            "tank/event-destinations",
            named("a", SnsDestination=None),
            400,
            "BadRequestException",
            id="no-target",
        ),
        pytest.param(
            "POST",
            "tank/event-destinations",
            named("a", CloudWatchDestination={}),
            400,
            "BadRequestException",
            id="a-target-the-stand-in-lacks",
        ),
        pytest.param("PUT", "tank/event-destinations/a", named("a"), 404, "NotFoundException", id="change-none"),
        pytest.param("DELETE", "tank/event-destinations/a", None, 404, "NotFoundException", id="delete-none"),
        pytest.param("DELETE", "tank/event-destinations", None, 404, "UnknownOperationException", id="delete-all"),
    ],
)
async def test_destinations_that_make_no_sense(  # noqa: PLR0917 - a row of a table
    post: Post, method: str, path: str, body: object, status: int, error: str
) -> None:
    before = await post.observed("GET", "events")

    assert (await call(post.http, method, path, body))[:2] == (status, error)

    assert await post.observed("GET", "events") == before


async def test_ten_destinations_are_all_that_a_set_has(post: Post) -> None:
    answers = [await call(post.http, "POST", "tank/event-destinations", named(f"d{number}")) for number in range(10)]

    assert [error for _, error, _ in answers] == [""] * 9 + ["LimitExceededException"]
