"""Makes the store forget a person, in short transactions beside the daemon's own."""

import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass, field, replace
from typing import Any

import sqlalchemy as sa

from tank_mailer.adapters.desk import Desk
from tank_mailer.adapters.desk_suppressions import LOCK, entry_columns, find_entries
from tank_mailer.adapters.desk_walk import ROWS, Judge, Walk, look_up, overwriting, pages, reading
from tank_mailer.adapters.schema import (
    asides,
    audit,
    events,
    jobs,
    outbox,
    recipients,
    senders,
    suppressions,
)
from tank_mailer.adapters.store import insert_for
from tank_mailer.core.erasure import ERASED, MARK, Person, impersonal
from tank_mailer.core.ledger import UNFINISHED
from tank_mailer.core.suppression import erased, lasting

TEXTS = 10  # of the texts put aside, 64 KiB each at most, in one transaction
CUT_AT_BYTES = 65_536 - 3  # DESIGN 3: 64 KiB are kept, less a character that did not fit


@dataclass(slots=True)
class Erased:
    """How many of what; the same figures for what would be."""

    recipients: int = 0
    events: int = 0
    facts: int = 0  # of events of the same mails
    asides: int = 0
    details: int = 0  # of jobs
    letters: int = 0
    audit: int = 0
    senders: int = 0
    suppressions: int = 0

    def __bool__(self) -> bool:
        """Whether there was anything."""
        return any(asdict(self).values())


