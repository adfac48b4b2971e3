"""Raw mails: what SES reads out of their headers."""

import base64
import binascii
from dataclasses import dataclass
from email import policy
from email.message import EmailMessage
from email.parser import BytesHeaderParser
from email.utils import formataddr, getaddresses
from typing import cast

from tank_mailer.standin.errors import AwsError, Json

# Headers that may stand once; aws-facts 1.1.
_ONCE = ("From", "To", "Cc", "Subject", "Reply-To", "List-Unsubscribe", "References", "Message-ID", "Date")


@dataclass(frozen=True, slots=True, kw_only=True)
class RawMail:
    """A MIME mail's bytes and the headers that matter here."""

    data: bytes
    sender: str
    subject: str
    to: tuple[str, ...]
    cc: tuple[str, ...]
    bcc: tuple[str, ...]
    tags: list[Json]
    configuration_set: str
    headers: dict[str, str]
    size_bytes: int


def read_raw(raw: Json) -> RawMail:
    """Read `Content.Raw`. SES's own X- headers count where no parameter says otherwise (aws-facts 1.2)."""
    try:
        data = base64.b64decode(raw.get("Data") or "", validate=True)
    except (binascii.Error, TypeError):
        raise AwsError("BadRequestException", "Raw data is not base64.") from None
    mail = cast("EmailMessage", BytesHeaderParser(policy=policy.compat32).parsebytes(data))
    for name in _ONCE:
        if len(mail.get_all(name, [])) > 1:
            raise AwsError("BadRequestException", f"Duplicate header '{name}'.")
    if not mail.get("From"):
        raise AwsError("BadRequestException", "Missing required header 'From'.")
    if "To" in mail and not str(mail["To"]).strip():
        raise AwsError("BadRequestException", "Missing required header 'To'.")
    return RawMail(
        data=data,
        sender=str(mail["From"]),
        subject=str(mail.get("Subject", "")),
        to=_mailboxes(mail, "To"),
        cc=_mailboxes(mail, "Cc"),
        bcc=_mailboxes(mail, "Bcc"),
        tags=_tags(str(mail.get("X-SES-MESSAGE-TAGS", ""))),
        configuration_set=str(mail.get("X-SES-CONFIGURATION-SET", "")).strip(),
        headers={name: str(value) for name, value in mail.items()},
        size_bytes=len(data),
    )


def _mailboxes(mail: EmailMessage, name: str) -> tuple[str, ...]:
    found = getaddresses([str(value) for value in mail.get_all(name, [])])
    return tuple(formataddr(mailbox) for mailbox in found if mailbox[1])


def _tags(header: str) -> list[Json]:
    pairs = (pair.partition("=") for pair in header.split(",") if pair.strip())
    return [{"Name": name.strip(), "Value": value.strip()} for name, _, value in pairs]
