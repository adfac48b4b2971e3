"""What is not worked on while something is wrong, and what ends that: one table (DESIGN 7)."""

from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import Final

from tank_mailer.core.errors import Reason
from tank_mailer.core.outcome import Concern, Concerned

FIRST_PROBE_S: Final = 5.0
MAX_PROBE_S: Final = 300.0
LEAST_HIDE_S: Final = 60.0
MOST_HIDE_S: Final = 3_600.0


class Extent(StrEnum):
    """How far a pause reaches."""

    ALL = "everything"
    LANE = "one lane"
    POLLING = "the polling of one lane"  # what is in hand goes on
    SENDER = "one sender"
    SET = "one configuration set"


class Lift(StrEnum):
    """What ends a pause, in words for people."""

    ACCOUNT = "GetAccount says that mail may go, then one job is accepted"
    SES = "SES answers, then one job is accepted"
    QUEUE = "the queue answers GetQueueAttributes, then a receive"
    STORE = "the store can be read and written"
    OWN_JOB = "one of its own jobs is accepted"
    SET_JOB = "one parked job is accepted"
    ROOM = "recipients of 24 hours ago leave the count"
    TRICKLE = "time; then a trickle, until the rates have recovered"
    PERSON = "tank-mailer resume"

    @property
    def is_probed(self) -> bool:
        """Whether it is looked at again and again; else somebody lifts it."""
        return self not in {Lift.OWN_JOB, Lift.ROOM, Lift.TRICKLE, Lift.PERSON}


@dataclass(frozen=True, slots=True)
class PauseRule:
    """One kind of pause.

    Attributes:
        reasons: those for which it may begin.
        by_person: whether `resume` ends it; else that only makes the daemon look again at once.
    """

    kind: Concerned
    reasons: Sequence[Reason]
    extent: Extent
    lift: Lift
    by_person: bool = False


_SENDER_REASONS = (Reason.UNVERIFIED_SENDER, Reason.ACCESS_DENIED, Reason.MAIL_FROM_DOMAIN)
_SET_REASONS = (Reason.CONFIGURATION_SET_MISSING, Reason.CONFIGURATION_SET_PAUSED)

RULES: Final[Sequence[PauseRule]] = (
    PauseRule(
        Concerned.ACCOUNT,
        (
            *(Reason.QUOTA_EXCEEDED, Reason.SENDING_PAUSED, Reason.ACCOUNT_SUSPENDED),
            *(Reason.ACCESS_DENIED, Reason.BAD_CREDENTIALS, Reason.CLOCK_SKEW),
        ),
        Extent.ALL,
        Lift.ACCOUNT,
    ),
    PauseRule(Concerned.SES, (Reason.SES_UNAVAILABLE,), Extent.ALL, Lift.SES),
    PauseRule(Concerned.STORE, (Reason.STORE_SICK,), Extent.ALL, Lift.STORE),
    PauseRule(
        Concerned.QUEUE,
        (
            *(Reason.QUEUE_MISSING, Reason.QUEUE_UNREACHABLE, Reason.ACCESS_DENIED),
            *(Reason.BAD_CREDENTIALS, Reason.CLOCK_SKEW),
        ),
        Extent.POLLING,
        Lift.QUEUE,
    ),
    PauseRule(Concerned.SENDER, _SENDER_REASONS, Extent.SENDER, Lift.OWN_JOB),
    PauseRule(Concerned.CONFIGURATION_SET, _SET_REASONS, Extent.SET, Lift.OWN_JOB),
    PauseRule(Concerned.QUOTA, (Reason.QUOTA_EXCEEDED,), Extent.LANE, Lift.ROOM),
    PauseRule(
        Concerned.REPUTATION,
        (Reason.REPUTATION_BOUNCES, Reason.REPUTATION_COMPLAINTS),
        Extent.LANE,
        Lift.TRICKLE,
        by_person=True,
    ),
    PauseRule(Concerned.SUSPECT, (Reason.QUEUE_SUSPECT,), Extent.LANE, Lift.PERSON, by_person=True),
    PauseRule(Concerned.OPERATOR, (Reason.OPERATOR,), Extent.ALL, Lift.PERSON, by_person=True),
)

DEFAULT_SET: Final = PauseRule(Concerned.CONFIGURATION_SET, _SET_REASONS, Extent.ALL, Lift.SET_JOB)
_BY_KIND: Final = {rule.kind: rule for rule in RULES}
_SCOPES: Final = {"lane": Extent.LANE, "sender": Extent.SENDER, "configuration_set": Extent.SET}

# Reasons for which a job waits that are not its own: when the pause is over, its turn has come.
NOT_THE_JOBS_OWN: Final = frozenset(
    reason for rule in RULES for reason in rule.reasons if rule.extent is not Extent.POLLING
)

# What SES says of the account is true for every node on it.
SHARED_REASONS: Final = frozenset({Reason.QUOTA_EXCEEDED, Reason.SENDING_PAUSED, Reason.ACCOUNT_SUSPENDED})


def rule_of(concern: Concern, *, default_set: str = "") -> PauseRule:
    """The table's row for this concern.

    Args:
        concern: what is not worked on.
        default_set: the configuration set that all mail goes through whose job names none.
    """
    if concern == Concern(Concerned.CONFIGURATION_SET, default_set):
        return DEFAULT_SET
    return _BY_KIND[concern.kind]


def extent_of(concern: Concern, *, default_set: str = "") -> Extent:
    """How far its pause reaches; a person may pause anything."""
    if concern.kind is Concerned.OPERATOR:
        kind, _, name = concern.name.partition("/")
        extent = _SCOPES.get(kind, Extent.ALL)
        return Extent.ALL if extent is Extent.SET and name == default_set else extent
    return rule_of(concern, default_set=default_set).extent


def name_of(concern: Concern) -> str:
    """The lane, the sender or the set that it is about; "" for everything."""
    return concern.name.partition("/")[2] if concern.kind is Concerned.OPERATOR else concern.name


def by_operator(concern: Concern) -> Concern:
    """A person's pause of the same sender or set."""
    return Concern(Concerned.OPERATOR, f"{concern.kind}/{concern.name}")


def hide_s(age_s: float, jitter: float) -> float:
    """For how long a job of a paused sender or set is hidden: about as long as the pause has lasted.

    So it is late by no more than that, and a pause of days costs a receive an hour and no more (DESIGN 5.7).

    Args:
        age_s: since the pause began.
        jitter: from 0 to 1; spreads the jobs out.
    """
    return min(MOST_HIDE_S, max(LEAST_HIDE_S, age_s)) * (0.75 + 0.5 * jitter)
