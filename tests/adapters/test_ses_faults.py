"""Sockets that misbehave: what the adapter reports of each, and what the core makes of it."""

import json
from dataclasses import dataclass

import pytest

from tank_mailer.adapters.ses import SesAccount, SesMailer
from tank_mailer.core.errors import Reason
from tank_mailer.core.outcome import Failed, Fault, Held, InDoubt, Outcome, Refused, Throttled, Unreachable, judge
from tank_mailer.ports import AccountUnknown
from tests.adapters import rude_server as rude
from tests.adapters.conftest import open_clients
from tests.adapters.rude_server import Connection, Manner, RudeServer
from tests.builders import make_job

SHORT_S = 1.0  # the only wait in this folder: a server that never answers
LATIN_1 = "<html><body>Bitte melden Sie sich an, um das Netz zu nutzen: Ü</body></html>".encode("latin-1")


@dataclass(frozen=True, slots=True)
class Seen:
    """What the adapter reports: the facts by which the core judges, and what the server saw."""

    connected: bool
    status: int | None
    code: str
    requests: int


def coded(status: int, code: str, message: str = "") -> Manner:
    body = json.dumps({"message": message}).encode()
    return rude.answers(status, body, x_amzn_ErrorType=code, x_amzn_RequestId="r-1")


async def send(
    server: RudeServer, *, url: str = "", ses_timeout_s: float = 5.0, timeout_s: float = 5.0, proxy: str = ""
) -> tuple[Seen, Outcome]:
    job = make_job()
    variables = {"HTTPS_PROXY": proxy} if proxy else {}
    async with open_clients(url or server.url, ses_timeout_s=ses_timeout_s, variables=variables) as clients:
        mailer = SesMailer(client=clients.sending, configuration_set="tank", timeout_s=timeout_s)
        answer = await mailer.send(job, attempt=1)
    assert isinstance(answer, Fault)
    seen = Seen(answer.connected, answer.status, answer.code, len(server.requests))
    return seen, judge(answer, job=job, configuration_set="tank", sender_is_known=False)


# --- answers that do not come, or not from SES ---------------------------------------------------------

LOST = (InDoubt, Reason.ANSWER_LOST)
UNCLEAR = (InDoubt, Reason.ANSWER_UNCLEAR)


@pytest.mark.parametrize(
    ("manner", "seen", "outcome"),
    [
        pytest.param(rude.closes_at_once, Seen(True, None, "ConnectionClosedError", 0), LOST, id="closes-at-once"),
        pytest.param(
            rude.closes_after_the_request,
            Seen(True, None, "ConnectionClosedError", 1),
            LOST,
            id="closes-after-the-request",
        ),
        pytest.param(
            rude.resets_at_once, Seen(True, None, "EndpointConnectionError", 0), LOST, id="resets-before-reading"
        ),
        pytest.param(
            rude.resets_after_the_request,
            Seen(True, None, "EndpointConnectionError", 1),
            LOST,
            id="resets-after-the-request",
        ),
        pytest.param(
            rude.answers_by_half, Seen(True, None, "ConnectionClosedError", 1), LOST, id="half-a-body-with-an-id-in-it"
        ),
        pytest.param(rude.stops_within_the_head, Seen(True, None, "ConnectionClosedError", 1), LOST, id="half-a-head"),
        pytest.param(rude.talks_garbage, Seen(True, None, "HTTPClientError", 1), LOST, id="another-protocol"),
        pytest.param(rude.answers(200, rude.PAGE), Seen(True, 200, "", 1), UNCLEAR, id="a-portals-page-with-200"),
        pytest.param(
            rude.answers(200, LATIN_1), Seen(True, None, "UnicodeDecodeError", 1), LOST, id="a-page-that-is-not-utf-8"
        ),
        pytest.param(rude.answers(200, b"[]"), Seen(True, None, "AttributeError", 1), LOST, id="json-but-no-object"),
        pytest.param(rude.answers(200, b"null"), Seen(True, None, "TypeError", 1), LOST, id="json-null"),
        pytest.param(rude.answers(200, b"{}"), Seen(True, 200, "", 1), UNCLEAR, id="200-without-an-id"),
        pytest.param(
            rude.answers(200, b'{"MessageId": ""}'), Seen(True, 200, "", 1), UNCLEAR, id="200-with-an-empty-id"
        ),
        pytest.param(rude.answers(204), Seen(True, 204, "", 1), UNCLEAR, id="204"),
        pytest.param(rude.answers(503, rude.PAGE), Seen(True, 503, "503", 1), UNCLEAR, id="a-proxys-page-with-503"),
        pytest.param(rude.answers(502), Seen(True, 502, "502", 1), UNCLEAR, id="an-empty-502"),
        pytest.param(
            rude.answers(500, b'{"message": "?"}'), Seen(True, 500, "500", 1), UNCLEAR, id="json-500-without-a-code"
        ),
        pytest.param(
            coded(503, "ServiceUnavailable:http://internal.amazon.com/"),
            Seen(True, 503, "ServiceUnavailable", 1),
            (Failed, Reason.SERVICE_ERROR),
            id="a-coded-503-is-a-definite-no",
        ),
        pytest.param(
            coded(500, "InternalFailure"),
            Seen(True, 500, "InternalFailure", 1),
            (Failed, Reason.SERVICE_ERROR),
            id="a-coded-500",
        ),
        pytest.param(
            coded(408, "RequestTimeoutException"), Seen(True, 408, "RequestTimeoutException", 1), LOST, id="a-coded-408"
        ),
        pytest.param(rude.answers(400), Seen(True, 400, "400", 1), (Failed, Reason.SERVICE_ERROR), id="an-empty-400"),
        pytest.param(
            rude.answers(413, rude.PAGE),
            Seen(True, 413, "413", 1),
            (Refused, Reason.TOO_LARGE),
            id="a-proxy-that-takes-no-such-size",
        ),
    ],
)
async def test_answers(manner: Manner, seen: Seen, outcome: tuple[type[InDoubt], Reason]) -> None:
    """One request, whatever comes back: the SDK would send again after a lost answer."""
    async with RudeServer(manner).listen() as server:
        found, judged = await send(server)

    kind, reason = outcome
    assert found == seen
    assert isinstance(judged, kind)
    assert judged.reason is reason
    assert server.connections == 1


