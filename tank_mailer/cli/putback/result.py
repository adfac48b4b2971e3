"""What became of one that was to be put back, for people and for scripts."""

from dataclasses import dataclass
from typing import Any

from tank_mailer.cli.putback.queues import Ready
from tank_mailer.core.errors import Reason


@dataclass(frozen=True, slots=True)
class Result:
    """With a new message's id it is on the queue; with a queue and no such id it would go there.

    Attributes:
        queue: the lane that it went back on, or `events`.
        remark: why on that one, and what else there is to say.
        reason: why not, where the daemon would say it in the same word.
    """

    name: str
    email_id: str | None
    new_message_id: str | None = None
    queue: str | None = None
    remark: str = ""
    reason: Reason | None = None
    why_not: str = ""

    @classmethod
    def planned(cls, ready: Ready) -> "Result":
        """It would go."""
        return cls(ready.name, ready.email_id, queue=ready.way.queue, remark=ready.way.remark)

    @property
    def goes(self) -> bool:
        """Whether it went, or would."""
        return not self.why_not

    def shape(self) -> dict[str, Any]:
        """As JSON has it."""
        return {
            "id": self.name,
            "email_id": self.email_id,
            "requeued": self.new_message_id is not None,
            "new_queue_message_id": self.new_message_id,
            "lane": self.queue,
            "remark": self.remark or None,
            "reason": self.reason,
            "why_not": self.why_not or None,
        }

    @property
    def sentence(self) -> str:
        """For people."""
        known = f" ({self.email_id})" if self.email_id and self.email_id != self.name else ""
        remark = f", {self.remark}" if self.remark else ""
        if self.new_message_id:
            return f"{self.name}{known}: on the queue as {self.new_message_id}{remark}"
        if self.why_not:
            return f"{self.name}{known}: not put back: {self.why_not}"
        return f"{self.name}{known}: would go on the {self.queue} queue{remark}"
