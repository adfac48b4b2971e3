import json
from datetime import UTC, datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tank_mailer.core.address import Address
from tank_mailer.core.errors import Reason
from tank_mailer.core.fields import wrong_type
from tank_mailer.core.job import EmailJob, InvalidJob, email_id_tag, hash_content, parse_job
from tests.builders import FIELDS, make_address, make_body, make_job

DEEP = 100_000
FIFTY = [f"r{number}@example.org" for number in range(50)]


def accepted(raw: str) -> EmailJob:
    job = parse_job(raw)
    assert isinstance(job, EmailJob), job.detail
    return job


def refused(raw: str) -> InvalidJob:
    job = parse_job(raw)
    assert isinstance(job, InvalidJob)
    return job


def test_an_ordinary_job() -> None:
    """The five required fields, as the README shows them."""
    assert accepted(make_body()) == EmailJob(
        email_id="order-4711",
        sender=Address("sender@example.com", "Tank"),
        to=(Address("recipient@example.org"),),
        subject="Your order",
        body="<p>It is on its way.</p>",
        content_hash="9787fe0180a701b321a6b3311d48ba24645fe7af5f5f8de6a7c51beaa7f13bcb",
    )


@pytest.mark.parametrize(
    ("changes", "field", "value"),
    [
        pytest.param({"to": FIFTY}, "to", tuple(map(make_address, FIFTY)), id="fifty-recipients"),
        pytest.param({"to": ["Ann <a@example.org>"]}, "to", (Address("a@example.org", "Ann"),), id="a-list"),
        pytest.param(
            {"to": ["a@example.org", "A@Example.ORG"]},
            "to",
            (Address("a@example.org"),),
            id="a-mailbox-named-twice-counts-once",
        ),
        pytest.param({"cc": "c@example.org"}, "cc", (Address("c@example.org"),), id="cc-as-a-text"),
        pytest.param({"cc": FIELDS["to"]}, "cc", (), id="cc-that-stands-in-to-already"),
        pytest.param({"cc": None}, "cc", (), id="null-is-absent"),
        pytest.param({"cc": ""}, "cc", (), id="an-empty-text-is-no-address"),
        pytest.param({"bcc": []}, "bcc", (), id="an-empty-list-is-no-address"),
        pytest.param({"bcc": ["b@example.org"]}, "bcc", (Address("b@example.org"),), id="bcc-as-a-list"),
        pytest.param(
            {"reply_to": "Desk <d@example.org>"},
            "reply_to",
            (Address("d@example.org", "Desk"),),
            id="reply-to",
        ),
        pytest.param(
            {"reply_to": FIELDS["to"]},
            "reply_to",
            (Address("recipient@example.org"),),
            id="a-recipient-may-get-the-replies",
        ),
        pytest.param({"subject": ""}, "subject", "", id="an-empty-subject"),
        pytest.param({"subject": "s" * 998}, "subject", "s" * 998, id="a-subject-of-998-characters"),
        pytest.param({"subject": "Grüße 👩‍🚀 \ufffd"}, "subject", "Grüße 👩‍🚀 \ufffd", id="a-subject-in-unicode"),
        pytest.param({"body": "a\r\n\tb\0"}, "body", "a\r\n\tb\0", id="a-body-is-no-header"),
        pytest.param({"text": "On its way.\n"}, "text", "On its way.\n", id="a-plain-alternative"),
        pytest.param({"text": ""}, "text", None, id="an-empty-plain-alternative-is-none"),
        pytest.param({"headers": None}, "headers", (), id="headers-null"),
        pytest.param(
            {"headers": {"X-Shop": "7", "List-Id": "<news.example.com>"}},
            "headers",
            (("X-Shop", "7"), ("List-Id", "<news.example.com>")),
            id="headers-in-the-order-given",
        ),
        pytest.param(
            {"headers": {"X-Shop": "Größe"}},
            "headers",
            (("X-Shop", "=?utf-8?b?R3LDtsOfZQ==?="),),
            id="a-header's-value-is-encoded",
        ),
        pytest.param(
            {"headers": {"X": "é" * 23}},
            "headers",
            (("X", "=?utf-8?b?" + "w6nDqcOp" * 7 + "w6k=?= =?utf-8?b?w6k=?="),),
            id="no-encoded-word-is-over-75-characters",
        ),
        pytest.param({"headers": {"X": "v" * 870}}, "headers", (("X", "v" * 870),), id="a-value-of-870"),
        pytest.param({"headers": {"x" * 126: "v"}}, "headers", (("x" * 126, "v"),), id="a-name-of-126"),
        pytest.param(
            {"headers": {f"X-{n}": "v" for n in range(14)}},
            "headers",
            tuple((f"X-{n}", "v") for n in range(14)),
            id="fourteen-headers",
        ),
        pytest.param({"tags": {"shop": "de_1"}}, "tags", (("shop", "de_1"),), id="a-tag"),
        pytest.param({"tags": {"t" * 255: "v" * 255}}, "tags", (("t" * 255, "v" * 255),), id="a-tag-of-255"),
        pytest.param({"configuration_set": "Bulk_2-b"}, "configuration_set", "Bulk_2-b", id="a-configuration-set"),
        pytest.param(
            {"expires_at": "2030-01-31T12:00:00Z"},
            "expires_at",
            datetime(2030, 1, 31, 12, tzinfo=UTC),
            id="an-expiry-in-utc",
        ),
        pytest.param(
            {"expires_at": "2030-01-31t01:00:00.123456789+02:00"},
            "expires_at",
            datetime(2030, 1, 30, 23, 0, 0, 123456, tzinfo=UTC),
            id="an-expiry-with-an-offset-and-a-fraction",
        ),
        pytest.param(
            {"expires_at": "2030-01-31 12:00:00z"},
            "expires_at",
            datetime(2030, 1, 31, 12, tzinfo=UTC),
            id="an-expiry-with-a-space",
        ),
        pytest.param({"expires_at": None}, "expires_at", None, id="no-expiry"),
        pytest.param({"at_most_once": True}, "at_most_once", True, id="at-most-once"),
        pytest.param({"at_most_once": False}, "at_most_once", False, id="not-at-most-once"),
        pytest.param({"at_most_once": None}, "at_most_once", False, id="at-most-once-null"),
        pytest.param({"email_id": "i" * 255}, "email_id", "i" * 255, id="an-id-of-255-characters"),
        pytest.param({"email_id": "a b@c/ü"}, "email_id", "a b@c/ü", id="an-id-in-any-script"),
        pytest.param({"attachments": []}, "unknown_fields", frozenset(), id="no-attachments"),
        pytest.param({"unsubscribe": False}, "unknown_fields", frozenset(), id="no-unsubscribe"),
        pytest.param({"Reply-To": "x", "n": 10**9}, "unknown_fields", frozenset({"Reply-To", "n"}), id="strangers"),
        pytest.param({"a\nb\ud800": 1}, "unknown_fields", frozenset({"a?b?"}), id="a-stranger's-name-fit-for-a-log"),
        pytest.param({"a@example.com": 1}, "unknown_fields", frozenset("?"), id="an-address-is-no-name"),
        pytest.param({"x" * 65: 1}, "unknown_fields", frozenset({"x" * 64}), id="a-stranger's-name-cut-short"),
        pytest.param(
            {f"n{number}": 1 for number in range(30)},
            "unknown_fields",
            frozenset(f"n{number}" for number in range(20)),
            id="twenty-strangers-are-enough",
        ),
    ],
)
def test_what_a_job_may_say(changes: dict[str, object], field: str, value: object) -> None:
    assert getattr(accepted(make_body(**changes)), field) == value


