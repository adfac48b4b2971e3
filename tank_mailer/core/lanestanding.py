"""How a lane stands over all nodes: what waits, what holds all of it, when its turn comes."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Final

from tank_mailer.core.holds import Depth, Hold, HoldKind, Situation, extent, hold_of, order_hold
from tank_mailer.core.lanes import FLOOR, ORDINARY, PRIORITY
from tank_mailer.core.outcome import Concern, Concerned
from tank_mailer.core.pausing import Extent, name_of
from tank_mailer.core.scope import OperatorPause, concern_of
from tank_mailer.core.view import LaneView, PauseView

START: Final = (
    "start `tank-mailer run`; if it is running, it uses another store (TANK_DATABASE_URL), or cannot write to this one"
    " (its log, and /readyz, say so)"
)


@dataclass(frozen=True, slots=True, kw_only=True)
class LaneStanding:
    """How one lane stands, over all nodes.

    Attributes:
        visible: messages that wait on its queue; None: nobody knows.
        hidden: of the queue's, those in hand and those hidden for a while.
        in_hand: messages that nodes have.
        waiting: recipients of jobs in hand that wait for slot or token.
        rate: recipients a second in force, for both lanes; None: nobody knows.
        turn_s: roughly, until a job that joins now has its turn; None: nobody can tell.
        holds: what keeps all of it waiting.
    """

    lane: str
    queue: str = ""
    visible: int | None = None
    hidden: int | None = None
    in_hand: int = 0
    waiting: int = 0
    in_flight: int = 0
    per_s: float = 0.0
    is_polled: bool = False
    rate: float | None = None
    turn_s: float | None = None
    holds: Sequence[Hold] = ()

    @property
    def ahead(self) -> int | None:
        """Recipients that go first; a message counts as one."""
        return None if self.visible is None else self.visible + self.waiting

    @property
    def may_hold_unseen(self) -> bool:
        """Whether a job nobody has written down may be here."""
        return self.visible is None or bool(self.visible or self.hidden or self.in_hand)


def stand_of(lane: str, situation: Situation) -> LaneStanding:
    """How a lane stands."""
    sum_ = summed(lane, situation)
    other = summed(PRIORITY if lane == ORDINARY else ORDINARY, situation)
    turn_s = None
    if sum_.ahead is not None and sum_.rate:
        turn_s = _turn_s(sum_.ahead, other.ahead or 0, rate=sum_.rate, share=FLOOR if lane == ORDINARY else 1 - FLOOR)
    return replace(sum_, turn_s=turn_s, holds=lane_holds(lane, situation))


def summed(lane: str, situation: Situation) -> LaneStanding:
    """What all nodes and the queue itself say of a lane."""
    views = [view.lanes[lane] for view in situation.views if lane in view.lanes]
    told = [view for view in views if view.visible is not None]
    newest = max(told, key=lambda one: one.asked_at or situation.now, default=LaneView())
    asked = situation.depths.get(lane)
    if not views and asked is None and situation.views:  # there is no such lane
        asked = Depth(0, 0)
    rates = [view.rate for view in situation.working if view.rate > 0]
    return LaneStanding(
        lane=lane,
        queue=next((view.queue for view in views if view.queue), ""),
        visible=asked.visible if asked else newest.visible,
        hidden=asked.hidden if asked else None,
        in_hand=sum(view.in_hand for view in views),
        waiting=sum(view.waiting for view in views),
        in_flight=sum(view.in_flight for view in views),
        per_s=sum(view.per_s for view in views),
        is_polled=any(view.is_polled for view in views),
        rate=min(rates, default=None),
    )


def _turn_s(ahead: int, others: int, *, rate: float, share: float) -> float:
    """Seconds until `ahead` recipients are through, of whom another lane has `others` and all of the rate but `share`.

    Whichever lane is empty first leaves the whole rate to the other one.
    """
    alone_s, theirs_s = ahead / (share * rate), others / ((1 - share) * rate)
    return alone_s if alone_s <= theirs_s else (ahead + others) / rate


def lane_holds(lane: str, situation: Situation) -> list[Hold]:
    """What keeps all of a lane waiting, the weightiest first."""
    found = list[Hold]()
    if not situation.working:
        found.append(_no_daemon(situation))
    elif not any(lane in view.lanes for view in situation.working):
        found.append(
            Hold(
                kind=HoldKind.NOT_SERVED,
                text=f"no daemon has a queue for the {lane} lane",
                remedy="set TANK_PRIORITY_QUEUE_URL" if lane == PRIORITY else None,
            )
        )
    found += [order_hold(order) for order in situation.orders if reaches_lane(order, lane, situation)]
    found += [hold_of(one, situation) for one in situation.pauses if _stops(one.pause, lane, situation)]
    if lane == ORDINARY and any(view.reputation.is_trickling for view in situation.working):
        found.append(
            Hold(
                kind=HoldKind.TRICKLE,
                text="the ordinary lane goes on slowly, until the bounce and complaint rates have recovered",
                blocks=False,
            )
        )
    return found


def reaches_lane(order: OperatorPause, lane: str, situation: Situation) -> bool:
    """Whether a person's pause keeps all of a lane waiting."""
    concern = Concern(Concerned.OPERATOR, order.scope.text)
    return _reaches(concern, lane, situation)


def _stops(pause: PauseView, lane: str, situation: Situation) -> bool:
    concern = concern_of(pause)
    return concern is not None and _reaches(concern, lane, situation)


def _reaches(concern: Concern, lane: str, situation: Situation) -> bool:
    match extent(concern, situation):
        case Extent.ALL:
            return True
        case Extent.LANE | Extent.POLLING:
            return name_of(concern) in {lane, ""}
        case Extent.SENDER | Extent.SET:
            return False


def _no_daemon(situation: Situation) -> Hold:
    if situation.views:
        names = ", ".join(view.node for view in situation.views)
        return Hold(
            kind=HoldKind.NO_DAEMON, text=f"the only daemon ({names}) is stopping", remedy="start `tank-mailer run`"
        )
    return Hold(
        kind=HoldKind.NO_DAEMON, text="no daemon is alive: nothing happens until one runs on this store", remedy=START
    )
