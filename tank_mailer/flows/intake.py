"""Receives no more than can start soon."""

import asyncio
from collections.abc import Coroutine
from dataclasses import dataclass, field
from datetime import datetime
from functools import partial
from typing import TypeVar

from tank_mailer.core.errors import QueueError, Reason
from tank_mailer.core.outcome import Concern, Concerned
from tank_mailer.flows.forever import AGAIN_S, forever
from tank_mailer.flows.governor import Governor
from tank_mailer.flows.lease import Lease, LeaseKeeper
from tank_mailer.flows.oldest import OldestReceived
from tank_mailer.flows.pauses import Pauses
from tank_mailer.flows.sending import Sending
from tank_mailer.ports import Clock, Queue
from tank_mailer.telemetry.beats import ROUND_S, Beat
from tank_mailer.telemetry.log import get_logger

log = get_logger()

T = TypeVar("T")

WAIT_S = 20  # SQS: long polling
POLL_FLOOR_S = 0.1  # between two polls that brought little: a proxy's page looks like an empty queue
MOST_POLLS = 4  # at once: forty messages a trip to the queue
PASSING_FAILURES = 2
TRIAL_LOOK_S = 0.5  # between looks whether the job of a trial has ended
MOST_ROUND_S = 60.0  # several times ROUND_S: a round that takes so long hangs
MOST_POLL_S = 180.0  # several times a long poll with its time-outs


