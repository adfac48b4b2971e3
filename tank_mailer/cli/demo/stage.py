"""The demo's stage: stand-in, queues and daemon come up, and the play goes on the queue."""

import asyncio
import json
import time
from collections import Counter
from collections.abc import AsyncIterator, Callable, Mapping, Sequence
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
from tank_mailer.cli.standin import DEAD_LETTER, OUTBOUND, no_port, queue_url, redrive, sdk_environment
from tank_mailer.core.address import mailbox_key
from tank_mailer.core.errors import Reason
from tank_mailer.core.ledger import State
from tank_mailer.standin import Kind, Rule, Standin, StandinOptions
from tank_mailer.standin.queue import Place, Queue

TICK_S: Final = 0.1
COUNT_EVERY_S: Final = 0.5  # a look into the store holds the daemon up a little
SEND_EMAIL: Final = "SendEmail"
OK: Final = 200


class PortTakenError(Exception):
    """The stand-in cannot listen."""


class StalledError(Exception):
    """Nothing has moved for as long as anybody would wait."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Standing:
    """How far the play is, for the progress display. All but `mails` are queue messages."""

    total: int
    waiting: int = 0
    in_work: int = 0
    settled: int = 0
    mails: int = 0
    in_doubt: int = 0
    deferred: int = 0
    elapsed_s: float = 0.0


@dataclass(kw_only=True, eq=False)
class Stage:
    """All that runs.

    Attributes:
        settings: what the daemon was told.
        sent: what was put on the queue, in this order.
    """

    folder: Folder
    standin: Standin
    daemon: Daemon
    engine: AsyncEngine
    settings: Mapping[str, str]
    sent: list[Sent] = field(default_factory=list)
    began_s: float = field(default_factory=time.monotonic)
    _states: Counter[str] = field(default_factory=Counter)
    _counted_s: float = 0.0

    @property
    def queue(self) -> Queue:
        """The daemon's queue, seen from inside SQS."""
        return self.standin.state.queues.named(OUTBOUND).queue

    def has_settled(self, sent: Sequence[Sent]) -> bool:
        """Whether none of them is on the queue any more."""
        return not any(one.queue_message_id in self.queue.messages for one in sent)

    async def put(self, entries: Sequence[Entry]) -> list[Sent]:
        """Put jobs on the queue as a web server does: by SQS's own protocol."""
        sent = []
        url = self.settings["TANK_OUTBOUND_QUEUE_URL"]
        headers = {"X-Amz-Target": "AmazonSQS.SendMessage", "Content-Type": "application/x-amz-json-1.0"}
        async with aiohttp.ClientSession(headers=headers) as session:
            for entry in entries:
                request = json.dumps({"QueueUrl": url, "MessageBody": entry.body})
                async with session.post(self.standin.url, data=request) as answer:
                    said = json.loads(await answer.read())
                if answer.status == OK:
                    sent.append(Sent(entry, queue_message_id=said["MessageId"]))
                else:
                    sent.append(Sent(entry, refusal=said["message"]))
                self.sent.append(sent[-1])
        return sent

    async def standing(self, total: int) -> Standing:
        """How far it is."""
        now_s = time.monotonic()
        if now_s - self._counted_s >= COUNT_EVERY_S:
            self._states, self._counted_s = await count_states(self.engine), now_s
        queue = self.queue
        waiting, in_work = queue.count(Place.VISIBLE), queue.count(Place.IN_FLIGHT)
        return Standing(
            total=total,
            waiting=waiting,
            in_work=in_work,
            settled=len(self.sent) - waiting - in_work,
            mails=len(self.standin.state.mailbox.log),
            in_doubt=self._states[State.IN_DOUBT],
            deferred=self._states[State.DEFERRED],
            elapsed_s=now_s - self.began_s,
        )

    async def books(self) -> Books:
        """What became of everything so far."""
        return await read_books(self.engine, log=self.folder.log, accepted=self.standin.state.mailbox.log)


@asynccontextmanager
async def set_up(
    folder: Folder, play: Play, *, options: StandinOptions, caller: Mapping[str, str]
) -> AsyncIterator[Stage]:
    """Start everything; it ends with the block.

    Args:
        folder: an empty one, or without a store at least.
        play: whom it wants suppressed is so before the daemon starts.
        options: of the stand-in.
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
        for name in (DEAD_LETTER, OUTBOUND):
            standin.state.queues.create(name, {})
        redrive(standin, [OUTBOUND], to=DEAD_LETTER)
        settings = folder.settings(sdk_environment(standin), queue_url(standin, OUTBOUND))
        folder.write_env_file(settings)
        location = database.locate(settings["TANK_DATABASE_URL"])
        engine = await stack.enter_async_context(database.open_engine(location, creates=True))
        await database.upgrade(engine)
        await _suppress(engine, play.suppressed)
        daemon = await stack.enter_async_context(Daemon.start(folder, folder.environment(settings, caller)))
        yield Stage(folder=folder, standin=standin, daemon=daemon, engine=engine, settings=settings)


async def _suppress(engine: AsyncEngine, addresses: Sequence[str]) -> None:
    values = [
        {
            "address": mailbox_key(address),
            "reason": Reason.MANUAL.value,
            "source": "demo",
            "note": "the demo's own",
            "created_at": time.time(),
            "ends_at": None,
        }
        for address in addresses
    ]
    if values:
        async with engine.begin() as connection:
            await connection.execute(suppressions.insert(), values)


async def perform(stage: Stage, play: Play) -> None:
    """Put the play on the queue; returns when all is there, and what has to be first has ended."""
    faults = stage.standin.state.faults
    if play.opening is not None:
        faults.add(Rule(kind=Kind.RESET_AFTER, service="ses", operation=SEND_EMAIL, processed=True))
        await stage.put([play.opening])
        await _until(lambda: not faults.rules)
    if play.throttles:
        faults.add(
            Rule(
                kind=Kind.STATUS,
                service="ses",
                operation=SEND_EMAIL,
                after=len(play.main) // 3,
                times=play.throttles,
                status=429,
                code="TooManyRequestsException",
                message="Maximum sending rate exceeded.",
            )
        )
    main = await stage.put(play.main)
    if play.sequel:
        await _until(lambda: stage.has_settled(main))
        await stage.put(play.sequel)


async def _until(is_so: Callable[[], bool]) -> None:
    while not is_so():  # noqa: ASYNC110 - the stand-in rings no bell
        await asyncio.sleep(TICK_S)
