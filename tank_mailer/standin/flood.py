"""Ready-made events by the ten thousand, for measuring how fast they are drained."""

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime
from typing import Final
from uuid import uuid4

from tank_mailer.standin.email import Email
from tank_mailer.standin.event_kinds import EventKind
from tank_mailer.standin.event_text import published
from tank_mailer.standin.fates import Fate
from tank_mailer.standin.itinerary import Happening
from tank_mailer.standin.mail_object import Mail
from tank_mailer.standin.topics import Shape, Topics

NUMBER: Final = "{n}"
MESSAGE_ID: Final = "{sns}"


@dataclass(frozen=True, slots=True, kw_only=True)
class Flood:
    """What the events are about; `{n}` is the number of the mail, from `first` on."""

    kinds: tuple[EventKind, ...] = (EventKind.DELIVERY,)  # of each mail, one after the other
    email_id: str = "flood-{n}"
    message_id: str = "0102flood-{n}-000000"
    recipient: str = "flood-{n}@example.org"
    sender: str = "news@example.com"
    attempt: str = "1"
    configuration_set: str = "tank"
    first: int = 1


def bodies(flood: Flood, number: int, *, topics: Topics, arn: str, shape: Shape, at: datetime) -> Iterator[str]:
    """The queue messages of `number` events, told apart by mail, SNS id and feedback id."""
    templates = [_template(flood, kind, topics=topics, arn=arn, shape=shape, at=at) for kind in flood.kinds]
    prefix = str(uuid4()).rpartition("-")[0]
    for event in range(number):
        mail, which = divmod(event, len(templates))
        body = templates[which].replace(NUMBER, str(flood.first + mail))
        yield body.replace(MESSAGE_ID, f"{prefix}-{event:012x}")


def _template(flood: Flood, kind: EventKind, *, topics: Topics, arn: str, shape: Shape, at: datetime) -> str:
    queues = topics.queues
    mail = Mail(
        email=_email(flood), message_id=flood.message_id, accepted_at=at,
        account_id=queues.account_id, region=queues.region,
    )  # fmt: skip
    happening = Happening(kind, 1, (flood.recipient,), Fate.BOUNCE)
    notice = published(happening, mail, at=at, feedback_id=f"0102feedback-{NUMBER}-{kind.name}")
    return topics.wrapped(arn, notice, shape=shape, message_id=MESSAGE_ID)


def _email(flood: Flood) -> Email:
    return Email(
        sender=flood.sender,
        senders=(flood.sender,),
        to=(flood.recipient,),
        cc=(),
        bcc=(),
        tags={"email_id": flood.email_id, "attempt": flood.attempt},
        reply_to=(),
        subject="Flood",
        headers={"X-Tank-Email-Id": flood.email_id},
        configuration_set=flood.configuration_set,
        size_bytes=0,
        raw=None,
    )
