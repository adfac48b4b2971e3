"""The line a minute for CloudWatch: held against the rules of its embedded metric format."""

import asyncio
import json
from dataclasses import replace
from typing import Any

import pytest
from structlog.testing import capture_logs

from tank_mailer.core.errors import Reason
from tank_mailer.core.lanes import ORDINARY, PRIORITY
from tank_mailer.core.view import NodeView
from tank_mailer.flows.figures import EVERY_S, FigureReporter
from tank_mailer.telemetry import metrics
from tank_mailer.telemetry.catalogue import LOG_EVENTS
from tank_mailer.telemetry.render import MAX_LINE_BYTES, Renderer
from tests.metering import AT, FACTS, STANDING, VIEW

QUIET = NodeView("mail-1", "4f1d", "0.1.0", AT, AT)
UNITS = {  # CloudWatch: MetricDatum
    *("Seconds", "Microseconds", "Milliseconds", "Bytes", "Kilobytes", "Percent", "Count", "Count/Second", "None"),
}
FACTS_BY_NAME = {ORDINARY: FACTS, PRIORITY: FACTS, "events": FACTS, "dead_letters/ordinary": FACTS}


def make_reporter(view: NodeView = VIEW, *, is_known: bool = True, namespace: str = "TankMailer") -> FigureReporter:
    return FigureReporter(
        namespace=namespace,
        view=lambda: view,
        facts=lambda: FACTS_BY_NAME if is_known else {},
        standing=lambda: STANDING if is_known else None,
        oldest_s=lambda: {ORDINARY: 12.54, PRIORITY: 0.5} if is_known else {},
    )


def reported(reporter: FigureReporter) -> dict[str, Any]:
    with capture_logs() as lines:
        reporter.report()
    (line,) = lines
    return dict(line)


def line_of(reporter: FigureReporter, *, node: str = "mail-1", fmt: Any = "json") -> str:
    fields = reported(reporter)
    level = fields.pop("log_level")
    return Renderer(node=node, fmt=fmt, now=AT.timestamp)(None, level, fields)


def break_rules(text: str) -> list[str]:
    """What CloudWatch would not take (embedded metric format specification)."""
    line = json.loads(text)
    broken = [] if len(text.encode()) < 256 * 1024 else ["an event may be 256 KiB"]
    aws = line["_aws"]
    if not isinstance(aws["Timestamp"], int) or not 10**12 < aws["Timestamp"] < 10**13:
        broken.append("Timestamp: milliseconds")
    for directive in aws["CloudWatchMetrics"]:
        if not 1 <= len(directive["Namespace"]) <= 255:
            broken.append("Namespace")
        if not 1 <= len(directive["Metrics"]) <= 100:
            broken.append("1 to 100 metrics")
        for dimensions in directive["Dimensions"]:
            broken += [f"{name}: a string" for name in dimensions if not isinstance(line.get(name), str)]
            if len(dimensions) > 30:
                broken.append("30 dimensions")
        for metric in directive["Metrics"]:
            if metric.keys() != {"Name", "Unit"} or metric["Unit"] not in UNITS:
                broken.append(f"{metric}: unit")
            if type(line.get(metric["Name"])) not in {int, float}:
                broken.append(f"{metric['Name']}: a number at the root")
        if len({metric["Name"] for metric in directive["Metrics"]}) != len(directive["Metrics"]):
            broken.append("a name twice")
    return broken


@pytest.mark.parametrize("is_known", [True, False], ids=["all-is-known", "nothing-is-known"])
@pytest.mark.parametrize("view", [VIEW, QUIET], ids=["a-busy-node", "one-that-has-just-begun"])
def test_a_line_keeps_the_rules(view: NodeView, is_known: bool) -> None:
    text = line_of(make_reporter(view, is_known=is_known))

    assert break_rules(text) == []


def test_the_longest_line_is_whole() -> None:
    """Longer ones journalctl shows as null, and a clipped one is no metric."""
    text = line_of(make_reporter(namespace="N" * 255), node="n" * 253)

    assert len(text.encode()) < MAX_LINE_BYTES
    assert "clipped" not in text
    assert break_rules(text) == []


def test_it_is_a_log_line_like_all_others() -> None:
    line = json.loads(line_of(make_reporter()))
    (known,) = [event for event in LOG_EVENTS if event.name == "figures_reported"]

    assert list(line)[:4] == ["at", "level", "event", "node"]
    assert (line["event"], line["level"], line["node"]) == ("figures_reported", "info", "mail-1")
    assert set(line) - {"at", "level", "event", "node"} == set(known.fields)


def test_how_things_stand() -> None:
    line = json.loads(line_of(make_reporter()))
    aws = line.pop("_aws")
    figures = {name: value for name, value in line.items() if name not in {"at", "level", "event", "node"}}

    assert figures == {
        "accepted": 40_000,
        "refused": 0,
        "throttled": 5,
        "failed": 3,
        "dead": 0,
        "queue_visible": 14,
        "dead_letter_queue_messages": 10,
        "oldest_age_s": 12.5,
        "in_doubt": 2,
        "outbox_letters": 12,
        "bounce_rate": 0.02,
        "complaint_rate": 0.0005,
        "rate": 10.5,
        "quota_used_share": 0.8,
        "paused": 0,
    }
    assert aws["Timestamp"] == AT.timestamp() * 1_000
    assert aws["CloudWatchMetrics"][0]["Namespace"] == "TankMailer"
    assert aws["CloudWatchMetrics"][0]["Dimensions"] == [["node"], []]


def test_what_is_not_known_is_left_out() -> None:
    line = reported(make_reporter(QUIET, is_known=False))

    assert line.keys() - {"event", "log_level", "_aws"} == {
        *("accepted", "refused", "throttled", "failed", "dead", "oldest_age_s", "rate", "paused"),
    }


def test_counts_are_of_the_time_since_the_last_line() -> None:
    """CloudWatch adds them up."""
    view = VIEW
    reporter = replace(make_reporter(), view=lambda: view)
    first = reported(reporter)
    view = replace(VIEW, outcomes={**VIEW.outcomes, "accepted": 40_007, "in_doubt": 1})
    metrics.dead_lettered(Reason.IN_DOUBT)
    second, third = reported(reporter), reported(reporter)

    assert [line["accepted"] for line in (first, second, third)] == [40_000, 7, 0]
    assert [line["failed"] for line in (first, second, third)] == [3, 1, 0]
    assert [line["dead"] for line in (first, second, third)] == [0, 1, 0]


def test_a_lane_that_is_not_polled_is_a_pause() -> None:
    lanes = {**VIEW.lanes, PRIORITY: replace(VIEW.lanes[PRIORITY], is_polled=False)}

    assert reported(make_reporter(replace(VIEW, lanes=lanes)))["paused"] == 1


def test_people_at_a_terminal_get_the_figures_alone() -> None:
    text = line_of(make_reporter(), fmt="console")

    assert "accepted=40000" in text
    assert "_aws" not in text


async def test_there_is_one_a_minute() -> None:
    with capture_logs() as lines:
        running = asyncio.create_task(make_reporter().run())
        await asyncio.sleep(3 * EVERY_S + 1)
        running.cancel()
        await asyncio.gather(running, return_exceptions=True)

    assert [line["event"] for line in lines] == ["figures_reported"] * 3
