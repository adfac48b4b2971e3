"""What an event has to say, in one line."""

import json
from pathlib import Path

import pytest

from tank_mailer.core.event import EventKind, SesEvent
from tank_mailer.core.eventbody import read_event
from tank_mailer.core.eventdetail import detail_of
from tank_mailer.core.meaning import notes_of

SAMPLES = Path(__file__).parents[1] / "ses_events"


def facts_of(sample: str, **changes: object) -> tuple[EventKind, str | None, dict[str, object]]:
    """The facts of an event as the store would keep them; `changes` go into SES's own part of it."""
    found = json.loads((SAMPLES / f"event_{sample}.json").read_text(encoding="utf-8"))
    part = next(value for name, value in found.items() if name not in {"eventType", "mail"})
    part.update(changes)
    event = read_event(found)
    assert isinstance(event, SesEvent)
    note = next(iter(notes_of(event)))
    return event.kind, note.reason, dict(note.facts)


@pytest.mark.parametrize(
    ("sample", "detail"),
    [
        pytest.param("send", None, id="a-send-has-nothing-to-tell"),
        pytest.param("delivery", "250 2.6.0 Message received", id="a-delivery-tells-the-servers-answer"),
        pytest.param(
            "delivery_delay",
            "TransientCommunicationFailure: smtp; 421 4.4.1 Unable to connect to remote host",
            id="a-delay-tells-its-type-and-what-the-server-said",
        ),
        pytest.param("bounce", "hard_bounce: smtp; 550 5.1.1 user unknown", id="a-bounce-tells-our-judgement-first"),
        pytest.param("complaint", "abuse", id="a-complaint-tells-its-type"),
        pytest.param("reject", "Bad content", id="a-reject-tells-the-reason"),
        pytest.param(
            "rendering_failure",
            "Order: Attribute 'name' is not present in the rendering data.",
            id="a-rendering-failure-tells-template-and-error",
        ),
        pytest.param("open", "Mozilla/5.0 (example)", id="an-open-tells-the-reader"),
        pytest.param(
            "click",
            "https://example.com/order/42 (likely a machine, says SES)",
            id="a-click-tells-the-link-and-a-machine-from-a-person",
        ),
        pytest.param("subscription", "Customers, UnsubscribeHeader", id="a-subscription-tells-list-and-source"),
    ],
)
def test_each_kind_tells_what_matters(sample: str, detail: str | None) -> None:
    assert detail_of(*facts_of(sample)) == detail


@pytest.mark.parametrize(
    ("sample", "changes", "detail"),
    [
        pytest.param(
            "bounce",
            {"bouncedRecipients": [{"emailAddress": "ann@example.org", "status": "5.1.1"}]},
            "hard_bounce: 5.1.1",
            id="a-bounce-without-the-servers-words-by-its-code",
        ),
        pytest.param(
            "bounce",
            {"bouncedRecipients": [{"emailAddress": "ann@example.org"}]},
            "hard_bounce: Permanent/General",
            id="without-a-code-by-its-label",
        ),
        pytest.param("complaint", {"complaintFeedbackType": None}, None, id="a-complaint-may-have-no-type"),
        pytest.param(
            "complaint",
            {"complaintFeedbackType": None, "complaintSubType": "OnAccountSuppressionList"},
            "OnAccountSuppressionList",
            id="a-complaint-that-was-never-delivered-says-so",
        ),
        pytest.param(
            "click",
            {"isBotEvent": None},
            "https://example.com/order/42",
            id="a-click-of-nobody-knows-what-is-a-link-alone",
        ),
        pytest.param("delivery", {"smtpResponse": 250}, None, id="another-type-than-SES-promises-is-nothing"),
    ],
)
def test_what_is_missing_is_left_out(sample: str, changes: dict[str, object], detail: str | None) -> None:
    assert detail_of(*facts_of(sample, **changes)) == detail


@pytest.mark.parametrize("is_bot", ["Likely", "Unlikely"])
def test_a_line_is_cut_at_300_characters(is_bot: str) -> None:
    kind, reason, facts = facts_of("click", link=f"https://example.com/{'x' * 400}", isBotEvent=is_bot)

    line = detail_of(kind, reason, facts)

    assert line is not None
    assert len(line) == 300
    assert line.startswith("https://example.com/xxx")
    assert "x\N{HORIZONTAL ELLIPSIS}" in line


def test_a_line_of_300_characters_is_whole() -> None:
    assert detail_of(EventKind.DELIVERY, None, {"smtp_response": "x" * 300}) == "x" * 300


def test_a_server_cannot_speak_to_the_terminal() -> None:
    told = "smtp; 550 \x1b[2Jgone\r\nSubject: forged\x00\x9b\u2028"

    line = detail_of(EventKind.BOUNCE, "hard_bounce", {"diagnostic": told})

    assert line == "hard_bounce: smtp; 550  [2Jgone Subject: forged"


def test_an_erased_bounce_still_tells_its_code() -> None:
    """What `erase` leaves: the words that tell of nobody."""
    left = {"type": "Permanent", "subtype": "General", "code": "5.1.1", "erased": True}

    assert detail_of(EventKind.BOUNCE, "hard_bounce", left) == "hard_bounce: 5.1.1"
    assert detail_of(EventKind.OPEN, None, {"erased": True}) is None
