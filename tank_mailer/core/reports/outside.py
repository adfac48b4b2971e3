"""What AWS and the running nodes say beside the store: as values, each of which may be unknown."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Final

from tank_mailer.core.account import REMEDY, STOPS, Flaw, standing
from tank_mailer.core.holds import SharedPause, pause_said
from tank_mailer.core.lanestanding import START
from tank_mailer.core.quota import NEAR
from tank_mailer.core.reports.document import Check, Column, Form, Mark, NotKnown, Section, Table
from tank_mailer.core.reports.spell import NONE, count_of, percent, seconds
from tank_mailer.core.scope import OperatorPause
from tank_mailer.core.view import NodeView

POLLED_WITHIN_S: Final = 60.0  # a long poll takes 20 s; after a minute something is wrong (issue 5: /readyz)
OLD_KEY: Final = timedelta(days=90)  # aws-facts 8.3
DEAD_LETTERS: Final = "dead letters"
LEDGER_ALONE: Final = "(the ledger alone)"  # DESIGN 5.8: no queue, too large for it, or denied
NO_KEYS: Final = NotKnown("IAM names no access key of this key's user")
ASK_MORE: Final = "ask AWS for a higher quota: tank-mailer report quota-request"


@dataclass(frozen=True, slots=True, kw_only=True)
class AccountStanding:
    """What SES says of the account; the fields are those of `ports.AccountFacts`.

    Attributes:
        unseen: why only the figures are known, and nothing of what AWS holds against it.
    """

    max_send_rate: float
    max_24_hour_send: float | None
    sent_last_24_hours: float
    sending_enabled: bool | None = None
    production_access: bool | None = None
    enforcement: str = ""
    unseen: NotKnown | None = None

    @property
    def flaws(self) -> list[Flaw]:
        """What AWS holds against it."""
        found = standing(
            max_send_rate=self.max_send_rate,
            sending_enabled=self.sending_enabled,
            production_access=self.production_access,
            enforcement=self.enforcement,
        )
        return [flaw for flaw in found.values() if flaw is not None]


@dataclass(frozen=True, slots=True)
class QueueDepth:
    """What waits on one queue.

    Attributes:
        role: the lane, `events`, or `dead letters`.
        depth: messages that may be received and those that are hidden; or why that is not known.
    """

    role: str
    name: str
    depth: tuple[int, int] | NotKnown


@dataclass(frozen=True, slots=True)
class AccessKey:
    """One access key of the IAM user.

    Attributes:
        ending: its last four characters.
        is_ours: the one that this program uses.
    """

    ending: str
    created_at: datetime
    is_active: bool
    is_ours: bool


@dataclass(frozen=True, slots=True)
class DedicatedIps:
    """How many dedicated IPs the account has: those that are paid for one by one, and those that AWS manages."""

    standard: int = 0
    managed: int = 0


@dataclass(frozen=True, slots=True)
class IdentityState:
    """How a sender's identity stands at SES, or in DNS.

    Attributes:
        said: in words.
        remedy: what to do; None where nothing is wrong.
        unseen: why a part of it is not known, though nothing is wrong with the rest.
    """

    name: str
    is_good: bool
    said: str
    remedy: str | None = None
    unseen: str = ""

    @property
    def check(self) -> Check:
        """As a line of a checklist."""
        if self.is_good and self.unseen:
            said = f"{self.said}; the rest is not known: {self.unseen}"
            return Check("identity", self.name, Mark.UNKNOWN, said, remedy=self.remedy)
        return Check("identity", self.name, Mark.GOOD if self.is_good else Mark.BAD, self.said, remedy=self.remedy)


@dataclass(frozen=True, slots=True, kw_only=True)
class Nodes:
    """What stands on the board."""

    alive: Sequence[NodeView] = ()
    pauses: Sequence[SharedPause] = ()
    orders: Sequence[OperatorPause] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Outside:
    """All that is not in the store's books; a part that was not asked for is left as it is."""

    account: AccountStanding | NotKnown = field(default_factory=lambda: NotKnown("not asked for"))
    queues: Sequence[QueueDepth] = ()
    keys: Sequence[AccessKey] | NotKnown = ()
    ips: DedicatedIps | NotKnown = field(default_factory=DedicatedIps)
    identities: Sequence[IdentityState] | NotKnown = ()


# --- as checks -------------------------------------------------------------------------------------


def connection(nodes: Nodes, outside: Outside, now: datetime) -> Section:
    """Is a daemon running, does it poll, what is paused, what does AWS say, what waits."""
    checks = [_daemon(nodes), *_polls(nodes, now), *_pauses(nodes), *account_checks(outside.account)]
    checks += [*_unknown_queues(outside.queues), *_dead_letters(outside.queues)]
    return Section("connection", "Connection", checks=checks, tables=[_depths(outside.queues)])


def _daemon(nodes: Nodes) -> Check:
    if not nodes.alive:
        return Check("daemon", "daemon", Mark.BAD, "no daemon is alive on this store", 0, START)
    names = ", ".join(dict.fromkeys(node.node for node in nodes.alive))
    said = f"{count_of(len(nodes.alive), 'node')} alive: {names}"
    return Check("daemon", "daemon", Mark.GOOD, said, len(nodes.alive))


