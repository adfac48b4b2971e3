"""What leaves the daemon by its log, and arrives at the far end: all lines, and nobody's address or secret."""

import asyncio
import json
import shutil
import signal
import ssl
from collections import Counter
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest

from tank_mailer.standin import Kind, Rule
from tests.builders import make_body
from tests.project.log_lines import complaints
from tests.tls_authority import make_authority
from tests.whole.conftest import PATIENCE_S, Daemon, OpenSite, Site

SHIPPING = Path(__file__).parents[2] / "config" / "shipping"
RSYSLOGD = shutil.which("rsyslogd") or shutil.which("rsyslogd", path="/usr/sbin:/sbin")
MODULES = {path.name for path in Path("/usr").glob("lib*/**/rsyslog/*.so")}
UNIT = "tank-mailer.service"
LOST_AT_MOST = 5  # TCP tells of a broken connection with the second line that is sent into it

# Whatever is private has this in it, whether it is a secret, an address, a name, a subject or a body.
MARK = "zaphod"
WEBHOOK_SECRET = "emFwaG9kLXdlYmhvb2stc2VjcmV0LTAxMjM0NTY3ODk="  # the mark, in the spelling that the setting wants
SECRETS = {
    "AWS_ACCESS_KEY_ID": "AKIDZAPHOD0123",
    "AWS_SECRET_ACCESS_KEY": "zaphod-aws-secret",
    "AWS_SESSION_TOKEN": "zaphod-session-token",
    "TANK_WEBHOOK_SECRET": f"whsec_{WEBHOOK_SECRET}",
    "TANK_WEBHOOK_URL": "http://127.0.0.1:9/zaphod-hook?key=zaphod-key",
    "TANK_ALERT_WEBHOOK_URL": "http://127.0.0.1:9/services/zaphod-alert-key",
    "TANK_HTTP_TOKEN": "zaphod-http-token-0123456789",
    "TANK_HASH_KEY": "zaphod-hash-key-0123456789",
    "TANK_REDIRECT_TO": "zaphod.redirect@example.org",
}
MISTYPED = {
    "TANK_HTTP_TOKEN": "zaphod",
    "TANK_WEBHOOK_SECRET": "zaphod",
    "TANK_REDIRECT_TO": "Zaphod <zaphod@example.org>",
    "TANK_ALLOWED_SENDERS": "example.com, zaphod@@example.org",
    "TANK_CANARY_FROM": "zaphod@example.com, zaphod@example.net",
    "TANK_TEST_FROM": "zaphod@",
    "TANK_TEST_TO": "@zaphod.example.org",
}
SENDER = "Zaphod Sender <zaphod.sender@example.com>"
PRIVATE: dict[str, object] = {
    "from_": SENDER,
    "cc": "Zaphod Copy <zaphod.cc@example.net>",
    "bcc": ["zaphod.bcc@example.net"],
    "reply_to": "zaphod.reply@example.com",
    "subject": "Zaphod's subject",
    "body": "<p>Zaphod's body, zaphod.in.body@example.org</p>",
    "text": "Zaphod's text",
    "headers": {"X-Shop": "zaphod's header"},
}


def bodies() -> list[str]:
    """A job of every kind, each with something private in each of its fields."""
    to = "Zaphod Name <zaphod.to@example.org>"
    return [
        *(make_body(email_id=f"plain-{n}", to=to, **PRIVATE) for n in range(5)),
        make_body(email_id="bounce", to="bounce+zaphod@simulator.amazonses.com", **PRIVATE),
        make_body(email_id="complaint", to="complaint+zaphod@simulator.amazonses.com", **PRIVATE),
        make_body(email_id="stranger", to=to, **PRIVATE | {"from_": "zaphod@unverified.example.net"}),
        make_body(email_id="bad-address", to="zaphod@@example.org", **PRIVATE),
        make_body(email_id="bad-list", to=[to, {"address": "zaphod@example.org"}], **PRIVATE),
        make_body(email_id="no-subject", to=to, **PRIVATE | {"subject": ...}),
        make_body(email_id="injected", to=to, **PRIVATE | {"headers": {"X-Shop": "zaphod\r\nBcc: zaphod@example.org"}}),
        make_body(email_id="unknown-fields", to=to, **PRIVATE | {"zaphod@example.org": "zaphod", "colour": "zaphod"}),
        make_body(email_id="late", to=to, expires_at="2020-01-01T00:00:00Z", **PRIVATE),
        make_body(email_id={"zaphod": "zaphod@example.org"}, to=to, **PRIVATE),
        '{"email_id": "cut", "to": "zaphod@example.org", "subject": "zap',
        "zaphod@example.org, zaphod's text",
    ]


