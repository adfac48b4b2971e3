"""Tells the web server what has become of mails: the outbox, emptied in order per job for as long as it takes."""

import asyncio
import math
from collections import deque
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Final, Protocol

from tank_mailer.core.errors import StoreError
from tank_mailer.core.telling import GIVEN_UP_AFTER, Health, next_try, wait_s
from tank_mailer.flows.forever import forever
from tank_mailer.ports import Clock, Letter, NotTold, Outbox, Receiver, Told
from tank_mailer.ports.nodes import Turns
from tank_mailer.telemetry.log import get_logger

log = get_logger()

PARALLEL: Final = 8  # requests at a time
PAGE: Final = 100  # letters read at a time
BATCH: Final = 50  # told letters that go on disk together
GATHER_S: Final = 0.1  # or those that were told within it; nudges, too, are gathered for so long
IDLE_S: Final = 5.0  # between looks that nobody nudges: a command, or another node, may have put letters there
SICK_S: Final = 5.0  # between tries at a sick store
STOP_S: Final = 1.0  # for the last marks
TURN: Final = "notifying"  # of several nodes one tells: only so are a job's letters in order
TURN_S: Final = 30.0  # for so long nobody tells where the node that did has died
RENEW_S: Final = 5.0
REQUEST_S: Final = 17.0  # a request and the end of its answer (Standard Webhooks): none reaches beyond our turn
SAY_AGAIN_S: Final = 900.0
REMEDY: Final = (
    "look at the web server and at TANK_WEBHOOK_URL; `tank-mailer webhook test` shows what comes back. News is kept and"
    " tried for three days, and all goes on by itself"
)
GIVEN_UP_REMEDY: Final = "mend the web server, then tell it again: `tank-mailer webhook replay`"


class Backlog(Outbox, Protocol):
    """The outbox, and what it holds altogether."""

    async def waiting(self) -> int:
        """How many letters wait, due or not."""

    async def waiting_since(self, before: datetime, *, limit: int) -> Sequence[Letter]:
        """Letters that were written at or before `before` and wait still, due or not."""


@dataclass(frozen=True, slots=True)
class Trouble:
    """The web server takes nothing.

    Attributes:
        since: when the first letter failed.
        detail: why the last one did.
    """

    since: datetime
    detail: str


@dataclass(frozen=True, slots=True)
class _Answer:
    letter: Letter
    what: Told | NotTold


