"""One queue as a state machine over a clock: what is visible, what is hidden, and until when. No I/O."""

from collections import deque
from dataclasses import dataclass, field
from enum import Enum
from uuid import uuid4

from tank_mailer.standin.clock import Clock
from tank_mailer.standin.errors import AwsError, invalid
from tank_mailer.standin.message import Content
from tank_mailer.standin.queue_settings import QueueSettings
from tank_mailer.standin.receipt import Receipt, handle_of, read_handle
from tank_mailer.standin.timetable import Timetable

MAX_IN_FLIGHT = 120_000  # SQS standard queue: aws-facts 5.1
MAX_INVISIBLE_S = 43_200  # SQS: counted from the receive, extending does not restart it; aws-facts 5.1
BACK_OF_THE_QUEUE = 3  # SQS: received so often without a delete, it goes to the back; aws-facts 5.2


class Place(Enum):
    """Where a message is."""

    VISIBLE = "visible"
    DELAYED = "delayed"  # sent, and not to be received yet
    COMING = "coming"  # still with whoever sends it: no count shows it
    IN_FLIGHT = "in flight"
    GONE = "gone"  # deleted, purged, expired, or moved to another queue


@dataclass(slots=True, eq=False)
class Message:
    """One message on one queue. Only its queue changes it."""

    message_id: str
    content: Content
    sent_at_ms: int
    enqueued_at: float
    place: Place = Place.GONE
    hidden_until: float = 0.0
    received_at: float = 0.0
    receive_count: int = 0
    first_received_at_ms: int = 0
    source_arn: str = ""


