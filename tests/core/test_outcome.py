"""The outcome table of aws-facts 1.5 complete, read as DESIGN 5.5 reads it."""

import signal
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from itertools import product
from types import FrameType

import pytest
from _pytest.mark.structures import ParameterSet
from hypothesis import given
from hypothesis import strategies as st

from tank_mailer.core.errors import Reason
from tank_mailer.core.headertext import CONTROL
from tank_mailer.core.outcome import (
    BY_CODE,
    BY_STATUS,
    BY_TEXT,
    BY_TYPE,
    Accepted,
    Answer,
    Concern,
    Concerned,
    Failed,
    Fault,
    Held,
    InDoubt,
    Outcome,
    Receipt,
    Refused,
    Throttled,
    Unreachable,
    judge,
)
from tests.builders import make_job

SENDER_KEY = "sender@example.com"
RECIPIENT_KEY = "recipient@example.org"
JOB = make_job(sender="Tank <Sender@example.com>", to="Ann <Recipient@example.org>", cc="copy@example.net")
SET_NAME = "tank"

ACCOUNT = Concern(Concerned.ACCOUNT)
SENDER = Concern(Concerned.SENDER, SENDER_KEY)
SET = Concern(Concerned.CONFIGURATION_SET, SET_NAME)


@dataclass(frozen=True, slots=True)
class Gist:
    """An outcome without the words that go with it."""

    kind: type[Outcome]
    reason: Reason | None = None
    concern: Concern | None = None


def gist(outcome: Outcome) -> Gist:
    match outcome:
        case Accepted() | Throttled() | Unreachable():
            return Gist(type(outcome))
        case Refused(reason) | Failed(reason) | InDoubt(reason):
            return Gist(type(outcome), reason)
        case Held(concern, reason):
            return Gist(Held, reason, concern)


def refused(reason: Reason) -> Gist:
    return Gist(Refused, reason)


def held(concern: Concern, reason: Reason) -> Gist:
    return Gist(Held, reason, concern)


THROTTLED = Gist(Throttled)
UNREACHABLE = Gist(Unreachable)
FAILED = Gist(Failed, Reason.SERVICE_ERROR)
LOST = Gist(InDoubt, Reason.ANSWER_LOST)
UNCLEAR = Gist(InDoubt, Reason.ANSWER_UNCLEAR)
REJECTED = refused(Reason.REJECTED)
BAD_ADDRESS = refused(Reason.BAD_ADDRESS)
TOO_LARGE = refused(Reason.TOO_LARGE)
SANDBOX = refused(Reason.SANDBOX_RECIPIENT)
NO_QUOTA = held(ACCOUNT, Reason.QUOTA_EXCEEDED)
PAUSED = held(ACCOUNT, Reason.SENDING_PAUSED)
SUSPENDED = held(ACCOUNT, Reason.ACCOUNT_SUSPENDED)
BAD_KEY = held(ACCOUNT, Reason.BAD_CREDENTIALS)
BAD_CLOCK = held(ACCOUNT, Reason.CLOCK_SKEW)
DENIED = held(ACCOUNT, Reason.ACCESS_DENIED)
NO_SET = held(SET, Reason.CONFIGURATION_SET_MISSING)
SET_PAUSED = held(SET, Reason.CONFIGURATION_SET_PAUSED)
MAIL_FROM = held(SENDER, Reason.MAIL_FROM_DOMAIN)


def judged(answer: Answer, *, known: bool = False) -> Outcome:
    return judge(answer, job=JOB, configuration_set=SET_NAME, sender_is_known=known)


def said(status: int, code: str, text: str = "") -> Fault:
    """An answer of SES."""
    return Fault(text=text, code=code, status=status)


def raised(name: str, *, connected: bool = True) -> Fault:
    """An exception of the SDK, without an answer."""
    return Fault(text=name, code=name, connected=connected)


def unverified(*identities: str) -> Fault:
    listed = ", ".join(identities)
    beginning = "Email address is not verified. The following identities failed the check in region EU-WEST-1: "
    return said(400, "MessageRejected", beginning + listed)


def denied(resource: str, *, code: str = "AccessDeniedException") -> Fault:
    """What IAM says, its quotes as they come: a backtick, then an apostrophe (aws-facts 1.5)."""
    user, arn = "arn:aws:iam::111122223333:user/tank", f"arn:aws:ses:eu-west-1:111122223333:{resource}"
    return said(403, code, f"User `{user}' is not authorized to perform `ses:SendEmail' on resource `{arn}'")


def row(sentence: str, answer: Answer, expected: Gist, *, known: bool | None = None) -> ParameterSet:
    """A row of a table; `known` None: whether SES knows the sender makes no difference."""
    return pytest.param(answer, known, expected, id=sentence)


