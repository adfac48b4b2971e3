"""config/grafana/tank-mailer.json: `python -m tests.project.grafana_board > config/grafana/tank-mailer.json`.

What people import is the JSON; what is thought about a panel stands here once, and the boilerplate of sixty is made.
"""

import json
import sys
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

SCHEMA: Final = 39  # Grafana 10.3 and later read it as it is; newer ones bring it up to date
SOURCE: Final = {"type": "prometheus", "uid": "${datasource}"}
GRID: Final = 24
HEIGHT: Final = 8
OF_NODE: Final = 'job="$job",instance=~"$instance"'  # each node has its own: added up
OF_ALL: Final = 'job="$job"'  # every node says the same of what they share: the largest
INTERVAL: Final = "[$__rate_interval]"

Json = dict[str, Any]
Query = tuple[str, str]  # expression, legend
Step = tuple[float | None, str]  # from which value on, in which colour


@dataclass(frozen=True, slots=True, kw_only=True)
class Panel:
    """One panel.

    Attributes:
        width: of 24.
        steps: thresholds, the lowest first.
        nothing: what is shown where there is no data.
        look: what else its kind wants: `fieldConfig.defaults.custom` of a time series, `options` of others.
    """

    title: str
    about: str
    queries: tuple[Query, ...]
    unit: str = "short"
    kind: str = "timeseries"
    width: int = 12
    height: int = HEIGHT
    steps: tuple[Step, ...] = ((None, "green"),)
    nothing: str = ""
    least: float | None = 0.0
    most: float | None = None
    is_stacked: bool = False
    shows_lines: bool = False  # draws the thresholds
    columns: Mapping[str, str] | None = None  # of a table


def _by(names: str) -> str:
    return f" by ({names})" if names else ""


def rate(metric: str, labels: str, by: str = "", over: str = INTERVAL) -> str:
    """Add up the rates of a counter."""
    return f"sum{_by(by)} (rate(tank_mailer_{metric}{{{labels}}}{over}))"


def increase(metric: str, labels: str, by: str = "", over: str = INTERVAL) -> str:
    """Add up what a counter has risen by."""
    return f"sum{_by(by)} (increase(tank_mailer_{metric}{{{labels}}}{over}))"


def most(metric: str, by: str = "", labels: str = OF_ALL) -> str:
    """Take once what every node tells."""
    return f"max{_by(by)} (tank_mailer_{metric}{{{labels}}})"


def quantile(share: float, metric: str, by: str = "", labels: str = OF_NODE) -> str:
    """Read a histogram."""
    names = ", ".join(filter(None, (by, "le")))
    return f"histogram_quantile({share}, sum by ({names}) (rate(tank_mailer_{metric}_bucket{{{labels}}}{INTERVAL})))"


def provider_share(statuses: str) -> str:
    """Compare what came of the mail to each provider with what SES took for it, over an hour."""
    reported = "recipients_reported_total"
    some = increase(reported, f'{OF_ALL},status=~"{statuses}"', "provider", "[1h]")
    all_of_them = increase(reported, f'{OF_ALL},status="accepted"', "provider", "[1h]")
    return f"{some} / ({all_of_them} > 0)"


# --- what there is to see --------------------------------------------------------------------------

REVIEW_BOUNCES, STOP_BOUNCES = 0.05, 0.10  # AWS: an account is reviewed, may be stopped
REVIEW_COMPLAINTS, STOP_COMPLAINTS = 0.001, 0.005
BOUNCES: Final[tuple[Step, ...]] = ((None, "green"), (REVIEW_BOUNCES, "orange"), (STOP_BOUNCES, "red"))
COMPLAINTS: Final[tuple[Step, ...]] = ((None, "green"), (REVIEW_COMPLAINTS, "orange"), (STOP_COMPLAINTS, "red"))
QUOTA: Final[tuple[Step, ...]] = ((None, "green"), (0.8, "orange"), (0.95, "red"))
ANY: Final[tuple[Step, ...]] = ((None, "green"), (1.0, "orange"))
NEEDED: Final[tuple[Step, ...]] = ((None, "red"), (1.0, "green"))
HOUR: Final[tuple[Step, ...]] = ((None, "green"), (3_600.0, "orange"))

