"""How the demo ended: each job's fate against what was expected, and the verdict on the whole."""

from collections import Counter
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from tank_mailer.cli.demo.books import Books, Fate, busiest_second
from tank_mailer.cli.demo.folder import Folder
from tank_mailer.cli.demo.jobs import NOT_QUEUED, Entry
from tank_mailer.cli.demo.stage import Stage
from tank_mailer.core.job import email_id_tag
from tank_mailer.core.ledger import State


@dataclass(frozen=True, slots=True)
class Ending:
    """One entry and its fate."""

    entry: Entry
    fate: Fate

    @property
    def is_as_expected(self) -> bool:
        """Whether it is what an operator would want of it."""
        return self.fate.is_as_expected(self.entry)

    @property
    def name(self) -> str:
        """What to call it: email_id, what is written in its place, or the queue message's id."""
        return self.fate.email_id or self.entry.name or self.fate.queue_message_id[:8]

    @property
    def why(self) -> str:
        """All that there is to say, for people."""
        told = [self.entry.told] if self.entry.told else []
        if self.fate.why and not (self.entry.fate == State.ACCEPTED and self.entry.mails > 1):
            told.append(self.fate.why)
        return "; ".join(told)


@dataclass(frozen=True, slots=True, kw_only=True)
class Result:
    """The end of a demo.

    Attributes:
        strangers: mails that SES accepted for none of the jobs.
        forbidden: mails that went to an address on the suppression list.
        busiest: recipients in the busiest second.
        throttled: calls that SES sent back because they were too fast.
        faults: what went wrong with the demo itself.
    """

    endings: Sequence[Ending]
    seconds: float
    mails: int
    strangers: int
    forbidden: int
    busiest: int
    allowed: float
    throttled: int
    faults: Sequence[str] = ()

    @property
    def is_ok(self) -> bool:
        """Whether all is as expected."""
        return not self.complaints()

    def complaints(self) -> list[str]:
        """What is not as expected, in a line each."""
        said = list(self.faults)
        for ending in self.endings:
            if ending.fate.state == NOT_QUEUED:
                said.append(f"{ending.name} is nothing that SQS takes")
            elif not ending.fate.has_ended:
                said.append(f"{ending.name} has no end: {ending.fate.state}, {ending.why or 'no reason given'}")
            elif not ending.is_as_expected:
                said.append(f"{ending.name} ended as {_spelled(ending.fate)}; expected: {_wanted(ending.entry)}")
        if self.strangers:
            said.append(f"SES accepted {self.strangers} mails that belong to none of the jobs")
        if self.forbidden:
            said.append(f"{self.forbidden} mails went to an address on the suppression list")
        if self.throttled:
            said.append(f"SES sent {self.throttled} calls back as too fast")
        return said

    def verdict(self) -> str:
        """The whole in a sentence or two."""
        if complaints := self.complaints():
            return f"Not as expected: {'; '.join(complaints)}."
        accepted = [ending for ending in self.endings if ending.fate.state == State.ACCEPTED]
        doubled = [ending.name for ending in accepted if ending.fate.mails > 1]
        others = len(self.endings) - len(accepted)
        but = f", but {', '.join(doubled)}, whose answer was lost" if doubled else ""
        once = f", each exactly once{but}" if accepted else ""
        rest = f"; {others} ended without a mail, each with its reason" if others else ""
        whole = " (a job of several goes as a whole)" if self.busiest > self.allowed else ""
        return (
            f"{_jobs(len(self.endings))} in {self.seconds:.0f} s, none lost: {len(accepted)} accepted{once}"
            f"{rest}. The busiest second had {self.busiest} recipients; the account allows"
            f" {self.allowed:g}{whole}."
        )

    def as_json(self, folder: Folder, environment: Mapping[str, str]) -> dict[str, Any]:
        """For scripts."""
        return {
            "ok": self.is_ok,
            "verdict": self.verdict(),
            "seconds": round(self.seconds, 1),
            "mails": self.mails,
            "busiest_second_recipients": self.busiest,
            "folder": str(folder.path),
            "log": str(folder.log),
            "env_file": str(folder.env_file),
            "environment": dict(environment),
            "jobs": [
                {
                    "email_id": ending.fate.email_id,
                    "queue_message_id": ending.fate.queue_message_id,
                    "state": ending.fate.state,
                    "reason": ending.fate.reason,
                    "why": ending.why,
                    "attempts": ending.fate.attempts,
                    "times_accepted": ending.fate.mails,
                    "as_expected": ending.is_as_expected,
                }
                for ending in self.endings
            ],
        }


def judge(stage: Stage, books: Books, *, suppressed: Collection[str], seconds: float, faults: Sequence[str]) -> Result:
    """Compare what was put on the queue with what became of it."""
    endings = [Ending(one.entry, books.fate_of(one)) for one in stage.sent]
    known = {email_id_tag(ending.fate.email_id) for ending in endings if ending.fate.email_id}
    log, account = stage.standin.state.mailbox.log, stage.standin.state.account
    return Result(
        endings=endings,
        seconds=seconds,
        mails=len(log),
        strangers=sum(count for tag, count in books.accepted.items() if tag not in known),
        forbidden=sum(not set(suppressed).isdisjoint(mail.to + mail.cc + mail.bcc) for mail in log),
        busiest=busiest_second(log),
        allowed=account.settings.max_send_rate,
        throttled=sum(throttle.cause == "rate" for throttle in account.throttles),
        faults=faults,
    )


def counted(result: Result) -> Counter[str]:
    """How many ended where."""
    return Counter(ending.fate.state for ending in result.endings)


def _spelled(fate: Fate) -> str:
    return f"{fate.state}{f' ({fate.reason})' if fate.reason else ''} and {fate.mails} mails"


def _wanted(entry: Entry) -> str:
    if entry.fate is None:
        return "an end, and one mail if it is accepted"
    return f"{entry.fate}{f' ({entry.reason})' if entry.reason else ''} and {entry.mails} mails"


def _jobs(number: int) -> str:
    return f"{number} job{'' if number == 1 else 's'}"
