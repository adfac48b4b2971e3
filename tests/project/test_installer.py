"""`systemd/install.sh` below a made-up root: what it puts where, and what stays as it is when something goes wrong."""

import json
import os
import shutil
import subprocess
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
SCRIPT = ROOT / "systemd" / "install.sh"
PATHS = ("/opt/tank-mailer", "/etc/tank-mailer", "/var/lib/tank-mailer", "/etc/systemd/system", "/etc/sysusers.d")
MORE_PATHS = ("/usr/local/bin/tank-mailer", "/run/systemd/system", "/run/tank-mailer-install.lock")
OURS = ("tank-mailer-report.service", "tank-mailer-report.timer", "tank-mailer.service", "tank-mailer@.service")

# Makes what looks like a virtualenv; its pip does what it is told to.
PYTHON = """\
#!/bin/sh
case $* in
*base_prefix*) echo "${STUB_PREFIX-/usr}" ;;
--version) echo "Python 3.13.5" ;;
"-m venv "*)
    mkdir -p "$3/bin"
    touch "$3/pyvenv.cfg"
    cp "$0" "$3/bin/python"
    printf '#!/bin/sh\\necho %s\\n' "${3##*/}" >"$3/bin/tank-mailer"
    chmod 0755 "$3/bin/tank-mailer"
    ;;
*" pip "*) exit "${STUB_PIP-0}" ;;
esac
"""
STUBS = {
    "id": 'case $1 in -u) echo "${STUB_UID-0}" ;; esac',
    "flock": "exit ${STUB_FLOCK-0}",
    "install": 'for word; do shift; case $word in -[go]) skip=1 ;; *) [ "${skip-}" ] || set -- "$@" "$word"; '
    'skip= ;; esac; done; exec /usr/bin/install "$@"',
    "systemctl": 'echo "systemctl $*" >>"$STUB_LOG"\ncase $1 in\n'
    '--version) echo "systemd ${STUB_SYSTEMD-257} (257.9)" ;;\n'
    'list-units) for one in ${STUB_RUNNING-}; do echo "$one loaded active running it"; done ;;\n'
    'cat) cat "$STUB_UNIT" ;;\nesac',
    "systemd-sysusers": "",
    "systemd-run": 'echo "systemd-run $*" >>"$STUB_LOG"\ncase $* in\n*"config show"*) echo "$STUB_SHOWN" ;;\n'
    '*"config check"*) exit "${STUB_CHECK-0}" ;;\n*"db upgrade"*) exit "${STUB_TABLES-0}" ;;\nesac',
    "userdel": 'echo "userdel $*" >>"$STUB_LOG"',
}


@dataclass(frozen=True, slots=True)
class Host:
    """A made-up root, and releases that are unpacked in it."""

    root: Path

    def release(self, version: str) -> Path:
        """Unpack one."""
        folder = self.root / f"release {version}"
        for name in ("systemd", "config", "tank_mailer"):
            (folder / name).mkdir(parents=True, exist_ok=True)
        for unit in (ROOT / "systemd").glob("tank-mailer*"):
            shutil.copy(unit, folder / "systemd")
        shutil.copy(ROOT / ".env.example", folder)
        (folder / "config" / "requirements.txt").touch()
        (folder / "tank_mailer" / "__init__.py").write_text(f'__version__ = "{version}"\n', encoding="utf-8")
        text = SCRIPT.read_text(encoding="utf-8")
        for path in (*PATHS, *MORE_PATHS):
            text = text.replace(path, f"{self.root}{path}")
        (folder / "systemd" / "install.sh").write_text(text, encoding="utf-8")
        return folder

    def run(self, version: str, *words: str, **environment: str) -> tuple[int, str]:
        """Run the installer of a release; the status, and all that it says."""
        given = {
            "PATH": f"{self.root}/stubs:{os.defpath}",
            "PYTHON": f"{self.root}/python3",
            "STUB_LOG": f"{self.root}/log",
            "STUB_UNIT": f"{self.root}/unit",
            "STUB_SHOWN": '{"TANK_DATABASE_URL": {"value": "sqlite+aiosqlite:///x"}}',
        }
        done = subprocess.run(
            ["/bin/sh", self.release(version) / "systemd" / "install.sh", *words],
            env=given | environment,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            check=False,
            timeout=60,
        )
        return done.returncode, done.stdout

    def install(self, version: str, *words: str, **environment: str) -> str:
        code, said = self.run(version, *words, **environment)
        assert code == 0, said
        return said

    @property
    def opt(self) -> dict[str, str]:
        """What is below /opt/tank-mailer, and where links lead."""
        there = (self.root / "opt/tank-mailer").iterdir()
        return {one.name: str(one.readlink()) if one.is_symlink() else "" for one in sorted(there)}

    @property
    def log(self) -> list[str]:
        return (self.root / "log").read_text(encoding="utf-8").splitlines()

    def runs(self) -> str:
        """What the command says that the units start."""
        command = self.root / "opt/tank-mailer/bin/tank-mailer"
        return subprocess.run([command], capture_output=True, text=True, check=True).stdout.strip()

    def units(self) -> list[str]:
        return sorted(one.name for one in (self.root / "etc/systemd/system").iterdir())


