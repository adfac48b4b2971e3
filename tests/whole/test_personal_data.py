"""Where persons and texts stand in the store once a daemon has worked: where docs/security.md says, nowhere else."""

import asyncio
import re
import stat
import sys
from pathlib import Path

from tank_mailer.adapters.schema import metadata
from tests.builders import make_body
from tests.whole.conftest import OpenSite, Site

PAGE = Path(__file__).parents[2] / "docs" / "security.md"
ROW = re.compile(r"^\| (`[a-z`, ]+`) \| (`[a-z_`, ]+`) \|", re.MULTILINE)
SECRET = "whsec_" + "QUFBQUFBQUFBQUFBQUFBQUFBQUFBQUFBQUFBQUFBQUE="
PERSON, TEXT, SENDER = "wanted-person", "wanted-text", "wanted-sender"
BOUNCES, CLICKS = (f"{name}+{PERSON}@simulator.amazonses.com" for name in ("bounce", "click"))
FILLED = {  # by what happens below; the page's other columns take ids, and what servers and people write
    *("recipients.address", "events.recipient", "asides.raw", "outbox.recipient", "outbox.payload"),
    *("suppressions.address", "senders.address", "audit.subject", "orders.scope", "nodes.view"),
}
FILES = {  # all that a daemon makes in its directory
    *("tank-mailer.db", "tank-mailer.db-wal", "tank-mailer.db-shm", "tank-mailer.db.lock", "hash-key", "heartbeat"),
}


def told() -> set[str]:
    """TABLE.COLUMN, as the page has them."""
    return {
        f"{table}.{column}"
        for tables, columns in ROW.findall(PAGE.read_text(encoding="utf-8"))
        for table in re.findall(r"`(\w+)`", tables)
        for column in re.findall(r"`(\w+)`", columns)
        if table in metadata.tables
    }


def holding(site: Site, *words: str) -> set[str]:
    """Every column in which one of the words stands."""
    return {
        f"{table.name}.{column}"
        for table in metadata.sorted_tables
        for row in site.select(f"select * from {table.name}")  # noqa: S608 - ours
        for column in row.keys()  # noqa: SIM118 - a row is no mapping
        if any(word in str(row[column]) for word in words)
    }


async def command(site: Site, *arguments: str) -> None:
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", "tank_mailer", *arguments),
        cwd=site.folder,
        env=site.environment,
        stdout=asyncio.subprocess.DEVNULL,
    )
    assert await process.wait() == 0


async def test_nobody_stands_where_the_page_does_not_say(open_site: OpenSite) -> None:
    """Mail that bounces, is read, invalid, refused; a person who is suppressed, a sender who is paused."""
    sender = f"{SENDER}@example.com"
    text = {"subject": f"About {TEXT}", "body": f"<p>{TEXT}</p>"}
    bodies = [
        make_body(email_id="bounced", to=BOUNCES, from_=sender, **text),
        make_body(email_id="read", to=CLICKS, from_=sender, **text),
        make_body(email_id="invalid", to=f"{PERSON}@example.org", from_=..., **text),
        make_body(email_id="refused", to=f"{PERSON}@example.org", from_="shop@unverified.example.net", **text),
    ]
    async with open_site(has_events=True, TANK_WEBHOOK_URL="http://127.0.0.1:9/", TANK_WEBHOOK_SECRET=SECRET) as site:
        await site.put(bodies)
        daemon = await site.start()
        await site.until(lambda: bool(daemon.events()["daemon_started"]), daemon, what="the store, made by the daemon")
        await site.until(lambda: len(site.rows()) == 3 and site.depth() == 0, daemon, what="the jobs' ends")
        await site.until(lambda: bool(site.select("select 1 from events where kind = 'click'")), daemon, what="a click")
        await site.until(lambda: bool(site.select("select 1 from suppressions")), daemon, what="the bounce")
        await command(site, "suppress", "add", f"{PERSON}@example.org")
        await command(site, "pause", "--from", sender)
        await site.until(lambda: "nodes.view" in holding(site, SENDER), daemon, what="the pause")

        found = holding(site, PERSON, TEXT, SENDER)
        assert found - told() == set()
        assert FILLED - found == set(), "it is not there any more: the page may promise less"
        assert holding(site, TEXT) == {"asides.raw"}, "texts of mail that went are not kept"
        modes = {path.name: stat.S_IMODE(path.stat().st_mode) for path in site.folder.iterdir()}
        assert {name: mode for name, mode in modes.items() if not name.startswith("log-")} == dict.fromkeys(
            FILES, 0o600
        )
