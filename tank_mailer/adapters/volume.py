"""How much all nodes on this store have sent, and what came of it by AWS's arithmetic."""

import asyncio
import json
import math
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from functools import lru_cache
from typing import Any, Final

import sqlalchemy as sa

from tank_mailer.adapters.schema import events, receipts, volume
from tank_mailer.adapters.store import SIMULATOR, Store
from tank_mailer.core.bounce import BounceFacts, judge_bounce, judge_complaint
from tank_mailer.core.errors import Reason
from tank_mailer.core.event import EventKind
from tank_mailer.core.quota import BUCKET_S, Spent
from tank_mailer.core.reputation import Tally

KEPT: Final = timedelta(days=8)  # the quota looks back a day, the reputation a week
PAGE: Final = 500  # events in one transaction: some ms
LATE_S: Final = 120.0  # after a later one, an event may still be committed: another node's, by another clock

_SPENT = (
    sa.select(volume.c.minute, sa.func.sum(volume.c.recipients))
    .where(volume.c.minute >= sa.bindparam("first"))
    .group_by(volume.c.minute)
    .order_by(volume.c.minute)
)
_SUM = sa.select(sa.func.sum(volume.c.recipients)).where(volume.c.minute >= sa.bindparam("first"))
_BAD = (
    sa.select(
        *(events.c.recorded_at, events.c.key, events.c.kind, events.c.mail_at, events.c.facts),
        *(events.c.ses_message_id, events.c.recipient),
    )
    .where(
        sa.text("kind IN ('bounce', 'complaint')"),  # as the index has it: bound values would not find it
        events.c.recorded_at >= sa.bindparam("at"),
        sa.or_(events.c.recorded_at > sa.bindparam("at"), events.c.key > sa.bindparam("key")),
        sa.exists().where(receipts.c.ses_message_id == events.c.ses_message_id),  # whose volume is counted
    )
    .order_by(events.c.recorded_at, events.c.key)
    .limit(PAGE)
)
_LABELS = {
    EventKind.BOUNCE.value: ("type", "subtype", "action"),
    EventKind.COMPLAINT.value: ("feedback_type", "subtype"),
}
_NO_COMPLAINTS = frozenset({Reason.NOT_SPAM, Reason.ACCOUNT_SUPPRESSED})


@dataclass(kw_only=True, eq=False)
class SqlVolume:
    """The `Volume` over the store's own worker.

    What is asked about is no older than `KEPT`. Bad events are remembered, so that each is read about once: of a busy
    week there may be tens of thousands, and they are asked about every minute.

    Attributes:
        _bad: by kind, of each mail and recipient a hash, and when SES took the mail.
        _from_s: what was recorded since then has been read, up to `_until_s`.
    """

    store: Store
    _bad: dict[str, dict[int, float]] = field(default_factory=lambda: {kind: {} for kind in _LABELS}, init=False)
    _from_s: float = field(default=math.inf, init=False)
    _until_s: float = field(default=-math.inf, init=False)
    _reading: asyncio.Lock = field(default_factory=asyncio.Lock, init=False)

    async def spent(self, since: datetime) -> Sequence[Spent]:
        """Recipients that SES accepted, a minute each, the oldest first; the minute of `since` is the first."""
        found = await self.store.transact(lambda connection: connection.execute(_SPENT, _first(since)).all())
        return [Spent(minute, int(recipients)) for minute, recipients in found]

    async def tally(self, since: datetime) -> Tally:
        """What came of the mails that SES took since then: each recipient of a mail counts once."""
        since_s = since.timestamp()
        async with self._reading:
            await self._learn(since_s)
        accepted = await self.store.transact(lambda connection: connection.scalar(_SUM, _first(since)))
        bounces, complaints = (
            sum(mail_at >= since_s for mail_at in self._bad[kind].values())
            for kind in (EventKind.BOUNCE.value, EventKind.COMPLAINT.value)
        )
        return Tally(volume=int(accepted or 0), bounces=bounces, complaints=complaints)

    async def _learn(self, since_s: float) -> None:
        """Read what was recorded since then and is not known yet: no event is older than its mail."""
        now = self.store.clock.now()
        if since_s < self._from_s:
            self._from_s, self._until_s = since_s, since_s
        at, key = max(self._from_s, min(self._until_s, now.timestamp()) - LATE_S), ""
        while found := await self._page(at, key):
            for _, _, kind, mail_at, facts, ses_message_id, recipient in found:
                if _counts(kind, facts) and not (recipient or "").endswith(SIMULATOR):
                    self._bad[kind][hash((ses_message_id, recipient))] = mail_at
            self._until_s, key, *_ = found[-1]
            at = self._until_s
            if len(found) < PAGE:
                break
        self._until_s = now.timestamp()
        ends_s = (now - KEPT).timestamp()
        for kind, known in self._bad.items():
            self._bad[kind] = {one: mail_at for one, mail_at in known.items() if mail_at >= ends_s}

    async def _page(self, at: float, key: str) -> list[Any]:
        values = {"at": at, "key": key}
        return await self.store.transact(lambda connection: list(connection.execute(_BAD, values)))


def _first(since: datetime) -> dict[str, int]:
    return {"first": int(since.timestamp()) // BUCKET_S}


def _counts(kind: str, text: str) -> bool:
    facts = json.loads(text)
    return is_bad(kind, *(str(facts.get(name, "")) for name in _LABELS[kind]))


@lru_cache(maxsize=1_000)
def is_bad(kind: str, label: str, subtype: str, action: str = "") -> bool:
    """Whether AWS counts it: of bounces those that its own label calls hard, whatever the other server said."""
    if kind == EventKind.BOUNCE:
        return judge_bounce(BounceFacts(type=label, subtype=subtype, action=action)).is_hard
    return judge_complaint(label, subtype).reason not in _NO_COMPLAINTS
