"""What an event says beside its mail (aws-facts 3.2 to 3.4 and 3.6)."""

from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Final
from uuid import uuid4

from tank_mailer.standin.errors import Json
from tank_mailer.standin.event_kinds import EventKind
from tank_mailer.standin.fates import Fate
from tank_mailer.standin.itinerary import Happening

SOURCE_IP: Final = "192.0.2.10"  # these three: documentation networks (RFC 5737)
REMOTE_IP: Final = "192.0.2.25"
READER_IP: Final = "198.51.100.7"
GIVES_UP_AFTER: Final = timedelta(hours=14)  # SES: aws-facts 3.2
BROWSER: Final = "Mozilla/5.0 (stand-in)"


@dataclass(frozen=True, slots=True)
class BounceKind:
    """How SES labels it, and what the other side said; an automatic reply says nothing."""

    bounce_type: str
    subtype: str
    status: str = ""
    diagnostic: str = ""


BOUNCES: Final[dict[Fate, BounceKind]] = {
    Fate.BOUNCE: BounceKind("Permanent", "General", "5.1.1", "smtp; 550 5.1.1 user unknown"),
    Fate.OOTO: BounceKind("Transient", "General"),
    Fate.SOFTBOUNCE: BounceKind("Transient", "MailboxFull", "5.2.2", "smtp; 552 5.2.2 mailbox full"),
    Fate.SUPPRESSIONLIST: BounceKind("Permanent", "Suppressed", "5.1.1", "SES did not try: on its global list"),
    Fate.ACCOUNTLIST: BounceKind(
        "Permanent", "OnAccountSuppressionList", "5.1.1", "SES did not try: on the account's suppression list"
    ),
}


def detail_of(happening: Happening, *, accepted_at: datetime, at: datetime, feedback_id: str, mta: str) -> Json:
    """The part of the event that has its kind's name. `mta` is the host at SES that handled the mail."""
    recipients = happening.recipients
    match happening.kind:
        case EventKind.SEND:
            return {}
        case EventKind.DELIVERY:
            return {
                "timestamp": stamp(at),
                "processingTimeMillis": round((at - accepted_at) / timedelta(milliseconds=1)),
                "recipients": list(recipients),
                "smtpResponse": "250 2.6.0 Message received",
                "reportingMTA": mta,
            }
        case EventKind.DELIVERY_DELAY:
            said = {"status": "4.4.1", "diagnosticCode": "smtp; 421 4.4.1 Unable to connect to remote host"}
            return {
                "timestamp": stamp(at),
                "delayType": "TransientCommunicationFailure",
                "expirationTime": stamp(accepted_at + GIVES_UP_AFTER),
                "delayedRecipients": [{"emailAddress": address, **said} for address in recipients],
            }
        case EventKind.BOUNCE:
            return _bounce(happening, at=at, feedback_id=feedback_id, mta=mta)
        case EventKind.COMPLAINT:
            return {
                "feedbackId": feedback_id,
                "complaintSubType": None,
                "complainedRecipients": [{"emailAddress": address} for address in recipients],
                "timestamp": stamp(at),
                "userAgent": "Stand-in Feedback Loop (V0.01)",
                "complaintFeedbackType": "abuse",
                "arrivalDate": stamp(at),
            }
        case EventKind.REJECT:
            return {"reason": "Bad content"}
        case EventKind.RENDERING_FAILURE:
            return {
                "templateName": "StandIn",
                "errorMessage": "Attribute 'name' is not present in the rendering data.",
            }
        case EventKind.OPEN:
            return _reader(at)
        case EventKind.CLICK:
            return {**_reader(at), "link": "https://example.com/", "linkTags": None}
        case EventKind.SUBSCRIPTION:
            return _subscription(at)


def feedback_id_at(at: datetime) -> str:
    """As SES's look."""
    return f"0102{int(at.timestamp() * 1000):012x}-{uuid4()}-000000"


def stamp(at: datetime) -> str:
    """ISO 8601 with milliseconds and Z; `at` is in UTC, as a `Clock` gives it."""
    return f"{at.isoformat(timespec='milliseconds')[:-6]}Z"


def _bounce(happening: Happening, *, at: datetime, feedback_id: str, mta: str) -> Json:
    bounce = BOUNCES[happening.fate]
    said = {}
    if bounce.status:
        said = {"action": "failed", "status": bounce.status, "diagnosticCode": bounce.diagnostic}
    return {
        "feedbackId": feedback_id,
        "bounceType": bounce.bounce_type,
        "bounceSubType": bounce.subtype,
        "bouncedRecipients": [{"emailAddress": address, **said} for address in happening.recipients],
        "timestamp": stamp(at),
        "reportingMTA": f"dsn; {mta}",
    }


def _reader(at: datetime) -> Json:
    return {"ipAddress": READER_IP, "timestamp": stamp(at), "userAgent": BROWSER, "isBotEvent": "Unlikely"}


def _subscription(at: datetime) -> Json:
    def preferences(*, out: bool) -> Json:
        status = "OptOut" if out else "OptIn"
        return {
            "unsubscribeAll": out,
            "topicSubscriptionStatus": [{"topicName": "Offers", "subscriptionStatus": status}],
            "topicDefaultSubscriptionStatus": [{"topicName": "Offers", "subscriptionStatus": "OptIn"}],
        }

    return {
        "contactList": "Customers",
        "timestamp": stamp(at),
        "source": "UnsubscribeHeader",
        "newTopicPreferences": preferences(out=True),
        "oldTopicPreferences": preferences(out=False),
    }
