"""The ledger's row of a job: its states, and every step from one to the next.

A step returns a new row with a version one higher; the store writes it only over the version before it. So the
row, not the lease, is the fence between nodes (DESIGN 4).
"""

from dataclasses import dataclass, replace
from datetime import datetime
from enum import StrEnum

from tank_mailer.core.errors import Reason


class State(StrEnum):
    """Where a job stands (DESIGN 4)."""

    SENDING = "sending"  # an attempt has begun
    ACCEPTED = "accepted"  # SES returned a MessageId
    DEFERRED = "deferred"  # will be tried again
    IN_DOUBT = "in_doubt"  # the request may have reached SES
    INVALID = "invalid"
    REFUSED = "refused"
    SUPPRESSED = "suppressed"
    EXPIRED = "expired"
    DRY_RUN = "dry_run"
    DEAD = "dead"  # given up


ENDED_WITHOUT_MAIL = frozenset({State.INVALID, State.REFUSED, State.SUPPRESSED, State.EXPIRED, State.DRY_RUN})
UNFINISHED = frozenset({State.SENDING, State.DEFERRED, State.IN_DOUBT})


@dataclass(frozen=True, slots=True)
class Row:
    """One job, bound to one SQS message.

    Attributes:
        owner: node and process of the attempt that is or was under way.
        attempt: attempts begun over the id's whole life; goes out as a tag.
        charged: attempts that count against `TANK_MAX_ATTEMPTS`.
        throttles: throttled attempts since the last that was accepted or charged.
        receipt_handle: the queue's; lets a parked message be extended and deleted without a receive.
        lease_ends_at: until when the attempt under way is covered.
        due_at: when a deferred or doubtful job goes on.
        copied_at: when its copy reached the dead-letter queue.
        configuration_set: what the newest attempt goes through; its events tell of it.
        version: counts the writes; a write names the version that it replaces.
    """

    email_id: str
    state: State
    content_hash: str
    lane: str
    queue_message_id: str
    first_seen_at: datetime
    updated_at: datetime
    owner: str = ""
    attempt: int = 0
    charged: int = 0
    resends: int = 0
    throttles: int = 0
    receipt_handle: str | None = None
    lease_ends_at: datetime | None = None
    due_at: datetime | None = None
    started_at: datetime | None = None
    first_failed_at: datetime | None = None
    accepted_at: datetime | None = None
    copied_at: datetime | None = None
    ses_message_id: str | None = None
    reason: Reason | None = None
    detail: str | None = None
    configuration_set: str | None = None
    version: int = 1

    # --- steps ---

    def _step(self, state: State, now: datetime) -> "Row":
        return replace(
            self, state=state, updated_at=now, version=self.version + 1, reason=None, detail=None, due_at=None
        )

    def begun(
        self,
        *,
        owner: str,
        now: datetime,
        lease_ends_at: datetime,
        receipt_handle: str,
        configuration_set: str | None = None,
    ) -> "Row":
        """An attempt begins: on disk before the request leaves."""
        return replace(
            self._step(State.SENDING, now),
            owner=owner,
            attempt=self.attempt + 1,
            resends=self.resends + (self.state is State.IN_DOUBT),
            started_at=now,
            lease_ends_at=lease_ends_at,
            receipt_handle=receipt_handle,
            configuration_set=configuration_set,
        )

    def accepted(self, ses_message_id: str, now: datetime) -> "Row":
        """SES has it."""
        return replace(
            self._step(State.ACCEPTED, now),
            accepted_at=now,
            ses_message_id=ses_message_id,
            throttles=0,
            receipt_handle=None,
        )

    def proven(self, ses_message_id: str, accepted_at: datetime, now: datetime) -> "Row":
        """An event has shown that SES has it, whatever was thought of it before (DESIGN 6)."""
        return replace(self.accepted(ses_message_id, now), accepted_at=min(accepted_at, now))

    def deferred(self, due_at: datetime, now: datetime, reason: Reason, detail: str = "") -> "Row":
        """Will be tried again, nothing charged; only a throttle is about this job at all."""
        is_throttled = reason is Reason.THROTTLED
        return replace(
            self._step(State.DEFERRED, now),
            due_at=due_at,
            reason=reason,
            detail=detail or None,
            throttles=self.throttles + is_throttled,
            first_failed_at=self.first_failed_at or (now if is_throttled else None),
        )

    def put_off(self, due_at: datetime, now: datetime, reason: Reason, detail: str) -> "Row":
        """Deferred already; the wait is longer than was thought."""
        return replace(self._step(State.DEFERRED, now), due_at=due_at, reason=reason, detail=detail or None)

    def failed(self, due_at: datetime, now: datetime, reason: Reason, detail: str) -> "Row":
        """Will be tried again, one attempt charged."""
        return replace(
            self.deferred(due_at, now, reason, detail),
            charged=self.charged + 1,
            throttles=0,
            first_failed_at=self.first_failed_at or now,
        )

    def given_back(
        self, due_at: datetime, now: datetime, reason: Reason | None, *, before: "Row | None" = None
    ) -> "Row":
        """No request left: as if the attempt had not been begun; an earlier doubt stays one.

        Args:
            due_at: when it is to be tried again.
            now: the time.
            reason: why, if something was wrong.
            before: the row that the attempt was begun from, if it was.
        """
        earlier = before or self
        state = State.IN_DOUBT if earlier.state is State.IN_DOUBT else State.DEFERRED
        return replace(self._step(state, now), due_at=due_at, reason=reason, resends=earlier.resends)

    def doubted(self, due_at: datetime, now: datetime, reason: Reason, detail: str = "") -> "Row":
        """The request may have reached SES."""
        return replace(
            self._step(State.IN_DOUBT, now),
            due_at=due_at,
            reason=reason,
            detail=detail or None,
        )

    def held_by(self, receipt_handle: str, now: datetime) -> "Row":
        """Its message was received again: only the newest handle can move or delete it."""
        return replace(self, receipt_handle=receipt_handle, updated_at=now, version=self.version + 1)

    def doubted_on(self, due_at: datetime, now: datetime) -> "Row":
        """Still in doubt: neither evidence nor its absence settles it yet."""
        return replace(self, due_at=due_at, updated_at=now, version=self.version + 1)

    def ended(self, state: State, now: datetime, reason: Reason, detail: str = "") -> "Row":
        """No mail will come of it, unless somebody puts it back."""
        return replace(self._step(state, now), reason=reason, detail=detail or None, receipt_handle=None)

    def dead(self, now: datetime, reason: Reason, detail: str, *, charged: int = 0) -> "Row":
        """Given up; its copy on the dead-letter queue is still to be made."""
        return replace(self.ended(State.DEAD, now, reason, detail), charged=self.charged + charged)

    def copied(self, now: datetime) -> "Row":
        """Its copy is on the dead-letter queue."""
        return replace(self, copied_at=now, updated_at=now, version=self.version + 1)

    def bound(self, queue_message_id: str) -> "Row":
        """It goes on under another queue message; not a step of its own."""
        return replace(self, queue_message_id=queue_message_id, receipt_handle=None)

    def rebound(self, queue_message_id: str, now: datetime) -> "Row":
        """Nothing changes but the queue message: a fresh copy takes the place of an old one."""
        return replace(self.bound(queue_message_id), updated_at=now, version=self.version + 1)

    def restarted(self, *, content_hash: str, lane: str, queue_message_id: str, now: datetime) -> "Row":
        """Put on the queue again after it had ended without a mail; attempts are counted on."""
        return replace(
            first_row(
                email_id=self.email_id,
                content_hash=content_hash,
                lane=lane,
                queue_message_id=queue_message_id,
                now=now,
            ),
            attempt=self.attempt,
            first_seen_at=self.first_seen_at,
            version=self.version,
        )


def first_row(*, email_id: str, content_hash: str, lane: str, queue_message_id: str, now: datetime) -> Row:
    """A job never seen before, not yet written: its first step makes version 1."""
    return Row(
        email_id=email_id,
        state=State.DEFERRED,
        content_hash=content_hash,
        lane=lane,
        queue_message_id=queue_message_id,
        first_seen_at=now,
        updated_at=now,
        version=0,
    )
