"""What Prometheus is shown: the counters, and how things stand at the moment, from what is known: nothing is asked."""

from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Final

from prometheus_client import generate_latest
from prometheus_client.core import GaugeMetricFamily
from prometheus_client.metrics_core import Metric
from prometheus_client.registry import Collector
from typing_extensions import override

from tank_mailer.core.alerts import AlertName, Severity
from tank_mailer.core.view import LaneView, NodeView, PauseView
from tank_mailer.ports import QueueFacts
from tank_mailer.ports.standing import StoreStanding
from tank_mailer.telemetry.measures import BY_NAME, EVENTS, MEASURES, PAUSES, Kind, Place
from tank_mailer.telemetry.metrics import INSTRUMENTS

CONTENT_TYPE: Final = "text/plain; version=0.0.4; charset=utf-8"
DEAD_LETTERS: Final = "dead_letters/"  # before a lane's name

Reading = tuple[str, tuple[str, ...], float]  # of which metric, for which values of its labels


@dataclass(frozen=True, slots=True, kw_only=True)
class Sources:
    """Where the state is read off; each answers at once.

    Attributes:
        view: how this node is.
        facts: what queues have said lately: by lane, `events`, and `dead_letters/LANE`.
        standing: how it looks in the store; None: not known yet.
        events_polled_at: when the event queue was last received from; None: never.
        oldest_s: by lane, the age of the oldest message that came lately.
        firing: how many of each alert are on, those that are not among them.
        is_ready: as `/readyz` has it.
    """

    view: Callable[[], NodeView]
    facts: Callable[[], Mapping[str, QueueFacts]]
    standing: Callable[[], StoreStanding | None]
    events_polled_at: Callable[[], datetime | None]
    oldest_s: Callable[[], Mapping[str, float]]
    firing: Callable[[], Mapping[tuple[AlertName, Severity], int]]
    is_ready: Callable[[], bool]


# The base class is the library's type for what `generate_latest` takes.
@dataclass(frozen=True, slots=True)
class Scrape(Collector):
    """Everything that is shown."""

    sources: Sources

    def text(self) -> bytes:
        """In Prometheus's text format."""
        return generate_latest(self)

    @override
    def collect(self) -> Iterable[Metric]:
        """In the order of the catalogue: gauges after the counters."""
        for instrument in INSTRUMENTS:
            yield from instrument.collect()
        families = {
            one.name: GaugeMetricFamily(one.full_name, one.meaning, labels=[label.name for label in one.labels])
            for one in MEASURES
            if one.kind is Kind.GAUGE
        }
        for name, values, number in self._readings():
            families[name].add_metric(values, number)
        yield from (family for family in families.values() if family.samples)

    def _readings(self) -> Iterator[Reading]:
        sources = self.sources
        view = sources.view()
        yield from _of_node(view)
        for name, lane in view.lanes.items():
            yield from _of_lane(name, lane)
        yield from _of_quota(view)
        yield from _of_pauses(view.pauses)
        yield from _of_queues(sources.facts())
        if (standing := sources.standing()) is not None:
            yield from _of_store(standing, view.seen_at)
        for name, age_s in sources.oldest_s().items():
            yield "oldest_received_age_seconds", (name,), age_s
        yield from _at("last_poll_timestamp_seconds", (EVENTS,), sources.events_polled_at())
        for (alert, severity), count in sources.firing().items():
            yield "alerts_firing", (alert, severity), count
        yield "ready", (), float(sources.is_ready())


def _at(name: str, values: tuple[str, ...], moment: datetime | None) -> Iterator[Reading]:
    if moment is not None:
        yield name, values, moment.timestamp()


def _known(name: str, values: tuple[str, ...], number: float | None) -> Iterator[Reading]:
    if number is not None:
        yield name, values, number


def _of_node(view: NodeView) -> Iterator[Reading]:
    yield "build_info", (view.version,), 1
    yield from _at("start_timestamp_seconds", (), view.started_at)
    yield "draining", (), float(view.is_draining)
    yield "jobs_in_flight", (), view.slots_in_use
    yield "slots", (), view.slots
    yield "nodes", (), view.nodes
    yield "rate_set_recipients_per_second", (), view.set_rate
    yield "rate_in_force_recipients_per_second", (), view.rate
    yield from _known("rate_account_recipients_per_second", (), view.account_rate)


def _of_lane(name: str, lane: LaneView) -> Iterator[Reading]:
    yield "lane_recipients_waiting", (name,), lane.waiting
    yield "lane_messages_in_hand", (name,), lane.in_hand
    yield "lane_requests_in_flight", (name,), lane.in_flight
    yield "lane_polled", (name,), float(lane.is_polled)
    yield from _at("last_poll_timestamp_seconds", (name,), lane.last_poll_at)
    yield from _at("queue_asked_timestamp_seconds", (name,), lane.asked_at)


def _of_quota(view: NodeView) -> Iterator[Reading]:
    yield from _known("quota_limit_recipients", (), view.quota.limit)
    yield "quota_used_recipients", (), view.quota.used
    for lane, room in view.quota.room.items():
        yield "quota_room_recipients", (lane,), room
    reputation = view.reputation
    yield from _known("bounces_ratio", (), reputation.bounce_rate)
    yield from _known("complaints_ratio", (), reputation.complaint_rate)
    yield "reputation_recipients", (), reputation.volume


def _of_pauses(pauses: Iterable[PauseView]) -> Iterator[Reading]:
    """Each that may be, so that a rule finds a 0; whom it is about is nobody's business here."""
    found = dict[tuple[str, str], list[PauseView]]()
    for pause in pauses:
        found.setdefault((pause.concern, pause.reason), []).append(pause)
    for key in dict.fromkeys((*PAUSES, *found)):
        yield "pauses", key, len(found.get(key, ()))
    for key, alike in found.items():
        yield from _at("pause_since_timestamp_seconds", key, min(one.since for one in alike))
        probes = [one.next_probe_at for one in alike if one.next_probe_at is not None]
        yield from _at("pause_next_probe_timestamp_seconds", key, min(probes, default=None))


def _of_queues(facts: Mapping[str, QueueFacts]) -> Iterator[Reading]:
    for name, known in facts.items():
        if name.startswith(DEAD_LETTERS):
            depth = known.visible + known.in_flight
            yield "dead_letter_queue_messages", (name.removeprefix(DEAD_LETTERS),), depth
        else:
            yield "queue_messages", (name, Place.VISIBLE), known.visible
            yield "queue_messages", (name, Place.IN_FLIGHT), known.in_flight


def _of_store(standing: StoreStanding, now: datetime) -> Iterator[Reading]:
    unfinished = BY_NAME["jobs_unfinished"].labels[0].values
    for state in unfinished:
        oldest_at = standing.oldest.get(state)
        yield "jobs_unfinished", (state,), standing.states.get(state, 0)
        yield "oldest_unfinished_age_seconds", (state,), _age_s(oldest_at, now)
    for bound_s, doubts in standing.doubts_by_age.items():
        yield "doubts", (f"{bound_s:g}",), doubts
    yield "jobs_dead_without_copy", (), standing.dead_without_copy
    yield "outbox_letters", (), standing.letters
    yield "outbox_oldest_age_seconds", (), _age_s(standing.oldest_letter_at, now)
    yield from _at("last_event_timestamp_seconds", (), standing.last_event_at)
    yield from _at("last_accepted_timestamp_seconds", (), standing.last_accepted_at)
    yield from _known("store_free_bytes", (), standing.free_bytes)


def _age_s(at: datetime | None, now: datetime) -> float:
    return max(0.0, (now - at).total_seconds()) if at else 0.0