NOW: Final = (
    Panel(
        title="Nodes",
        about="How many are up, as Prometheus sees it, and how many say that mail goes out (/readyz). Fewer ready than"
        " up: curl /readyz on the node, it names the reason and the remedy.",
        queries=(('sum(up{job="$job"})', "up"), (f"sum(tank_mailer_ready{{{OF_NODE}}})", "ready")),
        kind="stat",
        width=4,
        height=5,
        steps=NEEDED,
        nothing="none",
    ),
    Panel(
        title="Accepted now",
        about="Recipients a second whose mail SES took, over the chosen nodes. 0 with a queue that is not empty: look"
        " at the pauses on this row.",
        queries=((rate("recipients_accepted_total", OF_NODE), "accepted"),),
        unit="cps",
        kind="stat",
        width=4,
        height=5,
    ),
    Panel(
        title="Rate used",
        about="Share of the rate in force that all nodes use together. Near 100 % with a queue that grows: the"
        " account's rate is the limit; ask AWS for more (tank-mailer report quota-request).",
        queries=(
            (
                f"{rate('tokens_used_total', OF_ALL)} / {most('rate_in_force_recipients_per_second')}",
                "used",
            ),
        ),
        unit="percentunit",
        kind="stat",
        width=4,
        height=5,
        most=1.0,
    ),
    Panel(
        title="Daily quota used",
        about="Recipients of the last 24 hours against what SES allows. Past 80 % ask for more; past 95 % hold back the"
        " ordinary lane. No data: the account has no limit, or the key may not ask.",
        queries=((f"{most('quota_used_recipients')} / {most('quota_limit_recipients')}", "used"),),
        unit="percentunit",
        kind="stat",
        width=4,
        height=5,
        steps=QUOTA,
        nothing="no limit known",
        most=1.0,
    ),
    Panel(
        title="Hard bounces",
        about="The worse of a day and a week, as AWS counts them: review at 5 %, a stop at 10 %. No data: fewer than"
        " 500 mails, too few to say.",
        queries=((most("bounces_ratio"), "bounces"),),
        unit="percentunit",
        kind="stat",
        width=4,
        height=5,
        steps=BOUNCES,
        nothing="too few mails",
    ),
    Panel(
        title="Complaints",
        about="The worse of a day and a week, as AWS counts them: review at 0.1 %, a stop at 0.5 %. No data: fewer than"
        " 500 mails, too few to say.",
        queries=((most("complaints_ratio"), "complaints"),),
        unit="percentunit",
        kind="stat",
        width=4,
        height=5,
        steps=COMPLAINTS,
        nothing="too few mails",
    ),
    Panel(
        title="Alerts that are on",
        about="The daemon's own. tank-mailer alerts list says what each is about, since when, and what to do. Empty:"
        " nothing wants a person.",
        queries=((f"{most('alerts_firing', 'alert, severity')} > 0", ""),),
        kind="table",
        width=8,
        height=6,
        nothing="none",
        columns={"alert": "alert", "severity": "severity", "Value": "how many"},
    ),
    Panel(
        title="Pauses in force",
        about="What is not worked on, why, for how long, and in how long it is looked at again; an empty last column: a"
        " person, or a job of its own, lifts it. tank-mailer top names the sender and the remedy. Empty: nothing is"
        " paused.",
        queries=(
            (f"max by (concern, reason) (time() - tank_mailer_pause_since_timestamp_seconds{{{OF_ALL}}})", ""),
            (f"min by (concern, reason) (tank_mailer_pause_next_probe_timestamp_seconds{{{OF_ALL}}} - time())", ""),
        ),
        unit="s",
        kind="table",
        width=8,
        height=6,
        nothing="none",
        columns={"concern": "what", "reason": "why", "Value #A": "for", "Value #B": "next look in"},
    ),
    Panel(
        title="Jobs that wait for a person",
        about="On dead-letter queues; in the ledger alone, for no queue took them; in doubt. tank-mailer dlq list, and"
        " dlq redrive once the cause is mended; doubts settle themselves.",
        queries=(
            (f"sum({most('dead_letter_queue_messages', 'lane')})", "dead letters"),
            (most("jobs_dead_without_copy"), "dead without a copy"),
            (f"sum({most('doubts', 'age')})", "in doubt"),
        ),
        kind="stat",
        width=4,
        height=6,
        steps=ANY,
    ),
    Panel(
        title="Oldest unfinished job",
        about="Of those that the ledger knows, since it was first seen. Past TANK_MAX_JOB_AGE_S (an hour) the daemon"
        " says so; tank-mailer top shows what holds mail up.",
        queries=((most("oldest_unfinished_age_seconds"), "oldest"),),
        unit="s",
        kind="stat",
        width=4,
        height=6,
        steps=HOUR,
    ),
)

