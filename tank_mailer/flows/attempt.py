"""One attempt: its place in the queue, its row on disk, its token, its request."""

from dataclasses import dataclass, replace
from datetime import timedelta

from tank_mailer.core.errors import Reason, StoreError
from tank_mailer.core.gate import Admitted, Delivery, Skipped, admit, spare_suppressed
from tank_mailer.core.job import EmailJob
from tank_mailer.core.ledger import Row
from tank_mailer.core.outcome import Answer, Concern, Concerned, Fault, Outcome, Unreachable, judge
from tank_mailer.flows.governor import Governor
from tank_mailer.flows.lease import LeaseKeeper
from tank_mailer.flows.pauses import Pauses
from tank_mailer.flows.record import Recorder
from tank_mailer.flows.story import Story
from tank_mailer.ports import Begun, Change, Clock, Ledger, Mailer, Overtaken, Suppressed
from tank_mailer.telemetry import metrics

COUNTED = frozenset({Concerned.QUOTA, Concerned.REPUTATION})  # a job that may go has used their room up itself
LEASE_MARGIN_S = 10.0  # DESIGN 5.4: what the lease must outlive the request by


@dataclass(frozen=True, slots=True)
class GivenBack:
    """No request left; the job goes back on its queue for `delay_s` seconds, or until `concern` is no longer paused."""

    reason: Reason | None
    delay_s: float = 0.0
    concern: Concern | None = None


@dataclass(frozen=True, slots=True)
class LookAgain:
    """Another process wrote the row: what it says now counts."""


Attempted = Outcome | GivenBack | LookAgain | Skipped