RATE_TEXT = "Maximum sending rate exceeded."
SIGV2_TEXT = "Maximum SigV2 SMTP sending rate exceeded."
QUOTA_TEXT = "Daily message quota exceeded."
PAUSED_TEXT = (
    "Sending paused for this account. For more information, please check the inbox of the email address associated"
    " with your AWS account."
)
SET_PAUSED_TEXT = "Sending is paused for configuration set tank"
SUSPENDED_TEXT = "Account is paused"
NO_SET_TEXT = "Configuration set <tank> does not exist."
TOO_LONG_TEXT = "Message length is more than the allowed 10485760 bytes"
SKEW_TEXT = "Signature expired: 20261121T080000Z is now earlier than 20261121T081500Z (20261121T082000Z - 5 min.)"
EARLY_TEXT = "Signature not yet current: 20261121T090000Z is still later than 20261121T083500Z"
PAGE = "<!DOCTYPE html><html><head><title>Sign in</title></head><body>Guests: please sign in.</body></html>"

ACCEPTED_ROWS = [row("200-with-an-id-is-accepted", Receipt("ses-1"), Gist(Accepted))]

RATE_ROWS = [
    row("v2-rate-exceeded-is-throttled", said(429, "TooManyRequestsException", RATE_TEXT), THROTTLED),
    row("v1-rate-exceeded-is-throttled", said(400, "Throttling", RATE_TEXT), THROTTLED),
    row("400-rate-exceeded-is-throttled", said(400, "ThrottlingException", RATE_TEXT), THROTTLED),
    row("too-many-requests-without-a-text-is-throttled", said(429, "TooManyRequestsException"), THROTTLED),
    row("v1-throttling-without-a-text-is-throttled", said(400, "Throttling"), THROTTLED),
    row("sigv2-rate-exceeded-is-throttled", said(429, "TooManyRequestsException", SIGV2_TEXT), THROTTLED),
    row("v1-sigv2-rate-exceeded-is-throttled", said(400, "Throttling", SIGV2_TEXT), THROTTLED),
    row("control-plane-429-is-throttled", said(429, "TooManyRequestsException", "Rate exceeded"), THROTTLED),
    row("control-plane-400-is-throttled", said(400, "ThrottlingException", "Rate exceeded"), THROTTLED),
    row("v1-control-plane-is-throttled", said(400, "Throttling", "Rate exceeded"), THROTTLED),
    row("throttling-with-another-text-is-throttled", said(400, "ThrottlingException", "Slow down."), THROTTLED),
    row("a-rate-text-beats-the-quotas-code", said(400, "LimitExceededException", RATE_TEXT), THROTTLED),
    row("the-sdks-throttled-exception-is-throttled", said(400, "ThrottledException"), THROTTLED),
    row("the-sdks-request-throttled-is-throttled", said(403, "RequestThrottled"), THROTTLED),
    row("an-unknown-code-with-throttl-in-it-is-throttled", said(400, "RequestThrottledException"), THROTTLED),
    row("throttl-in-a-code-in-any-case-is-throttled", said(400, "accountTHROTTLED"), THROTTLED),
]

QUOTA_ROWS = [
    row("quota-under-limit-exceeded-holds-the-account", said(400, "LimitExceededException", QUOTA_TEXT), NO_QUOTA),
    row("quota-under-throttling-holds-the-account", said(400, "ThrottlingException", QUOTA_TEXT), NO_QUOTA),
    row("v1-quota-under-throttling-holds-the-account", said(400, "Throttling", QUOTA_TEXT), NO_QUOTA),
    row("quota-under-429-holds-the-account", said(429, "TooManyRequestsException", QUOTA_TEXT), NO_QUOTA),
    row("quota-under-an-unknown-code-holds-the-account", said(400, "NewException", QUOTA_TEXT), NO_QUOTA),
    row("limit-exceeded-without-a-text-holds-the-account", said(400, "LimitExceededException"), NO_QUOTA),
]

PAUSE_ROWS = [
    row("v2-account-paused", said(400, "SendingPausedException", PAUSED_TEXT), PAUSED),
    row("v1-account-paused-wears-message-rejected", said(400, "MessageRejected", PAUSED_TEXT), PAUSED),
    row("v1-account-paused-by-its-own-code", said(400, "AccountSendingPausedException", PAUSED_TEXT), PAUSED),
    row("v2-paused-without-a-text", said(400, "SendingPausedException"), PAUSED),
    row("v1-paused-without-a-text", said(400, "AccountSendingPausedException"), PAUSED),
    row("v2-set-paused-holds-the-set", said(400, "SendingPausedException", SET_PAUSED_TEXT), SET_PAUSED),
    row(
        "v1-set-paused-holds-the-set", said(400, "ConfigurationSetSendingPausedException", SET_PAUSED_TEXT), SET_PAUSED
    ),
    row("v1-set-paused-without-a-text", said(400, "ConfigurationSetSendingPausedException"), SET_PAUSED),
    row("v2-account-suspended", said(400, "AccountSuspendedException", SUSPENDED_TEXT), SUSPENDED),
    row("v1-account-suspended-wears-message-rejected", said(400, "MessageRejected", SUSPENDED_TEXT), SUSPENDED),
    row("suspended-for-good", said(400, "AccountSuspendedException", "permanently restricted"), SUSPENDED),
]

