"""Key figures in a log line that CloudWatch makes metrics of, without an agent (its embedded metric format).

The line is one of ours like all others; besides, `_aws` says which of its members are metrics, and which dimensions.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Final

from tank_mailer.core.view import NodeView
from tank_mailer.ports import QueueFacts
from tank_mailer.ports.standing import StoreStanding
from tank_mailer.telemetry.flatten import Nested
from tank_mailer.telemetry.scrape import DEAD_LETTERS

# By node, and for all of them together. CloudWatch keeps (and bills) a metric for each.
DIMENSIONS: Final = (("node",), ())
COUNT, SECONDS, PER_SECOND, SHARE = "Count", "Seconds", "Count/Second", "None"  # CloudWatch: units


@dataclass(frozen=True, slots=True)
class KeyFigure:
    """One number; its name is that of a field of the line."""

    name: str
    unit: str
    value: float


@dataclass(frozen=True, slots=True)
class Counted:
    """What is counted since the start of the process.

    Attributes:
        outcomes: attempts by what they ended in.
        dead: jobs that were given up.
    """

    outcomes: Mapping[str, int]
    dead: float

    def since(self, before: "Counted") -> Iterator[KeyFigure]:
        """What has come to it."""
        for name, outcomes in _SUMS.items():
            new = sum(self.outcomes.get(one, 0) - before.outcomes.get(one, 0) for one in outcomes)
            yield KeyFigure(name, COUNT, new)
        yield KeyFigure("dead", COUNT, int(self.dead - before.dead))


_SUMS: Final[Mapping[str, Sequence[str]]] = {
    "accepted": ("accepted",),
    "refused": ("refused",),
    "throttled": ("throttled",),
    "failed": ("failed", "unreachable", "in_doubt"),
}


def standing_figures(
    view: NodeView,
    *,
    facts: Mapping[str, QueueFacts],
    standing: StoreStanding | None,
    oldest_s: Mapping[str, float],
) -> Iterator[KeyFigure]:
    """How things stand; what is not known is left out, for a 0 would be a lie."""
    depths = [known.visible for name, known in facts.items() if name in view.lanes]
    if depths:
        yield KeyFigure("queue_visible", COUNT, sum(depths))
    dead = [known.visible + known.in_flight for name, known in facts.items() if name.startswith(DEAD_LETTERS)]
    if dead:
        yield KeyFigure("dead_letter_queue_messages", COUNT, sum(dead))
    yield KeyFigure("oldest_age_s", SECONDS, round(max(oldest_s.values(), default=0.0), 1))
    if standing is not None:
        yield KeyFigure("in_doubt", COUNT, standing.states.get("in_doubt", 0))
        yield KeyFigure("outbox_letters", COUNT, standing.letters)
    if view.reputation.bounce_rate is not None:
        yield KeyFigure("bounce_rate", SHARE, view.reputation.bounce_rate)
    if view.reputation.complaint_rate is not None:
        yield KeyFigure("complaint_rate", SHARE, view.reputation.complaint_rate)
    yield KeyFigure("rate", PER_SECOND, view.rate)
    if view.quota.limit:
        yield KeyFigure("quota_used_share", SHARE, round(view.quota.used / view.quota.limit, 4))
    yield KeyFigure("paused", COUNT, int(any(not lane.is_polled for lane in view.lanes.values())))


def embedded(namespace: str, figures: Sequence[KeyFigure], at: datetime) -> dict[str, object]:
    """Make the fields of the line; `node` is in each line anyway."""
    metrics = [{"Name": one.name, "Unit": one.unit} for one in figures]
    directive = {"Namespace": namespace, "Dimensions": [list(names) for names in DIMENSIONS], "Metrics": metrics}
    aws = Nested({"Timestamp": int(at.timestamp() * 1000), "CloudWatchMetrics": [directive]})
    return {**{one.name: one.value for one in figures}, "_aws": aws}
