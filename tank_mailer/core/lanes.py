"""The two lanes: what goes first, and what the other one is promised all the same."""

from typing import Final

ORDINARY: Final = "ordinary"  # TANK_OUTBOUND_QUEUE_URL
PRIORITY: Final = "priority"  # TANK_PRIORITY_QUEUE_URL: codes, alarms
LANES: Final = (PRIORITY, ORDINARY)  # in the order in which they go

PRIORITY_SLOTS: Final = 2  # DESIGN 7: the priority lane owns them
FLOOR: Final = 0.1  # of all tokens: the ordinary lane's, however much waits on the priority lane


def slots_of(lane: str, *, slots: int, has_priority: bool) -> int:
    """How many requests of a lane may be in flight, of `slots` for both; each lane may have one at least."""
    if lane == ORDINARY and has_priority:
        return max(1, slots - PRIORITY_SLOTS)
    return slots


# --- the floor -------------------------------------------------------------------------------------
# What the ordinary lane is owed rises with each priority recipient that goes while it waits, and falls with each of its
# own. It is counted in recipients, and may be negative: a job of many takes its floor in advance.

DUE: Final = 1.0 - 1e-9  # owed recipients: the ordinary lane goes next (ninths do not add up to one)
_EARNED: Final = FLOOR / (1.0 - FLOOR)  # owed for each priority recipient


def next_lane(owed: float, *, priority: bool, ordinary: bool) -> str | None:
    """Which lane goes next, of those that have a job and a slot for it."""
    if priority and not (ordinary and owed >= DUE):
        return PRIORITY
    return ORDINARY if ordinary else None


def owed_after(owed: float, lane: str, recipients: int, *, is_contested: bool) -> float:
    """What the ordinary lane is owed after a job of `lane` went.

    Args:
        owed: before.
        lane: which one went.
        recipients: of its job.
        is_contested: the other lane had a job that could have gone.
    """
    if lane == PRIORITY:
        owed += recipients * _EARNED
    elif is_contested:
        owed -= recipients
    if is_contested:
        return owed
    return min(owed, 0.0)  # nobody was kept waiting: nothing is saved up


def ahead_of(lane: str, *, owed: float, debt: int, priority: int, ordinary: int) -> float:
    """Recipients that go before a job that joins `lane` now.

    Args:
        lane: which one it joins.
        owed: to the ordinary lane.
        debt: of the job that went last.
        priority: recipients that wait on the priority lane.
        ordinary: the same of the ordinary one.
    """
    if lane == PRIORITY:
        return debt + priority
    by_floor = max(0.0, ordinary + 1 - owed) / _EARNED
    return debt + ordinary + min(priority, by_floor)
