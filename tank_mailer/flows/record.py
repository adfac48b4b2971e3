"""Writes down what has happened: on disk before it leaves the queue, for as long as that takes."""

from collections.abc import Awaitable, Callable
from dataclasses import dataclass, replace
from datetime import timedelta
from typing import TypeVar

from tenacity import AsyncRetrying, RetryCallState, retry_if_exception_type, wait_random_exponential

from tank_mailer.core.backoff import RetryPolicy
from tank_mailer.core.errors import Reason, StoreError
from tank_mailer.core.gate import Skipped
from tank_mailer.core.job import EmailJob, InvalidJob
from tank_mailer.core.ledger import Row, State
from tank_mailer.core.outcome import (
    Accepted,
    Concern,
    Concerned,
    Failed,
    Held,
    InDoubt,
    Outcome,
    Refused,
    Throttled,
    Unreachable,
)
from tank_mailer.core.status import Status
from tank_mailer.core.verdict import DeadLetter, History, Retry, Verdict
from tank_mailer.flows.pauses import Pauses
from tank_mailer.flows.story import Story
from tank_mailer.ports import Aside, Change, Clock, Ledger, Receipt, RecipientNote
from tank_mailer.telemetry import metrics
from tank_mailer.telemetry.log import get_logger

log = get_logger()

MAX_RAW_BYTES = 65_536  # DESIGN 3
MAX_WAIT_S = 15.0  # between tries at a sick store

T = TypeVar("T")


