"""What reaches nobody as a traceback: a bug, an output that cannot be written, a reader that has gone, Ctrl-C."""

import errno
import os
import sys
import tempfile
import traceback
from collections.abc import Callable
from contextlib import suppress
from typing import Final

from rich.text import Text

from tank_mailer import __version__
from tank_mailer.cli.options import errors, printable

EXIT_BUG: Final = 1
EXIT_OUTSIDE: Final = 75  # sysexits.h: EX_TEMPFAIL
EXIT_INTERRUPTED: Final = 130  # shells: 128 + SIGINT
EXIT_NO_READER: Final = 141  # shells: 128 + SIGPIPE


def guarded(app: Callable[[], object]) -> int:
    """Run the command line, and return the code to exit with, whatever happens."""
    code = _run(app)
    try:
        sys.stdout.flush()
    except OSError as error:
        code = _cannot_write(error)
        with suppress(OSError, ValueError):  # the interpreter would flush once more, and complain
            os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
    return code


def _run(app: Callable[[], object]) -> int:
    try:
        app()
    except SystemExit as ended:
        if isinstance(ended.__context__, BrokenPipeError):  # typer and rich make a 1 of it
            return EXIT_NO_READER
        if isinstance(getattr(ended.__context__, "__cause__", None), KeyboardInterrupt):
            return _interrupted()  # typer makes an exit code of it; a command that says more has caught it itself
        return ended.code if isinstance(ended.code, int) else int(ended.code is not None)
    except KeyboardInterrupt:
        return _interrupted()
    except OSError as error:
        return _cannot_write(error)
    except Exception as error:  # noqa: BLE001 - the one place that no bug gets past
        _tell_bug(error)
        return EXIT_BUG
    return 0


def _interrupted() -> int:
    with suppress(OSError):
        errors().print(Text("interrupted", style="red"))
    return EXIT_INTERRUPTED


def _cannot_write(error: OSError) -> int:
    """Something outside that no command has foreseen: mostly the output, on a full disk."""
    if error.errno == errno.EPIPE:
        return EXIT_NO_READER
    what = printable(str(error.filename or "the output"))
    _tell(f"{what}: {error.strerror or type(error).__name__}", "look at its disk, and who may write there")
    return EXIT_OUTSIDE


def _tell_bug(error: Exception) -> None:
    """One line on the screen, the rest in a file of its own: an error's text may hold addresses."""
    where = _kept(error)
    details = f"the details are in {where}, and may name addresses" if where else "no folder takes the details: TMPDIR"
    _tell(f"a bug in tank-mailer {__version__}: {type(error).__name__}", f"report it; {details}")


def _kept(error: Exception) -> str | None:
    try:
        descriptor, path = tempfile.mkstemp(prefix="tank-mailer-bug-", suffix=".txt")  # its owner alone may read it
        with os.fdopen(descriptor, "w", encoding="utf-8", errors="backslashreplace") as file:
            file.write(f"tank-mailer {__version__}, Python {sys.version}\n{sys.argv}\n\n")
            file.writelines(traceback.format_exception(error))
    except OSError:
        return None
    return path


def _tell(what: str, remedy: str) -> None:
    with suppress(OSError):
        errors().print(Text.assemble((what, "red"), "; ", ("remedy: ", "green"), (printable(remedy), "default")))
