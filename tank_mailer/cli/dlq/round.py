"""One round through all dead letters: each queue of them, then those that rest in the ledger alone."""

from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass, field
from typing import Any, Final

from tank_mailer.adapters.desk import Desk
from tank_mailer.adapters.desk_letters import ledger_letters
from tank_mailer.adapters.letter_box import LetterBoxError, SqsLetterBox
from tank_mailer.cli.dlq.boxes import NO_QUEUE, Boxes
from tank_mailer.cli.terminal import Bar, hint, progress_bar
from tank_mailer.core.deadletter import DeadLetter, read_letter
from tank_mailer.core.errors import Reason
from tank_mailer.flows.looking import MOST, Look, looking
from tank_mailer.ports import QueueFacts

WAIT_S = 1  # of the receive that finds nothing more: a long poll asks all of SQS's servers
SHOWN_BACK: Final = 100  # letters; to give fewer back is done at once

Takes = Callable[[DeadLetter], bool]
Work = Callable[[Sequence[DeadLetter], Look | None], Awaitable[None]]


@dataclass(frozen=True, slots=True)
class Seen:
    """What a look into one queue has come to.

    Attributes:
        facts: before it; None: the key may not ask.
        seen: letters, whichever were meant.
        is_complete: whether all were seen that could be.
    """

    name: str
    facts: QueueFacts | None
    seen: int
    is_complete: bool

    def shape(self) -> dict[str, Any]:
        """As JSON has it."""
        return {
            "name": self.name,
            "visible": self.facts.visible if self.facts else None,
            "in_flight": self.facts.in_flight if self.facts else None,
            "max_receive_count": self.facts.max_receive_count if self.facts else None,
            "seen": self.seen,
            "complete": self.is_complete,
        }

    @property
    def remarks(self) -> list[str]:
        """What a person should know of it."""
        found = list[str]()
        facts = self.facts
        if facts is not None and facts.max_receive_count is not None:
            found.append(
                f"{self.name} has a redrive policy of its own: each look counts as a receive, and after"
                f" {facts.max_receive_count} of them SQS moves a letter on"
            )
        if facts is not None and facts.in_flight:
            found.append(
                f"{self.name}: {facts.in_flight} letters were hidden, by a look a moment ago or another reader; they"
                " are not shown"
            )
        if not self.is_complete:
            about = f" of about {facts.visible}" if facts is not None else ""
            found.append(f"{self.name}: only {self.seen} letters{about} were looked at; run it again for the rest")
        elif facts is not None and self.seen < facts.visible:
            found.append(
                f"{self.name}: SQS counted about {facts.visible} letters, {self.seen} were seen: its counts lag, or"
                " another reader was quicker"
            )
        return found


@dataclass(frozen=True, slots=True, kw_only=True)
class Round:
    """Goes through them.

    Attributes:
        what: what is done, for the progress bar.
        takes: which letters are meant.
        work: gets those, up to `size` at a time, and the look that holds them; None: of the ledger.
        enough: asked after each; True: no more need be looked at.
    """

    desk: Desk
    boxes: Boxes
    what: str
    takes: Takes
    work: Work
    size: int = 10
    enough: Callable[[], bool] = lambda: False
    seen: list[Seen] = field(default_factory=list)

    async def go(self) -> list[Seen]:
        """Do it; raises `QueueError` and `StoreError`."""
        for box in self.boxes.boxes:
            if not self.enough():
                self.seen.append(await self._look_into(box))
        if not self.enough():
            letters = [one for one in await ledger_letters(self.desk, limit=MOST) if self.takes(one)]
            for start in range(0, len(letters), self.size):
                await self.work(letters[start : start + self.size], None)
        return self.seen

    async def _look_into(self, box: SqsLetterBox) -> Seen:
        facts = await _facts(box)
        total = facts.visible or None if facts else None
        async with looking(box, clock=self.desk.clock, wait_s=WAIT_S) as look:
            with progress_bar(f"{self.what} {box.name}", total=total) as bar:
                await self._work_off(look, box, bar)
            if look.held > SHOWN_BACK:
                with progress_bar("giving back", total=look.held) as bar:
                    await look.give_back(bar.move)
        return Seen(box.name, facts, look.seen, look.is_complete or self.enough())

    async def _work_off(self, look: Look, box: SqsLetterBox, bar: Bar) -> None:
        some = list[DeadLetter]()
        async for handed in look.letters():
            bar.move(1)
            letter = read_letter(handed, queue=box.name, lanes=self.boxes.lanes)
            if self.takes(letter):
                some.append(letter)
            if len(some) >= self.size:
                await self.work(some, look)
                some = []
            if self.enough():
                return
        if some:
            await self.work(some, look)

    def tell(self) -> None:
        """Say on standard error what a person should know of the queues."""
        if not self.boxes.boxes:
            hint(NO_QUEUE)
        for one in self.seen:
            for remark in one.remarks:
                hint(remark)


async def _facts(box: SqsLetterBox) -> QueueFacts | None:
    """Counts are told; without the right to ask for them the letters are looked at all the same."""
    try:
        return await box.facts()
    except LetterBoxError as error:
        if error.reason is not Reason.ACCESS_DENIED:
            raise
        return None
