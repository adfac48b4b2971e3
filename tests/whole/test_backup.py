"""docs/backup.md, line by line: a ledger is lost, and no mail with it, nor does one go twice."""

import asyncio
import signal
from collections.abc import Sequence

import pytest
from typer.testing import CliRunner

from tank_mailer.cli.program import build
from tank_mailer.standin.queue import Place
from tests.builders import make_body
from tests.project.pages import ROOT, fences
from tests.project.typed import Command, on_this_host, steps
from tests.whole.conftest import Daemon, OpenSite, Site

PAGE = ROOT / "docs" / "backup.md"
COPY = "/var/backups/tank-mailer/7.db"
JOBS, COPIED, LOST = 150, 40, 80  # the copy is made when so many mails are out, and the ledger lost after so many
PATIENT = {"TANK_VISIBILITY_TIMEOUT_S": "30", "TANK_SES_TIMEOUT_S": "8"}  # a slow machine is no doubt
# Events wait on their queue for the daemon that comes after; this one would send again for want of them.
DEAF = {"TANK_EVENT_QUEUE_URL": "", "TANK_EVENT_TOPIC_ARNS": "", "TANK_IN_DOUBT_WAIT_S": "900"}


async def run(site: Site, words: Sequence[str]) -> str:
    """In a thread, for a command runs a loop of its own; what it prints."""
    words = [*words, *(["--yes"] if words[:2] == ["db", "restore"] and "--yes" not in words else [])]  # nobody is asked
    call, cli = on_this_host(words, site.folder), CliRunner(env=site.environment)
    done = await asyncio.to_thread(cli.invoke, build(), call, catch_exceptions=False)
    assert done.exit_code == 0, (words, done.output)
    return done.stdout


async def lose(site: Site, *, number: int) -> None:
    """A daemon under load, a copy beside it, more mails, and its end."""
    await site.put_jobs(JOBS)
    daemon = await site.start(**DEAF)
    await site.until(lambda: len(site.standin.state.mailbox.log) >= COPIED, daemon, what="mails")
    await run(site, ["db", "backup", COPY])
    await site.until(lambda: len(site.standin.state.mailbox.log) >= LOST, daemon, what="more mails")
    await daemon.stop(number)
    if number == signal.SIGKILL:
        give_back(site)


def give_back(site: Site) -> None:
    """What the dead daemon held comes back at once, and not only when its leases end."""
    queue = site.standin.state.queues.named(site.name).queue
    for message in list(queue.messages.values()):
        if message.place is Place.IN_FLIGHT:
            queue.change_visibility(queue.handle(message), 0)


async def follow(site: Site, commands: Sequence[Command], *, instead: str = "") -> Daemon:
    """Do what the page says, and give the daemon that runs at the end: here it is a process of ours, not systemd's.

    Args:
        site: where.
        commands: of the page.
        instead: of `db restore`.
    """
    daemon: Daemon | None = None
    for one in commands:
        match one.words:
            case ("tank-mailer", "db", "restore", *_) if instead:
                await run(site, instead.split())
            case ("tank-mailer", "resume"):
                assert daemon is not None
                await site.until(lambda: are_all_told(site), daemon, what="events")
                await run(site, ["resume"])
            case ("tank-mailer", *words):
                await run(site, words)
            case ("systemctl", "start" | "enable", *_):
                daemon = await site.start()
            case ("systemctl", "stop", *_) | ("install" | "systemd/install.sh", *_):
                pass  # it has ended, and is installed
            case other:
                raise AssertionError(other)
    assert daemon is not None
    return daemon


def are_all_told(site: Site) -> bool:
    """What a person sees as an event queue that stays empty."""
    known = {row["ses_message_id"] for row in site.select("select distinct ses_message_id from events")}
    return site.depth("events") == 0 and {one.message_id for one in site.standin.state.mailbox.log} <= known


async def ends_well(site: Site, daemon: Daemon) -> None:
    """As SES's own log has it."""
    await site.until(lambda: site.depth() == 0, daemon, what="an empty queue")
    assert await daemon.stop() == 0
    assert site.accepted() == {f"job-{n}": 1 for n in range(JOBS)}
    assert site.depth("dead") == 0


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGKILL], ids=["in-peace", "after-a-crash"])
async def test_a_restored_ledger_sends_nothing_twice(open_site: OpenSite, number: int) -> None:
    """The section Restore: dozens of mails are out of which it knows nothing."""
    async with open_site(has_events=True, ses_latency_s=0.02, TANK_SEND_RATE="50", **PATIENT) as site:
        await lose(site, number=number)
        daemon = await follow(site, steps(PAGE, "Restore"))
        await ends_well(site, daemon)


async def test_a_new_host_without_a_backup_sends_nothing_twice(open_site: OpenSite) -> None:
    """The section on a lost host: its events tell of the mails whose messages had not been deleted yet."""
    async with open_site(has_events=True, ses_latency_s=0.02, TANK_SEND_RATE="50", **PATIENT) as site:
        await lose(site, number=signal.SIGKILL)
        for path in [*site.folder.glob("tank-mailer.db*"), site.folder / "hash-key"]:
            path.unlink()
        commands = [*steps(PAGE, "The host is lost"), *steps(PAGE, "Restore")[-1:]]
        daemon = await follow(site, commands, instead="db upgrade --create")
        await ends_well(site, daemon)


async def test_the_rehearsal_touches_nothing_that_runs(open_site: OpenSite, monkeypatch: pytest.MonkeyPatch) -> None:
    """The backup is another ledger, beside that of the daemon, which works on."""
    async with open_site(has_events=True) as site:
        await site.put(make_body(email_id=email_id) for email_id in ("order-4711", "order-4712"))
        daemon = await site.start()
        await site.until(lambda: site.states() == {"accepted": 2}, daemon, what="mails")
        await run(site, ["db", "backup", COPY])
        [settings] = [fence.body for fence in fences(PAGE, "sh", under="Look into another ledger")]
        lines = [line for line in settings.splitlines() if line.startswith("TANK_")]
        (site.folder / "other.env").write_text("\n".join(lines), encoding="utf-8")
        monkeypatch.chdir(site.folder)
        site.environment.pop("TANK_OUTBOUND_QUEUE_URL")  # it goes before a file
        said = [await run(site, one.words[1:]) for one in steps(PAGE, "Rehearse it") if one.words[0] == "tank-mailer"]
        assert await daemon.stop() == 0

        assert [line.split("=")[0] for line in lines] == ["TANK_OUTBOUND_QUEUE_URL", "TANK_DATABASE_URL"]
        assert "accepted" in said[1]
        assert sorted(path.name for path in site.folder.glob("*.before-*")) == []
        assert (site.folder / "other.db").exists()
