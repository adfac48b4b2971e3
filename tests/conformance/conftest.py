"""Two clouds behind one fixture: `cloud` is an endpoint, `sqs` and `ses` are real clients on it."""

import logging
from collections.abc import AsyncIterator, Iterator

import aioboto3
import aiohttp
import pytest
from botocore.config import Config
from moto.server import ThreadedMotoServer
from types_aiobotocore_sesv2 import SESV2Client
from types_aiobotocore_sqs import SQSClient

from tank_mailer.standin import AccountSettings, Standin, StandinOptions

SENDER = "news@example.com"
FAST = AccountSettings(max_send_rate=1_000.0)
ONE_ATTEMPT = Config(retries={"total_max_attempts": 1}, connect_timeout=5, read_timeout=30)


@pytest.fixture(scope="session")
def session() -> aioboto3.Session:
    return aioboto3.Session(region_name="eu-west-1", aws_access_key_id="nobody", aws_secret_access_key="nothing")


@pytest.fixture(scope="session")
def moto_url() -> Iterator[str]:
    logging.getLogger("werkzeug").setLevel(logging.ERROR)  # its request log is not ours to read
    server = ThreadedMotoServer(ip_address="127.0.0.1", port=0, verbose=False)
    server.start()
    host, port = server.get_host_and_port()
    yield f"http://{host}:{port}"
    server.stop()


@pytest.fixture
async def standin() -> AsyncIterator[Standin]:
    options = StandinOptions(account=FAST, identities=(), configuration_sets=())
    async with Standin.start(options) as standin:
        yield standin


@pytest.fixture(params=["standin", "moto"])
async def cloud(request: pytest.FixtureRequest, standin: Standin, moto_url: str) -> str:
    """The endpoint, empty. `strict` in a test module narrows it to the stand-in."""
    if request.param != "moto":
        return standin.url
    async with (
        aiohttp.ClientSession() as http,
        http.post(f"{moto_url}/moto-api/reset") as answer,
    ):
        assert answer.ok
    return moto_url


@pytest.fixture
async def sqs(cloud: str, session: aioboto3.Session) -> AsyncIterator[SQSClient]:
    async with session.client("sqs", endpoint_url=cloud, config=ONE_ATTEMPT) as client:
        yield client


@pytest.fixture
async def ses(cloud: str, session: aioboto3.Session) -> AsyncIterator[SESV2Client]:
    async with session.client("sesv2", endpoint_url=cloud, config=ONE_ATTEMPT) as client:
        yield client


@pytest.fixture
async def queue(sqs: SQSClient) -> str:
    """The URL of a fresh queue."""
    return (await sqs.create_queue(QueueName="jobs"))["QueueUrl"]


@pytest.fixture
async def sender(ses: SESV2Client) -> str:
    """A verified address."""
    await ses.create_email_identity(EmailIdentity=SENDER)
    return SENDER
