"""Messages by the moment at which something becomes of them."""

import heapq
from collections.abc import Callable
from itertools import count
from typing import Generic, TypeVar

Item = TypeVar("Item")

MIN_SWEEP = 1_024


class Timetable(Generic[Item]):
    """A heap whose entries may go out of date: these are skipped when met, and swept out when they pile up.

    Adding and taking cost O(log n), spread over many calls.
    """

    def __init__(self, *, holds: Callable[[float, Item], bool]) -> None:
        """`holds` says whether an entry still means what it meant when it was added."""
        self._holds = holds
        self._entries: list[tuple[float, int, Item]] = []
        self._order = count()
        self._sweep_at = MIN_SWEEP

    def add(self, at: float, item: Item) -> None:
        """Let `item` be due at `at`."""
        heapq.heappush(self._entries, (at, next(self._order), item))
        if len(self._entries) >= self._sweep_at:
            self._entries = [entry for entry in self._entries if self._holds(entry[0], entry[2])]
            heapq.heapify(self._entries)
            self._sweep_at = max(MIN_SWEEP, 2 * len(self._entries))

    def first_at(self) -> float | None:
        """When the next entry that still holds is due."""
        entries = self._entries
        while entries and not self._holds(entries[0][0], entries[0][2]):
            heapq.heappop(entries)
        return entries[0][0] if entries else None

    def take(self, until: float) -> Item | None:
        """Take the earliest entry that is due at `until`."""
        first_at = self.first_at()
        if first_at is None or first_at > until:
            return None
        return heapq.heappop(self._entries)[2]

    def clear(self) -> None:
        """Forget every entry."""
        self._entries.clear()

    def __len__(self) -> int:
        return len(self._entries)
