"""In what our suppression list and the account's own one at SES differ, and what is to be done about it.

SES knows two reasons, BOUNCE and COMPLAINT. So only hard bounces and complaints that its own events have told of go
from here to there. What a person has entered stays here: there it would stand as a bounce that never was, and keep
the mail of every other application of the account back, too. Nothing is ever taken off our list because SES's list
lacks it: SES's is switched off in some accounts, and others may empty it.
"""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime
from enum import StrEnum

from tank_mailer.core.address import AddressError, address_hash, mailbox_key
from tank_mailer.core.errors import Reason
from tank_mailer.core.suppression import ACCOUNT, EVENT, MANUAL, Entry, strength


class ListedReason(StrEnum):
    """Why SES lists an address (SES: SuppressionListReason)."""

    BOUNCE = "BOUNCE"
    COMPLAINT = "COMPLAINT"


OF_SES: Mapping[ListedReason, Reason] = {
    ListedReason.BOUNCE: Reason.HARD_BOUNCE,
    ListedReason.COMPLAINT: Reason.COMPLAINT,
}
TO_SES: Mapping[str, ListedReason] = {reason.value: listed for listed, reason in OF_SES.items()}


@dataclass(frozen=True, slots=True)
class Listed:
    """One address on SES's list, exactly as it is spelled there: SES finds it by no other spelling.

    Attributes:
        updated_at: when SES wrote it last; None: it did not say.
    """

    address: str = field(repr=False)
    reason: ListedReason
    updated_at: datetime | None = None


@dataclass(frozen=True, slots=True)
class Mailbox:
    """All spellings of one mailbox on SES's list, which keeps `User@Example.org` and `user@example.org` apart."""

    key: str = field(repr=False)
    spellings: tuple[Listed, ...]

    @property
    def reason(self) -> ListedReason:
        """The stronger one of theirs."""
        return max((one.reason for one in self.spellings), key=lambda reason: strength(OF_SES[reason]))

    @property
    def updated_at(self) -> datetime | None:
        """When SES wrote any of them last."""
        return max((one.updated_at for one in self.spellings if one.updated_at), default=None)

    def entry(self, now: datetime) -> Entry:
        """It as an entry of our list."""
        word = OF_SES[self.reason].value.replace("_", " ")
        created_at = min(self.updated_at or now, now)
        return Entry(self.key, Reason.ACCOUNT_SUPPRESSED.value, ACCOUNT, created_at, note=f"SES: {word}")


@dataclass(frozen=True, slots=True)
class Differing:
    """A mailbox on both lists for different reasons; the complaint, which weighs more, goes over to the other one."""

    entry: Entry
    mailbox: Mailbox

    @property
    def is_ours_stronger(self) -> bool:
        """Whether SES's list is to be mended, and not ours."""
        return strength(self.entry.reason) > strength(OF_SES[self.mailbox.reason])

    @property
    def weaker(self) -> Iterator[Listed]:
        """The spellings that are to be mended at SES."""
        return (one for one in self.mailbox.spellings if strength(OF_SES[one.reason]) < strength(self.entry.reason))


@dataclass(frozen=True, slots=True, kw_only=True)
class Drift:
    """In what the lists differ.

    Attributes:
        only_there: to be added here.
        let_go: listed there, and taken off our list by a person since.
        only_here: to be added there.
        differing: on both for different reasons.
        kept_here: only on our list, and to stay there alone: how many, by why.
        unreadable: on SES's list, and no address that any job could name.
    """

    only_there: Sequence[Mailbox] = ()
    let_go: Sequence[Mailbox] = ()
    only_here: Sequence[Entry] = ()
    differing: Sequence[Differing] = ()
    kept_here: Mapping[str, int] = field(default_factory=dict)
    unreadable: int = 0

    def __bool__(self) -> bool:
        """Whether there is any."""
        return any((self.only_there, self.let_go, self.only_here, self.differing))


