"""Ledger, receipts, recipients, put-aside jobs, suppressions, known senders, audit."""

from collections.abc import Sequence

import sqlalchemy as sa
from alembic import op

revision = "0001"
down_revision: str | None = None
branch_labels: str | Sequence[str] | None = None
depends_on: str | Sequence[str] | None = None


def upgrade() -> None:
    """Make the first tables."""
    op.create_table(
        "jobs",
        sa.Column("email_id", sa.Text, primary_key=True),
        sa.Column("state", sa.Text, nullable=False),
        sa.Column("content_hash", sa.Text, nullable=False),
        sa.Column("lane", sa.Text, nullable=False),
        sa.Column("queue_message_id", sa.Text, nullable=False),
        sa.Column("first_seen_at", sa.Double, nullable=False),
        sa.Column("updated_at", sa.Double, nullable=False),
        sa.Column("owner", sa.Text, nullable=False),
        sa.Column("attempt", sa.Integer, nullable=False),
        sa.Column("charged", sa.Integer, nullable=False),
        sa.Column("resends", sa.Integer, nullable=False),
        sa.Column("throttles", sa.Integer, nullable=False),
        sa.Column("receipt_handle", sa.Text),
        sa.Column("lease_ends_at", sa.Double),
        sa.Column("due_at", sa.Double),
        sa.Column("started_at", sa.Double),
        sa.Column("first_failed_at", sa.Double),
        sa.Column("accepted_at", sa.Double),
        sa.Column("copied_at", sa.Double),
        sa.Column("ses_message_id", sa.Text),
        sa.Column("reason", sa.Text),
        sa.Column("detail", sa.Text),
        sa.Column("version", sa.Integer, nullable=False),
    )
    op.create_index("jobs_by_state", "jobs", ["state"])
    op.create_index("jobs_by_acceptance", "jobs", ["accepted_at"])
    op.create_table(
        "receipts",
        sa.Column("ses_message_id", sa.Text, primary_key=True),
        sa.Column("email_id", sa.Text, nullable=False),
        sa.Column("attempt", sa.Integer, nullable=False),
        sa.Column("accepted_at", sa.Double, nullable=False),
    )
    op.create_index("receipts_by_job", "receipts", ["email_id"])
    op.create_table(
        "recipients",
        sa.Column("email_id", sa.Text, primary_key=True),
        sa.Column("address", sa.Text, primary_key=True),
        sa.Column("status", sa.Integer, nullable=False),
        sa.Column("reason", sa.Text),
        sa.Column("updated_at", sa.Double, nullable=False),
    )
    op.create_table(
        "asides",
        sa.Column("queue_message_id", sa.Text, primary_key=True),
        sa.Column("email_id", sa.Text),
        sa.Column("kind", sa.Text, nullable=False),
        sa.Column("reason", sa.Text, nullable=False),
        sa.Column("detail", sa.Text, nullable=False),
        sa.Column("raw", sa.Text, nullable=False),
        sa.Column("lane", sa.Text, nullable=False),
        sa.Column("at", sa.Double, nullable=False),
        sa.Column("requeued_at", sa.Double),
    )
    op.create_index("asides_by_time", "asides", ["at"])
    op.create_index("asides_by_job", "asides", ["email_id"])
    op.create_table(
        "suppressions",
        sa.Column("address", sa.Text, primary_key=True),
        sa.Column("reason", sa.Text, nullable=False),
        sa.Column("source", sa.Text, nullable=False),
        sa.Column("note", sa.Text),
        sa.Column("created_at", sa.Double, nullable=False),
        sa.Column("ends_at", sa.Double),
    )
    op.create_table(
        "senders",
        sa.Column("address", sa.Text, primary_key=True),
        sa.Column("accepted_at", sa.Double, nullable=False),
    )
    op.create_table(
        "audit",
        sa.Column("id", sa.BigInteger().with_variant(sa.Integer, "sqlite"), primary_key=True, autoincrement=True),
        sa.Column("at", sa.Double, nullable=False),
        sa.Column("who", sa.Text, nullable=False),
        sa.Column("action", sa.Text, nullable=False),
        sa.Column("subject", sa.Text, nullable=False),
        sa.Column("detail", sa.Text),
    )
    op.create_table(
        "pulse",
        sa.Column("id", sa.Integer, primary_key=True),
        sa.Column("at", sa.Double, nullable=False),
    )


def downgrade() -> None:
    """Drop everything."""
    for name in ("pulse", "audit", "senders", "suppressions", "asides", "recipients", "receipts", "jobs"):
        op.drop_table(name)
