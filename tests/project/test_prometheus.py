"""Rules, their tests, the examples beside them and the operator's page agree with each other and with the metrics."""

import re
import shutil
import subprocess
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import pytest
import typer
import yaml  # type: ignore[import-untyped]  # moto brings it along

from tank_mailer.cli.program import build
from tank_mailer.core.alerts import AlertName, Severity
from tank_mailer.core.errors import Reason
from tank_mailer.settings import Settings
from tank_mailer.telemetry.catalogue import LOG_EVENTS
from tank_mailer.telemetry.measures import Ending
from tests.project import promql
from tests.project.grafana_board import ROWS
from tests.project.tables import TROUBLESHOOTING, first_words, section, table, words

ROOT = Path(__file__).parents[2]
FOLDER = ROOT / "config" / "prometheus"
RULES, OWN, TESTS = FOLDER / "rules.yaml", FOLDER / "own_alerts.yaml", FOLDER / "rules_test.yaml"
SCRAPE, ROUTES, DRILL = FOLDER / "prometheus.yaml", FOLDER / "alertmanager.yaml", FOLDER / "drill.sh"
PAGE = ROOT / "docs" / "monitoring.md"
PROMTOOL, AMTOOL = shutil.which("promtool"), shutil.which("amtool")
needs_promtool = pytest.mark.skipif(PROMTOOL is None, reason="promtool is not here (Debian: prometheus)")
needs_amtool = pytest.mark.skipif(AMTOOL is None, reason="amtool is not here (Debian: prometheus-alertmanager)")

Rule = Mapping[str, Any]


def read(path: Path) -> Any:
    return yaml.safe_load(path.read_text(encoding="utf-8"))


def rules(kind: str) -> list[Rule]:
    groups = [group for path in (RULES, OWN) for group in read(path)["groups"]]
    return [rule for group in groups for rule in group["rules"] if kind in rule]


ALERTS = {rule["alert"]: rule for rule in rules("alert")}
RECORDED = {rule["record"]: rule for rule in rules("record")}
CASES: Sequence[Rule] = read(TESTS)["tests"]
EXPRESSIONS = {name: rule["expr"] for name, rule in (RECORDED | ALERTS).items()}
each_alert = pytest.mark.parametrize("name", ALERTS)


# --- rules -----------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", EXPRESSIONS)
def test_an_expression_fits_the_catalogue(name: str) -> None:
    """A label that is misspelt keeps an alert silent for ever, and nothing says so."""
    expression = EXPRESSIONS[name]

    assert promql.faults(expression) == []
    assert promql.recorded(expression) <= RECORDED.keys()


@pytest.mark.parametrize("name", EXPRESSIONS)
def test_an_own_alert_that_a_rule_names_is_one(name: str) -> None:
    named = re.findall(r'\balert=~?"([^"]+)"', EXPRESSIONS[name])

    assert {word for value in named for word in value.split("|")} <= set(AlertName)


def test_no_rule_is_there_twice() -> None:
    assert len(ALERTS) == len(rules("alert"))
    assert len(RECORDED) == len(rules("record"))


@pytest.mark.parametrize("name", RECORDED)
def test_a_recorded_name_says_by_what_it_is_grouped(name: str) -> None:
    """Prometheus: level:metric:operations."""
    level, metric, operation = name.split(":")

    assert metric.startswith("tank_mailer_")
    assert operation
    assert set(level.split("_")) <= promql.groupings(EXPRESSIONS[name])


@each_alert
def test_an_alert_says_who_must_look_and_what_to_do(name: str) -> None:
    rule = ALERTS[name]
    told = rule["annotations"]

    assert re.fullmatch(r"Tank([A-Z][a-z]+)+", name)
    assert set(rule["labels"]) == {"severity"}
    assert rule["labels"]["severity"] in set(Severity)
    assert set(told) == {"summary", "remedy", "runbook"}
    assert all(text == text.strip() and text for text in told.values())
    assert len(told["summary"]) < 120


@each_alert
def test_a_runbook_is_there(name: str) -> None:
    page, _, anchor = ALERTS[name]["annotations"]["runbook"].partition("#")
    text = (ROOT / page).read_text(encoding="utf-8")
    headings = re.findall(r"^#+ (.*)$", text, re.MULTILINE)

    assert anchor in {re.sub(r"[^a-z0-9 _-]", "", one.lower()).replace(" ", "-") for one in headings}


def _texts() -> Iterator[tuple[str, str]]:
    for name, rule in ALERTS.items():
        yield name, "\n".join(rule["annotations"].values())
    for panels in ROWS.values():
        for panel in panels:
            yield panel.title, panel.about


TEXTS = list(_texts())
PROGRAM: Any = typer.main.get_command(build())


@pytest.mark.parametrize(("whose", "text"), TEXTS, ids=[whose for whose, _ in TEXTS])
def test_commands_and_settings_that_are_named_are_there(whose: str, text: str) -> None:
    """Rules and board are read at night, by somebody who has not written them."""
    for first, second in re.findall(r"tank-mailer ([a-z-]+)(?: ([a-z-]+))?", text):
        command = PROGRAM.commands[first]
        assert not hasattr(command, "commands") or second in command.commands, f"{first} {second}"
    for name in re.findall(r"\bTANK_([A-Z_]+)", text):
        assert name.lower() in Settings.model_fields, name


