"""SES's own suppression list: pages, spellings, one call a second, and what SES or a proxy may answer instead."""

import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import UTC, datetime

import pytest

from tank_mailer.adapters import account_list, aws
from tank_mailer.adapters.account_list import AccountList, AccountListError, Pace
from tank_mailer.core.drift import Listed, ListedReason
from tank_mailer.core.errors import Reason
from tank_mailer.standin import AccountSettings, Standin, StandinOptions
from tank_mailer.standin.suppressed import Suppressed
from tests.adapters import rude_server as rude
from tests.adapters.conftest import KEYS
from tests.adapters.rude_server import Connection, RudeServer

AT = datetime(2026, 11, 2, 9, 0, tzinfo=UTC)
SECRET = "jane.doe"  # of an address that no error may tell


class Waits:
    """Sleeps in no time, and remembers how long it would have been."""

    def __init__(self) -> None:
        self.seconds: list[float] = []

    async def __call__(self, seconds: float) -> None:
        self.seconds.append(seconds)


@asynccontextmanager
async def opened(url: str, waits: Waits | None = None) -> AsyncIterator[AccountList]:
    variables = {**KEYS, "AWS_ENDPOINT_URL": url}
    pace = Pace(sleep=waits) if waits else Pace(every_s=0)
    async with aws.open_control(variables, region="eu-west-1") as client:
        yield AccountList(client=client, pace=pace)


def put(standin: Standin, *addresses: str, reason: str = "BOUNCE") -> None:
    for address in addresses:
        standin.state.events.suppressed.put(Suppressed(address=address, reason=reason, updated_at=AT))


async def read_all(account: AccountList) -> list[list[Listed]]:
    return [page async for page in account.pages()]


# --- the good path, on the stand-in ----------------------------------------------------------------


