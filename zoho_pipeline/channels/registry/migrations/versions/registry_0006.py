"""Form capture: salts of channels, form keys, and submissions."""

import sqlalchemy as sa
from alembic import op

revision = "0006"
down_revision = "0005"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table(
        "registry_form_channels",
        sa.Column("channel_id", sa.String(length=64), nullable=False),
        sa.Column("salt_seal", sa.Text(), nullable=False),
        sa.Column("created_at", sa.DateTime(), nullable=False),
        sa.Column("tidied_at", sa.DateTime(), nullable=True),
        sa.PrimaryKeyConstraint("channel_id"),
    )
    op.create_table(
        "registry_form_keys",
        sa.Column("form_key", sa.String(length=64), nullable=False),
        sa.Column("channel_id", sa.String(length=64), nullable=False),
        sa.Column("origins", sa.Text(), nullable=False),
        sa.Column("secret_seal", sa.Text(), nullable=False),
        sa.Column("created_at", sa.DateTime(), nullable=False),
        sa.Column("stored", sa.Integer(), nullable=False),
        sa.Column("suspect", sa.Integer(), nullable=False),
        sa.Column("no_consent", sa.Integer(), nullable=False),
        sa.Column("last_at", sa.DateTime(), nullable=True),
        sa.ForeignKeyConstraint(["channel_id"], ["registry_channels.channel_id"], ondelete="CASCADE"),
        sa.PrimaryKeyConstraint("form_key"),
    )
    op.create_index("registry_form_keys_by_channel", "registry_form_keys", ["channel_id"], unique=False)
    op.create_table(
        "registry_form_submissions",
        sa.Column("channel_id", sa.String(length=64), nullable=False),
        sa.Column("id_hash", sa.String(length=64), nullable=False),
        sa.Column("submission_id", sa.String(length=36), nullable=True),
        sa.Column("content_hash", sa.String(length=64), nullable=True),
        sa.Column("email_key", sa.String(length=64), nullable=True),
        sa.Column("phone_key", sa.String(length=64), nullable=True),
        sa.Column("row", sa.Text(), nullable=True),
        sa.Column("state", sa.String(length=16), nullable=False),
        sa.Column("received_at", sa.DateTime(), nullable=False),
        sa.Column("kept_from", sa.DateTime(), nullable=False),
        sa.PrimaryKeyConstraint("channel_id", "id_hash"),
    )
    op.create_index(
        "registry_form_submissions_by_state", "registry_form_submissions", ["state", "channel_id"], unique=False
    )
    op.create_index(
        "registry_form_submissions_by_age", "registry_form_submissions", ["channel_id", "kept_from"], unique=False
    )
