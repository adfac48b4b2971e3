"""The stand-in as one origin on loopback: SQS, SES and the observer behind one port."""

import asyncio
import socket
import struct
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from email.utils import format_datetime
from http import HTTPStatus
from typing import NoReturn

from aiohttp import web
from aiohttp.abc import AbstractStreamWriter
from aiohttp.http_parser import RawRequestMessage
from aiohttp.streams import StreamReader
from aiohttp.web_protocol import RequestHandler

from tank_mailer.standin.clock import Clock, SystemClock
from tank_mailer.standin.desk import SQS, Call, Desk, call_of, error_as
from tank_mailer.standin.errors import AwsError
from tank_mailer.standin.faults import Kind, Rule
from tank_mailer.standin.observer import PREFIX, Asked, observe
from tank_mailer.standin.options import StandinOptions
from tank_mailer.standin.reply import Reply, page, ses_answer
from tank_mailer.standin.signers import key_of
from tank_mailer.standin.state import State

MAX_BODY_BYTES = 80 * 1024 * 1024  # SES: 40 MB, in base64, in JSON, and some room to be refused in its own words
SHUTDOWN_S = 0.1  # who still waits for an answer at the end gets none


class Standin:
    """A running stand-in: where it is, and what it knows."""

    def __init__(self, state: State, *, url: str) -> None:
        self.state = state
        self.url = url
        self._desk = Desk(state, origin=url)
        self._polls: set[asyncio.Task[Reply]] = set()

    @classmethod
    @asynccontextmanager
    async def start(
        cls, options: StandinOptions | None = None, *, port: int | None = None, clock: Clock | None = None
    ) -> "AsyncIterator[Standin]":
        """Listen until the block ends. `port` goes before the one in `options`."""
        options = options or StandinOptions()
        if port is not None:
            options = replace(options, port=port)
        with _listening(options) as listener:
            host, bound = listener.getsockname()[:2]
            url = f"http://[{host}]:{bound}" if ":" in host else f"http://{host}:{bound}"
            standin = cls(State.of(options, clock or SystemClock()), url=url)
            server = web.Server(standin._handle, request_factory=_request, handler_cancellation=True, access_log=None)
            runner = web.ServerRunner(server, handle_signals=False, shutdown_timeout=SHUTDOWN_S)
            await runner.setup()
            try:
                await web.SockSite(runner, listener, backlog=1024).start()
                yield standin
            finally:
                await standin._let_go()
                await runner.cleanup()

    async def _handle(self, request: web.BaseRequest) -> web.StreamResponse:
        reply = await self._reply(request)
        headers = {"Date": self._date(), **reply.headers}
        return web.Response(status=reply.status, headers=headers, body=reply.body)

    def _date(self) -> str:
        """By the clock of this host, as AWS goes by its own: also when a test turns the stand-in's."""
        ahead = timedelta(seconds=self.state.access.date_skew_s)
        return format_datetime(datetime.now(UTC) + ahead, usegmt=True)

    async def _reply(self, request: web.BaseRequest) -> Reply:
        body = await request.read()
        path = request.path
        if path.startswith(PREFIX):
            what, _, name = path.removeprefix(PREFIX).partition("/")
            since = request.query.get("since", "")
            return observe(self.state, request.method, what, Asked(name, int(since) if since.isdecimal() else 0, body))
        target = request.headers.get("X-Amz-Target", "")
        call = call_of(request.method, path, target=target, body=body, query=request.rel_url.raw_query_string)
        call = replace(call, key=key_of(request.headers.get("Authorization", "")))
        self.state.counts.call(call.service, call.operation)
        rule = self.state.faults.strike(call.service, call.operation)
        if rule is not None:
            return await self._struck(rule, call, request)
        return await self._served(call)

    async def _served(self, call: Call) -> Reply:
        """Process first, wait then: a caller that goes away meanwhile does not undo anything."""
        if call.operation == "ReceiveMessage":
            reply = await self._polled(call)
        else:
            reply = await self._desk.serve(call)
        options = self.state.options
        latency_s = options.sqs_latency_s if call.service == SQS else options.ses_latency_s
        if latency_s:
            await asyncio.sleep(latency_s)
        return reply

    async def _polled(self, call: Call) -> Reply:
        """A receive goes on without its caller: what it hands out stays hidden, as with SQS (lab.md)."""
        poll = asyncio.create_task(self._desk.serve(call))
        self._polls.add(poll)
        poll.add_done_callback(self._polls.discard)
        return await asyncio.shield(poll)

    async def _struck(self, rule: Rule, call: Call, request: web.BaseRequest) -> Reply:
        self.state.counts.outcome(call.service, call.operation, f"fault:{rule.kind}")
        reply = await self._served(call) if rule.processed else None
        if rule.delay_s:
            await asyncio.sleep(rule.delay_s)
        match rule.kind:
            case Kind.STATUS:
                return _error(rule, call)
            case Kind.HTML:
                return page(HTTPStatus.OK, "Please sign in")
            case Kind.NO_MESSAGE_ID:
                return (reply or ses_answer({})).without_message_id()
            case Kind.DELAY:
                return reply or await self._served(call)
            case _:
                return await _unanswered(rule.kind, request)

    async def _let_go(self) -> None:
        self.state.queues.clear()  # wakes the long polls
        for poll in self._polls:
            poll.cancel()
        await asyncio.gather(*self._polls, return_exceptions=True)


async def serve(
    options: StandinOptions,
    *,
    on_start: Callable[[Standin], None] | None = None,
    stop: asyncio.Event | None = None,
) -> None:
    """Run a stand-in until `stop` is set, or for ever; `on_start` is told once it listens."""
    async with Standin.start(options) as standin:
        if on_start is not None:
            on_start(standin)
        await (stop or asyncio.Event()).wait()


def _listening(options: StandinOptions) -> socket.socket:
    family, kind, protocol, _, address = socket.getaddrinfo(
        options.host, options.port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE
    )[0]
    listener = socket.socket(family, kind, protocol)
    try:
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        listener.bind(address)
    except OSError as error:
        listener.close()
        raise OSError(error.errno, f"cannot listen on {options.host}:{options.port}: {error.strerror}") from error
    return listener


def _request(
    message: RawRequestMessage,
    payload: StreamReader,
    protocol: RequestHandler,
    writer: AbstractStreamWriter,
    task: "asyncio.Task[None]",
) -> web.BaseRequest:
    return web.BaseRequest(
        message, payload, protocol, writer, task, asyncio.get_running_loop(), client_max_size=MAX_BODY_BYTES
    )


def _error(rule: Rule, call: Call) -> Reply:
    """With a code it is AWS that speaks, without one something before it."""
    if rule.code:
        return error_as(call, AwsError(rule.code, rule.message, status=rule.status))
    return page(rule.status, rule.message or HTTPStatus(rule.status).phrase)


async def _unanswered(kind: Kind, request: web.BaseRequest) -> NoReturn:
    """Cut the connection by RST, close it in good order by FIN, or leave it open; never answer.

    The server cancels a handler once its connection is lost.
    """
    transport = request.transport
    if transport is not None and kind in {Kind.RESET_BEFORE, Kind.RESET_AFTER}:
        connection = transport.get_extra_info("socket")
        connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        transport.abort()
    elif transport is not None and kind in {Kind.CLOSE_BEFORE, Kind.CLOSE_AFTER}:
        transport.close()
    while True:
        await asyncio.Event().wait()
