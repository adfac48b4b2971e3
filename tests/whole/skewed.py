"""Runs tank-mailer on a host whose wall clock is wrong by `SKEW_S` seconds: `python skewed.py run`."""

import os
from datetime import UTC, datetime, timedelta

from tank_mailer.adapters.clock import SystemClock
from tank_mailer.cli import main

SKEW_S = "SKEW_S"  # ahead; negative: behind


def shift(by: timedelta) -> None:
    """Let the local wall clock go wrong; what signs for AWS, and what logs, keep the right one."""

    def now(self: SystemClock) -> datetime:
        return datetime.now(UTC) + by

    SystemClock.now = now  # type: ignore[method-assign]


if __name__ == "__main__":
    shift(timedelta(seconds=float(os.environ[SKEW_S])))  # noqa: TID251 - a host of its own, as its process sees it
    main()
