"""How far an email has come for one recipient: ranks that only rise."""

from enum import IntEnum


class Status(IntEnum):
    """Late, doubled and re-ordered events cannot lie, because the higher rank stays (DESIGN 4)."""

    SUPPRESSED = 0  # beside the others: was not mailed
    ACCEPTED = 10
    DELAYED = 20
    SOFT_BOUNCED = 30
    DELIVERED = 40
    REJECTED = 50
    HARD_BOUNCED = 60
    COMPLAINED = 70

    @property
    def word(self) -> str:
        """The name that people and scripts see."""
        return self.name.lower()
