"""Rows for reports: jobs, recipients and events of given days, straight into the tables."""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from itertools import count
from types import MappingProxyType
from typing import Any

import sqlalchemy as sa
from sqlalchemy.ext.asyncio import AsyncEngine

from tank_mailer.adapters import rows, schema
from tank_mailer.core.ledger import State
from tank_mailer.core.status import Status
from tests.contract.test_ledger import make_row


@dataclass(kw_only=True)
class Filler:
    """Collects rows, and writes them at once."""

    engine: AsyncEngine
    _rows: dict[str, list[dict[str, Any]]] = field(default_factory=dict)
    _numbers: "count[int]" = field(default_factory=lambda: count(1))

    def mail(self, at: datetime, *recipients: tuple[str, Status] | tuple[str, Status, str]) -> str:
        """An accepted mail, its receipt and recipients; returns SES's id of it."""
        n = next(self._numbers)
        email_id, ses_message_id = f"order-{n}", f"ses-{n}"
        self.job(State.ACCEPTED, at, email_id=email_id, accepted_at=at.timestamp(), ses_message_id=ses_message_id)
        receipt = {"ses_message_id": ses_message_id, "email_id": email_id, "attempt": 1}
        self._put("receipts", receipt | {"accepted_at": at.timestamp(), "source": "answer"})
        for address, status, *reason in recipients:
            why = reason[0] if reason else None
            person = {"email_id": email_id, "address": address, "status": int(status), "reason": why}
            self._put("recipients", person | {"updated_at": at.timestamp()})
        return ses_message_id

    def job(self, state: State, at: datetime, **columns: Any) -> None:
        email_id = columns.pop("email_id", None) or f"order-{next(self._numbers)}"
        self._put("jobs", rows.columns(make_row(email_id, state=state, updated_at=at)) | columns)

    def aside(self, kind: str, reason: str, at: datetime) -> None:
        names = {"queue_message_id": f"m-{next(self._numbers)}", "kind": kind, "reason": reason}
        self._put("asides", names | {"detail": "", "raw": "", "lane": "ordinary", "at": at.timestamp()})

    def event(
        self,
        kind: str,
        mail: str,
        recipient: str | None,
        mail_at: datetime,
        *,
        after_s: float = 1.0,
        lag_s: float = 0.0,
        facts: Mapping[str, str] = MappingProxyType({}),
    ) -> None:
        """What SES tells of a mail, so long after it took it, and written down so long after that."""
        occurred = mail_at + timedelta(seconds=after_s)
        times = {"mail_at": mail_at.timestamp(), "occurred_at": occurred.timestamp()}
        times["recorded_at"] = occurred.timestamp() + lag_s
        names = {"key": f"key-{next(self._numbers)}", "kind": kind, "ses_message_id": mail, "recipient": recipient}
        flags = {"is_ours": 1, "is_published": 1, "counts": 0, "facts": json.dumps(dict(facts))}
        self._put("events", names | times | flags)

    def suppression(self, address: str, reason: str, at: datetime, *, ends_at: datetime | None = None) -> None:
        ends = None if ends_at is None else ends_at.timestamp()
        entry = {"address": address, "reason": reason, "source": "event", "created_at": at.timestamp()}
        self._put("suppressions", entry | {"ends_at": ends})

    def usage(self, day: int, name: str, number: int, node: str = "mail-1") -> None:
        self._put("usage", {"day": day, "node": node, "name": name, "count": number})

    def sender(self, address: str, at: datetime) -> None:
        self._put("senders", {"address": address, "accepted_at": at.timestamp()})

    async def write(self) -> None:
        async with self.engine.begin() as connection:
            for name, values in self._rows.items():
                await connection.execute(sa.insert(schema.metadata.tables[name]), values)
        self._rows.clear()

    def _put(self, table: str, values: dict[str, Any]) -> None:
        self._rows.setdefault(table, []).append(values)


def people(number: int, domain: str, status: Status, *reason: str) -> Sequence[Any]:
    """So many of one domain, who stand alike."""
    return [(f"p{n}@{domain}", status, *reason) for n in range(number)]
