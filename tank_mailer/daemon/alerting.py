"""Which adapter serves which port behind alerts, and how things stand for them and for metrics."""

from collections.abc import Coroutine, Mapping
from contextlib import AsyncExitStack
from dataclasses import dataclass
from datetime import datetime
from typing import Final

from tank_mailer.adapters import aws
from tank_mailer.adapters.alert_book import SqlAlertBook
from tank_mailer.adapters.alert_webhook import AlertWebhook
from tank_mailer.adapters.key_age import KeyAge
from tank_mailer.adapters.posting import open_session
from tank_mailer.adapters.sqs import SqsQueue
from tank_mailer.adapters.standing import SqlStanding
from tank_mailer.adapters.store import Store
from tank_mailer.core import situation as core
from tank_mailer.core.alerts import AlertName
from tank_mailer.core.ledger import State
from tank_mailer.core.situation import LaneSituation, Situation
from tank_mailer.daemon.feedback import FeedbackParts
from tank_mailer.daemon.nodes import NodeParts
from tank_mailer.daemon.sending import SendingParts, Way, has_channel
from tank_mailer.flows.alerts import Alerts
from tank_mailer.flows.key_age import KeyWatch
from tank_mailer.flows.standing import DEAD_LETTERS, EVENTS, StandingWatch
from tank_mailer.ports.nodes import Turns
from tank_mailer.ports.standing import StoreStanding
from tank_mailer.settings import Loaded, Settings

PROBATION: Final = "PROBATION"  # SES: EnforcementStatus


@dataclass(frozen=True, slots=True, kw_only=True)
class AlertParts:
    """What looks on.

    Attributes:
        standing: for metrics, too; the same of `alerts.firing`.
    """

    standing: StandingWatch
    alerts: Alerts
    works: tuple[Coroutine[None, None, None], ...]


async def assemble_alerting(
    loaded: Loaded,
    sending: SendingParts,
    nodes: NodeParts,
    feedback: FeedbackParts,
    *,
    clients: aws.Clients,
    store: Store,
    stack: AsyncExitStack,
    turns: Turns | None,
) -> AlertParts:
    """Put it together; what has to be closed goes on `stack`, what one node does for all goes by `turns`."""
    settings = loaded.settings
    beside = _Beside(settings=settings, sending=sending, clients=clients)
    standing = StandingWatch(standing=SqlStanding(store=store), queues=beside.queues, clock=store.clock)
    key_age = KeyAge(aws=loaded.aws, keys=clients.keys, region=aws.region_of(settings.outbound_queue_url))
    sight = _Sight(
        settings=settings,
        sending=sending,
        nodes=nodes,
        feedback=feedback,
        store=store,
        standing=standing,
        key=KeyWatch(in_use=key_age.in_use, ask=key_age.created_at),
        began_at=store.clock.now(),
    )
    receiver = None
    if settings.alert_webhook_url is not None:
        session = await stack.enter_async_context(open_session())
        receiver = AlertWebhook(session=session, url=settings.alert_webhook_url)
    alerts = Alerts(
        book=SqlAlertBook(store=store),
        look=sight.look,
        totals=sight.totals,
        clock=store.clock,
        node=settings.node,
        receiver=receiver,
        turns=turns,
        ready=standing.ready,
    )
    return AlertParts(standing=standing, alerts=alerts, works=(standing.run(), sight.key.run(), alerts.run()))


@dataclass(frozen=True, slots=True, kw_only=True)
class _Beside:
    """The queues beside the lanes' own."""

    settings: Settings
    sending: SendingParts
    clients: aws.Clients

    def queues(self) -> Mapping[str, SqsQueue]:
        """As far as they are known by now; one that serves both lanes is one object."""
        found, by_url = dict[str, SqsQueue](), dict[str, SqsQueue]()
        if self.settings.event_queue_url is not None and self.clients.events_settling is not None:
            client = self.clients.events_settling
            found[EVENTS] = SqsQueue(url=self.settings.event_queue_url, receiving=client, settling=client)
        for way in self.sending.ways:
            if url := way.dead_letters:
                client = self.clients.settling
                queue = by_url.setdefault(url, SqsQueue(url=url, receiving=client, settling=client))
                found[f"{DEAD_LETTERS}/{way.name}"] = queue
        return found


@dataclass(frozen=True, slots=True, kw_only=True)
class _Sight:
    """Everything that alerts are judged by, gathered where it is known."""

    settings: Settings
    sending: SendingParts
    nodes: NodeParts
    feedback: FeedbackParts
    store: Store
    standing: StandingWatch
    key: KeyWatch
    began_at: datetime

    def look(self) -> Situation:
        """As it is just now."""
        settings, known, account = self.settings, self.standing.known or StoreStanding(), self.sending.account.known
        notifier, canary = self.feedback.notifier, self.feedback.canary
        trouble = notifier.trouble if notifier is not None else None
        return Situation(
            node=settings.node,
            now=self.store.clock.now(),
            began_at=self.began_at,
            max_job_age_s=settings.max_job_age_s,
            min_free_bytes=int(settings.min_free_bytes),
            lines=self.nodes.reputation.rules,
            lanes={way.name: _lane(way, self.sending) for way in self.sending.ways},
            dead_letters=dict(map(self._dead_letters, (way for way in self.sending.ways if way.dead_letters))),
            has_store=self.standing.known is not None,
            dead_uncopied=known.dead_without_copy,
            oldest=known.oldest,
            doubts=known.states.get(State.IN_DOUBT, 0),
            doubts_before=self.standing.doubts_before,
            has_channel=has_channel(settings),
            last_event_at=known.last_event_at,
            unheard_since=known.unheard_since,
            free_bytes=known.free_bytes,
            standings=self.nodes.reputation.standings,
            pauses=self.sending.hand.pauses.views(),
            quota=self.nodes.quota.view() if account is not None else None,
            quota_step=self.nodes.quota.step,
            is_reviewed=account.enforcement == PROBATION if account is not None and account.enforcement else None,
            webhook=core.Trouble(trouble.since, trouble.detail) if trouble is not None else None,
            webhook_is_known=notifier is None or notifier.is_known,
            canary_is_lost=canary is not None and canary.is_lost,
            key_created_at=self.key.created_at,
        )

    def totals(self) -> Mapping[AlertName, int]:
        """How often things have happened since the start."""
        by_events = self.feedback.feedback.doubled if self.feedback.feedback is not None else 0
        return {**self.feedback.happened, AlertName.DUPLICATES_PROVEN: self.store.doubled + by_events}

    def _dead_letters(self, way: Way) -> tuple[str, int | None]:
        """The queue's name and what is on it; what a person looks at just now is hidden, and counts."""
        facts = self.standing.facts.get(f"{DEAD_LETTERS}/{way.name}")
        messages = facts.visible + facts.in_flight if facts is not None else None
        return (way.dead_letters or "").rpartition("/")[2], messages


def _lane(way: Way, sending: SendingParts) -> LaneSituation:
    known, intake = way.watch.known, way.lane.intake
    return LaneSituation(
        is_polled=sending.hand.pauses.is_polled(way.name),
        is_silent=way.watch.is_silent,
        visible=known.visible if known is not None else None,
        oldest_sent_at=intake.oldest.sent_at,
        last_poll_at=intake.last_poll_at,
        retention_s=known.retention_s if known is not None else None,
    )
