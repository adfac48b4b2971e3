"""Who may not be mailed: the suppression list, and addresses to which nothing has been delivered for long."""

from collections.abc import Collection, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta

import sqlalchemy as sa

from tank_mailer.adapters.schema import addresses, suppressions
from tank_mailer.core.address import address_hash
from tank_mailer.core.canary import RECIPIENT
from tank_mailer.core.errors import Reason


@dataclass(kw_only=True, eq=False)
class HeldBack:
    """Looks recipients up, all of a transaction at once.

    Attributes:
        stale_after_days: `TANK_STALE_AFTER_DAYS`; 0: off.
    """

    stale_after_days: int = 0

    def __post_init__(self) -> None:
        """Make the statements once: SQLAlchemy caches what it compiles by them."""
        self._suppressed = sa.select(suppressions.c.address).where(
            suppressions.c.address.in_(sa.bindparam("addresses", expanding=True)),
            sa.or_(suppressions.c.ends_at.is_(None), suppressions.c.ends_at > sa.bindparam("now")),
        )
        last = sa.func.coalesce(addresses.c.last_delivered_at, addresses.c.first_mailed_at)
        self._stale = sa.select(addresses.c.hash).where(
            addresses.c.hash.in_(sa.bindparam("hashes", expanding=True)), last < sa.bindparam("before")
        )

    def among(self, connection: sa.Connection, keys: Collection[str], now: datetime) -> Mapping[str, Reason]:
        """Of these mailbox keys, those that may not be mailed, each with why."""
        key_of = {address_hash(key): key for key in keys}  # who was erased is suppressed by the hash
        values = {"addresses": [*keys, *key_of], "now": now.timestamp()}
        found = connection.execute(self._suppressed, values).scalars()
        held_back = {key_of.get(address, address): Reason.SUPPRESSED for address in found}
        if self.stale_after_days:
            before = now - timedelta(days=self.stale_after_days)
            stale = connection.execute(self._stale, {"hashes": list(key_of), "before": before.timestamp()}).scalars()
            held_back = {key_of[one]: Reason.STALE for one in stale if key_of[one] != RECIPIENT} | held_back
        return held_back
