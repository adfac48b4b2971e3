"""What people ask the store about dead letters, and what it knows of jobs that are to be put back."""

from collections.abc import Iterable, Mapping, Sequence
from datetime import UTC, datetime

import sqlalchemy as sa
from sqlalchemy.ext.asyncio import AsyncConnection

from tank_mailer.adapters import rows
from tank_mailer.adapters.desk import Desk
from tank_mailer.adapters.desk_asides import DROPPED
from tank_mailer.adapters.desk_walk import reading
from tank_mailer.adapters.held_back import HeldBack
from tank_mailer.adapters.schema import asides, jobs, outbox
from tank_mailer.adapters.store import insert_for
from tank_mailer.core.deadletter import DeadLetter, given_up, of_ledger
from tank_mailer.core.gate import Delivery
from tank_mailer.core.job import EmailJob
from tank_mailer.core.ledger import Row, State
from tank_mailer.core.news import news_of_row
from tank_mailer.core.putback import Surroundings, recipients_of

REDRIVE = "dlq redrive"  # in the record of changes
DROP = "dlq drop"
MAX_RAW_BYTES = 65_536  # DESIGN 3: so much of a text is kept
_IN_THE_LEDGER_ALONE = (
    asides.c.kind == State.DEAD.value,
    asides.c.requeued_at.is_(None),
    jobs.c.state == State.DEAD.value,
    jobs.c.copied_at.is_(None),
    jobs.c.queue_message_id == asides.c.queue_message_id,
)


async def ledger_letters(desk: Desk, *, limit: int) -> list[DeadLetter]:
    """Those that rest in the ledger alone, the newest first: dead, without a copy, and not put back since."""
    query = (
        sa.select(asides, jobs.c.attempt, jobs.c.first_seen_at)
        .join(jobs, jobs.c.email_id == asides.c.email_id)
        .where(*_IN_THE_LEDGER_ALONE)
        .order_by(asides.c.at.desc(), asides.c.queue_message_id)
    )
    async with reading(desk) as connection:
        found = (await connection.execute(query.limit(limit))).mappings().all()
    return [
        of_ledger(
            letter_id=record["queue_message_id"],
            email_id=record["email_id"],
            reason=record["reason"],
            detail=record["detail"],
            lane=record["lane"],
            at=datetime.fromtimestamp(record["at"], UTC),
            body=record["raw"],
            attempts=record["attempt"],
            first_seen_at=rows.moment(record["first_seen_at"]),
        )
        for record in found
    ]


async def count_ledger_letters(desk: Desk) -> int:
    """How many there are of those."""
    query = sa.select(sa.func.count()).select_from(asides).join(jobs, jobs.c.email_id == asides.c.email_id)
    async with reading(desk) as connection:
        return await connection.scalar(query.where(*_IN_THE_LEDGER_ALONE)) or 0


async def surroundings(
    desk: Desk, wanted: Sequence[EmailJob], *, delivery: Delivery, stale_after_days: int
) -> Mapping[str, Surroundings]:
    """What the ledger knows of these jobs, by email_id."""
    known = await _rows(desk, {job.email_id for job in wanted})
    keys = {job.email_id: recipients_of(job, delivery) for job in wanted}
    held_back = HeldBack(stale_after_days=stale_after_days)
    now = desk.clock.now()
    async with reading(desk) as connection:
        everybody = frozenset[str]().union(*keys.values())
        found = await connection.run_sync(lambda sync: held_back.among(sync, everybody, now)) if everybody else {}
    return {
        email_id: Surroundings(known.get(email_id), {key: found[key] for key in its_keys if key in found})
        for email_id, its_keys in keys.items()
    }


async def _rows(desk: Desk, email_ids: Iterable[str]) -> dict[str, Row]:
    async with reading(desk) as connection:
        query = sa.select(jobs).where(jobs.c.email_id.in_(list(email_ids)))
        found = (await connection.execute(query)).mappings()
        return {record["email_id"]: rows.read(record) for record in found}


