"""Drains the event queue: several receivers, one writer, deletes beside it; written before deleted.

At 100 ms to SQS one task after the other would drain 45 events a second, fewer than 14 mails make (lab).
"""

import asyncio
from collections import Counter
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from datetime import date, datetime
from typing import TypeVar

from aiolimiter import AsyncLimiter

from tank_mailer.core.doubt import Sight, is_near_empty
from tank_mailer.core.errors import QueueError, Reason, StoreError, UnstorableError
from tank_mailer.core.event import Chatter, SesEvent, Unreadable
from tank_mailer.core.outcome import Concern, Concerned
from tank_mailer.flows.doubts import Doubts
from tank_mailer.flows.forever import forever
from tank_mailer.flows.pauses import Pauses
from tank_mailer.flows.reading import NotNow, Reading
from tank_mailer.ports import Aside, Clock, EventBook, Queue, QueueMessage, Recorded, Recording, Settled
from tank_mailer.telemetry import metrics
from tank_mailer.telemetry.beats import ROUND_S, Beat
from tank_mailer.telemetry.log import Recipients, get_logger

log = get_logger()

T = TypeVar("T")

BATCH = 10  # SQS: messages of one call
WAIT_S = 20  # SQS: long polling
BUSY_WAIT_S = 2  # of the receivers that help out while there is much
RECEIVERS = 8  # DESIGN 6: two to eight
STANDING_RECEIVERS = 2
DELETERS = 8  # as many as receivers: what is received faster than deleted comes again
MOST_IN_HAND = 1_000  # messages received and not yet written: what a sick store leaves to its lease
TRANSACTION = 150  # events in one: the mails' own rows wait behind it
GATHER_S = 0.01
PACE_S = 0.1  # so much of a second's events may come at once
GATHER_DELETES_S = 0.2
STUCK_POLLS = 6  # in a row
POLL_FLOOR_S = 0.1  # a proxy's page looks like an empty queue
MAX_RETRY_S = 30.0
WATCH_S, WATCH_SOON_S = 60.0, 10.0  # between looks at the queue's depth; soon while a doubt waits for it
MAX_RAW_BYTES = 65_536  # DESIGN 3
DELETE_TRIES = 3
MANY_A_DAY = 10_000  # messages put aside for one reason; of more the beginnings are enough
SHORT_RAW_BYTES = 512
FINISH_LOOK_S = 0.1
MOST_ROUND_S = 240.0  # a long poll, its time-outs, a sick store's, and the wait after a failure; several times that
MOST_WRITE_S = 240.0
LANE = "events"
QUARANTINE = "event"


@dataclass(slots=True, eq=False)
class _InHand:
    queue_message_id: str
    receipt_handle: str
    body: str
    event: SesEvent


