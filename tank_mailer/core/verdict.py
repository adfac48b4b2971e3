"""What becomes of a queue message once its attempt has ended."""

from dataclasses import dataclass

from tank_mailer.core.backoff import RetryPolicy, backoff_s
from tank_mailer.core.errors import Reason
from tank_mailer.core.outcome import (
    Accepted,
    Concern,
    Failed,
    Held,
    InDoubt,
    Outcome,
    Refused,
    Throttled,
    Unreachable,
)


@dataclass(frozen=True, slots=True)
class Delete:
    """Its end is on disk; the queue need not keep it."""


@dataclass(frozen=True, slots=True)
class Retry:
    """Keep it on the queue, hidden for `delay_s` seconds."""

    delay_s: float
    reason: Reason
    charged: bool = False


@dataclass(frozen=True, slots=True)
class Park:
    """SES may have it: hidden for `delay_s` seconds while evidence is awaited."""

    delay_s: float
    reason: Reason


@dataclass(frozen=True, slots=True)
class Pause:
    """Not its fault: `concern` is not worked on until it is mended."""

    concern: Concern
    reason: Reason


@dataclass(frozen=True, slots=True)
class DeadLetter:
    """Given up: a person must look at it."""

    reason: Reason


Verdict = Delete | Retry | Park | Pause | DeadLetter


@dataclass(frozen=True, slots=True)
class History:
    """What a job has gone through, this attempt not yet counted.

    Attributes:
        charged: attempts that ended in a definite failure of this job.
        resends: attempts begun in spite of a doubt.
        throttles: attempts that SES throttled, since the last that was accepted or charged.
        others_pass: whether another job was accepted since this one's first failure.
        configuration_set: that its mail goes through; only then do events tell of it.
    """

    charged: int = 0
    resends: int = 0
    throttles: int = 0
    others_pass: bool = False
    configuration_set: str | None = None


def decide(outcome: Outcome, *, history: History, policy: RetryPolicy, jitter: float) -> Verdict:
    """Judge an attempt; `jitter` (0 to 1) spreads the waits."""
    match outcome:
        case Accepted() | Refused():
            return Delete()
        case Held(concern, reason):
            return Pause(concern, reason)
        case InDoubt(reason):
            return Park(policy.doubt_wait_s(history.configuration_set), reason)
        case Unreachable():
            return Retry(backoff_s(1, jitter), Reason.UNREACHABLE)
        case Throttled() if history.throttles + 1 < policy.max_throttles or not history.others_pass:
            return Retry(backoff_s(1, jitter), Reason.THROTTLED)
        case Throttled():
            return _failed(Reason.THROTTLED, history, policy, jitter)
        case Failed(reason):
            return _failed(reason, history, policy, jitter)


def _failed(reason: Reason, history: History, policy: RetryPolicy, jitter: float) -> Verdict:
    """Dead only if other jobs pass: an outage is not the job's fault."""
    if history.charged + 1 >= policy.max_attempts and history.others_pass:
        return DeadLetter(Reason.ATTEMPTS_SPENT)
    return Retry(policy.failure_wait_s(history.charged + 1, jitter), reason, charged=True)
