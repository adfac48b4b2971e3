"""Alerts as people read them."""

from collections.abc import Sequence

from tank_mailer.adapters.alert_book import read_alerts
from tank_mailer.adapters.desk import Desk
from tank_mailer.adapters.desk_walk import reading
from tank_mailer.core.alerting import Entry
from tank_mailer.core.alerts import Severity


async def alerts_on(desk: Desk) -> Sequence[Entry]:
    """Those that are on, the critical ones first, then the oldest; raises StoreError."""
    async with reading(desk) as connection:
        found = await connection.run_sync(read_alerts)
    on = [entry for entry in found if entry.is_on]
    return sorted(on, key=lambda entry: (entry.severity is not Severity.CRITICAL, entry.since, entry.key))
