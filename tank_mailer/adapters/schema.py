"""The store's tables, as the newest migration leaves them.

Times are seconds since 1970, UTC, as doubles: the same on both databases, and cheap to read.
"""

from sqlalchemy import BigInteger, Column, Double, Index, Integer, MetaData, Table, Text, text

metadata = MetaData()
COUNTER = BigInteger().with_variant(Integer, "sqlite")  # SQLite counts up its own INTEGER PRIMARY KEY only

jobs = Table(
    "jobs",
    metadata,
    Column("email_id", Text, primary_key=True),
    Column("state", Text, nullable=False),
    Column("content_hash", Text, nullable=False),
    Column("lane", Text, nullable=False),
    Column("queue_message_id", Text, nullable=False),
    Column("first_seen_at", Double, nullable=False),
    Column("updated_at", Double, nullable=False),
    Column("owner", Text, nullable=False),
    Column("attempt", Integer, nullable=False),
    Column("charged", Integer, nullable=False),
    Column("resends", Integer, nullable=False),
    Column("throttles", Integer, nullable=False),
    Column("receipt_handle", Text),
    Column("lease_ends_at", Double),
    Column("due_at", Double),
    Column("started_at", Double),
    Column("first_failed_at", Double),
    Column("accepted_at", Double),
    Column("copied_at", Double),
    Column("ses_message_id", Text),
    Column("reason", Text),
    Column("detail", Text),
    Column("version", Integer, nullable=False),
    Column("configuration_set", Text),  # of the newest attempt
    Column("tag", Text),  # our tag `email_id`, where it is not the id itself
    Index("jobs_by_state", "state", "first_seen_at"),
    Index("jobs_by_acceptance", "accepted_at"),
    Index("jobs_by_tag", "tag", sqlite_where=text("tag IS NOT NULL"), postgresql_where=text("tag IS NOT NULL")),
    Index("jobs_by_time", "updated_at"),
    Index(  # what is in doubt, by the age of the doubt
        "jobs_in_doubt",
        "state",
        "started_at",
        sqlite_where=text("state = 'in_doubt'"),
        postgresql_where=text("state = 'in_doubt'"),
    ),
    Index(  # given up, and on no dead-letter queue
        "jobs_uncopied",
        "state",  # without it SQLite would rather walk all that is dead
        "queue_message_id",
        sqlite_where=text("state = 'dead' AND copied_at IS NULL"),
        postgresql_where=text("state = 'dead' AND copied_at IS NULL"),
    ),
)

receipts = Table(
    "receipts",
    metadata,
    Column("ses_message_id", Text, primary_key=True),
    Column("email_id", Text, nullable=False),
    Column("attempt", Integer, nullable=False),
    Column("accepted_at", Double, nullable=False),
    Column("source", Text, nullable=False, server_default="answer"),  # or `event`
    Index("receipts_by_job", "email_id"),
)

recipients = Table(
    "recipients",
    metadata,
    Column("email_id", Text, primary_key=True),
    Column("address", Text, primary_key=True),
    Column("status", Integer, nullable=False),  # core.status.Status
    Column("reason", Text),
    Column("updated_at", Double, nullable=False),
    Index("recipients_by_address", "address"),
)

asides = Table(
    "asides",
    metadata,
    Column("queue_message_id", Text, primary_key=True),
    Column("email_id", Text),
    Column("kind", Text, nullable=False),
    Column("reason", Text, nullable=False),
    Column("detail", Text, nullable=False),
    Column("raw", Text, nullable=False),
    Column("lane", Text, nullable=False),
    Column("at", Double, nullable=False),
    Column("requeued_at", Double),
    Index("asides_by_time", "at"),
    Index("asides_by_job", "email_id"),
)

suppressions = Table(
    "suppressions",
    metadata,
    Column("address", Text, primary_key=True),
    Column("reason", Text, nullable=False),
    Column("source", Text, nullable=False),
    Column("note", Text),
    Column("created_at", Double, nullable=False),
    Column("ends_at", Double),
    Column("event_key", Text),  # of the event that it comes from
)

events = Table(  # one row for each recipient that an event touches, or one for the whole mail
    "events",
    metadata,
    Column("key", Text, primary_key=True),  # of its content: the same event has the same key however often it comes
    Column("kind", Text, nullable=False),  # core.event.EventKind
    Column("ses_message_id", Text, nullable=False),
    Column("email_id", Text),  # None: a mail that is not ours; the tag's text while its job is unknown
    Column("recipient", Text),  # None: the whole mail
    Column("occurred_at", Double, nullable=False),
    Column("recorded_at", Double, nullable=False),
    Column("mail_at", Double, nullable=False),
    Column("is_ours", Integer, nullable=False),  # carries our tag or header: proof that SES accepted
    Column("is_published", Integer, nullable=False),  # by a configuration set
    Column("attempt", Integer),
    Column("configuration_set", Text),
    Column("status", Integer),  # core.status.Status that it speaks for; None: none
    Column("reason", Text),  # how it was judged
    Column("counts", Integer, nullable=False),  # towards a run of soft bounces
    Column("facts", Text, nullable=False),  # JSON
    Index("events_by_job", "email_id"),
    Index("events_by_mail", "ses_message_id"),
    Index("events_by_recipient", "recipient", "occurred_at"),
    Index("events_by_time", "recorded_at"),
    Index(  # what harms the reputation
        "events_bad",
        "recorded_at",
        sqlite_where=text("kind IN ('bounce', 'complaint')"),
        postgresql_where=text("kind IN ('bounce', 'complaint')"),
    ),
    Index(  # what shows that a channel lives
        "events_sent",
        "configuration_set",
        "recorded_at",
        sqlite_where=text("kind = 'send' AND is_ours = 1"),
        postgresql_where=text("kind = 'send' AND is_ours = 1"),
    ),
)

