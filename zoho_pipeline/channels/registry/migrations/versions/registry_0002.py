"""A row says that its token request is in flight, so that nobody sends a second one at the same time."""

import sqlalchemy as sa
from alembic import op

revision = "0002"
down_revision = "0001"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.add_column("registry_mints", sa.Column("under_way", sa.Boolean))
