"""Messages that wait for the pause of a sender or a configuration set: when it is over, they come at once."""

import asyncio
from collections import OrderedDict
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Final

from tank_mailer.core.errors import QueueError
from tank_mailer.core.outcome import Concern
from tank_mailer.core.pausing import by_operator
from tank_mailer.flows.forever import forever
from tank_mailer.flows.lease import BATCH
from tank_mailer.ports import Queue
from tank_mailer.telemetry.log import get_logger

log = get_logger()

MOST: Final = 10_000  # handles, the newest; what is beyond comes when its time is over


@dataclass(kw_only=True, eq=False)
class Hidden:
    """The handles of one lane's messages that are hidden for such a pause."""

    queue: Queue
    _handles: OrderedDict[str, tuple[Concern, str]] = field(default_factory=OrderedDict)
    _over: asyncio.Queue[Concern] = field(default_factory=asyncio.Queue)

    def note(self, concern: Concern, queue_message_id: str, receipt_handle: str) -> None:
        """A message has been hidden for this sender's or set's pause."""
        self.forget(queue_message_id)
        self._handles[queue_message_id] = concern, receipt_handle
        if len(self._handles) > MOST:
            self._handles.popitem(last=False)

    def forget(self, queue_message_id: str) -> None:
        """A message has come, or a fresh copy goes on for it: its handle is of no use any more."""
        self._handles.pop(queue_message_id, None)

    def over(self, concern: Concern) -> None:
        """A pause is over."""
        self._over.put_nowait(concern)

    async def run(self) -> None:
        """Show what waits no longer, until cancelled."""
        await forever(self._wait_and_show)

    async def _wait_and_show(self) -> None:
        over = await self._over.get()
        ids = [name for name, (concern, _) in self._handles.items() if over in {concern, by_operator(concern)}]
        handles = [self._handles.pop(name)[1] for name in ids]
        for start in range(0, len(handles), BATCH):
            await self._show(handles[start : start + BATCH])

    async def _show(self, handles: Sequence[str]) -> None:
        try:
            await self.queue.hide([(handle, 0) for handle in handles])
        except QueueError as error:  # they come when their time is over
            log.warning("settle_retried", call="hide", reason=error.reason, detail=error.detail)
