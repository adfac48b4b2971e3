"""Tells people and other nodes how this one is, and does what people have ordered (`pause`, `resume`)."""

import asyncio
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime
from typing import Final

from tank_mailer.core.errors import Reason, StoreError
from tank_mailer.core.lanes import LANES, ORDINARY
from tank_mailer.core.outcome import Concern, Concerned
from tank_mailer.core.pausing import SHARED_REASONS
from tank_mailer.core.view import NodeView
from tank_mailer.flows.forever import forever
from tank_mailer.flows.pauses import Pauses
from tank_mailer.flows.suspicion import WHOSE
from tank_mailer.ports import Clock
from tank_mailer.ports.nodes import Action, Board, Order
from tank_mailer.telemetry.log import get_logger

log = get_logger()

LOOK_S: Final = 2.0
POST_S: Final = 10.0  # a sign of life, even if nothing has changed
OURSELVES: Final = "tank-mailer"  # who gave an order that no person gave
ALL: Final = "all"


@dataclass(kw_only=True, eq=False)
class BoardKeeper:
    """Looks at the board every two seconds, and posts what has changed.

    Attributes:
        view: how this node is just now.
        resumed: called with when a person has said to go on in spite of a reputation; an old word counts, too.
        read: read once at least: before that nothing is to be received.
    """

    board: Board
    pauses: Pauses
    clock: Clock
    view: Callable[[], NodeView]
    resumed: Callable[[datetime], None] = lambda _: None
    read: asyncio.Event = field(default_factory=asyncio.Event)
    _posted: NodeView | None = None
    _resumed_at: datetime | None = None
    _done: dict[str, Order] = field(default_factory=dict)
    _to_order: list[Order] = field(default_factory=list)
    _adopted: set[tuple[str, str, str, datetime]] = field(default_factory=set)

    async def run(self) -> None:
        """Go on until cancelled."""
        await forever(self._look_and_wait)

    async def _look_and_wait(self) -> None:
        await self.once()
        await asyncio.sleep(LOOK_S)

    async def once(self) -> None:
        """Look and post; a sick store is a pause."""
        try:
            await self.look()
            await self._post()
        except StoreError as error:
            self.pauses.begin(Concern(Concerned.STORE), error.reason, error.detail)

    async def look(self) -> None:
        """Do what is new on the board; raises `StoreError`."""
        while self._to_order:
            await self.board.order(self._to_order[0])
            self._to_order.pop(0)
        posted = await self.board.look()
        is_first = not self.read.is_set()
        for order in posted.orders:
            known = self._done.get(order.scope)
            if known is None or (known.action, known.at, known.who) != (order.action, order.at, order.who):
                self._done[order.scope] = order
                self._obey(order, is_old=is_first)
        self._adopt(posted.others)
        self.read.set()

    # --- orders ---

    def _obey(self, order: Order, *, is_old: bool) -> None:
        lane = order.scope.removeprefix("lane/") if order.scope.startswith("lane/") else None
        if order.action is Action.PAUSE:
            is_ours = order.who == OURSELVES and lane is not None
            concern = Concern(Concerned.SUSPECT, lane or "") if is_ours else Concern(Concerned.OPERATOR, order.scope)
            reason = Reason.QUEUE_SUSPECT if is_ours else Reason.OPERATOR
            detail = (
                WHOSE if is_ours else f"{order.who.replace('@', ' on ')} said so"
            )  # a person's note may name somebody: no log has it
            self.pauses.begin(concern, reason, detail, since=order.at)
            return
        lanes = LANES if order.scope == ALL else (lane,) if lane else ()
        if ORDINARY in lanes and (self._resumed_at is None or order.at > self._resumed_at):
            self._resumed_at = order.at
            self.resumed(order.at)
        if is_old:  # all else was obeyed before this process was there
            return
        log.info("operator_resumed", scope=order.scope.partition("/")[0], lane=lane)
        self.pauses.lift(Concern(Concerned.OPERATOR, order.scope))
        for one in lanes:
            self.pauses.lift(Concern(Concerned.SUSPECT, one))
        self.pauses.look_again()

    def remember(self, concern: Concern, reason: Reason) -> None:
        """Keep the pause of a suspect queue over restarts: only a person lifts it."""
        scope = f"lane/{concern.name}"
        if scope not in self._done or self._done[scope].action is Action.RESUME:
            self._done[scope] = order = Order(scope, Action.PAUSE, self.clock.now(), OURSELVES, str(reason))
            self._to_order.append(order)

    # --- other nodes ---

    def _adopt(self, others: Sequence[NodeView]) -> None:
        """What SES has said of the account to another node is true for us; each saying counts once.

        So two nodes do not keep each other paused: who has lifted its own takes up nobody's old one again.
        """
        for other in others:
            for pause in other.pauses:
                if pause.concern != Concerned.ACCOUNT or pause.reason not in SHARED_REASONS or pause.on_trial:
                    continue
                key = (other.process, pause.concern, pause.reason, pause.since)
                if key not in self._adopted:
                    self._adopted.add(key)
                    concern = Concern(Concerned.ACCOUNT)
                    if self.pauses.reason_of(concern) is None:
                        self.pauses.begin(concern, Reason(pause.reason), f"told to {other.node}: {pause.detail}")
        here = {other.process for other in others}
        self._adopted = {key for key in self._adopted if key[0] in here}

    # --- ourselves ---

    async def _post(self) -> None:
        view = self.view()
        before = self._posted
        if before is not None:
            is_same = replace(view, seen_at=before.seen_at) == before
            if is_same and (view.seen_at - before.seen_at).total_seconds() < POST_S:
                return
        await self.board.post(view)
        self._posted = view
