"""Long polls: who waits for a queue's messages, and what wakes them."""

import asyncio
from collections import deque
from dataclasses import dataclass, field

from tank_mailer.standin.message import Content
from tank_mailer.standin.queue import Message, Place, Queue


@dataclass(slots=True, kw_only=True, eq=False)
class WaitedQueue:
    """A queue with the long polls on it: first come, first woken, and one at a time."""

    queue: Queue
    created_at: int
    changed_at: int
    deleted: bool = False
    purged_at: float | None = None
    _waiters: deque[asyncio.Future[None]] = field(default_factory=deque)
    _timer: asyncio.TimerHandle | None = None
    _answered: int = 0

    @property
    def open_polls(self) -> int:
        """How many long polls wait just now."""
        return sum(not waiter.done() for waiter in self._waiters)

    def send(self, content: Content, *, delay_s: int | None) -> Message:
        """Send, and wake who waits."""
        message = self.queue.send(content, delay_s=delay_s)
        self.stir()
        return message

    def expect(self, content: Content, *, in_s: float) -> None:
        """Let a message arrive later, and wake who waits when it does."""
        self.queue.expect(content, in_s=in_s)
        self.stir()

    async def receive(
        self, limit: int, *, visibility_s: int, wait_s: float, dead_letters: "WaitedQueue | None"
    ) -> list[Message]:
        """Return once there is a message; empty-handed after `wait_s`, or when the queue is deleted."""
        clock = self.queue.clock
        give_up_at = clock.monotonic() + wait_s
        answered = self._answered
        target = dead_letters.queue if dead_letters else None
        while not self.deleted:
            waiting_there = target.count(Place.VISIBLE) if target else 0
            messages = self.queue.receive(limit, visibility_s=visibility_s, dead_letters=target)
            if dead_letters and dead_letters.queue.count(Place.VISIBLE) > waiting_there:
                dead_letters.stir()
            left_s = give_up_at - clock.monotonic()
            if messages or left_s <= 0 or answered != self._answered or not await self._woken(left_s):
                self.stir()  # what is left over, or comes back later, is the next one's
                return messages
        return []

    def stir(self) -> None:
        """Wake who waits longest if there is a message; else let the next one that comes back do so."""
        while self._waiters and self._waiters[0].done():
            self._waiters.popleft()
        if not self._waiters:
            return
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
        if self.queue.has_something():
            self._waiters.popleft().set_result(None)
        elif (at := self.queue.next_return_at()) is not None:
            delay_s = max(0.0, at - self.queue.clock.monotonic())
            self._timer = asyncio.get_running_loop().call_later(delay_s, self.stir)

    def answer(self) -> None:
        """Answer the long polls that are open, with nothing if there is nothing: SQS, too, may answer early."""
        self._answered += 1
        while self._waiters:
            waiter = self._waiters.popleft()
            if not waiter.done():
                waiter.set_result(None)

    def close(self) -> None:
        """Let go of everybody: the queue is deleted."""
        self.deleted = True
        if self._timer is not None:
            self._timer.cancel()
        while self._waiters:
            waiter = self._waiters.popleft()
            if not waiter.done():
                waiter.set_result(None)

    async def _woken(self, timeout_s: float) -> bool:
        """Whether there was a reason to look again before the time was over."""
        waiter = asyncio.get_running_loop().create_future()
        self._waiters.append(waiter)
        self.stir()
        try:
            async with asyncio.timeout(timeout_s):
                await waiter
        except TimeoutError:
            return not waiter.cancelled()
        return True
