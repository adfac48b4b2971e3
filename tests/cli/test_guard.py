"""Nobody gets a traceback: not of a bug, not at a full disk, not when the reader of a pipe has gone."""

import errno
import re
import stat
import subprocess
import sys
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import NoReturn

import pytest
import typer

from tank_mailer.cli.guard import guarded
from tank_mailer.cli.outside import leave

PROGRAM = Path(sys.executable).with_name("tank-mailer")
Raised = type[BaseException] | BaseException


def app_that(raises: Raised) -> Callable[[], object]:
    def app() -> NoReturn:
        raise raises

    return app


@pytest.mark.parametrize(
    ("raised", "code", "said"),
    [
        pytest.param(SystemExit(0), 0, "", id="all-is-well"),
        pytest.param(SystemExit(None), 0, "", id="that-too"),
        pytest.param(SystemExit(3), 3, "", id="a-command-has-its-own-code"),
        pytest.param(KeyboardInterrupt, 130, "interrupted", id="ctrl-c"),
        pytest.param(BrokenPipeError(errno.EPIPE, "Broken pipe"), 141, "", id="the-reader-has-gone"),
        pytest.param(OSError(errno.ENOSPC, "No space left on device"), 75, "the output: No space left", id="full-disk"),
        pytest.param(PermissionError(errno.EACCES, "Denied", "/x\x1b"), 75, "/x\\x1b: Denied; remedy: ", id="a-file"),
    ],
)
def test_what_is_no_bug(raised: Raised, code: int, said: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert guarded(app_that(raised)) == code

    err = capsys.readouterr().err
    assert said in err
    assert err.count("\n") == bool(said)


def test_ctrl_c_in_a_command_is_one_line(capsys: pytest.CaptureFixture[str]) -> None:
    """Of one that has nothing to say about it, such as doctor and report; typer would end without a word."""
    app = typer.Typer()
    app.command()(app_that(KeyboardInterrupt))

    assert guarded(lambda: app([])) == 130
    assert capsys.readouterr().err == "interrupted\n"


def test_a_command_that_says_more_at_ctrl_c_says_it_alone(capsys: pytest.CaptureFixture[str]) -> None:
    app = typer.Typer()

    @app.command()
    def command() -> None:
        try:
            app_that(KeyboardInterrupt)()
        except KeyboardInterrupt:
            leave(130, "interrupted; nothing was changed")

    assert guarded(lambda: app([])) == 130
    assert capsys.readouterr().err == "interrupted; nothing was changed\n"


def test_a_command_that_comes_to_its_end() -> None:
    assert guarded(lambda: None) == 0


def test_a_bug_is_one_line_and_a_file(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """What an error says may hold an address: it goes into the file, for its owner alone."""
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))

    assert guarded(app_that(KeyError("jane@example.com"))) == 1

    (line,) = capsys.readouterr().err.splitlines()
    assert line.startswith("a bug in tank-mailer ")
    assert "KeyError" in line
    assert "jane" not in line
    found = re.search(r"the details are in (\S+\.txt)", line)
    assert found is not None
    file = Path(found[1])
    assert "KeyError: 'jane@example.com'" in file.read_text(encoding="utf-8")
    assert stat.S_IMODE(file.stat().st_mode) == 0o600


def test_a_bug_where_nothing_can_be_written(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path / "gone"))

    assert guarded(app_that(KeyError("x"))) == 1
    assert "TMPDIR" in capsys.readouterr().err


def test_typers_own_end_is_kept(capsys: pytest.CaptureFixture[str]) -> None:
    """Usage errors and Exit go through typer as before."""
    app = typer.Typer()

    @app.command()
    def command(code: int) -> None:
        raise typer.Exit(code)

    assert guarded(lambda: app(["7"])) == 7
    assert guarded(lambda: app(["many"])) == 2
    assert "Invalid value" in capsys.readouterr().err


# --- the program itself ----------------------------------------------------------------------------


def test_a_full_disk_behind_the_output() -> None:
    with Path("/dev/full").open("w", encoding="utf-8") as full:
        done = subprocess.run([PROGRAM, "--help"], stdout=full, stderr=subprocess.PIPE, text=True, check=False)

    assert done.returncode == 75
    assert done.stderr.splitlines() == [
        "the output: No space left on device; remedy: look at its disk, and who may write there"
    ]


def test_a_reader_that_has_enough() -> None:
    """As in `tank-mailer ... | head -1`."""
    process = subprocess.Popen([PROGRAM, "--help"], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
    assert process.stdout is not None
    process.stdout.close()

    assert process.stderr is not None
    with process.stderr as err:
        assert err.read() == ""
    assert process.wait(60) == 141
