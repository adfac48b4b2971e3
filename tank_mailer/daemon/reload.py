"""SIGHUP: the settings are read again; new AWS keys count at once, all else is named."""

import asyncio
import signal
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

from tank_mailer.adapters.keys import Keys
from tank_mailer.flows.forever import forever
from tank_mailer.flows.stop import Stop
from tank_mailer.settings import Loaded, SettingsError, changes_of
from tank_mailer.telemetry.log import get_logger
from tank_mailer.telemetry.render import scrub

log = get_logger()

TERMINAL = Path("/dev/tty")  # of this process, if it has one


@dataclass(eq=False)
class Hangup:
    """The signal: of an operator, or of a terminal that was closed."""

    asked: asyncio.Event = field(default_factory=asyncio.Event)

    def listen(self, stop: Stop) -> None:
        """From now on SIGHUP asks for the settings to be read, and no longer ends the process.

        Whoever closes the terminal that it was started at wants it to end.
        """
        had_terminal = _has_terminal()

        def hear() -> None:
            if had_terminal and not _has_terminal():
                stop.ask()
            else:
                self.asked.set()

        asyncio.get_running_loop().add_signal_handler(signal.SIGHUP, hear)


@dataclass(frozen=True, kw_only=True)
class Reload:
    """Reads and compares, as often as it is asked.

    Attributes:
        load: reads all sources.
        loaded: what was read at the start, and is in force but for the keys.
        keys: of all clients.
        when_read: called when that is done: what was paused for its keys may go on.
    """

    hangup: Hangup
    load: Callable[[], Loaded]
    loaded: Loaded
    keys: Keys
    when_read: Callable[[], None]

    async def run(self) -> None:
        """Wait for the signal and read, until cancelled."""
        await forever(self._wait_and_read)

    async def _wait_and_read(self) -> None:
        await self.hangup.asked.wait()
        self.hangup.asked.clear()
        try:
            now = self.load()
        except SettingsError as error:  # those in force stay in force
            for fault in error.faults:
                log.error("settings_refused", name=fault.name, problem=scrub(fault.logged), remedy=fault.remedy)
            return
        for warning in now.warnings:
            if warning not in self.loaded.warnings:
                log.warning("setting_odd", detail=warning)
        changes = changes_of(self.loaded, now, keys=self.keys.aws)
        has_new_keys = await self.keys.replace(now.aws)
        log.info("settings_reloaded", changed=changes.changed, restart_for=changes.waiting, has_new_keys=has_new_keys)
        self.when_read()


def _has_terminal() -> bool:
    try:
        TERMINAL.open("rb").close()
    except OSError:
        return False
    return True
