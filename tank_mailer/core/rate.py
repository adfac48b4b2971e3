"""Arithmetic of the pace: how wide a bucket, how far to cut, how fast to recover."""

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Final

# --- the bucket ------------------------------------------------------------------------------------

SLACK_S: Final = 0.015  # a wake-up that comes so late loses nothing; more would let bursts through
UNKNOWN_RATE: Final = 1.0  # recipients a second where the account may not be asked: the sandbox's


@dataclass(frozen=True, slots=True)
class Bucket:
    """A leaky bucket: `size` tokens at once, then `per_s` a second."""

    size: float
    per_s: float


def bucket(rate: float) -> Bucket:
    """The bucket that keeps to `rate` recipients a second.

    No window of a second lets more than size + per_s = rate + 1 through (the first recipient of a job may come
    at the window's edge). A wake-up that is up to `SLACK_S` late is made up for; the price is 1.5 % of any rate.
    """
    return Bucket(size=1.0 + SLACK_S * rate, per_s=rate * (1.0 - SLACK_S))


# --- throttle answers ------------------------------------------------------------------------------

CUT: Final = 0.7  # of the rate in force, after a throttle answer
FLOOR: Final = 0.05  # of the set rate: never slower, or a long throttle would never be seen to end
CUT_EVERY_S: Final = 1.0  # the answers of one round trip count once
LONGEST_CUT_EVERY_S: Final = 5.0  # a call that hangs must not hold off all cuts
RECOVERY_PER_S: Final = 0.02  # of the set rate: back from a cut to 0.7 in 15 s, from the floor in 48 s
KNEE: Final = 0.95  # of the rate at which SES throttled: slowly from there on
PROBING_PER_S: Final = 0.002  # of the set rate, above the knee
MEMORY_S: Final = 120.0  # so long that rate is remembered: another sender may have stopped since


def cut_every_s(longest_call_s: float) -> float:
    """How far apart two cuts are at least: answers to requests that left before the first say nothing new."""
    return min(max(CUT_EVERY_S, longest_call_s), LONGEST_CUT_EVERY_S)


@dataclass(frozen=True, slots=True, kw_only=True)
class Pace:
    """The rate in force, and what throttle answers have taught.

    Attributes:
        target: recipients a second, as set.
        current: in force; 0 before it is known.
        at_s: when `current` was worked out.
        ceiling: at this rate SES throttled last, after it had let slower mail pass: somebody else uses the rest.
        learned_s: when.
    """

    target: float = 0.0
    current: float = 0.0
    at_s: float = 0.0
    ceiling: float = math.inf
    learned_s: float = -math.inf

    def set_to(self, target: float) -> "Pace":
        """Follow the account's rate: at once, but what throttle answers have cut stays cut in proportion."""
        if self.current >= self.target:
            return replace(self, target=target, current=target, ceiling=math.inf)
        if target > self.target:
            return replace(self, target=target, current=self.current * target / self.target, ceiling=math.inf)
        return replace(self, target=target, current=min(self.current, target))

    def cut(self, now_s: float, *, has_passed: bool) -> "Pace":
        """Slow down after a throttle answer.

        Args:
            now_s: the time.
            has_passed: SES took anything since the last cut; if not, it is no matter of the rate, and teaches nothing.
        """
        slower = min(self.current, max(self.current * CUT, self.target * FLOOR))
        if has_passed:
            return replace(self, current=slower, at_s=now_s, ceiling=self.current, learned_s=now_s)
        return replace(self, current=slower, at_s=now_s)

    def recovered(self, now_s: float) -> "Pace":
        """Speed up by what the time without a throttle answer allows."""
        forgets_s = self.learned_s + MEMORY_S
        knee = KNEE * self.ceiling
        current = self.current
        if (elapsed_s := min(now_s, forgets_s) - self.at_s) > 0:
            quick_s = min(elapsed_s, max(0.0, knee - current) / (RECOVERY_PER_S * self.target)) if self.target else 0.0
            current += self.target * (RECOVERY_PER_S * quick_s + PROBING_PER_S * (elapsed_s - quick_s))
        if (elapsed_s := now_s - max(self.at_s, forgets_s)) > 0:
            current += self.target * RECOVERY_PER_S * elapsed_s
        return replace(self, current=min(self.target, current), at_s=now_s)


# --- how much to ask the queue for -----------------------------------------------------------------

BATCH: Final = 10  # SQS: messages of one receive
BUFFER_S: Final = 2.0  # DESIGN 5.1: so many seconds of tokens may wait under lease
TRIP_MARGIN: Final = 1.2  # a trip takes longer at times,
JITTER_S: Final = 0.05  # and a short one by more than its share: a flush to disk, a busy host


def room(*, waiting: int, asked: int, ahead: int, rate: float, outflow: float, trip_s: float) -> int:
    """How many messages to ask the queue for now; 0: not yet.

    Calls are money, so the queue is asked for many at once, as late as possible, but before the jobs run out. Where
    more jobs go while a receive takes its time than one receive brings, several are under way at once; when they have
    come, one batch waits.

    Args:
        waiting: messages received whose jobs are not in flight.
        asked: messages that receives under way may bring.
        ahead: recipients that wait for their tokens, debt included.
        rate: recipients a second.
        outflow: jobs that started a second, lately.
        trip_s: how long it takes from asking until a job may go: the receive, and two looks at the store.
    """
    gone = outflow * (trip_s * TRIP_MARGIN + JITTER_S)
    if waiting + asked > gone:
        return 0
    tokens = max(BUFFER_S * rate, 1.0) - ahead - asked
    return max(0, min(BATCH - max(0, waiting + asked - int(gone)), int(tokens)))


# --- how much to ask the other nodes for -----------------------------------------------------------

ASK_S: Final = 1.0  # all nodes together give out so many seconds of tokens while each asks once
USED_UP: Final = 0.9  # of a span: more could have been used
HEADROOM: Final = 1.1  # over what was used: demand may rise


def span_tokens(*, debt: int, jobs: Sequence[int], second: float, used: float = 0.0) -> int:
    """How many tokens to ask for: whole jobs, so that no other node sends into one's debt.

    Args:
        debt: of the job that went last.
        jobs: the recipients of those that wait and are not paid for, in the order in which they go.
        second: tokens that are our share of a second.
        used: tokens that are `likely` to be used, however few wait just now.
    """
    limit = max(int(ASK_S * second), debt + next(iter(jobs), 0))
    tokens = debt
    for job in jobs:
        if tokens + job > limit:
            return tokens
        tokens += job
    return min(limit, max(tokens, int(used)))


def likely(tokens: int, *, used: int, due: float) -> float:
    """How many tokens the next span is likely to need, if the queue holds more.

    Args:
        tokens: of the present span.
        used: of these, so far.
        due: how many could have been used so far.
    """
    if due <= 0 or used >= USED_UP * due - 1:
        return 2.0 * tokens
    return HEADROOM * tokens * used / due
