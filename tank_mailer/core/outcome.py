"""What an attempt ended in: facts from the adapter become one of a closed list of outcomes.

The order of judgement is aws-facts 1.5: by type, then by the message's text, then by code, then by status.
Texts are steadier than codes, which differ between SES v1, v2 and SMTP; they quote what callers sent, so a
known text is only looked for at the start.
"""

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum

from tank_mailer.core.errors import Reason
from tank_mailer.core.job import EmailJob

# --- what the adapter saw ------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Receipt:
    """SES took the email."""

    ses_message_id: str


@dataclass(frozen=True, slots=True)
class Fault:
    """SES did not say yes.

    Attributes:
        text: the message that came with it, as it came.
        code: the modelled error code; for what the SDK raises by itself, the name of its exception.
        status: HTTP status of the answer; None if there was none.
        connected: False only if the connection was never made, hence nothing left this host.
    """

    text: str
    code: str = ""
    status: int | None = None
    connected: bool = True

    @property
    def is_coded(self) -> bool:
        """Whether SES itself spoke: botocore makes a code of the bare status where a body is not JSON."""
        return bool(self.code) and not self.code.isdigit()


Answer = Receipt | Fault

# --- what it means -------------------------------------------------------------------------------


class Concerned(StrEnum):
    """What a pause keeps from being worked on."""

    ACCOUNT = "account"
    SENDER = "sender"
    CONFIGURATION_SET = "configuration_set"
    SES = "ses"
    QUEUE = "queue"  # its lane's name
    STORE = "store"
    QUOTA = "quota"  # the name of the lane that has used its share up
    REPUTATION = "reputation"  # the ordinary lane
    OPERATOR = "operator"  # a person's word: `all`, or KIND/NAME of what is not worked on
    SUSPECT = "suspect"  # the lane whose queue seems to be somebody else's


@dataclass(frozen=True, slots=True)
class Concern:
    """One thing that is not worked on: the account, or one sender by its mailbox key.

    Attributes:
        name: which one. A sender's is an address: hidden from whatever shows values by itself, as log lines do.
    """

    kind: Concerned
    name: str = field(default="", repr=False)


@dataclass(frozen=True, slots=True)
class Accepted:
    """SES has it."""

    ses_message_id: str


@dataclass(frozen=True, slots=True)
class Refused:
    """This job can never succeed as it is."""

    reason: Reason
    detail: str


@dataclass(frozen=True, slots=True)
class Throttled:
    """Too fast; nothing is wrong with the job."""

    detail: str = ""


@dataclass(frozen=True, slots=True)
class Held:
    """A fault of the account, a sender or a configuration set; nothing is wrong with the job."""

    concern: Concern
    reason: Reason
    detail: str


@dataclass(frozen=True, slots=True)
class Unreachable:
    """Nothing left this host."""

    detail: str


@dataclass(frozen=True, slots=True)
class Failed:
    """A definite answer that it did not work now."""

    reason: Reason
    detail: str


@dataclass(frozen=True, slots=True)
class InDoubt:
    """The request may have reached SES; the answer is lost or says nothing."""

    reason: Reason
    detail: str


Outcome = Accepted | Refused | Throttled | Held | Unreachable | Failed | InDoubt


class Meaning(StrEnum):
    """What a row of the table says, before the job at hand is looked at."""

    REFUSED = "refused"
    THROTTLED = "throttled"
    ACCOUNT_HELD = "account_held"
    SENDER_HELD = "sender_held"
    SET_HELD = "set_held"
    FAILED = "failed"
    IN_DOUBT = "in_doubt"
    UNREACHABLE = "unreachable"
    UNVERIFIED = "unverified"  # aws-facts 1.5.1: sender or, in the sandbox, a recipient
    DENIED = "denied"  # read by its resource


Row = tuple[Meaning, Reason]

