"""What is not worked on, why, since when, and what lifts it (`core.pausing` has the table)."""

import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from datetime import datetime, timedelta

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
from tank_mailer.core.pausing import (
    FIRST_PROBE_S,
    MAX_PROBE_S,
    Extent,
    Lift,
    by_operator,
    extent_of,
    hide_s,
    name_of,
    rule_of,
)
from tank_mailer.core.remedy import REMEDIES
from tank_mailer.core.view import PauseView
from tank_mailer.flows.forever import forever
from tank_mailer.ports import Clock
from tank_mailer.telemetry import metrics
from tank_mailer.telemetry.log import get_logger

log = get_logger()

MOVED = timedelta(minutes=1)  # an end that is so much later, or sooner, is worth a word
LATELY_S = 60.0  # a pause that comes again so soon was not over
Probe = Callable[[], Awaitable[bool]]


@dataclass(slots=True, eq=False)
class Pause:
    """One concern that is not worked on.

    Attributes:
        next_probe_s: on the boot-time clock; of a pause that is not probed it says nothing.
        until: when it is over by itself, where that is known.
        interval_s: between probes; doubles.
        on_trial: the probe went well, now a single job shows whether it is over.
        kept: resolves for the job that is kept for that.
        is_tried: that job is at it.
    """

    concern: Concern
    reason: Reason
    since: datetime
    next_probe_s: float
    detail: str = ""
    until: datetime | None = None
    interval_s: float = FIRST_PROBE_S
    on_trial: bool = False
    kept: asyncio.Future[bool] | None = None
    is_tried: bool = False


