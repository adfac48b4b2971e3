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
