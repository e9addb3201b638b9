"""Push and write-back: subscriptions, records that a delivery named, wishes for a status and their history."""

import sqlalchemy as sa
from alembic import op

revision = "0004"
down_revision = "0003"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table(
        "registry_push_dirty",
        sa.Column("channel_id", sa.String(length=64), nullable=False),
        sa.Column("module", sa.String(length=64), nullable=False),
        sa.Column("record_id", sa.String(length=32), nullable=False),
        sa.Column("operation", sa.String(length=16), nullable=False),
        sa.Column("is_trusted", sa.Boolean(), nullable=False),
        sa.Column("zoho_at", sa.DateTime(), nullable=True),
        sa.Column("first_seen_at", sa.DateTime(), nullable=False),
        sa.Column("last_seen_at", sa.DateTime(), nullable=False),
        sa.Column("n", sa.Integer(), nullable=False),
        sa.Column("state", sa.String(length=16), nullable=False),
        sa.Column("due_at", sa.DateTime(), nullable=True),
        sa.Column("loaded_at", sa.DateTime(), nullable=True),
        sa.Column("published_at", sa.DateTime(), nullable=True),
        sa.Column("counted_at", sa.DateTime(), nullable=True),
        sa.Column("raw_seconds", sa.Float(), nullable=True),
        sa.Column("insight_seconds", sa.Float(), nullable=True),
        sa.ForeignKeyConstraint(["channel_id"], ["registry_channels.channel_id"], ondelete="CASCADE"),
        sa.PrimaryKeyConstraint("channel_id", "module", "record_id"),
    )
    op.create_index("registry_push_dirty_by_state", "registry_push_dirty", ["state", "channel_id"], unique=False)
    op.create_table(
        "registry_push_loads",
        sa.Column("id", sa.Integer(), autoincrement=True, nullable=False),
        sa.Column("channel_id", sa.String(length=64), nullable=False),
        sa.Column("at", sa.DateTime(), nullable=False),
        sa.Column("module", sa.String(length=64), nullable=False),
        sa.Column("kind", sa.String(length=16), nullable=False),
        sa.Column("ids", sa.Integer(), nullable=False),
        sa.Column("rows", sa.Integer(), nullable=False),
        sa.Column("credits", sa.Float(), nullable=False),
        sa.ForeignKeyConstraint(["channel_id"], ["registry_channels.channel_id"], ondelete="CASCADE"),
        sa.PrimaryKeyConstraint("id"),
    )
    op.create_index("registry_push_loads_by_channel", "registry_push_loads", ["channel_id", "at"], unique=False)
    op.create_table(
        "registry_push_old_hooks",
        sa.Column("hook_hash", sa.String(length=64), nullable=False),
        sa.Column("channel_id", sa.String(length=64), nullable=False),
        sa.Column("token_hash", sa.String(length=64), nullable=False),
        sa.Column("zoho_channel_id", sa.String(length=32), nullable=False),
        sa.Column("until", sa.DateTime(), nullable=False),
        sa.ForeignKeyConstraint(["channel_id"], ["registry_channels.channel_id"], ondelete="CASCADE"),
        sa.PrimaryKeyConstraint("hook_hash"),
    )
    op.create_index(
        "registry_push_old_hooks_by_zoho_channel", "registry_push_old_hooks", ["zoho_channel_id"], unique=False
    )
    op.create_table(
        "registry_push_subscriptions",
        sa.Column("channel_id", sa.String(length=64), nullable=False),
        sa.Column("hook_hash", sa.String(length=64), nullable=False),
        sa.Column("hook_seal", sa.Text(), nullable=False),
        sa.Column("zoho_channel_id", sa.String(length=32), nullable=False),
        sa.Column("token_hash", sa.String(length=64), nullable=False),
        sa.Column("token_seal", sa.Text(), nullable=False),
        sa.Column("workflow_hash", sa.String(length=64), nullable=False),
        sa.Column("workflow_seal", sa.Text(), nullable=False),
        sa.Column("secret_hash", sa.String(length=64), nullable=False),
        sa.Column("secret_seal", sa.Text(), nullable=False),
        sa.Column("events", sa.Text(), nullable=False),
        sa.Column("asked_expiry", sa.DateTime(), nullable=False),
        sa.Column("expires_at", sa.DateTime(), nullable=True),
        sa.Column("renew_at", sa.DateTime(), nullable=True),
        sa.Column("skew_seconds", sa.Float(), nullable=False),
        sa.Column("state", sa.String(length=16), nullable=False),
        sa.Column("detail", sa.Text(), nullable=True),
        sa.Column("created_at", sa.DateTime(), nullable=False),
        sa.Column("renewed_at", sa.DateTime(), nullable=False),
        sa.Column("tries", sa.Integer(), nullable=False),
        sa.Column("next_try_at", sa.DateTime(), nullable=True),
        sa.Column("gap_since", sa.DateTime(), nullable=True),
        sa.Column("last_delivery_at", sa.DateTime(), nullable=True),
        sa.Column("silent_since", sa.DateTime(), nullable=True),
        sa.Column("deliveries", sa.Integer(), nullable=False),
        sa.Column("doubtful", sa.Integer(), nullable=False),
        sa.Column("missed", sa.Integer(), nullable=False),
        sa.Column("idle", sa.Integer(), nullable=False),
        sa.Column("missed_total", sa.Integer(), nullable=False),
        sa.Column("compared_at", sa.DateTime(), nullable=True),
        sa.ForeignKeyConstraint(["channel_id"], ["registry_channels.channel_id"], ondelete="CASCADE"),
        sa.PrimaryKeyConstraint("channel_id"),
    )
    op.create_index("registry_push_subscriptions_by_hook", "registry_push_subscriptions", ["hook_hash"], unique=False)
    op.create_index(
        "registry_push_subscriptions_by_workflow", "registry_push_subscriptions", ["workflow_hash"], unique=False
    )
    op.create_index(
        "registry_push_subscriptions_by_zoho_channel", "registry_push_subscriptions", ["zoho_channel_id"], unique=False
    )
    op.create_table(
        "registry_writeback_settings",
        sa.Column("channel_id", sa.String(length=64), nullable=False),
        sa.Column("state", sa.String(length=16), nullable=False),
        sa.Column("detail", sa.Text(), nullable=True),
        sa.Column("policy", sa.String(length=16), nullable=False),
        sa.Column("to_zoho", sa.Text(), nullable=False),
        sa.Column("from_zoho", sa.Text(), nullable=False),
        sa.Column("trigger", sa.String(length=16), nullable=False),
        sa.Column("picklist", sa.Text(), nullable=False),
        sa.Column("checked_at", sa.DateTime(), nullable=True),
        sa.Column("changed_at", sa.DateTime(), nullable=False),
        sa.ForeignKeyConstraint(["channel_id"], ["registry_channels.channel_id"], ondelete="CASCADE"),
        sa.PrimaryKeyConstraint("channel_id"),
    )
    op.create_table(
        "registry_writebacks",
        sa.Column("id", sa.String(length=64), nullable=False),
        sa.Column("channel_id", sa.String(length=64), nullable=False),
        sa.Column("lead_id", sa.String(length=32), nullable=False),
        sa.Column("status", sa.Text(), nullable=False),
        sa.Column("desired", sa.Text(), nullable=False),
        sa.Column("expected_status", sa.Text(), nullable=True),
        sa.Column("expected_zoho", sa.Text(), nullable=False),
        sa.Column("expected_modified_at", sa.DateTime(), nullable=True),
        sa.Column("state", sa.String(length=16), nullable=False),
        sa.Column("resolution", sa.String(length=16), nullable=True),
        sa.Column("code", sa.String(length=64), nullable=True),
        sa.Column("detail", sa.Text(), nullable=True),
        sa.Column("tries", sa.Integer(), nullable=False),
        sa.Column("next_try_at", sa.DateTime(), nullable=True),
        sa.Column("lease_until", sa.DateTime(), nullable=True),
        sa.Column("worker", sa.Text(), nullable=True),
        sa.Column("sending_since", sa.DateTime(), nullable=True),
        sa.Column("sending_precondition", sa.DateTime(), nullable=True),
        sa.Column("actor", sa.Text(), nullable=True),
        sa.Column("reason", sa.Text(), nullable=True),
        sa.Column("zoho_status", sa.Text(), nullable=True),
        sa.Column("zoho_modified_at", sa.DateTime(), nullable=True),
        sa.Column("echo_seen_at", sa.DateTime(), nullable=True),
        sa.Column("created_at", sa.DateTime(), nullable=False),
        sa.Column("queued_at", sa.DateTime(), nullable=False),
        sa.Column("finished_at", sa.DateTime(), nullable=True),
        sa.ForeignKeyConstraint(["channel_id"], ["registry_channels.channel_id"], ondelete="CASCADE"),
        sa.PrimaryKeyConstraint("id"),
    )
    op.create_index("registry_writebacks_by_channel", "registry_writebacks", ["channel_id", "created_at"], unique=False)
    op.create_index(
        "registry_writebacks_by_lead", "registry_writebacks", ["channel_id", "lead_id", "created_at"], unique=False
    )
    op.create_index("registry_writebacks_due", "registry_writebacks", ["state", "next_try_at"], unique=False)
    op.create_table(
        "registry_writeback_events",
        sa.Column("id", sa.Integer(), autoincrement=True, nullable=False),
        sa.Column("writeback_id", sa.String(length=64), nullable=False),
        sa.Column("at", sa.DateTime(), nullable=False),
        sa.Column("who", sa.Text(), nullable=False),
        sa.Column("from_state", sa.String(length=16), nullable=True),
        sa.Column("to_state", sa.String(length=16), nullable=False),
        sa.Column("code", sa.String(length=64), nullable=True),
        sa.Column("detail", sa.Text(), nullable=True),
        sa.ForeignKeyConstraint(["writeback_id"], ["registry_writebacks.id"], ondelete="CASCADE"),
        sa.PrimaryKeyConstraint("id"),
    )
    op.create_index(
        "registry_writeback_events_by_writeback", "registry_writeback_events", ["writeback_id", "id"], unique=False
    )
