"""What holds a job or a lane: pauses of all nodes, people's orders."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime
from enum import StrEnum
from types import MappingProxyType
from typing import Final

from tank_mailer.core.lanes import LANES
from tank_mailer.core.outcome import Concern, Concerned
from tank_mailer.core.pausing import Extent, extent_of
from tank_mailer.core.scope import OperatorPause
from tank_mailer.core.view import NodeView, PauseView

A_PERSON: Final = "a person"


class HoldKind(StrEnum):
    """What holds something, the weightiest first."""

    NO_DAEMON = "no_daemon"  # no node is alive
    NOT_SERVED = "not_served"  # no node has this lane
    OPERATOR = "operator"  # a person's pause
    PAUSE = "pause"  # one that began by itself
    ATTEMPT = "attempt"  # a request is under way
    DOUBT = "doubt"  # SES may have it
    BACKOFF = "backoff"  # after an attempt that came to nothing
    GIVEN_BACK = "given_back"  # nothing is wrong with it; the queue hides it for a while
    TRICKLE = "trickle"  # slowly, after a pause for the reputation
    TURN = "turn"  # others are ahead


@dataclass(frozen=True, slots=True, kw_only=True)
class Hold:
    """One thing that holds a job or a lane.

    Attributes:
        text: a sentence.
        until: when it is over, or looked at again; None: a person or an unknown event ends it.
        is_over_then: it is over at `until`; else only looked at.
        latest: when it is over in any case, where that is later than `until`.
        lifted_by: what ends it, where no time does.
        blocks: False: other nodes go on, or only slowly.
    """

    kind: HoldKind
    text: str
    concern: str | None = None
    name: str | None = None
    reason: str | None = None
    detail: str | None = None
    since: datetime | None = None
    until: datetime | None = None
    is_over_then: bool = False
    latest: datetime | None = None
    lifted_by: str | None = None
    remedy: str | None = None
    blocks: bool = True


@dataclass(frozen=True, slots=True)
class Depth:
    """What waits on a queue, roughly.

    Attributes:
        hidden: received and not settled, or hidden for a while.
    """

    visible: int
    hidden: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Situation:
    """How things stand, as far as one store and its queues tell.

    Attributes:
        views: of the nodes that were seen lately.
        orders: pauses by people, in force.
        kept: pauses that began by themselves and stand in the store, whether a node is alive or not.
        depths: by lane, of the queues that could be asked.
        default_set: the configuration set of jobs that name none.
    """

    now: datetime
    views: Sequence[NodeView] = ()
    orders: Sequence[OperatorPause] = ()
    kept: Sequence[PauseView] = ()
    depths: Mapping[str, Depth] = field(default_factory=lambda: MappingProxyType({}))
    default_set: str = ""

    @property
    def working(self) -> list[NodeView]:
        """Those that go on working."""
        return [view for view in self.views if not view.is_draining]

    @property
    def pauses(self) -> list["SharedPause"]:
        """Those that began by themselves."""
        return shared_pauses(self.views, self.kept)

    @property
    def lanes(self) -> list[str]:
        """Those that there are, as far as is known."""
        return [one for one in LANES if one in self.depths or any(one in view.lanes for view in self.views)]


# --- pauses ----------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class SharedPause:
    """One pause as all nodes have it.

    Attributes:
        pause: since the earliest, and looked at when the first of them does.
        nodes: those that have it.
        is_everywhere: no working node goes on.
    """

    pause: PauseView
    nodes: Sequence[str]
    is_everywhere: bool


def shared_pauses(views: Sequence[NodeView], kept: Sequence[PauseView] = ()) -> list[SharedPause]:
    """All that began by themselves, the oldest first; what several nodes have is one."""
    found = dict[tuple[str, str], list[tuple[NodeView, PauseView]]]()
    for view in views:
        for pause in view.pauses:
            if pause.concern != Concerned.OPERATOR:
                found.setdefault((pause.concern, pause.name), []).append((view, pause))
    shared = [SharedPause(one, (), is_everywhere=True) for one in kept if (one.concern, one.name) not in found]
    working = {(view.node, view.process) for view in views if not view.is_draining}
    for many in found.values():
        pauses = sorted((pause for _, pause in many), key=lambda one: one.since)
        looks = [one.next_probe_at for one in pauses if one.next_probe_at is not None]
        one = replace(
            pauses[0], next_probe_at=min(looks, default=None), on_trial=any(pause.on_trial for pause in pauses)
        )
        have = {(view.node, view.process) for view, _ in many}
        shared.append(SharedPause(one, sorted({view.node for view, _ in many}), is_everywhere=working <= have))
    return sorted(shared, key=lambda one: one.pause.since)


def pause_said(pause: PauseView) -> str:
    """What is paused, for people."""
    match pause.concern:
        case Concerned.ACCOUNT:
            return "the account"
        case Concerned.SES:
            return "the way to SES"
        case Concerned.STORE:
            return "the store"
        case Concerned.SENDER:
            return f"the sender {pause.name}"
        case Concerned.CONFIGURATION_SET:
            return f"the configuration set {pause.name}"
        case Concerned.QUEUE:
            return f"the queue of the {pause.name} lane" if pause.name else "the queue"
        case Concerned.QUOTA:
            return f"the daily quota of the {pause.name} lane"
        case Concerned.REPUTATION | Concerned.SUSPECT:
            return f"the {pause.name} lane"
        case _:
            return f"{pause.concern} {pause.name}".strip()


def hold_of(shared: SharedPause, situation: Situation) -> Hold:
    """The hold of a pause that began by itself."""
    pause = shared.pause
    until, is_over = pause.next_probe_at, False
    if pause.concern == Concerned.QUOTA:
        until, is_over = _room_at(pause, situation), True
    text = f"{pause_said(pause)} is paused: {pause.reason}"
    if pause.on_trial:
        text += ", and one job is being tried"
    if not shared.is_everywhere:
        text += f"; on {', '.join(shared.nodes)} only, other nodes go on"
    return Hold(
        kind=HoldKind.PAUSE,
        text=text,
        concern=pause.concern,
        name=pause.name or None,
        reason=pause.reason,
        detail=pause.detail or None,
        since=pause.since,
        until=until,
        is_over_then=is_over and until is not None,
        lifted_by=pause.lifted_by or None,
        remedy=pause.remedy,
        blocks=shared.is_everywhere,
    )


def _room_at(pause: PauseView, situation: Situation) -> datetime | None:
    rooms = [view.quota.room_at[pause.name] for view in situation.views if pause.name in view.quota.room_at]
    return min(rooms, default=pause.next_probe_at)


def order_hold(order: OperatorPause) -> Hold:
    """The hold of a person's pause."""
    note = f": {order.note}" if order.note else ""
    return Hold(
        kind=HoldKind.OPERATOR,
        text=f"{order.scope.said} is paused by {order.who}{note}",
        concern=Concerned.OPERATOR,
        name=order.scope.text,
        reason="operator",
        since=order.since,
        lifted_by=A_PERSON,
        remedy=f"`{order.scope.resume}`",
    )


def extent(concern: Concern, situation: Situation) -> Extent:
    """How far its pause reaches here."""
    return extent_of(concern, default_set=situation.default_set)
