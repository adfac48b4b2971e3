"""Queues of jobs and of events, and the topic between."""

from typing import Any

import pytest

from tank_mailer.core.checkup.events import judge_events
from tank_mailer.core.checkup.facts import (
    ConfigurationSet,
    Delivery,
    EventDestination,
    StoreState,
    Subscription,
    Topic,
)
from tank_mailer.core.checkup.finding import Check, Level
from tank_mailer.core.checkup.queues import judge_queues
from tank_mailer.core.checkup.seen import Absent, Known, NotAsked
from tank_mailer.core.checkup.topics import topics_of
from tank_mailer.core.view import LaneView, NodeView
from tests.checkups import (
    ACCOUNT,
    DEAD,
    DENIED,
    EVENTS,
    NOW,
    OUTBOUND,
    TOPIC,
    arn,
    make_facts,
    make_queue,
    make_setup,
    texts,
    told,
)

FAULT, WARNING, NOTE, UNSEEN = Level.FAULT, Level.WARNING, Level.NOTE, Level.UNSEEN
DEAD_QUEUE = make_queue(DEAD, retention_s=1_209_600, dead_letter_arn="", max_receive_count=None)


@pytest.mark.parametrize(
    ("queue", "expected"),
    [
        pytest.param(Known(make_queue()), [], id="as-the-template-makes-it"),
        pytest.param(Absent(), [(Check.QUEUE, FAULT)], id="not-there"),
        pytest.param(DENIED, [(Check.QUEUE, UNSEEN)], id="unseen"),
        pytest.param(Known(make_queue(retention_s=345_600)), [], id="four-days"),
        pytest.param(Known(make_queue(retention_s=3_600)), [(Check.RETENTION, WARNING)], id="an-hour"),
        pytest.param(Known(make_queue(visibility_s=59)), [(Check.VISIBILITY, NOTE)], id="a-short-visibility"),
        pytest.param(Known(make_queue(max_bytes=262_144)), [(Check.MESSAGE_SIZE, NOTE)], id="the-old-size"),
        pytest.param(Known(make_queue(max_bytes=1_024)), [(Check.MESSAGE_SIZE, NOTE)], id="a-size-of-ones-own"),
        pytest.param(Known(make_queue(wait_s=19)), [(Check.LONG_POLL, NOTE)], id="a-short-poll"),
        pytest.param(Known(make_queue(delay_s=1)), [(Check.DELAY, WARNING)], id="a-delay"),
        pytest.param(Known(make_queue(max_receive_count=20)), [], id="twenty-receives"),
        pytest.param(Known(make_queue(max_receive_count=19)), [(Check.REDRIVE, WARNING)], id="nineteen"),
        pytest.param(Known(make_queue(max_receive_count=None)), [(Check.REDRIVE, NOTE)], id="no-redrive-policy"),
    ],
)
def test_a_lane(queue: Any, expected: list[tuple[Check, Level]]) -> None:
    facts = make_facts(queues={OUTBOUND: queue, DEAD: Known(DEAD_QUEUE)}, dead_letter_url=DEAD)

    assert told(judge_queues(make_setup(), facts)) == expected


def test_attempts_beyond_the_receives() -> None:
    """SQS would put a job aside before its attempts are spent."""
    facts = make_facts(queues={OUTBOUND: Known(make_queue(max_receive_count=30))}, dead_letter_url=DEAD)

    found = list(judge_queues(make_setup(max_attempts=31), facts))

    assert (Check.REDRIVE, WARNING) in told(found)
    assert "TANK_MAX_ATTEMPTS=31" in texts(found)


