"""The account's suppression list (aws-facts 2.5)."""

from collections import defaultdict
from dataclasses import dataclass, field
from datetime import datetime
from typing import Final

from tank_mailer.standin.errors import AwsError

REASONS: Final = ("BOUNCE", "COMPLAINT")


@dataclass(frozen=True, slots=True, kw_only=True)
class Suppressed:
    """One entry. Those that somebody put there by hand name no mail."""

    address: str
    reason: str
    updated_at: datetime
    message_id: str = ""
    feedback_id: str = ""


@dataclass(slots=True, eq=False)
class SuppressionList:
    """Entries by their exact spelling; a mail is held back from every case variant of one."""

    by_spelling: dict[str, Suppressed] = field(default_factory=dict)
    _spellings: defaultdict[str, set[str]] = field(default_factory=lambda: defaultdict(set))

    def put(self, entry: Suppressed) -> None:
        """Add an entry, or put it in the place of the one with the same spelling."""
        self.by_spelling[entry.address] = entry
        self._spellings[entry.address.lower()].add(entry.address)

    def require(self, address: str) -> Suppressed:
        """The entry of this spelling, or 404."""
        entry = self.by_spelling.get(address)
        if entry is None:
            raise AwsError("NotFoundException", f"Email address {address} is not on the suppression list.", status=404)
        return entry

    def remove(self, address: str) -> None:
        """Take the entry of this spelling away."""
        self.require(address)
        del self.by_spelling[address]
        self._spellings[address.lower()].discard(address)

    def holds_back(self, address: str, *, reasons: list[str]) -> bool:
        """Whether a mail to `address` is not delivered; only entries for one of `reasons` count."""
        if not self.by_spelling or not reasons:
            return False
        spellings = self._spellings.get(address.lower(), ())
        return any(self.by_spelling[spelling].reason in reasons for spelling in spellings)

    def clear(self) -> None:
        """Forget every entry."""
        self.by_spelling.clear()
        self._spellings.clear()
