"""Settings as the doctor's rules take them."""

from collections.abc import Mapping
from datetime import datetime
from urllib.parse import urlsplit

from tank_mailer.adapters.checkup_net import Target
from tank_mailer.core.checkup.settings import is_aws_host
from tank_mailer.core.checkup.setup import Setup
from tank_mailer.core.lanes import ORDINARY, PRIORITY
from tank_mailer.core.queueurl import region_of
from tank_mailer.settings import Loaded, Settings, parse_listen

ENDPOINT = "AWS_ENDPOINT_URL"
SES_NAMES = ("AWS_ENDPOINT_URL_SESV2", ENDPOINT)  # the first one counts


def setup_of(loaded: Loaded, environ: Mapping[str, str], *, region: str | None, now: datetime) -> Setup:
    """What was set.

    Args:
        loaded: the settings.
        environ: the environment, for what the SDK reads there by itself.
        region: where the SDK works.
        now: what the time is.
    """
    settings = loaded.settings
    hosts = sdk_hosts(loaded.aws, environ)
    ses = next((hosts[name] for name in SES_NAMES if name in hosts), None)
    is_stood_in = ses is not None and not is_aws_host(ses)
    listen = parse_listen(settings.http_listen)
    return Setup(
        now=now,
        lanes=lanes_of(settings),
        dead_letter_queue_url=settings.dead_letter_queue_url,
        event_queue_url=settings.event_queue_url,
        region=region,
        queue_region=region_of(settings.outbound_queue_url),
        priority_region=region_of(settings.priority_queue_url or ""),
        event_region=region_of(settings.event_queue_url or ""),
        configuration_set=settings.configuration_set,
        configuration_sets=settings.configuration_sets,
        topic_arns=settings.event_topic_arns,
        raw_events=settings.raw_events,
        senders=senders_of(settings),
        any_sender=not settings.allowed_senders,
        slots=settings.max_parallel,
        send_rate=None if settings.send_rate == "auto" else settings.send_rate,
        rate_share=settings.rate_share,
        max_attempts=settings.max_attempts,
        visibility_s=settings.visibility_timeout_s,
        min_free_bytes=int(settings.min_free_bytes),
        delivery=settings.delivery,
        listen=settings.http_listen,
        listens_off_loopback=listen is not None and not listen.is_loopback,
        sdk_hosts=hosts,
        asks_dns=not is_stood_in or bool(settings.dns_resolver),
        setting_warnings=loaded.warnings,
    )


def lanes_of(settings: Settings) -> dict[str, str]:
    """Queue URL by lane, the one that goes first in front."""
    priority = {PRIORITY: settings.priority_queue_url} if settings.priority_queue_url is not None else {}
    return {**priority, ORDINARY: settings.outbound_queue_url}


def senders_of(settings: Settings) -> tuple[str, ...]:
    """Whom mail comes from, as far as settings tell."""
    others = (one.lower() for one in (settings.canary_from, settings.test_from) if one is not None)
    return tuple(dict.fromkeys((*settings.allowed_senders, *others)))


def sdk_hosts(aws: Mapping[str, str], environ: Mapping[str, str]) -> dict[str, str]:
    """By the variable that names one, the host that is asked in place of AWS's own."""
    named = {name: value for name, value in {**environ, **aws}.items() if name.startswith(ENDPOINT) and value}
    return {name: urlsplit(value).hostname or "" for name, value in sorted(named.items())}


def targets_of(settings: Settings, endpoints: Mapping[str, str]) -> list[Target]:
    """Every host that the program, or the doctor, talks to; each place once, by its weightiest use.

    Args:
        settings: name the web server and the receiver of alerts.
        endpoints: where the SDK asks, by service.
    """
    needed = [service for service in ("SES", "SQS") if service in endpoints]
    if settings.verify_sns_signatures:
        needed.append("SNS")
    targets = [Target(service, endpoints[service]) for service in needed]
    for use, url in (
        ("TANK_WEBHOOK_URL", settings.webhook_url),
        ("TANK_ALERT_WEBHOOK_URL", settings.alert_webhook_url),
    ):
        if url is not None:
            targets.append(Target(use, url.get_secret_value(), is_aws=False))
    found = dict[str, Target]()
    for target in targets:
        parts = urlsplit(target.url)
        found.setdefault(f"{parts.scheme}://{parts.netloc}", target)
    return list(found.values())
