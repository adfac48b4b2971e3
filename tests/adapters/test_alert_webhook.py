"""Whoever is told of alerts: what they get, and what becomes of what they answer."""

import json

import pytest
from pydantic import SecretStr

from tank_mailer.adapters.alert_webhook import AlertWebhook
from tank_mailer.adapters.posting import open_session
from tank_mailer.core.alerting import News
from tank_mailer.core.alertnews import spell
from tank_mailer.ports import NotTold, Told
from tests.adapters import rude_server as rude
from tests.adapters.rude_server import Manner, RudeServer
from tests.core.test_alerting import entry

KEY = "T0/B0/hunter2"  # in the URL's path, as Slack has it; no text may hold it
PAYLOAD = spell(News(firing=[entry()]), node="mail-1")


async def tell(url: str, *, timeout_s: float = 5.0) -> Told | NotTold:
    async with open_session() as session:
        webhook = AlertWebhook(session=session, url=SecretStr(f"{url}/services/{KEY}"), timeout_s=timeout_s)
        return await webhook.tell(PAYLOAD)


async def test_what_it_gets() -> None:
    async with RudeServer(rude.answers(200, b"ok")).listen() as server:
        assert await tell(server.url) == Told()

    (request,) = server.requests
    assert (request.method, request.path) == ("POST", f"/services/{KEY}")
    assert request.headers["content-type"] == "application/json"
    assert request.json == json.loads(PAYLOAD)
    assert request.json.keys() >= {"text", "alerts"}


@pytest.mark.parametrize("host", ["hooks.slack.com", "chat.googleapis.com"])
async def test_a_chat_that_knows_its_fields_gets_the_text_alone(host: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """Google Chat refuses a message with a name that it does not know."""
    async with RudeServer(rude.answers(200)).listen() as proxy:
        monkeypatch.setenv("http_proxy", proxy.url)
        assert await tell(f"http://{host}") == Told()

    assert proxy.requests[0].json == {"text": json.loads(PAYLOAD)["text"]}


@pytest.mark.parametrize(
    ("manner", "status", "word"),
    [
        pytest.param(rude.answers(500, rude.PAGE), 500, "the alert receiver answered 500", id="500"),
        pytest.param(rude.answers(404, b"no_service"), 404, "answered 404", id="a-webhook-that-is-gone"),
        pytest.param(rude.answers(429), 429, "answered 429", id="too-fast"),
        pytest.param(
            rude.answers(302, Location="/elsewhere"),
            302,
            "set TANK_ALERT_WEBHOOK_URL to the final URL",
            id="a-redirect",
        ),
        pytest.param(rude.closes_at_once, None, "closed the connection", id="closes-at-once"),
        pytest.param(rude.resets_after_the_request, None, "closed the connection", id="resets"),
        pytest.param(rude.talks_garbage, None, "no HTTP", id="another-protocol"),
        pytest.param(rude.never_answers, None, "the alert receiver did not answer within 0.3 s", id="hangs"),
        pytest.param(rude.stops_within_the_head, None, "closed the connection", id="stops-within-the-head"),
    ],
)
async def test_who_does_not_take_it(manner: Manner, status: int | None, word: str) -> None:
    async with RudeServer(manner).listen() as server:
        answer = await tell(server.url, timeout_s=0.3)

    assert isinstance(answer, NotTold)
    assert answer.status == status
    assert word in answer.detail
    assert "hunter2" not in answer.detail
    assert len(server.requests) <= 1, "no redirect is followed"


async def test_nobody_listens() -> None:
    answer = await tell(f"http://127.0.0.1:{rude.free_port()}")

    assert answer == NotTold("the alert receiver cannot be reached: Connection refused")


async def test_a_body_without_end_is_left() -> None:
    async with RudeServer(rude.answers(200, b"x" * 1_000_000)).listen() as server:
        assert await tell(server.url) == Told()
