"""Scripted faults, as a real client on the wire sees them."""

import asyncio
from collections.abc import AsyncIterator, Callable
from typing import Any

import aioboto3
import aiohttp
import pytest
from botocore.config import Config
from botocore.exceptions import ClientError, ConnectionClosedError, EndpointConnectionError
from types_aiobotocore_sesv2 import SESV2Client

from tank_mailer.standin import Kind, ManualClock, Rule, Standin, StandinOptions
from tank_mailer.standin.errors import AwsError
from tank_mailer.standin.faults import Faults, read_rules

MAIL: dict[str, Any] = {
    "FromEmailAddress": "news@example.com",
    "Destination": {"ToAddresses": ["you@example.org"]},
    "Content": {"Simple": {"Subject": {"Data": "Hello"}, "Body": {"Text": {"Data": "Hi"}}}},
}


@pytest.fixture
async def ses(standin: Standin) -> AsyncIterator[SESV2Client]:
    session = aioboto3.Session(region_name="eu-west-1", aws_access_key_id="nobody", aws_secret_access_key="nothing")
    config = Config(retries={"total_max_attempts": 1})
    async with session.client("sesv2", endpoint_url=standin.url, config=config) as client:
        yield client


def accepted(standin: Standin) -> int:
    return len(standin.state.mailbox.log)


async def until(happened: Callable[[], object]) -> None:
    """Let the event loop turn until the stand-in, which runs in it, is so far."""
    while not happened():  # noqa: ASYNC110 -- the stand-in tells nobody
        await asyncio.sleep(0)


def strikes(faults: Faults, *operations: str) -> list[bool]:
    return [faults.strike("ses", operation) is not None for operation in operations]


@pytest.mark.parametrize(
    ("rule", "struck"),
    [
        pytest.param(Rule(kind=Kind.HANG), [True, False, False, False], id="once"),
        pytest.param(Rule(kind=Kind.HANG, times=2), [True, True, False, False], id="twice"),
        pytest.param(Rule(kind=Kind.HANG, times=None), [True] * 4, id="for-ever"),
        pytest.param(Rule(kind=Kind.HANG, after=2), [False, False, True, False], id="the-third"),
        pytest.param(Rule(kind=Kind.HANG, service="sqs"), [False] * 4, id="another-service"),
        pytest.param(Rule(kind=Kind.HANG, operation="GetAccount"), [False] * 3 + [True], id="one-operation"),
    ],
)
def test_which_calls_are_struck(rule: Rule, struck: list[bool]) -> None:
    faults = Faults([rule])

    assert strikes(faults, "SendEmail", "SendEmail", "SendEmail", "GetAccount") == struck


def test_rules_take_turns() -> None:
    faults = Faults()
    faults.add(Rule(kind=Kind.HTML), Rule(kind=Kind.HANG, service="ses", times=None))

    kinds = [rule.kind for _ in range(3) if (rule := faults.strike("ses", "SendEmail"))]

    assert kinds == [Kind.HTML, Kind.HANG, Kind.HANG]


@pytest.mark.parametrize(
    ("rules", "text"),
    [
        pytest.param({}, "a JSON list", id="no-list"),
        pytest.param([1], "rule 0: an object", id="no-object"),
        pytest.param([{}], "rule 0: kind is one of status, reset_before", id="no-kind"),
        pytest.param([{"kind": "hang"}, {"kind": "fire"}], "rule 1: kind", id="unknown-kind"),
        pytest.param([{"kind": "hang", "time": 1}], "unknown time; known: after, code", id="unknown-field"),
        pytest.param([{"kind": "hang", "service": "s3"}], "service is ses, sqs, sns", id="unknown-service"),
        pytest.param([{"kind": "hang", "times": 0}], "times is a whole number", id="never"),
        pytest.param([{"kind": "hang", "delay_s": "1"}], "delay_s is a number", id="no-number"),
        pytest.param([{"kind": "status", "status": 99}], "status is a number from", id="no-status"),
    ],
)
def test_rules_that_make_no_sense(rules: object, text: str) -> None:
    with pytest.raises(AwsError, match=text):
        read_rules(rules)


async def test_rules_come_and_go_by_http(http: aiohttp.ClientSession) -> None:
    rule = {"service": "ses", "operation": "SendEmail", "times": None, "kind": "status", "status": 500}
    async with http.post("/_standin/faults", json=[rule]) as answer:
        (shown,) = await answer.json()
    assert shown.items() >= rule.items()

    async with http.delete("/_standin/faults") as answer:
        assert await answer.json() == []
    async with http.get("/_standin/faults") as answer:
        assert await answer.json() == []