PACE: Final = (
    Panel(
        title="Rate against its limits",
        about="Recipients a second that leave, of all nodes, against the rate in force (what throttling has left of"
        " it), the rate as set, and the account's. In force below set: SES throttles, somebody else sends on the"
        " account.",
        queries=(
            (rate("tokens_used_total", OF_ALL), "sent"),
            (most("rate_in_force_recipients_per_second"), "in force"),
            (most("rate_set_recipients_per_second"), "set"),
            (most("rate_account_recipients_per_second"), "the account's"),
        ),
        unit="cps",
    ),
    Panel(
        title="Accepted, by lane",
        about="Recipients a second whose mail SES took. The priority lane goes first; the ordinary one keeps a tenth.",
        queries=((rate("recipients_accepted_total", OF_NODE, "lane"), "{{lane}}"),),
        unit="cps",
        is_stacked=True,
    ),
    Panel(
        title="Messages on the queues",
        about="As SQS says, roughly. Visible ones wait to be received; those in flight are in work, put off, or in"
        " doubt. Visible ones that grow at full rate: the account's rate is too low for the mail.",
        queries=((most("queue_messages", "queue, place", f'{OF_ALL},queue!="events"'), "{{queue}}, {{place}}"),),
    ),
    Panel(
        title="In hand and waiting here, by lane",
        about="Messages received and not settled, and recipients that wait here for a slot or a token. A few are"
        " right: no more is received than can start soon.",
        queries=(
            (f"sum by (lane) (tank_mailer_lane_messages_in_hand{{{OF_NODE}}})", "{{lane}}, messages in hand"),
            (f"sum by (lane) (tank_mailer_lane_recipients_waiting{{{OF_NODE}}})", "{{lane}}, recipients waiting"),
        ),
    ),
    Panel(
        title="Wait for slot and token, by lane",
        about="How long an attempt waits for its turn: the middle, and 95 of 100. Long on the priority lane: mails to"
        " many recipients hold it up, or what is not urgent is on it.",
        queries=(
            (quantile(0.5, "limiter_wait_seconds", "lane"), "{{lane}}, median"),
            (quantile(0.95, "limiter_wait_seconds", "lane"), "{{lane}}, 95 %"),
        ),
        unit="s",
    ),
    Panel(
        title="Requests in flight",
        about="Against how many there may be (TANK_MAX_PARALLEL, of all chosen nodes). At the limit with a rate that is"
        " not used up: calls are slow, or there are too few slots.",
        queries=(
            (f"sum(tank_mailer_slots{{{OF_NODE}}})", "slots"),
            (f"sum(tank_mailer_jobs_in_flight{{{OF_NODE}}})", "all"),
            (f"sum by (lane) (tank_mailer_lane_requests_in_flight{{{OF_NODE}}})", "{{lane}}"),
        ),
    ),
    Panel(
        title="Cuts of the rate",
        about="How often throttle answers have cut it. A few after a change are nothing; many: another sender, or two"
        " installations that each take the whole rate.",
        queries=((increase("rate_cuts_total", OF_NODE), "cuts"),),
        width=8,
    ),
    Panel(
        title="Time since the last poll",
        about="Since a receive last ended without a fault, by queue; a long poll takes 20 seconds. It grows in a pause,"
        " and is no fault then.",
        queries=(
            (f"time() - {most('last_poll_timestamp_seconds', 'queue')}", "{{queue}}"),
            (f"time() - {most('queue_asked_timestamp_seconds', 'lane')}", "{{lane}}, depth last told"),
        ),
        unit="s",
        width=8,
    ),
    Panel(
        title="Lanes that are polled",
        about="1: received from; 0: a pause keeps it from that, see the pauses above. The lowest of the chosen nodes.",
        queries=((f"min by (lane) (tank_mailer_lane_polled{{{OF_NODE}}})", "{{lane}}"),),
        width=8,
        steps=NEEDED,
        most=1.0,
    ),
)

