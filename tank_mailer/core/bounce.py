"""Which bounce is dead, which is passing, which says nothing (DESIGN 6, aws-facts 3.2 and 3.3).

SES makes its label from what the other server said, and is at times wrong both ways. So label, code and text are
read together, by `RULES` from top to bottom, and the first rule that fits decides. Where they contradict each other,
whatever speaks for a living mailbox wins: a dead one bounces again and tells it more clearly, a customer lost is lost.
"""

import re
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime

from tank_mailer.core.errors import Reason
from tank_mailer.core.status import Status

SOFT_RUN = 5  # DESIGN 6: so many soft bounces in a row suppress
MAX_DIAGNOSTIC = 1000  # characters that are read: a server's reply is some lines, the rest is quoting
_MAX_LABEL = 100  # characters of type, subtype, action and code that are read
_MAX_NAME = 40  # characters of a label that go into a reason text


@dataclass(frozen=True, slots=True)
class BounceFacts:
    """What SES says of one bounced recipient: type and subtype of the bounce, and the recipient's own three.

    Attributes:
        action: `failed`, `delayed`; "" where there was no delivery status notification.
        code: the enhanced status code, such as `5.1.1`; "" where not told.
        diagnostic: the other server's words, such as `smtp; 550 5.1.1 user unknown`.
    """

    type: str
    subtype: str
    action: str = ""
    code: str = ""
    diagnostic: str = field(default="", repr=False)  # names the address


@dataclass(frozen=True, slots=True)
class Judgement:
    """What a bounce or complaint means for its recipient.

    Attributes:
        status: what the recipient's status may rise to; None: it says nothing about the delivery.
        suppresses: the reason text under which the address is suppressed at once; None: it is not.
        counts: a step towards the run of soft bounces that suppresses.
        is_hard: counts in AWS's bounce rate, which goes by SES's label alone (aws-facts 3.2, last column).
    """

    status: Status | None
    reason: Reason
    suppresses: str | None
    counts: bool
    is_hard: bool


@dataclass(frozen=True, slots=True)
class Finding:
    """What a rule finds.

    Attributes:
        is_dead: the address is suppressed at once.
    """

    status: Status | None
    reason: Reason
    is_dead: bool = False
    counts: bool = False


NO_MAILBOX = Finding(Status.HARD_BOUNCED, Reason.HARD_BOUNCE, is_dead=True)
NO_DOMAIN = Finding(Status.HARD_BOUNCED, Reason.HARD_BOUNCE, is_dead=True)
LABELLED_DEAD = Finding(Status.HARD_BOUNCED, Reason.HARD_BOUNCE, is_dead=True)
ON_AWS_LIST = Finding(Status.HARD_BOUNCED, Reason.GLOBALLY_SUPPRESSED, is_dead=True)
ON_OWN_LIST = Finding(Status.HARD_BOUNCED, Reason.ACCOUNT_SUPPRESSED, is_dead=True)
NOT_VALID = Finding(Status.HARD_BOUNCED, Reason.VALIDATION_SUPPRESSED, is_dead=True)
UNSUBSCRIBED = Finding(Status.REJECTED, Reason.UNSUBSCRIBED)
SOFT = Finding(Status.SOFT_BOUNCED, Reason.SOFT_BOUNCE, counts=True)
FULL = Finding(Status.SOFT_BOUNCED, Reason.MAILBOX_FULL, counts=True)
EXPIRED = Finding(Status.SOFT_BOUNCED, Reason.DELIVERY_EXPIRED, counts=True)
OUR_TIMEOUT = Finding(Status.SOFT_BOUNCED, Reason.DELIVERY_EXPIRED)
TOO_LARGE = Finding(Status.SOFT_BOUNCED, Reason.MESSAGE_TOO_LARGE)
CONTENT = Finding(Status.SOFT_BOUNCED, Reason.CONTENT_BLOCKED)
POLICY = Finding(Status.SOFT_BOUNCED, Reason.POLICY_BLOCKED)
UNKNOWN_TYPE = Finding(Status.SOFT_BOUNCED, Reason.UNKNOWN_EVENT)
STILL_TRYING = Finding(Status.DELAYED, Reason.DELAYED)
ARRIVED = Finding(None, Reason.AUTO_REPLY)


