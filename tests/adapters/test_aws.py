"""Sessions and clients, made of nothing but a `.env`."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest
from botocore.exceptions import ClientError

from tank_mailer.adapters import aws
from tank_mailer.core.errors import ConfigurationError, Reason
from tests.adapters import rude_server as rude
from tests.adapters.conftest import KEYS, open_clients
from tests.adapters.rude_server import RudeServer

QUEUE_REGION = "eu-central-1"
CONFIG = """\
[default]
region = ap-south-1

[profile mail]
region = sa-east-1
"""
CREDENTIALS = """\
[default]
aws_access_key_id = of-the-default
aws_secret_access_key = secret

[mail]
aws_access_key_id = of-the-profile
aws_secret_access_key = secret
"""


@pytest.fixture
def files(tmp_path: Path) -> dict[str, str]:
    """The SDK's two files, where only a `.env` says."""
    config, credentials = tmp_path / "aws-config", tmp_path / "aws-credentials"
    config.write_text(CONFIG)
    credentials.write_text(CREDENTIALS)
    return {"AWS_CONFIG_FILE": str(config), "AWS_SHARED_CREDENTIALS_FILE": str(credentials)}


async def access_key_of(given: Mapping[str, str]) -> str:
    credentials = await aws.make_session(given, region=QUEUE_REGION).get_credentials()
    key: str = (await credentials.get_frozen_credentials()).access_key
    return key


def config_of(client: Any) -> Any:
    """How a client was made; botocore keeps no types for it."""
    return client.meta.config


# --- keys ------------------------------------------------------------------------------------------


async def test_keys_of_a_env_file_are_used() -> None:
    """pydantic-settings puts nothing into the environment, where the SDK would look."""
    session = aws.make_session(KEYS | {"AWS_SESSION_TOKEN": "token"}, region=QUEUE_REGION)

    frozen = await (await session.get_credentials()).get_frozen_credentials()

    assert (frozen.access_key, frozen.secret_key, frozen.token) == ("nobody", "nothing", "token")


async def test_keys_of_the_files_that_a_env_file_names_are_used(files: dict[str, str]) -> None:
    assert await access_key_of(files) == "of-the-default"
    assert await access_key_of(files | {"AWS_PROFILE": "mail"}) == "of-the-profile"


async def test_the_environment_still_counts(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "of-the-environment")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "secret")

    assert await access_key_of({}) == "of-the-environment"


async def test_without_any_there_are_none() -> None:
    assert await aws.make_session({}, region=QUEUE_REGION).get_credentials() is None


@pytest.mark.parametrize(
    "given",
    [
        pytest.param({"AWS_PROFILE": "nobodys"}, id="no-such-profile"),
        pytest.param({"AWS_ENDPOINT_URL": "not a url"}, id="no-url"),
    ],
)
async def test_what_cannot_be_made_is_a_fault_of_the_settings(files: dict[str, str], given: dict[str, str]) -> None:
    with pytest.raises(ConfigurationError, match="the AWS SDK: ") as refused:
        async with aws.open_clients(files | given, region=QUEUE_REGION, max_parallel=1, ses_timeout_s=1.0):
            pass

    assert refused.value.reason is Reason.BAD_CREDENTIALS


async def test_without_a_region_nothing_can_be_made() -> None:
    with pytest.raises(ConfigurationError, match="region"):
        async with aws.open_clients(KEYS, region=None, max_parallel=1, ses_timeout_s=1.0):
            pass


async def test_a_bug_of_ours_is_not_taken_for_a_fault_of_the_settings() -> None:
    """With 78 systemd would not start it again."""
    with pytest.raises(ValueError, match="a bug"):
        async with open_clients("http://127.0.0.1:1"):
            raise ValueError("a bug")


# --- region ----------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("given", "region"),
    [
        pytest.param({}, "eu-central-1", id="of-the-queue-where-nothing-else-is-said"),
        pytest.param({"AWS_REGION": "eu-west-1"}, "eu-west-1", id="of-aws-region"),
        pytest.param({"AWS_DEFAULT_REGION": "eu-west-2"}, "eu-west-2", id="of-aws-default-region"),
        pytest.param(
            {"AWS_DEFAULT_REGION": "eu-west-2", "AWS_REGION": "eu-west-1"}, "eu-west-1", id="the-newer-name-first"
        ),
    ],
)
async def test_region(given: dict[str, str], region: str) -> None:
    assert aws.make_session(given, region=QUEUE_REGION).region_name == region


