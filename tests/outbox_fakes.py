"""The outbox in memory, and a web server that answers as it is told. `FakeOutbox` passes its port's contract suite."""

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime
from inspect import isawaitable

from tank_mailer.core.errors import StoreError
from tank_mailer.ports import Clock, Letter, NotTold, Told


@dataclass(slots=True, eq=False)
class FakeOutbox:
    """News without a disk.

    Attributes:
        sick: raised by every method while it is set.
        reads: how often it was looked for something due.
        marks: each batch of ids that were told.
    """

    clock: Clock
    sick: StoreError | None = None
    reads: int = 0
    marks: list[list[int]] = field(default_factory=list)
    due_at: dict[int, datetime] = field(default_factory=dict)  # of those that wait
    told_at: dict[int, datetime] = field(default_factory=dict)
    letters: dict[int, Letter] = field(default_factory=dict)

    # --- for tests ---

    def add(self, email_id: str, text: str = "{}", *, created_at: datetime | None = None) -> int:
        """Write a letter as the ledger does; its id."""
        number = len(self.letters) + 1
        at = created_at or self.clock.now()
        self.letters[number] = Letter(number, email_id, text, at)
        self.due_at[number] = at
        return number

    @property
    def given_up(self) -> list[int]:
        """Ids that neither wait nor were told."""
        return [number for number in self.letters if number not in self.due_at and number not in self.told_at]

    # --- the port ---

    async def due(self, now: datetime, *, limit: int) -> Sequence[Letter]:
        await self._answer()
        self.reads += 1
        heads = dict[str, int]()
        for number in sorted(self.due_at):
            heads.setdefault(self.letters[number].email_id, number)
        due = [number for number in heads.values() if self.due_at[number] <= now]
        return self._picked(due, limit)

    async def told(self, ids: Sequence[int], at: datetime) -> None:
        await self._answer()
        self.marks.append(list(ids))
        for number in ids:
            self.due_at.pop(number, None)
            self.told_at[number] = at

    async def put_off(self, letter: Letter, due_at: datetime) -> None:
        await self._answer()
        if letter.id in self.due_at:
            self.due_at[letter.id] = due_at
            self.letters[letter.id] = replace(self.letters[letter.id], tries=self.letters[letter.id].tries + 1)

    async def give_up(self, letter: Letter) -> None:
        await self._answer()
        self.due_at.pop(letter.id, None)

    async def next_due(self) -> datetime | None:
        await self._answer()
        return min(self.due_at.values(), default=None)

    async def waiting(self) -> int:
        await self._answer()
        return len(self.due_at)

    async def waiting_since(self, before: datetime, *, limit: int) -> Sequence[Letter]:
        await self._answer()
        return self._picked([number for number in self.due_at if self.letters[number].created_at <= before], limit)

    def _picked(self, ids: list[int], limit: int) -> Sequence[Letter]:
        return [self.letters[number] for number in sorted(ids, key=lambda n: (self.due_at[n], n))[:limit]]

    async def _answer(self) -> None:
        await asyncio.sleep(0)  # as a real store: others come in between
        if self.sick:
            raise self.sick


Manner = Callable[[Letter], Told | NotTold | Awaitable[Told | NotTold]]


def takes(_: Letter) -> Told:
    return Told()


def refuses(_: Letter) -> NotTold:
    return NotTold("the web server answered 500, and only 2xx means that it has the news", 500)


@dataclass(slots=True, eq=False)
class FakeReceiver:
    """A web server whose manner may be changed while it runs.

    Attributes:
        latency_s: of each request, on the loop's clock.
        asked: every letter that came, in order, with the time on the loop's clock.
        told: ids of those that it took, in order.
    """

    manner: Manner = takes
    latency_s: float = 0.02
    asked: list[tuple[int, float]] = field(default_factory=list)
    told: list[int] = field(default_factory=list)
    in_flight: int = 0
    most_in_flight: int = 0

    async def tell(self, letter: Letter) -> Told | NotTold:
        self.asked.append((letter.id, asyncio.get_running_loop().time()))
        self.in_flight += 1
        self.most_in_flight = max(self.most_in_flight, self.in_flight)
        try:
            await asyncio.sleep(self.latency_s)
            said = self.manner(letter)
            answer = await said if isawaitable(said) else said
        finally:
            self.in_flight -= 1
        if isinstance(answer, Told):
            self.told.append(letter.id)
        return answer

    def times(self, number: int) -> list[float]:
        """When a letter came."""
        return [at_s for asked, at_s in self.asked if asked == number]
