"""Whether what SES knows of a mail finds its way back: configuration set, event destination, event queue."""

from collections.abc import Iterator, Sequence
from typing import Final

from tank_mailer.core.checkup.facts import ConfigurationSet, EventDestination, Facts, QueueState
from tank_mailer.core.checkup.finding import Check, Finding, fault, note, ok, unseen, warning
from tank_mailer.core.checkup.policy import Request, Says, judge_policy
from tank_mailer.core.checkup.seen import Absent, Denied, Known, NotAsked, Unreached
from tank_mailer.core.checkup.setup import Setup, name_of_queue
from tank_mailer.core.checkup.topics import judge_topics, topics_of

NEEDED: Final = ("SEND", "BOUNCE", "COMPLAINT")  # doubts are settled by Send; the others keep the reputation
WANTED: Final = ("DELIVERY", "DELIVERY_DELAY", "REJECT", "RENDERING_FAILURE")
MANAGED: Final = "alias/aws/"  # keys whose policy nobody may change
CONSOLE: Final = "see config/aws/tank-mailer.yaml (EventDestination)"
NO_ASK: Final = NotAsked("it was not asked")


def judge_events(setup: Setup, facts: Facts) -> Iterator[Finding]:
    """The whole way, from the configuration set to our event queue."""
    if not setup.sets:
        yield warning(
            Check.CONFIGURATION_SET,
            "",
            "no configuration set: SES tells nothing of what became of mail, and lost answers cannot be settled",
            "set TANK_CONFIGURATION_SET; config/aws/tank-mailer.yaml makes one with all that belongs to it",
        )
    for name in setup.sets:
        yield from _set(setup, facts, name)
    if setup.event_queue_url is None:
        yield warning(
            Check.EVENT_QUEUE,
            "",
            "no event queue: nothing is known of deliveries, bounces and complaints",
            "set TANK_EVENT_QUEUE_URL; config/aws/tank-mailer.yaml makes one with all that belongs to it",
        )
        return
    yield from judge_topics(setup, facts)
    yield from _queue(setup, facts, setup.event_queue_url)


def _set(setup: Setup, facts: Facts, name: str) -> Iterator[Finding]:
    match facts.sets.get(name, NO_ASK):
        case Absent():
            yield fault(
                Check.CONFIGURATION_SET,
                name,
                f"SES knows no configuration set {name} in {setup.region_of_ses}: it refuses every mail that names it",
                "create it in this region, or mend TANK_CONFIGURATION_SET or TANK_CONFIGURATION_SETS",
            )
            return
        case Known(found):
            yield from _options(found, name)
        case Denied() | Unreached() | NotAsked() as hidden:
            yield unseen(Check.CONFIGURATION_SET, name, hidden)
    if setup.event_queue_url is not None:
        yield from _destinations(facts, name, setup)


def _options(found: ConfigurationSet, name: str) -> Iterator[Finding]:
    yield ok(Check.CONFIGURATION_SET, name, "SES knows it")
    if found.sending_enabled is False:
        yield fault(
            Check.SET_SENDING,
            name,
            "sending is switched off for this configuration set",
            f"aws sesv2 put-configuration-set-sending-options --configuration-set-name {name} --sending-enabled",
        )
    if found.suppressed_reasons == ():
        yield warning(
            Check.SET_SUPPRESSION,
            name,
            "this configuration set switches SES's suppression list off for its mails",
            f"aws sesv2 put-configuration-set-suppression-options --configuration-set-name {name}"
            " --suppressed-reasons BOUNCE COMPLAINT",
        )
    if found.reputation_metrics is False:
        yield note(
            Check.SET_REPUTATION,
            name,
            "CloudWatch gets no reputation figures of this configuration set by itself",
            f"if you want them: aws sesv2 put-configuration-set-reputation-options --configuration-set-name {name}"
            " --reputation-metrics-enabled",
        )


def _destinations(facts: Facts, name: str, setup: Setup) -> Iterator[Finding]:
    match facts.destinations.get(name, NO_ASK):
        case Known(found):
            yield from _destined([one for one in found if one.topic_arn is not None], name, setup, len(found))
        case Denied() | Unreached() | NotAsked() as hidden:
            yield unseen(Check.EVENT_DESTINATION, name, hidden)


