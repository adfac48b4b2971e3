"""The web server's end: what it gets, and what becomes of what it answers."""

import asyncio
import gzip
import ssl
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from ipaddress import ip_address
from pathlib import Path
from typing import Any

import aiohttp
import pytest
from aiohttp import web
from aiohttp.abc import AbstractResolver, ResolveResult
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from pydantic import SecretStr
from standardwebhooks import Webhook, WebhookVerificationError
from typing_extensions import override

from tank_mailer import __version__
from tank_mailer.adapters import posting
from tank_mailer.adapters.clock import SystemClock
from tank_mailer.adapters.posting import MAX_REST_BYTES, Answered, open_session
from tank_mailer.adapters.webhook import WebhookReceiver
from tank_mailer.ports import Letter, NotTold, Told
from tests.adapters import rude_server as rude
from tests.adapters.rude_server import Manner, RudeServer

SECRET = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSwMfKQ9r8GKYqr"
PAYLOAD = '{"type": "email.status", "data": {"recipient": "jürgen@example.org"}}'
LETTER = Letter(1, "order-4711", PAYLOAD, datetime.now(UTC))
KEY = "token=hunter2"  # in the URL's query; no text may hold it


@asynccontextmanager
async def receiver(url: str, *, timeout_s: float = 5.0, secret: str = SECRET) -> AsyncIterator[WebhookReceiver]:
    async with open_session() as session:
        yield WebhookReceiver(
            session=session,
            url=SecretStr(f"{url}/hooks/email?{KEY}"),
            secret=SecretStr(secret),
            clock=SystemClock(),
            timeout_s=timeout_s,
        )


async def tell(url: str, *, timeout_s: float = 5.0) -> Told | NotTold:
    async with receiver(url, timeout_s=timeout_s) as one:
        return await one.tell(LETTER)


def why(answer: Told | NotTold) -> str:
    assert isinstance(answer, NotTold), answer
    assert KEY not in answer.detail
    assert SECRET not in answer.detail
    return answer.detail


# --- a web server as Standard Webhooks wants it -----------------------------------------------------


@dataclass(slots=True, eq=False)
class WebServer:
    """Takes what is signed, and nothing else."""

    url: str = ""
    taken: list[Any] = field(default_factory=list)
    headers: list[dict[str, str]] = field(default_factory=list)
    connections: set[object] = field(default_factory=set)

    async def take(self, request: web.Request) -> web.Response:
        body = await request.read()
        self.headers.append({name.lower(): value for name, value in request.headers.items()})
        self.connections.add(request.transport)
        try:
            self.taken.append(Webhook(SECRET).verify(body, dict(request.headers)))
        except WebhookVerificationError:
            return web.Response(status=401)
        return web.Response(status=204)


@pytest.fixture
async def server() -> AsyncIterator[WebServer]:
    server = WebServer()
    app = web.Application()
    app.router.add_post("/hooks/email", server.take)
    runner = web.AppRunner(app)
    await runner.setup()
    site = web.TCPSite(runner, "127.0.0.1", 0)
    await site.start()
    server.url = f"http://127.0.0.1:{runner.addresses[0][1]}"
    yield server
    await runner.cleanup()


async def test_the_library_of_the_standard_takes_what_we_send(server: WebServer) -> None:
    assert await tell(server.url) == Told()

    assert server.taken == [{"type": "email.status", "data": {"recipient": "jürgen@example.org"}}]
    headers = server.headers[0]
    assert headers["content-type"] == "application/json"
    assert headers["user-agent"] == f"tank-mailer/{__version__}"


async def test_a_repetition_has_the_same_id_and_the_time_of_its_own(server: WebServer) -> None:
    """The id is how a web server sees that it has this news; the time is how it sees that nobody replays ours."""

    class Later(SystemClock):
        @override
        def now(self) -> datetime:
            return datetime.now(UTC) + timedelta(seconds=100)

    async with receiver(server.url) as one:
        await one.tell(LETTER)
        again = WebhookReceiver(session=one.session, url=one.url, secret=one.secret, clock=Later())
        await again.tell(Letter(2, "order-4711", PAYLOAD, datetime.now(UTC), tries=3))
        await one.tell(Letter(3, "order-4711", PAYLOAD + " ", datetime.now(UTC)))

    first, second, other = server.headers
    assert first["webhook-id"] == second["webhook-id"] != other["webhook-id"]
    assert int(second["webhook-timestamp"]) - int(first["webhook-timestamp"]) in {100, 101}
    assert len(server.taken) == 3
    assert len(server.connections) == 1


