"""When a queue message is near the end of its life and a fresh copy has to go on in its place."""

from dataclasses import dataclass
from datetime import datetime

MAX_INVISIBLE_S = 43_200.0  # SQS: twelve hours from the receive, however often extended
INVISIBLE_MARGIN_S = 300.0
CAUTIOUS_RECEIVES = 3  # what is assumed of a queue that may not be asked


@dataclass(frozen=True, slots=True)
class QueueLife:
    """How long a queue lets a message live.

    Attributes:
        max_receive_count: after so many receives SQS dead-letters it by itself; None: never.
        retention_s: after so long SQS deletes it.
    """

    max_receive_count: int | None = CAUTIOUS_RECEIVES
    retention_s: float = 345_600.0  # SQS: four days unless set


def retention_margin_s(retention_s: float) -> float:
    """How long before SQS deletes a message something must be done: a day, of a short retention a quarter."""
    return min(86_400.0, retention_s / 4)


def must_renew(
    life: QueueLife, *, receive_count: int, sent_at: datetime, now: datetime, held_s: float, delay_s: float
) -> bool:
    """Whether a message that is to be hidden for `delay_s` would come too near one of its three ends.

    Args:
        life: what its queue allows.
        receive_count: this receive included.
        sent_at: when it was put on the queue.
        now: wall clock, as `sent_at`.
        held_s: seconds since this receive.
        delay_s: for how long it is to be hidden from now.
    """
    if life.max_receive_count is not None:
        spare = 1 + life.max_receive_count // 10  # receives that crashes may still burn
        if receive_count >= max(1, life.max_receive_count - spare):
            return True
    age_s = (now - sent_at).total_seconds() + delay_s
    if age_s > life.retention_s - retention_margin_s(life.retention_s):
        return True
    return held_s + delay_s > MAX_INVISIBLE_S - INVISIBLE_MARGIN_S
