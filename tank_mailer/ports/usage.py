"""Where it is kept what AWS bills for."""

from collections.abc import Mapping
from typing import Protocol

from tank_mailer.core.cost import Item


class Usage(Protocol):
    """Counts by the day, over all nodes."""

    async def add(self, counts: Mapping[Item, int]) -> None:
        """Add to this node's counts of today (UTC, by the store's clock); raises `StoreError`."""
