"""The kinds of events that SES publishes, in the words of each who passes them on."""

from enum import StrEnum, unique
from typing import Final

from tank_mailer.standin.errors import AwsError


@unique
class EventKind(StrEnum):
    """By `eventType` (aws-facts 3); the member's name is the one of MatchingEventTypes."""

    SEND = "Send"
    DELIVERY = "Delivery"
    DELIVERY_DELAY = "DeliveryDelay"
    BOUNCE = "Bounce"
    COMPLAINT = "Complaint"
    REJECT = "Reject"
    RENDERING_FAILURE = "Rendering Failure"
    OPEN = "Open"
    CLICK = "Click"
    SUBSCRIPTION = "Subscription"


ALL_KINDS: Final = tuple(EventKind)

DETAIL_KEYS: Final[dict[EventKind, str]] = {
    EventKind.SEND: "send",
    EventKind.DELIVERY: "delivery",
    EventKind.DELIVERY_DELAY: "deliveryDelay",
    EventKind.BOUNCE: "bounce",
    EventKind.COMPLAINT: "complaint",
    EventKind.REJECT: "reject",
    EventKind.RENDERING_FAILURE: "failure",
    EventKind.OPEN: "open",
    EventKind.CLICK: "click",
    EventKind.SUBSCRIPTION: "subscription",
}

DETAIL_TYPES: Final[dict[EventKind, str]] = {  # EventBridge: reference of SES's events
    EventKind.SEND: "Email Sent",
    EventKind.DELIVERY: "Email Delivered",
    EventKind.DELIVERY_DELAY: "Email Delivery Delayed",
    EventKind.BOUNCE: "Email Bounced",
    EventKind.COMPLAINT: "Email Complaint Received",
    EventKind.REJECT: "Email Rejected",
    EventKind.RENDERING_FAILURE: "Email Rendering Failed",
    EventKind.OPEN: "Email Opened",
    EventKind.CLICK: "Email Clicked",
    EventKind.SUBSCRIPTION: "Email Subscribed",
}


def read_kinds(given: object) -> tuple[EventKind, ...]:
    """A list of MatchingEventTypes, each once."""
    if not isinstance(given, list) or not all(name in EventKind.__members__ for name in given):
        known = ", ".join(EventKind.__members__)
        raise AwsError("BadRequestException", f"A list of event types is wanted; there are {known}.")
    return tuple(dict.fromkeys(EventKind[name] for name in given))
