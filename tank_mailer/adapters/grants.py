"""The pace that all nodes on one PostgreSQL share: who asks gets the next span of time for itself."""

from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Final

import sqlalchemy as sa
from sqlalchemy.ext.asyncio import AsyncEngine

from tank_mailer.adapters.clock import SharedClock
from tank_mailer.adapters.sickness import SICK, sick
from tank_mailer.ports.nodes import Grant

LATELY_S: Final = 3.0  # who has asked since then shares the pace
FORGET_S: Final = 86_400.0  # processes that have ended

# The spans given out reach `ahead_s` beyond `asked_at`. Only that distance is kept, so that a server clock which is set
# forward or back by an hour costs no more than what was ahead just then: no time has passed if it went back. The clock
# is read in DO UPDATE once the row is locked. All else hangs on what comes back from there: so nobody waits for the
# pace with a lock in hand.
_ASK: Final = sa.text("""
    WITH granted AS (
        INSERT INTO pace (name, ahead_s, asked_at)
        VALUES ('account', :span_s, extract(epoch FROM clock_timestamp()))
        ON CONFLICT (name) DO UPDATE SET (ahead_s, asked_at) = (
            SELECT :span_s + greatest(0, pace.ahead_s - greatest(0, now_s - pace.asked_at)), now_s
            FROM (SELECT extract(epoch FROM clock_timestamp()) AS now_s) AS clock
        )
        RETURNING greatest(0, pace.ahead_s - :span_s) AS wait_s, pace.asked_at
    ), asked AS (
        INSERT INTO askers (process, asked_at) SELECT :process, asked_at FROM granted
        ON CONFLICT (process) DO UPDATE SET asked_at = excluded.asked_at
    ), forgotten AS (
        DELETE FROM askers USING granted
        WHERE askers.process <> :process AND askers.asked_at < granted.asked_at - :forget_s
    )
    SELECT wait_s, asked_at, (
        SELECT count(*) FROM askers
        WHERE askers.process <> :process AND abs(askers.asked_at - granted.asked_at) <= :lately_s
    ) AS others
    FROM granted
""")


@dataclass(frozen=True, slots=True, kw_only=True)
class SqlGrants:
    """The `Grants` on PostgreSQL: one statement an ask, beside the store's worker, by the server's time.

    Attributes:
        clock: set by each answer.
        process: `NODE/PROCESS`.
    """

    engine: AsyncEngine
    clock: SharedClock
    process: str

    async def ask(self, tokens: int, *, per_s: float) -> Grant:
        """Take the next span of `tokens` / `per_s` seconds; raises `StoreError`."""
        span_s = tokens / per_s
        values = {"span_s": span_s, "process": self.process, "lately_s": LATELY_S, "forget_s": FORGET_S}
        try:
            async with self.engine.execution_options(isolation_level="AUTOCOMMIT").connect() as connection:
                asked_s = self.clock.boot_s()
                answer = (await connection.execute(_ASK, values)).one()
                answered_s = self.clock.boot_s()
        except SICK as error:
            raise sick(error) from error
        self.clock.sync(datetime.fromtimestamp(answer.asked_at, UTC), asked_s, answered_s)
        return Grant(tokens, wait_s=answer.wait_s, span_s=span_s, nodes=1 + answer.others)
