"""The board that people import: as it is made, of what the daemon tells, and as Grafana wants it."""

import json
import re
import shutil
import subprocess
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import pytest

from tank_mailer.settings import Settings
from tank_mailer.telemetry.measures import BY_NAME, Kind
from tests.project import grafana_board, promql

FILE = Path(__file__).parents[2] / "config" / "grafana" / "tank-mailer.json"
PROMTOOL = shutil.which("promtool")
UNITS = {"short", "s", "bytes", "percentunit", "cps"}  # Grafana: categories of its value formats
KINDS = {"timeseries", "stat", "table", "heatmap"}
VARIABLES = {"$job": "tank-mailer", "$instance": ".*", "$__rate_interval": "1m"}
# What each node tells of itself; all other gauges are of account, queues and store: every node says the same.
OF_EACH_NODE = {
    *("ready", "draining", "slots", "jobs_in_flight", "lane_recipients_waiting", "lane_messages_in_hand"),
    *("lane_requests_in_flight", "lane_polled", "start_timestamp_seconds", "store_free_bytes"),
}

BOARD: Mapping[str, Any] = json.loads(FILE.read_text(encoding="utf-8"))
PANELS = [one for one in BOARD["panels"] if one["type"] != "row"]
each_panel = pytest.mark.parametrize("panel", PANELS, ids=lambda one: one["title"])


def _queries() -> Iterator[tuple[str, str, str]]:
    for panel in PANELS:
        for target in panel["targets"]:
            yield panel["title"], target["expr"], target["legendFormat"]
    for mark in BOARD["annotations"]["list"]:
        if "expr" in mark:
            yield mark["name"], mark["expr"], mark["textFormat"]


QUERIES = list(_queries())
each_query = pytest.mark.parametrize(
    ("title", "expr", "legend"), QUERIES, ids=[f"{title}-{legend}" for title, _, legend in QUERIES]
)


def test_the_file_is_as_it_is_made() -> None:
    """To change it: `python -m tests.project.grafana_board > config/grafana/tank-mailer.json`."""
    assert FILE.read_text(encoding="utf-8") == grafana_board.text()


# --- queries ---------------------------------------------------------------------------------------


@each_query
def test_a_query_fits_the_catalogue(title: str, expr: str, legend: str) -> None:
    assert promql.faults(expr) == []
    assert not promql.recorded(expr), "a board has to do without our rules"


@each_query
def test_a_query_is_of_the_chosen_installation(title: str, expr: str, legend: str) -> None:
    for one in promql.selectors(expr):
        assert ("job", "=", "$job") in one.matchers


@each_query
def test_a_legend_names_labels_that_are_there(title: str, expr: str, legend: str) -> None:
    labels = set(re.findall(r"{{(\w+)}}", legend))
    is_grouped = bool(re.search(r"\b(sum|max|min|count)\b", expr))
    own = {label.name for name in promql.metrics(expr) for label in BY_NAME[name].labels}

    assert labels <= (promql.groupings(expr) if is_grouped else own | promql.OF_SCRAPING)


@each_query
def test_what_all_nodes_share_is_not_added_up(title: str, expr: str, legend: str) -> None:
    """Two nodes that both tell of 40 messages have 40, not 80."""
    added = re.findall(r"sum(?: by \([^)]*\))? \(?(tank_mailer_\w+)\{", expr.replace("sum(", "sum ("))

    assert {promql.KNOWN[name].name for name in added if promql.KNOWN[name].kind is Kind.GAUGE} <= OF_EACH_NODE


@pytest.mark.skipif(PROMTOOL is None, reason="promtool is not here (Debian: prometheus)")
def test_promtool_understands_the_queries(tmp_path: Path) -> None:
    rules = []
    for number, (_, expr, _) in enumerate(QUERIES):
        text = expr
        for name, value in VARIABLES.items():
            text = text.replace(name, value)
        rules.append({"record": f"q:q{number}", "expr": text})
    file = tmp_path / "rules.json"  # JSON is YAML
    file.write_text(json.dumps({"groups": [{"name": "board", "rules": rules}]}), encoding="utf-8")
    done = subprocess.run(["promtool", "check", "rules", str(file)], capture_output=True, check=False, timeout=60)

    assert done.returncode == 0, done.stderr.decode()


# --- panels ----------------------------------------------------------------------------------------


@each_panel
def test_a_panel_says_what_it_shows_and_what_to_do(panel: Mapping[str, Any]) -> None:
    defaults = panel["fieldConfig"]["defaults"]

    assert panel["title"]
    assert panel["description"].endswith(".")
    assert panel["type"] in KINDS
    assert defaults["unit"] in UNITS
    steps = [step["value"] for step in defaults["thresholds"]["steps"]]
    assert steps[0] is None
    assert steps[1:] == sorted(steps[1:])
    assert len({target["refId"] for target in panel["targets"]}) == len(panel["targets"]) > 0


