"""What a message on the dead-letter queue tells of itself, whoever wrote it."""

import json
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tank_mailer.core.deadletter import (
    Choice,
    DeadLetter,
    Handed,
    domains_of,
    given_up,
    goes_by,
    named,
    of_ledger,
    read_domain,
    read_letter,
)
from tank_mailer.core.errors import Reason
from tank_mailer.core.ledger import Row, State, first_row
from tests.builders import make_body
from tests.fakes import EPOCH

NOTE = {
    "email_id": "order-4711",
    "reason": "attempts_spent",
    "remedy": "look at last_error",
    "lane": "priority",
    "source": "jobs",
    "attempts": 3,
    "last_error": "SES said 503",
    "first_seen": "2026-11-02T08:00:00+00:00",
}
LANES = {"jobs": "ordinary", "urgent": "priority"}
ARN = "arn:aws:sqs:eu-west-1:123456789012:urgent"


def make_handed(**changes: Any) -> Handed:
    handed = Handed(
        letter_id="l-1",
        receipt_handle="h",
        body=make_body(),
        note=json.dumps(NOTE),
        sent_at=EPOCH,
        source_arn="",
        receive_count=2,
        first_received_at=None,
    )
    return replace(handed, **changes)


def read(**changes: Any) -> DeadLetter:
    return read_letter(make_handed(**changes), queue="dead", lanes=LANES)


def test_a_copy_of_ours_tells_all() -> None:
    letter = read()

    assert (letter.reason, letter.detail, letter.remedy) == (
        Reason.ATTEMPTS_SPENT,
        "SES said 503",
        "look at last_error",
    )
    assert (letter.lane, letter.source, letter.attempts) == ("priority", "jobs", 3)
    assert letter.first_seen_at == datetime(2026, 11, 2, 8, tzinfo=UTC)
    assert (letter.email_id, letter.domains, letter.at) == ("order-4711", frozenset({"example.org"}), EPOCH)
    assert (letter.body, letter.without_body.body) == (make_body(), "")


@pytest.mark.parametrize(
    ("changes", "told"),
    [
        pytest.param({"note": None, "source_arn": ARN}, (Reason.REDRIVE_POLICY, "priority", "urgent"), id="by-policy"),
        pytest.param({"note": None}, (Reason.UNEXPLAINED, None, None), id="by-hand"),
        pytest.param({"note": "{"}, (Reason.UNEXPLAINED, None, None), id="a-note-that-is-none"),
        pytest.param({"note": "[" * 100_000}, (Reason.UNEXPLAINED, None, None), id="a-note-too-deep"),
        pytest.param({"note": "[]"}, (Reason.UNEXPLAINED, None, None), id="a-note-that-is-a-list"),
        pytest.param(
            {"note": json.dumps(NOTE | {"reason": "of_a_newer_version", "lane": "third"})},
            (Reason.UNEXPLAINED, "ordinary", "jobs"),
            id="words-that-we-do-not-know",
        ),
        pytest.param(
            {"note": json.dumps({name: [1] for name in NOTE})},
            (Reason.UNEXPLAINED, None, None),
            id="values-of-another-kind",
        ),
    ],
)
def test_what_is_told_otherwise(changes: dict[str, object], told: tuple[object, ...]) -> None:
    letter = read(**changes)

    assert (letter.reason, letter.lane, letter.source) == told


def test_a_body_that_is_no_job_still_has_its_note() -> None:
    letter = read(body="\x00{")

    assert (letter.email_id, letter.domains, letter.size_bytes) == ("order-4711", frozenset(), 2)


def test_a_word_of_the_ledger_that_we_do_not_know() -> None:
    at = EPOCH
    letter = of_ledger(
        letter_id="m-1", email_id="a", reason="new", detail="", lane="third", at=at, body=make_body(email_id="a")
    )

    assert (letter.queue, letter.reason, letter.lane) == (None, Reason.UNEXPLAINED, None)


@given(st.text() | st.recursive(st.none() | st.floats() | st.text(), st.lists).map(json.dumps), st.text())
@settings(max_examples=60, deadline=None)
def test_no_note_and_no_body_breaks_it(note: str, body: str) -> None:
    read(note=note, body=body)


