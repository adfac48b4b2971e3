"""What the demo prints: the table, the verdict, where to look further, what to try next."""

import shutil
import sys
from collections.abc import Mapping
from pathlib import Path
from shlex import quote
from typing import Final

from rich.console import Console
from rich.table import Table
from rich.text import Text

from tank_mailer.cli.demo.books import Fate
from tank_mailer.cli.demo.ending import Ending
from tank_mailer.cli.demo.folder import ENV_FILE, LOG, Folder
from tank_mailer.cli.demo.jobs import SIMULATOR
from tank_mailer.cli.demo.result import Result, counted
from tank_mailer.cli.demo.stage import Stage
from tank_mailer.cli.options import printable
from tank_mailer.cli.standin import PRODUCERS, exports, observers
from tank_mailer.core.errors import Reason
from tank_mailer.core.ledger import State

STYLES: Final[Mapping[str, str]] = {
    State.ACCEPTED: "green",
    State.INVALID: "red",
    State.REFUSED: "red",
    State.DEAD: "bold red",
    State.SUPPRESSED: "yellow",
    State.EXPIRED: "yellow",
    "dropped": "yellow",
}
QUEUES: Final = frozenset({"TANK_OUTBOUND_QUEUE_URL", "TANK_PRIORITY_QUEUE_URL"})  # that producers know
UNKNOWN_STYLE: Final = "bold magenta"
MAX_NAME_CHARACTERS: Final = 22
MAX_WHY_CHARACTERS: Final = 300
# Commands that look further, and which of the demo's jobs each is about; only those that there are get shown.
LOOK_FURTHER: Final[tuple[tuple[str, str], ...]] = (
    ("status", "JOB"),
    ("why", "JOB"),
    ("refused list", ""),
    ("suppress list", ""),
    ("dlq list", ""),
    ("report daily --day today", ""),
    ("doctor", ""),
)


def print_table(console: Console, result: Result) -> None:
    """Each job: its fate, why, and how many mails SES accepted for it."""
    table = Table(box=None, pad_edge=False, header_style="bold", padding=(0, 2, 0, 0))
    table.add_column("job", no_wrap=True, overflow="ellipsis", max_width=MAX_NAME_CHARACTERS)
    table.add_column("fate", no_wrap=True)
    table.add_column("mails", justify="right")
    table.add_column("why", overflow="fold")
    for ending in result.endings:
        table.add_row(*_row(ending))
    console.print(table)


def _row(ending: Ending) -> tuple[Text, ...]:
    fate = ending.fate
    why = printable(ending.why)
    if len(why) > MAX_WHY_CHARACTERS:
        why = f"{why[:MAX_WHY_CHARACTERS]}…"
    return (
        Text(printable(ending.name)),
        Text(fate.state, STYLES.get(fate.state, UNKNOWN_STYLE)),
        Text(str(fate.mails), "bold yellow" if fate.mails > 1 else ""),
        Text(why, "" if ending.is_as_expected else "bold red"),
    )


def print_verdict(console: Console, result: Result) -> None:
    """Whether all is as it should be; one line, or one for each complaint."""
    console.print()
    if result.is_ok:
        if result.lanes:
            console.print(Text(result.lanes.sentence()))
        console.print(Text(result.verdict(), "bold green"))
    else:
        console.print(Text("Not as expected:", "bold red"))
        for complaint in result.complaints():
            console.print(Text(f"  {printable(complaint)}", "red"))
        sums = ", ".join(f"{number} {state}" for state, number in counted(result).most_common())
        console.print(Text(f"In all: {sums}; mails: {result.mails}; {result.seconds:.0f} s."))
    if any(ending.fate.reason == Reason.UNVERIFIED_SENDER and ending.entry.fate is None for ending in result.endings):
        console.print("--identity NAME makes an address or a domain a verified sender.")


def print_look_further(console: Console, folder: Folder, result: Result) -> None:
    """Commands for a shell, with the settings that they need.

    Args:
        console: unwrapped lines, so that they can be copied.
        folder: of the demo.
        result: gives a job to ask about.
    """
    job = _most_eventful(result)
    lines = [f"cd {quote(str(folder.path))}"]
    for name, argument in LOOK_FURTHER:
        if argument and not job:
            continue
        lines.append(f"{quote(_program())} {name} --env-file {ENV_FILE}{f' {quote(job)}' if argument and job else ''}")
    lines.append(f"less {LOG}")
    console.print("\nLook further (the folder stays; delete it when you are done):")
    for line in lines:
        console.print(Text(f"  {printable(line)}"), soft_wrap=True)


def _most_eventful(result: Result) -> str | None:
    """The job of which there is most to see."""
    kinds = {job: len(set(found)) for (job, _), found in result.feedback.memory.kinds.items()}
    jobs = [ending.fate.email_id for ending in result.endings if ending.fate.email_id]
    return max(jobs, key=lambda job: kinds.get(job, 0), default=None)


def print_surroundings(console: Console, stage: Stage) -> None:
    """What runs where, before it begins."""
    console.print(
        Text.assemble(("tank-mailer demo", "bold"), ": the real daemon, with a local SQS and SES; no AWS account.")
    )
    console.print(Text(f"  SQS and SES  {stage.standin.url}"), soft_wrap=True)
    console.print(Text(f"  web server   {stage.web_server.url}, which is told of each change"), soft_wrap=True)
    console.print(Text(f"  folder       {stage.folder.path}: store, {LOG}, settings"), soft_wrap=True)
    console.print()


def print_for_producers(console: Console, stage: Stage) -> None:
    """How a web developer tries producers against what is left running."""
    names = (name for name in stage.settings if name.startswith("AWS_") or name in QUEUES)
    environment = {name: stage.settings[name] for name in names}
    text = (
        "\nStill running: stand-in, web server and daemon. In another terminal:\n\n"
        f"{exports(environment)}\n\n# A job; each email needs an email_id of its own:\n{PRODUCERS}\n"
        f"# What SES's stand-in saw:\n{observers(stage.standin.url)}\n\n"
        f"Mail to bounce+1@{SIMULATOR} bounces; other names there are complaint,\n"
        "ooto, softbounce, delay, reject, open, click. Any +1, +2 makes another mailbox, not suppressed yet.\n\n"
        "Each job's end, and what the web server is told, is shown here as it comes. Ctrl-C stops all.\n"
    )
    console.print(Text(text), soft_wrap=True)


def print_end(console: Console, fate: Fate) -> None:
    """One job's end, as it comes."""
    name = fate.email_id or fate.queue_message_id[:8]
    style = STYLES.get(fate.state, UNKNOWN_STYLE)
    console.print(Text.assemble(printable(name), "  ", (fate.state, style), "  ", printable(fate.why)), soft_wrap=True)


def _program() -> str:
    """How to call us: by name only where the shell would find it."""
    return "tank-mailer" if shutil.which("tank-mailer") else str(Path(sys.argv[0]).absolute())
