"""The machine's clocks."""

import time
from datetime import UTC, datetime


class SystemClock:
    """The wall clock, and one that goes on in suspend."""

    def now(self) -> datetime:
        """The time of day, UTC."""
        return datetime.now(UTC)

    def boot_s(self) -> float:
        """Seconds since boot; where there is no such clock, the monotonic one."""
        return time.clock_gettime(_BOOT_CLOCK)


_BOOT_CLOCK = getattr(time, "CLOCK_BOOTTIME", time.CLOCK_MONOTONIC)
