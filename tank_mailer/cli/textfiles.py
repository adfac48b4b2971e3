"""Files that people hand in, read line by line and more than once; standard input goes through a file on disk."""

import hashlib
import shutil
import sys
import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO, Final

import typer

from tank_mailer.cli.options import printable
from tank_mailer.core.lines import MAX_LINE_BYTES

STANDARD_INPUT: Final = Path("-")
BOM: Final = b"\xef\xbb\xbf"


@dataclass(frozen=True, slots=True)
class TextFile:
    """A file of lines.

    Attributes:
        is_lasting: whether it is there for another run; standard input is not.
    """

    file: BinaryIO
    size_bytes: int
    is_lasting: bool = True

    def lines(
        self, *, digest: "hashlib._Hash | None" = None, moved: Callable[[int], None] | None = None
    ) -> Iterator[str]:
        """Read all lines from the start; bytes that are no UTF-8 become lone surrogates.

        A line that is longer than any may be is cut.

        Args:
            digest: gets every byte.
            moved: is told how many bytes were read.
        """
        self.file.seek(0)
        is_first = True
        while line := self._line(digest, moved):
            yield (line.removeprefix(BOM) if is_first else line).decode("utf-8", "surrogateescape")
            is_first = False

    def _line(self, digest: "hashlib._Hash | None", moved: Callable[[int], None] | None) -> bytes:
        line = part = self.file.readline(MAX_LINE_BYTES)
        while part:
            if digest is not None:
                digest.update(part)
            if moved is not None:
                moved(len(part))
            if part.endswith(b"\n"):
                break
            part = self.file.readline(MAX_LINE_BYTES)
        return line


def there(path: Path | None) -> Path | None:
    """Refuse a file that is not there, as a matter of usage; typer's own way to do so knows no `-`."""
    if path is not None and path != STANDARD_INPUT and (not path.exists() or path.is_dir()):
        raise typer.BadParameter(f"There is no file {printable(str(path))}.")
    return path


@contextmanager
def open_text(path: Path) -> Iterator[TextFile]:
    """Open a file, or take standard input (`-`) to its end first; raises OSError."""
    if path == STANDARD_INPUT:
        with _spooled(sys.stdin.buffer) as text:
            yield text
        return
    with path.open("rb") as file:
        if file.seekable():
            yield TextFile(file, path.stat().st_size)
            return
        with _spooled(file) as text:  # a named pipe
            yield text


@contextmanager
def _spooled(source: BinaryIO) -> Iterator[TextFile]:
    with tempfile.TemporaryFile() as spool:
        shutil.copyfileobj(source, spool)
        yield TextFile(spool, spool.tell(), is_lasting=False)