# What the SDK raises before anything leaves this host (aws-facts 0).
BY_TYPE: Mapping[str, Row] = {
    "NoCredentialsError": (Meaning.ACCOUNT_HELD, Reason.BAD_CREDENTIALS),
    "PartialCredentialsError": (Meaning.ACCOUNT_HELD, Reason.BAD_CREDENTIALS),
    "CredentialRetrievalError": (Meaning.ACCOUNT_HELD, Reason.BAD_CREDENTIALS),
    "TokenRetrievalError": (Meaning.ACCOUNT_HELD, Reason.BAD_CREDENTIALS),
    "RuntimeError": (Meaning.ACCOUNT_HELD, Reason.BAD_CREDENTIALS),
    "ProfileNotFound": (Meaning.ACCOUNT_HELD, Reason.BAD_CREDENTIALS),
    "SSOError": (Meaning.ACCOUNT_HELD, Reason.BAD_CREDENTIALS),
    "SSOTokenLoadError": (Meaning.ACCOUNT_HELD, Reason.BAD_CREDENTIALS),
    "UnauthorizedSSOTokenError": (Meaning.ACCOUNT_HELD, Reason.BAD_CREDENTIALS),
    "NoRegionError": (Meaning.ACCOUNT_HELD, Reason.BAD_CREDENTIALS),
    "ParamValidationError": (Meaning.REFUSED, Reason.REJECTED),
}

# Lower-case beginnings of known messages (aws-facts 1.5, 1.5.2).
BY_TEXT: tuple[tuple[str, Row], ...] = (
    ("daily message quota exceeded", (Meaning.ACCOUNT_HELD, Reason.QUOTA_EXCEEDED)),
    ("maximum sending rate exceeded", (Meaning.THROTTLED, Reason.THROTTLED)),
    ("maximum sigv2 smtp sending rate exceeded", (Meaning.THROTTLED, Reason.THROTTLED)),
    ("rate exceeded", (Meaning.THROTTLED, Reason.THROTTLED)),
    ("sending paused for this account", (Meaning.ACCOUNT_HELD, Reason.SENDING_PAUSED)),
    ("account is paused", (Meaning.ACCOUNT_HELD, Reason.ACCOUNT_SUSPENDED)),
    ("sending is paused for configuration set", (Meaning.SET_HELD, Reason.CONFIGURATION_SET_PAUSED)),
    ("configuration set <", (Meaning.SET_HELD, Reason.CONFIGURATION_SET_MISSING)),
    ("email address is not verified", (Meaning.UNVERIFIED, Reason.UNVERIFIED_SENDER)),
    ("mail from domain is not verified", (Meaning.SENDER_HELD, Reason.MAIL_FROM_DOMAIN)),
    ("signature expired", (Meaning.ACCOUNT_HELD, Reason.CLOCK_SKEW)),
    ("signature not yet current", (Meaning.ACCOUNT_HELD, Reason.CLOCK_SKEW)),
    ("message length is more than", (Meaning.REFUSED, Reason.TOO_LARGE)),
    ("message is too long", (Meaning.REFUSED, Reason.TOO_LARGE)),
    ("recipient count exceeds", (Meaning.REFUSED, Reason.TOO_MANY_RECIPIENTS)),
    ("illegal address", (Meaning.REFUSED, Reason.BAD_ADDRESS)),
    ("missing final '@domain'", (Meaning.REFUSED, Reason.BAD_ADDRESS)),
    ("missing domain", (Meaning.REFUSED, Reason.BAD_ADDRESS)),
    ("domain starts with dot", (Meaning.REFUSED, Reason.BAD_ADDRESS)),
    ("domain ends with dot", (Meaning.REFUSED, Reason.BAD_ADDRESS)),
    ("domain contains control or whitespace", (Meaning.REFUSED, Reason.BAD_ADDRESS)),
    ("local address contains control or whitespace", (Meaning.REFUSED, Reason.BAD_ADDRESS)),
    ("there are non-ascii characters in the email address", (Meaning.REFUSED, Reason.BAD_ADDRESS)),
    ("there are no recipients specified", (Meaning.REFUSED, Reason.REJECTED)),
    ("missing required header", (Meaning.REFUSED, Reason.REJECTED)),
    ("duplicate header", (Meaning.REFUSED, Reason.REJECTED)),
)