TROUBLES = [
    {"kind": Kind.STATUS, "status": 400, "code": "MessageRejected", "message": "No: <zaphod.to@example.org>"},
    {"kind": Kind.STATUS, "status": 503, "code": "InternalFailure", "message": "zaphod.to@example.org: try again"},
    {"kind": Kind.HTML},
]


async def say_all(site: Site, **changes: str) -> Daemon:
    """A daemon at its most talkative, to which much happens."""
    for rule in TROUBLES:
        site.standin.state.faults.add(Rule(service="ses", operation="SendEmail", times=1, **rule))  # type: ignore[arg-type]
    plain, others = bodies()[: len(TROUBLES)], bodies()[len(TROUBLES) :]
    await site.put(plain)
    await site.put(
        ["zaphod@example.org", '{"Message": "zaphod@example.org"}'], url=site.url.replace("/jobs", "/events")
    )
    daemon = await site.start(TANK_LOG_LEVEL="debug", **SECRETS, **changes)
    seen = daemon.events
    await site.until(lambda: seen()["job_settled"] >= len(plain), daemon, what="the troubles")
    await site.put(others)
    await site.until(lambda: site.states()["accepted"] >= 4, daemon, what="mails")
    await site.until(lambda: seen()["address_suppressed"] >= 2, daemon, what="events")
    wanted = {"job_refused", "event_quarantined", "webhook_failing", "job_skipped", "queue_polled"}
    await site.until(lambda: wanted <= seen().keys(), daemon, what="lines of many kinds")
    site.standin.state.identities.delete("example.com")
    await site.put([make_body(email_id="held", to="zaphod.held@example.org", **PRIVATE)])
    await site.until(lambda: any(line.get("outcome") == "held" for line in daemon.lines), daemon, what="a held job")
    await site.until(lambda: bool(seen()["pause_begun"]), daemon, what="its pause")
    return daemon


def private(text: str) -> list[str]:
    """Lines that tell something private."""
    return [line for line in text.splitlines() if MARK in line.lower() or WEBHOOK_SECRET in line]


async def test_no_address_and_no_secret_leaves_by_the_log(open_site: OpenSite) -> None:
    """Promise 7, at the level debug, with something private in every setting and every field of a job."""
    async with open_site(has_events=True) as site:
        daemon = await say_all(site)
        assert await daemon.stop() == 0
        assert private(daemon.log.read_text()) == []

        refused = await site.start(**SECRETS | MISTYPED, TANK_X=MARK)
        assert await refused.process.wait() == 78
        assert {line["name"] for line in refused.lines if line["event"] == "settings_refused"} == MISTYPED.keys()
        assert private(refused.log.read_text()) == []

        password = "postgresql+asyncpg://zaphod:zaphod-word@127.0.0.1:9/zaphod"
        away = await site.start(**SECRETS, TANK_DATABASE_URL=password.replace("/zaphod", "/tank"))
        await site.until(lambda: bool(away.events()["store_unavailable"]), away, what="a store that is away")
        await away.stop(signal.SIGKILL)
        assert private(away.log.read_text()) == []


# --- by rsyslog to a receiver ----------------------------------------------------------------------


