"""The daemon as a process of its own, against the stand-in in ours."""

import asyncio
import contextlib
import json
import signal
import sqlite3
import sys
from collections import Counter
from collections.abc import AsyncIterator, Callable, Iterable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import aioboto3
import asyncpg
import pytest

from tank_mailer.standin import AccountSettings, Standin, StandinOptions
from tank_mailer.standin.queue import Place
from tests.builders import make_body
from tests.contract.postgres import run_server
from tests.project import rights
from tests.project.log_lines import complaints

PATIENCE_S = 120.0
KEYS = {"AWS_ACCESS_KEY_ID": "AKIDEXAMPLE", "AWS_SECRET_ACCESS_KEY": "secret", "AWS_REGION": "eu-west-1"}
QUICK = {  # the shortest lease that the settings allow: a killed daemon's messages come back sooner
    "TANK_VISIBILITY_TIMEOUT_S": "20",
    "TANK_SES_TIMEOUT_S": "3",
    "TANK_IN_DOUBT_WAIT_S": "1",
    "TANK_CONFIGURATION_SET": "tank",
    "TANK_HTTP_LISTEN": "",  # several daemons on one host
}
URGENT = "urgent"
TOPIC_ARN = "arn:aws:sns:eu-west-1:000000000000:ses-events"


@dataclass(eq=False)
class Daemon:
    """One process."""

    process: asyncio.subprocess.Process
    log: Path
    standin: Standin
    _lines: list[dict[str, Any]] = field(default_factory=list)
    _read_bytes: int = 0

    @property
    def lines(self) -> list[dict[str, Any]]:
        """All whole lines so far; each is read once, for `Site.until` asks often."""
        with self.log.open("rb") as log:
            log.seek(self._read_bytes)
            whole, end, _ = log.read().rpartition(b"\n")
        self._read_bytes += len(whole) + len(end)
        self._lines += [json.loads(line) for line in whole.splitlines() if line.startswith(b"{")]
        return self._lines

    def events(self) -> Counter[str]:
        return Counter(line["event"] for line in self.lines)

    async def stop(self, number: int = signal.SIGTERM) -> int:
        """End it, and give its exit code; on SIGTERM it lets its long polls end, which the stand-in does at once."""
        with contextlib.suppress(ProcessLookupError):
            self.process.send_signal(number)
        ended = asyncio.create_task(self.process.wait())
        async with asyncio.timeout(PATIENCE_S):
            while not ended.done():
                for waited in self.standin.state.queues.by_name.values():
                    waited.answer()
                await asyncio.wait({ended}, timeout=0.2)
            return await ended


@dataclass(kw_only=True)
class Site:
    """A customer's site: queues, the account, a folder, and daemons."""

    standin: Standin
    folder: Path
    environment: dict[str, str]
    name: str = "jobs"
    _daemons: list[Daemon] = field(default_factory=list)

    @property
    def url(self) -> str:
        return f"{self.standin.url}/000000000000/{self.name}"

    @property
    def urgent_url(self) -> str:
        """Of the priority lane's queue; there is one where `open_site` was asked for it."""
        return f"{self.standin.url}/000000000000/{URGENT}"

    @property
    def store(self) -> Path:
        return self.folder / "tank-mailer.db"

    async def start(self, **changes: str) -> Daemon:
        """Start a daemon; it is killed at the end of the test if it still runs."""
        log = self.folder / f"log-{len(self._daemons)}"
        with log.open("wb") as out:
            process = await asyncio.create_subprocess_exec(
                sys.executable,
                "-m",
                "tank_mailer",
                "run",
                cwd=self.folder,
                env=self.environment | changes,
                stdout=out,
                stderr=asyncio.subprocess.STDOUT,
            )
        daemon = Daemon(process, log, self.standin)
        self._daemons.append(daemon)
        return daemon

    async def put(self, bodies: Iterable[str], *, url: str = "") -> None:
        """Put jobs on the ordinary lane's queue, or on another one."""
        bodies = list(bodies)
        async with aioboto3.Session().client("sqs", endpoint_url=self.standin.url, region_name="eu-west-1",
                                             aws_access_key_id="x", aws_secret_access_key="y") as sqs:  # fmt: skip
            for start in range(0, len(bodies), 10):
                entries = [{"Id": str(n), "MessageBody": body} for n, body in enumerate(bodies[start : start + 10])]
                await sqs.send_message_batch(QueueUrl=url or self.url, Entries=entries)

    async def put_jobs(self, count: int, prefix: str = "job", *, url: str = "") -> list[str]:
        ids = [f"{prefix}-{n}" for n in range(count)]
        await self.put((make_body(email_id=email_id, to=f"{email_id}@example.org") for email_id in ids), url=url)
        return ids

    def accepted(self) -> Counter[str]:
        """What the outside observer saw: how often each job was accepted."""
        return Counter(entry.email_id for entry in self.standin.state.mailbox.log)

    def depth(self, name: str | None = None) -> int:
        """Messages on a queue, hidden ones included."""
        queue = self.standin.state.queues.named(name or self.name).queue
        return sum(queue.count(place) for place in Place)

    def rows(self) -> dict[str, sqlite3.Row]:
        return {row["email_id"]: row for row in self.select("select * from jobs")}

    def select(self, query: str) -> list[sqlite3.Row]:
        """What the store holds; nothing while there is none yet."""
        with contextlib.closing(sqlite3.connect(self.store)) as db:
            db.row_factory = sqlite3.Row
            try:
                return list(db.execute(query))
            except sqlite3.OperationalError:  # not made yet
                return []

    def states(self) -> Counter[str]:
        return Counter(row["state"] for row in self.rows().values())

    def statuses(self) -> Counter[int]:
        return Counter(row["status"] for row in self.select("select status from recipients"))

    async def until(self, holds: Callable[[], bool], daemon: Daemon | None = None, *, what: str = "") -> None:
        """Wait for something to be so; a daemon that dies meanwhile is told at once."""
        loop = asyncio.get_running_loop()
        end_s = loop.time() + PATIENCE_S
        while not holds():
            if daemon is not None and daemon.process.returncode is not None:
                raise AssertionError(f"the daemon has ended: {daemon.log.read_text()[-3000:]}")
            if loop.time() > end_s:
                tail = "".join(d.log.read_text()[-2000:] for d in self._daemons[-1:])
                raise AssertionError(f"waited in vain for {what}: {tail}")
            await asyncio.sleep(0.05)

    def complaints(self) -> list[str]:
        """What the schema of log lines has against those of all daemons."""
        return complaints(line for daemon in self._daemons for line in daemon.lines)

    async def close(self) -> None:
        for daemon in self._daemons:
            if daemon.process.returncode is None:
                await daemon.stop(signal.SIGKILL)


