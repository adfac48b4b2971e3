"""When attempts of different jobs come to nothing in a row, it is not the jobs."""

from dataclasses import dataclass

from tank_mailer.core.outcome import Accepted, Failed, Held, InDoubt, Outcome, Refused, Throttled, Unreachable

TRIPS_AT = 5  # DESIGN 5


@dataclass(frozen=True, slots=True)
class Breaker:
    """The jobs whose last attempts came to nothing, none accepted between."""

    jobs: frozenset[str] = frozenset()

    @property
    def is_tripped(self) -> bool:
        """Whether SES, or the way to it, is to be left alone for now."""
        return len(self.jobs) >= TRIPS_AT

    def after(self, outcome: Outcome, email_id: str) -> "Breaker":
        """Count one more attempt; only an acceptance proves that SES works."""
        match outcome:
            case Unreachable() | Failed() | InDoubt():
                return Breaker(self.jobs | {email_id})
            case Accepted():
                return Breaker()
            case Refused() | Throttled() | Held():
                return self
