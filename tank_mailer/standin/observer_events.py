"""`/_standin/events` and `/_standin/topics`: how an observer sets what SES reports."""

from dataclasses import fields, replace
from typing import Any, Final

from tank_mailer.standin import parameters
from tank_mailer.standin.errors import AwsError, Json
from tank_mailer.standin.event_kinds import read_kinds
from tank_mailer.standin.flood import Flood
from tank_mailer.standin.state import State
from tank_mailer.standin.topics import Shape

MAX_FLOOD: Final = 1_000_000

INDEX: Final = """\
GET    /_standin/events            settings, rules, destinations, topics, events published and lost
PUT    /_standin/events            change any of them: {"latency_s": 0.05 (a step: Send, Delivery ...),
                                   "delay_s": 0, "shuffle_s": 0, "copies": 1, "lost_share": 0,
                                   "lost_next": 0, "lost_kinds": ["SEND"], "validation_text": true,
                                   "identity_notifications": "off" (also, only), "identity_headers": false,
                                   "kinds": [those of every destination], "shape": "sns" (raw, eventbridge),
                                   "rules": [{"match": "*@example.org", "fate": "bounce",
                                   "times": 1 (null: for ever)}], "seed": 0}; fates: success bounce ooto
                                   complaint suppressionlist accountlist softbounce delay reject rendering
                                   open click silence; each also an address at simulator.amazonses.com
POST   /_standin/events/validation SES's text to each topic in use
POST   /_standin/events/flood      {"events": 1000}: ready-made events at once; beside it "kinds", "first" and,
                                   with {n} for the mail's number, "email_id", "message_id", "recipient",
                                   "sender", "attempt", "configuration_set"
POST   /_standin/topics            a topic with a queue: {"topic": "ses-events", "queue": "events", "shape": "sns"}
"""

_TEXTS: Final = tuple(field.name for field in fields(Flood) if field.name not in {"kinds", "first"})


def change(state: State, changes: Json) -> Json:
    """Change settings; show them all."""
    state.events.change(changes)
    return state.events.shown()


def ask(state: State, name: str, request: Json) -> Json:
    """Let something be published at once."""
    match name:
        case "validation":
            state.events.announce()
        case "flood":
            number = parameters.number(request, "events", default=1, low=1, high=MAX_FLOOD)
            state.events.flood(number, _flood(request))
        case _:
            raise AwsError("NotFoundException", f"nothing is asked of events/{name}", status=404)
    return state.events.shown()


def subscribe(state: State, request: Json) -> Json:
    """Make a topic where it is not there, and let a queue have what comes to it."""
    shape = parameters.optional_text(request, "shape") or Shape.SNS
    if shape not in list(Shape):
        raise AwsError("BadRequestException", f"shape is one of {', '.join(Shape)}")
    topics = state.events.topics
    name, queue = parameters.text(request, "topic"), parameters.text(request, "queue")
    state.queues.named(queue)
    arn = topics.create(name)
    topics.subscribe(arn, queue, shape=Shape(shape))
    return {"TopicArn": arn}


def _flood(request: Json) -> Flood:
    if unknown := sorted(set(request) - {field.name for field in fields(Flood)} - {"events"}):
        raise AwsError("BadRequestException", f"unknown: {', '.join(unknown)}")
    texts: dict[str, Any] = {name: parameters.text(request, name) for name in _TEXTS if name in request}
    flood = Flood(**texts)
    if "kinds" in request:
        flood = replace(flood, kinds=read_kinds(request["kinds"]) or flood.kinds)
    return replace(flood, first=parameters.number(request, "first", default=flood.first, low=0, high=1_000_000_000))