@pytest.mark.parametrize(
    ("changes", "reason", "says"),
    [
        pytest.param({"email_id": ...}, Reason.MISSING_FIELD, "empty: email_id.", id="no-id"),
        pytest.param({"from": ...}, Reason.MISSING_FIELD, "empty: from.", id="no-sender"),
        pytest.param({"to": ...}, Reason.MISSING_FIELD, "empty: to.", id="no-to"),
        pytest.param({"subject": ...}, Reason.MISSING_FIELD, "empty: subject.", id="no-subject"),
        pytest.param({"body": ...}, Reason.MISSING_FIELD, "empty: body.", id="no-body"),
        pytest.param(
            {"body": ..., "from": ..., "to": 1},
            Reason.MISSING_FIELD,
            "empty: from, body.",
            id="all-that-is-missing-is-named-at-once",
        ),
        pytest.param({"email_id": None}, Reason.MISSING_FIELD, "empty: email_id.", id="a-null-id"),
        pytest.param({"email_id": ""}, Reason.MISSING_FIELD, "empty: email_id.", id="an-empty-id"),
        pytest.param({"subject": None}, Reason.MISSING_FIELD, "empty: subject.", id="a-null-subject"),
        pytest.param({"from": ""}, Reason.MISSING_FIELD, "empty: from.", id="an-empty-sender"),
        pytest.param({"to": ""}, Reason.MISSING_FIELD, "empty: to.", id="an-empty-to"),
        pytest.param({"to": []}, Reason.MISSING_FIELD, "empty: to.", id="a-list-of-nobody"),
        pytest.param({"body": ""}, Reason.MISSING_FIELD, "empty: body.", id="an-empty-body"),
        pytest.param({"email_id": 4711}, Reason.BAD_FIELD, "text, not a number", id="a-number-as-id"),
        pytest.param({"email_id": "i" * 256}, Reason.BAD_FIELD, "255", id="an-id-of-256-characters"),
        pytest.param({"email_id": "a\nb"}, Reason.BAD_FIELD, "control", id="an-id-of-two-lines"),
        pytest.param({"email_id": " a"}, Reason.BAD_FIELD, "white space", id="an-id-behind-a-space"),
        pytest.param({"email_id": "\ud800"}, Reason.BAD_FIELD, "surrogate", id="an-id-of-half-a-character"),
        pytest.param({"from": ["a@example.com"]}, Reason.BAD_FIELD, "not a list", id="two-senders-at-most-one"),
        pytest.param({"from": "a"}, Reason.BAD_ADDRESS, "from: The address has no", id="a-sender-of-no-domain"),
        pytest.param({"to": 5}, Reason.BAD_FIELD, "to: This must be an address or", id="a-number-as-to"),
        pytest.param({"to": {}}, Reason.BAD_FIELD, "not an object", id="an-object-as-to"),
        pytest.param({"to": ["a@example.org", None]}, Reason.BAD_FIELD, "to[1]", id="null-among-recipients"),
        pytest.param({"to": ["a@example.org", ""]}, Reason.BAD_ADDRESS, "to[1]", id="an-empty-recipient"),
        pytest.param({"to": "a@b.org, c@d.org"}, Reason.BAD_ADDRESS, "as a list", id="recipients-by-comma"),
        pytest.param({"cc": "c@shop.test"}, Reason.BAD_ADDRESS, "cc: The address", id="a-bad-cc"),
        pytest.param({"bcc": ["b"]}, Reason.BAD_ADDRESS, "bcc[0]: ", id="a-bad-bcc"),
        pytest.param({"reply_to": True}, Reason.BAD_FIELD, "not true or false", id="a-flag-as-reply-to"),
        pytest.param({"to": [*FIFTY, "x"]}, Reason.TOO_MANY_RECIPIENTS, "51", id="fifty-one-in-to"),
        pytest.param({"to": FIFTY, "bcc": "b@example.org"}, Reason.TOO_MANY_RECIPIENTS, "51", id="fifty-one-in-all"),
        pytest.param({"from": "a@b.org\r\nX: y"}, Reason.HEADER_INJECTION, "from", id="crlf-in-the-sender"),
        pytest.param({"to": ["a@b.org\nX: y"]}, Reason.HEADER_INJECTION, "to[0]", id="lf-in-a-recipient"),
        pytest.param({"cc": "a\0@b.org"}, Reason.HEADER_INJECTION, "cc", id="nul-in-cc"),
        pytest.param({"reply_to": "a@b.org\r"}, Reason.HEADER_INJECTION, "reply_to", id="cr-in-reply-to"),
        pytest.param({"subject": "a\r\nBcc: b@c.org"}, Reason.HEADER_INJECTION, "subject", id="crlf-in-subject"),
        pytest.param({"subject": "a\tb"}, Reason.HEADER_INJECTION, "tab", id="a-tab-in-the-subject"),
        pytest.param({"subject": "a\0b"}, Reason.HEADER_INJECTION, "subject", id="nul-in-the-subject"),
        pytest.param({"subject": ["a"]}, Reason.BAD_FIELD, "text, not a list", id="a-list-as-subject"),
        pytest.param({"subject": "s" * 999}, Reason.BAD_FIELD, "998", id="a-subject-of-999-characters"),
        pytest.param({"subject": "\udfff"}, Reason.BAD_FIELD, "surrogate", id="half-a-character-in-the-subject"),
        pytest.param({"body": {"html": "x"}}, Reason.BAD_FIELD, "not an object", id="an-object-as-body"),
        pytest.param({"body": "\ud83d"}, Reason.BAD_FIELD, "body", id="half-an-emoji-in-the-body"),
        pytest.param({"to": "\ud800 <a@b.org>"}, Reason.BAD_FIELD, "to: ", id="half-a-character-in-a-name"),
        pytest.param({"text": 1}, Reason.BAD_FIELD, "text: ", id="a-number-as-text"),
        pytest.param({"headers": ["X-A: b"]}, Reason.BAD_FIELD, "an object", id="headers-as-a-list"),
        pytest.param({"headers": {"X-A": 1}}, Reason.BAD_FIELD, "headers.X-A", id="a-number-as-header"),
        pytest.param({"headers": {"X-A": ""}}, Reason.BAD_FIELD, "empty", id="an-empty-header"),
        pytest.param({"headers": {"X-A": "a\r\nb"}}, Reason.HEADER_INJECTION, "X-A", id="crlf-in-a-header"),
        pytest.param({"headers": {"X\r\nB": "v"}}, Reason.HEADER_INJECTION, "entry 1", id="crlf-in-its-name"),
        pytest.param({"headers": {"X-A": "\ud800"}}, Reason.BAD_FIELD, "surrogate", id="half-a-header"),
        pytest.param({"headers": {"X A": "v"}}, Reason.BAD_FIELD, "entry 1", id="a-space-in-a-header's-name"),
        pytest.param({"headers": {"X:A": "v"}}, Reason.BAD_FIELD, "colon", id="a-colon-in-a-header's-name"),
        pytest.param({"headers": {"": "v"}}, Reason.BAD_FIELD, "1 to 126", id="a-header-without-a-name"),
        pytest.param({"headers": {"x" * 127: "v"}}, Reason.BAD_FIELD, "126", id="a-header's-name-of-127"),
        pytest.param({"headers": {"X-Ü": "v"}}, Reason.BAD_FIELD, "ASCII", id="a-header's-name-beyond-ascii"),
        pytest.param({"headers": {"X": "v" * 871}}, Reason.BAD_FIELD, "870", id="a-value-of-871"),
        pytest.param({"headers": {"X": "é" * 400}}, Reason.BAD_FIELD, "870", id="a-value-too-long-once-encoded"),
        pytest.param(
            {"headers": {"X-A": "1", "x-a": "2"}}, Reason.BAD_FIELD, "twice", id="one-header-in-two-spellings"
        ),
        pytest.param({"headers": {f"X-{n}": "v" for n in range(15)}}, Reason.BAD_FIELD, "14", id="fifteen-headers"),
        pytest.param({"headers": {"Bcc": "a@b.org"}}, Reason.RESERVED_NAME, "headers.Bcc", id="a-bcc-header"),
        pytest.param({"headers": {"SUBJECT": "x"}}, Reason.RESERVED_NAME, "SUBJECT", id="reserved-in-any-case"),
        pytest.param({"headers": {"Return-Path": "x"}}, Reason.RESERVED_NAME, "SES", id="a-return-path"),
        pytest.param({"headers": {"x-ses-tenant": "x"}}, Reason.RESERVED_NAME, "SES", id="a-header-for-ses"),
        pytest.param({"headers": {"X-Tank-Any": "x"}}, Reason.RESERVED_NAME, "X-Tank-Any", id="our-headers"),
        pytest.param({"tags": "shop"}, Reason.BAD_FIELD, "not text", id="tags-as-text"),
        pytest.param({"tags": {"shop": 7}}, Reason.BAD_FIELD, "tags.shop", id="a-number-as-tag"),
        pytest.param({"tags": {"shop": "a.b"}}, Reason.BAD_FIELD, "letters", id="a-dot-in-a-tag"),
        pytest.param({"tags": {"sh op": "a"}}, Reason.BAD_FIELD, "entry 1", id="a-space-in-a-tag's-name"),
        pytest.param({"tags": {"shop": ""}}, Reason.BAD_FIELD, "1 to 255", id="an-empty-tag"),
        pytest.param({"tags": {"shop": "a\n"}}, Reason.BAD_FIELD, "tags.shop", id="a-line's-end-in-a-tag"),
        pytest.param({"tags": {"email_id": "a"}}, Reason.RESERVED_NAME, "email_id", id="our-tag"),
        pytest.param({"tags": {"Attempt": "1"}}, Reason.RESERVED_NAME, "Attempt", id="our-tag-in-any-case"),
        pytest.param({"tags": {"ses:x": "1"}}, Reason.RESERVED_NAME, "another name", id="a-tag-of-ses"),
        pytest.param({"tags": {f"t{n}": "v" for n in range(9)}}, Reason.BAD_FIELD, "8", id="nine-tags"),
        pytest.param({"configuration_set": "a b"}, Reason.BAD_FIELD, "1 to 64", id="a-set-with-a-space"),
        pytest.param({"configuration_set": "s" * 65}, Reason.BAD_FIELD, "64", id="a-set-of-65-characters"),
        pytest.param({"configuration_set": ""}, Reason.BAD_FIELD, "default set", id="a-set-without-a-name"),
        pytest.param({"expires_at": "2030-01-31T12:00:00"}, Reason.BAD_FIELD, "no offset", id="a-naive-time"),
        pytest.param({"expires_at": "2030-01-31"}, Reason.BAD_FIELD, "RFC 3339", id="a-day-alone"),
        pytest.param({"expires_at": "2030-02-30T12:00:00Z"}, Reason.BAD_FIELD, "RFC 3339", id="no-such-day"),
        pytest.param({"expires_at": "20300131T120000Z"}, Reason.BAD_FIELD, "RFC 3339", id="no-hyphens"),
        pytest.param({"expires_at": "0001-01-01T00:00:00+01:00"}, Reason.BAD_FIELD, "RFC", id="before-year-1"),
        pytest.param({"expires_at": 1893456000}, Reason.BAD_FIELD, "text, not a number", id="unix-time"),
        pytest.param({"at_most_once": "false"}, Reason.BAD_FIELD, "without quotes", id="a-flag-as-text"),
        pytest.param({"at_most_once": 1}, Reason.BAD_FIELD, "not a number", id="a-flag-as-number"),
        pytest.param({"attachments": [{}]}, Reason.BAD_FIELD, "not supported yet", id="attachments"),
        pytest.param({"template": "t"}, Reason.BAD_FIELD, "not supported yet", id="a-template"),
        pytest.param({"template_data": {"a": 1}}, Reason.BAD_FIELD, "not supported yet", id="template-data"),
        pytest.param({"unsubscribe": True}, Reason.BAD_FIELD, "not supported yet", id="unsubscribe"),
        pytest.param({"stream": "news"}, Reason.BAD_FIELD, "not supported yet", id="a-stream"),
    ],
)
def test_what_a_job_may_not_say(changes: dict[str, object], reason: Reason, says: str) -> None:
    job = refused(make_body(**changes))

    assert job.reason is reason
    assert says in job.detail
    assert job.detail.endswith(".")
    assert job.email_id == (None if "email_id" in changes else FIELDS["email_id"])


