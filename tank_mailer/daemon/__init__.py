"""The composition root: settings in, running flows out; signals and drain."""

import asyncio
import random
import uuid
from collections.abc import AsyncIterator, Coroutine, Mapping
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass
from pathlib import Path

from sqlalchemy.ext.asyncio import AsyncEngine

from tank_mailer import __version__
from tank_mailer.adapters import aws, database
from tank_mailer.adapters.clock import SystemClock
from tank_mailer.adapters.ses import SesAccount, SesMailer
from tank_mailer.adapters.sqs import SqsDeadLetterQueue, SqsQueue
from tank_mailer.adapters.store import Store
from tank_mailer.adapters.systemd import Supervisor
from tank_mailer.core.address import mailbox_key, parse_address
from tank_mailer.core.backoff import RetryPolicy
from tank_mailer.core.errors import ConfigurationError, QueueError, Reason, StoreError
from tank_mailer.core.gate import Delivery
from tank_mailer.core.outcome import Concerned
from tank_mailer.flows.governor import Governor
from tank_mailer.flows.lane import Knobs, Outside, make_lane
from tank_mailer.flows.lease import LeaseKeeper
from tank_mailer.flows.pauses import Pauses
from tank_mailer.flows.stop import Hand, Stop, drain
from tank_mailer.flows.watch import AccountWatch, QueueWatch
from tank_mailer.ports import AccountFacts, QueueFacts
from tank_mailer.settings import Loaded, Settings
from tank_mailer.telemetry.log import AddressPrivacy, Recipients, get_logger, load_or_make_hash_key

log = get_logger()

ORDINARY = "ordinary"
NO_CHANNEL_WAIT_S = 120.0  # DESIGN 6: without SES's events nothing can settle a doubt, so why wait longer
STORE_RETRY_S = 5.0
HASH_KEY_FILE = "hash-key"


@dataclass(frozen=True, slots=True)
class Parts:
    """What runs, and what the start and the stop have to do with."""

    hand: Hand
    keeper: LeaseKeeper
    account: AccountWatch
    queue: QueueWatch
    queue_name: str
    dead_letters: str | None


async def run(loaded: Loaded, *, environ: Mapping[str, str], state_directory: Path) -> int:
    """Send until a signal comes; return the exit code.

    Args:
        loaded: the settings.
        environ: what systemd has to say to us.
        state_directory: where what is made once is kept.

    Raises:
        ConfigurationError: settings and surroundings do not fit; nothing was begun.
    """
    settings = loaded.settings
    stop = Stop()
    stop.listen()
    supervisor = Supervisor.of(environ)
    _tell_settings(loaded)
    location = database.locate(settings.database_url.get_secret_value())
    async with AsyncExitStack() as stack:
        stack.enter_context(database.sole_user(location))
        is_new = not location.exists
        engine = await stack.enter_async_context(database.open_engine(location, creates=True))
        if not await _ready_store(engine, location, is_new=is_new, stop=stop):
            return 0
        clients = await stack.enter_async_context(
            aws.open_clients(
                loaded.aws,
                region=aws.region_of(settings.outbound_queue_url),
                max_parallel=settings.max_parallel,
                ses_timeout_s=settings.ses_timeout_s,
            )
        )
        key = settings.hash_key.get_secret_value() if settings.hash_key else ""
        names = Recipients(
            hash_key=key or load_or_make_hash_key(state_directory / HASH_KEY_FILE),
            privacy=AddressPrivacy(settings.log_addresses),
        )
        store = Store(
            engine=engine,
            clock=SystemClock(),
            disk=location.path.parent if location.path else None,
            min_free_bytes=int(settings.min_free_bytes),
        )
        async with _background(store.run()):
            parts = await _assemble(settings, clients=clients, store=store, names=names)
            await _work(parts, settings, supervisor=supervisor, stop=stop, shown=location.shown)
    return 0


# --- start -----------------------------------------------------------------------------------------


