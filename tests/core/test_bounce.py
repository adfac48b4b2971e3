"""The rules of bounces and complaints (DESIGN 6, aws-facts 3.2 and 3.3), each with real-shaped cases."""

import re
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tank_mailer.core import bounce
from tank_mailer.core.bounce import (
    MAX_DIAGNOSTIC,
    RULES,
    SOFT_RUN,
    BounceFacts,
    Judgement,
    Passed,
    judge_bounce,
    judge_complaint,
    soft_run,
)
from tank_mailer.core.errors import Reason
from tank_mailer.core.status import Status

Row = tuple[BounceFacts, Judgement]


def said(diagnostic: str, code: str = "", *, label: str = "Transient/General", action: str = "failed") -> BounceFacts:
    """What SES publishes: a label, and of the recipient the other server's words."""
    kind, _, subkind = label.partition("/")
    return BounceFacts(kind, subkind, action, code, diagnostic)


def dead(suppresses: str = "hard_bounce", reason: Reason = Reason.HARD_BOUNCE, *, hard: bool = False) -> Judgement:
    return Judgement(Status.HARD_BOUNCED, reason, suppresses, counts=False, is_hard=hard)


def soft(reason: Reason, *, counts: bool = False, hard: bool = False) -> Judgement:
    return Judgement(Status.SOFT_BOUNCED, reason, None, counts=counts, is_hard=hard)


MAILBOX = dead()
DOMAIN = dead("hard_bounce")
PERMANENT = dead("hard_bounce", hard=True)
COUNTS = soft(Reason.SOFT_BOUNCE, counts=True)
FULL = soft(Reason.MAILBOX_FULL, counts=True)
EXPIRED = soft(Reason.DELIVERY_EXPIRED, counts=True)
TOO_LARGE = soft(Reason.MESSAGE_TOO_LARGE)
CONTENT = soft(Reason.CONTENT_BLOCKED)
POLICY = soft(Reason.POLICY_BLOCKED)
ARRIVED = Judgement(None, Reason.AUTO_REPLY, None, counts=False, is_hard=False)
HARD_LABEL = "Permanent/General"

BY_LABEL = [
    pytest.param(
        said("smtp; 550 5.1.1 user unknown", "5.1.1", label=HARD_LABEL), PERMANENT, id="permanent-general-suppresses"
    ),
    pytest.param(said("", "", label=HARD_LABEL, action=""), PERMANENT, id="permanent-without-a-word-suppresses"),
    pytest.param(
        said("smtp; 550 xyzzy", "5.0.0", label=HARD_LABEL), PERMANENT, id="permanent-with-odd-words-suppresses"
    ),
    pytest.param(
        said("smtp; 550 5.4.4 Invalid domain", "5.4.4", label=HARD_LABEL), PERMANENT, id="permanent-names-its-own-label"
    ),
    pytest.param(
        said("smtp; 550 5.1.1 no such user", "5.1.1", label="PERMANENT/GENERAL"),
        dead("hard_bounce", hard=True),
        id="labels-are-read-in-any-case",
    ),
    pytest.param(
        said("", label="Permanent/NoEmail", action=""), dead("hard_bounce", hard=True), id="no-email-suppresses"
    ),
    pytest.param(
        said(
            "Amazon SES did not send: this address is known to bounce, see the suppression list",
            "5.1.1",
            label="Permanent/Suppressed",
        ),
        dead("globally_suppressed", Reason.GLOBALLY_SUPPRESSED, hard=True),
        id="aws-global-list-suppresses-and-is-hard",
    ),
    pytest.param(
        said(
            "Amazon SES did not send the message to this address: it is on the suppression list of your account",
            "5.1.1",
            label="Permanent/OnAccountSuppressionList",
        ),
        dead("account_suppressed", Reason.ACCOUNT_SUPPRESSED),
        id="account-list-is-mirrored-and-not-in-the-bounce-rate",
    ),
    pytest.param(
        said("", label="Permanent/OnTenantSuppressionList"),
        dead("account_suppressed", Reason.ACCOUNT_SUPPRESSED),
        id="tenant-list-is-mirrored-and-not-in-the-bounce-rate",
    ),
    pytest.param(
        said("", label="Permanent/EmailValidationSuppressed"),
        dead("validation_suppressed", Reason.VALIDATION_SUPPRESSED),
        id="validation-suppresses-with-its-own-reason",
    ),
    pytest.param(
        said("", label="Permanent/UnsubscribedRecipient"),
        Judgement(Status.REJECTED, Reason.UNSUBSCRIBED, None, counts=False, is_hard=False),
        id="an-unsubscribed-contact-still-gets-codes-and-alarms",
    ),
    pytest.param(
        said("smtp; 554 5.7.1 spam", "5.7.1", label="Permanent/Brand New!\n"),
        dead("permanent/BrandNew", hard=True),
        id="a-new-subtype-of-permanent-suppresses-under-its-cleaned-name",
    ),
    pytest.param(
        said("", label="Permanent/" + "n" * 500), dead("permanent/" + "n" * 40, hard=True), id="a-long-subtype-is-cut"
    ),
    pytest.param(
        said("", label="Permanent/\N{SNOWMAN}"), dead("permanent/unknown", hard=True), id="a-subtype-of-no-letters"
    ),
    pytest.param(
        said("smtp; 450 4.0.0 later", "4.0.0", label=HARD_LABEL, action="delayed"),
        Judgement(Status.DELAYED, Reason.DELAYED, None, counts=False, is_hard=False),
        id="a-delayed-recipient-is-not-dead-whatever-the-label",
    ),
    pytest.param(
        said("", "2.0.0", label=HARD_LABEL, action="relayed"), ARRIVED, id="a-relayed-recipient-did-not-bounce"
    ),
    pytest.param(
        said("smtp; 550 5.1.1 user unknown", "5.1.1", label="Curious/General"),
        soft(Reason.UNKNOWN_EVENT),
        id="an-unknown-type-is-kept-and-never-suppresses",
    ),
    pytest.param(said("", label="/", action=""), soft(Reason.UNKNOWN_EVENT), id="no-type-at-all-is-an-unknown-type"),
    pytest.param(said("", label="Undetermined/Undetermined", action=""), COUNTS, id="undetermined-counts"),
    pytest.param(
        said("smtp; 550 5.4.4 Invalid domain", "5.4.4", label="Undetermined/Undetermined"),
        DOMAIN,
        id="undetermined-with-a-plain-reply-is-read",
    ),
    pytest.param(said("", label="Transient/MailboxFull", action=""), FULL, id="mailbox-full-counts"),
    pytest.param(said("", label="Transient/MessageTooLarge"), TOO_LARGE, id="size-never-counts"),
    pytest.param(said("", label="Transient/ContentRejected"), CONTENT, id="content-never-counts"),
    pytest.param(said("", label="Transient/AttachmentRejected"), CONTENT, id="attachment-never-counts"),
    pytest.param(
        said(
            "smtp; 550 4.4.7 Message expired: unable to deliver in 5 minutes",
            "4.4.7",
            label="Transient/CustomTimeoutExceeded",
        ),
        soft(Reason.DELIVERY_EXPIRED),
        id="our-own-deadline-never-counts",
    ),
    pytest.param(said("", label="Transient/SomethingNew"), COUNTS, id="a-new-subtype-of-transient-is-soft"),
    pytest.param(
        said("smtp; 550 5.1.1 <ann@example.org> user unknown", "5.1.1", label="Transient/ContentRejected"),
        MAILBOX,
        id="a-named-cause-is-overruled-by-code-and-words-together",
    ),
    pytest.param(
        said("smtp; 550 5.1.1 rejected by content filter", "5.1.1", label="Transient/ContentRejected"),
        CONTENT,
        id="a-named-cause-is-not-overruled-by-a-code-alone",
    ),
    pytest.param(
        said(
            "smtp; 550 4.4.7 Message expired: unable to deliver in 840 minutes", "4.4.7", label="Transient/MailboxFull"
        ),
        FULL,
        id="expired-because-full-is-full",
    ),
    pytest.param(
        said("smtp; 550 5.7.1 blocked", "5.7.1", label="Permanent/NoEmail"),
        dead("hard_bounce", hard=True),
        id="what-ses-read-from-the-bounce-mail-is-not-read-again",
    ),
    pytest.param(
        said("smtp; 550 user unknown", "", label="Transient/MailboxFull"),
        FULL,
        id="words-alone-overrule-no-named-cause",
    ),
    pytest.param(
        said("smtp; 450 user unknown", "5.1.1", label="Transient/MailboxFull"), FULL, id="nor-does-what-is-not-final"
    ),
    pytest.param(
        said("smtp; 550 5.1.1 user unknown or spam", "5.1.1", label="Transient/ContentRejected"),
        CONTENT,
        id="nor-what-also-speaks-of-spam",
    ),
    pytest.param(said("", "5.1.1", label="Transient/MailboxFull"), FULL, id="nor-a-bare-5-1-1"),
    pytest.param(
        said("Automatic reply: on holiday", label=HARD_LABEL, action=""),
        PERMANENT,
        id="a-permanent-bounce-is-no-auto-reply",
    ),
    *(
        pytest.param(said("", label=f"Transient/{name}"), COUNTS, id=f"{name}-under-transient-is-no-list")
        for name in ("Suppressed", "OnAccountSuppressionList", "EmailValidationSuppressed", "UnsubscribedRecipient")
    ),
    pytest.param(said("", label="Transient/NoEmail"), COUNTS, id="no-email-under-transient-is-soft"),
]

