"""SES's JSON as a `SesEvent`: lenient with what is odd, strict with what is acted on."""

import re
from collections.abc import Mapping
from typing import Final

from tank_mailer.core.address import AddressError, mailbox_key
from tank_mailer.core.envelope import SUBSCRIBED, Bare, Envelope, Policy, load_object, open_body
from tank_mailer.core.errors import Reason
from tank_mailer.core.event import Chatter, EventKind, Listed, Read, SesEvent, Unreadable
from tank_mailer.core.eventfacts import facts_of, plain
from tank_mailer.core.moments import read_moment

MAX_DESTINATIONS = 50  # SES: service quotas, recipients of one mail
MAX_LISTED = 1_000  # ours: far more than a mail has recipients, so that nothing true is cut
MAX_ADDRESS_CHARACTERS = 320  # ours: a text that is no address is kept up to the length of one (RFC 3696, errata)
MAX_ADDRESS_TEXT_CHARACTERS = 2_048  # ours: with a display name
MAX_DIAGNOSTIC_CHARACTERS = 1_000  # ours
MAX_LABEL_CHARACTERS = 255  # SES: MessageTag; ours for ids of feedback

ID_HEADER = "x-tank-email-id"  # in lower case, as it is compared

_SES_MESSAGE_ID = re.compile(r"[!-~]{1,200}")
_KIND_SHOWN = re.compile(r"[A-Za-z][A-Za-z .:_-]{0,49}")
_ATTEMPT = re.compile(r"\d{1,9}", re.ASCII)
_ADDRESS_TYPE = re.compile(r"[A-Za-z][A-Za-z0-9-]{1,15}\s*;\s*")  # RFC 3464, 2.1.2: what a Final-Recipient begins with

_NOTHING: Final[Mapping[str, object]] = {}

# By their names without spaces, in lower case: "Rendering Failure" is one of them (SES: event publishing).
_KINDS: Final[Mapping[str, EventKind]] = {kind.value.replace("_", ""): kind for kind in EventKind}

