"""SES's JSON: every kind in every shape, what is odd, and what is broken."""

import json
import re
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tank_mailer.core.envelope import Policy
from tank_mailer.core.errors import Reason
from tank_mailer.core.event import Chatter, EventKind, Listed, Read, SesEvent, Unreadable
from tank_mailer.core.eventbody import parse_event, read_event

EVENTS = Path(__file__).parents[1] / "ses_events"
SAVED = {file.stem: file.read_text() for file in EVENTS.glob("*.json")}

TOPIC = "arn:aws:sns:eu-west-1:111122223333:tank-events"
PINNED = Policy(frozenset({TOPIC}))
RAW = Policy(raw_events=True)

ID = "0102019a3c5d7e11-2b6f9a40-1c2d-4e5f-8a9b-0c1d2e3f4a5b-000000"
BOUNCE_ID = "0102019a3c5d8a02-77aa11bb-2222-4c33-9d44-55ee66ff7788-000000"
COMPLAINT_ID = "0102019a3c5d8a03-88aa11bb-2222-4c33-9d44-55ee66ff7788-000000"
MAIL_AT = datetime(2026, 11, 2, 9, 15, 0, 123_000, tzinfo=UTC)
MTA = "a4-10.smtp-out.eu-west-1.amazonses.com"
BOUNCED = Listed("bounce@simulator.amazonses.com", "5.1.1", "failed", "smtp; 550 5.1.1 user unknown")
SLOW = Listed("slow@example.com", "4.4.1", "", "smtp; 421 4.4.1 Unable to connect to remote host")


def at(clock: str) -> datetime:
    return datetime.fromisoformat(f"2026-11-02T{clock}+00:00")


def event(kind: EventKind, to: str = "ann@example.org", **changes: Any) -> SesEvent:
    """Make the event that a saved one is to be read as, from event publishing."""
    return SesEvent(
        **{
            "kind": kind,
            "is_published": True,
            "ses_message_id": ID,
            "mail_at": MAIL_AT,
            "occurred_at": MAIL_AT,
            "destination": (to,),
            "tag": "order-4711",
            "attempt": 1,
            "header": "order-4711",
            "configuration_set": "tank",
            **changes,
        }
    )


def identity(kind: EventKind, to: str, **changes: Any) -> SesEvent:
    """The same from an identity's notification, which knows no tags."""
    nothing = {"is_published": False, "tag": None, "attempt": None, "header": None, "configuration_set": None}
    return event(kind, to, **nothing | changes)


DELIVERED: Any = {
    "to": "success@simulator.amazonses.com",
    "occurred_at": at("09:15:01.900"),
    "listed": (Listed("success@simulator.amazonses.com"),),
    "facts": {"smtp_response": "250 2.6.0 Message received", "processing_ms": 1777, "reporting_mta": MTA},
}
DIED: Any = {
    "to": "bounce@simulator.amazonses.com",
    "occurred_at": at("09:15:02"),
    "listed": (BOUNCED,),
    "feedback_id": BOUNCE_ID,
    "facts": {"type": "Permanent", "subtype": "General", "reporting_mta": f"dsn; {MTA}"},
}
COMPLAINED: Any = {
    "to": "complaint@simulator.amazonses.com",
    "occurred_at": at("09:16:00"),
    "listed": (Listed("complaint@simulator.amazonses.com"),),
    "feedback_id": COMPLAINT_ID,
    "facts": {"feedback_type": "abuse", "user_agent": "ExampleCorp Feedback Loop (V0.01)"},
}
BROWSER = {"ip": "198.51.100.7", "user_agent": "Mozilla/5.0 (example)"}

