"""The web server as a `Receiver`: one signed POST for each letter (Standard Webhooks)."""

import asyncio
import os
import ssl
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass, field
from http import HTTPStatus
from typing import Final

import aiohttp
from pydantic import SecretStr
from standardwebhooks import Webhook

from tank_mailer import __version__
from tank_mailer.core.news import name_of
from tank_mailer.ports import Clock, Letter, NotTold, Told

TIMEOUT_S: Final = 15.0  # Standard Webhooks: 15 to 30 s
REST_TIMEOUT_S: Final = 2.0  # for the body behind the status; it says nothing, but a connection read to its end lives
MAX_REST_BYTES: Final = 65_536
PARALLEL: Final = 8
HEADERS: Final = {"Content-Type": "application/json", "User-Agent": f"tank-mailer/{__version__}"}


@dataclass(frozen=True, slots=True)
class Answered:
    """What the web server said; the beginning of the body is for a person at a terminal, never for a log."""

    status: int
    phrase: str
    beginning: bytes = field(default=b"", repr=False)

    @property
    def takes(self) -> bool:
        """Whether it has the news."""
        return HTTPStatus.OK <= self.status < HTTPStatus.MULTIPLE_CHOICES

    @property
    def complaint(self) -> str:
        """What is wrong with it, in a sentence."""
        if HTTPStatus.MULTIPLE_CHOICES <= self.status < HTTPStatus.BAD_REQUEST:
            return (
                f"the web server answered {self.status}, a redirect, which is not followed: set TANK_WEBHOOK_URL to"
                " the final URL"
            )
        return f"the web server answered {self.status}, and only 2xx means that it has the news"


@dataclass(frozen=True, slots=True, kw_only=True)
class WebhookReceiver:
    """POSTs over a session that the composition root opens by `open_session`."""

    session: aiohttp.ClientSession
    url: SecretStr
    secret: SecretStr
    clock: Clock
    timeout_s: float = TIMEOUT_S

    async def tell(self, letter: Letter) -> Told | NotTold:
        """One request; returns in every case but cancellation."""
        match await self.post(letter.payload):
            case Answered(status) as answered:
                return Told() if answered.takes else NotTold(answered.complaint, status)
            case NotTold() as failure:
                return failure

    async def post(self, payload: str) -> Answered | NotTold:
        """Say what came back, whatever it is; `NotTold`: nothing that is HTTP."""
        body = payload.encode("utf-8", "replace")
        try:
            async with (
                asyncio.timeout(self.timeout_s) as deadline,
                self.session.post(
                    self.url.get_secret_value(),
                    data=body,
                    headers=self._signed(name_of(payload), body.decode()),
                    allow_redirects=False,
                ) as response,
            ):
                deadline.reschedule(None)  # the status has come; what follows cannot take it back
                beginning = await _rest(response)
                return Answered(response.status, response.reason or "", beginning)
        except TimeoutError:
            return NotTold(f"the web server did not answer within {self.timeout_s:g} s")
        except (aiohttp.ClientError, OSError, ValueError) as error:
            return NotTold(explain(error))

    def _signed(self, name: str, body: str) -> dict[str, str]:
        now = self.clock.now().replace(microsecond=0)
        signature = Webhook(self.secret.get_secret_value()).sign(name, now, body)
        return {
            **HEADERS,
            "webhook-id": name,
            "webhook-timestamp": str(int(now.timestamp())),
            "webhook-signature": signature,
        }


@asynccontextmanager
async def open_session() -> AsyncIterator[aiohttp.ClientSession]:
    """A session for the web server alone: no cookies, no unpacking, proxies as the environment has them.

    The AWS SDK takes its proxies from there too; a web server in the house goes into NO_PROXY.
    """
    async with aiohttp.ClientSession(
        connector=aiohttp.TCPConnector(limit=PARALLEL),
        cookie_jar=aiohttp.DummyCookieJar(),
        timeout=aiohttp.ClientTimeout(total=None),  # `post` has its own
        auto_decompress=False,
        trust_env=True,
    ) as session:
        yield session


async def _rest(response: aiohttp.ClientResponse) -> bytes:
    """Read what follows the status, so far as is good for the connection; the status stands whatever comes of it."""
    rest = bytearray()
    with suppress(TimeoutError, aiohttp.ClientError, OSError, ValueError):
        async with asyncio.timeout(REST_TIMEOUT_S):
            while len(rest) < MAX_REST_BYTES and (more := await response.content.read(MAX_REST_BYTES - len(rest))):
                rest += more
    return bytes(rest)


def explain(error: Exception) -> str:
    """What went wrong before an answer came, in a sentence without the URL, whose query may hold a key."""
    match error:
        case aiohttp.ClientConnectorCertificateError(certificate_error=cause):
            why = cause.verify_message if isinstance(cause, ssl.SSLCertVerificationError) else type(cause).__name__
            return f"the web server's TLS certificate is not to be trusted: {why}"
        case aiohttp.ClientSSLError(os_error=cause):
            reason = getattr(cause, "reason", None) or type(cause).__name__
            return f"no TLS connection to the web server comes about: {reason}"
        case aiohttp.ClientConnectorDNSError():
            return "the web server's name is not found in the DNS"
        case aiohttp.ClientProxyConnectionError():
            return "the proxy that the environment names cannot be reached (HTTPS_PROXY, NO_PROXY)"
        case aiohttp.ClientHttpProxyError(status=status):
            return f"the proxy that the environment names answered {status} (HTTPS_PROXY, NO_PROXY)"
        case aiohttp.ClientConnectorError(os_error=cause):
            why = os.strerror(cause.errno) if cause.errno else type(cause).__name__
            return f"the web server cannot be reached: {why}"
        case aiohttp.ServerDisconnectedError() | aiohttp.ClientOSError() | OSError():
            return "the web server closed the connection before it had answered"
        case aiohttp.ClientResponseError() | aiohttp.ClientPayloadError():
            return "what came back is no HTTP"
        case _:
            return f"the request could not be made: {type(error).__name__}"
