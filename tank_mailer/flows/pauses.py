"""What is not worked on, why, since when, and what lifts it."""

import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from datetime import datetime

from tank_mailer.core.breaker import Breaker
from tank_mailer.core.errors import Reason
from tank_mailer.core.outcome import (
    Accepted,
    Concern,
    Concerned,
    Failed,
    Held,
    InDoubt,
    Outcome,
    Refused,
    Throttled,
    Unreachable,
)
from tank_mailer.core.remedy import REMEDIES
from tank_mailer.flows.forever import forever
from tank_mailer.ports import Clock
from tank_mailer.telemetry.log import get_logger

log = get_logger()

FIRST_PROBE_S = 5.0
MAX_PROBE_S = 300.0
EVERYTHING = frozenset({Concerned.ACCOUNT, Concerned.SES, Concerned.STORE})
LIFTED_BY_PROBE = frozenset({Concerned.STORE})  # the others want a real job, or a real poll, as proof
Probe = Callable[[], Awaitable[bool]]


@dataclass(slots=True, eq=False)
class Pause:
    """One concern that is not worked on.

    Attributes:
        next_probe_s: on the boot-time clock.
        interval_s: between probes; doubles.
        on_trial: the probe went well, now a single job shows whether it is over.
        kept: resolves for the job that is kept for that.
        is_tried: that job is at it.
    """

    concern: Concern
    reason: Reason
    since: datetime
    next_probe_s: float
    interval_s: float = FIRST_PROBE_S
    on_trial: bool = False
    kept: asyncio.Future[bool] | None = None
    is_tried: bool = False


