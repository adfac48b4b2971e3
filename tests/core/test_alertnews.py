"""What a message says of alerts, to programs and to people, and what it must not hold."""

import json
from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest

from tank_mailer.core.alerting import Entry, News
from tank_mailer.core.alertnews import MOST_DETAIL, MOST_TEXT, TEST, spell
from tank_mailer.core.alertrules import Finding
from tank_mailer.core.alerts import AlertName
from tests.core.test_alerting import NOW, SES, entry


def told(message: News, *, is_test: bool = False) -> dict[str, Any]:
    shape: dict[str, Any] = json.loads(spell(message, node="mail-2", is_test=is_test))
    return shape


def test_one_alert() -> None:
    shape = told(News(firing=[entry()]))

    assert shape.keys() == {"text", "alerts", "test"}
    assert shape["test"] is False
    assert shape["alerts"] == [
        {
            "alert": "dead_letters",
            "severity": "warning",
            "status": "firing",
            "subject": "dead",
            "since": "2030-01-31T11:00:00.000Z",
            "ended_at": None,
            "detail": "3 messages on dead",
            "remedy": entry().remedy,
            "node": "mail-1",
        }
    ]
    head, line = shape["text"].splitlines()
    assert head == "tank-mailer on mail-2: 1 alert"
    assert line.startswith("[warning] dead_letters (dead) since 31 Jan 11:00 UTC: 3 messages on dead. Remedy: ")


def test_several_in_one_message() -> None:
    over = entry(SES, ended_at=NOW, told_at=NOW)

    shape = told(News(firing=[entry(), entry()], recovered=[over]))

    assert [one["status"] for one in shape["alerts"]] == ["firing", "firing", "recovered"]
    head, *_, last = shape["text"].splitlines()
    assert head == "tank-mailer on mail-2: 2 alerts and 1 recovery"
    assert last == "[recovered] pause_ses, 31 Jan 11:00 UTC to 31 Jan 12:00 UTC"
    assert shape["alerts"][2]["ended_at"] == "2030-01-31T12:00:00.000Z"


def test_a_test_says_so_first() -> None:
    shape = told(News(firing=[entry()]), is_test=True)

    assert shape["test"] is True
    assert shape["text"].startswith(TEST)


@pytest.mark.parametrize("call", ["<!channel>", "<https://evil.example|look>", "@here", "ann@example.org"])
def test_a_chat_calls_nobody_and_links_nowhere(call: str) -> None:
    """A part of a detail was said by SES, or by a database."""
    text = told(News(firing=[entry(replace(SES, detail=f"it said {call}"))]))["text"]

    assert not {"<", ">", "@"} & set(text)


def test_a_detail_without_end_is_cut() -> None:
    shape = told(News(firing=[entry(replace(SES, detail="x" * 100_000))]))

    assert len(shape["alerts"][0]["detail"]) == MOST_DETAIL
    assert len(shape["text"]) < 1_000


def test_a_text_without_end_is_cut_and_says_so() -> None:
    many = [entry(Finding(AlertName.DEAD_LETTERS, f"dead-{n}", "y" * 200)) for n in range(100)]

    shape = told(News(firing=many))

    assert len(shape["alerts"]) == 100
    assert len(shape["text"]) <= MOST_TEXT + 100
    assert shape["text"].splitlines()[-1].endswith("more: tank-mailer alerts list")


def test_what_is_over_without_a_time() -> None:
    """Only a sample has none."""
    assert told(News(recovered=[entry()]))["text"].splitlines()[1] == "[recovered] dead_letters (dead)"


def test_bytes_are_ascii() -> None:
    one: Entry = entry(replace(SES, detail="jürgen \ud800 \x1b[2J"), since=NOW - timedelta(days=1))

    assert spell(News(firing=[one]), node="mail-2").isascii()
