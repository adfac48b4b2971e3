"""Valid values, each with one thing changed."""

import json
from collections.abc import Iterable
from dataclasses import replace
from typing import Any

from tank_mailer.core.address import Address, parse_address
from tank_mailer.core.job import EmailJob, hash_content, parse_job

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
