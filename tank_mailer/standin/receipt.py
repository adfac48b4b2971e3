"""Receipt handles: opaque to the caller, and different after each receive."""

import base64
import binascii
from dataclasses import dataclass

_PARTS = 3


@dataclass(frozen=True, slots=True)
class Receipt:
    """Which receive of which message a handle speaks of."""

    queue: str
    message_id: str
    receive_count: int


def handle_of(receipt: Receipt) -> str:
    """The text that the caller gets."""
    return base64.b64encode(f"{receipt.queue} {receipt.message_id} {receipt.receive_count}".encode()).decode()


def read_handle(handle: str) -> Receipt | None:
    """None where this is no handle of ours."""
    try:
        parts = base64.b64decode(handle, validate=True).decode("ascii").split(" ")
    except (binascii.Error, UnicodeDecodeError, ValueError):
        return None
    if len(parts) != _PARTS or not parts[2].isdecimal():
        return None
    return Receipt(parts[0], parts[1], int(parts[2]))
