"""What systemd hears of the daemon, on real sockets."""

import os
import socket
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from tank_mailer.adapters.systemd import Supervisor


@contextmanager
def listening(address: str) -> Iterator[socket.socket]:
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as listener:
        listener.bind(address)
        listener.setblocking(False)
        yield listener


def test_a_socket_in_the_file_system_hears_it(tmp_path: Path) -> None:
    address = str(tmp_path / "notify")
    with listening(address) as listener:
        Supervisor(address).tell("READY=1", "STATUS=sending from jobs")

        assert listener.recv(4_096) == b"READY=1\nSTATUS=sending from jobs"


def test_an_abstract_socket_hears_it() -> None:
    """An @ is how systemd writes the NUL that an abstract name begins with."""
    name = f"tank-mailer-test-{os.getpid()}"
    with listening(f"\0{name}") as listener:
        Supervisor(f"@{name}").tell("WATCHDOG=1")

        assert listener.recv(4_096) == b"WATCHDOG=1"


def test_each_call_is_one_datagram(tmp_path: Path) -> None:
    address = str(tmp_path / "notify")
    with listening(address) as listener:
        supervisor = Supervisor(address)
        supervisor.tell("WATCHDOG=1")
        supervisor.tell("STOPPING=1")

        assert [listener.recv(4_096), listener.recv(4_096)] == [b"WATCHDOG=1", b"STOPPING=1"]


def test_nobody_listens(tmp_path: Path) -> None:
    Supervisor(str(tmp_path / "nobody")).tell("READY=1")
    Supervisor("").tell("READY=1")


def test_a_supervisor_that_does_not_read_never_holds_the_daemon_up(tmp_path: Path) -> None:
    """The loop itself tells it; a send that waits would stop every mail."""
    address = str(tmp_path / "notify")
    with listening(address):
        supervisor = Supervisor(address)
        for _ in range(2_000):  # more than a socket keeps
            supervisor.tell("WATCHDOG=1")


@pytest.mark.parametrize(
    ("environ", "supervisor"),
    [
        pytest.param({}, Supervisor(), id="started-by-hand"),
        pytest.param({"NOTIFY_SOCKET": "/run/notify"}, Supervisor("/run/notify"), id="without-a-watchdog"),
        pytest.param(
            {"NOTIFY_SOCKET": "@n", "WATCHDOG_USEC": "30000000"}, Supervisor("@n", 30.0), id="with-a-watchdog"
        ),
        pytest.param(
            {"NOTIFY_SOCKET": "@n", "WATCHDOG_USEC": "30000000", "WATCHDOG_PID": str(os.getpid())},
            Supervisor("@n", 30.0),
            id="a-watchdog-of-ours",
        ),
        pytest.param(
            {"NOTIFY_SOCKET": "@n", "WATCHDOG_USEC": "30000000", "WATCHDOG_PID": "1"},
            Supervisor("@n"),
            id="a-watchdog-of-another-process",
        ),
        pytest.param(
            {"NOTIFY_SOCKET": "@n", "WATCHDOG_USEC": "soon"}, Supervisor("@n"), id="a-watchdog-without-a-number"
        ),
        pytest.param({"WATCHDOG_USEC": "30000000"}, Supervisor(), id="a-watchdog-that-cannot-be-told"),
    ],
)
def test_of(environ: dict[str, str], supervisor: Supervisor) -> None:
    assert Supervisor.of(environ) == supervisor
