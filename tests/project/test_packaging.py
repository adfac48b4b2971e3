"""What the program is installed with agrees with the program: image, unit, lock, nodes."""

import ast
import itertools
import json
import os
import re
import subprocess
import time
import tomllib
from collections.abc import Mapping
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import pytest
import yaml  # type: ignore[import-untyped]  # moto brings it along
from packaging.requirements import Requirement

from tank_mailer.adapters.heartbeat import EVERY_S, FILE
from tank_mailer.settings import SECRET_NAMES, Settings, load_settings

ROOT = Path(__file__).parents[2]
LOCK = ROOT / "config" / "requirements.txt"
BUILD_LOCK = ROOT / "config" / "build-requirements.txt"
UNIT = ROOT / "systemd" / "tank-mailer.service"
REPORT_UNIT = ROOT / "systemd" / "tank-mailer-report.service"
REPORT_TIMER = ROOT / "systemd" / "tank-mailer-report.timer"
HELPER_DROPIN = ROOT / "systemd" / "credential-process.conf"
SCRIPTS = (*(ROOT / "systemd").glob("*.sh"), *(ROOT / "config").rglob("*.sh"))
SLIM = ROOT / "config" / "container" / "slim.sh"
INSTANCE_UNIT = ROOT / "systemd" / "tank-mailer@.service"
COMPOSE = ROOT / "config" / "nodes" / "compose.yaml"
INSTALL = ROOT / "docs" / "install.md"
ACCOUNT_ID, REGION = "123456789012", "eu-west-1"
FOREVER = "0"


def default(setting: str) -> Any:
    return Settings.model_fields[setting].get_default(call_default_factory=False)


# --- image -----------------------------------------------------------------------------------------


def instructions(stage: int) -> list[tuple[str, str]]:
    """Instruction and argument of each step of a stage of the Dockerfile."""
    text = re.sub(r"^#.*\n", "", (ROOT / "Dockerfile").read_text(encoding="utf-8"), flags=re.MULTILINE)
    lines = text.replace("\\\n", " ").splitlines()
    steps = [(name, " ".join(rest.split())) for name, _, rest in (line.partition(" ") for line in lines) if name]
    starts = [n for n, (name, _) in enumerate(steps) if name == "FROM"]
    return steps[starts[stage] : [*starts, len(steps)][stage + 1] if stage >= 0 else None]


def test_the_image_runs_the_daemon_as_process_1() -> None:
    """A shell as process 1 would not hand the signal on: no drain."""
    last = dict(instructions(-1))

    assert json.loads(last["ENTRYPOINT"]) == ["tank-mailer"]
    assert json.loads(last["CMD"]) == ["run"]
    assert last["STOPSIGNAL"] == "SIGTERM"


def test_the_image_runs_as_nobody_special_and_keeps_its_state_in_a_volume() -> None:
    last = instructions(-1)
    state = dict(last)["VOLUME"]
    environment = dict(part.split("=", 1) for name, rest in last if name == "ENV" for part in rest.split())

    assert re.fullmatch(r"[1-9]\d{3,}:[1-9]\d{3,}", dict(last)["USER"])
    assert environment["STATE_DIRECTORY"] == dict(last)["WORKDIR"] == state
    assert "TANK_DATABASE_URL" not in environment  # it would hide a secret file of that name


def test_both_stages_have_the_same_python() -> None:
    assert instructions(0)[0][1].removesuffix(" AS build") == instructions(-1)[0][1] == "python:3.13-slim"


def test_the_build_sees_no_secrets() -> None:
    """What is sent to the engine is a list of what may be, not of what may not."""
    lines = (ROOT / ".dockerignore").read_text(encoding="utf-8").splitlines()
    rules = [line for line in lines if line and not line.startswith("#")]
    copied = {
        source
        for name, rest in instructions(0)
        if name == "COPY"
        for source in rest.split()[:-1]
    }  # fmt: skip

    assert rules[0] == "*"
    assert {rule.removeprefix("!") for rule in rules if rule.startswith("!")} == copied


def test_the_image_keeps_the_sdk_s_models_of_all_that_is_called() -> None:
    """Without its model a client cannot be made; the others are half of the SDK."""
    (listed,) = re.findall(r"^ +(sqs \| .*)\) ;;$", SLIM.read_text(encoding="utf-8"), re.MULTILINE)
    kept = set(listed.split(" | "))
    called = {
        call.args[0].value
        for path in (ROOT / "tank_mailer").rglob("*.py")
        for call in ast.walk(ast.parse(path.read_text(encoding="utf-8")))
        if isinstance(call, ast.Call)
        and isinstance(call.func, ast.Attribute)
        and call.func.attr == "client"
        and call.args
        and isinstance(call.args[0], ast.Constant)
    }

    assert {"sqs", "sesv2"} <= called <= kept
    assert {"sts", "sso", "sso-oidc"} <= kept  # where the SDK gets keys of roles and of single sign-on


