"""What the network may do on the way to SES, done by sockets, against what docs/troubleshooting.md says of it."""

import asyncio
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import pytest

from tank_mailer.adapters.ses import SesMailer
from tank_mailer.core.outcome import Fault, judge
from tank_mailer.telemetry.flatten import name_of
from tests.adapters import rude_server as rude
from tests.adapters.conftest import open_clients
from tests.adapters.rude_server import Connection, Manner, RudeServer
from tests.builders import make_job
from tests.project.tables import TROUBLESHOOTING, Row, table
from tests.tls_authority import make_authority

ANYWHERE = "https://email.eu-west-1.amazonaws.com"
SHORT_S = 1.0  # the one wait here: a server that never answers
LONG_S = 20.0
LATIN_1 = "<html>Grüße</html>".encode("latin-1")
ROWS = table(TROUBLESHOOTING, "What the network did")
CERTIFICATE = "its certificate is another's"


@dataclass(frozen=True, slots=True, kw_only=True)
class Trouble:
    """What stands on the way.

    Attributes:
        manner: how the server behaves; None: there is none.
        url: where the client goes instead of to the server.
        is_proxy: the server, or its absence, is in the way to `url`.
    """

    manner: Manner | None = None
    url: str = ""
    has_tls: bool = False
    is_proxy: bool = False
    timeout_s: float = LONG_S


async def speaks_no_tls(connection: Connection) -> None:
    await connection.reader.read(1)
    connection.send(b"HTTP/1.1 400 Bad Request\r\n\r\n")


def lets_nobody_through(status: int) -> Manner:
    async def manner(connection: Connection) -> None:
        await connection.reader.readuntil(b"\r\n\r\n")
        connection.send(rude.answering(status, rude.PAGE))

    return manner


TROUBLES: Mapping[str, Sequence[Trouble]] = {
    "the name does not resolve": [Trouble(url="http://ses.invalid")],
    "the connection is refused": [Trouble()],
    f"the port speaks no TLS, or {CERTIFICATE}": [Trouble(manner=speaks_no_tls, has_tls=True)],
    "reset or closed in the TLS handshake": [
        Trouble(manner=rude.resets_at_once, has_tls=True),
        Trouble(manner=rude.closes_at_once, has_tls=True),
    ],
    "the proxy is away": [Trouble(url=ANYWHERE, is_proxy=True)],
    "the proxy refuses to connect us (403, 407, 502)": [
        Trouble(manner=lets_nobody_through(status), url=ANYWHERE, is_proxy=True) for status in (403, 407, 502)
    ],
    "reset before the request was read": [Trouble(manner=rude.resets_at_once)],
    "reset after the request": [Trouble(manner=rude.resets_after_the_request)],
    "closed, or cut in the middle of the answer": [
        Trouble(manner=rude.closes_after_the_request),
        Trouble(manner=rude.answers_by_half),
        Trouble(manner=rude.stops_within_the_head),
    ],
    "no answer in time": [Trouble(manner=rude.never_answers, timeout_s=SHORT_S)],
    "another protocol answers": [Trouble(manner=rude.talks_garbage)],
    "a page with status 200": [Trouble(manner=rude.answers(200, rude.PAGE))],
    "a page with status 503": [Trouble(manner=rude.answers(503, rude.PAGE))],
    "a page that is not UTF-8": [Trouble(manner=rude.answers(200, LATIN_1))],
}


async def met(url: str, *, timeout_s: float, proxy: str = "") -> Row:
    """What the page says of it: what stands in the detail, and the outcome."""
    job = make_job()
    variables = {"HTTPS_PROXY": proxy} if proxy else {}
    async with open_clients(url, ses_timeout_s=LONG_S, variables=variables) as clients:
        mailer = SesMailer(client=clients.sending, configuration_set="tank", timeout_s=timeout_s)
        answer = await mailer.send(job, attempt=1)
    assert isinstance(answer, Fault)
    outcome = judge(answer, job=job, configuration_set="tank", sender_is_known=True)
    named = answer.code if answer.status is None else f"HTTP {answer.status}"
    assert named in str(outcome)
    return [f"`{named}`", f"`{name_of(type(outcome))}`"]


async def meet(trouble: Trouble) -> Row:
    if trouble.manner is None:
        nobody = f"http://127.0.0.1:{rude.free_port()}"
        proxy = nobody if trouble.is_proxy else ""
        return await met(trouble.url or nobody, timeout_s=trouble.timeout_s, proxy=proxy)
    async with RudeServer(trouble.manner).listen() as server:
        own = server.url.replace("http:", "https:") if trouble.has_tls else server.url
        proxy = server.url if trouble.is_proxy else ""
        return await met(trouble.url or own, timeout_s=trouble.timeout_s, proxy=proxy)


@pytest.mark.parametrize("row", ROWS, ids=lambda row: row[0])
async def test_the_client_meets_what_the_page_says(row: Row) -> None:
    for trouble in TROUBLES[row[0]]:
        assert await meet(trouble) == row[1:]


async def test_a_certificate_of_an_authority_that_nobody_knows(tmp_path: Path) -> None:
    """As of a proxy that opens TLS on the way."""

    async def take(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.read()
        writer.close()

    (row,) = (row for row in ROWS if CERTIFICATE in row[0])
    listener = await asyncio.start_server(take, "127.0.0.1", 0, ssl=make_authority(tmp_path).server())
    async with listener:
        port = listener.sockets[0].getsockname()[1]
        assert await met(f"https://127.0.0.1:{port}", timeout_s=LONG_S) == row[1:]


def test_each_trouble_stands_in_the_page() -> None:
    assert [row[0] for row in ROWS] == list(TROUBLES)
