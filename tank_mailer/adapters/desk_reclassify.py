"""Finds what older rules have judged, and writes what the present ones say, in short transactions beside the daemon."""

import json
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from typing import Any

import sqlalchemy as sa
from sqlalchemy.ext.asyncio import AsyncConnection

from tank_mailer.adapters import rows
from tank_mailer.adapters.desk import Desk
from tank_mailer.adapters.desk_suppressions import LOCK, entry_columns, find_entries
from tank_mailer.adapters.desk_walk import by_turns, reading
from tank_mailer.adapters.schema import events, jobs, outbox, recipients, suppressions
from tank_mailer.adapters.store import insert_for
from tank_mailer.core.address import HASHED, address_hash
from tank_mailer.core.event import EventKind
from tank_mailer.core.job import email_id_tag
from tank_mailer.core.ledger import State
from tank_mailer.core.news import News, spell
from tank_mailer.core.reclassify import Case, Judged, Plan, Standing, judge_again, plan
from tank_mailer.core.status import Status
from tank_mailer.core.suppression import EVENT, lasting

PAGE = 2_000  # events looked at at a time, for which nobody has to wait
ADDRESSES = 10  # worked on in one transaction
ACTION = "reclassify"  # in the record of changes
JUDGED = (EventKind.BOUNCE.value, EventKind.COMPLAINT.value)
OF_ADDRESS = (*JUDGED, EventKind.DELIVERY.value)  # what a suppression comes from, and what ends a run

_SHOWN = [column for column in events.c if column.name not in {"facts", "mail_at", "is_ours", "is_published"}]
_FACTS = sa.case((events.c.kind.in_(JUDGED), events.c.facts), else_="{}").label("facts")


