"""A finding, how much it weighs, and where it belongs."""

from dataclasses import dataclass
from enum import StrEnum
from typing import Any

from tank_mailer.core.checkup.seen import Denied, NotAsked, Unreached, Unseen


class Level(StrEnum):
    """How much a finding weighs."""

    OK = "ok"
    NOTE = "note"  # good to know; nothing is wrong
    WARNING = "warning"  # works, and may not for long, or not as it is meant
    FAULT = "fault"  # mail is stopped, lost from sight or refused by recipients because of it
    UNSEEN = "unseen"  # the doctor could not look


class Area(StrEnum):
    """What a finding is about; in the order in which they are shown."""

    SETTINGS = "settings"
    NETWORK = "network"
    RIGHTS = "rights"
    ACCOUNT = "account"
    QUEUES = "queues"
    EVENTS = "events"
    IDENTITIES = "identities"
    STORE = "store"


class Check(StrEnum):
    """All there is to be looked at; `core.checkup.catalogue` explains each."""

    # settings
    SETTINGS = "settings"
    DELIVERY = "delivery"
    REGION = "region"
    ENDPOINT = "endpoint"
    LISTEN = "listen"
    # network
    NAME = "name"
    CONNECT = "connect"
    PROXY = "proxy"
    TLS = "tls"
    CA_BUNDLE = "ca_bundle"
    CLOCK = "clock"
    # rights
    CREDENTIALS = "credentials"
    KEY_AGE = "key_age"
    PERMISSIONS = "permissions"
    # account
    ENFORCEMENT = "enforcement"
    SENDING = "sending"
    SANDBOX = "sandbox"
    QUOTA = "quota"
    RATE = "rate"
    POOL = "pool"
    ACCOUNT_SUPPRESSION = "account_suppression"
    DEDICATED_IPS = "dedicated_ips"
    # queues
    QUEUE = "queue"
    REDRIVE = "redrive"
    DEAD_LETTER_QUEUE = "dead_letter_queue"
    DEAD_LETTERS = "dead_letters"
    RETENTION = "retention"
    VISIBILITY = "visibility"
    MESSAGE_SIZE = "message_size"
    LONG_POLL = "long_poll"
    DELAY = "delay"
    CONSUMERS = "consumers"
    # events
    CONFIGURATION_SET = "configuration_set"
    SET_SENDING = "set_sending"
    SET_SUPPRESSION = "set_suppression"
    SET_REPUTATION = "set_reputation"
    EVENT_DESTINATION = "event_destination"
    EVENT_KINDS = "event_kinds"
    TOPIC = "topic"
    TOPIC_POLICY = "topic_policy"
    SUBSCRIPTION = "subscription"
    RAW_DELIVERY = "raw_delivery"
    FILTER_POLICY = "filter_policy"
    SUBSCRIPTION_DLQ = "subscription_dlq"
    EVENT_QUEUE = "event_queue"
    EVENT_QUEUE_POLICY = "event_queue_policy"
    ENCRYPTION = "encryption"
    # identities
    IDENTITY = "identity"
    DKIM = "dkim"
    DKIM_DNS = "dkim_dns"
    DOUBLED_DOMAIN = "doubled_domain"
    SPF = "spf"
    MAIL_FROM = "mail_from"
    MAIL_FROM_MX = "mail_from_mx"
    MAIL_FROM_SPF = "mail_from_spf"
    DMARC = "dmarc"
    # store
    STORE = "store"
    DATABASE_VERSION = "database_version"
    DATABASE_CLOCK = "database_clock"
    STORE_AGE = "store_age"
    FILE_MODES = "file_modes"
    DISK = "disk"
    DAEMON = "daemon"


@dataclass(frozen=True, slots=True)
class Finding:
    """One thing that was looked at.

    Attributes:
        subject: which of that kind: a queue, a host, an identity; "" where there is one only.
        what: how it is, in a sentence without secrets.
        remedy: what to do; "" where nothing is to be done.
    """

    check: Check
    level: Level
    subject: str
    what: str
    remedy: str = ""

    def shape(self, area: Area) -> dict[str, Any]:
        """As JSON has it."""
        return {
            "area": area.value,
            "check": self.check.value,
            "level": self.level.value,
            "subject": self.subject or None,
            "what": self.what,
            "remedy": self.remedy or None,
        }


def ok(check: Check, subject: str, what: str) -> Finding:
    """It is as it should be."""
    return Finding(check, Level.OK, subject, what)


def note(check: Check, subject: str, what: str, remedy: str = "") -> Finding:
    """Nothing is wrong, but somebody may want to know."""
    return Finding(check, Level.NOTE, subject, what, remedy)


def warning(check: Check, subject: str, what: str, remedy: str) -> Finding:
    """It works, for now or in part."""
    return Finding(check, Level.WARNING, subject, what, remedy)


def fault(check: Check, subject: str, what: str, remedy: str) -> Finding:
    """It does not work."""
    return Finding(check, Level.FAULT, subject, what, remedy)


def unseen(check: Check, subject: str, seen: Unseen) -> Finding:
    """Say why it was not seen, and what would show it."""
    match seen:
        case Denied(action, resource):
            what = f"not seen: the key may not call {action} on {resource}"
            return Finding(
                check, Level.UNSEEN, subject, what, f"allow {action} on {resource}, if it is to be looked at"
            )
        case Unreached(detail, reason):
            remedy = "" if reason else "run it again; `--area network` shows how far the way leads"
            return Finding(check, Level.UNSEEN, subject, f"not seen: {detail}", remedy)
        case NotAsked(why):
            return Finding(check, Level.UNSEEN, subject, f"not looked at: {why}")
