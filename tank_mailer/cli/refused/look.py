"""`refused list|show`: what was put aside."""

import sys
from collections.abc import Sequence
from dataclasses import replace
from typing import Annotated, Final

import typer

from tank_mailer.adapters.desk import Desk
from tank_mailer.adapters.desk_asides import (
    PutAside,
    Which,
    count_asides,
    find_asides,
    list_asides,
    list_ids,
    of_domain,
)
from tank_mailer.adapters.rows import storable
from tank_mailer.cli.options import AsJson, EnvFile
from tank_mailer.cli.outside import EXIT_NO, at_desk, leave
from tank_mailer.cli.putback.choosing import (
    ByDomain,
    ByReason,
    NewerThan,
    OlderThan,
    domain_or_usage,
    read_period,
)
from tank_mailer.cli.refused.aside import ASKED_FOR, ByKind, Kind, is_ambiguous, is_cut
from tank_mailer.cli.terminal import (
    harmless,
    hint,
    pretty_json,
    print_fields,
    print_json,
    print_table,
    progress_bar,
    say,
    shown_time,
)

SHOWN_ID_CHARACTERS: Final = 8


def list_(
    *,
    kind: ByKind = None,
    reason: ByReason = None,
    domain: ByDomain = None,
    older_than: OlderThan = None,
    newer_than: NewerThan = None,
    waiting: Annotated[bool, typer.Option("--waiting", help="Only those that nobody has put back yet.")] = False,
    limit: Annotated[int, typer.Option(min=1, help="How many at most, the newest first.")] = 50,
    env_file: EnvFile = None,
    as_json: AsJson = False,
) -> None:
    """List them, the newest first.

    Messages of the event queue only with --kind event, dead letters that
    were dropped only with --kind dropped. `show` and `requeue` take a queue
    message's id as it is cut here. With --domain every text is read.

    Exit codes: 0 listed, 2 usage, 75 the store cannot be read, 78 bad
    settings.
    """
    period = read_period(older_than, newer_than)
    domain = domain_or_usage(domain)
    which = Which(kind, reason, waiting, () if kind else ASKED_FOR, period.before, period.after)
    events = replace(which, kind=Kind.EVENT, but=())

    async def work(desk: Desk) -> tuple[int, list[PutAside], int]:
        count = await count_asides(desk, events)
        if domain is None:
            return *await list_asides(desk, which, limit=limit), count
        ids = await list_ids(desk, which)
        with progress_bar("looking", total=len(ids)) as bar:
            found = await of_domain(desk, ids, domain, bar.move)
        return len(found), found[::-1][:limit], count

    count, found, event_count = at_desk(env_file, work, tells=domain is None)
    if as_json:
        print_json({"total": count, "jobs": [one.shape() for one in found], "quarantined_events": event_count})
        return
    _print_list(found)
    if sys.stdout.isatty():
        say(f"{len(found)} of {count}.")
    if kind is None and event_count:
        hint(f"Besides, of the event queue: {event_count}; `tank-mailer refused list --kind event` shows them.")


def _print_list(found: Sequence[PutAside]) -> None:
    if sys.stdout.isatty():  # 80 columns are to do
        rows = [
            [
                *(one.queue_message_id[:SHOWN_ID_CHARACTERS], one.email_id),
                f"{one.kind}, {one.reason}: {one.detail}",
                one.at.strftime("%Y-%m-%d %H:%M"),
                "yes" if one.requeued_at else None,
            ]
            for one in found
        ]
        print_table(["message", "email_id", "why", "when (UTC)", "put back"], rows)
        return
    rows = [
        [
            *(one.queue_message_id[:SHOWN_ID_CHARACTERS], one.email_id, one.kind, one.reason, one.detail),
            *(shown_time(one.at), shown_time(one.requeued_at)),
        ]
        for one in found
    ]
    print_table(["message", "email_id", "kind", "reason", "detail", "when", "put back"], rows)


def show(
    name: Annotated[str, typer.Argument(metavar="ID", help="An email_id, a queue message's id, or how that begins.")],
    *,
    raw: Annotated[bool, typer.Option("--raw", help="Print the text alone, as it came.")] = False,
    env_file: EnvFile = None,
    as_json: AsJson = False,
) -> None:
    """Show what was put aside: the reason, and the text as it came.

    Exit codes: 0 shown, 3 there is none such or more than one, 75 the store
    cannot be read, 78 bad settings.
    """
    found = at_desk(env_file, lambda desk: find_asides(desk, storable(name)))
    aside = _only(name, found)
    if as_json:
        print_json({**aside.shape(), "raw": aside.raw, "cut": is_cut(aside)})
        return
    if raw:
        typer.echo(harmless(aside.raw) if sys.stdout.isatty() else aside.raw)
        return
    others = len(found) - 1
    print_fields(
        [
            ("message", aside.queue_message_id),
            ("email_id", aside.email_id),
            ("kind", aside.kind),
            ("reason", aside.reason),
            ("detail", aside.detail),
            ("lane", aside.lane),
            ("put aside", shown_time(aside.at)),
            ("put back", shown_time(aside.requeued_at)),
            ("text", "erased" if not aside.raw else "only its first 64 KiB were kept" if is_cut(aside) else None),
            ("note", f"{others} older with this email_id: see `refused list`" if others else None),
        ]
    )
    typer.echo()
    typer.echo(harmless(pretty_json(aside.raw)))


def _only(name: str, found: Sequence[PutAside]) -> PutAside:
    if not found:
        leave(
            EXIT_NO, f"{name}: there is no such job", "`tank-mailer refused list` shows them; `status` knows all others"
        )
    if is_ambiguous(name, found):
        ids = ", ".join(one.queue_message_id for one in found)
        leave(EXIT_NO, f"{name}: more than one begins so: {ids}", "give more of the id")
    return found[0]
