"""The queues that something goes back on, and what is said of one that does not work."""

from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass, field
from typing import Final

from tank_mailer.adapters.producer import Producer, Put, open_producer
from tank_mailer.cli.lane import leave_for
from tank_mailer.cli.outside import EXIT_OUTSIDE, REMEDIES, leave
from tank_mailer.core.enqueue import Record, batches
from tank_mailer.core.errors import QueueError, Reason
from tank_mailer.core.lanes import ORDINARY, PRIORITY
from tank_mailer.core.queueurl import region_of
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


@dataclass(frozen=True, slots=True, kw_only=True)
class Ready:
    """May go back on its queue.

    Attributes:
        name: as it was asked for.
        email_id: None: it is an event.
    """

    name: str
    email_id: str | None
    way: Way
    text: str = field(repr=False)


Queues = Mapping[str, Producer]  # by lane, and `EVENTS`


@asynccontextmanager
async def open_queues(loaded: Loaded, *, with_events: bool) -> AsyncIterator[Queues]:
    """Open those that the settings name."""
    settings, variables = loaded.settings, loaded.aws
    urls = {ORDINARY: settings.outbound_queue_url, PRIORITY: settings.priority_queue_url}
    async with AsyncExitStack() as stack:
        queues = {
            lane: await stack.enter_async_context(open_producer(variables, queue_url=url))
            for lane, url in urls.items()
            if url is not None
        }
        if with_events and (url := settings.event_queue_url):
            region = region_of(url)  # only there SQS knows it, whatever the region of the rest
            there = {**variables, "AWS_REGION": region} if region else variables
            queues[EVENTS] = await stack.enter_async_context(open_producer(there, queue_url=url))
        yield queues


def way_back(lane: str, queues: Queues) -> Way:
    """The queue of a lane; of one that is gone the ordinary one."""
    if lane in queues:
        return Way(lane)
    return Way(ORDINARY, NO_PRIORITY_QUEUE if lane == PRIORITY else "")


async def put_all(queues: Queues, ready: Sequence[Ready]) -> list[Put]:
    """Put up to ten on their queues; the answers stand in the same order."""
    puts = dict[int, Put]()
    for queue, producer in queues.items():
        records = [Record(n, 0, one.text) for n, one in enumerate(ready) if one.way.queue == queue]
        for batch in batches(records):
            sent = await producer.put([record.body for record in batch])
            puts |= {record.number: put for record, put in zip(batch, sent, strict=True)}
    return [puts[n] for n in range(len(ready))]


def tell(failures: Mapping[str, QueueError]) -> None:
    """Leave, if a queue does not work; the ordinary lane's is told by whoever asked."""
    if failure := failures.get(ORDINARY):
        raise failure
    if failure := failures.get(PRIORITY):
        leave_for(failure)
    if failure := failures.get(EVENTS):
        what = f"the event queue does not work: {failure.reason}, {failure.detail}"
        leave(EXIT_OUTSIDE, what, EVENT_REMEDIES.get(failure.reason))
