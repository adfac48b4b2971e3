"""One healthy world for each test."""

import asyncio
from collections.abc import AsyncIterator, Iterator
from pathlib import Path
from typing import Any

import pytest
from botocore.loaders import JSONFileLoader

from tank_mailer.adapters import database
from tank_mailer.cli import doctor
from tank_mailer.cli.options import environment
from tests.doctor.world import World, healthy
from tests.tls_authority import Authority, make_authority


@pytest.fixture(scope="session")
def empty_store(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("doctor") / "empty.db"

    async def make() -> None:
        async with database.open_engine(database.locate(f"sqlite+aiosqlite:///{path}"), creates=True) as engine:
            await database.upgrade(engine)

    asyncio.run(make())
    return path


@pytest.fixture(scope="session")
def authorities(tmp_path_factory: pytest.TempPathFactory) -> Authority:
    """One authority in place of a hundred and forty, which each client reads anew."""
    return make_authority(tmp_path_factory.mktemp("authority"))


@pytest.fixture(scope="session", autouse=True)
def _endpoints_are_read_once() -> Iterator[None]:
    """A quarter of a second a session of the SDK, of which each test has its own; the file is only looked up in."""
    with pytest.MonkeyPatch.context() as patch:
        read, known = JSONFileLoader.load_file, dict[str, Any]()

        def load(self: JSONFileLoader, path: str) -> Any:
            if not path.endswith(("endpoints", "partitions")):
                return read(self, path)
            if path not in known:
                known[path] = read(self, path)
            return known[path]

        patch.setattr(JSONFileLoader, "load_file", load)
        yield


@pytest.fixture(autouse=True)
def _nothing_from_outside(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """Neither keys nor proxies of whoever runs the tests, and no call waits for its turn."""
    for name in list(environment()):
        if name.startswith(("TANK_", "AWS_")) or name.upper().endswith("_PROXY"):
            monkeypatch.delenv(name)
    monkeypatch.setenv("AWS_EC2_METADATA_DISABLED", "true")
    monkeypatch.setenv("AWS_CONFIG_FILE", str(tmp_path / "no-config"))
    monkeypatch.setenv("AWS_SHARED_CREDENTIALS_FILE", str(tmp_path / "no-credentials"))
    monkeypatch.setattr(doctor, "EVERY_S", 0.0)


@pytest.fixture
async def world(tmp_path: Path, empty_store: Path, authorities: Authority) -> AsyncIterator[World]:
    async with healthy(tmp_path, empty_store) as made:
        made.env_file["AWS_CA_BUNDLE"] = str(authorities.file)
        yield made
