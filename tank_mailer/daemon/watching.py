"""What looks at the daemon, and lets others look: HTTP, metrics, health, the heartbeat, CloudWatch's figures."""

from collections.abc import Callable, Coroutine, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from tank_mailer.adapters.desk import Desk
from tank_mailer.adapters.desk_emails import find_report
from tank_mailer.adapters.heartbeat import FILE, Heartbeat
from tank_mailer.adapters.http import HttpServer, Page
from tank_mailer.adapters.store import Store
from tank_mailer.adapters.watchman import Watchman
from tank_mailer.daemon.alerting import AlertParts
from tank_mailer.daemon.feedback import FeedbackParts
from tank_mailer.daemon.nodes import NodeParts
from tank_mailer.daemon.sending import SendingParts
from tank_mailer.flows.figures import FigureReporter
from tank_mailer.flows.life import Life
from tank_mailer.ports import QueueFacts
from tank_mailer.ports.standing import StoreStanding
from tank_mailer.settings import Listen, Settings, parse_listen
from tank_mailer.telemetry.log import get_logger
from tank_mailer.telemetry.scrape import CONTENT_TYPE, Scrape, Sources

log = get_logger()

TELLING: Final = frozenset({"debug", "info"})  # levels at which the figures get into the log


@dataclass(frozen=True, slots=True, kw_only=True)
class WatchParts:
    """What looks on.

    Attributes:
        watchman: a thread, which runs as long as the daemon does.
    """

    watchman: Watchman
    works: tuple[Coroutine[None, None, None], ...]


def assemble_watching(
    settings: Settings,
    sending: SendingParts,
    nodes: NodeParts,
    feedback: FeedbackParts,
    alerting: AlertParts,
    *,
    store: Store,
    state_directory: Path,
    flush: Callable[[], None],
) -> WatchParts:
    """Put it together.

    Args:
        settings: all of them.
        sending: what is looked at, as are
        nodes: and
        feedback: and
        alerting: and
        store: .
        state_directory: where the heartbeat is.
        flush: writes out what is left of the log.
    """
    life = Life(
        beats=[
            *(beat for way in sending.ways for beat in (way.lane.intake.rounds, way.lane.intake.polled)),
            store.answered,
            *(feedback.feedback.beats if feedback.feedback else ()),
        ],
        view=nodes.view,
        committed_s=lambda: store.committed_s,
        default_set=settings.configuration_set or "",
    )

    def facts() -> Mapping[str, QueueFacts]:
        lanes = {way.name: way.watch.known for way in sending.ways if way.watch.known is not None}
        return {**alerting.standing.facts, **lanes}

    def standing() -> StoreStanding | None:
        return alerting.standing.known

    def oldest_s() -> Mapping[str, float]:
        return {way.name: way.lane.intake.oldest.age_s for way in sending.ways}

    scrape = Scrape(
        Sources(
            view=nodes.view,
            facts=facts,
            standing=standing,
            events_polled_at=lambda: feedback.feedback.last_poll_at if feedback.feedback else None,
            oldest_s=oldest_s,
            firing=alerting.alerts.firing,
            is_ready=lambda: life.readiness().is_ready,
        )
    )
    heartbeat = Heartbeat(path=state_directory / FILE, is_alive=lambda: life.liveness().is_alive)
    works: list[Coroutine[None, None, None]] = [life.run(), heartbeat.run()]
    if listen := parse_listen(settings.http_listen):
        works.append(_http(settings, listen, store=store, pages=_pages(life, scrape)).run())
    if settings.cloudwatch_namespace is not None:
        if settings.log_level not in TELLING:
            log.warning("setting_odd", detail="TANK_CLOUDWATCH_NAMESPACE tells nothing: TANK_LOG_LEVEL is above info")
        reporter = FigureReporter(
            namespace=settings.cloudwatch_namespace,
            view=nodes.view,
            facts=facts,
            standing=standing,
            oldest_s=oldest_s,
        )
        works.append(reporter.run())
    watchman = Watchman(liveness=life.liveness, task_of=life.task_of, flush=flush)
    return WatchParts(watchman=watchman, works=tuple(works))


def _pages(life: Life, scrape: Scrape) -> Mapping[str, Callable[[], Page]]:
    def alive() -> Page:
        liveness = life.liveness()
        return Page.of(liveness.shape(), is_well=liveness.is_alive)

    def ready() -> Page:
        readiness = life.readiness()
        return Page.of(readiness.shape(), is_well=readiness.is_ready)

    return {"/healthz": alive, "/readyz": ready, "/metrics": lambda: Page(scrape.text(), CONTENT_TYPE)}


def _http(settings: Settings, listen: Listen, *, store: Store, pages: Mapping[str, Callable[[], Page]]) -> HttpServer:
    desk = Desk(engine=store.engine, clock=store.clock, who="http")

    async def emails(email_id: str) -> dict[str, object] | None:
        report = await find_report(desk, email_id)
        return report.shape() if report else None

    return HttpServer(
        host=listen.host,
        port=listen.port,
        token=settings.http_token.get_secret_value() if settings.http_token else None,
        emails=emails,
        pages=pages,
    )
