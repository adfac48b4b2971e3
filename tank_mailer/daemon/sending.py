"""Which adapter serves which port on a job's way."""

import random
from collections.abc import Callable, Coroutine
from dataclasses import dataclass
from itertools import count
from typing import TYPE_CHECKING

from tank_mailer.adapters import aws
from tank_mailer.adapters.event_book import SqlEventBook
from tank_mailer.adapters.ses import SesAccount, SesMailer, SesSendQuota
from tank_mailer.adapters.sqs import SqsDeadLetterQueue, SqsQueue, dead_letters_beside
from tank_mailer.adapters.store import Store
from tank_mailer.core.address import mailbox_key, parse_address
from tank_mailer.core.backoff import RetryPolicy
from tank_mailer.core.cost import Meter
from tank_mailer.core.errors import QueueError, Reason
from tank_mailer.core.gate import Delivery
from tank_mailer.core.lanes import ORDINARY, PRIORITY
from tank_mailer.core.outcome import Concerned
from tank_mailer.flows.account import AccountWatch
from tank_mailer.flows.dead_letters import FindDeadLetters
from tank_mailer.flows.doubts import Doubts
from tank_mailer.flows.governor import Governor
from tank_mailer.flows.lane import Knobs, Lane, Outside, make_lane
from tank_mailer.flows.pauses import Pauses
from tank_mailer.flows.stop import Hand
from tank_mailer.flows.tallies import Tallies
from tank_mailer.flows.watch import QueueWatch
from tank_mailer.ports.nodes import Grants
from tank_mailer.settings import Settings
from tank_mailer.telemetry.log import Recipients

if TYPE_CHECKING:
    from types_aiobotocore_sqs import SQSClient


THROTTLES_TO_ASK = 5  # so many, and the account is asked again: the quota may be behind them (aws-facts 1.5)


@dataclass(frozen=True, slots=True, kw_only=True)
class Way:
    """One lane on its queue, and what watches the queue.

    Attributes:
        named: the dead-letter queue that the settings name.
    """

    name: str
    lane: Lane
    queue: SqsQueue
    watch: QueueWatch
    named: str | None

    @property
    def dead_letters(self) -> str | None:
        """Where its dead letters go, as far as is known by now."""
        return self.named or dead_letters_beside(self.queue.url, self.watch.known)

    @property
    def works(self) -> tuple[Coroutine[None, None, None], ...]:
        """What runs beside the polling."""
        lane = self.lane
        return lane.keeper.run(), lane.settler.run(), lane.hidden.run(), self.watch.run()


