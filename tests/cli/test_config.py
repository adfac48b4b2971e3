"""`tank-mailer config`: what an operator sees of the settings."""

import json
from pathlib import Path

import pytest
from typer.testing import CliRunner

from tank_mailer.cli.config import app
from tank_mailer.cli.options import environment
from tank_mailer.settings import NAMES

QUEUE = "https://sqs.eu-west-1.amazonaws.com/123456789012/tank-outbound"
SECRETS = {
    "TANK_DATABASE_URL": "postgresql+asyncpg://tank:hunter2@h/tank",
    "TANK_HASH_KEY": "hunter2-hunter2-hunter2://",
    "TANK_HTTP_TOKEN": "hunter2-hunter2-hunter2",
    "TANK_WEBHOOK_SECRET": "whsec_" + "hunter2" * 8,  # base64 of 42 bytes
    "TANK_WEBHOOK_URL": "https://www.example.com:8443/services/T0/hunter2?key=hunter2",
    "AWS_SECRET_ACCESS_KEY": "hunter2",
    "AWS_SESSION_TOKEN": "hunter2",
    "AWS_ACCESS_KEY_ID": "AKIAhunter2hunterWXYZ",
    "AWS_SOMETHING_NEW": "hunter2",
    "HTTPS_PROXY": "http://me:hunter2@proxy:3128",
}


