"""The composition root: settings in, running flows out; signals and drain."""

import asyncio
import uuid
from collections.abc import AsyncIterator, Callable, Coroutine, Mapping
from contextlib import AsyncExitStack, asynccontextmanager, suppress
from dataclasses import dataclass
from pathlib import Path

from tank_mailer import __version__
from tank_mailer.adapters import aws, database
from tank_mailer.adapters.clock import SharedClock, SystemClock, keep_in_step, set_clock
from tank_mailer.adapters.grants import SqlGrants
from tank_mailer.adapters.store import Store
from tank_mailer.adapters.systemd import Supervisor
from tank_mailer.adapters.turns import SqlTurns
from tank_mailer.adapters.usage import SqlUsage
from tank_mailer.core.errors import StoreError
from tank_mailer.core.queueurl import region_of
from tank_mailer.daemon.alerting import AlertParts, assemble_alerting
from tank_mailer.daemon.feedback import FeedbackParts, assemble_feedback
from tank_mailer.daemon.nodes import NodeParts, assemble_nodes
from tank_mailer.daemon.reload import Hangup, Reload
from tank_mailer.daemon.sending import SendingParts, assemble_sending
from tank_mailer.daemon.start import ready_store, tell_settings
from tank_mailer.daemon.watching import WatchParts, assemble_watching
from tank_mailer.flows.stop import Stop, drain
from tank_mailer.flows.usage import UsageMeter
from tank_mailer.ports import AccountFacts
from tank_mailer.settings import Loaded, Settings
from tank_mailer.telemetry.log import AddressPrivacy, Recipients, get_logger, load_or_make_hash_key

log = get_logger()

HASH_KEY_FILE = "hash-key"
FINISH_EVENTS_S = 25.0  # the last long polls end, what is in hand is written and deleted; all else comes again
FLUSH_EVENTS_S = 5.0  # at least, after a drain that took longer: supervisors wait for 60 s


async def run(
    loaded: Loaded,
    *,
    reload: Callable[[], Loaded],
    environ: Mapping[str, str],
    state_directory: Path,
    flush: Callable[[], None] = lambda: None,
) -> int:
    """Send until a signal comes; return the exit code.

    Args:
        loaded: the settings.
        reload: reads them again; raises SettingsError.
        environ: what systemd has to say to us.
        state_directory: where what is made once is kept, and the heartbeat.
        flush: writes out what is left of the log, before an end that is none of ours.

    Raises:
        ConfigurationError: settings and surroundings do not fit; nothing was begun.
    """
    settings = loaded.settings
    stop = Stop()
    stop.listen()
    hangup = Hangup()
    hangup.listen(stop)
    supervisor = Supervisor.of(environ)
    tell_settings(loaded)
    location = database.locate(settings.database_url.get_secret_value())
    async with AsyncExitStack() as stack:
        stack.enter_context(database.sole_user(location))
        is_new = not location.exists
        engine = await stack.enter_async_context(database.open_engine(location, creates=True))
        if not await ready_store(engine, location, is_new=is_new, stop=stop):
            return 0
        clients = await stack.enter_async_context(
            aws.open_clients(
                loaded.aws,
                region=region_of(settings.outbound_queue_url),
                max_parallel=settings.max_parallel,
                ses_timeout_s=settings.ses_timeout_s,
                has_events=settings.event_queue_url is not None,
                event_region=region_of(settings.event_queue_url or ""),
            )
        )
        key = settings.hash_key.get_secret_value() if settings.hash_key else ""
        names = Recipients(
            hash_key=key or load_or_make_hash_key(state_directory / HASH_KEY_FILE),
            privacy=AddressPrivacy(settings.log_addresses),
        )
        is_shared = location.path is None
        clock = SharedClock() if is_shared else SystemClock()
        if isinstance(clock, SharedClock):
            with suppress(StoreError):  # looked at again every few seconds
                await set_clock(engine, clock)
        process = uuid.uuid4().hex[:12]
        owner = f"{settings.node}/{process}"
        store = Store(
            engine=engine,
            clock=clock,
            node=settings.node,
            disk=location.path.parent if location.path else None,
            min_free_bytes=int(settings.min_free_bytes),
            tells=settings.webhook_url is not None,
            stale_after_days=settings.stale_after_days,
        )
        works = [store.run()]
        if isinstance(clock, SharedClock):
            works.append(keep_in_step(engine, clock))
        async with _background(*works):
            with suppress(StoreError):  # a sick one is looked at again by all that follows
                await store.look_for_events(is_fed=settings.event_queue_url is not None or is_shared)
            usage = UsageMeter(usage=SqlUsage(store=store))
            sending = await assemble_sending(
                settings,
                clients=clients,
                store=store,
                names=names,
                process=process,
                grants=SqlGrants(engine=engine, clock=clock, process=owner) if isinstance(clock, SharedClock) else None,
                meter=usage.add,
            )
            reloading = Reload(
                hangup=hangup, load=reload, loaded=loaded, keys=clients.keys, when_read=sending.hand.pauses.look_again
            )
            await stack.enter_async_context(_background(reloading.run()))
            nodes = await assemble_nodes(settings, sending, store=store, process=process)
            feedback = await assemble_feedback(
                settings,
                sending,
                clients=clients,
                store=store,
                names=names,
                stack=stack,
                turns=SqlTurns(store=store, owner=owner) if is_shared else None,
                meter=usage.add,
            )
            alerting = await assemble_alerting(
                loaded,
                sending,
                nodes,
                feedback,
                clients=clients,
                store=store,
                stack=stack,
                turns=SqlTurns(store=store, owner=owner) if is_shared else None,
                meter=usage.add,
            )
            watching = assemble_watching(
                settings, sending, nodes, feedback, alerting, store=store, state_directory=state_directory, flush=flush
            )
            parts = _Parts(
                sending=sending, nodes=nodes, feedback=feedback, alerting=alerting, watching=watching, usage=usage
            )
            with watching.watchman.watching():
                await _work(parts, settings, supervisor=supervisor, stop=stop, shown=location.shown)
    return 0