@dataclass(frozen=True, kw_only=True)
class Pauses:
    """All pauses of this process.

    Attributes:
        default_set: the configuration set whose absence stops everything.
    """

    clock: Clock
    default_set: str = ""
    _probes: dict[Concerned, Probe] = field(default_factory=dict)
    _pauses: dict[Concern, Pause] = field(default_factory=dict)
    _breaker: list[Breaker] = field(default_factory=lambda: [Breaker()])
    _on_stop: list[Callable[[], None]] = field(default_factory=list)
    _closed: asyncio.Event = field(default_factory=asyncio.Event)
    _changed: asyncio.Event = field(default_factory=asyncio.Event)
    _watchers: set[asyncio.Future[None]] = field(default_factory=set)

    # --- looking ---

    @property
    def all(self) -> tuple[Pause, ...]:
        """Every pause there is."""
        return tuple(self._pauses.values())

    def stops_everything(self, concern: Concern) -> bool:
        """Whether nothing at all is sent while `concern` is paused."""
        return concern.kind in EVERYTHING or concern == Concern(Concerned.CONFIGURATION_SET, self.default_set)

    @property
    def halted(self) -> Pause | None:
        """A pause that stops everything and is not on trial."""
        return next((p for p in self.all if self.stops_everything(p.concern) and not p.on_trial), None)

    @property
    def polling_halted(self) -> bool:
        """Whether nothing is to be received; a queue that is away keeps nobody from sending what is in hand."""
        queue = self._pauses.get(Concern(Concerned.QUEUE))
        return self.halted is not None or (queue is not None and not queue.on_trial)

    def reason_of(self, concern: Concern) -> Reason | None:
        """Why it is paused, if it is."""
        pause = self._pauses.get(concern)
        return pause.reason if pause else None

    @property
    def on_trial(self) -> bool:
        """Whether one job at a time is to be tried."""
        return any(p.on_trial for p in self.all if p.concern.kind is not Concerned.QUEUE)

    def wait_s(self, concern: Concern) -> float | None:
        """Seconds until jobs of a paused sender or set may try again; None if it is not paused, or due."""
        pause = self._pauses.get(concern)
        if pause is None or self.stops_everything(concern):
            return None
        left_s = pause.next_probe_s - self.clock.boot_s()
        return left_s if left_s > 0 else None

    # --- beginning and lifting ---

    def probe_by(self, kind: Concerned, probe: Probe) -> None:
        """See by `probe`, without a job, whether a concern of this kind may be over."""
        self._probes[kind] = probe

    def when_stopped(self, call: Callable[[], None]) -> None:
        """Call `call` whenever a pause begins that stops everything."""
        self._on_stop.append(call)

    def begin(self, concern: Concern, reason: Reason, detail: str) -> None:
        """Pause, or go on with a pause whose trial failed; said once."""
        pause = self._pauses.get(concern)
        now_s = self.clock.boot_s()
        if pause is None:
            pause = Pause(concern, reason, self.clock.now(), now_s + FIRST_PROBE_S)
            self._pauses[concern] = pause
            log.error(
                "pause_begun",
                concern=concern.kind,
                reason=reason,
                detail=detail,
                next_probe_s=FIRST_PROBE_S,
                remedy=REMEDIES.get(reason),
            )
        elif pause.on_trial or pause.next_probe_s <= now_s:
            pause.on_trial, pause.is_tried, pause.reason = False, False, reason
            pause.interval_s = min(pause.interval_s * 2, MAX_PROBE_S)
            pause.next_probe_s = now_s + pause.interval_s
            log.warning("pause_prolonged", concern=concern.kind, reason=reason, detail=detail)
        self._tell_change()
        if self.stops_everything(concern):
            for call in self._on_stop:
                call()

    def lift(self, concern: Concern) -> None:
        """It is over."""
        if pause := self._pauses.pop(concern, None):
            self._let_go(pause, goes=True)
            seconds = (self.clock.now() - pause.since).total_seconds()
            log.info("pause_lifted", concern=concern.kind, reason=pause.reason, duration_s=round(seconds, 1))
            self._tell_change()

    def observe(self, outcome: Outcome, *, email_id: str, own: tuple[Concern, ...]) -> Concern | None:
        """Learn from an attempt; what it has just shown to be out of order, if anything.

        Args:
            outcome: what the attempt ended in.
            email_id: whose.
            own: the sender and the configuration set of the job: an acceptance lifts their pauses.
        """
        breaker = self._breaker[0].after(outcome, email_id)
        unavailable = Concern(Concerned.SES)
        on_trial = [p.concern for p in self.all if p.on_trial and p.concern.kind is not Concerned.QUEUE]
        match outcome:
            case Accepted():
                for concern in (*on_trial, *own):
                    self.lift(concern)
            case Refused() | Throttled():
                for concern in on_trial:
                    self.lift(concern)
            case Held(concern, reason, detail):
                for other in on_trial:
                    if other != concern:
                        self.lift(other)
                self.begin(concern, reason, detail)
                self._breaker[0] = breaker
                return concern
            case Unreachable(detail) | Failed(_, detail) | InDoubt(_, detail):
                if breaker.is_tripped or on_trial:
                    for concern in on_trial:
                        self.begin(concern, self._pauses[concern].reason, detail)
                    if breaker.is_tripped and unavailable not in on_trial:
                        self.begin(unavailable, Reason.SES_UNAVAILABLE, detail)
                    self._breaker[0] = Breaker()
                    return on_trial[0] if on_trial else unavailable
        self._breaker[0] = breaker
        return None

    # --- waiting ---

    async def trial(self, concern: Concern) -> bool:
        """Wait as the one job that will show whether a pause is over; follow with `trial_ended`.

        Returns:
            False at once if another job waits for that already, or later if it must not be waited for any more.
        """
        pause = self._pauses.get(concern)
        if self._closed.is_set() or (pause is not None and (pause.kept is not None or pause.is_tried)):
            return False
        if pause is None:
            return True
        pause.kept = asyncio.get_running_loop().create_future()
        try:
            return await pause.kept
        finally:
            pause.kept = None

    @property
    def trial_is_taken(self) -> bool:
        """Whether the job of a trial is under way, so that none need be received."""
        return any(p.on_trial and p.is_tried for p in self.all)

    def trial_ended(self) -> None:
        """The kept job is done, whatever came of it: if the trial goes on, another may be received for it."""
        for pause in self.all:
            pause.is_tried = False
        self._tell_change()

    def give_up_waiting(self) -> None:
        """Let the kept jobs go, and keep no more: the daemon stops."""
        self._closed.set()
        for pause in self.all:
            self._let_go(pause, goes=False)

    @staticmethod
    def _let_go(pause: Pause, *, goes: bool) -> None:
        if pause.kept is not None and not pause.kept.done():
            pause.is_tried = goes
            pause.kept.set_result(goes)

    async def change(self) -> None:
        """Wait until any pause begins, is lifted or goes on trial."""
        watcher = asyncio.get_running_loop().create_future()
        self._watchers.add(watcher)
        try:
            await watcher
        finally:
            self._watchers.discard(watcher)

    def _tell_change(self) -> None:
        self._changed.set()
        for watcher in self._watchers:
            if not watcher.done():
                watcher.set_result(None)

    async def run(self) -> None:
        """Probe what is due, until cancelled."""
        await forever(self._wait_and_probe)

    async def _wait_and_probe(self) -> None:
        due_s = min((p.next_probe_s for p in self.all if self._is_probed(p)), default=None)
        self._changed.clear()
        wait_s = None if due_s is None else max(0.0, due_s - self.clock.boot_s())
        try:
            async with asyncio.timeout(wait_s):
                await self._changed.wait()
        except TimeoutError:
            await self._probe()

    def _is_probed(self, pause: Pause) -> bool:
        """A paused sender or set among others is tried by its own next job."""
        is_probed = self.stops_everything(pause.concern) or pause.concern.kind is Concerned.QUEUE
        return is_probed and not pause.on_trial

    async def _probe(self) -> None:
        now_s = self.clock.boot_s()
        for pause in self.all:
            if not self._is_probed(pause) or pause.next_probe_s > now_s:
                continue
            probe = self._probes.get(pause.concern.kind)
            if probe is not None and not await probe():
                pause.interval_s = min(pause.interval_s * 2, MAX_PROBE_S)
                pause.next_probe_s = self.clock.boot_s() + pause.interval_s
            elif pause.concern.kind in LIFTED_BY_PROBE:
                self.lift(pause.concern)
            else:
                self._try_one(pause)

    def _try_one(self, pause: Pause) -> None:
        pause.on_trial = True
        log.info("pause_probed", concern=pause.concern.kind, reason=pause.reason)
        self._let_go(pause, goes=True)
        self._tell_change()
