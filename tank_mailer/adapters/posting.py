"""One POST to somebody else: time-outs, no redirects, little of the answer is read, no word of the URL is said."""

import asyncio
import os
import ssl
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass, field
from http import HTTPStatus
from typing import Final

import aiohttp
from pydantic import SecretStr

from tank_mailer import __version__
from tank_mailer.ports import NotTold

TIMEOUT_S: Final = 15.0  # Standard Webhooks: 15 to 30 s
REST_TIMEOUT_S: Final = 2.0  # for the body behind the status; it says nothing, but a connection read to its end lives
MAX_REST_BYTES: Final = 65_536
PARALLEL: Final = 8
HEADERS: Final = {"Content-Type": "application/json", "User-Agent": f"tank-mailer/{__version__}"}


@dataclass(frozen=True, slots=True)
class Party:
    """Who is told something.

    Attributes:
        name: in a sentence.
        setting: that has its URL.
        gets: what it is told.
    """

    name: str
    setting: str
    gets: str


WEB_SERVER: Final = Party("the web server", "TANK_WEBHOOK_URL", "the news")


@dataclass(frozen=True, slots=True)
class Answered:
    """What the receiver said; the beginning of the body is for a person at a terminal, never for a log."""

    status: int
    phrase: str
    beginning: bytes = field(default=b"", repr=False)
    party: Party = WEB_SERVER

    @property
    def takes(self) -> bool:
        """Whether it has what it was told."""
        return HTTPStatus.OK <= self.status < HTTPStatus.MULTIPLE_CHOICES

    @property
    def complaint(self) -> str:
        """What is wrong with it, in a sentence."""
        who = self.party.name
        if HTTPStatus.MULTIPLE_CHOICES <= self.status < HTTPStatus.BAD_REQUEST:
            return (
                f"{who} answered {self.status}, a redirect, which is not followed: set {self.party.setting} to"
                " the final URL"
            )
        return f"{who} answered {self.status}, and only 2xx means that it has {self.party.gets}"


@asynccontextmanager
async def open_session() -> AsyncIterator[aiohttp.ClientSession]:
    """A session for one receiver alone: no cookies, no unpacking, proxies as the environment has them.

    The AWS SDK takes its proxies from there too; a receiver in the house goes into NO_PROXY.
    """
    async with aiohttp.ClientSession(
        connector=aiohttp.TCPConnector(limit=PARALLEL),
        cookie_jar=aiohttp.DummyCookieJar(),
        timeout=aiohttp.ClientTimeout(total=None),  # `post` has its own
        auto_decompress=False,
        trust_env=True,
    ) as session:
        yield session


async def post(
    session: aiohttp.ClientSession,
    url: SecretStr,
    body: bytes,
    *,
    headers: Mapping[str, str] = HEADERS,
    party: Party = WEB_SERVER,
    timeout_s: float = TIMEOUT_S,
) -> Answered | NotTold:
    """Say what came back, whatever it is; `NotTold`: nothing that is HTTP."""
    try:
        async with (
            asyncio.timeout(timeout_s) as deadline,
            session.post(url.get_secret_value(), data=body, headers=headers, allow_redirects=False) as response,
        ):
            deadline.reschedule(None)  # the status has come; what follows cannot take it back
            beginning = await _rest(response)
            return Answered(response.status, response.reason or "", beginning, party)
    except TimeoutError:
        return NotTold(f"{party.name} did not answer within {timeout_s:g} s")
    except (aiohttp.ClientError, OSError, ValueError) as error:
        return NotTold(explain(error, party))


async def _rest(response: aiohttp.ClientResponse) -> bytes:
    """Read what follows the status, so far as is good for the connection; the status stands whatever comes of it."""
    rest = bytearray()
    with suppress(TimeoutError, aiohttp.ClientError, OSError, ValueError):
        async with asyncio.timeout(REST_TIMEOUT_S):
            while len(rest) < MAX_REST_BYTES and (more := await response.content.read(MAX_REST_BYTES - len(rest))):
                rest += more
    return bytes(rest)


def explain(error: Exception, party: Party = WEB_SERVER) -> str:
    """What went wrong before an answer came, in a sentence without the URL, whose query may hold a key."""
    who = party.name
    match error:
        case aiohttp.ClientConnectorCertificateError(certificate_error=cause):
            why = cause.verify_message if isinstance(cause, ssl.SSLCertVerificationError) else type(cause).__name__
            return f"{who}'s TLS certificate is not to be trusted: {why}"
        case aiohttp.ClientSSLError(os_error=cause):
            reason = getattr(cause, "reason", None) or type(cause).__name__
            return f"no TLS connection to {who} comes about: {reason}"
        case aiohttp.ClientConnectorDNSError():
            return f"{who}'s name is not found in the DNS"
        case aiohttp.ClientProxyConnectionError():
            return "the proxy that the environment names cannot be reached (HTTPS_PROXY, NO_PROXY)"
        case aiohttp.ClientHttpProxyError(status=status):
            return f"the proxy that the environment names answered {status} (HTTPS_PROXY, NO_PROXY)"
        case aiohttp.ClientConnectorError(os_error=cause):
            why = os.strerror(cause.errno) if cause.errno else type(cause).__name__
            return f"{who} cannot be reached: {why}"
        case aiohttp.ServerDisconnectedError() | aiohttp.ClientOSError() | OSError():
            return f"{who} closed the connection before it had answered"
        case aiohttp.ClientResponseError() | aiohttp.ClientPayloadError():
            return "what came back is no HTTP"
        case _:
            return f"the request could not be made: {type(error).__name__}"
