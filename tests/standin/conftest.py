"""A clock that stands still, and a stand-in with an HTTP client beside it."""

from collections.abc import AsyncIterator

import aiohttp
import pytest

from tank_mailer.standin import ManualClock, Standin
from tests.standin.post import Post, open_post


@pytest.fixture
def clock() -> ManualClock:
    return ManualClock()


@pytest.fixture
async def standin(clock: ManualClock) -> AsyncIterator[Standin]:
    async with Standin.start(clock=clock) as standin:
        yield standin


@pytest.fixture
async def http(standin: Standin) -> AsyncIterator[aiohttp.ClientSession]:
    async with aiohttp.ClientSession(standin.url) as session:
        yield session


@pytest.fixture
async def post(clock: ManualClock) -> AsyncIterator[Post]:
    """A sender who reads the event queue; the events come at once."""
    async with open_post(clock) as post:
        yield post
