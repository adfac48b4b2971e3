"""Where log lines go: a bounded buffer, and a thread that writes it out.

A pipe that nobody empties blocks who writes into it. That must be this thread and never the event
loop, so a line that finds the buffer full is dropped and counted.
"""

import os
import select
import threading
from collections import deque
from collections.abc import Callable, Iterator
from itertools import islice
from typing import IO, Self

CAPACITY = 10_000  # lines; about 5 MB, or ten minutes of 14 jobs a second
BATCH = 64  # lines that the thread holds besides the buffer
GATHER_S = 0.02  # a line waits so long for company: fewer wake-ups of two threads that share one core
CLOSE_WAIT_S = 2.0
WRITABLE_WAIT_S = 0.1  # between two looks at a pipe that somebody else has made non-blocking


class LogOutput:
    """The output of all loggers; `close` it last."""

    def __init__(
        self,
        stream: IO[str],
        *,
        capacity: int = CAPACITY,
        on_room: Callable[[int], None] = lambda _lines: None,
    ) -> None:
        """Start the thread.

        Args:
            stream: what to write to; its file descriptor where it has one, because a lock of the
                buffered stream that a blocked thread holds would spoil the interpreter's exit.
            capacity: how many lines may wait.
            on_room: told, from the thread, how many lines were dropped since it was told last.
        """
        self.dropped = 0
        self._told = 0
        self._stream = stream
        self._fd = _fd_of(stream)
        self._capacity = capacity
        self._on_room = on_room
        self._lines: deque[str] = deque()
        self._held = 0
        self._wake = threading.Event()
        self._closing = threading.Event()
        self._lock = threading.Lock()
        self._thread = threading.Thread(target=self._run, name="log-writer", daemon=True)
        self._thread.start()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_exc: object) -> None:
        self.close()

    def write(self, line: str) -> None:
        """Take over a line, which ends in a newline; returns at once."""
        if len(self._lines) >= self._capacity or self._closing.is_set():
            self._drop(1)
            return
        self._lines.append(line)
        if not self._wake.is_set():
            self._wake.set()

    # The names by which structlog hands lines over.
    debug = info = warning = error = critical = write

    def close(self, timeout_s: float = CLOSE_WAIT_S) -> None:
        """Write what is left, for `timeout_s` at most; what still waits then is dropped."""
        self._closing.set()
        self._wake.set()
        self._thread.join(timeout_s)
        left = len(self._lines) + self._held
        self._lines.clear()
        self._drop(left)

    def _drop(self, lines: int) -> None:
        with self._lock:
            self.dropped += lines

    def _run(self) -> None:
        while True:
            self._wake.wait()
            self._closing.wait(GATHER_S)
            self._wake.clear()
            closing = self._closing.is_set()
            while self._lines:
                if self._write_batch():
                    self._tell()
            if closing:
                return

    def _write_batch(self) -> bool:
        batch = list(islice(_taken(self._lines), BATCH))
        self._held = len(batch)
        try:
            self._put("".join(batch))
        except (OSError, ValueError):  # a closed pipe, a full disk, a closed stream: the mail goes on
            self._drop(len(batch))
            return False
        finally:
            self._held = 0
        return True

    def _put(self, text: str) -> None:
        if self._fd is None:
            self._stream.write(text)
            self._stream.flush()
            return
        left = memoryview(text.encode(errors="backslashreplace"))
        while left:
            try:
                left = left[os.write(self._fd, left) :]
            except BlockingIOError:
                select.select([], [self._fd], [], WRITABLE_WAIT_S)

    def _tell(self) -> None:
        """Have the loss written down once lines get through again."""
        lost = self.dropped - self._told
        if lost and not self._closing.is_set():
            self._told += lost
            self._on_room(lost)


def _taken(lines: deque[str]) -> Iterator[str]:
    while lines:
        yield lines.popleft()


def _fd_of(stream: IO[str]) -> int | None:
    try:
        return stream.fileno()
    except (OSError, ValueError):  # a stream in memory has none
        return None
