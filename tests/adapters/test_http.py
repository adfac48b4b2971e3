"""The daemon's own HTTP server, asked over real sockets as friends and strangers ask."""

import asyncio
import json
import logging
import socket
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass
from typing import Any

import pytest
from structlog.testing import capture_logs

from tank_mailer.adapters.http import HttpServer, Limits, Page
from tank_mailer.core.errors import Reason, StoreError

TOKEN = "0123456789abcdef"
PATIENCE_S = 10.0  # of the tests; nothing takes so long
REPORT: dict[str, object] = {
    "email_id": "welcome-1",
    "state": "accepted",
    "recipients": [{"address": "grüße@example.com", "status": "delivered"}],
}

Emails = Callable[[str], Awaitable[dict[str, object] | None]]


@dataclass(frozen=True, slots=True)
class Reply:
    """What came back before the connection ended."""

    status: int
    headers: dict[str, str]  # names in lower case
    body: bytes

    @property
    def json(self) -> Any:
        return json.loads(self.body)


async def known(email_id: str) -> dict[str, object] | None:
    return REPORT if email_id == "welcome-1" else None


async def echo(email_id: str) -> dict[str, object] | None:
    return {"email_id": email_id}


async def never(_: str) -> dict[str, object] | None:
    await asyncio.Event().wait()
    return None


@asynccontextmanager
async def listening(
    emails: Emails = known, *, host: str = "127.0.0.1", token: str | None = TOKEN, limits: Limits | None = None
) -> AsyncIterator[int]:
    """A server on a free port, which it gives."""
    server = HttpServer(host=host, port=0, token=token, emails=emails, limits=limits or Limits())
    async with server.listen() as where:
        yield int(where.rpartition(":")[2])


async def say(port: int, data: bytes) -> bytes:
    """Say something and hear all that is said until the connection ends."""
    async with asyncio.timeout(PATIENCE_S):
        reader, writer = await asyncio.open_connection("127.0.0.1", port)
        try:
            writer.write(data)
            return await rest(reader)
        finally:
            writer.close()


async def rest(reader: asyncio.StreamReader) -> bytes:
    heard = b""
    with suppress(ConnectionResetError):
        while piece := await reader.read(65_536):
            heard += piece
    return heard


def reply_of(heard: bytes) -> Reply:
    head, _, body = heard.partition(b"\r\n\r\n")
    first, *lines = head.decode().split("\r\n")
    headers = {name.lower(): value.strip() for name, _, value in (line.partition(":") for line in lines)}
    return Reply(int(first.split(" ")[1]), headers, body)


async def ask(
    port: int,
    target: str = "/v1/emails/welcome-1",
    *headers: str,
    method: str = "GET",
    host: str = "127.0.0.1",
    token: str | None = TOKEN,
    body: bytes = b"",
) -> Reply:
    lines = [f"{method} {target} HTTP/1.1", f"Host: {host}", *headers]
    lines += [f"Authorization: Bearer {token}"] if token is not None else []
    return reply_of(await say(port, "\r\n".join([*lines, "", ""]).encode() + body))


# --- what an email has come to ---------------------------------------------------------------------


async def test_what_is_known_is_told() -> None:
    async with listening() as port:
        reply = await ask(port)

    assert reply.status == 200
    assert reply.json == REPORT
    assert reply.headers["content-type"] == "application/json; charset=utf-8"


async def test_an_unknown_id_is_said_to_be_unknown() -> None:
    async with listening() as port:
        reply = await ask(port, "/v1/emails/nobodys")

    assert reply.status == 404
    assert reply.json.keys() == {"error", "remedy"}
    assert "nobodys" not in reply.body.decode()


@pytest.mark.parametrize(
    ("spelled", "email_id"),
    [
        pytest.param("order-1", "order-1", id="plain"),
        pytest.param("a%2Fb", "a/b", id="a-slash"),
        pytest.param("..%2F..%2Fetc", "../../etc", id="a-path-is-only-a-name"),
        pytest.param("100%25", "100%", id="a-percent-sign"),
        pytest.param("a%252Fb", "a%2Fb", id="decoded-once"),
        pytest.param("gr%C3%BC%C3%9Fe", "grüße", id="utf-8"),
        pytest.param("%F0%9F%93%A7", "\N{E-MAIL SYMBOL}", id="beyond-the-first-plane"),
        pytest.param("a+b%20c", "a+b c", id="a-plus-is-a-plus"),
        pytest.param("a%3Fb?x=1", "a?b", id="a-question-mark-and-a-query"),
        pytest.param("me@example.com:1", "me@example.com:1", id="signs-that-may-stand-as-they-are"),
        pytest.param("x" * 2000, "x" * 2000, id="long"),
    ],
)
async def test_ids_of_all_kinds(spelled: str, email_id: str) -> None:
    async with listening(echo) as port:
        reply = await ask(port, f"/v1/emails/{spelled}")

    assert (reply.status, reply.json) == (200, {"email_id": email_id})


