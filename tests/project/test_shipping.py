"""The shippers' files and their page: well formed, with units, fields and events that there are."""

import json
import re
import shutil
import subprocess
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import pytest
import yaml  # type: ignore[import-untyped]  # moto brings it along

from tank_mailer.telemetry.catalogue import LOG_EVENTS
from tank_mailer.telemetry.fields import ANYWHERE, FIELDS, HEAD
from tests.project.log_page import SHIPPED

ROOT = Path(__file__).parents[2]
SHIPPING = ROOT / "config" / "shipping"
PAGE = (ROOT / "docs" / "log-shipping.md").read_text(encoding="utf-8")
EVENTS = {event.name for event in LOG_EVENTS}
NAMES = {*FIELDS, *HEAD, *ANYWHERE, *SHIPPED}
RSYSLOGD = shutil.which("rsyslogd") or shutil.which("rsyslogd", path="/usr/sbin:/sbin")
JQ = shutil.which("jq")
UNIT, INSTANCE, CONTAINER = "tank-mailer.service", "tank-mailer@1.service", "tank-mailer"
SLICE = r"system-tank\x2dmailer.slice"  # systemd.special: instances of a template share one
ASIDE = "/var/log/tank-mailer/aside.log"


def text(name: str) -> str:
    return (SHIPPING / name).read_text(encoding="utf-8")


def fluent_bit() -> Any:
    return yaml.safe_load(text("fluent-bit.yaml"))


def vector() -> Any:
    return yaml.safe_load(text("vector.yaml"))


# --- all of them -----------------------------------------------------------------------------------


def test_the_page_names_every_file_and_no_other() -> None:
    named = set(re.findall(r"config/shipping/([\w.-]+\w)", PAGE))

    assert named | {"receiver.py"} == {path.name for path in SHIPPING.iterdir() if path.is_file()}


def test_units_are_those_of_the_service() -> None:
    assert (ROOT / "systemd" / UNIT).exists()
    assert (ROOT / "systemd" / "tank-mailer@.service").exists()
    named = {one for path in SHIPPING.glob("*.*") for one in re.findall(r"tank-mailer[\w@]*\.service", text(path.name))}
    assert named <= {UNIT, INSTANCE}


def test_what_is_to_be_changed_is_marked() -> None:
    """No address of ours or of anybody else stands in a file but where the customer's goes."""
    for name in ("rsyslog.conf", "fluent-bit.yaml", "vector.yaml"):
        lines = [line for line in text(name).splitlines() if "example.com" in line]
        assert lines
        assert all("CHANGE" in line for line in lines), name


@pytest.mark.parametrize("name", ["drill.sh"])
def test_scripts_are_well_formed(name: str) -> None:
    subprocess.run(["bash", "-n", str(SHIPPING / name)], check=True, timeout=60)


# --- rsyslog ---------------------------------------------------------------------------------------


def unit_of(name: str) -> re.Pattern[str]:
    """What the file takes for our unit: a POSIX expression, and the same in Python."""
    (pattern,) = re.findall(r"re_match\(\$!_SYSTEMD_UNIT, '(.+?)'\)", text(name))
    return re.compile(pattern)


@pytest.mark.parametrize("name", ["rsyslog.conf", "rsyslog-file.conf"])
@pytest.mark.parametrize(
    ("unit", "taken"),
    [
        (UNIT, True),
        (INSTANCE, True),
        ("tank-mailer@blue.service", True),
        ("tank-mailer-report.service", False),
        ("tank-mailer-drill.service", False),
        ("xtank-mailer.service", False),
        ("tank-mailer.service.d", False),
        ("tank-mailer@.service", False),
        ("init.scope", False),
    ],
)
def test_rsyslog_takes_our_units_alone(name: str, unit: str, *, taken: bool) -> None:
    assert bool(unit_of(name).search(unit)) is taken