DEAD_MAILBOXES = [
    pytest.param(said("smtp; 550 5.1.1 user unknown", "5.1.1"), MAILBOX, id="simulator-shape"),
    pytest.param(
        said(
            "smtp; 550-5.1.1 The email account that you tried to reach does not exist. Please\n550-5.1.1 try"
            " double-checking the recipient's email address for typos. 550 5.1.1 - gsmtp",
            "5.1.1",
        ),
        MAILBOX,
        id="gmail-does-not-exist",
    ),
    pytest.param(
        said("smtp; 550-5.1.1 The email account that you tried to\n550-5.1.1 reach does not exist. - gsmtp", ""),
        MAILBOX,
        id="gmail-code-only-in-the-words",
    ),
    pytest.param(
        said("smtp; 550-5.2.1 The email account that you tried to reach is disabled. Learn more at - gsmtp", "5.2.1"),
        MAILBOX,
        id="gmail-disabled",
    ),
    pytest.param(
        said(
            "smtp; 550 5.1.10 RESOLVER.ADR.RecipientNotFound; Recipient ann@example.org not found by address lookup",
            "5.1.10",
        ),
        MAILBOX,
        id="exchange-online-recipient-not-found",
    ),
    pytest.param(said("smtp;550 5.1.1 RESOLVER.ADR.RecipNotFound; not found", "5.1.1"), MAILBOX, id="exchange-on-site"),
    pytest.param(
        said("smtp; 550 5.5.0 Requested action not taken: mailbox unavailable (S2017062302).", "5.5.0"),
        MAILBOX,
        id="outlook-com-5-5-0-mailbox-unavailable",
    ),
    pytest.param(
        said("smtp; 550 5.4.1 Recipient address rejected: Access denied. AS(201806281) [mx.example.org]", "5.4.1"),
        MAILBOX,
        id="exchange-online-directory-edge-5-4-1",
    ),
    pytest.param(
        said(
            "smtp; 554 delivery error: dd This user doesn't have a yahoo.com account (ann@example.org) [-5]",
            "5.0.0",
        ),
        MAILBOX,
        id="yahoo-no-account",
    ),
    pytest.param(
        said(
            "smtp; 554 30 Sorry, your message to ann@example.org is undeliverable. This mailbox is disabled (554.30)",
            "5.0.0",
        ),
        MAILBOX,
        id="yahoo-disabled",
    ),
    pytest.param(
        said("smtp; 552 1 Requested mail action aborted, mailbox not found", "5.0.0"), MAILBOX, id="yahoo-552-not-found"
    ),
    pytest.param(said("smtp; 550 5.1.1 <ann@example.org>: user does not exist", "5.1.1"), MAILBOX, id="icloud"),
    pytest.param(
        said("smtp; 550 5.1.6 recipient no longer on server: ann@example.org", "5.1.6"), MAILBOX, id="icloud-moved-out"
    ),
    pytest.param(
        said("smtp; 550 <ann@example.org> Requested action not taken: mailbox unavailable", "5.0.0"),
        MAILBOX,
        id="gmx-mailbox-unavailable",
    ),
    pytest.param(said("smtp; 550 Benutzer nicht bekannt/User unknown", ""), MAILBOX, id="web-de-in-two-languages"),
    pytest.param(
        said(
            "smtp; 550 5.1.1 <ann@example.org>: Recipient address rejected: User unknown in virtual mailbox table", ""
        ),
        MAILBOX,
        id="postfix-virtual-table",
    ),
    pytest.param(
        said(
            "smtp; 550 5.1.1 <ann@example.org>: Recipient address rejected: User unknown in relay recipient table", ""
        ),
        MAILBOX,
        id="postfix-relay-table-is-no-relay-refusal",
    ),
    pytest.param(
        said("smtp; 550 5.1.1 <ann@example.org>: Recipient address rejected: example.org", "5.1.1"),
        MAILBOX,
        id="postfix-code-without-plain-words",
    ),
    pytest.param(said("smtp; 550 Unrouteable address", "5.0.0"), MAILBOX, id="exim-unrouteable"),
    pytest.param(said("smtp; 550 No Such User Here", "5.0.0"), MAILBOX, id="exim-no-such-user"),
    pytest.param(
        said("smtp; 550 sorry, no mailbox here by that name. (#5.1.1 - chkuser)", "5.0.0"), MAILBOX, id="qmail-chkuser"
    ),
    pytest.param(
        said("smtp; 550 cuda_nsu 5.1.1 <ann@example.org>: Recipient address rejected: User unknown", "5.0.0"),
        MAILBOX,
        id="barracuda-user-unknown",
    ),
    pytest.param(
        said("smtp; 550 Invalid Recipient - https://community.example.com/docs#550", "5.0.0"), MAILBOX, id="mimecast"
    ),
    pytest.param(
        said("smtp; 550 5.1.1 <ann@example.org>... User Unknown", "5.1.1"), MAILBOX, id="proofpoint-user-unknown"
    ),
    pytest.param(
        said("smtp; 550 5.2.1 This mailbox has been blocked due to inactivity (UserSearch)", "5.2.1"),
        MAILBOX,
        id="blocked-by-inactivity-is-no-block",
    ),
    pytest.param(said("smtp; 550 5.1.1 Not our Customer", "5.1.1"), MAILBOX, id="comcast"),
    pytest.param(
        said("smtp; 550 5.1.1 Adresse d au moins un destinataire invalide. OFR_416", "5.1.1"),
        MAILBOX,
        id="orange-french",
    ),
    pytest.param(
        said("smtp; 550 5.2.1 <ann@example.org>... Addressee unknown, relay=[192.0.2.1]", "5.2.1"),
        MAILBOX,
        id="att-relay-equals-is-no-relay-refusal",
    ),
    pytest.param(
        said("smtp; 550 user ann@example.org not listed in Domino Directory", "5.0.0"), MAILBOX, id="domino-directory"
    ),
    pytest.param(said("smtp; 550 recipient denied", "5.3.0"), MAILBOX, id="recipient-denied-and-no-policy-named"),
    pytest.param(said("smtp; 550 5.7.1 No such user", "5.7.1"), MAILBOX, id="gateway-says-5-7-1-no-such-user"),
    pytest.param(
        said("smtp; 550 5.7.1 <ann@example.org>: Recipient address rejected: Account closed", "5.7.1"),
        MAILBOX,
        id="gateway-says-5-7-1-account-closed",
    ),
    pytest.param(
        said(
            "smtp; 5.1.0 - Unknown address error 550-'5.1.1 <ann@example.org>... User unknown' (delivery attempts: 0)",
            "5.0.0",
        ),
        MAILBOX,
        id="ironport-quotes-5-1-1",
    ),
    pytest.param(said("user unknown", ""), MAILBOX, id="words-without-any-number"),
    pytest.param(said("", "5.1.1"), MAILBOX, id="a-code-without-words"),
    pytest.param(said("", "5.1.1 (bad destination mailbox address)"), MAILBOX, id="a-code-with-a-remark"),
    pytest.param(
        said("smtp; 550 5.1.1 <spam.policy@blocked.example.org>: account gone", "5.1.1"),
        MAILBOX,
        id="words-inside-an-address-say-nothing",
    ),
    pytest.param(
        said("X-Postfix; host blocklist-spam.example.org[192.0.2.25] said: 550 5.1.1 no such mailbox", "5.1.1"),
        MAILBOX,
        id="the-name-of-a-server-says-nothing",
    ),
    pytest.param(said("smtp; 550 5.1.1 xyzzy", "5.0.0"), MAILBOX, id="a-5-0-0-gives-way-to-the-code-in-the-words"),
]

