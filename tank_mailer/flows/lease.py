"""Keeps queue messages hidden while their jobs are in work."""

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass, field

from tank_mailer.core.errors import QueueError
from tank_mailer.core.renewal import MAX_INVISIBLE_S
from tank_mailer.flows.forever import forever
from tank_mailer.ports import Clock, Queue, QueueMessage, Settled
from tank_mailer.telemetry.log import get_logger

log = get_logger()

MAX_HOLD_S = 600.0  # DESIGN 5.2: longer than any attempt; a job that takes longer is given back
BATCH = 10  # SQS: entries of one call


@dataclass(slots=True, eq=False)
class Lease:
    """Our right to work on a queue message.

    Attributes:
        message: as it was received last.
        handle: of the newest receive.
        taken_s: when the receive call began, on the boot-time clock.
        ends_s: when the message may be seen by others again, at the earliest.
        is_lost: SQS says that the handle is stale.
        is_kept: held beyond `MAX_HOLD_S`: a pause will try this job first, or SES has it and the store is sick.
        is_hiding: its time-out is being set for good; an extension that came later would undo that.
    """

    message: QueueMessage
    handle: str = field(repr=False)
    taken_s: float
    ends_s: float
    is_lost: bool = False
    is_kept: bool = False
    is_hiding: bool = False


@dataclass(frozen=True, kw_only=True)
class LeaseKeeper:
    """Extends every lease in hand, at a third of the visibility timeout."""

    queue: Queue
    clock: Clock
    visibility_s: int
    _held: dict[str, Lease] = field(default_factory=dict)

    def take(self, message: QueueMessage, *, started_s: float, visibility_s: int) -> Lease | None:
        """Begin a lease, counted from the start of the receive call.

        Returns:
            None if the message is in hand already: SQS has handed it out twice, and the newer handle is
            the one that counts from now on.
        """
        held = self._held.get(message.queue_message_id)
        if held is not None and not held.is_hiding:  # else it was given back, and our own poll has it again
            held.message, held.handle = message, message.receipt_handle
            held.taken_s, held.ends_s, held.is_lost = started_s, started_s + visibility_s, False
            return None
        lease = Lease(message, message.receipt_handle, started_s, started_s + visibility_s)
        self._held[message.queue_message_id] = lease
        return lease

    def release(self, lease: Lease) -> None:
        """End a lease: the message is settled, or left to its visibility timeout."""
        if self._held.get(lease.message.queue_message_id) is lease:
            del self._held[lease.message.queue_message_id]

    def remaining_s(self, lease: Lease) -> float:
        """Seconds until the message may be seen by others; negative once the lease is lost."""
        return -1.0 if lease.is_lost else lease.ends_s - self.clock.boot_s()

    def held_s(self, lease: Lease) -> float:
        """Seconds since the receive: SQS counts twelve hours from it."""
        return self.clock.boot_s() - lease.taken_s

    async def run(self) -> None:
        """Extend, until cancelled."""
        await forever(self._wait_and_extend)

    async def _wait_and_extend(self) -> None:
        await asyncio.sleep(self.visibility_s / 3)
        await self.extend()

    async def extend(self) -> None:
        """Extend what runs out within two thirds of the visibility timeout."""
        now_s = self.clock.boot_s()
        due = [lease for lease in self._held.values() if self._wants_more(lease, now_s)]
        for start in range(0, len(due), BATCH):
            await self._extend(due[start : start + BATCH])

    def _wants_more(self, lease: Lease, now_s: float) -> bool:
        held_s = now_s - lease.taken_s
        limit_s = MAX_INVISIBLE_S - self.visibility_s if lease.is_kept else MAX_HOLD_S
        return (
            not (lease.is_lost or lease.is_hiding)
            and held_s < limit_s
            and lease.ends_s - now_s < self.visibility_s * 2 / 3
        )

    async def _extend(self, leases: Sequence[Lease]) -> None:
        started_s = self.clock.boot_s()
        handles = [lease.handle for lease in leases]
        try:
            answers = await self.queue.hide([(handle, self.visibility_s) for handle in handles])
        except QueueError as error:  # two more chances before the lease ends
            log.warning("lease_not_extended", reason=error.reason, detail=error.detail, leases=len(leases))
            return
        for lease, handle, answer in zip(leases, handles, answers, strict=True):
            if answer is Settled.DONE:
                lease.ends_s = max(lease.ends_s, started_s + self.visibility_s)
            elif answer is Settled.GONE and lease.handle == handle:
                lease.is_lost = True
                log.warning("lease_lost", queue_message_id=lease.message.queue_message_id)
        log.debug("lease_extended", leases=len(leases))