@dataclass(frozen=True, slots=True, kw_only=True)
class Rule:
    """One line of the table: fits if all of its conditions do; a condition left out fits anything.

    Attributes:
        why: reason or source.
        types: of these bounce types; `subtypes` and `actions` likewise.
        code: the enhanced status code is wholly this.
        inner: among all codes in the diagnostic is this one.
        grades: how final it is by code and reply: `4`, `5`, or `-` where no number tells.
        says: the text holds this.
        unless: the text holds none of this.
    """

    finding: Finding
    why: str
    types: frozenset[str] = frozenset()
    subtypes: frozenset[str] = frozenset()
    actions: frozenset[str] = frozenset()
    code: re.Pattern[str] | None = None
    inner: re.Pattern[str] | None = None
    grades: str = "45-"
    says: re.Pattern[str] | None = None
    unless: re.Pattern[str] | None = None


def _any(*phrases: str) -> re.Pattern[str]:
    return re.compile("|".join(phrases), re.ASCII)


def _labels(*names: str) -> frozenset[str]:
    return frozenset(name.lower() for name in names)


NEW = "*"  # stands for a label that the table does not know
PASSING = _labels("Transient", "Undetermined")
FINAL, NOT_PASSING, UNTOLD = "5", "5-", "-"

# --- phrases -----------------------------------------------------------------------------------------
# Over the text as `_plain` leaves it: lower case, without addresses, numbers of replies and codes. Gaps are bounded.

_WHO = r"(?:user|recipient|mailbox|mail ?drop|inbox|account|address|addressee|alias|person|local[ -]?part)"
_GAP = r"(?:[^.;:]|\.(?=\w)){0,40}?"  # words up to the end of the sentence