def _tell_start(sending: SendingParts, settings: Settings, shown: str) -> None:
    known, facts = sending.account.known, sending.ordinary.watch.known
    account = known if isinstance(known, AccountFacts) else None
    log.info(
        "daemon_started",
        version=__version__,
        queue=sending.ordinary.queue.name,
        priority_queue=(settings.priority_queue_url or "").rpartition("/")[2] or None,
        event_queue=(settings.event_queue_url or "").rpartition("/")[2] or None,
        visible=facts.visible if facts else None,
        in_flight=facts.in_flight if facts else None,
        max_receive_count=facts.max_receive_count if facts else None,
        dead_letter_queue=(sending.ordinary.dead_letters or "").rpartition("/")[2] or None,
        rate=round(sending.hand.governor.current_rate, 2),
        max_send_rate=account.max_send_rate if account else None,
        max_24_hour_send=account.max_24_hour_send if account else None,
        sent_last_24_hours=account.sent_last_24_hours if account else None,
        production_access=account.production_access if account else None,
        sending_enabled=account.sending_enabled if account else None,
        enforcement=account.enforcement if account else None,
        store=shown,
        delivery=settings.delivery,
        pause_reasons=[pause.reason for pause in sending.hand.pauses.all],
    )


@asynccontextmanager
async def _background(*works: Coroutine[None, None, None]) -> AsyncIterator[None]:
    """Run `works` beside the body; if one of them breaks, so does the body."""
    async with asyncio.TaskGroup() as group:
        tasks = [group.create_task(work) for work in works]
        yield
        for task in tasks:
            task.cancel()


@dataclass(frozen=True, slots=True, kw_only=True)
class _Parts:
    """All that runs."""

    sending: SendingParts
    nodes: NodeParts
    feedback: FeedbackParts
    alerting: AlertParts
    watching: WatchParts
    usage: UsageMeter

    @property
    def works(self) -> tuple[Coroutine[None, None, None], ...]:
        """Beside the polling."""
        hand = self.sending.hand
        return (
            hand.governor.run(),
            hand.pauses.run(),
            self.sending.account.run(),
            *(work for way in self.sending.ways for work in way.works),
            *self.nodes.works,
            *self.feedback.works,
            *self.alerting.works,
            *self.watching.works,
            self.usage.run(),
        )


async def _work(parts: _Parts, settings: Settings, *, supervisor: Supervisor, stop: Stop, shown: str) -> None:
    sending, feedback, hand = parts.sending, parts.feedback.feedback, parts.sending.hand
    async with _background(*parts.works, _show_life(supervisor)):
        _tell_start(sending, settings, shown)
        supervisor.tell("READY=1", f"STATUS=sending from {', '.join(way.queue.name for way in sending.ways)}")
        polling = asyncio.create_task(hand.poll())
        asked = asyncio.create_task(stop.wait())
        await asyncio.wait({polling, asked}, return_when=asyncio.FIRST_COMPLETED)
        asked.cancel()
        supervisor.tell("STOPPING=1", "STATUS=draining")
        log.info("daemon_draining", timeout_s=settings.drain_timeout_s)
        began_s = asyncio.get_running_loop().time()
        if feedback is not None:
            feedback.close()
        left = await drain(hand, polling=polling, stop=stop, timeout_s=settings.drain_timeout_s)
        if feedback is not None:  # events last (DESIGN 5): what was sent in the drain tells of itself
            took_s = asyncio.get_running_loop().time() - began_s
            finishing = feedback.finish(max(FLUSH_EVENTS_S, FINISH_EVENTS_S - took_s))
            await stop.unless_at_once(finishing)
        await stop.unless_at_once(parts.usage.finish())
        await stop.unless_at_once(parts.nodes.leave())
        log.info("daemon_stopped", left=left)


async def _show_life(supervisor: Supervisor) -> None:
    """A sign of life for the watchdog, from the loop itself: one that hangs gives none."""
    if supervisor.watchdog_s is None:
        return
    while True:
        supervisor.tell("WATCHDOG=1")
        await asyncio.sleep(supervisor.watchdog_s / 3)
