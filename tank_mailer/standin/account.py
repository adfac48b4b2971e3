"""The SES account: its state, its rate, its quota of a rolling 24 hours."""

from collections import deque
from dataclasses import dataclass, fields, replace
from enum import StrEnum
from typing import Any

from tank_mailer.standin.clock import Clock
from tank_mailer.standin.errors import AwsError, Json
from tank_mailer.standin.pace import SlidingSecond

DAY_S = 86_400.0
UNLIMITED = -1.0  # SES: Max24HourSend without a limit; aws-facts 2.1


class Enforcement(StrEnum):
    """What AWS thinks of the account; aws-facts 2.1."""

    HEALTHY = "HEALTHY"
    PROBATION = "PROBATION"  # under review; mail still goes out
    SHUTDOWN = "SHUTDOWN"  # sending is taken away


@dataclass(frozen=True, slots=True, kw_only=True)
class AccountSettings:
    """What AWS or the owner has set. The sandbox does not lower the figures by itself: set them as well."""

    max_send_rate: float = 14.0  # recipients a second
    max_24_hour_send: float = 50_000.0  # recipients; -1 is unlimited
    sending_enabled: bool = True
    production_access: bool = True
    enforcement_status: Enforcement = Enforcement.HEALTHY
    get_account_denied: bool = False  # the key may not call GetAccount
    suppression_enabled: bool = True  # the account's own suppression list; aws-facts 2.5


@dataclass(frozen=True, slots=True)
class Throttle:
    """A call that was sent back because of the rate or the quota."""

    at: str
    monotonic_s: float
    recipients: int
    cause: str


class Account:
    """Judges whether a mail may go out now, and counts those that do."""

    def __init__(self, clock: Clock, settings: AccountSettings) -> None:
        self._clock = clock
        self.reset(settings)

    def reset(self, settings: AccountSettings) -> None:
        """Begin anew: nothing sent, nothing throttled."""
        self.settings = settings
        self.dedicated_ips: list[Json] = []  # as GetDedicatedIps shows them
        self.throttles: list[Throttle] = []
        self._pace = SlidingSecond(self._clock, rate=settings.max_send_rate)
        self._day: deque[tuple[float, int]] = deque()
        self._sent_in_the_day = 0

    def sent_last_24_hours(self) -> int:
        """Recipients; those of the simulator do not count (aws-facts 6)."""
        long_ago = self._clock.monotonic() - DAY_S
        while self._day and self._day[0][0] <= long_ago:
            self._sent_in_the_day -= self._day.popleft()[1]
        return self._sent_in_the_day

    def change(self, changes: Json) -> None:
        """Take over any of the settings, and `sent_last_24_hours`, by their names."""
        changes = dict(changes)
        sent = changes.pop("sent_last_24_hours", None)
        if sent is not None and not (isinstance(sent, int) and sent >= 0):
            raise AwsError("BadRequestException", "sent_last_24_hours is a whole number")
        settings = replace(self.settings, **_checked(changes))
        if sent is not None:
            self._sent_in_the_day = sent
            self._day = deque([(self._clock.monotonic(), sent)])
        if settings.max_send_rate != self.settings.max_send_rate:
            self._pace.change(settings.max_send_rate)
        self.settings = settings

    @property
    def suppressed_reasons(self) -> list[str]:
        """For which reasons addresses come onto the account's suppression list, and are kept from mail."""
        return ["BOUNCE", "COMPLAINT"] if self.settings.suppression_enabled else []

    def refuse_if_stopped(self) -> None:
        """Raise when AWS or the owner has stopped sending."""
        if self.settings.enforcement_status is Enforcement.SHUTDOWN:
            raise AwsError("AccountSuspendedException", "Account is paused")
        if not self.settings.sending_enabled:
            raise AwsError(
                "SendingPausedException",
                "Sending paused for this account. For more information, please check the inbox of the email "
                "address associated with your AWS account.",
            )

    def debit(self, *, recipients: int, simulated: int) -> None:
        """Take the places of a mail that is sound otherwise, or raise without taking any.

        `simulated` of the recipients are the simulator's: they obey the rate and leave the quota alone. While
        any quota is left, a call may cross the line (aws-facts 1.4).
        """
        quota = self.settings.max_24_hour_send
        if simulated < recipients and quota != UNLIMITED and self.sent_last_24_hours() >= quota:
            self._note_throttle(recipients, "quota")
            raise AwsError("LimitExceededException", "Daily message quota exceeded.")
        if not self._pace.has_room():
            self._note_throttle(recipients, "rate")
            raise AwsError("TooManyRequestsException", "Maximum sending rate exceeded.", status=429)
        self._pace.take(recipients)
        if simulated < recipients:
            self._day.append((self._clock.monotonic(), recipients - simulated))
            self._sent_in_the_day += recipients - simulated

    def quota(self) -> Json:
        """The three figures of GetAccount and GetSendQuota."""
        return {
            "Max24HourSend": self.settings.max_24_hour_send,
            "MaxSendRate": self.settings.max_send_rate,
            "SentLast24Hours": float(self.sent_last_24_hours()),
        }

    def _note_throttle(self, recipients: int, cause: str) -> None:
        at = self._clock.wall().isoformat()
        self.throttles.append(Throttle(at, self._clock.monotonic(), recipients, cause))


def _checked(changes: Json) -> dict[str, Any]:
    """The changes with their types right, or an error that names what is wrong."""
    known = {field.name for field in fields(AccountSettings)}
    if unknown := sorted(set(changes) - known):
        raise AwsError("BadRequestException", f"unknown: {', '.join(unknown)}; known: {', '.join(sorted(known))}")
    checked: dict[str, Any] = {}
    for name, value in changes.items():
        if name == "enforcement_status":
            if value not in list(Enforcement):
                raise AwsError("BadRequestException", f"{name} is one of {', '.join(Enforcement)}")
            checked[name] = Enforcement(value)
        elif name.startswith("max_"):
            unlimited = name == "max_24_hour_send" and value == UNLIMITED
            if not isinstance(value, int | float) or isinstance(value, bool) or not (value > 0 or unlimited):
                raise AwsError("BadRequestException", f"{name} is a number above 0")
            checked[name] = float(value)
        elif not isinstance(value, bool):
            raise AwsError("BadRequestException", f"{name} is true or false")
        else:
            checked[name] = value
    return checked
