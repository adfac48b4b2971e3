"""What ties nodes and people together: the board, the quota, the reputation, whose turn it is, the shared time."""

import asyncio
from collections.abc import Callable, Coroutine
from contextlib import suppress
from dataclasses import dataclass, replace

from tank_mailer import __version__
from tank_mailer.adapters.board import SqlBoard
from tank_mailer.adapters.store import Store
from tank_mailer.adapters.volume import SqlVolume
from tank_mailer.core.errors import Reason, StoreError
from tank_mailer.core.outcome import Concern, Concerned
from tank_mailer.core.reputation import Rules
from tank_mailer.core.view import LaneView, NodeView
from tank_mailer.daemon.sending import SendingParts, Way
from tank_mailer.flows.board import BoardKeeper
from tank_mailer.flows.quota import QuotaWatch
from tank_mailer.flows.reputation import ReputationGuard
from tank_mailer.ports import AccountFacts
from tank_mailer.settings import Settings

LEAVE_S = 2.0


@dataclass(frozen=True, slots=True, kw_only=True)
class NodeParts:
    """What runs beside the sending.

    Attributes:
        board: to be left at the end.
        view: how this node is.
    """

    board: SqlBoard
    quota: QuotaWatch
    reputation: ReputationGuard
    view: Callable[[], NodeView]
    works: tuple[Coroutine[None, None, None], ...]

    async def leave(self) -> None:
        """Take our view down; a store that is away forgets it by itself."""
        with suppress(StoreError, TimeoutError):
            async with asyncio.timeout(LEAVE_S):
                await self.board.leave()


async def assemble_nodes(settings: Settings, sending: SendingParts, *, store: Store, process: str) -> NodeParts:
    """Put it together, and read the board for the first time: what a person has paused stays so."""
    clock, pauses, governor = store.clock, sending.hand.pauses, sending.hand.governor
    volume = SqlVolume(store=store)
    quota = QuotaWatch(
        volume=volume,
        pauses=pauses,
        clock=clock,
        lanes=tuple(way.name for way in sending.ways),
        reserve=settings.daily_reserve if len(sending.ways) > 1 else 0.0,  # kept for the priority lane, if there is one
        nudge=governor.look_again,
    )
    reputation = ReputationGuard(
        volume=volume,
        pauses=pauses,
        clock=clock,
        rules=_rules(settings),
        nudge=governor.look_again,
    )
    governor.limits += [quota, reputation]
    sending.account.told.append(quota.facts)
    if isinstance(sending.account.known, AccountFacts):
        quota.facts(sending.account.known)
    board = SqlBoard(store=store, owner=f"{settings.node}/{process}")
    started_at = clock.now()

    def view() -> NodeView:
        known = sending.account.known
        return NodeView(
            node=settings.node,
            process=process,
            version=__version__,
            started_at=started_at,
            seen_at=clock.now(),
            rate=round(governor.current_rate, 2),
            set_rate=round(governor.rate, 2),
            account_rate=known.max_send_rate if isinstance(known, AccountFacts) else None,
            account=sending.account.flaws,
            nodes=governor.nodes,
            slots=governor.slots,
            slots_in_use=governor.in_use,
            lanes={way.name: _lane_view(way, sending) for way in sending.ways},
            pauses=pauses.views(),
            quota=quota.view(),
            reputation=reputation.view(),
            outcomes=sending.tallies.outcomes,
            last=sending.tallies.last,
            is_draining=sending.hand.is_closing,
        )

    keeper = BoardKeeper(board=board, pauses=pauses, clock=clock, view=view, resumed=reputation.resumed)

    def begun(concern: Concern, reason: Reason) -> None:
        is_quota = concern.kind is Concerned.ACCOUNT and reason is Reason.QUOTA_EXCEEDED
        if is_quota and sending.account.known is not None:  # else only a kept job can tell when it is over
            quota.exceeded()
            sending.account.ask_soon()  # it knows a limit that we do not
        if concern.kind is Concerned.SUSPECT:
            keeper.remember(concern, reason)

    async def works() -> bool:
        """A store is well once it has told what people have paused, and how much was sent."""
        if not keeper.read.is_set():
            try:
                await _read(keeper, quota, reputation)
            except StoreError:
                return False
        return await store.works()

    pauses.when_begun(begun)
    pauses.probe_by(Concerned.STORE, works)
    try:
        await _read(keeper, quota, reputation)
    except StoreError as error:
        pauses.begin(Concern(Concerned.STORE), error.reason, error.detail)
    return NodeParts(
        board=board, quota=quota, reputation=reputation, view=view, works=(quota.run(), reputation.run(), keeper.run())
    )


async def _read(keeper: BoardKeeper, quota: QuotaWatch, reputation: ReputationGuard) -> None:
    """Learn what nothing may be sent without; raises `StoreError`."""
    await quota.read()
    await reputation.read()
    await keeper.look()


def _rules(settings: Settings) -> Rules:
    known = Rules()
    return replace(
        known,
        bounces=replace(known.bounces, warn=settings.bounce_warn, pause=settings.bounce_pause),
        complaints=replace(known.complaints, warn=settings.complaint_warn, pause=settings.complaint_pause),
    )


def _lane_view(way: Way, sending: SendingParts) -> LaneView:
    governor, known = sending.hand.governor, way.watch.known
    return LaneView(
        queue=way.queue.name,
        in_hand=way.lane.intake.in_hand,
        waiting=governor.waiting(way.name),
        in_flight=governor.in_flight(way.name),
        visible=known.visible if known else None,
        asked_at=way.watch.asked_at,
        last_poll_at=way.lane.intake.last_poll_at,
        is_polled=sending.hand.pauses.is_polled(way.name),
        per_s=sending.tallies.per_s(way.name),
    )
