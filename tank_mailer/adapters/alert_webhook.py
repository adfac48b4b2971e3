"""Whoever is told of alerts: a POST of JSON that Slack and its like show as it is (`docs/alerts.md`)."""

import json
from dataclasses import dataclass
from typing import Final
from urllib.parse import urlsplit

import aiohttp
from pydantic import SecretStr

from tank_mailer.adapters.posting import TIMEOUT_S, Answered, Party, post
from tank_mailer.ports import NotTold, Told

RECEIVER: Final = Party("the alert receiver", "TANK_ALERT_WEBHOOK_URL", "the alert")
# They know the fields of a message, and refuse others (Google: "Unknown name", 400) or may: they get the text alone.
TEXT_ONLY: Final = ("hooks.slack.com", "hooks.slack-gov.com", "chat.googleapis.com")


@dataclass(frozen=True, slots=True, kw_only=True)
class AlertWebhook:
    """The `AlertReceiver` over a session of its own; redirects are not followed, little of an answer is read."""

    session: aiohttp.ClientSession
    url: SecretStr
    timeout_s: float = TIMEOUT_S

    async def tell(self, payload: str) -> Told | NotTold:
        """One request; returns in every case but cancellation."""
        match await post(
            self.session, self.url, self._fitting(payload).encode(), party=RECEIVER, timeout_s=self.timeout_s
        ):
            case Answered(status) as answered:
                return Told() if answered.takes else NotTold(answered.complaint, status)
            case NotTold() as failure:
                return failure

    def _fitting(self, payload: str) -> str:
        host = urlsplit(self.url.get_secret_value()).hostname or ""
        return json.dumps({"text": json.loads(payload)["text"]}) if host in TEXT_ONLY else payload
