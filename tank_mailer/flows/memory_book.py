"""Alerts that must not need the store, for they say that it is sick: kept in memory, by each node for itself."""

from collections.abc import Sequence
from dataclasses import dataclass, field, replace

from tank_mailer.core.alerting import Close, End, Entry, Forget, Key, Raise, See, Step, Tell


@dataclass(slots=True, eq=False)
class MemoryBook:
    """The `AlertBook` of one process; a restart forgets it."""

    _entries: dict[Key, Entry] = field(default_factory=dict)

    async def entries(self) -> Sequence[Entry]:
        """All of it."""
        return [self._entries[key] for key in sorted(self._entries)]

    async def take(self, steps: Sequence[Step]) -> Sequence[Step]:
        """Take these steps together."""
        return [step for step in steps if self._take(step)]

    def _take(self, step: Step) -> bool:
        key = step.entry.key
        before = self._entries.get(key)
        after = _after(step, before)
        if after is not None:
            self._entries[key] = after
        elif isinstance(step, Forget) and before is not None and before.ended_at == step.entry.ended_at:
            del self._entries[key]
        else:
            return False
        return True


def _after(step: Step, before: Entry | None) -> Entry | None:
    """What stands there then; None: the step does not fit what stands there, or takes it away."""
    if before is None:
        return step.entry if isinstance(step, Raise) and step.ended_at is None else None
    match step:
        case Raise(entry, ended_at) if ended_at is not None and before.ended_at == ended_at:
            return replace(entry, told_at=before.told_at)
        case See(entry) if before.is_on:
            return replace(before, seen_at=entry.seen_at, detail=entry.detail, remedy=entry.remedy)
        case End(entry, at) if before.is_on and before.seen_at == entry.seen_at:
            return replace(before, ended_at=at)
        case Tell(entry, at) if before.since == entry.since:
            return replace(before, told_at=at)
        case Close(entry, at) if before.ended_at == entry.ended_at:
            return replace(before, closed_at=at)
        case Raise() | See() | End() | Tell() | Close() | Forget():
            return None
