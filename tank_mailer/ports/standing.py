"""How things stand in the store and on the queues beside the lanes', for metrics and alerts: asked once a minute."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from types import MappingProxyType
from typing import Protocol

from tank_mailer.ports import QueueFacts


@dataclass(frozen=True, slots=True, kw_only=True)
class StoreStanding:
    """What the store holds, over all nodes.

    Attributes:
        states: how many jobs are in each state that is no end: `sending`, `deferred`, `in_doubt`.
        oldest: when the oldest job of each such state was first seen; one older than any queue keeps a message has lost
            it, and does not count.
        doubts_by_age: jobs in doubt by the age of the doubt: upper bound in seconds (`inf` for the last) to count.
        dead_without_copy: jobs that were given up, are on no dead-letter queue, and nobody has put back.
        letters: news that waits for the web server.
        oldest_letter_at: when the oldest of it was written.
        last_event_at: when the newest event was recorded.
        last_accepted_at: when the newest mail was accepted that should have events.
        unheard_since: when the oldest such mail was accepted of those that came after the newest event.
        free_bytes: of the store's disk; None for a server.
        write_s: how long one write took, as a check.
    """

    states: Mapping[str, int] = field(default_factory=lambda: MappingProxyType({}))
    oldest: Mapping[str, datetime] = field(default_factory=lambda: MappingProxyType({}))
    doubts_by_age: Mapping[float, int] = field(default_factory=lambda: MappingProxyType({}))
    dead_without_copy: int = 0
    letters: int = 0
    oldest_letter_at: datetime | None = None
    last_event_at: datetime | None = None
    last_accepted_at: datetime | None = None
    unheard_since: datetime | None = None
    free_bytes: int | None = None
    write_s: float | None = None


class Standing(Protocol):
    """The store, as an observer sees it."""

    async def look(self) -> StoreStanding:
        """Ask all of it, by indexes alone; raises `StoreError`."""


class AskedQueue(Protocol):
    """A queue that is only asked how full it is."""

    @property
    def name(self) -> str:
        """Its name, without the account."""

    async def facts(self) -> QueueFacts:
        """Ask the queue's attributes; raises `QueueError`."""
