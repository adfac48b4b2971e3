"""What became of each message: read from store, log and accept log, and judged by what was expected."""

import json
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final

import sqlalchemy as sa
from sqlalchemy.ext.asyncio import AsyncEngine

from tank_mailer.adapters.desk_events import RecipientStatus, read_recipient
from tank_mailer.adapters.schema import asides, jobs, recipients
from tank_mailer.cli.demo.jobs import DROPPED, NOT_QUEUED, Entry
from tank_mailer.core.job import email_id_tag
from tank_mailer.core.ledger import UNFINISHED, State
from tank_mailer.core.status import Status
from tank_mailer.standin import Accepted

UNSEEN: Final = "waiting"  # no trace of it in the store
UNENDED: Final = frozenset({UNSEEN, *UNFINISHED})


@dataclass(frozen=True, slots=True)
class Sent:
    """An entry, and how SQS took it: the id of its message, or why there is none; when, by the stand-in's clock."""

    entry: Entry
    queue_message_id: str = ""
    refusal: str = ""
    put_s: float = 0.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Fate:
    """How one message ended.

    Attributes:
        email_id: None where none could be read.
        state: the ledger's, or `waiting`, `dropped`, `not_queued`.
        why: a sentence, for people.
        mails: how many SES accepted for it.
        recipients: how far it has come for each, by address.
    """

    queue_message_id: str
    email_id: str | None
    state: str
    reason: str | None
    why: str
    attempts: int = 0
    mails: int = 0
    recipients: Mapping[str, RecipientStatus] = field(default_factory=dict)

    @property
    def has_ended(self) -> bool:
        """Whether nothing more will come of it."""
        return self.state not in UNENDED

    def is_as_expected(self, entry: Entry) -> bool:
        """An entry without a fate may have any end, and one mail if it was accepted."""
        if entry.fate is None:
            mails = 1 if self.state == State.ACCEPTED else 0
            return self.has_ended and self.state != NOT_QUEUED and self.mails == mails
        return (self.state, self.reason, self.mails) == (entry.fate, entry.reason, entry.mails)


@dataclass(frozen=True, slots=True, kw_only=True)
class Books:
    """Store, log and accept log at one moment, by the queue message's id where nothing else is said."""

    rows: Mapping[str, Mapping[str, Any]]
    asides: Mapping[str, Mapping[str, Any]]
    settled: Mapping[str, Mapping[str, Any]]  # the last line of the daemon's log about it
    recipients: Mapping[str, Sequence[RecipientStatus]]  # by email_id
    accepted: Counter[str] = field(default_factory=Counter)  # mails, by the tag

    def fate_of(self, sent: Sent) -> Fate:
        """Look a message up."""
        message_id, email_id = sent.queue_message_id, sent.entry.email_id
        if sent.refusal:
            return Fate(
                queue_message_id="", email_id=email_id, state=NOT_QUEUED, reason=None, why=f"SQS: {sent.refusal}"
            )
        if row := self.rows.get(message_id):
            return self.fate_of_row(row)
        if aside := self.asides.get(message_id):
            return fate_of_aside(aside)
        if (line := self.settled.get(message_id)) and (verdict := line.get("reason")):
            why = f"{verdict}: the same job had come before; nothing was sent for this message"
            return Fate(queue_message_id=message_id, email_id=email_id, state=DROPPED, reason=verdict, why=why)
        return Fate(queue_message_id=message_id, email_id=email_id, state=UNSEEN, reason=None, why="no trace of it")

    def fate_of_row(self, row: Mapping[str, Any]) -> Fate:
        """What a row of the ledger says."""
        email_id = row["email_id"]
        return Fate(
            queue_message_id=row["queue_message_id"],
            email_id=email_id,
            state=row["state"],
            reason=row["reason"],
            why=self._why(row),
            attempts=row["attempt"],
            mails=self.accepted[email_id_tag(email_id)],
            recipients={one.address: one for one in self.recipients.get(email_id, ())},
        )

    def _why(self, row: Mapping[str, Any]) -> str:
        said = []
        if row["reason"]:
            said.append(f"{row['reason']}: {row['detail']}" if row["detail"] else row["reason"])
        if row["state"] == State.ACCEPTED and row["attempt"] > 1:
            cause = "SES's answer had been lost" if row["resends"] else "SES had said: not now"
            said.append(f"at attempt {row['attempt']}; {cause}")
        left_out = [r.address for r in self.recipients.get(row["email_id"], ()) if r.status is Status.SUPPRESSED]
        if row["state"] == State.ACCEPTED and left_out:
            said.append(f"left out: {', '.join(left_out)}")
        return "; ".join(said)


def fate_of_aside(aside: Mapping[str, Any]) -> Fate:
    """What was kept of a message without a row of its own."""
    return Fate(
        queue_message_id=aside["queue_message_id"],
        email_id=aside["email_id"],
        state=aside["kind"],
        reason=aside["reason"],
        why=f"{aside['reason']}: {aside['detail']}",
    )


async def read_books(engine: AsyncEngine, *, log: Path, accepted: Iterable[Accepted]) -> Books:
    """Read everything once."""
    async with engine.connect() as connection:
        rows = (await connection.execute(sa.select(jobs))).mappings().all()
        kept = (await connection.execute(sa.select(asides))).mappings().all()
        noted = (await connection.execute(sa.select(recipients).order_by(recipients.c.address))).mappings().all()
    statuses = dict[str, list[RecipientStatus]]()
    for note in noted:
        one = read_recipient(note["address"], note["status"], note["reason"], note["updated_at"])
        statuses.setdefault(note["email_id"], []).append(one)
    return Books(
        rows={row["queue_message_id"]: dict(row) for row in rows},
        asides={aside["queue_message_id"]: dict(aside) for aside in kept},
        settled=_read_log(log),
        recipients=statuses,
        accepted=Counter(mail.tags.get("email_id", "") for mail in accepted),
    )


async def count_states(engine: AsyncEngine) -> Counter[str]:
    """How many jobs stand where."""
    async with engine.connect() as connection:
        found = await connection.execute(sa.select(jobs.c.state, sa.func.count()).group_by(jobs.c.state))
        return Counter(dict(found.tuples().all()))


def _read_log(log: Path) -> dict[str, dict[str, Any]]:
    """The last `job_settled` of each queue message."""
    settled = {}
    for line in log.read_text(encoding="utf-8", errors="replace").splitlines():
        if '"job_settled"' not in line:
            continue
        try:
            fields = json.loads(line)
        except ValueError:
            continue  # a line half written
        if fields.get("event") == "job_settled":
            settled[fields["queue_message_id"]] = fields
    return settled


def busiest_second(accepted: Sequence[Accepted]) -> int:
    """The most recipients that SES accepted within any one second."""
    most = held = begin = 0
    for mail in accepted:
        held += _size(mail)
        while accepted[begin].monotonic_s <= mail.monotonic_s - 1.0:
            held -= _size(accepted[begin])
            begin += 1
        most = max(most, held)
    return most


def _size(mail: Accepted) -> int:
    return len(mail.to) + len(mail.cc) + len(mail.bcc)