@dataclass(kw_only=True, eq=False)
class Feedback:
    """The second task of the daemon.

    Attributes:
        names: how a recipient is named in logs.
        visibility_s: until a message that was not written comes again.
        most_a_second: events that may be drained now, beside the sending; None: all that there are.
        doubled: jobs of which events have proven a second mail, since the start.
    """

    queue: Queue
    reading: Reading
    book: EventBook
    doubts: Doubts
    pauses: Pauses
    clock: Clock
    names: Recipients
    visibility_s: int
    most_a_second: Callable[[], float | None] = lambda: None
    doubled: int = 0
    _read: asyncio.Queue[_InHand] = field(default_factory=asyncio.Queue)
    _done: asyncio.Queue[str] = field(default_factory=asyncio.Queue)
    _busy: asyncio.Event = field(default_factory=asyncio.Event)
    _room: asyncio.Event = field(default_factory=asyncio.Event)
    _closing: asyncio.Event = field(default_factory=asyncio.Event)
    _pace: AsyncLimiter | None = None
    _sight: Sight = field(default_factory=Sight)
    _written_since_watch: int = 0
    _watched_s: float = 0.0
    _quarantined: Counter[Reason] = field(default_factory=Counter)
    _quarantined_on: date | None = None
    _in_hand: int = 0
    _polls: int = 0
    _failed_deletes: int = 0
    _failed_polls: int = 0
    last_poll_at: datetime | None = None
    _receiving: tuple[Beat, ...] = field(
        default_factory=lambda: tuple(
            Beat(name=f"events/{number}", most_s=MOST_ROUND_S) for number in range(1, STANDING_RECEIVERS + 1)
        )
    )
    _writing: Beat = field(default_factory=lambda: Beat(name="event_writer", most_s=MOST_WRITE_S))

    @property
    def beats(self) -> tuple[Beat, ...]:
        """The signs of life of what must not stand still."""
        return *self._receiving, self._writing

    async def run(self) -> None:
        """Drain, until cancelled."""
        self._room.set()
        self._watched_s = self.clock.boot_s()
        async with asyncio.TaskGroup() as group:
            for number in range(RECEIVERS):
                group.create_task(self._receive_forever(number))
            group.create_task(forever(self._write_batch))
            for _ in range(DELETERS):
                group.create_task(forever(self._delete_batch))
            group.create_task(forever(self._wait_and_watch))

    def close(self) -> None:
        """Receive no more; the polls under way come to their end, for a cancelled one swallows messages."""
        self._closing.set()

    async def finish(self, timeout_s: float) -> None:
        """Write and delete what is in hand, and what the last polls bring, for so long at most."""
        self.close()
        with suppress(TimeoutError):
            async with asyncio.timeout(timeout_s):
                while self._polls or self._in_hand:  # noqa: ASYNC110 - a bell for this alone would ring all day
                    await asyncio.sleep(FINISH_LOOK_S)

    # --- receive ---

    async def _receive_forever(self, number: int) -> None:
        is_standing = number < STANDING_RECEIVERS
        beat = self._receiving[number] if is_standing else None
        await forever(lambda: self._receive(is_standing=is_standing), until=self._closing, beat=beat)

    async def _receive(self, *, is_standing: bool) -> None:
        if not is_standing:
            await self._busy.wait()
            if self.most_a_second() is not None:  # many answers at once would hold the loop up, and the mails with it
                await asyncio.sleep(BUSY_WAIT_S)
                return
        if not await self._may_receive() or self._closing.is_set():
            return
        self._polls += 1
        try:
            messages = await self.queue.receive(
                limit=BATCH, wait_s=WAIT_S if is_standing else BUSY_WAIT_S, visibility_s=self.visibility_s
            )
            for message in messages:
                await asyncio.sleep(0)  # mails have their turn in between
                await self._take(message)
        except QueueError as error:
            await self._poll_failed(error)
            return
        finally:
            self._polls -= 1
        self._poll_worked()
        if len(messages) == BATCH:
            self._busy.set()
        elif len(messages) < BATCH / 2:
            self._busy.clear()
        if messages:
            await self._keep_pace(len(messages))
        else:
            self._nothing_waits()
            await asyncio.sleep(POLL_FLOOR_S)

    def _nothing_waits(self) -> None:
        """A writer that has crashed and finds nothing more to write does not hang."""
        if self._in_hand <= 0:
            self._writing.done()

    async def _keep_pace(self, events: int) -> None:
        """A backlog may take its time; mail may not."""
        most = self.most_a_second()
        if most is None:
            return
        if self._pace is None or self._pace.max_rate != most * PACE_S:
            self._pace = AsyncLimiter(most * PACE_S, PACE_S)
        await self._pace.acquire(events)

    async def _may_receive(self) -> bool:
        """Wait for room, and for a store that is well; False: not yet, and so the loop comes round."""
        try:
            async with asyncio.timeout(ROUND_S):
                await self._room.wait()
                while self.pauses.reason_of(Concern(Concerned.STORE)) is not None:
                    await self.pauses.change()
        except TimeoutError:
            return False
        return True

    async def _poll_failed(self, error: QueueError) -> None:
        self._failed_polls += 1
        if self._failed_polls == STUCK_POLLS:
            log.error("event_poll_stuck", reason=error.reason, detail=error.detail, tries=self._failed_polls)
        else:
            log.warning("event_poll_failed", reason=error.reason, detail=error.detail, tries=self._failed_polls)
        await asyncio.sleep(min(MAX_RETRY_S, float(self._failed_polls)))

    def _poll_worked(self) -> None:
        if self._failed_polls >= STUCK_POLLS:
            log.info("event_poll_recovered", tries=self._failed_polls)
        self._failed_polls = 0
        self.last_poll_at = self.clock.now()

    async def _take(self, message: QueueMessage) -> None:
        match await self.reading.read(message.body):
            case SesEvent() as event:
                self._hold()
                self._read.put_nowait(_InHand(message.queue_message_id, message.receipt_handle, message.body, event))
                self._writing.begin()
            case Chatter():
                log.debug("event_chatter_dropped")
                self._hold()
                self._done.put_nowait(message.receipt_handle)
            case Unreadable(reason, detail):
                self._hold()
                if await self._quarantine(message.queue_message_id, message.body, reason, detail):
                    self._done.put_nowait(message.receipt_handle)
                else:
                    self._let_go()
            case NotNow(detail):
                log.warning("event_unchecked", detail=detail)

    def _hold(self) -> None:
        """One more message is in hand, until it is deleted or left to its visibility."""
        self._in_hand += 1
        if self._in_hand >= MOST_IN_HAND:
            self._room.clear()

    def _let_go(self, messages: int = 1) -> None:
        self._in_hand -= messages
        if self._in_hand < MOST_IN_HAND:
            self._room.set()

    async def _quarantine(self, queue_message_id: str, body: str, reason: Reason, detail: str) -> bool:
        """Kept, not dropped, and never in the way (DESIGN 6); False: it was not written, and comes again.

        A store that is known to be sick is not asked for each message: a server that does not answer takes up minutes.
        """
        if self.pauses.reason_of(Concern(Concerned.STORE)) is not None:
            return False
        raw = body.encode("utf-8", "replace")
        kept_bytes = self._kept_bytes(reason)
        if len(raw) > kept_bytes:
            detail = f"{detail} ({len(raw)} bytes; the first {kept_bytes} are kept)"
        aside = Aside(
            queue_message_id=queue_message_id,
            email_id=None,
            kind=QUARANTINE,
            reason=reason,
            detail=detail,
            raw=raw[:kept_bytes].decode("utf-8", "ignore"),
            lane=LANE,
            at=self.clock.now(),
        )
        try:
            await self.book.set_aside(aside)
        except StoreError as error:
            self.pauses.begin(Concern(Concerned.STORE), error.reason, error.detail)
            return False
        metrics.event_quarantined(reason)
        log.warning("event_quarantined", queue_message_id=queue_message_id, reason=reason, detail=detail)
        return True

    def _kept_bytes(self, reason: Reason) -> int:
        """A wrong setting puts every event aside: their texts must not fill the disk that the ledger lives on."""
        today = self.clock.now().date()
        if self._quarantined_on != today:
            self._quarantined, self._quarantined_on = Counter(), today
        self._quarantined[reason] += 1
        if self._quarantined[reason] == MANY_A_DAY:
            log.error("quarantine_flooded", reason=reason, messages=MANY_A_DAY, kept_bytes=SHORT_RAW_BYTES)
        return MAX_RAW_BYTES if self._quarantined[reason] < MANY_A_DAY else SHORT_RAW_BYTES

    # --- write ---

    async def _write_batch(self) -> None:
        batch = await _gather(self._read, TRANSACTION, GATHER_S)
        left = len(batch)
        try:
            left = await self._write(batch)
        finally:
            self._let_go(left)
        self._writing.done(more=not self._read.empty())

    async def _write(self, batch: Sequence[_InHand]) -> int:
        """Write; return how many are left to their visibility: they come again."""
        try:
            recorded = await self.book.record([one.event for one in batch])
        except UnstorableError as error:
            return await self._write_apart(batch, error)
        except StoreError as error:  # a hiccup or an outage: nothing is wrong with the events
            log.warning("event_write_failed", events=len(batch), reason=error.reason, detail=error.detail)
            if not await self._store_works():
                self.pauses.begin(Concern(Concerned.STORE), error.reason, error.detail)
            return len(batch)
        self._written_since_watch += len(batch)
        for one in batch:
            self._done.put_nowait(one.receipt_handle)
        if recorded.proven:
            await self.doubts.settle(recorded.proven)
        await self._tell(recorded)
        return 0

    async def _write_apart(self, batch: Sequence[_InHand], error: StoreError) -> int:
        """Find the one event that no database takes."""
        if len(batch) > 1:
            half = len(batch) // 2
            return await self._write(batch[:half]) + await self._write(batch[half:])
        (one,) = batch
        detail = f"The store refuses it: {error.detail}"
        if not await self._quarantine(one.queue_message_id, one.body, Reason.UNSTORABLE, detail):
            return 1
        self._done.put_nowait(one.receipt_handle)
        return 0

    async def _store_works(self) -> bool:
        try:
            await self.book.check()
        except StoreError:
            return False
        return True

    async def _tell(self, recorded: Recorded) -> None:
        now = self.clock.now()
        for number, recording in enumerate(recorded.recordings, start=1):
            if number % BATCH == 0:
                await asyncio.sleep(0)  # mails have their turn in between
            if recording.is_new:
                metrics.event_recorded(recording.event.kind, (now - recording.event.occurred_at).total_seconds())
                metrics.recipients_reported(recording.event)
                log.info("event_recorded", **self._fields(recording))
            else:
                log.debug("event_repeated", kind=recording.event.kind, ses_message_id=recording.event.ses_message_id)
        for new in recorded.suppressed:
            metrics.address_suppressed(new.reason)
            named = self.names.name_of(new.address)
            log.info("address_suppressed", email_id=new.email_id, reason=new.reason, **named)
        for email_id in recorded.doubled:
            metrics.duplicate_proven()
            log.warning("duplicate_proven", email_id=email_id)
            self.doubled += 1

    def _fields(self, recording: Recording) -> dict[str, object]:
        event = recording.event
        first = next((one.address for one in event.listed), None) or next(iter(event.destination), None)
        return {
            "kind": event.kind,
            "email_id": recording.email_id,
            "ses_message_id": event.ses_message_id,
            "reason": recording.reason,
            "recipient_count": len(event.listed) or len(event.destination),
            "age_s": round((self.clock.now() - event.occurred_at).total_seconds(), 3),
            **(self.names.name_of(first) if first else {}),
        }

    # --- delete ---

    async def _delete_batch(self) -> None:
        batch = await _gather(self._done, BATCH, GATHER_DELETES_S)
        try:
            await self._delete(batch)
        finally:
            self._let_go(len(batch))

    async def _delete(self, handles: Sequence[str]) -> None:
        """Delete; what is left comes again, and is known then."""
        for tries in range(1, DELETE_TRIES + 1):
            try:
                answers = await self.queue.delete(handles)
            except QueueError as error:
                log.warning("settle_retried", call="delete", reason=error.reason, detail=error.detail)
                answers = [Settled.FAILED] * len(handles)
            handles = [handle for handle, answer in zip(handles, answers, strict=True) if answer is Settled.FAILED]
            self._failed_deletes = len(handles)
            if not handles:
                return
            await asyncio.sleep(tries)

    # --- watch ---

    async def _wait_and_watch(self) -> None:
        await self.watch()
        await asyncio.sleep(WATCH_SOON_S if self.doubts.waiting else WATCH_S)

    async def watch(self) -> None:
        """Note how far the queue is drained: only then does the absence of an event say anything (DESIGN 6)."""
        at = self.clock.now()
        try:
            facts = await self.queue.facts()
        except QueueError as error:
            self._sight = Sight()
            log.warning("queue_unknown", reason=error.reason, detail=error.detail)
            return
        a_second = self._written_since_watch / max(1.0, self.clock.boot_s() - self._watched_s)
        self._written_since_watch, self._watched_s = 0, self.clock.boot_s()
        near_empty = is_near_empty(visible=facts.visible, in_flight=facts.in_flight, a_second=a_second)
        is_well = near_empty and not self._failed_polls and not self._failed_deletes
        self._sight = self._sight.after(is_near_empty=is_well, at=at, visibility_s=self.visibility_s)
        if self._sight.drained_at is None or not is_well:
            return
        try:
            await self.book.drained(self._sight.drained_at, at)
        except StoreError as error:
            log.warning("doubts_not_seen", reason=error.reason, detail=error.detail)


async def _gather(queue: asyncio.Queue[T], limit: int, seconds: float) -> list[T]:
    """At least one, and what else comes within `seconds`, up to `limit`."""
    batch = [await queue.get()]
    with suppress(TimeoutError):
        async with asyncio.timeout(seconds):
            while len(batch) < limit:
                batch.append(await queue.get())
    return batch
