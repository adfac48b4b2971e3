"""Looks at the metrics as a scrape does: what has risen since, and a scrape of a node that has everything."""

import re
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta

from prometheus_client.parser import text_string_to_metric_families

from tank_mailer.core.alerts import AlertName, Severity
from tank_mailer.core.lanes import ORDINARY, PRIORITY
from tank_mailer.core.outcome import Concerned
from tank_mailer.core.view import LaneView, NodeView, PauseView, QuotaView, ReputationView
from tank_mailer.ports import QueueFacts
from tank_mailer.ports.standing import StoreStanding
from tank_mailer.telemetry.measures import BY_NAME, PREFIX, samples_of
from tank_mailer.telemetry.metrics import INSTRUMENTS
from tank_mailer.telemetry.scrape import Scrape, Sources

Sample = tuple[str, frozenset[tuple[str, str]]]

AT = datetime(2026, 11, 2, 8, 0, tzinfo=UTC)
EARLIER = AT - timedelta(minutes=10)


def sample(name: str, **labels: str) -> Sample:
    """Name one, without the prefix."""
    return name, frozenset(labels.items())


@dataclass(slots=True)
class Risen:
    """What has risen in the block, by how much; the seconds of histograms apart."""

    by: dict[Sample, float] = field(default_factory=dict)

    def of(self, name: str, **labels: str) -> float:
        return self.by.get(sample(name, **labels), 0.0)

    def all_of(self, name: str) -> dict[tuple[str, ...], float]:
        """By the values of its labels, in the catalogue's order."""
        order = [label.name for label in BY_NAME[name].labels]
        return {
            tuple(dict(labels)[label] for label in order): rise
            for (one, labels), rise in self.by.items()
            if one == name
        }


@contextmanager
def rising() -> Iterator[Risen]:
    """Counters belong to the process, and so do other tests' counts."""
    before, risen = counted(), Risen()
    yield risen
    risen.by |= {key: now - before.get(key, 0.0) for key, now in counted().items() if now != before.get(key, 0.0)}


def counted() -> dict[Sample, float]:
    """Counters and the counts of histograms."""
    return {
        (one.name.removeprefix(PREFIX), frozenset(one.labels.items())): one.value
        for instrument in INSTRUMENTS
        for family in instrument.collect()
        for one in family.samples
        if one.name.endswith(("_total", "_count"))
    }


def read(text: bytes) -> dict[Sample, float]:
    """All samples of a scrape, by their names without the prefix."""
    return {
        (one.name.removeprefix(PREFIX), frozenset(one.labels.items())): one.value
        for family in text_string_to_metric_families(text.decode())
        for one in family.samples
    }


# --- a node that has everything --------------------------------------------------------------------

FACTS = QueueFacts(
    visible=7,
    in_flight=3,
    retention_s=345_600.0,
    visibility_s=60.0,
    max_receive_count=100,
    dead_letter_queue="dead",
    max_bytes=1_048_576,
)
LANE = LaneView(
    queue="mails", in_hand=4, waiting=9, in_flight=2, visible=7, asked_at=EARLIER, last_poll_at=EARLIER, per_s=12.5
)
SENDER = PauseView("sender", "news@example.com", "unverified_sender", EARLIER)
VIEW = NodeView(
    node="mail-1",
    process="4f1d",
    version="0.1.0",
    started_at=EARLIER,
    seen_at=AT,
    rate=10.5,
    set_rate=12.6,
    account_rate=14.0,
    nodes=2,
    slots=10,
    slots_in_use=3,
    lanes={PRIORITY: replace(LANE, queue="urgent"), ORDINARY: LANE},
    pauses=(
        SENDER,
        replace(SENDER, name="shop@example.com", since=AT),
        PauseView(Concerned.SES, "", "ses_unavailable", EARLIER, next_probe_at=AT),
    ),
    quota=QuotaView(limit=50_000.0, used=40_000.0, room={PRIORITY: 10_000, ORDINARY: 7_500}),
    reputation=ReputationView(bounce_rate=0.02, complaint_rate=0.0005, volume=10_000),
    outcomes={"accepted": 40_000, "failed": 2, "unreachable": 1, "throttled": 5},
)
STANDING = StoreStanding(
    states={"sending": 3, "deferred": 20, "in_doubt": 2},
    oldest={"deferred": EARLIER},
    doubts_by_age={60.0: 1, 900.0: 1, float("inf"): 0},
    dead_without_copy=1,
    letters=12,
    oldest_letter_at=EARLIER,
    last_event_at=EARLIER,
    last_accepted_at=AT,
    free_bytes=10_000_000_000,
    write_s=0.004,
)


def make_sources(
    view: NodeView = VIEW,
    *,
    facts: Mapping[str, QueueFacts] | None = None,
    standing: StoreStanding | None = STANDING,
    polled_at: datetime | None = EARLIER,
    is_ready: bool = True,
) -> Sources:
    names = (PRIORITY, ORDINARY, "events", "dead_letters/ordinary", "dead_letters/priority")
    told = dict.fromkeys(names, FACTS) if facts is None else facts
    return Sources(
        view=lambda: view,
        facts=lambda: told,
        standing=lambda: standing,
        events_polled_at=lambda: polled_at,
        oldest_s=lambda: {PRIORITY: 0.0, ORDINARY: 12.5},
        firing=lambda: {(AlertName.DEAD_LETTERS, Severity.CRITICAL): 1, (AlertName.JOB_OLD, Severity.WARNING): 0},
        is_ready=lambda: is_ready,
    )


def full_scrape() -> bytes:
    """Everything that can be shown."""
    return Scrape(make_sources()).text()


# --- what may stand there --------------------------------------------------------------------------

BOUND = re.compile(r"\d+(\.\d+)?|inf")


def strangers(text: bytes) -> list[str]:
    """Samples and label values that the catalogue does not know."""
    known = {name: one for one in BY_NAME.values() for name in samples_of(one)}
    found = []
    for name, labels in read(text):
        measure = known.get(PREFIX + name)
        if measure is None:
            found.append(f"{name}: not in the catalogue")
            continue
        closed = {label.name: label.values for label in measure.labels}
        told = {label: value for label, value in labels if label != "le"}
        if told.keys() != closed.keys():
            found.append(f"{name}: labels {sorted(told)} instead of {sorted(closed)}")
        found += [
            f"{name}: {label}={value}"
            for label, value in told.items()
            if not (value in closed.get(label, ()) or (not closed.get(label) and BOUND.fullmatch(value)))
        ]
    return found