@dataclass(frozen=True, kw_only=True)
class Recorder:
    """Makes outcomes durable."""

    lane: str
    policy: RetryPolicy
    ledger: Ledger
    pauses: Pauses
    clock: Clock

    async def history(self, row: Row, outcome: Outcome) -> History:
        """What the verdict needs to know; whether others pass only where it matters, for it costs a look."""
        others_pass = False
        match outcome:
            case Failed() if row.charged + 1 >= self.policy.max_attempts:
                others_pass = await self._others_pass(row)
            case Throttled() if row.throttles >= self.policy.max_throttles:
                others_pass = await self._others_pass(row)
            case _:
                pass
        # A throttled attempt has been counted in its row already.
        throttles = row.throttles - 1 if isinstance(outcome, Throttled) else row.throttles
        return History(row.charged, row.resends, throttles, others_pass, row.configuration_set)

    async def _others_pass(self, row: Row) -> bool:
        since = row.first_failed_at or self.clock.now()
        return await self._stubborn(lambda: self.ledger.others_accepted_since(since, row.email_id))

    async def record(self, story: Story, job: EmailJob, row: Row, outcome: Outcome, verdict: Verdict) -> bool:
        """Write an attempt's outcome over the row that was begun for it; False if that was overtaken."""
        now = self.clock.now()
        match outcome:
            case Accepted(ses_message_id):
                await self._record_receipt(story, job, row, ses_message_id)
                return True
            case Refused(reason, detail):
                aside = self._aside(story, job.email_id, State.REFUSED, reason, detail)
                ended = row.ended(State.REFUSED, now, reason, detail)
                return await self.write(story, Change(ended, aside=aside))
            case InDoubt(reason, detail):
                due_at = now + timedelta(seconds=self.policy.doubt_wait_s(row.configuration_set))
                doubted = replace(row.doubted(due_at, now, reason, detail), receipt_handle=story.lease.handle)
                written = await self.write(story, Change(doubted))
                if written:  # else an event has shown already that SES has it
                    metrics.doubt_begun(reason)
                return written
            case Held(concern, reason, detail):
                due_at = now + timedelta(seconds=self.pauses.hide_s(concern))
                deferred = row.deferred(due_at, now, reason, detail)
                return await self.write(story, Change(deferred))
            case Failed(detail=detail) | Throttled(detail) | Unreachable(detail):
                return await self._record_failure(story, row, verdict, detail)

    async def _record_failure(self, story: Story, row: Row, verdict: Verdict, detail: str) -> bool:
        now = self.clock.now()
        match verdict:
            case DeadLetter(reason):
                return await self.write(story, self.dying(story, row, reason, detail, charged=1))
            case Retry(delay_s, reason, charged):
                due_at = now + timedelta(seconds=delay_s)
                step = row.failed if charged else row.deferred
                if row.state is State.DEFERRED and not charged:  # a throttled one: counted already
                    step = row.put_off
                return await self.write(story, Change(step(due_at, now, reason, detail)))
            case _:
                raise AssertionError(verdict)

    async def _record_receipt(self, story: Story, job: EmailJob, row: Row, ses_message_id: str) -> None:
        """Write the acceptance; over a row that became doubtful meanwhile, too: the receipt is proof."""
        story.lease.is_kept = True  # for as long as it takes (DESIGN 5.6)
        now = self.clock.now()
        notes = [RecipientNote(job.email_id, a.key, Status.ACCEPTED, None, now) for a in job.recipients]
        change = Change(
            row.accepted(ses_message_id, now),
            receipt=Receipt(ses_message_id, job.email_id, row.attempt, now),
            recipients=notes,
            sender=job.sender.key,
        )
        while not await self.write(story, change):
            current = await self._stubborn(lambda: self.ledger.find(job.email_id))
            if current is not None and current.ses_message_id == ses_message_id:
                break  # an event has proven it before we came to write it down
            log.error("fence_lost", email_id=job.email_id, ses_message_id=ses_message_id, attempts=row.attempt)
            if current is None or current.state is State.ACCEPTED:
                break
            change = Change(current.accepted(ses_message_id, now), recipients=notes)
        story.lease.is_kept = False

    async def end(self, story: Story, row: Row, skipped: Skipped) -> bool:
        """Write that no mail comes of a job; False if the row was overtaken."""
        now = self.clock.now()
        aside = None
        if skipped.state in {State.INVALID, State.REFUSED, State.DRY_RUN}:
            aside = self._aside(story, row.email_id, skipped.state, skipped.reason, skipped.detail)
        ended = row.ended(skipped.state, now, skipped.reason, skipped.detail)
        return await self.write(story, Change(ended, recipients=self.dropped(story, row.email_id), aside=aside))

    async def put_invalid_aside(self, story: Story, invalid: InvalidJob) -> None:
        """Keep the text of a job that can never be sent; the row of its id, if there is one, stays."""
        email_id = invalid.email_id
        aside = self._aside(story, email_id, State.INVALID, invalid.reason, invalid.detail)
        await self._stubborn(lambda: self.ledger.set_aside(aside))

    def dropped(self, story: Story, email_id: str) -> list[RecipientNote]:
        """Those whom the mail does not go to, and why."""
        now = self.clock.now()
        return [RecipientNote(email_id, key, Status.SUPPRESSED, reason, now) for key, reason in story.dropped.items()]

    def dying(self, story: Story, row: Row, reason: Reason, detail: str, *, charged: int = 0) -> Change:
        """The last step of a job that is given up, its text kept in case that no copy can be made."""
        now = self.clock.now()
        aside = self._aside(story, row.email_id, State.DEAD, reason, detail)
        dead = row.dead(now, reason, detail, charged=charged)
        return Change(dead, aside=aside)

    async def write(self, story: Story, change: Change) -> bool:
        """Write for as long as it takes; False if the row was overtaken."""
        ses_message_id = change.receipt.ses_message_id if change.receipt else None
        written = await self._stubborn(lambda: self.ledger.write(change), ses_message_id=ses_message_id)
        if written:
            story.row = change.row
        return written

    async def _stubborn(self, call: Callable[[], Awaitable[T]], *, ses_message_id: str | None = None) -> T:
        """Go on until the store is well again; while it is sick, nothing is sent (DESIGN 5.6)."""

        def tell(state: RetryCallState) -> None:
            error = state.outcome.exception() if state.outcome else None
            if isinstance(error, StoreError):
                self.pauses.begin(Concern(Concerned.STORE), error.reason, error.detail)
            log.error("record_retried", ses_message_id=ses_message_id, tries=state.attempt_number)

        try:
            return await call()
        except StoreError as error:
            self.pauses.begin(Concern(Concerned.STORE), error.reason, error.detail)
        retrying = AsyncRetrying(
            retry=retry_if_exception_type(StoreError),
            wait=wait_random_exponential(multiplier=0.5, max=MAX_WAIT_S),
            before_sleep=tell,
        )

        async def again() -> T:
            return await call()  # tenacity awaits only what it knows to be a coroutine function

        return await retrying(again)

    def _aside(self, story: Story, email_id: str | None, kind: State, reason: Reason, detail: str) -> Aside:
        message = story.lease.message
        raw = message.body.encode(errors="replace")[:MAX_RAW_BYTES].decode(errors="ignore")
        return Aside(
            queue_message_id=message.queue_message_id,
            email_id=email_id,
            kind=kind,
            reason=reason,
            detail=detail,
            raw=raw,
            lane=self.lane,
            at=self.clock.now(),
        )
