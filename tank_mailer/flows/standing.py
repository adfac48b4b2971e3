"""Knows how things stand: the store, asked once a minute, and the queues beside the lanes', asked rarely."""

import asyncio
from collections import deque
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Final

from tank_mailer.core.errors import QueueError, Reason, StoreError
from tank_mailer.core.ledger import State
from tank_mailer.flows.forever import forever
from tank_mailer.ports import Clock, QueueFacts
from tank_mailer.ports.standing import AskedQueue, Standing, StoreStanding
from tank_mailer.telemetry.log import get_logger

log = get_logger()

EVERY_S: Final = 60.0  # the store
QUEUES_EVERY_S: Final = 300.0  # calls to AWS are money: 288 a day for each queue
GROWTH_S: Final = 900.0  # how far back the count of doubts is compared
REMEDY: Final = "allow the key sqs:GetQueueAttributes on that queue; until then nobody is told when it fills"


@dataclass(kw_only=True, eq=False)
class StandingWatch:
    """Asks, and holds the answers for metrics and alerts.

    Attributes:
        queues: those beside the lanes' own: `events`, `dead_letters/LANE`. One that serves both lanes is one object.
        known: what the store said last; None: it has not been asked yet, or did not answer.
        asked_at: when it said so.
        facts: what each queue said last; one that cannot be asked is missing, for its depth is unknown, not zero.
        facts_at: when it said so.
        ready: all have been asked once.
    """

    standing: Standing
    queues: Callable[[], Mapping[str, AskedQueue]]
    clock: Clock
    known: StoreStanding | None = None
    asked_at: datetime | None = None
    facts: dict[str, QueueFacts] = field(default_factory=dict)
    facts_at: dict[str, datetime] = field(default_factory=dict)
    ready: asyncio.Event = field(default_factory=asyncio.Event)
    _queues_asked_s: float = float("-inf")
    _unknown: dict[str, Reason] = field(default_factory=dict)  # queues that did not say, and why, as it was told
    _doubts: deque[tuple[float, int]] = field(default_factory=deque)

    async def run(self) -> None:
        """Go on until cancelled."""
        await forever(self._look_and_wait)

    async def _look_and_wait(self) -> None:
        await asyncio.gather(self.ask_store(), self._ask_queues_if_due())
        self.ready.set()
        await asyncio.sleep(EVERY_S)

    @property
    def doubts_before(self) -> int | None:
        """How many jobs were in doubt a quarter of an hour ago, or when this process began."""
        return self._doubts[0][1] if self._doubts else None

    async def ask_store(self) -> None:
        """Ask the store; a sick one is told of by its own pause."""
        try:
            self.known = known = await self.standing.look()
        except StoreError:
            self.known = None
            return
        self.asked_at, now_s = self.clock.now(), self.clock.boot_s()
        self._doubts.append((now_s, known.states.get(State.IN_DOUBT, 0)))
        while self._doubts[0][0] < now_s - GROWTH_S:
            self._doubts.popleft()

    async def _ask_queues_if_due(self) -> None:
        now_s = self.clock.boot_s()
        if now_s >= self._queues_asked_s + QUEUES_EVERY_S:
            self._queues_asked_s = now_s
            await self.ask_queues()

    async def ask_queues(self) -> None:
        """Ask each queue once, whatever names it goes by."""
        queues = self.queues()
        names = dict[int, list[str]]()
        for key, queue in queues.items():
            names.setdefault(id(queue), []).append(key)
        await asyncio.gather(*(self._ask(queues[keys[0]], keys) for keys in names.values()))
        for key in self.facts.keys() - queues.keys():
            del self.facts[key], self.facts_at[key]

    async def _ask(self, queue: AskedQueue, keys: list[str]) -> None:
        try:
            facts = await queue.facts()
        except QueueError as error:
            for key in keys:
                self.facts.pop(key, None)
                self.facts_at.pop(key, None)
            if self._unknown.get(keys[0]) is not error.reason:
                remedy = REMEDY if error.reason is Reason.ACCESS_DENIED else None
                log.warning(
                    "queue_depth_unknown",
                    queue=queue.name,
                    reason=error.reason,
                    detail=error.detail,
                    remedy=remedy,
                )
            self._unknown[keys[0]] = error.reason
            return
        self._unknown.pop(keys[0], None)
        for key in keys:
            self.facts[key], self.facts_at[key] = facts, self.clock.now()