@dataclass(slots=True, kw_only=True, eq=False)
class Queue:
    """A standard queue. Every operation costs O(log n) at most, spread over many calls."""

    name: str
    arn: str
    clock: Clock
    settings: QueueSettings
    messages: dict[str, Message] = field(default_factory=dict)
    _visible: deque[Message] = field(default_factory=deque)
    _hidden: Timetable[Message] = field(
        default_factory=lambda: Timetable(holds=lambda at, message: _is_hidden(message) and message.hidden_until == at)
    )
    _ages: Timetable[Message] = field(
        default_factory=lambda: Timetable(holds=lambda _, message: message.place is not Place.GONE)
    )
    _counts: dict[Place, int] = field(default_factory=lambda: dict.fromkeys(Place, 0))

    def count(self, place: Place) -> int:
        """How many messages are there now."""
        self._refresh()
        return self._counts[place]

    def is_full(self) -> bool:
        """Whether the in-flight ceiling is reached: nothing is handed out then."""
        return self.count(Place.IN_FLIGHT) >= MAX_IN_FLIGHT

    def has_something(self) -> bool:
        """Whether a receive would get anything."""
        return self.count(Place.VISIBLE) > 0 and not self.is_full()

    def send(self, content: Content, *, delay_s: int | None = None) -> Message:
        """Put `content` on the queue, after the queue's own delay where none is given."""
        if content.size_bytes > self.settings.max_bytes:
            raise AwsError(
                "InvalidParameterValue",
                "One or more parameters are invalid. "
                f"Reason: Message must be shorter than {self.settings.max_bytes} bytes.",
            )
        now = self.clock.monotonic()
        message = Message(str(uuid4()), content, self._wall_ms(), now)
        self._keep(message)
        delay_s = self.settings.delay_s if delay_s is None else delay_s
        if delay_s:
            self._hide(message, Place.DELAYED, until=now + delay_s)
        else:
            self._show(message)
        return message

    def expect(self, content: Content, *, in_s: float) -> None:
        """Let `content` arrive `in_s` from now, as if it were sent then."""
        now = self.clock.monotonic()
        in_s = max(0.0, in_s)
        message = Message(str(uuid4()), content, self._wall_ms() + int(in_s * 1000), now + in_s)
        self._keep(message)
        if in_s:
            self._hide(message, Place.COMING, until=now + in_s)
        else:
            self._show(message)

    def adopt(self, message: Message, *, source_arn: str) -> None:
        """Take a message over: its id, count and enqueue time stay (aws-facts 5.3)."""
        moved = Message(message.message_id, message.content, message.sent_at_ms, message.enqueued_at)
        moved.receive_count = message.receive_count
        moved.first_received_at_ms = message.first_received_at_ms
        moved.source_arn = source_arn
        self._keep(moved)
        self._show(moved)

    def receive(self, limit: int, *, visibility_s: int, dead_letters: "Queue | None") -> list[Message]:
        """Hand out up to `limit` messages; those received too often already go to `dead_letters`."""
        self._refresh()
        now = self.clock.monotonic()
        limit = min(limit, MAX_IN_FLIGHT - self._counts[Place.IN_FLIGHT])
        handed_out: list[Message] = []
        while self._visible and len(handed_out) < limit:
            message = self._visible.popleft()
            if message.place is not Place.VISIBLE:
                continue
            if dead_letters is not None and message.receive_count >= self.settings.max_receive_count:
                self._forget(message)
                dead_letters.adopt(message, source_arn=self.arn)
                continue
            message.receive_count += 1
            message.received_at = now
            message.first_received_at_ms = message.first_received_at_ms or self._wall_ms()
            self._hide(message, Place.IN_FLIGHT, until=now + visibility_s)
            handed_out.append(message)
        return handed_out

    def handle(self, message: Message) -> str:
        """The handle of the message's latest receive."""
        return handle_of(Receipt(self.name, message.message_id, message.receive_count))

    def delete(self, handle: str) -> bool:
        """Whether a message went.

        A handle of an earlier receive or a deleted message deletes nothing and is no error (aws-facts 5.2).
        """
        self._refresh()
        receipt = self._receipt(handle)
        message = self.messages.get(receipt.message_id)
        if message is None or message.receive_count != receipt.receive_count:
            return False
        self._forget(message)
        return True

    def change_visibility(self, handle: str, visibility_s: int) -> None:
        """Hide a message in flight for `visibility_s` from now; 0 gives it back."""
        self._refresh()
        receipt = self._receipt(handle)
        message = self.messages.get(receipt.message_id)
        if message is None or message.receive_count != receipt.receive_count:
            # What AWS says to a stale handle is not documented: this is what it says of deleted ones.
            raise invalid(
                "ReceiptHandle",
                handle,
                "Message does not exist or is not available for visibility timeout change.",
            )
        if message.place is not Place.IN_FLIGHT:
            raise AwsError("MessageNotInflight", "The specified message isn't in flight.")
        now = self.clock.monotonic()
        if now + visibility_s - message.received_at > MAX_INVISIBLE_S:
            raise invalid(
                "VisibilityTimeout",
                visibility_s,
                f"Total VisibilityTimeout for the message is beyond the limit [{MAX_INVISIBLE_S} seconds]",
            )
        self._hide(message, Place.IN_FLIGHT, until=now + visibility_s)
        self._refresh()

    def purge(self) -> None:
        """Drop every message, those in flight too."""
        for message in self.messages.values():
            message.place = Place.GONE
        self.messages.clear()
        self._visible.clear()
        self._hidden.clear()
        self._ages.clear()
        self._counts = dict.fromkeys(Place, 0)

    def next_return_at(self) -> float | None:
        """When the next hidden message comes back, on the monotonic clock."""
        return self._hidden.first_at()

    def _refresh(self) -> None:
        """Bring back what was hidden long enough, drop what is past its retention."""
        now = self.clock.monotonic()
        to_the_front: list[Message] = []
        while message := self._hidden.take(now):
            if message.place is not Place.IN_FLIGHT or message.receive_count >= BACK_OF_THE_QUEUE:
                self._show(message)
            else:
                self._move(message, Place.VISIBLE)
                to_the_front.append(message)
        self._visible.extendleft(reversed(to_the_front))
        while message := self._ages.take(now - self.settings.retention_s):
            self._forget(message)

    def _receipt(self, handle: str) -> Receipt:
        receipt = read_handle(handle)
        if receipt is None or receipt.queue != self.name:
            raise AwsError(
                "ReceiptHandleIsInvalid",
                f'The input receipt handle "{handle}" is not a valid receipt handle.',
            )
        return receipt

    def _keep(self, message: Message) -> None:
        self.messages[message.message_id] = message
        self._ages.add(message.enqueued_at, message)

    def _forget(self, message: Message) -> None:
        self._move(message, Place.GONE)
        del self.messages[message.message_id]

    def _show(self, message: Message) -> None:
        self._move(message, Place.VISIBLE)
        self._visible.append(message)

    def _hide(self, message: Message, place: Place, *, until: float) -> None:
        self._move(message, place)
        message.hidden_until = until
        self._hidden.add(until, message)

    def _move(self, message: Message, place: Place) -> None:
        if message.place is not Place.GONE:
            self._counts[message.place] -= 1
        if place is not Place.GONE:
            self._counts[place] += 1
        message.place = place

    def _wall_ms(self) -> int:
        return int(self.clock.wall().timestamp() * 1000)


def _is_hidden(message: Message) -> bool:
    return message.place is not Place.VISIBLE and message.place is not Place.GONE
