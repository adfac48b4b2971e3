"""What alerts are told by and to, in memory. The book itself is `MemoryBook`, which passes the contract suite."""

import asyncio
import json
from collections import deque
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

from tank_mailer.core.alerting import Entry, Step
from tank_mailer.core.errors import QueueError, StoreError
from tank_mailer.flows.memory_book import MemoryBook
from tank_mailer.ports import NotTold, QueueFacts, Told
from tank_mailer.ports.standing import StoreStanding


@dataclass(slots=True, eq=False)
class FakeBook:
    """A book that several nodes may share, in a store that may be sick.

    Attributes:
        sick: raised by every method while it is set.
        sick_after: so many calls go well first.
        latency_s: that every call takes, on the loop's clock.
    """

    inner: MemoryBook = field(default_factory=MemoryBook)
    sick: StoreError | None = None
    sick_after: int = 0
    latency_s: float = 0.0

    async def entries(self) -> Sequence[Entry]:
        await self._answer()
        return await self.inner.entries()

    async def take(self, steps: Sequence[Step]) -> Sequence[Step]:
        await self._answer()
        return await self.inner.take(steps)

    async def _answer(self) -> None:
        await asyncio.sleep(self.latency_s)  # as a real store: others come in between
        if self.sick and self.sick_after <= 0:
            raise self.sick
        self.sick_after -= 1


@dataclass(slots=True, eq=False)
class FakeReceiver:
    """Keeps what it is told; answers by the script, and takes everything once that has run out."""

    answers: deque[NotTold] = field(default_factory=deque)
    told: list[dict[str, Any]] = field(default_factory=list)
    asked: int = 0

    async def tell(self, payload: str) -> Told | NotTold:
        await asyncio.sleep(0)
        self.asked += 1
        if self.answers:
            return self.answers.popleft()
        self.told.append(json.loads(payload))
        return Told()

    @property
    def heard(self) -> list[list[tuple[str, str]]]:
        """Of each message, the alerts and whether they are on."""
        return [[(one["alert"], one["status"]) for one in message["alerts"]] for message in self.told]


@dataclass(slots=True, eq=False)
class FakeStanding:
    """Answers as it was told to."""

    answer: StoreStanding = field(default_factory=StoreStanding)
    sick: StoreError | None = None
    asked: int = 0

    async def look(self) -> StoreStanding:
        await asyncio.sleep(0)
        self.asked += 1
        if self.sick:
            raise self.sick
        return self.answer


@dataclass(slots=True, eq=False)
class FakeAskedQueue:
    """A queue that holds so many messages."""

    name: str = "dead"
    visible: int = 0
    fault: QueueError | None = None
    asked: int = 0

    async def facts(self) -> QueueFacts:
        await asyncio.sleep(0)
        self.asked += 1
        if self.fault:
            raise self.fault
        return QueueFacts(
            visible=self.visible,
            in_flight=0,
            retention_s=345_600.0,
            visibility_s=30.0,
            max_receive_count=None,
            dead_letter_queue=None,
            max_bytes=262_144,
        )
