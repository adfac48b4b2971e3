"""Our own HTTP server: what became of an email, for the web server; how we are; nothing that changes anything."""

import asyncio
import hmac
import json
import re
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from http import HTTPStatus
from ipaddress import ip_address
from types import MappingProxyType
from typing import Any, Final
from urllib.parse import unquote

from aiohttp import web
from aiohttp.abc import AbstractStreamWriter
from aiohttp.http_parser import RawRequestMessage
from aiohttp.streams import StreamReader
from typing_extensions import override

from tank_mailer.core.errors import StoreError
from tank_mailer.telemetry.log import get_logger

log = get_logger()

RETRY_S: Final = 10.0
SHUTDOWN_S: Final = 1.0  # for answers that are on their way
LINGER_S: Final = 1.0  # so long a body is thrown away, or its sender would see a reset instead of our answer
EMAILS: Final = "/v1/emails/"
JSON_TYPE: Final = "application/json; charset=utf-8"
MISREAD: Final = "not a request that is understood: no HTTP, or a line or header that is too long"
ALWAYS: Final[Mapping[str, str]] = {"Cache-Control": "no-store", "X-Content-Type-Options": "nosniff"}
CROWDED: Final = (  # without a length: it ends with the connection
    b"HTTP/1.1 503 Service Unavailable\r\nConnection: close\r\nContent-Type: application/json; charset=utf-8\r\n"
    b"Cache-Control: no-store\r\n\r\n"
    b'{"error": "too many connections at a time", "remedy": "try again soon"}'
)

_HOST = re.compile(r"\[(?P<six>[^\[\]]*)\](?::\d*)?|(?P<name>[^:\[\]]*)(?::\d*)?")


@dataclass(frozen=True, slots=True)
class Limits:
    """What callers may take up; one request a connection."""

    connections: int = 32
    connection_s: float = 15.0  # from connecting to the last byte of the answer: slow ones are cut
    answer_s: float = 10.0  # for the ledger; shorter, so that the caller is told
    head_bytes: int = 8_190  # the request line, and each header
    headers: int = 64


@dataclass(frozen=True, slots=True)
class Page:
    """What is answered to those who ask how we are."""

    body: bytes
    content_type: str = JSON_TYPE
    status: HTTPStatus = HTTPStatus.OK

    @classmethod
    def of(cls, content: Mapping[str, object], *, is_well: bool) -> "Page":
        """As JSON: 200, or 503 where something is wrong."""
        status = HTTPStatus.OK if is_well else HTTPStatus.SERVICE_UNAVAILABLE
        return cls(json.dumps(content).encode(), JSON_TYPE, status)


@dataclass(frozen=True, slots=True, kw_only=True)
class HttpServer:
    """Answers `GET /v1/emails/EMAIL_ID` to those who show the token, and `pages` to whoever is on this host.

    Attributes:
        host: what to listen on.
        port: as above; 0: any that is free.
        token: what callers show; None: nobody is told anything.
        emails: what is known of an email_id, as JSON has it (DESIGN 6); None for an unknown one.
        pages: by path, what makes a page out of what is known already; off loopback they want the token, too.
    """

    host: str
    port: int
    token: str | None
    emails: Callable[[str], Awaitable[dict[str, object] | None]]
    pages: Mapping[str, Callable[[], Page]] = field(default_factory=lambda: MappingProxyType({}))
    limits: Limits = field(default_factory=Limits)
    wait: Callable[[float], Awaitable[None]] = asyncio.sleep

    async def run(self) -> None:
        """Listen until cancelled; a port that cannot be had is told once and tried again."""
        is_told = False
        while True:
            try:
                async with self.listen() as where:
                    log.info("http_listening", listen=where)
                    await asyncio.Event().wait()
            except OSError as error:
                if not is_told:
                    log.warning(
                        "http_unavailable",
                        listen=_spelled(self.host, self.port),
                        detail=error.strerror or type(error).__name__,
                        remedy="free the port, or set another TANK_HTTP_LISTEN (empty: off); it is tried again",
                    )
                is_told = True
            await self.wait(RETRY_S)

    @asynccontextmanager
    async def listen(self) -> AsyncIterator[str]:
        """Listen until the block ends; gives the address, `HOST:PORT`.

        Raises:
            OSError: it cannot be had.
        """
        loop = asyncio.get_running_loop()
        server: web.Server
        connections = set[_Connection]()
        # Its answers depend on what it is bound to, and so the handler is made after the sockets.
        listening = await loop.create_server(
            lambda: _Connection(server, limits=self.limits, all_=connections),
            self.host,
            self.port,
            start_serving=False,
        )
        bound = [each.getsockname() for each in listening.sockets]
        desk = _Desk(
            host=self.host.lower(),
            token=self.token,
            emails=self.emails,
            pages=self.pages,
            answer_s=self.limits.answer_s,
            is_loopback=all(ip_address(host.partition("%")[0]).is_loopback for host, *_ in bound),
        )
        server = web.Server(desk.answer, request_factory=_request, handler_cancellation=True)
        try:
            await listening.start_serving()
            yield _spelled(self.host, bound[0][1])
        finally:
            listening.close()
            server.pre_shutdown()
            await server.shutdown(SHUTDOWN_S)


