"""The lane that a command puts jobs on: its queue, and what is said when there is none or it does not work."""

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from enum import StrEnum
from typing import Annotated, Final, NoReturn

import typer

from tank_mailer.cli.options import EXIT_BAD_SETTINGS
from tank_mailer.cli.outside import EXIT_OUTSIDE, REMEDIES, leave, outside_or_exit
from tank_mailer.core import lanes
from tank_mailer.core.errors import QueueError, Reason
from tank_mailer.settings import Settings

NO_PRIORITY_QUEUE: Final = "TANK_PRIORITY_QUEUE_URL is not set: there is no priority lane"
SET_IT: Final = "set it as the daemon has it, or leave --lane out"
PRIORITY_REMEDIES: Final[Mapping[Reason, str]] = {
    **REMEDIES,
    Reason.QUEUE_MISSING: "look at TANK_PRIORITY_QUEUE_URL and the region in it",
}


class Lane(StrEnum):
    """Which of the two."""

    ORDINARY = lanes.ORDINARY
    PRIORITY = lanes.PRIORITY


OnLane = Annotated[
    Lane, typer.Option("--lane", help="priority: on TANK_PRIORITY_QUEUE_URL, before all others; for codes and alarms.")
]


def queue_of(settings: Settings, lane: Lane) -> str:
    """The URL of a lane's queue; leaves with 78 where the settings name none."""
    if lane is Lane.ORDINARY:
        return settings.outbound_queue_url
    if settings.priority_queue_url is None:
        leave(EXIT_BAD_SETTINGS, NO_PRIORITY_QUEUE, SET_IT)
    return settings.priority_queue_url


@contextmanager
def lane_or_exit(lane: Lane) -> Iterator[None]:
    """As `outside_or_exit`, and tell the priority queue's troubles from the other one's."""
    with outside_or_exit():
        try:
            yield
        except QueueError as error:
            if lane is Lane.ORDINARY:
                raise
            leave_for(error)


def leave_for(error: QueueError) -> NoReturn:
    """Leave, for the priority queue does not work."""
    what = f"the priority queue does not work: {error.reason}, {error.detail}"
    leave(EXIT_OUTSIDE, what, PRIORITY_REMEDIES.get(error.reason))
