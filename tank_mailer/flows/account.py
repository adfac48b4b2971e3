"""Keeps an eye on the account: its rate, and whether AWS still lets it send."""

import asyncio
import math
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass, field

from tank_mailer.core.account import REMEDY, STOPS, Aspect, Flaw, Standing, changes, has_quota, standing, trouble
from tank_mailer.core.errors import Reason
from tank_mailer.core.outcome import Concern, Concerned, Held
from tank_mailer.core.rate import UNKNOWN_RATE
from tank_mailer.core.remedy import REMEDIES
from tank_mailer.flows.forever import forever
from tank_mailer.flows.governor import Governor
from tank_mailer.flows.pauses import Pauses
from tank_mailer.ports import Account, AccountFacts, AccountUnknown
from tank_mailer.telemetry.log import get_logger

log = get_logger()

EVERY_S = 300.0
SOON_S = 15.0  # after an answer that did not come, but may the next time
APART_S = 1.1  # SES: one call a second for the whole account (aws-facts 2.1); and a little for the way there
EARLY_EVERY_S = 10.0  # a storm of throttles asks early no more often: others want to ask SES, too

# What another call to SES would be told, too.
_SAME_ELSEWHERE = frozenset({Reason.BAD_CREDENTIALS, Reason.CLOCK_SKEW, Reason.THROTTLED})
_ALLOW_ALL = (
    "allow the key ses:GetAccount: GetSendQuota tells the rate, but neither a sandbox nor a review nor a pause by AWS"
)
_ALLOW_ANY = (
    "allow the key ses:GetAccount or ses:GetSendQuota, or set TANK_SEND_RATE to the account's recipients per second"
)
_LATER = f"it is asked again by itself; if it goes on so, {_ALLOW_ANY}"


