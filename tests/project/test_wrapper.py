"""`systemd/tank-mailer-ctl` below a made-up root: commands as the service's user, with its settings and store."""

import json
import os
import re
import shutil
import signal
import subprocess
import sys
import textwrap
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

ROOT = Path(__file__).parents[2]
SCRIPT = ROOT / "systemd" / "tank-mailer-ctl"
UNIT = ROOT / "systemd" / "tank-mailer.service"
INSTANCE_UNIT = ROOT / "systemd" / "tank-mailer@.service"
PATHS = ("/opt/tank-mailer", "/etc/tank-mailer", "/var/lib/tank-mailer")

PROGRAM = """\
#!{python}
import json, os, sys
folder = os.environ.get("CREDENTIALS_DIRECTORY", "")
shown = {{
    "arguments": sys.argv[1:],
    "environment": dict(os.environ),
    "folder": os.getcwd(),
    "credentials": {{name: open(os.path.join(folder, name)).read() for name in os.listdir(folder)}} if folder else {{}},
    "settings": open(os.environ["TANK_ENV_FILE"]).read() if "TANK_ENV_FILE" in os.environ else None,
    "stdin": sys.stdin.read(),
    "modes": oct(os.umask(0)),
}}
print(json.dumps(shown))
exit(int(os.environ.get("COLUMNS", "0")))
"""
STUBS = {
    "id": 'case $1 in -u) echo "${STUB_UID-0}" ;; *) echo root ;; esac',
    "logname": 'echo "${STUB_LOGIN-jane}"',
    "chown": 'echo "chown $*" >>"$STUB_LOG"',
    "systemctl": 'echo "systemctl $*" >>"$STUB_LOG"; cat "$STUB_UNIT"',
    "runuser": 'echo "runuser $1 $2 $3" >>"$STUB_LOG"; shift 3; exec "$@"',
    "sudo": 'echo "sudo $*"; exit 7',
    "systemd-creds": '[ "$1 $2" = "decrypt --name=TANK_HASH_KEY" ] && echo "$3, opened" >"$4"',
}


@dataclass(frozen=True, slots=True)
class Machine:
    """A made-up root: program, settings, state, and stubs of what takes a real one."""

    root: Path

    @property
    def log(self) -> list[str]:
        path = self.root / "log"
        return path.read_text(encoding="utf-8").splitlines() if path.exists() else []

    def set(self, name: str, text: str) -> None:
        (self.root / "etc/tank-mailer" / name).write_text(textwrap.dedent(text), encoding="utf-8")

    def add_to_unit(self, text: str) -> None:
        with (self.root / "unit").open("a", encoding="utf-8") as file:
            file.write(textwrap.dedent(text))

    def start(self, *arguments: str, **environment: str) -> subprocess.Popen[str]:
        there = {"PATH": f"{self.root}/stubs:{os.defpath}", "STUB_LOG": f"{self.root}/log", "SECRET": "of the caller"}
        return subprocess.Popen(
            [self.root / "tank-mailer", *arguments],
            env={**there, "STUB_UNIT": f"{self.root}/unit", **environment},
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            cwd=self.root,
            start_new_session=True,
        )

    def run(self, *arguments: str, stdin: str = "", **environment: str) -> tuple[int, str, str]:
        process = self.start(*arguments, **environment)
        out, err = process.communicate(stdin, timeout=60)
        return process.returncode, out, err

    def shown(self, *arguments: str, **environment: str) -> dict[str, Any]:
        code, out, err = self.run(*arguments, **environment)
        assert code == 0, err
        found: dict[str, Any] = json.loads(out)
        return found

    @property
    def left_behind(self) -> list[str]:
        return [one.name for one in (self.root / "run").iterdir()]


@pytest.fixture
def machine(tmp_path: Path) -> Machine:
    text = SCRIPT.read_text(encoding="utf-8")
    for path in PATHS:
        text = text.replace(path, f"{tmp_path}{path}")
        (tmp_path / path[1:]).mkdir(parents=True)
    text = text.replace("temporary=/run\n", f"temporary={tmp_path}/run\n")
    (tmp_path / "run").mkdir()
    (tmp_path / "opt/tank-mailer/bin").mkdir()
    scripts = {
        tmp_path / "tank-mailer": text,
        tmp_path / "opt/tank-mailer/bin/tank-mailer": PROGRAM.format(python=sys.executable),
    }
    (tmp_path / "stubs").mkdir()
    scripts |= {tmp_path / "stubs" / name: f"#!/bin/sh\n{body}\n" for name, body in STUBS.items()}
    for script, body in scripts.items():
        script.write_text(body, encoding="utf-8")
        script.chmod(0o755)
    shutil.copy(UNIT, tmp_path / "unit")
    machine = Machine(tmp_path)
    machine.set("tank-mailer.env", "TANK_OUTBOUND_QUEUE_URL=https://sqs/jobs\nTANK_HTTP_LISTEN=127.0.0.1:9464\n")
    return machine