@pytest.mark.parametrize(
    ("raw", "reason", "says"),
    [
        pytest.param("", Reason.NOT_JSON, "line 1, column 1", id="nothing"),
        pytest.param("hello", Reason.NOT_JSON, "not JSON", id="words"),
        pytest.param(make_body()[:-1], Reason.NOT_JSON, "line 1", id="a-job-cut-short"),
        pytest.param(make_body() + "{}", Reason.NOT_JSON, "Extra data", id="two-jobs"),
        pytest.param("[]", Reason.NOT_JSON, "not an object", id="a-list"),
        pytest.param("null", Reason.NOT_JSON, "not an object", id="null"),
        pytest.param('"{}"', Reason.NOT_JSON, "not an object", id="json-within-json"),
        pytest.param('{"a": NaN}', Reason.NOT_JSON, "NaN", id="nan"),
        pytest.param('{"a": -Infinity}', Reason.NOT_JSON, "-Infinity", id="infinity"),
        pytest.param('{"a": "\n"}', Reason.NOT_JSON, "control character", id="a-bare-line's-end-in-a-text"),
        pytest.param("\ufeff" + make_body(), Reason.NOT_JSON, "byte order mark", id="a-byte-order-mark"),
        pytest.param("\ufffe{\0}\0", Reason.NOT_JSON, "not JSON", id="utf-16-read-as-something-else"),
        pytest.param("\ud800", Reason.NOT_JSON, "not JSON", id="a-bare-surrogate"),
        pytest.param("[" * DEEP, Reason.TOO_DEEP, "nested", id="a-hundred-thousand-brackets"),
        pytest.param('{"a":' * DEEP, Reason.TOO_DEEP, "nested", id="a-hundred-thousand-braces"),
        pytest.param(
            make_body(x=...)[:-1] + ', "x": ' + "[" * DEEP + "]" * DEEP + "}",
            Reason.TOO_DEEP,
            "nested",
            id="a-job-with-a-deep-stranger",
        ),
        pytest.param(make_body(body="b" * 1_048_576), Reason.TOO_LARGE, "1048576", id="more-than-a-mebibyte"),
        pytest.param("é" * 524_289, Reason.TOO_LARGE, "1048576", id="more-than-a-mebibyte-in-utf-8"),
        pytest.param('{"email_id": "a", "email_id": "b"}', Reason.BAD_FIELD, "email_id", id="two-ids"),
    ],
)
def test_what_is_no_job(raw: str, reason: Reason, says: str) -> None:
    job = refused(raw)

    assert job.reason is reason
    assert says in job.detail
    assert job.email_id is None