_PARTS: Final[Mapping[EventKind, str]] = {
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

_RECIPIENTS: Final[Mapping[EventKind, str]] = {
    EventKind.DELIVERY: "recipients",
    EventKind.DELIVERY_DELAY: "delayedRecipients",
    EventKind.BOUNCE: "bouncedRecipients",
    EventKind.COMPLAINT: "complainedRecipients",
}


def parse_event(body: str, policy: Policy) -> Read:
    """Read a message of the event queue; return in every case, whatever the text."""
    match open_body(body, policy):
        case Envelope(message=message):
            return read_event(message)
        case Bare(event):
            return read_event(event)
        case Chatter() | Unreadable() as read:
            return read


def read_event(event: str | Mapping[str, object]) -> Read:
    """Read SES's JSON, out of its envelope, or what `json.loads` makes of it; return in every case."""
    if isinstance(event, str):
        found = load_object(event)
        if not isinstance(found, dict):
            return found
        event = found
    label: object = None
    if "detail-type" in event and isinstance(detail := event.get("detail"), dict):
        if event.get("source") != "aws.ses":
            return Unreadable(Reason.UNKNOWN_EVENT, "This is an event of EventBridge, but not of SES.")
        label = event["detail-type"]  # of those that are about no mail there is nothing else
        event = detail
    published = event.get("eventType")
    name = published or event.get("notificationType") or label
    if name == SUBSCRIBED:
        return Chatter()
    if not isinstance(name, str):
        return _bad("no eventType")
    kind = _KINDS.get(name.lower()) or _KINDS.get(re.sub(r"[\s_-]", "", name[:50]).lower())
    if kind is None:
        shown = f" ({name})" if _KIND_SHOWN.fullmatch(name) else ""
        return Unreadable(Reason.UNKNOWN_EVENT, f"The event is of a kind that this version does not know{shown}.")
    return _read(kind, event, is_published=bool(published))


def _read(kind: EventKind, event: Mapping[str, object], *, is_published: bool) -> Read:
    mail = _object(event, "mail")
    detail = _object(event, _PARTS[kind])
    ses_message_id = mail.get("messageId")
    if not isinstance(ses_message_id, str) or not _SES_MESSAGE_ID.fullmatch(ses_message_id):
        return _bad("no mail.messageId")
    mail_at = read_moment(mail.get("timestamp"))
    if mail_at is None:
        return _bad("no mail.timestamp")
    listed: tuple[Listed, ...] = ()
    if (recipients := _RECIPIENTS.get(kind)) is not None:
        listed = _listed(detail.get(recipients))
        if not listed:
            return _bad(f"nobody in {_PARTS[kind]}.{recipients}")
    tags = _object(mail, "tags")
    return SesEvent(
        kind=kind,
        is_published=is_published,
        ses_message_id=ses_message_id,
        mail_at=mail_at,
        occurred_at=read_moment(detail.get("timestamp")) or mail_at,
        destination=_destination(mail.get("destination")),
        listed=listed,
        tag=_label(_first(tags.get("email_id"))),
        attempt=_attempt(_first(tags.get("attempt"))),
        header=_label(_header(mail.get("headers"))),
        configuration_set=_label(_first(tags.get("ses:configuration-set"))),
        feedback_id=plain(detail.get("feedbackId"), MAX_LABEL_CHARACTERS),
        facts=facts_of(kind, detail),
    )


def _bad(lack: str) -> Unreadable:
    return Unreadable(Reason.BAD_EVENT, f"The event has {lack} that can be read.")


def _object(found: Mapping[str, object], name: str) -> Mapping[str, object]:
    value = found.get(name)
    return value if isinstance(value, dict) else _NOTHING


# --- whom it is about ------------------------------------------------------------------------------


def _destination(value: object) -> tuple[str, ...]:
    return tuple({key: None for entry in _entries(value, MAX_DESTINATIONS) if (key := _address_key(entry))})


def _listed(value: object) -> tuple[Listed, ...]:
    """Each mailbox once, as it stands first."""
    found: dict[str, Listed] = {}
    for entry in _entries(value, MAX_LISTED):
        one = entry if isinstance(entry, dict) else {"emailAddress": entry}  # of a Delivery they are texts
        address = _address_key(one.get("emailAddress"))
        if address and address not in found:
            found[address] = Listed(
                address,
                code=plain(one.get("status"), 20),
                action=plain(one.get("action"), 20).lower(),
                diagnostic=plain(one.get("diagnosticCode"), MAX_DIAGNOSTIC_CHARACTERS),
            )
    return tuple(found.values())


def _entries(value: object, limit: int) -> list[object]:
    """Take a list, or something that stands alone where a list should be."""
    return value[:limit] if isinstance(value, list) else [value]


def _address_key(value: object) -> str:
    """Look-up spelling of an address; what is none, in lower case; "" for nothing.

    SES copies it from the bounce mail: it may have a display name that no rule allows, or the type of address that
    a delivery report begins it with (SES: bouncedRecipients).
    """
    text = plain(value, MAX_ADDRESS_TEXT_CHARACTERS)
    if text.endswith(">"):
        text = text.rpartition("<")[2][:-1].strip()
    if ";" in text and (prefix := _ADDRESS_TYPE.match(text)):
        text = text[prefix.end() :]
    try:
        return mailbox_key(text)
    except AddressError:
        return text.lower()[:MAX_ADDRESS_CHARACTERS].strip()


# --- whose it is -----------------------------------------------------------------------------------


def _first(value: object) -> object:
    """Take a tag's value: SES writes a list of texts."""
    if isinstance(value, list):
        return value[0] if value else None
    return value


def _label(value: object) -> str | None:
    """Take a text by which something is found: a cut or mended one would find something else."""
    if isinstance(value, str) and 0 < len(value) <= MAX_LABEL_CHARACTERS and plain(value, len(value)) == value:
        return value
    return None


def _attempt(value: object) -> int | None:
    return int(value) if isinstance(value, str) and _ATTEMPT.fullmatch(value) else None


def _header(headers: object) -> object:
    for entry in headers if isinstance(headers, list) else ():
        if isinstance(entry, dict) and isinstance(name := entry.get("name"), str) and name.lower() == ID_HEADER:
            return entry.get("value")
    return None
