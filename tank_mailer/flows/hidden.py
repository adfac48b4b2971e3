"""Messages that wait for the pause of a sender or a configuration set: when it is over, they come at once."""

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Final

from tank_mailer.core.errors import QueueError
from tank_mailer.core.outcome import Concern
from tank_mailer.core.pausing import by_operator
from tank_mailer.flows.lease import BATCH
from tank_mailer.ports import Queue
from tank_mailer.telemetry.log import get_logger

log = get_logger()

MOST: Final = 10_000  # handles; what is beyond comes when its time is over


@dataclass(kw_only=True, eq=False)
class Hidden:
    """The handles of one lane's messages that are hidden for such a pause."""

    queue: Queue
    _handles: dict[Concern, dict[str, str]] = field(default_factory=dict)
    _to_show: asyncio.Queue[Concern] = field(default_factory=asyncio.Queue)

    def note(self, concern: Concern, queue_message_id: str, receipt_handle: str) -> None:
        """A message has been hidden for this sender's or set's pause."""
        handles = self._handles.setdefault(concern, {})
        if len(handles) < MOST:
            handles[queue_message_id] = receipt_handle

    def over(self, concern: Concern) -> None:
        """A pause is over."""
        self._to_show.put_nowait(concern)

    async def run(self) -> None:
        """Show what is over, until cancelled."""
        while True:
            concern = await self._to_show.get()
            for held in [one for one in self._handles if concern in {one, by_operator(one)}]:
                handles = list(self._handles.pop(held).values())
                for start in range(0, len(handles), BATCH):
                    await self._show(handles[start : start + BATCH])

    async def _show(self, handles: Sequence[str]) -> None:
        try:
            await self.queue.hide([(handle, 0) for handle in handles])
        except QueueError as error:  # they come when their time is over
            log.warning("settle_retried", call="hide", reason=error.reason, detail=error.detail)