@dataclass(kw_only=True, eq=False)
class Intake:
    """One lane's polling.

    Attributes:
        lane: its name.
        visibility_s: `TANK_VISIBILITY_TIMEOUT_S`; the receive asks for a long poll more.
        wait_s: of one long poll.
        rounds: the loop's sign of life, and
        polled: that of its polls: one comes to its end, well or not.
    """

    lane: str
    queue: Queue
    keeper: LeaseKeeper
    governor: Governor
    pauses: Pauses
    sending: Sending
    clock: Clock
    visibility_s: int
    wait_s: int = WAIT_S
    _tasks: set[asyncio.Task[None]] = field(default_factory=set)
    _polls: set[asyncio.Task[None]] = field(default_factory=set)
    _closing: asyncio.Event = field(default_factory=asyncio.Event)
    _empty_polls: int = 0
    _failed_polls: int = 0
    _has_crashed: bool = False
    last_poll_at: datetime | None = None
    oldest: OldestReceived = field(init=False)
    rounds: Beat = field(init=False)
    polled: Beat = field(init=False)

    def __post_init__(self) -> None:
        self.oldest = OldestReceived(clock=self.clock)
        self.rounds = Beat(name=f"lane/{self.lane}", most_s=MOST_ROUND_S)
        self.polled = Beat(name=f"polls/{self.lane}", most_s=MOST_POLL_S)

    @property
    def concern(self) -> Concern:
        """What is paused while the queue is away."""
        return Concern(Concerned.QUEUE, self.lane)

    @property
    def in_hand(self) -> int:
        """Messages received and not settled."""
        return len(self._tasks)

    async def run(self) -> None:
        """Poll until `close`; polls under way then come to their end, for a cancelled one swallows messages."""
        try:
            await forever(self._round, until=self._closing, beat=self.rounds)
            while self._polls:
                await asyncio.wait(self._polls)
        finally:
            for poll in self._polls:
                poll.cancel()

    async def _round(self) -> None:
        if self._has_crashed:  # what fails at once would fill the log
            self._has_crashed = False
            await self._or_closing(asyncio.sleep(AGAIN_S))
        if len(self._polls) >= MOST_POLLS:
            ended, _ = await asyncio.wait(self._polls, timeout=ROUND_S, return_when=asyncio.FIRST_COMPLETED)
            if not ended:
                return
        limit = await self._room()
        if limit and not self._closing.is_set():
            self.governor.ask(limit, self.lane)
            poll = asyncio.create_task(self._poll(limit))
            self._polls.add(poll)
            self.polled.task = poll
            self.polled.begin()
            poll.add_done_callback(partial(self._polled, limit))
        elif not self._polls:  # after a crash, too: nothing is asked for, so nothing hangs
            self.polled.done()

    def _polled(self, limit: int, poll: asyncio.Task[None]) -> None:
        self._polls.discard(poll)
        self.governor.ask(-limit, self.lane)
        if not poll.cancelled() and (error := poll.exception()):
            log.error("flow_crashed", exc_info=error)
            self._has_crashed = True
        else:
            self.polled.done(more=bool(self._polls))

    def polls_without(self) -> int:
        """Polls in a row that brought nothing."""
        return self._empty_polls

    @property
    def is_closed(self) -> bool:
        """Whether it is to poll no more."""
        return self._closing.is_set()

    def close(self) -> None:
        """Poll no more."""
        self._closing.set()

    async def _room(self) -> int:
        """How many to ask for; waits while there is no room, or a pause, but comes round now and then."""
        if not self.pauses.is_polled(self.lane):
            await self._or_closing(self.pauses.change(), ROUND_S)
            return 0
        limit = await self._or_closing(self.governor.wait_for_room(self.lane), ROUND_S) or 0
        if not self.pauses.is_polled(self.lane):
            return 0
        if not self.pauses.on_trial:
            return limit
        if self._polls or self.pauses.trial_is_taken or not self.governor.is_idle:  # one at a time
            await self._or_closing(self.pauses.change(), TRIAL_LOOK_S)
            return 0
        return 1

    async def _poll(self, limit: int) -> None:
        visibility_s = self.visibility_s + WAIT_S
        started_s = self.clock.boot_s()
        try:
            messages = await self.queue.receive(limit=limit, wait_s=self.wait_s, visibility_s=visibility_s)
        except QueueError as error:
            self._failed_polls += 1
            log.warning("poll_failed", lane=self.lane, reason=error.reason, detail=error.detail)
            if error.reason is not Reason.QUEUE_UNREACHABLE or self._failed_polls > PASSING_FAILURES:
                self.pauses.begin(self.concern, error.reason, error.detail)
            else:  # one cut connection is no outage
                await self._or_closing(asyncio.sleep(self._failed_polls))
            return
        self._failed_polls = 0
        self._empty_polls = 0 if messages else self._empty_polls + 1
        self.pauses.lift(self.concern)
        self.last_poll_at = now = self.clock.now()
        if messages:
            self.oldest.note(min(message.sent_at for message in messages), now)
        took_s = self.clock.boot_s() - started_s
        log.debug("queue_polled", lane=self.lane, asked=limit, received=len(messages), duration_s=round(took_s, 3))
        for message in messages:
            if lease := self.keeper.take(message, started_s=started_s, visibility_s=visibility_s):
                self._start(lease)
        if len(messages) == limit:
            self.governor.note_trip(took_s, self.lane)
        elif took_s < self.wait_s:
            await asyncio.sleep(POLL_FLOOR_S)

    def _start(self, lease: Lease) -> None:
        self.governor.expect(1, self.lane)
        task = asyncio.create_task(self.sending.work(lease))
        self._tasks.add(task)
        task.add_done_callback(self._ended)

    def _ended(self, task: asyncio.Task[None]) -> None:
        self._tasks.discard(task)
        if not task.cancelled() and (error := task.exception()):
            log.error("flow_crashed", exc_info=error)  # the message comes back when its lease ends

    async def _or_closing(
        self, wait: Coroutine[None, None, T] | asyncio.Future[T], timeout_s: float | None = None
    ) -> T | None:
        """Wait for `wait`, but no longer than until `close` or the time-out; None then."""
        waiting = asyncio.ensure_future(wait)
        closing = asyncio.ensure_future(self._closing.wait())
        try:
            await asyncio.wait({waiting, closing}, timeout=timeout_s, return_when=asyncio.FIRST_COMPLETED)
            return waiting.result() if waiting.done() else None
        finally:
            closing.cancel()
            waiting.cancel()

    async def finish(self) -> None:
        """Wait until every message in hand is settled."""
        while self._tasks:
            await asyncio.wait(self._tasks)

    def abandon(self) -> int:
        """End at once what is still in hand, and say how many that was; the ledger knows how far each came."""
        for task in self._tasks:
            task.cancel()
        return len(self._tasks)