async def test_another_secret_is_not_taken(server: WebServer) -> None:
    async with receiver(server.url, secret="whsec_" + "A" * 44) as one:
        answer = await one.tell(LETTER)

    assert isinstance(answer, NotTold)
    assert answer.status == 401


async def test_half_characters_do_not_keep_news_from_being_told(server: WebServer) -> None:
    async with receiver(server.url) as one:
        assert await one.tell(Letter(1, "a", '"\ud800"', datetime.now(UTC))) == Told()


# --- what it answers -------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("manner", "expected"),
    [
        pytest.param(rude.answers(200, b"ok"), Told(), id="200"),
        pytest.param(rude.answers(202), Told(), id="any-2xx"),
        pytest.param(rude.answers(200, rude.PAGE, Content_Type="text/html"), Told(), id="a-page-with-200-is-200"),
        pytest.param(rude.answers(200, b"x" * 1_000_000), Told(), id="a-body-without-end"),
        pytest.param(rude.answers(200, b"no gzip", Content_Encoding="gzip"), Told(), id="a-body-that-is-broken"),
        pytest.param(rude.answers_by_half, Told(), id="a-body-that-stops"),
        pytest.param(rude.answers(500, rude.PAGE), 500, id="500"),
        pytest.param(rude.answers(429), 429, id="429"),
        pytest.param(rude.answers(410), 410, id="410-switches-nothing-off"),
        pytest.param(rude.answers(301, Location="/elsewhere"), 301, id="301-is-not-followed"),
        pytest.param(rude.answers(307, Location="/elsewhere"), 307, id="307-is-not-followed"),
        pytest.param(rude.answers(304), 304, id="304"),
    ],
)
async def test_answers(manner: Manner, expected: Told | int) -> None:
    async with RudeServer(manner).listen() as server:
        answer = await tell(server.url)

    if isinstance(expected, int):
        assert str(expected) in why(answer)
        assert isinstance(answer, NotTold)
        assert answer.status == expected
        assert ("final URL" in answer.detail) is (300 <= expected < 400)
    else:
        assert answer == expected
    assert len(server.requests) == 1


async def test_little_of_a_body_is_read_and_nothing_unpacked() -> None:
    """A page of 10 MB, or one that unpacks to it, is no reason to grow."""
    packed = gzip.compress(b"x" * 10_000_000)
    async with RudeServer(rude.answers(200, b"x" * 10_000_000)).listen() as server, receiver(server.url) as one:
        long = await one.post(PAYLOAD)
    bombing = RudeServer(rude.answers(200, packed, Content_Encoding="gzip"))
    async with bombing.listen() as server, receiver(server.url) as one:
        bomb = await one.post(PAYLOAD)

    assert isinstance(long, Answered)
    assert len(long.beginning) == MAX_REST_BYTES
    assert isinstance(bomb, Answered)
    assert bomb.beginning == packed[:MAX_REST_BYTES]


async def test_a_body_that_never_ends_does_not_take_the_status_back(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(posting, "REST_TIMEOUT_S", 0.6)

    async def drips(connection: rude.Connection) -> None:
        await connection.request()
        connection.send(b"HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\n...")
        await asyncio.Event().wait()

    async with RudeServer(drips).listen() as server:
        assert await tell(server.url, timeout_s=0.3) == Told()


# --- no answer -------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("manner", "word"),
    [
        pytest.param(rude.closes_at_once, "closed the connection", id="closes-at-once"),
        pytest.param(rude.closes_after_the_request, "closed the connection", id="closes-after-the-request"),
        pytest.param(rude.resets_at_once, "closed the connection", id="resets-at-once"),
        pytest.param(rude.resets_after_the_request, "closed the connection", id="resets-after-the-request"),
        pytest.param(rude.talks_garbage, "no HTTP", id="another-protocol"),
        pytest.param(rude.never_answers, "did not answer within 0.3 s", id="hangs"),
        pytest.param(rude.stops_within_the_head, "closed the connection", id="stops-within-the-head"),
    ],
)
async def test_no_answer(manner: Manner, word: str) -> None:
    async with RudeServer(manner).listen() as server:
        answer = await tell(server.url, timeout_s=0.3)

    assert word in why(answer)
    assert answer == NotTold(why(answer), None)


async def test_nobody_listens() -> None:
    assert "Connection refused" in why(await tell(f"http://127.0.0.1:{rude.free_port()}"))


