"""The program as a whole: one command loads itself alone, and all of them stand in the help."""

import subprocess
import sys

import pytest
from typer.main import get_command

from tank_mailer.cli.program import COMMANDS, build

LOADED = """
import sys
from tank_mailer.cli import main
try:
    main()
except SystemExit:
    pass
print(*sorted(name for name in sys.modules if name.startswith("tank_mailer.cli.")), sep="\\n")
"""


def loaded_by(*words: str) -> set[str]:
    command = [sys.executable, "-c", LOADED, *words]
    return set(subprocess.run(command, capture_output=True, text=True, check=True).stdout.splitlines())


def test_one_command_loads_no_other() -> None:
    """They take longer to load than most of them work."""
    loaded = loaded_by("audit", "--help")

    assert "tank_mailer.cli.audit" in loaded
    assert loaded.isdisjoint({"tank_mailer.cli.run", "tank_mailer.cli.demo", "tank_mailer.cli.report"})


@pytest.mark.parametrize("word", ["--help", "stauts", "--version"])
def test_all_are_there_where_no_command_is_named(word: str) -> None:
    assert {f"tank_mailer.cli.{command.module}" for command in COMMANDS.values()} <= loaded_by(word)


def test_the_program_has_them_all() -> None:
    assert set(get_command(build()).commands) == set(COMMANDS)  # type: ignore[attr-defined]
    assert set(get_command(build("why")).commands) == {"why"}  # type: ignore[attr-defined]


ON_WINDOWS = """
import sys
from tank_mailer.cli import main
sys.platform = "win32"
main()
"""


def test_on_windows_one_line_says_what_to_do() -> None:
    """Not that some module is missing, and that it is a bug."""
    command = [sys.executable, "-c", ON_WINDOWS, "run"]
    done = subprocess.run(command, capture_output=True, text=True, check=False)

    assert (done.returncode, done.stdout) == (78, "")
    assert done.stderr == (
        "tank-mailer does not run on Windows itself; remedy: WSL 2 or Docker, as docs/windows.md has it\n"
    )