def test_a_name_given_twice_is_refused_at_any_depth() -> None:
    """Which of two would be meant is up to the reader: one mailed address is not the other."""
    job = refused(make_body()[:-1] + ', "headers": {"X-A": "1", "X-B": "2", "X-A": "3"}}')

    assert job.reason is Reason.BAD_FIELD
    assert "X-A stands twice" in job.detail
    assert job.email_id == FIELDS["email_id"]


def test_a_mebibyte_is_taken() -> None:
    room = 1_048_576 - len(make_body(body="b")) + 1

    assert len(accepted(make_body(body="b" * room)).body) == room


def test_a_huge_number_is_only_a_stranger() -> None:
    """Python refuses to read more than 4300 digits; a field that nobody reads must not cost the job."""
    raw = make_body()[:-1] + ', "x": ' + "9" * 5_000 + ', "y": 1e999}'

    assert accepted(raw).unknown_fields == {"x", "y"}


def test_a_fault_quotes_nothing() -> None:
    """Details get into logs and metrics, addresses and contents may not."""
    secret = "secret"
    for change in (
        {"to": f"{secret}@{secret}"},
        {"to": [f"{secret} {secret}@example.com"]},
        {"from": f'"{secret} <{secret}@example.com>'},
        {"subject": f"{secret}\n"},
        {"headers": {f"{secret}@example.com": ""}},
        {"tags": {f"{secret}@example.com": "x"}},
        {"expires_at": secret},
        {"configuration_set": f"{secret}!"},
    ):
        assert secret not in refused(make_body(**change)).detail
    assert secret not in refused(f'{{"{secret}@example.com": 1, "{secret}@example.com": 1}}').detail
    assert secret not in refused(f'{{"{secret}').detail


