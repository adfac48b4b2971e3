"""Makes the store forget a person, in short transactions beside the daemon's own."""

import json
from collections.abc import AsyncIterator, Callable, Iterable, Sequence
from contextlib import asynccontextmanager
from dataclasses import asdict, dataclass, field, replace
from itertools import islice

import sqlalchemy as sa
from sqlalchemy.ext.asyncio import AsyncConnection

from tank_mailer.adapters.desk import Desk
from tank_mailer.adapters.desk_suppressions import entry_columns, find_entries
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
from tank_mailer.core.erasure import ERASED, Person, impersonal
from tank_mailer.core.ledger import UNFINISHED
from tank_mailer.core.suppression import erased, lasting

ROWS = 500  # in one transaction
TEXTS = 50  # of the texts put aside, 64 KiB each at most
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
        be interrupted anywhere and done again.
        """
        await self._suppression()
        ids = await self._recipients()
        strange = await self._events(ids)
        for some in _chunks(sorted(ids)):
            await self._mails(events.c.email_id.in_(some))
            await self._letters(some)
        for some in _chunks(sorted(strange)):
            await self._mails(events.c.ses_message_id.in_(some))
        await self._asides(ids)
        await self._details()
        await self._audit()
        await self._sender()
        if self.is_real:
            said = ", ".join(f"{count} {name}" for name, count in asdict(self.counts).items() if count)
            async with self._transaction() as connection:
                await self.desk.note(connection, action="erase", subject=self.person.hash, detail=said or "nothing")
        return self.counts, await self._unfinished(ids)

    # --- by index ---

    async def _suppression(self) -> None:
        async with self._transaction() as connection:
            if self.desk.engine.dialect.name == "postgresql":
                await connection.execute(sa.text("LOCK TABLE suppressions IN SHARE ROW EXCLUSIVE MODE"))
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

    async def _recipients(self) -> set[str]:
        """Put the hash in the address's place; return the jobs, those of an earlier erasure among them."""
        by_address = sa.select(recipients.c.email_id).where(recipients.c.address == self.person.hash)
        async with self._transaction() as connection:
            ids = set((await connection.execute(by_address)).scalars())
        last = ""
        query = sa.select(recipients).where(recipients.c.address == self.person.key).order_by(recipients.c.email_id)
        insert = insert_for(self.desk.engine, recipients)
        write = insert.on_conflict_do_update(
            index_elements=[recipients.c.email_id, recipients.c.address],
            set_={name: insert.excluded[name] for name in ("status", "reason", "updated_at")},
            where=recipients.c.status < insert.excluded.status,
        )
        while True:
            async with self._transaction() as connection:
                page = query.where(recipients.c.email_id > last).limit(ROWS)
                found = (await connection.execute(page)).mappings().all()
                if not found:
                    return ids
                names = [record["email_id"] for record in found]
                if self.is_real:
                    await connection.execute(write, [{**record, "address": self.person.hash} for record in found])
                    where = (recipients.c.address == self.person.key, recipients.c.email_id.in_(names))
                    await connection.execute(sa.delete(recipients).where(*where))
            last = names[-1]
            ids.update(names)
            self.counts.recipients += len(names)

    async def _events(self, ids: set[str]) -> set[str]:
        """Strip the events of this recipient; add their jobs to `ids` and return the mails that are of no job.

        The rows stay, for a row is how the same event is known again should SQS bring it once more.
        """
        strange, last = set[str](), ""
        query = sa.select(events.c.key, events.c.email_id, events.c.ses_message_id, events.c.facts)
        query = query.where(events.c.recipient == self.person.key).order_by(events.c.key)
        while True:
            async with self._transaction() as connection:
                found = (await connection.execute(query.where(events.c.key > last).limit(ROWS))).all()
                if not found:
                    return strange
                if self.is_real:
                    await self._write_facts(
                        connection,
                        [(key, impersonal(json.loads(facts))) for key, _, _, facts in found],
                        recipient=self.person.hash,
                    )
            last = found[-1][0]
            ids.update(email_id for _, email_id, _, _ in found if email_id is not None)
            strange.update(mail for _, email_id, mail, _ in found if email_id is None)
            self.counts.events += len(found)

    async def _mails(self, which: sa.ColumnElement[bool]) -> None:
        """Strip what other events of the same mails tell: of the mail as a whole, or of others and this one beside."""
        query = sa.select(events.c.key, events.c.recipient, events.c.facts).where(which)
        async with self._transaction() as connection:
            changed = list[tuple[str, dict[str, object]]]()
            for key, recipient, text in (await connection.execute(query)).all():
                if recipient in {self.person.key, self.person.hash}:
                    continue
                facts = json.loads(text)
                left = impersonal(facts) if recipient is None else self.person.facts_of_others(facts)
                if set(left) - {"erased"} != set(facts) - {"erased"}:
                    changed.append((key, left))
            self.counts.facts += len(changed)
            if self.is_real:
                await self._write_facts(connection, changed)

    async def _write_facts(
        self, connection: AsyncConnection, changed: Sequence[tuple[str, dict[str, object]]], **columns: str
    ) -> None:
        if not changed:
            return
        query = sa.update(events).where(events.c.key == sa.bindparam("of_event")).values(facts=sa.bindparam("left"))
        values = [{"of_event": key, "left": json.dumps(left, ensure_ascii=False)} for key, left in changed]
        await connection.execute(query.values(**columns) if columns else query, values)

    async def _letters(self, ids: Sequence[str]) -> None:
        query = sa.select(outbox.c.id, outbox.c.recipient, outbox.c.payload).where(outbox.c.email_id.in_(ids))
        update = sa.update(outbox).where(outbox.c.id == sa.bindparam("of_letter"))
        update = update.values(recipient=self.person.hash, payload=sa.bindparam("left"))
        async with self._transaction() as connection:
            changed = [
                {"of_letter": number, "left": left}
                for number, recipient, payload in (await connection.execute(query)).all()
                if (left := self.person.letter_without(payload)) != payload or recipient == self.person.key
            ]
            self.counts.letters += len(changed)
            if changed and self.is_real:
                await connection.execute(update, changed)

    async def _sender(self) -> None:
        where = senders.c.address == self.person.key
        async with self._transaction() as connection:
            self.counts.senders += len((await connection.execute(sa.select(senders).where(where))).all())
            if self.is_real:
                await connection.execute(sa.delete(senders).where(where))

    async def _unfinished(self, ids: set[str]) -> list[str]:
        found = list[str]()
        for some in _chunks(sorted(ids)):
            query = sa.select(jobs.c.email_id).where(jobs.c.email_id.in_(some), jobs.c.state.in_(UNFINISHED))
            async with self._transaction() as connection:
                found += (await connection.execute(query.order_by(jobs.c.email_id))).scalars()
        return found

    # --- one by one ---

    async def _asides(self, ids: set[str]) -> None:
        shown = (asides.c.queue_message_id, asides.c.email_id, asides.c.detail, asides.c.raw)
        last = ""
        while True:
            query = sa.select(*shown).where(asides.c.queue_message_id > last).order_by(asides.c.queue_message_id)
            async with self._transaction() as connection:
                found = (await connection.execute(query.limit(TEXTS))).all()
                names = [
                    name
                    for name, email_id, detail, raw in found
                    if (email_id in ids and len(raw.encode()) >= CUT_AT_BYTES)  # it may stand in what was cut off
                    or self.person.is_named_in(raw)
                    or self.person.is_named_in(detail)
                ]
                if names and self.is_real:
                    update = sa.update(asides).where(asides.c.queue_message_id.in_(names))
                    await connection.execute(update.values(raw="", detail=ERASED))
            if not found:
                return
            last = found[-1][0]
            self.counts.asides += len(names)
            self.moved(len(found))

    async def _details(self) -> None:
        """SES's own words of a refusal may quote the address."""
        update = sa.update(jobs).where(jobs.c.email_id == sa.bindparam("of_job")).values(detail=sa.bindparam("left"))
        last = ""
        while True:
            query = sa.select(jobs.c.email_id, jobs.c.detail).where(jobs.c.email_id > last).order_by(jobs.c.email_id)
            async with self._transaction() as connection:
                found = (await connection.execute(query.limit(ROWS))).all()
                changed = [
                    {"of_job": email_id, "left": self.person.left_of(detail)}
                    for email_id, detail in found
                    if detail and self.person.is_named_in(detail)
                ]
                if changed and self.is_real:
                    await connection.execute(update, changed)
            if not found:
                return
            last = found[-1][0]
            self.counts.details += len(changed)
            self.moved(len(found))

    async def _audit(self) -> None:
        update = sa.update(audit).where(audit.c.id == sa.bindparam("of_line"))
        update = update.values(subject=sa.bindparam("new_subject"), detail=sa.bindparam("new_detail"))
        last = 0
        while True:
            query = sa.select(audit.c.id, audit.c.subject, audit.c.detail).where(audit.c.id > last).order_by(audit.c.id)
            async with self._transaction() as connection:
                found = (await connection.execute(query.limit(ROWS))).all()
                changed = [
                    {
                        "of_line": number,
                        "new_subject": self.person.left_of(subject),
                        "new_detail": None if detail is None else self.person.left_of(detail),
                    }
                    for number, subject, detail in found
                    if self.person.is_named_in(subject) or self.person.is_named_in(detail or "")
                ]
                if changed and self.is_real:
                    await connection.execute(update, changed)
            if not found:
                return
            last = found[-1][0]
            self.counts.audit += len(changed)
            self.moved(len(found))

    @asynccontextmanager
    async def _transaction(self) -> AsyncIterator[AsyncConnection]:
        async with self.desk.transaction() as connection:
            if self.desk.engine.dialect.name == "sqlite":  # else what is deleted stays readable in the file
                await connection.exec_driver_sql("PRAGMA secure_delete=ON")
            yield connection


async def rows_to_scan(desk: Desk) -> int:
    """How many rows are looked at one by one, for no index leads to them."""
    async with desk.transaction() as connection:
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


def _chunks(names: Iterable[str]) -> Iterable[list[str]]:
    rest = iter(names)
    while some := list(islice(rest, ROWS)):
        yield some