OUTCOMES: Final = (
    Panel(
        title="Attempts, by outcome",
        about="Calls to SES a second. Unreachable, failed and in doubt are the network's or SES's; held is a fault of"
        " the account or a sender, and pauses it; refused is the job's own.",
        queries=((rate("attempts_total", OF_NODE, "outcome"), "{{outcome}}"),),
        unit="cps",
        is_stacked=True,
    ),
    Panel(
        title="Attempts that were not accepted, by reason",
        about="The reasons are those of the log. tank-mailer why EMAIL_ID tells of one job. Nothing here is best.",
        queries=(
            (rate("attempts_total", f'{OF_NODE},outcome!="accepted"', "outcome, reason"), "{{outcome}}: {{reason}}"),
        ),
        unit="cps",
    ),
    Panel(
        title="Queue messages settled, by verdict",
        about="One for each receive: delete (ended), retry (hidden, or given back), park (in doubt), pause,"
        " dead_letter. More retries than deletes: something keeps jobs from ending, see the reasons.",
        queries=((rate("jobs_settled_total", OF_NODE, "verdict"), "{{verdict}}"),),
        unit="cps",
        is_stacked=True,
    ),
    Panel(
        title="Jobs that ended without a mail, by reason",
        about="Invalid, refused, suppressed, expired, doubled. tank-mailer refused list shows them with their text.",
        queries=((rate("jobs_settled_total", f'{OF_NODE},verdict="delete",reason!="none"', "reason"), "{{reason}}"),),
        unit="cps",
    ),
)

LATENCY: Final = (
    Panel(
        title="Calls to SES",
        about="How long they take, whatever comes of them: 50 to 300 ms are usual, 25 s is the time-out.",
        queries=tuple(
            (quantile(share, "attempt_duration_seconds"), f"{share:.0%}".replace("%", " %"))
            for share in (0.5, 0.95, 0.99)
        ),
        unit="s",
    ),
    Panel(
        title="Calls to SES, spread",
        about="How many calls took how long. Two bands are two ways to SES, or a proxy.",
        queries=(
            (f"sum by (le) (increase(tank_mailer_attempt_duration_seconds_bucket{{{OF_NODE}}}{INTERVAL}))", "{{le}}"),
        ),
        unit="s",
        kind="heatmap",
    ),
    Panel(
        title="Age of jobs as they end, by lane",
        about="From the queue, or the first sight of it, to its end. What a person waits for a code is the priority"
        " lane's 95 %.",
        queries=(
            (quantile(0.5, "job_age_seconds", "lane"), "{{lane}}, median"),
            (quantile(0.95, "job_age_seconds", "lane"), "{{lane}}, 95 %"),
        ),
        unit="s",
    ),
    Panel(
        title="Oldest that is known",
        about="Of messages received in the last two minutes, by lane, and of jobs that have not ended, by state. What"
        " is still on the queue may be older: SQS does not tell.",
        queries=(
            (most("oldest_received_age_seconds", "lane"), "received, {{lane}}"),
            (most("oldest_unfinished_age_seconds", "state"), "unfinished, {{state}}"),
        ),
        unit="s",
        steps=HOUR,
        shows_lines=True,
    ),
)

REPUTATION: Final = (
    Panel(
        title="Hard bounces against AWS's lines",
        about="Review at 5 % (orange), a stop at 10 % (red). At TANK_BOUNCE_PAUSE the ordinary lane stops itself. Find"
        " where bad addresses come from: tank-mailer report domains. No data: fewer than 500 mails.",
        queries=((most("bounces_ratio"), "hard bounces"),),
        unit="percentunit",
        steps=BOUNCES,
        shows_lines=True,
        nothing="too few mails",
    ),
    Panel(
        title="Complaints against AWS's lines",
        about="Review at 0.1 % (orange), a stop at 0.5 % (red). At TANK_COMPLAINT_PAUSE the ordinary lane stops itself."
        " Find which mail people call spam, and send less of it. Gmail tells SES nothing of complaints.",
        queries=((most("complaints_ratio"), "complaints"),),
        unit="percentunit",
        steps=COMPLAINTS,
        shows_lines=True,
        nothing="too few mails",
    ),
    Panel(
        title="Recipients that the ratios are of",
        about="Few of them make a ratio jump: ten bad addresses are 2 % of 500.",
        queries=((most("reputation_recipients"), "recipients"),),
    ),
    Panel(
        title="Addresses suppressed, by reason",
        about="Put on the list by events. A jump of hard_bounce: an old list was mailed.",
        queries=((increase("addresses_suppressed_total", OF_NODE, "reason"), "{{reason}}"),),
        is_stacked=True,
    ),
)

