"""What a message of the event queue is wrapped in: SNS's envelope, or nothing."""

import json
import re
from collections.abc import Mapping
from dataclasses import dataclass, field

from tank_mailer.core.errors import Reason
from tank_mailer.core.event import Chatter, Unreadable

# SNS carries 256 KiB (SNS: quotas), and SES's events are a few KiB. Escapes may double it; more is not SES's.
MAX_BODY_CHARACTERS = 786_432

NOTIFICATION = "Notification"
SUBSCRIPTION_CONFIRMATION = "SubscriptionConfirmation"
UNSUBSCRIBE_CONFIRMATION = "UnsubscribeConfirmation"
TYPES = frozenset({NOTIFICATION, SUBSCRIPTION_CONFIRMATION, UNSUBSCRIBE_CONFIRMATION})

# SES publishes it once for each event destination, as plain text.
VALIDATION_TEXT = "Successfully validated SNS topic for Amazon SES"
# SES publishes it once for each topic of an identity.
SUBSCRIBED = "AmazonSnsSubscriptionSucceeded"

EVENT_NAMES = ("eventType", "notificationType", "detail-type")

_TOPIC_ARN = re.compile(r"arn:aws[a-z-]*:sns:[a-z0-9-]+:\d{12}:[A-Za-z0-9_-]{1,256}(?:\.fifo)?", re.ASCII)
# Stricter than the rule of AWS's own validators, which takes any label for a region: `sns.s3-REGION.amazonaws.com`
# is S3's host for a bucket called "sns", and that is not Amazon's. Lower case, no port, no query: as SNS writes it.
_CERT_URL = re.compile(
    r"https://sns\.[a-z]{2,5}(?:-[a-z]+)+-\d{1,2}\.amazonaws\.(?:com|com\.cn|eu)"
    r"/[A-Za-z0-9_-]+(?:\.[A-Za-z0-9_-]+)*\.pem",
    re.ASCII,
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Envelope:
    """A message of SNS, as JSON gave it; a text that is missing is "".

    Attributes:
        type: one of `TYPES`; `open_body` returns notifications only.
        subject: None where there is none, which is not signed as an empty one is.
        timestamp: when SNS took it, as written.
        token: of the two confirmations, as `subscribe_url`.
    """

    type: str
    topic_arn: str
    message: str = field(repr=False)
    message_id: str = ""
    timestamp: str = ""
    subject: str | None = field(default=None, repr=False)
    signature: str = field(default="", repr=False)
    signature_version: str = ""
    cert_url: str = ""
    token: str = field(default="", repr=False)
    subscribe_url: str = field(default="", repr=False)


@dataclass(frozen=True, slots=True)
class Bare:
    """An event without an envelope: from a raw subscription, or from EventBridge."""

    event: Mapping[str, object] = field(repr=False)


@dataclass(frozen=True, slots=True)
class Policy:
    """Which messages may be acted on.

    Attributes:
        topic_arns: the topics that may speak; empty: any.
        raw_events: whether a message may come without an envelope, that is without a topic.
    """

    topic_arns: frozenset[str] = frozenset()
    raw_events: bool = False


def open_body(body: str, policy: Policy) -> Envelope | Bare | Chatter | Unreadable:
    """Take a message out of its wrapping; return in every case, whatever the text.

    SES's notes on a new topic are chatter whatever the policy, unless a foreign topic carries them.
    """
    found = load_object(body)
    if not isinstance(found, dict):
        return found
    kind = found.get("Type")
    if isinstance(kind, str) and kind in TYPES:
        return _accepted(_envelope(kind, found), found.get("Message"), policy)
    if found.get("notificationType") == SUBSCRIBED:
        return Chatter()
    if not any(name in found for name in EVENT_NAMES):
        return Unreadable(Reason.BAD_EVENT, "This is neither an envelope of SNS nor an event of SES.")
    if not policy.raw_events:
        return Unreadable(
            Reason.RAW_EVENT,
            "The event has no envelope, so nothing tells which topic it comes from: switch raw message delivery"
            " off at the queue's subscription, or set TANK_RAW_EVENTS.",
        )
    return Bare(found)


def load_object(text: str) -> dict[str, object] | Chatter | Unreadable:
    """Read a JSON object, or SES's plain text; return in every case."""
    if len(text) > MAX_BODY_CHARACTERS:
        return Unreadable(Reason.TOO_LARGE, "The message is larger than any that SNS carries.")
    try:
        found = json.loads(text)
    except RecursionError:
        return Unreadable(Reason.TOO_DEEP, "The message's JSON is nested far deeper than any event.")
    except ValueError:  # JSONDecodeError, and an integer of more digits than int() takes
        found = text.strip()
    if isinstance(found, dict):
        return found
    if isinstance(found, str) and found.startswith(VALIDATION_TEXT):
        return Chatter()
    return Unreadable(Reason.NOT_JSON, "The message is no JSON object.")


def string_to_sign(envelope: Envelope) -> str:
    """What SNS has signed (SNS: verifying signatures): names and values, each on a line of its own."""
    lines = [("Message", envelope.message), ("MessageId", envelope.message_id)]
    if envelope.type == NOTIFICATION:
        if envelope.subject is not None:
            lines.append(("Subject", envelope.subject))
        lines.append(("Timestamp", envelope.timestamp))
    else:
        lines.append(("SubscribeURL", envelope.subscribe_url))
        lines.append(("Timestamp", envelope.timestamp))
        lines.append(("Token", envelope.token))
    lines += [("TopicArn", envelope.topic_arn), ("Type", envelope.type)]
    return "".join(f"{name}\n{value}\n" for name, value in lines)


def cert_url_is_amazons(url: str) -> bool:
    """Whether only SNS itself can have put a certificate there."""
    return _CERT_URL.fullmatch(url) is not None


def _envelope(kind: str, found: Mapping[str, object]) -> Envelope:
    subject = found.get("Subject")
    return Envelope(
        type=kind,
        topic_arn=_text(found, "TopicArn"),
        message=_text(found, "Message"),
        message_id=_text(found, "MessageId"),
        timestamp=_text(found, "Timestamp"),
        subject=subject if isinstance(subject, str) else None,
        signature=_text(found, "Signature"),
        signature_version=_text(found, "SignatureVersion"),
        cert_url=_text(found, "SigningCertURL"),
        token=_text(found, "Token"),
        subscribe_url=_text(found, "SubscribeURL"),
    )


def _accepted(envelope: Envelope, message: object, policy: Policy) -> Envelope | Chatter | Unreadable:
    if policy.topic_arns and envelope.topic_arn not in policy.topic_arns:
        return Unreadable(
            Reason.FOREIGN_TOPIC,
            f"The message comes from {_shown(envelope.topic_arn)}, which TANK_EVENT_TOPIC_ARNS does not name: add it if"
            " it is yours, or else find out who may send to the event queue.",
        )
    if envelope.type == SUBSCRIPTION_CONFIRMATION:
        return Unreadable(
            Reason.SUBSCRIPTION_REQUEST,
            f"Somebody asks to subscribe the event queue to {_shown(envelope.topic_arn)}. Nothing was confirmed: if it"
            " was you, confirm with `aws sns confirm-subscription` and the token in the message; if not, leave it.",
        )
    if envelope.type == UNSUBSCRIBE_CONFIRMATION:
        return Unreadable(
            Reason.SUBSCRIPTION_REQUEST,
            f"The event queue is no longer subscribed to {_shown(envelope.topic_arn)}: if that was not meant, subscribe"
            " it again.",
        )
    if not isinstance(message, str):
        return Unreadable(Reason.BAD_EVENT, "The envelope's Message is no text, which SNS never sends.")
    if message.startswith(VALIDATION_TEXT):
        return Chatter()
    return envelope


def _text(found: Mapping[str, object], name: str) -> str:
    value = found.get(name)
    return value if isinstance(value, str) else ""


def _shown(topic_arn: str) -> str:
    """Name a topic, if it is one: a stranger may have put anything there."""
    return topic_arn if _TOPIC_ARN.fullmatch(topic_arn) else "a topic whose name is none"
