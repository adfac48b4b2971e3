"""Puts dead letters back on the queue of their lane: each as the daemon would take it, sent, on record, then deleted.

In this order a crash between two steps leaves a letter that the ledger knows to be on its way, or accepted.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field

from tank_mailer.adapters.desk import Desk
from tank_mailer.adapters.desk_letters import mark_redriven, note_redrive
from tank_mailer.adapters.producer import Refused
from tank_mailer.cli.dlq.boxes import Boxes
from tank_mailer.cli.dlq.look import is_ambiguous
from tank_mailer.cli.dlq.round import Round, Seen
from tank_mailer.cli.lane import Lane
from tank_mailer.cli.putback.judging import Draft, Judge, read_text
from tank_mailer.cli.putback.pace import Pace
from tank_mailer.cli.putback.queues import Queues, Ready, Way, put_all, tell, way_back
from tank_mailer.cli.putback.result import Result
from tank_mailer.cli.putback.whole import whole
from tank_mailer.core.deadletter import Choice, DeadLetter, goes_by, named
from tank_mailer.core.errors import QueueError
from tank_mailer.core.job import InvalidJob
from tank_mailer.core.lanes import ORDINARY, PRIORITY
from tank_mailer.core.putback import Rules
from tank_mailer.daemon.sending import delivery_of
from tank_mailer.flows.looking import Look
from tank_mailer.settings import Settings

UNKNOWN_ID = "there is no such dead letter; `tank-mailer dlq list` shows them"
MANY_IDS = "more than one begins so; give more of the id"
NO_LANE = "it does not tell its lane; --to ordinary or --to priority says it"
CUT = "only its first 64 KiB were kept; `tank-mailer refused requeue ID --file JOB` takes the whole job"
CUT_AT_BYTES = 65_536 - 3  # DESIGN 3: 64 KiB are kept of a text in the ledger, less a character that did not fit
STILL_THERE = "its letter is still there and may be dropped"


@dataclass(frozen=True, slots=True, kw_only=True)
class Asked:
    """What is to be put back.

    Attributes:
        names: these; none: all that `choice` takes.
        to: the lane of letters that do not tell theirs.
        rate: messages a second at most.
    """

    names: Sequence[str]
    choice: Choice
    may_double: bool
    to: Lane | None
    rate: float

    def may_take(self, letter: DeadLetter) -> bool:
        """Whether it may be one of them; a name may yet turn out to stand for several."""
        if self.names:
            return any(goes_by(letter, name) for name in self.names)
        return self.choice.takes(letter)

    @property
    def said(self) -> str:
        """For the record of changes."""
        return f"{len(self.names)} ids" if self.names else self.choice.said


@dataclass(kw_only=True, eq=False)
class Redrive:
    """One run over the letters: a rehearsal, or the real one.

    Attributes:
        queues: where they go back.
        is_real: False: only say what would become of each.
        takes: which letters.
        results: of the letters that were meant, by their ids.
    """

    desk: Desk
    boxes: Boxes
    queues: Queues
    settings: Settings
    asked: Asked
    is_real: bool
    takes: Callable[[DeadLetter], bool]
    results: dict[str, Result] = field(default_factory=dict)
    letters: list[DeadLetter] = field(default_factory=list)

    def __post_init__(self) -> None:
        """Begin with nothing let pass."""
        rules = Rules(delivery=delivery_of(self.settings), may_double=self.asked.may_double)
        self._judge = Judge(desk=self.desk, rules=rules, stale_after_days=self.settings.stale_after_days)
        self._pace = Pace(rate=self.asked.rate)

    async def run(self) -> list[Seen]:
        """Do it; raises `QueueError` and `StoreError`, and what is back by then is on record."""
        around = Round(
            desk=self.desk,
            boxes=self.boxes,
            what="putting back from" if self.is_real else "looking into",
            takes=self.takes,
            work=self._work,
            size=self._pace.at_once if self.is_real else 10,
        )
        where = ", ".join(box.name for box in self.boxes.boxes) or "the ledger"
        if self.is_real:
            await note_redrive(self.desk, subject=where, detail=f"begins: {self.asked.said}, {self.asked.rate:g}/s")
        try:
            seen = await around.go()
        finally:
            if self.is_real:
                count = sum(one.new_message_id is not None for one in self.results.values())
                detail = f"ends: {count} of {len(self.results)} put back"
                await note_redrive(self.desk, subject=where, detail=detail)
        around.tell()
        return seen

    # --- some of them ---

    async def _work(self, letters: Sequence[DeadLetter], look: Look | None) -> None:
        judged = await self._judge.judge([self._draft(letter) for letter in letters])
        self.letters += [letter.without_body for letter in letters]
        if not self.is_real:
            for letter, one in zip(letters, judged, strict=True):
                self.results[letter.letter_id] = Result.planned(one) if isinstance(one, Ready) else one
            return
        await self._put_back(letters, judged, look)

    async def _put_back(
        self, letters: Sequence[DeadLetter], judged: Sequence[Ready | Result], look: Look | None
    ) -> None:
        ready = [one for one in judged if isinstance(one, Ready)]
        if ready:
            await self._pace.turn(len(ready))
        await whole(self._send(letters, judged, look))

    async def _send(self, letters: Sequence[DeadLetter], judged: Sequence[Ready | Result], look: Look | None) -> None:
        puts = iter(await put_all(self.queues, [one for one in judged if isinstance(one, Ready)]))
        back, failures = dict[str, Result](), dict[str, QueueError]()
        for letter, one in zip(letters, judged, strict=True):
            if isinstance(one, Result):
                self.results[letter.letter_id] = one
                continue
            match next(puts):
                case QueueError() as error:
                    failures[one.way.queue] = error
                case Refused(detail=detail):
                    why_not = f"the queue does not take it: {detail}"
                    self.results[letter.letter_id] = Result(one.name, one.email_id, why_not=why_not)
                case str() as new_id:
                    await mark_redriven(self.desk, letter, lane=one.way.queue, new_message_id=new_id)
                    back[letter.letter_id] = Result(one.name, one.email_id, new_id, one.way.queue, one.way.remark)
                    self.results[letter.letter_id] = back[letter.letter_id]
        if look is not None and back:
            await self._delete(look, back)
        tell(failures)

    async def _delete(self, look: Look, back: Mapping[str, Result]) -> None:
        gone = await look.delete(list(back))
        for letter_id, one in back.items():
            if letter_id not in gone:
                remark = ", ".join(filter(None, [one.remark, STILL_THERE]))
                self.results[letter_id] = Result(one.name, one.email_id, one.new_message_id, one.queue, remark)

    # --- one ---

    def _draft(self, letter: DeadLetter) -> Draft | Result:
        name = letter.letter_id
        if not letter.body:
            return Result(name, letter.email_id, why_not="its text was erased")
        job = read_text(letter.body)
        if isinstance(job, InvalidJob):
            is_cut = letter.queue is None and letter.size_bytes >= CUT_AT_BYTES
            why_not = CUT if is_cut else f"invalid: {job.reason}, {job.detail}"
            return Result(name, letter.email_id, reason=job.reason, why_not=why_not)
        way = self._way(letter)
        if isinstance(way, str):
            return Result(name, letter.email_id, why_not=way)
        return Draft(
            name=name,
            email_id=job.email_id,
            job=job,
            text=letter.body,
            message_id=letter.letter_id,  # SQS's redrive keeps the id of the message that the row is bound to
            given_up_for=letter.reason,
            way=way,
        )

    def _way(self, letter: DeadLetter) -> Way | str:
        """Its lane's queue; or why there is none to be told."""
        lane = letter.lane or (self.asked.to.value if self.asked.to else None)
        if lane is not None:
            return way_back(lane, self.queues)
        if letter.source is not None:
            return (
                f"it comes from the queue {letter.source}, which is none of ours; --to LANE puts it on one all the same"
            )
        return NO_LANE if PRIORITY in self.queues else Way(ORDINARY)


# --- those that were asked for by name -------------------------------------------------------------


def meant(names: Sequence[str], letters: Sequence[DeadLetter]) -> tuple[dict[str, str], list[Result]]:
    """Which letters the names stand for: letter ids, each with the name; and what is said of names that stand for none.

    An email_id stands for its newest letter.
    """
    chosen, failed = dict[str, str](), list[Result]()
    for name in names:
        found = named(letters, name)
        if not found:
            failed.append(Result(name, None, why_not=UNKNOWN_ID))
        elif is_ambiguous(name, found):
            failed.append(Result(name, None, why_not=MANY_IDS))
        else:
            chosen.setdefault(max(found, key=lambda one: one.at).letter_id, name)
    return chosen, failed
