"""`suppress sync`: what differs is told first, and mended only when asked; and SES's own list in `suppress check`."""

import json
import time
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from typer.testing import Result

from tank_mailer.adapters import account_list
from tank_mailer.adapters.desk import Desk
from tank_mailer.adapters.desk_walk import ENTRIES, with_rest
from tank_mailer.core.address import address_hash
from tank_mailer.standin import Standin
from tank_mailer.standin.suppressed import Suppressed
from tests.cli.conftest import StoreFile

Run = Callable[..., Result]
HOUR = timedelta(hours=1)


@pytest.fixture(autouse=True)
def _at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(account_list, "CALL_EVERY_S", 0.0)
    monkeypatch.setattr(account_list, "WAITS_S", ())


def list_there(standin: Standin, *addresses: str, reason: str = "BOUNCE", ago: timedelta = HOUR) -> None:
    for address in addresses:
        entry = Suppressed(address=address, reason=reason, updated_at=datetime.now(UTC) - ago)
        standin.state.events.suppressed.put(entry)


def there(standin: Standin) -> dict[str, str]:
    return {name: one.reason for name, one in standin.state.events.suppressed.by_spelling.items()}


def put_event(store: StoreFile, address: str, reason: str = "hard_bounce", *, ends_at: float | None = None) -> None:
    values = (address, reason, time.time() - 60, ends_at, "key-1")
    store.ask("INSERT INTO suppressions VALUES (?, ?, 'event', NULL, ?, ?, ?)", *values)


def here(store: StoreFile) -> list[tuple[str, str, str]]:
    return store.ask("SELECT address, reason, source FROM suppressions ORDER BY address")


def report_of(result: Result) -> dict[str, Any]:
    report: dict[str, Any] = json.loads(result.stdout)
    return report


def test_a_dry_run_changes_nothing(run: Run, store: StoreFile, standin: Standin) -> None:
    """The exit code is a monitor's question: do the lists agree?"""
    list_there(standin, "A@Example.com")
    put_event(store, "b@example.com")
    before = here(store), there(standin)

    shown = run("suppress", "sync")
    report = report_of(run("suppress", "sync", "--json"))

    assert shown.exit_code == 3
    assert "only_at_ses\ta@example.com\t-\tBOUNCE\tadded here\n" in shown.stdout
    assert "only_here\tb@example.com\thard_bounce\t-\tadded at SES\n" in shown.stdout
    assert shown.stdout.endswith("Nothing was changed; --apply does it.\n")
    assert report["drift"] == {"only_at_ses": 1, "removed_here": 0, "only_here": 1, "other_reason": 0}
    assert report["differences"][0] == {
        "what": "only_at_ses",
        "address": "a@example.com",
        "reason_here": None,
        "reason_at_ses": "BOUNCE",
        "with_apply": "added here",
    }
    assert (report["applied"], report["compared"], report["listed_at_ses"]) == (False, True, 1)
    assert (here(store), there(standin)) == before
    assert store.audit == []


def test_both_lists_are_brought_together(run: Run, store: StoreFile, standin: Standin) -> None:
    list_there(standin, "A@Example.com", "c@example.com")
    put_event(store, "b@example.com")
    put_event(store, "c@example.com", "complaint")
    put_event(store, "soft@example.com", "soft_bounces", ends_at=time.time() + 1e6)
    put_event(store, "over@example.com", ends_at=6)
    run("suppress", "add", "told@example.com")

    applied = run("suppress", "sync", "--apply")
    again = run("suppress", "sync")

    assert applied.exit_code == 0, applied.output
    assert applied.stdout.endswith("Here 1 added, 0 changed; at SES 2 put, 0 taken off.\n")
    assert "2 calls to SES, one a second" in applied.stderr
    assert there(standin) == {"A@Example.com": "BOUNCE", "c@example.com": "COMPLAINT", "b@example.com": "BOUNCE"}
    assert ("a@example.com", "account_suppressed", "account") in here(store)
    assert (again.exit_code, again.stdout.splitlines()[-1]) == (0, "The lists agree.")
    assert "staying here alone" in again.stdout
    assert store.audit[1:] == [
        ("suppress sync", "here"),
        ("suppress sync", "b@example.com"),
        ("suppress sync", "c@example.com"),
    ]
    assert run("suppress", "check", "a@example.com").exit_code == 3