async def test_a_profiles_region_goes_before_the_queues(files: dict[str, str]) -> None:
    session = aws.make_session(files | {"AWS_PROFILE": "mail"}, region=QUEUE_REGION)

    async with session.client("sqs") as client:
        assert client.meta.region_name == "sa-east-1"


# --- clients ---------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("given", "service", "endpoint"),
    [
        pytest.param({}, "SQS", None, id="aws-itself"),
        pytest.param({"AWS_ENDPOINT_URL": "http://all"}, "SQS", "http://all", id="one-for-all"),
        pytest.param(
            {"AWS_ENDPOINT_URL": "http://all", "AWS_ENDPOINT_URL_SQS": "http://sqs"}, "SQS", "http://sqs", id="its-own"
        ),
        pytest.param({"AWS_ENDPOINT_URL_SQS": "http://sqs"}, "SESV2", None, id="not-anothers"),
        pytest.param({"AWS_ENDPOINT_URL_SES": "http://ses"}, "SESV2", None, id="nor-the-first-apis"),
        pytest.param({"AWS_ENDPOINT_URL_CLOUDFORMATION": "http://cf"}, "CLOUDFORMATION", "http://cf", id="a-command-s"),
    ],
)
def test_endpoints(given: dict[str, str], service: str, endpoint: str | None) -> None:
    made = aws.options(given, service, pool=1, read_s=1.0, attempts=1)

    assert made.get("endpoint_url") == endpoint


def test_proxies_and_authorities_are_handed_on() -> None:
    given = {"HTTPS_PROXY": "http://proxy:3128", "HTTP_PROXY": "http://other:3128", "AWS_CA_BUNDLE": "/etc/ca.pem"}

    made = aws.options(given, "SQS", pool=1, read_s=1.0, attempts=1)

    assert made["config"].proxies == {"http": "http://other:3128", "https": "http://proxy:3128"}
    assert made["verify"] == "/etc/ca.pem"


def test_without_a_proxy_in_the_file_the_environments_counts() -> None:
    assert aws.options({}, "SQS", pool=1, read_s=1.0, attempts=1)["config"].proxies is None


def test_what_only_the_environment_can_carry_is_named() -> None:
    """Whoever writes it into a `.env` believes that it works."""
    given = {**KEYS, "AWS_REGION": "eu-west-1", "AWS_ROLE_ARN": "arn", "NO_PROXY": "intern", "HTTPS_PROXY": "http://p"}
    given |= {"AWS_ENDPOINT_URL_SES": "http://ses"}

    assert aws.not_handed_on(given) == ("AWS_ROLE_ARN", "NO_PROXY")


async def test_requests_go_signed_and_under_our_name() -> None:
    async with RudeServer(rude.answers(200, b"{}")).listen() as server, open_clients(server.url) as clients:
        await clients.sending.get_account()

    [request] = server.requests
    assert request.headers["user-agent"].startswith("tank-mailer/")
    assert "Credential=nobody/" in request.headers["authorization"]
    assert "/eu-west-1/ses/" in request.headers["authorization"]


async def test_an_attempt_is_not_repeated_by_the_SDK() -> None:  # noqa: N802
    """SES has no idempotency token: a repeat after a lost answer is a second mail."""
    async with open_clients("http://127.0.0.1:1") as clients:
        assert config_of(clients.sending).retries == {"mode": "standard", "total_max_attempts": 1}


@pytest.mark.parametrize(
    ("given", "endpoint"),
    [
        pytest.param({}, "https://email.eu-central-1.amazonaws.com", id="aws-itself"),
        pytest.param({"AWS_ENDPOINT_URL": "http://all"}, "http://all", id="one-for-all"),
        pytest.param(
            {"AWS_ENDPOINT_URL": "http://all", "AWS_ENDPOINT_URL_SES": "http://ses"}, "http://ses", id="its-own"
        ),
    ],
)
async def test_the_quota_is_asked_at_the_first_apis_own_address(given: dict[str, str], endpoint: str) -> None:
    """To the SDK they are two services; both are at one host, and to IAM they are one."""
    async with aws.open_clients(KEYS | given, region=QUEUE_REGION, max_parallel=1, ses_timeout_s=1.0) as clients:
        assert clients.quota.meta.endpoint_url == endpoint
        assert clients.quota.meta.region_name == QUEUE_REGION
        assert config_of(clients.quota).retries == {"mode": "standard", "total_max_attempts": 1}


