"""Puts a canary on our own queue when nothing else proves the event channel, and tells when none comes back."""

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Protocol

from tank_mailer.core.canary import SOON, Signs, canary_body, canary_id, next_way
from tank_mailer.core.errors import QueueError, StoreError
from tank_mailer.flows.forever import forever
from tank_mailer.ports import Clock
from tank_mailer.ports.nodes import Turns
from tank_mailer.telemetry.log import get_logger

log = get_logger()

PUT = "canary"  # a turn, and a mark: when the last one was put on the queue, by whichever node
LOOK_EVERY_S = 30.0
TURN_S = 45.0  # until the next look, and for a store that is slow
STOP_S = 1.0  # for giving it up


class Perch(Protocol):
    """What the store knows of canaries, and of what they are for. Every method raises `StoreError` if it is sick."""

    async def signs(self, last: str | None) -> Signs:
        """What speaks for the channel; `last`: the newest canary's email_id."""

    async def mark(self, name: str) -> datetime | None:
        """When something was last noted under that name."""

    async def move_mark(self, name: str, before: datetime | None, at: datetime) -> bool:
        """Note it if nobody has since `before` (None: never noted); False if somebody has."""


@dataclass(kw_only=True, eq=False)
class Canary:
    """Looks twice a minute whether one is due; of several nodes the one that comes first puts it.

    Attributes:
        put: onto the outbound queue; raises `QueueError`.
        is_paused: whether that queue is not polled.
        sender: `TANK_CANARY_FROM`.
        interval: `TANK_CANARY_INTERVAL_S`.
        configuration_sets: those that jobs may name; first the default.
        turns: shared with other nodes; None: there are none.
    """

    perch: Perch
    clock: Clock
    put: Callable[[str], Awaitable[str]]
    is_paused: Callable[[], bool]
    sender: str
    interval: timedelta
    configuration_sets: Sequence[str]
    turns: Turns | None = None
    _is_lost: bool | None = None

    @property
    def is_lost(self) -> bool | None:
        """Whether no event of the last one came back; None: it is not for this node to look, or too early to say."""
        return self._is_lost

    async def run(self) -> None:
        """Go on until cancelled."""
        try:
            await forever(self._look_and_wait)
        finally:
            if self.turns is not None:
                with suppress(StoreError, TimeoutError):
                    async with asyncio.timeout(STOP_S):
                        await self.turns.give_up(PUT)

    async def _look_and_wait(self) -> None:
        with suppress(StoreError):  # its own pause tells of it
            if await self._has_turn():
                await self.look()
        await asyncio.sleep(LOOK_EVERY_S)

    async def _has_turn(self) -> bool:
        """Whether it is for us to look; a node that is paused leaves it to one that is not."""
        if self.turns is None:
            return True
        is_ours = not self.is_paused() and await self.turns.take(PUT, for_s=TURN_S)
        if not is_ours:  # what was told then, others have taken over
            self._is_lost = None
        return is_ours

    async def look(self) -> None:
        """Tell what became of the last one; put another where one is due."""
        put_at, now = await self.perch.mark(PUT), self.clock.now()
        signs = await self.perch.signs(canary_id(put_at) if put_at is not None else None)
        self._tell(signs, now)
        if self.is_paused():
            return
        way = next_way(
            signs, now=now, put_at=put_at, interval=self.interval, configuration_sets=self.configuration_sets
        )
        if way is not None and await self.perch.move_mark(PUT, put_at, now):
            await self._put(now, way)

    async def _put(self, now: datetime, way: str) -> None:
        email_id = canary_id(now)
        try:
            await self.put(canary_body(email_id, sender=self.sender, configuration_set=way, now=now))
        except QueueError as error:
            log.warning("canary_deferred", reason=error.reason, detail=error.detail)
            await self.perch.move_mark(PUT, now, now + SOON - self.interval)  # not a whole interval for one bad moment
        else:
            log.info("canary_put", email_id=email_id, configuration_set=way)

    def _tell(self, signs: Signs, now: datetime) -> None:
        last = signs.last
        if last is None:
            return
        if last.is_lost(now) and not self._is_lost:
            self._is_lost = True
            log.error(
                "canary_lost",
                since=last.accepted_at,
                remedy="SES took the canary and its events do not come: look at the configuration set's event"
                " destination, the topic's subscription, the queue's policy, and at what is in quarantine; until they"
                " come, no doubt can be settled",
            )
        elif last.is_back:
            if self._is_lost:
                log.info("canary_returned")
            self._is_lost = False
