"""`tank-mailer reclassify`: the present rules on bounces and complaints that older ones have judged."""

import asyncio
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Annotated, Any, Final

import typer

from tank_mailer.adapters import database
from tank_mailer.adapters.clock import SystemClock
from tank_mailer.adapters.desk import open_desk, spelled
from tank_mailer.adapters.desk_reclassify import ADDRESSES, Reclassification
from tank_mailer.adapters.desk_suppressions import removals
from tank_mailer.cli.options import AsJson, EnvFile, settings_or_exit
from tank_mailer.cli.outside import EXIT_INTERRUPTED, leave, outside_or_exit, who
from tank_mailer.cli.terminal import print_json, print_table, progress_bar, say
from tank_mailer.core.reclassify import Judged, Plan
from tank_mailer.core.telling import PastError, read_past
from tank_mailer.settings import Loaded

SHOWN: Final = 20  # of the addresses and mails concerned


def reclassify(
    *,
    apply: Annotated[bool, typer.Option("--apply", help="Write it down; without it only tell.")] = False,
    since: Annotated[
        str | None,
        typer.Option(
            metavar="WHEN",
            help="Only events recorded since then: 2030-01-31T12:00:00Z, or 2h, 3d, 1w ago. Without: all.",
        ),
    ] = None,
    env_file: EnvFile = None,
    as_json: AsJson = False,
) -> None:
    """Judge stored bounces and complaints by this version's rules.

    After an update that judges some of them otherwise: tells what would
    change of the events' reasons, of suppressions and of recipients'
    statuses; with --apply it changes them, and tells the web server of the
    statuses. What people and the account's own list have entered stays,
    and an address that a person has let go is not suppressed for an older
    event. Events that are older than TANK_RETENTION_DAYS, or that were
    erased, are judged for good.

    The daemon may run meanwhile; doing it twice changes nothing.

    Exit codes: 0 told or done, 2 usage, 75 the store does not work, 78 bad
    settings, 130 interrupted.
    """
    try:
        begin = read_past(since, datetime.now(UTC)) if since else None
    except PastError as error:
        raise typer.BadParameter(str(error)) from None
    loaded = settings_or_exit(env_file)
    with outside_or_exit():
        try:
            plans = asyncio.run(_reclassify(loaded, begin, is_real=apply))
        except KeyboardInterrupt:
            leave(EXIT_INTERRUPTED, "interrupted; what is done stays so", "run it again: it goes on with what is left")
    told = _told(plans)
    if as_json:
        print_json(_shape(told, begin, is_real=apply))
    else:
        _print(told, is_real=apply)


async def _reclassify(loaded: Loaded, since: datetime | None, *, is_real: bool) -> list[Plan]:
    settings = loaded.settings
    location = database.locate(settings.database_url.get_secret_value())
    async with open_desk(location, clock=SystemClock(), who=who()) as desk:
        work = Reclassification(
            desk=desk,
            since=since,
            is_real=is_real,
            tells=settings.webhook_url is not None,
            let_go=await removals(desk),
        )
        span = await work.span()
        if span is None:
            return []
        with progress_bar("judging", total=span[1] - span[0], counts=False) as bar:
            addresses = await work.touched(span, bar.move)
        plans = list[Plan]()
        with progress_bar("changing" if is_real else "comparing", total=len(addresses)) as bar:
            for start in range(0, len(addresses), ADDRESSES):
                some = addresses[start : start + ADDRESSES]
                plans += await work.work(some)
                bar.move(len(some))
        return plans


# --- telling ---------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class _Told:
    judged: Sequence[tuple[Judged, Judged, int]]  # one event of each kind of change, before and after, and how many
    added: Sequence[Plan]
    removed: Sequence[Plan]
    changed: Sequence[Plan]
    plans: Sequence[Plan]

    @property
    def events(self) -> int:
        return sum(count for _, _, count in self.judged)

    @property
    def statuses(self) -> list[tuple[str, str, str, str, str | None]]:
        """By email_id and recipient: the status before, after, and why."""
        return [
            (one.email_id, plan.address, one.before.status.word, one.after.status.word, one.after.reason)
            for plan in self.plans
            for one in plan.restatuses
        ]