async def test_a_name_that_nobody_knows() -> None:
    class Nobody(AbstractResolver):
        @override
        async def resolve(self, host: str, port: int = 0, family: Any = 0) -> list[ResolveResult]:
            raise OSError(-2, "Name or service not known")

        @override
        async def close(self) -> None: ...

    async with aiohttp.ClientSession(connector=aiohttp.TCPConnector(resolver=Nobody())) as session:
        url = SecretStr(f"http://www.example.com/?{KEY}")
        one = WebhookReceiver(session=session, url=url, secret=SecretStr(SECRET), clock=SystemClock())
        assert "not found in the DNS" in why(await one.tell(LETTER))


async def test_a_cancelled_request_is_cancelled() -> None:
    came = asyncio.Event()

    async def hangs(connection: rude.Connection) -> None:
        await connection.request()
        came.set()
        await asyncio.Event().wait()

    async with RudeServer(hangs).listen() as server, receiver(server.url) as one:
        request = asyncio.create_task(one.tell(LETTER))
        await came.wait()
        request.cancel()
        with pytest.raises(asyncio.CancelledError):
            await request


# --- TLS -------------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def identity(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A key and a certificate for 127.0.0.1 that nobody but itself has signed."""
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, "localhost")])
    now = datetime.now(UTC)
    certificate = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(1)
        .not_valid_before(now - timedelta(days=1))
        .not_valid_after(now + timedelta(days=1))
        .add_extension(x509.SubjectAlternativeName([x509.IPAddress(ip_address("127.0.0.1"))]), critical=False)
        .sign(key, hashes.SHA256())
    )
    path = tmp_path_factory.mktemp("tls") / "identity.pem"
    path.write_bytes(
        key.private_bytes(serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption())
        + certificate.public_bytes(serialization.Encoding.PEM)
    )
    return path


async def test_a_certificate_that_nobody_vouches_for_is_not_trusted(identity: Path) -> None:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(identity)
    runner = web.AppRunner(web.Application())
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0, ssl_context=context).start()
    try:
        answer = await tell(f"https://127.0.0.1:{runner.addresses[0][1]}")
    finally:
        await runner.cleanup()

    assert "certificate is not to be trusted: self-signed certificate" in why(answer)


async def test_https_to_a_server_without_it() -> None:
    async with RudeServer(rude.talks_garbage).listen() as server:

        async def garbage(connection: rude.Connection) -> None:
            connection.send(b"220 mail.example.com ESMTP ready\r\n")

        server.manner = garbage
        assert "no TLS connection" in why(await tell(server.url.replace("http:", "https:")))


# --- proxies ---------------------------------------------------------------------------------------


async def test_the_environment_s_proxy_is_used(monkeypatch: pytest.MonkeyPatch) -> None:
    """The AWS SDK goes by it too; a host that reaches the world in no other way is told of by no other."""
    async with RudeServer(rude.answers(200)).listen() as proxy:
        monkeypatch.setenv("http_proxy", proxy.url)
        assert await tell("http://www.example.com") == Told()

    assert proxy.requests[0].path.startswith("http://www.example.com/hooks/email")


async def test_a_web_server_in_the_house_needs_no_proxy(server: WebServer, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("http_proxy", f"http://127.0.0.1:{rude.free_port()}")
    assert "proxy" in why(await tell(server.url))

    monkeypatch.setenv("no_proxy", "127.0.0.1")
    assert await tell(server.url) == Told()


async def test_a_proxy_that_says_no(monkeypatch: pytest.MonkeyPatch) -> None:
    async with RudeServer(rude.answers(407)).listen() as proxy:
        monkeypatch.setenv("https_proxy", proxy.url)
        assert "proxy that the environment names answered 407" in why(await tell("https://www.example.com"))


# --- errors that no test server brings about --------------------------------------------------------


@pytest.mark.parametrize(
    ("error", "word"),
    [
        pytest.param(aiohttp.InvalidURL(f"http://x/?{KEY}"), "InvalidUrl", id="a-url-that-is-none"),
        pytest.param(aiohttp.ClientPayloadError(f"http://x/?{KEY}"), "no HTTP", id="a-payload"),
        pytest.param(OSError(5, f"http://x/?{KEY}"), "closed the connection", id="anything-of-the-system"),
        pytest.param(ValueError(f"http://x/?{KEY}"), "ValueError", id="anything-else"),
    ],
)
def test_explanations_say_nothing_of_the_url(error: Exception, word: str) -> None:
    text = posting.explain(error)

    assert word.lower() in text.lower()
    assert KEY not in text
