"""What commands share of the world outside: the store, the queue, and one line for what is wrong with them."""

import asyncio
import os
import pwd
import socket
from collections.abc import Awaitable, Callable, Iterator, Mapping
from contextlib import contextmanager, nullcontext
from pathlib import Path
from typing import Final, NoReturn, TypeVar

import typer
from rich.text import Text

from tank_mailer.adapters import database
from tank_mailer.adapters.clock import SystemClock
from tank_mailer.adapters.desk import Desk, SchemaOldError, open_desk
from tank_mailer.adapters.rows import storable
from tank_mailer.cli.options import EXIT_BAD_SETTINGS, environment, errors, printable, settings_or_exit
from tank_mailer.cli.terminal import waiting
from tank_mailer.core import remedy as core
from tank_mailer.core.errors import (
    ConfigurationError,
    QueueError,
    Reason,
    StoreDamagedError,
    StoreError,
    TankMailerError,
)

EXIT_NO: Final = 3  # a check or a look-up says no
EXIT_OUTSIDE: Final = 75  # sysexits.h: EX_TEMPFAIL
EXIT_INTERRUPTED: Final = 130  # shells: 128 + SIGINT

UPGRADE: Final = "run `tank-mailer db upgrade`"
NO_STORE: Final = (
    "start `tank-mailer run`; if it is running, this command sees another TANK_DATABASE_URL, STATE_DIRECTORY or"
    " working directory"
)
DAMAGED: Final = (
    "stop the daemon, and find out why first (its disk? does TANK_DATABASE_URL name another file?): docs/backup.md"
)
STORE: Final = "look at TANK_DATABASE_URL; a store that is only busy is free again in a moment"
# What to do about a queue that does not do what it is asked.
REMEDIES: Final[Mapping[Reason, str]] = {
    **core.REMEDIES,
    Reason.ACCESS_DENIED: "the key needs sqs:SendMessage on the queue, and kms:GenerateDataKey where it is encrypted",
    Reason.QUEUE_UNREACHABLE: "look at the network, at proxies and AWS_ENDPOINT_URL, then run the command again",
}

T = TypeVar("T")


@contextmanager
def outside_or_exit() -> Iterator[None]:
    """Say in one line what is wrong outside the program, with its remedy, and exit with 75, or 78 for settings."""
    try:
        yield
    except database.StoreMissingError as error:
        leave(EXIT_OUTSIDE, error.detail, NO_STORE)
    except SchemaOldError as error:
        leave(EXIT_OUTSIDE, error.detail, UPGRADE)
    except StoreDamagedError as error:
        leave(EXIT_OUTSIDE, f"the store is {error.detail}", DAMAGED)
    except StoreError as error:
        leave(EXIT_OUTSIDE, f"the store does not work: {error.detail}", STORE)
    except QueueError as error:
        leave(EXIT_OUTSIDE, f"the queue does not work: {error.reason}, {error.detail}", REMEDIES.get(error.reason))
    except ConfigurationError as error:
        leave(EXIT_BAD_SETTINGS, error.detail, REMEDIES.get(error.reason))
    except TankMailerError as error:
        leave(EXIT_OUTSIDE, error.detail)


def leave(code: int, what: str, remedy: str | None = None) -> NoReturn:
    """Say why in one line, and exit."""
    text = Text(printable(what), style="red")
    if remedy:
        text.append_text(Text.assemble("; ", ("remedy: ", "green"), (printable(remedy), "default")))
    errors().print(text)
    raise typer.Exit(code)


def at_desk(env_file: Path | None, work: Callable[[Desk], Awaitable[T]], *, tells: bool = True) -> T:
    """Open the store that the settings name and do `work` there.

    Args:
        env_file: the option.
        work: what to do.
        tells: whether it is said that the store keeps one waiting; False: `work` shows how far it has come.
    """
    url = settings_or_exit(env_file).settings.database_url.get_secret_value()
    with outside_or_exit(), waiting("waiting for the store") if tells else nullcontext():
        return asyncio.run(_at_desk(url, work))


async def _at_desk(url: str, work: Callable[[Desk], Awaitable[T]]) -> T:
    async with open_desk(database.locate(url), clock=SystemClock(), who=who()) as desk:
        return await work(desk)


def who() -> str:
    """The person at the keyboard, for the record of changes: OS user, who is behind sudo, host."""
    try:
        name = pwd.getpwuid(os.getuid()).pw_name
    except KeyError:  # a container's user without a name
        name = str(os.getuid())
    behind = environment().get("SUDO_USER", "")
    return f"{name}{f' (sudo: {storable(behind)})' if behind else ''}@{socket.gethostname()}"
