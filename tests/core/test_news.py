"""What the web server is told, and how it is spelled (DESIGN 6)."""

import json
import re
from collections.abc import Sequence
from dataclasses import replace
from datetime import UTC, datetime, timedelta, timezone
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tank_mailer.core.canary import canary_id
from tank_mailer.core.errors import Reason
from tank_mailer.core.ledger import Row, State, first_row
from tank_mailer.core.news import News, name_of, news_of_invalid, news_of_row, spell, spelled_time
from tank_mailer.core.status import Status

JOB = "order-4711"
ANN, BEN = "ann@example.org", "ben@example.org"
SEEN = datetime(2026, 11, 2, 9, 0, tzinfo=UTC)
NOW = SEEN + timedelta(minutes=15)
LATER = NOW + timedelta(hours=1)


def make_news(**changes: Any) -> News:
    news = News(
        email_id=JOB,
        state=State.ACCEPTED,
        occurred_at=datetime(2026, 11, 2, 9, 15, 2, 123_000, tzinfo=UTC),
        recipient=ANN,
        status=Status.HARD_BOUNCED,
        reason=Reason.HARD_BOUNCE,
        ses_message_id="ses-1",
    )
    return replace(news, **changes)


# --- the payload -----------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("news", "payload"),
    [
        pytest.param(
            make_news(),
            {
                "type": "email.status",
                "timestamp": "2026-11-02T09:15:02.123Z",
                "data": {
                    "email_id": "order-4711",
                    "state": "accepted",
                    "recipient": "ann@example.org",
                    "status": "hard_bounced",
                    "reason": "hard_bounce",
                    "ses_message_id": "ses-1",
                    "occurred_at": "2026-11-02T09:15:02.123Z",
                },
            },
            id="of-a-recipient",
        ),
        pytest.param(
            News(email_id=JOB, state=State.EXPIRED, occurred_at=NOW, reason=Reason.EXPIRED),
            {
                "type": "email.status",
                "timestamp": "2026-11-02T09:15:00.000Z",
                "data": {
                    "email_id": "order-4711",
                    "state": "expired",
                    "recipient": None,
                    "status": None,
                    "reason": "expired",
                    "ses_message_id": None,
                    "occurred_at": "2026-11-02T09:15:00.000Z",
                },
            },
            id="of-a-job-as-a-whole-what-is-unknown-is-null",
        ),
    ],
)
def test_the_payload_is_the_designs(news: News, payload: object) -> None:
    assert json.loads(spell(news)) == payload


def test_what_is_judged_anew_is_told_with_a_time_of_its_own() -> None:
    """When it happened does not change by that; that it is told now makes it another piece of news."""
    at_first, anew = spell(make_news(occurred_at=NOW)), spell(make_news(occurred_at=NOW), told_at=LATER)

    assert json.loads(anew) == json.loads(at_first) | {"timestamp": "2026-11-02T10:15:00.000Z"}
    assert name_of(anew) != name_of(at_first)


@pytest.mark.parametrize("status", list(Status))
def test_each_status_goes_by_its_word(status: Status) -> None:
    assert json.loads(spell(make_news(status=status)))["data"]["status"] == status.name.lower()


HALF_CHARACTERS = st.characters(min_codepoint=0xD800, max_codepoint=0xDFFF)
ANY_TEXT = st.text(st.one_of(st.characters(codec="utf-8"), HALF_CHARACTERS))


@given(email_id=ANY_TEXT, recipient=ANY_TEXT, reason=ANY_TEXT, ses_message_id=ANY_TEXT)
def test_whatever_a_text_holds_the_body_is_json_in_utf8(**texts: str) -> None:
    """Half a character, which UTF-8 cannot carry, is replaced; all else arrives as it is (RFC 8259, section 8)."""
    body = spell(make_news(**texts)).encode()

    data = json.loads(body)["data"]

    assert {name: data[name] for name in texts} == {
        name: text.encode("utf-8", "replace").decode() for name, text in texts.items()
    }


@pytest.mark.parametrize(
    "text",
    [
        pytest.param("\ud800", id="half-a-character"),
        pytest.param("\ude00\ud83d", id="two-halves-in-the-wrong-order"),
        pytest.param("a\x00b\r\n\u2028", id="nul-and-line-ends"),
        pytest.param('"},"x":{"', id="json-in-json"),
        pytest.param("Bestellung 🚚 für ä@例え.テスト", id="all-the-world"),
    ],
)
def test_an_odd_id_goes_out(text: str) -> None:
    body = spell(make_news(email_id=text)).encode()

    assert json.loads(body)["data"]["email_id"] == text.encode("utf-8", "replace").decode()
    assert b"\n" not in body
    assert b"\r" not in body


@pytest.mark.parametrize(
    ("at", "text"),
    [
        pytest.param(datetime(2026, 11, 2, 9, 15, tzinfo=UTC), "2026-11-02T09:15:00.000Z", id="a-full-second"),
        pytest.param(
            datetime(2026, 11, 2, 9, 15, 0, 123_999, tzinfo=UTC), "2026-11-02T09:15:00.123Z", id="no-finer-than-ms"
        ),
        pytest.param(
            datetime(2026, 11, 2, 0, 30, tzinfo=timezone(timedelta(hours=1))),
            "2026-11-01T23:30:00.000Z",
            id="another-zone-is-put-into-utc",
        ),
    ],
)
def test_a_time_is_rfc_3339_in_utc(at: datetime, text: str) -> None:
    assert spelled_time(at) == text


# --- its id ----------------------------------------------------------------------------------------


def test_an_id_stays_what_it_is() -> None:
    """A replay after an update of tank-mailer must be known to the receiver for what it is."""
    assert name_of('{"type": "email.status"}') == "msg_2ca5e3b35513274ae5a275d63456c536"