BLOCKLIST = _any(  # proves that the server judged us and never looked at the mailbox
    r"spamhaus|spamcop|\bsorbs\b|abusix|uceprotect|invaluement|\bsurbl|\buribl|mailspike|abuseat|\bcbl\b|dnsbl|\brbls?\b",
    r"senderscore|senderbase|talosintel|cloudmark|ipcheck\.proofpoint|barracuda ?reputation|barracudanetworks\.com/rep",
    r"black ?-?list|block ?-?list|deny ?-?list|\bbanned\b|\(bl\)|block(?:ed)? (?:using|by)\b|reputation",
    rf"\b(?:ip|host|server|network|domain|senders?)\b{_GAP}(?:blocked|is listed)",
    r"\b(?:your|sending|sender|invalid) ip\b",
)
AUTHENTICATION = _any(
    r"\b(?:spf|dkim|dmarc|fcrdns|rdns|ptr|helo|ehlo)\b|reverse (?:dns|hostname)|your (?:reverse )?hostname",
    r"unauthenticated|not authenticated|authentication (?:required|level|fail|check)|tls (?:is )?required",
    r"sender(?:'s)? (?:address |email )?(?:rejected|denied|refused|not\b|is not|verif|domain)|sendernotauth",
    r"of (?:the )?sender|sender(?:'s)? address|verification failed for|bad (?:outbound )?sender",
    r"sending domain|client host rejected|envelope (?:blocked|reject)",
)
RELAY = _any(
    r"relay(?:ing)? (?:access |is |was )?(?:denied|not|prohibit|disabled|disallow|reject)|(?:to|not|don't) relay\b",
    r"no relaying|rcpthosts",
)
RATE = _any(
    r"gr[ea]y ?-?list|rate[ -]?limit|throttl|unusual rate|at a rate\b|receivingrate|exceeding rate",
    r"too many (?:connections?|concurrent|sessions?|errors?|recipients|invalid|unknown|(?:mails?|messages) from)",
    r"excessive (?:volume|rate)|too (?:quickly|fast)|sending (?:quota|limit|rate)",
    r"(?:temporarily|permanently) deferred|\[(?:tss|ph)\d+\]|server (?:is )?(?:too )?busy",
)
OVER_QUOTA = _any(
    r"over ?-?(?:\w+ )?quota|quota(?: \w+)? (?:exceed|reached)|exceed\w* (?:[\w/]+ ){0,3}(?:quota|storage)",
    r"(?:mailbox|inbox|mail ?drop|folder|disk|recipient storage|account|postfach)(?: \w+){0,3} (?:full|voll)\b",
    rf"(?:mailbox|inbox|account)\b{_GAP}exceed|quotaexceeded|out of storage|exhausted allowed storage",
    r"too many messages on the server|(?:insufficient|not enough) (?:disk|system|storage|mailbox)",
)
OVERSIZE = _any(
    rf"(?:message|mail|size)\b{_GAP}too (?:large|big|long)|larger than|maximum (?:message )?size",
    rf"size (?:limit )?exceed|(?:message|mail|size)\b{_GAP}exceed\w*{_GAP}(?:size|limit|maxim)",
)
OUT_OF_TIME = _any(
    r"message expired|delivery (?:time )?expired|message too old|unable to deliver in|retry time(?:out)? exceeded"
)
NOT_THERE = _any(
    rf"(?:unknown|invalid|no such|non-?existent|bad destination) (?:or \w+ )?(?:virtual |local |e-?mail )?{_WHO}",
    rf"{_WHO}(?: \S{{1,64}})? ?:? (?:is |was )?(?:unknown|not known|not found|non-?existent|unrouteable)",
    rf"{_WHO}\b{_GAP}(?:does|do|did)(?: not|n't) exist|{_WHO}\b{_GAP}no longer (?:on|exists?)\b|not our customer",
    r"no (?:mailbox|account|user|one) (?:here|with|by)\b|doesn't have an? \S{1,64} account|not listed in domino",
    rf"not an? (?:valid|known|local|existing) {_WHO}|recip\w{{0,5}}notfound|unroute?able address",
    rf"{_WHO}\b{_GAP}could(?: not|n't) be found",
    r"benutzer nicht bekannt|empf\S{1,2}nger unbekannt|utilisateur inconnu|destinataire in(?:connu|valide)",
    r"usuario (?:desconocido|no existe)|utente sconosciuto",
)
SHUT = _any(
    rf"{_WHO}\b{_GAP}(?:disabled|de-?activated|inactiv|closed|discontinued|terminated|deleted|cancell?ed)",
    rf"{_WHO}\b{_GAP}no longer (?:active|valid|available|accept|in use|used)",
    rf"(?:inactive|disabled|de-?activated|closed) {_WHO}",
)
GONE = _any(NOT_THERE.pattern, SHUT.pattern)
NO_HOST = _any(
    r"(?:invalid|unknown|no such|bad destination) (?:domain|host|system)|(?:host|domain) (?:is )?unknown|nxdomain",
    rf"(?:domain|host)\b{_GAP}(?:does(?: not|n't) exist|not found|non-?existent)|nonexistentdomain|domainnonexistent",
    rf"\bno (?:valid )?mx\b|null ?mx|find any host|dns hard error|domain\b{_GAP}(?:not accept|accepts no) (?:e-?)?mail",
)
UNAVAILABLE = _any(rf"{_WHO} (?:is |currently )?(?:unavailable|not available)")
REFUSED = _any(r"(?:recipient|mailbox)(?: address)?(?: is)? (?:rejected|denied|refused|not accepted)")
BY_CONTENT = _any(
    r"spam|unsolicited|filtered|virus|malware|phish|content|attachment|\bbulk\b|message (?:looks|appears) like"
)
BY_POLICY = _any(r"polic(?:y|ies)|\bblocked\b|prohibit|abuse|complaints?\b|mail rejet|access denied|not author")
BY_REFUSAL = _any(
    r"denied|(?<!connection )refused|permission|not (?:allowed|permitted)|restrict|(?:mail|message) rejected"
)
HINT_AT_US = _any(BLOCKLIST.pattern, BY_CONTENT.pattern, BY_POLICY.pattern, BY_REFUSAL.pattern)
FOR_NOW = _any(r"temporar|try(?:ing)? (?:again|later)|at this time|right now")
AWAY = _any(
    r"out of (?:the |my )?office|auto(?:mat\w{0,5})?[ -]?(?:reply|respon|antwort)|vacation (?:message|reply)",
    r"on (?:vacation|holiday)|on (?:annual )?leave\b|abwesenheit",
)
SILENCE = re.compile(r"\A\Z")