async def mark_redriven(desk: Desk, letter: DeadLetter, *, lane: str, new_message_id: str) -> None:
    """Put on record that it is back on its queue; the text that the ledger keeps of it is done with, too."""
    requeued = sa.update(asides).where(_of(letter), _its_own(letter)).values(requeued_at=desk.clock.now().timestamp())
    async with desk.transaction() as connection:
        await connection.execute(requeued)
        detail = f"letter {letter.letter_id} of {_place(letter)}, {letter.reason}, as {new_message_id} on {lane}"
        await desk.note(connection, action=REDRIVE, subject=_subject(letter), detail=detail)


async def note_redrive(desk: Desk, *, subject: str, detail: str) -> None:
    """Put on record that a redrive begins, or how it ended."""
    async with desk.transaction() as connection:
        await desk.note(connection, action=REDRIVE, subject=subject, detail=detail)


async def put_dropped_aside(desk: Desk, letter: DeadLetter, *, tells: bool) -> None:
    """Put on record that nobody wants it, before its message is deleted; the ledger keeps its text until retention.

    It is kept under the letter's own id, which people know. A job that was under way by that message ends with it.

    Args:
        desk: the store.
        letter: with its body.
        tells: whether the web server is told of a job that ends.
    """
    values = {
        "queue_message_id": letter.letter_id,
        "email_id": letter.email_id and rows.storable(letter.email_id),
        "kind": DROPPED,
        "reason": letter.reason.value,
        "detail": rows.storable(letter.detail),
        "raw": _kept_text(letter),
        "lane": letter.lane or "",
        "at": desk.clock.now().timestamp(),
    }
    async with desk.transaction() as connection:
        await connection.execute(sa.delete(asides).where(_of(letter), _its_own(letter)))
        insert = insert_for(desk.engine, asides).values(**values)
        await connection.execute(insert.on_conflict_do_nothing())
        await _end_job(connection, letter, desk.clock.now(), tells=tells)
        detail = f"letter {letter.letter_id} of {_place(letter)}, {letter.reason}"
        await desk.note(connection, action=DROP, subject=_subject(letter), detail=detail)


async def _end_job(connection: AsyncConnection, letter: DeadLetter, now: datetime, *, tells: bool) -> None:
    """A daemon that has written the row meanwhile goes before."""
    query = sa.select(jobs).where(jobs.c.email_id == rows.storable(letter.email_id or ""))
    record = (await connection.execute(query.with_for_update())).mappings().first()
    before = None if record is None else rows.read(record)
    after = given_up(before, letter, now)
    if before is None or after is None:
        return
    ended = after.copied(now)  # what is kept of it is kept as dropped, and no copy is to be made any more
    update = sa.update(jobs).where(jobs.c.email_id == before.email_id, jobs.c.version == before.version)
    written = await connection.execute(update.values(**rows.columns(ended)))
    if written.rowcount and tells:
        await connection.execute(sa.insert(outbox), [rows.letter_columns(one, now) for one in news_of_row(after, ())])


def _its_own(letter: DeadLetter) -> sa.ColumnElement[bool]:
    """Of what the ledger has under a letter's email_id the same text alone: another may wait on the queue yet."""
    return sa.or_(asides.c.queue_message_id == letter.letter_id, asides.c.raw == _kept_text(letter))


def _kept_text(letter: DeadLetter) -> str:
    return rows.storable(_cut(letter.body))


def _of(letter: DeadLetter) -> sa.ColumnElement[bool]:
    """The texts of this job's death that are kept: the copy on the queue has another id than the message had."""
    its_own = asides.c.queue_message_id == letter.letter_id
    if letter.email_id is None:
        return its_own
    by_job = sa.and_(asides.c.email_id == rows.storable(letter.email_id), asides.c.requeued_at.is_(None))
    return sa.and_(asides.c.kind == State.DEAD.value, sa.or_(its_own, by_job))


def _subject(letter: DeadLetter) -> str:
    return rows.storable(letter.email_id or letter.letter_id)


def _place(letter: DeadLetter) -> str:
    return letter.queue or "the ledger"


def _cut(body: str) -> str:
    return body.encode(errors="replace")[:MAX_RAW_BYTES].decode(errors="ignore")
