"""Puts what was put aside back on its queue: jobs as the daemon would take them, events as they came."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any, Final

import typer

from tank_mailer.adapters import database
from tank_mailer.adapters.clock import SystemClock
from tank_mailer.adapters.desk import Desk, open_desk
from tank_mailer.adapters.desk_asides import PutAside, Which, count_asides, find_asides, list_ids, mark_requeued
from tank_mailer.adapters.desk_emails import find_row
from tank_mailer.adapters.producer import Put, Refused
from tank_mailer.cli.options import EXIT_BAD_SETTINGS
from tank_mailer.cli.outside import EXIT_NO, leave, who
from tank_mailer.cli.refused.aside import Kind, fault_of_event, fault_of_job, is_ambiguous, lateness
from tank_mailer.cli.refused.queues import Queues, Way, open_queues, tell, way_back
from tank_mailer.cli.terminal import progress_bar
from tank_mailer.core.enqueue import MAX_ENTRIES, Record, batches, unfit_for_queue
from tank_mailer.core.envelope import Policy
from tank_mailer.core.errors import QueueError, Reason
from tank_mailer.core.job import EmailJob, InvalidJob, parse_job
from tank_mailer.core.ledger import UNFINISHED, State
from tank_mailer.settings import Loaded, Settings

NO_EVENT_QUEUE: Final = "TANK_EVENT_QUEUE_URL is not set: there is no queue that events could go back on"


@dataclass(frozen=True, slots=True, kw_only=True)
class Asked:
    """What is to be put back.

    Attributes:
        which: all of these; None: those with `names`.
        correction: the text to put back in place of the one that was kept.
        may_double: jobs too whose mail SES may have sent already.
        asks: whether somebody is asked before.
    """

    names: Sequence[str]
    which: Which | None
    correction: str | None
    may_double: bool
    asks: bool

    @property
    def is_about_events(self) -> bool:
        """Whether all of them are."""
        return self.which is not None and self.which.kind == Kind.EVENT


@dataclass(frozen=True, slots=True)
class Result:
    """What became of one; with a new message's id it is on the queue.

    Attributes:
        queue: the lane that it went back on, or `events`.
        remark: why on that one.
        reason: why not, where the daemon would say it in the same word.
    """

    name: str
    email_id: str | None
    new_message_id: str | None = None
    queue: str | None = None
    remark: str = ""
    reason: Reason | None = None
    why_not: str = ""

    def shape(self) -> dict[str, Any]:
        """As JSON has it."""
        return {
            "id": self.name,
            "email_id": self.email_id,
            "requeued": self.new_message_id is not None,
            "new_queue_message_id": self.new_message_id,
            "lane": self.queue,
            "remark": self.remark or None,
            "reason": self.reason,
            "why_not": self.why_not or None,
        }

    @property
    def sentence(self) -> str:
        """For people."""
        known = f" ({self.email_id})" if self.email_id and self.email_id != self.name else ""
        if not self.new_message_id:
            return f"{self.name}{known}: not put back: {self.why_not}"
        return f"{self.name}{known}: on the queue as {self.new_message_id}{f', {self.remark}' if self.remark else ''}"


async def requeue_all(loaded: Loaded, asked: Asked) -> tuple[list[Result], int]:
    """Put back what may go back; return also how many messages of the event queue were left out.

    Raises:
        QueueError: the queue of the jobs does not work; what is back by then is on record.
    """
    location = database.locate(loaded.settings.database_url.get_secret_value())
    async with open_desk(location, clock=SystemClock(), who=who()) as desk:
        names, left_out = asked.names, 0
        if asked.which is not None:
            names = await list_ids(desk, asked.which)
            if asked.which.kind is None:
                left_out = await count_asides(desk, replace(asked.which, kind=Kind.EVENT, but=None))
        if loaded.settings.event_queue_url is None and await _has_event(desk, asked):
            leave(EXIT_BAD_SETTINGS, NO_EVENT_QUEUE, "set it as the daemon has it")
        what = "messages of the event queue" if asked.is_about_events else "jobs"
        if asked.asks and names and not typer.confirm(f"Put {len(names)} {what} back on the queue?", err=True):
            leave(EXIT_NO, "nothing was put back")
        results = list[Result]()
        async with open_queues(loaded) as queues:
            with progress_bar("putting back", total=len(names)) as bar:
                for start in range(0, len(names), MAX_ENTRIES):
                    some = [
                        await _prepare(desk, name, asked, loaded.settings, queues)
                        for name in names[start : start + MAX_ENTRIES]
                    ]
                    results += await _put_back(desk, queues, some)
                    bar.move(len(some))
        return results, left_out


async def _has_event(desk: Desk, asked: Asked) -> bool:
    """Whether any is to go on the event queue: looked at before anything is put back."""
    if asked.which is not None:
        return asked.is_about_events
    for name in asked.names:
        found = await find_asides(desk, name)
        if found and not is_ambiguous(name, found) and found[0].kind == Kind.EVENT:
            return True
    return False


# --- one after the other ---------------------------------------------------------------------------


@dataclass(frozen=True, slots=True, kw_only=True)
class _Ready:
    """May go back on its queue.

    Attributes:
        email_id: None: it is an event.
    """

    name: str
    aside: PutAside
    way: Way
    email_id: str | None
    text: str
    corrected: bool


async def _prepare(desk: Desk, name: str, asked: Asked, settings: Settings, queues: Queues) -> _Ready | Result:
    found = await find_asides(desk, name)
    if not found:
        return Result(name, None, why_not="there is no such job; `tank-mailer refused list` shows them")
    if is_ambiguous(name, found):
        return Result(name, None, why_not="more than one begins so; give more of the id")
    aside = found[0]
    if aside.kind == Kind.EVENT:
        policy = Policy(topic_arns=frozenset(settings.event_topic_arns), raw_events=settings.raw_events)
        if why_not := fault_of_event(aside, policy, corrected=asked.correction is not None):
            return Result(name, None, why_not=why_not)
        return _Ready(
            name=name, aside=aside, way=way_back(aside, queues), email_id=None, text=aside.raw, corrected=False
        )
    corrected = asked.correction is not None
    text = aside.raw if asked.correction is None else asked.correction
    job = parse_job(text)
    if isinstance(job, EmailJob):
        job = unfit_for_queue(text) or job
    why_not = fault_of_job(aside, job, corrected=corrected, may_double=asked.may_double) or await _standing(desk, job)
    if why_not or isinstance(job, InvalidJob):
        return Result(name, aside.email_id, why_not=why_not or "")
    if late := lateness(job, desk.clock.now()):
        return Result(name, aside.email_id, reason=Reason.EXPIRED, why_not=late)
    way = way_back(aside, queues)
    return _Ready(name=name, aside=aside, way=way, email_id=job.email_id, text=text, corrected=corrected)


async def _put_back(desk: Desk, queues: Queues, some: Sequence[_Ready | Result]) -> list[Result]:
    """Put up to ten back and on record; what went wrong with a queue is told once those that are back are on record."""
    puts = dict[int, Put]()
    for queue, producer in queues.items():
        ready = [
            Record(n, 0, one.text) for n, one in enumerate(some) if isinstance(one, _Ready) and one.way.queue == queue
        ]
        for batch in batches(ready):
            sent = await producer.put([record.body for record in batch])
            puts |= {record.number: put for record, put in zip(batch, sent, strict=True)}
    results, failures = list[Result](), dict[str, QueueError]()
    for n, one in enumerate(some):
        if isinstance(one, Result):
            results.append(one)
            continue
        match puts[n]:
            case QueueError() as error:
                failures[one.way.queue] = error
            case Refused(detail=detail):
                results.append(Result(one.name, one.email_id, why_not=f"the queue does not take it: {detail}"))
            case str() as new_id:
                subject = one.email_id or one.aside.queue_message_id
                await mark_requeued(desk, one.aside, subject=subject, new_message_id=new_id, corrected=one.corrected)
                results.append(Result(one.name, one.email_id, new_id, one.way.queue, one.way.remark))
    tell(failures)
    return results


async def _standing(desk: Desk, job: EmailJob | InvalidJob) -> str | None:
    """Why it is not put back, as far as it lies in the ledger."""
    row = await find_row(desk, job.email_id) if isinstance(job, EmailJob) else None
    if row is None or not isinstance(job, EmailJob):
        return None
    if row.state is State.ACCEPTED:
        same = row.content_hash == job.content_hash
        return "accepted meanwhile" if same else "another job was accepted under this email_id; give this one its own"
    if row.state in UNFINISHED:
        return f"a job with this email_id is under way ({row.state}); see `tank-mailer status`"
    return None
