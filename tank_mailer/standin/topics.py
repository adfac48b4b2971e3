"""Topics and who is subscribed: what SNS and EventBridge make of an event on its way to a queue."""

import hashlib
import json
from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum
from functools import lru_cache
from typing import Final
from uuid import uuid4

from tank_mailer.standin.errors import AwsError
from tank_mailer.standin.event_details import stamp
from tank_mailer.standin.event_kinds import DETAIL_TYPES, EventKind
from tank_mailer.standin.message import Content
from tank_mailer.standin.queues import Queues

_ENCODE: Final = json.JSONEncoder(separators=(",", ":")).encode
_SIGNATURE: Final = "U1RBTkQtSU4=" * 16  # a placeholder: nothing is signed


class Shape(StrEnum):
    """How an event lies on the queue (aws-facts 4.1)."""

    SNS = "sns"  # a JSON text within SNS's envelope
    RAW = "raw"  # the event itself
    EVENTBRIDGE = "eventbridge"  # the event as `detail`


@dataclass(slots=True)
class Subscription:
    """A queue that gets what is published."""

    queue: str
    shape: Shape = Shape.SNS
    is_pending: bool = False  # never confirmed: gets nothing
    filter_policy: str = ""  # shown, not acted upon
    dead_letter_arn: str = ""  # shown; nothing is undeliverable here


@dataclass(frozen=True, slots=True, kw_only=True)
class Notice:
    """One thing to publish. `kind` is None for SES's own texts; `arn` is who publishes it."""

    text: str
    at: datetime
    kind: EventKind | None = None
    subject: str = ""
    arn: str = ""


@dataclass(slots=True, kw_only=True, eq=False)
class Topics:
    """Topics by ARN; an EventBridge bus is one as well."""

    queues: Queues
    by_arn: dict[str, list[Subscription]] = field(default_factory=dict)
    attributes: dict[str, dict[str, str]] = field(default_factory=dict)  # of each topic, as they are set

    def arn_of(self, name: str) -> str:
        """What a topic of that name is called."""
        return f"arn:aws:sns:{self.queues.region}:{self.queues.account_id}:{name}"

    def create(self, name: str) -> str:
        """Make a topic, or find it; return its ARN."""
        arn = self.arn_of(name)
        self.by_arn.setdefault(arn, [])
        self.attributes.setdefault(arn, {"Policy": _publishing(arn, self.queues.account_id)})
        return arn

    def clear(self) -> None:
        """Forget every topic."""
        self.by_arn.clear()
        self.attributes.clear()

    def subscribe(self, arn: str, queue: str, *, shape: Shape = Shape.SNS) -> None:
        """Let `queue`, which must be there, get what is published from now on."""
        if arn not in self.by_arn:
            raise AwsError("NotFoundException", f"Topic {arn} does not exist.", status=404)
        waited = self.queues.named(queue)
        if "Policy" not in waited.queue.settings.given:
            self.queues.change(waited, {"Policy": _sending(arn, waited.queue.arn)})
        self.by_arn[arn].append(Subscription(queue, shape))

    def reshape(self, shape: Shape) -> None:
        """Change every subscription."""
        for subscriptions in self.by_arn.values():
            for subscription in subscriptions:
                subscription.shape = shape

    def publish(self, arn: str, notice: Notice, *, in_s: float) -> None:
        """Let it arrive `in_s` from now. Where there is no topic or no queue, it is lost, as with SNS."""
        for subscription in self.by_arn.get(arn, ()):
            if subscription.is_pending:
                continue
            waited = self.queues.by_name.get(subscription.queue)
            if waited is not None:
                body = self.wrapped(arn, notice, shape=subscription.shape, message_id=str(uuid4()))
                waited.expect(content_of(body), in_s=in_s)

    def wrapped(self, arn: str, notice: Notice, *, shape: Shape, message_id: str) -> str:
        """The body of the queue message."""
        match shape:
            case Shape.RAW:
                return notice.text
            case Shape.SNS:
                return _envelope(arn, notice, region=self.queues.region, message_id=message_id)
            case Shape.EVENTBRIDGE:
                return self._bridged(notice, message_id)

    def _bridged(self, notice: Notice, message_id: str) -> str:
        """SES's own texts have no EventBridge shape: they go bare."""
        if notice.kind is None:
            return notice.text
        head = _ENCODE(
            {
                "version": "0",
                "id": message_id,
                "detail-type": DETAIL_TYPES[notice.kind],
                "source": "aws.ses",
                "account": self.queues.account_id,
                "time": notice.at.strftime("%Y-%m-%dT%H:%M:%SZ"),
                "region": self.queues.region,
                "resources": [notice.arn],
            }
        )
        return f'{head[:-1]},"detail":{notice.text}}}'


def _publishing(arn: str, account_id: str) -> str:
    """The policy of a topic that SES may publish to (aws-facts 4.3)."""
    return _policy("ses", "sns:Publish", arn, {"StringEquals": {"AWS:SourceAccount": account_id}})


def _sending(topic: str, queue: str) -> str:
    """The policy of a queue that a topic may send to (aws-facts 4.3)."""
    return _policy("sns", "sqs:SendMessage", queue, {"ArnEquals": {"aws:SourceArn": topic}})


def _policy(service: str, action: str, resource: str, condition: dict[str, dict[str, str]]) -> str:
    who = {"Effect": "Allow", "Principal": {"Service": f"{service}.amazonaws.com"}}
    what = {"Action": action, "Resource": resource, "Condition": condition}
    return _ENCODE({"Version": "2012-10-17", "Statement": [{**who, **what}]})


def content_of(body: str) -> Content:
    """Of our own making: ASCII, no attributes, so nothing is to be checked."""
    digest = hashlib.md5(body.encode(), usedforsecurity=False).hexdigest()
    return Content(body, digest, {}, "", "", "", "", len(body))


def _envelope(arn: str, notice: Notice, *, region: str, message_id: str) -> str:
    """By hand, because benchmarks need it a hundred thousand times: only the event itself is to be escaped."""
    head, tail = _constant_parts(arn, notice.subject, region)
    message = _ENCODE(notice.text)
    return f'{{"Type":"Notification","MessageId":"{message_id}",{head}{message},"Timestamp":"{stamp(notice.at)}",{tail}'


@lru_cache(maxsize=64)
def _constant_parts(arn: str, subject: str, region: str) -> tuple[str, str]:
    """What stands between the MessageId and the event, and behind the time."""
    host = f"https://sns.{region}.amazonaws.com"
    head = {"TopicArn": arn, "Subject": subject} if subject else {"TopicArn": arn}
    tail = {
        "SignatureVersion": "1",
        "Signature": _SIGNATURE,
        "SigningCertURL": f"{host}/SimpleNotificationService-0123456789abcdef.pem",
        "UnsubscribeURL": f"{host}/?Action=Unsubscribe&SubscriptionArn={arn}:00000000-0000-4000-8000-000000000000",
    }
    return f'{_ENCODE(head)[1:-1]},"Message":', _ENCODE(tail)[1:]