def _tell_settings(loaded: Loaded) -> None:
    for warning in loaded.warnings:
        log.warning("setting_odd", detail=warning)
    if names := aws.not_handed_on(loaded.aws):
        log.warning("setting_odd", detail=f"{', '.join(names)}: not read from a file; set in the environment")
    settings = loaded.settings
    if settings.delivery != "live":
        log.warning("delivery_not_live", delivery=settings.delivery, remedy="TANK_DELIVERY=live sends for real")
    if not settings.configuration_set:
        log.warning("setting_odd", detail="TANK_CONFIGURATION_SET is not set: SES tells nothing of what became of mail")
    log.warning(
        "doubt_unsettled",
        detail="this version reads no SES events: a job whose answer was lost is sent again after"
        f" {_doubt_wait_s(settings):.0f} s, and may then arrive twice"
        if settings.in_doubt == "resend"
        else "this version reads no SES events: a job whose answer was lost is dead-lettered",
    )


def _doubt_wait_s(settings: Settings) -> float:
    return min(float(settings.in_doubt_wait_s), NO_CHANNEL_WAIT_S)


async def _ready_store(engine: AsyncEngine, location: database.Location, *, is_new: bool, stop: Stop) -> bool:
    """Wait for the store, and bring SQLite's schema up to date; False if a signal came first."""
    while not stop.is_asked:
        try:
            current, newest = await database.revision(engine)
            if location.path is not None and current < newest:
                await database.upgrade(engine)
                current = newest
        except StoreError as error:
            log.error("store_unavailable", detail=error.detail, store=location.shown, retry_s=STORE_RETRY_S)
            await stop.wait_s(STORE_RETRY_S)
            continue
        if not current:
            raise ConfigurationError(Reason.STORE_SICK, f"{location.shown} is empty: run `tank-mailer db upgrade`")
        if current < newest:
            raise ConfigurationError(
                Reason.STORE_SICK, f"schema {current} is older than {newest}: run `tank-mailer db upgrade`"
            )
        if current > newest:
            log.warning("store_newer", schema=current, known=newest)
        if is_new:
            log.warning(
                "store_created",
                store=location.shown,
                remedy="expected at the first start only: an empty ledger knows no mail that was sent before",
            )
        return True
    return False


async def _assemble(settings: Settings, *, clients: aws.Clients, store: Store, names: Recipients) -> Parts:
    clock = store.clock
    queue = SqsQueue(url=settings.outbound_queue_url, receiving=clients.receiving, settling=clients.settling)
    default_set = settings.configuration_set or ""
    governor = Governor(slots=settings.max_parallel, rate=0.0)
    pauses = Pauses(clock=clock, default_set=default_set)
    pauses.when_stopped(governor.halt)
    fixed = None if settings.send_rate == "auto" else float(settings.send_rate)
    account = AccountWatch(
        account=SesAccount(client=clients.sending),
        governor=governor,
        pauses=pauses,
        fixed_rate=fixed,
        share=settings.rate_share,
    )
    pauses.probe_by(Concerned.ACCOUNT, account.probe)
    pauses.probe_by(Concerned.SES, account.probe)
    pauses.probe_by(Concerned.STORE, store.works)
    policy = RetryPolicy(
        max_attempts=settings.max_attempts,
        in_doubt_wait_s=_doubt_wait_s(settings),
        resends_doubt=settings.in_doubt == "resend",
    )
    delivery = Delivery(
        dry_run=settings.delivery == "dry_run",
        redirect_to=parse_address(settings.redirect_to or "") if settings.delivery == "redirect" else None,
        allowed_senders=frozenset(
            mailbox_key(sender) if "@" in sender else sender for sender in settings.allowed_senders
        ),
        configuration_sets=frozenset({default_set, *settings.configuration_sets} - {""}),
    )
    await account.start()  # first on the sending client; its first call is slow (lab)
    named = settings.dead_letter_queue_url
    queue_watch = QueueWatch(queue=queue, pauses=pauses, has_dead_letters=named is not None)
    await queue_watch.ask()

    async def find_dead_letters() -> SqsDeadLetterQueue | None:
        facts = queue_watch.known or await queue_watch.ask()
        if named is None and facts is None:
            raise QueueError(Reason.QUEUE_UNREACHABLE, "the queue does not say where its dead letters go")
        url = named or _beside(queue.url, facts)
        return SqsDeadLetterQueue(url=url, client=clients.settling) if url else None

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
            life=lambda: queue_watch.life,
        ),
        governor=governor,
        pauses=pauses,
    )
    queue_watch.polls_without = lane.intake.polls_without
    hand = Hand(intake=lane.intake, governor=governor, pauses=pauses, settler=lane.settler)
    return Parts(hand, lane.keeper, account, queue_watch, queue.name, named or _beside(queue.url, queue_watch.known))