# --- the table ---------------------------------------------------------------------------------------

RULES: tuple[Rule, ...] = (
    # What is no failure at all.
    Rule(finding=STILL_TRYING, actions=_labels("delayed"), why="RFC 3464: not given up; aws-facts 3.2: not dead"),
    Rule(finding=ARRIVED, actions=_labels("delivered", "relayed", "expanded"), why="RFC 3464: it went on its way"),
    Rule(finding=UNKNOWN_TYPE, types=_labels(NEW), why="aws-facts 3.2: kept, not suppressed"),
    # What SES knows by itself: no server was asked.
    Rule(finding=ON_AWS_LIST, types=_labels("Permanent"), subtypes=_labels("Suppressed"), why="aws-facts 3.2"),
    Rule(
        finding=ON_OWN_LIST,
        types=_labels("Permanent"),
        subtypes=_labels("OnAccountSuppressionList", "OnTenantSuppressionList"),
        why="aws-facts 3.2: mirrored, for SES delivers nothing to it. We know no tenants",
    ),
    Rule(
        finding=NOT_VALID,
        types=_labels("Permanent"),
        subtypes=_labels("EmailValidationSuppressed"),
        why="aws-facts 3.2: SES refuses it each time",
    ),
    Rule(
        finding=UNSUBSCRIBED,
        types=_labels("Permanent"),
        subtypes=_labels("UnsubscribedRecipient"),
        why="aws-facts 3.2: left one list; no bad address, and a code or an alarm must still reach it",
    ),
    Rule(finding=LABELLED_DEAD, types=_labels("Permanent"), subtypes=_labels("NoEmail"), why="aws-facts 3.2"),
    # A label that names its cause is only overruled where code and text agree.
    Rule(
        finding=NO_MAILBOX,
        subtypes=_labels("MailboxFull", "MessageTooLarge", "CustomTimeoutExceeded", "ContentRejected"),
        code=_any(r"5\.1\.(?:1|10)"),
        grades=FINAL,
        says=NOT_THERE,
        unless=HINT_AT_US,
        why="RFC 3463: x.1.1; the label contradicts both",
    ),
    Rule(
        finding=FULL,
        subtypes=_labels("MailboxFull"),
        why="a person may empty it; a run of five ends it",
    ),
    Rule(finding=TOO_LARGE, subtypes=_labels("MessageTooLarge"), why="aws-facts 3.2: the mail, not the address"),
    Rule(
        finding=CONTENT,
        subtypes=_labels("ContentRejected", "AttachmentRejected"),
        why="aws-facts 3.2: the mail, not the address",
    ),
    Rule(
        finding=OUR_TIMEOUT,
        subtypes=_labels("CustomTimeoutExceeded"),
        why="our own MaxDeliverySeconds, 5 minutes at the least: five mails during one outage are no dead mailbox",
    ),
    Rule(
        finding=LABELLED_DEAD,
        types=_labels("Permanent"),
        subtypes=_labels(NEW),
        why="aws-facts 3.2: a subtype of Permanent that is new suppresses",
    ),
    Rule(finding=ARRIVED, types=PASSING, grades=UNTOLD, says=AWAY, why="aws-facts 3.2: out of office"),
    # General: the other server speaks. First what it says of us, whatever its code.
    Rule(
        finding=POLICY,
        says=BLOCKLIST,
        why="a 5.1.1 with a blocklist in it: the mailbox was never looked at",
    ),
    Rule(finding=POLICY, says=AUTHENTICATION, why="the sender's domain, signature or host; may quote its unknown user"),
    Rule(finding=POLICY, says=RELAY, why="the server does not take the domain: its set-up, or ours"),
    Rule(finding=POLICY, says=RATE, why="greylisting and rate limits go by sender and hour"),
    Rule(finding=POLICY, code=_any(r"[45]\.1\.[78]"), why="RFC 3463: the sender's address"),
    # Then what is passing by its nature.
    Rule(finding=TOO_LARGE, code=_any(r"[45]\.(?:2\.3|3\.4)"), why="RFC 3463: length exceeds a limit"),
    Rule(
        finding=FULL,
        code=_any(r"[45]\.2\.2"),
        why="also under Permanent: five at most reach AWS's rate; where AWS lists it, that is mirrored anyway",
    ),
    Rule(finding=FULL, says=OVER_QUOTA, why="as above, without the code"),
    Rule(finding=TOO_LARGE, says=OVERSIZE, why="RFC 5321: 552"),
    Rule(
        finding=POLICY,
        inner=_any(r"4\.7\.\d+"),
        why="expired, and what SES heard last was policy: 4.4.7 ... <421 4.7.0 ...>",
    ),
    Rule(finding=EXPIRED, code=_any(r"[45]\.4\.7"), why="RFC 3463: SES has tried for 14 hours (aws-facts 3.2)"),
    Rule(finding=EXPIRED, says=OUT_OF_TIME, why="as above, without the code"),
    # Then the dead, by the words: they are plainer than codes, which many servers set to 5.0.0, 5.5.0 or 5.7.1.
    Rule(
        finding=NO_MAILBOX,
        code=_any(r"5\.7\.\d+"),
        grades=NOT_PASSING,
        says=GONE,
        unless=HINT_AT_US,
        why="gateways say 5.7.1 User unknown; with denied, policy or spam beside it it stays a policy",
    ),
    Rule(finding=POLICY, code=_any(r"[45]\.7\.\d+"), unless=BY_CONTENT, why="RFC 3463: x.7.z is security or policy"),
    Rule(finding=CONTENT, code=_any(r"[45]\.(?:6|7)\.\d+"), why="RFC 3463: x.6.z is the mail's form; spam as x.7.1"),
    Rule(finding=NO_DOMAIN, grades=NOT_PASSING, says=NO_HOST, unless=FOR_NOW, why="SES: 550 5.4.4 Invalid domain"),
    Rule(
        finding=NO_MAILBOX,
        grades=NOT_PASSING,
        says=NOT_THERE,
        unless=FOR_NOW,
        why="DESIGN 6: a 550 under Transient is a dead mailbox",
    ),
    Rule(finding=NO_MAILBOX, grades=NOT_PASSING, says=SHUT, unless=FOR_NOW, why="RFC 3463 x.2.1: disabled"),
    Rule(
        finding=NO_MAILBOX,
        code=_any(r"5\.4\.1"),
        grades=FINAL,
        says=REFUSED,
        why="Exchange Online: 5.4.1 Recipient address rejected: Access denied, not in the directory",
    ),
    # Then the mail and the sender, by weaker words.
    Rule(finding=CONTENT, says=BY_CONTENT, why="the mail's content, not the address"),
    Rule(finding=POLICY, says=BY_POLICY, why="the sender, not the address"),
    # Then the dead, by the code alone.
    Rule(
        finding=NO_DOMAIN,
        code=_any(r"5\.(?:1\.2|4\.4|4\.310)"),
        grades=FINAL,
        why="RFC 3463: bad destination system, unable to route; Exchange Online: 5.4.310",
    ),
    Rule(
        finding=NO_MAILBOX,
        code=_any(r"5\.(?:1\.(?:1|3|6|10)|2\.1)"),
        grades=FINAL,
        unless=FOR_NOW,
        why="RFC 3463; 5.1.10: RFC 7505 and Exchange. 5.1.0 says nothing without words: some mean the sender",
    ),
    Rule(finding=NO_MAILBOX, grades=FINAL, says=UNAVAILABLE, unless=FOR_NOW, why="RFC 5321: 550, but not 450"),
    Rule(finding=NO_MAILBOX, grades=FINAL, says=REFUSED, unless=FOR_NOW, why="RFC 5321: 550 to RCPT, no policy named"),
    # What is left goes by its label.
    Rule(finding=POLICY, types=PASSING, says=BY_REFUSAL, why="refused without a word on the address"),
    Rule(
        finding=ARRIVED,
        types=_labels("Transient"),
        subtypes=_labels("General", ""),
        actions=_labels(""),
        code=_any(""),
        says=SILENCE,
        why="aws-facts 3.2 and 6: an out-of-office reply is no delivery status notification, so nothing is told",
    ),
    Rule(finding=SOFT, types=PASSING, why="aws-facts 3.2: repeats count"),
    Rule(finding=LABELLED_DEAD, types=_labels("Permanent"), why="aws-facts 3.2"),
)

