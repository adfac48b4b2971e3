"""The output of the log: it must never hold up the mail."""

import io
import os
from collections.abc import Iterator

import pytest
from typing_extensions import override

from tank_mailer.telemetry.sink import BATCH, LogOutput

Pipe = tuple[int, int]


@pytest.fixture
def pipe() -> Iterator[Pipe]:
    """A pipe with nobody who reads, unless the test does; both ends are closed in the end."""
    reading, writing = os.pipe()
    yield reading, writing
    for descriptor in (reading, writing):
        try:
            os.close(descriptor)
        except OSError:
            continue  # the test has closed it


class FullDisk(io.StringIO):
    """A stream that cannot be written."""

    @override
    def write(self, text: str) -> int:
        raise OSError(28, "No space left on device")


def test_lines_come_out_in_their_order() -> None:
    stream = io.StringIO()

    with LogOutput(stream) as output:
        for number in range(1000):
            output.write(f"{number}\n")

    assert stream.getvalue().split() == [str(number) for number in range(1000)]
    assert output.dropped == 0


def test_what_nobody_reads_is_dropped_and_counted(pipe: Pipe) -> None:
    """A log pipe that is full must not stop the loop: no call here may wait for a reader."""
    reading, writing = pipe
    line, lines = "x" * 999 + "\n", 500  # 500 kB; a pipe holds 64 kB
    with os.fdopen(writing, "w", closefd=False) as stream:
        output = LogOutput(stream, capacity=100)

        for _ in range(lines):
            output.write(line)
        output.close(timeout_s=0.2)

    assert lines - 100 - BATCH - 64 <= output.dropped <= lines
    os.close(reading)  # lets the thread go


def test_the_loss_is_told_once_there_is_room(pipe: Pipe) -> None:
    reading, writing = pipe
    told: list[int] = []
    lines = 500
    with os.fdopen(writing, "w", closefd=False) as stream:
        output = LogOutput(stream, capacity=100, on_room=told.append)
        for _ in range(lines):
            output.write("x" * 999 + "\n")
        dropped = output.dropped

        came = b""
        while not told:
            came += os.read(reading, 65_536)
        os.set_blocking(reading, False)
        output.close(timeout_s=0)

    assert told == [dropped]


def test_a_reader_that_went_away_stops_nothing(pipe: Pipe) -> None:
    reading, writing = pipe
    os.close(reading)
    with os.fdopen(writing, "w", closefd=False) as stream:
        output = LogOutput(stream, on_room=lambda _: pytest.fail("there is no room"))

        for _ in range(200):
            output.write("x\n")
        output.close()

    assert output.dropped == 200


def test_a_pipe_made_non_blocking_by_somebody_else_loses_nothing(pipe: Pipe) -> None:
    reading, writing = pipe
    os.set_blocking(writing, False)
    line = "x" * 999 + "\n"
    with os.fdopen(writing, "w", closefd=False) as stream:
        output = LogOutput(stream)
        for _ in range(200):
            output.write(line)
        came = 0
        while came < 200 * len(line):
            came += len(os.read(reading, 65_536))
        output.close()

    assert output.dropped == 0


@pytest.mark.parametrize("stream", [FullDisk(), io.StringIO()], ids=["a-full-disk", "a-closed-stream"])
def test_a_stream_that_fails_stops_nothing(stream: io.StringIO) -> None:
    if not isinstance(stream, FullDisk):
        stream.close()

    with LogOutput(stream) as output:
        output.write("x\n")

    assert output.dropped == 1


def test_a_closed_output_counts_what_comes_late() -> None:
    output = LogOutput(io.StringIO())
    output.close()

    output.write("late\n")

    assert output.dropped == 1


def test_closing_twice_is_harmless() -> None:
    output = LogOutput(io.StringIO())

    output.close()
    output.close()

    assert output.dropped == 0


def test_half_a_character_gets_through(pipe: Pipe) -> None:
    reading, writing = pipe
    with os.fdopen(writing, "w", closefd=False) as stream, LogOutput(stream) as output:
        output.write("\ud800\n")

    assert os.read(reading, 100) == b"\\ud800\n"
