"""What an event says of whom (DESIGN 4 and 6), and the key by which it is told from another (aws-facts 3.5)."""

from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tank_mailer.core.errors import Reason
from tank_mailer.core.event import EventKind, Listed, SesEvent
from tank_mailer.core.eventbody import read_event
from tank_mailer.core.meaning import EventNote, judge_listed, notes_of
from tank_mailer.core.reclassify import Judged, judge_again
from tank_mailer.core.status import Status
from tests.builders import HARD, MAIL_AT, SOFT, make_event

ANN, BEN, CY = "ann@example.org", "ben@example.org", "cy@example.org"
LATER = MAIL_AT + timedelta(minutes=5)

LISTING = frozenset({EventKind.DELIVERY, EventKind.DELIVERY_DELAY, EventKind.BOUNCE, EventKind.COMPLAINT})
NOT_SPAM = {"feedback_type": "not-spam"}
OUT_OF_OFFICE = {"type": "Transient", "subtype": "General"}
MAILBOX_FULL = "552 5.2.2 mailbox full"


def only(event: SesEvent) -> EventNote:
    """The one note of an event that concerns one recipient."""
    [note] = notes_of(event)
    return note


# --- what each kind says ---------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("event", "status", "reason"),
    [
        pytest.param(make_event(EventKind.SEND), Status.ACCEPTED, None, id="a-send-says-accepted"),
        pytest.param(make_event(EventKind.DELIVERY), Status.DELIVERED, None, id="a-delivery-says-delivered"),
        pytest.param(
            make_event(EventKind.DELIVERY_DELAY), Status.DELAYED, Reason.DELAYED, id="a-delivery-delay-says-delayed"
        ),
        pytest.param(make_event(EventKind.BOUNCE), Status.HARD_BOUNCED, Reason.HARD_BOUNCE, id="permanent-is-hard"),
        pytest.param(
            make_event(EventKind.BOUNCE, facts=SOFT), Status.SOFT_BOUNCED, Reason.MAILBOX_FULL, id="a-full-box-is-soft"
        ),
        pytest.param(
            make_event(EventKind.BOUNCE, facts={"type": "Undetermined", "subtype": "Undetermined"}, code=""),
            Status.SOFT_BOUNCED,
            Reason.SOFT_BOUNCE,
            id="undetermined-is-soft",
        ),
        pytest.param(
            make_event(EventKind.BOUNCE, facts=OUT_OF_OFFICE, code=""), None, Reason.AUTO_REPLY, id="away-is-no-bounce"
        ),
        pytest.param(
            make_event(EventKind.COMPLAINT), Status.COMPLAINED, Reason.COMPLAINT, id="a-complaint-without-a-type-is-one"
        ),
        pytest.param(
            make_event(EventKind.COMPLAINT, facts=NOT_SPAM), None, Reason.NOT_SPAM, id="not-spam-is-no-complaint"
        ),
        pytest.param(make_event(EventKind.REJECT), Status.REJECTED, Reason.VIRUS, id="a-reject-says-rejected"),
        pytest.param(
            make_event(EventKind.RENDERING_FAILURE),
            Status.REJECTED,
            Reason.RENDERING_FAILED,
            id="a-rendering-failure-ranks-with-rejected",
        ),
        pytest.param(make_event(EventKind.OPEN), None, None, id="an-open-is-a-time-and-no-status"),
        pytest.param(make_event(EventKind.CLICK), None, None, id="a-click-is-a-time-and-no-status"),
        pytest.param(make_event(EventKind.SUBSCRIPTION), None, None, id="a-subscription-is-no-status"),
    ],
)
def test_what_an_event_says(event: SesEvent, status: Status | None, reason: Reason | None) -> None:
    note = only(event)

    assert (note.status, note.reason) == (status, reason)
    assert note.recipient == "recipient@example.org"
    assert note.rises == (() if status is None else ("recipient@example.org",))
    assert note.event is event