@pytest.mark.parametrize(("whose", "text"), TEXTS, ids=[whose for whose, _ in TEXTS])
def test_words_of_ours_that_are_named_are_there(whose: str, text: str) -> None:
    """Log events, alerts, reasons, endings: whoever searches the log for one that is not written finds nothing."""
    known = {event.name for event in LOG_EVENTS} | set(AlertName) | set(Reason) | set(Ending)
    of_others = {"scrape_configs", "dead_letter"}  # Prometheus's; a verdict

    assert set(re.findall(r"(?<![\w/.])[a-z]+(?:_[a-z]+)+", text)) <= known | of_others


def test_every_metric_is_watched_by_a_rule_or_shown_on_the_board() -> None:
    """What is neither is there for nobody."""
    shown = [query for panels in ROWS.values() for panel in panels for query, _ in panel.queries]
    used = set[str]().union(*(promql.metrics(one) for one in (*EXPRESSIONS.values(), *shown)))

    assert used == {measure.name for measure in promql.KNOWN.values()}


def test_what_is_counted_up_to_a_number_is_there_from_the_start() -> None:
    """Prometheus sees no increase where a series begins: a hundred bad jobs at once would be none."""
    invalid = set(first_words(table(TROUBLESHOOTING, "A job is invalid")))
    no_event = set(words(section(TROUBLESHOOTING, "An event is put aside"))) & set(Reason)

    assert {("delete", reason) for reason in invalid} <= set(promql.KNOWN["tank_mailer_jobs_settled_total"].preset)
    assert {(reason,) for reason in no_event} == set(promql.KNOWN["tank_mailer_events_quarantined_total"].preset)


# --- their tests -----------------------------------------------------------------------------------


def checks(name: str) -> list[Rule]:
    return [one for case in CASES for one in case.get("alert_rule_test", ()) if one["alertname"] == name]


@each_alert
def test_an_alert_is_tested_firing_and_silent(name: str) -> None:
    expected = [one["exp_alerts"] for one in checks(name)]
    fired = [alert for alerts in expected for alert in alerts]

    assert fired
    assert [] in expected
    for alert in fired:
        assert alert["exp_labels"]["severity"] == ALERTS[name]["labels"]["severity"]
        assert alert["exp_annotations"].keys() == ALERTS[name]["annotations"].keys()


@each_alert
def test_an_alert_that_waits_is_tested_before_its_time(name: str) -> None:
    """In the case in which it fires later, it is silent first."""
    if "for" not in ALERTS[name]:
        return
    own = [[one for one in case.get("alert_rule_test", ()) if one["alertname"] == name] for case in CASES]
    firing = [some for some in own if any(one["exp_alerts"] for one in some)]

    assert all(not some[0]["exp_alerts"] for some in firing)


@pytest.mark.parametrize("name", RECORDED)
def test_a_recorded_series_is_tested(name: str) -> None:
    tested = [one["expr"] for case in CASES for one in case.get("promql_expr_test", ())]

    assert any(name in one for one in tested)


def test_nothing_is_tested_that_is_not_there() -> None:
    assert {one["alertname"] for case in CASES for one in case.get("alert_rule_test", ())} == set(ALERTS)
    assert len({case["name"] for case in CASES}) == len(CASES)


@pytest.mark.parametrize("case", CASES, ids=lambda case: case["name"])
def test_the_series_of_a_case_could_be_scraped(case: Rule) -> None:
    """A case over labels that no daemon has would prove nothing."""
    for one in case["input_series"]:
        (selector,) = promql.selectors(one["series"])
        if selector.name == "up":
            continue
        measure = promql.KNOWN[selector.name]
        labels = {label.name: label.values for label in measure.labels}
        given = {label: value for label, _, value in selector.matchers if label not in promql.OF_SCRAPING | {"le"}}
        assert given.keys() == labels.keys() or not labels, one["series"]
        for label, value in given.items():
            assert value in labels[label] or label == "version", one["series"]
        bounds = [value for label, _, value in selector.matchers if label == "le"]
        assert all(bound == "+Inf" or float(bound) in measure.buckets for bound in bounds), one["series"]


@needs_promtool
def test_promtool_has_the_rules_do_what_their_tests_say() -> None:
    done = run("promtool", "test", "rules", TESTS.name)

    assert done.returncode == 0, done.stdout + done.stderr


@needs_promtool
@pytest.mark.parametrize("path", [RULES, OWN], ids=lambda path: path.name)
def test_promtool_takes_the_rules(path: Path) -> None:
    assert run("promtool", "check", "rules", path.name).returncode == 0


