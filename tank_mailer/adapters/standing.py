"""How things stand in the store, asked once a minute by indexes alone: a million rows beside it cost nothing."""

import math
import shutil
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import timedelta
from typing import Final

import sqlalchemy as sa

from tank_mailer.adapters import rows
from tank_mailer.adapters.schema import asides, events, jobs, outbox
from tank_mailer.adapters.store import Store
from tank_mailer.core.ledger import UNFINISHED
from tank_mailer.ports.standing import StoreStanding

AGES_S: Final = (120.0, 900.0, 3_600.0, 21_600.0)  # of doubts: after six hours they are given up (DESIGN 6)
KEPT_S: Final = timedelta(days=14).total_seconds()  # SQS: no queue keeps a message for longer
HEARD_S: Final = 10.0  # an event may be on record before the answer that it belongs to
LOOKED_AT: Final = 500  # accepted mails: if none of them went through a configuration set, no event is missed

_STATES: Final = tuple(sorted(state.value for state in UNFINISHED))
_COUNT = sa.select(sa.func.count()).where(jobs.c.state == sa.bindparam("state"))
_OLDEST = (
    sa.select(jobs.c.first_seen_at)
    .where(jobs.c.state == sa.bindparam("state"), jobs.c.first_seen_at > sa.bindparam("kept_since"))
    .order_by(jobs.c.first_seen_at)
    .limit(1)
)
# Conditions as text, as the indexes have them: bound values would not find a partial one.
_DOUBTS = sa.select(
    *(
        sa.func.count(sa.case((jobs.c.started_at > sa.bindparam(f"after_{n}"), 1))).label(f"up_to_{n}")
        for n in range(len(AGES_S))
    ),
    sa.func.count().label("all"),
).where(sa.text("state = 'in_doubt'"))
_UNCOPIED = (
    sa.select(sa.func.count())
    .select_from(jobs)
    .where(
        sa.text("state = 'dead' AND copied_at IS NULL"),
        ~sa.exists().where(asides.c.queue_message_id == jobs.c.queue_message_id, asides.c.requeued_at.is_not(None)),
    )
)
_LETTERS = sa.select(sa.func.count(), sa.func.min(outbox.c.id)).where(sa.text("due_at IS NOT NULL"))
_LETTER = sa.select(outbox.c.created_at).where(outbox.c.id == sa.bindparam("letter"))
_LAST_EVENT = sa.select(sa.func.max(events.c.recorded_at))
_ACCEPTED = sa.select(jobs.c.accepted_at, jobs.c.configuration_set).where(jobs.c.accepted_at > sa.bindparam("after"))
_LAST = _ACCEPTED.order_by(jobs.c.accepted_at.desc()).limit(LOOKED_AT).subquery()
_FIRST = _ACCEPTED.order_by(jobs.c.accepted_at).limit(LOOKED_AT).subquery()
_LAST_ACCEPTED = sa.select(sa.func.max(_LAST.c.accepted_at)).where(_LAST.c.configuration_set != "")
_FIRST_UNHEARD = sa.select(sa.func.min(_FIRST.c.accepted_at)).where(_FIRST.c.configuration_set != "")


@dataclass(frozen=True, slots=True, kw_only=True)
class SqlStanding:
    """The `Standing` over the store's own worker."""

    store: Store

    async def look(self) -> StoreStanding:
        """Ask all of it; the check write is timed as jobs see it, in turn with theirs."""
        began_s = self.store.clock.boot_s()
        await self.store.check()
        write_s = self.store.clock.boot_s() - began_s
        return await self.store.transact(lambda connection: self._look(connection, write_s))

    def _look(self, connection: sa.Connection, write_s: float) -> StoreStanding:
        now_s = self.store.clock.now().timestamp()
        kept_since = {"kept_since": now_s - KEPT_S}
        states = {state: connection.scalar(_COUNT, {"state": state}) or 0 for state in _STATES}
        oldest = {state: rows.moment(connection.scalar(_OLDEST, {"state": state, **kept_since})) for state in _STATES}
        letters, oldest_letter = connection.execute(_LETTERS).one()
        last_event_s = connection.scalar(_LAST_EVENT)
        disk = self.store.disk
        return StoreStanding(
            states=states,
            oldest={state: at for state, at in oldest.items() if at is not None},
            doubts_by_age=_doubts(connection, now_s),
            dead_without_copy=connection.scalar(_UNCOPIED) or 0,
            letters=letters,
            oldest_letter_at=rows.moment(connection.scalar(_LETTER, {"letter": oldest_letter})),  # ids rise with time
            last_event_at=rows.moment(last_event_s),
            last_accepted_at=rows.moment(connection.scalar(_LAST_ACCEPTED, {"after": 0.0})),
            unheard_since=rows.moment(connection.scalar(_FIRST_UNHEARD, {"after": (last_event_s or 0.0) + HEARD_S})),
            free_bytes=shutil.disk_usage(disk).free if disk is not None else None,
            write_s=write_s,
        )


def _doubts(connection: sa.Connection, now_s: float) -> Mapping[float, int]:
    """Of each span of ages its own; a doubt without a time is the oldest of all."""
    found = connection.execute(_DOUBTS, {f"after_{n}": now_s - age_s for n, age_s in enumerate(AGES_S)}).one()
    counts, below = dict[float, int](), 0
    for upper_s, up_to in zip((*AGES_S, math.inf), found, strict=True):
        counts[upper_s], below = up_to - below, up_to
    return counts
