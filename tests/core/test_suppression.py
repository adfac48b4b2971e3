"""Entries of the suppression list: two that become one, ends, and the exchange file."""

import csv
import io
from datetime import UTC, datetime, timedelta

import pytest

from tank_mailer.core.errors import Reason
from tank_mailer.core.lines import BadLine
from tank_mailer.core.suppression import (
    COLUMNS,
    Entry,
    EntryError,
    joined,
    read_end,
    read_entries,
    read_line_of_text,
    write_entries,
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
        pytest.param(BOUNCED, entry(reason="opted_out", note="n"), BOUNCED, id="an-event-keeps-its-reason"),
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


def read(text: str) -> list[tuple[int, Entry] | BadLine]:
    return list(read_entries(io.StringIO(text, newline=""), NOW))


def test_what_is_written_can_be_read() -> None:
    given = [
        entry(reason="told", note='a "quoted", note', ends_at=LATER),
        Entry("b@example.com", "manual", "manual", PAST),
    ]
    file = io.StringIO(newline="")
    writer = csv.writer(file)
    writer.writerow(COLUMNS)
    writer.writerows(write_entries(given))

    assert read(file.getvalue()) == [(2, given[0]), (3, given[1])]


@pytest.mark.parametrize(
    ("text", "found"),
    [
        pytest.param("", [], id="nothing"),
        pytest.param("# note\n\na@example.com\r\n", [(3, "a@example.com")], id="plain-addresses"),
        pytest.param("note;Address\nx;a@example.com\n", [(2, "a@example.com")], id="semicolons"),
        pytest.param('address\tnote\n"A@example.com"\tx\n\n', [(2, "a@example.com")], id="tabs"),
    ],
)
def test_read_entries(text: str, found: list[tuple[int, str]]) -> None:
    assert [(one[0], one[1].address) for one in read(text) if not isinstance(one, BadLine)] == found


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        pytest.param("a@@example.com\n", Reason.BAD_ADDRESS, id="no-address"),
        pytest.param("\udcff@example.com\n", Reason.BAD_FIELD, id="not-UTF-8"),
        pytest.param("address,note\na@example.com\n", Reason.BAD_FIELD, id="a-short-row"),
        pytest.param("address,note,note\n", Reason.BAD_FIELD, id="a-column-twice"),
        pytest.param('address\n"a@example.com\n', Reason.BAD_FIELD, id="an-open-quote"),
        pytest.param("address,ends_at\na@example.com,soon\n", Reason.BAD_FIELD, id="no-time"),
    ],
)
def test_bad_lines(text: str, reason: Reason) -> None:
    (one,) = read(text)

    assert isinstance(one, BadLine)
    assert one.reason is reason
    assert "a@" not in one.detail


def test_nobody_was_entered_in_the_future() -> None:
    (one,) = read("address,created_at\na@example.com,2031-01-01T00:00:00Z\n")

    assert not isinstance(one, BadLine)
    assert one[1].created_at == NOW