def test_rsyslog_puts_the_three_members_before_the_line() -> None:
    for name in ("rsyslog.conf", "rsyslog-file.conf"):
        assert re.findall(r'\\"(\w+)\\":', text(name).partition("}\n")[0]) == list(SHIPPED)


@pytest.mark.skipif(RSYSLOGD is None, reason="there is no rsyslogd here (Debian: rsyslog)")
def test_rsyslogd_has_nothing_to_say(tmp_path: Path) -> None:
    files = ("rsyslog-file.conf", "rsyslog.conf", "rsyslog-journal.conf")
    main = tmp_path / "rsyslog.conf"
    included = "".join(f'include(file="{SHIPPING / name}")\n' for name in files)
    main.write_text(f'global(workDirectory="{tmp_path}")\n{included}', encoding="utf-8")
    done = subprocess.run(
        [str(RSYSLOGD), "-N1", "-f", str(main)], capture_output=True, text=True, check=False, timeout=60
    )
    said = [line for line in done.stderr.splitlines() if "version" not in line and "End of config" not in line]

    assert (done.returncode, said) == (0, [])


# --- Fluent Bit, Vector, the CloudWatch agent: form only, none of them can be had here -------------

# By plugin, what its manual has (docs.fluentbit.io, vector.dev, the agent's JSON schema): a mistyped option is silent.
FLUENT_BIT: Mapping[str, frozenset[str]] = {
    "systemd": frozenset({
        *("tag", "systemd_filter", "systemd_filter_type", "db", "read_from_tail", "storage.type"),
    }),
    "modify": frozenset({"match", "rename", "hard_rename"}),
    "record_modifier": frozenset({"match", "allowlist_key"}),
    "grep": frozenset({"match", "regex"}),
    "parser": frozenset({"match", "key_name", "parser", "reserve_data", "preserve_key"}),
    "rewrite_tag": frozenset({"match", "rule", "emitter_name"}),
    "http": frozenset({
        *("match", "host", "port", "uri", "format", "json_date_key", "compress", "tls", "tls.verify", "retry_limit"),
        "storage.total_limit_size",
    }),
    "file": frozenset({"match", "path", "file", "mkdir"}),
}  # fmt: skip
VECTOR: Mapping[str, frozenset[str]] = {
    "journald": frozenset({"include_matches", "current_boot_only"}),
    "filter": frozenset({"inputs", "condition"}),
    "remap": frozenset({"inputs", "drop_on_error", "reroute_dropped", "source"}),
    "http": frozenset({
        *("inputs", "uri", "method", "encoding", "framing", "compression", "acknowledgements", "buffer"),
    }),
    "file": frozenset({"inputs", "path", "encoding"}),
}  # fmt: skip
AGENT = frozenset({
    *("file_path", "log_group_name", "log_stream_name", "timestamp_format", "timezone", "retention_in_days"),
})  # fmt: skip


def test_fluent_bits_options_are_those_of_its_manual() -> None:
    pipeline = fluent_bit()["pipeline"]
    for plugin in (*pipeline["inputs"], *pipeline["filters"], *pipeline["outputs"]):
        assert plugin.keys() - {"name"} <= FLUENT_BIT[plugin["name"]], plugin["name"]


def test_fluent_bits_steps_fit_together() -> None:
    """What a filter makes the next one finds, and nothing but the line and three members gets through."""
    config = fluent_bit()
    (journal,) = config["pipeline"]["inputs"]
    believed, other, first, second, kept, parsed, broken = config["pipeline"]["filters"]
    receiver, file = config["pipeline"]["outputs"]

    assert journal["systemd_filter"] == [
        f"_SYSTEMD_UNIT={UNIT}",
        f"_SYSTEMD_SLICE={SLICE}",
        f"CONTAINER_NAME={CONTAINER}",
    ]
    assert [one.split()[1] for one in first["rename"]] == list(SHIPPED)
    assert second["hard_rename"] == "CONTAINER_NAME unit"
    assert kept["allowlist_key"] == [*SHIPPED, "MESSAGE"]
    assert [one["name"] for one in config["parsers"]] == [parsed["parser"]]
    assert (parsed["key_name"], parsed["reserve_data"], parsed["preserve_key"]) == ("MESSAGE", True, False)
    for aside in (other, broken):
        key, _, tag, keep = aside["rule"].split()
        assert (key, tag, keep) == ("$MESSAGE", file["match"], "false")
    assert other["emitter_name"] != broken["emitter_name"]
    assert {one["match"] for one in (*config["pipeline"]["filters"], receiver)} == {journal["tag"]}
    assert believed["regex"].split()[0] == "_SYSTEMD_UNIT"
    assert f"{file['path']}/{file['file']}" == ASIDE
    assert config["service"]["storage.path"]


