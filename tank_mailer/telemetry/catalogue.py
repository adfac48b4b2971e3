"""Every log event: its name, its level, what it means, and the fields that it may carry.

`at`, `level`, `event` and `node` are in each line; `queue_message_id` and `email_id` come from the context.
A field that is a dataclass (`outcome`, `verdict`) brings its own fields along, such as `verdict_delay_s`.
"""

from dataclasses import dataclass
from typing import Final

from tank_mailer.telemetry.log import Level


@dataclass(frozen=True, slots=True)
class LogEvent:
    """One kind of log line."""

    name: str
    level: Level
    meaning: str
    fields: tuple[str, ...] = ()


LOG_EVENTS: Final = (
    LogEvent("queue_polled", "debug", "A receive has ended.", ("queue", "messages", "asked", "duration_s")),
    LogEvent("job_received", "debug", "A job was handed out to us.", ("queue", "receive_count", "age_s")),
    LogEvent("lease_extended", "debug", "A job in work stays hidden for longer.", ("queue", "visibility_s")),
    LogEvent("daemon_started", "info", "Settings and store are sound; polling begins.", ("version", "delivery")),
    LogEvent("daemon_draining", "info", "A stop signal came: no more receives.", ("signal", "in_flight")),
    LogEvent("daemon_stopped", "info", "All that was in work is settled or given back.", ("duration_s",)),
    LogEvent(
        "job_settled",
        "info",
        "The whole story of one receive.",
        (
            *("queue", "ses_message_id", "receive_count", "attempts", "outcome", "verdict", "reason"),
            *("limiter_wait_s", "duration_s", "age_s", "recipient_domain", "recipient_key"),
        ),
    ),
    LogEvent("job_skipped", "info", "The gate let no attempt happen.", ("queue", "reason", "receive_count")),
    LogEvent("event_recorded", "info", "An event of SES is in the ledger.", ("kind", "status", "recipient_key")),
    LogEvent("address_suppressed", "info", "An address is not sent to any more.", ("reason", "recipient_key")),
    LogEvent("attempt_deferred", "warning", "It did not work now and will be tried again.", ("outcome", "reason")),
    LogEvent("event_ignored", "warning", "An event that says nothing to us; it is kept.", ("kind", "reason")),
    LogEvent("lease_lost", "warning", "A job in work has become visible to others.", ("queue", "age_s")),
    LogEvent("poll_failed", "warning", "The queue did not answer, or said no.", ("queue", "reason", "wait_s")),
    LogEvent("store_busy", "warning", "The ledger took long.", ("duration_s",)),
    LogEvent(
        "log_lines_dropped",
        "warning",
        "The reader of the log was too slow, or gone; lines are lost, mail is not.",
        ("lines",),
    ),
    LogEvent(
        "library_logged",
        "warning",
        "A library has something to say, at this level or a higher one.",
        ("logger", "said", "exception", "traceback", "caused_by"),
    ),
    LogEvent("settle_failed", "error", "The queue did not take a verdict.", ("queue", "verdict", "reason")),
    LogEvent("settings_refused", "error", "The settings cannot be used.", ("faults",)),
    LogEvent("flow_crashed", "error", "A bug: a flow ended by an exception.", ("exception", "traceback", "flow")),
)