@pytest.mark.parametrize("path", SCRIPTS, ids=lambda path: path.name)
def test_a_script_can_be_read_by_its_shell(path: Path) -> None:
    shell = path.read_text(encoding="utf-8").partition("\n")[0].rpartition("/")[2].removeprefix("env ")

    assert shell in {"sh", "bash"}
    assert subprocess.run([shell, "-n", path], capture_output=True, check=False).stderr == b""


def test_docker_waits_longer_than_a_drain() -> None:
    texts = [(ROOT / "Dockerfile").read_text(encoding="utf-8"), INSTALL.read_text(encoding="utf-8")]
    waits_s = [[int(s) for s in re.findall(r"(?:stop -t|--stop-timeout) (\d+)", text)] for text in texts]

    assert all(waits_s)
    assert min(itertools.chain(*waits_s)) > default("drain_timeout_s")


@pytest.mark.parametrize(
    ("age_s", "is_healthy"),
    [
        pytest.param(0, True, id="touched-now"),
        pytest.param(50, True, id="touched-a-while-ago"),
        pytest.param(70, False, id="not-touched-for-a-minute"),
        pytest.param(None, False, id="not-there"),
    ],
)
def test_a_container_is_healthy_while_its_heartbeat_is_fresh(
    tmp_path: Path, age_s: int | None, is_healthy: bool
) -> None:
    """By what every Debian has: a Python that starts each half minute would cost more than an idle daemon."""
    options, _, command = dict(instructions(-1))["HEALTHCHECK"].partition(" CMD ")
    heartbeat = tmp_path / FILE
    if age_s is not None:
        heartbeat.touch()
        os.utime(heartbeat, (time.time() - age_s,) * 2)
    environment = {"PATH": "/usr/bin:/bin", "STATE_DIRECTORY": str(tmp_path)}
    done = subprocess.run(["/bin/sh", "-c", command], env=environment, capture_output=True, check=False, timeout=60)

    assert (done.returncode == 0) is is_healthy
    assert not command.startswith("[")
    assert int(re.findall(r"--interval=(\d+)s", options)[0]) <= 60
    assert 3 * EVERY_S < 60, "one that is late is not dead"


# --- libraries -------------------------------------------------------------------------------------


def test_the_lock_names_what_the_package_needs() -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    extras = [one for extra in ("postgresql", "signatures") for one in project["optional-dependencies"][extra]]
    needed = [Requirement(one) for one in (*project["dependencies"], *extras)]
    locked = dict(re.findall(r"^([a-z0-9._-]+)==(\S+)", LOCK.read_text(encoding="utf-8"), re.MULTILINE))

    assert [str(one) for one in needed if locked.get(one.name, "") not in one.specifier] == []


def test_what_builds_the_package_is_locked_too() -> None:
    """It runs as root, in `install.sh`: what is fetched for it is fetched by its hash."""
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))
    locked = dict(re.findall(r"^([a-z0-9._-]+)==(\S+)", BUILD_LOCK.read_text(encoding="utf-8"), re.MULTILINE))

    for one in map(Requirement, project["build-system"]["requires"]):
        assert locked[one.name] in one.specifier
    for path in (ROOT / "Dockerfile", ROOT / "systemd" / "install.sh"):
        text = path.read_text(encoding="utf-8")
        assert BUILD_LOCK.name in text
        assert "--no-build-isolation" in text


@pytest.mark.parametrize("lock", [LOCK, BUILD_LOCK], ids=lambda path: path.name)
def test_the_lock_has_hashes_and_no_address(lock: Path) -> None:
    steps = re.sub(r"^#.*\n", "", lock.read_text(encoding="utf-8"), flags=re.MULTILINE).replace("\\\n", "").splitlines()

    assert [step[:60] for step in steps if not re.search(r"==\S+ .*--hash=sha256:[0-9a-f]{64}", step)] == []
    assert not re.search(r"://|index-url|find-links", lock.read_text(encoding="utf-8"))


# --- unit ------------------------------------------------------------------------------------------


def directives(path: Path) -> list[tuple[str, str]]:
    return re.findall(r"^([A-Za-z]+)=(.*)$", path.read_text(encoding="utf-8"), re.MULTILINE)