@pytest.mark.parametrize(
    ("event", "suppresses", "counts"),
    [
        pytest.param(make_event(EventKind.BOUNCE), "hard_bounce", False, id="a-hard-bounce-suppresses-at-once"),
        pytest.param(make_event(EventKind.COMPLAINT), "complaint", False, id="a-complaint-suppresses-at-once"),
        pytest.param(make_event(EventKind.BOUNCE, facts=SOFT), None, True, id="a-soft-bounce-counts"),
        pytest.param(
            make_event(EventKind.BOUNCE, facts={"type": "Permanent", "subtype": "Novelty"}),
            "permanent/Novelty",
            False,
            id="an-unknown-subtype-of-permanent-suppresses-under-its-name",
        ),
        pytest.param(
            make_event(EventKind.BOUNCE, facts={"type": "Novelty"}), None, False, id="an-unknown-type-does-not"
        ),
        pytest.param(
            make_event(EventKind.BOUNCE, facts={"type": "Transient", "subtype": "MessageTooLarge"}),
            None,
            False,
            id="a-size-block-never-counts",
        ),
        pytest.param(
            make_event(EventKind.BOUNCE, facts={"type": "Transient", "subtype": "ContentRejected"}),
            None,
            False,
            id="a-content-block-never-counts",
        ),
        pytest.param(
            make_event(EventKind.BOUNCE, facts=OUT_OF_OFFICE, code=""), None, False, id="out-of-office-never-counts"
        ),
        pytest.param(make_event(EventKind.COMPLAINT, facts=NOT_SPAM), None, False, id="not-spam-suppresses-nobody"),
        pytest.param(
            make_event(EventKind.COMPLAINT, facts={"subtype": "OnAccountSuppressionList"}),
            "account_suppressed",
            False,
            id="a-complaint-by-the-accounts-list-is-mirrored",
        ),
        pytest.param(
            make_event(EventKind.COMPLAINT, facts={"feedback_type": "auth-failure"}),
            None,
            False,
            id="auth-failure-is-about-our-signing",
        ),
        *[
            pytest.param(make_event(kind), None, False, id=f"{kind}-suppresses-nobody-and-counts-not")
            for kind in EventKind
            if kind not in {EventKind.BOUNCE, EventKind.COMPLAINT}
        ],
    ],
)
def test_whom_an_event_suppresses(event: SesEvent, suppresses: str | None, counts: bool) -> None:
    note = only(event)

    assert (note.suppresses, note.counts) == (suppresses, counts)


# --- whom it is about ------------------------------------------------------------------------------


@pytest.mark.parametrize("kind", sorted(LISTING))
def test_only_those_listed_are_touched(kind: EventKind) -> None:
    """DESIGN 6; SES names but a few where a mail has many recipients."""
    event = make_event(kind, to=(ANN, BEN, CY), listed=(CY, ANN))

    notes = list(notes_of(event))

    assert [(note.recipient, note.rises) for note in notes] == [(CY, (CY,)), (ANN, (ANN,))]


@pytest.mark.parametrize("kind", sorted(set(EventKind) - LISTING))
def test_what_lists_nobody_is_about_the_mail_as_a_whole(kind: EventKind) -> None:
    """SES does not say who of several has opened it."""
    note = only(make_event(kind, to=(ANN, BEN)))

    assert note.recipient is None
    assert note.rises == (() if note.status is None else (ANN, BEN))


def test_a_mail_whose_recipients_are_not_told_is_still_noted() -> None:
    """It proves acceptance, whomever it went to."""
    note = only(make_event(EventKind.SEND, to=()))

    assert (note.recipient, note.rises) == (None, ())


def test_each_of_those_listed_is_judged_by_what_its_own_server_said() -> None:
    """One Transient bounce: Ann's mailbox does not exist, Ben's is full, Cy is not yet given up."""
    event = replace(
        make_event(EventKind.BOUNCE, facts={"type": "Transient", "subtype": "General"}, to=(ANN, BEN, CY)),
        listed=(
            Listed(ANN, "5.1.1", "failed", "smtp; 550 5.1.1 user unknown"),
            Listed(BEN, "4.2.2", "failed", "smtp; 452 4.2.2 mailbox full"),
            Listed(CY, "4.4.1", "delayed", "smtp; 421 4.4.1 connection timed out"),
        ),
    )

    notes = {note.recipient: note for note in notes_of(event)}

    assert {name: note.status for name, note in notes.items()} == {
        ANN: Status.HARD_BOUNCED,
        BEN: Status.SOFT_BOUNCED,
        CY: Status.DELAYED,
    }
    assert {name: note.suppresses for name, note in notes.items()} == {ANN: "hard_bounce", BEN: None, CY: None}
    assert [judge_listed(event, one).status for one in event.listed] == [note.status for note in notes.values()]