@dataclass(frozen=True, slots=True, kw_only=True)
class Reclassification:
    """One run of the rules.

    Attributes:
        since: events recorded before it keep their judgement; None: none do.
        is_real: False: nothing is written.
        tells: whether the web server is told of statuses that change.
        let_go: when a person last took which address off the suppression list.
    """

    desk: Desk
    since: datetime | None
    is_real: bool
    tells: bool
    let_go: Mapping[str, datetime] = field(default_factory=dict)

    # --- looking ---

    async def span(self) -> tuple[float, float] | None:
        """From when to when the events were recorded; None: there are none."""
        query = sa.select(sa.func.min(events.c.recorded_at), sa.func.max(events.c.recorded_at))
        async with reading(self.desk) as connection:
            oldest, newest = (await connection.execute(query)).one()
        if oldest is None:
            return None
        begin = max(oldest, self.since.timestamp()) if self.since else oldest
        return (begin, newest) if begin <= newest else None

    async def touched(self, span: tuple[float, float], moved: Callable[[float], None]) -> list[str]:
        """Addresses of which some event is judged otherwise now, or suppresses no more.

        Args:
            span: as `span` tells it.
            moved: told by how much of it the search has come on.
        """
        found, at, last = set[str](), span[0], ""
        query = sa.select(events.c.recorded_at, events.c.key, events.c.kind).order_by(
            events.c.recorded_at, events.c.key
        )
        while True:
            behind = sa.or_(events.c.recorded_at > at, events.c.key > last)
            page = query.where(events.c.recorded_at >= at, events.c.recorded_at <= span[1], behind).limit(PAGE)
            async with reading(self.desk) as connection:
                looked_at = (await connection.execute(page)).all()
                found |= await self._outdated(connection, [key for _, key, kind in looked_at if kind in JUDGED])
            if not looked_at:
                return sorted(found)
            moved(looked_at[-1][0] - at)
            at, last, _ = looked_at[-1]

    async def _outdated(self, connection: AsyncConnection, keys: Sequence[str]) -> set[str]:
        if not keys:
            return set()
        found = await connection.execute(sa.select(*_SHOWN, _FACTS).where(events.c.key.in_(keys)))
        verdicts = [judge_again(event, self.since) for event in map(_judged, found.mappings())]
        silent = [one.before for one in verdicts if one.suppresses is None and one.before.recipient]
        entries = await find_entries(connection, {event.recipient for event in silent if event.recipient})
        makers = {entry.event_key for entry in entries.values() if entry.source == EVENT}
        outdated = [one.before for one in verdicts if one.is_changed]
        outdated += [event for event in silent if event.key in makers]
        return {event.recipient for event in outdated if event.recipient}

    # --- doing ---

    async def work(self, addresses: Sequence[str]) -> list[Plan]:
        """Plan what is to be changed of a few addresses, and do it, if it is real, in one transaction."""
        now = self.desk.clock.now()
        async with by_turns(self.desk) if self.is_real else reading(self.desk) as connection:
            if self.is_real and self.desk.engine.dialect.name == "postgresql":  # SQLite locks as it begins
                await connection.execute(LOCK)
            cases = await self._cases(connection, addresses)
            plans = [one for case in cases if (one := plan(case, since=self.since, now=now))]
            if self.is_real:
                for one in plans:
                    await self._write(connection, one, now)
        return plans

    async def _cases(self, connection: AsyncConnection, addresses: Sequence[str]) -> list[Case]:
        entries = await find_entries(connection, set(addresses))
        query = sa.select(*_SHOWN, _FACTS).where(events.c.recipient.in_(addresses), events.c.kind.in_(OF_ADDRESS))
        found = [_judged(record) for record in (await connection.execute(query)).mappings()]
        changed = [event for event in found if judge_again(event, self.since).is_changed]
        job_of = await _jobs_of(connection, {event.email_id for event in changed if event.email_id is not None})
        found += await _others(connection, addresses, job_of)
        found = [replace(event, email_id=job_of.get(event.email_id or "", event.email_id)) for event in found]
        standings = await _standings(connection, addresses, set(job_of.values()))
        cases = list[Case]()
        for address in addresses:
            names = _names(address)
            mails = standings.get(address, {})
            cases.append(
                Case(
                    address=address,
                    events=[e for e in found if e.recipient == address or (not e.recipient and e.email_id in mails)],
                    entry=lasting([entries[name] for name in names if name in entries]),
                    let_go_at=max((self.let_go[name] for name in names if name in self.let_go), default=None),
                    standings=mails,
                )
            )
        return cases

    async def _write(self, connection: AsyncConnection, one: Plan, now: datetime) -> None:
        if one.verdicts:
            update = sa.update(events).where(events.c.key == sa.bindparam("of_event"))
            await connection.execute(
                update,
                [
                    {
                        "of_event": verdict.after.key,
                        "status": verdict.after.status,
                        "reason": verdict.after.reason,
                        "counts": int(verdict.after.counts),
                    }
                    for verdict in one.verdicts
                ],
            )
        if one.changes_entry:
            await self._write_entry(connection, one)
        for change in one.restatuses:
            at = change.because.occurred_at if change.because else now
            where = (recipients.c.email_id == change.email_id, recipients.c.address == one.address)
            values = {"status": int(change.after.status), "reason": change.after.reason, "updated_at": at.timestamp()}
            await connection.execute(sa.update(recipients).where(*where).values(values))
        await self._tell(connection, one, now)
        await self.desk.note(connection, action=ACTION, subject=one.address, detail=_said(one))

    async def _write_entry(self, connection: AsyncConnection, one: Plan) -> None:
        before, after = one.entry_before, one.entry_after
        if after is None and before is not None:
            await connection.execute(sa.delete(suppressions).where(suppressions.c.address == before.address))
        elif after is not None:
            insert = insert_for(self.desk.engine, suppressions)
            names = [column.name for column in suppressions.c if column.name != "address"]
            upsert = insert.on_conflict_do_update(
                index_elements=[suppressions.c.address], set_={name: insert.excluded[name] for name in names}
            )
            await connection.execute(upsert, [entry_columns(after)])

    async def _tell(self, connection: AsyncConnection, one: Plan, now: datetime) -> None:
        news = [
            News(
                email_id=change.email_id,
                state=State.ACCEPTED,
                occurred_at=change.because.occurred_at if change.because else now,
                recipient=one.address,
                status=change.after.status,
                reason=change.after.reason,
                ses_message_id=change.because.ses_message_id if change.because else None,
            )
            for change in one.restatuses
        ]
        if self.tells and (letters := [_letter(piece, now) for piece in news if piece.is_told]):
            await connection.execute(sa.insert(outbox), letters)


