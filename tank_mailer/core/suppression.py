"""The list of addresses that are not mailed: what an entry is, and how two of them become one."""

import re
from collections.abc import Iterable
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta

from tank_mailer.core.address import HASHED, AddressError, address_hash, mailbox_key
from tank_mailer.core.errors import Reason
from tank_mailer.core.fields import FieldError, read_expiry

MANUAL = Reason.MANUAL.value  # the source of what a person entered, and the reason if none was given
EVENT = "event"  # the source of what SES's events have entered
ACCOUNT = "account"  # the source of what was taken over from the account's list
# Ours: time enough to empty a full mailbox or to mend a server. What it does not mend bounces once more after that, and
# as the run goes on until something is delivered, this one bounce suppresses again.
SOFT_DAYS = 30
MAX_TEXT_CHARACTERS = 200  # ours: a reason or a note is one line

_SPAN = re.compile(r"(\d{1,4})([hdw])", re.ASCII)
_SPANS = {"h": timedelta(hours=1), "d": timedelta(days=1), "w": timedelta(weeks=1)}
_HASH = re.compile(rf"{HASHED}[0-9a-f]{{32}}")  # as `address_hash` writes it
_STRENGTHS = {Reason.COMPLAINT.value: 2, Reason.HARD_BOUNCE.value: 1}  # others: 0


class EntryError(ValueError):
    """A text that cannot be part of an entry; says why, and quotes nothing of it."""


@dataclass(frozen=True, slots=True)
class Entry:
    """One address that is not mailed.

    Attributes:
        address: the mailbox key, or its hash if the person was erased.
        source: who entered it: `manual` (a person), `event` (an event of SES), `account` (SES's own list).
        ends_at: from then on it may be mailed again; None: never.
        event_key: of the event that it comes from, or that made it last longer.
    """

    address: str
    reason: str
    source: str
    created_at: datetime
    ends_at: datetime | None = None
    note: str | None = None
    event_key: str | None = None

    @property
    def is_hashed(self) -> bool:
        """Whether nobody can tell by it which address it is."""
        return self.address.startswith(HASHED)

    def is_in_force(self, now: datetime) -> bool:
        """Whether it keeps mail back."""
        return self.ends_at is None or self.ends_at > now


def joined(old: Entry | None, new: Entry, now: datetime) -> Entry:
    """Enter `new` where `old` may stand: nothing that a person adds makes a suppression end sooner.

    What an event has entered keeps its reason, and is the person's from now on: no rule for bounces takes it away
    again. An entry that stands under the hash of the address stays there: who was erased is not written down again.
    """
    if old is None or not old.is_in_force(now):
        return new
    ends_at = _later(old.ends_at, new.ends_at)
    is_persons = old.source == MANUAL and old.event_key is None and not strength(old.reason)
    return replace(
        old,
        reason=new.reason if new.reason != MANUAL and is_persons else old.reason,
        source=MANUAL,
        ends_at=ends_at,
        note=new.note or old.note,
    )


def from_event(
    old: Entry | None, *, address: str, reason: str, event_key: str, at: datetime, ends_at: datetime | None
) -> Entry:
    """Enter what an event says of an address where `old` may stand; an ended entry is replaced.

    What a person has entered stays that person's, and may only come to last longer. Of two events the stronger
    reason stays (a complaint before a hard bounce before all others) and the later end.

    Args:
        old: what stands there.
        address: the mailbox key.
        reason: why it is suppressed.
        event_key: of the event.
        at: when it is entered: the present, however old the event is.
        ends_at: None: never.
    """
    new = Entry(address, reason, EVENT, at, ends_at, event_key=event_key)
    return _outdone(old, new, at)


def from_account(old: Entry | None, new: Entry, now: datetime) -> Entry:
    """Enter what SES's own list holds where `old` may stand, as `from_event` does."""
    return _outdone(old, new, now)


def _outdone(old: Entry | None, new: Entry, now: datetime) -> Entry:
    if old is None or not old.is_in_force(now):
        return new
    ends_at = _later(old.ends_at, new.ends_at)
    if old.source != MANUAL and strength(new.reason) > strength(old.reason):
        return replace(new, address=old.address, created_at=old.created_at, ends_at=ends_at, note=new.note or old.note)
    event_key = old.event_key if ends_at == old.ends_at else new.event_key or old.event_key
    return replace(old, ends_at=ends_at, event_key=event_key)


def strength(reason: str) -> int:
    """How much a reason weighs beside another."""
    return 1 if reason.startswith("permanent/") else _STRENGTHS.get(reason, 0)


def lasting(entries: Iterable[Entry]) -> Entry | None:
    """Of the entries of one address, under its key and its hash, the one that lasts longest; None: there is none."""
    return max(entries, key=lambda entry: (entry.ends_at is None, entry.ends_at or entry.created_at), default=None)


def erased(entry: Entry) -> Entry:
    """What stays of an entry when the person is erased: a note or a reason in free words may tell who it is."""
    is_free = entry.source == MANUAL and entry.reason not in set(Reason)
    hashed = entry.address if entry.is_hashed else address_hash(entry.address)
    return replace(entry, address=hashed, reason=MANUAL if is_free else entry.reason, note=None)


def is_stale(first_mailed_at: datetime, last_delivered_at: datetime | None, *, after_days: int, now: datetime) -> bool:
    """Whether an address that was mailed has had no delivery for too long (`TANK_STALE_AFTER_DAYS`; 0: never)."""
    last = last_delivered_at or first_mailed_at
    return after_days > 0 and last < now - timedelta(days=after_days)


def _later(one: datetime | None, other: datetime | None) -> datetime | None:
    return None if one is None or other is None else max(one, other)


def read_subject(text: str) -> str:
    """Read whom an entry is about: an address as people write it, or the hash of one.

    Raises:
        AddressError: it is neither.
    """
    hashed = text.strip().lower()
    if not hashed.startswith(HASHED):
        return mailbox_key(text)
    if not _HASH.fullmatch(hashed):
        raise AddressError(f"This is no hash of an address: after {HASHED} it has 32 digits from 0 to f.")
    return hashed


def read_end(text: str, now: datetime) -> datetime:
    """Read when an entry ends: a time as RFC 3339 spells it, or hours, days or weeks from now (`30d`).

    Raises:
        EntryError: it is neither, or not ahead.
    """
    found = _SPAN.fullmatch(text.strip().lower())
    at = now + int(found[1]) * _SPANS[found[2]] if found else read_moment(text)
    if at <= now:
        raise EntryError("The end has passed; give one that is ahead, or none for an entry that stays.")
    return at


def read_line_of_text(text: str) -> str:
    """Read a reason or a note.

    Raises:
        EntryError: it is more than a line of text.
    """
    text = text.strip()
    if len(text) > MAX_TEXT_CHARACTERS:
        raise EntryError(f"A reason or a note has {MAX_TEXT_CHARACTERS} characters at most.")
    if not text.isprintable():
        raise EntryError("A reason or a note is one line of text without control characters.")
    return text


def read_moment(text: str) -> datetime:
    """Read a time as RFC 3339 spells it, in UTC.

    Raises:
        EntryError: it is none.
    """
    try:
        at = read_expiry(text.strip())
    except FieldError:
        at = None
    if at is None:
        raise EntryError(
            "The time is none as RFC 3339 spells it, such as 2030-01-31T12:00:00Z, with Z or an offset at its end"
        )
    return at.astimezone(UTC)
