"""A step that Ctrl-C does not cut in two: what is on its queue gets on record."""

import asyncio
from collections.abc import Coroutine
from typing import Any, TypeVar

T = TypeVar("T")


async def whole(step: Coroutine[Any, Any, T]) -> T:
    """Await it; whoever is cancelled meanwhile lets it come to its end first. A second Ctrl-C ends it, too."""
    task = asyncio.ensure_future(step)
    try:
        return await asyncio.shield(task)
    except asyncio.CancelledError:
        await asyncio.gather(task, return_exceptions=True)
        raise
