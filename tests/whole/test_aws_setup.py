"""The tests of docs/aws-setup.md, line by line, with a daemon and the stand-in for SES."""

import asyncio
import re
import shlex
from collections.abc import Sequence

from typer.testing import CliRunner, Result

from tank_mailer.cli.program import build
from tests.project.cloudformation import ROOT
from tests.whole.conftest import OpenSite, Site

FENCE = re.compile(r"^```sh\n(.*?)^```$", re.MULTILINE | re.DOTALL)


def section(number: int) -> list[list[str]]:
    """The commands of a section of the guide, without the program's name."""
    text = (ROOT / "docs" / "aws-setup.md").read_text(encoding="utf-8")
    _, _, rest = text.partition(f"\n## {number}. ")
    fences = "".join(FENCE.findall(rest.partition("\n## ")[0]))
    return [shlex.split(line)[1:] for line in fences.splitlines()]


async def run(site: Site, command: Sequence[str]) -> Result:
    """In a thread: a command runs a loop of its own."""
    environment = site.environment | {"TANK_TEST_FROM": "test@example.com"}
    return await asyncio.to_thread(CliRunner(env=environment).invoke, build(), command, catch_exceptions=False)


async def test_the_five_tests_and_what_comes_back(open_site: OpenSite) -> None:
    """In the sandbox, as it says; and the dead-letter queue stays empty."""
    ended, listed = list[str](), ""
    async with open_site(has_events=True) as site:
        site.standin.state.account.change({"production_access": False})
        daemon = await site.start()
        await site.until(lambda: bool(daemon.events()["daemon_started"]), daemon, what="the store")
        for command in section(6):
            done = await run(site, command)
            assert done.exit_code == 0, (command, done.output)
            ended += re.findall(r"^It ended (.*)\.$", done.stdout, re.MULTILINE)
            listed = done.stdout
            if command[:3] == ["send-test", "--to", "complaint@simulator.amazonses.com"]:
                await site.until(lambda: len(site.select("select 1 from suppressions")) == 2, daemon, what="events")
        await daemon.stop()
        left = site.depth("dead")

    assert ended == [
        "accepted",
        "invalid (missing_field)",
        "invalid (missing_field)",
        "refused (unverified_sender)",
        "accepted",
        "accepted",
    ]
    assert "bounce@simulator.amazonses.com\thard_bounce" in listed
    assert "complaint@simulator.amazonses.com\tcomplaint" in listed
    assert left == 0
