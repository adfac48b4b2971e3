"""`suppress add|remove|check`: one address."""

import asyncio
from datetime import UTC, datetime
from typing import Annotated

import typer

from tank_mailer.adapters import desk_suppressions
from tank_mailer.adapters.account_list import AccountListError
from tank_mailer.adapters.desk import Desk, spelled
from tank_mailer.adapters.desk_suppressions import Entered, Standing
from tank_mailer.cli.options import AsJson, EnvFile, settings_or_exit
from tank_mailer.cli.outside import EXIT_NO, EXIT_OUTSIDE, at_desk, leave, outside_or_exit
from tank_mailer.cli.suppress.account import open_account_list
from tank_mailer.cli.suppress.entries import Address, as_usage, end, shape, subject_of
from tank_mailer.cli.terminal import print_fields, print_json, say, shown_time, waiting
from tank_mailer.core.address import HASHED, parse_address
from tank_mailer.core.drift import Listed
from tank_mailer.core.suppression import MANUAL, Entry, read_end, read_line_of_text
from tank_mailer.settings import Loaded


def add(
    address: Address,
    *,
    reason: Annotated[str, typer.Option(metavar="TEXT", help="Why, in a word or a few.")] = MANUAL,
    until: Annotated[
        str | None,
        typer.Option(
            metavar="WHEN", help="When it ends: 2030-01-31T12:00:00Z, or from now on 12h, 30d, 8w. Without it: never."
        ),
    ] = None,
    note: Annotated[str | None, typer.Option(metavar="TEXT", help="A note for whoever looks at the entry.")] = None,
    env_file: EnvFile = None,
    as_json: AsJson = False,
) -> None:
    """Mail an address no more, from the next attempt on.

    An address that is listed already is never let go sooner by this: take
    it off first.

    Exit codes: 0 it is on the list, 2 not an address, 75 the store cannot
    be written, 78 bad settings.
    """
    now = datetime.now(UTC)
    with as_usage():
        entry = Entry(
            address=subject_of(address),
            reason=read_line_of_text(reason) or MANUAL,
            source=MANUAL,
            created_at=now,
            ends_at=read_end(until, now) if until else None,
            note=read_line_of_text(note or "") or None,
        )

    async def work(desk: Desk) -> tuple[Entered, list[Entry]]:
        action = "suppress add"
        return await desk_suppressions.enter(desk, [entry], action=action, subject=entry.address, detail=entry.reason)

    entered, (standing,) = at_desk(env_file, work)
    if as_json:
        print_json({"added": entered.added == 1, "changed": entered.changed == 1, "entry": shape(standing)})
        return
    how = "is on the list" if entered.added else "was on the list; changed" if entered.changed else "was on the list"
    say(f"{entry.address} {how}: not mailed {end(standing)} ({standing.reason}).")
    if entry.ends_at and standing.ends_at != entry.ends_at:
        say("It stood there for longer already. To let it go sooner: suppress remove, then suppress add --until.")


def remove(address: Address, *, env_file: EnvFile = None, as_json: AsJson = False) -> None:
    """Let an address be mailed again: take it off the list.

    One that is held back because nothing has been delivered to it for long
    (TANK_STALE_AFTER_DAYS) begins anew. SES's own list stays as it is: see
    `suppress sync --remove`.

    Exit codes: 0 it is mailed again, 2 not an address, 3 nothing held it
    back, 75 the store cannot be written, 78 bad settings.
    """
    with as_usage():
        key = subject_of(address)
    after_days = settings_or_exit(env_file).settings.stale_after_days
    removed = at_desk(env_file, lambda desk: desk_suppressions.remove(desk, key, stale_after_days=after_days))
    entry = removed.entry
    if as_json:
        found = shape(entry) if entry else None
        print_json({"address": key, "removed": entry is not None, "was_stale": removed.was_stale, "entry": found})
    else:
        if entry:
            say(f"{key} is off the list; it stood there since {shown_time(entry.created_at)} ({entry.reason}).")
        if removed.was_stale:
            say(f"{key} was stale; its {after_days} days without a delivery are counted from now.")
    if not removed.anything:
        leave(EXIT_NO, "the address is not on the list")