_TYPES = frozenset[str]().union(*(rule.types for rule in RULES))
_SUBTYPES = frozenset[str]().union(*(rule.subtypes for rule in RULES), _labels("Undetermined"))

# --- reading the facts -------------------------------------------------------------------------------

_CODE = re.compile(r"(?<![\w.])[45]\.[0-7]\.\d{1,3}(?!\d|\.\d)", re.ASCII)  # no IP address, no version number
_REPLY = re.compile(r"(?<![\w.])[45]\d\d(?!\w|\.\d)", re.ASCII)
_ADDRESS = re.compile(r"(?<![^\s<>()\[\]:;,\"'=])[^\s<>()\[\]:;,\"'@=]*+@[^\s<>()\[\]:;,\"']*")
_SERVER = re.compile(r"(?<![\w.-])[\w.-]++\[[\da-f.:]+\]")  # mx.example.org[192.0.2.1]: its name is no verdict
_NOISE = re.compile(r"^[\w-]{1,20};|[<>]|unknown address error")  # the last: IronPort's heading of any refusal


@dataclass(frozen=True, slots=True)
class _Evidence:
    type: str
    subtype: str
    action: str
    code: str
    inner: tuple[str, ...]
    grade: str
    text: str


def _read(facts: BounceFacts) -> _Evidence:
    words = facts.diagnostic[:MAX_DIAGNOSTIC].lower().replace("\N{RIGHT SINGLE QUOTATION MARK}", "'")
    words = _SERVER.sub(" ", _ADDRESS.sub(" ", words))
    told, inner = _CODE.findall(facts.code[:_MAX_LABEL])[:1], tuple(_CODE.findall(words))
    codes = (*told, *inner)
    code = next((one for one in codes if not one.endswith(".0")), codes[0] if codes else "")  # x.y.0: "other"
    classes = {one[0] for one in (*told, code, *_REPLY.findall(_CODE.sub(" ", words))[:1]) if one}
    return _Evidence(
        type=_known(facts.type, _TYPES),
        subtype=_known(facts.subtype, _SUBTYPES),
        action=_label(facts.action),
        code=code,
        inner=inner,
        grade=min(classes, default=UNTOLD),  # a 4 beside a 5: not final
        text=_plain(words),
    )


