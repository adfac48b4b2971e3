"""The `mail` object of SES's events, made once for each mail (aws-facts 3.1)."""

import json
from dataclasses import dataclass, field
from datetime import datetime
from typing import Final

from tank_mailer.standin.address import bare
from tank_mailer.standin.email import Email
from tank_mailer.standin.errors import Json
from tank_mailer.standin.event_details import SOURCE_IP, stamp

MAX_HEADER_BYTES: Final = 10_240  # SES: headers are cut at 10 KB; aws-facts 3.1
CALLER: Final = "tank-mailer"
OUTGOING_TAGS: Final = ',"ses:outgoing-ip":["192.0.2.30"],"ses:outgoing-tls-version":["TLSv1.3"]'

_NOT_SHOWN: Final = frozenset({"bcc", "x-ses-configuration-set", "x-ses-message-tags"})
_ENCODE: Final = json.JSONEncoder(separators=(",", ":")).encode


@dataclass(slots=True, kw_only=True)
class Mail:
    """One accepted mail as its events tell it, in JSON. `published` is for event publishing."""

    email: Email
    message_id: str
    accepted_at: datetime
    account_id: str
    region: str
    published: str = field(init=False)

    def __post_init__(self) -> None:
        self.published = _ENCODE({**self._plain(), **self._headers(), "tags": self._tags()})

    @property
    def mta(self) -> str:
        """The host at SES that handled it."""
        return f"a4-10.smtp-out.{self.region}.amazonses.com"

    @property
    def published_later(self) -> str:
        """As `published`, once it has left SES: with the outgoing tags."""
        return f"{self.published[:-2]}{OUTGOING_TAGS}}}}}"

    @property
    def published_bare(self) -> str:
        """For DeliveryDelay and Rendering Failure: without headers."""
        return _ENCODE({**self._plain(), "tags": self._tags()})

    def notified(self, *, with_headers: bool) -> str:
        """For identity notifications: no tags."""
        shown: Json = {**self._plain(), "sourceIp": SOURCE_IP, "callerIdentity": CALLER}
        return _ENCODE(shown | self._headers() if with_headers else shown)

    def _plain(self) -> Json:
        return {
            "timestamp": stamp(self.accepted_at),
            "source": self.email.sender,
            "sourceArn": f"arn:aws:ses:{self.region}:{self.account_id}:identity/{self._from_domain}",
            "sendingAccountId": self.account_id,
            "messageId": self.message_id,
            "destination": list(self.email.recipients),
        }

    @property
    def _from_domain(self) -> str:
        return bare(self.email.sender).rpartition("@")[2].lower()

    def _headers(self) -> Json:
        headers, truncated = _headers(self.email)
        return {"headersTruncated": truncated, "headers": headers, "commonHeaders": self._common_headers()}

    def _tags(self) -> dict[str, list[str]]:
        """The sender's own and SES's; the last is always there, see `published_later`."""
        tags = {name: [value] for name, value in self.email.tags.items()}
        tags["ses:source-tls-version"] = ["TLSv1.3"]
        tags["ses:operation"] = ["SendEmail"]
        tags["ses:configuration-set"] = [self.email.configuration_set]
        tags["ses:source-ip"] = [SOURCE_IP]
        tags["ses:from-domain"] = [self._from_domain]
        tags["ses:caller-identity"] = [CALLER]
        return tags

    def _common_headers(self) -> Json:
        """Keys are absent when unused."""
        email = self.email
        given = {name.lower(): value for name, value in email.headers.items()}
        shown: Json = {
            "from": [email.sender],
            "date": given.get("date"),
            "to": list(email.to),
            "cc": list(email.cc),
            "replyTo": list(email.reply_to) or list(filter(None, [given.get("reply-to")])),
            "messageId": self.message_id,
            "subject": email.subject,
        }
        return {name: value for name, value in shown.items() if value}


def _headers(email: Email) -> tuple[list[Json], bool]:
    """The headers as they went out, and whether some were cut off."""
    headers = list(email.headers.items()) if email.raw is not None else _made(email)
    shown: list[Json] = []
    size_bytes = 0
    for name, value in headers:
        if name.lower() in _NOT_SHOWN:
            continue
        size_bytes += len(name) + len(value)
        if size_bytes >= MAX_HEADER_BYTES:
            return shown, True
        shown.append({"name": name, "value": value})
    return shown, False


def _made(email: Email) -> list[tuple[str, str]]:
    """A Simple mail's: SES makes these around the sender's own."""
    lists = {"Reply-To": email.reply_to, "To": email.to, "Cc": email.cc}
    return [
        ("From", email.sender),
        *((name, ", ".join(mailboxes)) for name, mailboxes in lists.items() if mailboxes),
        ("Subject", email.subject),
        ("MIME-Version", "1.0"),
        ("Content-Type", 'multipart/alternative; boundary="----=_Part_1"'),
        *email.headers.items(),
    ]
