"""What one receive of a queue message went through: the fields of its one `job_settled` line."""

from dataclasses import dataclass, field
from datetime import datetime

from tank_mailer.core.errors import Reason
from tank_mailer.core.job import EmailJob
from tank_mailer.core.ledger import Row
from tank_mailer.core.outcome import Outcome
from tank_mailer.core.verdict import Verdict
from tank_mailer.flows.lease import Lease


@dataclass(slots=True, eq=False)
class Story:
    """Filled in on the way.

    Attributes:
        row: the row as it is on disk, as far as we know.
        dropped: mailbox keys that may not be mailed and were taken out of the job, each with why.
        skipped: why no attempt was made, if none was.
        note: what was done, where no verdict says so.
        waits: whether it still counts as received and waiting.
        was_kept: for the trial of a pause.
        is_deleted: whether its message needs no queue any more.
    """

    lease: Lease
    started_s: float
    job: EmailJob | None = None
    row: Row | None = None
    dropped: dict[str, Reason] = field(default_factory=dict)
    outcome: Outcome | None = None
    verdict: Verdict | None = None
    skipped: Reason | None = None
    note: str | None = None
    limiter_wait_s: float = 0.0
    waits: bool = True
    was_kept: bool = False
    is_deleted: bool = False

    def fields(self, *, now: datetime, now_s: float) -> dict[str, object]:
        """Everything that is told of it; no address, subject or body."""
        message, row = self.lease.message, self.row
        return {
            "queue_message_id": message.queue_message_id,
            "email_id": self.job.email_id if self.job else None,
            "ses_message_id": row.ses_message_id if row else None,
            "receive_count": message.receive_count,
            "state": row.state if row else None,
            "attempts": row.attempt if row else None,
            "charged": row.charged if row and row.charged else None,
            "outcome": self.outcome,
            "verdict": self.verdict,
            "reason": self.skipped or (row.reason if row else None),
            "note": self.note,
            "recipient_count": len(self.job.recipients) if self.job else None,
            "suppressed_count": len(self.dropped) or None,
            "limiter_wait_s": round(self.limiter_wait_s, 3),
            "duration_s": round(now_s - self.started_s, 3),
            "age_s": round((now - message.sent_at).total_seconds(), 3),
        }
