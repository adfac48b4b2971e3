"""The page of metrics, the catalogue, what a scrape shows, and Prometheus's own rules agree."""

import re
import shutil
import subprocess
from pathlib import Path

import pytest
from prometheus_client.parser import text_string_to_metric_families

from tank_mailer.telemetry.measures import BY_NAME, MEASURES, Kind, Measure, samples_of
from tank_mailer.telemetry.metrics import INSTRUMENTS
from tests.metering import full_scrape
from tests.project.metrics_page import page

PAGE = Path(__file__).parents[2] / "docs" / "metrics.md"
PROMTOOL = shutil.which("promtool")
BASE_UNITS = {"seconds", "bytes", "ratio"}
OTHER_UNITS = re.compile(r"_(milliseconds|ms|minutes|hours|days|kilobytes|kb|mb|percent|celsius)(_|$)")
QUERIES = re.findall(r"^\| [^|`]+ \| `(.+)` \|$", page().partition("## Asked often")[2], re.MULTILINE)
TYPES = re.compile(r"_(counter|gauge|histogram|summary)(_|$)")


def test_the_page_is_the_catalogues() -> None:
    assert PAGE.read_text(encoding="utf-8") == page() + "\n", "python -m tests.project.metrics_page > docs/metrics.md"


def test_no_name_stands_twice() -> None:
    assert sorted(BY_NAME) == sorted(one.name for one in MEASURES)


def test_what_is_counted_is_in_the_catalogue_and_the_other_way_round() -> None:
    made = {family.name for one in INSTRUMENTS for family in one.describe()}
    wanted = {one.full_name.removesuffix("_total") for one in MEASURES if one.kind is not Kind.GAUGE}

    assert made == wanted


@pytest.mark.parametrize("measure", MEASURES, ids=lambda one: one.name)
def test_a_name_follows_prometheus(measure: Measure) -> None:
    """Prometheus: naming best practices; what promtool says, where there is none."""
    name = measure.full_name

    assert re.fullmatch(r"tank_mailer(_[a-z0-9]+)+", name)
    assert name.endswith("_total") == (measure.kind is Kind.COUNTER)
    assert not name.endswith(("_count", "_sum", "_bucket"))
    assert not OTHER_UNITS.search(name)
    assert not TYPES.search(name)
    if measure.kind is Kind.HISTOGRAM:
        assert name.rpartition("_")[2] in BASE_UNITS
        assert list(measure.buckets) == sorted(set(measure.buckets))
        assert 5 <= len(measure.buckets) <= 15
    else:
        assert not measure.buckets
    assert measure.meaning.endswith(".")
    assert all(re.fullmatch(r"[a-z]+", label.name) for label in measure.labels)


@pytest.mark.parametrize("measure", MEASURES, ids=lambda one: one.name)
def test_presets_are_of_the_closed_sets(measure: Measure) -> None:
    for values in measure.preset:
        for label, value in zip(measure.labels, values, strict=True):
            assert value in label.values


@pytest.mark.parametrize(
    "name",
    [
        *("jobs_settled_total", "attempts_total", "attempt_duration_seconds", "limiter_wait_seconds"),
        *("job_age_seconds", "jobs_in_flight", "events_recorded_total", "addresses_suppressed_total"),
        *("last_poll_timestamp_seconds", "build_info"),
    ],
)
def test_names_that_boards_and_rules_rely_on_stay(name: str) -> None:
    assert name in BY_NAME


def test_a_scrape_is_read_by_the_librarys_own_parser() -> None:
    families = list(text_string_to_metric_families(full_scrape().decode()))

    assert {family.type for family in families} == {"counter", "gauge", "histogram"}
    assert all(family.documentation for family in families)
    assert len({family.name for family in families}) == len(families) == len(MEASURES)
    for family in families:
        seen = [(sample.name, tuple(sorted(sample.labels.items()))) for sample in family.samples]
        assert len(set(seen)) == len(seen), f"{family.name}: a series twice"


def test_the_queries_of_the_page_name_what_there_is() -> None:
    known = {name for one in MEASURES for name in samples_of(one)}

    assert set(re.findall(r"tank_mailer_\w+", page())) - {one.full_name for one in MEASURES} <= known


@pytest.mark.parametrize("query", QUERIES)
def test_brackets_of_queries_are_closed(query: str) -> None:
    for opening, closing in ("()", "[]", "{}"):
        assert query.count(opening) == query.count(closing)


def test_promtool_has_nothing_to_say() -> None:
    """Prometheus's own linter, where it is installed (Debian: prometheus); elsewhere the rules above stand in."""
    if PROMTOOL is None:
        return
    done = subprocess.run(
        [PROMTOOL, "check", "metrics"], input=full_scrape(), capture_output=True, check=False, timeout=60
    )

    assert (done.returncode, done.stdout, done.stderr) == (0, b"", b"")


def test_promtool_understands_the_queries(tmp_path: Path) -> None:
    if PROMTOOL is None:
        return
    rules = "".join(f"      - record: q:q{n}\n        expr: '{query}'\n" for n, query in enumerate(QUERIES))
    file = tmp_path / "rules.yml"
    file.write_text(f"groups:\n  - name: page\n    rules:\n{rules}", encoding="utf-8")
    done = subprocess.run([PROMTOOL, "check", "rules", str(file)], capture_output=True, check=False, timeout=60)

    assert done.returncode == 0, done.stderr.decode()
