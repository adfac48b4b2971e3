"""Notices a queue that seems to be somebody else's: many invalid jobs and never a valid one."""

from dataclasses import dataclass

from tank_mailer.core.errors import Reason
from tank_mailer.core.outcome import Concern, Concerned
from tank_mailer.flows.pauses import Pauses
from tank_mailer.ports import Ledger

MOST_INVALID = 20  # DESIGN 7
WHOSE = f"{MOST_INVALID} jobs in a row cannot be read, and never one that can: whose queue is it?"


@dataclass(kw_only=True, eq=False)
class Suspicion:
    """Counts one lane's invalid jobs until a valid one has come.

    Attributes:
        is_ours: a valid job has come, now or ever.
    """

    lane: str
    pauses: Pauses
    ledger: Ledger
    is_ours: bool = False
    _invalid: int = 0

    @property
    def concern(self) -> Concern:
        """What is paused."""
        return Concern(Concerned.SUSPECT, self.lane)

    def valid(self) -> None:
        """A valid job has come."""
        self.is_ours = True

    async def invalid(self) -> bool:
        """An invalid job has come; True if it is to stay on its queue, for that may be another program's.

        Raises:
            StoreError: the ledger did not tell whether this lane ever had a valid job.
        """
        if self.is_ours:
            return False
        if self.pauses.reason_of(self.concern) is not None:
            return True
        self._invalid += 1
        if self._invalid < MOST_INVALID:
            return False
        self._invalid = 0
        self.is_ours = await self.ledger.knows_lane(self.lane)
        if not self.is_ours:
            self.pauses.begin(self.concern, Reason.QUEUE_SUSPECT, WHOSE)
        return not self.is_ours
