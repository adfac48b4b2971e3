"""`dlq list|show`: what was given up."""

import asyncio
import sys
from collections.abc import Sequence
from typing import Annotated, Any, Final

import typer

from tank_mailer.adapters import database
from tank_mailer.adapters.clock import SystemClock
from tank_mailer.adapters.desk import open_desk, spelled
from tank_mailer.adapters.rows import storable
from tank_mailer.cli.dlq.boxes import box_or_exit, open_boxes
from tank_mailer.cli.dlq.round import Round, Seen
from tank_mailer.cli.lane import Lane
from tank_mailer.cli.options import AsJson, EnvFile, settings_or_exit
from tank_mailer.cli.outside import EXIT_INTERRUPTED, EXIT_NO, leave, who
from tank_mailer.cli.putback.choosing import (
    ByDomain,
    ByReason,
    NewerThan,
    OlderThan,
    domain_or_usage,
    read_period,
)
from tank_mailer.cli.terminal import harmless, pretty_json, print_fields, print_json, print_table, say, shown_time
from tank_mailer.core.deadletter import Choice, DeadLetter, goes_by, named
from tank_mailer.flows.looking import Look
from tank_mailer.settings import Loaded

SHOWN_ID_CHARACTERS: Final = 8
SHOWN_DOMAINS: Final = 3
SHOWN_CHARACTERS: Final = 60  # of a last error, in a table; `show` has all of it
WHOLE_ID_CHARACTERS: Final = 36  # SQS: a MessageId
ByLane = Annotated[Lane | None, typer.Option("--lane", help="Only those that came from this lane.")]


def list_(
    *,
    reason: ByReason = None,
    domain: ByDomain = None,
    older_than: OlderThan = None,
    newer_than: NewerThan = None,
    lane: ByLane = None,
    limit: Annotated[int, typer.Option(min=1, help="How many at most, the newest first.")] = 50,
    env_file: EnvFile = None,
    as_json: AsJson = False,
) -> None:
    """List dead letters, the newest first: of the queue, and of the ledger alone.

    SQS shows a letter only by handing it out. So each is held for a moment
    and given back at the end, which counts as one receive of each; somebody
    who looks at the same time sees fewer. What SQS's own redrive policy has
    moved has the reason redrive_policy; its time is the one when it was
    first put on its queue.

    Exit codes: 0 listed, 2 usage, 75 the queue or the store cannot be read,
    78 bad settings, 130 interrupted.
    """
    choice = choice_of(reason=reason, domain=domain, older_than=older_than, newer_than=newer_than, lane=lane)
    loaded = settings_or_exit(env_file)
    with box_or_exit():
        try:
            found, seen = asyncio.run(_collect(loaded, choice))
        except KeyboardInterrupt:
            leave(EXIT_INTERRUPTED, "interrupted; the letters are back on their queue")
    found.sort(key=lambda one: one.at, reverse=True)
    if as_json:
        letters = [shape(one) for one in found[:limit]]
        print_json({"total": len(found), "letters": letters, "queues": [one.shape() for one in seen]})
        return
    _print_list(found[:limit])
    if sys.stdout.isatty():
        say(f"{min(limit, len(found))} of {len(found)}.")


def choice_of(
    *,
    reason: ByReason,
    domain: str | None,
    older_than: str | None,
    newer_than: str | None,
    lane: Lane | None,
) -> Choice:
    """Read the filters; what is wrong with one is a matter of usage."""
    period = read_period(older_than, newer_than)
    return Choice(
        reason=reason,
        domain=domain_or_usage(domain),
        lane=lane.value if lane else None,
        before=period.before,
        after=period.after,
    )


async def _collect(loaded: Loaded, choice: Choice) -> tuple[list[DeadLetter], list[Seen]]:
    found = list[DeadLetter]()

    async def keep(letters: Sequence[DeadLetter], _look: Look | None) -> None:
        found.extend(one.without_body for one in letters)

    location = database.locate(loaded.settings.database_url.get_secret_value())
    async with open_desk(location, clock=SystemClock(), who=who()) as desk, open_boxes(loaded) as boxes:
        around = Round(desk=desk, boxes=boxes, what="looking into", takes=choice.takes, work=keep)
        seen = await around.go()
        around.tell()
    return found, seen


def shape(letter: DeadLetter) -> dict[str, Any]:
    """As JSON has it, without its body."""
    return {
        "id": letter.letter_id,
        "queue": letter.queue,
        "email_id": letter.email_id,
        "reason": letter.reason,
        "detail": letter.detail or None,
        "remedy": letter.remedy or None,
        "lane": letter.lane,
        "source": letter.source,
        "attempts": letter.attempts,
        "domains": sorted(letter.domains),
        "at": spelled(letter.at),
        "first_seen_at": spelled(letter.first_seen_at),
        "first_received_at": spelled(letter.first_received_at),
        "receive_count": letter.receive_count,
        "size_bytes": letter.size_bytes,
    }