# SES v2 codes and their v1 names (aws-facts 1.5).
BY_CODE: Mapping[str, Row] = {
    "TooManyRequestsException": (Meaning.THROTTLED, Reason.THROTTLED),
    "ThrottlingException": (Meaning.THROTTLED, Reason.THROTTLED),
    "Throttling": (Meaning.THROTTLED, Reason.THROTTLED),
    "ThrottledException": (Meaning.THROTTLED, Reason.THROTTLED),
    "RequestThrottled": (Meaning.THROTTLED, Reason.THROTTLED),
    "LimitExceededException": (Meaning.ACCOUNT_HELD, Reason.QUOTA_EXCEEDED),
    "SendingPausedException": (Meaning.ACCOUNT_HELD, Reason.SENDING_PAUSED),
    "AccountSendingPausedException": (Meaning.ACCOUNT_HELD, Reason.SENDING_PAUSED),
    "ConfigurationSetSendingPausedException": (Meaning.SET_HELD, Reason.CONFIGURATION_SET_PAUSED),
    "AccountSuspendedException": (Meaning.ACCOUNT_HELD, Reason.ACCOUNT_SUSPENDED),
    "MessageRejected": (Meaning.REFUSED, Reason.REJECTED),
    "MailFromDomainNotVerifiedException": (Meaning.SENDER_HELD, Reason.MAIL_FROM_DOMAIN),
    "NotFoundException": (Meaning.SET_HELD, Reason.CONFIGURATION_SET_MISSING),
    "ConfigurationSetDoesNotExist": (Meaning.SET_HELD, Reason.CONFIGURATION_SET_MISSING),
    "ConfigurationSetDoesNotExistException": (Meaning.SET_HELD, Reason.CONFIGURATION_SET_MISSING),
    "BadRequestException": (Meaning.REFUSED, Reason.REJECTED),
    "InvalidParameterValue": (Meaning.REFUSED, Reason.REJECTED),
    "ValidationError": (Meaning.REFUSED, Reason.REJECTED),
    "ValidationException": (Meaning.REFUSED, Reason.REJECTED),
    "AccessDeniedException": (Meaning.DENIED, Reason.ACCESS_DENIED),
    "AccessDenied": (Meaning.DENIED, Reason.ACCESS_DENIED),
    "ExpiredTokenException": (Meaning.ACCOUNT_HELD, Reason.BAD_CREDENTIALS),
    "ExpiredToken": (Meaning.ACCOUNT_HELD, Reason.BAD_CREDENTIALS),
    "UnrecognizedClientException": (Meaning.ACCOUNT_HELD, Reason.BAD_CREDENTIALS),
    "InvalidClientTokenId": (Meaning.ACCOUNT_HELD, Reason.BAD_CREDENTIALS),
    "InvalidSignatureException": (Meaning.ACCOUNT_HELD, Reason.BAD_CREDENTIALS),
    "SignatureDoesNotMatch": (Meaning.ACCOUNT_HELD, Reason.BAD_CREDENTIALS),
    "IncompleteSignature": (Meaning.ACCOUNT_HELD, Reason.BAD_CREDENTIALS),
    "MissingAuthenticationToken": (Meaning.ACCOUNT_HELD, Reason.BAD_CREDENTIALS),
    "NotAuthorized": (Meaning.ACCOUNT_HELD, Reason.BAD_CREDENTIALS),
    "OptInRequired": (Meaning.ACCOUNT_HELD, Reason.BAD_CREDENTIALS),
    "RequestExpired": (Meaning.ACCOUNT_HELD, Reason.CLOCK_SKEW),
    "RequestTimeTooSkewed": (Meaning.ACCOUNT_HELD, Reason.CLOCK_SKEW),
    "RequestEntityTooLargeException": (Meaning.REFUSED, Reason.TOO_LARGE),
    "RequestTimeoutException": (Meaning.IN_DOUBT, Reason.ANSWER_LOST),
    "RequestAbortedException": (Meaning.IN_DOUBT, Reason.ANSWER_LOST),
    "InternalFailure": (Meaning.FAILED, Reason.SERVICE_ERROR),
    "InternalServiceErrorException": (Meaning.FAILED, Reason.SERVICE_ERROR),
    "ServiceUnavailable": (Meaning.FAILED, Reason.SERVICE_ERROR),
    "ServiceUnavailableException": (Meaning.FAILED, Reason.SERVICE_ERROR),
}