@pytest.fixture(autouse=True)
def _environment(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """Only what a test sets; commands read the process's environment."""
    monkeypatch.chdir(tmp_path)
    for name in list(environment()):  # what the developer has set must not matter
        if name.startswith(("TANK_", "AWS_")) or name.upper().endswith("_PROXY"):
            monkeypatch.delenv(name)
    monkeypatch.setenv("TANK_OUTBOUND_QUEUE_URL", QUEUE)


def run(*arguments: str) -> tuple[int, str, str]:
    result = CliRunner().invoke(app, arguments)
    return result.exit_code, result.stdout, result.stderr


def test_show_names_every_setting_and_its_origin(tmp_path: Path) -> None:
    (tmp_path / ".env").write_text("TANK_MAX_PARALLEL=7\n", encoding="utf-8")

    code, out, _ = run("show")

    rows = {line.split()[0]: line.split()[1:] for line in out.splitlines()[1:]}
    assert code == 0
    assert list(rows) == list(NAMES)
    assert rows["TANK_OUTBOUND_QUEUE_URL"] == [QUEUE, "environment"]
    assert rows["TANK_MAX_PARALLEL"] == ["7", ".env"]
    assert rows["TANK_CONFIGURATION_SET"] == ["-", "default"]


def test_show_says_on_and_off_as_an_operator_sets_it(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TANK_RAW_EVENTS", "on")
    monkeypatch.setenv("TANK_HTTP_LISTEN", "")

    rows = {line.split()[0]: line.split()[1] for line in run("show")[1].splitlines()[1:]}
    report = json.loads(run("show", "--json")[1])["settings"]

    assert (rows["TANK_RAW_EVENTS"], rows["TANK_VERIFY_SNS_SIGNATURES"]) == ("on", "off")
    assert rows["TANK_HTTP_LISTEN"] == "-"
    assert (report["TANK_RAW_EVENTS"]["value"], report["TANK_HTTP_LISTEN"]["value"]) == (True, "")


@pytest.mark.parametrize("arguments", [["show"], ["show", "--json"]], ids=["a-table", "JSON"])
def test_show_masks_secrets(arguments: list[str], monkeypatch: pytest.MonkeyPatch) -> None:
    for name, value in SECRETS.items():
        monkeypatch.setenv(name, value)

    code, out, err = run(*arguments)

    assert code == 0
    assert "hunter2" not in out + err
    assert "postgresql+asyncpg://tank:****@h/tank" in out
    assert "https://www.example.com:8443/****" in out
    assert "services" not in out
    assert "AKIA****WXYZ" in out
    assert "http://me:****@proxy:3128" in out
    assert all(name in out for name in SECRETS)


def test_show_for_scripts(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AWS_REGION", "eu-west-1")
    monkeypatch.setenv("TANK_ALLOWED_SENDERS", "example.com,example.org")

    code, out, _ = run("show", "--json")

    report = json.loads(out)
    assert code == 0
    assert report["settings"]["TANK_MAX_PARALLEL"] == {"value": 10, "from": "default"}
    assert report["settings"]["TANK_ALLOWED_SENDERS"]["value"] == ["example.com", "example.org"]
    assert report["aws"] == {"AWS_REGION": {"value": "eu-west-1", "from": "environment"}}
    assert report["warnings"] == []


@pytest.mark.parametrize("command", ["show", "check"])
def test_faults_are_told_with_their_remedies(command: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TANK_MAX_PARALEL", "3")
    monkeypatch.setenv("TANK_RATE_SHARE", "[bold]2")
    monkeypatch.setenv("TANK_PORT_80_TCP", "x")

    code, out, err = run(command)

    assert (code, out) == (78, "")
    assert "2 faults" in err
    assert "rename it to TANK_MAX_PARALLEL" in err
    assert "'[bold]2'" in err
    assert "warning: TANK_PORT_80_TCP" in err


@pytest.mark.parametrize(
    "url",
    [
        pytest.param("http:///services/hunter2", id="no-host"),
        pytest.param("https://www.example.com/services/hunter2 ", id="a-space"),
        pytest.param("https://www.example.com/services/hunter2#here", id="a-fragment"),
        pytest.param("https://tank@www.example.com/services/hunter2", id="a-user"),
    ],
)
@pytest.mark.parametrize("as_json", [[], ["--json"]], ids=["told", "JSON"])
def test_no_fault_of_a_web_hook_tells_its_path(url: str, as_json: list[str], monkeypatch: pytest.MonkeyPatch) -> None:
    """The path may be all that its owner knows callers by."""
    monkeypatch.setenv("TANK_WEBHOOK_URL", url)

    code, out, err = run("check", *as_json)

    assert code == 78
    assert "TANK_WEBHOOK_URL" in out + err
    assert "services" not in out + err


def test_check_for_scripts(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TANK_MAX_PARALEL", "3")

    code, out, _ = run("check", "--json")

    report = json.loads(out)
    assert code == 78
    assert report["ok"] is False
    assert [fault["name"] for fault in report["faults"]] == ["TANK_MAX_PARALEL"]


def test_check_is_content_with_sound_settings() -> None:
    code, out, _ = run("check")

    assert code == 0
    assert out == f"The settings are sound: 1 given, {len(NAMES) - 1} by default.\n"
    assert json.loads(run("check", "--json")[1]) == {"ok": True, "faults": [], "warnings": []}


def test_a_file_that_is_named_is_read(tmp_path: Path) -> None:
    (tmp_path / "my.env").write_text("TANK_NODE=from-a-file\n", encoding="utf-8")

    assert "from-a-file" in run("show", "--env-file", "my.env")[1]
    assert run("check", "--env-file", "other.env")[0] == 78


def test_a_name_cannot_speak_to_the_terminal(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TANK_\x1b[2J", "x")

    _, _, err = run("check")

    assert "\\x1b[2J" in err
    assert "\x1b[2J" not in err


def test_a_file_of_settings_can_be_named_for_all_commands(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The wrapper does so: not every command has the option, and `--` may end the options of one. It is no setting."""
    file = tmp_path / "service.env"
    file.write_text("TANK_MAX_PARALLEL=7\n", encoding="utf-8")
    other = tmp_path / "other.env"
    other.write_text("TANK_MAX_PARALLEL=8\n", encoding="utf-8")
    monkeypatch.setenv("TANK_ENV_FILE", str(file))

    code, out, err = run("show", "--json")

    assert (code, err) == (0, "")
    assert value_of(out) == 7
    assert value_of(run("show", "--json", "--env-file", str(other))[1]) == 8


def test_one_that_cannot_be_read_is_told_by_what_names_it(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    gone = str(tmp_path / "gone.env")
    option = run("show", "--env-file", gone)
    monkeypatch.setenv("TANK_ENV_FILE", gone)
    variable = run("show")

    assert (option[0], variable[0]) == (78, 78)
    assert "remedy: give a readable file with --env-file" in option[2]
    assert "remedy: let TANK_ENV_FILE name a readable file" in variable[2]


def value_of(out: str) -> int:
    value: int = json.loads(out)["settings"]["TANK_MAX_PARALLEL"]["value"]
    return value