@dataclass(kw_only=True, eq=False)
class AccountWatch:
    """Asks SES every few minutes, follows the rate, pauses what AWS has stopped, and says what has changed.

    Attributes:
        fixed_rate: `TANK_SEND_RATE` as a number: asks all the same, but only to be told of trouble.
        share: `TANK_RATE_SHARE`.
        quota: asked for the figures alone where `account` may not be asked.
        told: called with all that SES says.
        known: what it said last.
    """

    account: Account
    governor: Governor
    pauses: Pauses
    fixed_rate: float | None
    share: float
    quota: Account | None = None
    told: list[Callable[[AccountFacts], None]] = field(default_factory=list)
    known: AccountFacts | None = None
    _answer: AccountFacts | AccountUnknown | None = None
    _trouble: Held | None = None
    _rate: float = 0.0
    _standing: dict[Aspect, Flaw | None] = field(default_factory=dict)  # what has been said of it
    _unknown: tuple[Reason, str] | None = None  # what has been said to be unknown
    _answers: int = 0
    _one: asyncio.Lock = field(default_factory=asyncio.Lock)
    _called_s: float = -math.inf
    _early_s: float = -math.inf
    _soon: asyncio.Event = field(default_factory=asyncio.Event)

    # --- asking ---

    async def start(self) -> None:
        """Ask for the first time; pause what cannot work yet."""
        if held := await self.ask():
            self.pauses.begin(held.concern, held.reason, held.detail)

    async def probe(self) -> bool:
        """Whether SES can be had, and nothing that it says keeps mail from going."""
        if held := await self.ask():
            if self.pauses.reason_of(held.concern) not in {None, held.reason}:  # the trouble is another by now
                self.pauses.begin(held.concern, held.reason, held.detail)
            return False
        if self.pauses.reason_of(Concern(Concerned.ACCOUNT)) is Reason.QUOTA_EXCEEDED:
            match self._answer:
                case AccountFacts(max_24_hour_send=limit, sent_last_24_hours=sent):
                    return has_quota(limit, sent)
                case AccountUnknown() | None:
                    return True
        return True

    @property
    def flaws(self) -> tuple[str, ...]:
        """What is wrong with the account, whether or not mail goes."""
        return tuple(flaw for flaw in self._standing.values() if flaw is not None)

    def ask_soon(self) -> None:
        """Do not wait for the period's end: something looks as if the account had changed."""
        self._soon.set()

    async def ask(self) -> Held | None:
        """Ask, or share an answer that somebody waits for already; what keeps mail from being sent, if anything."""
        answers = self._answers
        async with self._one:
            if self._answers == answers:
                self._trouble = await self._ask()
                self._answers += 1
            return self._trouble

    async def _ask(self) -> Held | None:
        self._answer = answer = await self._call(self.account)
        match answer:
            case AccountFacts() as facts:
                held = self._learn(facts)
                self._unknown = None
                return held
            case AccountUnknown() as unknown:
                figures = await self._figures_instead(unknown)
                if figures is None:
                    return self._do_without(unknown)
                self._answer = figures
                held = self._learn(figures)
                self._tell_unknown(unknown.reason, unknown.detail, _ALLOW_ALL)
                return held

    async def _figures_instead(self, unknown: AccountUnknown) -> AccountFacts | None:
        """Ask the other call, if GetAccount was answered by a no that is only about itself."""
        is_about_itself = (unknown.reached or unknown.answered) and unknown.reason not in _SAME_ELSEWHERE
        if self.quota is None or not is_about_itself:
            return None
        figures = await self._call(self.quota)
        return figures if isinstance(figures, AccountFacts) else None  # the first answer says more than another no

    async def _call(self, account: Account) -> AccountFacts | AccountUnknown:
        loop = asyncio.get_running_loop()
        await asyncio.sleep(max(0.0, self._called_s + APART_S - loop.time()))
        try:
            return await account.ask()
        finally:
            self._called_s = loop.time()

    # --- learning ---

    def _learn(self, facts: AccountFacts) -> Held | None:
        before, self.known = self.known, facts
        if facts.max_send_rate > 0:  # a rate of 0 is a pause, and no pace
            self._set_rate(facts.max_send_rate * self.share)
        self._tell_figures(before, facts)
        now = standing(
            max_send_rate=facts.max_send_rate,
            sending_enabled=facts.sending_enabled,
            production_access=facts.production_access,
            enforcement=facts.enforcement,
        )
        self._tell_standing(now)
        for tell in self.told:
            tell(facts)
        return trouble(now)

    def _do_without(self, unknown: AccountUnknown) -> Held | None:
        match unknown:
            case AccountUnknown(Reason.BAD_CREDENTIALS | Reason.CLOCK_SKEW as reason, detail):
                return Held(Concern(Concerned.ACCOUNT), reason, detail)
            case AccountUnknown(reason, detail, reached, answered) if reached or (answered and self.fixed_rate):
                if not self._rate:  # what was known before is a better guess
                    self._set_rate(UNKNOWN_RATE)
                self._tell_unknown(reason, detail, _ALLOW_ANY if _is_lasting(unknown) else _LATER)
                return None
            case AccountUnknown(_, detail):
                return Held(Concern(Concerned.SES), Reason.SES_UNAVAILABLE, detail)

    def _set_rate(self, rate: float) -> None:
        wanted = self.fixed_rate or rate
        if wanted != self._rate:
            self._rate = wanted
            self.governor.set_rate(wanted)

    # --- telling ---

    def _tell_unknown(self, reason: Reason, detail: str, remedy: str) -> None:
        if self._unknown != (reason, remedy):
            self._unknown = reason, remedy
            log.warning(
                "account_unknown", reason=reason, detail=detail, rate=round(self._rate, 2) or None, remedy=remedy
            )

    def _tell_figures(self, before: AccountFacts | None, now: AccountFacts) -> None:
        if before is None and self._unknown is None:
            return
        was = (before.max_send_rate, before.max_24_hour_send) if before else None
        if was != (now.max_send_rate, now.max_24_hour_send):
            log.info(
                "account_changed",
                max_send_rate=now.max_send_rate,
                before_send_rate=before.max_send_rate if before else None,
                max_24_hour_send=now.max_24_hour_send,
                before_24_hour_send=before.max_24_hour_send if before else None,
                rate=round(self._rate, 2),
            )

    def _tell_standing(self, now: Standing) -> None:
        for was, flaw in changes(self._standing, now):
            match flaw:
                case None:
                    log.info("account_restored", was=was)
                case Flaw.SANDBOX:
                    log.warning("account_in_sandbox", remedy=REMEDY[flaw])
                case Flaw.PROBATION:
                    log.warning("account_on_probation", remedy=REMEDY[flaw])
                case Flaw.SHUTDOWN | Flaw.SENDING_PAUSED | Flaw.NO_RATE:
                    reason, detail = STOPS[flaw]
                    log.error("account_stopped", reason=reason, detail=detail, remedy=REMEDY[flaw])
        self._standing |= now  # what is not told now stays as it was told

    # --- every few minutes ---

    async def run(self) -> None:
        """Ask every few minutes, sooner where that may help, until cancelled."""
        await forever(self._wait_and_look)

    async def _wait_and_look(self) -> None:
        loop = asyncio.get_running_loop()
        with suppress(TimeoutError):
            async with asyncio.timeout(self._period_s()):
                await self._soon.wait()
                await asyncio.sleep(max(0.0, self._early_s + EARLY_EVERY_S - loop.time()))
                self._early_s = loop.time()
        try:
            await self._look()
        finally:
            self._soon.clear()

    def _period_s(self) -> float:
        is_passing = isinstance(self._answer, AccountUnknown) and not _is_lasting(self._answer)
        return SOON_S if is_passing else EVERY_S

    async def _look(self) -> None:
        match await self.ask():
            case Held(concern, Reason.SENDING_PAUSED | Reason.ACCOUNT_SUSPENDED as reason, detail):
                if self.pauses.reason_of(concern) is None:  # before the next mail is refused
                    self.pauses.begin(concern, reason, detail)
            case Held(_, reason, detail):  # one answer that did not come keeps nobody from sending
                self._tell_unknown(reason, detail, REMEDIES.get(reason, _LATER))
            case None:
                pass


def _is_lasting(unknown: AccountUnknown) -> bool:
    """Whether asking again soon is of no use."""
    return unknown.reason is Reason.ACCESS_DENIED
