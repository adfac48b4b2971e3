"""What `top` sees at one moment: all nodes of one store, and what they add up to."""

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from tank_mailer.adapters.desk import Desk, spelled
from tank_mailer.adapters.desk_board import look_at_board
from tank_mailer.cli.board import kept_pauses, pause_shape, people_pauses
from tank_mailer.core.holds import Situation
from tank_mailer.core.lanestanding import LaneStanding, stand_of
from tank_mailer.core.view import LAST_OUTCOMES, NodeView, OutcomeView, QuotaView, ReputationView


@dataclass(frozen=True, slots=True)
class Lines:
    """From where on a rate is warned of, and from where on the ordinary lane pauses."""

    bounce_warn: float
    bounce_pause: float
    complaint_warn: float
    complaint_pause: float


@dataclass(frozen=True, slots=True)
class Sight:
    """One look."""

    situation: Situation
    lines: Lines

    @property
    def now(self) -> datetime:
        """When it was taken."""
        return self.situation.now

    @property
    def nodes(self) -> Sequence[NodeView]:
        """Those that are alive."""
        return self.situation.views

    @property
    def lanes(self) -> list[LaneStanding]:
        """Each over all nodes."""
        return [stand_of(lane, self.situation) for lane in self.situation.lanes]

    # --- sums ---

    @property
    def rate(self) -> float:
        """Recipients a second in force; each node tells it for the account as a whole."""
        return min((node.rate for node in self.nodes), default=0.0)

    @property
    def set_rate(self) -> float:
        """The same without any cut."""
        return max((node.set_rate for node in self.nodes), default=0.0)

    @property
    def account_rate(self) -> float | None:
        """What SES allows."""
        return max((node.account_rate for node in self.nodes if node.account_rate is not None), default=None)

    @property
    def per_s(self) -> float:
        """Recipients accepted a second, over the last minute."""
        return sum(lane.per_s for node in self.nodes for lane in node.lanes.values())

    @property
    def slots(self) -> tuple[int, int]:
        """In use, of how many."""
        return sum(node.slots_in_use for node in self.nodes), sum(node.slots for node in self.nodes)

    @property
    def quota(self) -> QuotaView:
        """All nodes count the same recipients: the newest count."""
        return max(self.nodes, key=lambda node: node.seen_at).quota if self.nodes else QuotaView()

    @property
    def reputation(self) -> ReputationView:
        """As the quota."""
        return max(self.nodes, key=lambda node: node.seen_at).reputation if self.nodes else ReputationView()

    @property
    def outcomes(self) -> Mapping[str, int]:
        """Of all nodes since each one's start, the most frequent first."""
        total = Counter[str]()
        for node in self.nodes:
            total.update(node.outcomes)
        return dict(total.most_common())

    @property
    def last(self) -> list[tuple[str, OutcomeView]]:
        """The newest outcomes and their nodes, the newest first."""
        found = [(node.node, outcome) for node in self.nodes for outcome in node.last]
        return sorted(found, key=lambda one: one[1].at, reverse=True)[:LAST_OUTCOMES]

    def shape(self) -> dict[str, Any]:
        """As JSON has it."""
        return {
            "at": spelled(self.now),
            "nodes": [node.shape() for node in self.nodes],
            "paused": [pause_shape(order) for order in self.situation.orders],
        }


async def take_sight(desk: Desk, lines: Lines) -> Sight:
    """Look once; on SQLite nobody waits for it. Raises StoreError."""
    posted = await look_at_board(desk)
    situation = Situation(
        now=desk.clock.now(), views=posted.others, orders=people_pauses(posted), kept=kept_pauses(posted)
    )
    return Sight(situation, lines)
