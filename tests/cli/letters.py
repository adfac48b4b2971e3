"""Dead letters on the stand-in's queue, as the daemon and SQS's redrive policy put them there."""

import json
from dataclasses import dataclass
from typing import Any

from tank_mailer.standin import Standin
from tank_mailer.standin.message import read_content
from tank_mailer.standin.queue import Message, Place, Queue
from tests.builders import make_body

NAME = "dead"


def make_note(**changes: object) -> str:
    """What `flows.dead_letters` writes beside the body."""
    fields = {
        "email_id": "order-4711",
        "reason": "attempts_spent",
        "remedy": "look at last_error",
        "lane": "ordinary",
        "source": "jobs",
        "attempts": 3,
        "last_error": "SES said 503",
        "first_seen": "2026-11-02T08:00:00+00:00",
    }
    return json.dumps(fields | changes)


@dataclass(frozen=True, slots=True)
class LetterQueue:
    """The dead-letter queue."""

    queue: Queue
    sources: dict[str, Queue]

    def put(self, body: str | None = None, note: str | None = "") -> str:
        """Put a letter there; "": with the usual note, None: without one. Its id."""
        request: dict[str, Any] = {"MessageBody": make_body() if body is None else body}
        if note is not None:
            value = note or make_note()
            request["MessageAttributes"] = {"tank": {"DataType": "String", "StringValue": value}}
        return self.queue.send(read_content(request)).message_id

    def move(self, body: str, *, source: str = "jobs") -> str:
        """Let SQS move a message there, received too often on its own queue. Its id stays."""
        message = self.sources[source].send(read_content({"MessageBody": body}))
        message.receive_count = 100
        self.sources[source].messages.pop(message.message_id)
        message.place = Place.GONE
        self.queue.adopt(message, source_arn=self.sources[source].arn)
        return message.message_id

    @property
    def messages(self) -> list[Message]:
        return list(self.queue.messages.values())

    @property
    def ids(self) -> list[str]:
        return [one.message_id for one in self.messages]

    @property
    def is_as_it_was(self) -> bool:
        """Whether nobody would notice that somebody has looked."""
        return self.queue.count(Place.IN_FLIGHT) == 0


def make_letter_queue(standin: Standin) -> LetterQueue:
    """Make it; the job queues' redrive policies name it."""
    queues = standin.state.queues
    waited = queues.create(NAME, {})
    policy = json.dumps({"deadLetterTargetArn": waited.queue.arn, "maxReceiveCount": "100"})
    sources = dict[str, Queue]()
    for name in ("jobs", "urgent"):
        source = queues.create(name, {})
        queues.change(source, {"RedrivePolicy": policy})
        sources[name] = source.queue
    return LetterQueue(waited.queue, sources)
