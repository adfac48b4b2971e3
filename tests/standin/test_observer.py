"""What an observer reads and sets."""

from typing import Any

import aiohttp
import pytest

from tank_mailer.standin import Accepted, ManualClock, Standin, StandinOptions, serve

MAIL: dict[str, Any] = {
    "FromEmailAddress": "News <news@example.com>",
    "Destination": {"ToAddresses": ["you@example.org"], "CcAddresses": ["b@example.org"]},
    "Content": {
        "Simple": {
            "Subject": {"Data": "Hello"},
            "Body": {"Text": {"Data": "Hi"}},
            "Headers": [{"Name": "X-Tank-Email-Id", "Value": "job-1"}],
        }
    },
    "EmailTags": [{"Name": "email_id", "Value": "job-1"}, {"Name": "attempt", "Value": "2"}],
    "ConfigurationSetName": "tank",
}


async def send(http: aiohttp.ClientSession) -> dict[str, Any]:
    async with http.post("/v2/email/outbound-emails", json=MAIL) as answer:
        shown: dict[str, Any] = await answer.json()
        return shown


async def observed(http: aiohttp.ClientSession, what: str, method: str = "GET", *, json: object = None) -> Any:
    async with http.request(method, f"/_standin/{what}", json=json) as answer:
        assert answer.status == 200, await answer.text()
        return await answer.json()


async def test_the_log_tells_each_accepted_mail(http: aiohttp.ClientSession, clock: ManualClock) -> None:
    first = await send(http)
    clock.advance(1)
    second = await send(http)

    (entry,) = await observed(http, "log?since=1")

    assert [mail["message_id"] for mail in await observed(http, "log")] == [
        first["MessageId"],
        second["MessageId"],
    ]
    assert entry == {
        "number": 2,
        "at": clock.wall().isoformat(),
        "monotonic_s": clock.monotonic(),
        "message_id": second["MessageId"],
        "email_id": "job-1",
        "attempt": "2",
        "header_email_id": "job-1",
        "sender": "News <news@example.com>",
        "to": ["you@example.org"],
        "cc": ["b@example.org"],
        "bcc": [],
        "recipients": 2,
        "tags": {"email_id": "job-1", "attempt": "2"},
        "configuration_set": "tank",
        "size_bytes": 7,
    }


async def test_mails_are_kept_as_received_up_to_a_number(clock: ManualClock) -> None:
    """The log goes on; the mails themselves would fill the memory of a long run."""
    async with (
        Standin.start(StandinOptions(keep_emails=1), clock=clock) as standin,
        aiohttp.ClientSession(standin.url) as http,
    ):
        first, second = (await send(http))["MessageId"], (await send(http))["MessageId"]

        assert await observed(http, "emails") == [second]
        assert await observed(http, f"emails/{second}") == {"MessageId": second, "request": MAIL}
        async with http.get(f"/_standin/emails/{first}") as answer:
            assert answer.status == 404
        assert len(await observed(http, "log")) == 2


async def test_a_raw_mail_shows_its_mime(http: aiohttp.ClientSession) -> None:
    raw = {"Raw": {"Data": "RnJvbTogYUBleGFtcGxlLmNvbQ0KVG86IGJAZXhhbXBsZS5vcmcNCg0KSGk="}}
    async with http.post("/v2/email/outbound-emails", json={"Content": raw}) as answer:
        message_id = (await answer.json())["MessageId"]

    mail = await observed(http, f"emails/{message_id}")

    assert mail["mime"] == "From: a@example.com\r\nTo: b@example.org\r\n\r\nHi"


async def test_the_account_is_read_and_set(http: aiohttp.ClientSession) -> None:
    changed = await observed(http, "account", "PUT", json={"max_send_rate": 1, "sent_last_24_hours": 9})

    assert changed == await observed(http, "account")
    assert changed == {
        "max_send_rate": 1.0,
        "max_24_hour_send": 50_000.0,
        "sending_enabled": True,
        "production_access": True,
        "enforcement_status": "HEALTHY",
        "get_account_denied": False,
        "suppression_enabled": True,
        "sent_last_24_hours": 9,
    }


