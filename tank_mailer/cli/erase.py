"""`tank-mailer erase`: a person is forgotten."""

import asyncio
import sys
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import Annotated, Final

import typer

from tank_mailer.adapters import database
from tank_mailer.adapters.clock import SystemClock
from tank_mailer.adapters.desk import Desk, open_desk
from tank_mailer.adapters.desk_erase import Erased, Erasure, empty_log, rows_to_scan
from tank_mailer.adapters.desk_suppressions import find
from tank_mailer.adapters.rows import storable
from tank_mailer.cli.options import AsJson, EnvFile, settings_or_exit
from tank_mailer.cli.outside import EXIT_INTERRUPTED, EXIT_NO, leave, outside_or_exit, who
from tank_mailer.cli.terminal import confirmed, hint, print_fields, print_json, progress_bar, say
from tank_mailer.core.address import AddressError, mailbox_key
from tank_mailer.core.erasure import Person
from tank_mailer.settings import Loaded

SHOWN_JOBS: Final = 20
WORDS: Final = {
    "recipients": "statuses as a recipient",
    "events": "events of SES",
    "facts": "other events of the same mails",
    "asides": "texts put aside (refused list)",
    "details": "reasons of jobs",
    "letters": "news for the web server",
    "audit": "lines in the record of changes",
    "senders": "known senders",
    "suppressions": "suppressions",
}


def erase(
    address: Annotated[str, typer.Argument(metavar="ADDRESS", help="An email address, spelled in any case.")],
    *,
    yes: Annotated[bool, typer.Option("--yes", "-y", help="Ask nothing.")] = False,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Only count what would be erased.")] = False,
    env_file: EnvFile = None,
    as_json: AsJson = False,
) -> None:
    """Forget a person: take the address out of the store.

    A hash takes its place in statuses, events, news and the record of
    changes; texts of jobs that name it, and what SES told of the person,
    are emptied. Jobs and receipts stay, without any address; so does an
    email_id, even if it holds one. A suppression stays in force under the
    hash; none is made.

    Not reached: backups and copies of the store, logs, the queues, and
    SES. A job that is not finished goes on, for the queue holds its text:
    erase again when it has ended. What SES tells later of jobs that had
    ended is kept under the hash, and nothing personal of it. PostgreSQL
    overwrites what was there at its next VACUUM; SQLite does so at once,
    but for parts of the file that had been freed before.

    Exit codes: 0 erased, or nothing there; 2 usage; 3 not confirmed;
    75 the store cannot be written; 78 bad settings; 130 interrupted.
    """
    try:
        person = Person(mailbox_key(storable(address)))
    except AddressError as error:
        raise typer.BadParameter(error.detail) from None
    asks = not (yes or dry_run)
    if asks and not is_asked():
        raise typer.BadParameter("This wants --yes where nobody can be asked.")
    loaded = settings_or_exit(env_file)
    with outside_or_exit():
        try:
            told = asyncio.run(_erase(loaded, person, is_real=not dry_run, asks=asks))
        except KeyboardInterrupt:
            leave(EXIT_INTERRUPTED, "interrupted; what is erased stays so", "run it again: it erases what is left")
    if as_json:
        print_json(
            {
                "hash": person.hash,
                "dry_run": dry_run,
                "erased": asdict(told.counts),
                "suppressed": told.is_suppressed,
                "unfinished_jobs": list(told.unfinished),
            }
        )
    else:
        _print(told, person, dry_run=dry_run)
    if not told.is_log_empty:
        hint("SQLite's log still holds old pages, for somebody reads in it: run `tank-mailer erase` again later")


def is_asked() -> bool:
    """Whether there is somebody to be asked."""
    return sys.stdin.isatty()


@dataclass(frozen=True, slots=True, kw_only=True)
class _Told:
    counts: Erased
    unfinished: Sequence[str]
    is_suppressed: bool
    is_log_empty: bool = True


async def _erase(loaded: Loaded, person: Person, *, is_real: bool, asks: bool) -> _Told:
    location = database.locate(loaded.settings.database_url.get_secret_value())
    async with open_desk(location, clock=SystemClock(), who=who()) as desk:
        if asks:
            counts, _, _ = await _run(desk, person, is_real=False)
            _print_counts(counts)
            if not confirmed("Erase it for good?"):
                leave(EXIT_NO, "nothing was erased")
        counts, unfinished, is_log_empty = await _run(desk, person, is_real=is_real)
        entry = (await find(desk, person.key)).entry
        is_suppressed = entry is not None and entry.is_in_force(desk.clock.now())
    return _Told(counts=counts, unfinished=unfinished, is_suppressed=is_suppressed, is_log_empty=is_log_empty)


async def _run(desk: Desk, person: Person, *, is_real: bool) -> tuple[Erased, Sequence[str], bool]:
    total = await rows_to_scan(desk)
    with progress_bar("erasing" if is_real else "counting", total=total, counts=False) as bar:
        erasure = Erasure(desk=desk, person=person, is_real=is_real, moved=bar.move)
        counts, unfinished = await erasure.do()
    return counts, unfinished, await empty_log(desk) if is_real else True


def _print(told: _Told, person: Person, *, dry_run: bool) -> None:
    _print_counts(told.counts)
    if dry_run:
        say("Nothing was changed.")
    elif told.counts:
        say(f"Erased; {person.hash} stands in its place.")
    if told.is_suppressed:
        say("The address stays suppressed.")
    if told.unfinished:
        shown = ", ".join(told.unfinished[:SHOWN_JOBS])
        more = f" and {len(told.unfinished) - SHOWN_JOBS} more" if len(told.unfinished) > SHOWN_JOBS else ""
        say(f"Not finished, and going on: {shown}{more}. Erase again when they have ended.")


def _print_counts(counts: Erased) -> None:
    if counts:
        print_fields([(WORDS[name], str(count) if count else None) for name, count in asdict(counts).items()])
    else:
        say("The store holds nothing of this address.")
