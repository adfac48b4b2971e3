"""A loop whose time skips ahead while everybody waits, and a lane on fakes."""

import asyncio
import selectors
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any

import pytest
from typing_extensions import override

from tank_mailer.core.backoff import RetryPolicy
from tank_mailer.core.gate import Delivery
from tank_mailer.core.job import email_id_tag
from tank_mailer.core.lanes import ORDINARY, PRIORITY
from tank_mailer.core.ledger import Row
from tank_mailer.core.outcome import Concerned
from tank_mailer.core.renewal import QueueLife
from tank_mailer.flows.account import AccountWatch
from tank_mailer.flows.doubts import Doubts
from tank_mailer.flows.governor import Governor
from tank_mailer.flows.lane import Knobs, Lane, Outside, make_lane
from tank_mailer.flows.pauses import Pauses
from tank_mailer.flows.stop import Hand, Stop, drain
from tank_mailer.flows.tallies import Tallies
from tank_mailer.telemetry.log import Recipients
from tests.builders import make_body
from tests.fakes import FakeAccount, FakeClock, FakeDeadLetterQueue, FakeEventBook, FakeLedger, FakeMailer, FakeQueue

TICK_S = 1e-6
LOOK_S = 0.05
LATE = 0.001  # of what has passed: hours of looks each twentieth of a second would take real minutes
STUCK_S = 7 * 86_400.0  # of virtual time: nothing in these stories takes so long


class _SkippingSelector(selectors.DefaultSelector):
    """Does not wait for the clock: moves it."""

    def __init__(self) -> None:
        super().__init__()
        self.skipped_s = 0.0

    @override
    def select(self, timeout: float | None = None) -> list[Any]:
        ready = super().select(0)
        if not ready and timeout is None:
            raise RuntimeError("nobody waits for the time: the story hangs")
        if not ready:  # a real clock goes on while code runs, too
            self.skipped_s += max(timeout or 0.0, TICK_S)
        if self.skipped_s > STUCK_S:
            raise RuntimeError("a week has passed: the story hangs")
        return ready


class SkippingLoop(asyncio.SelectorEventLoop):
    """An event loop with its own time, which passes only while nothing is to be done."""

    def __init__(self) -> None:
        self._skipping = _SkippingSelector()
        super().__init__(self._skipping)

    @override
    def time(self) -> float:
        return self._skipping.skipped_s


async def pass_until(holds: Callable[[], bool], *, within_s: float) -> None:
    """Let time pass until something holds; seen at the latest when a thousandth more has passed than it took."""
    loop = asyncio.get_running_loop()
    began_s = loop.time()
    while not holds():
        waited_s = loop.time() - began_s
        assert waited_s < within_s, "it did not come to pass"
        await asyncio.sleep(max(LOOK_S, waited_s * LATE))


def pytest_asyncio_loop_factories() -> dict[str, Callable[[], asyncio.AbstractEventLoop]]:
    """pytest-asyncio: the loops that the tests below this folder run on."""
    return {"skipping": SkippingLoop}


@dataclass(kw_only=True)
class Rig:
    """A whole lane on fakes, or two; `running` starts it."""

    clock: FakeClock
    queue: FakeQueue
    dead_letters: FakeDeadLetterQueue | None
    mailer: FakeMailer
    ledger: FakeLedger
    account: FakeAccount
    governor: Governor
    pauses: Pauses
    lane: Lane
    watch: AccountWatch
    events: FakeEventBook
    doubts: Doubts
    tallies: Tallies
    priority_queue: FakeQueue
    priority: Lane | None = None
    stop: Stop = field(default_factory=Stop)

    def put(self, **changes: object) -> str:
        return self.queue.put(make_body(**changes))

    def put_many(self, count: int, **changes: object) -> list[str]:
        return [self.put(email_id=f"job-{n}", **changes) for n in range(count)]

    @property
    def lanes(self) -> list[Lane]:
        """Those that run."""
        return [self.priority, self.lane] if self.priority else [self.lane]

    async def row(self, email_id: str = "order-4711") -> Row:
        row = await self.ledger.find(email_id)
        assert row is not None, f"{email_id} has no row"
        return row

    def sent(self, email_id: str) -> int:
        """How many requests left for this job."""
        return sum(email_id_tag(job.email_id) == email_id_tag(email_id) for job, _ in self.mailer.sent)

    async def until(self, holds: Callable[[], bool], within_s: float = 4 * 3600) -> None:
        """Let time pass until something holds."""
        await pass_until(holds, within_s=within_s)

    async def drain(self, polling: asyncio.Task[None], timeout_s: float = 45.0) -> int:
        hand = Hand(lanes=self.lanes, governor=self.governor, pauses=self.pauses)
        return await drain(hand, polling=polling, stop=self.stop, timeout_s=timeout_s)

    @asynccontextmanager
    async def running(self) -> AsyncIterator[asyncio.Task[None]]:
        works = [self.governor.run(), self.pauses.run()]
        for lane in self.lanes:
            works += [lane.keeper.run(), lane.settler.run(), lane.hidden.run()]
        tasks = [asyncio.create_task(work) for work in works]
        hand = Hand(lanes=self.lanes, governor=self.governor, pauses=self.pauses)
        polling = asyncio.create_task(hand.poll())
        try:
            yield polling
        finally:
            for task in (*tasks, polling):
                task.cancel()
            for lane in self.lanes:
                lane.intake.abandon()
            results = await asyncio.gather(*tasks, polling, return_exceptions=True)
        broken = [r for r in results if isinstance(r, Exception)]
        assert not broken, broken