@pytest.mark.parametrize(
    ("manner", "code"),
    [
        pytest.param(
            coded(429, "TooManyRequestsException", "Maximum sending rate exceeded."), "TooManyRequestsException"
        ),
        pytest.param(coded(400, "ThrottlingException", "Rate exceeded"), "ThrottlingException"),
        pytest.param(rude.answers(429), "429"),
    ],
    ids=["ses-own-429", "a-400-that-throttles", "an-empty-429"],
)
async def test_a_throttle_is_not_sent_again_by_the_sdk(manner: Manner, code: str) -> None:
    """Waiting is the governor's business; five quick repeats would feed the throttling."""
    async with RudeServer(manner).listen() as server:
        seen, judged = await send(server)

    assert seen == Seen(True, 400 if code == "ThrottlingException" else 429, code, 1)
    assert isinstance(judged, Throttled)


async def test_a_full_quota_holds_the_account() -> None:
    async with RudeServer(coded(400, "LimitExceededException", "Daily message quota exceeded.")).listen() as server:
        seen, judged = await send(server)

    assert seen == Seen(True, 400, "LimitExceededException", 1)
    assert isinstance(judged, Held)
    assert judged.reason is Reason.QUOTA_EXCEEDED


@pytest.mark.parametrize(
    ("ses_timeout_s", "timeout_s", "code"),
    [
        pytest.param(5.0, SHORT_S, "TimeoutError", id="the-whole-call"),
        pytest.param(SHORT_S, 5.0, "ReadTimeoutError", id="the-sdks-own-for-each-read"),
    ],
)
async def test_no_answer_leaves_a_doubt(ses_timeout_s: float, timeout_s: float, code: str) -> None:
    async with RudeServer(rude.never_answers).listen() as server:
        seen, judged = await send(server, ses_timeout_s=ses_timeout_s, timeout_s=timeout_s)

    assert seen == Seen(True, None, code, 1)
    assert isinstance(judged, InDoubt)


async def test_a_redirect_is_no_answer_of_ses() -> None:
    """The SDK goes after it; wherever that ends, an answer without a MessageId is none."""

    async def sends_elsewhere(connection: Connection) -> None:
        request = await connection.request()
        is_there = request.path == "/portal"
        connection.send(rude.answering(200, rude.PAGE) if is_there else rude.answering(302, Location="/portal"))

    async with RudeServer(sends_elsewhere).listen() as server:
        seen, judged = await send(server)

    assert [request.method for request in server.requests] == ["POST", "GET"]
    assert seen == Seen(True, 200, "", 2)
    assert isinstance(judged, InDoubt)


# --- connections that are never made -------------------------------------------------------------------


async def test_a_refused_connection_leaves_no_doubt() -> None:
    nobody = RudeServer(rude.closes_at_once, port=rude.free_port())

    seen, judged = await send(nobody)

    assert seen == Seen(False, None, "EndpointConnectionError", 0)
    assert isinstance(judged, Unreachable)


async def test_a_name_that_does_not_exist_leaves_no_doubt() -> None:
    seen, judged = await send(RudeServer(rude.closes_at_once), url="http://ses.invalid")

    assert seen == Seen(False, None, "EndpointConnectionError", 0)
    assert isinstance(judged, Unreachable)


