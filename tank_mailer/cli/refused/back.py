"""`refused requeue`: what was put aside goes back on its queue."""

import asyncio
import sys
from pathlib import Path
from typing import Annotated

import typer

from tank_mailer.adapters.desk_asides import Which
from tank_mailer.adapters.rows import storable
from tank_mailer.cli.options import AsJson, EnvFile, settings_or_exit
from tank_mailer.cli.outside import EXIT_INTERRUPTED, EXIT_NO, EXIT_OUTSIDE, leave, outside_or_exit
from tank_mailer.cli.putback.choosing import (
    ByDomain,
    ByReason,
    NewerThan,
    OlderThan,
    domain_or_usage,
    read_period,
)
from tank_mailer.cli.putback.pace import AtRate
from tank_mailer.cli.refused.aside import ASKED_FOR, ByKind
from tank_mailer.cli.refused.requeue import Asked, requeue_all
from tank_mailer.cli.terminal import hint, print_json, say
from tank_mailer.cli.textfiles import open_text, there
from tank_mailer.core.errors import Reason


def requeue(
    names: Annotated[
        list[str] | None, typer.Argument(metavar="ID...", help="As with `refused show`; an email_id: its newest.")
    ] = None,
    *,
    everything: Annotated[
        bool, typer.Option("--all", help="All jobs that nobody has put back yet; with filters only those they leave.")
    ] = False,
    kind: ByKind = None,
    reason: ByReason = None,
    domain: ByDomain = None,
    older_than: OlderThan = None,
    newer_than: NewerThan = None,
    file: Annotated[
        Path | None,
        typer.Option(
            metavar="FILE",
            help="The corrected job, in place of the text that was kept; - is standard input. For one ID.",
            callback=there,
        ),
    ] = None,
    may_double: Annotated[
        bool, typer.Option("--may-double", help="Also jobs whose mail SES may have sent already (dead, in doubt).")
    ] = False,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Say what would be done, and change nothing.")] = False,
    rate: AtRate = 50.0,
    yes: Annotated[bool, typer.Option("--yes", "-y", help="Ask nothing.")] = False,
    env_file: EnvFile = None,
    as_json: AsJson = False,
) -> None:
    """Put jobs back on the queue of the lane they came from, as new messages.

    Each is checked first as the daemon would: one that is still invalid
    would only be put aside again, so it is not put back; nor is one that
    was accepted meanwhile or is under way, whose expires_at has passed,
    whose `to` recipients are all suppressed, whose sender or configuration
    set the settings do not allow, or whose text was cut at 64 KiB or
    erased. Without TANK_PRIORITY_QUEUE_URL those of the priority lane go
    back on the ordinary one. Should an answer of the queue be lost, do it
    again: the daemon knows jobs by their email_id.

    Messages of the event queue go back on TANK_EVENT_QUEUE_URL as they
    came, once the settings in force here let them pass; --all takes them
    only with --kind event.

    Exit codes: 0 all of them put back, 2 usage, 3 some or all not put back,
    75 queue or store do not work, 78 bad settings, or no event queue in
    them.
    """
    if everything == bool(names):
        raise typer.BadParameter("Give either IDs or --all.")
    if (kind or reason or domain or older_than or newer_than) and not everything:
        raise typer.BadParameter("Filters such as --kind and --reason go with --all.")
    if file and len(names or []) != 1:
        raise typer.BadParameter("--file is for one ID.")
    if everything and not (yes or dry_run) and not sys.stdin.isatty():
        raise typer.BadParameter("--all wants --yes where nobody can be asked.")
    period = read_period(older_than, newer_than)
    domain = domain_or_usage(domain)
    but = () if kind else ASKED_FOR
    which = Which(kind, reason, is_waiting=True, but=but, before=period.before, after=period.after)
    loaded = settings_or_exit(env_file)
    asked = Asked(
        names=[storable(name) for name in names or []],
        which=which if everything else None,
        domain=domain,
        correction=_read(file) if file else None,
        may_double=may_double,
        asks=everything and sys.stdin.isatty() and not (yes or dry_run),
        is_real=not dry_run,
        rate=rate,
    )
    with outside_or_exit():
        try:
            results, left_out = asyncio.run(requeue_all(loaded, asked))
        except KeyboardInterrupt:
            leave(EXIT_INTERRUPTED, "interrupted; what is back on its queue is on record", "run it again for the rest")
    done = sum(result.goes for result in results)
    late = sum(result.reason is Reason.EXPIRED for result in results)
    if as_json:
        jobs = [result.shape() for result in results]
        report = {"requeued": 0 if dry_run else done, "expired": late, "jobs": jobs, "quarantined_events": left_out}
        print_json({"dry_run": dry_run, **report})
    else:
        for result in results:
            say(result.sentence)
        went = "would be put back on the queue" if dry_run else "put back on the queue"
        say(f"{done} of {len(results)} {went}{f'; {late} expired' if late else ''}.")
    if left_out:
        hint(f"Of the event queue {left_out} wait still; `tank-mailer refused requeue --all --kind event` is for them.")
    if done and loaded.settings.delivery == "dry_run":
        hint("TANK_DELIVERY=dry_run is set: a daemon with this setting sends none of them")
    if done < len(results):
        raise typer.Exit(EXIT_NO)


def _read(file: Path) -> str:
    try:
        with open_text(file) as text:
            return "".join(text.lines())
    except OSError as error:
        leave(EXIT_OUTSIDE, f"{file}: {error.strerror}")
