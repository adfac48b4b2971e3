"""What settings say that is allowed and probably not meant: one warning each."""

from collections.abc import Iterator
from typing import Final
from urllib.parse import urlsplit

from tank_mailer.core.lanes import PRIORITY_SLOTS
from tank_mailer.settings.forms import POSTGRESQL
from tank_mailer.settings.model import Settings
from tank_mailer.settings.queues import account_of
from tank_mailer.settings.web import is_loopback

# From where on AWS itself may pause an account (SES: reputation FAQ).
AWS_BOUNCE_PAUSE: Final = 0.10
AWS_COMPLAINT_PAUSE: Final = 0.005


def odd(settings: Settings) -> Iterator[str]:
    """Say all of it."""
    if settings.redirect_to is not None and settings.delivery != "redirect":
        yield f"TANK_REDIRECT_TO has no effect with TANK_DELIVERY={settings.delivery}"
    if settings.drain_timeout_s < settings.ses_timeout_s:
        yield "TANK_DRAIN_TIMEOUT_S is shorter than TANK_SES_TIMEOUT_S: a stop may leave jobs in doubt"
    if settings.database_url.get_secret_value().startswith(f"{POSTGRESQL}:") and settings.hash_key is None:
        yield (
            "TANK_HASH_KEY is not set, and TANK_DATABASE_URL is PostgreSQL: each host makes a key of its own, and "
            "one recipient has as many names in the logs; set the same one for all"
        )
    yield from _odd_lanes(settings)
    yield from _odd_reputation(settings)
    yield from _odd_feedback(settings)
    yield from _odd_web(settings)


def _odd_lanes(settings: Settings) -> Iterator[str]:
    if settings.priority_queue_url is not None:
        if account_of(settings.priority_queue_url) != account_of(settings.outbound_queue_url):
            yield (
                "TANK_PRIORITY_QUEUE_URL belongs to another AWS account than TANK_OUTBOUND_QUEUE_URL: its queue policy "
                "has to let our key in"
            )
        if settings.max_parallel <= PRIORITY_SLOTS:
            yield (
                f"TANK_MAX_PARALLEL={settings.max_parallel} with TANK_PRIORITY_QUEUE_URL: {PRIORITY_SLOTS} requests in "
                "flight belong to the priority lane, which leaves the ordinary one none of its own; set "
                f"{PRIORITY_SLOTS + 1} or more"
            )
    elif settings.daily_reserve != Settings.model_fields["daily_reserve"].default:
        yield "TANK_DAILY_RESERVE has no effect without TANK_PRIORITY_QUEUE_URL"


def _odd_reputation(settings: Settings) -> Iterator[str]:
    for name, pause, limit in (
        ("TANK_BOUNCE_PAUSE", settings.bounce_pause, AWS_BOUNCE_PAUSE),
        ("TANK_COMPLAINT_PAUSE", settings.complaint_pause, AWS_COMPLAINT_PAUSE),
    ):
        if pause > limit:
            yield f"{name}={pause:g} is above {limit:g}, at which AWS itself may stop the whole account"


def _odd_feedback(settings: Settings) -> Iterator[str]:
    if settings.event_queue_url is None:
        for name, is_set in (
            ("TANK_EVENT_TOPIC_ARNS", bool(settings.event_topic_arns)),
            ("TANK_RAW_EVENTS", settings.raw_events),
            ("TANK_VERIFY_SNS_SIGNATURES", settings.verify_sns_signatures),
            ("TANK_STALE_AFTER_DAYS", settings.stale_after_days > 0),
        ):
            if is_set:
                yield f"{name} has no effect without TANK_EVENT_QUEUE_URL"
    else:
        if not settings.event_topic_arns:
            yield (
                "TANK_EVENT_TOPIC_ARNS is not set: any topic that may write to TANK_EVENT_QUEUE_URL is believed; "
                "name SES's own"
            )
        if settings.configuration_set is None:
            yield (
                "TANK_EVENT_QUEUE_URL without TANK_CONFIGURATION_SET: events of jobs that name no set carry no tags, "
                "and a lost answer cannot be settled by them"
            )
    interval = Settings.model_fields["canary_interval_s"]
    if settings.canary_from is None and settings.canary_interval_s != interval.default:
        yield "TANK_CANARY_INTERVAL_S has no effect without TANK_CANARY_FROM"


def _odd_web(settings: Settings) -> Iterator[str]:
    if settings.webhook_url is not None:
        url = urlsplit(settings.webhook_url.get_secret_value())
        if url.scheme == "http" and not is_loopback(url.hostname or ""):
            yield "TANK_WEBHOOK_URL is plain http: everybody on the way reads recipients; https hides them"
    if settings.alert_webhook_url is not None:
        url = urlsplit(settings.alert_webhook_url.get_secret_value())
        if url.scheme == "http" and not is_loopback(url.hostname or ""):
            yield "TANK_ALERT_WEBHOOK_URL is plain http: everybody on the way reads its key and the alerts; use https"
    if settings.http_token is not None and not settings.http_listen:
        yield "TANK_HTTP_TOKEN has no effect with an empty TANK_HTTP_LISTEN"
