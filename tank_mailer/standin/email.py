"""One SendEmail request, checked in itself: tags, recipients, addresses, content, headers, size.

The order is SES's as far as it is known: tags before anything else (aws-facts 1.5.2).
"""

import re
from dataclasses import dataclass

from tank_mailer.standin import parameters
from tank_mailer.standin.address import bare, is_simulated
from tank_mailer.standin.errors import AwsError, Json
from tank_mailer.standin.mime import RawMail, read_raw

MAX_RECIPIENTS = 50  # SES: aws-facts 1.3
MAX_BYTES = 41_943_040  # SES: 40 MB in the v2 API; aws-facts 1.3
MAX_HEADERS = 15  # SES: aws-facts 1.1
MAX_HEADER_CHARACTERS = 996  # SES: name and value, in the newer model; aws-facts 1.1
MAX_TAG_LENGTH = 255  # SES: aws-facts 1.2

_TAG_NAME = re.compile(r"[A-Za-z0-9_-]+")
_TAG_VALUE = re.compile(r"[A-Za-z0-9_.@-]+")
_FREE_SES_TAGS = frozenset({"ses:feedback-id-a", "ses:feedback-id-b"})  # aws-facts 1.2
_HEADER_NAME = re.compile(r"[!-9;-@A-~]{1,126}")
_HEADER_VALUE = re.compile(r"[ -~]+")
_RESERVED_HEADERS = frozenset({
    "bcc", "cc", "content-disposition", "content-type", "date", "from", "message-id", "mime-version",
    "reply-to", "return-path", "subject", "to",
})  # fmt: skip  # aws-facts 1.1


@dataclass(frozen=True, slots=True, kw_only=True)
class Email:
    """A sound request. `senders` are the mailboxes that must be verified."""

    sender: str
    senders: tuple[str, ...]
    to: tuple[str, ...]
    cc: tuple[str, ...]
    bcc: tuple[str, ...]
    tags: dict[str, str]
    reply_to: tuple[str, ...]
    subject: str
    headers: dict[str, str]
    configuration_set: str
    size_bytes: int
    raw: bytes | None

    @property
    def recipients(self) -> tuple[str, ...]:
        """All who get it."""
        return self.to + self.cc + self.bcc

    @property
    def simulated(self) -> int:
        """How many of the recipients the mailbox simulator takes."""
        return sum(is_simulated(bare(recipient)) for recipient in self.recipients)


def read_email(request: Json) -> Email:
    """Read a SendEmail request, or raise what SES answers to it."""
    tags = _tags(parameters.listing(request, "EmailTags"))
    content = parameters.mapping(request, "Content")
    raw = read_raw(parameters.mapping(content, "Raw")) if "Raw" in content else None
    if raw is not None and not tags:
        tags = _tags(raw.tags)
    destination = parameters.mapping(request, "Destination")
    to, cc, bcc = (
        tuple(parameters.listing(destination, name)) for name in ("ToAddresses", "CcAddresses", "BccAddresses")
    )
    if raw is not None and not (to or cc or bcc):
        to, cc, bcc = raw.to, raw.cc, raw.bcc
    _check_recipients(to + cc + bcc)
    sender = parameters.optional_text(request, "FromEmailAddress") or (raw.sender if raw else "")
    if not sender:
        raise _bad("Missing required header 'From'.")
    bare(sender)
    reply_to = tuple(parameters.listing(request, "ReplyToAddresses"))
    for mailbox in reply_to:
        bare(mailbox)
    subject, headers, size_bytes = (raw.subject, raw.headers, raw.size_bytes) if raw else _simple(content)
    if size_bytes > MAX_BYTES:
        raise _bad(f"Message length is more than the allowed {MAX_BYTES} bytes")
    return_path = parameters.optional_text(request, "FeedbackForwardingEmailAddress")
    return Email(
        sender=sender,
        senders=(sender, return_path) if return_path else (sender,),
        to=to,
        cc=cc,
        bcc=bcc,
        tags=tags,
        reply_to=reply_to,
        subject=subject,
        headers=headers,
        configuration_set=_configuration_set(request, raw),
        size_bytes=size_bytes,
        raw=raw.data if raw else None,
    )