DEAD_DOMAINS = [
    pytest.param(said("smtp; 550 5.4.4 Invalid domain", "5.4.4"), DOMAIN, id="ses-invalid-domain"),
    pytest.param(said("", "5.4.4"), DOMAIN, id="a-5-4-4-without-words"),
    pytest.param(said("smtp; 550 5.1.2 Host unknown", "5.1.2"), DOMAIN, id="host-unknown"),
    pytest.param(
        said("smtp; 5.1.2 - Bad destination host 'DNS Hard Error looking up example.org (MX): NXDomain'", "5.0.0"),
        DOMAIN,
        id="ironport-nxdomain",
    ),
    pytest.param(
        said(
            "X-Postfix; Host or domain name not found. Name service error for name=example.org type=MX: Host not found",
            "5.4.4",
        ),
        DOMAIN,
        id="postfix-host-not-found",
    ),
    pytest.param(
        said("smtp; 550 5.4.310 DNS domain example.org does not exist [Message=InfoDomainNonexistent]", "5.4.310"),
        DOMAIN,
        id="exchange-online-domain-does-not-exist",
    ),
    pytest.param(
        said("Sorry, I couldn't find any host named example.org. (#5.1.2)", "5.1.2"), DOMAIN, id="qmail-no-host"
    ),
    pytest.param(said("smtp; 556 5.1.10 Domain example.org has null MX", "5.1.10"), DOMAIN, id="null-mx"),
    pytest.param(said("smtp; 550 no valid MX for example.org", "5.0.0"), DOMAIN, id="no-mx"),
]