EXPECTED: dict[str, SesEvent | Chatter | Reason] = {
    "event_send": event(EventKind.SEND),
    "event_delivery": event(EventKind.DELIVERY, **DELIVERED),
    "event_delivery_delay": event(
        EventKind.DELIVERY_DELAY,
        "slow@example.com",
        occurred_at=at("09:20:00.095"),
        listed=(SLOW,),
        header=None,
        facts={"type": "TransientCommunicationFailure", "expires_at": "2026-11-02T23:15:00.914Z"},
    ),
    "event_bounce": event(EventKind.BOUNCE, **DIED),
    "event_complaint": event(EventKind.COMPLAINT, **COMPLAINED),
    "event_reject": event(EventKind.REJECT, facts={"reason": "Bad content"}),
    "event_rendering_failure": event(
        EventKind.RENDERING_FAILURE,
        header=None,
        facts={"template": "Order", "error": "Attribute 'name' is not present in the rendering data."},
    ),
    "event_open": event(EventKind.OPEN, occurred_at=at("10:00:00.652"), facts={**BROWSER, "is_bot": False}),
    "event_click": event(
        EventKind.CLICK,
        occurred_at=at("10:01:00.100"),
        facts={**BROWSER, "link": "https://example.com/order/42", "is_bot": True},
    ),
    "event_subscription": event(
        EventKind.SUBSCRIPTION,
        occurred_at=at("11:00:00"),
        facts={"contact_list": "Customers", "source": "UnsubscribeHeader", "unsubscribe_all": True},
    ),
    "notification_delivery": identity(EventKind.DELIVERY, **DELIVERED, header="order-4711"),
    "notification_bounce": identity(EventKind.BOUNCE, **DIED),
    "notification_complaint": identity(EventKind.COMPLAINT, **COMPLAINED),
    "notification_topic_attached": Chatter(),
    "eventbridge_bounce": event(EventKind.BOUNCE, **DIED),
    "envelope_event": event(EventKind.SEND),
    "envelope_notification": identity(EventKind.BOUNCE, **DIED),
    "envelope_validation": Chatter(),
    "envelope_subscription_confirmation": Reason.SUBSCRIPTION_REQUEST,
    "envelope_unsubscribe_confirmation": Reason.SUBSCRIPTION_REQUEST,
}
IN_ENVELOPE = frozenset(name for name in EXPECTED if name.startswith("envelope_"))


def wrapped(message: str) -> str:
    return json.dumps({**json.loads(SAVED["envelope_event"]), "Message": message})


def saved(name: str = "event_bounce") -> Any:
    return json.loads(SAVED[name])


def read(found: object) -> SesEvent:
    """Read what must be an event."""
    result = read_event(json.dumps(found))
    assert isinstance(result, SesEvent)
    return result


def reason_of(result: Read) -> object:
    return result.reason if isinstance(result, Unreadable) else result


# --- every kind in every shape ---------------------------------------------------------------------


def test_each_saved_event_has_its_meaning() -> None:
    assert set(SAVED) == set(EXPECTED)
    assert {one.kind for one in EXPECTED.values() if isinstance(one, SesEvent)} == set(EventKind)


@pytest.mark.parametrize("name", EXPECTED)
def test_a_message_as_it_comes(name: str) -> None:
    policy = PINNED if name in IN_ENVELOPE else RAW

    assert reason_of(parse_event(SAVED[name], policy)) == EXPECTED[name]


@pytest.mark.parametrize("name", sorted(set(EXPECTED) - IN_ENVELOPE))
def test_an_envelope_changes_nothing(name: str) -> None:
    """EventBridge's too; SNS's text may end with a line's end."""
    assert parse_event(wrapped(SAVED[name]), PINNED) == EXPECTED[name]
    assert parse_event(wrapped(SAVED[name] + "\n"), PINNED) == EXPECTED[name]


def test_the_policy_counts_for_events() -> None:
    assert reason_of(parse_event(SAVED["event_send"], PINNED)) is Reason.RAW_EVENT
    foreign = Policy(frozenset({TOPIC + "-2"}))
    assert reason_of(parse_event(SAVED["envelope_event"], foreign)) is Reason.FOREIGN_TOPIC


@pytest.mark.parametrize(
    ("name", "kind"),
    [
        pytest.param("Rendering Failure", EventKind.RENDERING_FAILURE, id="with-a-space-as-ses-writes-it"),
        pytest.param("RenderingFailure", EventKind.RENDERING_FAILURE, id="without-one-as-the-api-calls-it"),
        pytest.param("RENDERING_FAILURE", EventKind.RENDERING_FAILURE, id="as-the-older-api-calls-it"),
        pytest.param("rendering-failure", EventKind.RENDERING_FAILURE, id="with-a-hyphen"),
        pytest.param("send", EventKind.SEND, id="in-small-letters"),
        pytest.param(" Send\n", EventKind.SEND, id="with-white-space-around"),
    ],
)
def test_a_kind_however_it_is_spelled(name: str, kind: EventKind) -> None:
    assert read(saved("event_send") | {"eventType": name}).kind is kind