DOMAINS: Final = (
    Panel(
        title="Mail accepted, by provider",
        about="Recipients a second whose Send event came, by whose mailbox it is; other is all smaller domains and"
        " companies' own. tank-mailer report domains has every domain by name. No data: no event queue.",
        queries=((rate("recipients_reported_total", f'{OF_ALL},status="accepted"', "provider"), "{{provider}}"),),
        unit="cps",
        width=8,
        is_stacked=True,
    ),
    Panel(
        title="Delivered, by provider",
        about="Deliveries of an hour against what SES took for this provider in it. One that falls while the others"
        " stay: the provider delays or blocks.",
        queries=((provider_share("delivered"), "{{provider}}"),),
        unit="percentunit",
        width=8,
    ),
    Panel(
        title="Hard bounces, by provider",
        about="Of an hour. High for one provider: an old list, or a block that looks like a dead mailbox.",
        queries=((provider_share("hard_bounced"), "{{provider}}"),),
        unit="percentunit",
        width=8,
        steps=BOUNCES,
        shows_lines=True,
    ),
    Panel(
        title="Soft bounces and delays, by provider",
        about="Of an hour. High for one provider: it greylists, or finds the mail or its sender suspicious. Send"
        " slower, look at SPF, DKIM and DMARC (tank-mailer doctor).",
        queries=((provider_share("soft_bounced|delayed"), "{{provider}}"),),
        unit="percentunit",
    ),
    Panel(
        title="Complaints, by provider",
        about="Of an hour. Gmail tells SES nothing of them: see its Postmaster Tools.",
        queries=((provider_share("complained"), "{{provider}}"),),
        unit="percentunit",
        steps=COMPLAINTS,
        shows_lines=True,
    ),
)

QUOTAS: Final = (
    Panel(
        title="Quota, used and limit",
        about="Recipients of the last 24 hours, by our count and the account's, against what SES allows. It comes back"
        " as yesterday's mails leave the count.",
        queries=((most("quota_used_recipients"), "used"), (most("quota_limit_recipients"), "limit")),
    ),
    Panel(
        title="Room that is left, by lane",
        about="TANK_DAILY_RESERVE is the priority lane's alone, so the ordinary lane has less. At 0 the lane pauses. No"
        " data: no limit is known.",
        queries=((most("quota_room_recipients", "lane"), "{{lane}}"),),
    ),
)

DOUBTS: Final = (
    Panel(
        title="In doubt, by age",
        about="Jobs whose answer from SES was lost. Events settle them within seconds; what is older than 900 s has"
        " seen no event: look at the panels of events, and at the network.",
        queries=((most("doubts", "age"), "up to {{age}} s"),),
        is_stacked=True,
    ),
    Panel(
        title="Doubts, begun and ended",
        about="Ended by an event is best; resent may be a mail too many; given_up is a dead letter.",
        queries=(
            (increase("doubts_begun_total", OF_NODE, "reason"), "begun: {{reason}}"),
            (increase("doubts_ended_total", OF_NODE, "ending"), "ended: {{ending}}"),
        ),
    ),
    Panel(
        title="Jobs that have not ended",
        about="By state, as the store of all nodes has it. Many deferred: see the reasons of the attempts.",
        queries=((most("jobs_unfinished", "state"), "{{state}}"),),
        width=8,
        is_stacked=True,
    ),
    Panel(
        title="Dead letters, by reason",
        about="Jobs that were given up. tank-mailer dlq list shows each with its last error; mend the cause, then"
        " tank-mailer dlq redrive.",
        queries=((increase("dead_letters_total", OF_NODE, "reason"), "{{reason}}"),),
        width=8,
    ),
    Panel(
        title="Dead letters that lie there",
        about="On the dead-letter queues, asked every five minutes; and in the ledger alone: those no queue took.",
        queries=(
            (most("dead_letter_queue_messages", "lane"), "{{lane}}"),
            (most("jobs_dead_without_copy"), "without a copy"),
        ),
        width=8,
        steps=ANY,
    ),
    Panel(
        title="Mails too many, in a day",
        about="Jobs of which SES is known to have sent more than one mail, and doubts that ended in another mail."
        " TANK_IN_DOUBT=hold never sends again in doubt.",
        queries=(
            (increase("duplicates_proven_total", OF_ALL, over="[1d]"), "proven"),
            (increase("doubts_ended_total", f'{OF_ALL},ending="resent"', over="[1d]"), "sent again in doubt"),
        ),
        kind="stat",
        width=24,
        height=4,
        steps=ANY,
    ),
)

