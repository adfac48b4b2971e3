"""A dead-letter queue as a person looks into it."""

from collections.abc import Sequence
from typing import Protocol

from tank_mailer.core.deadletter import Handed
from tank_mailer.ports import QueueFacts, Settled


class LetterBox(Protocol):
    """One dead-letter queue. Every method raises `QueueError` if SQS does not do it."""

    @property
    def name(self) -> str:
        """The last part of its URL."""

    async def receive(self, *, wait_s: int, visibility_s: int) -> Sequence[Handed]:
        """Up to ten letters, as soon as there is one; none after `wait_s` (0 to 20)."""

    async def hide(self, entries: Sequence[tuple[str, int]]) -> Sequence[Settled]:
        """Hide up to ten, each by its handle for so many seconds from now; 0 gives it back."""

    async def delete(self, receipt_handles: Sequence[str]) -> Sequence[Settled]:
        """Delete up to ten; the answers stand in the same order."""

    async def facts(self) -> QueueFacts:
        """Ask the queue's attributes."""