def _destined(found: Sequence[EventDestination], name: str, setup: Setup, total: int) -> Iterator[Finding]:
    """Those that lead to SNS; which of them are believed is the topics' own matter."""
    believed = [one for one in found if not setup.topic_arns or one.topic_arn in setup.topic_arns]
    enabled = [one for one in believed if one.enabled]
    if not found and total and setup.raw_events:
        yield note(
            Check.EVENT_DESTINATION,
            name,
            "its events go to EventBridge or the like, and raw events are taken: that way was not looked at",
            "tank-mailer send-test --wait 60, then tank-mailer status: a Send event shows that it leads here",
        )
    elif not found:
        others = f"; its {total} other destinations lead elsewhere" if total else ""
        yield fault(
            Check.EVENT_DESTINATION, name, f"no event destination leads to SNS{others}: no event comes back", CONSOLE
        )
    elif not believed:
        arns = ", ".join(sorted({one.topic_arn or "" for one in found}))
        yield fault(
            Check.EVENT_DESTINATION,
            name,
            f"its events go to {arns}, and TANK_EVENT_TOPIC_ARNS does not name it: they are put aside as forged",
            f"TANK_EVENT_TOPIC_ARNS={arns}, or another topic at the event destination",
        )
    elif not enabled:
        yield fault(
            Check.EVENT_DESTINATION,
            name,
            f"its event destination {believed[0].name} is disabled: no event comes back",
            f"enable {believed[0].name} at the configuration set {name} in SES",
        )
    else:
        yield ok(Check.EVENT_DESTINATION, name, f"its events go to {enabled[0].topic_arn}")
        yield _kinds(frozenset().union(*(one.kinds for one in enabled)), name, enabled[0].name)


def _kinds(kinds: frozenset[str], name: str, destination: str) -> Finding:
    missing = [kind for kind in (*NEEDED, *WANTED) if kind not in kinds]
    remedy = f"add {', '.join(missing)} to the event destination {destination} of {name}"
    if "SEND" in missing:
        what = "SEND is not reported: lost answers cannot be settled, and mails may go twice"
        return fault(Check.EVENT_KINDS, name, what, remedy)
    if lost := [kind for kind in NEEDED if kind in missing]:
        what = f"{', '.join(lost)} not reported: dead addresses and complaints are not learnt of"
        return fault(Check.EVENT_KINDS, name, what, remedy)
    if missing:
        return warning(Check.EVENT_KINDS, name, f"{', '.join(missing)} not reported", remedy)
    return ok(Check.EVENT_KINDS, name, "every kind of event that is used is reported")


# --- the queue at the end --------------------------------------------------------------------------


def _queue(setup: Setup, facts: Facts, url: str) -> Iterator[Finding]:
    name = name_of_queue(url)
    match facts.queues.get(url, NO_ASK):
        case Absent():
            yield fault(
                Check.EVENT_QUEUE,
                name,
                f"SQS knows no queue {name}",
                "look at TANK_EVENT_QUEUE_URL and at the region and account in it",
            )
        case Known(queue):
            yield ok(Check.EVENT_QUEUE, name, f"{queue.visible} events wait")
            yield from _lets_topics_in(setup, facts, queue, name)
            yield from _encryption(queue, name)
        case Denied() | Unreached() | NotAsked() as hidden:
            yield unseen(Check.EVENT_QUEUE, name, hidden)


def _lets_topics_in(setup: Setup, facts: Facts, queue: QueueState, name: str) -> Iterator[Finding]:
    for arn in topics_of(setup, facts):
        account = arn.split(":")[4]
        context = {"aws:sourcearn": arn, "aws:sourceaccount": account, "aws:securetransport": "true"}
        request = Request(service="sns.amazonaws.com", action="sqs:SendMessage", resource=queue.arn, context=context)
        match judge_policy(queue.policy, request):
            case Says.ALLOWS:
                yield ok(Check.EVENT_QUEUE_POLICY, name, f"{name_of_queue(arn)} may put events there")
            case Says.DENIES:
                yield fault(
                    Check.EVENT_QUEUE_POLICY,
                    name,
                    f"its policy does not let the topic {arn} put events there: SNS drops them in silence",
                    f"let sns.amazonaws.com call sqs:SendMessage on {queue.arn}, with aws:SourceArn {arn}: see"
                    " config/aws/tank-mailer.yaml (EventQueuePolicy)",
                )
            case Says.UNCLEAR:
                yield note(
                    Check.EVENT_QUEUE_POLICY,
                    name,
                    "its policy has conditions that only AWS can judge",
                    "tank-mailer send-test --wait 60, then tank-mailer status: a Send event shows that they are met",
                )


def _encryption(queue: QueueState, name: str) -> Iterator[Finding]:
    if queue.kms_key.startswith(MANAGED) or f":{MANAGED}" in queue.kms_key:
        yield fault(
            Check.ENCRYPTION,
            name,
            f"it is encrypted by AWS's own key {queue.kms_key}, which SNS cannot be let use: no event arrives",
            "use SSE-SQS (SqsManagedSseEnabled), or a key of your own that sns.amazonaws.com may use",
        )
    elif queue.kms_key:
        yield note(
            Check.ENCRYPTION,
            name,
            "it is encrypted by a key of your own, whose policy was not looked at",
            "its policy has to let sns.amazonaws.com call kms:GenerateDataKey* and kms:Decrypt, and us kms:Decrypt",
        )
    else:
        yield ok(Check.ENCRYPTION, name, "no key is in SNS's way")