def test_vectors_options_are_those_of_its_manual() -> None:
    config = vector()
    for part in ("sources", "transforms", "sinks"):
        for one in config[part].values():
            assert one.keys() - {"type"} <= VECTOR[one["type"]], one["type"]


def test_vectors_steps_fit_together() -> None:
    config = vector()
    lines = config["transforms"]["lines"]

    assert config["sources"]["journal"]["include_matches"] == {
        "_SYSTEMD_UNIT": [UNIT],
        "_SYSTEMD_SLICE": [SLICE],
        "CONTAINER_NAME": [CONTAINER],
    }
    assert config["transforms"]["ours"]["inputs"] == ["journal"]
    assert lines["inputs"] == ["ours"]
    assert re.findall(r"^line\.(\w+) = ", lines["source"], re.MULTILINE) == list(SHIPPED)
    assert config["sinks"]["receiver"]["inputs"] == ["lines"]
    assert config["sinks"]["aside"]["inputs"] == ["lines.dropped"]
    assert config["sinks"]["aside"]["path"] == ASIDE


def believed() -> list[re.Pattern[str]]:
    """The units that Fluent Bit and Vector believe: expressions in Ruby's and in Rust's way, and the same in Python."""
    grep = fluent_bit()["pipeline"]["filters"][0]["regex"]
    (pattern,) = re.findall(r"r'(.+?)'", vector()["transforms"]["ours"]["condition"])
    return [re.compile(grep.partition(" ")[2]), re.compile(pattern)]


@pytest.mark.parametrize(
    ("unit", "taken"),
    [
        (UNIT, True),
        (INSTANCE, True),
        ("docker.service", True),  # of a container of that name
        ("tank-mailer-report.service", False),
        ("user@1000.service", False),
        ("not-docker.service", False),
        ("", False),
    ],
)
def test_nobody_else_is_taken_for_a_container_of_ours(unit: str, *, taken: bool) -> None:
    """Any process may write CONTAINER_NAME=tank-mailer into the journal; its own unit it cannot choose."""
    assert [bool(one.search(unit)) for one in believed()] == [taken, taken]


@pytest.mark.parametrize(
    ("message", "aside"),
    [
        ('{"at":"2026-11-29T18:23:40.399Z","level":"info","event":"job_settled","node":"mail-1"}', False),
        ('{"other": "program"}', True),
        ("Traceback (most recent call last):", True),
    ],
)
def test_fluent_bit_puts_aside_what_is_no_line_of_ours(message: str, *, aside: bool) -> None:
    pattern = fluent_bit()["pipeline"]["filters"][1]["rule"].split()[1]

    assert bool(re.search(pattern, message)) is aside


def test_vector_puts_aside_what_is_no_line_of_ours() -> None:
    """JSON of another program would pass for a line else."""
    (demand,) = re.findall(r"assert!\((.+)\)$", vector()["transforms"]["lines"]["source"], re.MULTILINE)

    assert set(re.findall(r"line\.(\w+)", demand)) <= set(HEAD)