BY_STATUS: Mapping[int, Row] = {
    401: (Meaning.ACCOUNT_HELD, Reason.BAD_CREDENTIALS),
    403: (Meaning.DENIED, Reason.ACCESS_DENIED),
    408: (Meaning.IN_DOUBT, Reason.ANSWER_LOST),
    413: (Meaning.REFUSED, Reason.TOO_LARGE),
    429: (Meaning.THROTTLED, Reason.THROTTLED),
}

_CLIENT_ERROR = range(400, 500)


def judge(answer: Answer, *, job: EmailJob, configuration_set: str, sender_is_known: bool) -> Outcome:
    """Say what `answer` means for `job`.

    Args:
        answer: what the adapter saw.
        job: whose attempt it was.
        configuration_set: the one that the request named; "" for none.
        sender_is_known: whether SES has accepted anything from this sender before.
    """
    match answer:
        case Receipt(ses_message_id):
            return Accepted(ses_message_id)
        case Fault() as fault:
            return _outcome(read(fault), fault, job, configuration_set, known=sender_is_known)


def read(fault: Fault) -> Row:
    """Find the fault's row: by type, then text, then code, then status."""
    if fault.status is None:
        if row := BY_TYPE.get(fault.code):
            return row
        if not fault.connected:
            return Meaning.UNREACHABLE, Reason.UNREACHABLE
        return Meaning.IN_DOUBT, Reason.ANSWER_LOST
    if fault.is_coded:  # a proxy's page may quote any text
        text = fault.text[:_MAX_READ].lower()
        for beginning, row in BY_TEXT:
            if text.startswith(beginning):
                return row
        if row := BY_CODE.get(fault.code):
            return row
        if "throttl" in fault.code.lower():
            return Meaning.THROTTLED, Reason.THROTTLED
        if row := BY_STATUS.get(fault.status):
            return row
        return Meaning.FAILED, Reason.SERVICE_ERROR
    if row := BY_STATUS.get(fault.status):
        return row
    if fault.status in _CLIENT_ERROR:
        return Meaning.FAILED, Reason.SERVICE_ERROR
    return Meaning.IN_DOUBT, Reason.ANSWER_UNCLEAR  # an uncoded 5xx, a redirect, a page with 200


def _outcome(row: Row, fault: Fault, job: EmailJob, configuration_set: str, *, known: bool) -> Outcome:
    meaning, reason = row
    detail = _describe(fault)
    sender = Concern(Concerned.SENDER, job.sender.key)
    match meaning:
        case Meaning.REFUSED:
            return Refused(reason, detail)
        case Meaning.THROTTLED:
            return Throttled(detail)
        case Meaning.ACCOUNT_HELD:
            return Held(Concern(Concerned.ACCOUNT), reason, detail)
        case Meaning.SENDER_HELD:
            return Held(sender, reason, detail)
        case Meaning.SET_HELD:
            return Held(Concern(Concerned.CONFIGURATION_SET, configuration_set), reason, detail)
        case Meaning.FAILED:
            return Failed(reason, detail)
        case Meaning.IN_DOUBT:
            return InDoubt(reason, detail)
        case Meaning.UNREACHABLE:
            return Unreachable(detail)
        case Meaning.UNVERIFIED:
            return _unverified(fault, job, known=known)
        case Meaning.DENIED:
            return _denied(fault, job, known=known)


