"""Every command, whichever there are: help with an example, options that are explained, completion, JSON."""

import os
import re
import shutil
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from click.testing import Result as _  # noqa: F401
from typer.core import TyperCommand, TyperGroup
from typer.main import get_command
from typer.testing import CliRunner, Result

from tank_mailer.cli.program import build

Run = Callable[..., Result]
Command = TyperCommand | TyperGroup
PROGRAM = Path(sys.executable).with_name("tank-mailer")
# Those without --json, and what a script has instead.
WITHOUT_JSON = {
    "run": "its log lines are JSON",
    "suppress export": "what it writes is CSV, for `suppress import` and spreadsheets",
}


def walk(command: Command, path: tuple[str, ...] = ()) -> Iterator[tuple[tuple[str, ...], Command]]:
    yield path, command
    if isinstance(command, TyperGroup):
        for name, one in command.commands.items():
            assert isinstance(one, TyperCommand | TyperGroup)
            yield from walk(one, (*path, name))


EVERYTHING = dict(walk(get_command(build())))  # type: ignore[arg-type]
COMMANDS = {path: one for path, one in EVERYTHING.items() if not isinstance(one, TyperGroup)}
GROUPS = {path: one for path, one in EVERYTHING.items() if isinstance(one, TyperGroup)}
all_commands = pytest.mark.parametrize("path", [pytest.param(path, id="-".join(path)) for path in COMMANDS])


def test_there_are_commands() -> None:
    assert len(COMMANDS) > 25
    assert ("dlq", "redrive") in COMMANDS


@all_commands
def test_help_with_an_example_that_could_be_typed(path: tuple[str, ...], run: Run) -> None:
    """It names this very command; what follows are options that there are."""
    result = run(*path, "--help")
    shown = " ".join(re.sub(r"[│╭╮╰╯─]", " ", result.stdout).split())
    examples = re.findall(r"Example[^:]*: (.*?)(?=Example|$)", shown)
    name = f"tank-mailer {' '.join(path)}"

    assert result.exit_code == 0
    assert any(name in one for one in examples), shown
    known = {option for parameter in COMMANDS[path].params for option in parameter.opts}
    ours = [one.partition(name)[2] for one in examples if name in one]
    used = {word for one in ours for word in re.findall(r"(?<!\S)--[a-z-]+", re.split(r"[|;]|&&", one)[0])}
    assert used <= known


@all_commands
def test_all_is_explained(path: tuple[str, ...]) -> None:
    """Every option and argument, the exit codes, and what it is for: the first lines stand in the list of commands."""
    command = COMMANDS[path]
    text = command.help or ""

    assert [one.name for one in command.params if not getattr(one, "help", None)] == []
    assert "Exit codes:" in text
    assert text.split("\n\n")[0].endswith(".")


def test_scripts_can_read_what_people_can() -> None:
    without = {
        " ".join(path) for path, one in COMMANDS.items() if not any("--json" in option.opts for option in one.params)
    }

    assert without == set(WITHOUT_JSON)


@pytest.mark.parametrize("path", [pytest.param(path, id="-".join(path) or "itself") for path in GROUPS])
def test_a_group_alone_shows_its_help(path: tuple[str, ...], run: Run) -> None:
    result = run(*path)

    assert result.exit_code == 2
    assert "Commands" in result.stdout + result.stderr


# --- completion ------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("line", "words"),
    [
        pytest.param("tank-mailer dl", ["dlq"], id="a-command"),
        pytest.param("tank-mailer dlq re", ["redrive"], id="one-of-a-group"),
        pytest.param("tank-mailer dlq list --older", ["--older-than"], id="an-option"),
        pytest.param("tank-mailer dlq list --reason in_d", ["in_doubt"], id="a-reason"),
        pytest.param("tank-mailer dlq redrive --to p", ["priority"], id="a-lane"),
        pytest.param("tank-mailer refused list --kind d", ["dry_run", "dead", "dropped"], id="a-kind"),
        pytest.param("tank-mailer audit list --action dlq", ["dlq", "dlq drop", "dlq redrive"], id="an-action"),
    ],
)
def test_the_shell_is_told_what_may_follow(line: str, words: list[str], clean_environment: None) -> None:
    """Without settings, without a store: a TAB must not fail."""
    asked = {"_TANK_MAILER_COMPLETE": "complete_bash", "COMP_WORDS": line, "COMP_CWORD": str(line.count(" "))}
    result = CliRunner().invoke(build(), [], env=asked, prog_name="tank-mailer")

    assert (result.exit_code, result.stderr) == (0, "")
    assert result.stdout.split("\n")[:-1] == words


@pytest.mark.parametrize("shell", ["bash", "zsh"])
def test_the_script_for_the_shell(shell: str, tmp_path: Path) -> None:
    """It is what `--install-completion` puts in place."""
    asked = {"_TANK_MAILER_COMPLETE": f"source_{shell}"}
    shown = CliRunner().invoke(build(), [], env=asked, prog_name="tank-mailer").stdout
    path = tmp_path / "completion"
    path.write_text(shown, encoding="utf-8")

    assert f"_TANK_MAILER_COMPLETE=complete_{shell}" in shown
    assert "tank-mailer" in shown
    if checker := shutil.which(shell):
        subprocess.run([checker, "-n", str(path)], check=True)


@pytest.mark.parametrize(
    ("shell", "file"),
    [("bash", ".bash_completions/tank-mailer.sh"), ("zsh", ".zfunc/_tank-mailer")],
    ids=["bash", "zsh"],
)
def test_completion_is_installed(shell: str, file: str, tmp_path: Path) -> None:
    """For a shell that is named; without one the program looks which it is called from."""
    variables = {"PATH": os.defpath, "HOME": str(tmp_path), "_TYPER_COMPLETE_TEST_DISABLE_SHELL_DETECTION": "1"}
    command = [str(PROGRAM), "--install-completion", shell]
    done = subprocess.run(command, env=variables, capture_output=True, text=True, check=False)

    assert (done.returncode, done.stderr) == (0, "")
    assert shell in done.stdout
    assert "tank_mailer_completion" in (tmp_path / file).read_text(encoding="utf-8")