def _plain(words: str) -> str:
    """Leave the sentence: continued lines of one reply (`550-5.1.1 no such 550 5.1.1 user`) become one."""
    words = _REPLY.sub(" ", _CODE.sub(" ", words))
    return " ".join(_NOISE.sub(" ", words).replace(" - ", " ").split())


def _label(text: str) -> str:
    return text[:_MAX_LABEL].strip().lower()


def _known(text: str, labels: frozenset[str]) -> str:
    label = _label(text)
    return label if label in labels else NEW


def _fits(rule: Rule, seen: _Evidence) -> bool:
    return (
        (not rule.types or seen.type in rule.types)
        and (not rule.subtypes or seen.subtype in rule.subtypes)
        and (not rule.actions or seen.action in rule.actions)
        and (rule.code is None or rule.code.fullmatch(seen.code) is not None)
        and (rule.inner is None or any(rule.inner.fullmatch(code) for code in seen.inner))
        and seen.grade in rule.grades
        and (rule.says is None or rule.says.search(seen.text) is not None)
        and (rule.unless is None or rule.unless.search(seen.text) is None)
    )


def _named(label: str) -> str:
    """Leave of a label what may stand in a reason text."""
    return re.sub(r"[^A-Za-z0-9_-]", "", label[:_MAX_LABEL])[:_MAX_NAME] or "unknown"


