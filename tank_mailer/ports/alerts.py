"""Where alerts stand that are on, and who is told of them."""

from collections.abc import Sequence
from typing import Protocol

from tank_mailer.core.alerting import Entry, Step
from tank_mailer.ports import NotTold, Told


class AlertBook(Protocol):
    """What is on, and for a while what is over. Every method raises `StoreError` if it is kept in a sick store."""

    async def entries(self) -> Sequence[Entry]:
        """All of it."""

    async def take(self, steps: Sequence[Step]) -> Sequence[Step]:
        """Take these steps together; those come back that took effect, in order.

        A step does not if another node has taken its own meanwhile: what it replaces is not there any more.
        """


class AlertReceiver(Protocol):
    """Whom people listen to."""

    async def tell(self, payload: str) -> Told | NotTold:
        """Tell it once: JSON as `core.alertnews` spells it; returns in every case but cancellation."""
