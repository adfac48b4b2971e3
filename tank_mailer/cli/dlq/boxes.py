"""Where the dead-letter queues are, and what is said of one that cannot be looked into."""

from collections.abc import AsyncIterator, Iterator, Mapping, Sequence
from contextlib import asynccontextmanager, contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from tank_mailer.adapters import aws
from tank_mailer.adapters.letter_box import LetterBoxError, SqsLetterBox
from tank_mailer.adapters.sqs import SqsQueue, dead_letters_beside
from tank_mailer.cli.outside import EXIT_OUTSIDE, REMEDIES, leave, outside_or_exit
from tank_mailer.core.errors import QueueError, Reason
from tank_mailer.core.lanes import ORDINARY, PRIORITY
from tank_mailer.core.queueurl import region_of
from tank_mailer.settings import Loaded, Settings

if TYPE_CHECKING:
    from types_aiobotocore_sqs import SQSClient

CALLS: Final = 6  # at a time: a receive, a delete, and what is extended or given back
READ_S: Final = 15.0
ATTEMPTS: Final = 3
STATEMENT: Final = "DeadLetterOperator"  # of config/aws/iam-policy.json
NO_QUEUE: Final = (
    "there is no dead-letter queue: TANK_DEAD_LETTER_QUEUE_URL is not set, and no job queue has a redrive policy; what"
    " was given up rests in the ledger alone"
)


@dataclass(frozen=True, slots=True)
class Boxes:
    """All dead-letter queues.

    Attributes:
        boxes: each once, though both lanes may share one; none: there is none.
        lanes: the lane of each job queue, by the queue's name.
    """

    boxes: Sequence[SqsLetterBox]
    lanes: Mapping[str, str]


@asynccontextmanager
async def open_boxes(loaded: Loaded) -> AsyncIterator[Boxes]:
    """Find them; nothing is received yet.

    Raises:
        LetterBoxError: a job queue does not tell where its dead letters go.
    """
    settings = loaded.settings
    urls = job_queues(settings)
    region = region_of(settings.outbound_queue_url)
    async with aws.open_sqs(loaded.aws, region=region, pool=CALLS, read_s=READ_S, attempts=ATTEMPTS) as client:
        found = [settings.dead_letter_queue_url] if settings.dead_letter_queue_url else await _beside(client, urls)
        boxes = [SqsLetterBox(url=url, client=client) for url in dict.fromkeys(found)]
        yield Boxes(boxes, {url.rpartition("/")[2]: lane for lane, url in urls.items()})


def job_queues(settings: Settings) -> dict[str, str]:
    """The URLs of the job queues by lane."""
    urls = {ORDINARY: settings.outbound_queue_url, PRIORITY: settings.priority_queue_url}
    return {lane: url for lane, url in urls.items() if url is not None}


async def _beside(client: "SQSClient", urls: Mapping[str, str]) -> list[str]:
    """Those of the queues' redrive policies."""
    found = list[str | None]()
    for url in urls.values():
        queue = SqsQueue(url=url, receiving=client, settling=client)
        try:
            found.append(dead_letters_beside(url, await queue.facts()))
        except QueueError as error:
            raise LetterBoxError(error, queue=queue.name, action="sqs:GetQueueAttributes") from error
    return [url for url in found if url is not None]


@contextmanager
def box_or_exit() -> Iterator[None]:
    """As `outside_or_exit`, and name the dead-letter queue, and the right that is missing."""
    with outside_or_exit():
        try:
            yield
        except LetterBoxError as error:
            what = f"the queue {error.queue} does not work: {error.reason}, {error.detail}"
            leave(EXIT_OUTSIDE, what, _remedy(error))


def _remedy(error: LetterBoxError) -> str | None:
    match error.reason:
        case Reason.ACCESS_DENIED:
            return (
                f"allow the key {error.action} on {error.queue}: statement {STATEMENT} of config/aws/iam-policy.json;"
                " of a queue with a key of your own kms:Decrypt too"
            )
        case Reason.QUEUE_MISSING:
            return "look at TANK_DEAD_LETTER_QUEUE_URL or the redrive policy that names it, and the region"
        case reason:
            return REMEDIES.get(reason)
