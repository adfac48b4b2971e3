"""What the commands on the suppression list share: how an address is taken, and an entry shown."""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Annotated, Any

import typer

from tank_mailer.adapters.desk import spelled
from tank_mailer.adapters.rows import storable
from tank_mailer.cli.terminal import shown_time
from tank_mailer.core.address import AddressError
from tank_mailer.core.suppression import Entry, EntryError, read_subject

Address = Annotated[
    str,
    typer.Argument(
        metavar="ADDRESS",
        help="An email address; upper and lower case are one. Or hash:..., as the list shows who was erased.",
    ),
]


def subject_of(address: str) -> str:
    """The mailbox key or hash that an entry stands under; raises `AddressError`."""
    return read_subject(storable(address))


@contextmanager
def as_usage() -> Iterator[None]:
    """What is wrong with an argument is a matter of usage."""
    try:
        yield
    except AddressError as error:
        raise typer.BadParameter(error.detail) from None
    except EntryError as error:
        raise typer.BadParameter(str(error)) from None


def shape(entry: Entry) -> dict[str, Any]:
    """An entry as JSON has it."""
    return {
        "address": entry.address,
        "reason": entry.reason,
        "source": entry.source,
        "note": entry.note,
        "event": entry.event_key,
        "created_at": spelled(entry.created_at),
        "ends_at": spelled(entry.ends_at),
    }


def end(entry: Entry) -> str:
    """For how long, in the middle of a sentence."""
    return f"until {shown_time(entry.ends_at)}" if entry.ends_at else "any more"
