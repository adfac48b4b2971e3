"""The store's tables, as the newest migration leaves them.

Times are seconds since 1970, UTC, as doubles: the same on both databases, and cheap to read.
"""

from sqlalchemy import BigInteger, Column, Double, Index, Integer, MetaData, Table, Text

metadata = MetaData()

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
    Index("jobs_by_state", "state"),
    Index("jobs_by_acceptance", "accepted_at"),
)

receipts = Table(
    "receipts",
    metadata,
    Column("ses_message_id", Text, primary_key=True),
    Column("email_id", Text, nullable=False),
    Column("attempt", Integer, nullable=False),
    Column("accepted_at", Double, nullable=False),
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
    Column("id", BigInteger().with_variant(Integer, "sqlite"), primary_key=True, autoincrement=True),
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
