"""The customer's web server, as small as can be: takes the news, checks the signature, keeps what it is told."""

import base64
import secrets
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from http import HTTPStatus
from typing import Any, Final

from aiohttp import web
from standardwebhooks import Webhook, WebhookVerificationError

HOST: Final = "127.0.0.1"
PATH: Final = "/hooks/email"
SECRET_BYTES: Final = 32  # Standard Webhooks: 24 to 64


@dataclass(frozen=True, slots=True, kw_only=True)
class Arrival:
    """One piece of news.

    Attributes:
        recipient: None: it is about the job as a whole, of which no mail came.
        payload: the body as it came.
    """

    email_id: str
    state: str
    recipient: str | None
    status: str | None
    reason: str | None
    payload: str

    @property
    def word(self) -> str:
        """What it comes down to: the recipient's status, or the state of the job."""
        return self.status or self.state

    def shape(self) -> dict[str, str | None]:
        """As JSON has it."""
        return {
            "email_id": self.email_id,
            "state": self.state,
            "recipient": self.recipient,
            "status": self.status,
            "reason": self.reason,
        }


@dataclass(kw_only=True, eq=False)
class WebServer:
    """What it was told.

    Attributes:
        told: each piece of news once, in the order in which they came.
        repeated: how often something came again: by its id it is known, and nothing is done twice.
        unsigned: requests whose signature was wrong; they are refused.
    """

    secret: str
    url: str = ""
    told: list[Arrival] = field(default_factory=list)
    repeated: int = 0
    unsigned: int = 0
    _names: set[str] = field(default_factory=set)

    @classmethod
    @asynccontextmanager
    async def start(cls) -> "AsyncIterator[WebServer]":
        """Listen until the block ends."""
        server = cls(secret=f"whsec_{base64.b64encode(secrets.token_bytes(SECRET_BYTES)).decode()}")
        app = web.Application()
        app.router.add_post(PATH, server._take)
        runner = web.AppRunner(app, access_log=None, handle_signals=False, shutdown_timeout=0.1)
        await runner.setup()
        try:
            await web.TCPSite(runner, HOST, 0).start()
            server.url = f"http://{HOST}:{runner.addresses[0][1]}{PATH}"
            yield server
        finally:
            await runner.cleanup()

    async def _take(self, request: web.Request) -> web.Response:
        payload = await request.text()
        try:
            said = Webhook(self.secret).verify(payload, dict(request.headers))
        except (WebhookVerificationError, ValueError):  # the latter: no base64, no JSON
            self.unsigned += 1
            return web.Response(status=HTTPStatus.UNAUTHORIZED)
        name = request.headers["webhook-id"]
        if name in self._names:
            self.repeated += 1
        else:
            self._names.add(name)
            self.told.append(_read(said["data"], payload))
        return web.Response(status=HTTPStatus.NO_CONTENT)


def _read(data: dict[str, Any], payload: str) -> Arrival:
    return Arrival(
        email_id=data["email_id"],
        state=data["state"],
        recipient=data["recipient"],
        status=data["status"],
        reason=data["reason"],
        payload=payload,
    )
