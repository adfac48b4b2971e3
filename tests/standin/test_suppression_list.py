"""The account's suppression list (aws-facts 2.5)."""

from typing import Any
from urllib.parse import quote

import aiohttp
import pytest

from tank_mailer.standin import AccountSettings, EventSettings, FateRule, ManualClock
from tank_mailer.standin.fates import Fate
from tests.standin.post import FAST, Post, open_post

ADDRESSES = "/v2/email/suppression/addresses"
DEAD, ANGRY = "dead@example.org", "angry@example.org"
HELD_BACK = ("Bounce", "Permanent/OnAccountSuppressionList")
RULES = (FateRule(match=DEAD, fate=Fate.BOUNCE), FateRule(match=ANGRY, fate=Fate.COMPLAINT))


async def call(
    http: aiohttp.ClientSession, method: str, name: str = "", body: object = None, **query: Any
) -> tuple[str, dict[str, Any]]:
    """The error's name and the answer."""
    path = f"{ADDRESSES}/{quote(name, safe='')}" if name else ADDRESSES
    parameters = [
        (key, value) for key, given in query.items() for value in ([given] if isinstance(given, str) else given)
    ]
    async with http.request(method, path, json=body, params=parameters) as answer:
        return answer.headers.get("x-amzn-ErrorType", ""), await answer.json()


async def put(post: Post, address: str, reason: str = "BOUNCE") -> str:
    return (await call(post.http, "PUT", body={"EmailAddress": address, "Reason": reason}))[0]


async def listed(post: Post, **query: Any) -> list[str]:
    _, answer = await call(post.http, "GET", **query)
    return [entry["EmailAddress"] for entry in answer["SuppressedDestinationSummaries"]]


async def test_an_entrys_life(post: Post, clock: ManualClock) -> None:
    """Also with what a path must escape."""
    address = "a+b/c@example.org"
    assert await put(post, address, "COMPLAINT") == ""

    _, found = await call(post.http, "GET", address)
    assert found == {
        "SuppressedDestination": {
            "EmailAddress": address,
            "Reason": "COMPLAINT",
            "LastUpdateTime": clock.wall().timestamp(),
        }
    }
    assert (await call(post.http, "DELETE", address))[0] == ""

    assert (await call(post.http, "GET", address))[0] == "NotFoundException"
    assert (await call(post.http, "DELETE", address))[0] == "NotFoundException"


async def test_look_up_and_removal_need_the_spelling_and_sending_does_not(post: Post) -> None:
    await put(post, "You@Example.org")

    assert (await call(post.http, "GET", "you@example.org"))[0] == "NotFoundException"
    assert (await call(post.http, "DELETE", "you@example.org"))[0] == "NotFoundException"
    await post.send("yOU@example.org")

    assert post.told() == [(*HELD_BACK, "yOU@example.org")]


async def test_an_address_is_free_when_its_last_spelling_is_gone(post: Post) -> None:
    for spelling in ("You@example.org", "you@example.org"):
        await put(post, spelling)
    await call(post.http, "DELETE", "You@example.org")
    await post.send("you@example.org")
    await call(post.http, "DELETE", "you@example.org")
    await post.send("you@example.org")

    assert [line[0] for line in post.told()] == ["Bounce", "Delivery"]


async def test_a_mail_to_a_listed_address_is_accepted_and_counts(post: Post) -> None:
    """The others of the same mail get it."""
    await put(post, "you@example.org")

    assert await post.send("you@example.org", "other@example.org")

    assert post.standin.state.account.sent_last_24_hours() == 2
    assert sorted(post.told()) == [(*HELD_BACK, "you@example.org"), ("Delivery", "other@example.org")]


