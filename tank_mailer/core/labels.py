"""A job's own headers and tags: objects of names and texts, of which some names are not the job's."""

import re

from tank_mailer.core.errors import Reason
from tank_mailer.core.fields import FieldError, read_text, refuse_injection, shown, wrong_type
from tank_mailer.core.headertext import CONTROL, encode_words

MAX_HEADERS = 14  # SES: 15 in one message; X-Tank-Email-Id is ours
MAX_HEADER_NAME_CHARACTERS = 126  # SES: MessageHeader
MAX_HEADER_VALUE_CHARACTERS = 870  # SES: MessageHeader; newer models say 995
MAX_TAGS = 8  # ours: 10 dimensions in CloudWatch, less email_id and attempt

HEADERS_SET_BY_SES = frozenset(  # SES: header fields that Simple content refuses
    (
        *("bcc", "cc", "content-disposition", "content-type", "date", "from", "message-id"),
        *("mime-version", "reply-to", "return-path", "subject", "to"),
    ),
)
RESERVED_HEADER_PREFIXES = ("x-ses-", "x-tank-")
RESERVED_TAGS = frozenset({"email_id", "attempt"})
TAG_TEXT = re.compile(r"[A-Za-z0-9_-]{1,255}")  # SES: MessageTag, for names and values

_HEADER_NAME = re.compile(r"[!-9;-@A-~]+")  # SES: MessageHeader


def read_headers(value: object) -> tuple[tuple[str, str], ...]:
    """Read the job's own headers, values made ASCII; in the order given."""
    headers: dict[str, tuple[str, str]] = {}
    for index, (name, entry) in enumerate(_entries(value, "headers", MAX_HEADERS)):
        place = _place("headers", index, name)
        key = _header_key(name, place)
        if key in headers:
            raise FieldError(Reason.BAD_FIELD, f"{place}: This header is given twice; case makes no difference.")
        headers[key] = (name, _header_value(entry, place))
    return tuple(headers.values())


def read_tags(value: object) -> tuple[tuple[str, str], ...]:
    """Read the job's own tags, which come back in SES's events; in the order given."""
    tags = []
    for index, (name, entry) in enumerate(_entries(value, "tags", MAX_TAGS)):
        place = _place("tags", index, name)
        key = name.lower()
        if key in RESERVED_TAGS or key.startswith("ses:"):
            raise FieldError(
                Reason.RESERVED_NAME,
                f"{place}: This tag is set by SES or tank-mailer; choose another name.",
            )
        text = read_text(entry, place)
        if not TAG_TEXT.fullmatch(name) or not TAG_TEXT.fullmatch(text):
            raise FieldError(
                Reason.BAD_FIELD,
                f"{place}: A tag's name and value are 1 to 255 ASCII letters, digits, underscores, hyphens.",
            )
        tags.append((name, text))
    return tuple(tags)


def _header_key(name: str, place: str) -> str:
    if CONTROL.search(name):
        raise FieldError(Reason.HEADER_INJECTION, f"{place}: The name has a control character in it.")
    if len(name) > MAX_HEADER_NAME_CHARACTERS or not _HEADER_NAME.fullmatch(name):
        raise FieldError(
            Reason.BAD_FIELD,
            f"{place}: A name has 1 to {MAX_HEADER_NAME_CHARACTERS} ASCII characters: no space, no colon.",
        )
    key = name.lower()
    if key in HEADERS_SET_BY_SES or key.startswith(RESERVED_HEADER_PREFIXES):
        raise FieldError(
            Reason.RESERVED_NAME,
            f"{place}: This header is set by SES or tank-mailer; use the job's own field, or leave it out.",
        )
    return key


def _header_value(value: object, place: str) -> str:
    text = read_text(value, place)
    refuse_injection(text, place)
    if not text:
        raise FieldError(Reason.BAD_FIELD, f"{place}: The value is empty; leave the header out.")
    encoded = text if text.isascii() else encode_words(text)
    if len(encoded) > MAX_HEADER_VALUE_CHARACTERS:
        raise FieldError(
            Reason.BAD_FIELD,
            f"{place}: The value is longer than {MAX_HEADER_VALUE_CHARACTERS} characters once it is ASCII.",
        )
    return encoded


def _entries(value: object, field: str, maximum: int) -> list[tuple[str, object]]:
    match value:
        case None:
            return []
        case dict() if len(value) > maximum:
            raise FieldError(Reason.BAD_FIELD, f"{field}: A job may have {maximum} of its own, not {len(value)}.")
        case dict():
            return list(value.items())
        case _:
            raise wrong_type(value, field, "an object of names and texts")


def _place(field: str, index: int, name: str) -> str:
    """Name an entry, by its number where its name is not fit for a log."""
    return f"{field}.{name}" if shown(name) == name else f"{field}, entry {index + 1}"