@given(st.text(), st.text())
def test_an_id_is_the_same_for_the_same_payload_only(one: str, other: str) -> None:
    assert (name_of(one) == name_of(other)) == (one == other)


@given(ANY_TEXT)
def test_an_id_has_no_full_stop(payload: str) -> None:
    """Standard Webhooks: the signed text is id, time and body with full stops between."""
    assert re.fullmatch(r"msg_[0-9a-f]{32}", name_of(payload))


@pytest.mark.parametrize(
    "changes",
    [
        pytest.param({"email_id": "order-4712"}, id="another-job"),
        pytest.param({"recipient": BEN}, id="another-recipient"),
        pytest.param({"status": Status.COMPLAINED}, id="another-status"),
        pytest.param({"state": State.DEAD}, id="another-state"),
        pytest.param({"reason": Reason.ACCOUNT_SUPPRESSED}, id="another-reason"),
        pytest.param({"ses_message_id": "ses-2"}, id="another-mail"),
        pytest.param({"occurred_at": LATER}, id="another-time"),
    ],
)
def test_another_piece_of_news_has_another_id(changes: dict[str, Any]) -> None:
    assert name_of(spell(make_news(**changes))) != name_of(spell(make_news()))
    assert name_of(spell(make_news())) == name_of(spell(make_news()))


# --- whose business it is --------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("email_id", "told"),
    [
        pytest.param(canary_id(NOW), False, id="a-canary-is-nobodys-business"),
        pytest.param(JOB, True, id="a-job-is-its-producers"),
        pytest.param("my-tank-canary-1", True, id="a-job-that-is-only-called-alike-too"),
    ],
)
def test_who_is_told(email_id: str, told: bool) -> None:
    assert make_news(email_id=email_id).is_told is told


# --- what a row has to tell ------------------------------------------------------------------------

FIRST = first_row(email_id=JOB, content_hash="c0ffee", lane="outbound", queue_message_id="message-1", now=SEEN)
SENDING = FIRST.begun(owner="node-1/77", now=SEEN, lease_ends_at=LATER, receipt_handle="handle-1")
ACCEPTED = SENDING.accepted("ses-1", NOW)
DEAD = SENDING.dead(NOW, Reason.ATTEMPTS_SPENT, "HTTP 500", charged=1)
BOTH = [(ANN, Status.ACCEPTED, None), (BEN, Status.SUPPRESSED, Reason.COMPLAINT)]


def whole(state: State, reason: Reason, at: datetime = NOW) -> News:
    return News(email_id=JOB, state=state, occurred_at=at, reason=reason)


@pytest.mark.parametrize(
    ("row", "told"),
    [
        pytest.param(SENDING, [], id="sending-is-no-news"),
        pytest.param(SENDING.deferred(LATER, NOW, Reason.THROTTLED), [], id="deferred-is-no-news"),
        pytest.param(SENDING.doubted(LATER, NOW, Reason.ANSWER_LOST), [], id="in-doubt-is-no-news"),
        pytest.param(ACCEPTED, [], id="accepted-without-a-change-is-none"),
        *[
            pytest.param(SENDING.ended(state, NOW, reason), [whole(state, reason)], id=f"{state}-is-told-as-a-whole")
            for state, reason in [
                (State.INVALID, Reason.ID_CONFLICT),
                (State.REFUSED, Reason.UNVERIFIED_SENDER),
                (State.SUPPRESSED, Reason.SUPPRESSED),
                (State.EXPIRED, Reason.EXPIRED),
                (State.DRY_RUN, Reason.DRY_RUN),
            ]
        ],
        pytest.param(DEAD, [whole(State.DEAD, Reason.ATTEMPTS_SPENT)], id="dead-is-told-as-a-whole"),
        pytest.param(DEAD.copied(LATER), [], id="that-the-dead-ones-copy-is-made-is-no-news"),
        pytest.param(
            DEAD.copied(NOW)
            .restarted(content_hash="c0ffee", lane="outbound", queue_message_id="message-2", now=NOW)
            .dead(LATER, Reason.IN_DOUBT, ""),
            [whole(State.DEAD, Reason.IN_DOUBT, LATER)],
            id="dead-again-after-a-redrive-is-told-again",
        ),
    ],
)
def test_what_a_row_tells(row: Row, told: Sequence[News]) -> None:
    assert list(news_of_row(row, [])) == told


def test_every_state_has_its_row_in_the_table_above() -> None:
    marks = next(mark for mark in test_what_a_row_tells.pytestmark if mark.name == "parametrize")  # type: ignore[attr-defined]
    assert {case.values[0].state for case in marks.args[1]} == set(State)


@pytest.mark.parametrize(
    "row",
    [
        pytest.param(ACCEPTED, id="by-the-answer"),
        pytest.param(DEAD.copied(NOW).proven("ses-1", NOW, LATER), id="by-an-event-after-it-was-given-up"),
    ],
)
def test_an_acceptance_is_told_of_each_recipient(row: Row) -> None:
    """With the time at which SES took it, not the one at which that was learned; who was left out is told, too."""
    ann, ben = news_of_row(row, BOTH)

    assert ann == make_news(occurred_at=NOW, recipient=ANN, status=Status.ACCEPTED, reason=None)
    assert (ben.recipient, ben.status, ben.reason) == (BEN, Status.SUPPRESSED, Reason.COMPLAINT)
    assert (ben.state, ben.occurred_at) == (State.ACCEPTED, NOW)


def test_a_job_that_never_had_a_row_is_told_as_invalid() -> None:
    assert news_of_invalid(JOB, Reason.MISSING_FIELD, NOW) == whole(State.INVALID, Reason.MISSING_FIELD)
