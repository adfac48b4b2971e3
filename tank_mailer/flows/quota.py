"""Keeps to the daily quota: counts what all nodes have sent, pauses a lane without room, and knows when it returns."""

import asyncio
from collections import deque
from collections.abc import Callable, Mapping
from contextlib import suppress
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from typing import Protocol

from tank_mailer.core.errors import Reason, StoreError
from tank_mailer.core.lanes import PRIORITY
from tank_mailer.core.outcome import Concern, Concerned
from tank_mailer.core.quota import BUCKET_S, WINDOW, Quota, others, steps_passed
from tank_mailer.core.view import QuotaView
from tank_mailer.flows.forever import forever
from tank_mailer.ports import AccountFacts, Clock
from tank_mailer.ports.nodes import Volume
from tank_mailer.telemetry.log import get_logger

log = get_logger()

EVERY_S = 60.0  # between looks at the store
SOON_S = 5.0  # the same while less than a tenth of the quota is left, or after the store did not answer
ON_RECORD_S = 3.0  # what ended so long ago is in the store
LEAST_WAIT_S = 0.001  # a timer may fire a little before its time
BUCKET = timedelta(seconds=BUCKET_S)
ASKED_AGAIN = timedelta(minutes=5)  # DESIGN 7: the account is asked every few minutes
EXCEEDED = timedelta(minutes=15)  # SES's no holds for so long if the account then says nothing


class Pausing(Protocol):
    """What can be paused."""

    def begin(self, concern: Concern, reason: Reason, detail: str, *, until: datetime | None = None) -> None:
        """Pause, or say a new end of a pause."""

    def lift(self, concern: Concern) -> None:
        """It is over."""


