"""Ports kept in memory. `FakeLedger` and `FakeQueue` pass the contract suites of their ports."""

import asyncio
from collections import deque
from collections.abc import Awaitable, Callable, Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from inspect import isawaitable
from typing import Literal, TypeVar

from tank_mailer.core.booking import Known, book, is_about, is_ours, job_of, names_of
from tank_mailer.core.doubt import Drained
from tank_mailer.core.errors import Reason, StoreError, UnstorableError
from tank_mailer.core.event import EventKind, SesEvent
from tank_mailer.core.job import EmailJob, email_id_tag
from tank_mailer.core.ledger import Row, State
from tank_mailer.core.meaning import EventNote, notes_of
from tank_mailer.core.outcome import Answer
from tank_mailer.core.outcome import Receipt as Accepted
from tank_mailer.core.status import Status
from tank_mailer.ports import (
    AccountFacts,
    AccountUnknown,
    Aside,
    Begun,
    Change,
    Clock,
    NewSuppression,
    Overtaken,
    Proven,
    QueueFacts,
    QueueMessage,
    Receipt,
    RecipientNote,
    Recorded,
    Recording,
    Settled,
    Suppressed,
)

EPOCH = datetime(2026, 11, 2, 8, 0, tzinfo=UTC)

# --- time ------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class FakeClock:
    """The running loop's time, counted from a fixed moment: on a virtual-time loop no test waits."""

    epoch: datetime = EPOCH

    def now(self) -> datetime:
        return self.epoch + timedelta(seconds=self.boot_s())

    def boot_s(self) -> float:
        return asyncio.get_running_loop().time()


# --- store -----------------------------------------------------------------------------------------


@dataclass(slots=True, eq=False)
class FakeLedger:
    """The store without a disk.

    Attributes:
        suppressions: mailbox keys, each with its end (None: for ever).
        sick: raised by every method while it is set.
        is_full: nothing new is begun.
        proofs: by email_id or tag, the mails that events with our tag have told of, and when SES took each.
        begun: every row that `begin` wrote, in order; `written` the same of `write`.
    """

    clock: Clock
    rows: dict[str, Row] = field(default_factory=dict)
    receipts: dict[str, Receipt] = field(default_factory=dict)
    recipients: dict[tuple[str, str], RecipientNote] = field(default_factory=dict)
    asides: dict[str, Aside] = field(default_factory=dict)
    suppressions: dict[str, datetime | None] = field(default_factory=dict)
    senders: set[str] = field(default_factory=set)
    proofs: dict[str, list[tuple[str, datetime, int | None]]] = field(default_factory=dict)
    sick: StoreError | None = None
    is_full: bool = False
    begun: list[Row] = field(default_factory=list)
    written: list[Row] = field(default_factory=list)
    checks: int = 0

    async def find(self, email_id: str) -> Row | None:
        await self._answer()
        return self.rows.get(email_id)

    async def begin(
        self,
        row: Row,
        recipients: Collection[str],
        *,
        left_out: Sequence[RecipientNote] = (),
        sent_at: datetime | None = None,
    ) -> Begun | Overtaken | Suppressed:
        await self._answer()
        self._need_room()
        if hit := {key: Reason.SUPPRESSED for key in recipients if self._is_suppressed(key)}:
            return Suppressed(hit)
        is_new = row.version == 1
        not_made = replace(row, attempt=row.attempt - 1)
        is_proven = self._prove(not_made, sent_at=sent_at if is_new else None)
        is_begun = not is_proven and self._replace(row)
        if is_proven or is_begun:
            self._note(left_out)
        if not is_begun:
            return Overtaken()
        self.begun.append(row)
        return Begun()

    async def write(self, change: Change) -> bool:
        await self._answer()
        row = change.row
        is_proven = bool(row.attempt) and row.state is not State.ACCEPTED and self._prove(row)
        is_written = not is_proven and self._replace(row)
        if is_written:
            self.written.append(change.row)
            if change.aside:
                self._keep(change.aside)
        if is_written or change.receipt:
            self._keep_beside(change)
        return is_written

    async def set_aside(self, aside: Aside) -> None:
        await self._answer()
        self._keep(aside)

    async def sender_is_known(self, sender: str) -> bool:
        await self._answer()
        return sender in self.senders

    async def others_accepted_since(self, since: datetime, email_id: str) -> bool:
        await self._answer()
        return any(
            row.accepted_at is not None and row.accepted_at >= since
            for row in self.rows.values()
            if row.email_id != email_id
        )

    async def knows_lane(self, lane: str) -> bool:
        await self._answer()
        return any(row.lane == lane for row in self.rows.values())

    async def check(self) -> None:
        await self._answer()
        self.checks += 1
        self._need_room()

    # --- inside ---

    async def _answer(self) -> None:
        await asyncio.sleep(0)  # as a real store: others come in between
        if self.sick:
            raise self.sick

    def _need_room(self) -> None:
        if self.is_full:
            raise StoreError(Reason.STORE_SICK, "the disk is nearly full")

    def _is_suppressed(self, key: str) -> bool:
        if key not in self.suppressions:
            return False
        ends_at = self.suppressions[key]
        return ends_at is None or ends_at > self.clock.now()

    def _prove(self, row: Row, *, sent_at: datetime | None = None) -> bool:
        """An event that is on record already ends the job, whatever was to be written of it."""
        known = self.proofs.get(row.email_id) or self.proofs.get(email_id_tag(row.email_id)) or []
        found = [
            (ses_message_id, mail_at)
            for ses_message_id, mail_at, attempt in known
            if is_about(row, mail_at=mail_at, attempt=attempt, sent_at=sent_at)
        ]
        if found:
            proven = row.proven(*min(found, key=lambda proof: proof[1]), self.clock.now())
            self._replace(replace(proven, version=row.version))
        return bool(found)

    def _note(self, notes: Iterable[RecipientNote]) -> None:
        for note in notes:
            known = self.recipients.get((note.email_id, note.address))
            if known is None or known.status < note.status:
                self.recipients[note.email_id, note.address] = note

    def _replace(self, row: Row) -> bool:
        before = self.rows.get(row.email_id)
        if before and before.version != row.version - 1:
            return False
        row = replace(row, detail=_storable(row.detail)) if row.detail else row
        self.rows[row.email_id] = replace(row, first_seen_at=before.first_seen_at) if before else row
        return True

    def _keep(self, aside: Aside) -> None:
        raw, detail = _storable(aside.raw), _storable(aside.detail)
        kept = replace(aside, raw=raw, detail=detail, at=aside.at or self.clock.now())
        self.asides.setdefault(aside.queue_message_id, kept)

    def _keep_beside(self, change: Change) -> None:
        if change.receipt:
            self.receipts[change.receipt.ses_message_id] = change.receipt
        self._note(change.recipients)
        if change.sender:
            self.senders.add(change.sender)


