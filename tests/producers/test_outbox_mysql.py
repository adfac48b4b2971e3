"""The outbox on a real MariaDB: whoever asks for a mail does not wait for a relay that is talking to SQS."""

import getpass
import re
import subprocess
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from tests.producers.languages import EXAMPLES, ROOT, program

PACKAGE = "mariadb-server"
LONGEST_S = 120.0
LOCK_WAIT_S = 10  # who waits for so long has met another's lock
[ISOLATION] = re.findall(r"`(SET SESSION [A-Z ]+)`", (ROOT / "docs" / "producers.md").read_text(encoding="utf-8"))
TAKE = (EXAMPLES / "outbox-relay.sql").read_text(encoding="utf-8").split(";")[0]
TEXT = "{}"  # the relay does not read it
INSERT = "INSERT INTO mail_outbox (email_id, job) VALUES"


class Server:
    """One server that listens on a socket in its folder alone."""

    def __init__(self, folder: Path) -> None:
        self.client = [program("mariadb", PACKAGE), "--no-defaults", f"--socket={folder / 's'}", "--user=root"]
        self.client += ["--batch", "--skip-column-names", "--unbuffered"]

    def ask(self, sql: str, database: str = "shop") -> list[str]:
        command = [*self.client, f"--database={database}"]
        done = subprocess.run(command, input=sql, capture_output=True, check=False, text=True, timeout=LONGEST_S)
        assert done.returncode == 0, done.stderr
        return done.stdout.splitlines()

    @contextmanager
    def amid(self, sql: str) -> Iterator[list[str]]:
        """A transaction that has come so far and stays open until the block ends; what it has read."""
        command = [*self.client, "--database=shop"]
        with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as session:
            assert session.stdin is not None
            assert session.stdout is not None
            session.stdin.write(f"{sql};\nSELECT 'so far';\n")
            session.stdin.flush()
            yield list(iter(lambda: session.stdout.readline().strip(), "so far"))  # type: ignore[union-attr]
            session.stdin.close()


@pytest.fixture(scope="module")
def mariadb() -> Iterator[Server]:
    daemon, install = program("mariadbd", PACKAGE), program("mariadb-install-db", PACKAGE)
    with tempfile.TemporaryDirectory(prefix="tank-mailer-mariadb-") as name:
        folder = Path(name)
        common = ["--no-defaults", f"--datadir={folder / 'data'}", f"--user={getpass.getuser()}"]
        made = subprocess.run(
            [install, *common, "--auth-root-authentication-method=normal", "--skip-test-db"],
            capture_output=True,
            check=False,
            text=True,
            timeout=LONGEST_S,
        )
        assert made.returncode == 0, made.stdout + made.stderr
        with subprocess.Popen(
            [daemon, *common, f"--socket={folder / 's'}", "--skip-networking"], stderr=subprocess.PIPE, text=True
        ) as process:
            try:
                assert process.stderr is not None
                assert any("ready for connections" in line for line in process.stderr), "it ended at its start"
                server = Server(folder)
                server.ask("CREATE DATABASE shop", "mysql")
                server.ask((EXAMPLES / "outbox-mysql.sql").read_text(encoding="utf-8"))
                yield server
            finally:
                process.terminate()


def test_nobody_waits_for_a_relay_on_mariadb(mariadb: Server) -> None:
    """At the isolation that the page asks for: at the server's own, the gap that new rows go into is locked, too."""
    names = [f"order-{number}" for number in range(7)]  # fewer than it takes: it reads to the end
    mariadb.ask(f"{INSERT} {', '.join(f'({name!r}, {TEXT!r})' for name in names)}")

    with mariadb.amid(f"{ISOLATION}; BEGIN; {TAKE}") as taken:
        mariadb.ask(f"SET SESSION innodb_lock_wait_timeout = {LOCK_WAIT_S}; {INSERT} ('order-7', {TEXT!r})")
        left = mariadb.ask(f"{ISOLATION}; BEGIN; {TAKE}; ROLLBACK")

    assert [line.split("\t")[1] for line in taken] == names
    assert [line.split("\t")[1] for line in left] == ["order-7"], "a second relay goes on there"


def test_an_id_in_other_letters_is_another_mail(mariadb: Server) -> None:
    """As tank-mailer has it; MySQL compares without regard to case, unless it is told."""
    mariadb.ask(f"{INSERT} ('Case-1', {TEXT!r}), ('case-1', {TEXT!r})")
    assert mariadb.ask("SELECT count(*) FROM mail_outbox WHERE email_id = 'case-1'") == ["1"]