REJECTED_ROWS = [
    row("another-rejection-is-refused", said(400, "MessageRejected", "Virus found."), REJECTED),
    row("a-rejection-without-a-text-is-refused", said(400, "MessageRejected"), REJECTED),
]

NEVER, BEFORE = False, True
NEVER_REFUSED = refused(Reason.UNVERIFIED_SENDER)
BEFORE_HELD = held(SENDER, Reason.UNVERIFIED_SENDER)
QUOTED = f'"x, {SENDER_KEY}, y" <{RECIPIENT_KEY}>'

UNVERIFIED_ROWS = [
    row("unverified-sender-never-accepted", unverified(SENDER_KEY), NEVER_REFUSED, known=NEVER),
    row("unverified-sender-accepted-before", unverified(SENDER_KEY), BEFORE_HELD, known=BEFORE),
    row("unverified-sender-in-capitals", unverified("SENDER@EXAMPLE.COM"), BEFORE_HELD, known=BEFORE),
    row("unverified-sender-with-a-name", unverified(f"Tank <{SENDER_KEY}>"), BEFORE_HELD, known=BEFORE),
    row("unverified-senders-domain-never-accepted", unverified("example.com"), NEVER_REFUSED, known=NEVER),
    row("unverified-senders-domain-accepted-before", unverified("example.com"), BEFORE_HELD, known=BEFORE),
    row("unverified-return-path-never-accepted", unverified("bounces@example.edu"), NEVER_REFUSED, known=NEVER),
    row("unverified-return-path-accepted-before", unverified("bounces@example.edu"), BEFORE_HELD, known=BEFORE),
    row("sender-and-recipient-never-accepted", unverified(RECIPIENT_KEY, SENDER_KEY), NEVER_REFUSED, known=NEVER),
    row("sender-and-recipient-accepted-before", unverified(RECIPIENT_KEY, SENDER_KEY), BEFORE_HELD, known=BEFORE),
    row("sender-and-a-cut-list", unverified(SENDER_KEY, "..."), BEFORE_HELD, known=BEFORE),
    row("a-list-cut-before-any-name-never-accepted", unverified("..."), NEVER_REFUSED, known=NEVER),
    row("a-list-cut-before-any-name-accepted-before", unverified("..."), BEFORE_HELD, known=BEFORE),
    row(
        "no-list-never-accepted",
        said(400, "MessageRejected", "Email address is not verified."),
        NEVER_REFUSED,
        known=NEVER,
    ),
    row(
        "no-list-accepted-before",
        said(400, "MessageRejected", "Email address is not verified."),
        BEFORE_HELD,
        known=BEFORE,
    ),
    row("recipient-alone-is-the-sandbox", unverified(RECIPIENT_KEY), SANDBOX),
    row("recipient-in-capitals-is-the-sandbox", unverified("RECIPIENT@EXAMPLE.ORG"), SANDBOX),
    row("recipient-with-a-name-is-the-sandbox", unverified(f"Ann <{RECIPIENT_KEY}>"), SANDBOX),
    row("a-name-with-a-comma-is-the-sandbox", unverified(f'"Doe, Ann" <{RECIPIENT_KEY}>'), SANDBOX),
    row("a-name-that-is-the-senders-address", unverified(f'"{SENDER_KEY}" <{RECIPIENT_KEY}>'), SANDBOX),
    row("a-name-with-the-sender-in-commas", unverified(QUOTED), SANDBOX),
    row("recipients-domain-is-the-sandbox", unverified("example.org"), SANDBOX),
    row("a-copys-recipient-is-the-sandbox", unverified("copy@example.net"), SANDBOX),
    row("recipients-and-a-cut-list-are-the-sandbox", unverified(RECIPIENT_KEY, "..."), SANDBOX),
    row("a-recipient-cut-off-at-its-end", unverified(f"{RECIPIENT_KEY}..."), SANDBOX),
]