@dataclass(frozen=True, slots=True, kw_only=True)
class Erasure:
    """One person's.

    Attributes:
        is_real: False: only count.
        moved: told of rows that were looked at.
    """

    desk: Desk
    person: Person
    is_real: bool
    moved: Callable[[int], None]
    counts: Erased = field(default_factory=Erased)

    async def do(self) -> tuple[Erased, Sequence[str]]:
        """Do it; return what was found, and the jobs that are not finished.

        The suppression comes first and in one transaction, so that there is no moment without it. All the rest may
        be interrupted anywhere and done again: the hash leads to what is left.
        """
        await self._suppression()
        await self._recipients()
        self.counts.events = await self._walk(events.c.key, events.c.facts, judge=self._event).some(
            events.c.recipient == self.person.key
        )
        ids, strange = await self._mails()
        walk = self._walk(events.c.key, events.c.recipient, events.c.facts, judge=self._event_beside)
        is_others = sa.or_(events.c.recipient.is_(None), events.c.recipient.not_in(self._names))
        letters = self._walk(outbox.c.id, outbox.c.recipient, outbox.c.payload, judge=self._letter)
        for some in pages(sorted(ids), ROWS):
            self.counts.facts += await walk.some(sa.and_(events.c.email_id.in_(some), is_others))
            self.counts.letters += await letters.some(outbox.c.email_id.in_(some))
        for some in pages(sorted(strange), ROWS):
            self.counts.facts += await walk.some(sa.and_(events.c.ses_message_id.in_(some), is_others))
        await self._texts(ids)
        await self._sender()
        if self.is_real:
            said = ", ".join(f"{count} {name}" for name, count in asdict(self.counts).items() if count)
            async with self.desk.transaction() as connection:
                await self.desk.note(connection, action="erase", subject=self.person.hash, detail=said or "nothing")
        return self.counts, await self._unfinished(ids)

    @property
    def _names(self) -> tuple[str, str]:
        return self.person.key, self.person.hash

    # --- by index ---

    async def _suppression(self) -> None:
        async with overwriting(self.desk) if self.is_real else reading(self.desk) as connection:
            if self.is_real and self.desk.engine.dialect.name == "postgresql":
                await connection.execute(LOCK)
            found = await find_entries(connection, {self.person.key})
            standing = lasting(found.values())
            if standing is None or self.person.key not in found:
                return
            self.counts.suppressions = 1
            if not self.is_real:
                return
            await connection.execute(sa.delete(suppressions).where(suppressions.c.address.in_(list(found))))
            hashed = replace(erased(standing), address=self.person.hash)
            await connection.execute(sa.insert(suppressions), [entry_columns(hashed)])

    async def _recipients(self) -> None:
        """Put the hash in the address's place; of two statuses the higher one stays."""
        insert = insert_for(self.desk.engine, recipients)
        write = insert.on_conflict_do_update(
            index_elements=[recipients.c.email_id, recipients.c.address],
            set_={name: insert.excluded[name] for name in ("status", "reason", "updated_at")},
            where=recipients.c.status < insert.excluded.status,
        )
        ids = await look_up(self.desk, recipients.c.email_id, recipients.c.address == self.person.key)
        self.counts.recipients = len(ids)
        for some in pages(ids, ROWS) if self.is_real else ():
            where = (recipients.c.address == self.person.key, recipients.c.email_id.in_(some))
            query = sa.select(recipients).where(*where).order_by(recipients.c.email_id).with_for_update()
            async with overwriting(self.desk) as connection:
                found = (await connection.execute(query)).mappings().all()
                if found:
                    await connection.execute(write, [{**record, "address": self.person.hash} for record in found])
                    await connection.execute(sa.delete(recipients).where(*where))

    async def _mails(self) -> tuple[set[str], set[str]]:
        """This person's jobs, and SES's ids of mails that are of no job; those of an earlier erasure among them."""
        ids = set(await look_up(self.desk, recipients.c.email_id, recipients.c.address.in_(self._names)))
        query = (
            sa.select(events.c.email_id, events.c.ses_message_id).where(events.c.recipient.in_(self._names)).distinct()
        )
        async with reading(self.desk) as connection:
            found = (await connection.execute(query)).all()
        ids.update(email_id for email_id, _ in found if email_id is not None)
        return ids, {mail for email_id, mail in found if email_id is None}

    async def _sender(self) -> None:
        where = senders.c.address == self.person.key
        self.counts.senders = len(await look_up(self.desk, senders.c.address, where))
        if self.is_real:
            async with overwriting(self.desk) as connection:
                await connection.execute(sa.delete(senders).where(where))

    async def _unfinished(self, ids: set[str]) -> list[str]:
        found = list[str]()
        for some in pages(sorted(ids), ROWS):
            found += await look_up(
                self.desk, jobs.c.email_id, sa.and_(jobs.c.email_id.in_(some), jobs.c.state.in_(UNFINISHED))
            )
        return found

    # --- one by one ---

    async def _texts(self, ids: set[str]) -> None:
        """No index leads to texts that name a person."""
        shown = (asides.c.queue_message_id, asides.c.email_id, asides.c.detail, asides.c.raw)
        walk = self._walk(*shown, judge=lambda row: self._aside(row, ids), rows=TEXTS)
        self.counts.asides = await walk.all(self.moved)
        walk = self._walk(jobs.c.email_id, jobs.c.detail, judge=self._detail)
        self.counts.details = await walk.all(self.moved)
        walk = self._walk(audit.c.id, audit.c.subject, audit.c.detail, judge=self._line)
        self.counts.audit = await walk.all(self.moved)

    def _walk(self, *shown: sa.Column[Any], judge: Judge, rows: int | None = None) -> Walk:
        return Walk(desk=self.desk, shown=shown, judge=judge, is_real=self.is_real, rows=rows or ROWS)

    def _event(self, row: Sequence[Any]) -> Mapping[str, object]:
        """The row stays, for it is how the same event is known again should SQS bring it once more."""
        _, facts = row
        return {"recipient": self.person.hash, "facts": _spelled(impersonal(json.loads(facts)))}

    def _event_beside(self, row: Sequence[Any]) -> Mapping[str, object] | None:
        """What another event of the same mail tells: of the mail as a whole, or of others and this one beside."""
        _, recipient, text = row
        facts = json.loads(text)
        left = impersonal(facts) if recipient is None else self.person.facts_of_others(facts)
        return {"facts": _spelled(left)} if set(left) - {MARK} != set(facts) - {MARK} else None

    def _letter(self, row: Sequence[Any]) -> Mapping[str, object] | None:
        _, recipient, payload = row
        left = self.person.letter_without(payload)
        if left == payload and recipient != self.person.key:
            return None
        return {"recipient": self.person.hash, "payload": left}

    def _aside(self, row: Sequence[Any], ids: set[str]) -> Mapping[str, object] | None:
        _, email_id, detail, raw = row
        may_name = email_id in ids and len(raw.encode()) >= CUT_AT_BYTES  # in what was cut off
        if may_name or self.person.is_named_in(raw) or self.person.is_named_in(detail):
            return {"raw": "", "detail": ERASED}
        return None

    def _detail(self, row: Sequence[Any]) -> Mapping[str, object] | None:
        """SES's own words of a refusal may quote the address."""
        _, detail = row
        return {"detail": self.person.left_of(detail)} if detail and self.person.is_named_in(detail) else None

    def _line(self, row: Sequence[Any]) -> Mapping[str, object] | None:
        _, subject, detail = row
        if not self.person.is_named_in(subject) and not self.person.is_named_in(detail or ""):
            return None
        left = None if detail is None else self.person.left_of(detail)
        return {"subject": self.person.left_of(subject), "detail": left}


async def rows_to_scan(desk: Desk) -> int:
    """How many rows are looked at one by one, for no index leads to them."""
    async with reading(desk) as connection:
        counts = [await connection.scalar(sa.select(sa.func.count()).select_from(t)) for t in (asides, jobs, audit)]
    return sum(count or 0 for count in counts)


async def empty_log(desk: Desk) -> bool:
    """Empty SQLite's write-ahead log, which keeps old pages until then; False: somebody is reading in it."""
    if desk.engine.dialect.name != "sqlite":
        return True
    async with desk.engine.connect() as connection:
        driver = (await connection.get_raw_connection()).driver_connection
        assert driver is not None  # noqa: S101 - an open connection has one
        cursor = await driver.execute("PRAGMA wal_checkpoint(TRUNCATE)")
        is_busy, *_ = await cursor.fetchone()
        await cursor.close()
    return not is_busy


def _spelled(facts: Mapping[str, object]) -> str:
    return json.dumps(facts, ensure_ascii=False)