async def test_all_pages_are_read(standin: Standin, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(account_list, "PAGE_SIZE", 2)
    put(standin, "User@Example.org", "user@example.org", "b@example.com")
    put(standin, "c@example.com", reason="COMPLAINT")

    async with opened(standin.url) as account:
        pages = await read_all(account)

    assert [len(page) for page in pages] == [2, 2]
    assert sorted((one.address, one.reason, one.updated_at) for page in pages for one in page) == [
        ("User@Example.org", ListedReason.BOUNCE, AT),
        ("b@example.com", ListedReason.BOUNCE, AT),
        ("c@example.com", ListedReason.COMPLAINT, AT),
        ("user@example.org", ListedReason.BOUNCE, AT),
    ]


async def test_an_empty_list(standin: Standin) -> None:
    async with opened(standin.url) as account:
        assert await read_all(account) == [[]]


async def test_spellings_are_exact(standin: Standin) -> None:
    """SES finds and removes by the very letters that it stored (aws-facts 2.5)."""
    put(standin, "Jane+x@Example.org")

    async with opened(standin.url) as account:
        assert await account.find("jane+x@example.org") is None
        found = await account.find("Jane+x@Example.org")
        await account.remove("Jane+x@Example.org")
        await account.remove("Jane+x@Example.org")  # a second time: it is off the list, and that was wanted

    assert found == Listed("Jane+x@Example.org", ListedReason.BOUNCE, AT)
    assert standin.state.events.suppressed.by_spelling == {}


async def test_a_put_adds_and_changes(standin: Standin) -> None:
    put(standin, "a@example.com")

    async with opened(standin.url) as account:
        assert await account.put("a@example.com", ListedReason.COMPLAINT)
        assert await account.put("b@example.com", ListedReason.BOUNCE)

    listed = standin.state.events.suppressed.by_spelling
    assert {name: one.reason for name, one in listed.items()} == {
        "a@example.com": "COMPLAINT",
        "b@example.com": "BOUNCE",
    }


# --- pace ------------------------------------------------------------------------------------------


async def test_calls_are_a_second_apart(standin: Standin) -> None:
    """SES takes one a second of each operation; the first one need not wait."""
    waits = Waits()

    async with opened(standin.url, waits) as account:
        for _ in range(3):
            await account.find("a@example.com")

    assert waits.seconds == pytest.approx([1.0, 1.0], abs=0.2)
    assert max(waits.seconds) <= 1.0


# --- what goes wrong -------------------------------------------------------------------------------


def error(code: str, text: str = f"{SECRET}@example.com is wrong", status: int = 400) -> rude.Manner:
    body = json.dumps({"message": text}).encode()
    return rude.answers(status, body, x_amzn_ErrorType=code, x_amzn_RequestId="r-1")


@pytest.mark.parametrize(
    ("manner", "reason", "remedy"),
    [
        pytest.param(
            error("AccessDeniedException", "User x is not authorized", 403),
            Reason.ACCESS_DENIED,
            "ses:GetSuppressedDestination",
            id="denied-names-the-action",
        ),
        pytest.param(
            error("UnrecognizedClientException", "bad token", 403),
            Reason.BAD_CREDENTIALS,
            "AWS_ACCESS_KEY_ID",
            id="no-key",
        ),
        pytest.param(error("BadRequestException"), Reason.REJECTED, "again", id="refused"),
        pytest.param(rude.answers(200, rude.PAGE), Reason.ANSWER_UNCLEAR, "proxies", id="a-portals-page"),
        pytest.param(rude.answers(403, rude.PAGE), Reason.ACCESS_DENIED, "ses:Get", id="a-proxys-refusal"),
        pytest.param(
            rude.answers(200, b"\xff\xfe<html>"), Reason.UNREACHABLE, "proxies", id="a-page-in-another-coding"
        ),
        pytest.param(rude.closes_after_the_request, Reason.UNREACHABLE, "network", id="no-answer"),
    ],
)
async def test_an_error_has_a_remedy_and_no_address(manner: rude.Manner, reason: Reason, remedy: str) -> None:
    async with RudeServer(manner).listen() as server, opened(server.url) as account:
        with pytest.raises(AccountListError) as caught:
            await account.find(f"{SECRET}@example.com")

    assert caught.value.reason is reason
    assert remedy in caught.value.remedy
    assert SECRET not in caught.value.detail + caught.value.remedy


async def test_nobody_listens() -> None:
    async with opened(f"http://127.0.0.1:{rude.free_port()}") as account:
        with pytest.raises(AccountListError, match="does not answer ses:ListSuppressedDestinations"):
            await read_all(account)


async def test_a_404_page_is_no_removal() -> None:
    """Only SES's own word for it counts: a wrong AWS_ENDPOINT_URL answers 404, too."""
    async with RudeServer(rude.answers(404, rude.PAGE)).listen() as server, opened(server.url) as account:
        with pytest.raises(AccountListError):
            await account.remove("a@example.com")


async def test_the_sandbox_takes_no_additions() -> None:
    options = StandinOptions(account=AccountSettings(production_access=False))
    async with Standin.start(options) as standin, opened(standin.url) as account:
        with pytest.raises(AccountListError, match="sandbox") as caught:
            await account.put("a@example.com", ListedReason.BOUNCE)

    assert "production access" in caught.value.remedy


async def test_one_bad_address_stops_nothing_and_five_do() -> None:
    """In case SES words the sandbox otherwise: no thousand calls to hear the same answer."""
    async with RudeServer(error("BadRequestException")).listen() as server, opened(server.url) as account:
        for _ in range(4):
            assert not await account.put("a@example.com", ListedReason.BOUNCE)
        with pytest.raises(AccountListError, match="one addition after the other"):
            await account.put("a@example.com", ListedReason.BOUNCE)


async def test_four_bad_ones_between_good_ones() -> None:
    def manner_of(connection: Connection) -> rude.Manner:
        count = len(connection.server.requests)
        return rude.answers(200, b"{}", x_amzn_RequestId="r-1") if count % 5 == 4 else error("BadRequestException")

    async def manner(connection: Connection) -> None:
        await manner_of(connection)(connection)

    async with RudeServer(manner).listen() as server, opened(server.url) as account:
        taken = [await account.put("a@example.com", ListedReason.BOUNCE) for _ in range(10)]

    assert taken == ([False] * 4 + [True]) * 2


async def test_a_throttle_is_waited_out() -> None:
    """Somebody else in the account calls, too; the SDK's own retries come first."""

    async def manner(connection: Connection) -> None:
        is_late = len(connection.server.requests) >= 2 * aws.CONTROL_ATTEMPTS
        good = rude.answers(200, b'{"SuppressedDestinationSummaries": []}', x_amzn_RequestId="r-1")
        await (good if is_late else error("TooManyRequestsException", "Rate exceeded", 429))(connection)

    waits = Waits()
    async with RudeServer(manner).listen() as server, opened(server.url, waits) as account:
        assert await read_all(account) == [[]]

    assert [wait for wait in waits.seconds if wait > 1] == [2.0, 4.0]


async def test_a_throttle_without_end_is_an_error(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(account_list, "WAITS_S", (0.0,))
    throttles = error("TooManyRequestsException", "Rate exceeded", 429)
    async with RudeServer(throttles).listen() as server, opened(server.url) as account:
        with pytest.raises(AccountListError, match="throttles") as caught:
            await read_all(account)

    assert caught.value.reason is Reason.THROTTLED


async def test_the_same_page_for_ever() -> None:
    page = b'{"SuppressedDestinationSummaries": [], "NextToken": "t"}'
    answers = rude.answers(200, page, x_amzn_RequestId="r-1")
    async with RudeServer(answers).listen() as server, opened(server.url) as account:
        with pytest.raises(AccountListError, match="again and again"):
            await read_all(account)

    assert len(server.requests) == 2


async def test_a_token_that_is_not_good_any_more() -> None:
    async with RudeServer(error("InvalidNextTokenException")).listen() as server, opened(server.url) as account:
        with pytest.raises(AccountListError, match="has changed while it was read"):
            await read_all(account)


async def test_odd_summaries() -> None:
    """A reason that SES has thought of since keeps mail back all the same."""
    odd = [{"EmailAddress": "a@example.com", "Reason": "MANUAL"}, {"Reason": "BOUNCE"}]
    body = json.dumps({"SuppressedDestinationSummaries": odd}).encode()
    answers = rude.answers(200, body, x_amzn_RequestId="r-1")
    async with RudeServer(answers).listen() as server, opened(server.url) as account:
        assert await read_all(account) == [[Listed("a@example.com", ListedReason.BOUNCE)]]
