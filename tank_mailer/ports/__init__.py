"""What the flows need of the world, in the flows' words."""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum
from typing import Protocol

from tank_mailer.core.doubt import Drained
from tank_mailer.core.envelope import Envelope
from tank_mailer.core.errors import Reason
from tank_mailer.core.event import SesEvent
from tank_mailer.core.job import EmailJob
from tank_mailer.core.ledger import Row, State
from tank_mailer.core.outcome import Answer

# --- time ------------------------------------------------------------------------------------------


class Clock(Protocol):
    """What time it is; waiting is the event loop's, which tests replace by one that skips ahead."""

    def now(self) -> datetime:
        """Wall clock, aware, UTC: for what is written down."""

    def boot_s(self) -> float:
        """Seconds on a clock that goes on in suspend: for leases, which run on in the cloud meanwhile."""


# --- queue -----------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class QueueMessage:
    """One hand-out of a job by SQS.

    Attributes:
        sent_at: when it was put on the queue; counts for the queue's retention.
        attributes: its message attributes in the SDK's form, for a fresh copy.
    """

    queue_message_id: str
    receipt_handle: str = field(repr=False)
    body: str = field(repr=False)
    receive_count: int
    sent_at: datetime
    attributes: Mapping[str, object] = field(default_factory=dict, repr=False)


class Settled(StrEnum):
    """What became of one entry of a batch."""

    DONE = "done"
    FAILED = "failed"  # try again
    GONE = "gone"  # the handle is stale: the message is deleted, or somebody else's
    TOO_LONG = "too_long"  # SQS: twelve hours from the receive are up


@dataclass(frozen=True, slots=True)
class QueueFacts:
    """What a queue says of itself.

    Attributes:
        visible: messages that may be received now, roughly.
        retention_s: how long it keeps a message.
        max_receive_count: after so many receives it dead-letters a message; None: never.
        dead_letter_queue: the name of the queue that its redrive policy names.
        max_bytes: the largest message that it takes.
    """

    visible: int
    in_flight: int
    retention_s: float
    visibility_s: float
    max_receive_count: int | None
    dead_letter_queue: str | None
    max_bytes: int


class Queue(Protocol):
    """One lane's queue. Every method raises `QueueError` if SQS does not do it."""

    async def receive(self, *, limit: int, wait_s: int, visibility_s: int) -> Sequence[QueueMessage]:
        """Up to `limit` (1 to 10) messages, as soon as there is one; none after `wait_s` (0 to 20)."""

    async def delete(self, receipt_handles: Sequence[str]) -> Sequence[Settled]:
        """Delete up to ten; the answers stand in the same order."""

    async def hide(self, entries: Sequence[tuple[str, int]]) -> Sequence[Settled]:
        """Hide up to ten, each by its handle for so many seconds from now; 0 gives it back."""

    async def copy(self, message: QueueMessage, *, delay_s: int) -> str:
        """Send a fresh copy and return its MessageId."""

    async def facts(self) -> QueueFacts:
        """Ask the queue's attributes."""


class DeadLetterQueue(Protocol):
    """Where a job is put aside for a person."""

    async def put(self, body: str, *, note: str) -> None:
        """Send `body` with the one attribute `tank`; raises `QueueError`."""


# --- SES -------------------------------------------------------------------------------------------


class Mailer(Protocol):
    """Sends emails."""

    async def send(self, job: EmailJob, *, attempt: int) -> Answer:
        """Send once; return in every case but cancellation."""


@dataclass(frozen=True, slots=True)
class AccountFacts:
    """What SES says of the account.

    Attributes:
        max_send_rate: recipients a second.
        max_24_hour_send: recipients in 24 hours; None: unlimited.
        sent_last_24_hours: as SES counts, which lags a little.
        production_access: False in the sandbox; None where not told.
        enforcement: HEALTHY, PROBATION or SHUTDOWN; "" where not told.
    """

    max_send_rate: float
    max_24_hour_send: float | None
    sent_last_24_hours: float
    sending_enabled: bool | None = None
    production_access: bool | None = None
    enforcement: str = ""


