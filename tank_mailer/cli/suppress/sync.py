"""`suppress sync`: our list and the account's own one at SES, compared and brought together."""

import asyncio
from dataclasses import asdict, dataclass, field, replace
from typing import Annotated, Any, Final

import typer

from tank_mailer.adapters import account_list, database, desk_suppressions
from tank_mailer.adapters.account_list import AccountList, AccountListError
from tank_mailer.adapters.clock import SystemClock
from tank_mailer.adapters.desk import Desk, open_desk
from tank_mailer.adapters.desk_walk import ENTRIES, pages, with_rest
from tank_mailer.cli.options import AsJson, EnvFile, settings_or_exit
from tank_mailer.cli.outside import EXIT_INTERRUPTED, EXIT_NO, EXIT_OUTSIDE, leave, outside_or_exit, who
from tank_mailer.cli.suppress.account import open_account_list
from tank_mailer.cli.terminal import hint, print_fields, print_json, print_table, progress_bar, say, shown_span
from tank_mailer.core.drift import (
    Change,
    Comparison,
    Differing,
    Drift,
    Mailbox,
    Put,
    TakeOff,
    changes_there,
    entries_here,
)
from tank_mailer.core.suppression import from_account
from tank_mailer.settings import Loaded

ACTION: Final = "suppress sync"
AGAIN: Final = "run it again: it goes on with what is left"
COLUMNS: Final = ("what", "address", "here", "at SES", "with --apply")


def sync(
    *,
    apply: Annotated[bool, typer.Option("--apply", help="Do it; without this nothing is changed.")] = False,
    remove: Annotated[
        bool,
        typer.Option("--remove", help="Take off SES's list, too, what a person has taken off this one."),
    ] = False,
    limit: Annotated[int, typer.Option(min=0, help="How many differences to show at most.")] = 20,
    env_file: EnvFile = None,
    as_json: AsJson = False,
) -> None:
    """Compare the list with the account's own one at SES, and bring them together.

    Addresses that only SES lists are added here. Hard bounces and
    complaints that SES's events have told of are added there, where they
    are missing. Manual entries stay here: SES knows bounces and complaints
    only. Nothing is taken off either list, but with --remove: off SES's,
    what a person has taken off this one and SES has not listed again since.

    SES takes one call a second, and lists 1000 addresses in one.

    Exit codes: 0 no difference, or all of it mended; 2 usage; 3 there are
    differences, or SES refused some; 75 the store or SES do not work;
    78 bad settings; 130 interrupted. What a person has taken off this list
    and SES still has is shown, and a difference with --remove only.
    """
    loaded = settings_or_exit(env_file)
    run = _Run(applies=apply, removes=remove)
    with outside_or_exit():
        try:
            asyncio.run(_sync(loaded, run, limit=limit, as_json=as_json))
        except AccountListError as error:
            _tell(run, as_json=as_json)
            leave(EXIT_OUTSIDE, error.detail, error.remedy)
        except KeyboardInterrupt:
            _tell(run, as_json=as_json)
            leave(EXIT_INTERRUPTED, "interrupted", AGAIN)
    _tell(run, as_json=as_json)
    if run.done.refused_at_ses or (run.differs and not apply):
        raise typer.Exit(EXIT_NO)


@dataclass(slots=True)
class _Done:
    added_here: int = 0
    changed_here: int = 0
    put_at_ses: int = 0
    removed_at_ses: int = 0
    refused_at_ses: int = 0


@dataclass(slots=True, eq=False)
class _Run:
    applies: bool
    removes: bool
    listed: int = 0
    drift: Drift | None = None
    done: _Done = field(default_factory=_Done)

    @property
    def differs(self) -> bool:
        """Whether there is anything to mend; what a person has let go is so as it is wanted, until they say more."""
        return self.drift is not None and bool(self.drift if self.removes else replace(self.drift, let_go=()))


async def _sync(loaded: Loaded, run: _Run, *, limit: int, as_json: bool) -> None:
    location = database.locate(loaded.settings.database_url.get_secret_value())
    async with (
        open_desk(location, clock=SystemClock(), who=who()) as desk,
        open_account_list(loaded) as account,
    ):
        run.drift = drift = await _compare(desk, account, run)
        if not as_json:
            _print(run, drift, limit)
        if run.applies:
            await _mend(desk, account, run, drift)


async def _compare(desk: Desk, account: AccountList, run: _Run) -> Drift:
    comparison = Comparison(desk.clock.now())
    with progress_bar("reading SES's list", total=None) as bar:
        async for page in account.pages():
            comparison.add_there(page)
            bar.move(len(page))
    run.listed = comparison.listed
    async for entries in desk_suppressions.pages(desk):
        comparison.add_here(entries)
    return comparison.drift(await desk_suppressions.removals(desk))


