import json
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tank_mailer.core.envelope import (
    MAX_BODY_CHARACTERS,
    Bare,
    Envelope,
    Policy,
    cert_url_is_amazons,
    open_body,
    string_to_sign,
)
from tank_mailer.core.errors import Reason
from tank_mailer.core.event import Chatter, Unreadable

EVENTS = Path(__file__).parents[1] / "ses_events"
TOPIC = "arn:aws:sns:eu-west-1:111122223333:tank-events"
FOREIGN = "arn:aws:sns:eu-west-1:444455556666:their-events"
VALIDATION = "Successfully validated SNS topic for Amazon SES event publishing."
ANY = Policy()
PINNED = Policy(frozenset({TOPIC}))
RAW = Policy(raw_events=True)
RAW_AND_PINNED = Policy(frozenset({TOPIC}), raw_events=True)
STRICTEST_AND_LOOSEST = (PINNED, RAW)


def saved(name: str) -> str:
    return (EVENTS / f"{name}.json").read_text()


def wrapped(message: object = '{"eventType":"Send"}', **changes: object) -> str:
    """Spell an envelope as SNS does; `...` drops a field."""
    fields = json.loads(saved("envelope_event")) | {"Message": message} | changes
    return json.dumps({name: value for name, value in fields.items() if value is not ...})


# --- the way of an event ---------------------------------------------------------------------------


@pytest.mark.parametrize("policy", [ANY, PINNED, RAW, RAW_AND_PINNED])
def test_a_notification_is_opened(policy: Policy) -> None:
    body = wrapped("text\n", Subject="Amazon SES Email Event Notification")

    assert open_body(body, policy) == Envelope(
        type="Notification",
        topic_arn=TOPIC,
        message="text\n",
        message_id="6f1d0c2e-9a1b-5c3d-8e4f-0123456789ab",
        timestamp="2026-11-02T09:15:00.400Z",
        subject="Amazon SES Email Event Notification",
        signature="c2lnbmVkIGJ5IG5vYm9keQ==",
        signature_version="1",
        cert_url="https://sns.eu-west-1.amazonaws.com/SimpleNotificationService-0123abcd.pem",
    )


@pytest.mark.parametrize(
    ("changes", "envelope"),
    [
        pytest.param({"Subject": ...}, {"subject": None}, id="a-missing-subject-is-none"),
        pytest.param({"Subject": ""}, {"subject": ""}, id="an-empty-subject-is-one"),
        pytest.param({"Subject": 7}, {"subject": None}, id="a-subject-of-another-type-is-none"),
        pytest.param({"TopicArn": ...}, {"topic_arn": ""}, id="no-topic-where-any-may-speak"),
        pytest.param(
            {"Signature": ..., "SignatureVersion": 2}, {"signature": "", "signature_version": ""}, id="unsigned"
        ),
        pytest.param({"MessageAttributes": [], "New": {}}, {}, id="unknown-fields-are-nothing"),
    ],
)
def test_what_an_envelope_may_lack(changes: dict[str, object], envelope: dict[str, object]) -> None:
    found = open_body(wrapped(**changes), ANY)

    assert isinstance(found, Envelope)
    assert {name: getattr(found, name) for name in envelope} == envelope


@pytest.mark.parametrize("name", ["event_send", "notification_bounce", "eventbridge_bounce"])
def test_a_raw_event_passes_only_where_raw_ones_may(name: str) -> None:
    """Its body carries no topic: whoever may send to the queue can write one."""
    body = saved(name)

    for policy in (RAW, RAW_AND_PINNED):
        assert open_body(body, policy) == Bare(json.loads(body))
    for policy in (ANY, PINNED):
        refused = open_body(body, policy)
        assert isinstance(refused, Unreadable)
        assert refused.reason is Reason.RAW_EVENT
        assert "TANK_RAW_EVENTS" in refused.detail


# --- messages that need nobody ---------------------------------------------------------------------


@pytest.mark.parametrize("policy", STRICTEST_AND_LOOSEST)
@pytest.mark.parametrize(
    "body",
    [
        pytest.param(VALIDATION, id="the-validation-text-alone"),
        pytest.param(f" {VALIDATION}\n", id="with-white-space-around"),
        pytest.param(json.dumps(VALIDATION), id="as-a-json-text"),
        pytest.param(saved("envelope_validation"), id="in-an-envelope"),
        pytest.param(saved("notification_topic_attached"), id="an-identity's-topic-was-attached"),
    ],
)
def test_notes_on_a_new_topic_are_chatter_whatever_the_policy(body: str, policy: Policy) -> None:
    assert open_body(body, policy) == Chatter()


# --- messages that may not be acted on -------------------------------------------------------------