def _told(plans: Sequence[Plan]) -> _Told:
    kinds, counts = dict[tuple[object, ...], tuple[Judged, Judged]](), Counter[tuple[object, ...]]()
    for plan in plans:
        for verdict in plan.verdicts:
            before, after = verdict.before, verdict.after
            kind = (before.reason, before.status, before.counts, after.reason, after.status, after.counts)
            kinds.setdefault(kind, (before, after))
            counts[kind] += 1
    changing = [plan for plan in plans if plan.changes_entry]
    return _Told(
        judged=[(*kinds[kind], count) for kind, count in counts.most_common()],
        added=[plan for plan in changing if plan.entry_before is None],
        removed=[plan for plan in changing if plan.entry_after is None],
        changed=[plan for plan in changing if plan.entry_before and plan.entry_after],
        plans=plans,
    )


def _print(told: _Told, *, is_real: bool) -> None:
    if not told.plans:
        say("The present rules judge all of them as they were judged.")
        return
    rows = [[_named(before), _named(after), str(count)] for before, after, count in told.judged]
    print_table(["was", "is now" if is_real else "would be", "events"], rows)
    entries = [
        *([plan.address, "suppressed", _reason(plan)] for plan in told.added),
        *([plan.address, "let go", _reason(plan)] for plan in told.removed),
        *([plan.address, "suppressed otherwise", _reason(plan)] for plan in told.changed),
    ]
    _print_some(["address", "change", "reason"], entries)
    _print_some(["email_id", "recipient", "was", "is now" if is_real else "would be", "reason"], told.statuses)
    say(
        f"{told.events} events judged otherwise; {len(told.added)} suppressions more, {len(told.removed)} fewer,"
        f" {len(told.changed)} otherwise; {len(told.statuses)} statuses."
    )
    if not is_real:
        say("Nothing was changed; --apply does it.")


def _print_some(columns: Sequence[str], rows: Sequence[Sequence[str | None]]) -> None:
    if not rows:
        return
    typer.echo()
    print_table(columns, rows[:SHOWN])
    if len(rows) > SHOWN:
        say(f"... and {len(rows) - SHOWN} more; --json lists all of them")


def _named(event: Judged) -> str:
    """A judgement in a few words."""
    status = event.status.word if event.status is not None else "no status"
    return f"{event.reason} ({status}{', counts' if event.counts else ''})"


def _reason(plan: Plan) -> str:
    entry = plan.entry_after or plan.entry_before
    return entry.reason if entry else ""


def _shape(told: _Told, since: datetime | None, *, is_real: bool) -> dict[str, Any]:
    return {
        "applied": is_real,
        "since": spelled(since),
        "events": [
            {"was": _judgement(before), "is": _judgement(after), "events": count}
            for before, after, count in told.judged
        ],
        "suppressions": {
            "added": [_entry(plan) for plan in told.added],
            "removed": [_entry(plan) for plan in told.removed],
            "changed": [_entry(plan) for plan in told.changed],
        },
        "statuses": [
            {"email_id": email_id, "recipient": recipient, "was": was, "is": now, "reason": reason}
            for email_id, recipient, was, now, reason in told.statuses
        ],
    }


def _judgement(event: Judged) -> dict[str, Any]:
    status = event.status.word if event.status is not None else None
    return {"reason": event.reason, "status": status, "counts": event.counts}


def _entry(plan: Plan) -> dict[str, Any]:
    before, after = plan.entry_before, plan.entry_after
    return {
        "address": plan.address,
        "was": before.reason if before else None,
        "is": after.reason if after else None,
        "ends_at": spelled(after.ends_at) if after else None,
    }
