"""The order of the tests: those that wait most go first, or the others would wait for them at the end."""

from collections.abc import Sequence
from pathlib import Path

import pytest

WHOLE = Path(__file__).parent / "whole"
SLOW = ("test_feedback.py", "test_daemon.py", "test_nodes.py")  # leases of killed daemons run out there


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Daemons as processes first: mostly they wait, and their pace is truest while nothing computes beside them."""
    workers = int(getattr(config, "workerinput", {}).get("workercount", 1))
    whole = sorted((item for item in items if WHOLE in item.path.parents), key=lambda item: item.path.name not in SLOW)
    rest = [item for item in items if WHOLE not in item.path.parents]
    items[:] = dealt(whole, rest, workers)


def dealt(first: Sequence[pytest.Item], rest: Sequence[pytest.Item], workers: int) -> list[pytest.Item]:
    """In equal stretches, as pytest-xdist gives them out: each begins with its part of the first ones.

    The rest stays in its order, so that what a module shares is made once or twice and not by every worker.
    """
    size = (len(first) + len(rest)) / workers
    order, taken = list[pytest.Item](), 0
    for worker in range(workers):
        own = first[worker::workers]
        end = max(taken, min(len(rest), round(size * (worker + 1)) - len(order) - len(own) + taken))
        order += [*own, *rest[taken:end]]
        taken = end
    return order + list(rest[taken:])
