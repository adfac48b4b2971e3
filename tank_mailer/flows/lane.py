"""One lane: the flows of one queue, put together."""

from collections.abc import Callable
from dataclasses import dataclass

from tank_mailer.core.backoff import RetryPolicy
from tank_mailer.core.gate import Delivery
from tank_mailer.core.renewal import QueueLife
from tank_mailer.flows.attempt import Attempt
from tank_mailer.flows.dead_letters import DeadLetters, FindDeadLetters
from tank_mailer.flows.doubts import Doubts
from tank_mailer.flows.governor import Governor
from tank_mailer.flows.hidden import Hidden
from tank_mailer.flows.intake import Intake
from tank_mailer.flows.lease import LeaseKeeper
from tank_mailer.flows.pauses import Pauses
from tank_mailer.flows.record import Recorder
from tank_mailer.flows.renewal import Renewal
from tank_mailer.flows.sending import Sending
from tank_mailer.flows.settlement import Settler
from tank_mailer.flows.suspicion import Suspicion
from tank_mailer.flows.tallies import Tallies
from tank_mailer.ports import Clock, Ledger, Mailer, Queue
from tank_mailer.telemetry.log import Recipients


@dataclass(frozen=True, slots=True, kw_only=True)
class Outside:
    """What the flows of a lane act on."""

    queue: Queue
    find_dead_letters: FindDeadLetters
    mailer: Mailer
    ledger: Ledger
    clock: Clock


@dataclass(frozen=True, slots=True, kw_only=True)
class Knobs:
    """What the operator decides.

    Attributes:
        lane: its name in the ledger.
        source: the queue's name, for the dead-letter queue.
        owner: this node and process.
        configuration_set: of jobs that name none; "" for none.
        names: how a recipient is named in logs.
        jitter: gives a number from 0 to 1 that spreads waits.
        life: what the queue allows a message.
        on_throttle: called for every throttle answer.
    """

    lane: str
    source: str
    owner: str
    configuration_set: str
    visibility_s: int
    ses_timeout_s: float
    delivery: Delivery
    policy: RetryPolicy
    names: Recipients
    jitter: Callable[[], float]
    life: Callable[[], QueueLife]
    on_throttle: Callable[[], None] = lambda: None


@dataclass(frozen=True, slots=True, kw_only=True)
class Lane:
    """The parts that run, and those that are asked from outside."""

    intake: Intake
    keeper: LeaseKeeper
    settler: Settler
    renewal: Renewal
    sending: Sending
    hidden: Hidden


def make_lane(
    outside: Outside, knobs: Knobs, *, governor: Governor, pauses: Pauses, doubts: Doubts, tallies: Tallies
) -> Lane:
    """Put the flows of one queue together."""
    queue, ledger, clock = outside.queue, outside.ledger, outside.clock
    keeper = LeaseKeeper(queue=queue, clock=clock, visibility_s=knobs.visibility_s)
    settler = Settler(queue=queue, keeper=keeper)
    hidden = Hidden(queue=queue)
    pauses.when_lifted(hidden.over)
    renewal = Renewal(
        queue=queue,
        ledger=ledger,
        settler=settler,
        keeper=keeper,
        clock=clock,
        life=knobs.life,
        renewed=hidden.forget,
    )
    recorder = Recorder(lane=knobs.lane, policy=knobs.policy, ledger=ledger, pauses=pauses, clock=clock)
    attempt = Attempt(
        lane=knobs.lane,
        owner=knobs.owner,
        ses_timeout_s=knobs.ses_timeout_s,
        configuration_set=knobs.configuration_set,
        delivery=knobs.delivery,
        ledger=ledger,
        recorder=recorder,
        mailer=outside.mailer,
        governor=governor,
        pauses=pauses,
        keeper=keeper,
        clock=clock,
    )
    sending = Sending(
        lane=knobs.lane,
        attempt=attempt,
        delivery=knobs.delivery,
        policy=knobs.policy,
        ledger=ledger,
        recorder=recorder,
        governor=governor,
        pauses=pauses,
        keeper=keeper,
        settler=settler,
        renewal=renewal,
        dead_letters=DeadLetters(find=outside.find_dead_letters, source=knobs.source, clock=clock),
        doubts=doubts,
        hidden=hidden,
        suspicion=Suspicion(lane=knobs.lane, pauses=pauses, ledger=ledger),
        tallies=tallies,
        clock=clock,
        names=knobs.names,
        jitter=knobs.jitter,
        on_throttle=knobs.on_throttle,
    )
    intake = Intake(
        lane=knobs.lane,
        queue=queue,
        keeper=keeper,
        governor=governor,
        pauses=pauses,
        sending=sending,
        clock=clock,
        visibility_s=knobs.visibility_s,
    )
    return Lane(intake=intake, keeper=keeper, settler=settler, renewal=renewal, sending=sending, hidden=hidden)