def test_recipients_are_counted_once() -> None:
    job = make_job(to=["a@example.org", "b@example.org"], cc="A@example.org", bcc=["c@example.org"])

    assert [address.key for address in job.recipients] == ["a@example.org", "b@example.org", "c@example.org"]


def test_suppressed_recipients_are_left_out() -> None:
    job = make_job(to="A@example.org", cc=["b@example.org", "c@example.org"], bcc="d@example.org")

    left = job.without({"a@example.org", "c@example.org", "d@example.org"})

    assert (left.to, left.cc, left.bcc) == ((), (make_address("b@example.org"),), ())
    assert left.content_hash == job.content_hash
    assert job.without(()) == job


def test_a_redirected_job_reaches_nobody_else() -> None:
    job = make_job(to="a@example.org", cc="b@example.org", bcc="c@example.org")

    assert job.redirected(make_address("me@example.com")).recipients == (make_address("me@example.com"),)


@pytest.mark.parametrize(
    ("email_id", "tag"),
    [
        pytest.param("order_4711-b", "order_4711-b", id="an-id-that-fits"),
        pytest.param("i" * 255, "i" * 255, id="the-longest-that-fits"),
        pytest.param("a@b", "dQjYtQGOpkC4UmmGGhASA_DCaQBVUmjpMAJdrIRLDzU", id="an-at-sign"),
        pytest.param("a.b", "LnM23I66h-9HLfVow1SCq_JXXcPl6sDFxiuP-urCyTQ", id="a-dot"),
        pytest.param("a\n", "h0KPxSKAPTEGXnvOPPA_5HUJZjHl4Hu9eg_eYMTPJcc", id="a-line's-end"),
    ],
)
def test_the_tag_of_an_id(email_id: str, tag: str) -> None:
    assert email_id_tag(email_id) == tag


