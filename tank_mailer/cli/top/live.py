"""Keeps the view on the terminal up to date, until somebody ends it."""

import asyncio
import os
import signal
import sys
import termios
import tty
from collections.abc import Awaitable, Callable, Iterator
from contextlib import contextmanager
from typing import Final

from rich.console import Console, RenderableType
from rich.live import Live

from tank_mailer.cli.terminal import shown_time
from tank_mailer.cli.top.render import render
from tank_mailer.cli.top.sight import Sight
from tank_mailer.core.errors import StoreError

MOST_TYPED: Final = 64  # bytes at a time
Look = Callable[[], Awaitable[Sight]]
Show = Callable[[RenderableType], None]


async def live(look: Look, console: Console, *, interval_s: float) -> None:
    """Show it until q, SIGINT or SIGTERM."""
    stop = asyncio.Event()
    loop = asyncio.get_running_loop()
    for number in (signal.SIGINT, signal.SIGTERM):
        loop.add_signal_handler(number, stop.set)
    first = await look()  # a store that cannot be read now is told in a line of its own
    with keys(stop), Live(console=console, screen=True, auto_refresh=False) as screen:
        await watch(look, lambda view: screen.update(view, refresh=True), first=first, interval_s=interval_s, stop=stop)


async def watch(look: Look, show: Show, *, first: Sight, interval_s: float, stop: asyncio.Event) -> None:
    """Look and show, again and again; what cannot be read leaves the last sight there, and says so."""
    sight, trouble = first, ""
    while True:
        show(render(sight, trouble=trouble, can_end=sys.stdin.isatty()))
        if await _ends_within(stop, interval_s):
            return
        try:
            sight, trouble = await look(), ""
        except StoreError as error:
            trouble = f"The store cannot be read: {error.detail}; this is how it was at {shown_time(sight.now)}."


async def _ends_within(stop: asyncio.Event, seconds: float) -> bool:
    try:
        async with asyncio.timeout(seconds):
            return await stop.wait()
    except TimeoutError:
        return False


@contextmanager
def keys(stop: asyncio.Event) -> Iterator[None]:
    """Let q end it, where there is a keyboard."""
    if not sys.stdin.isatty():
        yield
        return
    number, loop = sys.stdin.fileno(), asyncio.get_running_loop()
    before = termios.tcgetattr(number)

    def read() -> None:
        typed = os.read(number, MOST_TYPED)  # not by way of a buffer, which would keep what select does not see
        if not typed or b"q" in typed.lower():
            stop.set()

    tty.setcbreak(number)
    loop.add_reader(number, read)
    try:
        yield
    finally:
        loop.remove_reader(number)
        termios.tcsetattr(number, termios.TCSADRAIN, before)
