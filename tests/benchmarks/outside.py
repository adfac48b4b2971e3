"""The stand-in as a process of its own, so that its CPU is nobody else's; told by lines on its standard input."""

import asyncio
import json
import sys
from collections.abc import AsyncIterator
from typing import Any, Final

from tank_mailer.standin import AccountSettings, Standin, StandinOptions
from tank_mailer.standin.message import read_content
from tank_mailer.standin.queue import Place
from tests.builders import make_body

QUEUE: Final = "jobs"
DEAD: Final = "dead"
HTML: Final = "<p>" + "Your order is on its way. " * 40 + "</p>"  # a kilobyte, as small mails have
MAX_RECEIVE_COUNT: Final = 100


async def serve(wishes: dict[str, Any]) -> None:
    """Run until the input ends: each line asks for so many jobs more; the answer is how deep the queue is then."""
    account = AccountSettings(max_send_rate=wishes.pop("rate"), max_24_hour_send=10_000_000)
    options = StandinOptions(account=account, queues=(DEAD,), keep_emails=100, **wishes)
    async with Standin.start(options) as standin:
        arn = standin.state.queues.named(DEAD).queue.arn
        policy = json.dumps({"deadLetterTargetArn": arn, "maxReceiveCount": MAX_RECEIVE_COUNT})
        jobs = standin.state.queues.create(QUEUE, {"RedrivePolicy": policy})
        _say(standin.url)
        number = 0
        async for line in _lines():
            for _ in range(int(line)):
                jobs.send(read_content({"MessageBody": body(number)}), delay_s=None)
                number += 1
            _say(sum(jobs.queue.count(place) for place in Place))


def body(number: int) -> str:
    """A job with an id and a recipient of its own."""
    return make_body(email_id=f"job-{number}", to=f"reader-{number}@example.org", body=HTML)


async def _lines() -> AsyncIterator[bytes]:
    reader = asyncio.StreamReader()
    await asyncio.get_running_loop().connect_read_pipe(lambda: asyncio.StreamReaderProtocol(reader), sys.stdin)
    while line := await reader.readline():
        yield line


def _say(what: object) -> None:
    sys.stdout.write(f"{what}\n")
    sys.stdout.flush()


if __name__ == "__main__":
    asyncio.run(serve(json.loads(sys.argv[1])))
