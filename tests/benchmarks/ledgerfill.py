"""A made-up ledger of some weeks: jobs, receipts, recipients and events in bulk, for reports to count."""

import json
import random
import sqlite3
import time
from collections.abc import Iterator
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

DAY_S: Final = 86_400
BATCH: Final = 20_000
DOMAINS: Final = (
    *(("gmail.com", 40), ("yahoo.com", 12), ("outlook.com", 12), ("gmx.de", 8), ("web.de", 7), ("icloud.com", 6)),
    *((f"company-{n}.example", 3 if n < 4 else 1) for n in range(40)),
)
HARD: Final = json.dumps({"type": "Permanent", "subtype": "General", "code": "5.1.1"})
SOFT: Final = json.dumps({"type": "Transient", "subtype": "MailboxFull", "code": "4.2.2"})
SPAM: Final = json.dumps({"feedback_type": "abuse"})
TAKEN: Final = json.dumps({"smtp_response": "250 2.0.0 OK", "processing_ms": 800})
BAD_DOMAIN: Final = "gmx.de"  # goes bad in the last days
BAD_DAYS: Final = 3
Row = tuple[Any, ...]


@dataclass(frozen=True, slots=True)
class Fate:
    """What comes of one mail."""

    status: int
    reason: str | None
    event: tuple[str, str, float] | None  # kind, facts, seconds after


def fill(path: Path, jobs: int, *, days: int, now: float | None = None) -> None:
    """Put so many jobs into the store at `path`, spread evenly over the last days, busier by day than by night."""
    ends = (now or time.time()) // DAY_S * DAY_S
    with closing(sqlite3.connect(path)) as connection:
        connection.execute("PRAGMA synchronous=OFF")
        for batch in _batches(jobs, days=days, ends=ends):
            for table, rows in batch.items():
                marks = ", ".join("?" * len(rows[0]))
                connection.executemany(f"INSERT INTO {table} VALUES ({marks})", rows)  # noqa: S608 - ours
            connection.commit()
        connection.execute("PRAGMA wal_checkpoint(TRUNCATE)")


def _batches(jobs: int, *, days: int, ends: float) -> Iterator[dict[str, list[Row]]]:
    dice, step = random.Random(4711), days * DAY_S / jobs
    names, weights = [name for name, _ in DOMAINS], [weight for _, weight in DOMAINS]
    for start in range(0, jobs, BATCH):
        batch = dict[str, list[Row]]()
        for n in range(start, min(jobs, start + BATCH)):
            at = ends - days * DAY_S + n * step
            domain = dice.choices(names, weights)[0]
            for table, row in _job(n, at, f"p{n % 200_000}@{domain}", dice, is_late=ends - at < BAD_DAYS * DAY_S):
                batch.setdefault(table, []).append(row)
        yield batch


def _job(n: int, at: float, address: str, dice: random.Random, *, is_late: bool) -> Iterator[tuple[str, Row]]:
    """In the order of the tables' columns."""
    email_id, mail = f"order-{n}", f"0102018f{n:08x}-4f1d-4a0e-9c1b-{n:012x}-000000"
    is_accepted = dice.random() < 0.98
    state, reason = ("accepted", None) if is_accepted else dice.choice(ENDS)
    times: Row = (at - 1, at)
    counts: Row = (1, 0, 0, 0)
    accepted = at if is_accepted else None
    hashed = f"{n:064x}"
    yield (
        "jobs",
        (
            *(email_id, state, hashed, "ordinary", f"m-{n}", *times, "mail-1/4f1d", *counts, None, None, None, at - 1),
            *(None, accepted, None, mail if is_accepted else None, reason, None, 2, "tank", None),
        ),
    )
    if not is_accepted:
        return
    fate = _fate(dice, is_bad=is_late and address.endswith(BAD_DOMAIN))
    yield "receipts", (mail, email_id, 1, at, "answer")
    yield "recipients", (email_id, address, fate.status, fate.reason, at)
    told = [("send", "{}", 0.0), *([fate.event] if fate.event else [])]
    for kind, facts, after_s in told:
        names = (f"{kind}-{n}", kind, mail, email_id, address)
        times = (at + after_s, at + after_s + 0.4, at)
        yield "events", (*names, *times, 1, 1, 1, "tank", 10 if kind == "send" else fate.status, None, 0, facts)


ENDS: Final = (
    ("refused", "rejected"),
    ("suppressed", "suppressed"),
    ("expired", "expired"),
    ("dead", "attempts_spent"),
)


def _fate(dice: random.Random, *, is_bad: bool) -> Fate:
    luck = dice.random() * (0.12 if is_bad else 1.0)
    after_s = dice.lognormvariate(1.2, 1.1)
    if luck < 0.012:
        return Fate(60, "hard_bounce", ("bounce", HARD, after_s))
    if luck < 0.03:
        return Fate(30, "mailbox_full", ("bounce", SOFT, after_s))
    if luck < 0.0306:
        return Fate(70, "complaint", ("complaint", SPAM, 3_600.0))
    if luck < 0.035:
        return Fate(10, None, None)
    return Fate(40, None, ("delivery", TAKEN, after_s))