def _polls(nodes: Nodes, now: datetime) -> list[Check]:
    """Of each lane the newest poll of any node."""
    checks = list[Check]()
    for lane in sorted({lane for node in nodes.alive for lane in node.lanes}):
        views = [node.lanes[lane] for node in nodes.alive if lane in node.lanes]
        polled = max((view.last_poll_at for view in views if view.last_poll_at), default=None)
        if not any(view.is_polled for view in views):
            said, mark = "not polled: paused, or no room", Mark.WARN
        elif polled is None:
            said, mark = "never polled since the start", Mark.WARN
        else:
            ago_s = max(0.0, (now - polled).total_seconds())
            said, mark = f"polled {seconds(ago_s)} ago", Mark.GOOD if ago_s <= POLLED_WITHIN_S else Mark.BAD
        remedy = None if mark is Mark.GOOD else "tank-mailer top"
        checks.append(Check(f"poll_{lane}", f"{lane} lane", mark, said, remedy=remedy))
    return checks


def _pauses(nodes: Nodes) -> list[Check]:
    checks = [
        Check("pause", "pause", Mark.BAD, f"{pause_said(one.pause)}: {one.pause.reason}", remedy=one.pause.remedy)
        for one in nodes.pauses
    ]
    checks += [
        Check("pause", "pause", Mark.WARN, f"{one.scope.said}, by {one.who}", remedy=one.scope.resume)
        for one in nodes.orders
    ]
    return checks or ([Check("pause", "pauses", Mark.GOOD, "none")] if nodes.alive else [])


def account_checks(account: AccountStanding | NotKnown) -> list[Check]:
    """What AWS holds against the account, and how much of its quota is used."""
    match account:
        case NotKnown():
            return [account.check("account", "account")]
        case AccountStanding():
            return [*_standing(account), _quota(account), _rate(account)]


def _standing(account: AccountStanding) -> list[Check]:
    if account.unseen is not None:
        return [account.unseen.check("account", "account")]
    word = f" ({account.enforcement})" if account.enforcement else ""
    flaws = account.flaws
    if not flaws:
        return [Check("account", "account", Mark.GOOD, f"AWS holds nothing against it{word}")]
    return [
        Check("account", "account", Mark.BAD if flaw in STOPS else Mark.WARN, f"{flaw}{word}", remedy=REMEDY[flaw])
        for flaw in flaws
    ]


def _quota(account: AccountStanding) -> Check:
    sent, most = account.sent_last_24_hours, account.max_24_hour_send
    if most is None:
        return Check("quota", "daily quota", Mark.GOOD, f"{sent:,.0f} sent in 24 hours; no limit")
    share = sent / most if most else 1.0
    near, full = NEAR
    mark = Mark.BAD if share >= full else Mark.WARN if share >= near else Mark.GOOD
    said = f"{sent:,.0f} of {most:,.0f} in the last 24 hours ({percent(share)})"
    return Check("quota", "daily quota", mark, said, share, ASK_MORE if mark is not Mark.GOOD else None)


def _rate(account: AccountStanding) -> Check:
    said = f"SES allows {account.max_send_rate:g} recipients a second"
    return Check("rate", "rate", Mark.TOLD, said, account.max_send_rate)


def _unknown_queues(queues: Sequence[QueueDepth]) -> list[Check]:
    """A line for each that tells nothing; how deep the others are stands in the table."""
    return [
        one.depth.check(f"queue_{one.role.replace(' ', '_')}", one.role)
        for one in queues
        if isinstance(one.depth, NotKnown)
    ]


def _dead_letters(queues: Sequence[QueueDepth]) -> list[Check]:
    """One line for all places where they lie."""
    depths = [one.depth for one in queues if one.role == DEAD_LETTERS and not isinstance(one.depth, NotKnown)]
    if not depths:
        return []
    count = sum(visible + hidden for visible, hidden in depths)
    key = "queue_dead_letters"
    if not count:
        return [Check(key, DEAD_LETTERS, Mark.GOOD, "none", 0)]
    return [Check(key, DEAD_LETTERS, Mark.WARN, f"{count:,} wait for a person", count, "tank-mailer dlq list")]


def _depths(queues: Sequence[QueueDepth]) -> Table:
    columns = [
        Column("role", "lane"),
        Column("queue", "queue"),
        Column("visible", "visible", Form.COUNT),
        Column("hidden", "hidden", Form.COUNT),
    ]
    rows = [
        [one.role, one.name or NONE, *((None, None) if isinstance(one.depth, NotKnown) else one.depth)]
        for one in queues
    ]
    return Table("queues", "Queues now", columns, rows, note="hidden: in work, or waiting for its time")


def key_checks(keys: Sequence[AccessKey] | NotKnown, now: datetime) -> list[Check]:
    """How old each key is."""
    if isinstance(keys, NotKnown):
        return [keys.check("key_age", "key age")]
    if not keys:
        return [NO_KEYS.check("key_age", "key age")]
    return [_key(key, now) for key in sorted(keys, key=lambda one: one.created_at)]


def _key(key: AccessKey, now: datetime) -> Check:
    age = now - key.created_at
    is_old = key.is_active and age >= OLD_KEY
    kind = "in use here" if key.is_ours else "active" if key.is_active else "inactive"
    remedy = "make a second key, switch, watch its last use, then delete the old one" if is_old else None
    said = f"{age.days} days old ({kind}), key ...{key.ending}"
    return Check("key_age", "key age", Mark.WARN if is_old else Mark.GOOD, said, age.days, remedy)


def identity_checks(identities: Sequence[IdentityState] | NotKnown) -> list[Check]:
    """How each sender's identity stands."""
    if isinstance(identities, NotKnown):
        return [identities.check("identity", "identities")]
    if not identities:
        return [Check("identity", "identities", Mark.TOLD, "no sender is known yet")]
    return [one.check for one in identities]
