"""Every metric: its name, its kind, what it means, and the closed sets that the values of its labels come from.

Never an address, an id or a text of anybody's: what is counted here is kept for years, and by others.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from enum import StrEnum
from itertools import product
from typing import Final, get_args

from tank_mailer import __version__
from tank_mailer.core.alerts import AlertName, Severity
from tank_mailer.core.errors import Reason
from tank_mailer.core.event import EventKind
from tank_mailer.core.lanes import LANES
from tank_mailer.core.ledger import State
from tank_mailer.core.mailboxes import Provider
from tank_mailer.core.outcome import Concerned, Outcome
from tank_mailer.core.pausing import DEFAULT_SET, RULES
from tank_mailer.core.status import Status
from tank_mailer.core.verdict import Verdict
from tank_mailer.telemetry.flatten import name_of

PREFIX: Final = "tank_mailer_"
NONE: Final = "none"  # where nothing has to be said; an empty label would be none at all
EVENTS: Final = "events"  # the event queue, beside those of the lanes


class Kind(StrEnum):
    """What Prometheus does with it."""

    COUNTER = "counter"
    GAUGE = "gauge"
    HISTOGRAM = "histogram"


class Place(StrEnum):
    """Where messages are on a queue."""

    VISIBLE = "visible"
    IN_FLIGHT = "in_flight"  # received and hidden: in work here, in doubt, or put off


class Ending(StrEnum):
    """What ends a doubt."""

    EVENT = "event"  # SES's event has shown that the mail was accepted
    RESENT = "resent"  # nothing did: sent once more, perhaps twice
    GIVEN_UP = "given_up"  # dead-lettered as `in_doubt`


@dataclass(frozen=True, slots=True)
class Label:
    """One label.

    Attributes:
        values: all that there are; empty: upper bounds in seconds.
        whose: where they stand, for people.
    """

    name: str
    values: tuple[str, ...]
    whose: str


@dataclass(frozen=True, slots=True)
class Measure:
    """One metric.

    Attributes:
        name: without `PREFIX`.
        buckets: upper bounds of a histogram.
        preset: label values that are there from the start, at 0, so that a rule never finds nothing.
    """

    name: str
    kind: Kind
    meaning: str
    labels: tuple[Label, ...] = ()
    buckets: tuple[float, ...] = ()
    preset: tuple[tuple[str, ...], ...] = ()

    @property
    def full_name(self) -> str:
        """As Prometheus shows it."""
        return PREFIX + self.name


# --- labels ----------------------------------------------------------------------------------------

_REASON = Label("reason", (*(reason.value for reason in Reason), NONE), "why: the same words as in logs and ledger")
_VERDICT = Label("verdict", tuple(name_of(kind) for kind in get_args(Verdict)), "what becomes of a queue message")
_OUTCOME = Label("outcome", tuple(name_of(kind) for kind in get_args(Outcome)), "what an attempt ends in")
_LANE = Label("lane", LANES, "the queues' lanes")
_QUEUE = Label("queue", (*LANES, EVENTS), "the lanes', and the event queue")
_PLACE = Label("place", tuple(Place), "where a message is")
_KIND = Label("kind", tuple(EventKind), "SES's kinds of events")
_PROVIDER = Label("provider", tuple(Provider), "large providers of mailboxes, by domain; all other domains are `other`")
_STATUS = Label("status", tuple(one.word for one in Status if one), "how far a mail has come for a recipient")
_CONCERN = Label("concern", tuple(Concerned), "what a pause is about")
_STATE = Label("state", (State.SENDING, State.DEFERRED, State.IN_DOUBT), "of jobs that have not ended")
_ENDING = Label("ending", tuple(Ending), "of a doubt")
_AGE = Label("age", (), "the upper bound of an age in seconds, such as 900; `inf`: all that are older")
_ALERT = Label("alert", tuple(AlertName), "see alerts.md")
_SEVERITY = Label("severity", tuple(Severity), "how soon a person must look")
_VERSION = Label("version", (__version__,), "tank-mailer's own")

PAUSES: Final = tuple(
    dict.fromkeys((rule.kind.value, reason.value) for rule in (*RULES, DEFAULT_SET) for reason in rule.reasons)
)


def _each(*labels: Label) -> tuple[tuple[str, ...], ...]:
    return tuple(product(*(label.values for label in labels)))


# What a producer can do wrong, and what can be wrong on the event queue: ten at once are an alert, however they come.
_NO_MAIL: Final = (
    *(Reason.NOT_JSON, Reason.TOO_DEEP, Reason.TOO_LARGE, Reason.MISSING_FIELD, Reason.BAD_FIELD, Reason.BAD_ADDRESS),
    *(Reason.TOO_MANY_RECIPIENTS, Reason.HEADER_INJECTION, Reason.RESERVED_NAME, Reason.UNKNOWN_CONFIGURATION_SET),
    *(Reason.ID_CONFLICT, Reason.SENDER_NOT_ALLOWED),
    *(Reason.REJECTED, Reason.UNVERIFIED_SENDER, Reason.SANDBOX_RECIPIENT),
)
_NO_EVENT: Final = (
    *(Reason.FOREIGN_TOPIC, Reason.RAW_EVENT, Reason.UNKNOWN_EVENT, Reason.BAD_EVENT, Reason.BAD_SIGNATURE),
    *(Reason.SUBSCRIPTION_REQUEST, Reason.UNSTORABLE, Reason.NOT_JSON, Reason.TOO_LARGE, Reason.TOO_DEEP),
)

# --- buckets, in seconds ---------------------------------------------------------------------------

_CALL = (0.025, 0.05, 0.1, 0.2, 0.3, 0.5, 1.0, 2.5, 5.0, 10.0, 25.0)  # SES takes 50 to 300 ms; its time-out is 25 s
_TURN = (0.005, 0.025, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0, 60.0)  # a token each 70 ms at 14/s; 60 s: given back
# From a code that somebody waits for to TANK_MAX_JOB_AGE_S (an hour) and to a queue's retention (four days, mostly).
_AGE_S = (0.5, 1.0, 2.5, 5.0, 10.0, 30.0, 60.0, 300.0, 900.0, 3_600.0, 14_400.0, 86_400.0, 345_600.0)
_LAG = (0.5, 1.0, 2.5, 5.0, 10.0, 30.0, 60.0, 300.0, 900.0, 3_600.0, 21_600.0, 86_400.0)  # 900: TANK_IN_DOUBT_WAIT_S
_DISK = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 1.0, 5.0, 15.0)  # a flush; 15: PostgreSQL's time-out
_LOOP = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 5.0)  # 70 ms late is a token at 14/s

# --- the list --------------------------------------------------------------------------------------

_C, _G, _H = Kind.COUNTER, Kind.GAUGE, Kind.HISTOGRAM

MEASURES: Final = (
    # Jobs and attempts
    Measure(
        "jobs_settled_total",
        _C,
        "Queue messages settled, one for each receive, by what became of them: delete (ended; reason none: accepted),"
        " retry (hidden or given back), park (in doubt), pause, dead_letter.",
        (_VERDICT, _REASON),
        preset=(("delete", NONE), *(("delete", reason) for reason in _NO_MAIL)),
    ),
    Measure(
        "attempts_total",
        _C,
        "Calls to SES, by what they ended in.",
        (_OUTCOME, _REASON),
        preset=(("accepted", NONE), ("throttled", Reason.THROTTLED)),
    ),
    Measure("attempt_duration_seconds", _H, "How long a call to SES took, whatever came of it.", buckets=_CALL),
    Measure(
        "limiter_wait_seconds",
        _H,
        "How long an attempt waited for its slot and token, its row's way to the disk included.",
        (_LANE,),
        _TURN,
        _each(_LANE),
    ),
    Measure(
        "job_age_seconds",
        _H,
        "Age of jobs as they end, accepted or not: from when they were put on the queue, or first seen by the ledger.",
        (_LANE,),
        _AGE_S,
        _each(_LANE),
    ),
    Measure("jobs_in_flight", _G, "Requests to SES in flight."),
    Measure("slots", _G, "Requests that may be in flight (TANK_MAX_PARALLEL)."),
    # Lanes
    Measure("recipients_accepted_total", _C, "Recipients of mails that SES accepted.", (_LANE,), preset=_each(_LANE)),
    Measure("lane_recipients_waiting", _G, "Recipients whose jobs wait here for a slot or a token.", (_LANE,)),
    Measure("lane_messages_in_hand", _G, "Queue messages received and not settled.", (_LANE,)),
    Measure("lane_requests_in_flight", _G, "Requests to SES in flight.", (_LANE,)),
    Measure("lane_polled", _G, "1 while the lane's queue is received from; 0: a pause keeps it from that.", (_LANE,)),
    # Queues
    Measure("last_poll_timestamp_seconds", _G, "When a receive last came to its end without a fault.", (_QUEUE,)),
    Measure(
        "queue_messages",
        _G,
        "Messages on a queue, roughly (ApproximateNumberOfMessages), as it said within the last minutes.",
        (_QUEUE, _PLACE),
    ),
    Measure("queue_asked_timestamp_seconds", _G, "When a lane's queue last said how much waits on it.", (_LANE,)),
    Measure(
        "oldest_received_age_seconds",
        _G,
        "Age of the oldest queue message that was received in the last one to two minutes; 0: none was. SQS does not"
        " tell a queue's oldest by its attributes. A fresh copy (job_renewed) counts anew.",
        (_LANE,),
    ),
    Measure(
        "oldest_unfinished_age_seconds",
        _G,
        "Age of the oldest job of the ledger that has not ended, since it was first seen; asked once a minute, over all"
        " nodes.",
        (_STATE,),
    ),
    Measure("jobs_unfinished", _G, "Jobs of the ledger that have not ended; once a minute, all nodes.", (_STATE,)),
    Measure(
        "dead_letter_queue_messages",
        _G,
        "Messages on the dead-letter queue of a lane, roughly; asked every five minutes.",
        (_LANE,),
    ),
    Measure(
        "dead_letters_total",
        _C,
        "Jobs that were given up.",
        (_REASON,),
        preset=((Reason.ATTEMPTS_SPENT,), (Reason.IN_DOUBT,)),
    ),
    Measure(
        "jobs_dead_without_copy",
        _G,
        "Jobs that were given up, are on no dead-letter queue, and nobody has put back; once a minute, all nodes.",
    ),
    # The governor
    Measure("rate_set_recipients_per_second", _G, "The rate as set, of all nodes together."),
    Measure("rate_in_force_recipients_per_second", _G, "The same, as slow as throttle answers have made it."),
    Measure("rate_account_recipients_per_second", _G, "What SES allows the account; missing: it has not said."),
    Measure("rate_cuts_total", _C, "How often throttle answers have cut the rate."),
    Measure("tokens_used_total", _C, "Recipients whose request left, accepted or not.", (_LANE,), preset=_each(_LANE)),
    Measure("nodes", _G, "Nodes that share the rate, this one included."),
    Measure("quota_limit_recipients", _G, "Recipients in 24 hours that SES allows; missing: unlimited, or not known."),
    Measure("quota_used_recipients", _G, "Recipients of the last 24 hours, by our count and the account's."),
    Measure("quota_room_recipients", _G, "Recipients that may still go; missing: no limit.", (_LANE,)),
    Measure("bounces_ratio", _G, "Hard bounces of what was sent, as AWS counts them; missing: too few mails to say."),
    Measure("complaints_ratio", _G, "Complaints of what was sent, as AWS counts them; missing: as above."),
    Measure("reputation_recipients", _G, "Recipients that these two ratios are taken of."),
    # Pauses
    Measure("pauses", _G, "Pauses in force; of senders there may be several for one reason.", (_CONCERN, _REASON)),
    Measure(
        "pause_since_timestamp_seconds", _G, "When the oldest of them began; while there is one.", (_CONCERN, _REASON)
    ),
    Measure(
        "pause_next_probe_timestamp_seconds",
        _G,
        "When one of them is looked at next; missing: a person, or a job of its own, lifts it.",
        (_CONCERN, _REASON),
    ),
    Measure("pauses_begun_total", _C, "Pauses that have begun.", (_CONCERN, _REASON), preset=PAUSES),
    # Doubts
    Measure(
        "doubts_begun_total",
        _C,
        "Attempts that SES may have accepted, though no answer came.",
        (_REASON,),
        preset=((Reason.ANSWER_LOST,), (Reason.ANSWER_UNCLEAR,), (Reason.PROCESS_DIED,)),
    ),
    Measure("doubts_ended_total", _C, "Doubts that have ended, by what ended them.", (_ENDING,), preset=_each(_ENDING)),
    Measure("doubts", _G, "Jobs in doubt, by the age of the doubt; asked once a minute, over all nodes.", (_AGE,)),
    Measure("duplicates_proven_total", _C, "Jobs of which SES is known to have sent more than one mail."),
    # Events
    Measure("events_recorded_total", _C, "SES's events recorded, each once.", (_KIND,), preset=_each(_KIND)),
    Measure(
        "events_quarantined_total",
        _C,
        "Messages of the event queue that are no event to act on.",
        (_REASON,),
        preset=tuple((reason,) for reason in _NO_EVENT),
    ),
    Measure(
        "events_lost_total",
        _C,
        "Mails that SES accepted a day before, and of which no event ever came; counted every hour by one node.",
    ),
    Measure(
        "recipients_reported_total",
        _C,
        "Recipients whom SES's events were about, by whose mailbox it is and what the event says of it; the Send event"
        " says accepted. A recipient is counted again with each further event.",
        (_PROVIDER, _STATUS),
        preset=_each(_PROVIDER, _STATUS),
    ),
    Measure("event_lag_seconds", _H, "From what happened, by SES's clock, until it is on disk here.", buckets=_LAG),
    Measure("last_event_timestamp_seconds", _G, "When the newest event was recorded; once a minute, all nodes."),
    Measure(
        "last_accepted_timestamp_seconds",
        _G,
        "When the newest mail was accepted that should have events; once a minute, all nodes.",
    ),
    Measure(
        "addresses_suppressed_total",
        _C,
        "Addresses that events have put on the suppression list.",
        (_REASON,),
        preset=((Reason.HARD_BOUNCE,), (Reason.SOFT_BOUNCES,), (Reason.COMPLAINT,)),
    ),
    # News for the web server
    Measure("outbox_letters", _G, "News that waits for the web server; asked once a minute, over all nodes."),
    Measure("outbox_oldest_age_seconds", _G, "Age of the oldest of it; 0: none waits."),
    # This process and its surroundings
    Measure("store_transaction_seconds", _H, "How long a transaction of the store took.", buckets=_DISK),
    Measure("store_free_bytes", _G, "Free room on the disk of a SQLite store; asked once a minute."),
    Measure("loop_lag_seconds", _H, "How late the event loop does what is due; measured each second.", buckets=_LOOP),
    Measure("alerts_firing", _G, "Alerts that are on, by name; of several subjects, how many.", (_ALERT, _SEVERITY)),
    Measure("ready", _G, "1 if /readyz says so."),
    Measure("draining", _G, "1 while the daemon stops."),
    Measure("start_timestamp_seconds", _G, "When this process began its work."),
    Measure("build_info", _G, "1, with the version.", (_VERSION,)),
)

BY_NAME: Final[Mapping[str, Measure]] = {measure.name: measure for measure in MEASURES}


def samples_of(measure: Measure) -> Iterator[str]:
    """The names that Prometheus stores it under."""
    if measure.kind is Kind.HISTOGRAM:
        yield from (f"{measure.full_name}_{part}" for part in ("bucket", "sum", "count"))
    else:
        yield measure.full_name