# --- judging -----------------------------------------------------------------------------------------

_NOT_IN_BOUNCE_RATE = _labels(  # aws-facts 3.2, last column
    "OnAccountSuppressionList", "OnTenantSuppressionList", "EmailValidationSuppressed", "UnsubscribedRecipient"
)
_ON_LIST = _labels("OnAccountSuppressionList", "OnTenantSuppressionList")


def judge_bounce(facts: BounceFacts) -> Judgement:
    """Judge one recipient of a bounce; never raises, whatever the facts are."""
    seen = _read(facts)
    found = next(rule.finding for rule in RULES if _fits(rule, seen))  # the last ones take what is left
    is_permanent = seen.type == "permanent"
    is_new = is_permanent and seen.subtype == NEW  # aws-facts 3.2: under its own name, so that it can be looked at
    suppresses = f"permanent/{_named(facts.subtype)}" if is_new else found.reason.value
    has_bounced = found not in {STILL_TRYING, ARRIVED}
    return Judgement(
        status=found.status,
        reason=found.reason,
        suppresses=suppresses if found.is_dead else None,
        counts=found.counts,
        is_hard=is_permanent and has_bounced and seen.subtype not in _NOT_IN_BOUNCE_RATE,
    )


def judge_complaint(feedback_type: str, subtype: str) -> Judgement:
    """Judge one recipient of a complaint (aws-facts 3.3); both texts may be "", which is an ordinary complaint."""
    kind = _label(feedback_type)
    if _label(subtype) in _ON_LIST:  # SES delivered nothing: nobody has complained of this mail
        return _told(Status.REJECTED, Reason.ACCOUNT_SUPPRESSED, suppresses=True)
    if kind == "not-spam":  # the opposite of a complaint
        return _told(None, Reason.NOT_SPAM)
    if kind == "auth-failure":  # about our signing; it says nothing of the recipient
        return _told(None, Reason.POLICY_BLOCKED)
    return _told(Status.COMPLAINED, Reason.COMPLAINT, suppresses=True)


def _told(status: Status | None, reason: Reason, *, suppresses: bool = False) -> Judgement:
    text = reason.value if suppresses else None
    return Judgement(status=status, reason=reason, suppresses=text, counts=False, is_hard=False)


# --- the run of soft bounces -------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Passed:
    """One thing that happened to an address: a delivery, or a soft bounce that counts."""

    at: datetime
    ses_message_id: str
    is_delivery: bool


def soft_run(history: Sequence[Passed]) -> int:
    """Count the different mails in a row that soft-bounced up to now, with no delivery between; in any order.

    A delivery of a mail that itself bounced is none: the server took it and gave it back (aws-facts 3.4). A bounce at
    the very time of a delivery does not count.
    """
    bounced = {one.ses_message_id for one in history if not one.is_delivery}
    delivered_at = max(
        (one.at for one in history if one.is_delivery and one.ses_message_id not in bounced), default=None
    )
    return len(
        {
            one.ses_message_id
            for one in history
            if not one.is_delivery and (delivered_at is None or one.at > delivered_at)
        }
    )