@dataclass(kw_only=True, eq=False)
class QuotaWatch:
    """The daily quota as a limit of the governor's.

    A lane without room is paused until at least a hundredth of the limit is free. Where the window frees as much
    within a minute, there is no pause: the lane waits for that minute, and goes on in step with the window.

    Attributes:
        lanes: those in use; without a priority lane nothing is kept for it.
        reserve: `TANK_DAILY_RESERVE`.
        nudge: called when room has changed by itself.
    """

    volume: Volume
    pauses: Pausing
    clock: Clock
    lanes: tuple[str, ...]
    reserve: float
    nudge: Callable[[], None] = lambda: None
    _quota: Quota = field(init=False)
    _pending: int = 0
    _returned: int = 0  # of these, what was given back and has not ended
    _recent: deque[tuple[float, int]] = field(default_factory=deque)  # when on the boot-time clock, recipients
    _unrecorded: int = 0  # the sum of these
    _is_counted: bool = False  # the store has answered
    _twice: int = 0  # of these, what the store may have counted already
    _answer: AccountFacts | None = None  # whose figure a newer count of ours is still to be compared with
    _exceeded_until: datetime | None = None
    _paused: dict[str, datetime] = field(default_factory=dict)  # until when, as it was said
    _told: float = 0.0
    _rooms: Mapping[str, int | None] = field(default_factory=dict)
    _read_s: float = float("-inf")
    _read_again_s: float = EVERY_S
    _awake_s: float = float("-inf")
    _changed: asyncio.Event = field(default_factory=asyncio.Event)

    def __post_init__(self) -> None:
        self._quota = Quota(limit=None, reserve=self.reserve if PRIORITY in self.lanes else 0.0)

    # --- a limit of the governor's ---

    def room(self, lane: str) -> int | None:
        """Recipients that may go; None: no limit, or none known yet."""
        room = self._quota.room(lane, pending=self._begun, now=self.clock.now())
        return room if self._exceeded_until is None else min(room or 0, 0)

    def took(self, lane: str, recipients: int) -> None:  # noqa: ARG002 - a limit's
        """An attempt for so many begins: they count until `ended`, and then by the store."""
        self._pending += recipients
        if self._quota.limit is not None:
            self._look()

    def gave_back(self, lane: str, recipients: int) -> None:  # noqa: ARG002 - a limit's
        """None of them reached SES; `ended` follows."""
        self._returned += recipients

    def ended(self, lane: str, recipients: int) -> None:  # noqa: ARG002 - a limit's
        """It is over: what was not given back counts, at first without the store."""
        self._pending -= recipients
        returned = min(self._returned, recipients)
        self._returned -= returned
        if returned:
            self._changed.set()
        else:
            self._recent.append((self.clock.boot_s(), recipients))
            self._unrecorded += recipients

    @property
    def step(self) -> float:
        """The highest share of the limit worth a word (0.8, 0.95) that is used; 0: none."""
        return self._told

    # --- what SES says ---

    def facts(self, facts: AccountFacts) -> None:
        """The account has answered."""
        self._exceeded_until = None
        self._answer = facts
        self._quota = replace(self._quota, limit=facts.max_24_hour_send)
        self._compare(facts)
        self._read_again_s = 0.0  # mail of other nodes may be in the figure and not yet in our count
        self._look()

    def exceeded(self) -> None:
        """SES refused a mail because of the quota: whatever we count, there is no room."""
        self._exceeded_until = self.clock.now() + EXCEEDED
        self._look()

    def view(self) -> QuotaView:
        """How it stands."""
        now = self.clock.now()
        rooms = {lane: room for lane in self.lanes if (room := self.room(lane)) is not None}
        return QuotaView(
            limit=self._quota.limit,
            used=self._quota.used(pending=self._begun - self._twice, now=now),
            room=rooms,
            room_at=self._room_at(now),
        )

    # --- the flow ---

    async def run(self) -> None:
        """Count, pause and lift, until cancelled."""
        await forever(self._round)

    async def _round(self) -> None:
        if self._next_read_s() <= self.clock.boot_s():
            await self._read()
        self._changed.clear()
        self._look()
        self._tell_rooms()
        self._awake_s = self._next_s()
        try:
            async with asyncio.timeout(max(self._awake_s - self.clock.boot_s(), LEAST_WAIT_S)):
                await self._changed.wait()
        except TimeoutError:
            pass

    async def _read(self) -> None:
        with suppress(StoreError):  # whoever writes there says so
            await self.read()
            return
        self._read_again_s = min(self._read_again_s, SOON_S)

    async def read(self) -> None:
        """Count what the store knows; raises `StoreError`."""
        began_s, answer = self.clock.boot_s(), self._answer
        self._read_s, self._read_again_s = began_s, EVERY_S  # `facts` may want another one meanwhile
        spent = await self.volume.spent(self.clock.now() - WINDOW - BUCKET)
        while self._recent and self._recent[0][0] <= began_s - ON_RECORD_S:
            self._unrecorded -= self._recent.popleft()[1]
        self._twice = sum(recipients for ended_s, recipients in self._recent if ended_s <= began_s)
        self._quota, self._is_counted = replace(self._quota, spent=tuple(spent)), True
        if self._answer is not None:
            self._compare(self._answer)
        if self._answer is answer:  # a newer one wants a count that began after it
            self._answer = None

    def _compare(self, facts: AccountFacts) -> None:
        ours = self._quota.ours(self.clock.now())
        beyond = others(facts.sent_last_24_hours, ours=ours, pending=self._begun)
        self._quota = replace(self._quota, others=beyond)

    def _next_read_s(self) -> float:
        goes = any(lane not in self._paused for lane in self.lanes)
        is_scarce = self._quota.is_scarce(pending=self._begun, now=self.clock.now())
        return self._read_s + min(self._read_again_s, SOON_S if is_scarce and goes else EVERY_S)

    def _next_s(self) -> float:
        now, now_s = self.clock.now(), self.clock.boot_s()
        moments = self._room_at(now).values()
        return min([self._next_read_s(), *(now_s + (moment - now).total_seconds() for moment in moments)])

    # --- looking ---

    @property
    def _begun(self) -> int:
        """Recipients that the store does not count yet."""
        return self._pending + self._unrecorded

    def _look(self) -> None:
        now = self.clock.now()
        if self._exceeded_until is not None and self._exceeded_until <= now:
            self._exceeded_until = None
        self._tell_share(now)
        for lane in self.lanes:
            self._look_at(lane, now)
        if self._next_s() < self._awake_s:
            self._changed.set()

    def _look_at(self, lane: str, now: datetime) -> None:
        room, said = self.room(lane), self._paused.get(lane)
        if said is not None and self._may_resume(lane, now):
            del self._paused[lane]
            self.pauses.lift(Concern(Concerned.QUOTA, lane))
        elif said is not None:
            foretold = self._resumes_at(lane, now)
            if said <= now or (foretold is not None and abs(foretold - said) > BUCKET):
                self._pause(lane, now)
        elif room is not None and room <= 0 and not self._is_passing(lane, now):
            self._pause(lane, now)

    def _may_resume(self, lane: str, now: datetime) -> bool:
        return self._exceeded_until is None and self._quota.may_resume(lane, pending=self._begun, now=now)

    def _is_passing(self, lane: str, now: datetime) -> bool:
        """Whether a pause would end as soon as it had begun."""
        if self._exceeded_until is not None:
            return False
        if not self._is_counted:  # what is ours seems to be others', which never leaves
            return True
        moment = self._resumes_at(lane, now)
        room = self._quota.room(lane, pending=self._begun - self._twice, now=now) or 0
        return room > 0 or (moment is not None and moment <= now + BUCKET)

    def _resumes_at(self, lane: str, now: datetime) -> datetime | None:
        return self._quota.resumes_at(lane, pending=self._begun - self._twice, now=now)

    def _uncounted_leave_at(self, lane: str, now: datetime) -> datetime | None:
        """When what the store does not count yet has left the window, if that brings enough room."""
        uncounted = self._begun - self._twice
        room = self._quota.room(lane, pending=uncounted, now=now) or 0
        return now + WINDOW + BUCKET if room + uncounted >= self._quota.enough else None

    def _pause(self, lane: str, now: datetime) -> None:
        known = self._resumes_at(lane, now) or self._exceeded_until
        until = known or self._uncounted_leave_at(lane, now) or now + ASKED_AGAIN
        self._paused[lane] = until
        self._changed.set()
        self.pauses.begin(Concern(Concerned.QUOTA, lane), Reason.QUOTA_EXCEEDED, self._describe(now), until=until)

    def _room_at(self, now: datetime) -> dict[str, datetime]:
        """When lanes that cannot go on will, as far as that is known."""
        moments = dict(self._paused)
        for lane in set(self.lanes).difference(moments):
            if moment := self._quota.room_at(lane, pending=self._begun, now=now):
                moments[lane] = moment
        return moments

    def _describe(self, now: datetime) -> str:
        if self._exceeded_until is not None:
            return "SES says that the daily quota is used up"
        used = self._quota.used(pending=self._begun, now=now)
        return f"{used:.0f} of {self._quota.limit:.0f} recipients in 24 hours are used up"

    def _tell_share(self, now: datetime) -> None:
        limit = self._quota.limit
        if not limit:
            return
        used = self._quota.used(pending=self._begun - self._twice, now=now)
        step = steps_passed(used / limit, told=self._told)
        if step > self._told:
            log.warning("quota_near", share=round(used / limit, 3), used=round(used), limit=limit)
        self._told = step

    def _tell_rooms(self) -> None:
        rooms = {lane: self.room(lane) for lane in self.lanes}
        if rooms != self._rooms:
            self._rooms = rooms
            self.nudge()
