"""A job as producers put it on the queue, and what makes one invalid (DESIGN 3)."""

import json
from base64 import urlsafe_b64encode
from collections.abc import Collection
from dataclasses import dataclass, replace
from datetime import datetime
from hashlib import sha256

from tank_mailer.core.address import Address
from tank_mailer.core.errors import Reason
from tank_mailer.core.fields import (
    MAX_RECIPIENTS,
    FieldError,
    read_addresses,
    read_body,
    read_configuration_set,
    read_expiry,
    read_flag,
    read_id,
    read_plain_text,
    read_sender,
    read_subject,
    shown,
)
from tank_mailer.core.labels import TAG_TEXT, read_headers, read_tags
from tank_mailer.core.rawjson import read_object

MAX_UNKNOWN_FIELDS = 20  # ours: enough to see a misspelling, too few to fill a log

REQUIRED = ("email_id", "from", "to", "subject", "body")
OPTIONAL = (
    *("cc", "bcc", "reply_to", "text", "headers", "tags"),
    *("configuration_set", "expires_at", "at_most_once"),
)
# An email without them would be another one.
NOT_YET = ("attachments", "template", "template_data", "unsubscribe", "stream")
KNOWN = frozenset({*REQUIRED, *OPTIONAL, *NOT_YET})

_canonical = json.JSONEncoder(sort_keys=True, separators=(",", ":")).encode


@dataclass(frozen=True, slots=True)
class EmailJob:
    """One email to be sent, as the producer asked for it."""

    email_id: str
    sender: Address
    to: tuple[Address, ...]
    subject: str
    body: str  # HTML
    cc: tuple[Address, ...] = ()
    bcc: tuple[Address, ...] = ()
    reply_to: tuple[Address, ...] = ()
    text: str | None = None
    headers: tuple[tuple[str, str], ...] = ()  # values in printable ASCII, as SES takes them
    tags: tuple[tuple[str, str], ...] = ()
    configuration_set: str | None = None
    expires_at: datetime | None = None  # aware, UTC
    at_most_once: bool = False
    content_hash: str = ""  # of the job as it was parsed; `without` and `redirected` leave it
    unknown_fields: frozenset[str] = frozenset()

    @property
    def recipients(self) -> tuple[Address, ...]:
        """To, cc and bcc, each mailbox once."""
        return _each_once((*self.to, *self.cc, *self.bcc), set())

    def without(self, keys: Collection[str]) -> "EmailJob":
        """Leave out these recipients, by their keys; `to` may become empty."""
        return replace(
            self,
            to=_each_once(self.to, set(keys)),
            cc=_each_once(self.cc, set(keys)),
            bcc=_each_once(self.bcc, set(keys)),
        )

    def redirected(self, to: Address) -> "EmailJob":
        """Send to this mailbox and to none that the job names (TANK_DELIVERY=redirect)."""
        return replace(self, to=(to,), cc=(), bcc=())


@dataclass(frozen=True, slots=True)
class InvalidJob:
    """A job that can never be sent as it is."""

    reason: Reason
    detail: str  # for the web developer; quotes nothing of the job's content
    email_id: str | None  # where one could be read


def parse_job(raw: str) -> EmailJob | InvalidJob:
    """Read a queue message's body; return in every case, whatever the text.

    The first fault found is the one reported, but missing fields are named together. A mailbox that is named
    twice among to, cc and bcc stays only where it stands first: nobody is to get two copies.
    """
    email_id = None
    try:
        fields, doubled = read_object(raw)
        if "email_id" not in doubled:
            email_id = _readable_id(fields.get("email_id"))
        return _read_job(fields, doubled)
    except FieldError as error:
        return InvalidJob(error.reason, error.detail, email_id)


def email_id_tag(email_id: str) -> str:
    """Return the value of the tag by which SES's events find their job (DESIGN 5.4)."""
    if TAG_TEXT.fullmatch(email_id):
        return email_id
    digest = sha256(email_id.encode("utf-8", "surrogatepass")).digest()
    return urlsafe_b64encode(digest).decode().rstrip("=")


