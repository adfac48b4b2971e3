"""The page on Windows: what it says is missing there is what the code asks for, no more and no less."""

import ast
import re
from collections import defaultdict
from collections.abc import Iterator
from pathlib import Path

from tank_mailer.cli import ON_WINDOWS
from tank_mailer.cli.options import EXIT_BAD_SETTINGS

ROOT = Path(__file__).parents[2]
PAGE = ROOT / "docs" / "windows.md"
PACKAGE = ROOT / "tank_mailer"
# Python's documentation: modules with the note "Availability: Unix", and names that Windows lacks.
MODULES = {"fcntl", "grp", "posix", "pty", "pwd", "resource", "syslog", "termios", "tty"}
NAMES = {
    *("AF_UNIX", "SIGHUP", "SIGUSR1", "SIGUSR2", "SIGQUIT", "SIGALRM", "add_signal_handler", "remove_signal_handler"),
    *("chown", "lchown", "fchown", "fchmod", "fork", "getuid", "geteuid", "getgid", "getegid", "setuid", "setsid"),
    *("killpg", "getpgid", "statvfs", "fstatvfs", "mkfifo", "uname", "nice", "getloadavg", "pathconf"),
    *("start_unix_server", "open_unix_connection", "create_unix_server", "create_unix_connection"),
}


def asked_for(tree: ast.AST) -> Iterator[str]:
    for node in ast.walk(tree):
        match node:
            case ast.Import(names=names):
                yield from MODULES & {one.name for one in names}
            case ast.ImportFrom(module=str(module)) if module in MODULES:
                yield module
            case ast.Attribute(attr=name) if name in NAMES:
                yield name


def test_the_table_is_what_the_code_asks_for() -> None:
    found = defaultdict[str, set[str]](set)
    for path in PACKAGE.rglob("*.py"):
        for name in asked_for(ast.parse(path.read_text(encoding="utf-8"))):
            found[name].add(path.relative_to(PACKAGE).as_posix())
    told = defaultdict[str, set[str]](set)
    for names, files in re.findall(r"^\| (`.*?`) \| (`.*?`) \|", PAGE.read_text(encoding="utf-8"), re.MULTILINE):
        here, there = re.findall(r"`([^`]+)`", names), set(re.findall(r"`([^`]+)`", files))
        assert there == set().union(*(found[name] for name in here)), f"files of {names}"
        for name in here:
            told[name] |= found[name]

    assert told == found


def test_what_it_says_is_what_is_said() -> None:
    text = PAGE.read_text(encoding="utf-8")
    assert f"```text\n{ON_WINDOWS}\n```" in text
    assert f"exit code {EXIT_BAD_SETTINGS}" in text
    assert "**Not tried.**" in text


def test_a_checkout_keeps_unix_line_ends() -> None:
    """In a script of the image or of systemd a CR is a part of the command."""
    rules = (ROOT / ".gitattributes").read_text(encoding="utf-8").splitlines()
    assert "* text=auto eol=lf" in rules
    scripts = [path for folder in ("systemd", "config") for path in (ROOT / folder).rglob("*") if path.is_file()]
    assert [str(path) for path in scripts if b"\r\n" in path.read_bytes()] == []
