"""What was seen, part by part; made by the adapters, judged by the modules beside this one."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum
from types import MappingProxyType
from typing import Any

from tank_mailer.core.checkup.seen import Found, NotAsked, Seen
from tank_mailer.core.view import NodeView

NOTHING = NotAsked("it was not asked")


def _none() -> Mapping[Any, Any]:
    return MappingProxyType({})


# --- network ---------------------------------------------------------------------------------------


class Stage(StrEnum):
    """Where a way to a host ends."""

    PROXY = "proxy"  # not connected, or it does not let us through
    NAME = "name"  # not resolved
    CONNECT = "connect"  # no connection
    BUNDLE = "bundle"  # the file of authorities cannot be read
    TLS = "tls"  # no encryption, or by a certificate that nobody here trusts


class Distrust(StrEnum):
    """Why a certificate is not trusted."""

    ISSUER = "issuer"  # nobody knows who signed it
    TIME = "time"  # expired, or not valid yet
    NAME = "name"  # somebody else's
    NO_TLS = "no_tls"  # what answers speaks something else, or nothing


@dataclass(frozen=True, slots=True, kw_only=True)
class Probe:
    """One way to a host, gone until it ends.

    Attributes:
        use: whose it is, in words: SES, SQS, the webhook.
        proxy: `HOST:PORT` of the proxy on the way; None: none.
        failed: where it ends; None: it leads there.
        why: what the system says, without secrets.
        issuer: who signed the certificate, where that is known.
    """

    use: str
    host: str
    port: int
    is_aws: bool = False
    proxy: str | None = None
    failed: Stage | None = None
    why: str = ""
    distrust: Distrust | None = None
    issuer: str = ""

    @property
    def place(self) -> str:
        """For people."""
        return f"{self.host}:{self.port}"


# --- rights ----------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Caller:
    """Whose key it is."""

    account: str
    arn: str


@dataclass(frozen=True, slots=True)
class AccessKey:
    """One of the user's keys; of its id only the ends."""

    shown: str
    is_active: bool
    created_at: datetime
    is_ours: bool


class Tried(StrEnum):
    """What a harmless try of an action came to."""

    ALLOWED = "allowed"
    DENIED = "denied"
    UNCLEAR = "unclear"  # refused for another reason, which may be looked at before the right


class Simulated(StrEnum):
    """What iam:SimulatePrincipalPolicy says of an action."""

    ALLOWED = "allowed"
    DENIED_BY_RULE = "explicit"  # by a policy that says so
    NOT_GRANTED = "implicit"  # by no policy of the key; the resource's own may
    UNCLEAR = "unclear"  # it depends on what the simulation was not told


ActionOn = tuple[str, str]  # an action and the ARN that it is done on, or `*`


# --- SES -------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Quota:
    """Recipients: in 24 hours (None: unlimited), a second, and sent in the last 24 hours."""

    limit: float | None
    per_s: float
    sent: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Account:
    """GetAccount; None: not told."""

    sending_enabled: bool | None = None
    production_access: bool | None = None
    enforcement: str = ""
    suppressed_reasons: tuple[str, ...] | None = None
    auto_warmup: bool | None = None


@dataclass(frozen=True, slots=True)
class DedicatedIp:
    """One address that mail of this account alone comes from."""

    ip: str
    warmup: str
    percent: int
    pool: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class ConfigurationSet:
    """GetConfigurationSet; None: not told."""

    sending_enabled: bool | None = None
    reputation_metrics: bool | None = None
    suppressed_reasons: tuple[str, ...] | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class EventDestination:
    """Where a set's events go; `topic_arn` None: elsewhere than to SNS."""

    name: str
    enabled: bool
    kinds: frozenset[str]
    topic_arn: str | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Identity:
    """GetEmailIdentity.

    Attributes:
        tokens: of Easy DKIM three labels; of an own key one selector.
        zone: where the tokens lead, if SES tells; "": by the region.
    """

    name: str
    is_domain: bool
    is_verified: bool
    status: str = ""
    dkim_enabled: bool | None = None
    dkim_status: str = ""
    is_own_key: bool = False
    tokens: tuple[str, ...] = ()
    zone: str = ""
    mail_from: str = ""
    mail_from_status: str = ""
    rejects_without_mx: bool = False