EVENTS: Final = (
    Panel(
        title="Events, by kind",
        about="SES's, a second, each counted once. About two for each mail: Send, and Delivery or Bounce.",
        queries=((rate("events_recorded_total", OF_NODE, "kind"), "{{kind}}"),),
        unit="cps",
        is_stacked=True,
    ),
    Panel(
        title="Lag of events",
        about="From what happened, by SES's clock, until it is on disk here. Past 900 s a doubt may be settled without"
        " its event.",
        queries=(
            (quantile(0.5, "event_lag_seconds"), "median"),
            (quantile(0.95, "event_lag_seconds"), "95 %"),
        ),
        unit="s",
    ),
    Panel(
        title="Messages on the event queue",
        about="Near nothing is right. It grows: the store is slow, or nobody reads (see Time since the last poll).",
        queries=((most("queue_messages", "place", f'{OF_ALL},queue="events"'), "{{place}}"),),
        width=8,
    ),
    Panel(
        title="Since the last event, and the last mail",
        about="Mails go and events do not come: the configuration set's event destination, the topic's subscription, or"
        " the event queue's policy.",
        queries=(
            (f"time() - {most('last_event_timestamp_seconds')}", "last event"),
            (f"time() - {most('last_accepted_timestamp_seconds')}", "last mail that should have events"),
        ),
        unit="s",
        width=8,
    ),
    Panel(
        title="Put aside, and lost",
        about="Messages of the event queue that are no event (tank-mailer refused list --kind event), and mails of"
        " which no event came within a day.",
        queries=(
            (increase("events_quarantined_total", OF_NODE, "reason"), "put aside: {{reason}}"),
            (increase("events_lost_total", OF_ALL), "lost"),
        ),
        width=8,
    ),
    Panel(
        title="News for the web server",
        about="What waits to be POSTed to TANK_WEBHOOK_URL. It grows: tank-mailer webhook test shows what comes back.",
        queries=((most("outbox_letters"), "waiting"),),
    ),
    Panel(
        title="Oldest news for the web server",
        about="It is tried for three days.",
        queries=((most("outbox_oldest_age_seconds"), "oldest"),),
        unit="s",
        steps=HOUR,
    ),
)

PROCESS: Final = (
    Panel(
        title="Ready and draining, by node",
        about="What /readyz says, and whether the node is stopping.",
        queries=(
            (f"tank_mailer_ready{{{OF_NODE}}}", "{{instance}} ready"),
            (f"tank_mailer_draining{{{OF_NODE}}}", "{{instance}} draining"),
        ),
        width=8,
        most=1.0,
    ),
    Panel(
        title="Running since, by node",
        about="A saw-tooth: it restarts again and again; its journal says why.",
        queries=((f"time() - tank_mailer_start_timestamp_seconds{{{OF_NODE}}}", "{{instance}}"),),
        unit="s",
        width=8,
    ),
    Panel(
        title="Nodes and versions",
        about="How many nodes share the rate, as each of them counts, and how many are scraped in which version.",
        queries=(
            (most("nodes"), "share the rate"),
            (f"count by (version) (tank_mailer_build_info{{{OF_ALL}}})", "scraped, {{version}}"),
        ),
        width=8,
    ),
    Panel(
        title="Lag of the event loop, by node",
        about="99 of 100 turns are less late. Past 70 ms a token is lost at 14 a second: the host has too little CPU.",
        queries=((quantile(0.99, "loop_lag_seconds", "instance"), "{{instance}}"),),
        unit="s",
    ),
    Panel(
        title="Transactions of the store, by node",
        about="95 of 100 are faster. Each mail waits for one before it goes.",
        queries=((quantile(0.95, "store_transaction_seconds", "instance"), "{{instance}}"),),
        unit="s",
    ),
    Panel(
        title="Free on the store's disk, by node",
        about="Below TANK_MIN_FREE_BYTES mail pauses. No data: the store is PostgreSQL; watch its own disk.",
        queries=((f"tank_mailer_store_free_bytes{{{OF_NODE}}}", "{{instance}}"),),
        unit="bytes",
        nothing="PostgreSQL",
    ),
    Panel(
        title="Pauses, in force and begun",
        about="What has stood still, and how often it began anew.",
        queries=(
            (f"{most('pauses', 'concern, reason')} > 0", "{{concern}}: {{reason}}"),
            (f"{increase('pauses_begun_total', OF_NODE, 'concern, reason')} > 0", "begun, {{concern}}: {{reason}}"),
        ),
        nothing="none",
    ),
)