async def test_a_hard_bounce_and_a_complaint_list_the_address(clock: ManualClock) -> None:
    async with open_post(clock, event_rules=RULES) as post:
        message_id = await post.send(DEAD, ANGRY)
        bounce = next(event["bounce"] for event in post.events() if event["eventType"] == "Bounce")

        _, found = await call(post.http, "GET", DEAD)
        await post.send(DEAD, ANGRY)

        assert found["SuppressedDestination"]["Reason"] == "BOUNCE"
        assert found["SuppressedDestination"]["Attributes"] == {
            "MessageId": message_id,
            "FeedbackId": bounce["feedbackId"],
        }
        assert await listed(post, Reason="COMPLAINT") == [ANGRY]
        assert post.told() == [(*HELD_BACK, DEAD), (*HELD_BACK, ANGRY)]


async def test_events_that_never_come_list_the_address_too(clock: ManualClock) -> None:
    """And a mail without a configuration set: the list is the account's."""
    async with open_post(clock, event_rules=RULES, events=EventSettings(lost_share=1.0)) as post:
        await post.send(DEAD)
        await post.send(ANGRY, through="")

        assert await listed(post) == [ANGRY, DEAD]


@pytest.mark.parametrize(
    "name", ["bounce", "complaint", "suppressionlist", "softbounce", "ooto", "accountlist", "success"]
)
async def test_the_simulator_lists_nobody(post: Post, name: str) -> None:
    """Aws-facts 6."""
    await post.send(f"{name}@simulator.amazonses.com")

    assert await listed(post) == []


@pytest.mark.parametrize("fate", [Fate.SOFTBOUNCE, Fate.OOTO, Fate.SUPPRESSIONLIST, Fate.DELAY, Fate.REJECT])
async def test_other_fates_list_nobody(clock: ManualClock, fate: Fate) -> None:
    async with open_post(clock, event_rules=(FateRule(match="*", fate=fate),)) as post:
        await post.send("you@example.org")

        assert await listed(post) == []


async def test_an_account_without_suppression_lists_nobody_and_holds_nothing_back(clock: ManualClock) -> None:
    async with open_post(clock, event_rules=RULES) as post:
        await put(post, "you@example.org")
        await post.observed("PUT", "account", {"suppression_enabled": False})

        await post.send(DEAD, "you@example.org")

        assert sorted(post.told()) == [("Bounce", "Permanent/General", DEAD), ("Delivery", "you@example.org")]
        assert await listed(post) == ["you@example.org"]
        async with post.http.get("/v2/email/account") as answer:
            assert (await answer.json())["SuppressionAttributes"] == {"SuppressedReasons": []}


@pytest.mark.parametrize(
    ("reasons", "told"),
    [
        pytest.param([], [("Delivery",), ("Delivery",)], id="none"),
        pytest.param(["COMPLAINT"], [("Delivery",), HELD_BACK], id="complaints-only"),
        pytest.param(["BOUNCE", "COMPLAINT"], [HELD_BACK, HELD_BACK], id="both"),
    ],
)
async def test_the_sets_own_options_go_first(post: Post, reasons: list[str], told: list[tuple[str, ...]]) -> None:
    """Aws-facts 2.5."""
    await put(post, DEAD, "BOUNCE")
    await put(post, ANGRY, "COMPLAINT")
    post.standin.state.configuration_sets.by_name["tank"] = {"SuppressionOptions": {"SuppressedReasons": reasons}}

    await post.send(DEAD)
    await post.send(ANGRY)

    assert [line[:-1] for line in post.told()] == told


async def test_pages(post: Post) -> None:
    addresses = [f"r{number:02}@example.org" for number in range(25)]
    for address in addresses:
        await put(post, address)
    pages: list[list[str]] = []
    token: dict[str, str] = {}
    while True:
        _, answer = await call(post.http, "GET", PageSize="10", **token)
        pages.append([entry["EmailAddress"] for entry in answer["SuppressedDestinationSummaries"]])
        if "NextToken" not in answer:
            break
        token = {"NextToken": answer["NextToken"]}

    assert [len(page) for page in pages] == [10, 10, 5]
    assert sum(pages, []) == addresses  # noqa: RUF017 - three pages