async def test_the_first_api_is_asked_with_the_same_key_and_under_the_same_name() -> None:
    async with RudeServer(rude.answers(404, rude.PAGE)).listen() as server, open_clients(server.url) as clients:
        with pytest.raises(ClientError):
            await clients.quota.get_send_quota()

    [request] = server.requests
    assert request.headers["user-agent"].startswith("tank-mailer/")
    assert "Credential=nobody/" in request.headers["authorization"]
    assert "/eu-west-1/ses/" in request.headers["authorization"]


# --- events ----------------------------------------------------------------------------------------


async def test_without_an_event_queue_there_are_no_clients_for_it() -> None:
    async with open_clients("http://127.0.0.1:1") as clients:
        assert (clients.events_receiving, clients.events_settling) == (None, None)


@pytest.mark.parametrize(
    ("given", "event_region", "region"),
    [
        pytest.param({}, None, "eu-central-1", id="where-the-jobs-are"),
        pytest.param({"AWS_REGION": "eu-west-1"}, None, "eu-west-1", id="where-the-environment-says"),
        pytest.param({}, "us-east-1", "us-east-1", id="where-its-own-url-says"),
        pytest.param({"AWS_REGION": "eu-west-1"}, "us-east-1", "us-east-1", id="its-own-url-first"),
    ],
)
async def test_the_event_queue_is_asked_where_it_is(
    given: dict[str, str], event_region: str | None, region: str
) -> None:
    async with aws.open_clients(
        KEYS | given,
        region=QUEUE_REGION,
        max_parallel=1,
        ses_timeout_s=1.0,
        has_events=True,
        event_region=event_region,
    ) as clients:
        assert clients.events_receiving is not None
        assert clients.events_settling is not None
        assert clients.events_receiving.meta.region_name == region
        assert clients.events_settling.meta.region_name == region
        assert clients.receiving.meta.region_name == given.get("AWS_REGION", QUEUE_REGION)


async def test_events_have_connections_of_their_own() -> None:
    """Two to eight receivers (DESIGN 6), each with a long poll of twenty seconds; deletes never wait behind them."""
    async with aws.open_clients(
        KEYS, region=QUEUE_REGION, max_parallel=1, ses_timeout_s=1.0, has_events=True
    ) as clients:
        assert clients.events_receiving is not None
        assert clients.events_settling is not None
        receiving, settling = config_of(clients.events_receiving), config_of(clients.events_settling)

    assert (receiving.max_pool_connections, settling.max_pool_connections) == (8, 8)
    assert receiving.read_timeout > 20
    assert receiving.retries == {"mode": "standard", "total_max_attempts": 1}
    assert settling.read_timeout == 10


# --- commands --------------------------------------------------------------------------------------


async def test_what_may_be_repeated_is_tried_three_times() -> None:
    async with aws.open_control(KEYS, region=QUEUE_REGION) as client:
        assert config_of(client).retries == {"mode": "standard", "total_max_attempts": 3}
        assert client.meta.region_name == QUEUE_REGION


async def test_a_command_asks_as_the_daemon_does() -> None:
    async with RudeServer(rude.answers(200, b"{}")).listen() as server:
        given = {**KEYS, "AWS_ENDPOINT_URL_SESV2": server.url, "AWS_REGION": "eu-west-1"}
        async with aws.open_control(given, region=QUEUE_REGION) as client:
            await client.list_suppressed_destinations()

    [request] = server.requests
    assert "Credential=nobody/" in request.headers["authorization"]
    assert "/eu-west-1/ses/" in request.headers["authorization"]


async def test_a_command_whose_helper_is_not_there_says_so(tmp_path: Path) -> None:
    """The daemon waits for it; a command has nobody to wait for."""
    (tmp_path / "config").write_text("[default]\ncredential_process = /nowhere/helper\n", encoding="utf-8")

    with pytest.raises(ConfigurationError, match="the AWS SDK: /nowhere/helper: No such file or directory"):
        async with aws.open_control({"AWS_CONFIG_FILE": str(tmp_path / "config")}, region=QUEUE_REGION):
            pass


async def test_a_command_without_a_region_is_a_fault_of_the_settings() -> None:
    with pytest.raises(ConfigurationError, match=r"the AWS SDK: .*region"):
        async with aws.open_control(KEYS, region=None):
            pass
