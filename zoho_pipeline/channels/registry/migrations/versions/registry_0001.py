"""The first tables: channels, their modules, tokens, token requests, credits and used consents."""

import sqlalchemy as sa
from alembic import op

revision = "0001"
down_revision = None
branch_labels = None
depends_on = None

ID = sa.String(64)


def _channel(primary_key: bool) -> sa.Column[str]:
    key = sa.ForeignKey("registry_channels.channel_id", ondelete="CASCADE")
    return sa.Column("channel_id", ID, key, primary_key=primary_key, nullable=False)


def upgrade() -> None:
    _channels()
    op.create_table(
        "registry_modules",
        _channel(primary_key=True),
        sa.Column("module", sa.Text, primary_key=True),
        sa.Column("upper_bound", sa.DateTime),
        sa.Column("outcome", sa.Text, nullable=False),
        sa.Column("detail", sa.Text),
        sa.Column("route", sa.Text),
        sa.Column("rows", sa.Integer, nullable=False),
        sa.Column("credits", sa.Float, nullable=False),
        sa.Column("synced_at", sa.DateTime, nullable=False),
    )
    _tokens()
    op.create_table(
        "registry_credits",
        sa.Column("id", sa.Integer, primary_key=True, autoincrement=True),
        _channel(primary_key=False),
        sa.Column("spent_at", sa.DateTime, nullable=False),
        sa.Column("credits", sa.Float, nullable=False),
    )
    op.create_index("registry_credits_by_channel", "registry_credits", ["channel_id", "spent_at"])
    op.create_table(
        "registry_states",
        sa.Column("nonce", sa.String(64), primary_key=True),
        sa.Column("used_at", sa.DateTime, nullable=False),
    )


def _texts(*names: str, nullable: bool) -> tuple[sa.Column[str], ...]:
    return tuple(sa.Column(name, sa.Text, nullable=nullable) for name in names)


def _channels() -> None:
    op.create_table(
        "registry_channels",
        sa.Column("channel_id", ID, primary_key=True),
        *_texts("data_center", "accounts_server", "api_domain", "timezone", "status", nullable=False),
        *_texts("missing_scopes", "field_map", "lead_source_map", "parameters", nullable=False),
        *_texts("refresh_seal", "refresh_fingerprint", nullable=False),
        *_texts("tenant", "org_id", "org_name", "edition", "user_id", "user_name", "currency", nullable=True),
        *_texts("set_timezone", "set_currency", "scopes", "status_detail", "business_hours", nullable=True),
        sa.Column("is_admin", sa.Boolean),
        sa.Column("users_licensed", sa.Integer),
        sa.Column("connected_at", sa.DateTime, nullable=False),
        sa.Column("created_at", sa.DateTime, nullable=False),
    )


def _tokens() -> None:
    op.create_table(
        "registry_access_tokens",
        _channel(primary_key=True),
        sa.Column("seal", sa.Text, nullable=False),
        sa.Column("api_domain", sa.Text, nullable=False),
        sa.Column("refresh_fingerprint", sa.Text, nullable=False),
        sa.Column("scopes", sa.Text),
        sa.Column("minted_at", sa.DateTime, nullable=False),
        sa.Column("expires_at", sa.DateTime, nullable=False),
    )
    op.create_table(
        "registry_mints",
        sa.Column("id", sa.Integer, primary_key=True, autoincrement=True),
        sa.Column("refresh_fingerprint", sa.Text, nullable=False),
        sa.Column("requested_at", sa.DateTime, nullable=False),
        sa.Column("zoho_at", sa.DateTime),
        sa.Column("blocked_seconds", sa.Float),
    )
    op.create_index("registry_mints_by_token", "registry_mints", ["refresh_fingerprint", "requested_at"])