def test_publishing_speaks_where_both_shapes_are_one() -> None:
    found = read(saved("event_bounce") | {"notificationType": "Complaint"})

    assert found.kind is EventKind.BOUNCE
    assert found.is_published


# --- what cannot be acted on -----------------------------------------------------------------------


def changed(path: str, value: object, name: str = "event_bounce") -> str:
    """Spell a saved event with one node replaced; `...` drops it."""
    found = node = saved(name)
    *way, last = path.split(".")
    for step in way:
        node = node[step]
    if value is ...:
        del node[last]
    else:
        node[last] = value
    return json.dumps(found)


@pytest.mark.parametrize(
    ("text", "reason", "says"),
    [
        pytest.param(changed("eventType", "Dispatch"), Reason.UNKNOWN_EVENT, "(Dispatch)", id="an-unknown-kind"),
        pytest.param(
            changed("eventType", "ann@example.org"), Reason.UNKNOWN_EVENT, "know.", id="a-kind-that-is-not-shown"
        ),
        pytest.param(changed("eventType", "x" * 100_000), Reason.UNKNOWN_EVENT, "know.", id="a-kind-without-end"),
        pytest.param(
            changed("notificationType", "Received", "notification_bounce"),
            Reason.UNKNOWN_EVENT,
            "(Received)",
            id="a-mail-that-ses-received",
        ),
        pytest.param(
            changed("source", "aws.health", "eventbridge_bounce"),
            Reason.UNKNOWN_EVENT,
            "not of SES",
            id="eventbridge-on-another-service",
        ),
        pytest.param(
            json.dumps({"detail-type": "Sending Status Disabled", "source": "aws.ses", "detail": {"data": {}}}),
            Reason.UNKNOWN_EVENT,
            "(Sending Status Disabled)",
            id="eventbridge-on-the-account",
        ),
        pytest.param(
            changed("detail", "text", "eventbridge_bounce"), Reason.BAD_EVENT, "eventType", id="a-detail-that-is-a-text"
        ),
        pytest.param(changed("eventType", ...), Reason.BAD_EVENT, "eventType", id="no-kind"),
        pytest.param(changed("eventType", ["Send"]), Reason.BAD_EVENT, "eventType", id="a-kind-that-is-a-list"),
        pytest.param(changed("mail", ...), Reason.BAD_EVENT, "mail.messageId", id="no-mail"),
        pytest.param(changed("mail", [1]), Reason.BAD_EVENT, "mail.messageId", id="a-mail-that-is-a-list"),
        pytest.param(changed("mail.messageId", ...), Reason.BAD_EVENT, "mail.messageId", id="no-id"),
        pytest.param(changed("mail.messageId", ""), Reason.BAD_EVENT, "mail.messageId", id="an-empty-id"),
        pytest.param(changed("mail.messageId", 7), Reason.BAD_EVENT, "mail.messageId", id="an-id-that-is-a-number"),
        pytest.param(changed("mail.messageId", "x" * 201), Reason.BAD_EVENT, "mail.messageId", id="an-id-too-long"),
        pytest.param(changed("mail.messageId", "a\nb"), Reason.BAD_EVENT, "mail.messageId", id="an-id-of-two-lines"),
        pytest.param(changed("mail.messageId", "é"), Reason.BAD_EVENT, "mail.messageId", id="an-id-outside-ascii"),
        pytest.param(changed("mail.timestamp", ...), Reason.BAD_EVENT, "mail.timestamp", id="no-time-of-the-mail"),
        pytest.param(changed("mail.timestamp", "now"), Reason.BAD_EVENT, "mail.timestamp", id="a-time-that-is-none"),
        pytest.param(changed("bounce", ...), Reason.BAD_EVENT, "bouncedRecipients", id="no-bounce"),
        pytest.param(changed("bounce.bouncedRecipients", ...), Reason.BAD_EVENT, "nobody", id="nobody-bounced"),
        pytest.param(changed("bounce.bouncedRecipients", []), Reason.BAD_EVENT, "nobody", id="an-empty-list-bounced"),
        pytest.param(
            changed("bounce.bouncedRecipients", [{}, None, {"emailAddress": " "}, {"emailAddress": "<>"}]),
            Reason.BAD_EVENT,
            "nobody",
            id="nameless-ones-bounced",
        ),
        pytest.param(
            changed("complaint.complainedRecipients", None, "event_complaint"),
            Reason.BAD_EVENT,
            "complaint.complainedRecipients",
            id="nobody-complained",
        ),
        pytest.param(
            changed("delivery.recipients", {}, "event_delivery"),
            Reason.BAD_EVENT,
            "delivery.recipients",
            id="delivered-to-nobody",
        ),
        pytest.param(
            changed("deliveryDelay.delayedRecipients", 0, "event_delivery_delay"),
            Reason.BAD_EVENT,
            "deliveryDelay.delayedRecipients",
            id="delayed-for-nobody",
        ),
        pytest.param("[1]", Reason.NOT_JSON, "no JSON object", id="a-list"),
        pytest.param('{"eventType":', Reason.NOT_JSON, "no JSON object", id="json-that-was-cut"),
        pytest.param('{"eventType":' * 20_000, Reason.TOO_DEEP, "nested", id="json-without-end"),
    ],
)
def test_an_event_that_nobody_can_act_on(text: str, reason: Reason, says: str) -> None:
    for result in (read_event(text), parse_event(wrapped(text), PINNED)):
        assert isinstance(result, Unreadable)
        assert result.reason is reason
        assert says in result.detail
        assert result.detail.endswith(".")
        assert len(result.detail) < 200
        assert "@" not in result.detail