@pytest.mark.parametrize("spelled", ["%FF", "%ED%A0%80"], ids=["a-stray-byte", "half-a-character"])
async def test_an_id_that_is_not_utf_8(spelled: str) -> None:
    async with listening(echo) as port:
        assert (await ask(port, f"/v1/emails/{spelled}")).status == 400


@pytest.mark.parametrize(
    "target", ["/", "//", "/v1", "/v1/", "/v1/emails", "/v1/emails/", "/v1/emails/a/b", "/V1/emails/welcome-1"]
)
async def test_nothing_else_is_here(target: str) -> None:
    async with listening(echo) as port:
        assert (await ask(port, target)).status == 404


async def test_a_sick_store_is_not_an_unknown_id() -> None:
    """A web server that hears "unknown" sends again."""

    async def sick(_: str) -> dict[str, object] | None:
        raise StoreError(Reason.STORE_SICK, "the disk is full")

    async with listening(sick) as port:
        reply = await ask(port)

    assert reply.status == 503
    assert reply.json.keys() == {"error", "remedy"}


async def test_a_store_that_does_not_answer_is_a_sick_one() -> None:
    async with listening(never, limits=Limits(answer_s=0.05)) as port:
        assert (await ask(port)).status == 503


async def test_a_bug_is_told_to_the_log_alone() -> None:
    async def broken(_: str) -> dict[str, object] | None:
        raise RuntimeError("oh")

    with capture_logs() as lines:
        async with listening(broken) as port:
            reply = await ask(port)

    assert reply.status == 500
    assert b"oh" not in reply.body
    assert [line["event"] for line in lines] == ["flow_crashed"]


async def test_a_head_is_an_answer_without_its_body() -> None:
    async with listening() as port:
        whole, head = await ask(port), await ask(port, method="HEAD")

    assert (head.status, head.body) == (200, b"")
    assert head.headers["content-length"] == str(len(whole.body))


# --- who may ask -----------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "headers",
    [
        pytest.param((), id="nothing-is-shown"),
        pytest.param(("Authorization: Bearer 0123456789abcdeX",), id="another-token"),
        pytest.param(("Authorization: Bearer 0123456789abcde",), id="a-part-of-it"),
        pytest.param(("Authorization: Bearer",), id="no-token"),
        pytest.param(("Authorization: Bearer ",), id="an-empty-one"),
        pytest.param(("Authorization: Basic 0123456789abcdef",), id="another-scheme"),
        pytest.param(("Authorization: 0123456789abcdef",), id="no-scheme"),
        pytest.param(("Authorization: Bearer grüße",), id="letters-outside-ascii"),
        pytest.param((f"Authorization: Bearer {TOKEN}", "Authorization: Bearer x"), id="two-of-them"),
        pytest.param((f"X-Token: {TOKEN}",), id="another-header"),
    ],
)
@pytest.mark.parametrize("target", ["/v1/emails/welcome-1", "/v1/emails/nobodys", "/v1/other", "/v1"])
async def test_nobody_without_the_token(headers: tuple[str, ...], target: str) -> None:
    async with listening() as port:
        reply = await ask(port, target, *headers, token=None)

    assert reply.status == 401
    assert reply.headers["www-authenticate"] == "Bearer"
    assert reply.json.keys() == {"error", "remedy"}


@pytest.mark.parametrize("shown", [f"bearer {TOKEN}", f"BEARER {TOKEN}", f"Bearer  {TOKEN} "])
async def test_spellings_of_the_header(shown: str) -> None:
    async with listening() as port:
        assert (await ask(port, "/v1/emails/welcome-1", f"Authorization: {shown}", token=None)).status == 200