@dataclass(slots=True, eq=False)
class Comparison:
    """Compares the lists page by page, for either may be larger than memory likes: first SES's, then ours."""

    now: datetime
    _mailboxes: dict[str, Mailbox] = field(default_factory=dict)
    _unreadable: int = 0
    _met: set[str] = field(default_factory=set)  # keys, and hashes of those who were erased
    _only_here: list[Entry] = field(default_factory=list)
    _differing: list[Differing] = field(default_factory=list)
    _kept_here: dict[str, int] = field(default_factory=dict)

    @property
    def listed(self) -> int:
        """How many mailboxes SES's list has."""
        return len(self._mailboxes)

    def add_there(self, page: Iterable[Listed]) -> None:
        """Take a page of SES's list."""
        for one in page:
            try:
                key = mailbox_key(one.address)
            except AddressError:
                self._unreadable += 1
                continue
            known = self._mailboxes.get(key)
            self._mailboxes[key] = Mailbox(key, (*(known.spellings if known else ()), one))

    def add_here(self, page: Iterable[Entry]) -> None:
        """Take a page of our list; an entry that has ended counts as none."""
        for entry in page:
            if not entry.is_in_force(self.now):
                continue
            self._met.add(entry.address)
            mailbox = self._mailboxes.get(entry.address)
            if mailbox is not None:
                if entry.source == EVENT and TO_SES.get(entry.reason, mailbox.reason) is not mailbox.reason:
                    self._differing.append(Differing(entry, mailbox))
            elif entry.is_hashed:
                pass  # looked at in `drift`: its mailbox may be listed, and otherwise nobody knows how to spell it
            elif entry.source == EVENT and entry.reason in TO_SES:
                self._only_here.append(entry)
            else:
                why = MANUAL if entry.source == MANUAL else entry.reason
                self._kept_here[why] = self._kept_here.get(why, 0) + 1

    def drift(self, removals: Mapping[str, datetime]) -> Drift:
        """Say what was found.

        Args:
            removals: when a person last took which address, or hash of one, off our list. Only a listing that is
                newer than that goes back on it: SES has seen another bounce since.
        """
        only_there, let_go = list[Mailbox](), list[Mailbox]()
        hashes = {name for name in self._met if name not in self._mailboxes}
        for key, mailbox in self._mailboxes.items():
            if key in self._met or (hashed := address_hash(key)) in hashes:
                continue
            removed_at = max((removals[name] for name in (key, hashed) if name in removals), default=None)
            is_let_go = removed_at is not None and (mailbox.updated_at is None or mailbox.updated_at <= removed_at)
            (let_go if is_let_go else only_there).append(mailbox)
        return Drift(
            only_there=only_there,
            let_go=let_go,
            only_here=self._only_here,
            differing=self._differing,
            kept_here=self._kept_here,
            unreadable=self._unreadable,
        )


# --- what is to be done ----------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Put:
    """List this spelling at SES, for that reason."""

    address: str = field(repr=False)
    reason: ListedReason


@dataclass(frozen=True, slots=True)
class TakeOff:
    """Take this spelling off SES's list."""

    address: str = field(repr=False)


Change = Put | TakeOff


def changes_there(drift: Drift, *, removes: bool) -> Iterator[Change]:
    """What is to be changed at SES, spelling by spelling; what a person has taken off ours only if `removes`."""
    for entry in drift.only_here:
        yield Put(entry.address, TO_SES[entry.reason])
    for one in drift.differing:
        if one.is_ours_stronger:
            for listed in one.weaker:
                yield Put(listed.address, TO_SES[one.entry.reason])
    if removes:
        for mailbox in drift.let_go:
            for listed in mailbox.spellings:
                yield TakeOff(listed.address)


def entries_here(drift: Drift, now: datetime) -> Iterator[Entry]:
    """What is to be entered here, by `core.suppression.from_account`."""
    for mailbox in drift.only_there:
        yield mailbox.entry(now)
    for one in drift.differing:
        if not one.is_ours_stronger:
            yield replace(one.mailbox.entry(now), reason=OF_SES[one.mailbox.reason].value)
