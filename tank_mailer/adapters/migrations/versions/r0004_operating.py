"""Alerts that are on, and what AWS bills for beside recipients."""

from collections.abc import Sequence

import sqlalchemy as sa
from alembic import op

revision = "0004"
down_revision: str | None = "0003"
branch_labels: str | Sequence[str] | None = None
depends_on: str | Sequence[str] | None = None

COUNTER = sa.BigInteger().with_variant(sa.Integer, "sqlite")
WAITS = sa.text("due_at IS NOT NULL")
PARTIAL = (
    ("jobs_in_doubt", "started_at", "state = 'in_doubt'"),
    ("jobs_uncopied", "queue_message_id", "state = 'dead' AND copied_at IS NULL"),
)


def upgrade() -> None:
    """Add tables and indexes; a daemon of 0003 goes on working beside them."""
    op.create_table(
        "alerts",
        sa.Column("name", sa.Text, primary_key=True),
        sa.Column("subject", sa.Text, primary_key=True),
        sa.Column("severity", sa.Text, nullable=False),
        sa.Column("node", sa.Text, nullable=False),
        sa.Column("since", sa.Double, nullable=False),
        sa.Column("seen_at", sa.Double, nullable=False),
        sa.Column("detail", sa.Text, nullable=False),
        sa.Column("remedy", sa.Text, nullable=False),
        sa.Column("told_at", sa.Double),
        sa.Column("ended_at", sa.Double),
        sa.Column("closed_at", sa.Double),
    )
    op.create_table(
        "usage",
        sa.Column("day", sa.BigInteger, primary_key=True, autoincrement=False),
        sa.Column("node", sa.Text, primary_key=True),
        sa.Column("name", sa.Text, primary_key=True),
        sa.Column("count", COUNTER, nullable=False),
    )
    # How long the oldest job of a state has waited is asked every minute.
    op.drop_index("jobs_by_state", "jobs")
    op.create_index("jobs_by_state", "jobs", ["state", "first_seen_at"])
    for name, column, part in PARTIAL:
        where = sa.text(part)
        op.create_index(name, "jobs", ["state", column], sqlite_where=where, postgresql_where=where)
    # The oldest letter that waits has the lowest id of those.
    op.drop_index("outbox_due", "outbox")
    op.create_index("outbox_due", "outbox", ["due_at", "id"], sqlite_where=WAITS, postgresql_where=WAITS)


def downgrade() -> None:
    """Take them away again."""
    for name, _, _ in PARTIAL:
        op.drop_index(name, "jobs")
    op.drop_index("outbox_due", "outbox")
    op.create_index("outbox_due", "outbox", ["due_at"], sqlite_where=WAITS, postgresql_where=WAITS)
    op.drop_index("jobs_by_state", "jobs")
    op.create_index("jobs_by_state", "jobs", ["state"])
    for name in ("usage", "alerts"):
        op.drop_table(name)
