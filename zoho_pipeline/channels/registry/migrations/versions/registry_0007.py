"""Modules beyond the catalogue that a person chose for a channel."""

import sqlalchemy as sa
from alembic import op

revision = "0007"
down_revision = "0006"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.add_column("registry_channels", sa.Column("chosen_modules", sa.Text(), nullable=True))