FULL_OR_EXPIRED = [
    pytest.param(
        said("smtp; 452-4.2.2 The recipient's inbox is out of storage space and inactive. - gsmtp", "4.2.2"),
        FULL,
        id="gmail-out-of-storage-and-inactive",
    ),
    pytest.param(said("smtp; 552 5.2.2 <ann@example.org>: user is over quota", "5.2.2"), FULL, id="icloud-over-quota"),
    pytest.param(
        said("smtp; 554 5.2.2 mailbox full; STOREDRV.Deliver.Exception:QuotaExceededException", "5.2.2"),
        FULL,
        id="exchange-mailbox-full",
    ),
    pytest.param(
        said("smtp; 552 Requested mail action aborted: exceeded storage allocation. Quota exceeded", "5.0.0"),
        FULL,
        id="gmx-storage-exceeded",
    ),
    pytest.param(said("smtp; 550 User has too many messages on the server.", "5.0.0"), FULL, id="web-de-too-many"),
    pytest.param(
        said("smtp; 550 recipient's mailbox size limit exceeded", "5.0.0"), FULL, id="a-mailbox-has-a-size-too"
    ),
    pytest.param(
        said("smtp; 552 5.2.2 This message is larger than the limit or the recipient's mailbox is full.", "5.2.2"),
        FULL,
        id="size-or-full-goes-by-its-code",
    ),
    pytest.param(
        said("smtp; 552 5.2.2 Over quota", "5.2.2", label=HARD_LABEL),
        soft(Reason.MAILBOX_FULL, counts=True, hard=True),
        id="full-under-permanent-counts-for-aws-and-loses-no-customer",
    ),
    pytest.param(
        said("smtp; 5.1.0 - Unknown address error 550-'5.2.2 <ann@example.org>... Mailbox Full'", "5.0.0"),
        FULL,
        id="ironport-quotes-mailbox-full",
    ),
    pytest.param(
        said(
            "smtp; 554 4.4.7 Message expired: unable to deliver in 840 minutes."
            "<421 4.4.0 Unable to lookup DNS for example.org>",
            "4.4.7",
        ),
        EXPIRED,
        id="ses-expired-without-dns",
    ),
    pytest.param(
        said("smtp; 550 4.4.7 Message expired: unable to deliver in 840 minutes.<450 4.1.1 user unknown>", "4.4.7"),
        EXPIRED,
        id="expired-on-a-450-is-not-dead",
    ),
    pytest.param(
        said(
            "smtp; 550 4.4.7 Message expired: unable to deliver in 840 minutes.<451 4.0.0 Unknown>",
            "4.4.7",
            label=HARD_LABEL,
        ),
        soft(Reason.DELIVERY_EXPIRED, counts=True, hard=True),
        id="expired-under-permanent-is-passing",
    ),
    pytest.param(
        said("smtp; 5.4.7 - Delivery expired (message too old) 'timeout' (delivery attempts: 0)", "5.0.0"),
        EXPIRED,
        id="ironport-expired",
    ),
    pytest.param(
        said("all hosts have been failing for a long time; retry timeout exceeded", ""), EXPIRED, id="exim-gave-up"
    ),
    pytest.param(
        said("smtp; 554 4.4.7 Message expired: unable to deliver in 840 minutes.<451 4.7.650 see postmaster>", "4.4.7"),
        POLICY,
        id="expired-on-a-policy-is-a-policy",
    ),
    pytest.param(
        said("smtp; 550 4.4.7 Message expired: unable to deliver in 840 minutes.<450 4.2.0 Greylisted>", "4.4.7"),
        POLICY,
        id="expired-on-greylisting-never-counts",
    ),
    pytest.param(said("", "4.2.2"), FULL, id="a-4-2-2-without-words"),
    pytest.param(said("", "5.2.2"), FULL, id="a-5-2-2-without-words"),
    pytest.param(said("", "4.4.7"), EXPIRED, id="a-4-4-7-without-words"),
]

THE_MAIL = [
    pytest.param(
        said("smtp; 552-5.3.4 Your message exceeded Google's message size limits. - gsmtp", "5.3.4"),
        TOO_LARGE,
        id="gmail-size",
    ),
    pytest.param(
        said("smtp; 550 5.2.3 RESOLVER.RST.RecipSizeLimit; too large", "5.2.3"), TOO_LARGE, id="exchange-size"
    ),
    pytest.param(said("smtp; 552 Message size exceeds fixed maximum message size", ""), TOO_LARGE, id="size-in-words"),
    pytest.param(
        said("smtp; 552 5.3.4 Message size exceeds fixed limit", "5.3.4", label=HARD_LABEL),
        soft(Reason.MESSAGE_TOO_LARGE, hard=True),
        id="size-under-permanent-never-suppresses",
    ),
    pytest.param(
        said(
            "smtp; 550-5.7.1 [203.0.113.5 12] Our system has detected that this message is\n550-5.7.1 likely"
            " unsolicited mail. 550 5.7.1 - gsmtp",
            "5.7.1",
        ),
        CONTENT,
        id="gmail-unsolicited",
    ),
    pytest.param(
        said("smtp; 552-5.7.0 This message was blocked because its content presents a security issue", "5.7.0"),
        CONTENT,
        id="gmail-content",
    ),
    pytest.param(said("smtp; 554 5.7.1 Message rejected under suspicion of SPAM", "5.7.1"), CONTENT, id="yandex-spam"),
    pytest.param(said("smtp; 554 This message is spam", "5.0.0"), CONTENT, id="spam-without-a-code"),
    pytest.param(said("smtp; 550 spam message rejected", "5.0.0"), CONTENT, id="mail-ru-spam"),
    pytest.param(said("smtp; 550 5.6.0 bad MIME", "5.6.0"), CONTENT, id="the-mails-form"),
    pytest.param(
        said("smtp; 554 5.7.1 classified as spam", "5.7.1", label=HARD_LABEL),
        soft(Reason.CONTENT_BLOCKED, hard=True),
        id="spam-under-permanent-never-suppresses",
    ),
    pytest.param(
        said("smtp; 550 5.1.1 this looks like spam to us", "5.1.1"),
        CONTENT,
        id="a-5-1-1-that-only-says-spam-is-no-dead-mailbox",
    ),
    pytest.param(
        said("smtp; 550 5.1.1 user unknown (our spam rules: https://example.org)", "5.1.1"),
        MAILBOX,
        id="a-5-1-1-that-says-user-unknown-beside-spam-is-dead",
    ),
    pytest.param(
        said("smtp; 550 5.7.1 user unknown or message is spam", "5.7.1"),
        CONTENT,
        id="a-5-7-1-that-says-user-unknown-beside-spam-is-not",
    ),
]

