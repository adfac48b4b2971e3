"""Which adapter serves which port behind the sending: events, the web server, the store's keeping."""

import random
from collections import Counter
from collections.abc import Coroutine
from contextlib import AsyncExitStack
from dataclasses import dataclass
from datetime import timedelta

from tank_mailer.adapters import aws
from tank_mailer.adapters.attic import SqlAttic
from tank_mailer.adapters.event_book import SqlEventBook
from tank_mailer.adapters.outbox import SqlOutbox
from tank_mailer.adapters.perch import SqlPerch
from tank_mailer.adapters.posting import open_session
from tank_mailer.adapters.sns import Signatures, fetch_certificate
from tank_mailer.adapters.sqs import SqsQueue
from tank_mailer.adapters.store import Store
from tank_mailer.adapters.webhook import WebhookReceiver
from tank_mailer.core.alerts import AlertName
from tank_mailer.core.cost import Item, Meter
from tank_mailer.core.envelope import Policy
from tank_mailer.core.lanes import ORDINARY
from tank_mailer.daemon.sending import SendingParts, has_channel
from tank_mailer.flows.canary import Canary
from tank_mailer.flows.feedback import Feedback
from tank_mailer.flows.governor import Governor
from tank_mailer.flows.housekeeping import Housekeeper
from tank_mailer.flows.notify import Notifier
from tank_mailer.flows.reading import Reading
from tank_mailer.ports.nodes import Turns
from tank_mailer.settings import Settings
from tank_mailer.telemetry.log import Recipients

EVENTS_BESIDE = 400.0  # a second: a third of a core, and several times what 14 mails a second make
EVENTS_A_MAIL = 5.0  # more than mails make, so that a backlog shrinks at any rate


@dataclass(frozen=True, slots=True, kw_only=True)
class FeedbackParts:
    """What runs beside the sending.

    Attributes:
        feedback: None without an event queue; the same of `notifier` and `canary` where nobody is told or put.
        happened: how often things have happened since the start that people are to hear of.
        works: everything that runs, `feedback` too.
    """

    feedback: Feedback | None
    notifier: Notifier | None
    canary: Canary | None
    happened: Counter[AlertName]
    works: tuple[Coroutine[None, None, None], ...]


async def assemble_feedback(
    settings: Settings,
    sending: SendingParts,
    *,
    clients: aws.Clients,
    store: Store,
    names: Recipients,
    stack: AsyncExitStack,
    turns: Turns | None,
    meter: Meter,
) -> FeedbackParts:
    """Put it together; what has to be closed goes on `stack`, what one node does for all goes by `turns`."""
    feedback = _feedback(settings, sending, clients=clients, store=store, names=names, meter=meter)
    happened = Counter[AlertName]()
    notifier, canary = None, None
    works: list[Coroutine[None, None, None]] = [_housekeeper(settings, store, turns, happened).run()]
    if feedback is not None:
        works += [feedback.run(), sending.doubts.run()]
    if settings.webhook_url is not None and settings.webhook_secret is not None:
        receiver = WebhookReceiver(
            session=await stack.enter_async_context(open_session()),
            url=settings.webhook_url,
            secret=settings.webhook_secret,
            clock=store.clock,
        )
        notifier = Notifier(
            outbox=SqlOutbox(store=store), receiver=receiver, clock=store.clock, jitter=random.random, turns=turns
        )
        store.when_posted = notifier.nudge
        works.append(notifier.run())
    if settings.canary_from is not None and settings.delivery == "live":
        canary = _canary(settings, sending, settings.canary_from, store, turns)
        works.append(canary.run())
    return FeedbackParts(feedback=feedback, notifier=notifier, canary=canary, happened=happened, works=tuple(works))


def _feedback(
    settings: Settings, sending: SendingParts, *, clients: aws.Clients, store: Store, names: Recipients, meter: Meter
) -> Feedback | None:
    if settings.event_queue_url is None or clients.events_receiving is None or clients.events_settling is None:
        return None
    signatures = Signatures(fetch=fetch_certificate, clock=store.clock) if settings.verify_sns_signatures else None
    return Feedback(
        queue=SqsQueue(
            url=settings.event_queue_url,
            receiving=clients.events_receiving,
            settling=clients.events_settling,
            meter=meter,
            carries=Item.SNS_NOTIFICATIONS,
        ),
        reading=Reading(
            policy=Policy(topic_arns=frozenset(settings.event_topic_arns), raw_events=settings.raw_events),
            signatures=signatures,
        ),
        book=SqlEventBook(store=store),
        doubts=sending.doubts,
        pauses=sending.hand.pauses,
        clock=store.clock,
        names=names,
        visibility_s=settings.visibility_timeout_s,
        most_a_second=lambda: _events_beside(sending.hand.governor),
    )


def _events_beside(governor: Governor) -> float | None:
    """How many events a second are drained: all that come, but no more than leave the sending its rate."""
    return None if governor.is_idle else max(EVENTS_BESIDE, EVENTS_A_MAIL * governor.current_rate)


def _housekeeper(settings: Settings, store: Store, turns: Turns | None, happened: Counter[AlertName]) -> Housekeeper:
    return Housekeeper(
        attic=SqlAttic(store=store),
        clock=store.clock,
        retention=timedelta(days=settings.retention_days),
        has_channel=has_channel(settings),
        jitter=random.random,
        turns=turns,
        when_lost=lambda lost: happened.update({AlertName.EVENTS_LOST: lost}),
    )


def _canary(settings: Settings, sending: SendingParts, sender: str, store: Store, turns: Turns | None) -> Canary:
    """An ordinary job on the ordinary queue: it goes the way of all mail."""
    return Canary(
        perch=SqlPerch(attic=SqlAttic(store=store)),
        clock=store.clock,
        put=sending.ordinary.queue.put,
        is_paused=lambda: not sending.hand.pauses.is_polled(ORDINARY) or sending.hand.is_closing,
        sender=sender,
        interval=timedelta(seconds=settings.canary_interval_s),
        configuration_sets=tuple(name for name in (settings.configuration_set, *settings.configuration_sets) if name),
        turns=turns,
    )