# --- what is kept of it ----------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("listed", "kept"),
    [
        pytest.param(
            Listed(ANN, "5.2.2", "failed", MAILBOX_FULL),
            {"code": "5.2.2", "action": "failed", "diagnostic": MAILBOX_FULL},
            id="what-its-server-said",
        ),
        pytest.param(Listed(ANN), {}, id="nothing-where-nothing-was-told"),
    ],
)
def test_what_people_want_to_see_is_kept(listed: Listed, kept: dict[str, str]) -> None:
    facts = HARD | {"reporting_mta": "dsn; mx"}

    assert only(replace(make_event(EventKind.BOUNCE, facts=facts), listed=(listed,))).facts == facts | kept


def test_a_whole_mails_facts_are_kept() -> None:
    event = make_event(EventKind.CLICK, facts={"link": "https://example.com/order/42", "is_bot": False})

    assert only(event).facts == {"link": "https://example.com/order/42", "is_bot": False}


LABELS = {
    "type": st.sampled_from(["Permanent", "Transient", "Undetermined", "Novelty"]),
    "subtype": st.sampled_from(["General", "MailboxFull", "OnAccountSuppressionList", "Novelty"]),
    "feedback_type": st.sampled_from(["abuse", "not-spam", "auth-failure", "Novelty"]),
}
CODES = st.sampled_from(["", "5.1.1", "4.4.7", "5.7.1", "4.2.2"])
SAYINGS = st.sampled_from(["", "smtp; 550 5.1.1 user unknown", MAILBOX_FULL, "554 spam", "I am on vacation"])


@given(
    kind=st.sampled_from([EventKind.BOUNCE, EventKind.COMPLAINT]),
    facts=st.fixed_dictionaries({}, optional=LABELS),
    listed=st.builds(Listed, st.just(ANN), CODES, st.sampled_from(["", "failed", "delayed"]), SAYINGS),
)
def test_what_is_kept_is_enough_to_judge_it_again(kind: EventKind, facts: dict[str, str], listed: Listed) -> None:
    """`reclassify` has no more than this; under the same rules it must change nothing."""
    note = only(replace(make_event(kind, facts=facts), listed=(listed,)))

    again = judge_again(
        Judged(
            key=note.key,
            kind=kind,
            ses_message_id="ses-1",
            email_id=None,
            recipient=note.recipient,
            occurred_at=MAIL_AT,
            recorded_at=MAIL_AT,
            status=note.status,
            reason=note.reason,
            counts=note.counts,
            facts=note.facts,
        )
    )

    assert not again.is_changed
    assert again.suppresses == note.suppresses


# --- keys ------------------------------------------------------------------------------------------

BOUNCE = make_event(EventKind.BOUNCE, to=(ANN,), feedback_id="feedback-1", occurred_at=LATER)
DELIVERY = make_event(EventKind.DELIVERY, to=(ANN,), occurred_at=LATER)
OPEN = make_event(EventKind.OPEN, to=(ANN,), occurred_at=LATER)


@pytest.mark.parametrize(
    ("one", "other"),
    [
        pytest.param(DELIVERY, replace(DELIVERY), id="a-repeat"),
        pytest.param(
            BOUNCE, replace(BOUNCE, is_published=False, tag=None, attempt=None), id="an-identitys-notification-of-it"
        ),
        pytest.param(BOUNCE, replace(BOUNCE, occurred_at=LATER + timedelta(seconds=1)), id="a-clock-that-differs"),
        pytest.param(BOUNCE, replace(BOUNCE, facts=SOFT), id="more-told-about-it"),
        pytest.param(BOUNCE, replace(BOUNCE, destination=(ANN, BEN)), id="more-told-about-the-mail"),
        pytest.param(OPEN, replace(OPEN, tag=None, header="order-4711"), id="the-header-in-place-of-the-tag"),
    ],
)
def test_the_same_has_the_same_key(one: SesEvent, other: SesEvent) -> None:
    assert only(one).key == only(other).key


