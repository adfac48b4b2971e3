"""One healthy world for each test."""

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from tank_mailer.adapters import database
from tank_mailer.cli import doctor
from tank_mailer.cli.options import environment
from tests.doctor.world import World, healthy


@pytest.fixture(scope="session")
def empty_store(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("doctor") / "empty.db"

    async def make() -> None:
        async with database.open_engine(database.locate(f"sqlite+aiosqlite:///{path}"), creates=True) as engine:
            await database.upgrade(engine)

    asyncio.run(make())
    return path


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
async def world(tmp_path: Path, empty_store: Path) -> AsyncIterator[World]:
    async with healthy(tmp_path, empty_store) as made:
        yield made