ROWS: Final[Mapping[str, tuple[Panel, ...]]] = {
    "Now": NOW,
    "Pace": PACE,
    "Outcomes": OUTCOMES,
    "Latency": LATENCY,
    "Reputation": REPUTATION,
    "Domains": DOMAINS,
    "Daily quota": QUOTAS,
    "Doubts and dead letters": DOUBTS,
    "Events and webhook": EVENTS,
    "Process": PROCESS,
}
OPTIONS: Final[Mapping[str, Json]] = {
    "timeseries": {
        "legend": {"displayMode": "list", "placement": "bottom", "showLegend": True, "calcs": []},
        "tooltip": {"mode": "multi", "sort": "desc"},
    },
    "stat": {
        "colorMode": "value",
        "graphMode": "area",
        "justifyMode": "auto",
        "orientation": "auto",
        "reduceOptions": {"calcs": ["lastNotNull"], "fields": "", "values": False},
        "textMode": "auto",
    },
    "table": {"cellHeight": "sm", "footer": {"show": False, "reducer": ["sum"], "fields": ""}, "showHeader": True},
    "heatmap": {
        "calculate": False,
        "cellGap": 1,
        "color": {"mode": "scheme", "scheme": "Blues", "fill": "dark-blue", "exponent": 0.5, "steps": 64},
        "filterValues": {"le": 1e-9},
        "legend": {"show": True},
        "rowsFrame": {"layout": "auto"},
        "tooltip": {"mode": "single", "showColorScale": False, "yHistogram": False},
        "yAxis": {"axisPlacement": "left", "reverse": False, "unit": "s"},
    },
}


# --- as Grafana wants it ---------------------------------------------------------------------------


def board() -> Json:
    """All of it."""
    panels = list(_panels())
    return {
        "__requires": [
            {"type": "grafana", "id": "grafana", "name": "Grafana", "version": "10.3.0"},
            {"type": "datasource", "id": "prometheus", "name": "Prometheus", "version": "1.0.0"},
            *(
                {"type": "panel", "id": kind, "name": name, "version": ""}
                for kind, name in (
                    *(("heatmap", "Heatmap"), ("stat", "Stat"), ("table", "Table"), ("timeseries", "Time series")),
                )
            ),
        ],
        "annotations": {"list": [_built_in(), *_marks()]},
        "description": "E-mail jobs from SQS through Amazon SES: docs/monitoring.md says how to read it.",
        "editable": True,
        "fiscalYearStartMonth": 0,
        "graphTooltip": 1,
        "id": None,
        "links": [],
        "panels": panels,
        "refresh": "30s",
        "schemaVersion": SCHEMA,
        "tags": ["tank-mailer", "e-mail"],
        "templating": {"list": _variables()},
        "time": {"from": "now-3h", "to": "now"},
        "timepicker": {},
        "timezone": "browser",
        "title": "tank-mailer",
        "uid": "tank-mailer",
        "version": 1,
        "weekStart": "",
    }


def _panels() -> Iterator[Json]:
    number, y = 0, 0
    for title, panels in ROWS.items():
        number += 1
        grid = {"h": 1, "w": GRID, "x": 0, "y": y}
        yield {"collapsed": False, "gridPos": grid, "id": number, "panels": [], "title": title, "type": "row"}
        x, y, tallest = 0, y + 1, 0
        for one in panels:
            if x + one.width > GRID:
                x, y, tallest = 0, y + tallest, 0
            number += 1
            yield _panel(one, number, {"h": one.height, "w": one.width, "x": x, "y": y})
            x, tallest = x + one.width, max(tallest, one.height)
        y += tallest