def _print_list(found: Sequence[DeadLetter]) -> None:
    if sys.stdout.isatty():  # 80 columns are to do
        rows = [
            [
                *(one.letter_id[:SHOWN_ID_CHARACTERS], one.email_id),
                f"{one.reason}{f': {_cut(one.detail)}' if one.detail else ''}",
                *(one.at.strftime("%Y-%m-%d %H:%M"), one.lane, "queue" if one.queue else "ledger"),
            ]
            for one in found
        ]
        print_table(["letter", "email_id", "why", "since (UTC)", "lane", "where"], rows)
        return
    rows = [
        [
            *(one.letter_id[:SHOWN_ID_CHARACTERS], one.queue, one.email_id, one.reason, one.detail, one.lane),
            *(_domains(one), shown_time(one.at), None if one.receive_count is None else str(one.receive_count)),
        ]
        for one in found
    ]
    print_table(["letter", "queue", "email_id", "reason", "detail", "lane", "domains", "since", "received"], rows)


def _cut(detail: str) -> str:
    return detail if len(detail) <= SHOWN_CHARACTERS else f"{detail[:SHOWN_CHARACTERS]}..."


def _domains(letter: DeadLetter) -> str:
    domains = sorted(letter.domains)
    more = f" and {len(domains) - SHOWN_DOMAINS} more" if len(domains) > SHOWN_DOMAINS else ""
    return f"{', '.join(domains[:SHOWN_DOMAINS])}{more}"


# --- one -------------------------------------------------------------------------------------------


def show(
    name: Annotated[str, typer.Argument(metavar="ID", help="A letter's id, how that begins, or an email_id.")],
    *,
    raw: Annotated[bool, typer.Option("--raw", help="Print the body alone, as it came.")] = False,
    env_file: EnvFile = None,
    as_json: AsJson = False,
) -> None:
    """Show one dead letter: why it was given up, what SQS tells of it, and its body.

    Exit codes: 0 shown, 3 there is none such or more than one, 75 the queue
    or the store cannot be read, 78 bad settings, 130 interrupted.
    """
    loaded = settings_or_exit(env_file)
    with box_or_exit():
        try:
            found = named(asyncio.run(_find(loaded, storable(name))), storable(name))
        except KeyboardInterrupt:
            leave(EXIT_INTERRUPTED, "interrupted; the letters are back on their queue")
    letter = _only(name, found)
    if as_json:
        print_json({**shape(letter), "raw": letter.body})
        return
    if raw:
        typer.echo(harmless(letter.body) if sys.stdout.isatty() else letter.body)
        return
    others = len(found) - 1
    print_fields(
        [
            ("letter", letter.letter_id),
            ("where", letter.queue or "in the ledger alone"),
            ("email_id", letter.email_id),
            ("reason", letter.reason),
            ("last error", letter.detail or None),
            ("remedy", letter.remedy or None),
            ("lane", letter.lane),
            ("from queue", letter.source),
            ("attempts", None if letter.attempts is None else str(letter.attempts)),
            ("first seen", shown_time(letter.first_seen_at)),
            ("since", shown_time(letter.at)),
            ("received", None if letter.receive_count is None else f"{letter.receive_count} times, this one counted"),
            ("first receive", shown_time(letter.first_received_at)),
            ("body", None if letter.body else "erased"),
            ("note", f"{others} more with this email_id: see `dlq list`" if others else None),
        ]
    )
    typer.echo()
    typer.echo(harmless(pretty_json(letter.body)))


async def _find(loaded: Loaded, name: str) -> list[DeadLetter]:
    found = list[DeadLetter]()

    async def keep(letters: Sequence[DeadLetter], _look: Look | None) -> None:
        found.extend(letters)

    def is_found() -> bool:
        return len(name) == WHOLE_ID_CHARACTERS and any(one.letter_id == name for one in found)

    location = database.locate(loaded.settings.database_url.get_secret_value())
    async with open_desk(location, clock=SystemClock(), who=who()) as desk, open_boxes(loaded) as boxes:
        around = Round(
            desk=desk,
            boxes=boxes,
            what="looking into",
            takes=lambda letter: goes_by(letter, name),
            work=keep,
            size=1,
            enough=is_found,
        )
        await around.go()
        around.tell()
    return found


def _only(name: str, found: Sequence[DeadLetter]) -> DeadLetter:
    if not found:
        leave(EXIT_NO, f"{name}: there is no such dead letter", "`tank-mailer dlq list` shows them")
    if is_ambiguous(name, found):
        ids = ", ".join(one.letter_id for one in found)
        leave(EXIT_NO, f"{name}: more than one begins so: {ids}", "give more of the id")
    return max(found, key=lambda one: one.at)


def is_ambiguous(name: str, found: Sequence[DeadLetter]) -> bool:
    """Whether the name stands for several letters that are not one job's."""
    return len(found) > 1 and any(one.email_id != name for one in found)