def test_no_panel_lies_over_another_and_none_leaves_the_grid() -> None:
    taken = dict[tuple[int, int], str]()
    for panel in BOARD["panels"]:
        grid = panel["gridPos"]
        assert grid["x"] >= 0
        assert grid["x"] + grid["w"] <= 24
        for x in range(grid["x"], grid["x"] + grid["w"]):
            for y in range(grid["y"], grid["y"] + grid["h"]):
                assert (x, y) not in taken, f"{panel['title']} over {taken.get((x, y))}"
                taken[x, y] = panel["title"]


def test_no_row_of_panels_has_a_gap() -> None:
    filled = set[tuple[int, int]]()
    for panel in BOARD["panels"]:
        grid = panel["gridPos"]
        filled |= {(x, grid["y"]) for x in range(grid["x"], grid["x"] + grid["w"])}
    for y in {y for _, y in filled}:
        assert {x for x, at in filled if at == y} == set(range(24)), f"at {y}"


def test_numbers_and_titles_are_there_once() -> None:
    assert len({one["id"] for one in BOARD["panels"]}) == len(BOARD["panels"])
    assert len({one["title"] for one in BOARD["panels"]}) == len(BOARD["panels"])


@pytest.mark.parametrize(
    "metric",
    [
        *("rate_in_force_recipients_per_second", "rate_account_recipients_per_second", "tokens_used_total"),
        *("lane_messages_in_hand", "recipients_accepted_total", "attempts_total", "attempt_duration_seconds"),
        *("job_age_seconds", "bounces_ratio", "complaints_ratio", "recipients_reported_total"),
        *("quota_used_recipients", "quota_limit_recipients", "doubts", "dead_letter_queue_messages"),
        *("dead_letters_total", "events_recorded_total", "event_lag_seconds"),
    ],
)
def test_what_an_operator_asks_for_is_on_the_board(metric: str) -> None:
    """Rate against limit, lanes, outcomes, latency, reputation, domains, quota, doubts, dead letters, events."""
    assert any(metric in promql.metrics(expr) for _, expr, _ in QUERIES)


@pytest.mark.parametrize(
    ("kind", "warn", "pause"),
    [
        pytest.param("bounces", "bounce_warn", "bounce_pause", id="bounces"),
        pytest.param("complaints", "complaint_warn", "complaint_pause", id="complaints"),
    ],
)
def test_reputation_is_shown_against_aws_s_lines(kind: str, warn: str, pause: str) -> None:
    """They are the defaults of the settings, too."""
    lines = [Settings.model_fields[name].default for name in (warn, pause)]
    shown = [one for one in PANELS if any(f"{kind}_ratio" in target["expr"] for target in one["targets"])]

    assert {one["type"] for one in shown} == {"stat", "timeseries"}
    for panel in shown:
        defaults = panel["fieldConfig"]["defaults"]
        assert [step["value"] for step in defaults["thresholds"]["steps"]] == [None, *lines]
        if panel["type"] == "timeseries":
            assert defaults["custom"]["thresholdsStyle"]["mode"] == "line"


# --- the whole -------------------------------------------------------------------------------------


def sources(part: Any) -> Iterator[Mapping[str, str]]:
    match part:
        case dict():
            if isinstance(part.get("datasource"), dict):
                yield part["datasource"]
            for inner in part.values():
                yield from sources(inner)
        case list():
            for inner in part:
                yield from sources(inner)
        case _:
            pass


def test_it_can_be_imported_anywhere() -> None:
    """No data source of ours, no number of ours: what Grafana has is asked for by a variable."""
    variables = {one["name"]: one for one in BOARD["templating"]["list"]}

    assert BOARD["id"] is None
    assert {one["uid"] for one in sources(BOARD)} == {"${datasource}", "-- Grafana --"}
    assert variables["datasource"]["type"] == "datasource"
    assert variables["datasource"]["query"] == "prometheus"
    used = set(re.findall(r"\$\{?(\w+)", json.dumps(BOARD))) - {"__rate_interval", "__all"}
    assert used == set(variables)
    assert BOARD["refresh"] == "30s"


def test_it_says_which_grafana_it_needs() -> None:
    required = {(one["type"], one["id"]) for one in BOARD["__requires"]}

    assert {("panel", kind) for kind in KINDS} <= required
    assert {one["type"] for one in PANELS} == KINDS
    assert BOARD["schemaVersion"] == grafana_board.SCHEMA