@dataclass(frozen=True, kw_only=True)
class Attempt:
    """Leads a job from its turn to SES's answer.

    Attributes:
        lane: whose.
        owner: this node and process, for the row.
        ses_timeout_s: how long a request may take as a whole.
        configuration_set: of jobs that name none; "" for none.
    """

    lane: str
    owner: str
    ses_timeout_s: float
    configuration_set: str
    delivery: Delivery
    ledger: Ledger
    recorder: Recorder
    mailer: Mailer
    governor: Governor
    pauses: Pauses
    keeper: LeaseKeeper
    clock: Clock

    async def make(self, story: Story, job: EmailJob) -> Attempted:
        """Attempt `job` from `story.row` on, which is left as it is on disk."""
        row = story.row
        if row is None:
            raise AssertionError("an attempt without a row")
        if pause := self.pauses.holding(self.lane):  # it was received before the pause began
            return await self._give_back(story, row, GivenBack(pause.reason))
        for concern in self.concerns(job):
            if not self.pauses.lets_through(concern):
                back = GivenBack(self.pauses.reason_of(concern), self.pauses.hide_s(concern), concern)
                return await self._give_back(story, row, back)
        asked_s = self.clock.boot_s()
        ticket = self.governor.enter(len(job.recipients), self.lane)
        refund = True
        try:
            if (delay_s := await self.governor.near(ticket)) is not None:
                return await self._give_back(story, row, GivenBack(None, delay_s))
            near_s = self.clock.boot_s()
            begun = await self._begin(story, job, row)
            if not isinstance(begun, Row):
                return begun
            job = story.job or job  # the suppression list may have taken recipients out
            if story.waits:  # its first attempt in this receive
                looked_s = self.clock.boot_s() - near_s + asked_s - story.started_s
                self.governor.note_ready(looked_s, self.lane)
            went = await self.governor.turn(ticket, len(job.recipients))
            self.no_longer_waits(story)
            waited_s = self.clock.boot_s() - asked_s
            story.limiter_wait_s += waited_s
            metrics.turn_came(self.lane, waited_s)
            match self._stays(story, job, begun, went=went):
                case GivenBack() as back:
                    return await self._give_back(story, begun, back, before=row)
                case Skipped() as skipped:  # as if it had not been begun, but for the version
                    story.row = replace(row, version=begun.version)
                    return skipped
                case None:
                    pass
            refund = False
            left_s = self.clock.boot_s()
            answer = await self.mailer.send(job, attempt=begun.attempt)
            took_s = self.clock.boot_s() - left_s
            outcome = await self._judge(answer, job)
            metrics.attempt_ended(outcome, took_s)
            refund = isinstance(outcome, Unreachable)
            return outcome
        finally:
            self.governor.leave(ticket, refund=refund)

    def concerns(self, job: EmailJob) -> tuple[Concern, Concern]:
        """What a pause of would keep this job, among others, from being sent."""
        return Concern(Concerned.SENDER, job.sender.key), Concern(Concerned.CONFIGURATION_SET, self.set_of(job))

    def set_of(self, job: EmailJob) -> str:
        """The configuration set that its email goes through."""
        return job.configuration_set or self.configuration_set

    def no_longer_waits(self, story: Story) -> None:
        """Its place in the waiting batch is free."""
        if story.waits:
            story.waits = False
            self.governor.seen(self.lane)

    async def _begin(self, story: Story, job: EmailJob, row: Row) -> Row | Skipped | LookAgain:
        """Write `sending` down, without those whom the suppression list names by now."""
        while True:
            now = self.clock.now()
            match admit(job, delivery=self.delivery, now=now):  # the wait may have outlasted it
                case Skipped() as skipped:
                    return skipped
                case Admitted():
                    pass
            begun = row.begun(
                owner=self.owner,
                now=now,
                lease_ends_at=now + timedelta(seconds=self.keeper.remaining_s(story.lease)),
                receipt_handle=story.lease.handle,
                configuration_set=self.set_of(job) or None,
            )
            keys = [address.key for address in job.recipients]
            left_out = self.recorder.dropped(story, job.email_id)
            match await self.ledger.begin(begun, keys, left_out=left_out, sent_at=story.lease.message.sent_at):
                case Begun():
                    story.row = begun
                    return begun
                case Overtaken():
                    return LookAgain()
                case Suppressed(reasons):
                    story.dropped.update(reasons)
                    spared = spare_suppressed(job, reasons)
                    if isinstance(spared, Skipped):
                        return spared
                    story.job = job = spared

    def _stays(self, story: Story, job: EmailJob, begun: Row, *, went: bool) -> GivenBack | Skipped | None:
        """Why the request may not leave after all, if so."""
        pause = self.pauses.holding(self.lane)  # begun while the job waited for its token
        if pause and not (went and pause.concern.kind in COUNTED):
            return GivenBack(pause.reason)
        if not went:
            return GivenBack(None)
        match admit(job, delivery=self.delivery, now=self.clock.now()):  # others may have gone first for long
            case Skipped() as skipped:
                return skipped
            case Admitted():
                pass
        written_s = ((begun.lease_ends_at or self.clock.now()) - self.clock.now()).total_seconds()
        # The row's lease is what other processes go by; ours may have been extended since.
        if min(self.keeper.remaining_s(story.lease), written_s) < self.ses_timeout_s + LEASE_MARGIN_S:
            return GivenBack(Reason.LEASE_LOST)
        return None

    async def _give_back(
        self, story: Story, row: Row, back: GivenBack, *, before: Row | None = None
    ) -> GivenBack | LookAgain:
        """Leave a row that is bound to this message, so that its next receive is no surprise."""
        now = self.clock.now()
        change = Change(row.given_back(now + timedelta(seconds=back.delay_s), now, back.reason, before=before))
        if before is not None:  # begun on disk: only we know that nothing left, so it must be written
            written = await self.recorder.write(story, change)
        elif written := await self.ledger.write(change):
            story.row = change.row
        return back if written else LookAgain()

    async def _judge(self, answer: Answer, job: EmailJob) -> Outcome:
        return judge(
            answer,
            job=job,
            configuration_set=self.set_of(job),
            sender_is_known=isinstance(answer, Fault) and await self._is_known(job.sender.key),
        )

    async def _is_known(self, sender: str) -> bool:
        try:
            return await self.ledger.sender_is_known(sender)
        except StoreError:
            return True  # a pause loses nothing, a refusal might
