"""Valid values, each with one thing changed."""

import json
from collections.abc import Iterable
from dataclasses import replace
from datetime import UTC, datetime
from typing import Any

from tank_mailer.core.address import Address, parse_address
from tank_mailer.core.event import EventKind, Listed, SesEvent
from tank_mailer.core.job import EmailJob, email_id_tag, hash_content, parse_job

FIELDS: dict[str, object] = {
    "email_id": "order-4711",
    "from": "Tank <sender@example.com>",
    "to": "recipient@example.org",
    "subject": "Your order",
    "body": "<p>It is on its way.</p>",
}
ADDRESS_LISTS = ("to", "cc", "bcc", "reply_to")


def make_body(**changes: object) -> str:
    """Spell a job as producers do; `...` drops a field, and `from_` stands for `from`, Python's own word."""
    fields = FIELDS | {name.rstrip("_"): value for name, value in changes.items()}
    return json.dumps({name: value for name, value in fields.items() if value is not ...})


def make_address(text: str = "recipient@example.org") -> Address:
    return parse_address(text)


def make_job(**changes: Any) -> EmailJob:
    """Make a valid job; fields are those of `EmailJob`, addresses may be texts, one of them may stand alone.

    The content hash is that of the changed job, unless it is given.
    """
    job = parse_job(make_body())
    assert isinstance(job, EmailJob)
    if isinstance(sender := changes.get("sender"), str):
        changes["sender"] = parse_address(sender)
    changes |= {name: _addresses(changes[name]) for name in ADDRESS_LISTS if name in changes}
    job = replace(job, **changes)
    return job if "content_hash" in changes else replace(job, content_hash=hash_content(job))


def _addresses(given: str | Address | Iterable[str | Address]) -> tuple[Address, ...]:
    if isinstance(given, str | Address):
        given = [given]
    return tuple(parse_address(entry) if isinstance(entry, str) else entry for entry in given)


# --- events ----------------------------------------------------------------------------------------

MAIL_AT = datetime(2026, 11, 2, 9, 15, tzinfo=UTC)
_LISTING = {EventKind.DELIVERY, EventKind.DELIVERY_DELAY, EventKind.BOUNCE, EventKind.COMPLAINT}
HARD: dict[str, str | int | bool] = {"type": "Permanent", "subtype": "General"}
SOFT: dict[str, str | int | bool] = {"type": "Transient", "subtype": "MailboxFull"}


def make_event(kind: EventKind = EventKind.SEND, *, email_id: str | None = "order-4711", **changes: Any) -> SesEvent:
    """An event of the mail `ses-1`, tagged for a job; `to`: its recipients, `listed` those that it names."""
    to: tuple[str, ...] = tuple(changes.pop("to", ("recipient@example.org",)))
    listed = changes.pop("listed", to if kind in _LISTING else ())
    code = changes.pop("code", "5.1.1" if kind is EventKind.BOUNCE else "")
    event = SesEvent(
        kind=kind,
        is_published=True,
        ses_message_id="ses-1",
        mail_at=MAIL_AT,
        occurred_at=MAIL_AT,
        destination=to,
        listed=tuple(Listed(address, code=code) for address in listed),
        tag=None if email_id is None else email_id_tag(email_id),
        attempt=None if email_id is None else 1,
        configuration_set="tank",
        facts=HARD if kind is EventKind.BOUNCE else {},
    )
    return replace(event, **changes)