@pytest.mark.parametrize(
    ("dead", "expected"),
    [
        pytest.param(Known(DEAD_QUEUE), [], id="as-the-template-makes-it"),
        pytest.param(Absent(), [(Check.DEAD_LETTER_QUEUE, FAULT)], id="not-there"),
        pytest.param(NotAsked("no time"), [(Check.DEAD_LETTER_QUEUE, UNSEEN)], id="unseen"),
        pytest.param(
            Known(make_queue(DEAD, retention_s=864_000)), [(Check.RETENTION, WARNING)], id="gone-with-the-job"
        ),
        pytest.param(
            Known(make_queue(DEAD, retention_s=1_209_600, visible=2)), [(Check.DEAD_LETTERS, NOTE)], id="letters"
        ),
        pytest.param(
            Known(make_queue(DEAD, retention_s=1_209_600, redrive_permission="denyAll")),
            [(Check.DEAD_LETTER_QUEUE, FAULT)],
            id="lets-nobody-in",
        ),
        pytest.param(
            Known(
                make_queue(DEAD, retention_s=1_209_600, redrive_permission="byQueue", redrive_sources=(arn(OUTBOUND),))
            ),
            [],
            id="lets-us-in",
        ),
        pytest.param(
            Known(make_queue(DEAD, retention_s=1_209_600, redrive_permission="byQueue")),
            [(Check.DEAD_LETTER_QUEUE, FAULT)],
            id="lets-others-in",
        ),
        pytest.param(
            Known(make_queue("x/other", retention_s=1_209_600, redrive_permission="denyAll")), [], id="not-the-redrives"
        ),
    ],
)
def test_the_dead_letter_queue(dead: Any, expected: list[tuple[Check, Level]]) -> None:
    facts = make_facts(queues={OUTBOUND: Known(make_queue()), DEAD: dead}, dead_letter_url=DEAD)

    assert told(judge_queues(make_setup(), facts)) == expected


@pytest.mark.parametrize(
    ("queue", "expected"),
    [
        pytest.param(Known(make_queue()), [(Check.DEAD_LETTER_QUEUE, WARNING)], id="there-is-none"),
        pytest.param(DENIED, [(Check.QUEUE, UNSEEN)], id="whether-there-is-one-is-not-known"),
    ],
)
def test_no_dead_letter_queue(queue: Any, expected: list[tuple[Check, Level]]) -> None:
    assert told(judge_queues(make_setup(), make_facts(queues={OUTBOUND: queue}))) == expected


@pytest.mark.parametrize(
    ("in_flight", "in_hand", "held", "is_told"),
    [
        pytest.param(10, 0, 0, False, id="a-batch-on-its-way"),
        pytest.param(11, 0, 0, True, id="nobody-of-ours-has-them"),
        pytest.param(60, 20, 25, False, id="a-nodes-and-rows-that-wait"),
        pytest.param(70, 20, 25, True, id="more-than-ours-and-some"),
    ],
)
def test_another_consumer(in_flight: int, in_hand: int, held: int, is_told: bool) -> None:
    node = NodeView("n", "p", "1", NOW, NOW, lanes={"ordinary": LaneView(in_hand=in_hand)})
    store = StoreState(is_file=True, schema="1", newest="1", nodes=(node,), held={"ordinary": held})
    queues = {OUTBOUND: Known(make_queue(in_flight=in_flight)), DEAD: Known(DEAD_QUEUE)}
    facts = make_facts(queues=queues, dead_letter_url=DEAD, store=Known(store))

    assert ((Check.CONSUMERS, WARNING) in told(judge_queues(make_setup(), facts))) is is_told


# --- events ----------------------------------------------------------------------------------------

KINDS = frozenset({"SEND", "DELIVERY", "DELIVERY_DELAY", "BOUNCE", "COMPLAINT", "REJECT", "RENDERING_FAILURE"})
DESTINATION = EventDestination(name="events", enabled=True, kinds=KINDS, topic_arn=TOPIC)
LETS_SES_IN = '{"Statement": {"Effect": "Allow", "Principal": {"Service": "ses.amazonaws.com"}, "Action": "sns:*"}}'
LETS_SNS_IN = '{"Statement": {"Effect": "Allow", "Principal": {"Service": "sns.amazonaws.com"}, "Action": "sqs:*"}}'
BY_OWNER = (
    '{"Statement": {"Effect": "Allow", "Principal": "*", "Condition": {"StringEquals": {"AWS:SourceOwner": "1"}}}}'
)
OURS = Subscription(
    protocol="sqs",
    endpoint=arn(EVENTS),
    is_pending=False,
    delivery=Known(Delivery(is_raw=False, dead_letter_arn=arn(DEAD))),
)
WELL: dict[str, Any] = {
    "sets": {"tank": Known(ConfigurationSet(sending_enabled=True))},
    "destinations": {"tank": Known((DESTINATION,))},
    "topics": {TOPIC: Known(Topic(LETS_SES_IN))},
    "subscriptions": {TOPIC: Known((OURS,))},
    "queues": {EVENTS: Known(make_queue(EVENTS, policy=LETS_SNS_IN))},
}


def subscribed(**changes: Any) -> dict[str, Any]:
    given = {"protocol": "sqs", "endpoint": arn(EVENTS), "is_pending": False, **changes}
    return {"subscriptions": {TOPIC: Known((Subscription(**given),))}}