OpenSite = Callable[..., Any]


@pytest.fixture
def open_site(tmp_path: Path) -> OpenSite:
    """Give what opens a site for the length of a block."""

    @asynccontextmanager
    async def open_one(
        *,
        rate: float = 1000,
        max_receive_count: int = 100,
        ses_latency_s: float = 0.0,
        folder: str = "site",
        has_events: bool = False,
        has_priority: bool = False,
        sqs_latency_s: float = 0.0,
        **changes: str,
    ) -> AsyncIterator[Site]:
        options = StandinOptions(
            account=AccountSettings(max_send_rate=rate, max_24_hour_send=1_000_000),
            ses_latency_s=ses_latency_s,
            sqs_latency_s=sqs_latency_s,
            event_queue="events" if has_events else "",
        )
        async with Standin.start(options) as standin:
            queues = standin.state.queues
            queues.create("dead", {})
            arn = "arn:aws:sqs:eu-west-1:000000000000:dead"
            policy = {"deadLetterTargetArn": arn, "maxReceiveCount": max_receive_count}
            queues.create("jobs", {"RedrivePolicy": json.dumps(policy)})
            if has_priority:
                queues.create(URGENT, {"RedrivePolicy": json.dumps(policy)})
            where = tmp_path / folder
            where.mkdir()
            environment = KEYS | QUICK | {
                "PATH": "/usr/bin:/bin",
                "AWS_ENDPOINT_URL": standin.url,
                "AWS_EC2_METADATA_DISABLED": "true",
                "STATE_DIRECTORY": str(where),
                "TANK_OUTBOUND_QUEUE_URL": f"{standin.url}/000000000000/jobs",
                "TANK_RATE_SHARE": "1",
            } | (_event_settings(standin) if has_events else {}) | changes  # fmt: skip
            if has_priority:
                environment.setdefault("TANK_PRIORITY_QUEUE_URL", f"{standin.url}/000000000000/{URGENT}")
            site = Site(standin=standin, folder=where, environment=environment)
            try:
                yield site
            finally:
                await site.close()
            assert rights.recorded(standin.state.counts.shown()) - rights.allowed() - rights.FREE == set()
            assert site.complaints() == [], "lines that are not as docs/log-schema.json has them"

    return open_one


def _event_settings(standin: Standin) -> dict[str, str]:
    return {"TANK_EVENT_QUEUE_URL": f"{standin.url}/000000000000/events", "TANK_EVENT_TOPIC_ARNS": TOPIC_ARN}


@pytest.fixture
async def postgres_url() -> AsyncIterator[str]:
    """An empty database on a real PostgreSQL server."""
    with run_server() as server:
        connection = await asyncpg.connect(server.dsn("postgres"))
        try:
            await connection.execute("CREATE DATABASE tank")
        finally:
            await connection.close()
        yield server.url("tank")