def test_shellcheck_finds_nothing() -> None:
    """The script is all POSIX sh; where the tool is not installed, sh itself at least reads it."""
    checker = shutil.which("shellcheck")
    command = [checker, "--shell=sh", str(SCRIPT)] if checker else ["sh", "-n", str(SCRIPT)]

    done = subprocess.run(command, capture_output=True, text=True, check=False)

    assert (done.returncode, done.stdout) == (0, "")


def test_its_paths_are_the_units() -> None:
    text = UNIT.read_text(encoding="utf-8")
    script = SCRIPT.read_text(encoding="utf-8")
    program, settings, state = (f"{path}/bin/tank-mailer" if path.startswith("/opt") else path for path in PATHS)

    assert f"ExecStart={program} run --env-file {settings}/tank-mailer.env\n" in text
    assert f"EnvironmentFile=-{settings}/tank-mailer.env\n" in text
    assert f"EnvironmentFile=-{settings}/%i.env\n" in INSTANCE_UNIT.read_text(encoding="utf-8")
    assert "StateDirectory=tank-mailer\n" in text
    assert f"User={re.findall(r'^user=(.*)$', script, re.MULTILINE)[0]}\n" in text
    for line in (f"program={program}\n", f"settings={settings}\n", f"state={state}\n"):
        assert line in script


def test_a_command_runs_as_the_service(machine: Machine) -> None:
    """With its settings and its store, and with nothing of the caller's own but the terminal."""
    shown = machine.shown("dlq", "list", "--reason", "in doubt", TERM="xterm", LANG="C.UTF-8")

    state = f"{machine.root}/var/lib/tank-mailer"
    assert shown["arguments"] == ["dlq", "list", "--reason", "in doubt"]
    assert shown["settings"] == "TANK_OUTBOUND_QUEUE_URL=https://sqs/jobs\nTANK_HTTP_LISTEN=127.0.0.1:9464\n"
    assert shown["folder"] == state
    environment = shown["environment"]
    assert (environment["STATE_DIRECTORY"], environment["HOME"]) == (state, state)
    assert (environment["TERM"], environment["LANG"]) == ("xterm", "C.UTF-8")
    assert "SECRET" not in environment
    assert shown["modes"] == "0o77"
    assert machine.log == [
        "systemctl cat tank-mailer.service",
        f"chown -R tank-mailer: {Path(environment['TANK_ENV_FILE']).parent}",
        "runuser -u tank-mailer --",
    ]
    assert machine.left_behind == []


@pytest.mark.parametrize(
    ("environment", "who"),
    [
        pytest.param({"SUDO_USER": "joe"}, "joe", id="sudo"),
        pytest.param({"DOAS_USER": "joe"}, "joe", id="doas"),
        pytest.param({"STUB_LOGIN": "ann"}, "ann", id="root-by-su"),
    ],
)
def test_who_is_behind_it_is_kept(machine: Machine, environment: Mapping[str, str], who: str) -> None:
    """For the record of changes."""
    assert machine.shown("pause", **environment)["environment"]["SUDO_USER"] == who


def test_exit_code_and_standard_input_pass_through(machine: Machine) -> None:
    code, out, _ = machine.run("enqueue", "-", stdin="jobs\n", COLUMNS="3")

    assert code == 3
    assert json.loads(out)["stdin"] == "jobs\n"


@pytest.mark.parametrize(
    ("code", "is_told"), [pytest.param("2", True, id="usage"), pytest.param("3", False, id="another-end")]
)
def test_a_file_of_the_caller_s_that_was_not_found_is_explained(machine: Machine, code: str, is_told: bool) -> None:
    """It is looked for in another directory, by another user."""
    (machine.root / "jobs.jsonl").touch()

    ended, _, err = machine.run("enqueue", "jobs.jsonl", COLUMNS=code)

    assert ended == int(code)
    assert ("remedy: - instead of its name, and <jobs.jsonl at the end" in err) is is_told


def test_credentials_of_the_unit(machine: Machine) -> None:
    """A line that is empty takes those before it back, as with systemd; root alone can read and unseal the files."""
    key = machine.root / "key"
    key.write_text("s3cr3t\n", encoding="utf-8")
    machine.add_to_unit(
        f"""
        [Service]
        LoadCredential=AWS_SECRET_ACCESS_KEY:/nowhere
        LoadCredential=
        LoadCredential=AWS_SECRET_ACCESS_KEY:{key}
        LoadCredential=inherited
        SetCredential=AWS_ACCESS_KEY_ID:AKIA:1%%
        LoadCredential=../../evil:{key}
        LoadCredentialEncrypted=TANK_HASH_KEY:/etc/sealed
    """.replace("        ", "")
    )

    shown = machine.shown("status", "order-1")

    assert shown["credentials"] == {
        "AWS_SECRET_ACCESS_KEY": "s3cr3t\n",
        "AWS_ACCESS_KEY_ID": "AKIA:1%",
        "TANK_HASH_KEY": "/etc/sealed, opened\n",
    }
    assert "s3cr3t" not in json.dumps([shown["arguments"], shown["environment"], machine.log])
    assert machine.left_behind == []


