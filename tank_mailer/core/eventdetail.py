"""What an event has to say, in one line for whoever asks after an email."""

from collections.abc import Mapping

from tank_mailer.core.event import EventKind
from tank_mailer.core.eventfacts import plain

MAX_DETAIL_CHARACTERS = 300  # ours
_CUT = "\N{HORIZONTAL ELLIPSIS}"
_BY_A_MACHINE = " (likely a machine, says SES)"


def detail_of(kind: EventKind, reason: str | None, facts: Mapping[str, object]) -> str | None:
    """Put together what the store keeps of an event; None where that is nothing.

    Args:
        kind: decides what is worth telling.
        reason: how the event was judged.
        facts: as stored (`core.eventfacts`, `core.meaning`); those that were erased are missing.
    """
    told = {name: text for name in facts if (text := plain(facts[name], MAX_DETAIL_CHARACTERS + 1))}
    line = _line(kind, reason, told)
    if not line:
        return None
    is_by_machine = told.keys() & {"user_agent", "link"} and facts.get("is_bot") is True
    end = _BY_A_MACHINE if is_by_machine else ""
    room = MAX_DETAIL_CHARACTERS - len(end)
    return f"{line if len(line) <= room else line[: room - len(_CUT)] + _CUT}{end}"


def _line(kind: EventKind, reason: str | None, told: Mapping[str, str]) -> str:
    match kind:
        case EventKind.SEND:
            return ""
        case EventKind.DELIVERY:
            return told.get("smtp_response", "")
        case EventKind.DELIVERY_DELAY:
            return _joined(": ", told.get("type"), told.get("diagnostic") or told.get("code"))
        case EventKind.BOUNCE:
            label = _joined("/", told.get("type"), told.get("subtype"))
            return _joined(": ", reason, told.get("diagnostic") or told.get("code") or label)
        case EventKind.COMPLAINT:
            return _joined(", ", told.get("feedback_type"), told.get("subtype"))
        case EventKind.REJECT:
            return told.get("reason", "")
        case EventKind.RENDERING_FAILURE:
            return _joined(": ", told.get("template"), told.get("error"))
        case EventKind.OPEN:
            return told.get("user_agent", "")
        case EventKind.CLICK:
            return told.get("link", "")
        case EventKind.SUBSCRIPTION:
            return _joined(", ", told.get("contact_list"), told.get("source"))


def _joined(between: str, *parts: str | None) -> str:
    return between.join(part for part in parts if part)