@dataclass(frozen=True, slots=True)
class AccountUnknown:
    """SES did not tell.

    Attributes:
        reached: whether SES itself answered.
        answered: whether anybody did: a proxy, or an endpoint that does not know this call.
    """

    reason: Reason
    detail: str
    reached: bool
    answered: bool = False


class Account(Protocol):
    """The SES account behind the key."""

    async def ask(self) -> AccountFacts | AccountUnknown:
        """GetAccount, on the connection that mails go out by."""


# --- store -----------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Receipt:
    """One acceptance by SES."""

    ses_message_id: str
    email_id: str
    attempt: int
    accepted_at: datetime


@dataclass(frozen=True, slots=True)
class RecipientNote:
    """What is known of one recipient of a job; `status` is a rank of `core.status.Status`."""

    email_id: str
    address: str
    status: int
    reason: str | None
    updated_at: datetime


@dataclass(frozen=True, slots=True)
class Aside:
    """A job's raw text, kept because no mail came of it."""

    queue_message_id: str
    email_id: str | None
    kind: str
    reason: Reason
    detail: str
    raw: str = field(repr=False)
    lane: str = ""
    at: datetime | None = None


@dataclass(frozen=True, slots=True)
class Change:
    """One row's next version and what goes on disk with it.

    Attributes:
        row: written only over the version before it.
        receipt: kept even if the row was overtaken: it is proof.
        sender: the mailbox key of a sender that SES accepted.
    """

    row: Row
    receipt: Receipt | None = None
    recipients: Sequence[RecipientNote] = ()
    aside: Aside | None = None
    sender: str | None = None


@dataclass(frozen=True, slots=True)
class Begun:
    """The attempt's row is on disk."""


@dataclass(frozen=True, slots=True)
class Overtaken:
    """Somebody else wrote the row meanwhile."""


@dataclass(frozen=True, slots=True)
class Suppressed:
    """These mailbox keys may not be mailed, each with why; nothing was written."""

    reasons: Mapping[str, Reason]


class Ledger(Protocol):
    """What happened to every job. Every method raises `StoreError` if the store is sick.

    An event with our tag, of any attempt, is proof: the row that `begin` or `write` would replace is then accepted
    instead, and they answer that they were overtaken (DESIGN 6).
    """

    async def find(self, email_id: str) -> Row | None:
        """The job's row."""

    async def begin(
        self,
        row: Row,
        recipients: Collection[str],
        *,
        left_out: Sequence[RecipientNote] = (),
        sent_at: datetime | None = None,
    ) -> Begun | Overtaken | Suppressed:
        """Check the suppression list and write the row of a beginning attempt, in one transaction.

        Args:
            row: as it is to stand.
            recipients: the mailbox keys of those whom the mail goes to.
            left_out: those whom it does not go to; written with the row.
            sent_at: when the job's message was put on its queue: what SES took earlier was another mail.
        """

    async def write(self, change: Change) -> bool:
        """Write a row's next version; False if it was overtaken (a receipt is kept all the same)."""

    async def set_aside(self, aside: Aside) -> None:
        """Keep what has no row of its own."""

    async def sender_is_known(self, sender: str) -> bool:
        """Whether SES accepted anything from this mailbox key before."""

    async def others_accepted_since(self, since: datetime, email_id: str) -> bool:
        """Whether any other job was accepted at or after `since`."""

    async def knows_lane(self, lane: str) -> bool:
        """Whether a job of this lane is on record: invalid ones are not, they have no row."""

    async def check(self) -> None:
        """Read and write once, for nothing but to see whether it works."""


# --- feedback --------------------------------------------------------------------------------------


class Checked(StrEnum):
    """What a look at the signature of an SNS message says."""

    GENUINE = "genuine"
    FORGED = "forged"
    UNKNOWN = "unknown"  # the certificate cannot be had now


class SignatureCheck(Protocol):
    """Knows SNS's signatures."""

    async def check(self, envelope: Envelope) -> tuple[Checked, str]:
        """Look at one, and say why in a sentence."""


@dataclass(frozen=True, slots=True)
class Recording:
    """What became of one event.

    Attributes:
        email_id: the job's; None: of a mail that is not ours.
        is_new: it had not been recorded before, for one of its recipients at least.
    """

    event: SesEvent
    email_id: str | None
    is_new: bool
    reason: Reason | None = None


