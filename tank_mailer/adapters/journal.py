"""How far a file has been put on the queue: a small file beside it, on disk after each batch."""

import json
import os
from collections.abc import Iterable
from dataclasses import asdict, dataclass
from pathlib import Path

from tank_mailer.core.enqueue import Done, read_ranges
from tank_mailer.core.errors import ConfigurationError, Reason

SUFFIX = ".progress"
FORM = 1  # of the journal itself


class JournalError(ConfigurationError):
    """There is a journal, and it is not about this."""


@dataclass(frozen=True, slots=True)
class Subject:
    """What a journal is about."""

    sha256: str
    format: str
    queue: str


@dataclass(slots=True)
class Journal:
    """The numbers of the jobs that the queue has acknowledged."""

    path: Path
    subject: Subject
    done: Done

    @classmethod
    def beside(cls, file: Path, subject: Subject) -> "Journal":
        """Read the journal of `file`, or begin one.

        Raises:
            JournalError: the journal there is about something else.
        """
        path = file.with_name(file.name + SUFFIX)
        try:
            found = json.loads(path.read_text(encoding="utf-8"))
        except FileNotFoundError:
            return cls(path, subject, Done())
        except (OSError, ValueError, RecursionError) as error:
            raise JournalError(Reason.ID_CONFLICT, f"{path} cannot be read ({type(error).__name__})") from error
        done = read_ranges(found.get("acknowledged")) if isinstance(found, dict) else None
        if done is None or found.get("form") != FORM:
            raise JournalError(Reason.ID_CONFLICT, f"{path} is no journal of this program")
        for name, what in (("sha256", "another content of the file"), ("format", "another format")):
            if found.get(name) != getattr(subject, name):
                raise JournalError(Reason.ID_CONFLICT, f"{path} is about {what}: {len(done)} jobs of that are queued")
        if found.get("queue") != subject.queue:
            raise JournalError(Reason.ID_CONFLICT, f"{path} is about another queue")
        return cls(path, subject, done)

    def begin(self) -> None:
        """See whether it can be written, before anything is sent; raises OSError."""
        self._write()

    def add(self, numbers: Iterable[int]) -> None:
        """Put them on record; raises OSError."""
        self.done.add(numbers)
        self._write()

    def finish(self) -> None:
        """Everything is on the queue."""
        self.path.unlink(missing_ok=True)

    def _write(self) -> None:
        draft = self.path.with_name(f".{self.path.name}.new")
        content = {"form": FORM, **asdict(self.subject), "acknowledged": self.done.ranges}
        with draft.open("w", encoding="utf-8") as file:
            json.dump(content, file)
            file.flush()
            os.fsync(file.fileno())
        draft.replace(self.path)
        folder = os.open(self.path.parent, os.O_RDONLY)
        try:
            os.fsync(folder)  # the new name too has to outlast a power cut
        finally:
            os.close(folder)
