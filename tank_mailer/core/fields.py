"""The plain fields of a job's JSON: each read, checked, and refused with a sentence for the web developer.

Not by pydantic: its errors quote what they refuse, which must not get into a log, and speak of types where a
developer needs to know what to do.
"""

import re
from datetime import UTC, datetime

from tank_mailer.core.address import Address, AddressError, parse_address
from tank_mailer.core.errors import Reason
from tank_mailer.core.headertext import CONTROL, SURROGATE

MAX_ID_CHARACTERS = 255  # as SES's tags, by which events find their job (DESIGN 5.4)
MAX_SUBJECT_CHARACTERS = 998  # RFC 5322, section 2.1.1: one line of a header
MAX_RECIPIENTS = 50  # SES: service quotas, to + cc + bcc of one call
MAX_SHOWN_CHARACTERS = 64  # ours

_CONFIGURATION_SET = re.compile(r"[A-Za-z0-9_-]{1,64}")  # SES: service quotas
_MOMENT = re.compile(  # RFC 3339, section 5.6; `fromisoformat` takes a good deal more
    r"\d{4}-\d\d-\d\d[Tt ]\d\d:\d\d:\d\d(?:\.\d+)?(?P<offset>[Zz]|[+-]\d\d:\d\d)?",
    re.ASCII,
)
_NOT_SHOWN = re.compile(r"[^A-Za-z0-9_.-]")


class FieldError(Exception):
    """What makes a job invalid; `detail` is for the web developer and quotes nothing of the job's content."""

    def __init__(self, reason: Reason, detail: str) -> None:
        super().__init__(detail)
        self.reason = reason
        self.detail = detail


def read_text(value: object, place: str) -> str:
    """Read a text that UTF-8 can spell."""
    if not isinstance(value, str):
        raise wrong_type(value, place, "text")
    if not value.isascii() and SURROGATE.search(value):
        raise FieldError(
            Reason.BAD_FIELD,
            f"{place}: This has half a character in it (a lone surrogate, as \\ud800 is); take it out.",
        )
    return value


def read_id(value: object) -> str:
    """Read what a job is known by: everywhere, in logs too."""
    text = read_text(value, "email_id")
    if len(text) > MAX_ID_CHARACTERS:
        raise FieldError(Reason.BAD_FIELD, f"email_id: This is longer than {MAX_ID_CHARACTERS} characters.")
    if CONTROL.search(text):
        raise FieldError(Reason.BAD_FIELD, "email_id: This has a control character in it; leave it out.")
    if text != text.strip():
        raise FieldError(Reason.BAD_FIELD, "email_id: This begins or ends with white space; leave it out.")
    return text


def read_sender(value: object) -> Address:
    """Read `from`: one address."""
    return _read_address(value, "from")


def read_addresses(value: object, field: str) -> tuple[Address, ...]:
    """Read one address or a list of them; null, an empty text and an empty list are none."""
    match value:
        case None | "":
            return ()
        case str():
            return (_read_address(value, field),)
        case list() if len(value) > MAX_RECIPIENTS:  # before the work of reading them
            raise FieldError(
                Reason.TOO_MANY_RECIPIENTS,
                f"{field}: This holds {len(value)} addresses; SES takes {MAX_RECIPIENTS}. Split the job.",
            )
        case list():
            return tuple(_read_address(entry, f"{field}[{index}]") for index, entry in enumerate(value))
        case _:
            raise wrong_type(value, field, "an address or a list of addresses")


def read_subject(value: object) -> str:
    """Read a subject; an empty one is allowed, as it is with SES."""
    text = read_text(value, "subject")
    refuse_injection(text, "subject")
    if len(text) > MAX_SUBJECT_CHARACTERS:
        raise FieldError(Reason.BAD_FIELD, f"subject: This is longer than {MAX_SUBJECT_CHARACTERS} characters.")
    return text


def read_body(value: object) -> str:
    """Read the HTML."""
    return read_text(value, "body")


def read_plain_text(value: object) -> str | None:
    """Read the plain alternative; an empty one is none."""
    return None if value is None else read_text(value, "text") or None


def read_configuration_set(value: object) -> str | None:
    """Read the name of a configuration set; whether it is one of the configured ones is not known here."""
    if value is None:
        return None
    text = read_text(value, "configuration_set")
    if not _CONFIGURATION_SET.fullmatch(text):
        raise FieldError(
            Reason.BAD_FIELD,
            "configuration_set: A name is 1 to 64 letters, digits, underscores or hyphens, all ASCII; leave"
            " the field out for the default set.",
        )
    return text


def read_expiry(value: object) -> datetime | None:
    """Read a time as RFC 3339 spells it, with its offset."""
    if value is None:
        return None
    found = _MOMENT.fullmatch(read_text(value, "expires_at"))
    if found and not found["offset"]:
        raise FieldError(
            Reason.BAD_FIELD,
            "expires_at: This has no offset and could mean any hour; add Z for UTC, or one such as +02:00.",
        )
    moment = found and _moment(found[0].upper())
    if not moment:
        raise FieldError(
            Reason.BAD_FIELD,
            "expires_at: This is no time as RFC 3339 spells it, such as 2030-01-31T12:00:00Z.",
        )
    return moment


def read_flag(value: object, field: str) -> bool:
    """Read true or false; absent is false. The text "false" would be true to many a language."""
    match value:
        case None:
            return False
        case bool():
            return value
        case _:
            raise wrong_type(value, field, "true or false, without quotes")


def refuse_injection(text: str, place: str) -> None:
    """Refuse what could end a header and begin another one."""
    if CONTROL.search(text):
        raise FieldError(
            Reason.HEADER_INJECTION,
            f"{place}: This has a control character in it (CR, LF, tab, NUL or the like), by which a header"
            " could be smuggled in; take it out.",
        )


def shown(name: str) -> str:
    """Return a name fit for a log: no more than 64 plain characters, and never an address."""
    return "?" if "@" in name else _NOT_SHOWN.sub("?", name[:MAX_SHOWN_CHARACTERS])


def wrong_type(value: object, place: str, wanted: str) -> FieldError:
    """Say what was found in place of what is wanted, in JSON's words."""
    match value:
        case None:
            found = "null"
        case bool():
            found = "true or false"
        case str():
            found = "text"
        case list():
            found = "a list"
        case dict():
            found = "an object"
        case _:
            found = "a number"
    return FieldError(Reason.BAD_FIELD, f"{place}: This must be {wanted}, not {found}.")


def _read_address(value: object, place: str) -> Address:
    try:
        return parse_address(read_text(value, place))
    except AddressError as error:
        raise FieldError(error.reason, f"{place}: {error.detail}") from None


def _moment(text: str) -> datetime | None:
    try:
        return datetime.fromisoformat(text).astimezone(UTC)
    except (ValueError, OverflowError):  # no such day or hour; outside the years 1 to 9999 once it is in UTC
        return None
