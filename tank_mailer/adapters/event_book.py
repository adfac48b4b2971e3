"""What SES has reported, on SQLite or PostgreSQL: recorded in the transactions of the ledger."""

import json
from collections.abc import Collection, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from typing import Any

import sqlalchemy as sa

from tank_mailer.adapters import rows
from tank_mailer.adapters.event_addresses import EventAddresses
from tank_mailer.adapters.schema import events, jobs, marks, receipts, recipients
from tank_mailer.adapters.store import Store, insert_for
from tank_mailer.core.address import address_hash
from tank_mailer.core.booking import Booking, Known, book, is_ours, job_of, names_of
from tank_mailer.core.doubt import Drained
from tank_mailer.core.erasure import impersonal
from tank_mailer.core.event import EventKind, SesEvent
from tank_mailer.core.ledger import Row, State
from tank_mailer.core.meaning import EventNote, notes_of
from tank_mailer.core.status import Status
from tank_mailer.ports import Aside, Change, Proven, Receipt, Recorded, Recording

DRAINED, LOOKED = "event_queue_drained", "event_queue_looked"  # marks
NEWEST = 200  # Send events among which the newest mail is looked for: they come roughly in order


@dataclass(kw_only=True, eq=False)
class SqlEventBook:
    """The `EventBook` over the store's own worker."""

    store: Store

    def __post_init__(self) -> None:
        """Make the statements once: SQLAlchemy caches what it compiles by them."""
        engine = self.store.engine
        names: sa.BindParameter[Any] = sa.bindparam("names", expanding=True)
        self._receipts = sa.select(receipts.c.ses_message_id, receipts.c.email_id).where(
            receipts.c.ses_message_id.in_(names)
        )
        self._by_id = sa.select(jobs.c.email_id).where(jobs.c.email_id.in_(names))
        self._by_tag = sa.select(jobs.c.tag, jobs.c.email_id).where(jobs.c.tag.in_(names))
        order = jobs.c.email_id if engine.dialect.name == "sqlite" else sa.collate(jobs.c.email_id, "C")
        # All lock jobs in the order of their code points, whatever the database's own order is.
        self._jobs = sa.select(jobs).where(jobs.c.email_id.in_(names)).order_by(order).with_for_update()
        self._present = sa.select(events.c.key).where(events.c.key.in_(names))
        self._mails = sa.select(receipts.c.email_id, receipts.c.ses_message_id).where(receipts.c.email_id.in_(names))
        self._statuses = sa.select(recipients.c.email_id, recipients.c.address, recipients.c.status).where(
            recipients.c.email_id.in_(names)
        )
        insert = insert_for(engine, events)
        upgraded = ("email_id", "is_ours", "is_published", "attempt", "configuration_set")
        self._add = insert.on_conflict_do_update(  # told by an identity first, which knows no tags
            index_elements=[events.c.key],
            set_={name: insert.excluded[name] for name in upgraded},
            where=events.c.is_ours < insert.excluded.is_ours,
        ).returning(events.c.key)
        insert = insert_for(engine, marks)
        self._mark = insert.on_conflict_do_update(
            index_elements=[marks.c.name],
            set_={"at": insert.excluded.at},
        )
        self._addresses = EventAddresses(engine)

    # --- the port ---

    async def record(self, batch: Sequence[SesEvent]) -> Recorded:
        """Write down what is new and all that follows from it, in one transaction."""
        return await self.store.transact(lambda connection: self._record(connection, batch))

    async def set_aside(self, aside: Aside) -> None:
        """Keep a message that is no event to act on."""
        await self.store.set_aside(aside)

    async def check(self) -> None:
        """Read and write once."""
        await self.store.check()

    async def doubts(self, due_before: datetime, *, limit: int) -> Sequence[Row]:
        """Jobs in doubt that are due before then, the earliest first."""
        query = sa.select(jobs).where(jobs.c.state == State.IN_DOUBT.value, jobs.c.due_at < due_before.timestamp())
        query = query.order_by(jobs.c.due_at).limit(limit)

        def look(connection: sa.Connection) -> list[Row]:
            return [rows.read(record) for record in connection.execute(query).mappings()]

        return await self.store.transact(look)

    async def put_off(self, row: Row) -> bool:
        """Write a later due time of a job in doubt; evidence goes before it, as before every write."""
        return await self.store.write(Change(row))

    async def drained(self, until: datetime, at: datetime) -> None:
        """Note at `at` that whatever the event queue held until then has been read and written."""
        values = [
            {"name": name, "at": moment.timestamp(), "count": 0} for name, moment in ((DRAINED, until), (LOOKED, at))
        ]
        await self.store.transact(lambda connection: connection.execute(self._mark, values).close())

    async def drained_until(self) -> Drained | None:
        """What was noted last."""
        query = sa.select(marks.c.name, marks.c.at).where(marks.c.name.in_([DRAINED, LOOKED]))

        def look(connection: sa.Connection) -> dict[str, float]:
            return {name: at for name, at in connection.execute(query)}  # noqa: C416 - a Result is no mapping

        found = await self.store.transact(look)
        if len(found) < len((DRAINED, LOOKED)):
            return None
        return Drained(datetime.fromtimestamp(found[DRAINED], UTC), datetime.fromtimestamp(found[LOOKED], UTC))

    async def newest_proof(self, configuration_set: str, before: datetime) -> datetime | None:
        """When the newest mail was accepted of which this set has sent a tagged Send event back."""
        newest = (
            sa.select(events.c.ses_message_id)
            .where(
                events.c.kind == EventKind.SEND.value,
                events.c.is_ours == 1,
                events.c.is_published == 1,
                events.c.configuration_set == configuration_set,
                events.c.recorded_at < before.timestamp(),
            )
            .order_by(events.c.recorded_at.desc())
            .limit(NEWEST)
            .subquery()
        )
        query = (
            sa.select(sa.func.max(receipts.c.accepted_at))
            .join(newest, newest.c.ses_message_id == receipts.c.ses_message_id)
            .where(receipts.c.source == "answer")  # by our own clock: SES's may go before it
        )
        at = await self.store.transact(lambda connection: connection.scalar(query))
        return rows.moment(at)

    # --- recording ---

    def _record(self, connection: sa.Connection, batch: Sequence[SesEvent]) -> Recorded:
        now = self.store.clock.now()
        known = self._look_up(connection, batch)
        taken_apart = [list(notes_of(event)) for event in batch]
        owned = [
            (job_of(event, known), note) for event, notes in zip(batch, taken_apart, strict=True) for note in notes
        ]
        known = self._look_closer(connection, known, {email_id for email_id, _ in owned if email_id})
        owned = [(email_id, _anonymous(email_id, note, known)) for email_id, note in owned]
        present, new = self._insert(connection, owned, now)
        fresh = _once([(email_id, note) for email_id, note in owned if note.key in new])
        booking = book(fresh, known, now=now)
        proven = self._write(connection, booking)
        # A bounce that an identity had told before is no second one: who was let go since stays free.
        unheard = [(email_id, note) for email_id, note in fresh if note.key not in present]
        suppressed = self._addresses.learn(connection, unheard, now)
        return Recorded(
            recordings=[
                Recording(
                    event,
                    job_of(event, known),
                    any(note.key in new for note in notes),
                    next((note.reason for note in notes), None),
                )
                for event, notes in zip(batch, taken_apart, strict=True)
            ],
            proven=proven,
            suppressed=suppressed,
            doubled=booking.doubled,
        )

    def _look_up(self, connection: sa.Connection, batch: Sequence[SesEvent]) -> Known:
        """Whose mails they are."""
        names = {"names": list({e.ses_message_id for e in batch})}
        mails = dict(connection.execute(self._receipts, names).all())
        tags = {name for e in batch if e.ses_message_id not in mails for name in names_of(e)}
        jobs_of_tags = dict[str, str]()
        if tags:
            names = {"names": list(tags)}
            jobs_of_tags = {email_id: email_id for email_id in connection.execute(self._by_id, names).scalars()}
            jobs_of_tags |= dict(connection.execute(self._by_tag, names).all())
        known = Known(job_of_mail=mails, job_of_tag=jobs_of_tags)
        told = {e.ses_message_id: email_id for e in batch if is_ours(e) and (email_id := job_of(e, known))}
        return Known(job_of_mail=told | mails, job_of_tag=jobs_of_tags)  # an identity's notification has no tags

    def _look_closer(self, connection: sa.Connection, known: Known, ids: Collection[str]) -> Known:
        """What stands in the books of those jobs."""
        if not ids:
            return known
        names = {"names": list(ids)}
        mails = dict[str, set[str]]()
        for email_id, ses_message_id in connection.execute(self._mails, names):
            mails.setdefault(email_id, set()).add(ses_message_id)
        return Known(
            job_of_mail=known.job_of_mail,
            job_of_tag=known.job_of_tag,
            rows={r["email_id"]: rows.read(r) for r in connection.execute(self._jobs, names).mappings()},
            statuses={
                (email_id, address): Status(status)
                for email_id, address, status in connection.execute(self._statuses, names)
            },
            mails_of_job={email_id: frozenset(found) for email_id, found in mails.items()},
        )

    def _insert(
        self, connection: sa.Connection, owned: Sequence[tuple[str | None, EventNote]], now: datetime
    ) -> tuple[set[str], set[str]]:
        """Write what is new; return the keys that were there before, and those that were written."""
        values = dict[str, dict[str, Any]]()
        for email_id, note in owned:
            other = values.get(note.key)
            if other is None or other["is_ours"] < is_ours(note.event):
                values[note.key] = _columns(email_id, note, now)
        if not values:
            return set(), set()
        ordered = [values[key] for key in sorted(values)]  # two nodes lock in the same order
        present = set(connection.execute(self._present, {"names": list(values)}).scalars())
        return present, set(connection.execute(self._add, ordered).scalars())

    def _write(self, connection: sa.Connection, booking: Booking) -> list[Proven]:
        store = self.store
        unheard = store.add_receipts(
            connection,
            [
                rows.receipt_columns(
                    Receipt(ses_message_id, email_id, event.attempt or 0, event.mail_at), source="event"
                )
                for ses_message_id, (email_id, event) in booking.mails.items()
            ],
        )
        written = store.write_rows(connection, [after for _, after in booking.proven.values()])
        store.add_recipients(
            connection,
            [
                {
                    "email_id": email_id,
                    "address": address,
                    "status": int(rise.status),
                    "reason": rise.reason,
                    "updated_at": rise.at.timestamp(),
                }
                for (email_id, address), rise in booking.rises.items()
            ],
        )
        store.post(connection, booking.news)
        store.take_up(connection, {mail: email_id for mail, (email_id, _) in booking.mails.items()})
        told = [event for mail, (_, event) in booking.mails.items() if mail in unheard]
        store.count(connection, [(event.mail_at, event.destination) for event in told])
        return [
            Proven(
                email_id=before.email_id,
                before=before.state,
                lane=before.lane,
                queue_message_id=before.queue_message_id,
                ses_message_id=after.ses_message_id or "",
                receipt_handle=before.receipt_handle,
            )
            for before, after in booking.proven.values()
            if before.email_id in written
        ]


