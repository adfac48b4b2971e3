"""What an event means: the notes that it leaves in the store, one for each recipient that it touches."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from hashlib import blake2b

from tank_mailer.core.bounce import BounceFacts, Judgement, judge_bounce, judge_complaint
from tank_mailer.core.errors import Reason
from tank_mailer.core.event import EventKind, Listed, SesEvent
from tank_mailer.core.status import Status


@dataclass(frozen=True, slots=True, kw_only=True)
class EventNote:
    """What one event says of one recipient, or of the whole mail.

    Attributes:
        key: of its content; the same event has the same one however often, and in whatever wrapping, it comes.
        recipient: mailbox key; None: the event names none, and the mail has several.
        status: what the recipients in `rises` may rise to; None: it says nothing about delivery.
        rises: the recipients whose status it is about.
        suppresses: why the recipient is suppressed at once; None: it is not.
        counts: a step towards a run of soft bounces.
        facts: what is kept of it, flat.
    """

    key: str
    event: SesEvent
    recipient: str | None
    status: Status | None = None
    rises: tuple[str, ...] = ()
    reason: Reason | None = None
    suppresses: str | None = None
    counts: bool = False
    facts: dict[str, str | int | bool] = field(default_factory=dict, repr=False)


_ABOUT_EACH: Mapping[EventKind, tuple[Status, Reason | None]] = {
    EventKind.DELIVERY: (Status.DELIVERED, None),
    EventKind.DELIVERY_DELAY: (Status.DELAYED, Reason.DELAYED),
}
_ABOUT_ALL: Mapping[EventKind, tuple[Status | None, Reason | None]] = {
    EventKind.SEND: (Status.ACCEPTED, None),
    EventKind.REJECT: (Status.REJECTED, Reason.VIRUS),
    EventKind.RENDERING_FAILURE: (Status.REJECTED, Reason.RENDERING_FAILED),
    EventKind.OPEN: (None, None),  # times, not statuses (DESIGN 4)
    EventKind.CLICK: (None, None),
    EventKind.SUBSCRIPTION: (None, None),
}


def notes_of(event: SesEvent) -> Iterator[EventNote]:
    """Take an event apart."""
    if event.kind is EventKind.BOUNCE:
        for one in event.listed:
            yield _judged(event, one, judge_listed(event, one))
    elif event.kind is EventKind.COMPLAINT:
        judgement = judge_complaint(_text(event, "feedback_type"), _text(event, "subtype"))
        for one in event.listed:
            yield _judged(event, one, judgement)
    elif event.kind in _ABOUT_EACH:
        for one in event.listed:
            yield _about_one(event, one, *_ABOUT_EACH[event.kind])
    else:
        yield _about_all(event, *_ABOUT_ALL[event.kind])


def judge_listed(event: SesEvent, one: Listed) -> Judgement:
    """Judge a bounce for one of those that it lists."""
    return judge_bounce(
        BounceFacts(
            type=_text(event, "type"),
            subtype=_text(event, "subtype"),
            action=one.action,
            code=one.code,
            diagnostic=one.diagnostic,
        )
    )


def _judged(event: SesEvent, one: Listed, judgement: Judgement) -> EventNote:
    return EventNote(
        key=_key(event, one.address),
        event=event,
        recipient=one.address,
        status=judgement.status,
        rises=(one.address,) if judgement.status is not None else (),
        reason=judgement.reason,
        suppresses=judgement.suppresses,
        counts=judgement.counts,
        facts=_facts(event, one),
    )


def _about_one(event: SesEvent, one: Listed, status: Status, reason: Reason | None) -> EventNote:
    return EventNote(
        key=_key(event, one.address),
        event=event,
        recipient=one.address,
        status=status,
        rises=(one.address,),
        reason=reason,
        facts=_facts(event, one),
    )


def _about_all(event: SesEvent, status: Status | None, reason: Reason | None) -> EventNote:
    only = event.destination[0] if len(event.destination) == 1 else None
    return EventNote(
        key=_key(event, only or ""),
        event=event,
        recipient=only,
        status=status,
        rises=event.destination if status is not None else (),
        reason=reason,
        facts=dict(event.facts),
    )


def _key(event: SesEvent, recipient: str) -> str:
    """Name the content (aws-facts 3.5): by SES's id of the feedback, else by the time that SES gave it."""
    occasion = event.feedback_id or event.occurred_at.isoformat()
    parts = f"{event.ses_message_id}\x1f{event.kind}\x1f{recipient}\x1f{occasion}"
    return blake2b(parts.encode("utf-8", "replace"), digest_size=16).hexdigest()


def _facts(event: SesEvent, one: Listed) -> dict[str, str | int | bool]:
    """What judging needs again (`reclassify`), and people want to see."""
    told = {"code": one.code, "action": one.action, "diagnostic": one.diagnostic}
    return {**event.facts, **{name: text for name, text in told.items() if text}}


def _text(event: SesEvent, name: str) -> str:
    return str(event.facts.get(name, ""))
