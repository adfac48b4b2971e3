"""Every field of a log line: its type, its unit, what it means. Which event has which: `catalogue.py`.

A name has one type in whatever event it stands: an index that has seen a number refuses a line with a text there.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum
from typing import Final


class FieldType(StrEnum):
    """What stands in the JSON line."""

    TEXT = "text"
    TIME = "time"  # a text: RFC 3339, UTC, milliseconds
    INTEGER = "integer"
    NUMBER = "number"
    FLAG = "true or false"
    TEXTS = "list of texts"  # ten at most, then how many more
    OBJECT = "object"


@dataclass(frozen=True, slots=True)
class LogField:
    """One field, by its name.

    Attributes:
        unit: of a number; empty where it has none, or is told by the name of what it counts.
    """

    type: FieldType
    meaning: str
    unit: str = ""


def _text(meaning: str) -> LogField:
    return LogField(FieldType.TEXT, meaning)


def _time(meaning: str) -> LogField:
    return LogField(FieldType.TIME, meaning)


def _texts(meaning: str) -> LogField:
    return LogField(FieldType.TEXTS, meaning)


def _flag(meaning: str) -> LogField:
    return LogField(FieldType.FLAG, meaning)


def _count(unit: str, meaning: str) -> LogField:
    return LogField(FieldType.INTEGER, meaning, unit)


def _number(unit: str, meaning: str) -> LogField:
    return LogField(FieldType.NUMBER, meaning, unit)


# In each line, in this order.
HEAD: Final[Mapping[str, LogField]] = {
    "at": _time("When the line was written, by this host's clock."),
    "level": _text("debug, info, warning, error or critical."),
    "event": _text("What happened: a name of the table above."),
    "node": _text("Who writes (TANK_NODE); empty while there are no settings yet."),
}

# In any line, where there is something to say.
ANYWHERE: Final[Mapping[str, LogField]] = {
    "email_id": _text("The job that it is about, by the producer's own id."),
    "queue_message_id": _text("The queue message that it is about, by SQS's MessageId."),
    "clipped": _flag("True: texts were cut, and fields may be left out, to keep the line below 4,096 bytes."),
    "redacted": _texts("Names of fields that were left out, for such a field is never logged."),
}

FIELDS: Final[Mapping[str, LogField]] = {
    "_aws": LogField(FieldType.OBJECT, "Which of the line's fields are metrics: CloudWatch's embedded metric format."),
    "about": _text("What the alert is about, where there may be several: a queue, a scope, a concern."),
    "accepted": _count("mails", "Accepted by SES."),
    "age_s": _number("s", "From when the job was put on the queue, or what SES reports happened, until now."),
    "alert": _text("Name of the alert (alerts.md)."),
    "asked": _count("messages", "How many were asked for."),
    "at_most_s": _number("s", "How long such a loop may take."),
    "attempts": _count("attempts", "Number of the attempt, counted over the id's whole life."),
    "before": _time("What was older is gone."),
    "before_24_hour_send": _number("recipients", "Daily quota until now."),
    "before_send_rate": _number("recipients/s", "Rate of the account until now."),
    "bounce_rate": _number("share", "Hard bounces of what was sent, as AWS counts them."),
    "call": _text("What SQS was asked to do: delete, hide."),
    "caused_by": _texts("What came before the exception, nearest first."),
    "changed": _texts("Names of settings, never values."),
    "charged": _count("attempts", "Attempts that count against TANK_MAX_ATTEMPTS; missing: none."),
    "complaint_rate": _number("share", "Complaints of what was sent, as AWS counts them."),
    "concern": _text("What is not worked on: the label `concern` of metrics.md."),
    "configuration_set": _text("SES configuration set."),
    "copy_id": _text("MessageId of the fresh copy."),
    "dead": _count("jobs", "Given up."),
    "dead_letter_queue": _text("Name of a queue."),
    "dead_letter_queue_messages": _count("messages", "On the dead-letter queues, roughly."),
    "delivery": _text("TANK_DELIVERY: live, dry_run, redirect."),
    "detail": _text("What was said or seen, for a person to read; its wording may change. Without addresses."),
    "doubts": _count("jobs", "In doubt."),
    "duration_s": _number("s", "How long it took, or lasted."),
    "enforcement": _text("SES's EnforcementStatus of the account."),
    "event_queue": _text("Name of a queue."),
    "events": _count("events", "In the batch."),
    "every_s": _number("s", "From one recipient to the next."),
    "exception": _text("Class and text of an exception, without addresses."),
    "exceptions": _texts("The same of each, where several came at once."),
    "exit_after_s": _number("s", "After so long without life the process ends."),
    "exit_code": _count("", "What the process ends with."),
    "failed": _count("attempts", "Failed, unreachable or in doubt."),
    "failed_s": _number("s", "How long there was no life."),
    "field": _text("Name of a field of the job."),
    "hang": _text("Name of the loop that stands still."),
    "has_new_keys": _flag("AWS keys are others now."),
    "in_doubt": _count("jobs", "In doubt, over all nodes."),
    "in_flight": _count("messages", "Hidden: in work with this or another consumer, roughly."),
    "kept": _flag("The keys that were in use still are."),
    "kept_bytes": _count("bytes", "Of each further text so much is kept."),
    "key": _text("The last four characters of the access key's id."),
    "kind": _text("Of an event: the label `kind` of metrics.md; of the reputation: bounces or complaints."),
    "known": _text("The newest schema that this version knows."),
    "lane": _text("priority or ordinary."),
    "leases": _count("messages", "Under lease."),
    "left": _count("", "What is not settled, as the daemon stops; mails until a pause, of the reputation."),
    "lifted_by": _text("What ends the pause."),
    "limit": _number(
        "", "Of the quota: recipients in 24 hours; of the reputation: the share at which the lane pauses."
    ),
    "limiter_wait_s": _number("s", "How long the job waited for its slot and token."),
    "lines": _count("lines", "Lost."),
    "listen": _text("Address and port of our own HTTP server."),
    "logger": _text("Name of a library's logger."),
    "loop_at": _text("Where in the code the event loop is."),
    "lost": _count("mails", "Without any event."),
    "max_24_hour_send": _number("recipients", "Daily quota of the account; -1: none."),
    "max_receive_count": _count("receives", "Of the queue's redrive policy."),
    "max_send_rate": _number("recipients/s", "Rate of the account."),
    "messages": _count("messages", "Put aside for this reason in a day."),
    "name": _text("Name of a setting."),
    "next_probe_s": _number("s", "Until it is looked at again."),
    "note": _text("What was done with the queue message, where no verdict says so."),
    "off_s": _number("s", "This host's clock against the database server's; above 0: ahead."),
    "oldest_age_s": _number("s", "Age of the oldest message received of late."),
    "origin": _text("How the SDK came by the key: its name of the source."),
    "outbox_letters": _count("letters", "News that waits for the web server, over all nodes."),
    "outcome": _text("What the attempt ended in: the label `outcome` of metrics.md."),
    "outcome_concern": _text("The word concern."),
    "outcome_concern_kind": _text("What is at fault, if the outcome is held."),
    "outcome_detail": _text("What SES or the network said, without addresses."),
    "outcome_reason": _text("Why: the label `reason` of metrics.md."),
    "outcome_ses_message_id": _text("SES's id of the mail, if it was accepted."),
    "pause_reasons": _texts("Reasons of the pauses that are in force."),
    "paused": _count("", "1 while a lane is paused, else 0."),
    "polls": _count("receives", "In a row that brought nothing."),
    "priority_queue": _text("Name of a queue."),
    "problem": _text("What is wrong with the setting; never its value, if that is a secret or an address."),
    "production_access": _flag("The account is out of the SES sandbox."),
    "queue": _text("Name of a queue."),
    "queue_visible": _count("messages", "That wait on the lanes' queues, roughly."),
    "quota_used_share": _number("share", "Of the daily quota."),
    "rate": _number("", "Recipients a second in force; of the reputation: the share of bounces or complaints."),
    "reason": _text("Why: the label `reason` of metrics.md; of a suppression: hard_bounce, complaint, soft_bounces."),
    "receive_count": _count("receives", "How often SQS has handed the message out."),
    "received": _count("messages", "Received."),
    "recipient_address": _text("The address itself: with TANK_LOG_ADDRESSES=plain only."),
    "recipient_count": _count("recipients", "Of the job or the event; `recipient_key` is that of the first."),
    "recipient_domain": _text("What stands behind the @."),
    "recipient_key": _text(
        "Keyed hash of the address: the same for the same mailbox, on all nodes with one TANK_HASH_KEY."
    ),
    "recipient_masked": _text("First character and domain: with TANK_LOG_ADDRESSES=mask only."),
    "refused": _count("attempts", "Refused by SES."),
    "remedy": _text("What to do; its wording may change."),
    "resends": _count("resends", "Attempts begun in spite of a doubt."),
    "restart_for": _texts("Names of settings that wait for a restart."),
    "retry_s": _number("s", "Until the next try."),
    "rows": _count("rows", "Deleted."),
    "said": _text("What the library says, without addresses."),
    "schema": _text("The store's schema."),
    "scope": _text("What a person has paused: all, lane, sender, configuration_set."),
    "sending_enabled": _flag("SES lets the account send."),
    "sent_last_24_hours": _number("recipients", "Sent by the account, as SES counts."),
    "ses_message_id": _text("SES's id of the mail."),
    "set_rate": _number("recipients/s", "The rate that it comes back to."),
    "severity": _text("Of an alert: warning or critical."),
    "share": _number("share", "Of the daily quota."),
    "silent_s": _number("s", "How long the loop has finished nothing."),
    "since": _time("When it began."),
    "state": _text("State of the job: sending, deferred, in_doubt, or its end."),
    "status": _count("", "HTTP status; missing: no answer came."),
    "store": _text("The ledger's place, without user and password."),
    "suppressed_count": _count("recipients", "Left out, for they must not be mailed; missing: none."),
    "throttled": _count("attempts", "Throttled by SES."),
    "timeout_s": _number("s", "How long requests in flight are waited for."),
    "traceback": _text("The innermost places in the code, outermost first."),
    "tries": _count("tries", "So far."),
    "until": _time("When it ends by itself."),
    "used": _count("recipients", "Of the last 24 hours."),
    "verdict": _text("What becomes of the queue message: the label `verdict` of metrics.md."),
    "verdict_charged": _flag("The attempt counts against TANK_MAX_ATTEMPTS."),
    "verdict_concern": _text("The word concern."),
    "verdict_concern_kind": _text("What is paused."),
    "verdict_delay_s": _number("s", "How long the message is hidden."),
    "verdict_reason": _text("Why: the label `reason` of metrics.md."),
    "version": _text("tank-mailer's own."),
    "visible": _count("messages", "That wait on the queue, roughly."),
    "volume": _count("recipients", "That the share is taken of."),
    "waiting": _count("letters", "News that waits for the web server."),
    "waits_at": _text("Where in the code the loop's task waits."),
    "was": _text("What is over."),
    "window": _text("Which mail was looked at: day or week."),
}