def check(
    address: Address,
    *,
    account: Annotated[
        bool, typer.Option("--account", help="Ask SES, too, whether its own list has the address (two calls).")
    ] = False,
    env_file: EnvFile = None,
    as_json: AsJson = False,
) -> None:
    """Ask whether an address may be mailed.

    As far as this list goes, and TANK_STALE_AFTER_DAYS. SES has a list of
    its own, and tells only by the exact spelling: with --account it is
    asked for the address as given and in lower case.

    Exit codes: 0 it may, 2 not an address, 3 it may not, 75 the store or
    SES cannot be asked, 78 bad settings.
    """
    with as_usage():
        key = subject_of(address)
        if account and key.startswith(HASHED):
            raise typer.BadParameter("SES knows no hashes: give the address, or leave --account out.")
    loaded = settings_or_exit(env_file)
    after_days = loaded.settings.stale_after_days
    standing = at_desk(env_file, lambda desk: desk_suppressions.find(desk, key))
    listed = _listed(loaded, key, address) if account else []
    now = datetime.now(UTC)
    entry = standing.entry
    is_suppressed = entry is not None and entry.is_in_force(now)
    is_stale = standing.is_stale(after_days=after_days, now=now)
    if as_json:
        print_json(
            {
                "address": key,
                "suppressed": is_suppressed,
                "stale": is_stale,
                "entry": shape(entry) if entry else None,
                "first_mailed_at": spelled(standing.first_mailed_at),
                "last_delivered_at": spelled(standing.last_delivered_at),
                "account": [_listing(one) for one in listed] if account else None,
            }
        )
    else:
        _print(key, standing, is_suppressed=is_suppressed, is_stale=is_stale, after_days=after_days)
        for one in listed:
            since = shown_time(one.updated_at)
            say(f"SES's own list has it as {one.address}: {one.reason}{f', since {since}' if since else ''}.")
        if account and not listed:
            say("SES's own list does not have it in these spellings.")
    if is_suppressed or is_stale or listed:
        raise typer.Exit(EXIT_NO)


# --- parts -----------------------------------------------------------------------------------------


def _print(key: str, standing: Standing, *, is_suppressed: bool, is_stale: bool, after_days: int) -> None:
    entry = standing.entry
    if is_stale:
        since = shown_time(standing.last_delivered_at)
        last = f"the last delivery was {since}" if since else f"first mailed {shown_time(standing.first_mailed_at)}"
        say(f"{key} is not mailed: stale ({last}, nothing for {after_days} days); `suppress remove` begins anew.")
    if entry is None:
        if not is_stale:
            say(f"{key} may be mailed: not on the list.")
        return
    if is_suppressed:
        say(f"{key} is not mailed {end(entry)}.")
    elif not is_stale:
        say(f"{key} may be mailed again.")
    print_fields(
        [
            ("reason", entry.reason),
            ("source", entry.source),
            ("since", shown_time(entry.created_at)),
            ("ends", shown_time(entry.ends_at)),
            ("note", entry.note),
            ("stored as", entry.address if entry.is_hashed else None),
        ]
    )


def _listed(loaded: Loaded, key: str, address: str) -> list[Listed]:
    given = parse_address(address).mailbox

    async def ask() -> list[Listed]:
        async with open_account_list(loaded) as account:
            return [one for name in dict.fromkeys((given, key)) if (one := await account.find(name))]

    with outside_or_exit(), waiting("asking SES"):
        try:
            return asyncio.run(ask())
        except AccountListError as error:
            leave(EXIT_OUTSIDE, error.detail, error.remedy)


def _listing(one: Listed) -> dict[str, str | None]:
    return {"address": one.address, "reason": one.reason.value, "updated_at": spelled(one.updated_at)}