async def test_bytes_that_are_no_utf_8_are_no_token() -> None:
    async with listening() as port:
        heard = await say(
            port, b"GET /v1/emails/x HTTP/1.1\r\nHost: localhost\r\nAuthorization: Bearer \xff\xfe\r\n\r\n"
        )

    assert reply_of(heard).status == 401


@pytest.mark.parametrize("shown", [None, "", TOKEN])
async def test_without_a_token_of_ours_nobody_is_told(shown: str | None) -> None:
    async with listening(token=None) as port:
        reply = await ask(port, token=shown)

    assert reply.status == 403
    assert "TANK_HTTP_TOKEN" in reply.json["remedy"]


@pytest.mark.parametrize("target", ["/", "/healthz", "/v1/emails/welcome-1"])
async def test_from_outside_nothing_is_told_without_the_token(target: str) -> None:
    async with listening(host="0.0.0.0") as port:  # noqa: S104 - what is to be tested
        assert (await ask(port, target, token=None)).status == 401


async def test_from_outside_and_without_a_token_of_ours() -> None:
    """The settings refuse it; so does the server, which may have been given a name that leads outside."""
    async with listening(host="0.0.0.0", token=None) as port:  # noqa: S104 - as above
        assert (await ask(port, "/healthz", token=None)).status == 403


@pytest.mark.parametrize(
    "host", ["127.0.0.1", "127.0.0.1:9464", "127.1.2.3", "localhost", "LocalHost:8080", "[::1]:9464", "[::1]"]
)
async def test_names_of_this_host(host: str) -> None:
    """A tunnel or a proxy may have another port than we."""
    async with listening() as port:
        assert (await ask(port, host=host)).status == 200


@pytest.mark.parametrize(
    "host",
    [
        "evil.example.com",
        "evil.example.com:9464",
        "127.0.0.1.evil.example.com",
        "localhost.evil.example.com",
        "10.0.0.7",
        "0.0.0.0",  # noqa: S104 - browsers reach this host by it
        "[::]",
        "127.0.0.1:9464:1",
        "127.0.0.1@evil.example.com",
        "",
    ],
)
async def test_a_page_elsewhere_cannot_ask_through_a_browser(host: str) -> None:
    """DNS rebinding: its name points to us, but its name is what the browser sends."""
    async with listening() as port:
        assert (await ask(port, host=host)).status == 421


@pytest.mark.parametrize(
    "head",
    [
        pytest.param("GET /v1/emails/welcome-1 HTTP/1.1", id="no-host"),
        pytest.param("GET /v1/emails/welcome-1 HTTP/1.0", id="no-host-in-the-older-version"),
        pytest.param("GET /v1/emails/welcome-1 HTTP/1.1\r\nHost: localhost\r\nHost: evil.example.com", id="two-hosts"),
        pytest.param("GET http://evil.example.com/v1/emails/welcome-1 HTTP/1.1\r\nHost: localhost", id="as-a-proxy"),
    ],
)
async def test_a_host_is_named_once(head: str) -> None:
    async with listening() as port:
        heard = await say(port, f"{head}\r\nAuthorization: Bearer {TOKEN}\r\n\r\n".encode())

    assert reply_of(heard).status == 400


async def test_from_outside_any_name_will_do() -> None:
    """Nobody knows all names of a host, and no page has the token."""
    async with listening(host="0.0.0.0") as port:  # noqa: S104 - as above
        assert (await ask(port, host="mailer.example.com")).status == 200


# --- what may be asked -----------------------------------------------------------------------------


@pytest.mark.parametrize("method", ["POST", "PUT", "PATCH", "DELETE", "OPTIONS", "TRACE", "PROPFIND"])
async def test_nothing_can_be_changed(method: str) -> None:
    async with listening() as port:
        reply = await ask(port, method=method)

    assert reply.status == 405
    assert reply.headers["allow"] == "GET, HEAD"


@pytest.mark.parametrize(
    ("headers", "body"),
    [
        pytest.param(("Content-Length: 2",), b"{}", id="short"),
        pytest.param(("Content-Length: 1000000000",), b"", id="long-and-to-come"),
        pytest.param(("Content-Length: 9", "Expect: 100-continue"), b"", id="asked-for-first"),
        pytest.param(("Transfer-Encoding: chunked",), b"2\r\n{}\r\n0\r\n\r\n", id="in-chunks"),
        pytest.param(("Content-Encoding: gzip", "Content-Length: 4"), b"\x1f\x8b\x08\x00", id="packed"),
    ],
)
async def test_bodies_are_not_taken(headers: tuple[str, ...], body: bytes) -> None:
    async with listening(limits=Limits(connection_s=5.0)) as port:
        reply = await ask(port, "/v1/emails/welcome-1", *headers, body=body)

    assert reply.status == 413


