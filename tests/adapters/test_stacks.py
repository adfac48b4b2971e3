"""CloudFormation, asked for one stack: what it, or somebody in its place, may answer."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import pytest

from tank_mailer.adapters import aws
from tank_mailer.adapters.stacks import StackError, Stacks
from tank_mailer.core.errors import Reason
from tank_mailer.core.stack import Stack
from tests.adapters import rude_server as rude
from tests.adapters.conftest import KEYS
from tests.adapters.rude_server import Manner, RudeServer

REGION = "eu-central-1"
SPACE = 'xmlns="http://cloudformation.amazonaws.com/doc/2010-05-15/"'
FOUND = f"""\
<DescribeStacksResponse {SPACE}><DescribeStacksResult><Stacks><member>
<StackName>tank-queues</StackName><StackStatus>CREATE_COMPLETE</StackStatus>
<Outputs><member><OutputKey>TankConfigurationSet</OutputKey><OutputValue>tank</OutputValue></member></Outputs>
</member></Stacks></DescribeStacksResult></DescribeStacksResponse>"""
BARE = FOUND[: FOUND.index("<Outputs>")] + FOUND[FOUND.index("</Outputs>") + len("</Outputs>") :]


def refusal(code: str, text: str) -> bytes:
    return (
        f"<ErrorResponse {SPACE}><Error><Type>Sender</Type><Code>{code}</Code><Message>{text}</Message></Error>"
        "<RequestId>r-1</RequestId></ErrorResponse>"
    ).encode()


@asynccontextmanager
async def asking(manner: Manner, **more: str) -> AsyncIterator[tuple[Stacks, RudeServer]]:
    async with RudeServer(manner).listen() as server:
        given = {**KEYS, "AWS_ENDPOINT_URL_CLOUDFORMATION": server.url, **more}
        async with aws.open_cloudformation(given, region=REGION) as client:
            yield Stacks(client=client), server


async def test_a_stack_and_its_outputs() -> None:
    async with asking(rude.answers(200, FOUND.encode()), AWS_REGION="eu-west-1") as (stacks, server):
        found = await stacks.find("tank-queues")

    [request] = server.requests
    assert found == Stack("tank-queues", "CREATE_COMPLETE", {"TankConfigurationSet": "tank"})
    assert b"StackName=tank-queues" in request.body
    assert f"/{REGION}/cloudformation/" in request.headers["authorization"]  # before all other regions


async def test_a_stack_without_outputs() -> None:
    async with asking(rude.answers(200, BARE.encode())) as (stacks, _):
        assert await stacks.find("tank-queues") == Stack("tank-queues", "CREATE_COMPLETE", {})


async def test_there_is_none() -> None:
    said = refusal("ValidationError", "Stack with id tank-queues does not exist")
    async with asking(rude.answers(400, said)) as (stacks, _):
        assert await stacks.find("tank-queues") is None


DENIED = "User: arn:aws:iam::123456789012:user/u is not authorized to perform: cloudformation:DescribeStacks"


@pytest.mark.parametrize(
    ("manner", "reason", "detail", "remedy"),
    [
        pytest.param(
            rude.answers(403, refusal("AccessDenied", DENIED)),
            Reason.ACCESS_DENIED,
            "the key may not call cloudformation:DescribeStacks",
            "the key of whoever deployed the stack",
            id="denied",
        ),
        pytest.param(
            rude.answers(
                403, refusal("InvalidClientTokenId", "The security token included in the request is invalid.")
            ),
            Reason.BAD_CREDENTIALS,
            "CloudFormation cannot be asked",
            "AWS_ACCESS_KEY_ID",
            id="a-key-that-is-none",
        ),
        pytest.param(
            rude.answers(400, refusal("ValidationError", "1 validation error detected: Value 'a b' at 'stackName'")),
            Reason.BAD_FIELD,
            "does not take the name",
            "its ARN",
            id="no-name-of-a-stack",
        ),
        pytest.param(
            rude.answers(400, refusal("Throttling", "Rate exceeded")),
            Reason.THROTTLED,
            "HTTP 400 Throttling",
            "again in a while",
            id="throttled",
        ),
        pytest.param(rude.answers(503), Reason.ANSWER_UNCLEAR, "HTTP 503", "again in a while", id="away"),
        pytest.param(
            rude.answers(200, rude.PAGE), Reason.UNREACHABLE, "does not answer", "proxies", id="somebody-elses-page"
        ),
        pytest.param(
            rude.answers(200, f"<a {SPACE}><DescribeStacksResult/></a>".encode()),
            Reason.ANSWER_UNCLEAR,
            "is not CloudFormation",
            "AWS_ENDPOINT_URL",
            id="no-stacks-in-it",
        ),
        pytest.param(
            rude.answers(200, b'{"__type": "UnsupportedOperation"}'),
            Reason.UNREACHABLE,
            "does not answer",
            "AWS_ENDPOINT_URL",
            id="the-stand-in",
        ),
        pytest.param(rude.resets_after_the_request, Reason.UNREACHABLE, "does not answer", "network", id="a-reset"),
    ],
)
async def test_nobody_can_say(manner: Manner, reason: Reason, detail: str, remedy: str) -> None:
    async with asking(manner) as (stacks, _):
        with pytest.raises(StackError) as caught:
            await stacks.find("tank-queues")

    assert caught.value.reason is reason
    assert detail in caught.value.detail
    assert remedy in caught.value.remedy


async def test_nobody_listens() -> None:
    given = {**KEYS, "AWS_ENDPOINT_URL": f"http://127.0.0.1:{rude.free_port()}"}
    async with aws.open_cloudformation(given, region=REGION) as client:
        with pytest.raises(StackError, match="CloudFormation does not answer") as caught:
            await Stacks(client=client).find("tank-queues")

    assert caught.value.reason is Reason.UNREACHABLE


async def test_without_a_key() -> None:
    given = {"AWS_ENDPOINT_URL": "http://127.0.0.1:9"}
    async with aws.open_cloudformation(given, region=REGION) as client:
        with pytest.raises(StackError, match="NoCredentialsError") as caught:
            await Stacks(client=client).find("tank-queues")

    assert caught.value.reason is Reason.BAD_CREDENTIALS