# --- what is odd -----------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("text", "key"),
    [
        pytest.param("ann@example.org", "ann@example.org", id="as-it-should-be"),
        pytest.param("Ann+News@Example.ORG", "ann+news@example.org", id="case-is-nothing-and-plus-signs-stay"),
        pytest.param(" ann@example.org\r\n", "ann@example.org", id="white-space-around"),
        pytest.param("<ann@example.org>", "ann@example.org", id="angle-brackets"),
        pytest.param("Ann Lee <ann@example.org>", "ann@example.org", id="a-display-name"),
        pytest.param('"Lee, Ann" <Ann@example.org>', "ann@example.org", id="a-quoted-display-name"),
        pytest.param("Lee, Ann <ann@example.org>", "ann@example.org", id="a-display-name-that-no-rule-allows"),
        pytest.param("ann@example.org <ann@example.org>", "ann@example.org", id="the-address-as-its-own-name"),
        pytest.param("=?utf-8?q?Zo=C3=AB?= <zoe@example.org>", "zoe@example.org", id="an-encoded-name"),
        pytest.param("rfc822; ann@example.org", "ann@example.org", id="a-delivery-report's-type-of-address"),
        pytest.param("RFC822;<ann@example.org>", "ann@example.org", id="the-type-and-angle-brackets"),
        pytest.param("ann@bücher.example", "ann@xn--bcher-kva.example", id="a-domain-becomes-punycode"),
        pytest.param("ann@shop.test", "ann@shop.test", id="a-domain-that-no-mail-reaches"),
        pytest.param("Jörg@Example.org", "jörg@example.org", id="a-name-that-ses-cannot-mail"),
        pytest.param("<Jörg@Example.org>", "jörg@example.org", id="which-in-angle-brackets-is-the-same"),
        pytest.param("Undisclosed Recipients", "undisclosed recipients", id="no-address-at-all"),
        pytest.param("a\0b\ud800c", "a b c", id="nul-and-half-a-character"),
        pytest.param("İ" * 500, "i̇" * 160, id="a-text-without-end"),
    ],
)
def test_an_address_however_it_is_written(text: str, key: str) -> None:
    """What we suppress and look up is one spelling, whatever the bounce mail had."""
    found = saved("event_bounce")
    found["bounce"]["bouncedRecipients"][0]["emailAddress"] = text
    found["mail"]["destination"] = [text]
    delivered = saved("event_delivery")
    delivered["delivery"]["recipients"] = [text]

    assert [one.address for one in read(found).listed] == [key]
    assert read(found).destination == (key,)
    assert read(delivered).listed == (Listed(key),)


