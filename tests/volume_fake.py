"""What all nodes have sent, kept in memory."""

import asyncio
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime

from tank_mailer.core.errors import StoreError
from tank_mailer.core.quota import BUCKET_S, Spent
from tank_mailer.core.reputation import Tally
from tank_mailer.ports import Clock


@dataclass(kw_only=True, eq=False)
class FakeVolume:
    """`Volume` without a disk.

    Attributes:
        latency_s: that every call takes, on the loop's clock; the answer is of the call's beginning.
        sick: raised by every method while it is set.
        asked: when `spent` was asked, and since when.
        tallied: the same of `tally`.
    """

    clock: Clock
    latency_s: float = 0.0
    sick: StoreError | None = None
    asked: list[tuple[datetime, datetime]] = field(default_factory=list)
    tallied: list[tuple[datetime, datetime]] = field(default_factory=list)
    _mails: list[tuple[datetime, Tally]] = field(default_factory=list)

    def accept(self, recipients: int, *, bounces: int = 0, complaints: int = 0, at: datetime | None = None) -> None:
        """SES took an email for so many, of which so many turn out bad; 0 recipients: an earlier one's do."""
        self._mails.append((at or self.clock.now(), Tally(recipients, bounces, complaints)))

    async def spent(self, since: datetime) -> Sequence[Spent]:
        self.asked.append((self.clock.now(), since))
        found = Counter[int]()
        for at, tally in self._mails:
            found[_minute(at)] += tally.volume
        await self._answer()
        return [Spent(minute, found[minute]) for minute in sorted(found) if minute >= _minute(since)]

    async def tally(self, since: datetime) -> Tally:
        self.tallied.append((self.clock.now(), since))
        found = [tally for at, tally in self._mails if at >= since]
        await self._answer()
        return Tally(
            sum(tally.volume for tally in found),
            sum(tally.bounces for tally in found),
            sum(tally.complaints for tally in found),
        )

    async def _answer(self) -> None:
        await asyncio.sleep(self.latency_s)  # as a real store: others come in between
        if self.sick:
            raise self.sick


def _minute(at: datetime) -> int:
    return int(at.timestamp() // BUCKET_S)
