"""The file by which suppression lists are exchanged."""

import csv
import io
from datetime import UTC, datetime, timedelta

import pytest

from tank_mailer.core.address import address_hash
from tank_mailer.core.errors import Reason
from tank_mailer.core.exchange import COLUMNS, read_entries, write_entries
from tank_mailer.core.lines import BadLine
from tank_mailer.core.suppression import Entry

NOW = datetime(2030, 1, 1, tzinfo=UTC)
LATER, PAST = NOW + timedelta(days=9), NOW - timedelta(days=1)
HASH = address_hash("a@example.com")


def read(text: str) -> list[tuple[int, Entry] | BadLine]:
    return list(read_entries(io.StringIO(text, newline=""), NOW))


def test_what_is_written_can_be_read() -> None:
    given = [
        Entry("a@example.com", "told", "manual", PAST, LATER, 'a "quoted", note'),
        Entry("b@example.com", "manual", "manual", PAST),
        Entry(HASH, "manual", "manual", PAST),
    ]
    file = io.StringIO(newline="")
    writer = csv.writer(file)
    writer.writerow(COLUMNS)
    writer.writerows(write_entries(given))

    assert read(file.getvalue()) == [(2, given[0]), (3, given[1]), (4, given[2])]


@pytest.mark.parametrize(
    ("text", "found"),
    [
        pytest.param("", [], id="nothing"),
        pytest.param("# note\n\na@example.com\r\n", [(3, "a@example.com")], id="plain-addresses"),
        pytest.param(f"{HASH}\n", [(1, HASH)], id="the-hash-of-an-erased-one"),
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
        pytest.param("hash:12\n", Reason.BAD_ADDRESS, id="a-malformed-hash"),
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
