"""The look into the suppression list before each attempt: with a million entries beside a thousand, turn by turn."""

import asyncio
import tempfile
import time
from collections.abc import Sequence
from datetime import UTC, datetime
from pathlib import Path
from statistics import median

import sqlalchemy as sa

from tank_mailer.adapters.database import locate, open_engine, upgrade
from tank_mailer.adapters.held_back import HeldBack
from tank_mailer.adapters.schema import suppressions
from tests.benchmarks.figure import Figure, at_most, told

LOOKS = 500  # a turn
TURNS = 7
RECIPIENTS = 10  # looked up at once, as in a transaction of ten mails
MOST = 2.0  # times the time with few


async def measure(few: int, many: int) -> Sequence[Figure]:
    """The ratio of the medians."""
    with tempfile.TemporaryDirectory(prefix="tank-figures-") as folder:
        small, large = await _list(Path(folder) / "small.db", few), await _list(Path(folder) / "large.db", many)
        pairs = [await asyncio.to_thread(lambda: (_look(small, few), _look(large, many))) for _ in range(TURNS)]
    ratios = [after / before for before, after in pairs]
    shown = ", ".join(f"{ratio:.2f}" for ratio in ratios)
    return [
        told(f"look-up of {RECIPIENTS} recipients among {few}", f"{1e6 * median(b for b, _ in pairs):.0f} µs"),
        at_most(f"  among {many} to among {few}", limit=MOST, measured=median(ratios), detail=f" ({shown})"),
    ]


async def _list(path: Path, entries: int) -> Path:
    async with open_engine(locate(f"sqlite+aiosqlite:///{path}"), creates=True) as engine:
        await upgrade(engine)
        for start in range(0, entries, 50_000):
            values = [
                {"address": f"p{n}@example.org", "reason": "hard_bounce", "source": "event", "created_at": 0.0}
                for n in range(start, min(entries, start + 50_000))
            ]
            async with engine.begin() as connection:
                await connection.execute(sa.insert(suppressions), values)
    return path


def _look(path: Path, entries: int) -> float:
    """Seconds for one look; every other recipient is on the list."""
    engine, held_back, now = sa.create_engine(f"sqlite:///{path}"), HeldBack(), datetime.now(UTC)
    step = max(1, entries // (LOOKS * RECIPIENTS))
    with engine.connect() as connection:
        began_s = time.perf_counter()
        for look in range(LOOKS):
            first = look * RECIPIENTS * step
            keys = [f"p{first + n * step}@example.{'org' if n % 2 else 'com'}" for n in range(RECIPIENTS)]
            held_back.among(connection, keys, now)
        took_s = time.perf_counter() - began_s
    engine.dispose()
    return took_s / LOOKS