async def test_counts_tell_outcomes_and_throttles(
    http: aiohttp.ClientSession, standin: Standin, clock: ManualClock
) -> None:
    standin.state.account.change({"max_send_rate": 2})
    for _ in range(2):
        await send(http)

    counts = await observed(http, "counts")

    assert counts["ses"] == {"SendEmail": {"calls": 2, "ok": 1, "TooManyRequestsException": 1}}
    assert counts["accepted"] == 1
    assert counts["throttles"] == [
        {
            "at": clock.wall().isoformat(),
            "monotonic_s": clock.monotonic(),
            "recipients": 2,
            "cause": "rate",
        }
    ]


async def test_an_identity_is_made_unverified(http: aiohttp.ClientSession) -> None:
    await observed(http, "identities/Example.com", "PUT", json={"verified": False})

    assert await observed(http, "identities") == {"example.com": False}
    assert (await send(http))["message"].startswith("Email address is not verified.")


async def test_a_reset_forgets_all_but_the_options(http: aiohttp.ClientSession, standin: Standin) -> None:
    await send(http)
    standin.state.queues.create("jobs", {})
    await observed(http, "account", "PUT", json={"sending_enabled": False})
    await observed(http, "faults", "POST", json=[{"kind": "hang"}])

    await observed(http, "reset", "POST")

    assert await observed(http, "log") == await observed(http, "emails") == []
    assert await observed(http, "counts") == {"sqs": {}, "ses": {}, "accepted": 0, "throttles": []}
    assert standin.state.queues.by_name == {}
    assert "MessageId" in await send(http)


async def test_the_index_names_every_endpoint(http: aiohttp.ClientSession) -> None:
    async with http.get("/_standin/") as answer:
        index = await answer.text()

    for what in ("log", "emails", "account", "identities", "keys", "counts", "faults", "events", "topics", "reset"):
        assert f"/_standin/{what}" in index


@pytest.mark.parametrize(
    ("method", "what", "body", "status"),
    [
        pytest.param("GET", "nothing", "", 404, id="unknown"),
        pytest.param("DELETE", "log", "", 404, id="wrong-method"),
        pytest.param("PUT", "account", "{", 400, id="no-json"),
        pytest.param("PUT", "account", "[]", 400, id="no-object"),
        pytest.param("POST", "faults", '[{"kind": "fire"}]', 400, id="unknown-fault"),
    ],
)
async def test_what_cannot_be_observed(
    http: aiohttp.ClientSession, method: str, what: str, body: str, status: int
) -> None:
    async with http.request(method, f"/_standin/{what}", data=body) as answer:
        assert answer.status == status
        assert "error" in await answer.json()


async def test_a_listener_hears_of_each_mail(http: aiohttp.ClientSession, standin: Standin) -> None:
    """The place for SES's events."""

    class Ear:
        def __init__(self) -> None:
            self.heard: list[Accepted] = []

        def accepted(self, email: Accepted) -> None:
            self.heard.append(email)

    ear = Ear()
    standin.state.mailbox.listeners.append(ear)

    await send(http)

    assert ear.heard == standin.state.mailbox.log != []


async def test_the_old_query_protocol_is_refused_plainly(http: aiohttp.ClientSession) -> None:
    form = {"Action": "SendMessage", "QueueUrl": "http://127.0.0.1/000000000000/jobs"}
    async with http.post("/000000000000/jobs", data=form) as answer:
        assert answer.status == 400
        assert "not the query protocol (SendMessage)" in await answer.text()


@pytest.mark.parametrize("host", ["0.0.0.0", "::", "192.0.2.1", "example.com", ""])  # noqa: S104 -- refused
def test_only_loopback(host: str) -> None:
    """It checks no signatures: whoever reaches it may read every mail."""
    with pytest.raises(ValueError, match="listens on loopback only"):
        StandinOptions(host=host)


async def test_a_port_that_is_taken(standin: Standin) -> None:
    port = int(standin.url.rpartition(":")[2])

    with pytest.raises(OSError, match=f"cannot listen on 127.0.0.1:{port}"):
        await serve(StandinOptions(port=port))