def test_the_agent_reads_the_file_that_rsyslog_writes() -> None:
    config = json.loads(text("cloudwatch-agent.json"))
    (file,) = config["logs"]["logs_collected"]["files"]["collect_list"]

    assert file.keys() == AGENT
    assert f'file="{file["file_path"]}"' in text("rsyslog-file.conf")
    assert file["retention_in_days"] in {1, 3, 5, 7, 14, 30, 60, 90, 120, 150, 180, 365}  # CloudWatch Logs: no others
    assert f"--log-group-name {file['log_group_name']} " in PAGE
    assert file["file_path"].startswith(text("logrotate.conf").splitlines()[1].partition("*")[0])


def test_the_agent_may_enter_the_folder_whichever_file_makes_it() -> None:
    """The first line that goes aside would otherwise make it one of root's alone, and no mail would be told of."""
    made = [
        one
        for name in ("rsyslog.conf", "rsyslog-file.conf")
        for one in re.findall(r'dirCreateMode="(\d+)"', text(name))
    ]

    assert made == ["0755", "0755"]


# --- the page --------------------------------------------------------------------------------------

QUERIES = [one.replace(r"\|", "|") for one in re.findall(r"^\| [^|]+ \| `(select.+)` \|$", PAGE, re.MULTILINE)]
LINES: list[dict[str, object]] = [
    {"event": "job_settled", "level": "info", "state": "accepted", "email_id": "order-4711", "age_s": 90.0},
    {"event": "attempt_deferred", "level": "warning", "outcome": "failed", "email_id": "order-1"},
    {"event": "event_recorded", "level": "info", "kind": "bounce", "recipient_domain": "example.org"},
    {"event": "job_settled", "level": "info", "state": "accepted", "recipient_key": "7f696424d070fce6"},
    {"event": "pause_begun", "level": "error", "concern": "account", "reason": "quota_exceeded"},
]


def names_of(query: str) -> Iterator[str]:
    yield from re.findall(r"\.([a-z_]+)", query)
    for inner in re.findall(r"\{([^}]*)\}", query):
        yield from (one.strip() for one in inner.split(","))


def test_there_are_queries() -> None:
    assert len(QUERIES) > 5


@pytest.mark.parametrize("query", QUERIES)
def test_a_query_names_what_there_is(query: str) -> None:
    assert set(names_of(query)) <= NAMES
    assert set(re.findall(r'\.event == "(\w+)"', query)) <= EVENTS


@pytest.mark.skipif(JQ is None, reason="there is no jq here (Debian: jq)")
@pytest.mark.parametrize("query", QUERIES)
def test_jq_finds_a_line_by_it(query: str) -> None:
    given = "\n".join(json.dumps({"at": "2026-11-29T18:23:40.399Z", "node": "mail-1", **line}) for line in LINES)
    done = subprocess.run([str(JQ), "-c", query], input=given, capture_output=True, text=True, check=True, timeout=60)

    assert 0 < len(done.stdout.splitlines()) < len(LINES)


def test_events_of_other_queries_and_of_what_wakes_people_are_there() -> None:
    assert set(re.findall(r'event[:=] ?"?([a-z]+_[a-z_]+)', PAGE)) <= EVENTS
    table = PAGE[PAGE.index("## What to be woken by") : PAGE.index("## Questions")]
    named = {
        name
        for row in re.findall(r"^\| `event` = (.+?) \|", table, re.MULTILINE)
        for name in re.findall(r"`(\w+)`", row)
    }
    assert {name for name in named if "_" in name} <= EVENTS
    assert "alert_raised" in named


def test_the_example_is_a_line() -> None:
    (example,) = re.findall(r"```json\n(.+?)```", PAGE, re.DOTALL)
    line = json.loads(example)

    assert list(line)[: len(SHIPPED) + len(HEAD)] == [*SHIPPED, "at", "level", "event", "node"]


def test_links_lead_somewhere() -> None:
    for target in re.findall(r"\]\(([^)#\s]+)", PAGE):
        assert (ROOT / "docs" / target).resolve().exists(), target