@pytest.mark.parametrize(
    ("body", "policy", "reason", "says"),
    [
        pytest.param(
            wrapped(TopicArn=FOREIGN), PINNED, Reason.FOREIGN_TOPIC, f"comes from {FOREIGN}", id="a-foreign-topic"
        ),
        pytest.param(
            wrapped(TopicArn=FOREIGN),
            RAW_AND_PINNED,
            Reason.FOREIGN_TOPIC,
            "add it",
            id="where-raw-events-may-come-too",
        ),
        pytest.param(
            wrapped(TopicArn=TOPIC.upper()), PINNED, Reason.FOREIGN_TOPIC, "whose name is none", id="case-counts"
        ),
        pytest.param(wrapped(TopicArn=...), PINNED, Reason.FOREIGN_TOPIC, "none", id="no-topic-where-one-is-asked-for"),
        pytest.param(wrapped(TopicArn=[TOPIC]), PINNED, Reason.FOREIGN_TOPIC, "none", id="a-list-of-topics"),
        pytest.param(
            wrapped(VALIDATION, TopicArn=FOREIGN), PINNED, Reason.FOREIGN_TOPIC, "add it", id="its-validation-text-too"
        ),
        pytest.param(
            wrapped({}, TopicArn=FOREIGN), PINNED, Reason.FOREIGN_TOPIC, "add it", id="whatever-message-it-carries"
        ),
        pytest.param(
            wrapped(Type="SubscriptionConfirmation", TopicArn=FOREIGN),
            PINNED,
            Reason.FOREIGN_TOPIC,
            "add it",
            id="a-foreign-topic's-invitation",
        ),
        pytest.param(
            saved("envelope_subscription_confirmation"),
            PINNED,
            Reason.SUBSCRIPTION_REQUEST,
            "confirm-subscription",
            id="an-invitation-waits-for-a-person",
        ),
        pytest.param(
            saved("envelope_subscription_confirmation"),
            RAW,
            Reason.SUBSCRIPTION_REQUEST,
            TOPIC,
            id="an-invitation-where-any-topic-may-speak",
        ),
        pytest.param(
            saved("envelope_unsubscribe_confirmation"),
            PINNED,
            Reason.SUBSCRIPTION_REQUEST,
            "subscribe it again",
            id="the-end-of-a-subscription",
        ),
        pytest.param(
            wrapped({"eventType": "Send"}), ANY, Reason.BAD_EVENT, "no text", id="a-message-that-is-an-object"
        ),
        pytest.param(wrapped(None), ANY, Reason.BAD_EVENT, "no text", id="a-message-that-is-null"),
        pytest.param(wrapped(...), ANY, Reason.BAD_EVENT, "no text", id="no-message"),
        pytest.param("{}", RAW, Reason.BAD_EVENT, "neither", id="an-empty-object"),
        pytest.param('{"Type": "Else", "Message": "x"}', RAW, Reason.BAD_EVENT, "neither", id="another-type"),
        pytest.param('{"Type": ["Notification"]}', RAW, Reason.BAD_EVENT, "neither", id="a-type-that-is-a-list"),
        pytest.param('{"Records": [{"s3": {}}]}', RAW, Reason.BAD_EVENT, "neither", id="another-service's-event"),
        pytest.param("", RAW, Reason.NOT_JSON, "no JSON object", id="nothing"),
        pytest.param("hello", RAW, Reason.NOT_JSON, "no JSON object", id="plain-text"),
        pytest.param('{"Type": "Notif', RAW, Reason.NOT_JSON, "no JSON object", id="json-that-was-cut"),
        pytest.param("[]", RAW, Reason.NOT_JSON, "no JSON object", id="a-list"),
        pytest.param("null", RAW, Reason.NOT_JSON, "no JSON object", id="null"),
        pytest.param("NaN", RAW, Reason.NOT_JSON, "no JSON object", id="not-a-number"),
        pytest.param('"\ud800"', RAW, Reason.NOT_JSON, "no JSON object", id="half-a-character"),
        pytest.param("\0", RAW, Reason.NOT_JSON, "no JSON object", id="nul"),
        pytest.param('{"a": ' + "9" * 5_000 + "}", RAW, Reason.NOT_JSON, "no JSON object", id="an-endless-integer"),
        pytest.param('{"a":' * 100_000, RAW, Reason.TOO_DEEP, "nested", id="objects-without-end"),
        pytest.param("[" * 100_000, RAW, Reason.TOO_DEEP, "nested", id="lists-without-end"),
        pytest.param(wrapped("x" * 1_048_000), RAW, Reason.TOO_LARGE, "larger", id="a-mebibyte"),
        pytest.param(VALIDATION + " " * MAX_BODY_CHARACTERS, RAW, Reason.TOO_LARGE, "larger", id="endless-white-space"),
    ],
)
def test_what_may_not_be_acted_on(body: str, policy: Policy, reason: Reason, says: str) -> None:
    found = open_body(body, policy)

    assert isinstance(found, Unreadable)
    assert found.reason is reason
    assert says in found.detail
    assert found.detail.endswith(".")


