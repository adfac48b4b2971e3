"""What AWS bills for beside recipients, as far as a mailer can count it: items, chunks, sizes."""

from collections.abc import Callable
from enum import StrEnum
from typing import Final

from tank_mailer.core.job import EmailJob

CHUNK_BYTES: Final = 65_536  # SQS and SNS: each 64 KB of payload is one request (aws-facts 5.5, 10)


class Item(StrEnum):
    """What is counted, by the day and node."""

    MAILS = "mails"  # that SES has taken; billed by their recipients
    RECIPIENTS = "recipients"  # of these mails; SES bills the simulator's too
    DATA_BYTES = "data_bytes"  # of these mails' subjects, texts and headers, as we hand them to SES
    SQS_REQUESTS = "sqs_requests"  # by chunks of 64 KB
    SNS_NOTIFICATIONS = "sns_notifications"  # events: SES publishes each once, by chunks of 64 KB


Meter = Callable[[Item, int], None]


def unmetered(_item: Item, _count: int) -> None:
    """Count nothing."""


def chunks(size: int) -> int:
    """How many requests SQS or SNS bills for one with so many bytes of payload: one at least."""
    return max(1, -(-size // CHUNK_BYTES))


def size_of(text: str) -> int:
    """Bytes of a text in UTF-8; free of charge for ASCII."""
    return len(text) if text.isascii() else len(text.encode("utf-8", "replace"))


def data_bytes(job: EmailJob) -> int:
    """What a mail brings to SES in bytes, before SES's own encoding (base64 adds up to 37 %, aws-facts 1.3)."""
    headers = sum(size_of(name) + size_of(value) for name, value in job.headers)
    return size_of(job.subject) + size_of(job.body) + size_of(job.text or "") + headers