@pytest.fixture(scope="module")
def unit() -> Mapping[str, str]:
    """The keys of the unit; of one that stands there twice, the last."""
    return dict(directives(UNIT))


@pytest.mark.parametrize(
    ("key", "value"),
    [
        pytest.param("Type", "notify", id="ready-when-it-says-so"),
        pytest.param("NotifyAccess", "main", id="nobody-else-speaks-for-it"),
        pytest.param("Restart", "on-failure", id="a-crash-is-restarted"),
        pytest.param("RestartPreventExitStatus", "78", id="bad-settings-are-not"),
        pytest.param("StartLimitIntervalSec", FOREVER, id="it-never-gives-up"),
        pytest.param("StateDirectory", "tank-mailer", id="state-below-var-lib"),
        pytest.param("StateDirectoryMode", "0700", id="state-is-nobody-elses-to-read"),
        pytest.param("User", "tank-mailer", id="a-user-of-its-own"),
    ],
)
def test_the_unit(unit: Mapping[str, str], key: str, value: str) -> None:
    assert unit[key] == value


def test_systemd_waits_longer_than_a_drain(unit: Mapping[str, str]) -> None:
    assert int(unit["TimeoutStopSec"]) > default("drain_timeout_s")


def test_the_unit_and_the_user_belong_together(unit: Mapping[str, str]) -> None:
    text = (ROOT / "systemd" / "tank-mailer.sysusers").read_text(encoding="utf-8")
    users = [line.split() for line in text.splitlines() if line.startswith("u ")]

    assert [(user[1], user[-1]) for user in users] == [(unit["User"], f"/var/lib/{unit['StateDirectory']}")]


def test_an_instance_is_the_unit_but_for_its_name() -> None:
    """Sandbox, restarts, state directory: a hardening of the one that the other lacks is found by an intruder."""
    ours, of_instances = directives(UNIT), directives(INSTANCE_UNIT)

    assert [one for one in ours if one not in of_instances] == [
        ("Description", "tank-mailer: e-mail jobs from SQS, out through Amazon SES"),
        ("SyslogIdentifier", "tank-mailer"),
    ]
    assert [one for one in of_instances if one not in ours] == [
        ("Description", "tank-mailer, instance %i: e-mail jobs from SQS, out through Amazon SES"),
        ("Environment", "TANK_NODE=%H-%i"),
        ("EnvironmentFile", "-/etc/tank-mailer/%i.env"),
        ("SyslogIdentifier", "tank-mailer@%i"),
    ]


def test_what_is_read_at_the_start_is_read_again_at_a_reload() -> None:
    """Nobody is told by systemd where a variable is from: the daemon has to know the file."""
    for path in (UNIT, INSTANCE_UNIT, REPORT_UNIT):
        unit = directives(path)
        (start,) = [value for key, value in unit if key == "ExecStart"]
        common = next(value for key, value in unit if key == "EnvironmentFile")
        assert start.split(" --env-file ")[1] == common.removeprefix("-")
    assert dict(directives(UNIT))["ExecReload"] == "/bin/sh -c 'kill -HUP $MAINPID'"


def sandbox(path: Path) -> list[tuple[str, str]]:
    text = path.read_text(encoding="utf-8")
    return re.findall(
        r"^([A-Za-z]+)=(.*)$", text[text.index("# --- Sandbox") :].partition("[Install]")[0], re.MULTILINE
    )


def test_the_report_is_the_service_s() -> None:
    """The same user, store, settings and sandbox: it reads the daemon's ledger."""
    unit, report = directives(UNIT), directives(REPORT_UNIT)
    same = ("User", "Group", "EnvironmentFile", "StateDirectory", "StateDirectoryMode", "WorkingDirectory")

    assert sandbox(REPORT_UNIT) == sandbox(UNIT) != []
    assert [one for one in unit if one[0] in same] == [one for one in report if one[0] in same]


def test_only_a_report_that_could_not_be_had_is_tried_again() -> None:
    report = dict(directives(REPORT_UNIT))

    assert (report["Type"], report["Restart"]) == ("oneshot", "on-failure")
    assert report["RestartPreventExitStatus"] == "1 2 3 78"  # all but 75
    assert report["ExecStart"].split()[1:3] == ["report", "daily"]


def test_the_timer_makes_up_for_a_morning_that_was_missed() -> None:
    timer = dict(directives(REPORT_TIMER))

    assert timer["Persistent"] == "yes"
    assert timer["WantedBy"] == "timers.target"