MAIL_FROM_TEXT = "Mail FROM domain is not verified"
CONFIGURATION_ROWS = [
    row("mail-from-holds-the-sender", said(400, "MailFromDomainNotVerifiedException", MAIL_FROM_TEXT), MAIL_FROM),
    row("mail-from-by-its-text", said(400, "MessageRejected", f"{MAIL_FROM_TEXT}."), MAIL_FROM),
    row("mail-from-without-a-text", said(400, "MailFromDomainNotVerifiedException"), MAIL_FROM),
    row("v2-missing-set-holds-the-set", said(404, "NotFoundException", NO_SET_TEXT), NO_SET),
    row("v1-missing-set-holds-the-set", said(400, "ConfigurationSetDoesNotExist", NO_SET_TEXT), NO_SET),
    row("v1-missing-set-without-a-text", said(400, "ConfigurationSetDoesNotExist"), NO_SET),
    row("v1-missing-set-by-its-class-name", said(400, "ConfigurationSetDoesNotExistException"), NO_SET),
    row("missing-set-under-a-bad-request", said(400, "BadRequestException", NO_SET_TEXT), NO_SET),
    row("another-thing-missing-is-configuration-too", said(404, "NotFoundException", "Tenant t not found."), NO_SET),
]

BAD_INPUT = {
    "Recipient count exceeds 50.": refused(Reason.TOO_MANY_RECIPIENTS),
    "Illegal address": BAD_ADDRESS,
    "Missing final '@domain'": BAD_ADDRESS,
    "Missing domain": BAD_ADDRESS,
    "Domain starts with dot": BAD_ADDRESS,
    "Domain ends with dot": BAD_ADDRESS,
    "Domain contains control or whitespace": BAD_ADDRESS,
    "Local address contains control or whitespace": BAD_ADDRESS,
    "There are non-ASCII characters in the email address": BAD_ADDRESS,
    "Missing required header 'To'.": REJECTED,
    "Missing required header 'From'.": REJECTED,
    "Duplicate header 'X'.": REJECTED,
    "There are no recipients specified": REJECTED,
    "Tag name cannot exceed 255 characters.": REJECTED,
    "The tag name must be specified.": REJECTED,
    "Invalid tag name <x>: only alphanumeric ASCII characters, '_',  '-' are allowed.": REJECTED,
    TOO_LONG_TEXT: TOO_LARGE,
    "Message is too long.": TOO_LARGE,
    "Something that nobody has seen yet": REJECTED,
    "": REJECTED,
}
BAD_INPUT_CODES = ("BadRequestException", "InvalidParameterValue")
BAD_INPUT_ROWS = [
    row(f"{code}-{text or 'without-a-text'}", said(400, code, text), expected)
    for (text, expected), code in product(BAD_INPUT.items(), BAD_INPUT_CODES)
]

SHAPE_ROWS = [
    row("v1-shape-fault-is-refused", said(400, "ValidationError", "1 validation error detected"), REJECTED),
    row("v2-shape-fault-is-refused", said(400, "ValidationException", "1 validation error detected"), REJECTED),
    row("v2-too-large-is-refused", said(413, "RequestEntityTooLargeException"), TOO_LARGE),
    row("too-large-under-message-rejected", said(400, "MessageRejected", TOO_LONG_TEXT), TOO_LARGE),
]

OF_SENDER = "identity/example.com"
DENIED_ROWS = [
    row("denied-senders-domain-never-accepted", denied(OF_SENDER), refused(Reason.ACCESS_DENIED), known=NEVER),
    row("denied-senders-domain-accepted-before", denied(OF_SENDER), held(SENDER, Reason.ACCESS_DENIED), known=BEFORE),
    row(
        "denied-senders-address-never-accepted",
        denied("identity/sender@example.com"),
        refused(Reason.ACCESS_DENIED),
        known=NEVER,
    ),
    row(
        "denied-senders-address-accepted-before",
        denied("identity/sender@example.com"),
        held(SENDER, Reason.ACCESS_DENIED),
        known=BEFORE,
    ),
    row("v1-denied-sender", denied(OF_SENDER, code="AccessDenied"), refused(Reason.ACCESS_DENIED), known=NEVER),
    row("denied-set-holds-the-account", denied("configuration-set/tank"), DENIED),
    row("v1-denied-set-holds-the-account", denied("configuration-set/tank", code="AccessDenied"), DENIED),
    row("denied-recipient-is-the-sandbox", denied("identity/recipient@example.org"), SANDBOX),
    row("denied-recipients-domain-is-the-sandbox", denied("identity/example.org"), SANDBOX),
    row("denied-identity-of-somebody-else-holds-the-account", denied("identity/example.edu"), DENIED),
    row("denied-without-a-resource-holds-the-account", said(403, "AccessDeniedException", "No."), DENIED),
    row("denied-without-a-text-holds-the-account", said(403, "AccessDenied"), DENIED),
    row("an-unknown-code-with-403-is-read-as-denied", said(403, "NewException", "No."), DENIED),
]

