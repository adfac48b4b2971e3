"""Puts the play on the queue, as web servers do, and lets go wrong on the way to SES what is to go wrong."""

import asyncio
from collections.abc import Callable
from typing import Final

from tank_mailer.cli.demo.jobs import Play
from tank_mailer.cli.demo.stage import Stage
from tank_mailer.cli.standin import PRIORITY
from tank_mailer.standin import Kind, Rule

TICK_S: Final = 0.1
SEND_EMAIL: Final = "SendEmail"
IN_HAND: Final = 8  # ordinary jobs that the daemon holds: what comes now is behind them, or goes first


async def perform(stage: Stage, play: Play) -> None:
    """Put the play on the queue; returns when all is there, and what has to be first has ended."""
    faults = stage.standin.state.faults
    if play.opening is not None:
        faults.add(Rule(kind=Kind.RESET_AFTER, service="ses", operation=SEND_EMAIL, processed=True))
        await stage.put([play.opening])
        await _until(lambda: not faults.rules)
    main = await stage.put(play.main)
    if play.urgent:
        await _until(lambda: stage.in_hand >= IN_HAND or stage.has_settled(main))
        urgent = await stage.put(play.urgent, on=PRIORITY)
        stage.note_waiting(main)
        await _until(lambda: stage.has_sent(urgent))
    if play.throttles:
        faults.add(
            Rule(
                kind=Kind.STATUS,
                service="ses",
                operation=SEND_EMAIL,
                after=len(play.main) // 5,  # enough of them still wait
                times=play.throttles,
                status=429,
                code="TooManyRequestsException",
                message="Maximum sending rate exceeded.",
            )
        )
    if play.sequel:
        await _until(lambda: stage.has_settled(main) and stage.has_heard_all())
        await stage.put(play.sequel)


async def _until(is_so: Callable[[], bool]) -> None:
    while not is_so():  # noqa: ASYNC110 - the stand-in rings no bell
        await asyncio.sleep(TICK_S)