def test_all_who_are_listed_are_kept_each_once() -> None:
    found = saved("event_bounce")
    found["bounce"]["bouncedRecipients"] = [
        {"emailAddress": "ann@example.org", "status": "5.1.1", "action": "Failed", "diagnosticCode": "first"},
        None,
        {"emailAddress": 7},
        {"emailAddress": "ben@example.org", "status": 5, "action": None, "diagnosticCode": ["x"]},
        {"emailAddress": "Ann <ANN@example.org>", "status": "4.2.2"},
        "cat@example.org",
    ]

    assert read(found).listed == (
        Listed("ann@example.org", "5.1.1", "failed", "first"),
        Listed("ben@example.org"),
        Listed("cat@example.org"),
    )


def test_a_lone_recipient_may_stand_without_a_list() -> None:
    found = saved("event_bounce")
    found["bounce"]["bouncedRecipients"] = found["bounce"]["bouncedRecipients"][0]
    found["mail"]["destination"] = "ann@example.org"

    assert read(found).listed == (BOUNCED,)
    assert read(found).destination == ("ann@example.org",)


def test_who_is_listed_need_not_be_whom_we_mailed() -> None:
    """A forwarder's address bounces: the event says so, and who judges it is not the reader."""
    found = saved("event_bounce")
    found["mail"]["destination"] = ["ann@example.org", "ann@example.org", "ben@example.org"]

    assert read(found).listed == (BOUNCED,)
    assert read(found).destination == ("ann@example.org", "ben@example.org")


def test_a_diagnostic_is_one_line_and_cut() -> None:
    found = saved("event_bounce")
    found["bounce"]["bouncedRecipients"][0]["diagnosticCode"] = (
        "smtp; 550-5.1.1 No such\r\n550 5.1.1 user\0" + "x" * 2_000
    )

    [one] = read(found).listed

    assert one.diagnostic.startswith("smtp; 550-5.1.1 No such 550 5.1.1 user xxx")
    assert 990 < len(one.diagnostic) <= 1_000


def test_no_more_is_read_than_a_mail_can_have() -> None:
    found = saved("event_bounce")
    found["mail"]["destination"] = [f"user{number}@example.org" for number in range(60)]
    found["bounce"]["bouncedRecipients"] = [{"emailAddress": f"user{number}@example.org"} for number in range(2_000)]

    result = read(found)

    assert len(result.destination) == 50
    assert result.destination[-1] == "user49@example.org"
    assert len(result.listed) == 1_000


@pytest.mark.parametrize(
    ("time", "occurred_at"),
    [
        pytest.param("2026-11-02T09:15:02 +0000", at("09:15:02"), id="an-offset-after-a-space"),
        pytest.param("2026-11-02T04:15:02-05:00", at("09:15:02"), id="an-offset"),
        pytest.param("2026-11-02 09:15:02", at("09:15:02"), id="no-offset-is-utc"),
        pytest.param(..., MAIL_AT, id="the-mail's-time-for-a-missing-one"),
        pytest.param("soon", MAIL_AT, id="the-mail's-time-for-one-that-cannot-be-read"),
        pytest.param(1_793_610_902_000, MAIL_AT, id="the-mail's-time-for-a-number"),
    ],
)
def test_when_it_happened(time: object, occurred_at: datetime) -> None:
    result = read_event(changed("bounce.timestamp", time))

    assert isinstance(result, SesEvent)
    assert result.occurred_at == occurred_at
    assert result.mail_at == MAIL_AT