def _spelled(host: str, port: int) -> str:
    return f"[{host}]:{port}" if ":" in host else f"{host}:{port}"


@dataclass(frozen=True, slots=True, kw_only=True)
class _Desk:
    """What is answered to a request."""

    host: str
    token: str | None
    emails: Callable[[str], Awaitable[dict[str, object] | None]]
    pages: Mapping[str, Callable[[], Page]]
    answer_s: float
    is_loopback: bool

    async def answer(self, request: web.BaseRequest) -> web.Response:
        """Answer, whatever happens; nothing of the request goes into an error or a log."""
        path = request.raw_path.partition("?")[0]
        try:
            return self._refused(request, path) or await self._told(path)
        except Exception:
            log.exception("flow_crashed")
            return _error(HTTPStatus.INTERNAL_SERVER_ERROR, "a bug", "see the log of tank-mailer")

    def _refused(self, request: web.BaseRequest, path: str) -> web.Response | None:
        if refused := self._misdirected(request):
            return refused
        if request.method not in {"GET", "HEAD"}:
            return _error(
                HTTPStatus.METHOD_NOT_ALLOWED, "nothing can be changed here", "use GET or HEAD", Allow="GET, HEAD"
            )
        if request.body_exists:
            return _error(HTTPStatus.REQUEST_ENTITY_TOO_LARGE, "a request with a body", "send none")
        if not self.is_loopback or path == "/v1" or path.startswith("/v1/"):
            return self._unauthorised(request)
        return None

    def _misdirected(self, request: web.BaseRequest) -> web.Response | None:
        """Refuse a web page that has its own name point to us (DNS rebinding); off loopback the token does that."""
        hosts = request.headers.getall("Host", [])
        if not request.raw_path.startswith("/") or (self.is_loopback and not hosts):
            return _error(HTTPStatus.BAD_REQUEST, "no path, or no Host", "ask by HTTP/1.1, and not as of a proxy")
        if self.is_loopback and not self._is_ours(hosts[0]):
            return _error(
                HTTPStatus.MISDIRECTED_REQUEST, "a Host that is not this one", "ask for http://127.0.0.1 or localhost"
            )
        return None

    def _is_ours(self, host: str) -> bool:
        found = _HOST.fullmatch(host.strip().lower())
        if found is None:
            return False
        name = found["name"] if found["six"] is None else found["six"]
        try:
            return name in {"localhost", self.host} or ip_address(name).is_loopback
        except ValueError:
            return False

    def _unauthorised(self, request: web.BaseRequest) -> web.Response | None:
        if self.token is None:
            return _error(
                HTTPStatus.FORBIDDEN, "no token is set", "set TANK_HTTP_TOKEN (openssl rand -hex 32) and start anew"
            )
        given = request.headers.getall("Authorization", [])
        scheme, _, shown = given[0].partition(" ") if len(given) == 1 else ("", "", "")
        is_shown = hmac.compare_digest(shown.strip().encode(errors="surrogateescape"), self.token.encode())
        if scheme.lower() == "bearer" and is_shown:
            return None
        return _error(
            HTTPStatus.UNAUTHORIZED,
            "the token is missing or wrong",
            "send the header: Authorization: Bearer TOKEN, with the value of TANK_HTTP_TOKEN",
            **{"WWW-Authenticate": "Bearer"},
        )

    async def _told(self, path: str) -> web.Response:
        if path in self.pages:
            return _shown(self.pages[path]())
        spelled = path.removeprefix(EMAILS)
        if spelled in {path, ""} or "/" in spelled:
            return _error(
                HTTPStatus.NOT_FOUND,
                "nothing is here",
                f"GET {', '.join((*self.pages, f'{EMAILS}EMAIL_ID'))}; a slash in an id is written %2F",
            )
        try:
            email_id = unquote(spelled, errors="strict")
            email_id.encode()
        except UnicodeError:
            return _error(HTTPStatus.BAD_REQUEST, "an id that is not UTF-8", "percent-encode the UTF-8 of the id")
        try:
            async with asyncio.timeout(self.answer_s):
                found = await self.emails(email_id)
        except (StoreError, TimeoutError):
            return _error(HTTPStatus.SERVICE_UNAVAILABLE, "the ledger cannot be read", "try again in a minute")
        if found is None:
            return _error(
                HTTPStatus.NOT_FOUND,
                "this email_id is not known",
                "the job may still be on the queue, or older than TANK_RETENTION_DAYS; look at the spelling",
            )
        return _json(HTTPStatus.OK, found)