def test_a_credential_that_is_missing_is_said(machine: Machine) -> None:
    machine.add_to_unit("LoadCredential=TANK_HASH_KEY:/nowhere/key\n")

    code, out, err = machine.run("status", "order-1")

    assert (code, out) == (78, "")
    assert "remedy: mend LoadCredential=TANK_HASH_KEY:/nowhere/key" in err
    assert machine.left_behind == []


@pytest.mark.parametrize("flag", ["-i", "--instance"])
def test_an_instance(machine: Machine, flag: str) -> None:
    """What it sets for itself counts, once; the state directory is that of all."""
    machine.set("1.env", "# of one\nTANK_HTTP_LISTEN=127.0.0.1:9465\nexport TANK_LOG_LEVEL=debug")
    machine.set("tank-mailer.env", "TANK_LOG_LEVEL=info\nTANK_HTTP_LISTEN=127.0.0.1:9464\nTANK_NODE=a\n")

    shown = machine.shown(flag, "1", "config", "show")

    assert shown["arguments"] == ["config", "show"]
    assert shown["settings"] == "# of one\nTANK_HTTP_LISTEN=127.0.0.1:9465\nexport TANK_LOG_LEVEL=debug\nTANK_NODE=a\n"
    assert "systemctl cat tank-mailer@1.service" in machine.log
    assert shown["environment"]["STATE_DIRECTORY"] == f"{machine.root}/var/lib/tank-mailer"


@pytest.mark.parametrize(
    "arguments", [["-i"], ["-i", ""], ["-i", "../x"], ["-i", "a b"]], ids=["none", "empty", "a-path", "two-words"]
)
def test_no_instance(machine: Machine, arguments: list[str]) -> None:
    code, _, err = machine.run(*arguments)

    assert code == 2
    assert "remedy: " in err


def test_without_settings_the_program_says_what_is_missing(machine: Machine) -> None:
    (machine.root / "etc/tank-mailer/tank-mailer.env").unlink()

    assert machine.shown("config", "check")["settings"] == ""


def test_whoever_is_not_root_goes_by_sudo(machine: Machine) -> None:
    code, out, _ = machine.run("-i", "1", "status", "order 1", STUB_UID="1000")

    assert (code, out) == (7, f"sudo -- {machine.root}/tank-mailer -i 1 status order 1\n")


def test_completion_needs_no_rights(machine: Machine) -> None:
    """A TAB must neither ask for a password nor read a secret."""
    shown = machine.shown(STUB_UID="1000", _TANK_MAILER_COMPLETE="complete_bash", COMP_WORDS="tank-mailer d")

    assert "TANK_ENV_FILE" not in shown["environment"]
    assert shown["environment"]["COMP_WORDS"] == "tank-mailer d"
    assert machine.log == []


def test_a_stack_is_asked_for_with_the_caller_s_keys_into_his_file(machine: Machine) -> None:
    """The daemon's key must not see the stack, and the file is to be where he is."""
    shown = machine.shown("config", "from-stack", "tank-queues", STUB_UID="1000", AWS_PROFILE="admin")

    assert (shown["folder"], shown["environment"]["AWS_PROFILE"]) == (str(machine.root), "admin")
    assert "TANK_ENV_FILE" not in shown["environment"]
    assert machine.log == []


@pytest.mark.parametrize("path", PATHS[::2], ids=["the-program", "the-state"])
def test_what_is_not_installed_is_said(machine: Machine, path: str) -> None:
    shutil.rmtree(machine.root / path[1:])

    code, _, err = machine.run("status", "order-1")

    assert code == 75
    assert "remedy: " in err


def test_an_interrupted_command_leaves_nothing_behind(machine: Machine) -> None:
    """Ctrl-C goes to both: the command ends as it does, and its settings are taken away."""
    program = machine.root / "opt/tank-mailer/bin/tank-mailer"
    waits = "import signal\nsignal.signal(2, lambda *_: exit(130))\nprint('on', flush=True)\nsignal.pause()\n"
    program.write_text(f"#!{sys.executable}\n{waits}", encoding="utf-8")
    process = machine.start("top")
    assert process.stdout is not None
    assert process.stdout.readline() == "on\n"

    os.killpg(process.pid, signal.SIGINT)
    process.communicate(timeout=60)

    assert process.returncode == 130
    assert machine.left_behind == []