@dataclass(eq=False)
class Receiver:
    """The far end: TCP with TLS, one line after the other. It may go away, and come back at the same port."""

    context: ssl.SSLContext
    port: int = 0
    text: bytearray = field(default_factory=bytearray)
    _server: asyncio.Server | None = None
    _open: set[asyncio.StreamWriter] = field(default_factory=set)

    @property
    def lines(self) -> list[dict[str, Any]]:
        return [json.loads(line) for line in bytes(self.text).rpartition(b"\n")[0].splitlines()]

    def has(self, event: str) -> bool:
        return any(line["event"] == event for line in self.lines)

    async def come(self) -> None:
        self._server = await asyncio.start_server(self._take, "127.0.0.1", self.port, ssl=self.context)
        self.port = self._server.sockets[0].getsockname()[1]

    async def go(self) -> None:
        if self._server is not None:
            self._server.close()
            for writer in self._open:
                writer.transport.abort()
            await self._server.wait_closed()
            self._server = None

    async def _take(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._open.add(writer)
        try:
            while some := await reader.read(65_536):
                self.text += some
        except (ConnectionError, ssl.SSLError):
            pass
        finally:
            self._open.discard(writer)
            writer.close()


def configuration(folder: Path, receiver: Receiver, authority: Path, log: Path) -> str:
    """rsyslog.conf as it is, but for what is marked CHANGE; a file stands for the journal."""
    text = (SHIPPING / "rsyslog.conf").read_text(encoding="utf-8")
    for old, new in (
        ('target="logs.example.com" port="6514"', f'target="127.0.0.1" port="{receiver.port}"'),
        ('PermittedPeers="logs.example.com"', 'PermittedPeers="127.0.0.1"'),
        ("/etc/ssl/certs/ca-certificates.crt", str(authority)),
        ("/var/log/tank-mailer/", f"{folder}/"),
        ('resumeInterval="5"', 'resumeInterval="1"'),
    ):
        assert text.count(old) == 1, old
        text = text.replace(old, new)
    return f"""
global(workDirectory="{folder}" localHostname="mail-1")
module(load="imfile" mode="inotify")
input(type="imfile" file="{log}" tag="tank-mailer:" severity="info")
input(type="imfile" file="{log.with_name("crash")}" tag="tank-mailer:" severity="info")
set $!_SYSTEMD_UNIT = "{UNIT}";
{text}
"""


@asynccontextmanager
async def rsyslog(folder: Path, text: str) -> AsyncIterator[asyncio.subprocess.Process]:
    """One of its own, as whoever runs the tests."""
    (folder / "rsyslog.conf").write_text(text, encoding="utf-8")
    assert RSYSLOGD is not None
    process = await asyncio.create_subprocess_exec(
        RSYSLOGD, "-n", "-f", str(folder / "rsyslog.conf"), "-i", str(folder / "rsyslogd.pid"), cwd=folder
    )
    try:
        yield process
    finally:
        if process.returncode is None:
            process.terminate()
        async with asyncio.timeout(PATIENCE_S):
            await process.wait()


def is_aside(folder: Path, lines: int) -> bool:
    path = folder / "aside.log"
    return path.exists() and path.read_text().count("\n") >= lines


def shape(line: dict[str, Any]) -> tuple[object, ...]:
    return tuple(sorted((name, str(one)) for name, one in line.items() if name not in {"host", "unit", "priority"}))


@pytest.mark.skipif(
    RSYSLOGD is None or not {"imfile.so", "mmjsonparse.so", "lmnsd_ossl.so"} <= MODULES,
    reason="there is no rsyslog with TLS here (Debian: rsyslog-openssl)",
)
async def test_rsyslog_brings_every_line_to_the_far_end(open_site: OpenSite, tmp_path: Path) -> None:
    """Also those of a time when the receiver was away; what is no line of ours stays here."""
    authority = make_authority(tmp_path)
    receiver = Receiver(authority.server())
    await receiver.come()
    async with open_site(has_events=True) as site:
        log = site.folder / "log-0"
        log.touch()
        log.with_name("crash").touch()
        async with rsyslog(tmp_path, configuration(tmp_path, receiver, authority.file, log)):
            daemon = await say_all(site)
            await site.until(lambda: len(receiver.lines) > 20, daemon, what="the first lines")
            await receiver.go()
            await site.put_jobs(50, "while-away")
            await site.until(lambda: site.rows().keys() >= {"while-away-49"}, daemon, what="jobs of the outage")
            assert await daemon.stop() == 0
            (site.folder / "crash").write_text(
                'Traceback (most recent call last):\n{"at": no JSON}\n{"other": "program"}\n'
            )
            await receiver.come()
            written = Counter(map(shape, daemon.lines))
            await site.until(lambda: receiver.has("daemon_stopped"), what="the last line at the far end")
            await site.until(lambda: is_aside(tmp_path, 3), what="what goes aside")
        await receiver.go()

    arrived = receiver.lines
    aside = (tmp_path / "aside.log").read_text().splitlines()
    assert (written - Counter(map(shape, arrived))).total() <= LOST_AT_MOST
    assert Counter(map(shape, arrived)) - written == Counter()
    assert complaints(arrived) == []
    assert {(line["host"], line["unit"]) for line in arrived} == {("mail-1", UNIT)}
    assert private(receiver.text.decode()) == []
    assert [line.split(" ", 2)[1:] for line in aside] == [
        [UNIT, "Traceback (most recent call last):"],
        [UNIT, '{"at": no JSON}'],
        [UNIT, '{"other": "program"}'],
    ]
