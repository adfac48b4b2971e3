"""What events teach of addresses: when each was mailed and reached, and who is not to be mailed any more."""

from collections.abc import Iterable, Sequence
from datetime import UTC, datetime, timedelta
from typing import Any

import sqlalchemy as sa
from sqlalchemy.ext.asyncio import AsyncEngine

from tank_mailer.adapters.desk_suppressions import LOCK, entry_columns, read_entry
from tank_mailer.adapters.schema import addresses, events, suppressions
from tank_mailer.adapters.store import insert_for
from tank_mailer.core.address import address_hash
from tank_mailer.core.bounce import SOFT_RUN, Passed, soft_run
from tank_mailer.core.errors import Reason
from tank_mailer.core.event import EventKind
from tank_mailer.core.meaning import EventNote
from tank_mailer.core.suppression import SOFT_DAYS, Entry, from_event
from tank_mailer.ports import NewSuppression

HISTORY = 100  # newest events of one address that are looked at; a run is five mails
Owned = tuple[str | None, EventNote]


class EventAddresses:
    """Works within the transaction that records the events."""

    def __init__(self, engine: AsyncEngine) -> None:
        """Make the statements once: SQLAlchemy caches what it compiles by them."""
        names: sa.BindParameter[Any] = sa.bindparam("names", expanding=True)
        self._entries = sa.select(suppressions).where(suppressions.c.address.in_(names))
        self._history = (
            sa.select(events.c.occurred_at, events.c.ses_message_id, events.c.kind)
            .where(
                events.c.recipient == sa.bindparam("recipient"),
                sa.or_(events.c.kind == EventKind.DELIVERY.value, events.c.counts == 1),
            )
            .order_by(events.c.occurred_at.desc())
            .limit(HISTORY)
        )
        insert = insert_for(engine, addresses)
        self._mailed = insert.on_conflict_do_nothing()
        later = sa.or_(
            addresses.c.last_delivered_at.is_(None), addresses.c.last_delivered_at < insert.excluded.last_delivered_at
        )
        self._reached = insert.on_conflict_do_update(
            index_elements=[addresses.c.hash],
            set_={"last_delivered_at": insert.excluded.last_delivered_at},
            where=later,
        )
        insert = insert_for(engine, suppressions)
        self._suppress = insert.on_conflict_do_update(
            index_elements=[suppressions.c.address],
            set_={column.name: insert.excluded[column.name] for column in suppressions.c if column.name != "address"},
        )

    def learn(self, connection: sa.Connection, fresh: Sequence[Owned], now: datetime) -> list[NewSuppression]:
        """Learn from notes that are on disk by now; return whom they have suppressed."""
        self._remember(connection, [note for _, note in fresh])
        wanted = [(email_id, note, reason) for email_id, note in fresh if (reason := note.suppresses)]
        wanted += self._worn_out(connection, fresh)
        if not wanted:
            return []
        if connection.dialect.name == "postgresql":  # SQLite locks as it begins; readers go on with both
            connection.execute(LOCK)
        names = {note.recipient for _, note, _ in wanted if note.recipient}
        looked_up = {"names": [*names, *map(address_hash, names)]}
        before = {
            entry.address: entry for entry in map(read_entry, connection.execute(self._entries, looked_up).mappings())
        }
        after, new = dict(before), dict[str, NewSuppression]()
        for email_id, note, reason in wanted:
            if note.recipient is None:
                continue
            hashed = address_hash(note.recipient)
            address = hashed if hashed in before else note.recipient  # who was erased stays without a name
            old = after.get(address)
            after[address] = from_event(
                old,
                address=address,
                reason=reason,
                event_key=note.key,
                at=now,
                ends_at=now + timedelta(days=SOFT_DAYS) if reason == Reason.SOFT_BOUNCES else None,
            )
            if not _is_in_force(old, now):
                new[address] = NewSuppression(address, reason, email_id)
        changed = [after[address] for address in sorted(after) if after[address] != before.get(address)]
        if changed:
            connection.execute(self._suppress, [entry_columns(entry) for entry in changed])
        return list(new.values())

    def _remember(self, connection: sa.Connection, notes: Iterable[EventNote]) -> None:
        mailed, reached = dict[str, dict[str, Any]](), dict[str, dict[str, Any]]()
        for note in notes:
            event = note.event
            if event.kind is EventKind.SEND:
                for key in event.destination:
                    hashed = address_hash(key)
                    mailed[hashed] = {"hash": hashed, "first_mailed_at": event.mail_at.timestamp()}
            elif event.kind is EventKind.DELIVERY and note.recipient is not None:
                hashed, at = address_hash(note.recipient), event.occurred_at.timestamp()
                if hashed not in reached or reached[hashed]["last_delivered_at"] < at:
                    mailed_at = event.mail_at.timestamp()
                    reached[hashed] = {"hash": hashed, "first_mailed_at": mailed_at, "last_delivered_at": at}
        if mailed:
            connection.execute(self._mailed, [mailed[hashed] for hashed in sorted(mailed)])
        if reached:
            connection.execute(self._reached, [reached[hashed] for hashed in sorted(reached)])

    def _worn_out(self, connection: sa.Connection, fresh: Sequence[Owned]) -> list[tuple[str | None, EventNote, str]]:
        """Addresses whose soft bounces have become a run (DESIGN 6); whatever order the events came in."""
        newest = {note.recipient: (email_id, note) for email_id, note in fresh if note.counts and note.recipient}
        found = list[tuple[str | None, EventNote, str]]()
        for recipient, (email_id, note) in newest.items():
            history = [
                Passed(datetime.fromtimestamp(at, UTC), ses_message_id, kind == EventKind.DELIVERY)
                for at, ses_message_id, kind in connection.execute(self._history, {"recipient": recipient})
            ]
            if soft_run(history) >= SOFT_RUN:
                found.append((email_id, note, Reason.SOFT_BOUNCES.value))
        return found


def _is_in_force(entry: Entry | None, now: datetime) -> bool:
    return entry is not None and entry.is_in_force(now)