@dataclass(frozen=True, slots=True, kw_only=True)
class SendingParts:
    """What runs, and what the start, the feedback and the stop have to do with."""

    hand: Hand
    ways: tuple[Way, ...]
    account: AccountWatch
    doubts: Doubts
    tallies: Tallies

    @property
    def ordinary(self) -> Way:
        """The lane that is always there."""
        return next(way for way in self.ways if way.name == ORDINARY)


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
    settings: Settings,
    *,
    clients: aws.Clients,
    store: Store,
    names: Recipients,
    process: str,
    grants: Grants | None,
    meter: Meter,
) -> SendingParts:
    """Put the sending together, and ask the account and the queues for the first time.

    Args:
        settings: all of them.
        clients: open.
        store: running.
        names: how a recipient is named in logs.
        process: tells this process from all others.
        grants: the pace that nodes share; None: all tokens are ours.
        meter: counts what AWS bills for.
    """
    clock = store.clock
    urls = {PRIORITY: settings.priority_queue_url, ORDINARY: settings.outbound_queue_url}
    queues = {
        lane: SqsQueue(url=url, receiving=clients.receiving, settling=clients.settling, meter=meter)
        for lane, url in urls.items()
        if url is not None
    }
    default_set = settings.configuration_set or ""
    governor = Governor(slots=settings.max_parallel, rate=0.0, has_priority=PRIORITY in queues, grants=grants)
    pauses = Pauses(clock=clock, default_set=default_set, jitter=random.random)
    pauses.when_stopped(governor.halt)
    account = AccountWatch(
        account=SesAccount(client=clients.sending),
        quota=SesSendQuota(client=clients.quota),
        governor=governor,
        pauses=pauses,
        fixed_rate=None if settings.send_rate == "auto" else float(settings.send_rate),
        share=settings.rate_share,
    )
    pauses.probe_by(Concerned.ACCOUNT, account.probe)
    pauses.probe_by(Concerned.SES, account.probe)
    pauses.probe_by(Concerned.STORE, store.works)
    policy = policy_of(settings)
    await account.start()  # first on the sending client; its first call is slow (lab)
    doubts = Doubts(
        book=SqlEventBook(store=store) if policy.has_channel else None, queues=queues, policy=policy, clock=clock
    )
    tallies = Tallies(clock=clock)
    mailer = SesMailer(
        client=clients.sending, configuration_set=default_set, timeout_s=settings.ses_timeout_s, meter=meter
    )
    ways = list[Way]()
    for name, queue in queues.items():
        watch = QueueWatch(
            queue=queue, pauses=pauses, has_dead_letters=settings.dead_letter_queue_url is not None, lane=name
        )
        await watch.ask()
        pauses.probe_by(Concerned.QUEUE, watch.probe, name=name)
        find = _finder(settings.dead_letter_queue_url, queue=queue, watch=watch, client=clients.settling)
        lane = make_lane(
            Outside(queue=queue, find_dead_letters=find, mailer=mailer, ledger=store, clock=clock),
            Knobs(
                lane=name,
                source=queue.name,
                owner=f"{settings.node}/{process}",
                configuration_set=default_set,
                visibility_s=settings.visibility_timeout_s,
                ses_timeout_s=settings.ses_timeout_s,
                delivery=delivery_of(settings),
                policy=policy,
                names=names,
                jitter=random.random,
                life=lambda watch=watch: watch.life,  # type: ignore[misc]
                on_throttle=_every(THROTTLES_TO_ASK, account.ask_soon),
            ),
            governor=governor,
            pauses=pauses,
            doubts=doubts,
            tallies=tallies,
        )
        watch.polls_without = lane.intake.polls_without
        ways.append(Way(name=name, lane=lane, queue=queue, watch=watch, named=settings.dead_letter_queue_url))
    hand = Hand(lanes=[way.lane for way in ways], governor=governor, pauses=pauses)
    return SendingParts(hand=hand, ways=tuple(ways), account=account, doubts=doubts, tallies=tallies)


def _finder(named: str | None, *, queue: SqsQueue, watch: QueueWatch, client: "SQSClient") -> FindDeadLetters:
    async def find() -> SqsDeadLetterQueue | None:
        facts = watch.known or await watch.ask()
        if named is None and facts is None:
            raise QueueError(Reason.QUEUE_UNREACHABLE, "the queue does not say where its dead letters go")
        url = named or dead_letters_beside(queue.url, facts)
        return SqsDeadLetterQueue(url=url, client=client, meter=queue.meter) if url else None

    return find


def _every(times: int, call: Callable[[], None]) -> Callable[[], None]:
    counted = count(1)

    def one_more() -> None:
        if next(counted) % times == 0:
            call()

    return one_more


def delivery_of(settings: Settings) -> Delivery:
    """What may be sent, and how."""
    return Delivery(
        dry_run=settings.delivery == "dry_run",
        redirect_to=parse_address(settings.redirect_to or "") if settings.delivery == "redirect" else None,
        allowed_senders=frozenset(
            mailbox_key(sender) if "@" in sender else sender for sender in settings.allowed_senders
        ),
        configuration_sets=frozenset({settings.configuration_set or "", *settings.configuration_sets} - {""}),
    )
