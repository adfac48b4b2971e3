"""What daemons and people leave on the board, put there for a command to find."""

import json
import time
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

from tank_mailer.core.view import LaneView, NodeView, PauseView
from tests.cli.conftest import StoreFile


def ago(seconds: float) -> datetime:
    return datetime.now(UTC) - timedelta(seconds=seconds)


def make_node(name: str = "mail-1", **changes: Any) -> NodeView:
    lanes = {"ordinary": LaneView(queue="jobs", visible=0, asked_at=ago(1))}
    fixed: dict[str, Any] = {"process": f"p-{name}", "version": "0.3", "started_at": ago(7200), "seen_at": ago(1)}
    return replace(NodeView(node=name, **fixed, rate=10.0, set_rate=10.0, lanes=lanes), **changes)


def make_pause(concern: str, reason: str, name: str = "", **rest: Any) -> PauseView:
    return PauseView(concern=concern, name=name, reason=reason, **{"since": ago(600)} | rest)


def post(store: StoreFile, *nodes: NodeView, seen_s: float = 1.0) -> None:
    """Nodes that said so `seen_s` seconds ago."""
    for node in nodes:
        values = (f"{node.node}/{node.process}", node.node, time.time() - seen_s, json.dumps(node.shape()))
        store.ask("INSERT INTO nodes (process, node, seen_at, view) VALUES (?, ?, ?, ?)", *values)


def order(store: StoreFile, scope: str, action: str = "pause", *, who: str = "ann@office", note: str = "") -> None:
    sql = "INSERT OR REPLACE INTO orders (scope, action, at, who, note) VALUES (?, ?, ?, ?, ?)"
    store.ask(sql, scope, action, time.time() - 300, who, note or None)
