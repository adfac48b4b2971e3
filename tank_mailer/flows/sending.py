"""Leads one queue message from its receipt to its settlement: parse, admit, attempt, record, settle."""

import asyncio
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta

from tenacity import (
    AsyncRetrying,
    RetryCallState,
    retry_if_result,
    stop_after_attempt,
    wait_random_exponential,
)

from tank_mailer.core.backoff import RetryPolicy
from tank_mailer.core.doubt import Resend, WaitOn, settle_doubt
from tank_mailer.core.errors import Reason, StoreError
from tank_mailer.core.gate import Delivery, Finding, Skipped, Step, admit, find
from tank_mailer.core.job import EmailJob, InvalidJob, parse_job
from tank_mailer.core.ledger import Row, State, first_row
from tank_mailer.core.outcome import (
    Accepted,
    Concern,
    Concerned,
    Held,
    Outcome,
    Refused,
    Throttled,
    Unreachable,
)
from tank_mailer.core.renewal import MAX_INVISIBLE_S
from tank_mailer.core.verdict import (
    DeadLetter,
    Delete,
    Park,
    Pause,
    Retry,
    Verdict,
    decide,
)
from tank_mailer.flows.attempt import Attempt, Attempted, GivenBack, LookAgain
from tank_mailer.flows.dead_letters import DeadLetters
from tank_mailer.flows.doubts import Doubts
from tank_mailer.flows.governor import Governor
from tank_mailer.flows.hidden import Hidden
from tank_mailer.flows.lease import Lease, LeaseKeeper
from tank_mailer.flows.pauses import Pauses
from tank_mailer.flows.record import Recorder
from tank_mailer.flows.renewal import Renewal
from tank_mailer.flows.settlement import Settler
from tank_mailer.flows.story import Story
from tank_mailer.flows.suspicion import Suspicion
from tank_mailer.flows.tallies import Tallies
from tank_mailer.ports import Change, Clock, Ledger
from tank_mailer.telemetry import metrics
from tank_mailer.telemetry.flatten import name_of, word_of
from tank_mailer.telemetry.log import Recipients, get_logger
from tank_mailer.telemetry.measures import Ending

log = get_logger()

RE_ATTEMPTS = 4  # after a throttle answer, within one receive
DEAD_LETTER_RETRY_S = 60.0
KEPT_MARGIN_S = 1800.0  # before the twelve hours are up, a kept job goes on as a fresh copy
GONE, KEPT = name_of(Delete), name_of(Retry)
MAX_NAMES_TOLD = 100  # unknown fields; a producer that makes names up shall not fill the log


