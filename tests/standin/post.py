"""A stand-in with an event queue, seen from a sender who also reads the queue."""

import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Any

import aiohttp

from tank_mailer.standin import AccountSettings, EventSettings, ManualClock, Standin, StandinOptions

AT_ONCE = EventSettings(latency_s=0.0)
FAST = AccountSettings(max_send_rate=100_000.0)


@dataclass(frozen=True, slots=True, kw_only=True)
class Post:
    """Sends mails and takes their events off the queue."""

    standin: Standin
    http: aiohttp.ClientSession
    clock: ManualClock

    async def send(self, *to: str, through: str = "tank", **changes: Any) -> str:
        """The MessageId."""
        simple = {
            "Subject": {"Data": "Hello"},
            "Body": {"Text": {"Data": "Hi"}},
            "Headers": [{"Name": "X-Tank-Email-Id", "Value": "job-1"}],
        }
        request = {
            "FromEmailAddress": "News <news@example.com>",
            "Destination": {"ToAddresses": list(to)},
            "Content": {"Simple": simple},
            "EmailTags": [{"Name": "email_id", "Value": "job-1"}, {"Name": "attempt", "Value": "2"}],
            "ConfigurationSetName": through,
        } | changes
        async with self.http.post("/v2/email/outbound-emails", json=request) as answer:
            assert answer.status == 200, await answer.text()
            shown: dict[str, str] = await answer.json()
            return shown["MessageId"]

    async def observed(self, method: str, what: str, body: object = None, *, status: int = 200) -> Any:
        """What the observer says."""
        async with self.http.request(method, f"/_standin/{what}", json=body) as answer:
            assert answer.status == status, await answer.text()
            return await answer.json()

    def bodies(self, queue: str = "events") -> list[str]:
        """All that can be received now, in order; it is deleted."""
        there = self.standin.state.queues.named(queue).queue
        found: list[str] = []
        while messages := there.receive(10, visibility_s=30, dead_letters=None):
            for message in messages:
                found.append(message.content.body)
                there.delete(there.handle(message))
        return found

    def envelopes(self) -> list[dict[str, Any]]:
        """SNS's envelopes."""
        return [json.loads(body) for body in self.bodies()]

    def events(self) -> list[dict[str, Any]]:
        """The events within them."""
        return [json.loads(envelope["Message"]) for envelope in self.envelopes()]

    def told(self) -> list[tuple[str, ...]]:
        """Each event's kind and the recipients it names; without the Sends."""
        return [line for event in self.events() if (line := _line(event))[0] != "Send"]


@asynccontextmanager
async def open_post(clock: ManualClock, **wishes: Any) -> AsyncIterator[Post]:
    """With a queue `events` and events at once, unless wished otherwise."""
    settings: dict[str, Any] = {"event_queue": "events", "events": AT_ONCE, "account": FAST} | wishes
    options = StandinOptions(**settings)
    async with Standin.start(options, clock=clock) as standin, aiohttp.ClientSession(standin.url) as http:
        yield Post(standin=standin, http=http, clock=clock)


def _line(event: dict[str, Any]) -> tuple[str, ...]:
    kind = event.get("eventType") or event["notificationType"]
    key = {"Rendering Failure": "failure", "DeliveryDelay": "deliveryDelay"}.get(kind, kind.lower())
    detail = event[key]
    named = detail.get("recipients") or [
        entry["emailAddress"]
        for listed in ("bouncedRecipients", "complainedRecipients", "delayedRecipients")
        for entry in detail.get(listed, [])
    ]
    label = [f"{detail['bounceType']}/{detail['bounceSubType']}"] if kind == "Bounce" else []
    return (kind, *label, *named)