def test_a_helper_widens_the_sandbox_by_nothing_else() -> None:
    assert {key for key, _ in directives(HELPER_DROPIN)} == {"Environment", "ExecPaths"}


def test_what_an_instance_sets_goes_before_what_all_share() -> None:
    """Of a variable in two files systemd takes the later one."""
    files = [value for key, value in directives(INSTANCE_UNIT) if key == "EnvironmentFile"]

    assert files == ["-/etc/tank-mailer/tank-mailer.env", "-/etc/tank-mailer/%i.env"]


# --- nodes in containers ---------------------------------------------------------------------------


@pytest.fixture(scope="module")
def compose() -> dict[str, Any]:
    found: dict[str, Any] = yaml.safe_load(COMPOSE.read_text(encoding="utf-8"))
    return found


@pytest.fixture(scope="module")
def nodes(compose: dict[str, Any]) -> dict[str, Any]:
    return {name: one for name, one in compose["services"].items() if name.startswith("node-")}


def test_nodes_have_names_and_state_of_their_own(nodes: dict[str, Any]) -> None:
    """The name has to outlive the container: its rows are known by it."""
    state = dict(instructions(-1))["VOLUME"]

    assert {name: one["environment"] for name, one in nodes.items()} == {
        "node-1": {"TANK_NODE": "node-1"},
        "node-2": {"TANK_NODE": "node-2"},
    }
    assert [one["volumes"] for one in nodes.values()] == [[f"node-1:{state}"], [f"node-2:{state}"]]


def test_nodes_run_in_the_sandbox_of_install(nodes: dict[str, Any]) -> None:
    asked = INSTALL.read_text(encoding="utf-8")
    for one in nodes.values():
        assert int(one["stop_grace_period"].removesuffix("s")) > default("drain_timeout_s")
        assert (one["read_only"], one["cap_drop"]) == (True, ["ALL"])
        assert one["security_opt"] == ["no-new-privileges:true"]
        assert f"--restart {one['restart']}" in asked
        assert "ports" not in one


def test_nodes_start_on_tables_that_are_made(compose: dict[str, Any], nodes: dict[str, Any]) -> None:
    """On PostgreSQL the daemon makes none."""
    for one in nodes.values():
        assert one["depends_on"] == {"tables": {"condition": "service_completed_successfully"}}
    tables = compose["services"]["tables"]
    assert tables["command"] == ["db", "upgrade"]
    assert tables["restart"] == "no"
    assert tables["depends_on"] == {"postgres": {"condition": "service_healthy"}}


def test_secrets_of_nodes_are_files_that_are_read(compose: dict[str, Any], nodes: dict[str, Any]) -> None:
    for one in nodes.values():
        targets = {secret["target"] for secret in one["secrets"]}
        assert {"TANK_DATABASE_URL", "TANK_HASH_KEY"} <= targets
        assert targets <= SECRET_NAMES | {"AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"}
        assert {secret["source"] for secret in one["secrets"]} <= set(compose["secrets"])


def test_the_database_url_of_the_example_leads_to_its_database(compose: dict[str, Any], tmp_path: Path) -> None:
    (url,) = re.findall(r"database-url +(\S+)", COMPOSE.read_text(encoding="utf-8"))
    (tmp_path / "TANK_DATABASE_URL").write_text(url, encoding="utf-8")
    environ = {"TANK_OUTBOUND_QUEUE_URL": f"https://sqs.{REGION}.amazonaws.com/{ACCOUNT_ID}/tank-outbound"}

    load_settings(None, environ, directory=tmp_path, container_secrets=tmp_path)

    assert urlsplit(url).hostname in compose["services"]
    postgres = compose["services"]["postgres"]
    assert urlsplit(url).path == f"/{postgres['environment']['POSTGRES_DB']}"
    assert urlsplit(url).username == postgres["environment"]["POSTGRES_USER"]
    assert "ledger" in str(postgres["volumes"])


# --- what is named -----------------------------------------------------------------------------------


def test_files_that_texts_name_are_there() -> None:
    """A remedy that sends a person to a file of an earlier release is none."""
    texts = [*(ROOT / "tank_mailer").rglob("*.py"), *(ROOT / "docs").glob("*.md"), ROOT / "README.md"]
    name = re.compile(r"(?<![/\w])(?:config|systemd)/[a-z0-9/_.@-]+\.[a-z]+\b")
    named = {
        (str(path.relative_to(ROOT)), one) for path in texts for one in name.findall(path.read_text(encoding="utf-8"))
    }

    assert named
    assert [where for where in sorted(named) if not (ROOT / where[1]).exists()] == []
