"""Whether the daemon lives, and whether it does what it is there for: by facts, as `/healthz` and `/readyz` tell it.

Alive: the loop turns, and its tasks come to the end of what they begin. AWS, the store's server and pauses have no say
in that: a restart would mend nothing of theirs. Ready: mail goes out.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from typing import Any, Final

from tank_mailer.core.moments import spell_moment
from tank_mailer.core.outcome import Concern, Concerned
from tank_mailer.core.pausing import Extent, extent_of, name_of
from tank_mailer.core.view import LaneView, NodeView, PauseView

POLLED_S: Final = 60.0  # a long poll takes twenty
COMMITTED_S: Final = 60.0  # the board alone is read every two seconds, and written every ten

# --- alive -----------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Pulse:
    """One loop.

    Attributes:
        silent_s: for so long it has had work and finished none of it; 0: it has none.
        most_s: more than that, and it hangs.
    """

    name: str
    silent_s: float
    most_s: float

    @property
    def is_still(self) -> bool:
        """Whether it hangs."""
        return self.silent_s > self.most_s


@dataclass(frozen=True, slots=True)
class Liveness:
    """All loops."""

    pulses: Sequence[Pulse]

    @property
    def still(self) -> Sequence[Pulse]:
        """Those that hang."""
        return [pulse for pulse in self.pulses if pulse.is_still]

    @property
    def is_alive(self) -> bool:
        """Whether none does."""
        return not self.still

    def shape(self) -> dict[str, Any]:
        """As JSON has it."""
        return {
            "alive": self.is_alive,
            "reasons": [
                {"loop": one.name, "silent_s": round(one.silent_s, 1), "at_most_s": one.most_s} for one in self.still
            ],
            "loops": {one.name: round(one.silent_s, 1) for one in self.pulses},
        }


# --- ready -----------------------------------------------------------------------------------------


class Lack(StrEnum):
    """Why a node is not ready."""

    DRAINING = "draining"  # it stops
    PAUSED = "paused"  # its reason says why
    NOT_POLLED = "not_polled"  # nothing was received for a minute, and nothing is in hand
    STORE_SILENT = "store_silent"  # no transaction has gone well for a minute


@dataclass(frozen=True, slots=True, kw_only=True)
class Flaw:
    """One thing that is not as it should be.

    Attributes:
        lane: whose; None: everybody's.
        pause: which, of a pause; whom it is about is nobody's business here.
    """

    lack: Lack
    detail: str
    lane: str | None = None
    pause: PauseView | None = None

    def shape(self) -> dict[str, Any]:
        """As JSON has it."""
        told: dict[str, Any] = {"reason": self.lack, "lane": self.lane, "detail": self.detail}
        if self.pause is not None:
            told |= {
                "concern": self.pause.concern,
                "pause": self.pause.reason,
                "since": spell_moment(self.pause.since),
                "next_probe_at": spell_moment(self.pause.next_probe_at) if self.pause.next_probe_at else None,
                "lifted_by": self.pause.lifted_by,
                "remedy": self.pause.remedy,
            }
        return {name: value for name, value in told.items() if value not in {None, ""}}


@dataclass(frozen=True, slots=True)
class Readiness:
    """What keeps a node from its work.

    Attributes:
        beside: pauses of single senders and configuration sets: all other mail goes out.
    """

    flaws: Sequence[Flaw]
    beside: Sequence[Flaw] = ()

    @property
    def is_ready(self) -> bool:
        """Whether nothing does."""
        return not self.flaws

    def shape(self) -> dict[str, Any]:
        """As JSON has it."""
        return {
            "ready": self.is_ready,
            "reasons": [flaw.shape() for flaw in self.flaws],
            "beside": [flaw.shape() for flaw in self.beside],
        }


def judge_readiness(view: NodeView, *, committed_s: float, default_set: str) -> Readiness:
    """Say what keeps a node from its work.

    Args:
        view: how it is; `seen_at` is now.
        committed_s: seconds since a transaction of the store has gone well.
        default_set: the configuration set that all mail goes through whose job names none.
    """
    flaws, beside = list[Flaw](), list[Flaw]()
    if view.is_draining:
        flaws.append(Flaw(lack=Lack.DRAINING, detail="it stops, and receives nothing more"))
    for pause in view.pauses:
        concern = Concern(Concerned(pause.concern), pause.name)
        extent = extent_of(concern, default_set=default_set)
        lane = name_of(concern) if extent in {Extent.LANE, Extent.POLLING} else None
        flaw = Flaw(lack=Lack.PAUSED, detail=pause.detail, lane=lane, pause=pause)
        (beside if extent in {Extent.SENDER, Extent.SET} else flaws).append(flaw)
    if committed_s > COMMITTED_S:
        detail = f"no transaction has gone well for {committed_s:.0f} s"
        flaws.append(Flaw(lack=Lack.STORE_SILENT, detail=detail))
    flaws += _unpolled(view)
    return Readiness(flaws, beside)


def _unpolled(view: NodeView) -> Iterator[Flaw]:
    """A lane with its hands full is not polled, and that is well; a paused one has said so already."""
    for name, lane in view.lanes.items():
        if lane.is_polled and not lane.in_hand and not view.is_draining and not _was_polled(lane, view.seen_at):
            at = "not polled yet" if lane.last_poll_at is None else f"last polled at {spell_moment(lane.last_poll_at)}"
            yield Flaw(lack=Lack.NOT_POLLED, detail=at, lane=name)


def _was_polled(lane: LaneView, now: datetime) -> bool:
    return lane.last_poll_at is not None and (now - lane.last_poll_at).total_seconds() <= POLLED_S
