"""The key's age: asked once a day, sooner where nobody said, at once of another key."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from datetime import datetime
from itertools import pairwise

from tank_mailer.flows.key_age import AGAIN_S, EVERY_S, LOOK_EVERY_S, KeyWatch
from tests.fakes import EPOCH


@dataclass(eq=False)
class Iam:
    """Says what it is told to, in turn, and then nothing."""

    answers: list[datetime | None]
    key: str | None = "AKIAOLD"
    asked: list[tuple[float, str]] = field(default_factory=list)

    async def in_use(self) -> str | None:
        return self.key

    async def ask(self, key: str) -> datetime | None:
        self.asked.append((asyncio.get_running_loop().time(), key))
        return self.answers.pop(0) if self.answers else None


@asynccontextmanager
async def watching(iam: Iam) -> AsyncIterator[KeyWatch]:
    watch = KeyWatch(in_use=iam.in_use, ask=iam.ask)
    task = asyncio.create_task(watch.run())
    yield watch
    task.cancel()
    await asyncio.gather(task, return_exceptions=True)


async def test_it_is_asked_once_a_day_and_sooner_where_nobody_says() -> None:
    iam = Iam([None, EPOCH])
    async with watching(iam) as watch:
        await asyncio.sleep(AGAIN_S / 2)
        first = watch.created_at
        await asyncio.sleep(AGAIN_S)
        second = watch.created_at
        await asyncio.sleep(EVERY_S)

    assert (first, second, watch.created_at) == (None, EPOCH, EPOCH), "what was said once stays true"
    gaps = [round(after - before) for (before, _), (after, _) in pairwise(iam.asked)]
    assert gaps[:2] == [round(AGAIN_S), round(EVERY_S)]


async def test_another_key_is_asked_for_at_once() -> None:
    """Whoever has changed the key for the alert's sake must not have to restart for it."""
    iam = Iam([EPOCH, None])
    async with watching(iam) as watch:
        await asyncio.sleep(LOOK_EVERY_S / 2)
        first = watch.created_at
        iam.key = "AKIANEW"
        await asyncio.sleep(LOOK_EVERY_S)

    assert (first, watch.created_at) == (EPOCH, None), "the old one's age is not the new one's"
    assert [key for _, key in iam.asked] == ["AKIAOLD", "AKIANEW"]


async def test_nobody_is_asked_where_no_key_lasts() -> None:
    iam = Iam([EPOCH], key=None)
    async with watching(iam) as watch:
        await asyncio.sleep(EVERY_S)

    assert (watch.created_at, iam.asked) == (None, [])
