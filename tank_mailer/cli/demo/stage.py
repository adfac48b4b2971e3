"""The demo's stage: stand-in, queues, web server and daemon come up, and are looked at from outside."""

import json
import time
from collections import Counter
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass, field
from typing import Final

import aiohttp
from sqlalchemy.ext.asyncio import AsyncEngine

from tank_mailer.adapters import database
from tank_mailer.adapters.schema import suppressions
from tank_mailer.cli.demo.books import Books, Sent, count_states, read_books
from tank_mailer.cli.demo.daemon import Daemon
from tank_mailer.cli.demo.folder import Folder
from tank_mailer.cli.demo.jobs import Entry, Play
from tank_mailer.cli.demo.memory import Memory, count_untold, read_memory
from tank_mailer.cli.demo.standing import Standing
from tank_mailer.cli.demo.web_server import WebServer
from tank_mailer.cli.standin import (
    DEAD_LETTER,
    EVENTS,
    OUTBOUND,
    PRIORITY,
    event_environment,
    furnish,
    no_port,
    queue_url,
    sdk_environment,
)
from tank_mailer.core.address import mailbox_key
from tank_mailer.core.errors import Reason
from tank_mailer.core.job import email_id_tag
from tank_mailer.core.ledger import State
from tank_mailer.core.suppression import MANUAL
from tank_mailer.standin import Standin, StandinOptions
from tank_mailer.standin.queue import Place, Queue

COUNT_EVERY_S: Final = 0.5  # a look into the store holds the daemon up a little
OK: Final = 200


class PortTakenError(Exception):
    """The stand-in cannot listen."""


class StalledError(Exception):
    """Nothing has moved for as long as anybody would wait."""


@dataclass(kw_only=True, eq=False)
class Stage:
    """All that runs.

    Attributes:
        settings: what the daemon was told.
        sent: what was put on the queues, in this order.
        waiting: ordinary jobs that nobody had received yet when the last priority job was put.
    """

    folder: Folder
    standin: Standin
    web_server: WebServer
    daemon: Daemon
    engine: AsyncEngine
    settings: Mapping[str, str]
    sent: list[Sent] = field(default_factory=list)
    waiting: list[Sent] = field(default_factory=list)
    began_s: float = field(default_factory=time.monotonic)
    _states: Counter[str] = field(default_factory=Counter)
    _counted_s: float = 0.0

    @property
    def queues(self) -> tuple[Queue, ...]:
        """The daemon's queues of jobs, seen from inside SQS."""
        return tuple(self.standin.state.queues.named(name).queue for name in (PRIORITY, OUTBOUND))

    @property
    def event_queue(self) -> Queue:
        """The queue that SES's events come to; what is still on its way counts among its messages."""
        return self.standin.state.queues.named(EVENTS).queue

    @property
    def published(self) -> Mapping[str, int]:
        """How many events of each kind SES has published, by its own word."""
        return {kind.value: number for kind, number in self.standin.state.events.courier.published.items()}

    def has_heard_all(self) -> bool:
        """Whether the daemon has dealt with every event of the mails accepted so far."""
        return not self.event_queue.messages

    async def is_over(self) -> bool:
        """Whether all queues are empty and the web server knows of everything: nothing more will happen by itself."""
        is_quiet = not any(queue.messages for queue in self.queues) and self.has_heard_all()
        return is_quiet and not await count_untold(self.engine)

    def has_settled(self, sent: Sequence[Sent]) -> bool:
        """Whether none of them is on a queue any more."""
        return not any(one.queue_message_id in queue.messages for one in sent for queue in self.queues)

    def has_sent(self, sent: Sequence[Sent]) -> bool:
        """Whether SES has accepted a mail for each."""
        tags = {mail.email_id for mail in self.standin.state.mailbox.log}
        return all(email_id_tag(one.entry.email_id or "") in tags for one in sent)

    @property
    def in_hand(self) -> int:
        """Ordinary jobs that the daemon has received and not settled."""
        return self.standin.state.queues.named(OUTBOUND).queue.count(Place.IN_FLIGHT)

    def note_waiting(self, sent: Sequence[Sent]) -> None:
        """Keep in mind which of them nobody has received yet."""
        messages = self.standin.state.queues.named(OUTBOUND).queue.messages
        self.waiting = [
            one for one in sent if (message := messages.get(one.queue_message_id)) and not message.receive_count
        ]

    async def put(self, entries: Sequence[Entry], *, on: str = OUTBOUND) -> list[Sent]:
        """Put jobs on a queue as a web server does: by SQS's own protocol."""
        sent = []
        url, clock = queue_url(self.standin, on), self.standin.state.clock
        headers = {"X-Amz-Target": "AmazonSQS.SendMessage", "Content-Type": "application/x-amz-json-1.0"}
        async with aiohttp.ClientSession(headers=headers) as session:
            for entry in entries:
                request, put_s = json.dumps({"QueueUrl": url, "MessageBody": entry.body}), clock.monotonic()
                async with session.post(self.standin.url, data=request) as answer:
                    said = json.loads(await answer.read())
                if answer.status == OK:
                    sent.append(Sent(entry, queue_message_id=said["MessageId"], put_s=put_s))
                else:
                    sent.append(Sent(entry, refusal=said["message"]))
                self.sent.append(sent[-1])
        return sent

    async def standing(self, total: int) -> Standing:
        """How far it is."""
        now_s = time.monotonic()
        if now_s - self._counted_s >= COUNT_EVERY_S:
            self._states, self._counted_s = await count_states(self.engine), now_s
        waiting, in_work = (
            sum(queue.count(place) for queue in self.queues) for place in (Place.VISIBLE, Place.IN_FLIGHT)
        )
        return Standing(
            total=total,
            waiting=waiting,
            in_work=in_work,
            settled=len(self.sent) - waiting - in_work,
            mails=len(self.standin.state.mailbox.log),
            events=sum(self.published.values()) - len(self.event_queue.messages),
            told=len(self.web_server.told),
            in_doubt=self._states[State.IN_DOUBT],
            deferred=self._states[State.DEFERRED],
            elapsed_s=now_s - self.began_s,
        )

    async def books(self) -> Books:
        """What became of everything so far."""
        return await read_books(self.engine, log=self.folder.log, accepted=self.standin.state.mailbox.log)

    async def memory(self) -> Memory:
        """What the store has kept of what came back so far."""
        return await read_memory(self.engine)


