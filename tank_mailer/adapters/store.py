"""The ledger on SQLite or PostgreSQL: what is asked for at the same time goes in one transaction.

One job at a time through SQLAlchemy costs as much CPU as the call to SES, ten at a time a tenth of it (lab), and one
flush to disk serves them all. So every request waits for the transaction under way, and then all of them go together.
"""

import asyncio
import shutil
import time
from collections import Counter
from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from functools import partial
from pathlib import Path
from typing import Any, TypeVar

import sqlalchemy as sa
from sqlalchemy.dialects import postgresql, sqlite
from sqlalchemy.ext.asyncio import AsyncEngine

from tank_mailer.adapters import rows
from tank_mailer.adapters.database import Transactions
from tank_mailer.adapters.evidence import Evidence
from tank_mailer.adapters.held_back import HeldBack
from tank_mailer.adapters.schema import asides, events, jobs, outbox, pulse, receipts, recipients, senders, volume
from tank_mailer.adapters.sickness import is_passing, sick
from tank_mailer.core.errors import Reason, StoreError
from tank_mailer.core.ledger import Row, State
from tank_mailer.core.news import News, news_of_invalid, news_of_row
from tank_mailer.core.quota import BUCKET_S
from tank_mailer.core.status import Status
from tank_mailer.ports import Aside, Begun, Change, Clock, Overtaken, Receipt, RecipientNote, Suppressed
from tank_mailer.telemetry import metrics
from tank_mailer.telemetry.beats import Beat
from tank_mailer.telemetry.log import get_logger

log = get_logger()

T = TypeVar("T")

MOST_AT_ONCE = 200  # requests in one transaction
TRIES = 4  # of a transaction that loses against another one
LOOK_AT_DISK_S = 5.0
GATHER_S = 0.003  # under load several more requests come within it
MOST_ANSWER_S = 180.0  # several times what a server that does not answer takes up with its time-outs
SIMULATOR = "@simulator.amazonses.com"  # SES: its mailbox simulator counts for rate and bill only


@dataclass(frozen=True, slots=True)
class _Find:
    email_id: str


@dataclass(frozen=True, slots=True)
class _Begin:
    row: Row
    recipients: Collection[str]
    left_out: Sequence[RecipientNote] = ()
    sent_at: datetime | None = None


@dataclass(frozen=True, slots=True)
class _SenderKnown:
    sender: str


@dataclass(frozen=True, slots=True)
class _OthersAccepted:
    since: datetime
    email_id: str


@dataclass(frozen=True, slots=True)
class _Check:
    pass


@dataclass(frozen=True, slots=True)
class _Work:
    call: Callable[[sa.Connection], Any]


_Request = _Find | _Begin | Change | Aside | _SenderKnown | _OthersAccepted | _Check | _Work
_Waiting = tuple[_Request, asyncio.Future[Any]]


def insert_for(engine: AsyncEngine, table: sa.Table) -> Any:  # noqa: ANN401 - the two dialects share no type
    """An INSERT that knows ON CONFLICT in the engine's dialect."""
    return sqlite.insert(table) if engine.dialect.name == "sqlite" else postgresql.insert(table)