@pytest.mark.parametrize(
    ("tags", "known"),
    [
        pytest.param({"email_id": ["o-1"], "attempt": ["2"]}, ("o-1", 2), id="lists-as-ses-writes-them"),
        pytest.param({"email_id": ["o-1", "o-2"], "attempt": ["2", "3"]}, ("o-1", 2), id="the-first-counts"),
        pytest.param({"email_id": "o-1", "attempt": "2"}, ("o-1", 2), id="bare-texts"),
        pytest.param({"email_id": [], "attempt": []}, (None, None), id="empty-lists"),
        pytest.param({"email_id": [7], "attempt": [2]}, (None, None), id="numbers"),
        pytest.param({"email_id": [""], "attempt": ["two"]}, (None, None), id="texts-that-say-nothing"),
        pytest.param({"email_id": ["x" * 256], "attempt": ["9" * 10]}, (None, None), id="texts-too-long"),
        pytest.param({"email_id": ["a\nb"], "attempt": ["-1"]}, (None, None), id="texts-that-are-not-ours"),
        pytest.param({"email_id": ["\ud800"], "attempt": ["٢"]}, (None, None), id="characters-that-are-not-ours"),
        pytest.param({"job": ["o-1"], "Email_Id": ["o-1"]}, (None, None), id="another-application's"),
        pytest.param(["email_id"], (None, None), id="tags-that-are-a-list"),
    ],
)
def test_whose_it_is_by_tags(tags: object, known: tuple[object, object]) -> None:
    result = read_event(changed("mail.tags", tags))

    assert isinstance(result, SesEvent)
    assert (result.tag, result.attempt) == known


@pytest.mark.parametrize(
    ("headers", "header"),
    [
        pytest.param([{"name": "X-Tank-Email-Id", "value": "o-1"}], "o-1", id="as-we-write-it"),
        pytest.param([{"name": "X-TANK-EMAIL-ID", "value": "o-1"}], "o-1", id="in-any-case"),
        pytest.param([None, {"name": 7}, {"name": "x-tank-email-id", "value": "o-1"}], "o-1", id="after-odd-ones"),
        pytest.param([{"name": "X-Tank-Email-Id", "value": 7}], None, id="a-number"),
        pytest.param([{"name": "X-Tank-Email-Id", "value": "a\r\nb"}], None, id="two-lines"),
        pytest.param([{"name": "X-Tank-Email-Id"}], None, id="no-value"),
        pytest.param([], None, id="no-headers"),
        pytest.param({"X-Tank-Email-Id": "o-1"}, None, id="an-object"),
    ],
)
def test_whose_it_is_by_header(headers: object, header: str | None) -> None:
    result = read_event(changed("mail.headers", headers))

    assert isinstance(result, SesEvent)
    assert result.header == header


@pytest.mark.parametrize(
    ("name", "detail", "facts"),
    [
        pytest.param(
            "event_delivery",
            {"recipients": ["a@example.org"], "smtpResponse": "x" * 600, "processingTimeMillis": True},
            {"smtp_response": "x" * 500},
            id="a-text-is-cut-and-true-is-no-number",
        ),
        pytest.param(
            "event_delivery",
            {"recipients": ["a@example.org"], "smtpResponse": None, "processingTimeMillis": -1, "reportingMTA": []},
            {},
            id="what-is-of-another-type-is-left-out",
        ),
        pytest.param(
            "event_delivery",
            {"recipients": ["a@example.org"], "processingTimeMillis": 10**400},
            {},
            id="no-number-that-a-store-cannot-hold",
        ),
        pytest.param("event_open", {"isBotEvent": True}, {"is_bot": True}, id="a-flag-for-a-word"),
        pytest.param("event_open", {"isBotEvent": "Perhaps"}, {}, id="a-word-that-is-new"),
        pytest.param("event_open", {"userAgent": " \n\t "}, {}, id="a-text-of-nothing-is-none"),
        pytest.param("event_subscription", {"newTopicPreferences": None}, {}, id="no-preferences"),
        pytest.param(
            "event_subscription", {"newTopicPreferences": {"unsubscribeAll": "true"}}, {}, id="a-word-for-a-flag"
        ),
        pytest.param("event_reject", {"reason": "Bad\ncontent\0"}, {"reason": "Bad content"}, id="one-line"),
        pytest.param("event_send", {"surprise": "x"}, {}, id="nothing-that-is-unknown"),
    ],
)
def test_which_facts_are_kept(name: str, detail: dict[str, object], facts: dict[str, object]) -> None:
    found = saved(name)
    [part] = set(found) - {"eventType", "mail"}

    assert read(found | {part: detail}).facts == facts


@pytest.mark.parametrize("name", ["event_send", "event_reject", "event_open", "event_rendering_failure"])
def test_an_event_about_the_whole_mail_needs_no_detail(name: str) -> None:
    """It still proves that SES has the mail."""
    found = {key: value for key, value in saved(name).items() if key in {"eventType", "mail"}}

    assert read(found).tag == "order-4711"