@dataclass(kw_only=True, eq=False)
class Notifier:
    """Takes what is due and tells it. One coroutine, `run`, keeps the books; requests run beside it.

    Attributes:
        jitter: 0 to 1, for the waits of single letters.
        turns: shared with other nodes; None: there are none.
        trouble: what is wrong, while the web server takes nothing.
        is_known: whether it has taken or refused anything since it is for us to tell it.
    """

    outbox: Backlog
    receiver: Receiver
    clock: Clock
    jitter: Callable[[], float]
    turns: Turns | None = None
    trouble: Trouble | None = None
    is_known: bool = False
    _health: Health = field(default_factory=Health)
    _jobs: set[str] = field(default_factory=set)  # of every letter from the reading to the writing down
    _ready: deque[Letter] = field(default_factory=deque)
    _asking: set[asyncio.Task[None]] = field(default_factory=set)
    _answers: deque[_Answer] = field(default_factory=deque)
    _told: list[Letter] = field(default_factory=list)
    _told_s: float = 0.0  # when the oldest of them was
    _look_s: float = 0.0  # when the outbox is to be read again
    _looked_s: float = -GATHER_S
    _said_s: float = -math.inf
    _is_store_sick: bool = False
    _ours_until_s: float = -math.inf  # our turn
    _ask_turn_s: float = -math.inf  # when it is to be asked for again
    _wake: asyncio.Event = field(default_factory=asyncio.Event)

    def nudge(self) -> None:
        """Something was put into the outbox."""
        self._look_s = min(self._look_s, self._looked_s + GATHER_S)
        self._wake.set()

    async def run(self) -> None:
        """Tell until cancelled; what was told and could not be marked any more is told again after a restart."""
        try:
            await forever(self._round)
        finally:
            asking = list(self._asking)
            for request in asking:
                request.cancel()
            await asyncio.gather(*asking, return_exceptions=True)
            self._told += [one.letter for one in self._answers if isinstance(one.what, Told)]
            with suppress(StoreError, TimeoutError):
                async with asyncio.timeout(STOP_S):
                    await self._mark()
                    if self.turns is not None:
                        await self.turns.give_up(TURN)

    async def _round(self) -> None:
        self._wake.clear()
        try:
            await self._settle()
            await self._ask_for_turn()
            await self._refill()
        except StoreError as error:
            self._look_s = 0.0
            self._tell_store(error)
            await asyncio.sleep(SICK_S)
            return
        self._is_store_sick = False
        self._begin()
        with suppress(TimeoutError):
            async with asyncio.timeout(self._rest_s()):
                await self._wake.wait()

    def _rest_s(self) -> float:
        """Seconds until there is something to do; an answer or a nudge wakes us sooner."""
        now_s = self.clock.boot_s()
        at_s = self._look_s if self._has_room and self._may_tell else math.inf
        if self._health.is_failing:
            at_s = max(at_s, self._health.next_probe_s)
        if self._told:
            at_s = min(at_s, self._told_s + GATHER_S)
        if self.turns is not None:
            at_s = min(at_s, self._ask_turn_s)
        return min(max(0.0, at_s - now_s), IDLE_S)

    # --- whose turn it is ---

    @property
    def _may_tell(self) -> bool:
        """Whether what begins now is over before any other node may begin."""
        return self.turns is None or self.clock.boot_s() < self._ours_until_s - REQUEST_S

    async def _ask_for_turn(self) -> None:
        now_s = self.clock.boot_s()
        if self.turns is None or now_s < self._ask_turn_s:
            return
        is_ours = await self.turns.take(TURN, for_s=TURN_S)
        if now_s >= self._ours_until_s:  # others may have told meanwhile what we have read
            self._let_go(*self._ready)
            self._ready.clear()
        if not is_ours:  # what we knew of the web server grows old
            self.trouble, self._health, self._said_s = None, Health(), -math.inf
            self.is_known = False
        self._ours_until_s = now_s + TURN_S if is_ours else -math.inf
        self._ask_turn_s = now_s + RENEW_S

    # --- requests ---

    def _begin(self) -> None:
        while self._ready and len(self._asking) < PARALLEL and self._may_tell:
            request = asyncio.create_task(self._ask(self._ready.popleft()))
            self._asking.add(request)
            request.add_done_callback(self._end)

    async def _ask(self, letter: Letter) -> None:
        what: Told | NotTold
        try:
            what = await self.receiver.tell(letter)
        except Exception as error:
            log.exception("flow_crashed", email_id=letter.email_id)
            what = NotTold(f"the request could not be made: {type(error).__name__}")  # or its job would hang
        self._answers.append(_Answer(letter, what))

    def _end(self, request: asyncio.Task[None]) -> None:
        self._asking.discard(request)
        self._wake.set()

    # --- the books ---

    async def _settle(self) -> None:
        """Write down what has come of requests; an answer leaves the list once its part is on disk, or in `_told`."""
        while self._answers:
            answer = self._answers[0]
            match answer.what:
                case Told():
                    self._note(answer.letter)
                case NotTold(detail):
                    await self._fail(answer.letter, detail)
            self._answers.popleft()
        self._begin()  # before the disk is waited for
        is_last = not self._ready and not self._asking
        if self._told and (is_last or len(self._told) >= BATCH or self.clock.boot_s() >= self._told_s + GATHER_S):
            await self._mark()
        if self.trouble is not None and self.clock.boot_s() >= self._said_s + SAY_AGAIN_S:
            await self._tell_failing(self.trouble)

    def _note(self, letter: Letter) -> None:
        if not self._told:
            self._told_s = self.clock.boot_s()
        self._told.append(letter)
        if self.trouble is not None:
            duration = self.clock.now() - self.trouble.since
            log.info("webhook_recovered", duration_s=round(duration.total_seconds(), 1))
        self.trouble, self._health, self._said_s = None, Health(), -math.inf
        self.is_known = True

    async def _mark(self) -> None:
        marked = self._told[:]
        if marked:
            await self.outbox.told([letter.id for letter in marked], self.clock.now())
            del self._told[: len(marked)]
            self._let_go(*marked)

    async def _fail(self, letter: Letter, detail: str) -> None:
        now, tries = self.clock.now(), letter.tries + 1
        health = self._health.failed(letter.id, self.clock.boot_s())
        wait = health.probe_wait_s if health.is_failing else wait_s(tries, self.jitter())
        due_at = next_try(letter.created_at, tries=tries, wait_s=wait, now=now)
        if due_at is None:
            await self._give_up(letter, detail)
        else:
            await self.outbox.put_off(letter, due_at)
        self._let_go(letter)
        self._health = health
        if health.is_failing:
            self._let_go(*self._ready)  # they wait in the outbox, where they can be erased meanwhile
            self._ready.clear()
            self.is_known = True
            self.trouble = Trouble(now - timedelta(seconds=health.failed_s), detail)

    def _let_go(self, *letters: Letter) -> None:
        self._jobs.difference_update(letter.email_id for letter in letters)
        self._look_s = 0.0  # for the next letters of these jobs

    async def _give_up(self, letter: Letter, detail: str) -> None:
        await self.outbox.give_up(letter)
        log.error(
            "webhook_given_up",
            email_id=letter.email_id,
            since=letter.created_at,
            tries=letter.tries,
            detail=detail,
            remedy=GIVEN_UP_REMEDY,
        )

    # --- what to tell next ---

    @property
    def _has_room(self) -> bool:
        """Whether more letters are wanted: a few beforehand, or one to probe with."""
        if self._health.is_failing:
            return not self._asking and not self._ready
        return len(self._ready) < PARALLEL

    async def _refill(self) -> None:
        now_s = self.clock.boot_s()
        is_early = now_s < self._look_s or (self._health.is_failing and now_s < self._health.next_probe_s)
        if is_early or not self._has_room or not self._may_tell:
            return
        limit = len(self._jobs) + (1 if self._health.is_failing else PAGE)  # what is in hand is among them
        now, self._looked_s, self._look_s = self.clock.now(), now_s, math.inf  # unless somebody nudges meanwhile
        found, next_due = await asyncio.gather(self.outbox.due(now, limit=limit), self.outbox.next_due())
        fresh = [letter for letter in found if letter.email_id not in self._jobs]
        self._jobs.update(letter.email_id for letter in fresh)
        self._ready += fresh  # a single one, while the web server fails: then nothing else is in hand
        if len(found) < limit:
            ahead_s = (next_due - now).total_seconds() if next_due else IDLE_S
            self._look_s = min(self._look_s, now_s + (min(ahead_s, IDLE_S) if ahead_s > 0 else IDLE_S))
        else:
            self._look_s = 0.0

    # --- what people are told ---

    async def _tell_failing(self, trouble: Trouble) -> None:
        """Say it, and give up what nobody may have tried because of it."""
        if waiting := await self.outbox.waiting():
            log.error("webhook_failing", since=trouble.since, detail=trouble.detail, waiting=waiting, remedy=REMEDY)
        self._said_s = self.clock.boot_s()
        before = self.clock.now() - GIVEN_UP_AFTER
        while self._health.gives_up_untried:
            page = await self.outbox.waiting_since(before, limit=PAGE + len(self._jobs))
            old = [letter for letter in page if letter.email_id not in self._jobs]
            await asyncio.gather(*(self._give_up(letter, trouble.detail) for letter in old))
            if len(old) < PAGE:
                return

    def _tell_store(self, error: StoreError) -> None:
        if not self._is_store_sick:
            log.warning("outbox_stuck", reason=error.reason, detail=error.detail)
        self._is_store_sick = True
