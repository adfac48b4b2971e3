"""SES's events, the outbox to the web server, what is known of addresses, and marks."""

import re
from base64 import urlsafe_b64encode
from collections.abc import Sequence
from hashlib import sha256

import sqlalchemy as sa
from alembic import op

revision = "0002"
down_revision: str | None = "0001"
branch_labels: str | Sequence[str] | None = None
depends_on: str | Sequence[str] | None = None

COUNTER = sa.BigInteger().with_variant(sa.Integer, "sqlite")
PAGE = 1_000


def upgrade() -> None:
    """Add columns and tables; a daemon of 0001 goes on working with them."""
    op.add_column("jobs", sa.Column("configuration_set", sa.Text))
    op.add_column("jobs", sa.Column("tag", sa.Text))
    op.add_column("receipts", sa.Column("source", sa.Text, nullable=False, server_default="answer"))
    op.add_column("suppressions", sa.Column("event_key", sa.Text))
    _fill_tags()
    where = sa.text("tag IS NOT NULL")
    op.create_index("jobs_by_tag", "jobs", ["tag"], sqlite_where=where, postgresql_where=where)
    op.create_index("jobs_by_time", "jobs", ["updated_at"])
    op.create_index("recipients_by_address", "recipients", ["address"])
    op.create_table(
        "events",
        sa.Column("key", sa.Text, primary_key=True),
        sa.Column("kind", sa.Text, nullable=False),
        sa.Column("ses_message_id", sa.Text, nullable=False),
        sa.Column("email_id", sa.Text),
        sa.Column("recipient", sa.Text),
        sa.Column("occurred_at", sa.Double, nullable=False),
        sa.Column("recorded_at", sa.Double, nullable=False),
        sa.Column("mail_at", sa.Double, nullable=False),
        sa.Column("is_ours", sa.Integer, nullable=False),
        sa.Column("is_published", sa.Integer, nullable=False),
        sa.Column("attempt", sa.Integer),
        sa.Column("configuration_set", sa.Text),
        sa.Column("status", sa.Integer),
        sa.Column("reason", sa.Text),
        sa.Column("counts", sa.Integer, nullable=False),
        sa.Column("facts", sa.Text, nullable=False),
    )
    op.create_index("events_by_job", "events", ["email_id"])
    op.create_index("events_by_mail", "events", ["ses_message_id"])
    op.create_index("events_by_recipient", "events", ["recipient", "occurred_at"])
    op.create_index("events_by_time", "events", ["recorded_at"])
    where = sa.text("kind = 'send' AND is_ours = 1")
    op.create_index(
        "events_sent", "events", ["configuration_set", "recorded_at"], sqlite_where=where, postgresql_where=where
    )
    op.create_table(
        "addresses",
        sa.Column("hash", sa.Text, primary_key=True),
        sa.Column("first_mailed_at", sa.Double, nullable=False),
        sa.Column("last_delivered_at", sa.Double),
    )
    op.create_table(
        "outbox",
        sa.Column("id", COUNTER, primary_key=True, autoincrement=True),
        sa.Column("email_id", sa.Text, nullable=False),
        sa.Column("recipient", sa.Text),
        sa.Column("payload", sa.Text, nullable=False),
        sa.Column("created_at", sa.Double, nullable=False),
        sa.Column("due_at", sa.Double),
        sa.Column("tries", sa.Integer, nullable=False),
        sa.Column("told_at", sa.Double),
    )
    where = sa.text("due_at IS NOT NULL")
    op.create_index("outbox_due", "outbox", ["due_at"], sqlite_where=where, postgresql_where=where)
    op.create_index("outbox_waiting", "outbox", ["email_id", "id"], sqlite_where=where, postgresql_where=where)
    op.create_index("outbox_by_job", "outbox", ["email_id", "id"])
    op.create_index("outbox_by_time", "outbox", ["created_at"])
    op.create_table(
        "marks",
        sa.Column("name", sa.Text, primary_key=True),
        sa.Column("at", sa.Double, nullable=False),
        sa.Column("count", COUNTER, nullable=False, server_default="0"),
    )


def _fill_tags() -> None:
    """Write down the tag of every job whose id is none: what `email_id_tag` made of it at the time."""
    jobs = sa.table("jobs", sa.column("email_id", sa.Text), sa.column("tag", sa.Text))
    connection = op.get_bind()
    last = ""
    while True:
        page = sa.select(jobs.c.email_id).where(jobs.c.email_id > last).order_by(jobs.c.email_id).limit(PAGE)
        ids = list(connection.execute(page).scalars())
        if not ids:
            return
        for email_id in ids:
            if not re.fullmatch(r"[A-Za-z0-9_-]{1,255}", email_id):
                digest = sha256(email_id.encode("utf-8", "surrogatepass")).digest()
                tag = urlsafe_b64encode(digest).decode().rstrip("=")
                connection.execute(sa.update(jobs).where(jobs.c.email_id == email_id).values(tag=tag))
        last = ids[-1]


def downgrade() -> None:
    """Take it all away again."""
    for name in ("marks", "outbox", "addresses", "events"):
        op.drop_table(name)
    op.drop_index("recipients_by_address", "recipients")
    op.drop_index("jobs_by_time", "jobs")
    op.drop_index("jobs_by_tag", "jobs")
    for table, column in (
        ("suppressions", "event_key"),
        ("receipts", "source"),
        ("jobs", "tag"),
        ("jobs", "configuration_set"),
    ):
        op.drop_column(table, column)