@dataclass(frozen=True, kw_only=True)
class Sending:
    """One lane's work on queue messages.

    Attributes:
        lane: its name in the ledger.
        jitter: gives a number from 0 to 1 that spreads waits.
        names: how a recipient is named in logs.
        on_throttle: called for every throttle answer.
    """

    lane: str
    attempt: Attempt
    delivery: Delivery
    policy: RetryPolicy
    ledger: Ledger
    recorder: Recorder
    governor: Governor
    pauses: Pauses
    keeper: LeaseKeeper
    settler: Settler
    renewal: Renewal
    dead_letters: DeadLetters
    doubts: Doubts
    hidden: Hidden
    suspicion: Suspicion
    tallies: Tallies
    clock: Clock
    names: Recipients
    jitter: Callable[[], float]
    on_throttle: Callable[[], None] = lambda: None
    _told: set[str] = field(default_factory=set)

    async def work(self, lease: Lease) -> None:
        """Settle a queue message, whatever its attempt ends in."""
        story = Story(lease, self.clock.boot_s())
        self.hidden.forget(lease.message.queue_message_id)
        try:
            await self._walk(story)
        except StoreError as error:
            self.pauses.begin(Concern(Concerned.STORE), error.reason, error.detail)
            story.note = "the store is sick: given back"
            await self.renewal.hide(lease, None, 0)
        finally:
            self.attempt.no_longer_waits(story)
            if story.was_kept:
                self.pauses.trial_ended()
            self.keeper.release(lease)
        fields = story.fields(now=self.clock.now(), now_s=self.clock.boot_s())
        if story.job is not None:
            first = next(iter(story.job.recipients), None)
            fields |= self.names.name_of(first.key) if first else {}
        log.info("job_settled", **fields)
        self._count(story)

    async def _walk(self, story: Story) -> None:
        match parse_job(story.lease.message.body):
            case InvalidJob() as invalid:
                await self._put_invalid_aside(story, invalid)
            case EmailJob() as job:
                self.suspicion.valid()
                self._tell_unknown_fields(job)
                story.job = job
                while not await self._look_and_act(story, job):
                    story.job = job  # overtaken: from the start, with what the row says now

    # --- what the message finds ---

    async def _look_and_act(self, story: Story, job: EmailJob) -> bool:
        """Do what the table says; False if another process wrote the row meanwhile."""
        message, now = story.lease.message, self.clock.now()
        story.row = row = await self.ledger.find(job.email_id)
        finding = find(
            row,
            queue_message_id=message.queue_message_id,
            content_hash=job.content_hash,
            sent_at=message.sent_at,
            now=now,
        )
        if row is None:
            if message.receive_count > 1:
                self._tell_foreign_consumer()
            return await self._go_on(story, job, self._first_row(story, job))
        match finding.step:
            case Step.BEGIN | Step.GO_ON:
                return await self._go_on(story, job, row)
            case Step.BEGIN_AGAIN:
                again = row.restarted(
                    content_hash=job.content_hash,
                    lane=self.lane,
                    queue_message_id=message.queue_message_id,
                    now=now,
                )
                return await self._go_on(story, job, again)
            case Step.ADOPT:
                return await self._go_on(story, job, row.bound(message.queue_message_id))
            case Step.DOUBT:
                return await self._doubt_the_dead(story, row)
            case Step.COPY_AND_FINISH:
                await self._dead_letter(story, row)
                return True
            case Step.HIDE:
                return await self._hide_again(story, row, finding.until or now)
            case Step.FINISH | Step.DROP_DUPLICATE | Step.REFUSE_CONFLICT:
                await self._leave_the_row(story, job, row, finding)
                return True

    async def _hide_again(self, story: Story, row: Row, until: datetime) -> bool:
        """Its job is in work elsewhere, or not due; False if another process wrote the row meanwhile."""
        story.note = "hidden: its job is in work or not due"
        is_ours = row.queue_message_id == story.lease.message.queue_message_id
        bound = row if is_ours and row.state in {State.DEFERRED, State.IN_DOUBT} else None
        if bound is not None and bound.state is State.IN_DOUBT:  # only the newest handle can end its wait
            bound = bound.held_by(story.lease.handle, self.clock.now())
            if not await self.ledger.write(Change(bound)):
                return False
        await self._hide(story, bound, self._seconds_to(until))
        return True

    async def _leave_the_row(self, story: Story, job: EmailJob, row: Row, finding: Finding) -> None:
        """Settle a message that changes nothing about its job."""
        if finding.step is Step.REFUSE_CONFLICT:
            story.skipped = Reason.ID_CONFLICT
            detail = "this email_id was used for another content before; every mail needs an id of its own"
            await self.recorder.put_invalid_aside(story, InvalidJob(Reason.ID_CONFLICT, detail, job.email_id))
        elif finding.step is Step.DROP_DUPLICATE:
            story.skipped = Reason.DUPLICATE
        log.info("job_skipped", email_id=job.email_id, reason=story.skipped or row.state, state=row.state)
        await self._delete(story)

    async def _doubt_the_dead(self, story: Story, row: Row) -> bool:
        """The process that began this attempt is gone: nobody knows how far it came."""
        now = self.clock.now()
        wait_s = self.policy.doubt_wait_s(row.configuration_set)
        due_at = (row.lease_ends_at or now) + timedelta(seconds=wait_s)
        doubted = row.doubted(max(due_at, now), now, Reason.PROCESS_DIED)
        if row.queue_message_id == story.lease.message.queue_message_id:
            doubted = replace(doubted, receipt_handle=story.lease.handle)
        if await self.ledger.write(Change(doubted)):  # else overtaken, perhaps by proof
            metrics.doubt_begun(Reason.PROCESS_DIED)
            log.warning("job_doubted", email_id=row.email_id, reason=Reason.PROCESS_DIED, attempts=row.attempt)
        return False

    # --- attempts ---

    async def _go_on(self, story: Story, job: EmailJob, row: Row) -> bool:
        """Attempt the job, unless it is over; False if another process wrote the row meanwhile."""
        if row.state is State.IN_DOUBT and (done := await self._settle_doubt(story, job, row)) is not None:
            return done
        if isinstance(skipped := admit(job, delivery=self.delivery, now=self.clock.now()), Skipped):
            return await self._end(story, row, skipped)
        story.row = row  # what the attempt builds on: bound to this message, or begun afresh
        if self.delivery.redirect_to is not None:
            story.job = job = job.redirected(self.delivery.redirect_to)
        while True:
            attempted = await self._re_attempt(story, job)
            if isinstance(attempted, LookAgain):
                return False
            done = await self._conclude(story, job, story.row, attempted)
            if done is not None:
                return done  # else kept for the trial of a pause: once more

    async def _settle_doubt(self, story: Story, job: EmailJob, row: Row) -> bool | None:
        """Say what becomes of a doubt that is due; None: it is to be sent again."""
        now = self.clock.now()
        absence_counts = await self.doubts.absence_counts(row)
        match settle_doubt(
            row, now=now, absence_counts=absence_counts, at_most_once=job.at_most_once, policy=self.policy
        ):
            case DeadLetter(reason):
                why = "no event came of it" if absence_counts else "nothing told whether SES has it"
                metrics.doubt_ended(Ending.GIVEN_UP)
                log.error("doubt_given_up", email_id=row.email_id, resends=row.resends, detail=why)
                return await self._give_up(story, row, reason, f"{why}: it may have been delivered")
            case WaitOn(until):
                waiting = replace(row.doubted_on(until, now), receipt_handle=story.lease.handle)
                if not await self.ledger.write(Change(waiting)):
                    return False
                story.row, story.note = waiting, "in doubt: no living channel tells what its silence means"
                await self._hide(story, waiting, self._seconds_to(until))
                return True
            case Resend():
                metrics.doubt_ended(Ending.RESENT)
                log.warning("job_resent", email_id=job.email_id, resends=row.resends + 1)
                return None

    async def _re_attempt(self, story: Story, job: EmailJob) -> Attempted:
        """Attempt, and again after a throttle answer while the lease has room for it."""

        async def once() -> Attempted:
            attempted = await self.attempt.make(story, job)
            if isinstance(attempted, Throttled):
                self.governor.slow_down()
                self.on_throttle()
                await self._defer(story, attempted)
            return attempted

        attempted = await once()
        if not isinstance(attempted, Throttled):  # tenacity costs CPU that an ordinary mail need not pay
            return attempted
        retrying = AsyncRetrying(
            retry=retry_if_result(lambda attempted: isinstance(attempted, Throttled)),
            stop=stop_after_attempt(RE_ATTEMPTS),
            wait=wait_random_exponential(multiplier=0.5, max=8),
            sleep=self.governor.rest,
            retry_error_callback=_last_result,
        )
        await self.governor.rest(self.jitter())
        return await retrying(once)

    async def _defer(self, story: Story, outcome: Throttled) -> None:
        """Back to `deferred` at once: a process that dies in the wait leaves no doubt behind."""
        if story.row is not None:
            now = self.clock.now()
            deferred = story.row.deferred(now, now, Reason.THROTTLED, outcome.detail)
            await self.recorder.write(story, Change(deferred))
        log.warning("attempt_deferred", email_id=story.job.email_id if story.job else None, outcome=outcome)

    # --- outcomes ---

    async def _conclude(self, story: Story, job: EmailJob, row: Row, attempted: Attempted) -> bool | None:
        """Record and settle; None if the job is to be attempted once more in this receive."""
        match attempted:
            case LookAgain():
                return False
            case Skipped():
                return await self._end(story, row, attempted)
            case GivenBack(reason, delay_s, concern):
                story.skipped, story.note = reason, "given back"
                self._note_hidden(story, concern)
                await self._hide(story, row, delay_s)
                return True
            case outcome:
                return await self._judge(story, job, row, outcome)

    async def _judge(self, story: Story, job: EmailJob, row: Row, outcome: Outcome) -> bool | None:
        story.outcome = outcome
        self._tally(story, job, outcome)
        history = await self.recorder.history(row, outcome)
        story.verdict = verdict = decide(outcome, history=history, policy=self.policy, jitter=self.jitter())
        concern = self.pauses.observe(outcome, email_id=job.email_id, own=self.attempt.concerns(job))
        if not isinstance(outcome, Accepted | Refused | Throttled):  # a throttle has been told when it came
            log.warning("attempt_deferred", email_id=job.email_id, attempts=row.attempt, outcome=outcome)
        if not await self.recorder.record(story, story.job or job, row, outcome, verdict):
            return False
        if isinstance(verdict, DeadLetter):
            metrics.dead_lettered(verdict.reason)
            await self._dead_letter(story, story.row or row)
            return True
        if await self._waits_for_trial(story, outcome, concern):
            return None
        await self._settle(story, verdict)
        return True

    async def _waits_for_trial(self, story: Story, outcome: Outcome, concern: Concern | None) -> bool:
        """Whether this job is the one that will show when a pause is over, and its time has come.

        Only a job that did not fail by itself is kept: one that breaks SES by its content would keep all others out.
        """
        if not isinstance(outcome, Held | Unreachable) or concern is None:
            return False
        if not self.pauses.stops_everything(concern):
            return False
        story.lease.is_kept = True
        called = False
        with suppress(TimeoutError):
            async with asyncio.timeout(MAX_INVISIBLE_S - KEPT_MARGIN_S - self.keeper.held_s(story.lease)):
                called = await self.pauses.trial(concern)
        goes = called and self.keeper.remaining_s(story.lease) > 0
        if called and not goes:
            self.pauses.trial_ended()
        story.lease.is_kept = goes
        story.was_kept = story.was_kept or goes
        return goes

    async def _settle(self, story: Story, verdict: Verdict) -> None:
        match verdict:
            case Delete():
                await self._delete(story)
            case Retry(delay_s) | Park(delay_s):
                await self._hide(story, story.row, delay_s)
            case Pause(concern):
                self._note_hidden(story, concern)
                await self._hide(story, story.row, self._seconds_to_due(story.row))
            case DeadLetter():
                pass  # settled with its copy

    async def _end(self, story: Story, row: Row, skipped: Skipped) -> bool:
        """End a job without a mail; False if another process wrote the row meanwhile."""
        story.skipped = skipped.reason
        if not await self.recorder.end(story, row, skipped):
            return False
        log.info("job_skipped", email_id=row.email_id, reason=skipped.reason, state=skipped.state)
        await self._delete(story)
        return True

    async def _put_invalid_aside(self, story: Story, invalid: InvalidJob) -> None:
        """Deleted at once, never to the dead-letter queue; kept with its reason and text (DESIGN 3)."""
        story.skipped = invalid.reason
        if await self.suspicion.invalid():
            story.note = "given back: the queue may be somebody else's"
            await self._hide(story, None, 0)
            return
        await self.recorder.put_invalid_aside(story, invalid)
        log.warning("job_refused", email_id=invalid.email_id, reason=invalid.reason, detail=invalid.detail)
        await self._delete(story)

    async def _give_up(self, story: Story, row: Row, reason: Reason, detail: str) -> bool:
        if not await self.recorder.write(story, self.recorder.dying(story, row, reason, detail)):
            return False
        story.verdict = DeadLetter(reason)
        metrics.dead_lettered(reason)
        await self._dead_letter(story, story.row or row)
        return True

    async def _dead_letter(self, story: Story, row: Row) -> None:
        """Copy unless marked, then delete."""
        copied = await self.dead_letters.put(row, story.lease.message.body)
        if copied is None:
            await self._hide(story, row, DEAD_LETTER_RETRY_S)
            return
        if copied is not row:
            await self.recorder.write(story, Change(copied))
        await self._delete(story)

    async def _hide(self, story: Story, row: Row | None, delay_s: float) -> None:
        self.attempt.no_longer_waits(story)  # settling takes up to a second, and holds nobody up
        await self.renewal.hide(story.lease, row, delay_s)

    async def _delete(self, story: Story) -> None:
        self.attempt.no_longer_waits(story)
        story.is_deleted = True
        if not await self.settler.delete(story.lease):
            log.error("settle_failed", queue_message_id=story.lease.message.queue_message_id)

    # --- telling once ---

    def _tell_foreign_consumer(self) -> None:
        if "foreign_consumer" not in self._told:
            self._told.add("foreign_consumer")
            log.warning("foreign_consumer_suspected", lane=self.lane)

    def _tell_unknown_fields(self, job: EmailJob) -> None:
        for name in job.unknown_fields - self._told:
            if len(self._told) < MAX_NAMES_TOLD:
                self._told.add(name)
                log.warning("job_field_unknown", field=name, email_id=job.email_id)

    # --- small things ---

    def _note_hidden(self, story: Story, concern: Concern | None) -> None:
        if concern is not None and not self.pauses.stops_everything(concern):
            self.hidden.note(concern, story.lease.message.queue_message_id, story.lease.handle)

    def _tally(self, story: Story, job: EmailJob, outcome: Outcome) -> None:
        reason = getattr(outcome, "reason", None)
        count = len((story.job or job).recipients)
        self.tallies.note(self.lane, job.email_id, outcome, reason=reason, recipients=count)
        metrics.recipients_accepted(self.lane, outcome, count)

    def _count(self, story: Story) -> None:
        """What became of the message, as the metrics have it; of one without a verdict it is plain to see."""
        row, sent_at = story.row, story.lease.message.sent_at
        without = GONE if story.is_deleted else KEPT
        verdict = without if story.verdict is None else word_of(story.verdict)
        metrics.job_settled(verdict, story.skipped or (row.reason if row else None))
        if story.is_deleted:
            born_at = min(sent_at, row.first_seen_at) if row else sent_at  # a fresh copy is younger than its job
            metrics.job_ended(self.lane, (self.clock.now() - born_at).total_seconds())

    def _seconds_to_due(self, row: Row | None) -> float:
        if row is None or row.due_at is None:
            return 0.0
        return max(0.0, (row.due_at - self.clock.now()).total_seconds())

    def _first_row(self, story: Story, job: EmailJob) -> Row:
        return first_row(
            email_id=job.email_id,
            content_hash=job.content_hash,
            lane=self.lane,
            queue_message_id=story.lease.message.queue_message_id,
            now=self.clock.now(),
        )

    def _seconds_to(self, at: datetime) -> float:
        return max(0.0, (at - self.clock.now()).total_seconds()) + 1.0


def _last_result(state: RetryCallState) -> Attempted:
    """Still throttled: the queue keeps the job for a while."""
    return state.outcome.result() if state.outcome else Throttled()
