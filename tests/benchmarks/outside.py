"""The stand-in as a process of its own, so that its CPU is nobody else's; told by lines on its standard input."""

import asyncio
import json
import random
import sys
from collections.abc import AsyncIterator
from dataclasses import dataclass, field
from typing import Any, Final

from tank_mailer.standin import AccountSettings, Standin, StandinOptions
from tank_mailer.standin.message import read_content
from tank_mailer.standin.queue import Place
from tests.builders import make_body

QUEUE: Final = "jobs"
URGENT: Final = "urgent"  # the priority lane's; there, and empty, for whoever names it
DEAD: Final = "dead"
HTML: Final = "<p>" + "Your order is on its way. " * 40 + "</p>"  # a kilobyte, as small mails have
MAX_RECEIVE_COUNT: Final = 100


@dataclass(frozen=True, slots=True)
class Filler:
    """Puts jobs on the queues, each with an id of its own: `jobs-0`, `urgent-0`."""

    standin: Standin
    _put: dict[str, int] = field(default_factory=lambda: {QUEUE: 0, URGENT: 0})
    _dice: random.Random = field(default_factory=lambda: random.Random(4))  # the same jobs each time

    def fill(self, queue: str, jobs: int, most: int) -> dict[str, float]:
        """Put so many there, of 1 to `most` recipients; tell how deep the queues are, and when the last one was put."""
        queues = self.standin.state.queues
        for _ in range(jobs):
            number = self._put[queue]
            self._put[queue] = number + 1
            content = read_content({"MessageBody": body(f"{queue}-{number}", self._dice.randint(1, most))})
            queues.named(queue).send(content, delay_s=None)
        depths = {name: sum(queues.named(name).queue.count(place) for place in Place) for name in (queue, DEAD)}
        return {"depth": depths[queue], "dead": depths[DEAD], "at_s": self.standin.state.clock.monotonic()}


async def serve(wishes: dict[str, Any]) -> None:
    """Run until the input ends: each line is JSON, and asks for so many jobs more; so is each answer."""
    account = AccountSettings(max_send_rate=wishes.pop("rate"), max_24_hour_send=10_000_000)
    options = StandinOptions(account=account, queues=(DEAD,), keep_emails=100, **wishes)
    async with Standin.start(options) as standin:
        arn = standin.state.queues.named(DEAD).queue.arn
        policy = json.dumps({"deadLetterTargetArn": arn, "maxReceiveCount": MAX_RECEIVE_COUNT})
        for name in (QUEUE, URGENT):
            standin.state.queues.create(name, {"RedrivePolicy": policy})
        _say(standin.url)
        filler = Filler(standin)
        async for line in _lines():
            _say(json.dumps(filler.fill(**json.loads(line))))


def body(email_id: str, recipients: int) -> str:
    """A job with recipients of its own."""
    to = [f"reader-{n}-of-{email_id}@example.org" for n in range(recipients)]
    return make_body(email_id=email_id, to=to if recipients > 1 else to[0], body=HTML)


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
