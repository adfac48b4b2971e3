"""Keeps an eye on the account and the queue: the rate, what a message may live through, silence."""

import asyncio
from collections.abc import Callable
from dataclasses import dataclass, field

from tank_mailer.core.errors import QueueError, Reason
from tank_mailer.core.outcome import Concern, Concerned
from tank_mailer.core.rate import UNKNOWN_RATE
from tank_mailer.core.renewal import QueueLife
from tank_mailer.flows.forever import forever
from tank_mailer.flows.governor import Governor
from tank_mailer.flows.pauses import Pauses
from tank_mailer.ports import Account, AccountFacts, AccountUnknown, Queue, QueueFacts
from tank_mailer.telemetry.log import get_logger

log = get_logger()

EVERY_S = 300.0
SOON_S = 15.0
Trouble = tuple[Concern, Reason, str]
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

    async def start(self) -> None:
        """Ask for the first time; pause what cannot work yet."""
        if trouble := await self.ask():
            self.pauses.begin(*trouble)

    async def probe(self) -> bool:
        """Whether SES can be had, whatever else it says."""
        return await self.ask() is None

    async def ask(self) -> Trouble | None:
        """Ask once, follow the rate, and say what keeps mail from being sent, if anything."""
        before, answer = self.known, await self.account.ask()
        self.known = answer
        match answer:
            case AccountFacts(max_send_rate) if max_send_rate > 0:
                self._set_rate(max_send_rate * self.share)
                if isinstance(before, AccountFacts) and before.max_send_rate != max_send_rate:
                    log.info("account_changed", max_send_rate=max_send_rate, before=before.max_send_rate)
                return None
            case AccountFacts():
                return Concern(Concerned.ACCOUNT), Reason.SENDING_PAUSED, "SES gives this account a send rate of 0"
            case AccountUnknown(Reason.BAD_CREDENTIALS | Reason.CLOCK_SKEW as reason, detail):
                return Concern(Concerned.ACCOUNT), reason, detail
            case AccountUnknown(reason, detail, reached, answered) if reached or (answered and self.fixed_rate):
                if not isinstance(before, AccountUnknown) or before.reason is not reason:
                    self._tell_unknown(reason, detail)
                if not self.governor.current_rate:
                    self._set_rate(UNKNOWN_RATE)
                return None
            case AccountUnknown(_, detail):
                return Concern(Concerned.SES), Reason.SES_UNAVAILABLE, detail

    def _set_rate(self, rate: float) -> None:
        self.governor.set_rate(self.fixed_rate or rate)

    def _tell_unknown(self, reason: Reason, detail: str) -> None:
        log.warning(
            "account_unknown",
            reason=reason,
            detail=detail,
            rate=self.fixed_rate or self.governor.current_rate or UNKNOWN_RATE,
            remedy="allow the key ses:GetAccount, or set TANK_SEND_RATE to the account's recipients per second",
        )

    async def run(self) -> None:
        """Ask every few minutes, until cancelled."""
        await forever(self._wait_and_ask)

    async def _wait_and_ask(self) -> None:
        await asyncio.sleep(EVERY_S)
        if trouble := await self.ask():  # one answer that did not come keeps nobody from sending
            log.warning("account_unknown", reason=trouble[1], detail=trouble[2])


@dataclass(kw_only=True, eq=False)
class QueueWatch:
    """Learns what the queue allows a message.

    Attributes:
        has_dead_letters: whether the settings name a dead-letter queue.
        polls_without: tells how many polls in a row brought nothing.
    """

    queue: Queue
    pauses: Pauses
    has_dead_letters: bool
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
        if self.known is None and facts.dead_letter_queue is None and not self.has_dead_letters:
            log.warning(
                "dead_letter_queue_missing",
                remedy="give the queue a redrive policy, or set TANK_DEAD_LETTER_QUEUE_URL; until then jobs that are"
                " given up rest in the ledger alone",
            )
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
        """Ask every few minutes, sooner while it does not answer, until cancelled."""
        await forever(self._wait_and_ask)

    async def _wait_and_ask(self) -> None:
        await asyncio.sleep(EVERY_S if self.known else SOON_S)
        facts = await self.ask()
        if facts and facts.visible and self.polls_without() >= SILENT_POLLS and not self.pauses.halted:
            log.warning(  # at 120,000 messages in flight SQS answers long polls with nothing
                "queue_silent", visible=facts.visible, in_flight=facts.in_flight, polls=self.polls_without()
            )
