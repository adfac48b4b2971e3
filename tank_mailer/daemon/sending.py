"""Which adapter serves which port on a job's way."""

import random
import uuid
from dataclasses import dataclass

from tank_mailer.adapters import aws
from tank_mailer.adapters.event_book import SqlEventBook
from tank_mailer.adapters.ses import SesAccount, SesMailer
from tank_mailer.adapters.sqs import SqsDeadLetterQueue, SqsQueue
from tank_mailer.adapters.store import Store
from tank_mailer.core.address import mailbox_key, parse_address
from tank_mailer.core.backoff import RetryPolicy
from tank_mailer.core.errors import QueueError, Reason
from tank_mailer.core.gate import Delivery
from tank_mailer.core.outcome import Concerned
from tank_mailer.flows.doubts import Doubts
from tank_mailer.flows.governor import Governor
from tank_mailer.flows.lane import Knobs, Outside, make_lane
from tank_mailer.flows.lease import LeaseKeeper
from tank_mailer.flows.pauses import Pauses
from tank_mailer.flows.stop import Hand
from tank_mailer.flows.watch import AccountWatch, QueueWatch
from tank_mailer.ports import QueueFacts
from tank_mailer.settings import Settings
from tank_mailer.telemetry.log import Recipients

ORDINARY = "ordinary"


@dataclass(frozen=True, slots=True, kw_only=True)
class SendingParts:
    """What runs, and what the start, the feedback and the stop have to do with."""

    hand: Hand
    keeper: LeaseKeeper
    account: AccountWatch
    watch: QueueWatch
    queue: SqsQueue
    doubts: Doubts
    dead_letters: str | None


def has_channel(settings: Settings) -> bool:
    """Whether SES's events come back to us with their tags, of some mails at least."""
    return settings.event_queue_url is not None and bool(settings.configuration_set or settings.configuration_sets)


def policy_of(settings: Settings) -> RetryPolicy:
    """How often, how long."""
    return RetryPolicy(
        max_attempts=settings.max_attempts,
        in_doubt_wait_s=float(settings.in_doubt_wait_s),
        resends_doubt=settings.in_doubt == "resend",
        has_channel=has_channel(settings),
    )


async def assemble_sending(
    settings: Settings, *, clients: aws.Clients, store: Store, names: Recipients
) -> SendingParts:
    """Put the sending together, and ask the account and the queue for the first time."""
    clock = store.clock
    queue = SqsQueue(url=settings.outbound_queue_url, receiving=clients.receiving, settling=clients.settling)
    default_set = settings.configuration_set or ""
    governor = Governor(slots=settings.max_parallel, rate=0.0)
    pauses = Pauses(clock=clock, default_set=default_set)
    pauses.when_stopped(governor.halt)
    account = AccountWatch(
        account=SesAccount(client=clients.sending),
        governor=governor,
        pauses=pauses,
        fixed_rate=None if settings.send_rate == "auto" else float(settings.send_rate),
        share=settings.rate_share,
    )
    pauses.probe_by(Concerned.ACCOUNT, account.probe)
    pauses.probe_by(Concerned.SES, account.probe)
    pauses.probe_by(Concerned.STORE, store.works)
    policy = policy_of(settings)
    delivery = _delivery(settings)
    await account.start()  # first on the sending client; its first call is slow (lab)
    named = settings.dead_letter_queue_url
    watch = QueueWatch(queue=queue, pauses=pauses, has_dead_letters=named is not None)
    await watch.ask()

    async def find_dead_letters() -> SqsDeadLetterQueue | None:
        facts = watch.known or await watch.ask()
        if named is None and facts is None:
            raise QueueError(Reason.QUEUE_UNREACHABLE, "the queue does not say where its dead letters go")
        url = named or _beside(queue.url, facts)
        return SqsDeadLetterQueue(url=url, client=clients.settling) if url else None

    doubts = Doubts(
        book=SqlEventBook(store=store) if policy.has_channel else None,
        queues={ORDINARY: queue},
        policy=policy,
        clock=clock,
    )
    lane = make_lane(
        Outside(
            queue=queue,
            find_dead_letters=find_dead_letters,
            mailer=SesMailer(client=clients.sending, configuration_set=default_set, timeout_s=settings.ses_timeout_s),
            ledger=store,
            clock=clock,
        ),
        Knobs(
            lane=ORDINARY,
            source=queue.name,
            owner=f"{settings.node}/{uuid.uuid4().hex[:12]}",
            configuration_set=default_set,
            visibility_s=settings.visibility_timeout_s,
            ses_timeout_s=settings.ses_timeout_s,
            delivery=delivery,
            policy=policy,
            names=names,
            jitter=random.random,
            life=lambda: watch.life,
        ),
        governor=governor,
        pauses=pauses,
        doubts=doubts,
    )
    watch.polls_without = lane.intake.polls_without
    return SendingParts(
        hand=Hand(intake=lane.intake, governor=governor, pauses=pauses, settler=lane.settler),
        keeper=lane.keeper,
        account=account,
        watch=watch,
        queue=queue,
        doubts=doubts,
        dead_letters=named or _beside(queue.url, watch.known),
    )


def _delivery(settings: Settings) -> Delivery:
    return Delivery(
        dry_run=settings.delivery == "dry_run",
        redirect_to=parse_address(settings.redirect_to or "") if settings.delivery == "redirect" else None,
        allowed_senders=frozenset(
            mailbox_key(sender) if "@" in sender else sender for sender in settings.allowed_senders
        ),
        configuration_sets=frozenset({settings.configuration_set or "", *settings.configuration_sets} - {""}),
    )


def _beside(queue_url: str, facts: QueueFacts | None) -> str | None:
    """The dead-letter queue of a redrive policy: same account and region (SQS), so beside the queue."""
    if facts is None or facts.dead_letter_queue is None:
        return None
    return f"{queue_url.rpartition('/')[0]}/{facts.dead_letter_queue}"