@dataclass(kw_only=True, eq=False)
class Store:
    """The `Ledger` of this process; `run` must be running for anything to be answered.

    Attributes:
        disk: a folder on the store's disk, where it is ours to watch.
        min_free_bytes: with less room there nothing new is begun.
        tells: whether the web server is told of every change.
        stale_after_days: `TANK_STALE_AFTER_DAYS`; 0: off.
        node: whose mails are counted under it.
        has_events: False: there are none and none will come, so that nothing is looked up among them.
        when_posted: called in the loop once news are on disk.
        doubled: jobs of which an answer of SES has proven a second mail, since the start.
        answered: the worker's sign of life: who asks is answered, well or not.
    """

    engine: AsyncEngine
    clock: Clock
    disk: Path | None = None
    min_free_bytes: int = 0
    tells: bool = False
    stale_after_days: int = 0
    node: str = ""
    has_events: bool = True
    when_posted: Callable[[], None] = lambda: None
    doubled: int = 0
    _has_posted: bool = False
    _waiting: list[_Waiting] = field(default_factory=list)
    _wake: asyncio.Event = field(default_factory=asyncio.Event)
    _looked_s: float = -LOOK_AT_DISK_S
    _is_full: bool = False
    _known_senders: set[str] = field(default_factory=set)
    answered: Beat = field(default_factory=lambda: Beat(name="store", most_s=MOST_ANSWER_S))
    _committed_s: float = field(default_factory=time.monotonic)

    def __post_init__(self) -> None:
        """Make the statements once: SQLAlchemy caches what it compiles by them."""
        self._find_jobs = sa.select(jobs).where(jobs.c.email_id.in_(sa.bindparam("ids", expanding=True)))
        self._held_back = HeldBack(stale_after_days=self.stale_after_days)
        self._evidence = Evidence()
        insert = insert_for(self.engine, jobs)
        kept = {"email_id", "first_seen_at"}
        self._write_jobs = insert.on_conflict_do_update(
            index_elements=[jobs.c.email_id],
            set_={column.name: insert.excluded[column.name] for column in jobs.c if column.name not in kept},
            where=jobs.c.version == insert.excluded.version - 1,
        ).returning(jobs.c.email_id)
        insert = insert_for(self.engine, receipts)
        self._add_receipts = insert.on_conflict_do_nothing().returning(receipts.c.ses_message_id)
        self._correct_receipts = insert.on_conflict_do_update(  # an event was quicker; the answer is by our own clock
            index_elements=[receipts.c.ses_message_id],
            set_={name: insert.excluded[name] for name in ("accepted_at", "attempt", "source")},
            where=receipts.c.source == "event",
        )
        self._find_receipts = sa.select(receipts.c.email_id, receipts.c.ses_message_id).where(
            receipts.c.email_id.in_(sa.bindparam("ids", expanding=True))
        )
        insert = insert_for(self.engine, recipients)
        self._raise_recipients = insert.on_conflict_do_update(  # ranks only rise (DESIGN 4)
            index_elements=[recipients.c.email_id, recipients.c.address],
            set_={name: insert.excluded[name] for name in ("status", "reason", "updated_at")},
            where=recipients.c.status < insert.excluded.status,
        )
        self._add_recipients = self._raise_recipients.returning(recipients.c.email_id, recipients.c.address)
        self._add_letters = sa.insert(outbox)
        self._add_asides = insert_for(self.engine, asides).on_conflict_do_nothing()
        self._add_senders = insert_for(self.engine, senders).on_conflict_do_nothing()
        insert = insert_for(self.engine, volume)
        self._add_volume = insert.on_conflict_do_update(
            index_elements=[volume.c.minute, volume.c.node],
            set_={"recipients": volume.c.recipients + insert.excluded.recipients},
        )
        insert = insert_for(self.engine, pulse)
        self._beat = insert.on_conflict_do_update(index_elements=[pulse.c.id], set_={"at": insert.excluded.at})

    # --- the port ---

    async def find(self, email_id: str) -> Row | None:
        """The job's row."""
        row: Row | None = await self._ask(_Find(email_id))
        return row

    async def begin(
        self,
        row: Row,
        recipients: Collection[str],
        *,
        left_out: Sequence[RecipientNote] = (),
        sent_at: datetime | None = None,
    ) -> Begun | Overtaken | Suppressed:
        """Check the suppression list and write the row of a beginning attempt, in one transaction."""
        request = _Begin(row, recipients, left_out, sent_at)
        answer: Begun | Overtaken | Suppressed = await self._ask(request)
        return answer

    async def write(self, change: Change) -> bool:
        """Write a row's next version."""
        written: bool = await self._ask(change)
        return written

    async def set_aside(self, aside: Aside) -> None:
        """Keep what has no row of its own."""
        await self._ask(aside)

    async def sender_is_known(self, sender: str) -> bool:
        """Whether SES accepted anything from this mailbox key before."""
        known: bool = sender in self._known_senders or await self._ask(_SenderKnown(sender))
        return known

    async def others_accepted_since(self, since: datetime, email_id: str) -> bool:
        """Whether any other job was accepted at or after `since`."""
        others: bool = await self._ask(_OthersAccepted(since, email_id))
        return others

    async def knows_lane(self, lane: str) -> bool:
        """Whether a job of this lane is on record."""
        query = sa.select(jobs.c.email_id).where(jobs.c.lane == lane).limit(1)
        return await self.transact(lambda connection: connection.scalar(query) is not None)

    async def check(self) -> None:
        """Read and write once."""
        await self._ask(_Check())

    async def look_for_events(self, *, is_fed: bool) -> None:
        """Find out whether there are events, or will be; call it once, before any mail.

        Args:
            is_fed: whether this process reads the event queue.
        """
        query = sa.select(events.c.key).limit(1)
        self.has_events = is_fed or await self.transact(lambda connection: connection.scalar(query)) is not None

    async def works(self) -> bool:
        """Whether `check` goes well."""
        try:
            await self.check()
        except StoreError:
            return False
        return True

    async def transact(self, work: Callable[[sa.Connection], T]) -> T:
        """Do `work` in a transaction of its own, in turn with all others."""
        done: T = await self._ask(_Work(work))
        return done

    def write_rows(self, connection: sa.Connection, changed: Sequence[Row]) -> set[str]:
        """Write new versions of rows, of different jobs; return the jobs that were not overtaken."""
        values = sorted(map(rows.columns, changed), key=lambda columns: columns["email_id"])
        return set(connection.execute(self._write_jobs, values).scalars()) if values else set()

    def add_recipients(self, connection: sa.Connection, values: list[dict[str, Any]]) -> set[tuple[str, str]]:
        """Let statuses rise; return the email_ids and addresses of those that did."""
        if not values:
            return set()
        names = ("email_id", "address", "status", "reason", "updated_at")
        values = [{name: value[name] for name in names} for value in values]
        values.sort(key=lambda value: (value["email_id"], value["address"]))  # two nodes lock in the same order
        return {(email_id, address) for email_id, address in connection.execute(self._add_recipients, values)}

    def add_receipts(self, connection: sa.Connection, values: Sequence[Mapping[str, Any]]) -> set[str]:
        """Keep proofs of acceptance; return SES's MessageIds of mails that had none."""
        return set(connection.execute(self._add_receipts, values).scalars()) if values else set()

    def count(self, connection: sa.Connection, mails: Iterable[tuple[datetime, Iterable[str]]]) -> None:
        """Add mails to the own count of what was sent: when SES took each, and to whom; last in a transaction.

        Each mail once: when its first proof is kept.
        """
        spent = Counter[int]()
        for at, addresses in mails:
            spent[int(at.timestamp()) // BUCKET_S] += sum(not address.endswith(SIMULATOR) for address in addresses)
        if values := [{"minute": minute, "node": self.node, "recipients": spent[minute]} for minute in sorted(+spent)]:
            connection.execute(self._add_volume, values)

    def take_up(self, connection: sa.Connection, mails: Mapping[str, str]) -> None:
        """Let events count that came before it was known whose mails they are about: email_id by SES's MessageId."""
        if self.has_events and (ids := self._evidence.take_up(connection, mails)):
            self._raise(connection, self._read(connection, ids))

    def _raise(self, connection: sa.Connection, by_id: Mapping[str, Row]) -> None:
        """Let recipients' statuses rise to what the events of these jobs say, and tell of it."""
        values = self._evidence.recipients(connection, by_id)
        risen = self.add_recipients(connection, values)
        news = [
            News(
                email_id=value["email_id"],
                state=State.ACCEPTED,  # whatever the row says by now: an event is proof
                occurred_at=datetime.fromtimestamp(value["updated_at"], UTC),
                recipient=value["address"],
                status=Status(value["status"]),
                reason=value["reason"],
                ses_message_id=value["ses_message_id"],
            )
            for value in values
            if (value["email_id"], value["address"]) in risen
        ]
        self.post(connection, news)

    def post(self, connection: sa.Connection, news: Sequence[News]) -> None:
        """Put news into the outbox, if anybody is told."""
        now = self.clock.now()
        if self.tells and (values := [rows.letter_columns(one, now) for one in news if one.is_told]):
            connection.execute(self._add_letters, values)
            self._has_posted = True

    @property
    def committed_s(self) -> float:
        """Seconds since a transaction has gone well, or since the beginning."""
        return time.monotonic() - self._committed_s

    # --- the one worker ---

    async def _ask(self, request: _Request) -> Any:  # noqa: ANN401 - each method above knows its answer
        future: asyncio.Future[Any] = asyncio.get_running_loop().create_future()
        self._waiting.append((request, future))
        self.answered.begin()
        self._wake.set()
        return await future

    async def run(self) -> None:
        """Serve, until cancelled."""
        transactions = Transactions(self.engine)
        self.answered.task = asyncio.current_task()
        try:
            while True:
                await self._wake.wait()
                await asyncio.sleep(GATHER_S)
                group = self._next_group()
                requests = [request for request, _ in group]
                answers = await self._served(transactions, requests)
                self._answer(group, answers)
                self.answered.done(more=bool(self._waiting))
                if self._has_posted:
                    self._has_posted = False
                    self.when_posted()
        finally:
            transactions.close()

    async def _served(self, transactions: Transactions, requests: Sequence[_Request]) -> list[Any]:
        for tries in range(1, TRIES + 1):
            began_s = time.monotonic()
            try:
                answers = await transactions.run(partial(self._serve, requests=requests))
            except Exception as error:  # noqa: BLE001 - a request that no driver takes must not end all others
                metrics.transaction_ended(time.monotonic() - began_s)
                self._known_senders.clear()  # some may have been learned from what was rolled back
                self._has_posted = False
                if tries == TRIES or not is_passing(error):
                    return [sick(error)] * len(requests)
            else:
                self._committed_s = time.monotonic()
                metrics.transaction_ended(self._committed_s - began_s)
                return answers
        raise AssertionError(TRIES)

    @staticmethod
    def _answer(group: Sequence[_Waiting], answers: Sequence[Any]) -> None:
        for (_, future), answer in zip(group, answers, strict=True):
            if future.done():
                continue
            if isinstance(answer, StoreError):
                future.set_exception(answer)
            else:
                future.set_result(answer)

    def _next_group(self) -> list[_Waiting]:
        """What goes together: no two writes of one row, for one statement cannot do both.

        Other work has a transaction of its own: what it locks would cross with what mails lock, and its faults are its.
        """
        if isinstance(self._waiting[0][0], _Work):
            first, self._waiting = self._waiting[:1], self._waiting[1:]
            if not self._waiting:
                self._wake.clear()
            return first
        group, later, written = list[_Waiting](), list[_Waiting](), set[str]()
        for waiting in self._waiting:
            request = waiting[0]
            email_id = request.row.email_id if isinstance(request, _Begin | Change) else None
            if len(group) >= MOST_AT_ONCE or email_id in written or isinstance(request, _Work):
                later.append(waiting)
                continue
            if email_id is not None:
                written.add(email_id)
            group.append(waiting)
        self._waiting = later
        if not later:
            self._wake.clear()
        return group

    def _serve(self, connection: sa.Connection, requests: Sequence[_Request]) -> list[Any]:
        found = self._read(connection, [r.email_id for r in requests if isinstance(r, _Find)])
        held_back = self._suppressed(connection, requests)
        was_full = self._is_full  # a check among the requests looks again
        written = self._write(connection, requests, held_back)
        answers = list[Any]()
        for request in requests:
            match request:
                case _Find(email_id):
                    answers.append(found.get(email_id))
                case _Begin() if was_full:
                    answers.append(StoreError(Reason.STORE_SICK, "the disk is nearly full (TANK_MIN_FREE_BYTES)"))
                case _Begin(row, keys):
                    hit = {key: held_back[key] for key in keys if key in held_back}
                    done = Begun() if row.email_id in written else Overtaken()
                    answers.append(Suppressed(hit) if hit else done)
                case Change(row):
                    answers.append(row.email_id in written)
                case Aside():
                    answers.append(None)
                case _SenderKnown(sender):
                    answers.append(self._is_known(connection, sender))
                case _OthersAccepted(since, email_id):
                    answers.append(self._others(connection, since, email_id))
                case _Check():
                    answers.append(self._look(connection))
                case _Work(call):
                    answers.append(call(connection))
        return answers

    def _read(self, connection: sa.Connection, ids: Collection[str]) -> dict[str, Row]:
        if not ids:
            return {}
        result = connection.execute(self._find_jobs, {"ids": list(ids)})
        return {record["email_id"]: rows.read(record) for record in result.mappings().all()}

    def _suppressed(self, connection: sa.Connection, requests: Sequence[_Request]) -> Mapping[str, Reason]:
        keys = {key for r in requests if isinstance(r, _Begin) for key in r.recipients}
        if not keys:
            return {}
        self._watch_disk()
        return self._held_back.among(connection, keys, self.clock.now())

    def _write(
        self, connection: sa.Connection, requests: Sequence[_Request], held_back: Mapping[str, Reason]
    ) -> set[str]:
        """Write all rows by one statement; only those that replace the version before come back."""
        begins = [
            r
            for r in requests
            if isinstance(r, _Begin) and not self._is_full and held_back.keys().isdisjoint(r.recipients)
        ]
        changes = [r for r in requests if isinstance(r, Change)]
        doubtful = [c.row for c in changes if c.row.attempt and c.row.state is not State.ACCEPTED]
        proven = self._prove(connection, begins, doubtful)
        wanted = [row for row in (*(b.row for b in begins), *(c.row for c in changes)) if row.email_id not in proven]
        written = self.write_rows(connection, wanted)
        written -= self._prove_written(connection, [row for row in doubtful if row.email_id in written])
        self._leave_out(connection, [b for b in begins if b.row.email_id in written or b.row.email_id in proven])
        kept = [r for r in requests if isinstance(r, Aside)]
        kept += [change.aside for change in changes if change.aside and change.row.email_id in written]
        self._write_beside(
            connection,
            [c for c in changes if c.row.email_id in written or c.receipt],
            kept,
            written=written,
            alone=[r for r in requests if isinstance(r, Aside)],
        )
        return written

    def _prove(self, connection: sa.Connection, begins: Sequence[_Begin], doubtful: Sequence[Row]) -> set[str]:
        """End the jobs that SES's events have shown to be accepted, instead of what was to be written of them.

        A row that is about to begin counts an attempt that has not been made.
        """
        if not self.has_events:
            return set()
        looked_up = {
            b.row.email_id: (replace(b.row, attempt=b.row.attempt - 1), b.sent_at if b.row.version == 1 else None)
            for b in begins
        }
        looked_up |= {row.email_id: (row, None) for row in doubtful}
        found = self._evidence.among(connection, looked_up)
        if not found:
            return set()
        now = self.clock.now()
        ended = []
        for email_id, proof in found.items():
            row, sent_at = looked_up[email_id]
            ended.append(replace(row.proven(*proof, now), version=row.version))
            if sent_at is not None:  # a lost store, or somebody else's mail under the same id
                log.warning("job_known_by_events", email_id=email_id, ses_message_id=proof[0])
        self._end(connection, ended)
        return set(found)

    def _prove_written(self, connection: sa.Connection, doubtful: Sequence[Row]) -> set[str]:
        """Look once more, now that the rows are locked: their proof may have been written while we waited for that.

        Whoever writes down an event holds the job's row meanwhile, so it is seen now, or its writer sees our row.
        SQLite has one writer at a time, and needs no second look.
        """
        if not self.has_events or not doubtful or connection.dialect.name == "sqlite":
            return set()
        found = self._evidence.among(connection, {row.email_id: (row, None) for row in doubtful})
        now = self.clock.now()
        self._end(connection, [row.proven(*found[row.email_id], now) for row in doubtful if row.email_id in found])
        return set(found)

    def _end(self, connection: sa.Connection, ended: Sequence[Row]) -> None:
        """Write rows that events have shown to be accepted, and what the events say of their recipients."""
        written = self.write_rows(connection, ended)
        self._raise(connection, {row.email_id: row for row in ended if row.email_id in written})

    def _leave_out(self, connection: sa.Connection, begins: Sequence[_Begin]) -> None:
        """Keep, and tell, whom a mail does not go to: now, for the attempt may not live to tell it."""
        if not (values := [rows.note_columns(note) for begin in begins for note in begin.left_out]):
            return
        risen = self.add_recipients(connection, values)
        self.post(
            connection,
            [
                News(
                    email_id=note.email_id,
                    state=begin.row.state,
                    occurred_at=note.updated_at,
                    recipient=note.address,
                    status=Status(note.status),
                    reason=note.reason,
                )
                for begin in begins
                for note in begin.left_out
                if (note.email_id, note.address) in risen
            ],
        )

    def _write_beside(
        self,
        connection: sa.Connection,
        changes: Sequence[Change],
        kept: Sequence[Aside],
        *,
        written: Collection[str],
        alone: Sequence[Aside],
    ) -> None:
        new = [c.receipt for c in changes if c.receipt]
        unheard = self._add_answers(connection, new)
        risen = set[tuple[str, str]]()
        if values := [rows.note_columns(note) for change in changes for note in change.recipients]:
            if self.tells:
                risen = self.add_recipients(connection, values)
            else:  # nobody asks who has risen: a good part of the transaction's price
                values.sort(key=lambda value: (value["email_id"], value["address"]))
                connection.execute(self._raise_recipients, values)
        self.take_up(connection, {receipt.ses_message_id: receipt.email_id for receipt in new})
        if kept:
            connection.execute(self._add_asides, [self._aside(aside) for aside in kept])
        if self.tells:
            self.post(connection, self._news(changes, written, risen, alone))
        if names := {change.sender for change in changes if change.sender} - self._known_senders:
            now = self.clock.now().timestamp()
            connection.execute(self._add_senders, [{"address": s, "accepted_at": now} for s in sorted(names)])
            self._known_senders |= names
        self.count(
            connection,
            [
                (change.receipt.accepted_at, [note.address for note in change.recipients])
                for change in changes
                if change.receipt and change.receipt.ses_message_id in unheard
            ],
        )

    def _add_answers(self, connection: sa.Connection, answered: Sequence[Receipt]) -> set[str]:
        """Keep SES's answers; return the MessageIds that nothing had told of before."""
        if not answered:
            return set()
        values = [rows.receipt_columns(receipt) for receipt in answered]
        unheard = self.add_receipts(connection, values)
        if known := [value for value in values if value["ses_message_id"] not in unheard]:
            connection.execute(self._correct_receipts, known)
        self._count_doubles(connection, answered)
        return unheard

    def _count_doubles(self, connection: sa.Connection, answered: Sequence[Receipt]) -> None:
        """An answer to an attempt after a first one: has SES more than one mail by now?"""
        again = {receipt.email_id: receipt.ses_message_id for receipt in answered if receipt.attempt > 1}
        if not again:
            return
        known = connection.execute(self._find_receipts, {"ids": list(again)}).all()
        for email_id in {email_id for email_id, ses_message_id in known if again[email_id] != ses_message_id}:
            metrics.duplicate_proven()
            log.warning("duplicate_proven", email_id=email_id)
            self.doubled += 1

    def _news(
        self,
        changes: Sequence[Change],
        written: Collection[str],
        risen: Collection[tuple[str, str]],
        alone: Sequence[Aside],
    ) -> list[News]:
        news = list[News]()
        for change in changes:
            if change.row.email_id in written:
                notes = [n for n in change.recipients if (n.email_id, n.address) in risen]
                news += news_of_row(change.row, [(n.address, Status(n.status), n.reason) for n in notes])
        now = self.clock.now()
        news += [
            news_of_invalid(a.email_id, a.reason, a.at or now) for a in alone if a.email_id and a.kind == "invalid"
        ]
        return news

    def _aside(self, aside: Aside) -> dict[str, Any]:
        return {
            "queue_message_id": aside.queue_message_id,
            "email_id": aside.email_id,
            "kind": aside.kind,
            "reason": aside.reason,
            "detail": rows.storable(aside.detail),
            "raw": rows.storable(aside.raw),
            "lane": aside.lane,
            "at": rows.seconds(aside.at) or self.clock.now().timestamp(),
        }

    def _is_known(self, connection: sa.Connection, sender: str) -> bool:
        known = connection.scalar(sa.select(senders.c.address).where(senders.c.address == sender))
        if known:
            self._known_senders.add(sender)
        return bool(known)

    def _others(self, connection: sa.Connection, since: datetime, email_id: str) -> bool:
        query = sa.select(jobs.c.email_id).where(jobs.c.accepted_at >= since.timestamp(), jobs.c.email_id != email_id)
        return connection.scalar(query.limit(1)) is not None

    def _look(self, connection: sa.Connection) -> StoreError | None:
        self._looked_s = -LOOK_AT_DISK_S
        self._watch_disk()
        if self._is_full:
            return StoreError(Reason.STORE_SICK, "the disk is nearly full (TANK_MIN_FREE_BYTES)")
        connection.execute(self._beat, {"id": 1, "at": self.clock.now().timestamp()})
        connection.execute(sa.select(jobs.c.email_id).limit(1))
        return None

    def _watch_disk(self) -> None:
        now_s = self.clock.boot_s()
        if self.disk is not None and now_s - self._looked_s >= LOOK_AT_DISK_S:
            self._looked_s = now_s
            self._is_full = shutil.disk_usage(self.disk).free < self.min_free_bytes
