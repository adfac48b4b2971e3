"""What an operator is told without asking: a closed set of alerts, each with its severity and remedy (one table).

`docs/alerts.md` is this table for people, `core.alertrules` says what holds, `core.alerting` keeps it from flapping.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum
from types import MappingProxyType
from typing import Final

from tank_mailer.core.outcome import Concerned


class Severity(StrEnum):
    """How soon a person must look."""

    WARNING = "warning"  # in working hours: mail goes, or waits for a known reason
    CRITICAL = "critical"  # at night, too: mail stands still, or the account is at stake


class AlertName(StrEnum):
    """One word for one thing that is wrong: the same in log, webhook, metrics and store."""

    # What became of jobs.
    DEAD_LETTERS = "dead_letters"
    DEAD_UNCOPIED = "dead_uncopied"
    JOB_OLD = "job_old"
    JOB_NEAR_RETENTION = "job_near_retention"
    DOUBTS_GROWING = "doubts_growing"
    DUPLICATES_PROVEN = "duplicates_proven"

    # The reputation and the quota.
    BOUNCES_HIGH = "bounces_high"
    BOUNCES_DANGER = "bounces_danger"
    COMPLAINTS_HIGH = "complaints_high"
    COMPLAINTS_DANGER = "complaints_danger"
    ACCOUNT_REVIEWED = "account_reviewed"
    QUOTA_80 = "quota_80"
    QUOTA_95 = "quota_95"

    # Pauses, by what is not worked on.
    PAUSE_ACCOUNT = "pause_account"
    PAUSE_SES = "pause_ses"
    PAUSE_STORE = "pause_store"
    PAUSE_QUEUE = "pause_queue"
    PAUSE_QUOTA = "pause_quota"
    PAUSE_REPUTATION = "pause_reputation"
    PAUSE_SUSPECT = "pause_suspect"
    PAUSE_SENDER = "pause_sender"
    PAUSE_CONFIGURATION_SET = "pause_configuration_set"
    PAUSE_OPERATOR = "pause_operator"

    # The ways in and back.
    QUEUE_SILENT = "queue_silent"
    EVENTS_SILENT = "events_silent"
    EVENTS_LOST = "events_lost"
    CANARY_LOST = "canary_lost"
    WEBHOOK_FAILING = "webhook_failing"

    # This host and its key.
    DISK_LOW = "disk_low"
    KEY_OLD = "key_old"


@dataclass(frozen=True, slots=True, kw_only=True)
class AlertRule:
    """One alert.

    Attributes:
        about: what its subject names; "": there is none.
        when: what is so while it is on.
        ends: what ends it.
        remedy: what to do; of a pause, its reason may have a closer one.
        raise_after_s: it must have been so for that long: what passes by itself pages nobody.
        clear_after_s: it must not have been so for that long: what swings about its line is one alert, not ten.
        is_local: its subject is a node: no other node can say that it is over.
        is_event: it happens and is no state: on for a day after the last time, and nothing is told at its end.
        needs_store: it is kept in the store, where nodes share it; else in memory, by each node.
    """

    name: AlertName
    severity: Severity
    about: str = ""
    when: str
    ends: str
    remedy: str
    raise_after_s: float = 0.0
    clear_after_s: float = 0.0
    is_local: bool = False
    is_event: bool = False
    needs_store: bool = True


EVENT_LASTS_S: Final = 86_400.0
MINUTE_S: Final = 60.0
NEAR_END: Final = (
    "tank-mailer top shows what waits and why; mend that, or raise the queue's retention (14 days at most)"
)

_RULES: Final = (
    AlertRule(
        name=AlertName.DEAD_LETTERS,
        severity=Severity.WARNING,
        about="queue",
        when="a message is on a dead-letter queue",
        ends="it is empty (asked every 5 min; one that cannot be asked changes nothing)",
        remedy="tank-mailer dlq list shows why each was given up; when the cause is mended: tank-mailer dlq redrive",
    ),
    AlertRule(
        name=AlertName.DEAD_UNCOPIED,
        severity=Severity.WARNING,
        when="a job was given up and rests in the ledger alone: no dead-letter queue took it",
        ends="each of them was put back, or forgotten with TANK_RETENTION_DAYS",
        remedy="tank-mailer refused list --kind dead; give the queue a redrive policy, or set"
        " TANK_DEAD_LETTER_QUEUE_URL",
        raise_after_s=2 * MINUTE_S,  # between giving up and the copy it is so for a moment
    ),
    AlertRule(
        name=AlertName.JOB_OLD,
        severity=Severity.WARNING,
        when="a job is older than TANK_MAX_JOB_AGE_S and has not ended",
        ends="none is known to be",
        remedy="tank-mailer top shows what holds mail up, tank-mailer why EMAIL_ID one job; if nothing does, ask AWS"
        " for a higher rate",
        raise_after_s=3 * MINUTE_S,  # one late straggler, sent by now, is no news
        clear_after_s=5 * MINUTE_S,  # ages at receive go up and down
    ),
    AlertRule(
        name=AlertName.JOB_NEAR_RETENTION,
        severity=Severity.CRITICAL,
        about="lane",
        when="a job may be within a day (or a quarter) of its queue's retention, after which SQS deletes it",
        ends="none is known to be",
        remedy=NEAR_END,
        clear_after_s=5 * MINUTE_S,
    ),
    AlertRule(
        name=AlertName.DOUBTS_GROWING,
        severity=Severity.WARNING,
        when="10 jobs or more are in doubt, and 10 more than a quarter of an hour ago",
        ends="that was not so for a while",
        remedy="look at the network between here and SES, and at proxies: answers get lost. SES's events settle doubts:"
        " see that they come (events_silent)",
        raise_after_s=MINUTE_S,
        clear_after_s=15 * MINUTE_S,  # the growth is over long before the doubts are
    ),
    AlertRule(
        name=AlertName.DUPLICATES_PROVEN,
        severity=Severity.WARNING,
        when="SES has sent more than one mail for a job, as its events prove",
        ends="a day after the last one; not told",
        remedy="look for duplicate_proven in the log; TANK_IN_DOUBT=hold never sends again what may have been sent",
        is_event=True,
    ),
    AlertRule(
        name=AlertName.BOUNCES_HIGH,
        severity=Severity.WARNING,
        when="hard bounces are at TANK_BOUNCE_WARN or above",
        ends="they are a tenth below that line",
        remedy="find where the bad addresses come from: the newest list, tank-mailer status of bounced mails",
        clear_after_s=10 * MINUTE_S,
    ),
    AlertRule(
        name=AlertName.BOUNCES_DANGER,
        severity=Severity.CRITICAL,
        when="hard bounces are at TANK_BOUNCE_PAUSE or above: the ordinary lane pauses",
        ends="they are below that line",
        remedy="stop the mail that bounces; AWS itself may stop the account at 10 %",
        clear_after_s=10 * MINUTE_S,
    ),
    AlertRule(
        name=AlertName.COMPLAINTS_HIGH,
        severity=Severity.WARNING,
        when="complaints are at TANK_COMPLAINT_WARN or above",
        ends="they are a tenth below that line",
        remedy="find which mail people call spam, and send less of it; is its unsubscribe link easy to find?",
        clear_after_s=10 * MINUTE_S,
    ),
    AlertRule(
        name=AlertName.COMPLAINTS_DANGER,
        severity=Severity.CRITICAL,
        when="complaints are at TANK_COMPLAINT_PAUSE or above: the ordinary lane pauses",
        ends="they are below that line",
        remedy="stop the mail that people call spam; AWS itself may stop the account at 0.5 %",
        clear_after_s=10 * MINUTE_S,
    ),
    AlertRule(
        name=AlertName.ACCOUNT_REVIEWED,
        severity=Severity.CRITICAL,
        when="AWS has put the account under review (probation); mail goes on",
        ends="AWS says that it is healthy",
        remedy="answer the case in AWS's support centre, and mend what it names, before AWS stops the account",
    ),
    AlertRule(
        name=AlertName.QUOTA_80,
        severity=Severity.WARNING,
        when="80 % of the daily quota is used",
        ends="75 % or less is",
        remedy="ask AWS for a higher quota in time: tank-mailer report quota-request writes the text",
        clear_after_s=5 * MINUTE_S,
    ),
    AlertRule(
        name=AlertName.QUOTA_95,
        severity=Severity.CRITICAL,
        when="95 % of the daily quota is used",
        ends="90 % or less is",
        remedy="hold back what can wait: tank-mailer pause --lane ordinary; codes and alarms then have the rest",
        clear_after_s=5 * MINUTE_S,
    ),
    AlertRule(
        name=AlertName.PAUSE_ACCOUNT,
        severity=Severity.CRITICAL,
        when="nothing is sent: SES, or AWS, says no to the account or its key",
        ends="the pause is lifted",
        remedy="tank-mailer top shows the reason and what lifts it",
        clear_after_s=2 * MINUTE_S,  # lifted by a trial, it may begin again at once
    ),
    AlertRule(
        name=AlertName.PAUSE_SES,
        severity=Severity.CRITICAL,
        when="nothing is sent: SES cannot be reached, or fails",
        ends="the pause is lifted",
        remedy="look at the network, at proxies and AWS_ENDPOINT_URL; it goes on by itself",
        raise_after_s=MINUTE_S,  # most cuts of a network are over by then
        clear_after_s=2 * MINUTE_S,
    ),
    AlertRule(
        name=AlertName.PAUSE_STORE,
        severity=Severity.CRITICAL,
        about="node",
        when="nothing is sent: the store cannot be read or written, or its disk is nearly full",
        ends="the pause is lifted",
        remedy="look at the disk and at TANK_DATABASE_URL; it goes on by itself",
        raise_after_s=MINUTE_S,
        clear_after_s=2 * MINUTE_S,
        is_local=True,
        needs_store=False,
    ),
    AlertRule(
        name=AlertName.PAUSE_QUEUE,
        severity=Severity.CRITICAL,
        about="lane",
        when="nothing is received: the lane's queue is missing, denied or not to be reached",
        ends="the pause is lifted",
        remedy="look at the lane's queue URL, the key's rights and the network",
        raise_after_s=MINUTE_S,
        clear_after_s=2 * MINUTE_S,
    ),
    AlertRule(
        name=AlertName.PAUSE_QUOTA,
        severity=Severity.CRITICAL,
        about="lane",
        when="nothing of this lane is sent: the daily quota, or the lane's share of it, is used up",
        ends="the pause is lifted",
        remedy="it comes back over 24 hours; ask AWS for a higher quota",
        clear_after_s=2 * MINUTE_S,
    ),
    AlertRule(
        name=AlertName.PAUSE_REPUTATION,
        severity=Severity.CRITICAL,
        about="lane",
        when="the ordinary lane stands still, for its bounces or complaints",
        ends="the pause is lifted",
        remedy="find the mail that bounces or is called spam; then tank-mailer resume --lane ordinary, or wait",
        clear_after_s=2 * MINUTE_S,
    ),
    AlertRule(
        name=AlertName.PAUSE_SUSPECT,
        severity=Severity.CRITICAL,
        about="lane",
        when="a lane is not received from: its queue seems to be somebody else's",
        ends="the pause is lifted",
        remedy="look at the lane's queue URL and at tank-mailer refused list; if the queue is ours: tank-mailer resume"
        " --lane LANE",
        clear_after_s=MINUTE_S,
    ),
    AlertRule(
        name=AlertName.PAUSE_SENDER,
        severity=Severity.WARNING,
        when="mail of one sender, or several, waits: SES does not let it through",
        ends="no sender is paused",
        remedy="verify the sender's identity in SES, in this region; tank-mailer top names it",
        raise_after_s=MINUTE_S,
        clear_after_s=2 * MINUTE_S,
    ),
    AlertRule(
        name=AlertName.PAUSE_CONFIGURATION_SET,
        severity=Severity.CRITICAL,
        about="configuration set",
        when="mail through a configuration set waits: SES does not know it, or sending by it is switched off",
        ends="the pause is lifted",
        remedy="create the configuration set in this region, or enable sending on it",
        raise_after_s=MINUTE_S,
        clear_after_s=2 * MINUTE_S,
    ),
    AlertRule(
        name=AlertName.PAUSE_OPERATOR,
        severity=Severity.WARNING,
        about="scope",
        when="a person has paused everything, a lane, a sender or a configuration set",
        ends="a person has resumed it",
        remedy="tank-mailer resume, with the same options as the pause",
        clear_after_s=MINUTE_S,
    ),
    AlertRule(
        name=AlertName.QUEUE_SILENT,
        severity=Severity.CRITICAL,
        about="lane",
        when="polls bring nothing although the queue says that messages wait",
        ends="polls bring something, or nothing waits",
        remedy="look for another program that receives from this queue, and at its messages in flight: at 120,000 SQS"
        " hands out no more",
        raise_after_s=1.5 * MINUTE_S,  # the queue is asked every minute, and its count is a rough one: so, two answers
        clear_after_s=3 * MINUTE_S,  # after a restart silence takes two answers to be found again
    ),
    AlertRule(
        name=AlertName.EVENTS_SILENT,
        severity=Severity.CRITICAL,
        when="SES took mail a quarter of an hour ago, and no event has come since; only with an event queue and a"
        " configuration set",
        ends="an event comes",
        remedy="look at the configuration set's event destination, the topic's subscription, the event queue's policy"
        " and tank-mailer refused list --kind event; until events come, bounces suppress nobody, no doubt is settled",
        raise_after_s=2 * MINUTE_S,  # after a long stop the events wait on their queue: they are read first
    ),
    AlertRule(
        name=AlertName.EVENTS_LOST,
        severity=Severity.WARNING,
        when="of mails that SES took a day ago no event ever came",
        ends="a day after the last count; not told",
        remedy="look whether each configuration set publishes all kinds of events to a topic that the event queue is"
        " subscribed to, and whether that queue is read in time",
        is_event=True,
    ),
    AlertRule(
        name=AlertName.CANARY_LOST,
        severity=Severity.CRITICAL,
        when="SES took the canary a quarter of an hour ago, and no event of it came back",
        ends="a canary's event comes back",
        remedy="look at the configuration set's event destination, the topic's subscription, the event queue's policy"
        " and tank-mailer refused list --kind event; until events come, no doubt is settled",
        clear_after_s=2 * MINUTE_S,  # when another node takes over the canary, it has to look first
    ),
    AlertRule(
        name=AlertName.WEBHOOK_FAILING,
        severity=Severity.WARNING,
        when="the web server takes no news (TANK_WEBHOOK_URL)",
        ends="it takes some",
        remedy="tank-mailer webhook test shows what comes back; news is kept and tried for three days",
        raise_after_s=MINUTE_S,
        clear_after_s=2 * MINUTE_S,
    ),
    AlertRule(
        name=AlertName.DISK_LOW,
        severity=Severity.WARNING,
        about="node",
        when="the store's disk has less than twice TANK_MIN_FREE_BYTES free; below that itself, mail pauses",
        ends="it has more again",
        remedy="make room on the disk of the store (TANK_DATABASE_URL), or shorten TANK_RETENTION_DAYS",
        clear_after_s=10 * MINUTE_S,
        is_local=True,
    ),
    AlertRule(
        name=AlertName.KEY_OLD,
        severity=Severity.WARNING,
        when="the access key is older than 90 days; only where the key may ask (iam:ListAccessKeys)",
        ends="a younger one is in use",
        remedy="make a second key, put it into the settings, reload (SIGHUP), then deactivate and delete the old one",
    ),
)

RULES: Final[Mapping[AlertName, AlertRule]] = MappingProxyType({rule.name: rule for rule in _RULES})

PAUSES: Final[Mapping[Concerned, AlertName]] = MappingProxyType(
    {concerned: AlertName(f"pause_{concerned}") for concerned in Concerned}
)