KEY_ROWS = [
    row("expired-token", said(403, "ExpiredTokenException", "The security token has expired"), BAD_KEY),
    row("v1-expired-token", said(403, "ExpiredToken", "The security token has expired"), BAD_KEY),
    row("v2-unknown-key", said(403, "UnrecognizedClientException", "The security token is invalid."), BAD_KEY),
    row("v1-unknown-key", said(403, "InvalidClientTokenId", "The security token is invalid."), BAD_KEY),
    row("v2-wrong-secret", said(403, "InvalidSignatureException", "The signature does not match."), BAD_KEY),
    row("v1-wrong-secret", said(403, "SignatureDoesNotMatch", "The signature does not match."), BAD_KEY),
    row("half-a-signature", said(403, "IncompleteSignature", "Authorization header requires"), BAD_KEY),
    row("not-authorized-401", said(401, "NotAuthorized"), BAD_KEY),
    row("region-not-opted-in", said(403, "OptInRequired", "The account is not signed up"), BAD_KEY),
    row("no-token-at-all", said(403, "MissingAuthenticationToken", "Missing Authentication Token"), BAD_KEY),
    row("an-unknown-code-with-401", said(401, "NewException"), BAD_KEY),
    row("v2-clock-behind", said(403, "InvalidSignatureException", SKEW_TEXT), BAD_CLOCK),
    row("v1-clock-behind", said(403, "SignatureDoesNotMatch", SKEW_TEXT), BAD_CLOCK),
    row("clock-ahead", said(403, "InvalidSignatureException", EARLY_TEXT), BAD_CLOCK),
    row("request-expired", said(403, "RequestExpired", "Request has expired."), BAD_CLOCK),
    row("request-time-too-skewed", said(403, "RequestTimeTooSkewed"), BAD_CLOCK),
]

SERVICE_ROWS = [
    row("coded-408-is-in-doubt", said(408, "RequestTimeoutException"), LOST),
    row("request-aborted-is-in-doubt", said(400, "RequestAbortedException"), LOST),
    row("an-unknown-code-with-408-is-in-doubt", said(408, "NewException"), LOST),
    row("v1-internal-failure-failed", said(500, "InternalFailure", "internal"), FAILED),
    row("v2-internal-error-failed", said(500, "InternalServiceErrorException"), FAILED),
    row("v1-service-unavailable-failed", said(503, "ServiceUnavailable"), FAILED),
    row("v2-service-unavailable-failed", said(503, "ServiceUnavailableException"), FAILED),
    row("control-planes-conflict-failed", said(409, "ConflictException"), FAILED),
    row("control-planes-concurrent-change-failed", said(500, "ConcurrentModificationException"), FAILED),
    row("control-planes-already-exists-failed", said(400, "AlreadyExistsException"), FAILED),
    row("control-planes-next-token-failed", said(400, "InvalidNextTokenException"), FAILED),
    row("an-unknown-code-failed", said(400, "NewException", "Never seen."), FAILED),
    row("an-unknown-code-with-5xx-failed", said(500, "NewException"), FAILED),
    row("an-unknown-code-with-413-is-too-large", said(413, "NewException"), TOO_LARGE),
    row("an-unknown-code-with-429-is-throttled", said(429, "NewException"), THROTTLED),
]

UNCODED_ROWS = [
    *(row(f"uncoded-{status}-is-in-doubt", said(status, str(status)), UNCLEAR) for status in (500, 502, 503, 504, 599)),
    row("a-page-with-502-is-in-doubt", said(502, "502", PAGE), UNCLEAR),
    row("an-empty-500-is-in-doubt", said(500, ""), UNCLEAR),
    row("a-page-with-200-is-in-doubt", said(200, "", PAGE), UNCLEAR),
    row("200-without-an-id-is-in-doubt", said(200, "", "an answer without a MessageId"), UNCLEAR),
    row("a-redirect-is-in-doubt", said(302, "302"), UNCLEAR),
    row("an-answer-without-a-status-is-in-doubt", said(0, ""), UNCLEAR),
    row("uncoded-429-is-throttled", said(429, "429"), THROTTLED),
    row("uncoded-408-is-in-doubt", said(408, "408"), LOST),
    row("uncoded-413-is-too-large", said(413, "413"), TOO_LARGE),
    row("uncoded-401-holds-the-account", said(401, "401"), BAD_KEY),
    row("uncoded-403-holds-the-account", said(403, "403"), DENIED),
    row("an-empty-400-failed", said(400, ""), FAILED),
    row("uncoded-404-failed", said(404, "404", PAGE), FAILED),
    row("uncoded-407-failed", said(407, "407", PAGE), FAILED),
]

