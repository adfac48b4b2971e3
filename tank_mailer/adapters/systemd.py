"""Tells systemd how the daemon is: the datagram protocol of sd_notify(3), which needs no library."""

import os
import socket
from collections.abc import Mapping
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Supervisor:
    """Who started us, if it wants to know.

    Attributes:
        address: of its socket; "" for nobody.
        watchdog_s: how long it waits between signs of life; None: it does not.
    """

    address: str = ""
    watchdog_s: float | None = None

    @classmethod
    def of(cls, environ: Mapping[str, str]) -> "Supervisor":
        """Read what systemd has put into the environment."""
        address = environ.get("NOTIFY_SOCKET", "")
        usec, pid = environ.get("WATCHDOG_USEC", ""), environ.get("WATCHDOG_PID", "")
        is_ours = usec.isdigit() and (not pid or pid == str(os.getpid()))
        return cls(address, int(usec) / 1e6 if address and is_ours else None)

    def tell(self, *lines: str) -> None:
        """Send `READY=1` and the like; a supervisor that does not listen is none of our troubles."""
        if not self.address:
            return
        address = "\0" + self.address[1:] if self.address.startswith("@") else self.address
        with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM | socket.SOCK_CLOEXEC) as out:
            out.setblocking(False)  # noqa: FBT003 - the standard library's own
            try:
                out.sendto("\n".join(lines).encode(), address)
            except OSError:
                return