@dataclass(slots=True, eq=False)
class FakeEventBook:
    """SES's events without a disk, over the books of a `FakeLedger`.

    Attributes:
        recorded: every event that was written, in order, repetitions too.
        suppressed: addresses that an event suppressed at once.
        noted: until when the event queue was drained, and when that was noted.
        by_event: SES's ids that only events have told of.
        poison: SES's ids of mails whose events no database takes.
    """

    ledger: FakeLedger
    recorded: list[SesEvent] = field(default_factory=list)
    suppressed: list[NewSuppression] = field(default_factory=list)
    poison: set[str] = field(default_factory=set)
    noted: Drained | None = None
    by_event: set[str] = field(default_factory=set)
    _keys: dict[str, tuple[SesEvent, datetime]] = field(default_factory=dict)

    async def record(self, events: Sequence[SesEvent]) -> Recorded:
        await self.check()
        if any(event.ses_message_id in self.poison for event in events):
            raise UnstorableError(Reason.STORE_SICK, "a value that no database takes")
        ledger, now = self.ledger, self.ledger.clock.now()
        rows = ledger.rows
        tags = {email_id_tag(email_id): email_id for email_id in rows}
        told_ = {e.ses_message_id: tags[name] for e in events for name in names_of(e) if name in tags}
        known = Known(
            job_of_mail=told_ | {receipt.ses_message_id: receipt.email_id for receipt in ledger.receipts.values()},
            job_of_tag=tags,
            rows=rows,
            statuses={key: Status(note.status) for key, note in ledger.recipients.items()},
            mails_of_job={email_id: self._mails(email_id) for email_id in rows},
        )
        recordings, fresh = list[Recording](), list[tuple[str | None, EventNote]]()
        for event in events:
            self.recorded.append(event)
            email_id, is_new = job_of(event, known), False
            for note in notes_of(event):
                told = self._keys.get(note.key)
                if told is None or (is_ours(event) and not is_ours(told[0])):
                    self._keys[note.key], is_new = (event, now), True
                    fresh.append((email_id, note))
                    if note.suppresses and note.recipient:
                        ledger.suppressions[note.recipient] = None
                        self.suppressed.append(NewSuppression(note.recipient, note.suppresses, email_id))
            if email_id is not None and is_ours(event):
                ledger.proofs.setdefault(email_id, []).append((event.ses_message_id, event.mail_at, event.attempt))
            recordings.append(Recording(event, email_id, is_new))
        booking = book(fresh, known, now=now)
        for ses_message_id, (email_id, event) in booking.mails.items():
            self.by_event.add(ses_message_id)
            ledger.receipts[ses_message_id] = Receipt(ses_message_id, email_id, event.attempt or 0, event.mail_at)
        for (email_id, address), rise in booking.rises.items():
            note_ = RecipientNote(email_id, address, rise.status, rise.reason, rise.at)
            ledger.recipients[email_id, address] = note_
        proven = list[Proven]()
        for before, after in booking.proven.values():
            ledger.rows[after.email_id] = after
            proven.append(
                Proven(
                    email_id=before.email_id,
                    before=before.state,
                    lane=before.lane,
                    queue_message_id=before.queue_message_id,
                    ses_message_id=after.ses_message_id or "",
                    receipt_handle=before.receipt_handle,
                )
            )
        return Recorded(recordings, proven, list(self.suppressed), booking.doubled)

    def _mails(self, email_id: str) -> frozenset[str]:
        return frozenset(r.ses_message_id for r in self.ledger.receipts.values() if r.email_id == email_id)

    async def set_aside(self, aside: Aside) -> None:
        await self.ledger.set_aside(aside)

    async def check(self) -> None:
        await asyncio.sleep(0)
        if self.ledger.sick:
            raise self.ledger.sick

    async def doubts(self, due_before: datetime, *, limit: int) -> Sequence[Row]:
        await self.check()
        found = [row for row in self.ledger.rows.values() if row.state is State.IN_DOUBT]
        found = [row for row in found if row.due_at is not None and row.due_at < due_before]
        return sorted(found, key=lambda row: row.due_at or due_before)[:limit]

    async def put_off(self, row: Row) -> bool:
        return await self.ledger.write(Change(row))

    async def drained(self, until: datetime, at: datetime) -> None:
        await self.check()
        self.noted = Drained(until, at)

    async def drained_until(self) -> Drained | None:
        await self.check()
        return self.noted

    async def newest_proof(self, configuration_set: str, before: datetime) -> datetime | None:
        await self.check()
        answered = {r.ses_message_id: r.accepted_at for r in self.ledger.receipts.values()}
        found = [
            answered[event.ses_message_id]
            for event, recorded_at in self._keys.values()
            if event.kind is EventKind.SEND
            and is_ours(event)
            and event.is_published
            and event.configuration_set == configuration_set
            and recorded_at < before
            and event.ses_message_id in answered
            and event.ses_message_id not in self.by_event
        ]
        return max(found, default=None)