@dataclass(frozen=True, slots=True)
class Proven:
    """A job that an event has shown to be accepted.

    Attributes:
        before: where it stood.
        receipt_handle: of its message, if that is still on its queue.
    """

    email_id: str
    before: State
    lane: str
    queue_message_id: str
    ses_message_id: str
    receipt_handle: str | None = field(default=None, repr=False)


@dataclass(frozen=True, slots=True)
class NewSuppression:
    """An address that is suppressed from now on."""

    address: str = field(repr=False)
    reason: str
    email_id: str | None


@dataclass(frozen=True, slots=True)
class Recorded:
    """What a batch of events has changed; `recordings` in the order of the events.

    Attributes:
        doubled: jobs of which SES is now known to have sent more than one mail.
    """

    recordings: Sequence[Recording]
    proven: Sequence[Proven] = ()
    suppressed: Sequence[NewSuppression] = ()
    doubled: Sequence[str] = ()


class EventBook(Protocol):
    """What SES has reported. Every method raises `StoreError` if the store is sick."""

    async def record(self, events: Sequence[SesEvent]) -> Recorded:
        """Write down what is new and all that follows from it, in one transaction."""

    async def set_aside(self, aside: Aside) -> None:
        """Keep a message that is no event to act on."""

    async def check(self) -> None:
        """Read and write once, for nothing but to see whether it works."""

    async def doubts(self, due_before: datetime, *, limit: int) -> Sequence[Row]:
        """Jobs in doubt that are due before then, the earliest first."""

    async def put_off(self, row: Row) -> bool:
        """Write a later due time of a job in doubt; False if it was overtaken."""

    async def drained(self, until: datetime, at: datetime) -> None:
        """Note at `at` that whatever the event queue held until then has been read and written."""

    async def drained_until(self) -> Drained | None:
        """What was noted last."""

    async def newest_proof(self, configuration_set: str, before: datetime) -> datetime | None:
        """When the newest mail was accepted, by our own clock, of which this set has sent a tagged Send event back.

        Args:
            configuration_set: SES's events tell of it.
            before: the event was recorded until then.
        """


# --- the web server --------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Letter:
    """One piece of news that waits in the outbox.

    Attributes:
        payload: the body of the request, as `core.news.spell` makes it.
        tries: how often it was tried already.
    """

    id: int
    email_id: str
    payload: str = field(repr=False)
    created_at: datetime
    tries: int = 0


@dataclass(frozen=True, slots=True)
class Told:
    """The web server has it."""


@dataclass(frozen=True, slots=True)
class NotTold:
    """It does not, or did not say so; `detail` is a sentence without addresses."""

    detail: str
    status: int | None = None


class Outbox(Protocol):
    """News that waits for the web server. Every method raises `StoreError` if the store is sick."""

    async def due(self, now: datetime, *, limit: int) -> Sequence[Letter]:
        """The oldest waiting letter of each job, as far as it is due, oldest first."""

    async def told(self, ids: Sequence[int], at: datetime) -> None:
        """They have been told."""

    async def put_off(self, letter: Letter, due_at: datetime) -> None:
        """Try again then; counts one try."""

    async def give_up(self, letter: Letter) -> None:
        """Try no more; kept for `webhook replay`."""

    async def next_due(self) -> datetime | None:
        """When the earliest waiting letter is due."""


class Receiver(Protocol):
    """The web server's end."""

    async def tell(self, letter: Letter) -> Told | NotTold:
        """One request; returns in every case but cancellation."""


# --- housekeeping ----------------------------------------------------------------------------------


class Attic(Protocol):
    """What the store keeps for too long. Every method raises `StoreError` if the store is sick."""

    async def prune(self, before: datetime, *, limit: int) -> int:
        """Delete up to `limit` rows older than that, of what may be forgotten; 0: nothing is left."""

    async def lost_events(self, accepted_from: datetime, accepted_until: datetime) -> tuple[int, int]:
        """How many mails that SES accepted then, through a configuration set, had no event at all; and of how many."""

    async def mark(self, name: str) -> datetime | None:
        """When something was last noted under that name."""

    async def set_mark(self, name: str, at: datetime) -> None:
        """Note it."""
