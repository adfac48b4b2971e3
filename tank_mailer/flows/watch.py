"""Keeps an eye on the account and the queue: the rate, what a message may live through, silence."""

import asyncio
from collections.abc import Callable
from dataclasses import dataclass, field

from tank_mailer.core.errors import QueueError, Reason
from tank_mailer.core.outcome import Concern, Concerned
from tank_mailer.core.rate import UNKNOWN_RATE
from tank_mailer.core.renewal import QueueLife
from tank_mailer.flows.governor import Governor
from tank_mailer.flows.pauses import Pauses
from tank_mailer.ports import Account, AccountFacts, AccountUnknown, Queue, QueueFacts
from tank_mailer.telemetry.log import get_logger

log = get_logger()

EVERY_S = 300.0
SILENT_POLLS = 3  # empty ones in a row, while the queue says that messages wait
LEAST_RECEIVE_COUNT = 20  # DESIGN 5.7


@dataclass(kw_only=True, eq=False)
class AccountWatch:
    """Learns the rate from the account.

    Attributes:
        fixed_rate: `TANK_SEND_RATE` as a number: asks all the same, but only to be told of trouble.
        share: `TANK_RATE_SHARE`.
    """

    account: Account
    governor: Governor
    pauses: Pauses
    fixed_rate: float | None
    share: float
    known: AccountFacts | AccountUnknown | None = None

    async def ask(self) -> bool:
        """Ask once; True if SES can be had, whatever it said."""
        before, answer = self.known, await self.account.ask()
        self.known = answer
        match answer:
            case AccountFacts(max_send_rate):
                self._set_rate(max_send_rate * self.share)
                if isinstance(before, AccountFacts) and before.max_send_rate != max_send_rate:
                    log.info("account_changed", max_send_rate=max_send_rate, before=before.max_send_rate)
                return True
            case AccountUnknown(Reason.BAD_CREDENTIALS | Reason.CLOCK_SKEW as reason, detail):
                self.pauses.begin(Concern(Concerned.ACCOUNT), reason, detail)
                return False
            case AccountUnknown(reason, detail, reached=True):
                if not isinstance(before, AccountUnknown) or before.reason is not reason:
                    self._tell_unknown(reason, detail)
                if not self.governor.current_rate:
                    self._set_rate(UNKNOWN_RATE)
                return True
            case AccountUnknown(reason, detail):
                self.pauses.begin(Concern(Concerned.SES), Reason.SES_UNAVAILABLE, detail)
                return False

    def _set_rate(self, rate: float) -> None:
        self.governor.set_rate(self.fixed_rate or rate)

    def _tell_unknown(self, reason: Reason, detail: str) -> None:
        log.warning(
            "account_unknown",
            reason=reason,
            detail=detail,
            rate=self.fixed_rate or UNKNOWN_RATE,
            remedy="allow the key ses:GetAccount, or set TANK_SEND_RATE to the account's recipients per second",
        )

    async def run(self) -> None:
        """Ask every few minutes, until cancelled."""
        while True:
            await asyncio.sleep(EVERY_S)
            await self.ask()


@dataclass(kw_only=True, eq=False)
class QueueWatch:
    """Learns what the queue allows a message."""

    queue: Queue
    pauses: Pauses
    polls_without: Callable[[], int] = lambda: 0
    known: QueueFacts | None = None
    life: QueueLife = field(default_factory=QueueLife)

    async def ask(self) -> QueueFacts | None:
        """Ask once; None if the queue does not say."""
        try:
            facts = await self.queue.facts()
        except QueueError as error:
            log.warning("queue_unknown", reason=error.reason, detail=error.detail)
            return None
        if self.known is None or self.known.max_receive_count != facts.max_receive_count:
            self._tell_receive_count(facts)
        self.known = facts
        self.life = QueueLife(facts.max_receive_count, facts.retention_s)
        return facts

    def _tell_receive_count(self, facts: QueueFacts) -> None:
        if facts.max_receive_count is not None and facts.max_receive_count < LEAST_RECEIVE_COUNT:
            log.warning(
                "queue_redrives_early",
                max_receive_count=facts.max_receive_count,
                remedy=f"set the queue's maxReceiveCount to 100, at least to {LEAST_RECEIVE_COUNT}: pauses and"
                " restarts use receives up, and SQS then dead-letters healthy jobs by itself",
            )

    async def run(self) -> None:
        """Ask every few minutes, until cancelled."""
        while True:
            await asyncio.sleep(EVERY_S)
            facts = await self.ask()
            if facts and facts.visible and self.polls_without() >= SILENT_POLLS and not self.pauses.halted:
                log.warning(  # at 120,000 messages in flight SQS answers long polls with nothing
                    "queue_silent", visible=facts.visible, in_flight=facts.in_flight, polls=self.polls_without()
                )