THE_SENDER = [
    pytest.param(
        said("smtp; 550 5.7.1 Service unavailable; client [203.0.113.5] blocked using zen.spamhaus.org", "5.7.1"),
        POLICY,
        id="spamhaus",
    ),
    pytest.param(
        said("smtp; 550 5.1.1 203.0.113.5 is listed at https://www.spamhaus.org/query, mail blocked", "5.1.1"),
        POLICY,
        id="a-5-1-1-with-a-blocklist-in-it-is-a-policy",
    ),
    pytest.param(
        said("smtp; 550 5.1.1 user unknown; blocked using dnsbl.example.org", "5.1.1"),
        POLICY,
        id="a-blocklist-outweighs-even-user-unknown",
    ),
    pytest.param(
        said("smtp; 554 Service unavailable; Client host [203.0.113.5] blocked using Barracuda Reputation", "5.0.0"),
        POLICY,
        id="barracuda-reputation",
    ),
    pytest.param(
        said("smtp; 550 permanent failure for one or more recipients (ann@example.org:blocked)", "5.0.0"),
        POLICY,
        id="barracuda-blocked",
    ),
    pytest.param(
        said("smtp; 554 Blocked - see https://ipcheck.proofpoint.com/?ip=203.0.113.5", "5.0.0"),
        POLICY,
        id="proofpoint-ip",
    ),
    pytest.param(said("smtp; 550 5.7.0 Local Policy Violation - abc", "5.7.0"), POLICY, id="proofpoint-local-policy"),
    pytest.param(said("smtp; 550 csi.mimecast.org Poor Reputation Sender", "5.0.0"), POLICY, id="mimecast-reputation"),
    pytest.param(
        said("smtp; 550 Administrative prohibition - envelope blocked", "5.0.0"), POLICY, id="mimecast-envelope"
    ),
    pytest.param(
        said(
            "smtp; 550 5.7.1 Unfortunately, messages from [203.0.113.5] weren't sent, being on our block list (S3140).",
            "5.7.1",
        ),
        POLICY,
        id="outlook-com-block-list",
    ),
    pytest.param(
        said(
            "smtp; 550 5.7.515 Access denied, sending domain example.com does not meet the authentication level",
            "5.7.515",
        ),
        POLICY,
        id="outlook-com-authentication",
    ),
    pytest.param(
        said(
            "smtp; 550 5.7.133 RESOLVER.RST.SenderNotAuthenticatedForGroup; Delivery restriction check failed",
            "5.7.133",
        ),
        POLICY,
        id="exchange-closed-group",
    ),
    pytest.param(
        said(
            "smtp; 550-5.7.26 Unauthenticated email from example.com is not accepted due to domain's DMARC policy",
            "5.7.26",
        ),
        POLICY,
        id="gmail-dmarc",
    ),
    pytest.param(said("smtp; 550 <ann@example.org> Reject due to SPF policy", "5.0.0"), POLICY, id="gmx-spf"),
    pytest.param(
        said("smtp; 554 Transaction failed. Reject due to policy restrictions.", "5.0.0"), POLICY, id="gmx-policy"
    ),
    pytest.param(
        said("smtp; 554 IP=203.0.113.5 - A problem occurred. Ask your postmaster for help. (BL)", "5.0.0"),
        POLICY,
        id="t-online",
    ),
    pytest.param(
        said("smtp; 554 5.7.1 [CS01] Message rejected due to local policy.", "5.7.1"), POLICY, id="icloud-local-policy"
    ),
    pytest.param(
        said("smtp; 554 5.7.1 <ann@example.org>: Relay access denied", "5.7.1"), POLICY, id="postfix-relay-denied"
    ),
    pytest.param(said("smtp; 550 relay not permitted", "5.0.0"), POLICY, id="exim-relay-not-permitted"),
    pytest.param(
        said("smtp; 553 sorry, that domain isn't in my list of allowed rcpthosts (#5.7.1)", "5.0.0"),
        POLICY,
        id="qmail-rcpthosts",
    ),
    pytest.param(
        said("smtp; 550 5.7.1 <ann@example.org>: Recipient address rejected: Access denied", "5.7.1"),
        POLICY,
        id="a-5-7-1-access-denied-is-no-dead-mailbox",
    ),
    pytest.param(
        said("smtp; 550 5.7.1 Access denied, relay refused", "5.7.1", label=HARD_LABEL),
        soft(Reason.POLICY_BLOCKED, hard=True),
        id="a-5-7-1-access-denied-under-permanent-is-no-dead-mailbox",
    ),
    pytest.param(said("", "5.7.1", label=HARD_LABEL), soft(Reason.POLICY_BLOCKED, hard=True), id="a-bare-5-7-1"),
    pytest.param(
        said(
            "smtp; 550-Verification failed for <news@example.com>\n550-No Such User Here\n550 Sender verify failed",
            "5.0.0",
        ),
        POLICY,
        id="exim-callout-speaks-of-the-sender",
    ),
    pytest.param(
        said("smtp; 550 5.1.8 <news@example.com>: Sender address rejected: Domain not found", "5.1.8"),
        POLICY,
        id="postfix-domain-of-the-sender",
    ),
    pytest.param(
        said("smtp; 553 Domain of sender address news@example.com does not exist", "5.0.0"),
        POLICY,
        id="sender-domain-unknown",
    ),
    pytest.param(
        said("smtp; 550-5.2.1 see https://support.example.com/mail/?p=ReceivingRatePerm - gsmtp", "5.2.1"),
        POLICY,
        id="gmail-rate-only-in-its-link",
    ),
    pytest.param(
        said("smtp; 551 Server access forbidden by your IP 203.0.113.5", "5.0.0"), POLICY, id="forbidden-by-ip"
    ),
    pytest.param(said("smtp; 550 5.1.8 Bad one", "5.1.8"), POLICY, id="a-5-1-8-is-about-the-sender"),
    pytest.param(
        said("smtp; 550 5.1.0 <news@example.com> sender rejected. AUP#In-1310", "5.1.0"),
        POLICY,
        id="charter-sender-rejected",
    ),
    pytest.param(
        said("smtp; 450 4.2.0 <ann@example.org>: Recipient address rejected: Greylisted, try again", "4.2.0"),
        POLICY,
        id="postgrey",
    ),
    pytest.param(said("smtp; 421 4.7.0 closing connection", "4.7.0"), POLICY, id="a-4-7-0-without-plain-words"),
    pytest.param(
        said("smtp; 421-4.7.28 Gmail has detected an unusual rate of mail from your IP address", "4.7.28"),
        POLICY,
        id="gmail-rate",
    ),
    pytest.param(
        said(
            "smtp; 550 5.2.1 The user you are trying to contact is receiving mail at a rate that prevents more", "5.2.1"
        ),
        POLICY,
        id="gmail-5-2-1-too-much-mail-is-no-disabled-mailbox",
    ),
    pytest.param(
        said("smtp; 421 4.7.0 [TSS04] Messages from 203.0.113.5 temporarily deferred due to user complaints", "4.7.0"),
        POLICY,
        id="yahoo-deferred",
    ),
    pytest.param(
        said("smtp; 550 5.2.0 Mail rejete. Mail rejected. ofr_506 [506]", "5.2.0"),
        POLICY,
        id="orange-rejects-the-sender",
    ),
    pytest.param(said("smtp; 554 Refused.", "5.0.0"), POLICY, id="refused-without-a-word-on-the-address"),
    pytest.param(
        said("smtp; 554 Refused.", "5.0.0", label=HARD_LABEL),
        PERMANENT,
        id="refused-without-a-word-under-permanent-is-hard",
    ),
    pytest.param(
        said("smtp; 550 relay not permitted", "5.0.0", label=HARD_LABEL),
        soft(Reason.POLICY_BLOCKED, hard=True),
        id="relay-under-permanent-is-no-dead-mailbox",
    ),
    pytest.param(said("smtp; 450 5.7.1 user unknown", "5.7.1"), POLICY, id="a-5-7-1-in-a-450-is-a-policy"),
    pytest.param(
        said("smtp; 550 Recipient address rejected: Access denied", "5.0.0"), POLICY, id="access-denied-without-a-code"
    ),
    pytest.param(
        said("smtp; 450 Recipient address rejected: Access denied", "5.4.1"), POLICY, id="a-5-4-1-in-a-450-is-a-policy"
    ),
]

