"""Which key signed what, and keys that are over."""

from typing import Any

import aioboto3
import aiohttp
import pytest
from botocore.exceptions import ClientError

from tank_mailer.standin import Standin


def client(service: str, standin: Standin, key: str) -> Any:
    session = aioboto3.Session(aws_access_key_id=key, aws_secret_access_key="secret", region_name="eu-west-1")
    return session.client(service, endpoint_url=standin.url)


async def test_each_call_is_counted_for_its_key(standin: Standin, http: aiohttp.ClientSession) -> None:
    for key, times in (("AKIDONE", 2), ("AKIDTWO", 1)):
        async with client("sesv2", standin, key) as ses:
            for _ in range(times):
                await ses.get_account()

    async with http.get("/_standin/keys") as answer:
        assert await answer.json() == {
            "AKIDONE": {"calls": 2, "refused": None},
            "AKIDTWO": {"calls": 1, "refused": None},
        }


async def test_a_request_that_nobody_signed_is_served(standin: Standin, http: aiohttp.ClientSession) -> None:
    """A curl of somebody who tries things out."""
    async with http.get("/v2/email/account") as answer:
        assert answer.status == 200

    assert standin.state.signers.calls == {"": 1}


@pytest.mark.parametrize(
    ("service", "how", "code"),
    [
        pytest.param("sesv2", "expired", "ExpiredTokenException", id="ses-of-a-session-that-is-over"),
        pytest.param("sesv2", "invalid", "UnrecognizedClientException", id="ses-of-a-key-that-is-off"),
        pytest.param("sqs", "expired", "ExpiredToken", id="sqs-of-a-session-that-is-over"),
        pytest.param("sqs", "invalid", "InvalidClientTokenId", id="sqs-of-a-key-that-is-off"),
    ],
)
async def test_a_key_is_refused_in_the_services_words(
    standin: Standin, http: aiohttp.ClientSession, service: str, how: str, code: str
) -> None:
    async with http.put("/_standin/keys/AKIDOLD", json={"refused": how}) as answer:
        assert answer.status == 200

    async with client(service, standin, "AKIDOLD") as aws:
        with pytest.raises(ClientError) as refused:
            await (aws.get_account() if service == "sesv2" else aws.list_queues())
    assert refused.value.response["Error"]["Code"] == code

    async with http.put("/_standin/keys/AKIDOLD", json={"refused": None}) as answer:
        assert (await answer.json())["AKIDOLD"]["refused"] is None


@pytest.mark.parametrize(
    ("path", "body"),
    [
        pytest.param("keys/AKID", {"refused": "tired"}, id="how-nobody-refuses"),
        pytest.param("keys/AKID", {"expired": True}, id="another-word"),
        pytest.param("keys", {"refused": "expired"}, id="no-key"),
    ],
)
async def test_what_cannot_be_meant_is_said(http: aiohttp.ClientSession, path: str, body: object) -> None:
    async with http.put(f"/_standin/{path}", json=body) as answer:
        assert answer.status == 400
        assert "refused" in (await answer.json())["error"]