def _json(status: HTTPStatus, content: Mapping[str, object], **headers: str) -> web.Response:
    return _shown(Page(json.dumps(content).encode(), status=status), **headers)


def _shown(page: Page, **headers: str) -> web.Response:
    response = web.Response(
        status=page.status, body=page.body, headers={**ALWAYS, "Content-Type": page.content_type, **headers}
    )
    response.force_close()  # one request a connection, so that one limit holds for both
    return response


def _error(status: HTTPStatus, error: str, remedy: str, **headers: str) -> web.Response:
    return _json(status, {"error": error, "remedy": remedy}, **headers)


# aiohttp lets a server change these three ways by its own classes alone.


class _Connection(web.RequestHandler):
    """A connection among a limited number of others, for a limited time, with errors in our form."""

    def __init__(self, server: web.Server, *, limits: Limits, all_: "set[_Connection]") -> None:
        quiet: dict[str, Any] = {"access_log": None}
        super().__init__(
            server,
            loop=asyncio.get_running_loop(),
            max_line_size=limits.head_bytes,
            max_field_size=limits.head_bytes,
            max_headers=limits.headers,
            lingering_time=LINGER_S,
            auto_decompress=False,
            **quiet,
        )
        self._limits = limits
        self._all = all_
        self._end: asyncio.TimerHandle | None = None

    @override
    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        if len(self._all) >= self._limits.connections:
            transport.write(CROWDED)  # type: ignore[attr-defined]
            transport.close()
            return
        self._all.add(self)
        loop = asyncio.get_running_loop()
        self._end = loop.call_later(self._limits.connection_s, transport.abort)  # type: ignore[attr-defined]
        super().connection_made(transport)

    @override
    def connection_lost(self, exc: BaseException | None) -> None:
        if self._end is not None:
            self._end.cancel()
        self._all.discard(self)
        super().connection_lost(exc)

    @override
    def handle_error(
        self,
        request: web.BaseRequest,
        status: int = HTTPStatus.INTERNAL_SERVER_ERROR,
        exc: BaseException | None = None,
        message: str | None = None,
    ) -> web.StreamResponse:
        del request, exc, message  # they quote the request
        return _error(HTTPStatus(status), MISREAD, "send a plain HTTP/1.1 GET")


class _Request(web.BaseRequest):
    """A request whose answer does not tell which software gave it."""

    @override
    async def _prepare_hook(self, response: web.StreamResponse) -> None:
        response.headers.popall("Server", None)


def _request(
    message: RawRequestMessage,
    payload: StreamReader,
    protocol: web.RequestHandler,
    writer: AbstractStreamWriter,
    task: "asyncio.Task[None]",
) -> web.BaseRequest:
    return _Request(message, payload, protocol, writer, task, asyncio.get_running_loop())
