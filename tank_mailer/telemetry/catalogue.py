"""Every log event: its name, its level, what it means, and the fields that it may carry.

What a field is, is in `fields.py`, with those that any line has. Names that were released stay: who ships the log
has queries and alarms on them (tests/project/log_names.txt).
"""

from dataclasses import dataclass
from typing import Final

from tank_mailer.telemetry.log import Level

# A field that is a dataclass brings its own fields along.
OUTCOME: Final = (
    *("outcome", "outcome_reason", "outcome_detail", "outcome_ses_message_id"),
    *("outcome_concern", "outcome_concern_kind"),
)
VERDICT: Final = (
    *("verdict", "verdict_reason", "verdict_delay_s", "verdict_charged"),
    *("verdict_concern", "verdict_concern_kind"),
)
RECIPIENT: Final = ("recipient_domain", "recipient_key", "recipient_masked", "recipient_address")  # TANK_LOG_ADDRESSES
EXCEPTION: Final = ("exception", "traceback", "caused_by", "exceptions")


@dataclass(frozen=True, slots=True)
class LogEvent:
    """One kind of log line.

    Attributes:
        worse: at which other levels it may come besides.
    """

    name: str
    level: Level
    meaning: str
    fields: tuple[str, ...] = ()
    worse: tuple[Level, ...] = ()