EXCEPTION_ROWS = [
    row("refused-or-no-name-is-unreachable", raised("EndpointConnectionError", connected=False), UNREACHABLE),
    row("connect-time-out-is-unreachable", raised("ConnectTimeoutError", connected=False), UNREACHABLE),
    row("proxy-away-is-unreachable", raised("ProxyConnectionError", connected=False), UNREACHABLE),
    row("tls-fault-is-unreachable", raised("SSLError", connected=False), UNREACHABLE),
    row("endpoint-error-alone-proves-nothing", raised("EndpointConnectionError"), LOST),
    row("read-time-out-is-in-doubt", raised("ReadTimeoutError"), LOST),
    row("our-own-time-out-is-in-doubt", raised("TimeoutError"), LOST),
    row("close-before-an-answer-is-in-doubt", raised("ConnectionClosedError"), LOST),
    row("half-an-answer-is-in-doubt", raised("ResponseStreamingError"), LOST),
    row("a-client-error-of-http-is-in-doubt", raised("HTTPClientError"), LOST),
    row("an-unknown-exception-is-in-doubt", raised("NewError"), LOST),
    row("an-unknown-exception-before-connecting", raised("NewError", connected=False), UNREACHABLE),
    *(
        row(f"{name}-holds-the-account", raised(name, connected=False), BAD_KEY)
        for name in (
            *("NoCredentialsError", "PartialCredentialsError", "CredentialRetrievalError"),
            *("TokenRetrievalError", "NoRegionError", "ProfileNotFound", "SSOError", "SSOTokenLoadError"),
            *("UnauthorizedSSOTokenError", "RuntimeError"),
        )
    ),
    row("a-fault-of-shape-is-refused", raised("ParamValidationError", connected=False), REJECTED),
]

DENIED_PAGE = said(403, "403", f"<html>{denied(OF_SENDER).text}</html>")
HOSTILE_ROWS = [
    row("a-quoted-quota", said(400, "MessageRejected", f"Subject: {QUOTA_TEXT}"), REJECTED),
    row("a-quoted-rate", said(400, "BadRequestException", f"Illegal address: {RATE_TEXT}"), BAD_ADDRESS),
    row("a-quoted-pause", said(400, "MessageRejected", f"Header '{PAUSED_TEXT}' is bad"), REJECTED),
    row("a-quoted-missing-set", said(400, "MessageRejected", f"Virus in '{NO_SET_TEXT}'"), REJECTED),
    row("a-quoted-unverified-list", said(400, "MessageRejected", f"x {unverified(SENDER_KEY).text}"), REJECTED),
    row("a-quoted-skew", said(403, "UnrecognizedClientException", f"'{SKEW_TEXT}'"), BAD_KEY),
    row("a-quoted-denial", said(400, "MessageRejected", denied(OF_SENDER).text), REJECTED),
    row("a-page-that-begins-like-the-quota", said(502, "502", QUOTA_TEXT), UNCLEAR),
    row("a-200-page-that-begins-like-the-pause", said(200, "", PAUSED_TEXT), UNCLEAR),
    row("an-uncoded-400-that-begins-like-a-bad-address", said(400, "", "Illegal address"), FAILED),
    row("a-page-with-403-that-quotes-a-denial", DENIED_PAGE, DENIED),
    row("a-known-text-after-a-control-character", said(400, "MessageRejected", f"\x00{QUOTA_TEXT}"), REJECTED),
    row("a-known-text-in-capitals", said(400, "MessageRejected", QUOTA_TEXT.upper()), NO_QUOTA),
    row("a-known-text-in-small-letters", said(400, "MessageRejected", PAUSED_TEXT.lower()), PAUSED),
    row("nothing-but-control-characters", said(400, "MessageRejected", "\x00\x1b[2J\r\n"), REJECTED),
    row("half-a-character", said(400, "MessageRejected", "\ud800"), REJECTED),
]

ALL_ROWS = [
    *ACCEPTED_ROWS,
    *RATE_ROWS,
    *QUOTA_ROWS,
    *PAUSE_ROWS,
    *REJECTED_ROWS,
    *UNVERIFIED_ROWS,
    *CONFIGURATION_ROWS,
    *BAD_INPUT_ROWS,
    *SHAPE_ROWS,
    *DENIED_ROWS,
    *KEY_ROWS,
    *SERVICE_ROWS,
    *UNCODED_ROWS,
    *EXCEPTION_ROWS,
    *HOSTILE_ROWS,
]


def _faults() -> Iterator[Fault]:
    for answer in (parameters.values[0] for parameters in ALL_ROWS):
        if isinstance(answer, Fault):
            yield answer


FAULTS = tuple(_faults())