async def test_who_sends_a_large_body_hears_why_it_was_for_nothing() -> None:
    """A connection that is closed on unread bytes ends in a reset, and takes the answer along."""
    body = b"x" * 20_000_000

    def send_all_then_listen(port: int) -> bytes:
        with socket.create_connection(("127.0.0.1", port), timeout=PATIENCE_S) as client:
            client.sendall(f"GET / HTTP/1.1\r\nHost: localhost\r\nContent-Length: {len(body)}\r\n\r\n".encode())
            client.sendall(body)
            return client.recv(65_536)

    async with listening() as port:
        heard = await asyncio.to_thread(send_all_then_listen, port)

    assert reply_of(heard).status == 413


async def test_a_body_of_no_length_is_none() -> None:
    async with listening() as port:
        assert (await ask(port, "/v1/emails/welcome-1", "Content-Length: 0")).status == 200


@pytest.mark.parametrize(
    "data",
    [
        pytest.param(b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03\r\n\r\n", id="tls"),
        pytest.param(b"EHLO mail.example.com\r\n\r\n", id="smtp"),
        pytest.param(b"GET /" + b"x" * 9_000 + b" HTTP/1.1\r\nHost: localhost\r\n\r\n", id="a-line-too-long"),
        pytest.param(b"GET / HTTP/1.1\r\nHost: localhost\r\nX: " + b"x" * 9_000 + b"\r\n\r\n", id="a-header-too-long"),
        pytest.param(
            b"GET / HTTP/1.1\r\nHost: localhost\r\n" + b"".join(b"X-%d: x\r\n" % n for n in range(100)) + b"\r\n",
            id="too-many-headers",
        ),
        pytest.param(
            b"GET / HTTP/1.1\r\nHost: localhost\r\nContent-Length: 1\r\nContent-Length: 2\r\n\r\n", id="two-lengths"
        ),
        pytest.param(b"GET / HTTP/1.1\r\nHost: localhost\r\nSecret\x00: x\r\n\r\n", id="a-header-with-nul"),
    ],
)
async def test_what_is_no_request_is_answered_in_our_form(data: bytes, caplog: pytest.LogCaptureFixture) -> None:
    with capture_logs() as lines, caplog.at_level(logging.INFO):
        async with listening() as port:
            reply = reply_of(await say(port, data))

    assert reply.status == 400
    assert reply.json.keys() == {"error", "remedy"}
    assert "server" not in reply.headers
    assert (lines, caplog.records) == ([], [])


# --- how it is answered ----------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("target", "token", "method"),
    [
        pytest.param("/v1/emails/welcome-1", TOKEN, "GET", id="known"),
        pytest.param("/v1/emails/nobodys", TOKEN, "GET", id="unknown"),
        pytest.param("/v1/emails/welcome-1", "x", "GET", id="without-the-token"),
        pytest.param("/v1/emails/welcome-1", TOKEN, "POST", id="to-change"),
    ],
)
async def test_no_answer_is_kept_or_tells_who_gave_it(target: str, token: str, method: str) -> None:
    async with listening() as port:
        reply = await ask(port, target, token=token, method=method)

    assert reply.headers["cache-control"] == "no-store"
    assert reply.headers["connection"] == "close"
    assert "server" not in reply.headers
    assert "aiohttp" not in str(reply)


async def test_nothing_of_a_request_is_logged(caplog: pytest.LogCaptureFixture) -> None:
    with capture_logs() as lines, caplog.at_level(logging.INFO):
        async with listening() as port:
            for token in (TOKEN, "wrong"):
                await ask(port, token=token)

    assert (lines, caplog.records) == ([], [])


async def test_one_connection_is_one_request() -> None:
    """So that one limit holds for both; a second request behind the first one is not answered."""
    request = f"GET /v1/emails/welcome-1 HTTP/1.1\r\nHost: localhost\r\nAuthorization: Bearer {TOKEN}\r\n\r\n".encode()
    async with listening() as port:
        heard = await say(port, request * 2)

    assert heard.count(b"HTTP/1.1 ") == 1


# --- who takes up too much -------------------------------------------------------------------------