@pytest.mark.parametrize(
    ("text", "domain"),
    [
        pytest.param("Example.COM", "example.com", id="any-case"),
        pytest.param("@example.com", "example.com", id="with-its-sign"),
        pytest.param("bücher.example.com", "xn--bcher-kva.example.com", id="in-any-script"),
        pytest.param("localhost", None, id="no-domain"),
        pytest.param("a@b@example.com", None, id="no-domain-at-all"),
    ],
)
def test_domains_as_people_write_them(text: str, domain: str | None) -> None:
    assert read_domain(text) == domain


def test_the_domains_of_a_job() -> None:
    assert domains_of(make_body(to=["a@example.org", "b@Example.net"], cc="c@example.org")) == {
        "example.org",
        "example.net",
    }
    assert domains_of("{") == frozenset()


@pytest.mark.parametrize(
    ("choice", "takes"),
    [
        pytest.param(Choice(), True, id="all"),
        pytest.param(Choice(reason=Reason.ATTEMPTS_SPENT, domain="example.org", lane="priority"), True, id="each"),
        pytest.param(Choice(reason=Reason.IN_DOUBT), False, id="reason"),
        pytest.param(Choice(domain="example.com"), False, id="domain"),
        pytest.param(Choice(lane="ordinary"), False, id="lane"),
        pytest.param(Choice(before=EPOCH), True, id="not-younger"),
        pytest.param(Choice(before=EPOCH - timedelta(seconds=1)), False, id="younger"),
        pytest.param(Choice(after=EPOCH), True, id="not-older"),
        pytest.param(Choice(after=EPOCH + timedelta(seconds=1)), False, id="older"),
    ],
)
def test_which_are_meant(choice: Choice, takes: bool) -> None:
    assert choice.takes(read()) is takes


def test_a_choice_is_said_in_a_line() -> None:
    assert Choice().said == "all"
    assert Choice(reason=Reason.IN_DOUBT, before=EPOCH).said == "reason in_doubt, before 2026-11-02T08:00:00+00:00"


def test_names() -> None:
    """An id goes before an email_id, and that before how an id begins."""
    first, second = replace(read(), letter_id="abcd-1"), replace(read(), letter_id="abcd-2", email_id="abcd-1")

    assert named([first, second], "abcd-1") == [first]
    assert named([first, second], "order-4711") == [first]
    assert named([first, second], "ABCD") == [first, second]
    assert named([first, second], "abc") == []
    assert goes_by(second, "abcd-1")


# --- dropped ---------------------------------------------------------------------------------------

BOUND = first_row(email_id="order-4711", content_hash="h", lane="ordinary", queue_message_id="l-1", now=EPOCH)
LATER = EPOCH + timedelta(hours=1)


@pytest.mark.parametrize(
    ("row", "reason"),
    [
        pytest.param(None, None, id="not-known"),
        pytest.param(BOUND, Reason.REDRIVE_POLICY, id="deferred"),
        pytest.param(replace(BOUND, state=State.IN_DOUBT), Reason.IN_DOUBT, id="in-doubt"),
        pytest.param(replace(BOUND, state=State.SENDING, lease_ends_at=EPOCH), Reason.IN_DOUBT, id="its-lease-is-over"),
        pytest.param(replace(BOUND, state=State.SENDING), Reason.IN_DOUBT, id="without-a-lease"),
        pytest.param(replace(BOUND, state=State.SENDING, lease_ends_at=LATER), None, id="an-attempt-is-under-way"),
        pytest.param(replace(BOUND, state=State.ACCEPTED), None, id="has-ended"),
        pytest.param(replace(BOUND, queue_message_id="m-2"), None, id="another-message-brings-it"),
    ],
)
def test_what_a_dropped_letter_ends(row: Row | None, reason: Reason | None) -> None:
    letter = DeadLetter(letter_id="l-1", queue="dead", email_id="order-4711", reason=Reason.REDRIVE_POLICY, at=EPOCH)

    ended = given_up(row, letter, EPOCH + timedelta(minutes=1))

    assert (ended and ended.state, ended and ended.reason) == (reason and State.DEAD, reason)