MakeRig = Callable[..., Rig]


@pytest.fixture
def make_rig() -> MakeRig:
    """Make a rig; keywords change one thing. `shared`: on the queue and ledger of another one."""

    def make(
        *answers: Any,
        rate: float = 1000.0,
        slots: int = 10,
        policy: RetryPolicy | None = None,
        delivery: Delivery | None = None,
        has_dead_letter_queue: bool = True,
        life: QueueLife | None = None,
        visibility_s: int = 60,
        shared: Rig | None = None,
        has_priority: bool = False,
        jitter: float = 0.5,
    ) -> Rig:
        clock = FakeClock()
        queue = shared.queue if shared else FakeQueue(clock)
        ledger = shared.ledger if shared else FakeLedger(clock)
        mailer = FakeMailer(*answers)
        dead_letters = FakeDeadLetterQueue() if has_dead_letter_queue else None
        account = FakeAccount()

        async def find() -> FakeDeadLetterQueue | None:
            return dead_letters

        governor = Governor(slots=slots, rate=0.0, has_priority=has_priority)
        governor.set_rate(rate)
        pauses = Pauses(clock=clock, default_set="tank")
        pauses.when_stopped(governor.halt)
        watch = AccountWatch(account=account, governor=governor, pauses=pauses, fixed_rate=rate, share=0.9)
        pauses.probe_by(Concerned.ACCOUNT, watch.probe)
        pauses.probe_by(Concerned.SES, watch.probe)
        pauses.probe_by(Concerned.STORE, lambda: _works(ledger))
        policy = policy or RetryPolicy(in_doubt_wait_s=120.0)
        events = FakeEventBook(ledger)
        book = events if policy.has_channel else None
        queues = {ORDINARY: queue, PRIORITY: FakeQueue(clock)}
        doubts = Doubts(book=book, queues=queues, policy=policy, clock=clock)
        tallies = Tallies(clock=clock)

        def lane_of(name: str) -> Lane:
            return make_lane(
                Outside(queue=queues[name], find_dead_letters=find, mailer=mailer, ledger=ledger, clock=clock),
                Knobs(
                    lane=name,
                    source="jobs",
                    owner="node/process",
                    configuration_set="tank",
                    visibility_s=visibility_s,
                    ses_timeout_s=25.0,
                    delivery=delivery or Delivery(configuration_sets=frozenset({"tank"})),
                    policy=policy,
                    names=Recipients(hash_key="0123456789abcdef"),
                    jitter=lambda: jitter,
                    life=lambda: life or QueueLife(max_receive_count=100),
                ),
                governor=governor,
                pauses=pauses,
                doubts=doubts,
                tallies=tallies,
            )

        return Rig(
            clock=clock,
            queue=queue,
            dead_letters=dead_letters,
            mailer=mailer,
            ledger=ledger,
            account=account,
            governor=governor,
            pauses=pauses,
            lane=lane_of(ORDINARY),
            watch=watch,
            events=events,
            doubts=doubts,
            tallies=tallies,
            priority_queue=queues[PRIORITY],
            priority=lane_of(PRIORITY) if has_priority else None,
        )

    return make


async def _works(ledger: FakeLedger) -> bool:
    try:
        await ledger.check()
    except Exception:  # noqa: BLE001 - whatever the fake was told to raise
        return False
    return True
