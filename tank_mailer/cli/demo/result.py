"""How the demo ended: each job's fate and what came back, against what was expected; the verdict on the whole."""

import asyncio
import time
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

from tank_mailer.cli.demo.books import UNSEEN, Books, busiest_second
from tank_mailer.cli.demo.ending import Ending
from tank_mailer.cli.demo.feedback import Feedback
from tank_mailer.cli.demo.folder import Folder
from tank_mailer.cli.demo.jobs import Play
from tank_mailer.cli.demo.lanes import Lanes, compare
from tank_mailer.cli.demo.stage import Stage
from tank_mailer.core.job import email_id_tag
from tank_mailer.core.ledger import State

LAST_LINES_S: Final = 5.0
TICK_S: Final = 0.1


@dataclass(frozen=True, slots=True, kw_only=True)
class Result:
    """The end of a demo.

    Attributes:
        strangers: mails that SES accepted for none of the jobs.
        forbidden: mails that went to an address on the suppression list.
        busiest: recipients in the busiest second.
        throttled: calls that SES sent back because they were too fast.
        lanes: whether the priority jobs went first; None: there were none.
        faults: what went wrong with the demo itself.
    """

    play: Play
    endings: Sequence[Ending]
    feedback: Feedback
    seconds: float
    mails: int
    strangers: int
    forbidden: int
    busiest: int
    allowed: float
    throttled: int
    lanes: Lanes | None = None
    faults: Sequence[str] = ()

    @property
    def is_ok(self) -> bool:
        """Whether all is as expected."""
        return not self.complaints()

    def complaints(self) -> list[str]:
        """What is not as expected, in a line each."""
        said = list(self.faults)
        for ending in self.endings:
            said += ending.complaints()
        if self.strangers:
            said.append(f"SES accepted {self.strangers} mails that belong to none of the jobs")
        if self.forbidden:
            said.append(f"{self.forbidden} mails went to an address on the suppression list")
        if self.throttled:
            said.append(f"SES sent {self.throttled} calls back as too fast")
        if self.lanes:
            said += self.lanes.complaints()
        said += self.feedback.complaints(self.play, self.endings)
        return said

    def verdict(self) -> str:
        """The whole in a few sentences."""
        if complaints := self.complaints():
            return f"Not as expected: {'; '.join(complaints)}."
        accepted = sum(ending.fate.state == State.ACCEPTED for ending in self.endings)
        others = len(self.endings) - accepted
        once = ", each exactly once" if accepted else ""
        rest = f"; {others} ended without a mail, each with its reason" if others else ""
        whole = " (a job of several goes as a whole)" if self.busiest > self.allowed else ""
        return (
            f"{_counted(len(self.endings), 'job')} in {self.seconds:.0f} s, none lost: {accepted} accepted{once}"
            f"{rest}. The busiest second had {_counted(self.busiest, 'recipient')}; the account allows"
            f" {self.allowed:g}{whole}. SES reported {_counted(self.feedback.memory.reported.total(), 'event')}, all"
            f" recorded; the web server was told {_counted(len(self.feedback.told), 'change')}, of each job in order,"
            " each rightly signed."
        )

    def as_json(self, folder: Folder, environment: Mapping[str, str]) -> dict[str, Any]:
        """For scripts."""
        feedback = self.feedback
        return {
            "ok": self.is_ok,
            "verdict": self.verdict(),
            "seconds": round(self.seconds, 1),
            "mails": self.mails,
            "busiest_second_recipients": self.busiest,
            "priority_lane": self.lanes.shape() if self.lanes else None,
            "folder": str(folder.path),
            "log": str(folder.log),
            "env_file": str(folder.env_file),
            "environment": dict(environment),
            "jobs": [_job(ending) for ending in self.endings],
            "events": {kind.word: number for kind, number in sorted(feedback.memory.reported.items())},
            "suppressions": [
                {
                    "address": entry.address,
                    "reason": entry.reason,
                    "source": entry.source,
                    "mails": feedback.mails_to.get(entry.address, 0),
                }
                for entry in feedback.memory.suppressions
            ],
            "web_server": {
                "told": [arrival.shape() for arrival in feedback.told],
                "repeated": feedback.repeated,
                "wrong_signatures": feedback.unsigned,
            },
        }


async def _complete_books(stage: Stage) -> Books:
    """Look until every message has left its trace: of a dropped one that is a log line, which follows its delete."""
    end_s = time.monotonic() + LAST_LINES_S
    while True:
        books = await stage.books()
        if time.monotonic() > end_s or all(books.fate_of(one).state != UNSEEN for one in stage.sent):
            return books
        await asyncio.sleep(TICK_S)


async def judge(stage: Stage, play: Play, *, seconds: float, faults: Sequence[str]) -> Result:
    """Compare what was put on the queue with what became of it."""
    books = await _complete_books(stage)
    endings = [Ending(one.entry, books.fate_of(one)) for one in stage.sent]
    known = {email_id_tag(ending.fate.email_id) for ending in endings if ending.fate.email_id}
    log, account = stage.standin.state.mailbox.log, stage.standin.state.account
    feedback = Feedback(
        memory=await stage.memory(),
        published=stage.published,
        told=tuple(stage.web_server.told),
        repeated=stage.web_server.repeated,
        unsigned=stage.web_server.unsigned,
        mails_to=Counter(address for mail in log for address in mail.to + mail.cc + mail.bcc),
    )
    return Result(
        play=play,
        endings=endings,
        feedback=feedback,
        seconds=seconds,
        mails=len(log),
        strangers=sum(count for tag, count in books.accepted.items() if tag not in known),
        forbidden=sum(feedback.mails_to[address] for address in play.suppressed),
        busiest=busiest_second(log),
        allowed=account.settings.max_send_rate,
        throttled=sum(throttle.cause == "rate" for throttle in account.throttles),
        lanes=compare([one for one in stage.sent if one.entry in play.urgent], stage.waiting, log),
        faults=faults,
    )


def counted(result: Result) -> Counter[str]:
    """How many ended where."""
    return Counter(ending.fate.state for ending in result.endings)


def _job(ending: Ending) -> dict[str, Any]:
    fate = ending.fate
    return {
        "email_id": fate.email_id,
        "queue_message_id": fate.queue_message_id,
        "state": fate.state,
        "reason": fate.reason,
        "why": ending.why,
        "attempts": fate.attempts,
        "times_accepted": fate.mails,
        "recipients": [one.shape() for one in fate.recipients.values()],
        "as_expected": ending.is_as_expected,
    }


def _counted(number: int, what: str) -> str:
    return f"{number} {what}{'' if number == 1 else 's'}"
