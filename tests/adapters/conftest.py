"""Clients made as the daemon makes them, far from the machine's own AWS settings."""

from collections.abc import AsyncIterator, Mapping
from contextlib import AbstractAsyncContextManager
from pathlib import Path
from types import MappingProxyType

import pytest

from tank_mailer.adapters import aws
from tank_mailer.standin import AccountSettings, Standin, StandinOptions

NAMES = (
    *("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY", "AWS_SESSION_TOKEN", "AWS_PROFILE", "AWS_DEFAULT_PROFILE"),
    *("AWS_REGION", "AWS_DEFAULT_REGION", "AWS_ENDPOINT_URL", "AWS_ENDPOINT_URL_SQS", "AWS_ENDPOINT_URL_SESV2"),
    *("AWS_CA_BUNDLE", "AWS_WEB_IDENTITY_TOKEN_FILE", "AWS_ROLE_ARN", "AWS_CONTAINER_CREDENTIALS_FULL_URI"),
    *("AWS_CONTAINER_CREDENTIALS_RELATIVE_URI", "REQUESTS_CA_BUNDLE"),
    *("HTTP_PROXY", "HTTPS_PROXY", "NO_PROXY", "ALL_PROXY", "http_proxy", "https_proxy", "no_proxy", "all_proxy"),
)
KEYS = {"AWS_ACCESS_KEY_ID": "nobody", "AWS_SECRET_ACCESS_KEY": "nothing"}


@pytest.fixture(autouse=True)
def _no_environment(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """Neither keys nor proxies nor files of whoever runs the tests; no question to a cloud's metadata."""
    for name in NAMES:
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("AWS_EC2_METADATA_DISABLED", "true")
    monkeypatch.setenv("AWS_CONFIG_FILE", str(tmp_path / "no-config"))
    monkeypatch.setenv("AWS_SHARED_CREDENTIALS_FILE", str(tmp_path / "no-credentials"))


def open_clients(
    endpoint: str,
    *,
    ses_timeout_s: float = 5.0,
    keys: Mapping[str, str] = KEYS,
    variables: Mapping[str, str] = MappingProxyType({}),
) -> AbstractAsyncContextManager[aws.Clients]:
    """Clients on `endpoint`, made of a `.env` with these `variables`."""
    given = {**keys, "AWS_ENDPOINT_URL": endpoint, **variables}
    return aws.open_clients(given, region="eu-west-1", max_parallel=10, ses_timeout_s=ses_timeout_s)


@pytest.fixture
async def standin() -> AsyncIterator[Standin]:
    account = AccountSettings(max_send_rate=1_000.0, max_24_hour_send=50_000.0)
    options = StandinOptions(account=account, configuration_sets=("tank", "other"), queues=("jobs", "dead"))
    async with Standin.start(options) as standin:
        yield standin


@pytest.fixture
async def clients(standin: Standin) -> AsyncIterator[aws.Clients]:
    async with open_clients(standin.url) as clients:
        yield clients
