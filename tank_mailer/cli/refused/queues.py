"""The queues that what was put aside goes back on: each job on its lane's, events on their own."""

from collections.abc import AsyncIterator, Mapping
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass
from typing import Final

from tank_mailer.adapters import aws
from tank_mailer.adapters.desk_asides import PutAside
from tank_mailer.adapters.producer import Producer, open_producer
from tank_mailer.cli.lane import leave_for
from tank_mailer.cli.outside import EXIT_OUTSIDE, REMEDIES, leave
from tank_mailer.cli.refused.aside import Kind
from tank_mailer.core.errors import QueueError, Reason
from tank_mailer.core.lanes import ORDINARY, PRIORITY
from tank_mailer.settings import Loaded

EVENTS: Final = "events"
NO_PRIORITY_QUEUE: Final = "on the ordinary lane, for TANK_PRIORITY_QUEUE_URL is not set here"
EVENT_REMEDIES: Final = {
    **REMEDIES,
    Reason.QUEUE_MISSING: "look at TANK_EVENT_QUEUE_URL and the region in it",
}


@dataclass(frozen=True, slots=True)
class Way:
    """Where something goes back to.

    Attributes:
        queue: a lane, or `EVENTS`.
        remark: why it is not the queue that it came from.
    """

    queue: str
    remark: str = ""


Queues = Mapping[str, Producer]  # by lane, and `EVENTS`


@asynccontextmanager
async def open_queues(loaded: Loaded) -> AsyncIterator[Queues]:
    """Open those that the settings name."""
    settings, variables = loaded.settings, loaded.aws
    urls = {ORDINARY: settings.outbound_queue_url, PRIORITY: settings.priority_queue_url}
    async with AsyncExitStack() as stack:
        queues = {
            lane: await stack.enter_async_context(open_producer(variables, queue_url=url))
            for lane, url in urls.items()
            if url is not None
        }
        if url := settings.event_queue_url:
            region = aws.region_of(url)  # only there SQS knows it, whatever the region of the rest
            there = {**variables, "AWS_REGION": region} if region else variables
            queues[EVENTS] = await stack.enter_async_context(open_producer(there, queue_url=url))
        yield queues


def way_back(aside: PutAside, queues: Queues) -> Way:
    """The queue that it came from; of a lane that is gone the ordinary one."""
    if aside.kind == Kind.EVENT:
        return Way(EVENTS)
    if aside.lane in queues:
        return Way(aside.lane)
    return Way(ORDINARY, NO_PRIORITY_QUEUE if aside.lane == PRIORITY else "")


def tell(failures: Mapping[str, QueueError]) -> None:
    """Leave, if a queue does not work; the ordinary lane's is told by whoever asked."""
    if failure := failures.get(ORDINARY):
        raise failure
    if failure := failures.get(PRIORITY):
        leave_for(failure)
    if failure := failures.get(EVENTS):
        what = f"the event queue does not work: {failure.reason}, {failure.detail}"
        leave(EXIT_OUTSIDE, what, EVENT_REMEDIES.get(failure.reason))