def run(*command: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(command, cwd=FOLDER, capture_output=True, text=True, check=False, timeout=300)


# --- scraping and routes ---------------------------------------------------------------------------


def commented(path: Path) -> str:
    """What stands in comments of `scrape_configs` and is meant to be taken in."""
    _, _, rest = path.read_text(encoding="utf-8").partition("scrape_configs:")
    return "".join(line[4:] + "\n" for line in rest.splitlines() if re.match(r"  # (- |  )", line))


def test_a_scrape_is_of_where_the_daemon_listens_and_is_seen_by_the_rules() -> None:
    settings = read(SCRAPE)
    (job,) = settings["scrape_configs"]
    (elsewhere,) = yaml.safe_load(commented(SCRAPE))

    assert [target for group in job["static_configs"] for target in group["targets"]] == [
        Settings.model_fields["http_listen"].default
    ]
    assert settings["rule_files"] == [RULES.name, OWN.name]
    for one in (job, elsewhere):
        assert re.fullmatch("tank-mailer.*", one["job_name"])
        assert one.get("metrics_path", "/metrics") == "/metrics"
    assert elsewhere["authorization"].keys() == {"credentials_file"}


@needs_promtool
def test_promtool_takes_both_ways_to_scrape(tmp_path: Path) -> None:
    token = tmp_path / "token"
    token.write_text("0123456789abcdef", encoding="utf-8")
    settings = read(SCRAPE)
    settings["rule_files"] = [str(FOLDER / name) for name in settings["rule_files"]]
    settings["scrape_configs"] = yaml.safe_load(
        commented(SCRAPE).replace("/etc/prometheus/tank-mailer.token", str(token))
    )
    other = tmp_path / "prometheus.yaml"
    other.write_text(yaml.safe_dump(settings), encoding="utf-8")

    for path in (SCRAPE, other):
        done = run("promtool", "check", "config", str(path))
        assert done.returncode == 0, done.stdout + done.stderr


def routes() -> Iterator[Rule]:
    top = read(ROUTES)["route"]
    yield top
    yield from top["routes"]


def test_each_severity_has_a_receiver_and_none_is_the_mail_that_is_judged() -> None:
    receivers = {one["name"]: one for one in read(ROUTES)["receivers"]}

    assert {one["receiver"] for one in routes()} == set(receivers)
    assert not any("email_configs" in one for one in receivers.values())
    assert all(hook["send_resolved"] for one in receivers.values() for hook in one["webhook_configs"])
    assert [one.get("matchers") for one in routes()] == [None, [f'severity="{Severity.CRITICAL}"']]


def test_what_is_kept_back_is_an_alert() -> None:
    """Inhibition by a name that is not there keeps nothing back, and nobody notices."""
    names = set(ALERTS) | set(AlertName)
    for one in read(ROUTES)["inhibit_rules"]:
        assert one["equal"] == ["job"]
        for side in ("source_matchers", "target_matchers"):
            for label, operator, value in (promql_matcher(text) for text in one[side]):
                assert label in {"alertname", "alert"}
                if operator.endswith("~"):
                    spelled = re.sub(r"(\w+)\(([^)]*)\)", lambda m: "|".join(m[1] + w for w in m[2].split("|")), value)
                    assert value == "Tank.+" or set(spelled.split("|")) <= names, value
                else:
                    assert value in names


def promql_matcher(text: str) -> tuple[str, str, str]:
    found = re.fullmatch(r'(\w+)(=~|!~|!=|=)"([^"]*)"', text)
    assert found, text
    return found[1], found[2], found[3]


@needs_amtool
def test_amtool_takes_the_routes() -> None:
    assert run("amtool", "check-config", ROUTES.name).returncode == 0


@needs_amtool
@pytest.mark.parametrize(("severity", "receiver"), [("critical", "pager"), ("warning", "tickets")])
def test_amtool_sends_a_severity_where_it_belongs(severity: str, receiver: str) -> None:
    done = run("amtool", "config", "routes", "test", f"--config.file={ROUTES.name}", f"severity={severity}")

    assert done.stdout.split() == [receiver]


# --- the page --------------------------------------------------------------------------------------


def test_each_rule_stands_in_the_page_with_its_remedy() -> None:
    rows = [line for line in PAGE.read_text(encoding="utf-8").splitlines() if line.startswith("| `Tank")]
    told = [[cell.strip() for cell in row.strip("|").split(" | ")] for row in rows]

    assert [(name.strip("`"), severity, waits, remedy) for name, severity, _, waits, remedy in told] == [
        (name, rule["labels"]["severity"], rule.get("for", "\N{EN DASH}"), rule["annotations"]["remedy"])
        for name, rule in ALERTS.items()
    ]


def test_each_row_of_the_board_stands_in_the_page() -> None:
    table = PAGE.read_text(encoding="utf-8").partition("## The board")[2]
    rows = re.findall(r"^\| ([A-Z][a-z ]+) \|", table, re.MULTILINE)

    assert rows == list(ROWS)


def test_the_drill_runs_what_is_shipped() -> None:
    text = DRILL.read_text(encoding="utf-8")

    for name in (SCRAPE.name, ROUTES.name, TESTS.name, "tank-mailer.json"):
        assert name in text
    assert all(path.stem in text for path in (RULES, OWN))
