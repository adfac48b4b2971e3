"""How often which operation ended how."""

from collections import defaultdict
from dataclasses import dataclass, field

CALLS = "calls"


def _empty() -> defaultdict[tuple[str, str], defaultdict[str, int]]:
    return defaultdict(lambda: defaultdict(int))


@dataclass(slots=True, eq=False)
class Counts:
    """Calls by service and operation, and their outcomes: `ok`, an error's name, `fault:KIND`.

    A request that is processed and struck by a fault as well is one call with two outcomes.
    """

    _by_operation: defaultdict[tuple[str, str], defaultdict[str, int]] = field(default_factory=_empty)

    def call(self, service: str, operation: str) -> None:
        """A request came in."""
        self._by_operation[service, operation][CALLS] += 1

    def outcome(self, service: str, operation: str, outcome: str) -> None:
        """It ended so."""
        self._by_operation[service, operation][outcome] += 1

    def of(self, service: str, operation: str, outcome: str = CALLS) -> int:
        """How many; 0 for what never happened."""
        return self._by_operation[service, operation][outcome] if (service, operation) in self._by_operation else 0

    def shown(self) -> dict[str, dict[str, dict[str, int]]]:
        """By service, operation and outcome."""
        shown: dict[str, dict[str, dict[str, int]]] = {"sqs": {}, "ses": {}}
        for (service, operation), outcomes in sorted(self._by_operation.items()):
            shown.setdefault(service, {})[operation] = dict(outcomes)
        return shown

    def clear(self) -> None:
        """Begin anew."""
        self._by_operation.clear()
