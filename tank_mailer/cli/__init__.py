"""The command line: one file a command group."""

import os
import sys
from typing import Final

from tank_mailer.cli.guard import guarded
from tank_mailer.cli.options import EXIT_BAD_SETTINGS
from tank_mailer.cli.program import COMMANDS, build

ON_WINDOWS: Final = "tank-mailer does not run on Windows itself; remedy: WSL 2 or Docker, as docs/windows.md has it"


def main() -> None:
    """Enter here: the console script."""
    if sys.platform == "win32":  # locks, signals and file modes of Unix are asked for everywhere
        sys.stderr.write(f"{ON_WINDOWS}\n")
        sys.exit(EXIT_BAD_SETTINGS)
    os.umask(0o077)  # the ledger holds addresses, the texts of refused jobs too
    sys.exit(guarded(_program))


def _program() -> None:
    """The one command that is named, or all of them: for help, completion and what is misspelt."""
    named = [word for word in sys.argv[1:2] if word in COMMANDS]
    build(*named)()
