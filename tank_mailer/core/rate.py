"""Arithmetic of the pace: how wide a bucket, how far to cut, how fast to recover."""

from dataclasses import dataclass

SLACK_S = 0.015  # a wake-up that comes so late loses nothing; more would let bursts through
UNKNOWN_RATE = 1.0  # recipients a second where the account may not be asked: the sandbox's


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


CUT = 0.7  # of the rate in force, after a throttle answer
FLOOR = 0.05  # of the set rate: never slower, or a long throttle would never be seen to end
RECOVERY_PER_S = 0.02  # of the set rate: back from a cut to 0.7 in 15 s
CUT_EVERY_S = 1.0  # the answers of one round trip count once


def cut(current: float, target: float) -> float:
    """Slow down after a throttle answer."""
    return min(current, max(current * CUT, target * FLOOR))


def recover(current: float, target: float, elapsed_s: float) -> float:
    """Speed up again by what `elapsed_s` seconds without a throttle answer allow."""
    return min(target, current + target * RECOVERY_PER_S * elapsed_s)


BATCH = 10  # SQS: messages of one receive
BUFFER_S = 2.0  # DESIGN 5.1: so many seconds of tokens may wait under lease
LOW_WATER = 5  # messages: asking earlier would make the batches small
TRIP_MARGIN = 1.2  # receives take longer at times


def room(*, waiting: int, ahead: int, rate: float, outflow: float, trip_s: float) -> int:
    """How many messages to ask the queue for now; 0: not yet.

    Calls are money, so the queue is asked for many at once, as late as possible, but before the jobs run out.

    Args:
        waiting: messages received whose jobs are not in flight.
        ahead: recipients that wait for their tokens, debt included.
        rate: recipients a second.
        outflow: jobs that started a second, lately.
        trip_s: how long a receive takes that has messages to give.
    """
    if waiting > min(outflow * trip_s * TRIP_MARGIN, LOW_WATER):
        return 0
    tokens = max(BUFFER_S * rate, 1.0) - ahead
    return max(0, min(BATCH - waiting, int(tokens)))
