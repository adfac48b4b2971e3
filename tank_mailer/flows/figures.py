"""Writes the key figures into the log, once a minute, for CloudWatch."""

import asyncio
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Final

from tank_mailer.core.view import NodeView
from tank_mailer.flows.forever import forever
from tank_mailer.ports import QueueFacts
from tank_mailer.ports.standing import StoreStanding
from tank_mailer.telemetry import metrics
from tank_mailer.telemetry.emf import Counted, embedded, standing_figures
from tank_mailer.telemetry.log import get_logger

log = get_logger()

DEAD: Final = "dead_letters_total"
EVERY_S: Final = 60.0  # CloudWatch keeps a value a minute


@dataclass(kw_only=True, eq=False)
class FigureReporter:
    """What has come to be since the last line, and how things stand.

    Attributes:
        namespace: `TANK_CLOUDWATCH_NAMESPACE`.
        view: how this node is.
        facts: what queues have said lately.
        standing: how it looks in the store; None: not known yet.
        oldest_s: by lane, the age of the oldest message that came lately.
    """

    namespace: str
    view: Callable[[], NodeView]
    facts: Callable[[], Mapping[str, QueueFacts]]
    standing: Callable[[], StoreStanding | None]
    oldest_s: Callable[[], Mapping[str, float]]
    _before: Counted = field(default_factory=lambda: Counted({}, metrics.total(DEAD)))

    async def run(self) -> None:
        """Go on until cancelled."""
        await forever(self._wait_and_report)

    async def _wait_and_report(self) -> None:
        await asyncio.sleep(EVERY_S)
        self.report()

    def report(self) -> None:
        """Write one line."""
        view = self.view()
        counted = Counted(view.outcomes, metrics.total(DEAD))
        standing = standing_figures(view, facts=self.facts(), standing=self.standing(), oldest_s=self.oldest_s())
        figures = [*counted.since(self._before), *standing]
        self._before = counted
        log.info("figures_reported", **embedded(self.namespace, figures, view.seen_at))
