"""Taking rights away, and turning the time of answers; and what of a topic has to be right for events to come."""

from email.utils import parsedate_to_datetime
from typing import Any

import aiohttp
import pytest

from tank_mailer.standin import ManualClock, Standin
from tank_mailer.standin.access import Access
from tests.standin.post import Post


async def changed(http: aiohttp.ClientSession, wishes: object, *, status: int = 200) -> Any:
    async with http.put("/_standin/access", json=wishes) as answer:
        assert answer.status == status, await answer.text()
        return await answer.json()


async def test_an_observer_takes_rights_away_and_gives_them_back(http: aiohttp.ClientSession) -> None:
    shown = await changed(http, {"denied": ["ses:GetAccount"]})
    async with http.get("/v2/email/account") as answer:
        assert answer.status == 403
        assert answer.headers["x-amzn-ErrorType"] == "AccessDeniedException"
    await changed(http, {"denied": {}})
    async with http.get("/v2/email/account") as answer:
        assert answer.status == 200
    assert shown == {
        "caller": "arn:aws:iam::000000000000:user/stand-in",
        "denied": {"ses:GetAccount": ""},
        "date_skew_s": 0.0,
    }


async def test_a_right_on_one_resource(http: aiohttp.ClientSession) -> None:
    await changed(http, {"denied": {"ses:GetConfigurationSet": "tank"}})

    async with http.get("/v2/email/configuration-sets/tank") as denied:
        assert denied.status == 403
    async with http.get("/v2/email/configuration-sets/other") as missing:
        assert missing.status == 404


async def test_answers_from_another_time(http: aiohttp.ClientSession) -> None:
    async with http.get("/_standin/access") as before:
        began = parsedate_to_datetime(before.headers["Date"])
    await changed(http, {"date_skew_s": 3600})

    async with http.get("/_standin/access") as after:
        told = parsedate_to_datetime(after.headers["Date"])
    assert (told - began).total_seconds() >= 3600


@pytest.mark.parametrize(
    ("wishes", "text"),
    [
        pytest.param({"deny": []}, "unknown: deny; known: date_skew_s, denied", id="a-strange-name"),
        pytest.param({"denied": "all"}, "denied is a list of actions", id="no-list"),
        pytest.param({"denied": {"a:B": 1}}, "denied is a list of actions", id="no-name"),
        pytest.param({"date_skew_s": "1"}, "date_skew_s is a number", id="no-number"),
        pytest.param({"date_skew_s": True}, "date_skew_s is a number", id="no-number-either"),
    ],
)
async def test_wishes_that_make_no_sense(http: aiohttp.ClientSession, wishes: object, text: str) -> None:
    assert text in (await changed(http, wishes, status=400))["error"]


def test_who_one_is_needs_no_right() -> None:
    access = Access(account_id="1", denied={"sts:GetCallerIdentity": ""})

    assert access.may("sts:GetCallerIdentity", "")
    assert (access.arn, Access(account_id="1", user="root").arn) == (
        "arn:aws:iam::1:user/stand-in",
        "arn:aws:iam::1:root",
    )


async def test_a_reset_gives_all_rights_back(http: aiohttp.ClientSession, standin: Standin) -> None:
    standin.state.access.user = "root"
    await changed(http, {"denied": ["ses:GetAccount"], "date_skew_s": 9})
    async with http.post("/_standin/reset"):
        assert standin.state.access.shown() == Access(account_id="000000000000").shown()


async def test_a_form_without_what_it_needs(http: aiohttp.ClientSession) -> None:
    async with http.post("/", data={"Action": "GetTopicAttributes"}) as answer:
        assert answer.status == 400
        assert "<Code>ValidationError</Code>" in await answer.text()


async def test_who_has_not_confirmed_gets_nothing(post: Post, clock: ManualClock) -> None:
    (subscriptions,) = post.standin.state.events.topics.by_arn.values()
    subscriptions[0].is_pending = True

    await post.send("you@example.org")
    clock.advance(60)

    assert post.bodies() == []