# --- SNS -------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Topic:
    """GetTopicAttributes."""

    policy: str
    kms_key: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Delivery:
    """GetSubscriptionAttributes."""

    is_raw: bool
    filter_policy: str = ""
    dead_letter_arn: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Subscription:
    """Who gets what is published."""

    protocol: str
    endpoint: str
    is_pending: bool
    delivery: Seen[Delivery] = NOTHING


# --- SQS -------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True, kw_only=True)
class QueueState:
    """GetQueueAttributes."""

    arn: str
    visible: int = 0
    in_flight: int = 0
    retention_s: int = 345_600
    visibility_s: int = 30
    wait_s: int = 0
    delay_s: int = 0
    max_bytes: int = 1_048_576
    dead_letter_arn: str = ""
    max_receive_count: int | None = None
    redrive_permission: str = "allowAll"
    redrive_sources: tuple[str, ...] = ()
    policy: str = ""
    kms_key: str = ""


# --- store -----------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True, kw_only=True)
class StoreState:
    """The store, read only.

    Attributes:
        version: of SQLite or PostgreSQL, as numbers.
        is_empty: the ledger knows no job.
        newest_accepted_at: None: nothing accepted yet.
        held: by lane, queue messages that our rows say are hidden by us.
        open_files: names of files that others than their owner may read or write, and their modes.
        clock_off_s: how far this host is ahead of the server; None: a file has no clock.
    """

    is_file: bool
    schema: str
    newest: str
    version: tuple[int, ...] = ()
    is_empty: bool = False
    newest_accepted_at: datetime | None = None
    held: Mapping[str, int] = field(default_factory=_none)
    nodes: Sequence[NodeView] = ()
    open_files: Mapping[str, int] = field(default_factory=_none)
    free_bytes: int | None = None
    clock_off_s: float | None = None


# --- all of it -------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Question:
    """One look into DNS; the name without the trailing dot, in lower case."""

    name: str
    kind: str  # CNAME, TXT or MX


@dataclass(frozen=True, slots=True, kw_only=True)
class Facts:
    """Everything, by what it was asked of.

    Attributes:
        skew_s: how far this host's clock is ahead of AWS's; None: no answer told the time.
        latency_s: the faster of two calls to SES; a lower bound of what a mail takes.
        queues: by URL; `dead_letter_url` leads to the dead-letter queue's.
        identities: by name; None: there is no such one.
        dns: texts of the records; none: there are none.
        store: None: there is none yet.
    """

    probes: Sequence[Probe] = ()
    caller: Seen[Caller] = NOTHING
    keys: Seen[tuple[AccessKey, ...]] = NOTHING
    skew_s: float | None = None
    tries: Mapping[ActionOn, Tried] = field(default_factory=_none)
    simulated: Seen[Mapping[ActionOn, Simulated]] = NOTHING
    account: Seen[Account] = NOTHING
    quota: Seen[Quota] = NOTHING
    latency_s: float | None = None
    ips: Seen[tuple[DedicatedIp, ...]] = NOTHING
    sets: Mapping[str, Found[ConfigurationSet]] = field(default_factory=_none)
    destinations: Mapping[str, Seen[tuple[EventDestination, ...]]] = field(default_factory=_none)
    topics: Mapping[str, Found[Topic]] = field(default_factory=_none)
    subscriptions: Mapping[str, Seen[tuple[Subscription, ...]]] = field(default_factory=_none)
    queues: Mapping[str, Found[QueueState]] = field(default_factory=_none)
    dead_letter_url: str | None = None
    listed: Seen[tuple[str, ...]] = NOTHING
    identities: Mapping[str, Found[Identity]] = field(default_factory=_none)
    dns: Mapping[Question, Seen[tuple[str, ...]]] = field(default_factory=_none)
    store: Found[StoreState] = NOTHING
