"""How a doubt is settled: by evidence at once, by its absence only while the channel is alive (DESIGN 6)."""

from dataclasses import dataclass
from datetime import datetime, timedelta

from tank_mailer.core.backoff import RetryPolicy
from tank_mailer.core.errors import Reason
from tank_mailer.core.ledger import Row
from tank_mailer.core.verdict import DeadLetter

LOOK_AGAIN_S = 120.0  # between looks at a doubt that neither evidence nor its absence settles
NEAR_EMPTY_VISIBLE = 100  # messages: what a busy event queue holds at any moment, less than a second's work
NEAR_EMPTY_IN_FLIGHT = 1_000  # messages: what receivers hold between receive and delete at 300 events a second


@dataclass(frozen=True, slots=True)
class Resend:
    """SES does not have it, or nobody can tell: try again."""


@dataclass(frozen=True, slots=True)
class WaitOn:
    """Nothing can be said yet: look again then."""

    until: datetime


Settling = Resend | DeadLetter | WaitOn


def needs_proof(configuration_set: str | None, policy: RetryPolicy) -> bool:
    """Whether a living channel has to show that an absence of events means something."""
    return policy.has_channel and bool(configuration_set)


def settle_doubt(row: Row, *, now: datetime, absence_counts: bool, at_most_once: bool, policy: RetryPolicy) -> Settling:
    """Say what becomes of a doubt that no event has settled within its wait.

    Args:
        row: of the job, due by now.
        now: the time.
        absence_counts: whether the channel has proven since the doubtful request that it is alive; without a
            channel there is nothing to wait for, and it does not matter.
        at_most_once: whether the producer would rather lose the mail than double it.
        policy: how often, how long.
    """
    since = row.started_at or row.updated_at
    if not needs_proof(row.configuration_set, policy) or absence_counts:
        if at_most_once or not policy.resends_doubt or row.resends >= policy.max_resends:
            return DeadLetter(Reason.IN_DOUBT)
        return Resend()
    end = since + timedelta(seconds=policy.max_doubt_s)
    if now >= end:
        return DeadLetter(Reason.IN_DOUBT)
    return WaitOn(min(end, now + timedelta(seconds=LOOK_AGAIN_S)))


def is_near_empty(*, visible: int, in_flight: int) -> bool:
    """Whether an event queue holds so little that what was reported a while ago must have come through."""
    return visible <= NEAR_EMPTY_VISIBLE and in_flight <= NEAR_EMPTY_IN_FLIGHT