def _anonymous(email_id: str | None, note: EventNote, known: Known) -> EventNote:
    """Who was erased stays without a name, whatever comes of the mail: by the hash, and without personal facts."""
    hashes = {
        address: hashed
        for address in {*note.event.destination, note.recipient}
        if address is not None
        and email_id is not None
        and (email_id, hashed := address_hash(address)) in known.statuses
    }
    if not hashes:
        return note
    event = replace(
        note.event,
        destination=tuple(hashes.get(address, address) for address in note.event.destination),
    )
    return replace(
        note,
        event=event,
        recipient=hashes.get(note.recipient, note.recipient) if note.recipient else None,
        rises=tuple(hashes.get(address, address) for address in note.rises),
        facts=impersonal(note.facts),
    )


def _once(fresh: Sequence[tuple[str | None, EventNote]]) -> list[tuple[str | None, EventNote]]:
    """The same event may stand in a batch several times; the one with our tags says most."""
    found = dict[str, tuple[str | None, EventNote]]()
    for email_id, note in fresh:
        if note.key not in found or (is_ours(note.event) and not is_ours(found[note.key][1].event)):
            found[note.key] = email_id, note
    return list(found.values())


def _columns(email_id: str | None, note: EventNote, now: datetime) -> dict[str, Any]:
    event = note.event
    return {
        "key": note.key,
        "kind": event.kind.value,
        "ses_message_id": event.ses_message_id,
        "email_id": None if email_id is None else rows.storable(email_id),
        "recipient": None if note.recipient is None else rows.storable(note.recipient),
        "occurred_at": event.occurred_at.timestamp(),
        "recorded_at": now.timestamp(),
        "mail_at": event.mail_at.timestamp(),
        "is_ours": int(is_ours(event)),
        "is_published": int(event.is_published),
        "attempt": event.attempt,
        "configuration_set": event.configuration_set,
        "status": None if note.status is None else int(note.status),
        "reason": note.reason,
        "counts": int(note.counts),
        "facts": rows.storable(json.dumps(note.facts, ensure_ascii=False)),
    }