def test_any_id_has_a_tag() -> None:
    """Commands look up what a person typed, whatever that was."""
    assert len(email_id_tag("\udcff")) == len(email_id_tag("ü" * 255)) == 43


@pytest.mark.parametrize(
    "changes",
    [
        pytest.param({"email_id": "another"}, id="another-id"),
        pytest.param({"to": ["recipient@example.org"]}, id="a-list-of-one"),
        pytest.param({"to": " <recipient@EXAMPLE.org>"}, id="white-space-and-brackets"),
        pytest.param({"from": '"Tank" <sender@example.com>'}, id="quotes-around-the-name"),
        pytest.param({"cc": None, "at_most_once": False, "headers": {}, "text": ""}, id="absent-things"),
        pytest.param({"stranger": 1}, id="a-stranger"),
    ],
)
def test_the_same_content(changes: dict[str, object]) -> None:
    assert accepted(make_body(**changes)).content_hash == accepted(make_body()).content_hash


@pytest.mark.parametrize(
    "changes",
    [
        pytest.param({"to": "Ann <recipient@example.org>"}, id="a-name"),
        pytest.param({"to": "Recipient@example.org"}, id="a-capital-letter-before-the-at-sign"),
        pytest.param({"from": "sender@example.com"}, id="the-sender's-name"),
        pytest.param({"cc": "c@example.org"}, id="cc"),
        pytest.param({"bcc": "c@example.org"}, id="bcc"),
        pytest.param({"reply_to": "c@example.org"}, id="reply-to"),
        pytest.param({"subject": ""}, id="the-subject"),
        pytest.param({"body": "b"}, id="the-body"),
        pytest.param({"text": "t"}, id="the-text"),
        pytest.param({"headers": {"X-A": "1"}}, id="a-header"),
        pytest.param({"tags": {"X-A": "1"}}, id="a-tag"),
        pytest.param({"configuration_set": "s"}, id="the-configuration-set"),
        pytest.param({"expires_at": "2030-01-01T00:00:00Z"}, id="the-expiry"),
        pytest.param({"at_most_once": True}, id="at-most-once"),
    ],
)
def test_another_content(changes: dict[str, object]) -> None:
    assert accepted(make_body(**changes)).content_hash != accepted(make_body()).content_hash