def _storable(text: str) -> str:
    return text.replace("\x00", "\N{SYMBOL FOR NULL}").encode("utf-8", "replace").decode()


# --- queues ----------------------------------------------------------------------------------------

Entry = TypeVar("Entry")
Call = Literal["receive", "delete", "hide", "copy", "facts"]
MOST_HIDDEN_S = 43_200.0  # SQS: twelve hours from the receive


@dataclass(slots=True, eq=False)
class _Stored:
    queue_message_id: str
    body: str
    attributes: Mapping[str, object]
    sent_at: datetime
    visible_s: float  # on the boot-time clock
    handle: str = ""
    receive_count: int = 0
    received_s: float = 0.0


@dataclass(slots=True, eq=False)
class FakeQueue:
    """SQS on a clock: visibility, receive counts, a new handle with each receive.

    Attributes:
        max_receive_count: what more receives than this would hand out goes to `dead_lettered`.
        latency_s: that every call takes, on the loop's clock.
        received: what every receive asked for: limit, wait, visibility.
        deleted: ids of the messages that are gone, in order.
        hidden: each change that was done: message id and seconds.
        copied: ids of the copies, with the delay they were sent with.
        batches: every delete and hide call with its answers.
        cancelled_polls: receives that the caller broke off: SQS loses what they would have brought.
    """

    clock: Clock
    max_receive_count: int | None = None
    dead_letter_queue: str | None = None
    retention_s: float = 345_600.0
    visibility_s: float = 60.0
    max_bytes: int = 1_048_576
    latency_s: float = 0.0
    received: list[tuple[int, int, int]] = field(default_factory=list)
    deleted: list[str] = field(default_factory=list)
    hidden: list[tuple[str, int]] = field(default_factory=list)
    copied: list[tuple[str, int]] = field(default_factory=list)
    batches: list[tuple[Call, Sequence[Settled]]] = field(default_factory=list)
    dead_lettered: list[str] = field(default_factory=list)
    cancelled_polls: int = 0
    _stored: dict[str, _Stored] = field(default_factory=dict)
    _faults: dict[Call, deque[Exception]] = field(default_factory=dict)
    _answers: dict[Call, deque[Sequence[Settled]]] = field(default_factory=dict)
    _changed: asyncio.Event = field(default_factory=asyncio.Event)
    _count: int = 0

    # --- for tests ---

    def put(self, body: str, *, delay_s: float = 0.0, attributes: Mapping[str, object] | None = None) -> str:
        """Put a message on the queue as a producer does; its id."""
        self._count += 1
        queue_message_id = f"queue-message-{self._count}"
        self._stored[queue_message_id] = _Stored(
            queue_message_id, body, attributes or {}, self.clock.now(), self.clock.boot_s() + delay_s
        )
        self._changed.set()
        return queue_message_id

    def fail(self, call: Call, *errors: Exception) -> None:
        """Let the next calls of this kind raise these, one each."""
        self._faults.setdefault(call, deque()).extend(errors)

    def answer(self, call: Literal["delete", "hide"], *answers: Sequence[Settled]) -> None:
        """Let the next batches of this kind be answered so; only entries answered DONE are done."""
        self._answers.setdefault(call, deque()).extend(answers)

    @property
    def left(self) -> list[str]:
        """Ids of the messages that are still on the queue, hidden or not."""
        return list(self._stored)

    def visible_in_s(self, queue_message_id: str) -> float:
        """Seconds until the message can be received; 0 if it can be now."""
        return max(0.0, self._stored[queue_message_id].visible_s - self.clock.boot_s())

    def receive_count(self, queue_message_id: str) -> int:
        """How often the message was handed out."""
        return self._stored[queue_message_id].receive_count

    # --- the port ---

    async def receive(self, *, limit: int, wait_s: int, visibility_s: int) -> Sequence[QueueMessage]:
        assert 1 <= limit <= 10, "SQS: 1 to 10"
        assert 0 <= wait_s <= 20, "SQS: 0 to 20"
        self.received.append((limit, wait_s, visibility_s))
        try:
            await self._arrive("receive")
            ends_s = self.clock.boot_s() + wait_s
            while True:
                if taken := self._take(limit, visibility_s):
                    return taken
                if (left_s := ends_s - self.clock.boot_s()) <= 0:
                    return []
                await self._wait(left_s)
        except asyncio.CancelledError:
            self.cancelled_polls += 1
            raise

    async def delete(self, receipt_handles: Sequence[str]) -> Sequence[Settled]:
        return await self._settle("delete", receipt_handles, self._delete)

    async def hide(self, entries: Sequence[tuple[str, int]]) -> Sequence[Settled]:
        return await self._settle("hide", entries, self._hide)

    async def copy(self, message: QueueMessage, *, delay_s: int) -> str:
        assert 0 <= delay_s <= 900, "SQS: DelaySeconds"
        await self._arrive("copy")
        copy_id = self.put(message.body, delay_s=delay_s, attributes=message.attributes)
        self.copied.append((copy_id, delay_s))
        return copy_id

    async def facts(self) -> QueueFacts:
        await self._arrive("facts")
        visible = sum(self._is_visible(stored) for stored in self._stored.values())
        return QueueFacts(
            visible=visible,
            in_flight=len(self._stored) - visible,
            retention_s=self.retention_s,
            visibility_s=self.visibility_s,
            max_receive_count=self.max_receive_count,
            dead_letter_queue=self.dead_letter_queue,
            max_bytes=self.max_bytes,
        )

    # --- inside ---

    async def _arrive(self, call: Call) -> None:
        await asyncio.sleep(self.latency_s)
        if faults := self._faults.get(call):
            raise faults.popleft()

    async def _wait(self, left_s: float) -> None:
        """Until something was put on or given back, or becomes visible, at most so long."""
        now_s = self.clock.boot_s()
        next_s = min((stored.visible_s - now_s for stored in self._stored.values()), default=left_s)
        self._changed.clear()
        try:
            async with asyncio.timeout(min(left_s, next_s)):
                await self._changed.wait()
        except TimeoutError:
            return

    def _is_visible(self, stored: _Stored) -> bool:
        return stored.visible_s <= self.clock.boot_s()

    def _take(self, limit: int, visibility_s: int) -> list[QueueMessage]:
        taken = list[QueueMessage]()
        for stored in [stored for stored in self._stored.values() if self._is_visible(stored)]:
            if len(taken) == limit:
                break
            if stored.receive_count == self.max_receive_count:
                self.dead_lettered.append(stored.queue_message_id)
                del self._stored[stored.queue_message_id]
                continue
            stored.receive_count += 1
            stored.handle = f"handle-of-{stored.queue_message_id}-{stored.receive_count}"
            stored.received_s = self.clock.boot_s()
            stored.visible_s = stored.received_s + visibility_s
            taken.append(
                QueueMessage(
                    queue_message_id=stored.queue_message_id,
                    receipt_handle=stored.handle,
                    body=stored.body,
                    receive_count=stored.receive_count,
                    sent_at=stored.sent_at,
                    attributes=stored.attributes,
                )
            )
        return taken

    async def _settle(
        self, call: Literal["delete", "hide"], entries: Sequence[Entry], settle: Callable[[Entry], Settled]
    ) -> Sequence[Settled]:
        assert 1 <= len(entries) <= 10, "SQS: 1 to 10"
        await self._arrive(call)
        scripted = answers.popleft() if (answers := self._answers.get(call)) else [Settled.DONE] * len(entries)
        settled = [
            settle(entry) if answer is Settled.DONE else answer for entry, answer in zip(entries, scripted, strict=True)
        ]
        self.batches.append((call, settled))
        return settled

    def _delete(self, handle: str) -> Settled:
        if (stored := self._find(handle)) is None:
            return Settled.GONE
        del self._stored[stored.queue_message_id]
        self.deleted.append(stored.queue_message_id)
        return Settled.DONE

    def _hide(self, entry: tuple[str, int]) -> Settled:
        handle, seconds = entry
        assert 0 <= seconds <= MOST_HIDDEN_S, "SQS: VisibilityTimeout"
        stored = self._find(handle)
        if stored is None or self._is_visible(stored):
            return Settled.GONE
        now_s = self.clock.boot_s()
        if now_s + seconds - stored.received_s > MOST_HIDDEN_S:
            return Settled.TOO_LONG
        stored.visible_s = now_s + seconds
        self.hidden.append((stored.queue_message_id, seconds))
        self._changed.set()
        return Settled.DONE

    def _find(self, handle: str) -> _Stored | None:
        return next((stored for stored in self._stored.values() if stored.handle == handle), None)