async def _jobs_of(connection: AsyncConnection, spellings: Collection[str]) -> dict[str, str]:
    """The jobs under each spelling that events may know them by: an event that came early has but the tag."""
    if not spellings:
        return {}
    query = sa.select(jobs.c.tag, jobs.c.email_id).where(jobs.c.tag.in_(spellings))
    by_tag = {tag: email_id for tag, email_id in await connection.execute(query) if tag is not None}
    ids = {by_tag.get(spelling, spelling) for spelling in spellings}
    return {email_id_tag(email_id): email_id for email_id in ids} | {email_id: email_id for email_id in ids}


async def _others(connection: AsyncConnection, addresses: Collection[str], job_of: Mapping[str, str]) -> list[Judged]:
    """What else is known of these jobs' mails: of these recipients, or of a mail as a whole."""
    if not job_of:
        return []
    of_whom = sa.or_(
        events.c.recipient.is_(None),
        sa.and_(events.c.recipient.in_(addresses), events.c.kind.not_in(OF_ADDRESS)),
    )
    query = sa.select(*_SHOWN, _FACTS).where(events.c.email_id.in_(list(job_of)), events.c.status.is_not(None), of_whom)
    return [_judged(record) for record in (await connection.execute(query)).mappings()]


async def _standings(
    connection: AsyncConnection, addresses: Collection[str], ids: Collection[str]
) -> dict[str, dict[str, Standing]]:
    found = dict[str, dict[str, Standing]]()
    query = sa.select(recipients).where(recipients.c.email_id.in_(ids), recipients.c.address.in_(addresses))
    for record in (await connection.execute(query)).mappings() if ids else ():
        standing = Standing(Status(record["status"]), record["reason"])
        found.setdefault(record["address"], {})[record["email_id"]] = standing
    return found


def _letter(news: News, now: datetime) -> dict[str, Any]:
    """Dated now: a status that goes back to what was told before is no repetition, and must not look like one."""
    return {**rows.letter_columns(news, now), "payload": rows.storable(spell(news, told_at=now))}


def _names(address: str) -> tuple[str, ...]:
    return (address,) if address.startswith(HASHED) else (address, address_hash(address))


def _said(one: Plan) -> str:
    said = [f"{len(one.verdicts)} events judged anew"]
    if one.changes_entry:
        before, after = one.entry_before, one.entry_after
        said.append(f"suppression: {before.reason if before else 'none'} -> {after.reason if after else 'none'}")
    said += [f"{change.before.status.word} -> {change.after.status.word}" for change in one.restatuses]
    return "; ".join(said)


def _judged(record: sa.RowMapping | Mapping[str, Any]) -> Judged:
    return Judged(
        key=record["key"],
        kind=EventKind(record["kind"]),
        ses_message_id=record["ses_message_id"],
        email_id=record["email_id"],
        recipient=record["recipient"],
        occurred_at=datetime.fromtimestamp(record["occurred_at"], UTC),
        recorded_at=datetime.fromtimestamp(record["recorded_at"], UTC),
        status=None if record["status"] is None else Status(record["status"]),
        reason=record["reason"],
        counts=bool(record["counts"]),
        facts=json.loads(record["facts"]),
    )