def test_the_daemon_gets_its_turn_after_each_page(
    run: Run, store: StoreFile, standin: Standin, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A first comparison may enter a hundred thousand addresses."""
    rested = list[Desk]()

    @asynccontextmanager
    async def noted(desk: Desk) -> AsyncIterator[None]:
        async with with_rest(desk):
            yield
        rested.append(desk)

    monkeypatch.setattr("tank_mailer.cli.suppress.sync.with_rest", noted)
    list_there(standin, *(f"user{n}@example.com" for n in range(2 * ENTRIES + 1)))

    assert run("suppress", "sync", "--apply").exit_code == 0

    assert len(rested) == 3
    assert store.audit == [("suppress sync", "here")] * 3


def test_what_a_person_removed_stays_removed(run: Run, store: StoreFile, standin: Standin) -> None:
    """Only with --remove does SES forget it too, in every spelling."""
    put_event(store, "a@example.com")
    list_there(standin, "A@example.com", "a@example.com")
    run("suppress", "remove", "a@example.com")

    first = run("suppress", "sync", "--apply")
    assert first.exit_code == 0
    assert "--remove takes it off there" in first.stderr
    assert here(store) == []
    assert len(there(standin)) == 2

    for arguments in ([], ["--apply"]):
        again = run("suppress", "sync", *arguments)
        assert again.exit_code == 0, "as it is wanted"
        assert "removed_here\ta@example.com\t-\tBOUNCE\tstays; see --remove\n" in again.stdout
        assert "--remove takes it off there" in again.stderr
    assert run("suppress", "sync").stdout.endswith("The lists agree, but for what was removed here.\n")
    assert run("suppress", "sync", "--remove").exit_code == 3, "nothing is done without --apply"

    second = run("suppress", "sync", "--apply", "--remove", "--json")
    assert report_of(second)["done"]["removed_at_ses"] == 2
    assert there(standin) == {}
    assert run("suppress", "sync", "--remove").exit_code == 0


def test_what_was_removed_does_not_hide_a_difference(run: Run, store: StoreFile, standin: Standin) -> None:
    put_event(store, "a@example.com")
    run("suppress", "remove", "a@example.com")
    list_there(standin, "a@example.com", "b@example.com")

    shown = run("suppress", "sync")

    assert (shown.exit_code, shown.stdout.splitlines()[-1]) == (3, "Nothing was changed; --apply does it.")


def test_a_new_bounce_outweighs_an_old_removal(run: Run, store: StoreFile, standin: Standin) -> None:
    put_event(store, "a@example.com")
    run("suppress", "remove", "a@example.com")
    list_there(standin, "a@example.com", ago=-HOUR)

    run("suppress", "sync", "--apply", "--remove")

    assert here(store) == [("a@example.com", "account_suppressed", "account")]
    assert there(standin) == {"a@example.com": "BOUNCE"}


def test_an_erased_person_is_neither_spelled_nor_told(run: Run, store: StoreFile, standin: Standin) -> None:
    hashed = address_hash("jane@example.com")
    put_event(store, hashed)
    put_event(store, address_hash("john@example.com"))
    list_there(standin, "Jane@Example.com")

    result = run("suppress", "sync", "--apply")

    assert (result.exit_code, "jane" in result.output.lower()) == (0, False)
    assert there(standin) == {"Jane@Example.com": "BOUNCE"}
    assert len(here(store)) == 2


def test_a_list_of_many_pages(run: Run, store: StoreFile, standin: Standin) -> None:
    list_there(standin, *(f"user{n}@example.com" for n in range(2_500)))

    shown = run("suppress", "sync", "--limit", "3")
    applied = run("suppress", "sync", "--apply", "--json")

    assert "... and 2497 more" in shown.stdout
    assert report_of(applied)["done"]["added_here"] == 2_500
    assert store.ask("SELECT count(*) FROM suppressions WHERE source = 'account'") == [(2_500,)]


def test_the_sandbox(run: Run, store: StoreFile, standin: Standin) -> None:
    """What can be done is done and told: SES's list is read there all the same."""
    standin.state.account.change({"production_access": False})
    list_there(standin, "a@example.com")
    put_event(store, "b@example.com")

    result = run("suppress", "sync", "--apply", "--json")

    assert result.exit_code == 75
    assert "production access" in result.stderr
    assert report_of(result)["done"]["added_here"] == 1


def test_an_address_that_ses_does_not_take(run: Run, store: StoreFile, standin: Standin) -> None:
    """It stops none of the others, and is told by the exit code."""
    put_event(store, "a@example.com")
    put_event(store, "no address at all")

    result = run("suppress", "sync", "--apply")

    assert result.exit_code == 3
    assert "at SES 1 put, 0 taken off; SES refused 1." in result.stdout
    assert there(standin) == {"a@example.com": "BOUNCE"}
    assert store.audit == [("suppress sync", "a@example.com")]


def test_an_interruption_leaves_what_is_done(
    run: Run, store: StoreFile, standin: Standin, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A list of thousands takes hours at one call a second; nobody waits twice for the same."""
    for name in ("a", "b", "c"):
        put_event(store, f"{name}@example.com")
    put = account_list.AccountList.put

    async def interrupted(self: Any, address: str, reason: Any) -> bool:
        if address.startswith("c"):
            raise KeyboardInterrupt
        return await put(self, address, reason)

    with monkeypatch.context() as patch:
        patch.setattr(account_list.AccountList, "put", interrupted)
        first = run("suppress", "sync", "--apply")
    second = run("suppress", "sync", "--apply", "--json")

    assert first.exit_code == 130
    assert "at SES 2 put" in first.stdout
    assert report_of(second)["done"]["put_at_ses"] == 1
    assert len(there(standin)) == 3


def test_ses_out_of_reach(run: Run, store: StoreFile, standin: Standin, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AWS_ENDPOINT_URL_SESV2", "http://127.0.0.1:9")

    result = run("suppress", "sync", "--json")

    assert result.exit_code == 75
    assert "remedy" in result.stderr
    assert report_of(result)["compared"] is False


# --- suppress check --account ----------------------------------------------------------------------


def test_check_asks_ses_too(run: Run, store: StoreFile, standin: Standin) -> None:
    list_there(standin, "Jane@example.com", reason="COMPLAINT")

    without = run("suppress", "check", "Jane@Example.com")
    told = run("suppress", "check", "Jane@Example.com", "--account")
    report = report_of(run("suppress", "check", "Jane@example.com", "--account", "--json"))
    absent = run("suppress", "check", "john@example.com", "--account")

    assert (without.exit_code, told.exit_code, absent.exit_code) == (0, 3, 0)
    assert "SES's own list has it as Jane@example.com: COMPLAINT" in told.stdout
    assert [(one["address"], one["reason"]) for one in report["account"]] == [("Jane@example.com", "COMPLAINT")]
    assert "does not have it" in absent.stdout


def test_check_of_a_hash_cannot_ask_ses(run: Run, store: StoreFile, standin: Standin) -> None:
    assert run("suppress", "check", address_hash("a@example.com"), "--account").exit_code == 2


def test_check_without_ses(run: Run, store: StoreFile, standin: Standin, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AWS_ENDPOINT_URL_SESV2", "http://127.0.0.1:9")

    assert run("suppress", "check", "a@example.com", "--account").exit_code == 75
