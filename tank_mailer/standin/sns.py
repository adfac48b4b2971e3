"""SNS, as far as one looks at a topic and who is subscribed to it."""

import json
from collections.abc import Callable
from dataclasses import dataclass
from typing import Final

from tank_mailer.standin.errors import AwsError
from tank_mailer.standin.query import Form, Xml, element, entries, members
from tank_mailer.standin.topics import Shape, Subscription, Topics

PENDING: Final = "PendingConfirmation"  # SNS: in place of an ARN


@dataclass(slots=True, kw_only=True, eq=False)
class Sns:
    """Three operations over the topics."""

    topics: Topics

    def answer(self, action: str, form: Form) -> Xml:
        """The inner of the result, or AwsError."""
        return OPERATIONS[action](self, form)

    def topic_attributes(self, form: Form) -> Xml:
        """Policy, key and counts."""
        arn = self._topic(form)
        there = self.topics.by_arn[arn]
        pending = sum(one.is_pending for one in there)
        shown = {
            "TopicArn": arn,
            "Owner": self.topics.queues.account_id,
            "SubscriptionsConfirmed": str(len(there) - pending),
            "SubscriptionsPending": str(pending),
            **self.topics.attributes.get(arn, {}),
        }
        return entries("Attributes", shown)

    def subscriptions(self, form: Form) -> Xml:
        """All on one page."""
        arn = self._topic(form)
        return members("Subscriptions", [self._shown(arn, n, one) for n, one in enumerate(self.topics.by_arn[arn])])

    def subscription_attributes(self, form: Form) -> Xml:
        """How one of them is delivered."""
        wanted = form.text("SubscriptionArn")
        for arn, there in self.topics.by_arn.items():
            for n, one in enumerate(there):
                if self._arn(arn, n) == wanted:
                    return entries("Attributes", self._attributes(arn, n, one))
        raise AwsError("NotFound", "Subscription does not exist", status=404)

    def _attributes(self, arn: str, n: int, one: Subscription) -> dict[str, str]:
        """A policy that is not there is not shown."""
        shown = {
            "SubscriptionArn": self._arn(arn, n),
            "TopicArn": arn,
            "Protocol": "sqs",
            "Endpoint": self._queue_arn(one),
            "PendingConfirmation": str(one.is_pending).lower(),
            "RawMessageDelivery": str(one.shape is Shape.RAW).lower(),
        }
        if one.filter_policy:
            shown["FilterPolicy"] = one.filter_policy
        if one.dead_letter_arn:
            shown["RedrivePolicy"] = json.dumps({"deadLetterTargetArn": one.dead_letter_arn})
        return shown

    def _shown(self, arn: str, n: int, one: Subscription) -> Xml:
        fields = {
            "SubscriptionArn": PENDING if one.is_pending else self._arn(arn, n),
            "Owner": self.topics.queues.account_id,
            "Protocol": "sqs",
            "Endpoint": self._queue_arn(one),
            "TopicArn": arn,
        }
        return "".join(element(name, value) for name, value in fields.items())

    def _topic(self, form: Form) -> str:
        arn = form.text("TopicArn")
        if arn not in self.topics.by_arn:
            raise AwsError("NotFound", "Topic does not exist", status=404)
        return arn

    @staticmethod
    def _arn(topic: str, n: int) -> str:
        return f"{topic}:00000000-0000-4000-8000-{n:012}"

    def _queue_arn(self, one: Subscription) -> str:
        queues = self.topics.queues
        return f"arn:aws:sqs:{queues.region}:{queues.account_id}:{one.queue}"


OPERATIONS: Final[dict[str, Callable[[Sns, Form], Xml]]] = {
    "GetTopicAttributes": Sns.topic_attributes,
    "ListSubscriptionsByTopic": Sns.subscriptions,
    "GetSubscriptionAttributes": Sns.subscription_attributes,
}