@dataclass(frozen=True, kw_only=True)
class Pauses:
    """All pauses of this process.

    Attributes:
        default_set: the configuration set whose absence stops everything.
        jitter: gives a number from 0 to 1 that spreads waits.
    """

    clock: Clock
    default_set: str = ""
    jitter: Callable[[], float] = lambda: 0.5
    _probes: dict[Concern, Probe] = field(default_factory=dict)
    _pauses: dict[Concern, Pause] = field(default_factory=dict)
    _breaker: list[Breaker] = field(default_factory=lambda: [Breaker()])
    _on_stop: list[Callable[[str | None], None]] = field(default_factory=list)
    _on_begin: list[Callable[[Concern, Reason], None]] = field(default_factory=list)
    _on_lift: list[Callable[[Concern], None]] = field(default_factory=list)
    _closed: asyncio.Event = field(default_factory=asyncio.Event)
    _changed: asyncio.Event = field(default_factory=asyncio.Event)
    _lifted: dict[Concern, tuple[float, float]] = field(default_factory=dict)  # when, and how often it was probed
    _watchers: set[asyncio.Future[None]] = field(default_factory=set)

    # --- looking ---

    @property
    def all(self) -> tuple[Pause, ...]:
        """Every pause there is."""
        return tuple(self._pauses.values())

    def _extent(self, concern: Concern) -> Extent:
        return extent_of(concern, default_set=self.default_set)

    def _lift(self, concern: Concern) -> Lift:
        return rule_of(concern, default_set=self.default_set).lift

    def stops_everything(self, concern: Concern) -> bool:
        """Whether nothing at all is sent while `concern` is paused."""
        return self._extent(concern) is Extent.ALL

    @property
    def halted(self) -> Pause | None:
        """A pause that stops everything and is not on trial."""
        return next((p for p in self.all if self.stops_everything(p.concern) and not p.on_trial), None)

    def holding(self, lane: str) -> Pause | None:
        """A pause that keeps all jobs of a lane from being sent."""
        lanes = (p for p in self.all if self._extent(p.concern) is Extent.LANE and name_of(p.concern) == lane)
        return self.halted or next(lanes, None)

    def is_polled(self, lane: str) -> bool:
        """Whether anything is to be received; a queue that is away keeps nobody from sending what is in hand."""
        queue = self._pauses.get(Concern(Concerned.QUEUE, lane))
        return self.holding(lane) is None and (queue is None or queue.on_trial)

    def reason_of(self, concern: Concern) -> Reason | None:
        """Why it is paused, if it is."""
        pause = self._holding_back(concern)
        return pause.reason if pause else None

    @property
    def on_trial(self) -> bool:
        """Whether one job at a time is to be tried."""
        return any(p.on_trial for p in self.all if p.concern.kind is not Concerned.QUEUE)

    def _holding_back(self, concern: Concern) -> Pause | None:
        """The pause of a sender or set: a person's before our own."""
        return self._pauses.get(by_operator(concern)) or self._pauses.get(concern)

    def lets_through(self, concern: Concern) -> bool:
        """Whether a job of this sender or set may be attempted; when a probe of it is due, one job may."""
        pause = self._holding_back(concern)
        if pause is None or self.stops_everything(pause.concern):
            return True
        now_s = self.clock.boot_s()
        if self._lift(pause.concern) is not Lift.OWN_JOB or pause.next_probe_s > now_s:
            return False
        pause.next_probe_s, pause.is_tried = now_s + pause.interval_s, True
        return True

    def hide_s(self, concern: Concern) -> float:
        """For how long a job of a paused sender or set is hidden; 0 if it waits in no pause of its own."""
        pause = self._holding_back(concern)
        if pause is None or self.stops_everything(pause.concern):
            return 0.0
        return hide_s((self.clock.now() - pause.since).total_seconds(), self.jitter())

    def views(self) -> list[PauseView]:
        """As others are told of them."""
        now, now_s = self.clock.now().replace(microsecond=0), self.clock.boot_s()
        return [
            PauseView(
                concern=p.concern.kind,
                name=p.concern.name,
                reason=p.reason,
                since=p.since,
                next_probe_at=p.until
                or (now + timedelta(seconds=round(max(0.0, p.next_probe_s - now_s))) if self._is_probed(p) else None),
                on_trial=p.on_trial,
                detail=p.detail,
                lifted_by=self._lift(p.concern),
                remedy=REMEDIES.get(p.reason),
            )
            for p in self.all
        ]

    # --- beginning and lifting ---

    def probe_by(self, kind: Concerned, probe: Probe, *, name: str = "") -> None:
        """See by `probe`, without a job, whether a concern of this kind (and name) may be over."""
        self._probes[Concern(kind, name)] = probe

    def when_stopped(self, call: Callable[[str | None], None]) -> None:
        """Call `call` whenever a pause begins that stops a lane (by its name), or everything (None)."""
        self._on_stop.append(call)

    def when_begun(self, call: Callable[[Concern, Reason], None]) -> None:
        """Call `call` whenever a pause begins or goes on."""
        self._on_begin.append(call)

    def when_lifted(self, call: Callable[[Concern], None]) -> None:
        """Call `call` whenever a pause is over."""
        self._on_lift.append(call)

    def begin(
        self,
        concern: Concern,
        reason: Reason,
        detail: str,
        *,
        until: datetime | None = None,
        since: datetime | None = None,
    ) -> None:
        """Pause, or go on with a pause whose trial failed; said once.

        Args:
            concern: what is not worked on.
            reason: why.
            detail: in a sentence.
            until: when it is over by itself, where that is known.
            since: when it began, if not now.
        """
        pause = self._pauses.get(concern)
        now_s = self.clock.boot_s()
        if pause is None:
            interval_s = self._first_interval_s(concern, now_s)
            pause = Pause(concern, reason, since or self.clock.now(), now_s + interval_s, detail, until, interval_s)
            self._pauses[concern] = pause
            metrics.pause_begun(concern.kind, reason)
            log.error(
                "pause_begun",
                concern=concern.kind,
                scope=_scope(concern),
                lane=name_of(concern) if self._extent(concern) in {Extent.LANE, Extent.POLLING} else None,
                reason=reason,
                detail=detail,
                next_probe_s=interval_s if self._is_probed(pause) else None,
                until=until,
                lifted_by=self._lift(concern),
                remedy=REMEDIES.get(reason),
            )
        elif pause.on_trial or pause.is_tried or (self._is_probed(pause) and pause.next_probe_s <= now_s):
            pause.on_trial, pause.is_tried, pause.reason, pause.detail = False, False, reason, detail
            pause.interval_s = min(pause.interval_s * 2, MAX_PROBE_S)
            pause.next_probe_s = now_s + pause.interval_s
            log.warning("pause_prolonged", concern=concern.kind, reason=reason, detail=detail)
        else:
            self._follow(pause, reason, detail, until)
        for told in self._on_begin:
            told(concern, reason)
        self._tell_change()
        extent = self._extent(concern)
        if extent in {Extent.ALL, Extent.LANE}:
            for call in self._on_stop:
                call(None if extent is Extent.ALL else name_of(concern))

    @staticmethod
    def _follow(pause: Pause, reason: Reason, detail: str, until: datetime | None) -> None:
        """Say what is wrong now, and until when: the remedy of an hour ago may be another's."""
        is_other = pause.reason is not reason
        is_moved = until is not None and (pause.until is None or abs(until - pause.until) > MOVED)
        pause.reason, pause.until = reason, until or pause.until
        if is_other or is_moved:
            pause.detail = detail
            log.warning(
                "pause_prolonged",
                concern=pause.concern.kind,
                reason=reason,
                detail=detail,
                until=pause.until,
                remedy=REMEDIES.get(reason),
            )

    def _first_interval_s(self, concern: Concern, now_s: float) -> float:
        """Longer than the last one where the same comes again at once: then what ended it proves little."""
        lifted_s, interval_s = self._lifted.pop(concern, (-LATELY_S, 0.0))
        return min(interval_s * 2, MAX_PROBE_S) if now_s - lifted_s < LATELY_S else FIRST_PROBE_S

    def look_again(self) -> None:
        """Look at once at whatever is looked at: somebody says that it is mended."""
        now_s = self.clock.boot_s()
        for pause in self.all:
            pause.next_probe_s = min(pause.next_probe_s, now_s)
            pause.interval_s = FIRST_PROBE_S
            if self._lift(pause.concern) is Lift.OWN_JOB:  # its hidden jobs come, and the first tries for all
                for shown in self._on_lift:
                    shown(pause.concern)
        self._tell_change()

    def lift(self, concern: Concern) -> None:
        """It is over."""
        if pause := self._pauses.pop(concern, None):
            self._lifted[concern] = self.clock.boot_s(), pause.interval_s
            self._let_go(pause, goes=True)
            seconds = (self.clock.now() - pause.since).total_seconds()
            log.info(
                "pause_lifted",
                concern=concern.kind,
                scope=_scope(concern),
                reason=pause.reason,
                duration_s=round(seconds, 1),
            )
            for told in self._on_lift:
                told(concern)
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

    def change(self) -> asyncio.Future[None]:
        """Done when any pause begins, is lifted or goes on trial from now on."""
        watcher: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._watchers.add(watcher)
        watcher.add_done_callback(self._watchers.discard)
        return watcher

    def _tell_change(self) -> None:
        self._changed.set()
        for watcher in tuple(self._watchers):
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
        return self._lift(pause.concern).is_probed and not pause.on_trial

    async def _probe(self) -> None:
        now_s = self.clock.boot_s()
        for pause in self.all:
            if not self._is_probed(pause) or pause.next_probe_s > now_s:
                continue
            probe = self._probes.get(pause.concern) or self._probes.get(Concern(pause.concern.kind))
            if probe is not None and not await probe():
                pause.interval_s = min(pause.interval_s * 2, MAX_PROBE_S)
                pause.next_probe_s = self.clock.boot_s() + pause.interval_s
            elif self._lift(pause.concern) is Lift.STORE:  # the others want a real job, or a real poll, as proof
                self.lift(pause.concern)
            else:
                self._try_one(pause)

    def _try_one(self, pause: Pause) -> None:
        pause.on_trial = True
        log.info("pause_probed", concern=pause.concern.kind, reason=pause.reason)
        self._let_go(pause, goes=True)
        self._tell_change()


def _scope(concern: Concern) -> str | None:
    """What kind of thing a person has paused; which sender, no log tells."""
    return concern.name.partition("/")[0] if concern.kind is Concerned.OPERATOR else None