def test_the_url_of_an_invitation_is_not_even_quoted() -> None:
    """Somebody who follows it confirms."""
    for name in ("envelope_subscription_confirmation", "envelope_unsubscribe_confirmation"):
        found = open_body(saved(name), ANY)

        assert isinstance(found, Unreadable)
        assert "http" not in found.detail
        assert json.loads(saved(name))["Token"] not in found.detail


def test_a_topic_is_quoted_only_if_it_is_one() -> None:
    found = open_body(wrapped(TopicArn="ann@example.org\nlevel=error"), PINNED)

    assert isinstance(found, Unreadable)
    assert "ann@" not in found.detail
    assert found.detail.isprintable()


def test_nothing_personal_is_in_a_log_of_an_envelope() -> None:
    found = open_body(wrapped("ann@example.org", Subject="ann@example.org"), ANY)

    assert isinstance(found, Envelope)
    assert "ann@example.org" not in repr(found)


@given(
    st.sampled_from(["Type", "TopicArn", "Message", "Subject", "Timestamp", "Signature", "SigningCertURL"]),
    st.none() | st.booleans() | st.integers() | st.floats() | st.text() | st.lists(st.none()) | st.just({}),
    st.sampled_from([ANY, PINNED, RAW, RAW_AND_PINNED]),
)
def test_a_field_of_any_type_is_taken_or_told(name: str, value: object, policy: Policy) -> None:
    found = open_body(wrapped(**{name: value}), policy)

    assert isinstance(found, Envelope | Unreadable)


@given(st.text() | st.text(alphabet='{}[]",:\\u0\ud800\0'), st.sampled_from([ANY, PINNED, RAW]))
def test_every_text_is_taken_or_told(body: str, policy: Policy) -> None:
    assert isinstance(open_body(body, policy), Bare | Envelope | Chatter | Unreadable)


# --- what is signed --------------------------------------------------------------------------------

SIGNED = Envelope(
    type="Notification",
    topic_arn=TOPIC,
    message="line one\nline two\n",
    message_id="m-1",
    timestamp="2026-11-02T09:15:00.400Z",
    subject="News",
)


@pytest.mark.parametrize(
    ("envelope", "text"),
    [
        pytest.param(
            SIGNED,
            "Message\nline one\nline two\n\nMessageId\nm-1\nSubject\nNews\nTimestamp\n2026-11-02T09:15:00.400Z\n"
            f"TopicArn\n{TOPIC}\nType\nNotification\n",
            id="a-notification",
        ),
        pytest.param(
            Envelope(type="Notification", topic_arn=TOPIC, message="m", message_id="m-1", timestamp="t"),
            f"Message\nm\nMessageId\nm-1\nTimestamp\nt\nTopicArn\n{TOPIC}\nType\nNotification\n",
            id="a-subject-that-is-missing-is-left-out",
        ),
        pytest.param(
            Envelope(type="Notification", topic_arn=TOPIC, message="m", message_id="m-1", timestamp="t", subject=""),
            f"Message\nm\nMessageId\nm-1\nSubject\n\nTimestamp\nt\nTopicArn\n{TOPIC}\nType\nNotification\n",
            id="a-subject-that-is-empty-is-not",
        ),
        *(
            pytest.param(
                Envelope(
                    type=kind,
                    topic_arn=TOPIC,
                    message="m",
                    message_id="m-1",
                    timestamp="t",
                    token="k",
                    subscribe_url="https://u",
                    subject="never signed here",
                ),
                "Message\nm\nMessageId\nm-1\nSubscribeURL\nhttps://u\nTimestamp\nt\nToken\nk\n"
                f"TopicArn\n{TOPIC}\nType\n{kind}\n",
                id=name,
            )
            for kind, name in (
                ("SubscriptionConfirmation", "an-invitation"),
                ("UnsubscribeConfirmation", "the-end-of-a-subscription"),
            )
        ),
    ],
)
def test_what_is_signed(envelope: Envelope, text: str) -> None:
    assert string_to_sign(envelope) == text


