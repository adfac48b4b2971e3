"""Settles what is in doubt: by evidence at once; else it keeps the message hidden for as long as nothing is proven."""

import asyncio
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta

from tank_mailer.core.backoff import RetryPolicy
from tank_mailer.core.doubt import LOOK_AGAIN_S, WaitOn, absence_counts, needs_proof, settle_doubt
from tank_mailer.core.errors import QueueError, StoreError
from tank_mailer.core.ledger import Row, State
from tank_mailer.flows.forever import forever
from tank_mailer.flows.lease import BATCH
from tank_mailer.ports import Clock, EventBook, Proven, Queue
from tank_mailer.telemetry import metrics
from tank_mailer.telemetry.log import get_logger
from tank_mailer.telemetry.measures import Ending

log = get_logger()

LOOK_S = 10.0
AHEAD_S = 60.0  # a message is hidden on before it comes by itself: each receive counts
MOST_AT_ONCE = 500


@dataclass(frozen=True, slots=True, kw_only=True)
class Doubts:
    """The jobs in doubt of all lanes.

    Attributes:
        book: what SES has reported; None: no events come back.
        queues: each lane's, by its name.
        waiting: jobs that wait for proof, as of the last look.
    """

    book: EventBook | None
    queues: Mapping[str, Queue]
    policy: RetryPolicy
    clock: Clock
    waiting: set[str] = field(default_factory=set)

    async def absence_counts(self, row: Row) -> bool:
        """Whether the lack of any event means that SES does not have it; without a channel there is nothing to ask."""
        if self.book is None or not needs_proof(row.configuration_set, self.policy):
            return True
        drained = await self.book.drained_until()
        if drained is None or not drained.is_fresh(self.clock.now()):
            return False
        proof = await self.book.newest_proof(row.configuration_set or "", drained.until)
        return absence_counts(row, proof=proof)

    async def settle(self, proven: Sequence[Proven]) -> None:
        """Take the messages of jobs that an event has ended off their queues."""
        for one in proven:
            if one.before is State.IN_DOUBT:
                metrics.doubt_ended(Ending.EVENT)
            log.info(
                "doubt_settled",
                email_id=one.email_id,
                ses_message_id=one.ses_message_id,
                state=one.before,
                lane=one.lane,
            )
        async with asyncio.TaskGroup() as deletes:  # side by side: the event queue's writer waits for the slowest
            for lane, queue in self.queues.items():
                handles = [one.receipt_handle for one in proven if one.lane == lane and one.receipt_handle]
                for start in range(0, len(handles), BATCH):
                    deletes.create_task(_delete(queue, handles[start : start + BATCH]))

    async def run(self) -> None:
        """Keep doubts hidden, until cancelled."""
        await forever(self._wait_and_look)

    async def _wait_and_look(self) -> None:
        await asyncio.sleep(LOOK_S)
        try:
            await self.look()
        except StoreError as error:
            log.warning("doubts_not_seen", reason=error.reason, detail=error.detail)

    async def look(self) -> None:
        """Settle or hide on, by their kept handles, the messages of doubts."""
        if self.book is None:
            return
        now = self.clock.now()
        moved = dict[str, list[Row]]()
        until = now + timedelta(seconds=LOOK_AGAIN_S + AHEAD_S)
        doubts = await self.book.doubts(until, limit=MOST_AT_ONCE)
        self.waiting.clear()
        for row in doubts:
            if needs_proof(row.configuration_set, self.policy):
                self.waiting.add(row.email_id)
            if row.receipt_handle is None or row.lane not in self.queues or (row.due_at or now) < now:
                continue  # it comes by itself
            if (due_at := await self._due(row, now)) != row.due_at:
                moved.setdefault(row.lane, []).append(row.doubted_on(due_at, now))
        for lane, rows in moved.items():
            for start in range(0, len(rows), BATCH):
                await self._move(self.book, self.queues[lane], rows[start : start + BATCH])

    async def _due(self, row: Row, now: datetime) -> datetime:
        """When a doubt is to come up: now, if it can be settled; later, if it would come up in vain."""
        due_at = row.due_at or now
        window_s = self.policy.doubt_wait_s(row.configuration_set)
        window_ends_at = (row.started_at or row.updated_at) + timedelta(seconds=window_s)
        if await self.absence_counts(row):
            return now if window_ends_at <= now else due_at
        if due_at > now + timedelta(seconds=AHEAD_S):
            return due_at
        settling = settle_doubt(row, now=due_at, absence_counts=False, at_most_once=False, policy=self.policy)
        return settling.until if isinstance(settling, WaitOn) else due_at

    async def _move(self, book: EventBook, queue: Queue, rows: Sequence[Row]) -> None:
        """Write first: a message that comes up at once must find its row due."""
        written = [row for row in rows if await book.put_off(row)]
        now = self.clock.now()
        entries = [(row.receipt_handle or "", _seconds(row.due_at, now)) for row in written]
        if not entries:
            return
        try:
            await queue.hide(entries)  # what fails comes up when it did before, and is hidden then
        except QueueError as error:
            log.warning("settle_retried", call="hide", reason=error.reason, detail=error.detail)
        log.debug("doubts_hidden", doubts=len(entries))


async def _delete(queue: Queue, handles: Sequence[str]) -> None:
    try:
        await queue.delete(handles)
    except QueueError as error:  # it comes again by itself, and is then deleted as done
        log.warning("settle_retried", call="delete", reason=error.reason, detail=error.detail)


def _seconds(due_at: datetime | None, now: datetime) -> int:
    return max(0, round(((due_at or now) - now).total_seconds()))
