"""The topic between SES and the event queue: who may publish there, and who gets it in which form."""

from collections.abc import Iterator, Sequence
from typing import Final

from tank_mailer.core.checkup.facts import Delivery, Facts, Subscription, Topic
from tank_mailer.core.checkup.finding import Check, Finding, fault, note, ok, unseen, warning
from tank_mailer.core.checkup.policy import Request, Says, judge_policy
from tank_mailer.core.checkup.seen import Absent, Denied, Known, NotAsked, Unreached, value_of
from tank_mailer.core.checkup.setup import Setup, name_of_queue

MANAGED: Final = "alias/aws/"
TEMPLATE: Final = "see config/aws/tank-mailer.yaml"
NO_ASK: Final = NotAsked("it was not asked")


def topics_of(setup: Setup, facts: Facts) -> list[str]:
    """The topics that events come by: those that are believed, and where any is, those that sets publish to."""
    if setup.topic_arns:
        return list(setup.topic_arns)
    destinations = [one for seen in facts.destinations.values() for one in value_of(seen) or ()]
    return list(dict.fromkeys(one.topic_arn for one in destinations if one.topic_arn is not None))


def judge_topics(setup: Setup, facts: Facts) -> Iterator[Finding]:
    """Each topic by itself."""
    for arn in topics_of(setup, facts):
        name = name_of_queue(arn)
        match facts.topics.get(arn, NO_ASK):
            case Absent():
                yield fault(
                    Check.TOPIC,
                    name,
                    f"SNS knows no topic {arn}",
                    f"make it ({TEMPLATE}), or mend TANK_EVENT_TOPIC_ARNS",
                )
                continue
            case Known(topic):
                yield from _policy(setup, facts, arn, topic)
                yield from _encryption(topic, name)
            case Denied() | Unreached() | NotAsked() as hidden:
                yield unseen(Check.TOPIC, name, hidden)
        match facts.subscriptions.get(arn, NO_ASK):
            case Known(subscriptions):
                yield from _subscriptions(setup, subscriptions, name)
            case Denied() | Unreached() | NotAsked() as hidden:
                yield unseen(Check.SUBSCRIPTION, name, hidden)


def _policy(setup: Setup, facts: Facts, arn: str, topic: Topic) -> Iterator[Finding]:
    """SES publishes in the name of each configuration set whose events go there."""
    name, account = name_of_queue(arn), arn.split(":")[4]
    publishers = [
        one
        for one in setup.sets
        if any(found.topic_arn == arn for found in value_of(facts.destinations.get(one, NO_ASK)) or ())
    ]
    for publisher in publishers:
        source = setup.arn_of_ses(f"configuration-set/{publisher}", account)
        context = {"aws:sourceaccount": account, "aws:sourcearn": source, "aws:securetransport": "true"}
        request = Request(service="ses.amazonaws.com", action="sns:Publish", resource=arn, context=context)
        match judge_policy(topic.policy, request):
            case Says.ALLOWS:
                yield ok(Check.TOPIC_POLICY, name, f"SES may publish there for {publisher}")
            case Says.DENIES:
                yield fault(
                    Check.TOPIC_POLICY,
                    name,
                    f"its policy does not let SES publish there for the configuration set {publisher}",
                    f"let ses.amazonaws.com call sns:Publish on {arn}, with AWS:SourceAccount {account} and"
                    f" AWS:SourceArn {source}: {TEMPLATE} (EventTopicPolicy)",
                )
            case Says.UNCLEAR:
                yield note(
                    Check.TOPIC_POLICY,
                    name,
                    "its policy has conditions that only AWS can judge",
                    "tank-mailer send-test --wait 60, then tank-mailer status: a Send event shows that they are met",
                )


def _encryption(topic: Topic, name: str) -> Iterator[Finding]:
    if topic.kms_key.startswith(MANAGED) or f":{MANAGED}" in topic.kms_key:
        yield fault(
            Check.ENCRYPTION,
            name,
            f"it is encrypted by AWS's own key {topic.kms_key}, which SES cannot be let use: no event is published",
            "take the encryption off, or use a key of your own that ses.amazonaws.com may use",
        )
    elif topic.kms_key:
        yield note(
            Check.ENCRYPTION,
            name,
            "the topic is encrypted by a key of your own, whose policy was not looked at",
            "the key's policy has to let ses.amazonaws.com call kms:GenerateDataKey* and kms:Decrypt",
        )


# --- who gets it -----------------------------------------------------------------------------------


def _subscriptions(setup: Setup, found: Sequence[Subscription], topic: str) -> Iterator[Finding]:
    queue = setup.arn_of_queue(setup.event_queue_url or "", setup.event_region)
    ours = [one for one in found if one.protocol == "sqs" and one.endpoint == queue]
    if not ours:
        yield fault(
            Check.SUBSCRIPTION,
            topic,
            f"the event queue is not subscribed to the topic ({len(found)} others are): no event comes back",
            f"subscribe {queue} to it, protocol sqs: {TEMPLATE} (EventSubscription)",
        )
    for one in ours:
        if one.is_pending:
            yield fault(
                Check.SUBSCRIPTION,
                topic,
                "the subscription of the event queue was never confirmed: nothing is delivered",
                "confirm it: the SNS console shows it as pending; the owner of the queue subscribes it again, which"
                " confirms at once",
            )
            continue
        yield ok(Check.SUBSCRIPTION, topic, "the event queue is subscribed")
        match one.delivery:
            case Known(delivery):
                yield from _delivery(setup, delivery, topic)
            case Denied() | Unreached() | NotAsked() as hidden:
                yield unseen(Check.RAW_DELIVERY, topic, hidden)


def _delivery(setup: Setup, delivery: Delivery, topic: str) -> Iterator[Finding]:
    if delivery.is_raw and not setup.raw_events:
        yield fault(
            Check.RAW_DELIVERY,
            topic,
            "the subscription delivers raw, and TANK_RAW_EVENTS is off: every event is put aside",
            "switch raw message delivery off at the subscription; or TANK_RAW_EVENTS=on, if nobody else may write to"
            " the event queue",
        )
    elif setup.raw_events and not delivery.is_raw:
        yield note(
            Check.RAW_DELIVERY,
            topic,
            "TANK_RAW_EVENTS is on, and the subscription delivers in SNS's envelope: it is not needed",
            "take TANK_RAW_EVENTS out: raw events tell no topic",
        )
    else:
        yield ok(Check.RAW_DELIVERY, topic, f"raw delivery is {'on' if delivery.is_raw else 'off'} on both sides")
    if delivery.filter_policy:
        yield warning(
            Check.FILTER_POLICY,
            topic,
            "the subscription has a filter policy: events that it leaves out never come",
            "take the filter policy off the subscription",
        )
    if delivery.dead_letter_arn:
        yield ok(
            Check.SUBSCRIPTION_DLQ, topic, f"what SNS cannot deliver goes to {name_of_queue(delivery.dead_letter_arn)}"
        )
    else:
        yield note(
            Check.SUBSCRIPTION_DLQ,
            topic,
            "the subscription has no dead-letter queue: events that SNS cannot deliver are lost",
            f"give it a RedrivePolicy: {TEMPLATE} (UndeliveredEventQueue)",
        )
