"""Several nodes on one account and one PostgreSQL, of which one is killed and another one comes: together one rate."""

import asyncio
import secrets
import sys
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field

import asyncpg

from tests.benchmarks.bench import Bench, Process, Sender, open_bench
from tests.benchmarks.figure import Figure, told
from tests.benchmarks.governor import MARGIN, SES_S, SHARE, parallel
from tests.benchmarks.share import figures, has_begun, seen
from tests.contract.postgres import PostgresServer, run_server

RATES = (14.0, 50.0)  # recipients a second that the account allows
NODES = (2, 3)
KILLED_AT, REPLACED_AT = 0.5, 0.65  # of the measured time; the others come in the first 0.4
LAST_STARTS_AT = 0.4
LIMIT_S = 180.0  # beyond the measured seconds
UNSETTLED = "SELECT count(*) FROM jobs WHERE state IN ('sending', 'in_doubt')"
RESENT = "SELECT email_id FROM jobs WHERE resends > 0"


async def measure(seconds: int) -> Sequence[Figure]:
    """Each rate with each number of nodes."""
    found = list[Figure]()
    for rate in RATES:
        for nodes in NODES:
            found += await held(rate, nodes, seconds)
    return found


async def held(rate: float, nodes: int, seconds: int) -> list[Figure]:
    """Counted from the first accepted mail on, which is the first node's; the others come later."""
    async with (
        asyncio.timeout(seconds + LIMIT_S),
        _database() as (server, database),
        open_bench(rate=rate, ses_latency_s=SES_S) as bench,
    ):
        await bench.fill(int(rate * seconds * MARGIN))
        fleet = Fleet(bench, server.url(database), rate)
        await fleet.upgrade()
        await fleet.start()
        await bench.until(fleet.running[0], lambda: has_begun(bench))
        await fleet.live(nodes, seconds)
        found = await seen(bench, seconds)
        unsettled, resent = await _ledger(server.dsn(database))
    doubles = found.doubled()
    return [
        *figures(f"{rate:g}/s, {nodes} nodes", found, account_rate=rate, share=SHARE, seconds=seconds, most=1),
        Figure(
            name="  accepted twice, and nobody had a doubt",
            aim="0",
            measured=str(len(doubles - resent)),
            ok=doubles <= resent,
        ),
        told("  in doubt or under way when it ended; sent again after a doubt", f"{unsettled}; {len(resent)}"),
    ]


@dataclass(kw_only=False)
class Fleet:
    """The nodes of one account.

    Attributes:
        running: those alive, the oldest first.
    """

    bench: Bench
    database_url: str
    rate: float
    running: list[Process] = field(default_factory=list)
    _started: int = 0
    _hash_key: str = field(default_factory=lambda: secrets.token_hex(32))

    async def upgrade(self) -> None:
        """Make the tables, as an operator does before the first start."""
        process = await asyncio.create_subprocess_exec(
            *(sys.executable, "-m", "tank_mailer", "db", "upgrade"),
            env=self.bench.environment(self.bench.folder) | self._settings,
            stdout=asyncio.subprocess.DEVNULL,
        )
        if await process.wait():
            raise RuntimeError("`tank-mailer db upgrade` failed")

    async def start(self) -> None:
        """Add a node."""
        self._started += 1
        node = f"node-{self._started}"
        self.running.append(await self.bench.start(Sender.DAEMON, node=node, **self._settings))

    async def live(self, nodes: int, seconds: int) -> None:
        """Let the others come, kill the first, start another one, and return a second after the end."""
        loop = asyncio.get_running_loop()
        began_s = loop.time()
        for number in range(1, nodes):
            await asyncio.sleep(began_s + LAST_STARTS_AT * seconds * number / (nodes - 1) - loop.time())
            await self.start()
        await asyncio.sleep(began_s + KILLED_AT * seconds - loop.time())
        await self.bench.kill(self.running.pop(0))
        await asyncio.sleep(began_s + REPLACED_AT * seconds - loop.time())
        await self.start()
        await asyncio.sleep(began_s + seconds + 1 - loop.time())
        for process in self.running:
            process.insist_alive()

    @property
    def _settings(self) -> dict[str, str]:
        return {
            "TANK_DATABASE_URL": self.database_url,
            "TANK_HASH_KEY": self._hash_key,
            "TANK_MAX_PARALLEL": str(parallel(self.rate)),
        }


@asynccontextmanager
async def _database() -> AsyncIterator[tuple[PostgresServer, str]]:
    name = "tank"
    with run_server() as server:
        connection = await asyncpg.connect(server.dsn("postgres"))
        try:
            await connection.execute(f"CREATE DATABASE {name}")
        finally:
            await connection.close()
        yield server, name


async def _ledger(dsn: str) -> tuple[int, set[str]]:
    """How many jobs nobody knows the end of, and which were sent again."""
    connection = await asyncpg.connect(dsn)
    try:
        return await connection.fetchval(UNSETTLED), {row["email_id"] for row in await connection.fetch(RESENT)}
    finally:
        await connection.close()
