"""Guards the reputation: warns, stops the ordinary lane before AWS stops all mail, and lets it trickle back."""

import asyncio
from collections.abc import Callable, Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from datetime import datetime
from typing import Final

from tank_mailer.core.errors import StoreError
from tank_mailer.core.lanes import ORDINARY
from tank_mailer.core.outcome import Concern, Concerned
from tank_mailer.core.reputation import (
    LENGTH,
    Fine,
    Kind,
    Rules,
    Standing,
    Stop,
    Tallies,
    Tally,
    Warn,
    Window,
    describe,
    fails_trial,
    has_grown,
    judge,
    left_until_review,
    stop_lasts,
)
from tank_mailer.core.view import ReputationView
from tank_mailer.flows.forever import forever
from tank_mailer.flows.quota import Pausing
from tank_mailer.ports import Clock
from tank_mailer.ports.nodes import Volume
from tank_mailer.telemetry.log import get_logger

log = get_logger()

EVERY_S = 60.0  # between looks
SOON_S = 5.0  # the same after the store did not answer
TRICKLE_S = 60.0  # DESIGN 7: a recipient each
LEAST_WAIT_S = 0.001  # a timer may fire a little before its time
LANE: Final = Concern(Concerned.REPUTATION, ORDINARY)


@dataclass(frozen=True, slots=True)
class Flowing:
    """The lane goes at full speed; `resumed_at`: because a person said so, though the rate was too high."""

    resumed_at: datetime | None = None


@dataclass(frozen=True, slots=True)
class Stopped:
    """The lane is paused."""

    until: datetime


@dataclass(frozen=True, slots=True)
class Trickling:
    """A recipient goes now and then, to see what becomes of it."""

    since: datetime


State = Flowing | Stopped | Trickling


