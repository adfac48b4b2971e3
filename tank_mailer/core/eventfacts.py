"""What an event tells beyond its recipients: a few flat facts by our names."""

import re
from collections.abc import Mapping
from typing import Final

from tank_mailer.core.event import EventKind

MAX_FACT_CHARACTERS = 500  # ours
MAX_NUMBER = 2**53 - 1  # RFC 8259, section 6: integers that every reader of JSON keeps

# Line ends, NUL and the like, and halves of characters: some store, terminal or encoder takes none of them.
_UNFIT = re.compile("[\x00-\x1f\x7f-\x9f\u2028\u2029\ud800-\udfff]+")

_TEXTS: Final[Mapping[EventKind, tuple[tuple[str, str], ...]]] = {
    EventKind.SEND: (),
    EventKind.DELIVERY: (("smtp_response", "smtpResponse"), ("reporting_mta", "reportingMTA")),
    EventKind.DELIVERY_DELAY: (("type", "delayType"), ("expires_at", "expirationTime")),
    EventKind.BOUNCE: (("type", "bounceType"), ("subtype", "bounceSubType"), ("reporting_mta", "reportingMTA")),
    EventKind.COMPLAINT: (
        ("feedback_type", "complaintFeedbackType"),
        ("subtype", "complaintSubType"),
        ("user_agent", "userAgent"),
    ),
    EventKind.REJECT: (("reason", "reason"),),
    EventKind.RENDERING_FAILURE: (("template", "templateName"), ("error", "errorMessage")),
    EventKind.OPEN: (("ip", "ipAddress"), ("user_agent", "userAgent")),
    EventKind.CLICK: (("ip", "ipAddress"), ("user_agent", "userAgent"), ("link", "link")),
    EventKind.SUBSCRIPTION: (("contact_list", "contactList"), ("source", "source")),
}


def facts_of(kind: EventKind, detail: Mapping[str, object]) -> dict[str, str | int | bool]:
    """Pick what is known; what SES leaves out, or spells in another type, is left out.

    Args:
        kind: decides which facts there are.
        detail: the event's own part, such as `bounce`.
    """
    facts: dict[str, str | int | bool] = {
        name: text for name, key in _TEXTS[kind] if (text := plain(detail.get(key), MAX_FACT_CHARACTERS))
    }
    if kind is EventKind.DELIVERY:
        taken_ms = detail.get("processingTimeMillis")
        if type(taken_ms) is int and 0 <= taken_ms <= MAX_NUMBER:  # true is an int, too
            facts["processing_ms"] = taken_ms
    elif kind is EventKind.OPEN or kind is EventKind.CLICK:
        bot = detail.get("isBotEvent")
        if (is_bot := bot if isinstance(bot, bool) else _LIKELY.get(plain(bot, 10).lower())) is not None:
            facts["is_bot"] = is_bot
    elif kind is EventKind.SUBSCRIPTION:
        preferences = detail.get("newTopicPreferences")
        if isinstance(preferences, dict) and isinstance(every := preferences.get("unsubscribeAll"), bool):
            facts["unsubscribe_all"] = every
    return facts


_LIKELY: Final[Mapping[str, bool]] = {"likely": True, "unlikely": False}  # SES: isBotEvent


def plain(value: object, limit: int) -> str:
    """Cut a text to `limit` characters on one line, fit to be stored and shown; "" where it is no text."""
    if not isinstance(value, str):
        return ""
    text = value[:limit]
    if not text.isprintable():
        text = _UNFIT.sub(" ", text)
    return text.strip()
