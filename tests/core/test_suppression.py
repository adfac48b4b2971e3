"""Entries of the suppression list: two that become one, ends, hashes, and addresses that have become stale."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest

from tank_mailer.core.address import AddressError, address_hash
from tank_mailer.core.suppression import (
    Entry,
    EntryError,
    erased,
    from_account,
    from_event,
    is_stale,
    joined,
    lasting,
    read_end,
    read_line_of_text,
    read_subject,
)

NOW = datetime(2030, 1, 1, tzinfo=UTC)
SOON, LATER, PAST = NOW + timedelta(days=1), NOW + timedelta(days=9), NOW - timedelta(days=1)


def entry(
    source: str = "manual", *, reason: str = "manual", ends_at: datetime | None = None, note: str | None = None
) -> Entry:
    return Entry("a@example.com", reason, source, PAST, ends_at, note)


BOUNCED = entry("event", reason="hard_bounce")
BOUNCED_FOR_A_DAY = entry("event", reason="soft_bounce", ends_at=SOON)


@pytest.mark.parametrize(
    ("old", "new", "found"),
    [
        pytest.param(None, entry(), entry(), id="a-new-one"),
        pytest.param(entry(ends_at=PAST), entry(note="n"), entry(note="n"), id="an-ended-one-is-none"),
        pytest.param(entry(ends_at=SOON), entry(), entry(), id="for-ever-is-longer"),
        pytest.param(entry(), entry(ends_at=SOON), entry(), id="never-sooner"),
        pytest.param(entry(ends_at=LATER), entry(ends_at=SOON), entry(ends_at=LATER), id="the-later-end"),
        pytest.param(
            BOUNCED,
            entry(reason="opted_out", note="n"),
            replace(BOUNCED, source="manual", note="n"),
            id="an-event-keeps-its-reason-and-is-the-persons-from-now-on",
        ),
        pytest.param(
            BOUNCED_FOR_A_DAY, entry(), entry(reason="soft_bounce"), id="what-a-person-makes-longer-is-a-persons"
        ),
        pytest.param(entry(note="old"), entry(reason="told"), entry(reason="told", note="old"), id="a-reason-is-added"),
        pytest.param(entry(reason="told"), entry(note="n"), entry(reason="told", note="n"), id="a-note-is-added"),
    ],
)
def test_joined(old: Entry | None, new: Entry, found: Entry) -> None:
    assert joined(old, new, NOW) == found
    assert joined(found, new, NOW) == found, "twice changes nothing"


@pytest.mark.parametrize(
    ("text", "end"),
    [
        pytest.param("12h", NOW + timedelta(hours=12), id="hours"),
        pytest.param(" 30D ", NOW + timedelta(days=30), id="days"),
        pytest.param("2w", NOW + timedelta(weeks=2), id="weeks"),
        pytest.param("2030-01-01T02:00:00+01:00", NOW + timedelta(hours=1), id="a-time"),
    ],
)
def test_read_end(text: str, end: datetime) -> None:
    assert read_end(text, NOW) == end


@pytest.mark.parametrize("text", ["soon", "30", "0d", "5m", "2029-01-01T00:00:00Z", "2031-01-01T00:00:00", ""])
def test_no_end(text: str) -> None:
    with pytest.raises(EntryError):
        read_end(text, NOW)


def test_a_note_is_short() -> None:
    with pytest.raises(EntryError, match="200"):
        read_line_of_text("x" * 201)


# --- what events and SES's list enter --------------------------------------------------------------

HASH = address_hash("a@example.com")


def event_entry(
    reason: str = "hard_bounce", *, ends_at: datetime | None = None, key: str = "new", at: datetime = NOW
) -> Entry:
    return Entry("a@example.com", reason, "event", at, ends_at, event_key=key)


OLD_BOUNCE = event_entry(key="old", at=PAST)
OLD_SOFT = event_entry("soft_bounces", ends_at=SOON, key="old", at=PAST)
TOLD = entry(reason="told", note="by phone", ends_at=SOON)
LISTED = Entry("a@example.com", "account_suppressed", "account", PAST, note="SES: hard bounce")


@pytest.mark.parametrize(
    ("old", "reason", "ends_at", "found"),
    [
        pytest.param(None, "hard_bounce", None, event_entry(), id="a-new-one"),
        pytest.param(
            event_entry("complaint", ends_at=PAST, key="old"),
            "soft_bounces",
            SOON,
            event_entry("soft_bounces", ends_at=SOON),
            id="an-ended-one-is-replaced",
        ),
        pytest.param(
            entry(reason="told", ends_at=PAST), "hard_bounce", None, event_entry(), id="a-persons-ended-one-is-replaced"
        ),
        pytest.param(
            TOLD,
            "complaint",
            None,
            replace(TOLD, ends_at=None, event_key="new"),
            id="what-a-person-entered-stays-a-persons-and-lasts-longer",
        ),
        pytest.param(
            replace(TOLD, ends_at=None),
            "soft_bounces",
            SOON,
            replace(TOLD, ends_at=None),
            id="never-sooner-by-an-event",
        ),
        pytest.param(TOLD, "soft_bounces", LATER, replace(TOLD, ends_at=LATER, event_key="new"), id="the-later-end"),
        pytest.param(
            OLD_BOUNCE, "complaint", None, event_entry("complaint", at=PAST), id="a-complaint-outweighs-a-hard-bounce"
        ),
        pytest.param(
            OLD_SOFT, "hard_bounce", None, event_entry(at=PAST), id="a-hard-bounce-outweighs-soft-ones-and-stays"
        ),
        pytest.param(OLD_BOUNCE, "soft_bounces", LATER, OLD_BOUNCE, id="soft-ones-change-nothing-of-a-hard-one"),
        pytest.param(OLD_BOUNCE, "hard_bounce", None, OLD_BOUNCE, id="the-same-again-changes-nothing"),
        pytest.param(
            OLD_SOFT,
            "soft_bounces",
            LATER,
            replace(OLD_SOFT, ends_at=LATER, event_key="new"),
            id="the-run-of-soft-ones-goes-on",
        ),
        pytest.param(
            replace(OLD_SOFT, ends_at=LATER), "soft_bounces", SOON, replace(OLD_SOFT, ends_at=LATER), id="a-late-event"
        ),
        pytest.param(
            LISTED,
            "complaint",
            None,
            replace(event_entry("complaint", at=PAST), note="SES: hard bounce"),
            id="an-event-knows-better-than-SES-s-list",
        ),
        pytest.param(
            event_entry("permanent/newtype", key="old", at=PAST),
            "soft_bounces",
            SOON,
            event_entry("permanent/newtype", key="old", at=PAST),
            id="an-unknown-permanent-bounce-is-a-hard-one",
        ),
        pytest.param(
            replace(OLD_SOFT, address=HASH),
            "complaint",
            None,
            replace(event_entry("complaint", at=PAST), address=HASH),
            id="who-was-erased-stays-under-the-hash",
        ),
    ],
)
def test_from_event(old: Entry | None, reason: str, ends_at: datetime | None, found: Entry) -> None:
    given = from_event(old, address="a@example.com", reason=reason, event_key="new", at=NOW, ends_at=ends_at)
    assert given == found
    again = from_event(found, address="a@example.com", reason=reason, event_key="new", at=NOW, ends_at=ends_at)
    assert again == found, "twice changes nothing"


@pytest.mark.parametrize(
    ("old", "found"),
    [
        pytest.param(None, LISTED, id="a-new-one"),
        pytest.param(OLD_BOUNCE, OLD_BOUNCE, id="an-event-says-more"),
        pytest.param(OLD_SOFT, replace(OLD_SOFT, ends_at=None), id="SES-keeps-its-own-for-good"),
        pytest.param(entry(note="n"), entry(note="n"), id="a-persons-stays-a-persons"),
    ],
)
def test_from_account(old: Entry | None, found: Entry) -> None:
    assert from_account(old, LISTED, NOW) == found


# --- hashes ----------------------------------------------------------------------------------------


def test_adding_leaves_an_erased_one_under_its_hash() -> None:
    """An old export that is read in again must not write the erased person down again."""
    assert joined(replace(BOUNCED, address=HASH), entry(), NOW) == replace(BOUNCED, address=HASH, source="manual")
    assert joined(replace(BOUNCED_FOR_A_DAY, address=HASH), entry(), NOW).address == HASH


@pytest.mark.parametrize(
    ("given", "stays"),
    [
        pytest.param(OLD_BOUNCE, replace(OLD_BOUNCE, address=HASH), id="an-events-with-its-reason"),
        pytest.param(
            event_entry("permanent/newtype"),
            replace(event_entry("permanent/newtype"), address=HASH),
            id="a-new-subtype",
        ),
        pytest.param(
            entry(reason="Jane from Leeds asked", note="ring her", ends_at=SOON),
            replace(entry(ends_at=SOON), address=HASH),
            id="free-words-go",
        ),
        pytest.param(
            entry(reason="complaint"), replace(entry(reason="complaint"), address=HASH), id="a-persons-known-reason"
        ),
        pytest.param(replace(OLD_BOUNCE, address=HASH), replace(OLD_BOUNCE, address=HASH), id="twice-changes-nothing"),
    ],
)
def test_erased(given: Entry, stays: Entry) -> None:
    assert erased(given) == stays
    assert stays.is_hashed


@pytest.mark.parametrize(
    ("text", "subject"),
    [
        pytest.param("Jane <A@Example.com>", "a@example.com", id="an-address-as-people-write-it"),
        pytest.param(f" {HASH.upper()} ", HASH, id="a-hash"),
    ],
)
def test_read_subject(text: str, subject: str) -> None:
    assert read_subject(text) == subject


@pytest.mark.parametrize(
    "text", ["hash:", "hash:12", f"{HASH}0", HASH.replace("hash:", "hash:g"), "hash:a@example.com"]
)
def test_no_hash(text: str) -> None:
    with pytest.raises(AddressError, match="32 digits"):
        read_subject(text)


@pytest.mark.parametrize(
    ("entries", "found"),
    [
        pytest.param([], None, id="none"),
        pytest.param([entry(ends_at=SOON), entry(ends_at=LATER)], entry(ends_at=LATER), id="the-later-end"),
        pytest.param([entry(ends_at=LATER), BOUNCED], BOUNCED, id="for-ever-lasts-longest"),
    ],
)
def test_lasting(entries: list[Entry], found: Entry | None) -> None:
    assert lasting(entries) == found


# --- stale -----------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("mailed_days", "delivered_days", "after_days", "stale"),
    [
        pytest.param(31, None, 30, True, id="mailed-long-ago-and-never-reached"),
        pytest.param(29, None, 30, False, id="mailed-lately"),
        pytest.param(30, None, 30, False, id="on-the-day"),
        pytest.param(400, 31, 30, True, id="reached-long-ago"),
        pytest.param(400, 29, 30, False, id="reached-lately"),
        pytest.param(4000, None, 0, False, id="switched-off"),
    ],
)
def test_is_stale(mailed_days: int, delivered_days: int | None, after_days: int, stale: bool) -> None:
    delivered_at = None if delivered_days is None else NOW - timedelta(days=delivered_days)
    assert is_stale(NOW - timedelta(days=mailed_days), delivered_at, after_days=after_days, now=NOW) is stale