@dataclass(kw_only=True, eq=False)
class ReputationGuard:
    """The ordinary lane's way out of trouble, and a limit of the governor's while it trickles.

    All is judged by what the store holds, so a restart during a stop stops again, for an hour.

    Attributes:
        nudge: called when a recipient may go by the trickle.
    """

    volume: Volume
    pauses: Pausing
    clock: Clock
    rules: Rules = field(default_factory=Rules)
    nudge: Callable[[], None] = lambda: None
    _state: State = field(default_factory=Flowing)
    _stops: int = 0  # without a recovery between
    _tallies: Tallies = field(default_factory=dict)
    _standings: dict[Kind, Standing] = field(default_factory=lambda: dict.fromkeys(Kind, Fine()))
    _next_s: float = 0.0  # when the next recipient may go by the trickle
    _room: int | None = None  # as the governor was told
    _looked_s: float = float("-inf")
    _again_s: float = EVERY_S
    _changed: asyncio.Event = field(default_factory=asyncio.Event)

    # --- a limit of the governor's ---

    def room(self, lane: str) -> int | None:
        """Recipients that may go; None: no limit."""
        if lane != ORDINARY or not isinstance(self._state, Trickling):
            return None
        return int(self._next_s <= self.clock.boot_s())

    def took(self, lane: str, recipients: int) -> None:
        """So many go; what is not used does not add up."""
        if self.room(lane) is not None:
            self._next_s = max(self._next_s, self.clock.boot_s()) + recipients * TRICKLE_S
            self._changed.set()

    def gave_back(self, lane: str, recipients: int) -> None:
        """They did not reach SES."""
        if self.room(lane) is not None:
            self._next_s -= recipients * TRICKLE_S
            self._changed.set()

    def ended(self, lane: str, recipients: int) -> None:
        """They did; what becomes of them, the store will say."""

    # --- people ---

    def resumed(self, at: datetime | None = None) -> None:
        """A person wants the lane to go on at full speed, now or at an earlier time that is on record.

        It stops again only if there is enough new bad mail among what was sent since.
        """
        was_stopped = isinstance(self._state, Stopped)
        self._state = Flowing(at or self.clock.now())
        if was_stopped:
            self.pauses.lift(LANE)
        self._changed.set()

    @property
    def standings(self) -> Mapping[Kind, Standing] | None:
        """How bounces and complaints stand; None: the store has not said yet."""
        return self._standings if self._tallies else None

    def view(self) -> ReputationView:
        """How it stands."""
        bounces, complaints = self._standings[Kind.BOUNCES].worst, self._standings[Kind.COMPLAINTS].worst
        return ReputationView(
            bounce_rate=bounces.rate if bounces else None,
            complaint_rate=complaints.rate if complaints else None,
            volume=self._tallies.get(Window.WEEK, Tally()).volume,
            bounces_left=left_until_review(Kind.BOUNCES, self._tallies, self.rules),
            complaints_left=left_until_review(Kind.COMPLAINTS, self._tallies, self.rules),
            is_trickling=isinstance(self._state, Trickling),
        )

    # --- the flow ---

    async def run(self) -> None:
        """Look every minute, and act, until cancelled."""
        await forever(self._round)

    async def _round(self) -> None:
        self._changed.clear()
        if self._look_s() <= self.clock.boot_s():
            await self._look()
        self._tell_room()
        due_s = min(self._look_s(), self._next_s if self._room == 0 else float("inf"))
        try:
            async with asyncio.timeout(max(due_s - self.clock.boot_s(), LEAST_WAIT_S)):
                await self._changed.wait()
        except TimeoutError:
            pass

    def _look_s(self) -> float:
        now_s = self.clock.boot_s()
        due_s = self._looked_s + self._again_s
        match self._state:
            case Stopped(until):
                end_s = now_s + (until - self.clock.now()).total_seconds()
                return min(due_s, end_s) if end_s > self._looked_s else due_s
            case Flowing() | Trickling():
                return due_s

    def _tell_room(self) -> None:
        room = self.room(ORDINARY)
        if room != self._room:
            self._room = room
            self.nudge()

    # --- looking ---

    async def _look(self) -> None:
        with suppress(StoreError):  # whoever writes there says so
            await self.read()
            return
        self._again_s = SOON_S

    async def read(self) -> None:
        """Judge what the store knows; raises `StoreError`."""
        state, now = self._state, self.clock.now()
        self._looked_s = self.clock.boot_s()
        tallies = {window: await self.volume.tally(now - length) for window, length in LENGTH.items()}
        since = await self._since(state, now)
        self._again_s = EVERY_S
        self._tallies = tallies
        for kind in Kind:
            self._learn(kind, tallies)
        if self._state is state:  # a person may have spoken meanwhile: then the next look decides
            self._act(state, since, now)

    async def _since(self, state: State, now: datetime) -> Tally:
        """What came of the mail since a resume, or by the trickle."""
        match state:
            case Flowing(datetime() as since) | Trickling(since):
                return await self.volume.tally(max(since, now - LENGTH[Window.WEEK]))
            case Flowing() | Stopped():
                return Tally()

    def _learn(self, kind: Kind, tallies: Tallies) -> None:
        before = self._standings[kind]
        standing = judge(kind, tallies, self.rules, is_warned=not isinstance(before, Fine))
        self._standings[kind] = standing
        match before, standing:
            case Fine(), (Warn(worst) | Stop(worst)):
                log.warning(
                    "reputation_warned",
                    kind=kind,
                    rate=round(worst.rate, 5),
                    limit=self.rules.line(kind).pause,
                    volume=worst.volume,
                    left=worst.left,
                    window=worst.window,
                )
            case (Warn() | Stop(), Fine(now)) | (Stop(), Warn(now)):
                rate = round(now.rate, 5) if now else None
                log.info("reputation_recovered", kind=kind, rate=rate, limit=self._line_below(kind, standing))
            case _:
                pass

    def _line_below(self, kind: Kind, standing: Standing) -> float:
        """The line that a rate is below again."""
        line = self.rules.line(kind)
        return line.warn if isinstance(standing, Fine) else line.pause

    def _act(self, state: State, since: Tally, now: datetime) -> None:
        stops = [standing for standing in self._standings.values() if isinstance(standing, Stop)]
        match state:
            case Flowing(None) if stops:
                self._stop(stops[0], now)
            case Flowing():
                if grown := [stop for stop in stops if has_grown(stop.worst.kind, since, self.rules)]:
                    self._stop(grown[0], now)
                elif not stops:
                    self._recover()
            case Stopped(until) if until > now:
                pass
            case Stopped():
                if stops:
                    self._trickle(stops[0], now)
                else:
                    self._recover()
                self.pauses.lift(LANE)
            case Trickling():
                if failed := [stop for stop in stops if fails_trial(stop.worst.kind, since, self.rules)]:
                    self._stop(failed[0], now)
                elif not stops:
                    self._recover()

    def _stop(self, stop: Stop, now: datetime) -> None:
        self._stops += 1
        until = now + stop_lasts(self._stops)
        self._state = Stopped(until)
        self.pauses.begin(LANE, stop.reason, describe(stop, self.rules), until=until)

    def _trickle(self, stop: Stop, now: datetime) -> None:
        self._state, self._next_s = Trickling(now), self.clock.boot_s()
        log.warning(
            "reputation_trickling",
            kind=stop.worst.kind,
            rate=round(stop.worst.rate, 5),
            limit=self.rules.line(stop.worst.kind).pause,
            every_s=TRICKLE_S,
        )

    def _recover(self) -> None:
        self._state, self._stops = Flowing(), 0