async def test_a_status_with_a_code_is_aws_speaking(ses: SESV2Client, standin: Standin) -> None:
    standin.state.faults.add(
        Rule(kind=Kind.STATUS, status=500, code="InternalServiceErrorException", message="Try again")
    )

    with pytest.raises(ClientError, match=r"\(InternalServiceErrorException\).*Try again") as failed:
        await ses.send_email(**MAIL)

    assert failed.value.response["ResponseMetadata"]["HTTPStatusCode"] == 500
    assert accepted(standin) == 0


async def test_a_status_without_a_code_is_a_proxys_page(ses: SESV2Client, standin: Standin) -> None:
    """The SDK makes a code of the status (aws-facts 0)."""
    standin.state.faults.add(Rule(kind=Kind.STATUS, status=503))

    with pytest.raises(ClientError, match=r"\(503\)"):
        await ses.send_email(**MAIL)


@pytest.mark.parametrize(
    ("kind", "error", "taken"),
    [
        pytest.param(Kind.RESET_BEFORE, EndpointConnectionError, 0, id="reset-before"),
        pytest.param(Kind.RESET_AFTER, EndpointConnectionError, 1, id="reset-after"),
        pytest.param(Kind.CLOSE_BEFORE, ConnectionClosedError, 0, id="close-before"),
        pytest.param(Kind.CLOSE_AFTER, ConnectionClosedError, 1, id="close-after"),
    ],
)
async def test_a_cut_connection(
    ses: SESV2Client, standin: Standin, kind: Kind, error: type[Exception], taken: int
) -> None:
    """A reset after the request was read looks to the SDK as if nothing had left (lab.md)."""
    standin.state.faults.add(*read_rules([{"kind": kind}]))

    with pytest.raises(error):
        await ses.send_email(**MAIL)

    assert accepted(standin) == taken
    assert (await ses.send_email(**MAIL))["MessageId"]


@pytest.mark.parametrize("processed", [False, True])
async def test_a_page_instead_of_an_answer(ses: SESV2Client, standin: Standin, *, processed: bool) -> None:
    """200 and no error: only the missing MessageId and RequestId tell (aws-facts 0)."""
    standin.state.faults.add(Rule(kind=Kind.HTML, processed=processed))

    reply = await ses.send_email(**MAIL)

    assert "MessageId" not in reply
    assert "RequestId" not in reply["ResponseMetadata"]
    assert accepted(standin) == processed


async def test_an_answer_without_its_message_id(ses: SESV2Client, standin: Standin) -> None:
    standin.state.faults.add(*read_rules([{"kind": "no_message_id"}]))

    reply = await ses.send_email(**MAIL)

    assert "MessageId" not in reply
    assert reply["ResponseMetadata"]["RequestId"]
    assert accepted(standin) == 1


@pytest.mark.parametrize("processed", [False, True])
async def test_a_hanging_call_ends_with_its_caller(ses: SESV2Client, standin: Standin, *, processed: bool) -> None:
    standin.state.faults.add(Rule(kind=Kind.HANG, processed=processed))
    call = asyncio.create_task(ses.send_email(**MAIL))
    await until(lambda: standin.state.counts.of("ses", "SendEmail", "fault:hang"))

    call.cancel()
    await asyncio.gather(call, return_exceptions=True)

    assert accepted(standin) == processed
    assert (await ses.send_email(**MAIL))["MessageId"]


async def test_a_hanging_call_does_not_hold_up_the_end(clock: ManualClock) -> None:
    async with asyncio.timeout(5):
        async with Standin.start(clock=clock) as standin, aiohttp.ClientSession(standin.url) as http:
            standin.state.faults.add(Rule(kind=Kind.HANG))
            call = asyncio.create_task(http.post("/v2/email/outbound-emails", json=MAIL))
            await until(lambda: standin.state.counts.of("ses", "SendEmail"))
        (outcome,) = await asyncio.gather(call, return_exceptions=True)

    assert isinstance(outcome, aiohttp.ClientError | RuntimeError)


async def test_a_delay_comes_after_the_work(clock: ManualClock) -> None:
    """And so does the latency of a service: who gives up meanwhile is in doubt, and was accepted."""
    async with (
        Standin.start(StandinOptions(ses_latency_s=0.001), clock=clock) as standin,
        aiohttp.ClientSession(standin.url) as http,
    ):
        standin.state.faults.add(*read_rules([{"kind": "delay", "delay_s": 60}]))
        call = asyncio.create_task(http.post("/v2/email/outbound-emails", json=MAIL))
        await until(lambda: standin.state.mailbox.log)
        assert not call.done()
        call.cancel()
        await asyncio.gather(call, return_exceptions=True)

        async with http.post("/v2/email/outbound-emails", json=MAIL) as answer:
            assert "MessageId" in await answer.json()
