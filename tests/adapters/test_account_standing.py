"""What reports ask AWS: each part by itself, and what a denial, a page or silence is told as."""

import json
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import replace
from datetime import UTC, datetime
from typing import Any

import pytest

from tank_mailer.adapters import aws
from tank_mailer.adapters.account_standing import NETWORK, ROLE_KEY, IamKeys, SesStanding
from tank_mailer.core.reports.document import NotKnown
from tank_mailer.core.reports.outside import AccessKey, AccountStanding, DedicatedIps
from tank_mailer.standin import Standin
from tests.adapters import rude_server as rude
from tests.adapters.conftest import KEYS
from tests.adapters.rude_server import Manner, Request, RudeServer

REGION = "eu-west-1"
XMLNS = "https://iam.amazonaws.com/doc/2010-05-08/"


@asynccontextmanager
async def standing(url: str) -> AsyncIterator[SesStanding]:
    async with aws.open_control({**KEYS, "AWS_ENDPOINT_URL": url}, region=REGION) as client:
        yield SesStanding(client=client, every_s=0.0)


def says_no(status: int, code: str, message: str = "arn:aws:iam::123456789012:user/tank may not") -> Manner:
    return rude.answers(status, json.dumps({"message": message}).encode(), x_amzn_ErrorType=code, x_amzn_RequestId="r")


# --- the account -----------------------------------------------------------------------------------


async def test_the_account(standin: Standin) -> None:
    standin.state.account.change({"max_send_rate": 14, "max_24_hour_send": -1, "enforcement_status": "PROBATION"})
    async with standing(standin.url) as ses:
        assert await ses.account() == AccountStanding(
            max_send_rate=14.0,
            max_24_hour_send=None,
            sent_last_24_hours=0.0,
            sending_enabled=True,
            production_access=True,
            enforcement="PROBATION",
        )


async def test_an_account_that_may_not_be_asked(standin: Standin) -> None:
    standin.state.account.change({"get_account_denied": True})
    async with standing(standin.url) as ses:
        answer = await ses.account()
    assert isinstance(answer, NotKnown)
    assert answer.remedy == "allow the key ses:GetAccount"


async def test_where_it_may_not_be_asked_the_first_api_tells_the_figures(standin: Standin) -> None:
    """The daemon works by them, too; whether AWS holds something against the account they do not say."""
    figures = {"max_send_rate": 14, "max_24_hour_send": 200, "sent_last_24_hours": 17}
    standin.state.account.change({"get_account_denied": True, **figures})
    variables = {**KEYS, "AWS_ENDPOINT_URL": standin.url}
    async with standing(standin.url) as ses, aws.open_quota(variables, region=REGION) as quota:
        answer = await replace(ses, quota=quota).account()

    assert isinstance(answer, AccountStanding)
    assert (answer.max_send_rate, answer.max_24_hour_send, answer.sent_last_24_hours) == (14, 200, 17)
    assert answer.unseen is not None
    assert answer.unseen.remedy == "allow the key ses:GetAccount"


async def test_an_account_that_neither_tells_of(standin: Standin) -> None:
    standin.state.account.change({"get_account_denied": True})
    async with (
        standing(standin.url) as ses,
        RudeServer(says_no(403, "AccessDenied")).listen() as server,
        aws.open_quota({**KEYS, "AWS_ENDPOINT_URL": server.url}, region=REGION) as quota,
    ):
        assert isinstance(await replace(ses, quota=quota).account(), NotKnown)


# --- dedicated IPs ---------------------------------------------------------------------------------


def ips(*percentages: int, token: str | None = None) -> dict[str, Any]:
    found = [{"Ip": f"192.0.2.{n}", "WarmupStatus": "DONE", "WarmupPercentage": p} for n, p in enumerate(percentages)]
    return {"DedicatedIps": found, "NextToken": token}


async def test_dedicated_ips_of_all_pages_by_their_kind() -> None:
    def answer(request: Request) -> object:
        return ips(-1, -1, 60) if "NextToken=more" in request.path else ips(100, 100, token="more")

    async with RudeServer(rude.answers_json(answer)).listen() as server, standing(server.url) as ses:
        assert await ses.dedicated_ips() == DedicatedIps(standard=3, managed=2)
        assert len(server.requests) == 2


