"""The command line: one file a command group."""

import os
import sys

from tank_mailer.cli.guard import guarded
from tank_mailer.cli.program import COMMANDS, build


def main() -> None:
    """Enter here: the console script."""
    os.umask(0o077)  # the ledger holds addresses, the texts of refused jobs too
    sys.exit(guarded(_program))


def _program() -> None:
    """The one command that is named, or all of them: for help, completion and what is misspelt."""
    named = [word for word in sys.argv[1:2] if word in COMMANDS]
    build(*named)()
