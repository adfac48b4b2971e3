"""Judges what is to be put back, ten at a time, as the daemon would that is to take it."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from tank_mailer.adapters.desk import Desk
from tank_mailer.adapters.desk_letters import surroundings
from tank_mailer.cli.putback.queues import Ready, Way
from tank_mailer.cli.putback.result import Result
from tank_mailer.core.enqueue import unfit_for_queue
from tank_mailer.core.errors import Reason
from tank_mailer.core.job import EmailJob, InvalidJob, parse_job
from tank_mailer.core.putback import Objection, Rules, Surroundings, object_to


@dataclass(frozen=True, slots=True, kw_only=True)
class Draft:
    """A job that would go back as far as its text is concerned.

    Attributes:
        name: as it was asked for.
        email_id: that it was known by.
        message_id: of the queue message that it was last on.
        given_up_for: the reason that it was put aside for.
    """

    name: str
    email_id: str | None
    job: EmailJob
    text: str = field(repr=False)
    message_id: str
    given_up_for: str
    way: Way


@dataclass(frozen=True, slots=True, kw_only=True)
class Judge:
    """Knows the rules, and what it has let pass already."""

    desk: Desk
    rules: Rules
    stale_after_days: int
    hints: Mapping[Reason, str] = field(default_factory=dict)  # what to do about an objection
    _passed: dict[str, str] = field(default_factory=dict)  # by email_id, under which name

    async def judge(self, drafts: Sequence[Draft | Result]) -> list[Ready | Result]:
        """Say of each whether it may go; what cannot is a result already."""
        jobs = [one.job for one in drafts if isinstance(one, Draft)]
        delivery = self.rules.delivery
        around = await surroundings(self.desk, jobs, delivery=delivery, stale_after_days=self.stale_after_days)
        return [one if isinstance(one, Result) else self._judge(one, around[one.job.email_id]) for one in drafts]

    def _judge(self, draft: Draft, around: Surroundings) -> Ready | Result:
        email_id = draft.job.email_id
        objection = object_to(
            draft.job,
            around,
            message_id=draft.message_id,
            given_up_for=draft.given_up_for,
            rules=self.rules,
            now=self.desk.clock.now(),
        )
        if objection is None and (other := self._passed.get(email_id)) is not None:
            objection = Objection(Reason.DUPLICATE, f"this email_id goes back with {other}")
        if objection is None:
            self._passed[email_id] = draft.name
            return Ready(name=draft.name, email_id=email_id, way=draft.way, text=draft.text)
        hint = self.hints.get(objection.reason, "") if objection.reason else ""
        why_not = f"{objection.text}{f'; {hint}' if hint else ''}"
        return Result(draft.name, draft.email_id, reason=objection.reason, why_not=why_not)


def read_text(text: str) -> EmailJob | InvalidJob:
    """Read a job as the daemon would, and as SQS takes it."""
    job = parse_job(text)
    return (unfit_for_queue(text) or job) if isinstance(job, EmailJob) else job
