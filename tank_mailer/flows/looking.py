"""One look into a dead-letter queue: every letter once, each of them held until it is given back.

A receive is the only way to look, and it hides what it shows. So letters are held for a short time only, extended while
the look lasts, and given back at its end, whatever ends it; of a process that is killed they come back by themselves.
"""

import asyncio
from collections.abc import AsyncIterator, Callable, Iterable, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import TypeVar

from tank_mailer.core.deadletter import Handed
from tank_mailer.core.errors import QueueError
from tank_mailer.ports import Clock, Settled
from tank_mailer.ports.letters import LetterBox

HOLD_S = 90  # what a killed process leaves hidden is back after so long
EXTEND_BELOW_S = 60.0  # what is held for less from now on is extended
EXTEND_EVERY_S = 10.0
CALLS = 4  # of ten letters each, at a time
BATCH = 10  # SQS: entries of a batch
MOST = 10_000  # letters of one look; each costs a call of ten every half minute while it is held
REPEATS = 20  # receives in a row that bring nothing new: letters come back as fast as we look
T = TypeVar("T")


@dataclass(slots=True)
class _Held:
    handle: str
    until_s: float


@dataclass(kw_only=True, eq=False)
class Look:
    """A look under way.

    Attributes:
        wait_s: of the last receive, which has to ask all of SQS's servers: a long poll does.
        is_complete: whether all was seen that could be; False also before the end.
        seen: letters, each once.
    """

    box: LetterBox
    clock: Clock
    wait_s: int
    most: int = MOST
    is_complete: bool = False
    seen: int = 0
    _held: dict[str, _Held] = field(default_factory=dict)

    async def letters(self) -> AsyncIterator[Handed]:
        """Each letter once; raises `QueueError`."""
        repeats = 0
        while self.seen < self.most and repeats < REPEATS:
            asked_s = self.clock.boot_s()
            handed = await self.box.receive(wait_s=self.wait_s, visibility_s=HOLD_S)
            if not handed:
                self.is_complete = True
                return
            fresh = [one for one in handed if one.letter_id not in self._held]
            for one in handed:
                self._held[one.letter_id] = _Held(one.receipt_handle, asked_s + HOLD_S)
            repeats = 0 if fresh else repeats + 1
            for one in fresh:
                self.seen += 1
                yield one

    async def delete(self, letter_ids: Sequence[str]) -> set[str]:
        """Delete letters, by their newest handles; returns those that are gone. Raises `QueueError`."""
        known = [one for one in letter_ids if one in self._held]
        gone = set[str]()
        for some in _tens(known):
            answers = await self.box.delete([self._held[one].handle for one in some])
            gone |= {one for one, answer in zip(some, answers, strict=True) if answer is not Settled.FAILED}
        for one in gone:
            del self._held[one]
        return gone

    async def give_back(self, moved: Callable[[int], None] = lambda _: None) -> None:
        """Let others see them again, at once; those for which that fails come back by themselves."""
        held, self._held = self._held, {}
        await self._hide(list(held.values()), 0, moved)

    @property
    def held(self) -> int:
        """How many are hidden from others for the look."""
        return len(self._held)

    async def keep(self) -> None:
        """Extend what is held, for ever."""
        while True:
            await asyncio.sleep(EXTEND_EVERY_S)
            now_s = self.clock.boot_s()
            short = [one for one in self._held.values() if one.until_s - now_s < EXTEND_BELOW_S]
            await self._hide(short, HOLD_S, lambda _: None)

    async def _hide(self, held: Sequence[_Held], seconds: int, moved: Callable[[int], None]) -> None:
        calls = asyncio.Semaphore(CALLS)

        async def hide(some: Sequence[_Held]) -> None:
            async with calls:
                until_s = self.clock.boot_s() + seconds
                try:
                    await self.box.hide([(one.handle, seconds) for one in some])
                except QueueError:
                    return  # they come back early: the look knows them by their ids
                finally:
                    moved(len(some))
                for one in some:
                    one.until_s = until_s

        await asyncio.gather(*(hide(some) for some in _tens(held)))


@asynccontextmanager
async def looking(box: LetterBox, *, clock: Clock, wait_s: int, most: int = MOST) -> AsyncIterator[Look]:
    """Look into a box; at the end, and when interrupted, what is still held is given back."""
    look = Look(box=box, clock=clock, wait_s=wait_s, most=most)
    keeping = asyncio.create_task(look.keep())
    try:
        yield look
    finally:
        keeping.cancel()
        await asyncio.gather(keeping, return_exceptions=True)
        await look.give_back()


def _tens(things: Sequence[T]) -> Iterable[Sequence[T]]:
    return (things[start : start + BATCH] for start in range(0, len(things), BATCH))