LOG_EVENTS: Final = (
    # Start and stop
    LogEvent(
        "daemon_started",
        "info",
        "Settings and store are sound; polling begins. What was found of queue, account and store.",
        (
            *(
                "version",
                "queue",
                "priority_queue",
                "event_queue",
                "visible",
                "in_flight",
                "max_receive_count",
                "dead_letter_queue",
            ),
            *("rate", "max_send_rate", "max_24_hour_send", "sent_last_24_hours", "production_access"),
            *("sending_enabled", "enforcement"),
            *("store", "delivery", "pause_reasons"),
        ),
    ),
    LogEvent("daemon_draining", "info", "A stop signal came: no more receives.", ("timeout_s",)),
    LogEvent("daemon_stopped", "info", "All is settled or given back, but for what is `left`.", ("left",)),
    LogEvent(
        "settings_refused",
        "error",
        "The settings cannot be used. After SIGHUP those that were in force stay in force.",
        ("name", "problem", "remedy", "reason", "detail"),
    ),
    LogEvent(
        "settings_reloaded",
        "info",
        "SIGHUP: the settings were read again. `changed` counts at once, `restart_for` from the next start on.",
        ("changed", "restart_for", "has_new_keys"),
    ),
    LogEvent("credentials_changed", "info", "AWS is asked with another key from now on.", ("origin", "key")),
    LogEvent(
        "credentials_unavailable",
        "warning",
        "AWS keys cannot be read or fetched; if `kept`, those that were in use still are.",
        ("detail", "kept", "remedy"),
    ),
    LogEvent("setting_odd", "warning", "A setting that works, but may not be meant so.", ("detail",)),
    LogEvent(
        "delivery_not_live", "warning", "A dry run, or a redirect: no recipient gets mail.", ("delivery", "remedy")
    ),
    LogEvent("doubt_unsettled", "warning", "No channel settles doubts: the window for doubles is open.", ("detail",)),
    LogEvent("store_created", "warning", "An empty ledger was made; it knows no earlier mail.", ("store", "remedy")),
    LogEvent("store_newer", "warning", "The store was upgraded by a newer version.", ("schema", "known")),
    LogEvent("store_unavailable", "error", "The store cannot be opened; tried again.", ("detail", "store", "retry_s")),
    LogEvent(
        "dead_letter_queue_missing", "warning", "Jobs that are given up rest in the ledger alone.", ("lane", "remedy")
    ),
    LogEvent(
        "account_in_sandbox",
        "warning",
        "SES mails verified recipients only: said at start, and when production access is lost.",
        ("remedy",),
    ),
    LogEvent("account_on_probation", "warning", "AWS reviews the account; mail goes on.", ("remedy",)),
    LogEvent(
        "account_stopped",
        "error",
        "AWS, or the owner, lets this account send nothing; a pause follows.",
        ("reason", "detail", "remedy"),
    ),
    LogEvent("account_restored", "info", "Such a state of the account is over.", ("was",)),
    # The account and the queue
    LogEvent(
        "account_changed",
        "info",
        "SES has changed the account's rate or daily quota, or tells them at last.",
        ("max_send_rate", "before_send_rate", "max_24_hour_send", "before_24_hour_send", "rate"),
    ),
    LogEvent(
        "account_unknown",
        "warning",
        "SES does not tell all, or nothing, of the account: `rate` is what is used.",
        ("reason", "detail", "rate", "remedy"),
    ),
    LogEvent("quota_near", "warning", "80 % or 95 % of the daily quota is used.", ("share", "used", "limit")),
    LogEvent(
        "reputation_warned",
        "warning",
        "Too many bounces or complaints: after `left` more bad mails the ordinary lane is paused, at `limit`.",
        ("kind", "rate", "limit", "volume", "left", "window"),
    ),
    LogEvent(
        "reputation_trickling",
        "warning",
        "The time of a stop is over and the rate still too high: one recipient at a time.",
        ("kind", "rate", "limit", "every_s"),
    ),
    LogEvent("reputation_recovered", "info", "The rate is below `limit` again.", ("kind", "rate", "limit")),
    LogEvent(
        "tokens_unavailable",
        "warning",
        "The store gives no share of the pace: nothing is sent until it does.",
        ("reason", "detail"),
    ),
    LogEvent(
        "clock_off",
        "warning",
        "This host's clock and the database server's are more than 5 s apart; past five minutes AWS refuses us.",
        ("off_s", "remedy"),
    ),
    LogEvent("operator_resumed", "info", "A person has ordered to go on.", ("scope", "lane")),
    LogEvent("rate_cut", "warning", "SES throttled: slower for a while.", ("rate", "set_rate")),
    LogEvent("queue_unknown", "warning", "The queue's attributes may not be asked.", ("lane", "reason", "detail")),
    LogEvent(
        "queue_depth_unknown",
        "warning",
        "A dead-letter queue, or the event queue, cannot be asked how full it is. Said once.",
        ("queue", "reason", "detail", "remedy"),
    ),
    LogEvent("queue_redrives_early", "warning", "maxReceiveCount is too low.", ("lane", "max_receive_count", "remedy")),
    LogEvent(
        "queue_silent",
        "warning",
        "Polls bring nothing though messages wait: SQS's in-flight ceiling?",
        ("lane", "visible", "in_flight", "polls"),
    ),
    LogEvent("queue_polled", "debug", "A receive has ended.", ("lane", "asked", "received", "duration_s")),
    LogEvent("poll_failed", "warning", "The queue did not answer, or said no.", ("lane", "reason", "detail")),
    LogEvent(
        "foreign_consumer_suspected",
        "warning",
        "A job was received before, and this ledger does not know it: another consumer reads the queue, or a"
        " process of ours was killed while it polled. Said once.",
        ("lane",),
    ),
    # One job
    LogEvent(
        "job_settled",
        "info",
        "The whole story of one receive.",
        (
            *("ses_message_id", "receive_count", "state", "attempts", "charged", *OUTCOME, *VERDICT, "reason"),
            *("note", "recipient_count", "suppressed_count", "limiter_wait_s", "duration_s", "age_s"),
            *RECIPIENT,
        ),
    ),
    LogEvent("job_skipped", "info", "The gate let no attempt happen.", ("reason", "state")),
    LogEvent("job_refused", "warning", "A job that can never be sent was put aside.", ("reason", "detail")),
    LogEvent("job_field_unknown", "warning", "A field that means nothing here; said once a name.", ("field",)),
    LogEvent("attempt_deferred", "warning", "An attempt did not end in acceptance.", (*OUTCOME, "attempts")),
    LogEvent("job_doubted", "warning", "The process of an attempt died: SES may have it.", ("reason", "attempts")),
    LogEvent("job_resent", "warning", "Nothing settled the doubt: sent once more, maybe twice.", ("resends",)),
    LogEvent("job_renewed", "info", "A fresh copy goes on for a message near its end.", ("receive_count", "copy_id")),
    LogEvent("renewal_failed", "warning", "No fresh copy could be made; the old message stands.", ("reason", "detail")),
    LogEvent("job_dead_lettered", "warning", "A job was given up; its copy is on the dead-letter queue.", ("reason",)),
    LogEvent("dead_letter_deferred", "warning", "The dead-letter queue cannot be had just now.", ("detail",)),
    LogEvent(
        "dead_letter_failed",
        "error",
        "No copy can be made: the job rests in the ledger.",
        ("reason", "detail", "remedy"),
    ),
    LogEvent(
        "fence_lost",
        "error",
        "An acceptance came for a row that was overtaken; the receipt is kept.",
        ("ses_message_id", "attempts"),
    ),
    LogEvent(
        "record_retried",
        "error",
        "What has happened cannot be written down; it is tried until it can, and nothing else is sent.",
        ("ses_message_id", "tries"),
    ),
    LogEvent(
        "doubt_settled",
        "info",
        "An event has shown that SES has the mail; its queue message is deleted.",
        ("ses_message_id", "state", "lane"),
    ),
    LogEvent(
        "doubt_given_up",
        "error",
        "Nothing settled a doubt, or it may not be sent again: dead-lettered as in_doubt. It may have arrived.",
        ("resends", "detail"),
    ),
    LogEvent("doubts_hidden", "debug", "Messages of unsettled doubts stay hidden.", ("doubts",)),
    LogEvent("doubts_not_seen", "warning", "The store did not say what is in doubt.", ("reason", "detail")),
    LogEvent("duplicate_proven", "warning", "SES has sent more than one mail for this job: events of two came.", ()),
    # Events
    LogEvent(
        "event_recorded",
        "info",
        "An event of SES is on disk, with all that follows from it.",
        ("kind", "ses_message_id", "reason", "recipient_count", "age_s", *RECIPIENT),
    ),
    LogEvent("event_repeated", "debug", "An event that was recorded before.", ("kind", "ses_message_id")),
    LogEvent("event_chatter_dropped", "debug", "A note of SES on the topic itself.", ()),
    LogEvent(
        "event_quarantined",
        "warning",
        "A message that is no event to act on was put aside: tank-mailer refused list --kind event.",
        ("reason", "detail"),
    ),
    LogEvent(
        "quarantine_flooded",
        "error",
        "Very many messages a day are put aside for one reason: a wrong setting? Of more the texts are kept in part.",
        ("reason", "messages", "kept_bytes"),
    ),
    LogEvent(
        "event_write_failed",
        "warning",
        "The store did not take a batch of events; their messages come again.",
        ("events", "reason", "detail"),
    ),
    LogEvent(
        "job_known_by_events",
        "warning",
        "A job that this ledger had never seen was sent before, as SES's events tell; it is not sent again.",
        ("ses_message_id",),
    ),
    LogEvent("event_unchecked", "warning", "SNS's certificate cannot be had: the message stays.", ("detail",)),
    LogEvent("event_poll_failed", "warning", "The event queue did not answer.", ("reason", "detail", "tries")),
    LogEvent("event_poll_stuck", "error", "The event queue goes on not answering.", ("reason", "detail", "tries")),
    LogEvent("event_poll_recovered", "info", "The event queue answers again.", ("tries",)),
    LogEvent(
        "address_suppressed",
        "info",
        "An event has put an address on the suppression list.",
        ("reason", *RECIPIENT),
    ),
    LogEvent(
        "webhook_failing",
        "error",
        "The web server takes no news: said as it begins, then every 15 minutes while some wait.",
        ("since", "detail", "waiting", "remedy"),
    ),
    LogEvent("webhook_recovered", "info", "The web server takes news again.", ("duration_s",)),
    LogEvent(
        "webhook_given_up",
        "error",
        "A piece of news was not taken for three days; kept for `tank-mailer webhook replay`.",
        ("since", "tries", "detail", "remedy"),
    ),
    LogEvent(
        "outbox_stuck", "warning", "The store gives or takes no news just now; tried again.", ("reason", "detail")
    ),
    LogEvent("rows_forgotten", "info", "What was older than TANK_RETENTION_DAYS is gone.", ("rows", "before")),
    LogEvent("housekeeping_deferred", "warning", "The store was sick; tried again.", ("reason", "detail")),
    LogEvent(
        "events_lost",
        "warning",
        "Mails that SES accepted a day ago, and of which no event ever came.",
        ("lost", "accepted", "remedy"),
    ),
    LogEvent("canary_put", "info", "A canary is on the outbound queue.", ("configuration_set",)),
    LogEvent("canary_deferred", "warning", "The queue did not take the canary.", ("reason", "detail")),
    LogEvent(
        "canary_lost", "error", "SES accepted the canary 15 minutes ago; no event came back.", ("since", "remedy")
    ),
    LogEvent("canary_returned", "info", "Events come back again.", ()),
    # Life
    LogEvent(
        "liveness_lost",
        "error",
        "A loop has had work for too long and finished none of it; if that goes on, the process ends.",
        ("hang", "silent_s", "at_most_s", "exit_after_s", "waits_at", "loop_at", "remedy"),
    ),
    LogEvent("liveness_recovered", "info", "All loops turn again.", ("duration_s",)),
    LogEvent(
        "daemon_aborted",
        "error",
        "No life for five minutes: the process ends, for its supervisor to start it anew.",
        ("hang", "failed_s", "exit_code", "remedy"),
    ),
    LogEvent("heartbeat_failed", "warning", "The heartbeat file cannot be touched; tried again.", ("detail", "remedy")),
    LogEvent(
        "figures_reported",
        "info",
        "Key figures of the last minute, for CloudWatch (TANK_CLOUDWATCH_NAMESPACE); `_aws` says which are metrics.",
        (
            *("accepted", "refused", "throttled", "failed", "dead", "queue_visible", "dead_letter_queue_messages"),
            *("oldest_age_s", "in_doubt", "outbox_letters", "bounce_rate", "complaint_rate", "rate"),
            *("quota_used_share", "paused", "_aws"),
        ),
    ),
    LogEvent("http_listening", "info", "Our own HTTP server listens.", ("listen",)),
    LogEvent("http_unavailable", "warning", "Its port cannot be had; tried again.", ("listen", "detail", "remedy")),
    # Leases and settlement
    LogEvent("lease_extended", "debug", "Jobs in work stay hidden for longer.", ("leases",)),
    LogEvent("lease_not_extended", "warning", "SQS did not answer; tried again.", ("reason", "detail", "leases")),
    LogEvent("lease_lost", "warning", "A job in work has become visible to others.", ()),
    LogEvent("settle_retried", "warning", "A batch was not settled; tried again.", ("call", "reason", "detail")),
    LogEvent("settle_failed", "error", "Not deleted while the lease lasted; the ledger knows the job.", ()),
    # Pauses
    LogEvent(
        "pause_begun",
        "error",
        "Something is not worked on.",
        ("concern", "scope", "lane", "reason", "detail", "next_probe_s", "until", "lifted_by", "remedy"),
    ),
    LogEvent("pause_probed", "info", "One job is tried, to see whether it is over.", ("concern", "reason")),
    LogEvent(
        "pause_prolonged",
        "warning",
        "It is not over; or what is wrong, or when it ends, is another than was said.",
        ("concern", "reason", "detail", "until", "remedy"),
    ),
    LogEvent("pause_lifted", "info", "It is over.", ("concern", "scope", "reason", "duration_s")),
    # Alerts
    LogEvent(
        "alert_raised",
        "warning",
        "Something wants a person (docs/alerts.md); critical where its severity is.",
        ("alert", "severity", "about", "since", "detail", "remedy"),
        ("critical",),
    ),
    LogEvent("alert_recovered", "info", "It is over.", ("alert", "severity", "about", "duration_s")),
    LogEvent(
        "alert_webhook_failing",
        "error",
        "The alert receiver takes nothing; tried again for as long as there is something to tell. Said once.",
        ("detail", "status", "remedy"),
    ),
    LogEvent("alert_webhook_recovered", "info", "The alert receiver takes alerts again.", ("duration_s",)),
    LogEvent("key_age_unknown", "debug", "IAM does not tell how old the access key is.", ("detail",)),
    # The log itself
    LogEvent(
        "log_lines_dropped",
        "warning",
        "The reader of the log was too slow, or gone; lines are lost, mail is not.",
        ("lines",),
    ),
    LogEvent(
        "library_logged",
        "warning",
        "A library has something to say, at the level that it has chosen.",
        ("logger", "said", *EXCEPTION),
        ("error", "critical"),
    ),
    LogEvent("flow_crashed", "error", "A bug: a flow ended by an exception.", EXCEPTION),
)
