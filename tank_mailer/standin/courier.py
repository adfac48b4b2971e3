"""An event's way to the topic: late, doubled, out of order or lost, as is set."""

from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from datetime import timedelta
from random import Random

from tank_mailer.standin.event_kinds import EventKind
from tank_mailer.standin.event_settings import EventSettings
from tank_mailer.standin.topics import Notice, Topics


def dice(seed: int) -> Callable[[], float]:
    """Numbers from 0 to 1, the same for the same seed."""
    return Random(seed).random  # noqa: S311 -- no secret


@dataclass(slots=True, kw_only=True, eq=False)
class Courier:
    """Takes what SES publishes to its topic."""

    topics: Topics
    settings: EventSettings
    random: Callable[[], float]
    published: Counter[EventKind] = field(default_factory=Counter)  # copies counted
    lost: Counter[EventKind] = field(default_factory=Counter)

    def reset(self, settings: EventSettings, random: Callable[[], float]) -> None:
        """Begin anew."""
        self.settings = settings
        self.random = random
        self.published.clear()
        self.lost.clear()

    def carry(self, arn: str, notice: Notice, *, kind: EventKind, in_s: float) -> None:
        """Publish an event that happens `in_s` from now, as often and as late as is set; or lose it."""
        if self._loses(kind):
            return
        settings = self.settings
        for _ in range(settings.copies):
            late_s = settings.delay_s + (settings.shuffle_s * self.random() if settings.shuffle_s else 0.0)
            late = replace(notice, at=notice.at + timedelta(seconds=late_s)) if late_s else notice
            self.topics.publish(arn, late, in_s=in_s + late_s)
            self.published[kind] += 1

    def _loses(self, kind: EventKind) -> bool:
        settings = self.settings
        lost = kind in settings.lost_kinds
        if not lost and settings.lost_next:
            self.settings = replace(settings, lost_next=settings.lost_next - 1)
            lost = True
        if not lost and settings.lost_share:
            lost = self.random() < settings.lost_share
        if lost:
            self.lost[kind] += 1
        return lost
