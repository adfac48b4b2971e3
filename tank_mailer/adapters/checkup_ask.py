"""Asks AWS one thing at a time, and says how it came out: told, denied, not there, not reached."""

import asyncio
import statistics
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from typing import Any, Final

from botocore.exceptions import BotoCoreError, ClientError
from botocore.parsers import ResponseParserError

from tank_mailer.adapters.account_list import CALL_EVERY_S, NOT_SES, Pace
from tank_mailer.adapters.aws import UNREADABLE
from tank_mailer.adapters.ses import broke, said_no
from tank_mailer.core.checkup.facts import Tried
from tank_mailer.core.checkup.seen import Absent, Denied, Found, Known, Unreached
from tank_mailer.core.errors import Reason
from tank_mailer.core.outcome import Fault, Meaning, read
from tank_mailer.ports import Clock

CALL_TIMEOUT_S: Final = 20.0  # a whole call, with the SDK's second try
MISSING: Final = frozenset({
    "NotFoundException", "NotFound", "NoSuchEntity", "QueueDoesNotExist",
    "AWS.SimpleQueueService.NonExistentQueue", "AWS.SimpleQueueService.QueueDeletedRecently",
})  # fmt: skip
OF_KEYS: Final = frozenset({Reason.BAD_CREDENTIALS, Reason.CLOCK_SKEW})
MAX_CODE_CHARS: Final = 80
NOT_AWS: Final = NOT_SES.replace("SES", "AWS")
NOT_XML: Final = (LookupError, ResponseParserError)  # what the SDK's parser raises at a page in place of XML

Call = Callable[[], Awaitable[Any]]


@dataclass(slots=True, kw_only=True, eq=False)
class Asker:
    """Spreads the calls that SES takes once a second each, and notes on the way what time AWS has.

    Attributes:
        every_s: between two calls of the same operation of SES, waited for by `sleep`.
        took_s: by action, how long each answered call took, without its turn.
    """

    clock: Clock
    every_s: float = CALL_EVERY_S
    timeout_s: float = CALL_TIMEOUT_S
    sleep: Callable[[float], Awaitable[None]] = asyncio.sleep
    took_s: dict[str, list[float]] = field(default_factory=dict)
    _skews_s: list[float] = field(default_factory=list)
    _turns: dict[str, tuple[asyncio.Lock, Pace]] = field(default_factory=dict)

    @property
    def skew_s(self) -> float | None:
        """How far our clock is ahead of AWS's; its answers tell full seconds."""
        return statistics.median(self._skews_s) if self._skews_s else None

    async def ask(self, action: str, resource: str, call: Call) -> Found[dict[str, Any]]:
        """One call; returns in every case but cancellation."""
        match await self._answer(action, call):
            case Fault() as fault:
                return _seen(fault, action, resource)
            case answer:
                return Known(answer)

    async def attempt(self, action: str, call: Call, *, reads_first: bool) -> Tried:
        """One call that is bound to fail, for how it fails.

        Args:
            action: as IAM calls it.
            call: changes nothing, whatever comes of it.
            reads_first: AWS looks at what is wrong with it before it looks at the right, for all that is known.
        """
        match await self._answer(action, call):
            case Fault() as fault if read(fault)[0] is Meaning.DENIED and fault.is_coded:
                return Tried.DENIED
            case Fault() as fault if reads_first or fault.status is None or not fault.is_coded or _is_of_keys(fault):
                return Tried.UNCLEAR
            case _:
                return Tried.ALLOWED

    async def _answer(self, action: str, call: Call) -> dict[str, Any] | Fault:
        if not action.startswith("ses:"):
            return await self._once(action, call)
        lock, pace = self._turns.setdefault(action, (asyncio.Lock(), Pace(every_s=self.every_s, sleep=self.sleep)))
        async with lock:
            await pace.turn()
            try:
                return await self._once(action, call)
            finally:
                pace.answered()

    async def _once(self, action: str, call: Call) -> dict[str, Any] | Fault:
        began_s = self.clock.boot_s()
        try:
            async with asyncio.timeout(self.timeout_s):
                answer = await call()
        except ClientError as error:
            self._note_time(error.response.get("ResponseMetadata", {}))
            return said_no(error)
        except (BotoCoreError, RuntimeError, TimeoutError) as error:
            return broke(error)
        except (*UNREADABLE, *NOT_XML):
            return Fault(text=NOT_AWS)
        metadata = answer.get("ResponseMetadata", {}) if isinstance(answer, dict) else {}
        if not metadata.get("RequestId"):  # a proxy's page does not raise (aws-facts 0)
            return Fault(text=NOT_AWS)
        self._note_time(metadata)
        self.took_s.setdefault(action, []).append(self.clock.boot_s() - began_s)
        return dict(answer)

    def _note_time(self, metadata: Any) -> None:  # noqa: ANN401 - botocore's
        told = metadata.get("HTTPHeaders", {}).get("date", "")
        try:
            at = parsedate_to_datetime(told)
        except (TypeError, ValueError):
            return
        at = at if at.tzinfo else at.replace(tzinfo=UTC)
        self._skews_s.append((self.clock.now() - at).total_seconds())


def _seen(fault: Fault, action: str, resource: str) -> Found[dict[str, Any]]:
    """AWS's own text may quote addresses, and is left out."""
    meaning, reason = read(fault)
    if fault.code in MISSING:
        return Absent()
    if meaning is Meaning.DENIED and fault.is_coded:
        return Denied(action, resource)
    if fault.status is None:
        why = f" ({fault.code})" if fault.code else ""
        return Unreached(f"{fault.text}{why}", reason if reason in OF_KEYS else None)
    said = f"AWS answers {action} with HTTP {fault.status} {fault.code[:MAX_CODE_CHARS]}".strip()
    return Unreached("AWS does not take the key" if _is_of_keys(fault) else said, reason if reason in OF_KEYS else None)


def _is_of_keys(fault: Fault) -> bool:
    return read(fault)[1] in OF_KEYS


def moment(value: object) -> datetime | None:
    """A time that the SDK has read."""
    return value if isinstance(value, datetime) else None