@pytest.mark.parametrize(
    "begun",
    [
        pytest.param(b"", id="who-says-nothing"),
        pytest.param(b"GET /v1/emails/welcome-1 HT", id="who-stops-within-the-line"),
        pytest.param(b"GET /v1/emails/welcome-1 HTTP/1.1\r\nHost: local", id="who-stops-within-a-header"),
    ],
)
async def test_slow_ones_are_cut(begun: bytes) -> None:
    async with listening(limits=Limits(connection_s=0.05)) as port:
        assert await say(port, begun) == b""


async def test_who_does_not_read_is_cut() -> None:
    """More than the buffers between us hold; the ledger's answer must not stay in memory for him."""

    async def large(_: str) -> dict[str, object] | None:
        return {"text": "x" * 20_000_000}

    async with listening(large, limits=Limits(connection_s=1.0)) as port, asyncio.timeout(PATIENCE_S):
        reader, writer = await asyncio.open_connection("127.0.0.1", port, limit=1024)
        writer.write(f"GET /v1/emails/x HTTP/1.1\r\nHost: localhost\r\nAuthorization: Bearer {TOKEN}\r\n\r\n".encode())
        await reader.readexactly(1)
        writer.transport.pause_reading()  # type: ignore[attr-defined]
        await say(port, b"")  # who came later is cut later
        writer.transport.resume_reading()  # type: ignore[attr-defined]
        heard = await rest(reader)
        writer.close()

    assert len(heard) < 20_000_000


async def test_a_crowd_is_turned_away() -> None:
    async with listening(limits=Limits(connections=2)) as port, asyncio.timeout(PATIENCE_S):
        idle = [await asyncio.open_connection("127.0.0.1", port) for _ in range(2)]
        reply = reply_of(await say(port, b""))
        for _, writer in idle:
            writer.close()
        again = await ask(port)
        while again.status == 503:  # until the server has seen the others go
            again = await ask(port)

    assert reply.status == 503
    assert reply.json.keys() == {"error", "remedy"}
    assert "server" not in reply.headers
    assert again.status == 200


async def test_as_many_as_there_may_be() -> None:
    assert Limits().connections == 32


async def test_who_goes_away_leaves_no_question_to_the_ledger() -> None:
    asked, left = asyncio.Event(), asyncio.Event()

    async def slow(_: str) -> dict[str, object] | None:
        asked.set()
        try:
            await asyncio.Event().wait()
        finally:
            left.set()
        return None

    async with listening(slow) as port, asyncio.timeout(PATIENCE_S):
        _, writer = await asyncio.open_connection("127.0.0.1", port)
        writer.write(f"GET /v1/emails/x HTTP/1.1\r\nHost: localhost\r\nAuthorization: Bearer {TOKEN}\r\n\r\n".encode())
        await asked.wait()
        writer.close()
        await left.wait()


# --- where it listens ------------------------------------------------------------------------------


def server_on(port: int, wait: Callable[[float], Awaitable[None]]) -> HttpServer:
    return HttpServer(host="127.0.0.1", port=port, token=TOKEN, emails=known, wait=wait)


async def test_a_port_that_is_taken_is_told_once_and_tried_again() -> None:
    """Mail goes out all the same; and whoever restarts two things at once need not restart a third time."""
    waits = list[float]()
    is_free = asyncio.Event()
    with socket.create_server(("127.0.0.1", 0)) as other, capture_logs() as lines:
        port: int = other.getsockname()[1]

        async def wait(delay_s: float) -> None:
            waits.append(delay_s)
            if len(waits) == 3:
                other.close()
                is_free.set()

        running = asyncio.create_task(server_on(port, wait).run())
        async with asyncio.timeout(PATIENCE_S):
            await is_free.wait()
            reply = None
            while reply is None:
                with suppress(ConnectionRefusedError):
                    reply = await ask(port)
        running.cancel()
        with suppress(asyncio.CancelledError):
            await running

    assert waits == [10.0, 10.0, 10.0]
    assert reply.status == 200
    assert [(line["event"], line["log_level"]) for line in lines] == [
        ("http_unavailable", "warning"),
        ("http_listening", "info"),
    ]
    assert {line["listen"] for line in lines} == {f"127.0.0.1:{port}"}
    assert lines[0]["detail"]
    assert "TANK_HTTP_LISTEN" in lines[0]["remedy"]


