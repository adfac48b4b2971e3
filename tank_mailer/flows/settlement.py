"""Carries verdicts out on the queue: deletes and hides in batches, checked entry by entry, retried."""

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass, field

from tank_mailer.core.errors import QueueError
from tank_mailer.core.renewal import MAX_INVISIBLE_S
from tank_mailer.flows.lease import BATCH, Lease, LeaseKeeper
from tank_mailer.ports import Queue, Settled
from tank_mailer.telemetry.log import get_logger

log = get_logger()

GATHER_S = 1.0  # lab: at low rates a batch a second saves every other call
TELL_AFTER = 5  # tries of one entry
RETRY_S = 1.0  # before an entry that failed is tried again


@dataclass(slots=True, eq=False)
class _Entry:
    lease: Lease
    delay_s: int
    done: asyncio.Future[bool]
    tries: int = 0


Call = Callable[[Sequence[_Entry]], Awaitable[Sequence[Settled]]]


@dataclass(frozen=True, kw_only=True)
class _Batcher:
    """Gathers entries until there are ten or a second has passed, and calls once for them."""

    name: str
    call: Call
    keeper: LeaseKeeper
    hurry: asyncio.Event
    _entries: asyncio.Queue[_Entry] = field(default_factory=asyncio.Queue)

    async def add(self, lease: Lease, delay_s: int) -> bool:
        entry = _Entry(lease, delay_s, asyncio.get_running_loop().create_future())
        self._entries.put_nowait(entry)
        return await entry.done

    async def run(self) -> None:
        async with asyncio.TaskGroup() as calls:
            while True:
                batch = await self._gather()
                calls.create_task(self._settle(batch))

    async def _gather(self) -> list[_Entry]:
        batch = [await self._entries.get()]
        with suppress(TimeoutError):
            async with asyncio.timeout(0 if self.hurry.is_set() else GATHER_S):
                while len(batch) < BATCH:
                    batch.append(await self._entries.get())
        return batch

    async def _settle(self, batch: Sequence[_Entry]) -> None:
        try:
            answers = await self.call(batch)
        except QueueError as error:
            log.warning("settle_retried", call=self.name, reason=error.reason, detail=error.detail)
            answers = [Settled.FAILED] * len(batch)
        again = list[_Entry]()
        for entry, answer in zip(batch, answers, strict=True):
            entry.tries += 1
            if answer is Settled.FAILED and entry.tries == TELL_AFTER:
                log.warning("settle_retried", call=self.name, detail=f"SQS failed this entry {TELL_AFTER} times")
            if entry.done.done():
                continue
            match answer:
                case Settled.DONE:
                    entry.done.set_result(True)
                case Settled.GONE if entry.tries > 1:
                    # A first try whose answer was lost has done it; if not, the ledger knows the job.
                    entry.done.set_result(True)
                case Settled.TOO_LONG:
                    entry.done.set_result(False)
                case Settled.FAILED | Settled.GONE if self.keeper.remaining_s(entry.lease) > 0:
                    again.append(entry)
                case Settled.FAILED | Settled.GONE:
                    entry.done.set_result(False)
        if again:
            await asyncio.sleep(RETRY_S)
            for entry in again:
                self._entries.put_nowait(entry)


class Settler:
    """Deletes and hides queue messages."""

    def __init__(self, *, queue: Queue, keeper: LeaseKeeper) -> None:
        """Settle on `queue` what `keeper` holds."""

        async def delete(batch: Sequence[_Entry]) -> Sequence[Settled]:
            return await queue.delete([entry.lease.handle for entry in batch])

        async def hide(batch: Sequence[_Entry]) -> Sequence[Settled]:
            return await queue.hide([(entry.lease.handle, entry.delay_s) for entry in batch])

        self._keeper = keeper
        self._hurry = asyncio.Event()
        self._deletes = _Batcher(name="delete", call=delete, keeper=keeper, hurry=self._hurry)
        self._hides = _Batcher(name="hide", call=hide, keeper=keeper, hurry=self._hurry)

    async def delete(self, lease: Lease) -> bool:
        """Delete the message; False if that did not succeed while the lease lasted."""
        return await self._deletes.add(lease, 0)

    async def hide(self, lease: Lease, delay_s: float) -> bool:
        """Hide the message for so many seconds from now; 0 gives it back at once."""
        most_s = MAX_INVISIBLE_S - self._keeper.held_s(lease) - 60  # a margin for the way there
        lease.is_hiding = True
        return await self._hides.add(lease, max(0, round(min(delay_s, most_s))))

    def hurry(self) -> None:
        """From now on gather nothing: every entry goes at once."""
        self._hurry.set()

    async def run(self) -> None:
        """Settle, until cancelled."""
        async with asyncio.TaskGroup() as group:
            group.create_task(self._deletes.run())
            group.create_task(self._hides.run())