def _panel(one: Panel, number: int, grid: Json) -> Json:
    defaults: Json = {
        "color": {"mode": "palette-classic" if one.kind == "timeseries" else "thresholds"},
        "custom": _custom(one),
        "mappings": [],
        "thresholds": {
            "mode": "absolute",
            "steps": [{"color": color, "value": value} for value, color in one.steps],
        },
        "unit": one.unit,
    }
    if one.kind in {"timeseries", "stat"}:
        defaults |= {name: value for name, value in (("min", one.least), ("max", one.most)) if value is not None}
    if one.nothing:
        defaults["noValue"] = one.nothing
    return {
        "datasource": SOURCE,
        "description": one.about,
        "fieldConfig": {"defaults": defaults, "overrides": []},
        "gridPos": grid,
        "id": number,
        "options": OPTIONS[one.kind],
        "targets": [_target(one, at, query) for at, query in enumerate(one.queries)],
        "title": one.title,
        "type": one.kind,
    } | ({"transformations": _columns(one.columns)} if one.columns else {})


def _custom(one: Panel) -> Json:
    if one.kind != "timeseries":
        return {}
    return {
        "axisPlacement": "auto",
        "drawStyle": "line",
        "fillOpacity": 20 if one.is_stacked else 0,
        "lineWidth": 1,
        "showPoints": "never",
        "spanNulls": False,
        "stacking": {"group": "A", "mode": "normal" if one.is_stacked else "none"},
        "thresholdsStyle": {"mode": "line" if one.shows_lines else "off"},
    }


def _target(one: Panel, at: int, query: Query) -> Json:
    expr, legend = query
    is_table = one.kind == "table"
    return {
        "datasource": SOURCE,
        "editorMode": "code",
        "expr": expr,
        "format": {"table": "table", "heatmap": "heatmap"}.get(one.kind, "time_series"),
        "instant": is_table,
        "legendFormat": legend,
        "range": not is_table,
        "refId": "ABCDEF"[at],
    }


def _columns(columns: Mapping[str, str]) -> list[Json]:
    order = {name: at for at, name in enumerate(columns)}
    return [
        {"id": "merge", "options": {}},
        {
            "id": "organize",
            "options": {"excludeByName": {"Time": True}, "indexByName": order, "renameByName": dict(columns)},
        },
    ]


def _built_in() -> Json:
    return {
        "builtIn": 1,
        "datasource": {"type": "grafana", "uid": "-- Grafana --"},
        "enable": True,
        "hide": True,
        "iconColor": "rgba(0, 211, 255, 1)",
        "name": "Annotations & Alerts",
        "type": "dashboard",
    }


def _marks() -> Sequence[Json]:
    started = f"changes(tank_mailer_start_timestamp_seconds{{{OF_NODE}}}[1m]) > 0"
    paused = f"{most('pauses', 'concern, reason')} > 0"
    return [
        _mark("Starts", started, "started", "{{instance}}", "blue"),
        _mark("Pauses", paused, "paused", "{{concern}}: {{reason}}", "orange"),
    ]


def _mark(name: str, expr: str, title: str, text: str, color: str) -> Json:
    return {
        "datasource": SOURCE,
        "enable": True,
        "expr": expr,
        "iconColor": color,
        "name": name,
        "step": "60s",
        "textFormat": text,
        "titleFormat": title,
    }


def _variables() -> Sequence[Json]:
    return [
        {
            "current": {},
            "hide": 0,
            "includeAll": False,
            "label": "Prometheus",
            "multi": False,
            "name": "datasource",
            "options": [],
            "query": "prometheus",
            "refresh": 1,
            "regex": "",
            "type": "datasource",
        },
        _variable("job", "Installation", "label_values(tank_mailer_build_info, job)", is_multi=False),
        _variable("instance", "Node", 'label_values(tank_mailer_build_info{job="$job"}, instance)', is_multi=True),
    ]


def _variable(name: str, label: str, query: str, *, is_multi: bool) -> Json:
    everything = {"selected": True, "text": ["All"], "value": ["$__all"]}
    return {
        "allValue": ".*" if is_multi else None,
        "current": everything if is_multi else {},
        "datasource": SOURCE,
        "definition": query,
        "hide": 0,
        "includeAll": is_multi,
        "label": label,
        "multi": is_multi,
        "name": name,
        "options": [],
        "query": {"query": query, "refId": f"variable-{name}"},
        "refresh": 2,
        "regex": "",
        "skipUrlSync": False,
        "sort": 1,
        "type": "query",
    }


def text() -> str:
    """As it is in the file."""
    return json.dumps(board(), indent=2, ensure_ascii=False) + "\n"


if __name__ == "__main__":
    sys.stdout.write(text())