async def speaks_no_tls(connection: Connection) -> None:
    await connection.reader.read(1)
    connection.send(b"HTTP/1.1 400 Bad Request\r\n\r\n")


@pytest.mark.parametrize(
    ("manner", "code"),
    [
        pytest.param(speaks_no_tls, "SSLError", id="a-plain-port"),
        pytest.param(rude.closes_at_once, "EndpointConnectionError", id="closes-in-the-handshake"),
        pytest.param(rude.resets_at_once, "EndpointConnectionError", id="resets-in-the-handshake"),
    ],
)
async def test_without_tls_nothing_leaves(manner: Manner, code: str) -> None:
    async with RudeServer(manner).listen() as server:
        seen, judged = await send(server, url=server.url.replace("http:", "https:"))

    assert seen == Seen(False, None, code, 0)
    assert isinstance(judged, Unreachable)
    assert server.connections == 1


ANYWHERE = "https://email.eu-west-1.amazonaws.com"


async def test_a_dead_proxy_leaves_no_doubt() -> None:
    nobody = RudeServer(rude.closes_at_once)

    seen, judged = await send(nobody, url=ANYWHERE, proxy=f"http://127.0.0.1:{rude.free_port()}")

    assert seen == Seen(False, None, "ProxyConnectionError", 0)
    assert isinstance(judged, Unreachable)


@pytest.mark.parametrize("status", [403, 407, 502])
async def test_a_proxy_that_lets_nobody_through_leaves_no_doubt(status: int) -> None:
    async def refuses(connection: Connection) -> None:
        await connection.reader.readuntil(b"\r\n\r\n")
        connection.send(rude.answering(status, rude.PAGE))

    async with RudeServer(refuses).listen() as server:
        seen, judged = await send(server, url=ANYWHERE, proxy=server.url)

    assert seen == Seen(False, None, "ProxyConnectionError", 0)
    assert isinstance(judged, Unreachable)


async def test_after_trouble_the_same_client_sends_again() -> None:
    """A pool with a dead connection in it must not make a doubt of every mail that follows."""
    async with RudeServer(rude.closes_after_the_request).listen() as server, open_clients(server.url) as clients:
        mailer = SesMailer(client=clients.sending, configuration_set="tank", timeout_s=5.0)
        assert isinstance(await mailer.send(make_job(), attempt=1), Fault)

        server.manner = rude.answers(200, b'{"MessageId": "ses-1"}')
        answer = await mailer.send(make_job(), attempt=2)

    assert not isinstance(answer, Fault)
    assert answer.ses_message_id == "ses-1"
    assert len(server.requests) == 2


# --- the account -------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("manner", "reason", "reached"),
    [
        pytest.param(
            coded(403, "AccessDeniedException", "User: u is not authorized to perform: ses:GetAccount"),
            Reason.ACCESS_DENIED,
            True,
            id="denied",
        ),
        pytest.param(
            coded(403, "InvalidSignatureException", "Signature expired: 20261102T080000Z is now earlier than"),
            Reason.CLOCK_SKEW,
            True,
            id="the-clock-is-wrong",
        ),
        pytest.param(coded(403, "UnrecognizedClientException"), Reason.BAD_CREDENTIALS, True, id="no-such-key"),
        pytest.param(coded(503, "ServiceUnavailable"), Reason.SERVICE_ERROR, True, id="a-coded-503"),
        pytest.param(rude.answers(200, rude.PAGE), Reason.ANSWER_UNCLEAR, False, id="a-portals-page"),
        pytest.param(rude.answers(200, LATIN_1), Reason.UNREACHABLE, False, id="a-page-that-is-not-utf-8"),
        pytest.param(rude.answers(200, b"[]"), Reason.UNREACHABLE, False, id="json-but-no-object"),
        pytest.param(rude.answers(503, rude.PAGE), Reason.UNREACHABLE, False, id="a-proxys-page-with-503"),
        pytest.param(rude.closes_after_the_request, Reason.UNREACHABLE, False, id="closes"),
        pytest.param(rude.resets_at_once, Reason.UNREACHABLE, False, id="resets"),
    ],
)
async def test_an_account_that_does_not_tell(manner: Manner, reason: Reason, reached: bool) -> None:
    """`reached` says whether SES is there at all: by it the pause `ses_unavailable` is probed."""
    async with RudeServer(manner).listen() as server, open_clients(server.url) as clients:
        unknown = await SesAccount(client=clients.sending).ask()

    assert isinstance(unknown, AccountUnknown)
    assert (unknown.reason, unknown.reached) == (reason, reached)


async def test_an_account_out_of_reach() -> None:
    async with open_clients(f"http://127.0.0.1:{rude.free_port()}") as clients:
        unknown = await SesAccount(client=clients.sending).ask()

    assert isinstance(unknown, AccountUnknown)
    assert (unknown.reason, unknown.reached) == (Reason.UNREACHABLE, False)