async def test_a_full_last_page_has_no_token(post: Post) -> None:
    await put(post, "you@example.org")

    _, answer = await call(post.http, "GET", PageSize="1")

    assert "NextToken" not in answer


async def test_lists_by_reason_and_time(post: Post, clock: ManualClock) -> None:
    await put(post, "a@example.org", "BOUNCE")
    clock.advance(60)
    await put(post, "b@example.org", "COMPLAINT")
    minute, later = "2026-11-01T00:17:00Z", "2026-11-01T00:18:00Z"

    assert await listed(post) == ["a@example.org", "b@example.org"]
    assert await listed(post, Reason="BOUNCE") == ["a@example.org"]
    assert await listed(post, Reason=["BOUNCE", "COMPLAINT"]) == ["a@example.org", "b@example.org"]
    assert await listed(post, EndDate=minute) == ["a@example.org"]
    assert await listed(post, StartDate=minute) == ["b@example.org"]
    assert await listed(post, StartDate=minute, EndDate=later, Reason="BOUNCE") == []


@pytest.mark.parametrize(
    ("method", "body", "query", "error"),
    [
        pytest.param("PUT", {"EmailAddress": "a@x.org"}, {}, "MissingParameter", id="no-reason"),
        pytest.param("PUT", {"EmailAddress": "a@x.org", "Reason": "MANUAL"}, {}, "BadRequestException", id="reason"),
        pytest.param("PUT", {"EmailAddress": "a", "Reason": "BOUNCE"}, {}, "BadRequestException", id="no-address"),
        pytest.param("PUT", {"EmailAddress": "A <a@x.org>", "Reason": "BOUNCE"}, {}, "BadRequestException", id="named"),
        pytest.param("GET", None, {"Reason": "MANUAL"}, "BadRequestException", id="list-reason"),
        pytest.param("GET", None, {"PageSize": "1001"}, "BadRequestException", id="page-too-large"),
        pytest.param("GET", None, {"PageSize": "0"}, "BadRequestException", id="no-page"),
        pytest.param("GET", None, {"StartDate": "soon"}, "BadRequestException", id="no-date"),
        pytest.param("GET", None, {"NextToken": "x"}, "InvalidNextTokenException", id="no-token"),
    ],
)
async def test_what_makes_no_sense(post: Post, method: str, body: object, query: dict[str, str], error: str) -> None:
    assert (await call(post.http, method, "", body, **query))[0] == error
    assert await listed(post) == []


async def test_nothing_is_put_in_the_sandbox(clock: ManualClock) -> None:
    async with open_post(clock, account=AccountSettings(production_access=False)) as post:
        assert await put(post, "you@example.org") == "BadRequestException"
        assert await listed(post) == []


async def test_one_call_a_second_when_strict(clock: ManualClock) -> None:
    """Of each operation by itself (aws-facts 1.4); sending has a rate of its own."""
    async with open_post(clock, strict_control_plane=True, account=FAST) as post:
        assert await put(post, "a@example.org") == ""
        error, answer = await call(post.http, "PUT", body={"EmailAddress": "b@example.org", "Reason": "BOUNCE"})
        assert (error, answer) == ("TooManyRequestsException", {"message": "Rate exceeded"})
        assert await listed(post) == ["a@example.org"]
        for _ in range(3):
            await post.send("you@example.org")

        clock.advance(1)
        assert await put(post, "b@example.org") == ""


async def test_any_number_of_calls_when_not(post: Post) -> None:
    assert [await put(post, "a@example.org") for _ in range(5)] == [""] * 5


async def test_a_reset_empties_the_list(post: Post) -> None:
    await put(post, "you@example.org")

    await post.observed("POST", "reset")
    await post.send("you@example.org")

    assert await listed(post) == []
    assert post.told() == [("Delivery", "you@example.org")]
