"""A queue as producers use it: jobs go on it, ten in a call."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from tank_mailer.adapters import aws
from tank_mailer.adapters.sqs import answered
from tank_mailer.core.errors import QueueError, Reason
from tank_mailer.core.queueurl import region_of

if TYPE_CHECKING:
    from types_aiobotocore_sqs import SQSClient

WAITS_S: tuple[float, ...] = (0.3, 1.0, 3.0, 8.0)  # between tries; then the queue counts as out of reach
READ_TIMEOUT_S = 15.0
TOO_LARGE = "larger than this queue takes (its MaximumMessageSize)"
PASSING = frozenset({Reason.QUEUE_UNREACHABLE})  # worth another try


@dataclass(frozen=True, slots=True)
class Refused:
    """SQS does not take this message, now or later."""

    reason: Reason
    detail: str


Put = str | Refused | QueueError  # a MessageId; never; not now


@dataclass(frozen=True, slots=True, kw_only=True)
class Producer:
    """Puts jobs on one queue. What it repeats may be there twice: the daemon knows jobs by their email_id."""

    url: str
    client: "SQSClient"
    waits_s: tuple[float, ...]
    wait: Callable[[float], Awaitable[None]] = asyncio.sleep

    @property
    def name(self) -> str:
        """The last part of the queue's URL."""
        return self.url.rpartition("/")[2]

    async def put(self, bodies: Sequence[str]) -> list[Put]:
        """Send up to ten; the answers stand in the same order, one for each. What fails in passing is repeated."""
        results: list[Put] = await self._try(bodies)
        for wait_s in self.waits_s:
            again = [n for n, result in enumerate(results) if isinstance(result, QueueError) and _passes(result)]
            if not again:
                break
            await self.wait(wait_s)
            for n, result in zip(again, await self._try([bodies[n] for n in again]), strict=True):
                results[n] = result
        return results

    async def _try(self, bodies: Sequence[str]) -> list[Put]:
        entries = [{"Id": str(n), "MessageBody": body} for n, body in enumerate(bodies)]
        call = self.client.send_message_batch(QueueUrl=self.url, Entries=entries)  # type: ignore[arg-type]
        try:
            answer = await answered(call)
        except QueueError as error:
            if error.reason is not Reason.TOO_LARGE:
                return [error] * len(bodies)
            if len(bodies) == 1:
                return [Refused(Reason.TOO_LARGE, TOO_LARGE)]
            middle = len(bodies) // 2  # this queue takes less at a time than SQS's most
            return [*await self._try(bodies[:middle]), *await self._try(bodies[middle:])]
        return _results(answer, len(bodies))


def _passes(error: QueueError) -> bool:
    return error.reason in PASSING


def _results(answer: Any, count: int) -> list[Put]:  # noqa: ANN401 - the SDK's answer
    """Entry by entry; what is in neither list was not put there."""
    results: list[Put] = [QueueError(Reason.QUEUE_UNREACHABLE, "no answer for this entry of a batch")] * count
    for entry in answer.get("Successful", []):
        results[int(entry["Id"])] = entry["MessageId"]
    for entry in answer.get("Failed", []):
        code = entry.get("Code", "")
        if "must be shorter than" in entry.get("Message", ""):  # SQS's words; its code says only "invalid"
            results[int(entry["Id"])] = Refused(Reason.TOO_LARGE, TOO_LARGE)
        elif entry.get("SenderFault"):
            results[int(entry["Id"])] = Refused(Reason.BAD_FIELD, code)
        else:
            results[int(entry["Id"])] = QueueError(Reason.QUEUE_UNREACHABLE, code)
    return results


@asynccontextmanager
async def open_producer(variables: Mapping[str, str], *, queue_url: str, parallel: int = 1) -> AsyncIterator[Producer]:
    """Open a client for the queue; nothing is sent yet.

    Raises:
        ConfigurationError: the SDK cannot make one of what it was given (no region, no such profile).
    """
    region = region_of(queue_url)
    async with aws.open_sqs(variables, region=region, pool=parallel, read_s=READ_TIMEOUT_S, attempts=1) as client:
        yield Producer(url=queue_url, client=client, waits_s=WAITS_S)
