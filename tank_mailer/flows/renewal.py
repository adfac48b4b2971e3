"""Hides a message, or lets a fresh copy go on in its place before the queue gives it up by itself."""

from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass

from tank_mailer.core.errors import QueueError, StoreError
from tank_mailer.core.ledger import Row
from tank_mailer.core.renewal import QueueLife, must_renew
from tank_mailer.flows.lease import Lease, LeaseKeeper
from tank_mailer.flows.settlement import Settler
from tank_mailer.ports import Change, Clock, Ledger, Queue
from tank_mailer.telemetry.log import get_logger

log = get_logger()

MAX_DELAY_S = 900  # SQS: DelaySeconds


@dataclass(frozen=True, kw_only=True)
class Renewal:
    """Keeps unfinished jobs on their queue for as long as they need.

    Attributes:
        life: what the queue allows, as far as is known by now.
        renewed: called with the id of a message that a fresh copy goes on for.
    """

    queue: Queue
    ledger: Ledger
    settler: Settler
    keeper: LeaseKeeper
    clock: Clock
    life: Callable[[], QueueLife]
    renewed: Callable[[str], None] = lambda _: None

    async def hide(self, lease: Lease, row: Row | None, delay_s: float) -> bool:
        """Hide a message for `delay_s` seconds, by a fresh copy where it would not live through it.

        Args:
            lease: the message's.
            row: the row on disk that is bound to it; None if there is none.
            delay_s: from now; 0 gives it back at once.
        """
        message = lease.message
        renews = must_renew(
            self.life(),
            receive_count=message.receive_count,
            sent_at=message.sent_at,
            now=self.clock.now(),
            held_s=self.keeper.held_s(lease),
            delay_s=delay_s,
        )
        if renews and await self._renew(lease, row, delay_s):
            return await self.settler.delete(lease)
        return await self.settler.hide(lease, delay_s)

    async def _renew(self, lease: Lease, row: Row | None, delay_s: float) -> bool:
        """Copy, then rebind: in between, the ledger knows the copy as a second message of the same job."""
        message = lease.message
        try:
            copy_id = await self.queue.copy(message, delay_s=min(MAX_DELAY_S, max(0, round(delay_s))))
        except QueueError as error:  # the old message still stands
            log.warning("renewal_failed", reason=error.reason, detail=error.detail)
            return False
        if row is not None and row.queue_message_id == message.queue_message_id:
            with suppress(StoreError):  # the copy then is a second message of its job, and adopts the row
                await self.ledger.write(Change(row.rebound(copy_id, self.clock.now())))
        self.renewed(message.queue_message_id)
        log.info("job_renewed", receive_count=message.receive_count, copy_id=copy_id)
        return True
