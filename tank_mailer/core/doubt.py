"""How a doubt is settled: by evidence at once, by its absence only while the channel is alive (DESIGN 6)."""

from dataclasses import dataclass
from datetime import datetime, timedelta

from tank_mailer.core.backoff import RetryPolicy
from tank_mailer.core.errors import Reason
from tank_mailer.core.ledger import Row
from tank_mailer.core.verdict import DeadLetter

LOOK_AGAIN_S = 120.0  # between looks at a doubt that neither evidence nor its absence settles
NEAR_EMPTY_VISIBLE = 10  # messages beside a second's worth of events: one receive
NEAR_EMPTY_IN_FLIGHT = 1_000  # messages: what receivers hold between receive and delete at 300 events a second
SETTLES_S = 10.0  # beside the visibility time-out: what was received and not written is visible again by then
FRESH_S = 300.0  # a sight of the queue that is older says nothing of the present
LONGEST_REQUEST_S = 330.0  # `TANK_SES_TIMEOUT_S` is 300 at most; the rest is the wait for the pace


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


def request_ended_by(row: Row) -> datetime:
    """When the doubtful request was over for certain: a mail accepted later was accepted after it."""
    began_at = row.started_at or row.updated_at
    longest = began_at + timedelta(seconds=LONGEST_REQUEST_S)
    return min(longest, row.lease_ends_at) if row.lease_ends_at is not None else longest


@dataclass(frozen=True, slots=True)
class Drained:
    """What was noted last of the event queue.

    Attributes:
        until: whatever it held until then has been read and written.
        looked_at: when that was noted.
    """

    until: datetime
    looked_at: datetime

    def is_fresh(self, now: datetime) -> bool:
        """Whether it says anything of the present; not if a clock that goes ahead has noted it."""
        return self.until <= now and abs((now - self.looked_at).total_seconds()) <= FRESH_S


def absence_counts(row: Row, *, proof: datetime | None) -> bool:
    """Whether the lack of any event of a doubtful job means that SES does not have it (DESIGN 6).

    Args:
        row: of the job.
        proof: when the newest mail was accepted of which the same configuration set had sent a tagged Send event back
            by the time that the event queue was drained, as freshly seen; None: there is none.
    """
    return proof is not None and proof > request_ended_by(row)


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


def is_near_empty(*, visible: int, in_flight: int, a_second: float) -> bool:
    """Whether an event queue holds so little that what was reported a while ago must have come through.

    Args:
        visible: messages that wait, roughly.
        in_flight: messages that somebody holds.
        a_second: events drained lately: so many may wait at any moment.
    """
    return visible <= NEAR_EMPTY_VISIBLE + a_second and in_flight <= NEAR_EMPTY_IN_FLIGHT


@dataclass(frozen=True, slots=True)
class Sight:
    """What looks at the event queue add up to.

    Attributes:
        since: the first of the near-empty looks since one that was not.
        drained_at: whatever could be received until then has been read and written; None: nothing is known.
    """

    since: datetime | None = None
    drained_at: datetime | None = None

    def after(self, *, is_near_empty: bool, at: datetime, visibility_s: float) -> "Sight":
        """Add one look.

        One near-empty look proves little: what somebody received and did not write is hidden, and what has just
        become visible counts as little. A whole visibility time-out of them proves that all of it has come through.
        """
        if not is_near_empty:
            return Sight(None, self.drained_at)
        since = self.since or at
        seen_s = (at - since).total_seconds() - visibility_s - SETTLES_S
        if seen_s < 0:
            return Sight(since, self.drained_at)
        return Sight(since, since + timedelta(seconds=seen_s))
