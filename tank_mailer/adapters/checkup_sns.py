"""What SNS says of the topic between SES and the event queue."""

from collections.abc import Mapping
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING, Any, Final

from tank_mailer.adapters.checkup_ask import Asker
from tank_mailer.adapters.sqs import json_object
from tank_mailer.core.checkup.facts import Delivery, Subscription, Topic
from tank_mailer.core.checkup.seen import Absent, Found, Known, NotAsked, Seen, Unreached

if TYPE_CHECKING:
    from types_aiobotocore_sns import SNSClient

PENDING: Final = "PendingConfirmation"  # in place of a subscription's ARN
MAX_PAGES: Final = 10  # of a hundred subscriptions each
GONE: Final = Unreached("the subscription has gone meanwhile")


@dataclass(frozen=True, slots=True, kw_only=True)
class CheckupSns:
    """Asks; every method returns in every case but cancellation."""

    client: "SNSClient"
    asker: Asker

    async def topic(self, arn: str) -> Found[Topic]:
        """Its policy and key."""
        call = partial(self.client.get_topic_attributes, TopicArn=arn)
        found = await self.asker.ask("sns:GetTopicAttributes", arn, call)
        if not isinstance(found, Known):
            return found
        told = found.value.get("Attributes", {})
        return Known(Topic(told.get("Policy") or "", told.get("KmsMasterKeyId") or ""))

    async def subscriptions(self, arn: str, *, queue_arn: str) -> Seen[tuple[Subscription, ...]]:
        """Who gets what is published; of the one of `queue_arn` also in which form."""
        read, token = list[Subscription](), ""
        for _ in range(MAX_PAGES):
            more = {"NextToken": token} if token else {}
            call = partial(self.client.list_subscriptions_by_topic, TopicArn=arn, **more)
            match await self.asker.ask("sns:ListSubscriptionsByTopic", arn, call):
                case Known(answer):
                    read += [await self._subscription(one, queue_arn) for one in answer.get("Subscriptions", [])]
                    token = answer.get("NextToken") or ""
                case Absent():
                    return NotAsked(f"there is no topic {arn}")
                case hidden:
                    return hidden
            if not token:
                break
        return Known(tuple(read))

    async def _subscription(self, told: Mapping[str, Any], queue_arn: str) -> Subscription:
        arn, endpoint = told.get("SubscriptionArn", ""), told.get("Endpoint", "")
        is_pending = arn == PENDING
        delivery: Seen[Delivery] = NotAsked("it is not confirmed" if is_pending else "it is somebody else's")
        if endpoint == queue_arn and not is_pending:
            delivery = await self._delivery(arn)
        return Subscription(
            protocol=told.get("Protocol", ""), endpoint=endpoint, is_pending=is_pending, delivery=delivery
        )

    async def _delivery(self, arn: str) -> Seen[Delivery]:
        call = partial(self.client.get_subscription_attributes, SubscriptionArn=arn)
        match await self.asker.ask("sns:GetSubscriptionAttributes", arn, call):
            case Known(answer):
                return Known(_delivery(answer.get("Attributes", {})))
            case Absent():
                return GONE
            case hidden:
                return hidden


def _delivery(told: Mapping[str, str]) -> Delivery:
    redrive = json_object(told.get("RedrivePolicy"))
    return Delivery(
        is_raw=told.get("RawMessageDelivery", "").lower() == "true",
        filter_policy=told.get("FilterPolicy") or "",
        dead_letter_arn=str(redrive.get("deadLetterTargetArn") or ""),
    )
