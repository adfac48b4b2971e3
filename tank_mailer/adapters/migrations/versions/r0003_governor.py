"""What was sent by the minute, the pace and the turns that nodes share, how nodes are, and people's orders."""

from collections.abc import Sequence

import sqlalchemy as sa
from alembic import op

revision = "0003"
down_revision: str | None = "0002"
branch_labels: str | Sequence[str] | None = None
depends_on: str | Sequence[str] | None = None


def upgrade() -> None:
    """Add tables and an index; a daemon of 0002 goes on working with them."""
    where = sa.text("kind IN ('bounce', 'complaint')")
    op.create_index("events_bad", "events", ["recorded_at"], sqlite_where=where, postgresql_where=where)
    op.create_table(
        "volume",
        sa.Column("minute", sa.BigInteger, primary_key=True, autoincrement=False),
        sa.Column("node", sa.Text, primary_key=True),
        sa.Column("recipients", sa.Integer, nullable=False),
    )
    op.create_table(
        "pace",
        sa.Column("name", sa.Text, primary_key=True),
        sa.Column("ahead_s", sa.Double, nullable=False),
        sa.Column("asked_at", sa.Double, nullable=False),
    )
    op.create_table(
        "askers",
        sa.Column("process", sa.Text, primary_key=True),
        sa.Column("asked_at", sa.Double, nullable=False),
    )
    op.create_table(
        "turns",
        sa.Column("name", sa.Text, primary_key=True),
        sa.Column("owner", sa.Text, nullable=False),
        sa.Column("ends_at", sa.Double, nullable=False),
    )
    op.create_table(
        "nodes",
        sa.Column("process", sa.Text, primary_key=True),
        sa.Column("node", sa.Text, nullable=False),
        sa.Column("seen_at", sa.Double, nullable=False),
        sa.Column("view", sa.Text, nullable=False),
    )
    op.create_table(
        "orders",
        sa.Column("scope", sa.Text, primary_key=True),
        sa.Column("action", sa.Text, nullable=False),
        sa.Column("at", sa.Double, nullable=False),
        sa.Column("who", sa.Text, nullable=False),
        sa.Column("note", sa.Text),
    )


def downgrade() -> None:
    """Take it all away again."""
    for name in ("orders", "nodes", "turns", "askers", "pace", "volume"):
        op.drop_table(name)
    op.drop_index("events_bad", "events")
