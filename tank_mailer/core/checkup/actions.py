"""Which actions of IAM the program needs, and which of them the key may do, by all that is known."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum
from typing import Final

from tank_mailer.core.checkup.facts import ActionOn, Facts, Simulated, Tried
from tank_mailer.core.checkup.seen import Denied, Found, Known, value_of
from tank_mailer.core.checkup.setup import Setup

PROOF: Final = timedelta(days=1)  # ours: a mail that SES took within it shows that the key may send
EVERYTHING: Final = "*"

RECEIVE, DELETE, HIDE = "sqs:ReceiveMessage", "sqs:DeleteMessage", "sqs:ChangeMessageVisibility"
PUT, ATTRIBUTES = "sqs:SendMessage", "sqs:GetQueueAttributes"
SEND, GET_ACCOUNT, GET_SEND_QUOTA = "ses:SendEmail", "ses:GetAccount", "ses:GetSendQuota"
LIST = (
    *("ses:ListSuppressedDestinations", "ses:GetSuppressedDestination"),
    *("ses:PutSuppressedDestination", "ses:DeleteSuppressedDestination"),
)


@dataclass(frozen=True, slots=True)
class Right:
    """An action on a resource.

    Attributes:
        spares: what goes without it; "": nothing does.
    """

    action: str
    resource: str
    spares: str = ""

    @property
    def on(self) -> ActionOn:
        """For looking it up."""
        return self.action, self.resource


def needed(setup: Setup, facts: Facts) -> Iterator[Right]:
    """Everything that daemon and commands call, with this setup."""
    for url in setup.lanes.values():
        arn = setup.arn_of_queue(url)
        yield from (Right(action, arn) for action in (RECEIVE, DELETE, HIDE, ATTRIBUTES, PUT))
    if facts.dead_letter_url is not None:
        yield Right(PUT, setup.arn_of_queue(facts.dead_letter_url))
    if setup.event_queue_url is not None:
        arn = setup.arn_of_queue(setup.event_queue_url, setup.event_region)
        yield from (Right(action, arn) for action in (RECEIVE, DELETE, ATTRIBUTES))
        yield Right(PUT, arn, "only `refused requeue` of an event needs it")
    yield from (Right(SEND, arn) for arn in sending_on(setup, facts))
    yield Right(GET_ACCOUNT, EVERYTHING)
    yield Right(GET_SEND_QUOTA, EVERYTHING, "only asked where ses:GetAccount is refused")
    yield from (
        Right(action, EVERYTHING, "only `suppress sync` and `suppress check --account` need it") for action in LIST
    )


def sending_on(setup: Setup, facts: Facts) -> list[str]:
    """The ARNs that SendEmail is authorised on: the identities of the senders, and the configuration sets."""
    caller = value_of(facts.caller)
    account = caller.account if caller else None
    names = sorted(name for name, seen in facts.identities.items() if value_of(seen) is not None)
    resources = [f"identity/{name}" for name in names] + [f"configuration-set/{name}" for name in setup.sets]
    return [setup.arn_of_ses(resource, account) for resource in resources]


class Standing(StrEnum):
    """What is known of a right."""

    ALLOWED = "allowed"
    DENIED = "denied"
    UNKNOWN = "unknown"


def stand_of(*, tried: Tried | None, simulated: Simulated | None, is_proven: bool) -> Standing:
    """Weigh what is known of one right.

    A real answer goes before IAM's simulation, which knows nothing of organisations' limits that a call would meet, nor
    of what a resource's own policy grants; mail that went goes before it, too.
    """
    if tried is Tried.ALLOWED or (is_proven and tried is None):
        return Standing.ALLOWED
    if tried is Tried.DENIED or simulated is Simulated.DENIED_BY_RULE:
        return Standing.DENIED
    match simulated:
        case Simulated.ALLOWED:
            return Standing.ALLOWED
        case Simulated.NOT_GRANTED:
            return Standing.DENIED
        case Simulated.UNCLEAR | None:
            return Standing.UNKNOWN


def standings(setup: Setup, facts: Facts) -> dict[Right, Standing]:
    """Of each right that is needed; tries, simulation and what the daemon does all day are looked at."""
    simulated = value_of(facts.simulated) or {}
    tries = {**facts.tries, **_asked(setup, facts)}
    own = _with_own_policy(setup, facts)
    found = dict[Right, Standing]()
    for right in needed(setup, facts):
        said = simulated.get(right.on)
        if said is Simulated.NOT_GRANTED and right.resource in own:
            said = Simulated.UNCLEAR  # the queue's own policy may grant it
        proven = right.on in _proven(setup, facts)
        found[right] = stand_of(tried=tries.get(right.on), simulated=said, is_proven=proven)
    return found


def _asked(setup: Setup, facts: Facts) -> dict[ActionOn, Tried]:
    """What was called for its answer anyway."""
    seen: dict[ActionOn, Found[object]] = {(GET_ACCOUNT, EVERYTHING): facts.account}
    for url, queue in facts.queues.items():
        region = setup.event_region if url == setup.event_queue_url else None
        seen[ATTRIBUTES, setup.arn_of_queue(url, region)] = queue
    return {on: Tried.ALLOWED if isinstance(one, Known) else Tried.DENIED for on, one in seen.items() if _tells(one)}


def _tells(seen: Found[object]) -> bool:
    return isinstance(seen, Known | Denied)


def _with_own_policy(setup: Setup, facts: Facts) -> set[str]:
    """Queues whose policy may let the key in, and those of which it is not known."""
    found = set[str]()
    for url in (*setup.lanes.values(), facts.dead_letter_url, setup.event_queue_url):
        if url is None:
            continue
        state = value_of(facts.queues.get(url))
        if state is None or state.policy:
            found.add(setup.arn_of_queue(url, setup.event_region if url == setup.event_queue_url else None))
    return found


def _proven(setup: Setup, facts: Facts) -> set[ActionOn]:
    """What the daemon has lately done."""
    store = value_of(facts.store)
    if store is None:
        return set()
    found = {
        (RECEIVE, setup.arn_of_queue(url))
        for lane, url in setup.lanes.items()
        if any(_is_fresh(setup.now, node.lanes[lane].last_poll_at) for node in store.nodes if lane in node.lanes)
    }
    if _is_fresh(setup.now, store.newest_accepted_at) and len(sending_on(setup, facts)) <= 1 + len(setup.sets[:1]):
        found |= {(SEND, arn) for arn in sending_on(setup, facts)}  # of several identities it might be another's
    return found


def _is_fresh(now: datetime, at: datetime | None) -> bool:
    return at is not None and now - at <= PROOF


def unknown_of(found: Mapping[Right, Standing]) -> list[Right]:
    """Those that nothing is known of."""
    return [right for right, standing in found.items() if standing is Standing.UNKNOWN]