PASSING = [
    pytest.param(
        said("smtp; 450 Requested mail action not taken: mailbox unavailable", ""), COUNTS, id="a-450-is-busy"
    ),
    pytest.param(
        said("smtp; 450 4.1.1 <ann@example.org>: unverified address", "4.1.1"), COUNTS, id="postfix-unverified"
    ),
    pytest.param(said("smtp; 450 4.1.1 user unknown", "5.1.1"), COUNTS, id="a-4-beside-a-5-is-not-final"),
    pytest.param(said("smtp; 550 5.2.1 Mailbox temporarily disabled", "5.2.1"), COUNTS, id="disabled-for-now"),
    pytest.param(
        said("smtp; 550 5.5.0 mailbox unavailable, try again later", "5.5.0"), COUNTS, id="unavailable-for-now"
    ),
    pytest.param(
        said("smtp; 554 5.2.0 STOREDRV.Deliver; StorageTransientException", "5.2.0"), COUNTS, id="exchange-store"
    ),
    pytest.param(said("smtp; 554 5.4.6 Hop count exceeded - mail loop", "5.4.6"), COUNTS, id="a-loop"),
    pytest.param(said("smtp; 421 4.4.1 Connection refused", "4.4.1"), COUNTS, id="a-refused-connection-is-no-refusal"),
    pytest.param(
        said("smtp; 554 mail server permanently rejected message (#5.3.0)", "5.3.0"), COUNTS, id="qmail-5-3-0"
    ),
    pytest.param(said("smtp; 550 xyzzy", "5.0.0"), COUNTS, id="a-550-without-a-word-that-we-know"),
    pytest.param(said("smtp; 550 from 5.1.1.7 xyzzy", ""), COUNTS, id="an-ip-address-is-no-code"),
    pytest.param(said("smtp; xyzzy", "5.1"), COUNTS, id="half-a-code-is-none"),
    pytest.param(said("", "5.1.0"), COUNTS, id="a-5-1-0-without-words-may-mean-the-sender"),
    pytest.param(said(""), COUNTS, id="a-failed-recipient-without-a-word-is-no-auto-reply"),
    pytest.param(said("", "5.4.1"), COUNTS, id="a-5-4-1-without-words"),
    pytest.param(said("smtp; 450 4.1.2 Domain not found", "4.1.2"), COUNTS, id="a-domain-not-found-for-now"),
    pytest.param(said("smtp; 550 Host unknown, try again later", "5.0.0"), COUNTS, id="a-host-unknown-for-now"),
    pytest.param(said("smtp; 550 user unknown, try again later", "5.0.0"), COUNTS, id="a-user-unknown-for-now"),
    pytest.param(
        said("smtp; 550 5.1.1 user unknown, try again later", "5.1.1"), COUNTS, id="for-now-outweighs-even-a-5-1-1"
    ),
    pytest.param(said("smtp; 450 4.2.1 mailbox disabled", "4.2.1"), COUNTS, id="disabled-by-a-4-2-1"),
    pytest.param(said("smtp; 450 xyzzy", "5.4.4"), COUNTS, id="a-5-4-4-in-a-450"),
    pytest.param(said("smtp; recipient rejected", ""), COUNTS, id="rejected-without-any-number"),
    pytest.param(said("smtp; 550 recipient rejected, try again later", ""), COUNTS, id="rejected-for-now"),
    pytest.param(said("", "4.0.0", action=""), COUNTS, id="a-code-is-no-auto-reply"),
    pytest.param(said("smtp; xyzzy", action=""), COUNTS, id="words-that-we-do-not-know-are-no-auto-reply"),
    pytest.param(said("", label="Transient/New", action=""), COUNTS, id="a-new-subtype-is-no-auto-reply"),
    pytest.param(
        said("smtp; 5.1.0 - Unknown address error 550-'xyzzy' (delivery attempts: 0)", "5.0.0"),
        COUNTS,
        id="the-heading-of-ironport-says-nothing",
    ),
    pytest.param(said("smtp; 550 5.1.1 user unknown", "4.0.0"), COUNTS, id="a-4-0-0-status-beside-a-5-1-1"),
]

