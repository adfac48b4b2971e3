"""The Python examples as modules."""

import importlib
import sys
from collections.abc import Iterator
from types import ModuleType

import pytest

from tests.producers.languages import EXAMPLES


@pytest.fixture
def outbox(monkeypatch: pytest.MonkeyPatch) -> Iterator[ModuleType]:
    """docs/producers/outbox.py, which asks for producer.py beside it."""
    monkeypatch.syspath_prepend(EXAMPLES)
    yield importlib.import_module("outbox")
    for name in ("outbox", "producer"):
        sys.modules.pop(name, None)


@pytest.fixture
def webhook(monkeypatch: pytest.MonkeyPatch) -> Iterator[ModuleType]:
    """docs/producers/webhook.py."""
    monkeypatch.syspath_prepend(EXAMPLES)
    yield importlib.import_module("webhook")
    sys.modules.pop("webhook", None)
