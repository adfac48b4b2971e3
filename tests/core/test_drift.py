"""Two suppression lists, ours and SES's: in what they differ, and which side is mended."""

from collections.abc import Mapping
from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest

from tank_mailer.core.address import address_hash
from tank_mailer.core.drift import (
    Change,
    Comparison,
    Drift,
    Listed,
    ListedReason,
    Put,
    TakeOff,
    changes_there,
    entries_here,
)
from tank_mailer.core.suppression import Entry

NOW = datetime(2030, 1, 1, tzinfo=UTC)
BEFORE, AFTER = NOW - timedelta(days=2), NOW - timedelta(days=1)
BOUNCE, COMPLAINT = ListedReason.BOUNCE, ListedReason.COMPLAINT
A = "a@example.com"
HASH = address_hash(A)


def ours(
    reason: str = "hard_bounce", *, source: str = "event", address: str = A, ends_at: datetime | None = None
) -> Entry:
    return Entry(address, reason, source, BEFORE, ends_at)


def theirs(address: str = A, reason: ListedReason = BOUNCE, at: datetime | None = AFTER) -> Listed:
    return Listed(address, reason, at)


def compare(here: list[Entry], there: list[Listed], removals: Mapping[str, datetime] | None = None) -> Drift:
    comparison = Comparison(NOW)
    for one in there:  # each on a page of its own
        comparison.add_there([one])
    for entry in here:
        comparison.add_here([entry])
    return comparison.drift(removals or {})


def planned(drift: Drift, *, removes: bool = False) -> tuple[list[Entry], list[Change]]:
    return list(entries_here(drift, NOW)), list(changes_there(drift, removes=removes))


TAKEN_OVER = Entry(A, "account_suppressed", "account", AFTER, note="SES: hard bounce")


@pytest.mark.parametrize(
    ("here", "there"),
    [
        pytest.param([], [], id="both-are-empty"),
        pytest.param([ours()], [theirs()], id="the-same"),
        pytest.param([ours()], [theirs("A@EXAMPLE.com")], id="in-another-case"),
        pytest.param([ours("complaint")], [theirs(), theirs("A@example.com", COMPLAINT)], id="the-stronger-spelling"),
        pytest.param([ours("soft_bounces", ends_at=NOW + timedelta(days=3))], [], id="soft-bounces-are-ours-alone"),
        pytest.param([ours("account_suppressed", source="account")], [], id="SES-s-own-went-away-there"),
        pytest.param([ours("account_suppressed", source="account")], [theirs(A, COMPLAINT)], id="taken-over-before"),
        pytest.param([ours("manual", source="manual")], [theirs(A, COMPLAINT)], id="a-persons-and-SES-s"),
        pytest.param([ours("hard_bounce", source="manual")], [], id="a-persons-whatever-its-reason"),
        pytest.param([ours(address=HASH)], [], id="an-erased-one-nobody-can-spell"),
        pytest.param([ours(address=HASH)], [theirs("A@example.com")], id="an-erased-one-is-known-by-its-hash"),
        pytest.param([], [theirs("not an address")], id="what-no-job-can-name"),
    ],
)
def test_no_drift(here: list[Entry], there: list[Listed]) -> None:
    drift = compare(here, there)

    assert not drift
    assert planned(drift, removes=True) == ([], [])


@pytest.mark.parametrize(
    ("here", "there", "entries", "changes"),
    [
        pytest.param([], [theirs("A@Example.com")], [TAKEN_OVER], [], id="only-SES-has-it"),
        pytest.param([ours(ends_at=BEFORE)], [theirs()], [TAKEN_OVER], [], id="an-ended-one-is-none"),
        pytest.param(
            [],
            [theirs(at=None)],
            [replace(TAKEN_OVER, created_at=NOW)],
            [],
            id="SES-does-not-say-since-when",
        ),
        pytest.param(
            [],
            [theirs(), theirs("A@example.com", COMPLAINT, BEFORE)],
            [replace(TAKEN_OVER, note="SES: complaint")],
            [],
            id="spellings-are-one-mailbox",
        ),
        pytest.param([ours()], [], [], [Put(A, BOUNCE)], id="a-hard-bounce-goes-there"),
        pytest.param([ours("complaint")], [], [], [Put(A, COMPLAINT)], id="a-complaint-goes-there"),
        pytest.param([ours(ends_at=BEFORE)], [], [], [], id="an-ended-one-does-not"),
        pytest.param(
            [ours("complaint")],
            [theirs("A@example.com"), theirs("a@Example.com")],
            [],
            [Put("A@example.com", COMPLAINT), Put("a@Example.com", COMPLAINT)],
            id="our-complaint-mends-each-spelling-there",
        ),
        pytest.param(
            [ours()],
            [theirs(A, COMPLAINT)],
            [replace(TAKEN_OVER, reason="complaint", note="SES: complaint")],
            [],
            id="their-complaint-is-entered-here",
        ),
    ],
)
def test_what_is_done(here: list[Entry], there: list[Listed], entries: list[Entry], changes: list[Change]) -> None:
    drift = compare(here, there)

    assert bool(drift) is bool(entries or changes)
    assert planned(drift) == (entries, changes)


@pytest.mark.parametrize(
    ("listed_at", "removals", "is_let_go"),
    [
        pytest.param(BEFORE, {A: AFTER}, True, id="removed-since"),
        pytest.param(BEFORE, {HASH: AFTER}, True, id="removed-since-and-erased"),
        pytest.param(None, {A: AFTER}, True, id="SES-does-not-say-when"),
        pytest.param(AFTER, {A: BEFORE}, False, id="it-has-bounced-again"),
        pytest.param(BEFORE, {"b@example.com": AFTER}, False, id="another-was-removed"),
    ],
)
def test_a_persons_word_stands(listed_at: datetime | None, removals: dict[str, datetime], is_let_go: bool) -> None:
    """What a person took off the list must not come back through SES's list, unless it has bounced since."""
    drift = compare([], [theirs("A@example.com", at=listed_at)], removals)

    assert (len(drift.let_go), len(drift.only_there)) == ((1, 0) if is_let_go else (0, 1))
    entries, changes = planned(drift, removes=True)
    assert changes == ([TakeOff("A@example.com")] if is_let_go else [])
    assert len(entries) == (0 if is_let_go else 1)
    assert planned(drift)[1] == [], "only when asked"


def test_every_spelling_is_taken_off() -> None:
    """Sending treats them as one, so one that is left would keep the mail back."""
    there = [theirs("A@example.com", at=BEFORE), theirs("a@EXAMPLE.com", at=BEFORE)]

    _, changes = planned(compare([], there, {A: AFTER}), removes=True)

    assert changes == [TakeOff("A@example.com"), TakeOff("a@EXAMPLE.com")]


def test_what_stays_here_alone_is_counted() -> None:
    here = [ours("told", source="manual"), ours("soft_bounces", address="b@example.com"), ours(address=HASH)]

    drift = compare(here, [theirs("nobody")])

    assert drift.kept_here == {"manual": 1, "soft_bounces": 1}
    assert drift.unreadable == 1