async def test_an_account_without_any() -> None:
    async with RudeServer(rude.answers_json(lambda _: {})).listen() as server, standing(server.url) as ses:
        assert await ses.dedicated_ips() == DedicatedIps()


@pytest.mark.parametrize(
    ("manner", "why", "remedy"),
    [
        pytest.param(
            says_no(403, "AccessDeniedException"),
            "the key may not call ses:GetDedicatedIps",
            "allow the key ses:GetDedicatedIps",
            id="denied",
        ),
        pytest.param(
            says_no(404, "UnknownOperationException"),
            "ses:GetDedicatedIps is answered with HTTP 404 UnknownOperationException",
            None,
            id="a-service-that-does-not-know-the-call",
        ),
        pytest.param(
            rude.answers(200, rude.PAGE, Content_Type="text/html"),
            "no answer to ses:GetDedicatedIps (an answer that is not from AWS: a proxy or a portal in between?)",
            NETWORK,
            id="a-portals-page",
        ),
    ],
)
async def test_what_is_told_instead(manner: Manner, why: str, remedy: str | None) -> None:
    """SES's own words name users and accounts: they stay there."""
    async with RudeServer(manner).listen() as server, standing(server.url) as ses:
        assert await ses.dedicated_ips() == NotKnown(why, remedy)


# --- keys ------------------------------------------------------------------------------------------


def xml(body: str, status: int = 200) -> Manner:
    return rude.answers(status, body.encode(), Content_Type="text/xml", x_amzn_RequestId="r")


def listed(*keys: tuple[str, str, str]) -> Manner:
    members = "".join(
        f"<member><UserName>tank</UserName><AccessKeyId>{name}</AccessKeyId><Status>{status}</Status>"
        f"<CreateDate>{at}</CreateDate></member>"
        for name, status, at in keys
    )
    result = f"<ListAccessKeysResult><AccessKeyMetadata>{members}</AccessKeyMetadata></ListAccessKeysResult>"
    metadata = "<ResponseMetadata><RequestId>r-1</RequestId></ResponseMetadata>"
    return xml(f'<ListAccessKeysResponse xmlns="{XMLNS}">{result}{metadata}</ListAccessKeysResponse>')


def refused(status: int, code: str) -> Manner:
    error = f"<Error><Type>Sender</Type><Code>{code}</Code><Message>Must specify userName</Message></Error>"
    return xml(f'<ErrorResponse xmlns="{XMLNS}">{error}<RequestId>r-1</RequestId></ErrorResponse>', status)


async def keys_of(manner: Manner) -> Sequence[AccessKey] | NotKnown:
    async with RudeServer(manner).listen() as server:
        variables = {"AWS_ACCESS_KEY_ID": "AKIAOURS", "AWS_SECRET_ACCESS_KEY": "x", "AWS_ENDPOINT_URL_IAM": server.url}
        async with aws.open_iam(variables, region=REGION) as (client, key_id):
            return await IamKeys(client=client, key_id=key_id).all()


async def test_keys_are_told_by_their_ends() -> None:
    first = ("AKIAOURS", "Active", "2026-08-01T10:00:00Z")
    other = ("AKIAOTHR", "Inactive", "2025-08-01T10:00:00Z")
    assert await keys_of(listed(first, other)) == [
        AccessKey("OURS", datetime(2026, 8, 1, 10, 0, tzinfo=UTC), is_active=True, is_ours=True),
        AccessKey("OTHR", datetime(2025, 8, 1, 10, 0, tzinfo=UTC), is_active=False, is_ours=False),
    ]


@pytest.mark.parametrize(
    ("manner", "expected"),
    [
        pytest.param(
            refused(403, "AccessDenied"),
            NotKnown("the key may not call iam:ListAccessKeys", "allow the key iam:ListAccessKeys"),
            id="denied",
        ),
        pytest.param(refused(400, "ValidationError"), NotKnown(ROLE_KEY), id="a-roles-key"),
    ],
)
async def test_keys_that_are_not_known(manner: Manner, expected: NotKnown) -> None:
    assert await keys_of(manner) == expected


async def test_a_page_is_no_list_of_keys() -> None:
    found = await keys_of(rude.answers(200, rude.PAGE, Content_Type="text/html"))
    assert isinstance(found, NotKnown)