AUTO_REPLIES = [
    pytest.param(said("", action=""), ARRIVED, id="ooto-simulator-nothing-told-of-the-recipient"),
    pytest.param(said("", label="Transient/", action=""), ARRIVED, id="nothing-told-and-no-subtype"),
    pytest.param(said("Automatic reply: I am out of the office until Monday", action=""), ARRIVED, id="out-of-office"),
    pytest.param(said("Abwesenheitsnotiz: bis Montag", action=""), ARRIVED, id="german-out-of-office"),
    pytest.param(
        said("smtp; 550 5.1.1 <auto.reply@example.org> user unknown", "5.1.1", action=""),
        MAILBOX,
        id="an-auto-reply-address",
    ),
    pytest.param(
        said("smtp; 550 5.1.1 auto-reply account: no such user", "5.1.1"),
        MAILBOX,
        id="a-server-that-refuses-does-not-reply",
    ),
]

CASES = [*BY_LABEL, *DEAD_MAILBOXES, *DEAD_DOMAINS, *FULL_OR_EXPIRED, *THE_MAIL, *THE_SENDER, *PASSING, *AUTO_REPLIES]


@pytest.mark.parametrize(("facts", "judgement"), CASES)
def test_judge_bounce(facts: BounceFacts, judgement: Judgement) -> None:
    assert judge_bounce(facts) == judgement


def test_every_rule_decides_a_case() -> None:
    """A rule that decides nothing is a rule that nobody has thought through."""
    deciding = set()
    for case in CASES:
        facts = case.values[0]
        assert isinstance(facts, BounceFacts)
        seen = bounce._read(facts)
        deciding.add(next(place for place, rule in enumerate(RULES) if bounce._fits(rule, seen)))

    assert deciding == set(range(len(RULES)))


def test_every_rule_has_its_reason() -> None:
    assert all(rule.why for rule in RULES)


def test_only_the_beginning_of_a_long_text_is_read() -> None:
    """A server may answer with a megabyte; what stands far behind is quoting."""
    far = said("smtp; 550 " + "x" * MAX_DIAGNOSTIC + " user unknown")

    assert judge_bounce(far) == COUNTS
    assert judge_bounce(said("smtp; 550 user unknown" + " x" * 1_000_000)) == MAILBOX


def test_the_words_stay_out_of_logs() -> None:
    assert "ann@example.org" not in repr(said("smtp; 550 <ann@example.org> user unknown"))


# --- any input ---------------------------------------------------------------------------------------

TYPES = ("Permanent", "Transient", "Undetermined", "permanent", "", "New")
SUBTYPES = (
    *(
        "General",
        "NoEmail",
        "Suppressed",
        "OnAccountSuppressionList",
        "UnsubscribedRecipient",
        "MailboxFull",
        "",
        "New",
    ),
    *("MessageTooLarge", "ContentRejected", "AttachmentRejected", "CustomTimeoutExceeded", "Undetermined"),
)
PIECES = (
    *(
        "smtp; ",
        "550 ",
        "450 ",
        "5.1.1 ",
        "4.4.7 ",
        "5.7.1 ",
        "user unknown",
        "no such domain",
        "<ann@example.org>",
        " ",
    ),
    *("mailbox", " full", "spam", "blocked", "using", "spamhaus", "denied", "relay", "expired", "out of office", "; "),
)
LABELS = st.sampled_from(TYPES) | st.text(max_size=30)
SUBLABELS = st.sampled_from(SUBTYPES) | st.text(max_size=30)
ACTIONS = st.sampled_from(["failed", "delayed", "relayed", "", "FAILED"]) | st.text(max_size=10)
CODES = (
    st.from_regex(r"[245]\.[0-9]\.[0-9]{1,3}", fullmatch=True) | st.sampled_from(["", "5.1", "5.1.1 (bad)"]) | st.text()
)
WORDS = st.lists(st.sampled_from(PIECES), max_size=12).map("".join) | st.text(max_size=300)
FACTS = st.builds(BounceFacts, LABELS, SUBLABELS, ACTIONS, CODES, WORDS)


@given(FACTS)
def test_any_bounce_is_judged(facts: BounceFacts) -> None:
    judged = judge_bounce(facts)

    if judged.suppresses is not None:
        assert judged.status is Status.HARD_BOUNCED
        assert re.fullmatch(r"permanent/[A-Za-z0-9_-]{1,40}|[a-z_]+", judged.suppresses)
    assert (judged.status is Status.HARD_BOUNCED) == (judged.suppresses is not None)
    if judged.counts:
        assert judged.status is Status.SOFT_BOUNCED
    if judged.is_hard:
        assert facts.type.strip().lower() == "permanent"