@dataclass(slots=True, eq=False)
class FakeDeadLetterQueue:
    """Keeps what is put aside: body and note."""

    put_aside: list[tuple[str, str]] = field(default_factory=list)
    faults: deque[Exception] = field(default_factory=deque)

    async def put(self, body: str, *, note: str) -> None:
        await asyncio.sleep(0)
        if self.faults:
            raise self.faults.popleft()
        self.put_aside.append((body, note))


# --- SES -------------------------------------------------------------------------------------------

Scripted = Answer | Callable[[EmailJob, int], Answer | Awaitable[Answer]]


class FakeMailer:
    """Gives the scripted answers, one each; after them everything is accepted.

    An answer may be a function of job and attempt, plain or a coroutine function (to hang, to look, to raise).

    Attributes:
        sent: every request that left, in order.
        sent_s: when, on the loop's clock.
    """

    def __init__(self, *answers: Scripted) -> None:
        self.answers = deque(answers)
        self.sent: list[tuple[EmailJob, int]] = []
        self.sent_s: list[float] = []
        self.in_flight = 0
        self.most_in_flight = 0

    async def send(self, job: EmailJob, *, attempt: int) -> Answer:
        self.sent.append((job, attempt))
        self.sent_s.append(asyncio.get_running_loop().time())
        number = len(self.sent)
        scripted = self.answers.popleft() if self.answers else Accepted(f"ses-message-{number}")
        self.in_flight += 1
        self.most_in_flight = max(self.most_in_flight, self.in_flight)
        try:
            await asyncio.sleep(0)
            if not callable(scripted):
                return scripted
            made = scripted(job, attempt)
            return await made if isawaitable(made) else made
        finally:
            self.in_flight -= 1


GOOD_ACCOUNT = AccountFacts(
    max_send_rate=14.0,
    max_24_hour_send=50_000.0,
    sent_last_24_hours=0.0,
    sending_enabled=True,
    production_access=True,
    enforcement="HEALTHY",
)


class FakeAccount:
    """Gives the scripted answers in order; the last one stays."""

    def __init__(self, *answers: AccountFacts | AccountUnknown) -> None:
        self.answers = list(answers) or [GOOD_ACCOUNT]
        self.asked = 0

    def now_says(self, *answers: AccountFacts | AccountUnknown) -> None:
        """From here on it answers so."""
        self.answers = list(answers)

    async def ask(self) -> AccountFacts | AccountUnknown:
        await asyncio.sleep(0)
        self.asked += 1
        return self.answers.pop(0) if len(self.answers) > 1 else self.answers[0]
