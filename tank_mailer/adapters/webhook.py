"""The web server as a `Receiver`: one signed POST for each letter (Standard Webhooks)."""

from dataclasses import dataclass

import aiohttp
from pydantic import SecretStr
from standardwebhooks import Webhook

from tank_mailer.adapters.posting import HEADERS, TIMEOUT_S, Answered, post
from tank_mailer.core.news import name_of
from tank_mailer.ports import Clock, Letter, NotTold, Told


@dataclass(frozen=True, slots=True, kw_only=True)
class WebhookReceiver:
    """POSTs over a session that the composition root opens by `posting.open_session`."""

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
        headers = self._signed(name_of(payload), body.decode())
        return await post(self.session, self.url, body, headers=headers, timeout_s=self.timeout_s)

    def _signed(self, name: str, body: str) -> dict[str, str]:
        now = self.clock.now().replace(microsecond=0)
        signature = Webhook(self.secret.get_secret_value()).sign(name, now, body)
        return {
            **HEADERS,
            "webhook-id": name,
            "webhook-timestamp": str(int(now.timestamp())),
            "webhook-signature": signature,
        }
