"""How the daemon stops: what is in flight ends, what waits is given back."""

import asyncio
import signal
from collections.abc import Coroutine, Sequence
from contextlib import suppress
from dataclasses import dataclass

from tank_mailer.flows.governor import Governor
from tank_mailer.flows.lane import Lane
from tank_mailer.flows.pauses import Pauses


@dataclass(frozen=True, slots=True, kw_only=True)
class Hand:
    """The parts that hold queue messages."""

    lanes: Sequence[Lane]
    governor: Governor
    pauses: Pauses

    async def poll(self) -> None:
        """Poll all lanes until they are closed."""
        async with asyncio.TaskGroup() as group:
            for lane in self.lanes:
                group.create_task(lane.intake.run())

    @property
    def is_closing(self) -> bool:
        """Whether nothing is polled any more."""
        return any(lane.intake.is_closed for lane in self.lanes)


class Stop:
    """The operator's signals: the first asks for a drain, the second for the end."""

    def __init__(self) -> None:
        """Not asked yet."""
        self._asked = asyncio.Event()
        self._at_once = asyncio.Event()

    def listen(self) -> None:
        """From now on, SIGTERM and SIGINT ask."""
        loop = asyncio.get_running_loop()
        for number in (signal.SIGTERM, signal.SIGINT):
            loop.add_signal_handler(number, self.ask)

    def ask(self) -> None:
        """Ask once, or once more."""
        if self._asked.is_set():
            self._at_once.set()
        self._asked.set()

    @property
    def is_asked(self) -> bool:
        """Whether the daemon is to stop."""
        return self._asked.is_set()

    async def wait(self) -> None:
        """Wait for the first signal."""
        await self._asked.wait()

    async def wait_at_once(self) -> None:
        """Wait for the second one."""
        await self._at_once.wait()

    async def unless_at_once(self, work: Coroutine[None, None, None]) -> None:
        """Do `work`, unless or until the second signal comes."""
        doing = asyncio.create_task(work)
        at_once = asyncio.create_task(self.wait_at_once())
        await asyncio.wait({doing, at_once}, return_when=asyncio.FIRST_COMPLETED)
        for task in (doing, at_once):
            task.cancel()
        await asyncio.gather(doing, at_once, return_exceptions=True)

    async def wait_s(self, seconds: float) -> None:
        """Wait for the first signal, so long at most."""
        with suppress(TimeoutError):
            async with asyncio.timeout(seconds):
                await self._asked.wait()


async def drain(hand: Hand, *, polling: asyncio.Task[None], stop: Stop, timeout_s: float) -> int:
    """Finish what is in flight, give back the rest; return how many messages were left to their leases."""
    for lane in hand.lanes:
        lane.intake.close()
        lane.settler.hurry()
    hand.governor.close()
    hand.pauses.give_up_waiting()

    async def finish() -> None:
        await polling
        for lane in hand.lanes:
            await lane.intake.finish()

    finishing = asyncio.create_task(finish())
    at_once = asyncio.create_task(stop.wait_at_once())
    await asyncio.wait({finishing, at_once}, timeout=timeout_s, return_when=asyncio.FIRST_COMPLETED)
    at_once.cancel()
    left = 0 if finishing.done() else sum(lane.intake.abandon() for lane in hand.lanes)
    finishing.cancel()
    polling.cancel()
    await asyncio.gather(finishing, polling, return_exceptions=True)
    if not polling.cancelled() and (error := polling.exception()):
        raise error
    return left