def test_no_address_and_no_answer_is_in_a_log_of_an_event() -> None:
    shown = repr(read(saved("event_bounce")).listed) + repr(read(saved("event_click")))

    assert "user unknown" not in shown
    assert "198.51.100.7" not in shown


# --- what is broken --------------------------------------------------------------------------------

ODD_TEXTS = (
    "\ud800",
    "\0",
    "a\u2028b",
    "ann@example.org",
    "<>",
    "<",
    ">",
    ";",
    "Bounce",
    "2026-11-02T09:15:00Z",
    "9" * 400,
)
JSON = st.recursive(
    st.none()
    | st.booleans()
    | st.integers()
    | st.just(10**4_000)
    | st.floats()
    | st.text(max_size=20)
    | st.sampled_from(ODD_TEXTS),
    lambda inner: (
        st.lists(inner, max_size=4)
        | st.dictionaries(
            st.text(max_size=8) | st.sampled_from(["emailAddress", "name", "value", "timestamp"]), inner, max_size=4
        )
    ),
    max_leaves=8,
)
DROPPED = object()


@st.composite
def mutated(draw: st.DrawFn) -> Any:
    """A valid event of which up to three nodes are dropped or replaced."""
    found = saved(draw(st.sampled_from(sorted(SAVED))))
    for _ in range(draw(st.integers(1, 3))):
        places = list(_places(found))
        if places:
            holder, key = draw(st.sampled_from(places))
            value = draw(st.just(DROPPED) | JSON)
            if value is DROPPED:
                del holder[key]
            else:
                holder[key] = value
    return found


def _places(node: Any) -> Any:
    keys: Any = node.keys() if isinstance(node, dict) else range(len(node)) if isinstance(node, list) else ()
    for key in keys:
        yield node, key
        yield from _places(node[key])


CONTROL = re.compile("[\x00-\x1f\x7f-\x9f\u2028\u2029]")


def check_text(text: object, limit: int, *, least: int = 0) -> None:
    assert isinstance(text, str)
    assert least <= len(text) <= limit
    assert text.isascii() or text.encode()  # raises at half a character
    assert not CONTROL.search(text)


def check(result: Read) -> None:
    """Whatever came in: what comes out can be stored, shown and compared."""
    match result:
        case Chatter():
            pass
        case Unreadable(reason, detail):
            assert isinstance(reason, Reason)
            check_text(detail, 300, least=10)
        case SesEvent():
            assert isinstance(result.kind, EventKind)
            check_text(result.ses_message_id, 200, least=1)
            for moment in (result.mail_at, result.occurred_at):
                assert moment.utcoffset() == timedelta(0)
            for label in (result.tag, result.header, result.configuration_set):
                check_text(label or "-", 255, least=1)
            assert result.attempt is None or 0 <= result.attempt < 10**9
            check_text(result.feedback_id, 255)
            assert len(set(result.destination)) == len(result.destination) <= 50
            assert len({one.address for one in result.listed}) == len(result.listed)
            for address in (*result.destination, *(one.address for one in result.listed)):
                check_text(address, 320, least=1)
                assert address == address.strip() == address.lower()
            for one in result.listed:
                check_text(one.code + one.action, 40)
                check_text(one.diagnostic, 1_000)
            for name, fact in result.facts.items():
                check_text(name, 20, least=1)
                if isinstance(fact, str):
                    check_text(fact, 500, least=1)
                else:
                    assert 0 <= fact < 2**53


@given(mutated())
def test_no_damage_makes_it_stumble(found: Any) -> None:
    text = json.dumps(found)

    check(parse_event(text, RAW))
    check(parse_event(wrapped(text), PINNED))
    check(read_event(text))
    if isinstance(found, dict):
        check(read_event(found))


WAYS: list[Callable[[str], Read]] = [
    read_event,
    lambda text: parse_event(text, RAW),
    lambda text: parse_event(text, PINNED),
]


@given(st.text() | st.text(alphabet='{}[]",:\\u0\ud800\0'), st.sampled_from(WAYS))
def test_no_text_makes_it_stumble(text: str, way: Callable[[str], Read]) -> None:
    check(way(text))
