"""What the store has kept of what came back: SES's events, the suppressions, the news for the web server."""

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

import sqlalchemy as sa
from sqlalchemy.ext.asyncio import AsyncEngine

from tank_mailer.adapters.desk_suppressions import read_entry
from tank_mailer.adapters.schema import events, outbox, suppressions
from tank_mailer.core.event import EventKind
from tank_mailer.core.suppression import Entry as Suppression


@dataclass(frozen=True, slots=True, kw_only=True)
class Memory:
    """The store at one moment.

    Attributes:
        reported: how many events of each kind; one that concerns several recipients by itself counts for each.
        kinds: what was reported of each recipient, by email_id and address, in the order in which it happened.
        suppressions: the list, oldest first.
        letters: the news of each job, in the order in which they were written.
    """

    reported: Counter[EventKind] = field(default_factory=Counter)
    kinds: Mapping[tuple[str, str], Sequence[EventKind]] = field(default_factory=dict)
    suppressions: Sequence[Suppression] = ()
    letters: Mapping[str, Sequence[str]] = field(default_factory=dict)


async def read_memory(engine: AsyncEngine) -> Memory:
    """Read everything once."""
    async with engine.connect() as connection:
        happened = await connection.execute(
            sa.select(events.c.kind, events.c.email_id, events.c.recipient).order_by(events.c.occurred_at)
        )
        found = happened.tuples().all()
        listed = await connection.execute(sa.select(suppressions).order_by(suppressions.c.created_at))
        entries = [read_entry(record) for record in listed.mappings()]
        posted = await connection.execute(sa.select(outbox.c.email_id, outbox.c.payload).order_by(outbox.c.id))
        written = posted.tuples().all()
    kinds = dict[tuple[str, str], list[EventKind]]()
    for kind, email_id, recipient in found:
        if email_id is not None and recipient is not None:
            kinds.setdefault((email_id, recipient), []).append(EventKind(kind))
    letters = dict[str, list[str]]()
    for email_id, payload in written:
        if payload not in letters.setdefault(email_id, []):  # the same words have the same id: told once
            letters[email_id].append(payload)
    return Memory(
        reported=Counter(EventKind(kind) for kind, _, _ in found),
        kinds=kinds,
        suppressions=entries,
        letters=letters,
    )


async def count_untold(engine: AsyncEngine) -> int:
    """How many letters wait for the web server."""
    async with engine.connect() as connection:
        return await connection.scalar(sa.select(sa.func.count()).where(outbox.c.due_at.is_not(None))) or 0
