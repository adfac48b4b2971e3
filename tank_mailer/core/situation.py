"""All that one node knows at a moment, for alerts to be judged by."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from types import MappingProxyType

from tank_mailer.core.alerts import AlertName
from tank_mailer.core.reputation import Kind, Rules, Standing
from tank_mailer.core.view import PauseView, QuotaView


@dataclass(frozen=True, slots=True, kw_only=True)
class LaneSituation:
    """One lane's queue, and how it is received from.

    Attributes:
        is_silent: polls bring nothing although messages wait.
        visible: messages that wait there; None: it has not said.
        oldest_sent_at: of the messages that were received in the last minutes; None: there were none.
        last_poll_at: when a receive went well last.
        retention_s: for how long it keeps a message; None: not known.
    """

    is_polled: bool = True
    is_silent: bool = False
    visible: int | None = None
    oldest_sent_at: datetime | None = None
    last_poll_at: datetime | None = None
    retention_s: float | None = None


@dataclass(frozen=True, slots=True)
class Trouble:
    """Something that has failed for a while; `detail` is a sentence without addresses."""

    since: datetime
    detail: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Situation:
    """All that one node knows; what it does not know is None.

    Attributes:
        began_at: when this process began.
        dead_letters: messages on each dead-letter queue, by its name.
        has_store: the store has answered: without it nothing is known of what it holds.
        dead_uncopied: jobs that were given up and are on no dead-letter queue.
        oldest: of the jobs in each state that is no end, when the oldest was first seen.
        doubts: jobs in doubt; `doubts_before`: a quarter of an hour ago.
        has_channel: whether SES's events are to come back.
        last_event_at: when the newest one was recorded.
        unheard_since: when SES took the oldest mail of those that came after it.
        free_bytes: of the store's disk.
        standings: of bounces and complaints, by `lines`.
        quota_step: the highest share of the quota, 0.8 or 0.95, that is passed; 0: none.
        is_reviewed: AWS has put the account on probation.
        webhook: what is wrong with the web server; `webhook_is_known`: whether it has taken or refused anything yet.
        canary_is_lost: no event of it came back; None: it is for another node to look, or too early to say.
        key_created_at: of the access key in use.
        happened: how often something happened since the last look.
    """

    node: str
    now: datetime
    began_at: datetime
    max_job_age_s: float = 3_600.0
    min_free_bytes: int = 0
    lines: Rules = field(default_factory=Rules)
    lanes: Mapping[str, LaneSituation] = field(default_factory=lambda: MappingProxyType({}))
    dead_letters: Mapping[str, int | None] = field(default_factory=lambda: MappingProxyType({}))
    has_store: bool = True
    dead_uncopied: int = 0
    oldest: Mapping[str, datetime] = field(default_factory=lambda: MappingProxyType({}))
    doubts: int = 0
    doubts_before: int | None = None
    has_channel: bool = False
    last_event_at: datetime | None = None
    unheard_since: datetime | None = None
    free_bytes: int | None = None
    standings: Mapping[Kind, Standing] | None = None
    pauses: Sequence[PauseView] = ()
    quota: QuotaView | None = None
    quota_step: float = 0.0
    is_reviewed: bool | None = None
    webhook: Trouble | None = None
    webhook_is_known: bool = True
    canary_is_lost: bool | None = False
    key_created_at: datetime | None = None
    happened: Mapping[AlertName, int] = field(default_factory=lambda: MappingProxyType({}))
