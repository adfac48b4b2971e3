"""The key's age: asked once a day, sooner where nobody said."""

import asyncio
from datetime import datetime
from itertools import pairwise

from tank_mailer.flows.key_age import AGAIN_S, EVERY_S, KeyWatch
from tests.fakes import EPOCH


async def test_it_is_asked_once_a_day_and_sooner_where_nobody_says() -> None:
    answers: list[datetime | None] = [None, EPOCH, None, None]
    asked_s = list[float]()

    async def ask() -> datetime | None:
        asked_s.append(asyncio.get_running_loop().time())
        return answers.pop(0)

    watch = KeyWatch(ask=ask)
    task = asyncio.create_task(watch.run())
    await asyncio.sleep(AGAIN_S / 2)
    first = watch.created_at
    await asyncio.sleep(AGAIN_S)
    second = watch.created_at
    await asyncio.sleep(EVERY_S)
    task.cancel()
    await asyncio.gather(task, return_exceptions=True)

    assert (first, second, watch.created_at) == (None, EPOCH, EPOCH), "what was said once stays true"
    gaps = [round(after - before) for before, after in pairwise(asked_s)]
    assert gaps[:2] == [round(AGAIN_S), round(EVERY_S)]


async def test_another_key_is_asked_for_at_once_and_the_old_one_s_age_is_over() -> None:
    """Whoever has changed it wants the alert to end, and a role has no age at all."""
    answers: list[datetime | None] = [EPOCH, None]
    changed = asyncio.Event()

    async def ask() -> datetime | None:
        return answers.pop(0)

    watch = KeyWatch(ask=ask, changed=changed)
    task = asyncio.create_task(watch.run())
    await asyncio.sleep(EVERY_S / 2)
    before = watch.created_at
    changed.set()
    await asyncio.sleep(1)
    after = watch.created_at
    task.cancel()
    await asyncio.gather(task, return_exceptions=True)

    assert (before, after, answers) == (EPOCH, None, [])