def test_one_moment_in_two_zones_is_the_same_content() -> None:
    here = accepted(make_body(expires_at="2030-01-01T02:00:00+02:00"))
    there = accepted(make_body(expires_at="2030-01-01T00:00:00.000Z"))

    assert here.content_hash == there.content_hash


def test_builders_agree_with_the_parser() -> None:
    assert make_job() == accepted(make_body())
    assert make_job(sender="a@example.com") == accepted(make_body(from_="a@example.com"))
    assert make_job(content_hash="x").content_hash == "x"
    assert make_job(cc="c@example.org").content_hash == hash_content(make_job(cc="c@example.org"))


def test_a_wrong_type_is_named_in_json_words() -> None:
    values: list[object] = [None, True, "s", [], {}, 1.0]

    found = [wrong_type(value, "x", "y").detail for value in values]

    assert [detail.removeprefix("x: This must be y, not ") for detail in found] == [
        *("null.", "true or false.", "text.", "a list.", "an object.", "a number."),
    ]


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(st.characters(), max_size=20),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(st.characters()), inner, max_size=3),
    max_leaves=8,
)
NAMES = st.sampled_from([*FIELDS, "cc", "reply_to", "text", "headers", "tags", "expires_at", "at_most_once"])


@given(st.text(st.characters()) | st.text('{}[]":,\\u0d8f'))
def test_any_text_gets_an_answer(raw: str) -> None:
    assert isinstance(parse_job(raw), EmailJob | InvalidJob)


