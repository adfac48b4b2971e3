"""What SES reports on an email: its ten kinds, in whatever wrapping they come."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum
from typing import Final

from tank_mailer.core.errors import Reason


class EventKind(StrEnum):
    """What happened to an email (SES: event publishing)."""

    SEND = "send"
    DELIVERY = "delivery"
    DELIVERY_DELAY = "delivery_delay"
    BOUNCE = "bounce"
    COMPLAINT = "complaint"
    REJECT = "reject"
    RENDERING_FAILURE = "rendering_failure"
    OPEN = "open"
    CLICK = "click"
    SUBSCRIPTION = "subscription"

    @property
    def word(self) -> str:
        """What SES calls it, space and capitals as in `eventType`: people and scripts see this one."""
        return _WORDS[self]


_WORDS: Final[Mapping[EventKind, str]] = {
    EventKind.SEND: "Send",
    EventKind.DELIVERY: "Delivery",
    EventKind.DELIVERY_DELAY: "DeliveryDelay",
    EventKind.BOUNCE: "Bounce",
    EventKind.COMPLAINT: "Complaint",
    EventKind.REJECT: "Reject",
    EventKind.RENDERING_FAILURE: "Rendering Failure",
    EventKind.OPEN: "Open",
    EventKind.CLICK: "Click",
    EventKind.SUBSCRIPTION: "Subscription",
}


@dataclass(frozen=True, slots=True)
class Listed:
    """One recipient that an event names: of a bounce only these are touched (DESIGN 6).

    Attributes:
        address: the mailbox key; as SES spelled it, cut, where that is no address.
        code: the enhanced status code, such as `5.1.1`; "" where not told.
        action: `failed` or `delayed`; "" where not told.
        diagnostic: what the recipient's server said, cut; may name the address.
    """

    address: str
    code: str = ""
    action: str = ""
    diagnostic: str = field(default="", repr=False)


@dataclass(frozen=True, slots=True, kw_only=True)
class SesEvent:
    """One event about one email.

    Attributes:
        is_published: came by a configuration set's event publishing; False: an identity's notification, which
            carries no tags.
        ses_message_id: the MessageId of its SendEmail.
        mail_at: when SES took the mail, by SES's clock.
        occurred_at: when this happened; the mail's time where the event has none of its own (Send, Reject).
        destination: mailbox keys of everybody whom the mail went to.
        listed: the recipients that the event itself names.
        tag: our tag `email_id`: the id itself, or its hash (`core.job.email_id_tag`).
        attempt: our tag `attempt`.
        header: our header `X-Tank-Email-Id`: the same.
        configuration_set: which one it came through, by SES's own tag.
        feedback_id: SES's id of a bounce or complaint; "" where there is none.
        facts: what else is known, flat, short texts and numbers by our names (see `core.eventbody`).
    """

    kind: EventKind
    is_published: bool
    ses_message_id: str
    mail_at: datetime
    occurred_at: datetime
    destination: tuple[str, ...] = ()
    listed: tuple[Listed, ...] = ()
    tag: str | None = None
    attempt: int | None = None
    header: str | None = None
    configuration_set: str | None = None
    feedback_id: str = ""
    facts: Mapping[str, str | int | bool] = field(default_factory=dict, repr=False)


@dataclass(frozen=True, slots=True)
class Chatter:
    """A message of SES or SNS that is about no email and needs nobody: deleted in silence."""


@dataclass(frozen=True, slots=True)
class Unreadable:
    """No event that may be acted on: kept aside with its reason, never in the way of others.

    Attributes:
        detail: a sentence for the operator, with the remedy if there is one; quotes no address.
    """

    reason: Reason
    detail: str


Read = SesEvent | Chatter | Unreadable
