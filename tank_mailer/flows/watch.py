"""Keeps an eye on a queue: what a message may live through, how many wait, silence."""

import asyncio
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import datetime

from tank_mailer.core.errors import QueueError, Reason
from tank_mailer.core.lanes import ORDINARY
from tank_mailer.core.renewal import QueueLife
from tank_mailer.flows.forever import forever
from tank_mailer.flows.pauses import Pauses
from tank_mailer.ports import Queue, QueueFacts
from tank_mailer.telemetry.log import get_logger

log = get_logger()

EVERY_S = 60.0  # people look at how much waits
SELDOM_S = 300.0  # where the key may not ask
SOON_S = 15.0
SILENT_POLLS = 3  # empty ones in a row, while the queue says that messages wait
LEAST_RECEIVE_COUNT = 20  # DESIGN 5.7


@dataclass(kw_only=True, eq=False)
class QueueWatch:
    """Learns what a lane's queue allows a message.

    Attributes:
        has_dead_letters: whether the settings name a dead-letter queue.
        polls_without: tells how many polls in a row brought nothing.
        known: what the queue said last, and `asked_at` when that was.
        is_silent: polls brought nothing then, though messages waited.
    """

    queue: Queue
    pauses: Pauses
    has_dead_letters: bool
    lane: str = ORDINARY
    polls_without: Callable[[], int] = lambda: 0
    known: QueueFacts | None = None
    asked_at: datetime | None = None
    is_silent: bool = False
    life: QueueLife = field(default_factory=QueueLife)
    _unknown: Reason | None = None  # why the last answer did not come

    async def ask(self) -> QueueFacts | None:
        """Ask once; None if the queue does not say."""
        try:
            facts = await self.queue.facts()
        except QueueError as error:
            if error.reason is not self._unknown:
                log.warning("queue_unknown", lane=self.lane, reason=error.reason, detail=error.detail)
            self._unknown = error.reason
            return None
        self._unknown = None
        self._learn(facts)
        return facts

    async def probe(self) -> bool:
        """Whether the queue is there, without a receive.

        A key that may not ask its attributes proves nothing against receives: then only one of them can tell.
        """
        return await self.ask() is not None or self._unknown is Reason.ACCESS_DENIED

    def _learn(self, facts: QueueFacts) -> None:
        if self.known is None and facts.dead_letter_queue is None and not self.has_dead_letters:
            log.warning(
                "dead_letter_queue_missing",
                lane=self.lane,
                remedy="give the queue a redrive policy, or set TANK_DEAD_LETTER_QUEUE_URL; until then jobs that are"
                " given up rest in the ledger alone",
            )
        if self.known is None or self.known.max_receive_count != facts.max_receive_count:
            self._tell_receive_count(facts)
        self.known, self.asked_at = facts, self.pauses.clock.now()
        self.life = QueueLife(facts.max_receive_count, facts.retention_s)

    def _tell_receive_count(self, facts: QueueFacts) -> None:
        if facts.max_receive_count is not None and facts.max_receive_count < LEAST_RECEIVE_COUNT:
            log.warning(
                "queue_redrives_early",
                lane=self.lane,
                max_receive_count=facts.max_receive_count,
                remedy=f"set the queue's maxReceiveCount to 100, at least to {LEAST_RECEIVE_COUNT}: pauses and"
                " restarts use receives up, and SQS then dead-letters healthy jobs by itself",
            )

    async def run(self) -> None:
        """Ask every few minutes, sooner while it does not answer, until cancelled."""
        await forever(self._wait_and_ask)

    async def _wait_and_ask(self) -> None:
        await asyncio.sleep(self._period_s())
        facts = await self.ask()
        if facts is None:
            return
        is_empty_handed = self.polls_without() >= SILENT_POLLS and self.pauses.is_polled(self.lane)
        self.is_silent = facts.visible > 0 and is_empty_handed
        if self.is_silent:
            log.warning(  # at 120,000 messages in flight SQS answers long polls with nothing
                "queue_silent",
                lane=self.lane,
                visible=facts.visible,
                in_flight=facts.in_flight,
                polls=self.polls_without(),
            )

    def _period_s(self) -> float:
        if self._unknown is Reason.ACCESS_DENIED:  # asking again soon is of no use
            return SELDOM_S
        return SOON_S if self._unknown or self.known is None else EVERY_S