_LISTED = re.compile(r"in region [A-Za-z0-9-]+:\s*(?P<names>.*)", re.DOTALL)
_NAMED = re.compile(r"(?:\"[^\"]*\"|[^,\"<>]*)\s*<(?P<mailbox>[^<>]*)>")  # SES lists a sender as the request spelled it
_RESOURCE = re.compile(r"on resource:? ?[`']?(?P<arn>arn:[^`'\s]*)")


def _unverified(fault: Fault, job: EmailJob, *, known: bool) -> Outcome:
    """Sender or recipient? SES lists which identities failed; the list may be cut with "..." (aws-facts 1.5.1)."""
    found = _LISTED.search(fault.text[:_MAX_READ])
    listed = _NAMED.sub(lambda name: name["mailbox"], found["names"]) if found else ""
    names = {name.strip(" .\n").lower() for name in listed.split(",")}
    if not _is_of(job.sender.key, names) and any(_is_of(a.key, names) for a in job.recipients):
        return Refused(Reason.SANDBOX_RECIPIENT, "the account is in the sandbox: it may only mail verified addresses")
    detail = "the sender's identity is not verified in this region"
    if known:
        return Held(Concern(Concerned.SENDER, job.sender.key), Reason.UNVERIFIED_SENDER, detail)
    return Refused(Reason.UNVERIFIED_SENDER, detail)


def _denied(fault: Fault, job: EmailJob, *, known: bool) -> Outcome:
    """Read by its resource: an identity of this job concerns the job or its sender, all else the account."""
    found = _RESOURCE.search(fault.text[:_MAX_READ]) if fault.is_coded else None  # a proxy's page may quote one
    kind, _, name = found["arn"].rpartition(":")[2].partition("/") if found else ("", "", "")
    names = {name.lower()}
    if kind == "identity" and _is_of(job.sender.key, names):
        detail = "the key may not send from this sender's identity"
        if known:
            return Held(Concern(Concerned.SENDER, job.sender.key), Reason.ACCESS_DENIED, detail)
        return Refused(Reason.ACCESS_DENIED, detail)
    if kind == "identity" and any(_is_of(a.key, names) for a in job.recipients):
        return Refused(Reason.SANDBOX_RECIPIENT, "in the sandbox the key may not mail this recipient's identity")
    return Held(Concern(Concerned.ACCOUNT), Reason.ACCESS_DENIED, _describe(fault))


def _is_of(mailbox: str, identities: set[str]) -> bool:
    """Whether an address identity or its domain, or a parent domain, is among `identities`."""
    domain = mailbox.rpartition("@")[2]
    parents = {domain.split(".", n)[-1] for n in range(domain.count(".") + 1)}
    return mailbox in identities or not parents.isdisjoint(identities)


_WORD = re.compile(r"[^\s<>,;:\"]+")  # whatever is in one with an @ may be an address
_MAX_READ = 4000  # characters: SES says no more; a portal's page may be a megabyte
_MAX_DETAIL = 300  # characters: a sentence, not a page
_MAX_CODE = 80


def _describe(fault: Fault) -> str:
    """What came, fit for logs: SES quotes addresses in its messages, which no log may hold."""
    text, code = _harmless(fault.text)[:_MAX_DETAIL], _harmless(fault.code)[:_MAX_CODE]
    status = "" if fault.status is None else f"HTTP {fault.status} "
    return f"{status}{code}: {text}".strip(": ")


def _harmless(text: str) -> str:
    printable = "".join(one if one.isprintable() else " " for one in text[:_MAX_READ])
    return _WORD.sub(lambda word: "<address>" if "@" in word[0] else word[0], " ".join(printable.split()))
