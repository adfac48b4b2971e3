"""The machine's clocks."""

import time
from datetime import UTC, datetime, timedelta

from tank_mailer.adapters.clock import SystemClock


def test_the_wall_clock_is_aware() -> None:
    now = SystemClock().now()

    assert now.tzinfo is UTC
    assert abs(now - datetime.now(UTC)) < timedelta(minutes=1)


def test_the_boot_clock_never_goes_back() -> None:
    clock = SystemClock()
    readings = [clock.boot_s() for _ in range(1_000)]

    assert readings == sorted(readings)
    assert readings[0] < readings[-1]


def test_the_boot_clock_goes_on_in_suspend() -> None:
    """A lease runs on in the cloud while this host sleeps; the monotonic clock stands still."""
    boot = getattr(time, "CLOCK_BOOTTIME", time.CLOCK_MONOTONIC)

    before, now, after = time.clock_gettime(boot), SystemClock().boot_s(), time.clock_gettime(boot)

    assert before <= now <= after