addresses = Table(  # outlives retention, hence by hash (DESIGN 8)
    "addresses",
    metadata,
    Column("hash", Text, primary_key=True),  # core.address.address_hash
    Column("first_mailed_at", Double, nullable=False),
    Column("last_delivered_at", Double),
)

outbox = Table(
    "outbox",
    metadata,
    Column("id", COUNTER, primary_key=True, autoincrement=True),
    Column("email_id", Text, nullable=False),
    Column("recipient", Text),
    Column("payload", Text, nullable=False),
    Column("created_at", Double, nullable=False),
    Column("due_at", Double),  # None: told, or given up
    Column("tries", Integer, nullable=False),
    Column("told_at", Double),
    Index(
        "outbox_due",
        "due_at",
        "id",
        sqlite_where=text("due_at IS NOT NULL"),
        postgresql_where=text("due_at IS NOT NULL"),
    ),
    Index(
        "outbox_waiting",
        "email_id",
        "id",
        sqlite_where=text("due_at IS NOT NULL"),
        postgresql_where=text("due_at IS NOT NULL"),
    ),
    Index("outbox_by_job", "email_id", "id"),
    Index("outbox_by_time", "created_at"),
)

marks = Table(  # when something was last so: shared by processes and kept over restarts
    "marks",
    metadata,
    Column("name", Text, primary_key=True),
    Column("at", Double, nullable=False),
    Column("count", COUNTER, nullable=False, server_default="0"),
)

senders = Table(
    "senders",
    metadata,
    Column("address", Text, primary_key=True),
    Column("accepted_at", Double, nullable=False),
)

audit = Table(
    "audit",
    metadata,
    Column("id", COUNTER, primary_key=True, autoincrement=True),
    Column("at", Double, nullable=False),
    Column("who", Text, nullable=False),
    Column("action", Text, nullable=False),
    Column("subject", Text, nullable=False),
    Column("detail", Text),
)

pulse = Table(  # one row that a check writes
    "pulse",
    metadata,
    Column("id", Integer, primary_key=True),
    Column("at", Double, nullable=False),
)

volume = Table(  # recipients that SES accepted, by the minute; the simulator's are not counted
    "volume",
    metadata,
    Column("minute", BigInteger, primary_key=True, autoincrement=False),  # since 1970, UTC
    Column("node", Text, primary_key=True),  # so that nodes do not wait for each other
    Column("recipients", Integer, nullable=False),
)

pace = Table(  # the pace that all nodes share, by the server's time
    "pace",
    metadata,
    Column("name", Text, primary_key=True),
    Column("ahead_s", Double, nullable=False),  # how far the spans given out reach beyond `asked_at`
    Column("asked_at", Double, nullable=False),
)

askers = Table(  # the processes that share the pace
    "askers",
    metadata,
    Column("process", Text, primary_key=True),  # NODE/PROCESS
    Column("asked_at", Double, nullable=False),  # by the server's time
)

turns = Table(  # work that one node does for all
    "turns",
    metadata,
    Column("name", Text, primary_key=True),
    Column("owner", Text, nullable=False),  # NODE/PROCESS
    Column("ends_at", Double, nullable=False),  # by the server's time
)

nodes = Table(  # how each running process is
    "nodes",
    metadata,
    Column("process", Text, primary_key=True),  # NODE/PROCESS
    Column("node", Text, nullable=False),
    Column("seen_at", Double, nullable=False),  # by the server's time
    Column("view", Text, nullable=False),  # JSON: core.view.NodeView
)

orders = Table(  # the newest order of a person about each scope; `audit` has them all
    "orders",
    metadata,
    Column("scope", Text, primary_key=True),
    Column("action", Text, nullable=False),  # ports.nodes.Action
    Column("at", Double, nullable=False),  # by the server's time
    Column("who", Text, nullable=False),
    Column("note", Text),
)

alerts = Table(  # those that are on, and for a while those that are over: one that comes and goes is not told each time
    "alerts",
    metadata,
    Column("name", Text, primary_key=True),  # core.alerts.AlertName
    Column("subject", Text, primary_key=True),  # a lane, a queue, a node; "" for the account as a whole
    Column("severity", Text, nullable=False),
    Column("node", Text, nullable=False),  # that found it first
    Column("since", Double, nullable=False),
    Column("seen_at", Double, nullable=False),  # when a node last found it so
    Column("detail", Text, nullable=False),  # a sentence without addresses
    Column("remedy", Text, nullable=False),
    Column("told_at", Double),  # to the alert webhook; before `since`: of an earlier time
    Column("ended_at", Double),  # it is over
    Column("closed_at", Double),  # nothing more is to be told of it
)

usage = Table(  # what AWS bills for beside recipients, by the day and node
    "usage",
    metadata,
    Column("day", BigInteger, primary_key=True, autoincrement=False),  # since 1970, UTC
    Column("node", Text, primary_key=True),
    Column("name", Text, primary_key=True),  # core.cost.Item
    Column("count", COUNTER, nullable=False),
)