async def test_an_address_of_another_host_is_told_too() -> None:
    asked = asyncio.Event()

    async def wait(_: float) -> None:
        asked.set()
        await asyncio.Event().wait()

    elsewhere = HttpServer(host="192.0.2.1", port=9, token=TOKEN, emails=known, wait=wait)  # RFC 5737: nobody's
    with capture_logs() as lines:
        running = asyncio.create_task(elsewhere.run())
        async with asyncio.timeout(PATIENCE_S):
            await asked.wait()
        running.cancel()
        with suppress(asyncio.CancelledError):
            await running

    assert [line["event"] for line in lines] == ["http_unavailable"]


async def test_after_the_end_nobody_listens() -> None:
    async with listening() as port, asyncio.timeout(PATIENCE_S):
        reader, writer = await asyncio.open_connection("127.0.0.1", port)

    async with asyncio.timeout(PATIENCE_S):
        assert await rest(reader) == b""
        writer.close()
        with pytest.raises(ConnectionRefusedError):
            await asyncio.open_connection("127.0.0.1", port)


# --- how we are ------------------------------------------------------------------------------------

PAGES: dict[str, Callable[[], Page]] = {
    "/healthz": lambda: Page.of({"alive": True}, is_well=True),
    "/readyz": lambda: Page.of({"ready": False, "reasons": []}, is_well=False),
    "/metrics": lambda: Page(b"# HELP x y\n", "text/plain; version=0.0.4; charset=utf-8"),
}


@asynccontextmanager
async def showing(pages: dict[str, Callable[[], Page]] = PAGES, *, host: str = "127.0.0.1") -> AsyncIterator[int]:
    server = HttpServer(host=host, port=0, token=TOKEN, emails=known, pages=pages)
    async with server.listen() as where:
        yield int(where.rpartition(":")[2])


@pytest.mark.parametrize(
    ("path", "status", "content_type", "body"),
    [
        ("/healthz", 200, "application/json; charset=utf-8", b'{"alive": true}'),
        ("/readyz", 503, "application/json; charset=utf-8", b'{"ready": false, "reasons": []}'),
        ("/metrics", 200, "text/plain; version=0.0.4; charset=utf-8", b"# HELP x y\n"),
        ("/metrics?name[]=x", 200, "text/plain; version=0.0.4; charset=utf-8", b"# HELP x y\n"),
    ],
)
async def test_whoever_is_on_this_host_may_ask_how_we_are(
    path: str, status: int, content_type: str, body: bytes
) -> None:
    async with showing() as port:
        reply = await ask(port, path, token=None)

    assert (reply.status, reply.headers["content-type"], reply.body) == (status, content_type, body)
    assert reply.headers["cache-control"] == "no-store"


@pytest.mark.parametrize("path", PAGES)
async def test_off_loopback_it_takes_the_token(path: str) -> None:
    async with showing(host="0.0.0.0") as port:  # noqa: S104 - that is the point
        stranger, friend = await ask(port, path, token=None), await ask(port, path)

    assert (stranger.status, friend.status) == (401, PAGES[path]().status)


@pytest.mark.parametrize("path", PAGES)
async def test_a_name_that_is_not_ours_is_refused_there_too(path: str) -> None:
    """A web page may point its own name to us, and read."""
    async with showing() as port:
        assert (await ask(port, path, token=None, host="evil.example.com")).status == 421


@pytest.mark.parametrize("path", ["/metrics/", "/healthz/x", "/Metrics", "/%6detrics", "/readyz;x"])
async def test_what_is_spelled_otherwise_is_not_there(path: str) -> None:
    async with showing() as port:
        reply = await ask(port, path)

    assert reply.status == 404
    assert "/healthz, /readyz, /metrics, /v1/emails/EMAIL_ID" in reply.json["remedy"]


async def test_nothing_is_changed_there() -> None:
    async with showing() as port:
        assert (await ask(port, "/metrics", method="POST")).status == 405
        assert (await ask(port, "/metrics", method="HEAD")).body == b""


async def test_a_bug_in_a_page_is_told_and_harms_no_other() -> None:
    pages = {**PAGES, "/metrics": lambda: Page(str(1 // 0).encode())}
    with capture_logs() as lines:
        async with showing(pages) as port:
            assert (await ask(port, "/metrics")).status == 500
            assert (await ask(port, "/healthz")).status == 200

    assert [line["event"] for line in lines] == ["flow_crashed"]
