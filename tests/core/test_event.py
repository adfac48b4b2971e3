"""The ten kinds of event, by the words that SES has for them."""

import json
from pathlib import Path

import pytest

from tank_mailer.core.event import EventKind, SesEvent
from tank_mailer.core.eventbody import read_event

SAMPLES = sorted((Path(__file__).parents[1] / "ses_events").glob("event_*.json"))
WORDS = {  # aws-facts 3, "discriminator"
    *("Send", "Delivery", "DeliveryDelay", "Bounce", "Complaint", "Reject", "Rendering Failure"),
    *("Open", "Click", "Subscription"),
}


def test_each_kind_goes_by_the_word_of_ses() -> None:
    assert {kind.word for kind in EventKind} == WORDS
    assert len(EventKind) == len(WORDS)


@pytest.mark.parametrize("sample", SAMPLES, ids=lambda path: path.stem)
def test_an_event_is_called_what_ses_called_it(sample: Path) -> None:
    text = sample.read_text(encoding="utf-8")

    event = read_event(text)

    assert isinstance(event, SesEvent)
    assert event.kind.word == json.loads(text)["eventType"]
