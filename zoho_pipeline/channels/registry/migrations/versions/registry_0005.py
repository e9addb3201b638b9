"""Changes of leads that are announced before their load; an index for records that no whole sync has followed."""

import sqlalchemy as sa
from alembic import op

revision = "0005"
down_revision = "0004"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table(
        "registry_lead_changes",
        sa.Column("id", sa.Integer(), autoincrement=True, nullable=False),
        sa.Column("channel_id", sa.String(length=64), nullable=False),
        sa.Column("leads", sa.Text(), nullable=False),
        sa.Column("rest", sa.Integer(), nullable=False),
        sa.Column("echoes", sa.Text(), nullable=False),
        sa.Column("witness", sa.Text(), nullable=False),
        sa.Column("at", sa.DateTime(), nullable=False),
        sa.ForeignKeyConstraint(["channel_id"], ["registry_channels.channel_id"], ondelete="CASCADE"),
        sa.PrimaryKeyConstraint("id"),
    )
    op.create_index("registry_lead_changes_by_channel", "registry_lead_changes", ["channel_id"], unique=False)
    op.create_table(
        "registry_lead_changes_untold",
        sa.Column("channel_id", sa.String(length=64), nullable=False),
        sa.Column("count", sa.Integer(), nullable=False),
        sa.Column("at", sa.DateTime(), nullable=False),
        sa.ForeignKeyConstraint(["channel_id"], ["registry_channels.channel_id"], ondelete="CASCADE"),
        sa.PrimaryKeyConstraint("channel_id"),
    )
    op.create_index(
        "registry_push_dirty_uncounted",
        "registry_push_dirty",
        ["channel_id"],
        unique=False,
        sqlite_where=sa.text("counted_at is null"),
        postgresql_where=sa.text("counted_at is null"),
    )