@pytest.fixture
def host(tmp_path: Path) -> Host:
    for path in ("etc/systemd/system/multi-user.target.wants", "run/systemd/system", "stubs", "opt", "var/lib"):
        (tmp_path / path).mkdir(parents=True)
    scripts = {tmp_path / "stubs" / name: f"#!/bin/sh\n{body}\n" for name, body in STUBS.items()}
    for script, body in {**scripts, tmp_path / "python3": PYTHON}.items():
        script.write_text(body, encoding="utf-8")
        script.chmod(0o755)
    shutil.copy(ROOT / "systemd" / "tank-mailer.service", tmp_path / "unit")
    return Host(tmp_path)


def test_the_first_one(host: Host) -> None:
    """The state directory is there at once: the next steps that it names are commands, and want it."""
    said = host.install("1.0.0")

    assert host.opt == {"1.0.0": "", "bin": "current/bin", "current": "1.0.0"}
    assert host.units() == ["multi-user.target.wants", *OURS]
    assert (host.root / "var/lib/tank-mailer").stat().st_mode & 0o777 == 0o700
    settings = host.root / "etc/tank-mailer/tank-mailer.env"
    assert settings.stat().st_mode & 0o777 == 0o640
    assert "tank-mailer config check\n  systemctl enable --now tank-mailer" in said


def test_once_more_builds_nothing_and_leaves_the_settings(host: Host) -> None:
    host.install("1.0.0")
    settings = host.root / "etc/tank-mailer/tank-mailer.env"
    settings.write_text("MINE=1\n", encoding="utf-8")

    said = host.install("1.0.0", STUB_PIP="1", STUB_RUNNING="tank-mailer.service")

    assert "is there already" in said
    assert "systemctl restart tank-mailer.service" in host.log
    assert settings.read_text(encoding="utf-8") == "MINE=1\n"


def test_upgrade_back_and_forward(host: Host) -> None:
    """The last two releases stay."""
    for version in ("1.0.0", "2.0.0", "3.0.0"):
        host.install(version)
    assert host.opt == {"2.0.0": "", "3.0.0": "", "bin": "current/bin", "current": "3.0.0", "previous": "2.0.0"}

    host.install("3.0.0", "rollback")
    assert host.runs() == "2.0.0"
    host.install("3.0.0", "rollback")
    assert host.runs() == "3.0.0"


def test_a_build_that_fails_leaves_nothing_and_changes_nothing(host: Host) -> None:
    host.install("1.0.0")
    before = host.opt

    code, said = host.run("2.0.0", STUB_PIP="1")

    assert (code, host.opt) == (75, before)
    assert "nothing was changed; remedy: " in said


@pytest.mark.parametrize("pip", ["0", "1"], ids=["that-succeeds", "that-fails"])
def test_a_build_anew_leaves_the_one_in_use_until_it_is_there(host: Host, pip: str) -> None:
    """The daemon runs from it, and loads parts of itself later."""
    host.install("1.0.0")

    code, _ = host.run("1.0.0", "--again", STUB_PIP=pip)

    assert host.runs() == ("1.0.0" if code else "1.0.0.again")
    assert list(host.opt) == ["1.0.0" if code else "1.0.0.again", "bin", "current"]
    host.install("1.0.0", "--again")
    assert host.runs() == ("1.0.0.again" if code else "1.0.0")
    host.install("2.0.0")
    assert host.opt["previous"] == ("1.0.0.again" if code else "1.0.0")


def test_one_that_is_prepared_anew_is_taken_into_use(host: Host) -> None:
    host.install("1.0.0")
    host.install("1.0.0", "prepare", "--again")
    assert host.runs() == "1.0.0"

    host.install("1.0.0", STUB_PIP="1")

    assert host.runs() == "1.0.0.again"


def test_settings_that_the_new_release_refuses_stop_it(host: Host) -> None:
    host.install("1.0.0")
    units = (host.root / "etc/systemd/system/tank-mailer.service").stat().st_mtime_ns

    code, said = host.run("2.0.0", STUB_CHECK="78", STUB_RUNNING="tank-mailer.service")

    assert (code, host.runs()) == (78, "1.0.0")
    assert "nothing was changed; remedy: put the settings of tank-mailer.service right for 2.0.0" in said
    assert "systemctl restart tank-mailer.service" not in host.log
    assert (host.root / "etc/systemd/system/tank-mailer.service").stat().st_mtime_ns == units