async def _mend(desk: Desk, account: AccountList, run: _Run, drift: Drift) -> None:
    here = list(entries_here(drift, desk.clock.now()))
    with progress_bar("entering here", total=len(here)) as bar:
        for page in pages(here, ENTRIES):
            async with with_rest(desk):
                entered, _ = await desk_suppressions.enter(
                    desk, page, action=ACTION, subject="here", detail="from SES's list", rule=from_account
                )
            run.done.added_here += entered.added
            run.done.changed_here += entered.changed
            bar.move(len(page))
    there = list(changes_there(drift, removes=run.removes))
    if there:
        span = shown_span(len(there) * account_list.CALL_EVERY_S)
        hint(f"{len(there)} calls to SES, one a second: about {span}; it may be interrupted and run again")
    with progress_bar("changing SES's list", total=len(there)) as bar:
        for change in there:
            await _change(desk, account, run.done, change)
            bar.move(1)


async def _change(desk: Desk, account: AccountList, done: _Done, change: Change) -> None:
    said = await _call(account, done, change)
    if said is not None:
        async with desk.transaction() as connection:
            await desk.note(connection, action=ACTION, subject=change.address, detail=said)


async def _call(account: AccountList, done: _Done, change: Change) -> str | None:
    """What has been done, for the record; None: nothing."""
    match change:
        case Put(address, reason):
            if not await account.put(address, reason):
                done.refused_at_ses += 1
                return None
            done.put_at_ses += 1
            return f"put on SES's list as {reason}"
        case TakeOff(address):
            await account.remove(address)
            done.removed_at_ses += 1
            return "taken off SES's list"


# --- telling ---------------------------------------------------------------------------------------


def _counts(drift: Drift) -> dict[str, int]:
    return {
        "only_at_ses": len(drift.only_there),
        "removed_here": len(drift.let_go),
        "only_here": len(drift.only_here),
        "other_reason": len(drift.differing),
    }


def _print(run: _Run, drift: Drift, limit: int) -> None:
    counts = _counts(drift)
    print_fields(
        [
            ("on SES's list", str(run.listed)),
            ("only there", str(counts["only_at_ses"])),
            ("only there, removed here", str(counts["removed_here"])),
            ("only here", str(counts["only_here"])),
            ("for another reason", str(counts["other_reason"])),
            ("staying here alone", ", ".join(f"{count} {why}" for why, count in drift.kept_here.items()) or None),
            ("there, not readable", str(drift.unreadable) if drift.unreadable else None),
        ]
    )
    rows = _rows(run, drift)
    if rows and limit:
        typer.echo()
        print_table(COLUMNS, rows[:limit])
        if len(rows) > limit:
            say(f"... and {len(rows) - limit} more; --limit shows more, --json all.")


def _rows(run: _Run, drift: Drift) -> list[list[str | None]]:
    return [
        *([_there("only_at_ses", one, "added here") for one in drift.only_there]),
        *(
            [
                _there("removed_here", one, "taken off SES's list" if run.removes else "stays; see --remove")
                for one in drift.let_go
            ]
        ),
        *(["only_here", one.address, one.reason, None, "added at SES"] for one in drift.only_here),
        *(_differing(one) for one in drift.differing),
    ]


def _there(what: str, mailbox: Mailbox, then: str) -> list[str | None]:
    return [what, mailbox.key, None, mailbox.reason.value, then]


def _differing(one: Differing) -> list[str | None]:
    then = "changed at SES" if one.is_ours_stronger else "changed here"
    return ["other_reason", one.entry.address, one.entry.reason, one.mailbox.reason.value, then]


def _tell(run: _Run, *, as_json: bool) -> None:
    drift = run.drift
    if as_json:
        print_json(_shape(run, drift))
        return
    if drift is None:
        return
    if run.applies:
        done = run.done
        refused = f"; SES refused {done.refused_at_ses}" if done.refused_at_ses else ""
        say(
            f"Here {done.added_here} added, {done.changed_here} changed; at SES {done.put_at_ses} put,"
            f" {done.removed_at_ses} taken off{refused}."
        )
    elif run.differs:
        say("Nothing was changed; --apply does it.")
    else:
        say("The lists agree, but for what was removed here." if drift else "The lists agree.")
    if drift.let_go and not run.removes:
        hint("what was removed here is still on SES's list, which keeps its mail back: --remove takes it off there")


def _shape(run: _Run, drift: Drift | None) -> dict[str, Any]:
    found = drift or Drift()
    names = ("what", "address", "reason_here", "reason_at_ses", "with_apply")
    return {
        "applied": run.applies,
        "compared": drift is not None,
        "listed_at_ses": run.listed,
        "drift": _counts(found),
        "staying_here": dict(found.kept_here),
        "unreadable_at_ses": found.unreadable,
        "differences": [dict(zip(names, row, strict=True)) for row in _rows(run, found)],
        "done": asdict(run.done),
    }
