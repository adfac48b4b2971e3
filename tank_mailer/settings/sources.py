"""Where values come from besides the environment: a `.env` file, and one file for each secret."""

import re
from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass, field
from io import StringIO
from pathlib import Path
from typing import Final

from dotenv.parser import parse_stream

from tank_mailer.settings.faults import Fault
from tank_mailer.settings.forms import masked_url
from tank_mailer.settings.names import ENV_FILE_NAME

MAX_SECRET_BYTES: Final = 65_536
OPEN_TO_OTHERS: Final = 0o007  # a group is often let in on purpose
NOT_READ: Final = "(not read)"
OFF_IF_EMPTY: Final = frozenset({"TANK_HTTP_LISTEN"})  # here nothing is a value of its own (DESIGN 9)

_UNPRINTABLE = re.compile(r"[\x00-\x1f\x7f-\x9f\ud800-\udfff]")


@dataclass(frozen=True, slots=True)
class Found:
    """A value and where it was."""

    value: str
    origin: str
    is_exported: bool = False  # in the environment, where the SDK sees it too


@dataclass(slots=True)
class Notes:
    """What is noticed on the way."""

    faults: list[Fault] = field(default_factory=list)
    warnings: list[str] = field(default_factory=list)
    hidden: set[str] = field(default_factory=set)  # names in a file of which the environment says otherwise


def usable(found: Mapping[str, Found], notes: Notes) -> dict[str, Found]:
    """Leave out empty values, which nearly always count as unset, and refuse what no setting can hold."""
    kept: dict[str, Found] = {}
    for name, one in found.items():
        if _UNPRINTABLE.search(one.value):
            notes.faults.append(
                Fault(
                    name,
                    f"holds a line break, a control character or bytes that are not UTF-8 ({one.origin})",
                    "set it anew, on one line",
                ),
            )
        elif one.value.strip() or name in OFF_IF_EMPTY:
            kept[name] = one
    return kept


def read_env_file(path: Path, notes: Notes, *, is_named: bool = False) -> dict[str, Found]:
    """Read `NAME=value` lines; quotes are taken off, `${NAME}` is left as it stands.

    systemd and Docker do not replace `${NAME}` either: so one file means the same to all three.

    Args:
        path: of the file.
        notes: takes what is wrong with it.
        is_named: by TANK_ENV_FILE.
    """
    try:
        text = path.read_bytes().decode("utf-8-sig")
    except UnicodeDecodeError as error:
        line = error.object.count(b"\n", 0, error.start) + 1
        notes.faults.append(Fault(str(path), f"line {line} is not UTF-8", "save the file as UTF-8"))
        return {}
    except OSError as error:
        remedy = f"let {ENV_FILE_NAME} name a readable file" if is_named else "give a readable file with --env-file"
        if isinstance(error, PermissionError):
            remedy = f"let the group of tank-mailer's user read it: chgrp tank-mailer {path} && chmod 640 {path}"
        notes.faults.append(Fault(str(path), f"cannot be read: {error.strerror}", remedy))
        return {}
    found: dict[str, Found] = {}
    for binding in parse_stream(StringIO(text)):
        lines_before = len(binding.original.string) - len(binding.original.string.lstrip("\r\n"))
        line = binding.original.line + lines_before
        if binding.error or (binding.key is not None and binding.value is None):
            notes.faults.append(Fault(str(path), f"line {line} is not NAME=value", "correct it, or put a # before it"))
        elif binding.key is not None:
            if binding.key in found:
                notes.warnings.append(f"{path}: {binding.key} stands there twice; line {line} counts")
            found[binding.key] = Found(binding.value or "", str(path))
    return found


def warn_of_readers(path: Path, found: Mapping[str, Found], secrets: Collection[str], notes: Notes) -> None:
    """Warn if everybody on this host may read a file with secrets."""
    held = [name for name, one in found.items() if name in secrets and _tells(one.value)]
    if held and path.stat().st_mode & OPEN_TO_OTHERS:
        notes.warnings.append(f"{path} holds {', '.join(held)} and may be read by everybody: chmod 600 {path}")


def _tells(value: str) -> bool:
    """Whether it is a secret indeed: a database URL may come without a password."""
    return "://" not in value or masked_url(value) != value


def read_secret_files(
    directories: Collection[Path],
    wanted: Collection[str],
    notes: Notes,
) -> dict[str, Found]:
    """Read the files named like `wanted` variables, in any case; an earlier directory goes first.

    Files that begin with `TANK_` and are not wanted come back too, unread: their names are to be judged.
    """
    found: dict[str, Found] = {}
    for directory in directories:
        for path in _files(directory, wanted):
            name = path.name.upper()
            if name in found:
                continue
            if name in wanted:
                found[name] = Found(_read_secret(path, notes), str(path))
            elif name.startswith("TANK_"):
                found[name] = Found(NOT_READ, str(path))
    return found


def _files(directory: Path, wanted: Collection[str]) -> Iterator[Path]:
    try:
        yield from sorted(directory.iterdir())
    except PermissionError:  # may be entered, not listed
        spelled = (directory / each for name in wanted for each in (name, name.lower()))
        yield from (path for path in spelled if path.exists())
    except OSError:
        return


def _read_secret(path: Path, notes: Notes) -> str:
    try:
        with path.open("rb") as file:
            content = file.read(MAX_SECRET_BYTES + 1)
        if len(content) > MAX_SECRET_BYTES:
            notes.faults.append(Fault(str(path), "too large for a secret", "put the bare value into it"))
            return ""
        text = content.decode()
    except UnicodeDecodeError:
        notes.faults.append(Fault(str(path), "is not UTF-8", "put the bare value into it"))
        return ""
    except OSError as error:
        notes.faults.append(
            Fault(str(path), f"cannot be read: {error.strerror}", "let the user of tank-mailer read it"),
        )
        return ""
    return text.removesuffix("\n").removesuffix("\r")