@pytest.mark.parametrize(("answer", "known", "expected"), ALL_ROWS)
def test_the_outcome_table_of_aws_facts_1_5(answer: Answer, known: bool | None, expected: Gist) -> None:
    for sender_is_known in (False, True) if known is None else (known,):
        assert gist(judged(answer, known=sender_is_known)) == expected


def test_an_acceptance_keeps_the_id() -> None:
    assert judged(Receipt("0100018f-abc-000000")) == Accepted("0100018f-abc-000000")


@pytest.mark.parametrize("code", [code for code in BY_CODE if code != "LimitExceededException"])
def test_the_quotas_text_beats_every_code(code: str) -> None:
    """A quota taken for a throttle would be tried again all day; for a refusal, it would lose the job."""
    assert gist(judged(said(400, code, QUOTA_TEXT))) == NO_QUOTA


@pytest.mark.parametrize("code", [code for code in BY_CODE if "Paused" not in code])
def test_the_pauses_text_beats_every_code(code: str) -> None:
    """In v1 a paused account wears MessageRejected: the text alone keeps its jobs from being refused."""
    assert gist(judged(said(400, code, PAUSED_TEXT))) == PAUSED


def test_a_parent_domain_stands_for_its_sub_domains() -> None:
    """SES verifies sub-domains by their parent: the parent is what it may name."""
    job = make_job(sender="a@news.shop.example.com", to="b@mail.example.org")

    def gist_of(fault: Fault) -> Gist:
        return gist(judge(fault, job=job, configuration_set="", sender_is_known=False))

    assert gist_of(denied("identity/shop.example.com")) == refused(Reason.ACCESS_DENIED)
    assert gist_of(denied("identity/example.com")) == refused(Reason.ACCESS_DENIED)
    assert gist_of(unverified("example.com", "b@mail.example.org")) == NEVER_REFUSED
    assert gist_of(unverified("example.org")) == SANDBOX
    assert gist_of(denied("identity/other.shop.example.com")) == DENIED


def test_a_domain_that_only_ends_alike_is_not_the_senders() -> None:
    assert gist(judged(denied("identity/ample.com"))) == DENIED


def test_a_sender_that_mails_itself_is_judged_as_sender() -> None:
    job = make_job(sender="a@example.com", to="a@example.com")

    outcome = judge(unverified("a@example.com"), job=job, configuration_set="", sender_is_known=False)

    assert gist(outcome) == NEVER_REFUSED


def test_a_missing_set_is_the_one_that_the_request_named() -> None:
    fault = said(404, "NotFoundException", NO_SET_TEXT)

    outcome = judge(fault, job=JOB, configuration_set="marketing", sender_is_known=False)

    assert gist(outcome).concern == Concern(Concerned.CONFIGURATION_SET, "marketing")


# --- the tables themselves -----------------------------------------------------------------------------


def text_row_of(fault: Fault) -> str | None:
    return next((beginning for beginning, _ in BY_TEXT if fault.text.lower().startswith(beginning)), None)


SPOKEN = tuple(fault for fault in FAULTS if fault.status is not None and fault.is_coded)


@pytest.mark.parametrize("beginning", [beginning for beginning, _ in BY_TEXT])
def test_each_text_is_met(beginning: str) -> None:
    """A row that an earlier one covers, or that no case meets, is dead."""
    assert beginning in {text_row_of(fault) for fault in SPOKEN}


@pytest.mark.parametrize("beginning", [beginning for beginning, _ in BY_TEXT])
def test_each_text_is_in_lower_case(beginning: str) -> None:
    assert beginning == beginning.lower()


@pytest.mark.parametrize("code", BY_CODE)
def test_each_code_is_met_where_no_text_decides(code: str) -> None:
    assert code in {fault.code for fault in SPOKEN if text_row_of(fault) is None}


@pytest.mark.parametrize("name", BY_TYPE)
def test_each_exception_is_met(name: str) -> None:
    assert name in {fault.code for fault in FAULTS if fault.status is None}


@pytest.mark.parametrize("status", BY_STATUS)
def test_each_status_is_met_with_and_without_a_code(status: int) -> None:
    met = {(fault.status, fault.is_coded) for fault in FAULTS if fault.code not in BY_CODE}
    assert {(status, True), (status, False)} <= met


# --- what is told of it ------------------------------------------------------------------------------


def detail_of(outcome: Outcome) -> str:
    return "" if isinstance(outcome, Accepted) else outcome.detail


@pytest.mark.parametrize("fault", FAULTS)
@pytest.mark.parametrize("known", [False, True])
def test_no_detail_holds_an_address(fault: Fault, known: bool) -> None:
    """A detail is logged, and copied to the dead-letter queue (promise 7)."""
    assert "@example" not in detail_of(judged(fault, known=known)).lower()