@pytest.mark.parametrize(
    "url",
    [
        pytest.param(f"https://sns.{rest}", id=name)
        for rest, name in (
            ("eu-west-1.amazonaws.com/SimpleNotificationService-0123abcd.pem", "as-sns-writes-it"),
            ("us-gov-west-1.amazonaws.com/SimpleNotificationService-0123abcd.pem", "the-government's-region"),
            ("cn-north-1.amazonaws.com.cn/SimpleNotificationService-0123abcd.pem", "china"),
            ("eusc-de-east-1.amazonaws.eu/SimpleNotificationService-0123abcd.pem", "the-sovereign-cloud"),
            ("ap-southeast-7.amazonaws.com/SimpleNotificationService.pem", "a-name-without-a-number"),
        )
    ],
)
def test_where_a_certificate_of_amazon_is(url: str) -> None:
    assert cert_url_is_amazons(url)


HOST = "sns.eu-west-1.amazonaws.com"


@pytest.mark.parametrize(
    "url",
    [
        pytest.param("", id="nothing"),
        pytest.param(f"http://{HOST}/a.pem", id="plain-http"),
        pytest.param(f"HTTPS://{HOST}/a.pem", id="a-scheme-in-capitals"),
        pytest.param(f"//{HOST}/a.pem", id="no-scheme"),
        pytest.param("https://evil.example/a.pem", id="another-host"),
        pytest.param(f"https://{HOST}.evil.example/a.pem", id="amazon's-host-as-a-prefix"),
        pytest.param(f"https://evil.example/{HOST}/a.pem", id="amazon's-host-in-the-path"),
        pytest.param(f"https://{HOST}@evil.example/a.pem", id="amazon's-host-as-a-user"),
        pytest.param(f"https://user@{HOST}/a.pem", id="a-user"),
        pytest.param(f"https://user:word@{HOST}/a.pem", id="a-user-and-a-password"),
        pytest.param(f"https://{HOST}:443/a.pem", id="a-port"),
        pytest.param(f"https://{HOST}:8443/a.pem", id="another-port"),
        pytest.param(f"https://{HOST}./a.pem", id="a-dot-after-the-host"),
        pytest.param(f"https://{HOST.upper()}/a.pem", id="a-host-in-capitals"),
        pytest.param("https://xsns.eu-west-1.amazonaws.com/a.pem", id="a-letter-before-sns"),
        pytest.param("https://a.sns.eu-west-1.amazonaws.com/a.pem", id="a-host-below"),
        pytest.param("https://sns.amazonaws.com/a.pem", id="no-region"),
        pytest.param("https://sns.a.b.amazonaws.com/a.pem", id="two-labels-for-a-region"),
        pytest.param("https://sns.s3.amazonaws.com/a.pem", id="a-bucket-called-sns"),
        pytest.param("https://sns.s3-eu-west-1.amazonaws.com/a.pem", id="a-bucket-called-sns-in-a-region"),
        pytest.param("https://sns.s3-accelerate.amazonaws.com/a.pem", id="a-bucket-called-sns-elsewhere"),
        pytest.param("https://sns.eu-west-1.amazonaws.com.de/a.pem", id="another-country"),
        pytest.param("https://sns.eu-west-1xamazonaws.com/a.pem", id="a-letter-for-a-dot"),
        pytest.param(f"https://{HOST}/", id="no-path"),
        pytest.param(f"https://{HOST}/.pem", id="no-name"),
        pytest.param(f"https://{HOST}/a.pem.txt", id="another-ending"),
        pytest.param(f"https://{HOST}/a.PEM", id="an-ending-in-capitals"),
        pytest.param(f"https://{HOST}/b/../a.pem", id="a-way-up"),
        pytest.param(f"https://{HOST}/%61.pem", id="an-escape"),
        pytest.param(f"https://{HOST}/?a.pem", id="a-query-that-ends-well"),
        pytest.param(f"https://{HOST}/a.pem?x=1", id="a-query"),
        pytest.param(f"https://{HOST}/a.pem#x", id="a-fragment"),
        pytest.param(f"https://evil.example#{HOST}/a.pem", id="amazon's-host-in-a-fragment"),
        pytest.param(f"https://evil.example\\@{HOST}/a.pem", id="a-backslash"),
        pytest.param(f"https://{HOST}/a.pem\n", id="a-line's-end"),
        pytest.param(f" https://{HOST}/a.pem", id="white-space-before"),
        pytest.param("https://sns.eu-west-1.amazonaws.com/a.pem\0", id="a-nul"),
        pytest.param("https://sns.eu-west-1.amаzonaws.com/a.pem", id="a-cyrillic-letter"),  # noqa: RUF001
        pytest.param("https://sns.eu-west-1.amazonaws。com/a.pem", id="an-ideographic-dot"),
        pytest.param("https://sns.eu-west-１.amazonaws.com/a.pem", id="a-wide-digit"),  # noqa: RUF001
    ],
)
def test_where_it_is_not(url: str) -> None:
    assert not cert_url_is_amazons(url)
