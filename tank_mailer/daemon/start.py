"""What is told and made sure of before anything runs."""

from sqlalchemy.ext.asyncio import AsyncEngine

from tank_mailer.adapters import aws, database
from tank_mailer.core.errors import ConfigurationError, Reason, StoreError
from tank_mailer.daemon.sending import policy_of
from tank_mailer.flows.stop import Stop
from tank_mailer.settings import Loaded, Settings
from tank_mailer.telemetry.log import get_logger

log = get_logger()

STORE_RETRY_S = 5.0


def tell_settings(loaded: Loaded) -> None:
    """Warn of what works, but may not be meant so."""
    for warning in loaded.warnings:
        log.warning("setting_odd", detail=warning)
    if names := aws.not_handed_on(loaded.aws):
        log.warning("setting_odd", detail=f"{', '.join(names)}: not read from a file; set in the environment")
    settings = loaded.settings
    if settings.delivery != "live":
        log.warning("delivery_not_live", delivery=settings.delivery, remedy="TANK_DELIVERY=live sends for real")
    if not settings.configuration_set:
        log.warning("setting_odd", detail="TANK_CONFIGURATION_SET is not set: SES tells nothing of what became of mail")
    if settings.event_queue_url is None or not settings.configuration_set:
        log.warning("doubt_unsettled", detail=_how_doubts_end(settings))


def _how_doubts_end(settings: Settings) -> str:
    lack, whose = "TANK_EVENT_QUEUE_URL is not set", "a job"
    if settings.event_queue_url is not None:
        lack, whose = "TANK_CONFIGURATION_SET is not set", "a job that names no configuration set and"
    if settings.in_doubt == "hold":
        return f"{lack}: {whose} whose answer was lost is dead-lettered"
    wait_s = f"{policy_of(settings).doubt_wait_s(None):.0f} s"
    return f"{lack}: {whose} whose answer was lost is sent again after {wait_s}, and may then arrive twice"


async def ready_store(engine: AsyncEngine, location: database.Location, *, is_new: bool, stop: Stop) -> bool:
    """Wait for the store, and bring SQLite's schema up to date; False if a signal came first.

    Raises:
        ConfigurationError: the schema is too old, and only its owner may change it.
    """
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
