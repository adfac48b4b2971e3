"""How far the demo is."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True, kw_only=True)
class Standing:
    """How far the play is, for the progress display.

    Attributes:
        total: queue messages; `waiting`, `in_work` and `settled` too.
        events: that SES has reported and the daemon has dealt with.
        told: what the web server knows.
    """

    total: int
    waiting: int = 0
    in_work: int = 0
    settled: int = 0
    mails: int = 0
    events: int = 0
    told: int = 0
    in_doubt: int = 0
    deferred: int = 0
    elapsed_s: float = 0.0

    @property
    def progress(self) -> tuple[int, ...]:
        """What changes as long as anything goes on."""
        return self.settled, self.mails, self.events, self.told
