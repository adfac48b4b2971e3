"""An event as SES writes it, in both of its shapes (aws-facts 3)."""

import json
from datetime import datetime
from typing import Final

from tank_mailer.standin.event_details import REMOTE_IP, detail_of
from tank_mailer.standin.event_kinds import DETAIL_KEYS, EventKind
from tank_mailer.standin.itinerary import Happening
from tank_mailer.standin.mail_object import Mail
from tank_mailer.standin.topics import Notice

NOTIFIED: Final = frozenset({EventKind.BOUNCE, EventKind.COMPLAINT, EventKind.DELIVERY})  # of an identity

SUBJECT: Final = "Amazon SES Email Event Notification"  # aws-facts 4.1

_WITHOUT_HEADERS: Final = frozenset({EventKind.DELIVERY_DELAY, EventKind.RENDERING_FAILURE})
_WITHIN_SES: Final = frozenset({EventKind.SEND, EventKind.REJECT})  # the mail has not left
_ENCODE: Final = json.JSONEncoder(separators=(",", ":")).encode


def published(happening: Happening, mail: Mail, *, at: datetime, feedback_id: str) -> Notice:
    """As a configuration set publishes it."""
    kind = happening.kind
    if kind in _WITHOUT_HEADERS:
        shown = mail.published_bare
    else:
        shown = mail.published if kind in _WITHIN_SES else mail.published_later
    detail = detail_of(happening, accepted_at=mail.accepted_at, at=at, feedback_id=feedback_id, mta=mail.mta)
    text = f'{{"eventType":"{kind}","mail":{shown},"{DETAIL_KEYS[kind]}":{_ENCODE(detail) if detail else "{}"}}}'
    source = f"arn:aws:ses:{mail.region}:{mail.account_id}:configuration-set/{mail.email.configuration_set}"
    return Notice(text=text, at=at, kind=kind, subject=SUBJECT, arn=source)


def notified(happening: Happening, mail: Mail, *, at: datetime, feedback_id: str, with_headers: bool) -> Notice:
    """As an identity notifies of it: Bounce, Complaint and Delivery only, and without a subject."""
    kind = happening.kind
    detail = detail_of(happening, accepted_at=mail.accepted_at, at=at, feedback_id=feedback_id, mta=mail.mta)
    if kind is not EventKind.COMPLAINT:
        detail["remoteMtaIp"] = REMOTE_IP
    shown = mail.notified(with_headers=with_headers)
    text = f'{{"notificationType":"{kind}","{DETAIL_KEYS[kind]}":{_ENCODE(detail)},"mail":{shown}}}'
    return Notice(text=text, at=at, kind=kind)
