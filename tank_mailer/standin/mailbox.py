"""What the stand-in has accepted: the log that an observer reads, and the mails themselves."""

import json
from collections import OrderedDict
from dataclasses import dataclass, field
from datetime import datetime
from typing import Protocol
from uuid import uuid4

from tank_mailer.standin.clock import Clock
from tank_mailer.standin.email import Email
from tank_mailer.standin.errors import Json


@dataclass(frozen=True, slots=True, kw_only=True)
class Accepted:
    """One mail that got a MessageId. `number` counts from 1; `recipients` is what the rate counts."""

    number: int
    at: str
    monotonic_s: float
    message_id: str
    email_id: str  # the tag
    attempt: str  # the tag
    header_email_id: str  # X-Tank-Email-Id
    sender: str
    to: tuple[str, ...]
    cc: tuple[str, ...]
    bcc: tuple[str, ...]
    recipients: int
    tags: dict[str, str]
    configuration_set: str
    size_bytes: int


class Listener(Protocol):
    """Whoever wants to know of each accepted mail."""

    def accepted(self, email: Accepted) -> None:
        """Called once for each mail, before its answer leaves; must not block."""
        ...


@dataclass(slots=True, kw_only=True, eq=False)
class Mailbox:
    """The accept log without end, and the last `keep_emails` mails as they came in."""

    clock: Clock
    keep_emails: int
    log: list[Accepted] = field(default_factory=list)
    listeners: list[Listener] = field(default_factory=list)
    _requests: OrderedDict[str, tuple[bytes, bytes | None]] = field(default_factory=OrderedDict)

    def accept(self, email: Email, *, request: bytes) -> tuple[str, datetime]:
        """Give the mail its MessageId and tell the listeners; return the id and when that was."""
        now = self.clock.wall()
        entry = Accepted(
            number=len(self.log) + 1,
            at=now.isoformat(),
            monotonic_s=self.clock.monotonic(),
            message_id=f"0102{int(now.timestamp() * 1000):012x}-{uuid4()}-000000",  # as SES's look
            email_id=email.tags.get("email_id", ""),
            attempt=email.tags.get("attempt", ""),
            header_email_id=next((v for k, v in email.headers.items() if k.lower() == "x-tank-email-id"), ""),
            sender=email.sender,
            to=email.to,
            cc=email.cc,
            bcc=email.bcc,
            recipients=len(email.recipients),
            tags=email.tags,
            configuration_set=email.configuration_set,
            size_bytes=email.size_bytes,
        )
        self.log.append(entry)
        self._requests[entry.message_id] = (request, email.raw)
        if len(self._requests) > self.keep_emails:
            self._requests.popitem(last=False)
        for listener in self.listeners:
            listener.accepted(entry)
        return entry.message_id, now

    def kept(self) -> list[str]:
        """The MessageIds whose mails are still there, oldest first."""
        return list(self._requests)

    def email(self, message_id: str) -> Json | None:
        """The mail as it was received: the request, and for Raw its MIME as text."""
        found = self._requests.get(message_id)
        if found is None:
            return None
        request, raw = found
        shown: Json = {"MessageId": message_id, "request": json.loads(request)}
        if raw is not None:
            shown["mime"] = raw.decode("utf-8", "replace")
        return shown

    def clear(self) -> None:
        """Forget every mail."""
        self.log.clear()
        self._requests.clear()
