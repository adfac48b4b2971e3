"""Puts what was put aside back on its queue: jobs as the daemon would take them, events as they came."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Final

from tank_mailer.adapters import database
from tank_mailer.adapters.clock import SystemClock
from tank_mailer.adapters.desk import Desk, open_desk
from tank_mailer.adapters.desk_asides import (
    PutAside,
    Which,
    count_asides,
    find_asides,
    list_ids,
    mark_requeued,
    of_domain,
)
from tank_mailer.adapters.producer import Refused
from tank_mailer.cli.options import EXIT_BAD_SETTINGS
from tank_mailer.cli.outside import EXIT_NO, leave, who
from tank_mailer.cli.putback.judging import Draft, Judge, read_text
from tank_mailer.cli.putback.pace import Pace
from tank_mailer.cli.putback.queues import EVENTS, Queues, Ready, Way, open_queues, put_all, tell, way_back
from tank_mailer.cli.putback.result import Result
from tank_mailer.cli.putback.whole import whole
from tank_mailer.cli.refused.aside import Kind, fault_of_event, fault_of_text, is_ambiguous
from tank_mailer.cli.terminal import confirmed, progress_bar
from tank_mailer.core.envelope import Policy
from tank_mailer.core.errors import QueueError, Reason
from tank_mailer.core.job import EmailJob, InvalidJob
from tank_mailer.core.putback import Rules
from tank_mailer.daemon.sending import delivery_of
from tank_mailer.settings import Loaded, Settings

NO_EVENT_QUEUE: Final = "TANK_EVENT_QUEUE_URL is not set: there is no queue that events could go back on"
HINTS: Final = {Reason.EXPIRED: "--file takes a corrected job"}


@dataclass(frozen=True, slots=True, kw_only=True)
class Asked:
    """What is to be put back.

    Attributes:
        which: all of these; None: those with `names`.
        domain: of these, those with a recipient there.
        correction: the text to put back in place of the one that was kept.
        may_double: jobs too whose mail SES may have sent already.
        asks: whether somebody is asked before.
        is_real: False: only say what would be done.
        rate: messages a second at most.
    """

    names: Sequence[str]
    which: Which | None
    domain: str | None
    correction: str | None
    may_double: bool
    asks: bool
    is_real: bool
    rate: float

    @property
    def is_about_events(self) -> bool:
        """Whether all of them are."""
        return self.which is not None and self.which.kind == Kind.EVENT


async def requeue_all(loaded: Loaded, asked: Asked) -> tuple[list[Result], int]:
    """Put back what may go back; return also how many messages of the event queue were left out.

    Raises:
        QueueError: the queue of the jobs does not work; what is back by then is on record.
    """
    location = database.locate(loaded.settings.database_url.get_secret_value())
    async with open_desk(location, clock=SystemClock(), who=who()) as desk:
        names, left_out = asked.names, 0
        if asked.which is not None:
            names = await _chosen(desk, asked.which, asked.domain)
            if asked.which.kind is None:
                left_out = await count_asides(desk, replace(asked.which, kind=Kind.EVENT, but=()))
        if loaded.settings.event_queue_url is None and await _has_event(desk, asked):
            leave(EXIT_BAD_SETTINGS, NO_EVENT_QUEUE, "set it as the daemon has it")
        what = "messages of the event queue" if asked.is_about_events else "jobs"
        if asked.asks and names and not confirmed(f"Put {len(names)} {what} back on the queue?"):
            leave(EXIT_NO, "nothing was put back")
        return await _Requeue(loaded.settings, asked, desk).all(loaded, names), left_out


async def _chosen(desk: Desk, which: Which, domain: str | None) -> list[str]:
    ids = await list_ids(desk, which)
    if domain is None:
        return ids
    with progress_bar("looking", total=len(ids)) as bar:
        return [one.queue_message_id for one in await of_domain(desk, ids, domain, bar.move)]


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


@dataclass(frozen=True, slots=True)
class _Requeue:
    settings: Settings
    asked: Asked
    desk: Desk

    async def all(self, loaded: Loaded, names: Sequence[str]) -> list[Result]:
        """Put them back, or say what would become of each."""
        results, pace = list[Result](), Pace(rate=self.asked.rate)
        rules = Rules(delivery=delivery_of(self.settings), may_double=self.asked.may_double)
        judge = Judge(desk=self.desk, rules=rules, stale_after_days=self.settings.stale_after_days, hints=HINTS)
        what = "putting back" if self.asked.is_real else "judging"
        async with open_queues(loaded, with_events=True) as queues:
            with progress_bar(what, total=len(names)) as bar:
                for start in range(0, len(names), pace.at_once):
                    some = names[start : start + pace.at_once]
                    found = [await self._find(name) for name in some]
                    drafts = [self._draft(name, one, queues) for name, one in zip(some, found, strict=True)]
                    jobs = iter(await judge.judge([one for one in drafts if not isinstance(one, Ready)]))
                    judged = [one if isinstance(one, Ready) else next(jobs) for one in drafts]
                    asides = {n: one for n, one in enumerate(found) if isinstance(one, PutAside)}
                    results += await self._put_back(queues, pace, judged, asides)
                    bar.move(len(some))
        return results

    async def _find(self, name: str) -> PutAside | Result:
        found = await find_asides(self.desk, name)
        if not found:
            return Result(name, None, why_not="there is no such job; `tank-mailer refused list` shows them")
        if is_ambiguous(name, found):
            return Result(name, None, why_not="more than one begins so; give more of the id")
        return found[0]

    def _draft(self, name: str, aside: PutAside | Result, queues: Queues) -> Draft | Ready | Result:
        """What is to be judged; an event may go at once, or never."""
        if isinstance(aside, Result):
            return aside
        if aside.kind == Kind.EVENT:
            return self._event(name, aside)
        corrected = self.asked.correction is not None
        text = aside.raw if self.asked.correction is None else self.asked.correction
        job = read_text(text)
        why_not = fault_of_text(aside, job, corrected=corrected)
        if why_not or isinstance(job, InvalidJob):
            return Result(name, aside.email_id, why_not=why_not or "")
        return self._job(name, aside, job, text=text, way=way_back(aside.lane, queues))

    def _event(self, name: str, aside: PutAside) -> Ready | Result:
        settings = self.settings
        policy = Policy(topic_arns=frozenset(settings.event_topic_arns), raw_events=settings.raw_events)
        if why_not := fault_of_event(aside, policy, corrected=self.asked.correction is not None):
            return Result(name, None, why_not=why_not)
        return Ready(name=name, email_id=None, way=Way(EVENTS), text=aside.raw)

    @staticmethod
    def _job(name: str, aside: PutAside, job: EmailJob, *, text: str, way: Way) -> Draft:
        return Draft(
            name=name,
            email_id=aside.email_id,
            job=job,
            text=text,
            message_id=aside.queue_message_id,
            given_up_for=aside.reason if aside.state == Kind.DEAD else "",
            way=way,
        )

    async def _put_back(
        self, queues: Queues, pace: Pace, judged: Sequence[Ready | Result], asides: Mapping[int, PutAside]
    ) -> list[Result]:
        """Put up to ten back; what went wrong with a queue is told once those that are back are on record."""
        ready = [one for one in judged if isinstance(one, Ready)]
        if not self.asked.is_real:
            return [Result.planned(one) if isinstance(one, Ready) else one for one in judged]
        if ready:
            await pace.turn(len(ready))
        return await whole(self._send(queues, judged, asides))

    async def _send(
        self, queues: Queues, judged: Sequence[Ready | Result], asides: Mapping[int, PutAside]
    ) -> list[Result]:
        puts = iter(await put_all(queues, [one for one in judged if isinstance(one, Ready)]))
        results, failures = list[Result](), dict[str, QueueError]()
        for n, one in enumerate(judged):
            if isinstance(one, Result):
                results.append(one)
                continue
            match next(puts):
                case QueueError() as error:
                    failures[one.way.queue] = error
                case Refused(detail=detail):
                    results.append(Result(one.name, one.email_id, why_not=f"the queue does not take it: {detail}"))
                case str() as new_id:
                    await self._mark(asides[n], one, new_id)
                    results.append(Result(one.name, one.email_id, new_id, one.way.queue, one.way.remark))
        tell(failures)
        return results

    async def _mark(self, aside: PutAside, ready: Ready, new_id: str) -> None:
        subject = ready.email_id or aside.queue_message_id
        corrected = ready.email_id is not None and self.asked.correction is not None
        await mark_requeued(self.desk, aside, subject=subject, new_message_id=new_id, corrected=corrected)