def test_every_instance_is_asked_with_what_its_unit_gives_it(host: Host) -> None:
    """systemd-run takes a percent sign as it stands; a unit means the instance, the host, or one sign by two."""
    host.install("1.0.0")
    with (host.root / "unit").open("a", encoding="utf-8") as file:
        file.write('EnvironmentFile=-/etc/tank-mailer/%i.env\nEnvironment="TANK_HASH_KEY=a%%40b c"\n')
        file.write("LoadCredentialEncrypted=AWS_ACCESS_KEY_ID:/etc/sealed\n")

    host.install("2.0.0", STUB_RUNNING="tank-mailer@1.service tank-mailer@b.service")

    asked = [line for line in host.log if line.startswith("systemd-run") and "config check" in line]
    assert len(asked) == 2
    for line, name in zip(asked, ("1", "b"), strict=True):
        assert f"--property=EnvironmentFile=-/etc/tank-mailer/{name}.env " in line
        assert '--property=Environment="TANK_HASH_KEY=a%40b c" ' in line
        assert "--property=LoadCredentialEncrypted=AWS_ACCESS_KEY_ID:/etc/sealed " in line
        assert f"{host.root}/opt/tank-mailer/2.0.0/bin/tank-mailer config check" in line


@pytest.mark.parametrize(("code", "runs"), [("0", "2.0.0"), ("75", "1.0.0")], ids=["made", "not-made"])
def test_tables_on_postgresql_come_before_the_daemon(host: Host, code: str, runs: str) -> None:
    host.install("1.0.0")
    shown = json.dumps({"TANK_DATABASE_URL": {"value": "postgresql+asyncpg://tank:****@db/tank"}})

    ended, _ = host.run("2.0.0", STUB_SHOWN=shown, STUB_TABLES=code, STUB_RUNNING="tank-mailer.service")

    assert (ended, host.runs()) == (int(code), runs)
    steps = [line.partition(" --env-file")[0].rpartition("tank-mailer ")[2] for line in host.log]
    assert ("restart tank-mailer.service" in " ".join(host.log)) is (code == "0")
    assert steps.index("config check") < steps.index("db upgrade")


@pytest.mark.parametrize(
    ("environment", "said"),
    [
        pytest.param(
            {"PYTHON": "/nowhere/python3"}, "PYTHON=/nowhere/python3 is no Python", id="a-python-that-is-none"
        ),
        pytest.param({"STUB_PREFIX": "/root/.pyenv/3.12"}, "does not see /root/.pyenv/3.12", id="one-in-a-home"),
        pytest.param({"STUB_SYSTEMD": "239"}, "systemd is of version 239", id="an-old-systemd"),
        pytest.param({"STUB_FLOCK": "1"}, "another install.sh is at work", id="two-at-once"),
    ],
)
def test_what_cannot_work_is_said_before_anything_is_there(host: Host, environment: dict[str, str], said: str) -> None:
    code, told = host.run("1.0.0", **environment)

    assert code == 75
    assert said in told
    assert "remedy: " in told
    assert not (host.root / "opt/tank-mailer").exists() or host.opt == {}


def test_nobody_but_root(host: Host) -> None:
    code, said = host.run("1.0.0", STUB_UID="1000")

    assert (code, said.splitlines()[0][:15]) == (2, "this wants root")


def test_a_python_elsewhere_may_be_run_by_the_service(host: Host) -> None:
    """The sandbox lets nothing else be run."""
    host.install("1.0.0", STUB_PREFIX="/opt/python 3.12")

    for name in OURS:
        text = (host.root / "etc/systemd/system" / name).read_text(encoding="utf-8")
        paths = [line for line in text.splitlines() if line.startswith("ExecPaths=")]
        assert [line.endswith(' "/opt/python 3.12"') for line in paths] == [True] * (not name.endswith(".timer"))


def test_back_to_a_release_that_does_not_run_any_more(host: Host) -> None:
    """Its Python has gone, with the system's upgrade."""
    host.install("1.0.0")
    host.install("2.0.0")
    (host.root / "opt/tank-mailer/1.0.0/bin/tank-mailer").write_text("#!/nowhere/python3\n", encoding="utf-8")

    code, said = host.run("2.0.0", "rollback")

    assert (code, host.runs()) == (75, "2.0.0")
    assert "remedy: systemd/install.sh --again in the release 1.0.0" in said


@pytest.mark.parametrize("words", [(), ("--purge",)], ids=["and-keep", "and-purge"])
def test_away(host: Host, words: Sequence[str]) -> None:
    """Of units only its own: others may be called after it."""
    host.install("1.0.0")
    system = host.root / "etc/systemd/system"
    (system / "tank-mailer-shipper.service").touch()
    (system / "multi-user.target.wants" / "tank-mailer@1.service").symlink_to(system / "tank-mailer@.service")
    for name in ("tank-mailer.service.d", "tank-mailer@1.service.d", "tank-mailer-shipper.service.d"):
        (system / name).mkdir()

    host.install("1.0.0", "uninstall", *words, STUB_RUNNING="tank-mailer.service")

    others = ["multi-user.target.wants", "tank-mailer-shipper.service", "tank-mailer-shipper.service.d"]
    kept = [] if words else ["tank-mailer.service.d", "tank-mailer@1.service.d"]
    assert host.units() == [*others, *kept]
    assert list((system / "multi-user.target.wants").iterdir()) == []
    assert not (host.root / "opt/tank-mailer").exists()
    assert (host.root / "var/lib/tank-mailer").exists() is not bool(words)
    assert (host.root / "etc/tank-mailer").exists() is not bool(words)
    assert "systemctl disable --now tank-mailer.service" in host.log
    assert ("userdel tank-mailer" in host.log) is bool(words)