def _beside(queue_url: str, facts: QueueFacts | None) -> str | None:
    """The dead-letter queue of a redrive policy: same account and region (SQS), so beside the queue."""
    if facts is None or facts.dead_letter_queue is None:
        return None
    return f"{queue_url.rpartition('/')[0]}/{facts.dead_letter_queue}"


def _tell_start(parts: Parts, settings: Settings, shown: str) -> None:
    known, facts = parts.account.known, parts.queue.known
    account = known if isinstance(known, AccountFacts) else None
    log.info(
        "daemon_started",
        version=__version__,
        queue=parts.queue_name,
        visible=facts.visible if facts else None,
        in_flight=facts.in_flight if facts else None,
        max_receive_count=facts.max_receive_count if facts else None,
        dead_letter_queue=parts.dead_letters.rpartition("/")[2] if parts.dead_letters else None,
        rate=round(parts.hand.governor.current_rate, 2),
        max_send_rate=account.max_send_rate if account else None,
        max_24_hour_send=account.max_24_hour_send if account else None,
        sent_last_24_hours=account.sent_last_24_hours if account else None,
        production_access=account.production_access if account else None,
        sending_enabled=account.sending_enabled if account else None,
        enforcement=account.enforcement if account else None,
        store=shown,
        delivery=settings.delivery,
        paused=[pause.reason for pause in parts.hand.pauses.all],
    )
    if account and account.production_access is False:
        log.warning("account_in_sandbox", remedy="ask AWS for production access: until then only verified recipients")


# --- run and stop ----------------------------------------------------------------------------------


@asynccontextmanager
async def _background(*works: Coroutine[None, None, None]) -> AsyncIterator[None]:
    """Run `works` beside the body; if one of them breaks, so does the body."""
    async with asyncio.TaskGroup() as group:
        tasks = [group.create_task(work) for work in works]
        yield
        for task in tasks:
            task.cancel()


async def _work(parts: Parts, settings: Settings, *, supervisor: Supervisor, stop: Stop, shown: str) -> None:
    async with _background(
        parts.hand.governor.run(),
        parts.keeper.run(),
        parts.hand.settler.run(),
        parts.hand.pauses.run(),
        parts.account.run(),
        parts.queue.run(),
        _show_life(supervisor),
    ):
        _tell_start(parts, settings, shown)
        supervisor.tell("READY=1", f"STATUS=sending from {parts.queue_name}")
        polling = asyncio.create_task(parts.hand.intake.run())
        asked = asyncio.create_task(stop.wait())
        await asyncio.wait({polling, asked}, return_when=asyncio.FIRST_COMPLETED)
        asked.cancel()
        supervisor.tell("STOPPING=1", "STATUS=draining")
        log.info("daemon_draining", timeout_s=settings.drain_timeout_s)
        left = await drain(parts.hand, polling=polling, stop=stop, timeout_s=settings.drain_timeout_s)
        log.info("daemon_stopped", left=left)


async def _show_life(supervisor: Supervisor) -> None:
    """A sign of life for the watchdog, from the loop itself: one that hangs gives none."""
    if supervisor.watchdog_s is None:
        return
    while True:
        supervisor.tell("WATCHDOG=1")
        await asyncio.sleep(supervisor.watchdog_s / 3)
