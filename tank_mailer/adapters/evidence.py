"""What SES's events prove of jobs, looked up before anything else is written of them (DESIGN 6)."""

from collections.abc import Collection, Mapping
from datetime import UTC, datetime
from typing import Any

import sqlalchemy as sa

from tank_mailer.adapters.schema import events
from tank_mailer.core.booking import is_about, is_recent
from tank_mailer.core.job import email_id_tag
from tank_mailer.core.ledger import Row


class Evidence:
    """Finds the events that carry our tag or header."""

    def __init__(self) -> None:
        """Make the statements once: SQLAlchemy caches what it compiles by them."""
        ids: sa.BindParameter[Any] = sa.bindparam("ids", expanding=True)
        self._proofs = sa.select(events.c.email_id, events.c.ses_message_id, events.c.mail_at, events.c.attempt).where(
            events.c.email_id.in_(ids), events.c.is_ours == 1
        )
        self._statuses = sa.select(
            *(events.c.email_id, events.c.recipient, events.c.status, events.c.reason, events.c.occurred_at),
            *(events.c.ses_message_id, events.c.mail_at),
        ).where(events.c.email_id.in_(ids), events.c.recipient.is_not(None), events.c.status.is_not(None))
        mails: sa.BindParameter[Any] = sa.bindparam("mails", expanding=True)
        self._strays = sa.select(events.c.key, events.c.ses_message_id).where(
            events.c.ses_message_id.in_(mails), events.c.email_id.is_(None)
        )
        self._take_up = (
            sa.update(events).where(events.c.key == sa.bindparam("stray")).values(email_id=sa.bindparam("job"))
        )

    def among(
        self, connection: sa.Connection, jobs: Mapping[str, tuple[Row, datetime | None]]
    ) -> Mapping[str, tuple[str, datetime]]:
        """Look up which jobs SES has, with SES's MessageId of the oldest mail and when SES took it.

        Args:
            connection: in a transaction.
            jobs: by email_id; the time: when the message was put on its queue, of a job that was never seen before.
        """
        if not jobs:
            return {}
        job_of, oldest = _spellings(jobs), dict[str, tuple[str, datetime]]()
        for spelled, ses_message_id, at, attempt in connection.execute(self._proofs, {"ids": list(job_of)}):
            email_id, mail_at = job_of[spelled], datetime.fromtimestamp(at, UTC)
            row, sent_at = jobs[email_id]
            if is_about(row, mail_at=mail_at, attempt=attempt, sent_at=sent_at) and (
                email_id not in oldest or mail_at < oldest[email_id][1]
            ):
                oldest[email_id] = ses_message_id, mail_at
        return oldest

    def recipients(self, connection: sa.Connection, jobs: Mapping[str, Row]) -> list[dict[str, Any]]:
        """What the events of these jobs, by email_id, say of their recipients: each one's highest status."""
        if not jobs:
            return []
        job_of = _spellings(jobs)
        best = dict[tuple[str, str], dict[str, Any]]()
        for spelled, recipient, status, reason, occurred_at, ses_message_id, mail_at in connection.execute(
            self._statuses, {"ids": list(job_of)}
        ):
            row = jobs[job_of[spelled]]
            is_its = ses_message_id == row.ses_message_id
            if not is_its and not is_recent(row, datetime.fromtimestamp(mail_at, UTC)):
                continue
            key = row.email_id, recipient
            if key not in best or best[key]["status"] < status:
                best[key] = {
                    "email_id": row.email_id,
                    "address": recipient,
                    "status": status,
                    "reason": reason,
                    "updated_at": occurred_at,
                    "ses_message_id": ses_message_id,
                }
        return list(best.values())

    def take_up(self, connection: sa.Connection, mails: Mapping[str, str]) -> set[str]:
        """Give events that came before anybody knew whose mail it was to their jobs; return those jobs.

        Args:
            connection: in a transaction.
            mails: email_id by SES's MessageId.
        """
        strays = connection.execute(self._strays, {"mails": list(mails)}).all() if mails else []
        if strays:
            connection.execute(self._take_up, [{"stray": key, "job": mails[mail]} for key, mail in strays])
        return {mails[mail] for _, mail in strays}


def _spellings(ids: Collection[str]) -> dict[str, str]:
    """Each id by itself and by its tag: an event that came before its job is kept under the tag."""
    return {email_id_tag(email_id): email_id for email_id in ids} | {email_id: email_id for email_id in ids}
