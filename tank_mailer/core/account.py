"""What SES's word on an account means: what keeps mail from going, what is only said, what has changed.

A field that is not told is not known, and never "off" (aws-facts 1.6).
"""

from collections.abc import Mapping
from enum import StrEnum
from typing import Final

from tank_mailer.core.errors import Reason
from tank_mailer.core.outcome import Concern, Concerned, Held
from tank_mailer.core.remedy import REMEDIES


class Aspect(StrEnum):
    """One thing about an account that is good or bad by itself."""

    ENFORCEMENT = "enforcement"
    SENDING = "sending"
    RATE = "rate"
    ACCESS = "access"


class Flaw(StrEnum):
    """What may be wrong with one of them."""

    SHUTDOWN = "shutdown"  # AWS has taken sending away
    SENDING_PAUSED = "sending_paused"  # by AWS, or by the owner's own switch
    NO_RATE = "no_rate"  # MaxSendRate 0
    PROBATION = "probation"  # under review; mail goes on
    SANDBOX = "sandbox"  # no production access; mail to verified recipients goes on


Standing = Mapping[Aspect, Flaw | None]  # None: good; an aspect that is not known is not there

_ENFORCEMENT: Final[Mapping[str, Flaw | None]] = {
    "HEALTHY": None,
    "PROBATION": Flaw.PROBATION,
    "SHUTDOWN": Flaw.SHUTDOWN,
}

# What no mail goes with; the worse first, for whoever is shut down has mostly lost the rest as well.
STOPS: Final[Mapping[Flaw, tuple[Reason, str]]] = {
    Flaw.SHUTDOWN: (Reason.ACCOUNT_SUSPENDED, "AWS has taken sending away from this account (enforcement SHUTDOWN)"),
    Flaw.SENDING_PAUSED: (Reason.SENDING_PAUSED, "sending is switched off for this account"),
    Flaw.NO_RATE: (Reason.SENDING_PAUSED, "SES gives this account a send rate of 0"),
}

REMEDY: Final[Mapping[Flaw, str]] = {
    Flaw.SHUTDOWN: REMEDIES[Reason.ACCOUNT_SUSPENDED],
    Flaw.SENDING_PAUSED: REMEDIES[Reason.SENDING_PAUSED],
    Flaw.NO_RATE: REMEDIES[Reason.SENDING_PAUSED],
    Flaw.PROBATION: "read AWS's mail to the account's owner, answer its case in the console, and bring bounces and"
    " complaints down: what follows a review that fails is that all sending stops",
    Flaw.SANDBOX: "ask AWS for production access in this region: until then mail goes to verified recipients only, one"
    " a second and 200 a day",
}


def standing(
    *, max_send_rate: float, sending_enabled: bool | None, production_access: bool | None, enforcement: str
) -> Standing:
    """Every aspect that is known, of what GetAccount says; None, and a word that is new here: not known."""
    seen: dict[Aspect, Flaw | None] = {}
    if enforcement in _ENFORCEMENT:
        seen[Aspect.ENFORCEMENT] = _ENFORCEMENT[enforcement]
    if sending_enabled is not None:
        seen[Aspect.SENDING] = None if sending_enabled else Flaw.SENDING_PAUSED
    seen[Aspect.RATE] = None if max_send_rate > 0 else Flaw.NO_RATE
    if production_access is not None:
        seen[Aspect.ACCESS] = None if production_access else Flaw.SANDBOX
    return seen


def trouble(now: Standing) -> Held | None:
    """What keeps all mail of the account from going, if anything does."""
    flaws = now.values()
    found = next((why for flaw, why in STOPS.items() if flaw in flaws), None)
    return Held(Concern(Concerned.ACCOUNT), *found) if found else None


def changes(before: Standing, now: Standing) -> tuple[tuple[Flaw | None, Flaw | None], ...]:
    """What was and what is, of every aspect that differs; one that was not known before counts as good."""
    return tuple((before.get(aspect), flaw) for aspect, flaw in now.items() if before.get(aspect) is not flaw)


def has_quota(limit: float | None, sent: float) -> bool:
    """Whether the account's own count leaves room for a mail; the last one may cross the line (aws-facts 1.4)."""
    return limit is None or sent < limit