MAILBOXES = st.from_regex(r"[A-Za-z0-9!#$%&*+/=?^_{|}~-]{1,20}(\.[a-z0-9]{1,9})?@[a-z]{1,9}\.(org|com)", fullmatch=True)
SURROUNDINGS = st.sampled_from(["{}", "<{}>", "'{}'", '"{}"', "`{}'", "a {} b", "x,{};y", "to:{}", "({})", "[{}]\n"])
TEXT_CODES = st.sampled_from(["MessageRejected", "BadRequestException", "NewException", "ThrottlingException", "502"])


@given(mailbox=MAILBOXES, around=SURROUNDINGS, code=TEXT_CODES, before=st.text(max_size=400))
def test_no_quoted_address_gets_through(mailbox: str, around: str, code: str, before: str) -> None:
    """Wherever it stands, even across the place where the detail is cut."""
    detail = detail_of(judged(said(400, code, f"{before} {around.format(mailbox)}")))
    local_part, _, domain = mailbox.partition("@")
    assert f"@{domain}" not in detail
    assert f"{local_part}@" not in detail


@pytest.mark.parametrize("mailbox", ["mary.o'connor@example.org", "mary`doe@example.org"])
def test_no_part_of_an_address_with_quotes_in_it_gets_through(mailbox: str) -> None:
    assert "mary" not in detail_of(judged(said(400, "BadRequestException", f"Illegal address {mailbox}")))


ANYTHING = st.text(st.characters(), max_size=200)
STATUSES = st.one_of(st.none(), st.integers(0, 599))


@given(text=ANYTHING, code=st.sampled_from([*BY_CODE, *BY_TYPE, "NewException", "", "503"]), status=STATUSES)
def test_whatever_comes_is_judged(text: str, code: str, status: int | None) -> None:
    """The closed list holds for every answer; what is told of it stays one line of a few hundred characters."""
    fault = Fault(text=text, code=code, status=status)
    for known in (False, True):
        outcome = judged(fault, known=known)
        assert not isinstance(outcome, Accepted)
        assert len(detail_of(outcome)) <= 400
        assert not {"\n", "\r", "\u2028", "\u2029"} & set(detail_of(outcome))


@given(control=st.from_regex(CONTROL, fullmatch=True))
def test_no_control_character_gets_through(control: str) -> None:
    """`status` and `why` print it on an operator's terminal."""
    assert not CONTROL.search(detail_of(judged(said(400, "MessageRejected", f"a{control}[2Jb"))))


@pytest.mark.parametrize("code", ["x" * 100_000, "recipient@example.org"], ids=["endless", "an-address"])
def test_a_hostile_code_is_not_told_as_it_came(code: str) -> None:
    detail = detail_of(judged(said(400, code, "No.")))
    assert "recipient@example.org" not in detail
    assert len(detail) <= 400


@contextmanager
def alarm_after(seconds: float) -> Iterator[None]:
    """Break off what takes longer; `re` looks for signals while it matches."""

    def ring(_number: int, _frame: FrameType | None) -> None:
        raise TimeoutError

    before = signal.signal(signal.SIGALRM, ring)
    signal.setitimer(signal.ITIMER_REAL, seconds)
    try:
        yield
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)
        signal.signal(signal.SIGALRM, before)


MEGABYTES = 4_000_000
LONG_S, SHORT_S = 5.0, 0.3
MUCH_TEXT = [
    pytest.param("a" * 20_000, id="one-word"),  # linear: milliseconds; a megabyte took hours
    pytest.param("a " * (MEGABYTES // 2), id="many-words"),
    pytest.param("@" * MEGABYTES, id="at-signs"),
    pytest.param("<" * MEGABYTES, id="angle-brackets"),
    pytest.param(PAGE * (MEGABYTES // len(PAGE)), id="pages"),
    pytest.param("\n" * MEGABYTES, id="line-ends"),
    pytest.param("Email address is not verified. " + "in region A: " * (MEGABYTES // 13), id="regions"),
    pytest.param(
        "Email address is not verified. in region A: " + "b@example.edu, " * (MEGABYTES // 15), id="identities"
    ),
    pytest.param("on resource `arn:" * (MEGABYTES // 17), id="resources"),
]


@pytest.mark.parametrize("text", MUCH_TEXT)
@pytest.mark.parametrize("answered", [said(400, "MessageRejected"), said(403, "AccessDenied"), said(502, "502")])
def test_megabytes_of_text_do_not_stop_the_daemon(text: str, answered: Fault) -> None:
    """Judging runs on the event loop: while it takes, no lease is extended."""
    fault = Fault(text=text, code=answered.code, status=answered.status)
    with alarm_after(LONG_S if len(text) > MEGABYTES // 2 else SHORT_S):
        outcome = judged(fault)
    assert len(detail_of(outcome)) <= 400
