"""What AWS bills for, kept in memory."""

import asyncio
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, field

from tank_mailer.core.cost import Item
from tank_mailer.core.errors import StoreError


@dataclass(kw_only=True, eq=False)
class FakeUsage:
    """`Usage` without a disk.

    Attributes:
        writes: each one, as it came.
        latency_s: that a write takes, on the loop's clock.
        sick: raised while it is set.
    """

    latency_s: float = 0.0
    writes: list[dict[Item, int]] = field(default_factory=list)
    sick: StoreError | None = None

    async def add(self, counts: Mapping[Item, int]) -> None:
        await asyncio.sleep(self.latency_s)
        if self.sick:
            raise self.sick
        self.writes.append(dict(counts))

    @property
    def total(self) -> Counter[Item]:
        total = Counter[Item]()
        for counts in self.writes:
            total.update(counts)
        return total