@pytest.mark.parametrize(
    ("setup", "facts", "expected"),
    [
        pytest.param({}, {}, [], id="well"),
        pytest.param({}, {"sets": {"tank": DENIED}}, [(Check.CONFIGURATION_SET, UNSEEN)], id="a-set-unseen"),
        pytest.param({}, {"sets": {}}, [(Check.CONFIGURATION_SET, UNSEEN)], id="a-set-not-asked-for"),
        pytest.param(
            {}, {"destinations": {"tank": DENIED}}, [(Check.EVENT_DESTINATION, UNSEEN)], id="destinations-unseen"
        ),
        pytest.param(
            {"raw_events": True, "topic_arns": ()},
            {
                "destinations": {
                    "tank": Known((EventDestination(name="bus", enabled=True, kinds=KINDS, topic_arn=None),))
                }
            },
            [(Check.EVENT_DESTINATION, NOTE)],
            id="events-by-a-bus",
        ),
        pytest.param({"event_queue_url": None}, {}, [(Check.EVENT_QUEUE, WARNING)], id="no-queue-no-more-questions"),
        pytest.param({"topic_arns": ()}, {}, [], id="any-topic-is-believed"),
        pytest.param({}, {"topics": {TOPIC: DENIED}}, [(Check.TOPIC, UNSEEN)], id="a-topic-unseen"),
        pytest.param({}, {"topics": {TOPIC: Known(Topic(BY_OWNER))}}, [(Check.TOPIC_POLICY, NOTE)], id="AWSs-default"),
        pytest.param(
            {},
            {"topics": {TOPIC: Known(Topic(LETS_SES_IN, "key-1"))}},
            [(Check.ENCRYPTION, NOTE)],
            id="a-topic-by-own-key",
        ),
        pytest.param(
            {},
            {"topics": {TOPIC: Known(Topic(LETS_SES_IN, f"arn:aws:kms:eu-west-1:{ACCOUNT}:alias/aws/sns"))}},
            [(Check.ENCRYPTION, FAULT)],
            id="AWSs-key-by-its-arn",
        ),
        pytest.param({}, {"subscriptions": {TOPIC: DENIED}}, [(Check.SUBSCRIPTION, UNSEEN)], id="subscriptions-unseen"),
        pytest.param({}, subscribed(protocol="https"), [(Check.SUBSCRIPTION, FAULT)], id="subscribed-by-another-way"),
        pytest.param({}, subscribed(delivery=DENIED), [(Check.RAW_DELIVERY, UNSEEN)], id="delivery-unseen"),
        pytest.param(
            {"raw_events": True},
            subscribed(delivery=Known(Delivery(is_raw=True, dead_letter_arn=arn(DEAD)))),
            [],
            id="raw-on-both-sides",
        ),
        pytest.param({}, {"queues": {EVENTS: DENIED}}, [(Check.EVENT_QUEUE, UNSEEN)], id="a-queue-unseen"),
        pytest.param(
            {},
            {"queues": {EVENTS: Known(make_queue(EVENTS, policy=BY_OWNER))}},
            [(Check.EVENT_QUEUE_POLICY, NOTE)],
            id="a-queue-by-its-owner",
        ),
        pytest.param(
            {},
            {"queues": {EVENTS: Known(make_queue(EVENTS, policy=LETS_SNS_IN, kms_key="key-1"))}},
            [(Check.ENCRYPTION, NOTE)],
            id="a-queue-by-own-key",
        ),
    ],
)
def test_the_way_of_events(setup: dict[str, Any], facts: dict[str, Any], expected: list[tuple[Check, Level]]) -> None:
    given = make_setup(**{"event_queue_url": EVENTS, "configuration_set": "tank", "topic_arns": (TOPIC,), **setup})

    assert told(judge_events(given, make_facts(**{**WELL, **facts}))) == expected


def test_which_topics_are_looked_at() -> None:
    """Without a list of those that are believed, the ones that events go to."""
    elsewhere = EventDestination(name="bus", enabled=True, kinds=KINDS, topic_arn=None)
    facts = make_facts(destinations={"tank": Known((DESTINATION, elsewhere, DESTINATION)), "other": DENIED})

    assert topics_of(make_setup(), facts) == [TOPIC]
    assert topics_of(make_setup(topic_arns=("a", "b")), facts) == ["a", "b"]