def hash_content(job: EmailJob) -> str:
    """Return the SHA-256, in hex, of what the job says, without the id it goes by.

    The same over versions of Python and of tank-mailer: a field that is absent leaves no trace, so that a
    later release may add some without making every known job another one.
    """
    form = {
        "from": _spelled(job.sender),
        "to": [_spelled(address) for address in job.to],
        "cc": [_spelled(address) for address in job.cc],
        "bcc": [_spelled(address) for address in job.bcc],
        "reply_to": [_spelled(address) for address in job.reply_to],
        "subject": job.subject,
        "body": job.body,
        "text": job.text,
        "headers": dict(job.headers),
        "tags": dict(job.tags),
        "configuration_set": job.configuration_set,
        "expires_at": job.expires_at.isoformat() if job.expires_at else None,
        "at_most_once": job.at_most_once,
    }
    return sha256(_canonical({name: value for name, value in form.items() if value}).encode()).hexdigest()


def _readable_id(value: object) -> str | None:
    try:
        return read_id(value) or None
    except FieldError:
        return None


def _read_job(fields: dict[str, object], doubled: list[str]) -> EmailJob:
    if doubled:
        raise FieldError(
            Reason.BAD_FIELD,
            f"The name {shown(doubled[0])} stands twice in one object; nobody can tell which one is meant.",
        )
    _refuse_missing(fields)
    for name in NOT_YET:
        if fields.get(name):
            raise FieldError(
                Reason.BAD_FIELD,
                f"{name}: This is not supported yet, and the email must not go out without it.",
            )
    email_id = read_id(fields["email_id"])
    sender = read_sender(fields["from"])
    to, cc, bcc = _read_recipients(fields)
    unknown = [shown(name) for name in fields if name not in KNOWN]
    job = EmailJob(
        email_id=email_id,
        sender=sender,
        to=to,
        cc=cc,
        bcc=bcc,
        reply_to=read_addresses(fields.get("reply_to"), "reply_to"),
        subject=read_subject(fields["subject"]),
        body=read_body(fields["body"]),
        text=read_plain_text(fields.get("text")),
        headers=read_headers(fields.get("headers")),
        tags=read_tags(fields.get("tags")),
        configuration_set=read_configuration_set(fields.get("configuration_set")),
        expires_at=read_expiry(fields.get("expires_at")),
        at_most_once=read_flag(fields.get("at_most_once"), "at_most_once"),
        unknown_fields=frozenset(unknown[:MAX_UNKNOWN_FIELDS]),
    )
    return replace(job, content_hash=hash_content(job))


def _refuse_missing(fields: dict[str, object]) -> None:
    missing = [
        name for name in REQUIRED if (value := fields.get(name)) is None or (value in ("", []) and name != "subject")
    ]
    if missing:
        raise FieldError(
            Reason.MISSING_FIELD,
            f"Missing or empty: {', '.join(missing)}. A job needs {', '.join(REQUIRED)}.",
        )


def _read_recipients(fields: dict[str, object]) -> tuple[tuple[Address, ...], ...]:
    kinds = [read_addresses(fields.get(name), name) for name in ("to", "cc", "bcc")]
    count = sum(len(addresses) for addresses in kinds)
    if count > MAX_RECIPIENTS:
        raise FieldError(
            Reason.TOO_MANY_RECIPIENTS,
            f"to, cc, bcc: These hold {count} addresses; Amazon SES takes {MAX_RECIPIENTS}. Split the job.",
        )
    seen: set[str] = set()
    return tuple(_each_once(addresses, seen) for addresses in kinds)


def _each_once(addresses: tuple[Address, ...], seen: set[str]) -> tuple[Address, ...]:
    """Return those whose key is not in `seen`, which grows by theirs."""
    left = []
    for address in addresses:
        key = address.key
        if key not in seen:
            seen.add(key)
            left.append(address)
    return tuple(left)


def _spelled(address: Address) -> list[str]:
    return [address.mailbox, address.name]