@asynccontextmanager
async def set_up(
    folder: Folder, play: Play, *, options: StandinOptions, caller: Mapping[str, str]
) -> AsyncIterator[Stage]:
    """Start everything; it ends with the block.

    Args:
        folder: an empty one, or without a store at least.
        play: whom it wants suppressed is so before the daemon starts.
        options: of the stand-in, which has the event queue `EVENTS`.
        caller: the environment of the demo itself.

    Raises:
        PortTakenError: the stand-in cannot listen.
        StoreError: the store cannot be made.
        OSError: the folder cannot be written, or no process started.
    """
    async with AsyncExitStack() as stack:
        try:
            standin = await stack.enter_async_context(Standin.start(options))
        except OSError as error:
            raise PortTakenError(no_port(error)) from error
        for name in (DEAD_LETTER, OUTBOUND, PRIORITY):
            standin.state.queues.create(name, {})
        furnish(standin, [OUTBOUND, PRIORITY], dead_letters=DEAD_LETTER, events=options.event_queue)
        web_server = await stack.enter_async_context(WebServer.start())
        settings = folder.settings(
            {
                **sdk_environment(standin),
                "TANK_OUTBOUND_QUEUE_URL": queue_url(standin, OUTBOUND),
                "TANK_PRIORITY_QUEUE_URL": queue_url(standin, PRIORITY),
                **event_environment(standin),
                "TANK_WEBHOOK_URL": web_server.url,
                "TANK_WEBHOOK_SECRET": web_server.secret,
            }
        )
        folder.write_env_file(settings)
        location = database.locate(settings["TANK_DATABASE_URL"])
        engine = await stack.enter_async_context(database.open_engine(location, creates=True))
        await database.upgrade(engine)
        await _suppress(engine, play.suppressed)
        daemon = await stack.enter_async_context(Daemon.start(folder, folder.environment(settings, caller)))
        yield Stage(
            folder=folder,
            standin=standin,
            web_server=web_server,
            daemon=daemon,
            engine=engine,
            settings=settings,
        )


async def _suppress(engine: AsyncEngine, addresses: Sequence[str]) -> None:
    values = [
        {
            "address": mailbox_key(address),
            "reason": Reason.MANUAL.value,
            "source": MANUAL,
            "note": "the demo's own",
            "created_at": time.time(),
            "ends_at": None,
        }
        for address in addresses
    ]
    if values:
        async with engine.begin() as connection:
            await connection.execute(suppressions.insert(), values)
