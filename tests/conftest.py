"""The order of the tests: those that wait most go first, or the others would wait for them at the end."""

from pathlib import Path

import pytest

WHOLE = Path(__file__).parent / "whole"
SLOW = ("test_feedback.py", "test_daemon.py", "test_nodes.py")  # leases of killed daemons run out there


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Daemons as processes first: mostly they wait, and their pace is truest while nothing computes beside them."""
    items.sort(key=_turn)


def _turn(item: pytest.Item) -> int:
    if WHOLE not in item.path.parents:
        return 2
    return 0 if item.path.name in SLOW else 1