@given(JSON | st.dictionaries(NAMES, JSON))
def test_any_json_gets_an_answer(value: object) -> None:
    assert isinstance(parse_job(json.dumps(value)), EmailJob | InvalidJob)


@given(NAMES, JSON)
def test_any_value_of_a_field_gets_an_answer(name: str, value: object) -> None:
    job = parse_job(make_body(**{name: value}))

    if isinstance(job, EmailJob):
        job.subject.encode()
        assert all(text.isascii() and text.isprintable() for _, text in job.headers)
        assert all(address.header.isascii() for address in (job.sender, *job.recipients, *job.reply_to))


@given(
    st.permutations(
        [
            *FIELDS.items(),
            ("headers", {"X-A": "1", "X-B": "2"}),
            ("tags", {"a": "1"}),
            ("cc", "c@example.org"),
            ("at_most_once", True),
        ]
    ),
    st.booleans(),
)
def test_the_order_of_names_is_no_content(items: list[tuple[str, object]], turned: bool) -> None:
    fields = dict(items)
    if turned:
        fields["headers"] = {"X-B": "2", "X-A": "1"}
    expected = make_body(headers={"X-A": "1", "X-B": "2"}, tags={"a": "1"}, cc="c@example.org", at_most_once=True)

    assert accepted(json.dumps(fields, indent=2)).content_hash == accepted(expected).content_hash