def _configuration_set(request: Json, raw: RawMail | None) -> str:
    """The parameter wins over the header (aws-facts 1.2)."""
    return parameters.optional_text(request, "ConfigurationSetName") or (raw.configuration_set if raw else "")


def _tags(tags: list[Json]) -> dict[str, str]:
    read: dict[str, str] = {}
    for tag in tags:
        name, value = tag.get("Name") or "", tag.get("Value") or ""
        if not name:
            raise _bad("The tag name must be specified.")
        if not value:
            raise _bad("The tag value must be specified.")
        for what, given in (("name", name), ("value", value)):
            if len(given) > MAX_TAG_LENGTH:
                raise _bad(f"Tag {what} cannot exceed {MAX_TAG_LENGTH} characters.")
        if name not in _FREE_SES_TAGS and not _TAG_NAME.fullmatch(name):
            raise _bad(f"Invalid tag name <{name}>: only alphanumeric ASCII characters, '_',  '-' are allowed.")
        if not _TAG_VALUE.fullmatch(value):
            raise _bad(
                f"Invalid tag value <{value}>: only alphanumeric ASCII characters, '_',  '-', '.', '@' are allowed."
            )
        if name in read:
            raise _bad(f"Duplicate tag name <{name}>.")  # text unsure
        read[name] = value
    return read


def _check_recipients(recipients: tuple[str, ...]) -> None:
    if not recipients:
        raise _bad("There are no recipients specified")
    if len(recipients) > MAX_RECIPIENTS:
        raise _bad(f"Recipient count exceeds {MAX_RECIPIENTS}.")
    for recipient in recipients:
        bare(recipient)


def _simple(content: Json) -> tuple[str, dict[str, str], int]:
    """The subject, the headers and the size of a Simple mail."""
    if "Template" in content:
        raise _bad("The stand-in has no templates.")
    simple = parameters.mapping(content, "Simple")
    if not simple:
        raise _bad("Content must be one of Simple, Raw, Template.")  # text unsure
    subject = _text(parameters.mapping(simple, "Subject"), "Subject")
    if "\r" in subject or "\n" in subject:
        raise _bad("The subject must not contain line breaks.")  # text unsure
    body = parameters.mapping(simple, "Body")
    parts = [_text(body[kind], kind) for kind in ("Text", "Html") if body.get(kind)]
    if not parts:
        raise _bad("Missing required body: Text or Html.")  # text unsure
    attachments = parameters.listing(simple, "Attachments")
    sizes = [len(part) if part.isascii() else len(part.encode()) for part in (subject, *parts)]
    sizes += [len(attachment.get("RawContent") or "") for attachment in attachments]  # base64, as it travels
    return subject, _headers(parameters.listing(simple, "Headers")), sum(sizes)


def _headers(headers: list[Json]) -> dict[str, str]:
    if len(headers) > MAX_HEADERS:
        raise _bad(f"Header count exceeds {MAX_HEADERS}.")  # text unsure, as below
    read: dict[str, str] = {}
    for header in headers:
        name, value = header.get("Name") or "", header.get("Value") or ""
        if not _HEADER_NAME.fullmatch(name):
            raise _bad(f"Invalid header name '{name}'.")
        if not _HEADER_VALUE.fullmatch(value) or len(name) + len(value) > MAX_HEADER_CHARACTERS:
            raise _bad(f"Invalid value of header '{name}'.")
        if name.lower() in _RESERVED_HEADERS:
            raise _bad(f"Header '{name}' is not allowed.")
        if name in read:
            raise _bad(f"Duplicate header '{name}'.")
        read[name] = value
    return read


def _text(part: Json, name: str) -> str:
    data = part.get("Data") if isinstance(part, dict) else None
    if not isinstance(data, str):
        raise _bad(f"Missing required data of {name}.")  # text unsure
    return data


def _bad(text: str) -> AwsError:
    return AwsError("BadRequestException", text)