@given(FACTS)
def test_a_delayed_recipient_is_never_suppressed(facts: BounceFacts) -> None:
    judged = judge_bounce(BounceFacts(facts.type, facts.subtype, "Delayed", facts.code, facts.diagnostic))

    assert judged == Judgement(Status.DELAYED, Reason.DELAYED, None, counts=False, is_hard=False)


@given(WORDS.filter(str.isascii), CODES)
def test_words_are_read_in_any_case(words: str, code: str) -> None:
    assert judge_bounce(said(words.upper(), code)) == judge_bounce(said(words.lower(), code))


@given(st.sampled_from(["4.1.1", "4.2.1", "4.4.4", "4.7.1"]), WORDS)
def test_a_passing_code_under_a_passing_label_never_suppresses(code: str, words: str) -> None:
    assert judge_bounce(said(words, code)).suppresses is None


# --- complaints --------------------------------------------------------------------------------------


def complained(suppresses: str) -> Judgement:
    return Judgement(Status.COMPLAINED, Reason.COMPLAINT, suppresses, counts=False, is_hard=False)


@pytest.mark.parametrize(
    ("feedback_type", "subtype", "judgement"),
    [
        pytest.param("abuse", "", complained("complaint"), id="abuse-suppresses"),
        pytest.param("FRAUD", "", complained("complaint"), id="fraud-suppresses"),
        pytest.param("virus", "", complained("complaint"), id="virus-suppresses"),
        pytest.param("", "", complained("complaint"), id="a-missing-type-is-an-ordinary-complaint"),
        pytest.param("new\r\nkind!", "", complained("complaint"), id="an-unknown-type-is-a-complaint"),
        pytest.param("abuse", "Something", complained("complaint"), id="an-unknown-subtype-changes-nothing"),
        pytest.param(
            "Not-Spam",
            "",
            Judgement(None, Reason.NOT_SPAM, None, counts=False, is_hard=False),
            id="not-spam-is-the-opposite-of-a-complaint",
        ),
        pytest.param(
            "auth-failure",
            "",
            Judgement(None, Reason.POLICY_BLOCKED, None, counts=False, is_hard=False),
            id="auth-failure-is-about-our-signing",
        ),
        pytest.param(
            "",
            "OnAccountSuppressionList",
            Judgement(
                Status.REJECTED,
                Reason.ACCOUNT_SUPPRESSED,
                "account_suppressed",
                counts=False,
                is_hard=False,
            ),
            id="the-account-list-is-mirrored-and-nobody-has-complained",
        ),
        pytest.param(
            "abuse",
            "onTenantSuppressionList",
            Judgement(
                Status.REJECTED,
                Reason.ACCOUNT_SUPPRESSED,
                "account_suppressed",
                counts=False,
                is_hard=False,
            ),
            id="the-tenant-list-is-mirrored-too",
        ),
    ],
)
def test_judge_complaint(feedback_type: str, subtype: str, judgement: Judgement) -> None:
    assert judge_complaint(feedback_type, subtype) == judgement


@given(st.text(), st.text())
def test_any_complaint_is_judged(feedback_type: str, subtype: str) -> None:
    judged = judge_complaint(feedback_type, subtype)

    assert not judged.counts
    assert not judged.is_hard
    assert judged.suppresses is None or re.fullmatch(r"complaint(/[A-Za-z0-9_-]{1,40})?", judged.suppresses)


# --- the run of soft bounces -------------------------------------------------------------------------

NOON = datetime(2026, 11, 2, 12, tzinfo=UTC)


def soft_of(mail: str, minute: int) -> Passed:
    return Passed(NOON + timedelta(minutes=minute), mail, is_delivery=False)


def delivery_of(mail: str, minute: int) -> Passed:
    return Passed(NOON + timedelta(minutes=minute), mail, is_delivery=True)


FIVE = [soft_of(f"m-{n}", n) for n in range(5)]


@pytest.mark.parametrize(
    ("history", "run"),
    [
        pytest.param([], 0, id="nothing-happened"),
        pytest.param([delivery_of("m-1", 1)], 0, id="only-deliveries"),
        pytest.param(FIVE, SOFT_RUN, id="five-mails-in-a-row"),
        pytest.param(FIVE[::-1], SOFT_RUN, id="in-any-order"),
        pytest.param([soft_of("m-1", 1), soft_of("m-1", 2), soft_of("m-1", 3)], 1, id="one-mail-counts-once"),
        pytest.param([*FIVE, delivery_of("m-9", 9)], 0, id="a-delivery-ends-the-run"),
        pytest.param([delivery_of("m-9", 2), *FIVE], 2, id="a-delivery-between-leaves-what-came-after"),
        pytest.param([delivery_of("m-9", 4), *FIVE], 0, id="at-the-same-moment-the-delivery-wins"),
        pytest.param([*FIVE, delivery_of("m-4", 3)], 5, id="taken-and-given-back-is-no-delivery"),
        pytest.param([*FIVE, delivery_of("m-4", 9)], 5, id="nor-is-it-where-the-delivery-is-told-late"),
        pytest.param(
            [*FIVE, delivery_of("m-0", 9), delivery_of("m-9", 3)], 1, id="a-true-delivery-among-given-back-ones"
        ),
        pytest.param(
            [soft_of("m-1", 1), delivery_of("m-2", 2), soft_of("m-1", 3)], 1, id="a-mail-that-bounces-on-counts"
        ),
        pytest.param([delivery_of("m-8", 1), delivery_of("m-9", 3), *FIVE], 1, id="the-last-delivery-is-the-one"),
    ],
)
def test_soft_run(history: Sequence[Passed], run: int) -> None:
    assert soft_run(history) == run


def test_five_in_a_row_suppress() -> None:
    """DESIGN 6."""
    assert SOFT_RUN == 5