@pytest.mark.parametrize(
    ("one", "other"),
    [
        pytest.param(BOUNCE, replace(BOUNCE, feedback_id="feedback-2"), id="another-feedback"),
        pytest.param(BOUNCE, replace(BOUNCE, ses_message_id="ses-2"), id="another-mail"),
        pytest.param(BOUNCE, replace(BOUNCE, listed=(Listed(BEN),)), id="another-recipient"),
        pytest.param(BOUNCE, replace(BOUNCE, kind=EventKind.COMPLAINT), id="another-kind"),
        pytest.param(DELIVERY, replace(DELIVERY, occurred_at=MAIL_AT), id="another-time-without-a-feedback-id"),
        pytest.param(OPEN, replace(OPEN, occurred_at=MAIL_AT), id="a-second-open"),
        pytest.param(OPEN, replace(OPEN, kind=EventKind.CLICK), id="a-click-at-the-time-of-an-open"),
    ],
)
def test_another_has_another_key(one: SesEvent, other: SesEvent) -> None:
    assert only(one).key != only(other).key


NAMES = st.text(min_size=1, max_size=6, alphabet="abc|-:.@")
CONTENTS = st.tuples(NAMES, st.sampled_from(sorted(LISTING)), NAMES, NAMES)


@given(CONTENTS, CONTENTS)
def test_keys_are_the_same_for_the_same_content_only(
    one: tuple[str, EventKind, str, str], other: tuple[str, EventKind, str, str]
) -> None:
    """Also where the end of one part reads like the beginning of the next."""

    def key(content: tuple[str, EventKind, str, str]) -> str:
        mail, kind, recipient, feedback = content
        return only(make_event(kind, ses_message_id=mail, to=(recipient,), feedback_id=feedback)).key

    assert (key(one) == key(other)) == (one == other)


def test_each_of_those_listed_has_a_key_of_its_own() -> None:
    assert len({note.key for note in notes_of(make_event(EventKind.BOUNCE, to=(ANN, BEN, CY)))}) == 3


PUBLISHED: dict[str, Any] = {
    "eventType": "Bounce",
    "mail": {
        "timestamp": "2026-11-02T09:15:00.123Z",
        "messageId": "0102019a3c5d7e11-2b6f9a40-1c2d-4e5f-8a9b-0c1d2e3f4a5b-000000",
        "destination": [ANN],
        "tags": {"email_id": ["order-4711"]},
    },
    "bounce": {
        "feedbackId": "0102019a3c5d8a02-77aa11bb-2222-4c33-9d44-55ee66ff7788-000000",
        "bouncedRecipients": [{"emailAddress": "Ann <Ann@Example.org>", "status": "5.1.1"}],
        "bounceType": "Permanent",
        "bounceSubType": "General",
        "timestamp": "2026-11-02T09:15:02.000Z",
    },
}


@pytest.mark.parametrize(
    ("feedback_id", "time"),
    [
        pytest.param("0102019a3c5d8a02-77aa11bb-2222-4c33-9d44-55ee66ff7788-000000", "later", id="by-feedback"),
        pytest.param("", "2026-11-02T11:15:02 +0200", id="by-time-however-it-is-spelled"),
    ],
)
def test_a_bounce_that_an_identity_tells_too_is_one(feedback_id: str, time: str) -> None:
    """SES tells it twice where both are set up (aws-facts 3); the notification has no tags, and a sender's IP."""
    bounce = PUBLISHED["bounce"] | {"feedbackId": feedback_id}
    told = {
        "notificationType": "Bounce",
        "mail": {name: value for name, value in PUBLISHED["mail"].items() if name != "tags"}
        | {"sourceIp": "192.0.2.1"},
        "bounce": bounce
        | {"timestamp": time, "remoteMtaIp": "192.0.2.25", "bouncedRecipients": [{"emailAddress": ANN}]},
    }

    published, notified = read_event(PUBLISHED | {"bounce": bounce}), read_event(told)

    assert isinstance(published, SesEvent)
    assert isinstance(notified, SesEvent)
    assert published != notified
    assert only(published).key == only(notified).key


@pytest.mark.parametrize(
    ("event", "key"),
    [
        pytest.param(BOUNCE, "ae4056f3bd563d058f0bf6535eacd37b", id="by-feedback"),
        pytest.param(OPEN, "d7dd5daad699a0796803ba6dc3238d6b", id="of-a-whole-mail"),
        pytest.param(DELIVERY, "13c5e84703182a7cc8f96cef598252b5", id="by-time"),
    ],
)
def test_a_key_stays_what_it_is(event: SesEvent, key: str) -> None:
    """It stands in databases: with another spelling every event that comes again would be a new one."""
    assert only(event).key == key
